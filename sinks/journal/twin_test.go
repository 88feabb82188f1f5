package journal

import (
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"tidegate/internal/vfs/faultfs"
	"tidegate/market"
)

// Random runs of everything a journal goes through, beside a slice that says what must come out.
func TestJournalAgreesWithTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		w.config.PlainSegments = rapid.IntRange(-1, 2).Draw(t, "plain")
		w.config.RetainBytes = rapid.SampledFrom([]int64{0, 20 << 10}).Draw(t, "retain")
		w.config.ReserveBytes = 1
		if err := w.open(); err != nil {
			t.Fatal(err)
		}
		sometimes := 0 // operations until one fails
		w.fs.Inject(nil)
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) { w.append(rapid.IntRange(1, 12).Draw(t, "n")) },
			"flood":  func(t *rapid.T) { w.append(rapid.IntRange(50, 300).Draw(t, "n")) }, // more than memory holds
			"too long": func(t *rapid.T) {
				index, kept := w.j.Append(Header{At: start}, make([]byte, PayloadMax+1))
				w.twin = append(w.twin, twinEntry{item{Header: Header{At: start}}, true})
				if kept || index != uint64(len(w.twin)) {
					t.Fatalf("append: index %d, kept %t", index, kept)
				}
			},
			"commit": func(t *rapid.T) {
				was := w.durable()
				if err := w.j.writer.commit(); err != nil && !errors.Is(err, errDisk) {
					t.Fatal(err)
				}
				if w.durable() < was {
					t.Fatalf("durable went from %d to %d", was, w.durable())
				}
			},
			"keep": func(t *rapid.T) {
				if err := w.j.keeper.turn(); err != nil && !errors.Is(err, errDisk) {
					t.Fatal(err)
				}
			},
			"fail": func(t *rapid.T) {
				sometimes = rapid.IntRange(1, 6).Draw(t, "in")
				wrote := rapid.IntRange(0, 2000).Draw(t, "wrote")
				w.fs.Inject(func(op faultfs.Op) faultfs.Fault {
					if op.N == 0 {
						return faultfs.Fault{}
					}
					if sometimes--; sometimes == 0 {
						return faultfs.Fault{Err: errDisk, Wrote: wrote}
					}
					return faultfs.Fault{}
				})
			},
			"register": func(t *rapid.T) {
				w.fs.Inject(nil)
				w.check() // and so learn what is the oldest
				if err := w.register(rapid.Uint64Range(w.oldest, uint64(len(w.twin))+1).Draw(t, "position")); err != nil {
					t.Fatal(err)
				}
			},
			"reopen": func(t *rapid.T) {
				w.fs.Inject(nil)
				if err := w.closeDown(); err != nil {
					t.Fatal(err)
				}
				if err := w.open(); err != nil {
					t.Fatal(err)
				}
				if w.durable() != uint64(len(w.twin)) {
					t.Fatalf("closed with %d entries, opened with %d", len(w.twin), w.durable())
				}
			},
			"crash": func(t *rapid.T) {
				w.fs.Inject(nil)
				w.fs.Crash(rapid.IntRange(1, 12).Draw(t, "at"))
				durable := w.durable()
				for !w.fs.Crashed() {
					w.append(5)
					if w.j.writer.commit() == nil {
						_ = w.j.keeper.turn()
					}
					durable = w.durable()
				}
				w.reboot(rapid.Uint64().Draw(t, "seed"), durable)
			},
			"index": func(t *rapid.T) {
				w.check()
				i := rapid.Uint64Range(w.oldest, w.durable()+1).Draw(t, "index")
				r := w.reader()
				defer r.Close()
				if err := r.SeekIndex(i); err != nil {
					t.Fatal(err)
				}
				w.wantRead(r, i)
			},
			"time": func(t *rapid.T) {
				w.check()
				at := start + market.Nanos(rapid.Uint64Range(0, (w.count+3)*100).Draw(t, "time"))
				if n := len(w.twin); n > 0 && rapid.Bool().Draw(t, "of an entry") {
					at = w.twin[rapid.IntRange(0, n-1).Draw(t, "entry")].At
				}
				w.wantTime(at)
			},
			"": func(t *rapid.T) {
				if got := w.j.Stats().DurableIndex; got != w.durable() {
					t.Fatalf("stats say %d is durable, want %d", got, w.durable())
				}
			},
		})
		w.fs.Inject(nil)
		if err := w.commit(); err != nil {
			t.Fatal(err)
		}
		w.goOn()
	})
}

func (w *world) reader() *Reader {
	r, err := w.j.NewReader()
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// wantTime seeks a time and compares with what the twin says is first.
func (w *world) wantTime(at market.Nanos) {
	w.t.Helper()
	r := w.reader()
	defer r.Close()
	if err := r.SeekTime(at); err != nil {
		w.t.Fatal(err)
	}
	there := w.twin[:w.durable()]
	i := slices.IndexFunc(there[w.oldest-1:], func(e twinEntry) bool { return !e.dropped && e.At >= at })
	var e Entry
	out, err := r.Next(&e)
	for out == Lost && err == nil {
		out, err = r.Next(&e)
	}
	switch {
	case err != nil:
		w.t.Fatal(err)
	case i < 0 && out == Empty:
	case i < 0 || out != Ready || e.Index != w.oldest+uint64(i):
		w.t.Fatalf("seek %d: outcome %d, index %d; want index %d", at, out, e.Index, w.oldest+uint64(i))
	}
}

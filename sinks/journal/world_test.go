package journal

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"

	"tidegate/internal/vfs/faultfs"
	"tidegate/market"
)

// A world is a journal on a disk that fails, without goroutines, beside its plain twin: a slice of what was
// given to Append.
type world struct {
	t      failer
	fs     *faultfs.FS
	config Config
	j      *Journal // nil after a crash
	twin   []twinEntry
	oldest uint64 // index that must be there
	count  uint64 // of entries ever made: no two are alike
	clock  market.Nanos
	said   []Notice
}

// failer is what a world needs of a test.
type failer interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

type twinEntry struct {
	item
	dropped bool
}

// small is a journal of segments of a few batches.
var small = Config{Dir: "d/journal", SegmentBytes: 8 << 10, QueueBytes: 4 << 10, SpillBytes: 12 << 10, PlainSegments: 1}

func newWorld(t failer) *world {
	return &world{t: t, fs: faultfs.New(), config: small, oldest: 1, clock: start}
}

func (w *world) knobs() knobs {
	return knobs{
		manual: true, batchBytes: 2 << 10, chunkBytes: 1 << 10,
		now: func() market.Nanos { w.clock += market.Second; return w.clock },
		id:  func() uint64 { return 0x1d },
	}
}

func (w *world) open() error {
	c := w.config
	c.FS = w.fs
	c.Notify = func(n Notice) { w.said = append(w.said, n) }
	j, err := open(c, w.knobs())
	if err == nil {
		w.j = j
	}
	return err
}

// append makes n entries, whose times go back now and then.
func (w *world) append(n int) {
	for range n {
		w.count++
		random := rand.New(rand.NewPCG(w.count, 3))
		it := item{Header: Header{
			At:   start + market.Nanos(w.count)*100 - market.Nanos(random.IntN(400)),
			Feed: uint16(w.count), Kind: uint8(random.IntN(256)),
		}}
		it.payload = binary.LittleEndian.AppendUint64(nil, w.count)
		for range random.IntN(150) {
			it.payload = append(it.payload, byte(random.IntN(4)))
		}
		index, kept := w.j.Append(it.Header, it.payload)
		w.twin = append(w.twin, twinEntry{it, !kept})
		if index != uint64(len(w.twin)) {
			w.t.Fatalf("append gave index %d, want %d", index, len(w.twin))
		}
	}
}

// commit writes everything that waits; it returns the first error.
func (w *world) commit() error {
	for {
		at := w.j.writer.safe
		if w.j.queue.at(&at) == nil {
			return nil
		}
		if err := w.j.writer.commit(); err != nil {
			return err
		}
	}
}

func (w *world) durable() uint64 { return w.j.DurableIndex() }

// reboot goes on with what a crash has left, and checks that nothing durable is lost.
func (w *world) reboot(seed uint64, durable uint64) {
	w.t.Helper()
	w.fs, w.j = w.fs.Reboot(seed), nil
	if err := w.open(); err != nil {
		w.t.Fatalf("open after a crash: %v", err)
	}
	if got := w.durable(); got < durable || got > uint64(len(w.twin)) {
		w.t.Fatalf("recovered up to index %d; %d was durable, %d were appended", got, durable, len(w.twin))
	}
	w.twin = w.twin[:w.durable()]
	w.check()
}

// check reads everything and compares it with the twin.
func (w *world) check() {
	w.t.Helper()
	r, err := w.j.NewReader()
	if err != nil {
		w.t.Fatal(err)
	}
	defer r.Close()
	if r.Position() > w.oldest {
		// Retention was at work: registered readers must not miss anything.
		all, err := r.l.positions(w.fs, w.config.Dir)
		if err != nil {
			w.t.Fatal(err)
		}
		if slow, ok := slowest(all); ok && slow.Next < r.Position() {
			w.t.Fatalf("removed up to index %d, reader %s needs %d", r.Position(), slow.Name, slow.Next)
		}
		w.oldest = r.Position()
	}
	w.wantRead(r, w.oldest)
}

// wantRead reads from an index on to what is durable and compares with the twin.
func (w *world) wantRead(r *Reader, from uint64) {
	w.t.Helper()
	next := from
	var e Entry
	for {
		out, err := r.Next(&e)
		if err != nil {
			w.t.Fatal(err)
		}
		switch out {
		case Empty:
			if next != w.durable()+1 {
				w.t.Fatalf("read up to index %d, want %d", next-1, w.durable())
			}
			return
		case Broken:
			w.t.Fatalf("at index %d: %v", next, r.Hole())
		case Lost:
			g := r.Gap()
			if next == from && g.From < from && from <= g.To {
				next = g.From // a gap is told as a whole
			}
			if g.From != next {
				w.t.Fatalf("gap from %d to %d, next is %d", g.From, g.To, next)
			}
			for ; next <= g.To; next++ {
				if !w.twin[next-1].dropped {
					w.t.Fatalf("index %d lies in a gap, and was kept", next)
				}
			}
		case Ready:
			if e.Index != next || w.twin[next-1].dropped || !w.twin[next-1].equals(&e) {
				w.t.Fatalf("index %d, want %d: got %+v, want %+v", e.Index, next, e, w.twin[next-1])
			}
			next++
		}
	}
}

// closeDown closes the journal, whatever happens to it.
func (w *world) closeDown() error {
	j := w.j
	w.j = nil
	return j.Close(context.Background())
}

func (w *world) heard(kind NoticeKind) int {
	n := 0
	for _, s := range w.said {
		if s.Kind == kind {
			n++
		}
	}
	return n
}

// script is a run in which everything happens once: batches, full segments, packing, retention held back by
// a reader, a failed sync, a restart. It stops at the first error, which must be a crash's.
func (w *world) script(failSync func(faultfs.Op) bool) (crashedAt uint64, err error) {
	w.fs.Inject(func(op faultfs.Op) faultfs.Fault {
		if failSync != nil && failSync(op) {
			return faultfs.Fault{Err: errDisk}
		}
		return faultfs.Fault{}
	})
	w.config.RetainBytes = 5 * w.config.SegmentBytes
	durable := uint64(0)
	run := func(step func() error) {
		if err == nil {
			err = step()
		}
		if w.j != nil {
			durable = max(durable, w.durable())
		}
	}
	commit := func() error {
		for range 3 { // a failed sync: again, with a new segment
			if err = w.commit(); err == nil || errors.Is(err, faultfs.ErrCrashed) {
				return err
			}
		}
		return err
	}
	run(w.open)
	for i := range 6 {
		run(func() error { w.append(1 + 13*(i%3)); return commit() }) // up to three batches
		run(func() error { w.append(1 + i); return commit() })
		if i == 2 {
			run(func() error { return w.register(20) })
		}
		run(func() error { return w.keep() })
	}
	run(w.closeDown)
	run(w.open)
	run(func() error { w.append(12); return commit() })
	run(func() error { return w.register(70) })
	run(func() error { return w.keep() })
	run(func() error { w.append(3); return w.closeDown() })
	if err == nil {
		durable = uint64(len(w.twin))
	}
	return durable, err
}

var errDisk = errors.New("the disk failed")

func (w *world) register(next uint64) error {
	r, err := w.j.NewReader()
	if err != nil {
		return err
	}
	defer r.Close()
	r.name = "slow"
	return r.Done(next)
}

// keep is a turn of the keeper. Its failures are repaired by the next one.
func (w *world) keep() error {
	if err := w.j.keeper.turn(); errors.Is(err, faultfs.ErrCrashed) {
		return err
	}
	return nil
}

// goOn shows that the journal works after whatever has happened.
func (w *world) goOn() {
	w.t.Helper()
	w.fs.Inject(nil)
	w.append(15)
	if err := w.commit(); err != nil {
		w.t.Fatal(err)
	}
	if err := w.j.keeper.turn(); err != nil {
		w.t.Fatal(err)
	}
	w.check()
	if err := w.closeDown(); err != nil {
		w.t.Fatal(err)
	}
	report, err := verify(context.Background(), w.fs, w.config.Dir, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	if len(report.Problems) > 0 || report.Tail != 0 || report.Last != uint64(len(w.twin)) {
		w.t.Fatalf("verify: %+v", report)
	}
}

func (e *Entry) String() string {
	return fmt.Sprintf("%d: feed %d kind %d at %d, %d bytes %x", e.Index, e.Feed, e.Kind, e.At, len(e.Payload), bytes.TrimRight(e.Payload[:min(16, len(e.Payload))], "\x00"))
}

package journal

import (
	"bytes"
	"errors"
	"io/fs"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"tidegate/internal/vfs/faultfs"
	"tidegate/market"
)

// fill makes n segments full, and one more that is being written.
func (w *world) fill(n int) {
	w.t.Helper()
	for number := w.j.writer.number; w.j.writer.number < number+uint64(n) || w.j.writer.file == nil; {
		w.append(7)
		if err := w.commit(); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *world) turn() {
	w.t.Helper()
	if err := w.j.keeper.turn(); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) packed() (n int) {
	for _, s := range w.segments() {
		if s.packed {
			n++
		}
	}
	return n
}

func TestPacking(t *testing.T) {
	w := newWorld(t)
	w.config.PlainSegments = 2
	if err := w.open(); err != nil {
		t.Fatal(err)
	}
	w.fill(5)
	before := w.segments()
	plain := w.bytes(before[0].name())
	w.turn()
	if n, k := len(w.segments()), w.packed(); n != 6 || k != 3 {
		t.Fatalf("%d of %d segments are packed, want 3 of 6", k, n)
	}
	if s := w.j.Stats().Kept; s.Segments != 6 || s.Packed != 3 || s.Oldest != 1 || s.Bytes == 0 {
		t.Errorf("stats: %+v", s)
	}
	// Any zstd unpacks it to what it was.
	d, err := zstd.NewReader(bytes.NewReader(w.bytes(w.segments()[0].name())))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	var b bytes.Buffer
	if _, err := d.WriteTo(&b); err != nil || !bytes.Equal(b.Bytes(), plain) {
		t.Errorf("unpacked to %d bytes, want %d: %v", b.Len(), len(plain), err)
	}
	w.check()
	if p := w.verify().Problems; len(p) != 0 {
		t.Errorf("verify: %+v", p)
	}

	// One that is damaged is not packed, and said once.
	name := w.segments()[4].name()
	if err := w.fs.Flip(path.Join(w.config.Dir, name), 700, 1); err != nil {
		t.Fatal(err)
	}
	if err := w.fs.Remove(path.Join(w.config.Dir, strings.TrimSuffix(name, plainExt)+indexExt)); err != nil {
		t.Fatal(err)
	}
	w.fill(4)
	w.turn()
	w.turn()
	if w.heard(Damage) != 1 || w.j.Stats().Kept.Damaged != 1 || w.segments()[4].packed || !w.segments()[5].packed {
		t.Errorf("said %v, %+v", w.said, w.j.Stats().Kept)
	}
}

func TestRetention(t *testing.T) {
	// By size: down to the limit, but not the segment being written.
	w := newWorld(t)
	w.config.RetainBytes = 1
	if err := w.open(); err != nil {
		t.Fatal(err)
	}
	w.fill(4)
	w.turn()
	if l := w.segments(); len(l) != 1 || w.j.Stats().Kept.Removed != 4 || w.j.Stats().Kept.Oldest != l[0].base {
		t.Errorf("%d segments are left, stats %+v", len(l), w.j.Stats().Kept)
	}
	w.check()
	files, _ := w.fs.List(w.config.Dir)
	if len(files) != 2 { // and the mark
		t.Errorf("files are left: %v", files)
	}
	r := w.reader()
	if err := r.SeekIndex(1); !errors.Is(err, ErrRemoved) {
		t.Errorf("seek of what is removed: %v", err)
	}
	if err := r.SeekTime(0); err != nil {
		t.Error(err)
	}
	w.wantRead(r, w.oldest)
	r.Close()

	// By age, since the segment was finished.
	w = newWorld(t)
	w.config.RetainAge = time.Hour
	if err := w.open(); err != nil {
		t.Fatal(err)
	}
	w.fill(3)
	w.clock += 59 * market.Minute
	w.turn()
	if n := len(w.segments()); n != 4 {
		t.Fatalf("%d segments after 59 minutes, want 4", n)
	}
	w.fill(1)
	w.clock += market.Minute
	w.turn()
	if n := len(w.segments()); n != 2 {
		t.Errorf("%d segments after an hour, want the young one and the one being written", n)
	}
	w.check()
}

// A registered reader keeps what it needs, and the journal says who it is.
func TestReaderHoldsRetention(t *testing.T) {
	w := newWorld(t)
	w.config.RetainBytes = 1
	if err := w.open(); err != nil {
		t.Fatal(err)
	}
	w.fill(4)
	second := w.segments()[1]
	r := w.reader()
	defer r.Close()
	if err := r.SeekIndex(second.base + 2); err != nil {
		t.Fatal(err)
	}
	if err := r.Register("post gres"); !errors.Is(err, ErrReaderName) {
		t.Errorf("bad name: %v", err)
	}
	if err := r.Done(1); err == nil {
		t.Error("a reader without a name has a position")
	}
	if err := r.Register("postgres"); err != nil || r.Position() != second.base+2 {
		t.Fatalf("registered at %d: %v", r.Position(), err)
	}
	w.turn()
	w.turn()
	if l := w.segments(); l[0].number != second.number {
		t.Errorf("segments from %d are there, want from %d", l[0].number, second.number)
	}
	if k := w.j.Stats().Kept; k.HeldBy != "postgres" || k.HeldBytes == 0 || w.heard(HeldBack) != 1 {
		t.Errorf("stats %+v, said %v", k, w.said)
	}

	// After a restart it goes on where it was.
	if err := w.closeDown(); err != nil {
		t.Fatal(err)
	}
	if err := w.open(); err != nil {
		t.Fatal(err)
	}
	again := w.reader()
	defer again.Close()
	if err := again.Register("postgres"); err != nil || again.Position() != second.base+2 {
		t.Fatalf("registered again at %d: %v", again.Position(), err)
	}
	w.wantRead(again, second.base+2)
	if err := again.Done(again.Position()); err != nil {
		t.Fatal(err)
	}
	w.turn()
	if l := w.segments(); len(l) != 1 || w.j.Stats().Kept.HeldBy != "" {
		t.Errorf("%d segments are left, stats %+v", len(l), w.j.Stats().Kept)
	}

	// A position that cannot be read holds everything.
	w.fill(2)
	if err := w.fs.Flip(path.Join(w.config.Dir, "postgres"+positionExt), 9, 1); err != nil {
		t.Fatal(err)
	}
	w.turn()
	if n := len(w.segments()); n != 3 {
		t.Errorf("%d segments are left, want 3", n)
	}
	last := w.reader()
	defer last.Close()
	if err := last.Register("postgres"); err != nil || last.Position() != w.segments()[0].base {
		t.Errorf("registered with a damaged position at %d: %v", last.Position(), err)
	}
	l, err := list(w.fs, w.config.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if all, err := l.positions(w.fs, w.config.Dir); err != nil || len(all) != 1 || !all[0].Damaged {
		t.Errorf("positions %+v, %v", all, err)
	}
}

// Short of space: first packing, then the oldest segments, whatever retention says; never what a reader needs;
// then recording stops, and goes on when there is room.
func TestOrderOfSacrifice(t *testing.T) {
	w := newWorld(t)
	w.config.PlainSegments = 100
	w.config.ReserveBytes = 4 << 10
	if err := w.open(); err != nil {
		t.Fatal(err)
	}
	w.fill(6)
	w.turn()
	if w.packed() != 0 || w.heard(SpaceLow) != 0 {
		t.Fatalf("packed without need: %v", w.said)
	}
	left := func(bytes int64) { // so much free space from now on
		w.fs.SetCapacity(1 << 40)
		free, err := w.fs.FreeBytes(w.config.Dir)
		if err != nil {
			t.Fatal(err)
		}
		w.fs.SetCapacity(1<<40 - free + bytes)
	}
	low := w.config.ReserveBytes + 2*w.config.SegmentBytes

	left(low - 1)
	w.turn()
	if w.packed() != 6 || len(w.segments()) != 7 || w.heard(SpaceLow) != 1 {
		t.Fatalf("1. packed %d of %d: %v", w.packed(), len(w.segments()), w.said)
	}

	third := w.segments()[2]
	if err := w.register(third.base); err != nil {
		t.Fatal(err)
	}
	left(100)
	w.turn()
	if l := w.segments(); l[0] != third || w.heard(HeldBack) != 1 {
		t.Fatalf("2. from segment %d on, want from %d: %v", l[0].number, third.number, w.said)
	}

	w.append(200) // more than the segment and memory hold
	var err error
	for range 5 {
		if err = w.j.writer.commit(); err != nil {
			w.j.writer.pause(err)
		}
	}
	if !errors.Is(err, ErrNoSpace) || w.heard(Stalled) != 1 || w.j.Stats().Stalled == "" {
		t.Fatalf("3. %v, said %v", err, w.said)
	}
	w.append(400)
	if !w.j.queue.dropping.Load() {
		t.Fatal("3. nothing was dropped")
	}
	w.check()
	if err := w.register(uint64(len(w.twin))); err != nil {
		t.Fatal(err)
	}
	left(low * 2)
	w.turn()
	for range 5 {
		w.append(1)
		if err := w.commit(); err != nil {
			t.Fatal(err)
		}
	}
	w.check()
	if w.heard(Resumed) != 1 {
		t.Errorf("said %v", w.said)
	}
	reasons := map[Reason]bool{}
	r := w.reader()
	defer r.Close()
	var b Batch
	for {
		out, err := r.NextBatch(&b)
		if err != nil {
			t.Fatal(err)
		}
		if out == Empty {
			break
		}
		if out == Lost {
			reasons[r.Gap().Reason] = true
		}
	}
	if !reasons[DiskFull] && !reasons[QueueFull] {
		t.Errorf("gaps say %v", reasons)
	}
}

// Packing fails at every change: nothing is lost, and the next turn does it.
func TestPackingFails(t *testing.T) {
	for n := 1; ; n++ {
		w := newWorld(t)
		w.config.PlainSegments = -1
		if err := w.open(); err != nil {
			t.Fatal(err)
		}
		w.fill(2)
		seen := 0
		w.fs.Inject(func(op faultfs.Op) faultfs.Fault {
			if op.N > 0 {
				seen++
			}
			if op.N > 0 && seen == n {
				return faultfs.Fault{Err: errDisk, Wrote: 10}
			}
			return faultfs.Fault{}
		})
		err := w.j.keeper.turn()
		if seen < n {
			if n < 10 {
				t.Errorf("packing makes %d changes", n)
			}
			return
		}
		if !errors.Is(err, errDisk) {
			t.Errorf("change %d fails: %v", n, err)
		}
		w.check()
		w.fs.Inject(nil)
		w.turn()
		if w.packed() != 2 {
			t.Errorf("change %d: %d packed afterwards", n, w.packed())
		}
		w.check()
		w.goOn()
	}
}

func TestPositionsOnDisk(t *testing.T) {
	dir := t.TempDir()
	j, err := Open(Config{Dir: dir, ReserveBytes: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer closeJournal(t, j)
	r, err := j.NewReader()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.Register("a-b_c9"); err != nil {
		t.Fatal(err)
	}
	if err := r.Done(17); err != nil {
		t.Fatal(err)
	}
	all, err := Positions(dir)
	if err != nil || len(all) != 1 || all[0].Name != "a-b_c9" || all[0].Next != 17 || all[0].At < start-market.Day*3650 {
		t.Errorf("positions %+v, %v", all, err)
	}
	if err := Unregister(dir, "a-b_c9"); err != nil {
		t.Error(err)
	}
	if err := Unregister(dir, "a-b_c9"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("unregistered twice: %v", err)
	}
	if err := Unregister(dir, "../x"); !errors.Is(err, ErrReaderName) {
		t.Errorf("bad name: %v", err)
	}
	if all, err := Positions(dir); err != nil || len(all) != 0 {
		t.Errorf("positions %+v, %v", all, err)
	}
}

// Times that do not change, over several segments, and then go back: the first entry that was received then or
// later is found, in packed segments and plain ones.
func TestSeekEqualTimes(t *testing.T) {
	w := newWorld(t)
	if err := w.open(); err != nil {
		t.Fatal(err)
	}
	for i := range uint64(400) {
		it := itemAt(i)
		it.At = []market.Nanos{5, 5, 9, 9, 2, 9, 9, 11}[i/50]
		w.j.Append(it.Header, it.payload)
		w.twin = append(w.twin, twinEntry{item: it})
		if i%8 == 7 {
			if err := w.commit(); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.turn()
	if w.packed() < 2 || len(w.segments()) < w.packed()+2 {
		t.Fatalf("%d segments, %d packed: the test tests little", len(w.segments()), w.packed())
	}
	for at := market.Nanos(0); at < 13; at++ {
		w.wantTime(at)
	}
	w.wantTime(noTime)
}

package journal

import (
	"bytes"
	"context"
	"errors"
	"path"
	"strings"
	"testing"

	"tidegate/internal/vfs/faultfs"
)

// closedJournal makes a journal of a few segments and closes it. Its files are synced.
func closedJournal(t *testing.T, plain, commits int) *world {
	t.Helper()
	w := newWorld(t)
	w.config.PlainSegments = plain
	w.config.SegmentBytes = 6 << 10
	if err := w.open(); err != nil {
		t.Fatal(err)
	}
	for range commits {
		w.append(11)
		if err := w.commit(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.j.keeper.turn(); err != nil {
		t.Fatal(err)
	}
	if err := w.closeDown(); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) verify() *Report {
	w.t.Helper()
	report, err := verify(context.Background(), w.fs, w.config.Dir, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return report
}

func (w *world) segments() []segmentFile {
	w.t.Helper()
	l, err := list(w.fs, w.config.Dir)
	if err != nil {
		w.t.Fatal(err)
	}
	return l.segments
}

func (w *world) bytes(name string) []byte {
	w.t.Helper()
	b, err := w.fs.Bytes(path.Join(w.config.Dir, name))
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

func (w *world) put(name string, b []byte) {
	w.t.Helper()
	if err := writeWhole(w.fs, w.config.Dir, name, b); err != nil {
		w.t.Fatal(err)
	}
}

// readThrough reads everything as another process would, and checks what can be read against the twin. It
// returns the indexes that cannot.
func (w *world) readThrough() (missing []uint64, holes []Hole) {
	w.t.Helper()
	r, err := openReader(w.fs, w.config.Dir)
	if err != nil {
		w.t.Fatal(err)
	}
	defer r.Close()
	next := r.Position()
	var e Entry
	for {
		out, err := r.Next(&e)
		switch {
		case err != nil:
			w.t.Fatal(err)
		case out == Empty:
			return missing, holes
		case out == Lost:
			next = r.Gap().To + 1
		case out == Broken:
			h := r.Hole()
			if h.From != next || h.Segment == "" || h.Reason == nil {
				w.t.Fatalf("hole %v, next is %d", h, next)
			}
			holes = append(holes, h)
			for ; next <= h.To; next++ {
				missing = append(missing, next)
			}
		case e.Index != next || !w.twin[next-1].equals(&e):
			w.t.Fatalf("index %d, want %d: %v", e.Index, next, &e)
		default:
			next++
		}
	}
}

// One bit turned over in any byte of any file is found by Verify, and what readers give is right or
// reported. The exceptions are bits of a packed segment that do not change what it unpacks to: then
// everything can be read.
func TestEveryFlippedByteIsFound(t *testing.T) {
	for name, plain := range map[string]int{"plain": 9, "packed": -1} {
		t.Run(name, func(t *testing.T) {
			w := closedJournal(t, plain, 5)
			if r := w.verify(); len(r.Problems) != 0 || r.Tail != 0 || r.Last != uint64(len(w.twin)) {
				t.Fatalf("before: %+v", r)
			}
			files, err := w.fs.List(w.config.Dir)
			if err != nil {
				t.Fatal(err)
			}
			flipped, lost := 0, 0
			for _, f := range files {
				if f.Name == lockName {
					continue
				}
				segment, isSegment := parseSegment(f.Name)
				step := int64(1)
				if isSegment && segment.number > 1 {
					step = 61 // the first ones stand for all
				}
				for at := int64(0); at < f.Bytes; at += step {
					file := path.Join(w.config.Dir, f.Name)
					if err := w.fs.Flip(file, at, 1<<(at%8)); err != nil {
						t.Fatal(err)
					}
					silent := len(w.verify().Problems) == 0
					if silent && !segment.packed {
						t.Fatalf("%s: nobody noticed byte %d of %d", f.Name, at, f.Bytes)
					}
					if silent || at%37 == 0 {
						missing, _ := w.readThrough()
						if lost += len(missing); silent && len(missing) > 0 {
							t.Fatalf("%s: nobody noticed byte %d of %d, and %v are missing", f.Name, at, f.Bytes, missing)
						}
					}
					if err := w.fs.Flip(file, at, 1<<(at%8)); err != nil {
						t.Fatal(err)
					}
					flipped++
				}
			}
			if r := w.verify(); len(r.Problems) != 0 {
				t.Fatalf("after: %+v", r)
			}
			if lost == 0 {
				t.Error("no flip has made an entry unreadable: the test tests nothing")
			}
			t.Logf("%d bytes flipped", flipped)
		})
	}
}

// What is not damaged is read, whatever is damaged around it.
func TestDamageCostsOneBatch(t *testing.T) {
	w := closedJournal(t, 9, 12)
	clean := w.verify()
	seg := clean.Segments[1]
	r, err := openReader(w.fs, w.config.Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.SeekIndex(seg.First + 12); err != nil { // in the second batch
		t.Fatal(err)
	}
	var b Batch
	if out, err := r.NextBatch(&b); out != Ready || err != nil || b.Segment != seg.Name || b.Last == seg.Last {
		t.Fatalf("%d, %v, %+v", out, err, b)
	}
	for what, at := range map[string]int64{"header": 20, "entries": 200, "padding": b.Bytes - 1} {
		file := path.Join(w.config.Dir, seg.Name)
		if err := w.fs.Flip(file, b.Offset+at, 4); err != nil {
			t.Fatal(err)
		}
		missing, holes := w.readThrough()
		if len(holes) != 1 || missing[0] != b.First || missing[len(missing)-1] != b.Last || holes[0].Offset != b.Offset {
			t.Errorf("%s: missing %v, %v; want %d to %d", what, missing, holes, b.First, b.Last)
		}
		p := w.verify().Problems
		if len(p) == 0 || p[0].From != b.First || p[0].To != b.Last || p[0].Segment != seg.Name || p[0].Offset != b.Offset {
			t.Errorf("%s: %+v", what, p)
		}
		if err := w.fs.Flip(file, b.Offset+at, 4); err != nil {
			t.Fatal(err)
		}
	}
}

// Batches that are right by themselves, in a wrong place.
func TestExchangedBatchesAreFound(t *testing.T) {
	w := closedJournal(t, 9, 12)
	segs := w.verify().Segments
	whole := w.bytes(segs[1].Name)
	var at []int64
	for off := int64(segmentHeaderBytes); off < int64(len(whole)); {
		var h batchHeader
		if err := h.parse(whole[off:]); err != nil {
			t.Fatal(err)
		}
		at = append(at, off)
		off += h.bytes()
	}
	at = append(at, int64(len(whole)))
	if len(at) < 4 {
		t.Fatalf("batches at %v", at)
	}
	part := func(i int) []byte { return whole[at[i]:at[i+1]] }
	for name, b := range map[string][]byte{
		"missing":   bytes.Join([][]byte{whole[:at[1]], whole[at[2]:]}, nil),
		"exchanged": bytes.Join([][]byte{whole[:at[1]], part(2), part(1), whole[at[3]:]}, nil),
		"twice":     bytes.Join([][]byte{whole[:at[2]], part(1), whole[at[2]:]}, nil),
		"cut":       whole[:len(whole)-1],
		"no batch":  whole[:segmentHeaderBytes],
		"foreign":   append(whole[:len(whole):len(whole)], w.bytes(segs[2].Name)[segmentHeaderBytes:]...),
		"rewritten": rewritten(t, whole, at),
	} {
		w.put(segs[1].Name, b)
		problems := w.verify().Problems
		if len(problems) == 0 && name != "foreign" { // what comes behind the last index does not count
			t.Errorf("%s: nobody noticed", name)
		}
		missing, _ := w.readThrough()
		if lost := len(missing) > 0; lost != (name == "missing" || name == "exchanged" || name == "cut" || name == "no batch") {
			t.Errorf("%s: missing %v", name, missing)
		}
	}
	w.put(segs[1].Name, whole)
	if p := w.verify().Problems; len(p) != 0 {
		t.Errorf("after: %+v", p)
	}
}

// rewritten changes the feed of an entry and makes both CRCs right again: only the running hash tells.
func rewritten(t *testing.T, whole []byte, at []int64) []byte {
	b := bytes.Clone(whole)
	p := b[at[1]:at[2]]
	var h batchHeader
	if err := h.parse(p); err != nil {
		t.Fatal(err)
	}
	was := h.Durable
	h.Durable-- // a field that nothing else depends on
	h.put(p)
	if h.parse(p) != nil || h.Durable == was {
		t.Fatal("not rewritten")
	}
	return b
}

// A torn tail is set aside and cut off; damage of what was durable is not.
func TestRecoveryTellsTornFromRotten(t *testing.T) {
	made := func() (w *world, at []int64, name string) {
		w = newWorld(t)
		if err := w.open(); err != nil {
			t.Fatal(err)
		}
		for range 4 {
			at = append(at, w.j.writer.end)
			w.append(6)
			if err := w.commit(); err != nil {
				t.Fatal(err)
			}
		}
		at = append(at, w.j.writer.end)
		w.fs.Restart() // killed
		return w, at, segmentFile{number: w.j.writer.number, base: w.j.writer.base}.name()
	}

	// The second of four is rotten: a hole, because the third says that it was durable.
	w, at, name := made()
	if err := w.fs.Flip(path.Join(w.config.Dir, name), at[1]+150, 1); err != nil {
		t.Fatal(err)
	}
	if err := w.open(); err != nil {
		t.Fatal(err)
	}
	if w.durable() != 24 || w.heard(Damage) != 1 || w.heard(Recovered) != 0 {
		t.Errorf("rotten: durable %d, said %v", w.durable(), w.said)
	}
	w.append(5)
	if err := w.commit(); err != nil {
		t.Fatal(err)
	}
	if missing, _ := w.readThrough(); len(missing) != 6 || missing[0] != 7 {
		t.Errorf("rotten: missing %v, want 7 to 12", missing)
	}

	// The last one is rotten: the mark says that it was durable.
	w, at, name = made()
	if err := w.fs.Flip(path.Join(w.config.Dir, name), at[3]+150, 1); err != nil {
		t.Fatal(err)
	}
	if err := w.open(); err != nil {
		t.Fatal(err)
	}
	if w.durable() != 24 || w.heard(Damage) != 1 {
		t.Errorf("rotten end: durable %d, said %v", w.durable(), w.said)
	}

	// The same without a mark: nobody knows. It is cut off, and kept aside.
	w, at, name = made()
	if err := w.fs.Flip(path.Join(w.config.Dir, name), at[3]+150, 1); err != nil {
		t.Fatal(err)
	}
	if err := w.fs.Remove(path.Join(w.config.Dir, markName)); err != nil {
		t.Fatal(err)
	}
	before := w.bytes(name)
	if err := w.open(); err != nil {
		t.Fatal(err)
	}
	if w.durable() != 18 || w.heard(Damage) != 0 || w.heard(Recovered) != 1 {
		t.Errorf("torn: durable %d, said %v", w.durable(), w.said)
	}
	if got := w.bytes(name); !bytes.Equal(got, before[:at[3]]) {
		t.Error("torn: what is before the cut was altered")
	}
	aside := w.bytes(strings.TrimSuffix(name, plainExt) + tornExt)
	if want := bytes.TrimRight(before[at[3]:], "\x00"); !bytes.Equal(aside, want) {
		t.Errorf("torn: %d bytes are aside, want %d", len(aside), len(want))
	}
	if !strings.Contains(w.said[len(w.said)-1].Text, tornExt) {
		t.Errorf("said %v", w.said)
	}

	// The header is rotten: the batches say everything.
	w, _, name = made()
	if err := w.fs.Flip(path.Join(w.config.Dir, name), 20, 1); err != nil {
		t.Fatal(err)
	}
	if err := w.open(); err != nil {
		t.Fatal(err)
	}
	if w.durable() != 24 || w.j.epoch != 2 || w.j.id != 0x1d || w.heard(Damage) != 1 {
		t.Errorf("rotten header: durable %d, epoch %d, said %v", w.durable(), w.j.epoch, w.said)
	}
	w.append(5)
	if err := w.commit(); err != nil {
		t.Fatal(err)
	}
	if missing, _ := w.readThrough(); len(missing) != 0 {
		t.Errorf("rotten header: missing %v", missing)
	}

	// Nothing is right: nobody guesses.
	w, _, name = made()
	w.put(name, make([]byte, 4096))
	if err := w.open(); !errors.Is(err, ErrDamaged) {
		t.Errorf("zeros: %v, want ErrDamaged", err)
	}
	h := segmentHeader{Number: 1, Base: 1}
	newer := h.append(nil)
	newer[8] = 2
	w.put(name, newer)
	if err := w.open(); err == nil {
		t.Error("a segment of a newer version was opened")
	}
}

// A journal whose only segment was given up knows where it goes on.
func TestOnlySegmentFails(t *testing.T) {
	w := newWorld(t)
	w.config.RetainBytes = 1
	if err := w.open(); err != nil {
		t.Fatal(err)
	}
	for range 12 {
		w.append(11)
		if err := w.commit(); err != nil {
			t.Fatal(err)
		}
	}
	w.j.writer.finish()
	fail, batch := faultfs.Sync, false
	w.fs.Inject(func(op faultfs.Op) faultfs.Fault {
		if op.Kind == faultfs.Write {
			batch = op.Offset > 0
		}
		if op.Kind == fail && (batch || fail == faultfs.SyncDir) {
			return faultfs.Fault{Err: errDisk}
		}
		return faultfs.Fault{}
	})
	durable := w.durable()
	for i := range 10 { // syncs of segments fail, then naming them
		if i == 5 {
			fail = faultfs.SyncDir
		}
		w.append(1)
		if err := w.j.writer.commit(); !errors.Is(err, errDisk) {
			t.Fatalf("commit: %v", err)
		}
		if err := w.keep(); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(w.segments()); n == 0 || n > 2 {
		t.Errorf("%d segments are there", n)
	}
	for seed := range uint64(8) {
		after := w.fork()
		after.reboot(seed, durable)
		after.goOn()
	}
}

// Sparse indexes and the lists of frames are conveniences: without them everything is found.
func TestLostIndexes(t *testing.T) {
	for _, damage := range []func(w *world, name string) error{
		func(w *world, name string) error { return w.fs.Remove(path.Join(w.config.Dir, name)) },
		func(w *world, name string) error { return w.fs.Flip(path.Join(w.config.Dir, name), 60, 1) },
		func(w *world, name string) error { // of another segment, right in itself
			l := w.segments()
			w.put(name, w.bytes(l[0].stem()+indexExt))
			return nil
		},
	} {
		w := closedJournal(t, -1, 12)
		for _, s := range w.segments() {
			if !s.packed {
				continue
			}
			if err := damage(w, s.stem()+indexExt); err != nil {
				t.Fatal(err)
			}
			b := w.bytes(s.name())
			w.put(s.name(), b[:len(b)-5]) // the list of frames
		}
		if err := w.open(); err != nil {
			t.Fatal(err)
		}
		for i := uint64(1); i <= w.durable(); i += 7 {
			r := w.reader()
			if err := r.SeekIndex(i); err != nil {
				t.Fatal(err)
			}
			w.wantRead(r, i)
			r.Close()
			w.wantTime(w.twin[i-1].At)
		}
		if err := w.closeDown(); err != nil {
			t.Fatal(err)
		}
	}
}

// A frame of a packed segment is lost; the others are read.
func TestLostFrame(t *testing.T) {
	w := closedJournal(t, -1, 12)
	s := w.segments()[1]
	b := bytes.Clone(w.bytes(s.name()))
	frames, err := readSeekTable(bytes.NewReader(b), int64(len(b)))
	if err != nil || len(frames) < 2 {
		t.Fatalf("%d frames, %v", len(frames), err)
	}
	for i := range frames[1].packedBytes {
		b[frames[1].packedAt+i] = 0xff
	}
	w.put(s.name(), b)
	missing, holes := w.readThrough()
	if len(holes) != 1 || missing[0] != s.base {
		t.Errorf("missing %v, holes %v", missing, holes)
	}
	if p := w.verify().Problems; len(p) < 2 {
		t.Errorf("verify: %+v", p)
	}
}

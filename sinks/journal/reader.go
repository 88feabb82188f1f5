package journal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"tidegate/internal/vfs"
	"tidegate/market"
)

// Outcome is what came of Reader.Next or NextBatch.
type Outcome uint8

// Outcomes.
const (
	Empty  Outcome = iota // everything durable has been read; see Wait
	Ready                 // an entry, or a batch, was read
	Lost                  // a gap that was recorded: see Reader.Gap
	Broken                // entries that cannot be read: see Reader.Hole
)

// ErrRemoved is wrapped by errors about an index that retention has removed.
var ErrRemoved = errors.New("removed by retention")

// A Reader reads a journal from any place on, across segments, packed or not, and follows it while it is
// written. It is owned by one goroutine. Readers disturb neither the journal nor each other.
//
// It goes as far as the journal is durable. A Reader of Journal.NewReader knows that from the journal. One
// of OpenReader knows it from a mark in the directory, whoever writes; what a crash left behind the
// mark it sees when the journal has been opened again.
type Reader struct {
	fs   vfs.FS
	dir  string
	tail tail

	next    uint64 // index
	after   market.Nanos
	byTime  bool // entries before after are skipped
	durable uint64

	l     listing
	seg   segmentFile // that is open
	file  contents
	scan  *scanner
	until uint64 // index at which its successor takes over; 0 if there is none yet

	batch  Batch
	inside bool // batch has entries to be read by Next
	gap    Gap
	hole   Hole

	name string // registered as; "" if not
}

// tail says what is durable.
type tail interface {
	durableIndex() (uint64, error)
	wait(ctx context.Context, index uint64) error
	close() error
}

// OpenReader returns a reader of the journal in a directory, which another process may be writing. It
// begins with the oldest entry. The error wraps ErrNoJournal if there is none.
func OpenReader(dir string) (*Reader, error) { return openReader(vfs.Disk{}, dir) }

func openReader(fsys vfs.FS, dir string) (*Reader, error) {
	t, err := openMarkTail(fsys, dir)
	if err != nil {
		return nil, err
	}
	return newReader(fsys, dir, t)
}

// NewReader returns a reader of the journal, which begins with the oldest entry. Its Wait is woken when
// entries become durable, at once.
func (j *Journal) NewReader() (*Reader, error) {
	return newReader(j.fs, j.cfg.Dir, journalTail{j})
}

type journalTail struct{ *Journal }

func (t journalTail) durableIndex() (uint64, error) { return t.durable.Load(), nil }
func (t journalTail) close() error                  { return nil }

func newReader(fsys vfs.FS, dir string, t tail) (*Reader, error) {
	r := &Reader{fs: fsys, dir: dir, tail: t}
	if err := r.refresh(); err != nil {
		return nil, errors.Join(err, t.close())
	}
	r.next = r.l.segments[0].base
	return r, nil
}

// Close closes the reader. A registered position stays.
func (r *Reader) Close() error {
	return errors.Join(r.leave(), r.tail.close())
}

// Position returns the index of the next entry.
func (r *Reader) Position() uint64 { return r.next }

// Bounds returns the index of the oldest entry there is, and that of the last durable one, which is one
// less if there is none.
func (r *Reader) Bounds() (oldest, durable uint64, err error) {
	if err := r.refresh(); err != nil {
		return 0, 0, err
	}
	durable, err = r.tail.durableIndex()
	return r.l.segments[0].base, max(durable, r.l.segments[0].base-1), err
}

// SeekIndex goes to an index, whether it is there already or not. The error wraps ErrRemoved if it is not
// there any more.
func (r *Reader) SeekIndex(index uint64) error {
	if err := r.seek(max(index, 1)); err != nil {
		return err
	}
	return r.enter()
}

func (r *Reader) seek(index uint64) error {
	r.next, r.byTime, r.inside = index, false, false
	return errors.Join(r.leave(), r.refresh())
}

// SeekTime goes to the first entry that was received at t or later. Gaps and holes that may hold it are
// reported on the way. Receive times may go back: what follows may be older than t.
func (r *Reader) SeekTime(t market.Nanos) error {
	if err := r.seek(1); err != nil {
		return err
	}
	i := len(r.l.segments) - 1
	for ; i > 0; i-- { // most who seek want something recent
		file, err := openSegment(r.fs, r.dir, r.l.segments[i])
		if errors.Is(err, fs.ErrNotExist) {
			return r.SeekTime(t) // removed, or packed: look again
		}
		if err != nil {
			return fmt.Errorf("journal: seek: %w", err)
		}
		h, bad, err := readSegmentHeader(file, r.l.segments[i])
		if err = errors.Join(err, file.Close()); err != nil {
			return fmt.Errorf("journal: seek: %w", err)
		}
		if bad == nil && h.Latest < t {
			break
		}
	}
	r.next = r.l.segments[i].base
	if err := r.enter(); err != nil {
		return err
	}
	if x, err := readIndex(r.fs, r.dir, r.seg); err == nil {
		if row, ok := x.byTime(t); ok && r.scan.isAt(row) {
			r.next = row.first
		}
	}
	r.after, r.byTime = t, true
	return nil
}

// refresh reads the directory.
func (r *Reader) refresh() error {
	l, err := list(r.fs, r.dir)
	if err != nil {
		return err
	}
	r.l = l
	r.until = 0
	for _, s := range l.segments {
		if s.number > r.seg.number {
			r.until = s.base
			break
		}
	}
	return nil
}

// leave closes the segment.
func (r *Reader) leave() error {
	r.scan, r.inside = nil, false
	if r.file == nil {
		return nil
	}
	err := r.file.Close()
	r.file = nil
	return err
}

// enter opens the segment that holds the next index, and goes near it. Segments are packed and removed
// meanwhile: then it looks again.
func (r *Reader) enter() error {
	for try := 0; ; try++ {
		err := r.tryEnter()
		if err == nil || !errors.Is(err, fs.ErrNotExist) || try == 10 {
			return err
		}
		if err := r.refresh(); err != nil {
			return err
		}
	}
}

func (r *Reader) tryEnter() error {
	if err := r.leave(); err != nil {
		return err
	}
	i := r.l.find(r.next)
	if i < 0 {
		return fmt.Errorf("journal: index %d: %w: the oldest is %d", r.next, ErrRemoved, r.l.segments[0].base)
	}
	seg := r.l.segments[i]
	r.seg = seg
	r.until, _ = r.l.until(i)
	file, err := openSegment(r.fs, r.dir, seg)
	if err != nil {
		return fmt.Errorf("journal: open segment: %w", err)
	}
	r.file = file
	s, _, _, err := newScanner(file, seg) // a bad header is no reason not to read the batches
	if err != nil {
		return fmt.Errorf("journal: open segment: %w", err)
	}
	r.scan = s
	if r.next == seg.base {
		return nil
	}
	if x, err := readIndex(r.fs, r.dir, seg); err == nil { // else from the beginning
		if row, ok := x.byIndex(r.next); ok {
			s.isAt(row)
		}
	}
	return nil
}

// isAt goes to where a row of an index points, if there is what the row says.
func (s *scanner) isAt(r row) bool {
	if r.offset < segmentHeaderBytes || r.offset%sectorBytes != 0 {
		return false
	}
	reason, err := s.batchAt(r.offset, whole)
	if reason != nil || err != nil || s.head.First != r.first {
		return false
	}
	s.place = place{offset: r.offset, next: r.first, chain: s.head.Prev, chained: true}
	return true
}

// Next reads the next entry into e. The payload is a view, valid until the next call of a method of the
// reader. An error is one of reading; Next may be called again.
func (r *Reader) Next(e *Entry) (Outcome, error) {
	for {
		if r.inside {
			if r.batch.Next(e) {
				r.next = e.Index + 1
				return Ready, nil
			}
			r.inside = false
		}
		out, err := r.nextBatch()
		if out != Ready || err != nil {
			return out, err
		}
		r.next = r.batch.next
		r.inside = true
	}
}

// NextBatch reads what is left of the next batch into b. It is a view, valid until the next call of a
// method of the reader. An error is one of reading; NextBatch may be called again.
func (r *Reader) NextBatch(b *Batch) (Outcome, error) {
	if !r.inside || len(r.batch.rest) == 0 {
		if out, err := r.nextBatch(); out != Ready || err != nil {
			return out, err
		}
	}
	*b, r.inside = r.batch, false
	r.next = b.Last + 1
	return Ready, nil
}

// Gap returns the gap that was read last, when the outcome was Lost.
func (r *Reader) Gap() Gap { return r.gap }

// Hole returns what cannot be read, when the outcome was Broken.
func (r *Reader) Hole() Hole { return r.hole }

// nextBatch finds the batch that holds the next index, or what there is in its place.
func (r *Reader) nextBatch() (Outcome, error) {
	for {
		if r.next > r.durable {
			var err error
			if r.durable, err = r.tail.durableIndex(); err != nil {
				return Empty, err
			}
			if r.next > r.durable {
				return Empty, nil
			}
		}
		if r.scan == nil {
			if err := r.enter(); err != nil {
				return Empty, err
			}
		}
		found, offset, err := r.step()
		if err != nil {
			return Empty, fmt.Errorf("journal: read %s: %w", r.seg.name(), err)
		}
		switch found {
		case foundEnd: // the successor goes on
			if r.next = max(r.next, r.scan.next); r.next > r.durable {
				continue
			}
			if err := errors.Join(r.refresh(), r.leave()); err != nil {
				return Empty, err
			}
		case foundHole:
			if h := &r.scan.hole; h.To < r.next && (h.Count() > 0 || h.From < r.next) {
				continue // before where the reader wants to be
			}
			r.hole = r.scan.hole
			r.hole.From = max(r.hole.From, r.next)
			r.hole.Segment = r.seg.name()
			r.next = max(r.next, r.hole.To+1)
			return Broken, nil
		case foundBatch:
			if out, ok := r.take(offset); ok {
				return out, nil
			}
		}
	}
}

// take makes the batch that was found the reader's, unless it is before where the reader wants to be.
func (r *Reader) take(offset int64) (Outcome, bool) {
	h := &r.scan.head
	if h.Last < r.next {
		return Empty, false
	}
	if r.byTime && h.Latest < r.after {
		r.next = h.Last + 1
		return Empty, false
	}
	r.batch.set(r.scan, r.seg.name(), offset)
	if g, ok := r.batch.Gap(); ok {
		r.gap, r.next = g, g.To+1
		return Lost, true
	}
	r.batch.skip(r.next)
	if r.byTime {
		r.batch.skipTime(r.after)
		r.byTime = false
	}
	return Ready, true
}

// step looks at what comes next in the segment. Before a hole is believed, it asks whether another segment
// has taken over meanwhile.
func (r *Reader) step() (found outcome, offset int64, err error) {
	s := r.scan
	was, known := s.place, r.until != 0
	found, err = r.stepOver()
	if err == nil && found == foundHole && !known {
		if err = r.refresh(); err != nil {
			return found, 0, err
		}
		s.place = was
		found, err = r.stepOver()
	}
	return found, s.offset - s.head.bytes(), err
}

// stepOver is scanner.step within what is durable. Of batches that the reader does not want, it reads no more
// than the header.
func (r *Reader) stepOver() (outcome, error) {
	s := r.scan
	s.stop = r.durable + 1
	if r.until != 0 {
		s.stop = min(s.stop, r.until)
	}
	s.must = s.stop - 1
	if s.next >= r.next && !r.byTime {
		return s.step(whole)
	}
	was := s.place
	found, err := s.step(headers)
	if found == foundBatch && err == nil && s.head.Last >= r.next && !(r.byTime && s.head.Latest < r.after) {
		s.place = was
		return s.step(whole)
	}
	return found, err
}

// Wait returns when there is something to read, or with the error of ctx. It returns ErrClosed when the
// journal of Journal.NewReader has been closed and everything has been read.
func (r *Reader) Wait(ctx context.Context) error { return r.tail.wait(ctx, r.next) }

package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"sync"
	"time"

	"tidegate/market"
)

// keepEvery is how often the keeper looks if nobody calls it.
const keepEvery = 10 * time.Second

// keeper looks after finished segments: it makes their indexes, packs them, and removes them when
// retention says so. It knows them from the directory, not from the writer, so that what it does is the
// same after a restart.
//
// Short of space it gives up, in this order: 1. room that packing saves, of all finished segments; 2. the
// oldest segments, down to what registered readers need, whatever retention says. What is left then
// is the writer's: it stops, entries wait in memory, and what memory cannot hold becomes a gap.
type keeper struct {
	j      *Journal
	signal chan struct{}
	quit   chan struct{}
	done   chan struct{}

	// Owned by who runs turn.
	damaged map[uint64]bool // segments found damaged: they are said once, and not packed
	held    string          // the reader that was named last as holding retention back
	low     bool            // space was short at the last turn
	removed uint64

	mu    sync.Mutex
	state Kept // a copy for Stats
}

func newKeeper(j *Journal) *keeper {
	return &keeper{
		j: j, signal: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}),
		damaged: map[uint64]bool{},
	}
}

// run works until stop is called.
func (k *keeper) run() {
	defer close(k.done)
	ticker := time.NewTicker(keepEvery)
	defer ticker.Stop()
	for {
		if err := k.turn(); err != nil && !errors.Is(err, errQuit) {
			k.j.notify(Upkeep, "%v", err)
		}
		select {
		case <-k.quit:
			return
		case <-k.signal:
		case <-ticker.C:
		}
	}
}

func (k *keeper) stop() {
	close(k.quit)
	<-k.done
}

// nudge asks for a turn soon: a segment was finished, or space is short.
func (k *keeper) nudge() {
	select {
	case k.signal <- struct{}{}:
	default:
	}
}

func (k *keeper) kept() Kept {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.state
}

// finished returns how many of the segments are finished. The last one whose name is on the disk is not,
// whether it is written or was given up: it says where the journal goes on.
func (k *keeper) finished(l *listing) int {
	live, n := k.j.live.Load(), 0
	for i, s := range l.segments {
		if s.number < live && i+1 < len(l.segments) {
			n = i + 1
		}
	}
	return n
}

// turn does what is due.
func (k *keeper) turn() error {
	l, err := list(k.j.fs, k.j.cfg.Dir)
	if err != nil {
		if errors.Is(err, ErrNoJournal) {
			return nil // it is about to be made
		}
		return err
	}
	low, err := k.spaceLow()
	if err != nil {
		return err
	}
	if low && !k.low {
		k.j.notify(SpaceLow, "free space is short: finished segments are packed, and removed before their time")
	}
	k.low = low
	plain := k.j.cfg.PlainSegments
	if low {
		plain = 0
	}
	err = k.index(&l, plain)
	if !errors.Is(err, errQuit) {
		err = errors.Join(err, k.retain(&l)) // also if packing failed, for want of space perhaps
	}
	k.look(&l)
	if free, ferr := k.j.fs.FreeBytes(k.j.cfg.Dir); low && ferr == nil && free >= k.need() {
		select {
		case k.j.writer.room <- struct{}{}:
		default:
		}
	}
	return err
}

// need is the free space without which no segment is made.
func (k *keeper) need() int64 { return k.j.cfg.SegmentBytes + k.j.cfg.ReserveBytes }

// spaceLow reports whether the segment after the next could not be made.
func (k *keeper) spaceLow() (bool, error) {
	c := &k.j.cfg
	free, err := k.j.fs.FreeBytes(c.Dir)
	return free < c.ReserveBytes+2*c.SegmentBytes, err
}

// makeRoom does what is due before the first segment is made, and returns an error if there is no room
// for it.
func (k *keeper) makeRoom() error {
	c := &k.j.cfg
	need := k.need()
	free, err := k.j.fs.FreeBytes(c.Dir)
	if err == nil && free < need {
		if err = k.turn(); err == nil {
			free, err = k.j.fs.FreeBytes(c.Dir)
		}
	}
	if err != nil {
		return fmt.Errorf("journal: make room: %w", err)
	}
	if free < need {
		return fmt.Errorf("journal: %s: %w: %d MiB, want %d MiB for a segment and the reserve", c.Dir, ErrNoSpace, free>>20, need>>20)
	}
	return nil
}

// index makes missing indexes, and packs what is not to stay plain.
func (k *keeper) index(l *listing, plain int) error {
	n := k.finished(l)
	var failed []error
	for i := range n {
		s := &l.segments[i]
		_, indexed := l.other[s.stem()+indexExt]
		pack := !s.packed && i < n-plain
		if k.damaged[s.number] || indexed && !pack {
			continue
		}
		if k.quitting() {
			return errQuit
		}
		if err := k.finishOne(l, i, pack); err != nil {
			if errors.Is(err, errQuit) {
				return err
			}
			if errors.Is(err, fs.ErrNotExist) {
				continue // the writer had given it up, and has removed it
			}
			failed = append(failed, fmt.Errorf("journal: segment %s: %w", s.name(), err))
		}
	}
	return errors.Join(failed...)
}

var errQuit = errors.New("the journal is being closed")

// quitting reports whether long work is to be left, to be done after the next start.
func (k *keeper) quitting() bool {
	select {
	case <-k.quit:
		return true
	default:
		return false
	}
}

// finishOne reads a finished segment from beginning to end, writes its index, and packs it. One that is
// damaged stays as it is, for somebody to look at.
func (k *keeper) finishOne(l *listing, i int, pack bool) error {
	s := &l.segments[i]
	file, err := openSegment(k.j.fs, k.j.cfg.Dir, *s)
	if err != nil {
		return err
	}
	defer file.Close()
	x, h, holes, err := scanIndex(file, l, i)
	if err != nil {
		return err
	}
	if h.Number == 0 {
		holes = append(holes, Hole{From: s.base, To: s.base - 1, Segment: s.name(), Reason: errors.New("its header is damaged")})
	}
	for _, hole := range holes {
		k.j.notify(Damage, "%v", hole)
	}
	if len(holes) > 0 {
		k.damaged[s.number] = true
		return nil
	}
	if err := writeWhole(k.j.fs, k.j.cfg.Dir, s.stem()+indexExt, x.append(nil)); err != nil {
		return err
	}
	l.other[s.stem()+indexExt] = 0
	if !pack {
		return nil
	}
	return k.pack(s, file, x.bytes)
}

// scanIndex reads segment i, which has a successor, and returns its index, its header (with Number 0 if it
// cannot be read) and what is damaged in it.
func scanIndex(file contents, l *listing, i int) (x *index, h segmentHeader, holes []Hole, err error) {
	seg := l.segments[i]
	s, h, _, err := newScanner(file, seg)
	if err != nil {
		return nil, h, nil, err
	}
	s.stop, _ = l.until(i)
	s.must = s.stop - 1
	x = &index{segment: seg.number, bytes: segmentHeaderBytes, next: seg.base, latest: h.Latest}
	if h.Number == 0 {
		x.latest = noTime
	}
	for {
		offset := s.offset
		found, err := s.step(whole)
		switch {
		case err != nil:
			return nil, h, nil, err
		case found == foundEnd:
			x.journal = s.journal
			return x, h, holes, nil
		case found == foundBatch:
			x.add(offset, &s.head)
		default:
			s.hole.Segment = seg.name()
			holes = append(holes, s.hole)
		}
	}
}

// retain removes the oldest segments, as far as retention, or want of space, demands it and registered
// readers allow it.
func (k *keeper) retain(l *listing) error {
	c := &k.j.cfg
	readers, err := l.positions(k.j.fs, c.Dir)
	if err != nil {
		return err
	}
	slow, registered := slowest(readers)
	total := int64(0)
	for _, s := range l.segments {
		total += s.bytes
	}
	now := k.j.knobs.now()
	var held Kept
	synced := false
	for n := k.finished(l); n > 0; n-- {
		s, next := l.segments[0], l.segments[1]
		due, err := k.due(next, total, now)
		if err != nil {
			return err
		}
		if !due {
			break
		}
		if registered && slow.Next < next.base {
			held = Kept{HeldBy: slow.Name, HeldBytes: s.bytes}
			break
		}
		if registered && !synced { // a crash must not bring back a position whose entries are gone
			if err := k.j.fs.SyncDir(c.Dir); err != nil {
				return err
			}
			synced = true
		}
		err = removeIfThere(k.j.fs, path.Join(c.Dir, s.stem()+tornExt))
		if err = errors.Join(err, k.j.removeSegment(s)); err != nil {
			return err
		}
		k.removed++
		delete(k.damaged, s.number)
		total -= s.bytes
		l.segments = l.segments[1:]
	}
	if held.HeldBy != "" && held.HeldBy != k.held {
		k.j.notify(HeldBack, "reader %s holds retention back: it needs index %d, and the oldest segment should go; %d MiB are kept for it at least",
			slow.Name, slow.Next, held.HeldBytes>>20)
	}
	k.held = held.HeldBy
	k.mu.Lock()
	k.state.HeldBy, k.state.HeldBytes = held.HeldBy, held.HeldBytes
	k.mu.Unlock()
	return nil
}

// due reports whether the oldest segment should go. A segment was finished when its successor was made.
func (k *keeper) due(next segmentFile, total int64, now market.Nanos) (bool, error) {
	c := &k.j.cfg
	if c.RetainBytes > 0 && total > c.RetainBytes {
		return true, nil
	}
	if c.RetainAge > 0 {
		file, err := openSegment(k.j.fs, c.Dir, next)
		if err != nil {
			return false, err
		}
		h, bad, err := readSegmentHeader(file, next)
		if err = errors.Join(err, file.Close()); err != nil {
			return false, err
		}
		if bad == nil && now-h.Created > market.Nanos(c.RetainAge) {
			return true, nil
		}
	}
	return k.spaceLow()
}

// removeSegment removes a segment with its index. The segment goes last, so that nothing is left that
// nobody looks for.
func (j *Journal) removeSegment(s segmentFile) error {
	for _, name := range []string{s.stem() + indexExt, s.name()} {
		if err := removeIfThere(j.fs, path.Join(j.cfg.Dir, name)); err != nil {
			return fmt.Errorf("journal: %w", err)
		}
	}
	return j.fs.SyncDir(j.cfg.Dir)
}

// look takes the figures for Stats.
func (k *keeper) look(l *listing) {
	free, _ := k.j.fs.FreeBytes(k.j.cfg.Dir) // a figure for people; who needs it asks again
	k.mu.Lock()
	defer k.mu.Unlock()
	s := &k.state
	*s = Kept{Damaged: len(k.damaged), FreeBytes: free, Removed: k.removed, HeldBy: s.HeldBy, HeldBytes: s.HeldBytes}
	for _, seg := range l.segments {
		s.Segments++
		s.Bytes += seg.bytes
		if seg.packed {
			s.Packed++
		}
	}
	s.Oldest = l.segments[0].base
}

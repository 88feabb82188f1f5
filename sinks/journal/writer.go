package journal

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"tidegate/internal/vfs"
	"tidegate/market"
)

// commitBytesMax is how much is written before a sync, however much waits: what one failed sync costs.
const commitBytesMax = 8 << 20

// retryEvery is how long the writer waits before it tries a disk again that cannot be written.
const retryEvery = 250 * time.Millisecond

// writer takes entries from the queue and writes them. It is owned by its goroutine (in tests without
// goroutines, by the test).
//
// What is written counts when a sync has returned nil. Until then everything can be done again: the
// entries are in the queue, and the fields that say where the journal ends have the values as of the
// last good sync.
type writer struct {
	j        *Journal
	room     chan struct{} // the keeper has made room
	batchMax int

	// As of the last good sync.
	safe     cursor
	chain    uint64
	latest   market.Nanos
	released uint64 // chunks given back

	file   vfs.File // the segment; nil while there is none
	number uint64   // of the segment, or of the last one there was
	base   uint64
	end    int64 // where the next batch goes

	// Segments in which nothing counts, because nothing was synced. The one whose name was synced last stays
	// until there is another: without any segment, nobody would know at which index the journal goes on.
	stale []segmentFile

	mark     vfs.File // nil if it cannot be written
	failures int      // of commits, in a row

	one   built   // the batch that is being written, if it was not built ahead
	ahead []built // what follows was built meanwhile; in store
	store []byte
}

func newWriter(j *Journal, r *recovered) *writer {
	return &writer{
		j: j, room: make(chan struct{}, 1), batchMax: j.knobs.batchBytes,
		safe: cursor{index: r.next}, chain: r.chain, latest: r.latest, number: r.number,
		one: built{b: make([]byte, 0, j.knobs.batchBytes+sectorBytes)},
	}
}

// start makes the first segment of the epoch.
func (w *writer) start() error {
	if err := w.begin(); err != nil {
		return err
	}
	w.openMark()
	return nil
}

// stop gives up what is open.
func (w *writer) stop() (err error) {
	if w.mark != nil {
		err = w.mark.Close()
		w.mark = nil
	}
	if w.file != nil {
		err = errors.Join(err, w.file.Close())
		w.file = nil
	}
	return err
}

// run writes until the journal is closed.
func (w *writer) run() {
	for w.await() {
		if err := w.commit(); err != nil {
			w.pause(err)
		}
	}
	w.drain()
}

// await returns true when entries are to be written: enough of them, or some for long enough. It returns
// false when the journal is being closed.
func (w *writer) await() bool {
	q, at := w.j.queue, w.safe
	for q.at(&at) == nil {
		q.parked.Store(true)
		if q.at(&at) == nil {
			select {
			case <-q.wake:
			case <-w.j.closing:
				return false
			}
		}
		q.parked.Store(false)
	}
	select {
	case <-w.j.closing:
		return false
	default:
	}
	timer := time.NewTimer(w.j.cfg.CommitEvery)
	defer timer.Stop()
	for q.waiting(w.safe) < w.j.cfg.CommitBytes {
		select {
		case <-timer.C:
			return true
		case <-q.wake:
		case <-w.j.closing:
			return false
		}
	}
	return true
}

// drain writes what is left when the producer has ended, and closes the segment.
func (w *writer) drain() {
	j := w.j
	for {
		finished := j.queue.finish() // the producer's part of the queue is ours now
		at := w.safe
		if j.queue.at(&at) == nil && finished {
			break
		}
		err := w.commit()
		if err == nil {
			continue
		}
		if w.pause(err) {
			last := j.queue.p.index - 1
			j.result = fmt.Errorf("journal: entries %d to %d are not on the disk: %w", w.safe.index, last, err)
			break
		}
	}
	w.finish()
	j.result = errors.Join(j.result, w.stop())
}

// pause waits before the disk is tried again. It reports whether that is not to be done.
func (w *writer) pause(err error) (abandoned bool) {
	w.failures++
	if w.failures == 1 {
		return false // at once: with a new segment
	}
	why, reason := err.Error(), DiskFailed
	if noSpace(err) {
		reason = DiskFull
		w.j.keeper.nudge()
	}
	w.j.queue.why.Store(uint32(reason))
	if w.j.counts.stalled.Swap(&why) == nil {
		w.j.notify(Stalled, "entries from index %d wait in memory: %v", w.safe.index, err)
	}
	if w.j.knobs.manual {
		return true
	}
	timer := time.NewTimer(retryEvery)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-w.room:
	case <-w.j.abandon:
		return true
	}
	return false
}

func noSpace(err error) bool {
	return errors.Is(err, ErrNoSpace) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// commit writes what waits, up to a limit or the end of the segment, and syncs it. After an error the
// segment is given up, and nothing has happened.
func (w *writer) commit() error {
	if w.file == nil {
		if err := w.begin(); err != nil {
			return err
		}
	}
	at, chain, latest, end := w.safe, w.chain, w.latest, w.end
	batches, entries, full := uint64(0), uint64(0), false
	for end-w.end < commitBytesMax {
		x := w.next(at)
		if x == nil {
			break
		}
		h := &x.h
		if end+int64(len(x.b)) > w.j.cfg.SegmentBytes {
			full = true
			break
		}
		h.Segment, h.Prev, h.Durable = w.number, chain, w.safe.index-1
		h.put(x.b)
		if _, err := w.file.WriteAt(x.b, end); err != nil {
			return w.poison(err)
		}
		end, chain, latest, at = end+int64(len(x.b)), chainOf(x.b), max(latest, h.Latest), x.after
		w.written(x)
		batches++
		if !h.Gap {
			entries += uint64(h.Entries)
		}
	}
	if batches > 0 {
		if err := w.sync(at); err != nil {
			return w.poison(err)
		}
		c := &w.j.counts
		c.entries.Add(entries)
		c.batches.Add(batches)
		c.bytes.Add(uint64(end - w.end))
		c.commits.Add(1)
		w.chain, w.latest, w.end = chain, latest, end
		w.advance(at)
	}
	if full {
		w.finish()
	}
	return nil
}

// advance makes known that everything before a place in the queue is durable.
func (w *writer) advance(to cursor) {
	j := w.j
	if to.index < w.safe.index {
		panic(fmt.Sprintf("journal: durable index goes back from %d to %d", w.safe.index, to.index))
	}
	j.queue.at(&to) // on to the next chunk, if this one has ended
	w.safe = to
	j.durable.Store(to.index - 1)
	j.queue.release(&w.released, to)
	w.failures = 0
	if j.counts.stalled.Swap(nil) != nil {
		j.queue.why.Store(uint32(QueueFull))
		j.notify(Resumed, "entries are written again, up to index %d", to.index-1)
	}
	w.writeMark()
	j.announce()
}

package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tidegate/sinks/journal"
)

// A filler reads the journal and makes batches.
type filler struct {
	s    *Sink
	r    *journal.Reader
	pos  positions // as of the beginning of the session
	full chan<- *batch
	free <-chan *batch
	idle func() // everything durable has been read, and what was read has been committed

	in     journal.Batch // what is left of it is read next
	inside bool
}

// run makes batches until ctx ends, and returns nil then.
func (f *filler) run(ctx context.Context) error {
	from := f.pos.least()
	if err := f.r.SeekIndex(from); err != nil && !errors.Is(err, journal.ErrRemoved) {
		return err
	}
	for {
		var b *batch
		select {
		case <-ctx.Done():
			return nil
		case b = <-f.free:
		}
		b.reset(from)
		if err := f.fill(ctx, b); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		b.seal()
		select {
		case <-ctx.Done():
			return nil
		case f.full <- b:
		}
		from = b.end
	}
}

// fill reads entries until the batch is full or its oldest row has waited long enough.
func (f *filler) fill(ctx context.Context, b *batch) error {
	kept := f.s.kept
	var e journal.Entry
	it := item{Entry: &e, journal: f.pos.journal}
	if f.inside {
		b.begun = time.Now()
	}
	for {
		if f.inside {
			it.epoch = f.in.Epoch
			for b.rows < f.s.cfg.BatchRows && b.skipped < batchSkipsMax {
				if !f.in.Next(&e) {
					f.inside = false
					break
				}
				b.end = e.Index + 1
				if f.pos.wants(e.Feed, e.Index) {
					b.add(&it, kept)
				}
			}
			if f.inside {
				return nil
			}
		}
		out, err := f.r.NextBatch(&f.in)
		switch {
		case errors.Is(err, journal.ErrRemoved):
			if err := f.removed(b); err != nil {
				return err
			}
		case err != nil:
			return err
		case out == journal.Ready:
			f.inside = true
		case out == journal.Lost:
			g := f.r.Gap()
			f.missing(b, g.From, g.To, g.Reason.String())
		case out == journal.Broken:
			h := f.r.Hole()
			f.missing(b, h.From, h.To, "damaged: "+h.Reason.Error())
		case out == journal.Empty:
			if done, err := f.rest(ctx, b); done || err != nil {
				return err
			}
		}
		if b.begun.IsZero() && out != journal.Empty {
			b.begun = time.Now()
		}
	}
}

// rest waits when everything durable has been read. done is whether the batch has waited long enough.
func (f *filler) rest(ctx context.Context, b *batch) (done bool, err error) {
	switch wait := f.s.cfg.BatchWait - time.Since(b.begun); {
	case !b.empty() && wait <= 0:
		return true, nil
	case !b.empty():
		return false, f.waitFor(ctx, wait)
	case len(f.free) < cap(f.free)-1: // the batch before is not committed yet
		return false, f.waitFor(ctx, f.s.cfg.BatchWait)
	default:
		f.idle()
		return false, f.r.Wait(ctx)
	}
}

// batchSkipsMax keeps a stretch of entries that make no rows from growing a batch without end.
const batchSkipsMax = 1 << 20

// waitFor waits for more entries, but not for long.
func (f *filler) waitFor(ctx context.Context, d time.Duration) error {
	timed, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	err := f.r.Wait(timed)
	if errors.Is(err, journal.ErrClosed) { // what has been read is committed first
		return sleep(ctx, d)
	}
	if timed.Err() != nil && ctx.Err() == nil {
		return nil
	}
	return err
}

// missing notes entries that cannot be drained. The worker with the first slot does it for all.
func (f *filler) missing(b *batch, from, to uint64, reason string) {
	from = max(from, b.end)
	if to < from {
		return // the damage took no entry
	}
	b.end = to + 1
	if f.pos.slots[0] != 0 {
		return
	}
	if from = max(from, f.pos.next[0]); from <= to {
		b.gaps = append(b.gaps, missing{from, to, reason})
		f.s.notify(Missing, "entries %d to %d are missing: %s", from, to, reason)
	}
}

// removed goes on with the oldest entry that the journal still has.
func (f *filler) removed(b *batch) error {
	oldest, _, err := f.r.Bounds()
	if err != nil {
		return err
	}
	if oldest <= b.end {
		return fmt.Errorf("postgres: entry %d: %w", b.end, journal.ErrRemoved)
	}
	f.missing(b, b.end, oldest-1, "removed by retention before it was drained")
	return f.r.SeekIndex(oldest)
}

package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"tidegate/market"
	"tidegate/sinks/journal"
)

// A worker drains the feeds of some slots through one connection. Two goroutines share its work: one reads
// the journal and encodes the next batch while the other commits the one before.
type worker struct {
	s   *Sink
	pos positions

	leaves map[string]bool // partitions that are known to be there

	acked   atomic.Uint64 // everything before it is committed, and the server has said so
	through atomic.Int64  // receive time up to which the worker has drained: the clock's when nothing waits
}

// errStolen is returned when another drainer has moved the positions.
var errStolen = errors.New("another drainer has moved the positions: is one running already?")

// run drains until ctx ends. It returns an error only if somebody has to do something about it.
func (w *worker) run(ctx context.Context) error {
	failures := 0
	for ctx.Err() == nil {
		done, err := w.s.gate.enter(ctx)
		if err != nil {
			break
		}
		progress, err := w.session(ctx, done)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, ErrConflict):
			w.s.notify(Conflict, "%v", err)
			return err
		}
		if progress {
			failures = 0
		}
		failures++
		w.s.counts.failures.Add(1)
		w.s.notify(Failed, "%v; trying again", err)
		if sleep(ctx, pause(failures)) != nil {
			break
		}
	}
	return nil
}

// session connects, asks where to go on, and drains until something fails. done is told the outcome: success
// when something is committed, or when there is nothing to commit. progress is whether anything was.
func (w *worker) session(ctx context.Context, done func(error)) (progress bool, err error) {
	var once sync.Once
	tell := func(err error) { once.Do(func() { done(err) }) }
	defer func() { tell(err) }()
	conn, err := w.connect(ctx)
	if err != nil {
		return false, err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(ctx) // whatever it left in doubt is asked for
	}()
	r, err := w.s.cfg.Reader()
	if err != nil {
		return false, err
	}
	defer r.Close()
	w.leaves = map[string]bool{}

	reading, stop := context.WithCancel(ctx)
	defer stop()
	full, free := make(chan *batch, 1), make(chan *batch, 2)
	free <- &batch{}
	free <- &batch{}
	idle := func() {
		tell(nil)
		w.through.Store(int64(w.s.cfg.Now()))
	}
	f := &filler{s: w.s, r: r, pos: w.pos, full: full, free: free, idle: idle}
	failed := make(chan error, 1)
	go func() {
		failed <- f.run(reading)
		close(full)
	}()
	defer func() {
		stop()
		for range full {
		}
		if why := <-failed; err == nil {
			err = why
		}
	}()
	for b := range full {
		if err := w.commit(ctx, conn, b); err != nil {
			return progress, err
		}
		progress = true
		tell(nil)
		free <- b
	}
	return progress, nil
}

// connect connects, checks what it has connected to, and reads the positions.
func (w *worker) connect(ctx context.Context) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, w.s.cfg.CommitTimeout)
	defer cancel()
	conn, err := connect(ctx, w.s.dsn)
	if err != nil {
		return nil, err
	}
	err = checkVersion(ctx, conn)
	if err == nil {
		err = checkStandbys(ctx, conn, w.s.cfg.Standbys)
	}
	if err == nil {
		err = w.pos.load(ctx, conn.PgConn(), w.s.setSQL)
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close(ctx))
	}
	w.acked.Store(w.pos.least())
	return conn, nil
}

// commit writes the rows of a batch and the positions behind it in one transaction. After an error nobody
// knows whether it was committed: the positions have to be read again.
func (w *worker) commit(ctx context.Context, conn *pgx.Conn, b *batch) error {
	// What is under way when ctx ends is brought to its end.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.s.cfg.CommitTimeout)
	defer cancel()
	for _, s := range b.streams {
		if err := w.makeRoom(ctx, conn, s); err != nil {
			return err
		}
	}
	pg := conn.PgConn()
	results, err := pg.Exec(ctx, "BEGIN; "+w.s.setSQL+w.pos.advanceSQL(b)).ReadAll()
	if err != nil {
		return fmt.Errorf("postgres: move positions: %w", err)
	}
	if n := results[len(results)-1].CommandTag.RowsAffected(); n != int64(len(w.pos.slots)) {
		return fmt.Errorf("postgres: %w", errStolen)
	}
	for _, s := range b.streams {
		if err := s.copyTo(ctx, pg); err != nil {
			return err
		}
	}
	for _, g := range b.gaps {
		// The text is ours: it has no quotes.
		_, err := pg.Exec(ctx, fmt.Sprintf("INSERT INTO tidegate.journal_gaps (journal, from_index, to_index, reason) VALUES (%d, %d, %d, '%s')",
			w.pos.journal, g.from, g.to, strings.ReplaceAll(g.reason, "'", ""))).ReadAll()
		if err != nil {
			return fmt.Errorf("postgres: note entries %d to %d as missing: %w", g.from, g.to, doubled(err))
		}
	}
	results, err = pg.Exec(ctx, "COMMIT").ReadAll()
	if err != nil {
		return fmt.Errorf("postgres: commit entries %d to %d: %w", b.from, b.end-1, err)
	}
	if tag := results[0].CommandTag.String(); tag != "COMMIT" {
		return fmt.Errorf("postgres: commit entries %d to %d: the server answered %s", b.from, b.end-1, tag)
	}
	w.pos.advance(b)
	w.acked.Store(w.pos.least())
	if b.through > market.Nanos(w.through.Load()) {
		w.through.Store(int64(b.through))
	}
	w.s.committed(b)
	return nil
}

// copyTo sends the rows.
func (s *stream) copyTo(ctx context.Context, pg *pgconn.PgConn) error {
	into := s.table.partitionAt(s.leaf.from)
	tag, err := pg.CopyFrom(ctx, s.reader(), s.table.copySQL(into))
	switch {
	case err != nil:
		return fmt.Errorf("postgres: copy to %s: %w", into, doubled(err))
	case tag.RowsAffected() != int64(s.rows):
		return fmt.Errorf("postgres: copy to %s: the server took %d rows of %d", into, tag.RowsAffected(), s.rows)
	}
	return nil
}

// makeRoom sees to it that the partition for a stream is there. Those of the present were made long ago; this
// is for clocks that jump, and for old recordings.
func (w *worker) makeRoom(ctx context.Context, conn *pgx.Conn, s *stream) error {
	name := s.table.partitionAt(s.leaf.from)
	if s.table.parts == whole || w.leaves[name] {
		return nil
	}
	made, err := w.s.parts.ensureFor(ctx, conn, s.table, s.leaf.from)
	if err != nil {
		return err
	}
	if made {
		w.s.counts.onDemand.Add(1)
	}
	if len(w.leaves) > 10_000 {
		clear(w.leaves)
	}
	w.leaves[name] = true
	return nil
}

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

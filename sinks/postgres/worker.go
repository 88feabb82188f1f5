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

// A worker drains the feeds of some slots. A goroutine reads the journal and makes batches; lanes, each with a
// connection, commit them in turn.
//
//	lane 1   BEGIN  COPY batch 1  UPDATE position  COMMIT | BEGIN  COPY batch 3 ...
//	lane 2          BEGIN  COPY batch 2 . . . . . . . . . . UPDATE position  COMMIT
//
// So the server takes the rows of a batch while the one before waits for the disk, or for a standby. Batches are
// committed in order: the position of batch 2 is moved when the server has acknowledged batch 1.
type worker struct {
	s   *Sink
	pos positions // as of the last commit; whose turn it is changes them

	acked   atomic.Uint64 // everything before it is committed, and the server has said so
	through atomic.Int64  // receive time up to which the worker has drained: the clock's when nothing waits
}

// lanesPerWorker is how many connections a worker has.
const lanesPerWorker = 2

// errStolen is returned when another drainer has moved the positions.
var errStolen = errors.New("another drainer has moved the positions: is one running already?")

// run drains until ctx ends, or until the journal is closed and everything is committed. It returns an error only
// if somebody has to do something about it.
func (w *worker) run(ctx context.Context) error {
	failures, conflictAt := 0, uint64(0)
	for ctx.Err() == nil {
		done, err := w.s.gate.enter(ctx)
		if err != nil {
			break
		}
		progress, err := w.session(ctx, done)
		if ctx.Err() != nil || errors.Is(err, journal.ErrClosed) {
			break
		}
		if errors.Is(err, ErrConflict) {
			// Another drainer may have committed the same rows just now: then the position has moved.
			if at := w.pos.least(); at != conflictAt {
				conflictAt = at
			} else {
				w.s.notify(Conflict, "%v", err)
				return err
			}
		}
		if progress {
			failures = 0
		}
		failures++
		w.s.failed(err)
		if sleep(ctx, pause(failures)) != nil {
			break
		}
	}
	return nil
}

// A session is what a worker does between connecting and the first failure.
type session struct {
	w     *worker
	full  chan *batch // from the filler, in order
	free  chan *batch // back to it
	works func()      // called when something is committed, or when there is nothing to commit

	fail     context.CancelCauseFunc // ends the session; the first one counts
	failed   context.Context
	progress atomic.Bool // something was committed
}

// session connects, asks where to go on, and drains until something fails. done is told the outcome. progress is
// whether anything was committed.
func (w *worker) session(ctx context.Context, done func(error)) (progress bool, err error) {
	var once sync.Once
	tell := func(err error) { once.Do(func() { done(err) }) }
	defer func() { tell(err) }()
	lanes, err := w.connect(ctx)
	if err != nil {
		return false, err
	}
	defer func() {
		for _, l := range lanes {
			l.close(ctx)
		}
	}()
	r, err := w.s.cfg.Reader()
	if err != nil {
		return false, err
	}
	defer r.Close()
	s := &session{w: w, full: make(chan *batch, 1), free: make(chan *batch, lanesPerWorker+1), works: func() { tell(nil) }}
	// What is under way when ctx ends is brought to its end; a failure ends everything.
	s.failed, s.fail = context.WithCancelCause(context.WithoutCancel(ctx))
	defer s.fail(nil)
	reading, stop := context.WithCancel(ctx)
	defer stop()
	context.AfterFunc(s.failed, stop)
	for range cap(s.free) {
		s.free <- &batch{}
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(s.full)
		f := &filler{s: w.s, r: r, pos: w.pos, full: s.full, free: s.free, idle: s.idle}
		if err := f.run(reading); err != nil {
			s.fail(err)
		}
	})
	s.dispatch(lanes)
	wg.Wait()
	return s.progress.Load(), context.Cause(s.failed)
}

// idle notes that everything durable is committed.
func (s *session) idle() {
	s.works()
	s.w.through.Store(int64(s.w.s.cfg.Now()))
}

// dispatch gives the batches to the lanes, in turn, until there are no more or something fails.
func (s *session) dispatch(lanes []*lane) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, l := range lanes {
		wg.Go(func() {
			for j := range l.jobs {
				if err := s.commit(l, j); err != nil {
					s.fail(err)
				}
			}
		})
		defer close(l.jobs)
	}
	before := &job{begun: make(chan struct{}), done: make(chan struct{})}
	close(before.begun)
	close(before.done)
	for n := 0; ; n++ {
		b, ok := <-s.full
		if !ok || s.failed.Err() != nil {
			break
		}
		j := &job{batch: b, before: before, begun: make(chan struct{}), done: make(chan struct{})}
		select {
		case lanes[n%len(lanes)].jobs <- j:
		case <-s.failed.Done():
		}
		before = &job{begun: j.begun, done: j.done} // without the one before it
	}
	for range s.full { // the filler may be about to hand one over
	}
}

// A job is a batch to be committed after another one.
type job struct {
	*batch
	before      *job
	begun, done chan struct{} // closed when its transaction has begun, and when it is committed
}

// A lane is a connection.
type lane struct {
	conn   *pgx.Conn
	jobs   chan *job
	leaves map[string]bool // partitions that are known to be there
}

func (l *lane) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = l.conn.Close(ctx) // whatever it left in doubt is asked for
}

// connect connects the lanes, checks what they have connected to, and reads the positions.
func (w *worker) connect(ctx context.Context) (lanes []*lane, err error) {
	ctx, cancel := context.WithTimeout(ctx, w.s.cfg.CommitTimeout)
	defer cancel()
	defer func() {
		if err != nil {
			for _, l := range lanes {
				l.close(ctx)
			}
		}
	}()
	for range lanesPerWorker {
		conn, err := connect(ctx, w.s.dsn)
		if err != nil {
			return lanes, err
		}
		lanes = append(lanes, &lane{conn: conn, jobs: make(chan *job), leaves: map[string]bool{}})
		if err := checkVersion(ctx, conn); err != nil {
			return lanes, err
		}
		if err := checkStandbys(ctx, conn, w.s.cfg.Standbys); err != nil {
			return lanes, err
		}
	}
	// If the lanes have found different servers, the position of one of them cannot be moved.
	if err := w.pos.load(ctx, lanes[0].conn.PgConn(), w.s.setSQL); err != nil {
		return lanes, err
	}
	w.acked.Store(w.pos.least())
	return lanes, nil
}

// commit writes the rows of a batch and the positions behind it in one transaction. After an error nobody
// knows whether it was committed: the positions have to be read again.
func (s *session) commit(l *lane, j *job) error {
	ctx, cancel := context.WithTimeout(s.failed, s.w.s.cfg.CommitTimeout)
	defer cancel()
	for _, st := range j.streams {
		if err := s.w.makeRoom(ctx, l, st); err != nil {
			return err
		}
	}
	// Behind a pooler, a transaction that waits for the one before must not keep the connection that that
	// one waits for.
	if err := s.await(ctx, j.before.begun); err != nil {
		return err
	}
	pg := l.conn.PgConn()
	if _, err := pg.Exec(ctx, "BEGIN; "+s.w.s.setSQL).ReadAll(); err != nil {
		return fmt.Errorf("postgres: begin: %w", err)
	}
	close(j.begun)
	for _, st := range j.streams {
		if err := st.copyTo(ctx, pg); err != nil {
			return err
		}
	}
	for _, g := range j.gaps {
		if err := s.w.noteMissing(ctx, pg, g); err != nil {
			return err
		}
	}
	if err := s.await(ctx, j.before.done); err != nil {
		return err
	}
	if err := s.w.finish(ctx, pg, j.batch); err != nil {
		return err
	}
	close(j.done)
	s.progress.Store(true)
	s.works()
	s.free <- j.batch
	return nil
}

// await waits for the batch before.
func (s *session) await(ctx context.Context, c <-chan struct{}) error {
	select {
	case <-c:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("postgres: wait for the batch before: %w", ctx.Err())
	}
}

func (w *worker) noteMissing(ctx context.Context, pg *pgconn.PgConn, g missing) error {
	_, err := pg.Exec(ctx, fmt.Sprintf("INSERT INTO tidegate.journal_gaps (journal, from_index, to_index, reason) VALUES (%d, %d, %d, '%s')",
		w.pos.journal, g.from, g.to, strings.ReplaceAll(g.reason, "'", "''"))).ReadAll()
	if err != nil {
		return fmt.Errorf("postgres: note entries %d to %d as missing: %w", g.from, g.to, doubled(err))
	}
	return nil
}

// finish moves the positions and commits.
func (w *worker) finish(ctx context.Context, pg *pgconn.PgConn, b *batch) error {
	results, err := pg.Exec(ctx, w.pos.advanceSQL(b)).ReadAll()
	if err != nil {
		return fmt.Errorf("postgres: move positions: %w", err)
	}
	if n := results[0].CommandTag.RowsAffected(); n != int64(len(w.pos.slots)) {
		return fmt.Errorf("postgres: %w", errStolen)
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
func (w *worker) makeRoom(ctx context.Context, l *lane, s *stream) error {
	name := s.table.partitionAt(s.leaf.from)
	if s.table.parts == whole || l.leaves[name] {
		return nil
	}
	made, err := w.s.parts.ensureFor(ctx, l.conn, s.table, s.leaf.from)
	if err != nil {
		return err
	}
	if made {
		w.s.counts.onDemand.Add(1)
	}
	if len(l.leaves) > 10_000 {
		clear(l.leaves)
	}
	l.leaves[name] = true
	return nil
}

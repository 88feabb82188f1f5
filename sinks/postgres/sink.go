package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"tidegate/market"
	"tidegate/sinks/journal"
)

// A Sink drains a journal into a database. Run does the work; Stats may be called by everybody.
type Sink struct {
	cfg    Config
	dsn    *pgx.ConnConfig
	kept   *tableSet
	setSQL string // what every transaction begins with
	gate   *gate
	parts  *keeper

	workers  []*worker
	notifyMu sync.Mutex
	counts   struct {
		rows, bytes, skipped, missing, batches, failures, onDemand, unreadable atomic.Uint64
	}
	durable atomic.Uint64
}

// Stats are figures of a sink that runs. Counts are since the start.
type Stats struct {
	Rows       uint64
	Bytes      uint64 // of COPY
	Skipped    uint64 // entries of tables that are not kept
	Missing    uint64 // entries that the journal does not have
	Unreadable uint64 // entries that were kept as they are
	Batches    uint64 // transactions
	Failures   uint64 // attempts that failed
	OnDemand   uint64 // partitions that were not made ahead
	Server     string // "closed" if it is relied on, "open" if it is down, "half-open" if it is being tried

	Next        uint64        // everything before it is committed
	LagEntries  uint64        // durable in the journal and not committed
	LagTime     time.Duration // age of the oldest of them, at most; 0 if there is none
	Partitions  Upkept
	JournalHeld uint64 // the journal keeps everything from here on
}

// New returns a sink. It does not connect.
func New(c Config) (*Sink, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c.setDefaults()
	dsn, err := parseDSN(c.DSN)
	if err != nil {
		return nil, err
	}
	s := &Sink{cfg: c, dsn: dsn, kept: c.kept(), gate: newGate()}
	if c.SynchronousCommit != "" {
		s.setSQL = fmt.Sprintf("SET LOCAL synchronous_commit = %s; ", c.SynchronousCommit)
	}
	s.parts = newKeeper(s)
	for i := range c.Workers {
		w := &worker{s: s}
		for slot := i; slot < slots; slot += c.Workers {
			w.pos.slots = append(w.pos.slots, slot)
		}
		s.workers = append(s.workers, w)
	}
	return s, nil
}

// Run drains until ctx ends; then it commits what is under way and returns nil. If the readers are those of a
// journal in this process, it also returns when that is closed and everything is committed. It returns an error at once
// if the server refuses the role, or has no schema or a wrong one, or too few standbys: at the start only.
// Later it tries again for as long as it takes, except when rows prove to be there already.
func (s *Sink) Run(ctx context.Context) error {
	held, err := s.cfg.Reader()
	if err != nil {
		return err
	}
	defer held.Close()
	if err := s.begin(ctx, held); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var workers, others sync.WaitGroup
	for _, w := range s.workers {
		workers.Go(func() {
			if err := w.run(ctx); err != nil {
				stop(err)
			}
		})
	}
	others.Go(func() { s.parts.run(ctx) })
	others.Go(func() { s.look(ctx, held) })
	workers.Wait()
	stop(nil)
	others.Wait()
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return s.release(held)
}

// begin makes sure that draining can begin, as long as the server can be reached at all.
func (s *Sink) begin(ctx context.Context, held *journal.Reader) error {
	id, err := held.ID()
	if err != nil {
		return err
	}
	if err := held.Register(s.cfg.ReaderName); err != nil && !errors.Is(err, journal.ErrRemoved) {
		return err
	}
	for failures := 0; ; failures++ {
		number, err := s.enroll(ctx, held, fmt.Sprintf("%016x", id))
		if err == nil {
			for _, w := range s.workers {
				w.pos.journal = number
			}
			return nil
		}
		if hopeless(err) || errors.Is(err, ErrStandbys) {
			return err
		}
		s.counts.failures.Add(1)
		s.notify(Failed, "%v; trying again", err)
		if err := sleep(ctx, pause(failures)); err != nil {
			return err
		}
	}
}

func (s *Sink) enroll(ctx context.Context, held *journal.Reader, id string) (int16, error) {
	conn, err := connect(ctx, s.dsn)
	if err != nil {
		return 0, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if err := checkVersion(ctx, conn); err != nil {
		return 0, err
	}
	if err := checkStandbys(ctx, conn, s.cfg.Standbys); err != nil {
		return 0, err
	}
	oldest, _, err := held.Bounds()
	if err != nil {
		return 0, err
	}
	number, err := enroll(ctx, conn, id, oldest)
	if err != nil {
		return 0, err
	}
	return number, s.parts.pass(ctx, conn)
}

// look watches until ctx ends: it releases what is committed, and tells of the gate.
func (s *Sink) look(ctx context.Context, held *journal.Reader) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case up := <-s.gate.changes:
			if up {
				s.notify(Up, "the server works again")
			} else {
				s.notify(Down, "the server failed %d times in a row: it is tried now and then; the journal keeps what comes", failuresMax)
			}
		case <-tick.C:
			if err := s.release(held); err != nil {
				s.notify(Failed, "%v", err)
			}
		}
	}
}

// release lets the journal remove what is committed.
func (s *Sink) release(held *journal.Reader) error {
	if _, durable, err := held.Bounds(); err == nil {
		s.durable.Store(durable)
	}
	next := s.next()
	if next == 0 {
		return nil // nobody has connected yet
	}
	return held.Done(next)
}

// next returns up to which entry everything is committed.
func (s *Sink) next() uint64 {
	next := s.workers[0].acked.Load()
	for _, w := range s.workers[1:] {
		next = min(next, w.acked.Load())
	}
	return next
}

// through returns the receive time up to which everything is drained.
func (s *Sink) through() market.Nanos {
	t := s.workers[0].through.Load()
	for _, w := range s.workers[1:] {
		t = min(t, w.through.Load())
	}
	return market.Nanos(t)
}

func (s *Sink) committed(b *batch) {
	c := &s.counts
	c.rows.Add(uint64(b.rows))
	c.bytes.Add(uint64(b.bytes))
	c.skipped.Add(uint64(b.skipped))
	c.batches.Add(1)
	for _, g := range b.gaps {
		c.missing.Add(g.to - g.from + 1)
	}
	if b.refused > 0 {
		c.unreadable.Add(uint64(b.refused))
		s.notify(Unreadable, "%d of entries %d to %d are not understood and are in tidegate.unreadable; the first is %v", b.refused, b.from, b.end-1, b.why)
	}
}

// Stats returns the figures as of now.
func (s *Sink) Stats() Stats {
	c := &s.counts
	st := Stats{
		Rows: c.rows.Load(), Bytes: c.bytes.Load(), Skipped: c.skipped.Load(), Missing: c.missing.Load(),
		Unreadable: c.unreadable.Load(), Batches: c.batches.Load(), Failures: c.failures.Load(), OnDemand: c.onDemand.Load(),
		Server: s.gate.state(), Next: s.next(), Partitions: s.parts.stats(),
	}
	if durable := s.durable.Load(); durable >= st.Next {
		st.LagEntries = durable - st.Next + 1
		st.LagTime = max(0, time.Duration(s.cfg.Now()-s.through()))
	}
	return st
}

func (s *Sink) notify(kind NoticeKind, format string, args ...any) {
	s.notifyMu.Lock()
	defer s.notifyMu.Unlock()
	s.cfg.Notify(Notice{Kind: kind, Text: fmt.Sprintf(format, args...)})
}

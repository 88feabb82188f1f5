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
	told     map[string]time.Time // what tellOnce has told, and when
	rate     meter
	counts   struct {
		rows, bytes, skipped, missing, batches, failures, onDemand, unreadable atomic.Uint64
	}
	durable atomic.Uint64
	first   atomic.Uint64 // where the journal says that draining goes on
	since   atomic.Int64  // receive time of the entry there; 0 if it is not known
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

	Next       uint64        // everything before it is committed
	LagEntries uint64        // durable in the journal and not committed
	LagTime    time.Duration // age of the oldest of them, at most; 0 if there is none
	RowRate    float64       // rows per second, over the last ten seconds
	Partitions Upkept
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
	s := &Sink{cfg: c, dsn: dsn, kept: c.kept(), gate: newGate(), told: map[string]time.Time{}}
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
// if the server refuses the role, or has no schema or a wrong one, or too few standbys: at the start only, and not
// with Config.Persist. Later it tries again for as long as it takes, except when rows prove to be there already.
func (s *Sink) Run(ctx context.Context) error {
	held, err := s.cfg.Reader()
	if err != nil {
		return err
	}
	defer held.Close()
	if err := s.hold(held); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var others sync.WaitGroup
	others.Go(func() { s.look(ctx, held) })
	if err = s.begin(ctx); err == nil {
		others.Go(func() { s.parts.run(ctx) })
		err = s.drain(ctx)
	}
	if ctx.Err() != nil && !errors.Is(err, ErrConflict) {
		err = nil
	}
	stop()
	others.Wait()
	return errors.Join(err, s.release(held))
}

// hold registers the sink with the journal, and notes what it finds undrained there: the database knows better, but
// it may not answer for long.
func (s *Sink) hold(held *journal.Reader) error {
	if err := held.Register(s.cfg.ReaderName); err != nil && !errors.Is(err, journal.ErrRemoved) {
		return err
	}
	s.first.Store(held.Position())
	r, err := s.cfg.Reader()
	if err != nil {
		return err
	}
	defer r.Close()
	oldest, _, err := r.Bounds()
	if err != nil {
		return err
	}
	if err := r.SeekIndex(max(held.Position(), oldest)); err != nil {
		return err
	}
	var e journal.Entry
	switch out, err := r.Next(&e); {
	case err != nil:
		return err
	case out == journal.Ready:
		s.since.Store(int64(e.At))
	case out == journal.Empty:
		s.since.Store(int64(s.cfg.Now()))
	}
	return nil
}

// drain runs the workers until ctx ends, or until one of them has an error that somebody has to look at.
func (s *Sink) drain(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var workers sync.WaitGroup
	for _, w := range s.workers {
		workers.Go(func() {
			if err := w.run(ctx); err != nil {
				stop(err)
			}
		})
	}
	workers.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// begin makes sure that draining can begin, as long as the server can be reached at all.
func (s *Sink) begin(ctx context.Context) error {
	r, err := s.cfg.Reader()
	if err != nil {
		return err
	}
	defer r.Close()
	id, err := r.ID()
	if err != nil {
		return err
	}
	for failures := 0; ; failures++ {
		done, err := s.gate.enter(ctx)
		if err != nil {
			return err
		}
		number, err := s.enroll(ctx, r, fmt.Sprintf("%016x", id))
		done(err)
		if err == nil {
			for _, w := range s.workers {
				w.pos.journal = number
			}
			return nil
		}
		if ctx.Err() == nil && !s.cfg.Persist && (hopeless(err) || errors.Is(err, ErrStandbys)) {
			return err
		}
		s.failed(err)
		if err := sleep(ctx, pause(failures)); err != nil {
			return err
		}
	}
}

func (s *Sink) enroll(ctx context.Context, r *journal.Reader, id string) (int16, error) {
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
	oldest, _, err := r.Bounds()
	if err != nil {
		return 0, err
	}
	number, err := enroll(ctx, conn, id, oldest)
	if err != nil {
		return 0, err
	}
	return number, s.parts.pass(ctx, conn)
}

// look watches until ctx ends: it releases what is committed, measures the rate, and tells of the gate.
func (s *Sink) look(ctx context.Context, held *journal.Reader) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		s.rate.sample(time.Now(), s.counts.rows.Load())
		if err := s.release(held); err != nil {
			s.tellOnce(Failed, err.Error())
		}
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
		}
	}
}

const lookEvery = time.Second

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
		Server: s.gate.state(), Next: s.next(), RowRate: s.rate.rate(), Partitions: s.parts.stats(),
	}
	if st.Next == 0 { // nobody has connected yet
		st.Next = s.first.Load()
	}
	through := max(s.through(), market.Nanos(s.since.Load()))
	durable := s.durable.Load()
	if s.cfg.Durable != nil {
		durable = s.cfg.Durable()
	}
	if durable >= st.Next {
		st.LagEntries = durable - st.Next + 1
		if through != 0 {
			st.LagTime = max(0, time.Duration(s.cfg.Now()-through))
		}
	}
	return st
}

// failed counts and tells an attempt that failed, and will be made again.
func (s *Sink) failed(err error) {
	s.counts.failures.Add(1)
	s.tellOnce(Failed, fmt.Sprintf("%v; trying again", err))
}

// tellEvery is how often the same is told while it goes on.
const tellEvery = time.Minute

// tellOnce tells what may happen again and again, at most once a minute.
func (s *Sink) tellOnce(kind NoticeKind, text string) {
	s.notifyMu.Lock()
	defer s.notifyMu.Unlock()
	now := time.Now()
	for what, at := range s.told {
		if now.Sub(at) >= tellEvery {
			delete(s.told, what)
		}
	}
	if _, already := s.told[text]; already {
		return
	}
	s.told[text] = now
	s.cfg.Notify(Notice{kind, text})
}

func (s *Sink) notify(kind NoticeKind, format string, args ...any) {
	s.notifyMu.Lock()
	defer s.notifyMu.Unlock()
	if kind == Up {
		clear(s.told)
	}
	s.cfg.Notify(Notice{Kind: kind, Text: fmt.Sprintf(format, args...)})
}

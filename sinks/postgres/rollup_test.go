package postgres

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tidegate/market"
)

// A world is a database with a drained journal, and a keeper that is called by hand at a time of the test's.
type world struct {
	testing.TB
	dsn  string
	p    *producer
	cfg  Config
	conn *pgx.Conn
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{TB: t, dsn: migrated(t), p: newProducer(t, t.TempDir())}
	w.cfg = testConfig(t, w.p, w.dsn)
	w.conn = open(t, w.dsn)
	return w
}

// pass lets a keeper make a pass at a time, with everything drained until then.
func (w *world) pass(at market.Nanos) Upkept {
	w.Helper()
	cfg := w.cfg
	cfg.Now = func() market.Nanos { return at }
	s, err := New(cfg)
	if err != nil {
		w.Fatal(err)
	}
	for _, worker := range s.workers {
		worker.through.Store(int64(at))
	}
	if err := s.parts.pass(w.Context(), w.conn); err != nil {
		w.Fatal(err)
	}
	return s.parts.stats()
}

// partitions returns how many there are of a table in a tier.
func (w *world) partitions(t *table, r *tier) (n int) {
	w.Helper()
	c, err := readCatalog(w.Context(), w.conn)
	if err != nil {
		w.Fatal(err)
	}
	for _, p := range c.parts {
		if p.table == t && p.tier == r {
			n++
		}
	}
	return n
}

// Rows move from minutes to hours to days. Those that come late, because a clock was set back, follow.
func TestRollUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.p.step = 3 * market.Second
	w.p.append(3000) // 14:30 to 17:00
	drain(t, w.p, w.cfg)
	want := verify(t, w.p, w.dsn)

	if u := w.pass(start + 10*market.Minute); u.Closed == 0 || u.RolledUp != 0 {
		t.Errorf("after ten minutes: %+v", u)
	}
	if n := ask[int](t, w.conn, "SELECT count(*) FROM pg_indexes WHERE indexname ~ '^trades_20260303_[0-9]{4}_key'"); n != 9 { // 30 s after their end
		t.Errorf("after ten minutes %d are indexed", n)
	}
	if got := verify(t, w.p, w.dsn); got.Rows != want.Rows {
		t.Errorf("%d rows, want %d", got.Rows, want.Rows)
	}
	at := start + 150*market.Minute // 17:00
	w.pass(at)                      // makes the hours
	w.pass(at)
	if m, h := w.partitions(trades, byMinute), w.partitions(trades, hours); m != 62 || h != 3 { // 16:00 to 17:01, for a minute ahead; two hours and the one ahead
		t.Errorf("at 17:00: %d minutes, %d hours", m, h)
	}
	verify(t, w.p, w.dsn)

	// The clock is set back: 15:00 to 15:10 comes again.
	w.p.at = start + 30*market.Minute
	w.p.append(200)
	drain(t, w.p, w.cfg)
	w.pass(at)
	if got := verify(t, w.p, w.dsn); got.Rows != w.p.index {
		t.Errorf("%d rows, want %d", got.Rows, w.p.index)
	}
	if n := ask[int](t, w.conn, "SELECT count(*) FROM pg_class WHERE relname ~ '^trades_20260303_15[0-9]{2}$'"); n != 0 {
		t.Errorf("%d minutes of 15:00 are left", n)
	}

	next := start + 2*market.Day
	w.pass(next)
	w.pass(next)
	w.pass(next)
	for _, tb := range []*table{trades, quotes, orders, records} {
		var names []string
		for _, r := range tb.tiers() {
			names = append(names, fmt.Sprint(w.partitions(tb, r)))
		}
		// The next minutes with their hour and day, their hour, and three days: the first, and those of now and ahead.
		if got := strings.Join(names, " "); got != "2 1 1 1 2" {
			t.Errorf("%s: partitions by tier %s", tb.name, got)
		}
	}
	if got := verify(t, w.p, w.dsn); got.Rows != w.p.index {
		t.Errorf("%d rows, want %d", got.Rows, w.p.index)
	}
	if n := ask[int](t, w.conn, "SELECT count(*) FROM pg_indexes WHERE tablename = 'trades_20260303'"); n != 3 {
		t.Errorf("the day has %d indexes, want its key, by instrument and by time", n)
	}

	w.cfg.Partitions.Retain = 7 * 24 * time.Hour
	w.pass(start + 9*market.Day)
	if n := ask[int](t, w.conn, "SELECT count(*) FROM tidegate.trades"); n != 0 {
		t.Errorf("%d trades are left when their day is dropped", n)
	}
	if n := ask[int](t, w.conn, "SELECT count(*) FROM tidegate.bars"); n != 0 {
		t.Errorf("%d bars are left when their day is dropped", n)
	}
}

// While partitions are indexed, rolled up and dropped, readers see every row once, and neither they nor
// writers wait for locks, even though one reader stays in a transaction all the time.
func TestRollUpUnderLoad(t *testing.T) {
	w := newWorld(t)
	w.p.step = market.Second
	w.p.append(9000) // 150 minutes
	drain(t, w.p, w.cfg)
	rows := ask[int](t, w.conn, "SELECT count(*) FROM tidegate.trades")
	last := w.p.index

	// Whoever waits for a lock for longer than this fails.
	const impatient = " options='-c lock_timeout=400ms'"
	c := w.cfg
	c.DSN += impatient
	writer := run(t, c)
	long, err := open(t, w.dsn).BeginTx(t.Context(), pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	if err != nil {
		t.Fatal(err)
	}
	defer long.Rollback(context.Background()) //nolint:errcheck // the connection is closed
	count := func(q querier, where string, args ...any) (n int) {
		if err := q.QueryRow(context.Background(), "SELECT count(*) FROM tidegate.trades WHERE index <= $1"+where, append([]any{int64(last)}, args...)...).Scan(&n); err != nil {
			t.Error(err)
		}
		return n
	}
	if n := count(long, ""); n != rows {
		t.Errorf("%d rows, want %d", n, rows)
	}

	stop := make(chan struct{})
	var wg sync.WaitGroup
	defer wg.Wait()
	halt := sync.OnceFunc(func() { close(stop) })
	defer halt()
	looks := [2]int{}
	for i, where := range []string{"", " AND ts >= '2026-03-03' AND ts < now() + interval '10 years'"} {
		conn := open(t, w.dsn+impatient)
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if n := count(conn, where); n != rows {
					t.Errorf("a reader sees %d rows, want %d", n, rows)
				}
				looks[i]++
			}
		})
	}
	w.cfg.Now = func() market.Nanos { return start + 200*market.Minute }
	w.p.at = start + 200*market.Minute
	keep := make(chan error, 1)
	s, err := New(w.cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.workers[0].through.Store(int64(w.cfg.Now()))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		var err error
		for i := 0; i < 2 && err == nil; i++ { // the second waits for the long reader
			err = s.parts.pass(ctx, w.conn)
		}
		keep <- err
	}()
	watch := open(t, w.dsn)
	waiting := func() bool {
		for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			w.p.append(50) // the writer goes on
			if ask[int](t, watch, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'ALTER TABLE%CONCURRENTLY' AND wait_event_type = 'Lock'") > 0 {
				return true
			}
		}
		return false
	}
	if !waiting() {
		t.Fatal("the keeper does not wait for the long reader: the test tests something else")
	}
	for range 20 { // all go on, while the keeper waits
		w.p.append(50)
		w.p.durable(t)
		writer.reaches(t, w.p.index)
	}
	if n := count(long, ""); n != rows {
		t.Errorf("the long reader sees %d rows, want %d", n, rows)
	}
	if err := long.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-keep; err != nil {
		t.Error(err)
	}
	halt()
	wg.Wait()
	w.p.durable(t)
	writer.reaches(t, w.p.index)
	if f := writer.Stats().Failures; f != 0 {
		t.Errorf("the writer failed %d times", f)
	}
	if err := writer.stop(); err != nil {
		t.Error(err)
	}
	w.pass(w.cfg.Now())
	if got := verify(t, w.p, w.dsn); got.Rows != w.p.index {
		t.Errorf("%d rows, want %d", got.Rows, w.p.index)
	}
	if u := s.parts.stats(); u.RolledUp == 0 || u.Dropped == 0 {
		t.Errorf("nothing was rolled up: %+v", u)
	}
	t.Logf("%d and %d looks", looks[0], looks[1])
}

package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"tidegate/internal/pgcluster"
	"tidegate/internal/pgtest"
	"tidegate/market"
	"tidegate/sinks/journal"
)

// runOnce returns the error with which a sink ends by itself.
func runOnce(t *testing.T, name string, c Config) error {
	t.Helper()
	s, err := New(c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err = s.Run(ctx); ctx.Err() != nil {
		t.Fatalf("%s: the sink does not end", name)
	}
	return err
}

// What somebody has to change is said at the start.
func TestRefusedAtTheStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.p.append(10)
	hba := ask[string](t, w.conn, "SHOW hba_file")
	old, err := os.ReadFile(hba)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(hba, append([]byte("host all guarded 127.0.0.1/32 scram-sha-256\n"), old...), 0o600); err != nil {
		t.Fatal(err)
	}
	do(t, w.conn, "SELECT pg_reload_conf()")
	do(t, w.conn, "CREATE ROLE guarded LOGIN PASSWORD 'right'")
	do(t, w.conn, "CREATE ROLE stranger LOGIN")
	do(t, w.conn, "CREATE ROLE guest LOGIN; GRANT USAGE ON SCHEMA tidegate TO guest; GRANT ALL ON ALL TABLES IN SCHEMA tidegate TO guest")
	empty := pgtest.Database(t)
	newerDSN := migrated(t)
	do(t, open(t, newerDSN), "INSERT INTO tidegate.schema_version (version) VALUES (99)")
	as := func(user string) string { return w.dsn + " user=" + user }
	for _, c := range []struct {
		name string
		set  func(*Config)
		code string
		is   error
		says string
	}{
		{"wrong password", func(c *Config) { c.DSN = as("guarded") + " password=wrong" }, "28P01", nil, "password authentication failed"},
		{"no such role", func(c *Config) { c.DSN = as("nobody_there") }, "28000", nil, "does not exist"},
		{"no such database", func(c *Config) { c.DSN += " dbname=nowhere" }, "3D000", nil, "does not exist"},
		{"no rights", func(c *Config) { c.DSN = as("stranger") }, "42501", nil, "permission denied"},
		{"not the owner", func(c *Config) { c.DSN = as("guest") }, "42501", nil, "permission denied"},
		{"no schema", func(c *Config) { c.DSN = empty }, "", ErrSchema, "tidegate pg migrate makes it"},
		{"newer schema", func(c *Config) { c.DSN = newerDSN }, "", ErrSchema, "it has version 99, and this program knows 2"},
		{"no standbys", func(c *Config) { c.Standbys, c.SynchronousCommit = 1, "on" }, "", ErrStandbys, `synchronous_standby_names is "", which waits for 0; 1 wanted`},
		{"no such tablespace", func(c *Config) { c.Partitions.HotSpace = "nvme" }, "42704", nil, `tablespace "nvme" does not exist`},
		{"no connection string", func(c *Config) { c.DSN = "port=x" }, "", nil, "port"},
	} {
		cfg := w.cfg
		c.set(&cfg)
		err := runOnce(t, c.name, cfg)
		if err == nil || !strings.Contains(err.Error(), c.says) || code(err) != c.code || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%s: %v (state %q)", c.name, err, code(err))
		}
		if err != nil && strings.Contains(err.Error(), "wrong") {
			t.Errorf("%s: the error has the password: %v", c.name, err)
		}
	}
	if _, _, err := Migrate(t.Context(), newerDSN); !errors.Is(err, ErrSchema) {
		t.Errorf("migrate a newer schema: %v", err)
	}
	if n := ask[int](t, w.conn, "SELECT sum(rows)::int FROM tidegate.positions"); n != 0 {
		t.Errorf("%d rows were drained", n)
	}
}

// The clock jumps ahead, far beyond the partitions there are, and back: the partitions are made, no row is lost.
func TestClockJumps(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, jump := range []market.Nanos{0, 3 * market.Day, -5 * market.Day, 40 * market.Minute, -start} {
		w.p.at += jump
		w.p.append(500)
	}
	w.p.at = market.UndefTime - w.p.step
	w.p.append(10)
	drain(t, w.p, w.cfg)
	if got := verify(t, w.p, w.dsn); got.Rows != w.p.index {
		t.Errorf("%d rows, want %d", got.Rows, w.p.index)
	}
}

// The server is down at the start, goes down while rows come, and comes back. What came meanwhile is there.
func TestServerDown(t *testing.T) {
	t.Parallel()
	server := pgtest.New(t, pgtest.Unsafe)
	dsn := server.DSN("postgres")
	migrate(t, dsn)
	server.Stop(t, pgcluster.Fast)
	p := newProducer(t, t.TempDir())
	p.append(1000)
	p.durable(t)
	c := testConfig(t, p, dsn)
	var down, up atomic.Int32
	c.Notify = func(n Notice) {
		switch n.Kind {
		case Down:
			down.Add(1)
		case Up:
			up.Add(1)
		}
	}
	r := run(t, c)
	server.Start(t)
	r.reaches(t, p.index)
	server.Stop(t, pgcluster.Immediate)
	for down.Load() == 0 {
		p.append(10)
		time.Sleep(time.Millisecond)
	}
	if s := r.Stats(); s.Server == "closed" || s.Failures < failuresMax {
		t.Errorf("down: %+v", s)
	}
	server.Start(t)
	p.durable(t)
	r.reaches(t, p.index)
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	if got := verify(t, p, dsn); got.Rows != p.index || up.Load() == 0 {
		t.Errorf("%d rows, want %d; up %d times", got.Rows, p.index, up.Load())
	}
	at, err := p.NewReader()
	if err != nil {
		t.Fatal(err)
	}
	defer at.Close()
	if err := at.Register("postgres"); err != nil || at.Position() != p.index+1 {
		t.Errorf("the journal keeps entries from %d on, want %d: %v", at.Position(), p.index+1, err)
	}
}

// The device of the hot partitions is full. It goes on when there is room, and nothing is lost.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dir := filepath.Join(filepath.Dir(ask[string](t, w.conn, "SHOW data_directory")), "full")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("a small file system cannot be made: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	info, err := os.Stat(filepath.Dir(ask[string](t, w.conn, "SHOW hba_file")))
	if err != nil {
		t.Fatal(err)
	}
	owner := info.Sys().(*syscall.Stat_t)
	if err := os.Chown(dir, int(owner.Uid), int(owner.Gid)); err != nil {
		t.Fatal(err)
	}
	do(t, w.conn, "CREATE TABLESPACE small LOCATION '"+dir+"'")
	w.cfg.Partitions.HotSpace = "small"
	full := make(chan string, 1000)
	w.cfg.Notify = func(n Notice) {
		select {
		case full <- n.Text:
		default:
		}
	}
	w.p.step = market.Millisecond
	w.p.append(40_000)
	w.p.durable(t)
	r := run(t, w.cfg)
	for end := time.After(30 * time.Second); ; {
		select {
		case text := <-full:
			if !strings.Contains(text, "No space left on device") {
				continue
			}
		case <-end:
			t.Fatalf("the disk is not full: the test tests something else: %+v", r.Stats())
		}
		break
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, "size=64m"); err != nil {
		t.Fatal(err)
	}
	r.reaches(t, w.p.index)
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	if got := verify(t, w.p, w.dsn); got.Rows != w.p.index {
		t.Errorf("%d rows, want %d", got.Rows, w.p.index)
	}
	do(t, w.conn, "DROP SCHEMA tidegate CASCADE")
	do(t, w.conn, "DROP TABLESPACE small")
}

// Somebody has set the position back: rows would be there twice. Where there is a key, the drainer stops and says so;
// where there is none yet, the key cannot be made, and that is said and noted.
func TestConflict(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.p.append(50) // no row of a table that has a key from the start
	var said atomic.Pointer[string]
	w.cfg.Notify = func(n Notice) {
		if n.Kind == Conflict {
			said.Store(&n.Text)
		}
	}
	w.cfg.Keep = []string{"trades"}
	w.p.append(2)
	drain(t, w.p, w.cfg)
	do(t, w.conn, "UPDATE tidegate.positions SET next = 50")
	drain(t, w.p, w.cfg)
	c, err := Verify(t.Context(), w.dsn, reader(t, w.p), VerifyOptions{Keep: []string{"trades"}})
	if err != nil || len(c.Differences) == 0 || !strings.Contains(c.Differences[0], "trades has ") {
		t.Errorf("verify: %+v, %v", c, err)
	}
	func() {
		cfg := w.cfg
		cfg.Now = func() market.Nanos { return start + market.Hour }
		s, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		s.workers[0].through.Store(int64(cfg.Now()))
		for range 2 {
			if err := s.parts.pass(t.Context(), w.conn); err != nil {
				t.Error(err)
			}
		}
	}()
	leaf := trades.partitionAt(start)
	if got := ask[string](t, w.conn, "SELECT string_agg(leaf, ' ') FROM tidegate.conflicts"); got != leaf {
		t.Errorf("noted %q, want %s", got, leaf)
	}
	if text := said.Load(); text == nil || !strings.Contains(*text, leaf) {
		t.Error("nobody was told")
	}
	if s, err := ReadStatus(t.Context(), w.dsn); err != nil || len(s.Conflicts) != 1 || s.Conflicts[0].Leaf != leaf {
		t.Errorf("status: %+v, %v", s, err)
	}

	do(t, w.conn, "UPDATE tidegate.positions SET next = 1") // with a gap, a switch and a feed
	if err := runOnce(t, "position set back", w.cfg); !errors.Is(err, ErrConflict) {
		t.Errorf("%v, want ErrConflict", err)
	}
}

func reader(t testing.TB, p *producer) *journal.Reader {
	t.Helper()
	r, err := p.NewReader()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// Two drainers were started by mistake: the rows are there once all the same.
func TestTwoDrainers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.cfg.BatchRows = 100
	w.cfg.Notify = nil
	other := w.cfg
	other.ReaderName = "other"
	a, b := run(t, w.cfg), run(t, other)
	wait(t, "both are connected", func() bool { return a.next() > 0 && b.next() > 0 })
	for range 50 {
		w.p.append(200)
		time.Sleep(time.Millisecond)
	}
	w.p.durable(t)
	a.reaches(t, w.p.index) // the one behind has learned that it was
	b.reaches(t, w.p.index)
	for _, r := range []*running{a, b} {
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	}
	if got := verify(t, w.p, w.dsn); got.Rows != w.p.index {
		t.Errorf("%d rows, want %d", got.Rows, w.p.index)
	}
	if a.Stats().Failures+b.Stats().Failures == 0 {
		t.Error("they never met: the test tests something else")
	}
}

// Entries that the journal does not have any more are noted, not passed over.
func TestRemovedBeforeDrained(t *testing.T) {
	t.Parallel()
	dsn := migrated(t)
	dir := t.TempDir()
	p := newProducer(t, dir)
	p.append(100)
	drain(t, p, testConfig(t, p, dsn))
	if err := journal.Unregister(dir, "postgres"); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	small, err := journal.Open(journal.Config{Dir: dir, SegmentBytes: 4 << 20, RetainBytes: 1, ReserveBytes: 1})
	if err != nil {
		t.Fatal(err)
	}
	q := &producer{Journal: small, at: p.at, step: p.step, index: p.index}
	t.Cleanup(func() { _ = small.Close(context.Background()) })
	oldest := func() uint64 {
		at, _, err := reader(t, q).Bounds()
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	for end := time.Now().Add(20 * time.Second); oldest() < 200; {
		q.append(10_000)
		q.durable(t)
		if time.Now().After(end) {
			t.Skip("retention removes nothing")
		}
	}
	cfg := testConfig(t, q, dsn)
	cfg.BatchRows = 50_000
	drain(t, q, cfg)
	conn := open(t, dsn)
	got := ask[string](t, conn, "SELECT from_index || ' ' || to_index || ' ' || reason FROM tidegate.journal_gaps")
	var from, to uint64
	if _, err := fmt.Sscan(got, &from, &to); err != nil || from != 101 || to < 199 || !strings.Contains(got, "removed by retention") {
		t.Errorf("noted %q: %v", got, err)
	}
	if n := ask[int64](t, conn, "SELECT sum(missing)::bigint FROM tidegate.positions"); uint64(n) != to-from+1 {
		t.Errorf("%d are missing, want %d", n, to-from+1)
	}
	if c := verify(t, q, dsn); c.From != to+1 {
		t.Errorf("%+v", c)
	}
}

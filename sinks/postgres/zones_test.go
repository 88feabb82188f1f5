package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tidegate/internal/pgcluster"
	"tidegate/internal/pgtest"
	"tidegate/market"
)

// A primary with a synchronous standby is killed under load, and the standby is promoted: the drainer goes on by
// itself, what was acknowledged is there, and every row is there once.
func TestFailover(t *testing.T) {
	t.Parallel()
	primary := pgtest.New(t, "fsync = off\nsynchronous_standby_names = ''\n")
	dsn := primary.DSN("postgres")
	migrate(t, dsn)
	standby := primary.Standby(t, "")
	p := newProducer(t, t.TempDir())
	c := testConfig(t, p, fmt.Sprintf("host=127.0.0.1,127.0.0.1 port=%d,%d user=%s dbname=postgres sslmode=disable connect_timeout=5", primary.Port, standby.Port, pgtest.Superuser))
	c.SynchronousCommit, c.Standbys, c.CommitTimeout = "on", 1, 5*time.Second
	c.Notify = nil
	if err := runOnce(t, "asynchronous", c); !errors.Is(err, ErrStandbys) {
		t.Errorf("a server that waits for no standby: %v", err)
	}
	admin := open(t, dsn)
	do(t, admin, "ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (*)'")
	do(t, admin, "SELECT pg_reload_conf()")
	wait(t, "the standby is synchronous", func() bool {
		return ask[int](t, admin, "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'quorum' AND state = 'streaming'") == 1
	})

	p.append(3000)
	var refused atomic.Bool
	c.Notify = func(n Notice) {
		if strings.Contains(n.Text, ErrStandbys.Error()) {
			refused.Store(true)
		}
	}
	r := run(t, c)
	wait(t, "rows are committed", func() bool { p.append(20); return r.next() > 1500 })
	primary.Stop(t, pgcluster.Immediate)
	acked := r.next()
	p.append(2000)
	standby.Promote(t)
	now := open(t, standby.DSN("postgres"))
	if got := ask[int64](t, now, "SELECT min(next) FROM tidegate.positions"); uint64(got) < acked {
		t.Errorf("the standby is drained to %d, and %d was acknowledged", got, acked)
	}
	// The new primary waits for nobody: nothing is committed there until it does.
	wait(t, "the drainer refuses a server without a standby", refused.Load)
	before := r.next()
	second := standby.Standby(t, "primary_conninfo = 'host=127.0.0.1 port="+fmt.Sprint(standby.Port)+" user="+pgtest.Superuser+"'\n")
	defer second.Stop(t, pgcluster.Immediate)
	if r.next() != before {
		t.Error("it commits without a standby")
	}
	do(t, now, "ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (*)'")
	do(t, now, "SELECT pg_reload_conf()")
	p.durable(t)
	r.reaches(t, p.index)
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	if got := verify(t, p, standby.DSN("postgres")); got.Rows != p.index {
		t.Errorf("%d rows, want %d", got.Rows, p.index)
	}
}

func wait(t testing.TB, what string, until func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !until(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("in vain: %s", what)
		}
	}
}

// startBouncer starts PgBouncer in transaction mode before a server, with two connections, and returns its port.
func startBouncer(t *testing.T, server *pgtest.Server) int {
	t.Helper()
	path, err := exec.LookPath("pgbouncer")
	if err != nil {
		if path = "/usr/sbin/pgbouncer"; !isFile(path) {
			t.Skip("PgBouncer is not installed")
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	ini := filepath.Join(server.Dir, "pgbouncer.ini")
	text := fmt.Sprintf("[databases]\n* = host=127.0.0.1 port=%d user=%s\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = %d\nunix_socket_dir =\n"+
		"auth_type = any\npool_mode = transaction\ndefault_pool_size = 2\nmax_client_conn = 50\n", server.Port, pgtest.Superuser, port)
	if err := os.WriteFile(ini, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd, err := server.Command(context.Background(), "postgres", ini)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Path, cmd.Args[0] = path, path
	var out strings.Builder
	cmd.Stderr = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(out.String())
		}
	})
	wait(t, "PgBouncer takes connections", func() bool {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return port
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// Everything works through PgBouncer in transaction mode: draining, the keeper, and reading by several at a time.
func TestPgBouncer(t *testing.T) {
	t.Parallel()
	server := pgtest.New(t, pgtest.Unsafe)
	migrate(t, server.DSN("postgres"))
	port := startBouncer(t, server)
	dsn := fmt.Sprintf("host=127.0.0.1 port=%d user=%s dbname=postgres sslmode=disable", port, pgtest.Superuser)
	p := newProducer(t, t.TempDir())
	p.step = market.Second
	p.append(6000)
	p.durable(t)
	c := testConfig(t, p, dsn)
	c.Workers, c.SynchronousCommit = 2, "local"
	c.Partitions = Partitions{Every: 20 * time.Millisecond, Ahead: time.Minute, CloseAfter: time.Millisecond, RollUpAfter: 2 * time.Millisecond}
	c.Now = func() market.Nanos { return p.at }
	r := run(t, c)
	readers := []*pgx.Conn{open(t, dsn), open(t, dsn), open(t, dsn)}
	looks := 0
	wait(t, "everything is drained and rolled up", func() bool {
		for i, conn := range readers {
			looks++
			ask[int](t, conn, "SELECT count(*) FROM tidegate.trades WHERE instrument = $1 AND ts >= $2", i, utc(start))
		}
		return r.next() > p.index && r.Stats().Partitions.Dropped > 0
	})
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	if f := r.Stats().Failures; f != 0 {
		t.Errorf("%d failures", f)
	}
	if got := ask[string](t, readers[0], "SHOW synchronous_commit"); got != "off" {
		t.Errorf("the drainer's setting has leaked to others: %s", got)
	}
	if got := verify(t, p, dsn); got.Rows != p.index {
		t.Errorf("%d rows, want %d", got.Rows, p.index)
	}
	if _, err := ReadStatus(t.Context(), dsn); err != nil {
		t.Error(err)
	}
	t.Logf("%d looks", looks)
}

package postgres

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"tidegate/internal/pgcluster"
	"tidegate/internal/pgtest"
	"tidegate/market"
	"tidegate/sinks/journal"
)

var (
	rounds = flag.Int("rounds", 8, "rounds of TestKilled")
	seed   = flag.Uint64("seed", 0, "seed of tests with chance; 0 draws one")
)

const (
	childDir = "TIDEGATE_TEST_DRAIN"
	childDSN = "TIDEGATE_TEST_DSN"
)

// childMain is what the test binary does as a child: it drains a journal that its parent writes, with partitions
// that are rolled up as soon as they can be. It reports whether this is a child.
func childMain() bool {
	dir := os.Getenv(childDir)
	if dir == "" {
		return false
	}
	s, err := New(Config{
		Reader: func() (*journal.Reader, error) { return journal.OpenReader(dir) }, DSN: os.Getenv(childDSN), Keep: everything,
		Workers: 2, BatchRows: 500, BatchWait: time.Millisecond,
		Partitions: Partitions{
			Every: 20 * time.Millisecond, Ahead: time.Minute, CloseAfter: time.Millisecond, RollUpAfter: 2 * time.Millisecond,
		},
		Notify: func(n Notice) { // what is a fault whatever is killed
			if n.Kind == Conflict || n.Kind == Missing {
				fmt.Println(n.Text)
			}
		},
	})
	if err == nil {
		err = s.Run(context.Background())
	}
	fmt.Println("ended:", err)
	return true
}

func random(t *testing.T) *rand.Rand {
	s := *seed
	if s == 0 {
		s = rand.Uint64()
	}
	t.Logf("repeat: go test ./sinks/postgres -run '^%s$' -seed %d", t.Name(), s)
	return rand.New(rand.NewPCG(s, 0))
}

// A process that drains is killed, again and again, and so is the server: after each time the rows are those of
// a prefix of the journal, each once.
func TestKilled(t *testing.T) {
	t.Parallel()
	n := *rounds
	if testing.Short() {
		n = min(n, 5)
	}
	chance := random(t)
	server := pgtest.New(t, "max_locks_per_transaction = 64\n")
	dsn := server.DSN("postgres")
	migrate(t, dsn)
	dir := t.TempDir()
	p := newProducer(t, dir)
	p.step = 200 * market.Millisecond
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	start := func() *exec.Cmd {
		child := exec.Command(self)
		child.Env = append(os.Environ(), childDir+"="+dir, childDSN+"="+dsn)
		child.Stdout, child.Stderr = &out, &out
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		return child
	}
	kill := func(c *exec.Cmd) {
		_ = c.Process.Kill() // it may have ended, and out says why
		_ = c.Wait()
	}
	progress := uint64(0)
	for round := range n {
		child := start()
		crash := chance.IntN(3) > 0
		at := chance.IntN(25)
		for i := range 25 {
			p.append(1 + chance.IntN(80))
			time.Sleep(time.Duration(chance.IntN(10)) * time.Millisecond)
			if crash && i == at {
				server.Stop(t, pgcluster.Immediate)
				if chance.IntN(2) == 0 { // the drainer sees the server come back
					server.Start(t)
				} else {
					kill(child)
					server.Start(t)
					child = start()
				}
			}
		}
		kill(child)
		got := verify(t, p, dsn)
		if t.Failed() || out.Len() > 0 {
			t.Fatalf("round %d: %+v\n%s", round, got, out.String())
		}
		progress = got.Position[0]
	}
	p.durable(t)
	child := start()
	conn := open(t, dsn)
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		next := ask[int64](t, conn, "SELECT min(next) FROM tidegate.positions")
		waiting := ask[int](t, conn, "SELECT count(*) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE c.relname ~ '^trades_20260303_[0-9]{2}'")
		if uint64(next) > p.index && waiting == 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("drained to %d of %d; %d partitions of the day are not rolled up", next, p.index, waiting)
		}
	}
	kill(child)
	got := verify(t, p, dsn)
	if s := strings.TrimSpace(out.String()); s != "" || got.Rows != p.index {
		t.Errorf("%d rows, want %d: %s", got.Rows, p.index, s)
	}
	leaves := ask[int](t, conn, "SELECT count(*) FROM pg_class WHERE relname ~ '^trades_20260303$'")
	t.Logf("%d rows in %d rounds; the position before the last drain was %d; %d partition of the first day's trades", got.Rows, n, progress, leaves)
}

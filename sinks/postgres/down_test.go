package postgres

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tidegate/internal/pgtest"
	"tidegate/market"
)

// heard collects notices.
type heard struct {
	mu  sync.Mutex
	all []Notice
}

func (h *heard) notify(n Notice) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, n)
}

// of returns the texts of a kind.
func (h *heard) of(k NoticeKind) (texts []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, n := range h.all {
		if n.Kind == k {
			texts = append(texts, n.Text)
		}
	}
	return texts
}

// The server is not there at the start. The cause is told once, in a line, with no more than there is to say; the lag
// is that of the journal.
func TestNoServer(t *testing.T) {
	t.Parallel()
	p := newProducer(t, t.TempDir())
	p.append(100)
	p.durable(t)
	var h heard
	c := testConfig(t, p, "host=127.0.0.1,::1 port=1 user=me password=secret dbname=there sslmode=prefer")
	c.Notify, c.Now = h.notify, func() market.Nanos { return p.at }
	r := run(t, c)
	wait(t, "the breaker opens", func() bool { return len(h.of(Down)) > 0 })
	wait(t, "it is tried again", func() bool { return r.Stats().Failures > failuresMax+1 })
	failed := h.of(Failed)
	const want = "postgres: connect to database there as me: 127.0.0.1:1: connect: connection refused; [::1]:1: "
	if len(failed) != 1 || !strings.HasPrefix(failed[0], want) || strings.Count(failed[0], "127.0.0.1") != 1 || strings.ContainsAny(failed[0], "\n\t") {
		t.Errorf("told %q, want once %q", failed, want)
	}
	wait(t, "the lag is known", func() bool { return r.Stats().LagEntries == 100 })
	if s := r.Stats(); s.Next != 1 || s.LagTime != time.Duration(99*p.step) || s.Server == gateClosed {
		t.Errorf("%+v", s)
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
}

// What is told of a failed connection.
func TestConnectError(t *testing.T) {
	for text, want := range map[string]string{
		"x": "x", "a\n\ta\nb": "a; b",
		"127.0.0.1:5 (db): dial error: dial tcp 127.0.0.1:5: connect: connection refused":                                                      "127.0.0.1:5: connect: connection refused",
		"[::1]:5 (::1): dial error: dial tcp [::1]:5: connect: connection refused":                                                             "[::1]:5: connect: connection refused",
		"127.0.0.1:5 (127.0.0.1): server error: FATAL: no (SQLSTATE 28P01)\n127.0.0.1:5 (127.0.0.1): server error: FATAL: no (SQLSTATE 28P01)": "127.0.0.1:5: server error: FATAL: no (SQLSTATE 28P01)",
	} {
		err := error(&connectError{"u", "d", errors.New(text)})
		if got := err.Error(); got != "postgres: connect to database d as u: "+want {
			t.Errorf("%q: %q", text, got)
		}
	}
	if _, err := connect(t.Context(), mustParse(t, "host=no.such.host.invalid user=u dbname=d")); err == nil || strings.Count(err.Error(), "no.such.host") != 1 {
		t.Errorf("%v", err)
	}
}

func mustParse(t *testing.T, dsn string) *pgx.ConnConfig {
	t.Helper()
	c, err := parseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A sink that persists waits for what somebody has to do: here the database, then its schema. Nothing is lost meanwhile.
func TestPersist(t *testing.T) {
	t.Parallel()
	server := pgtest.New(t, pgtest.Unsafe)
	p := newProducer(t, t.TempDir())
	p.append(300)
	p.durable(t)
	var h heard
	c := testConfig(t, p, server.DSN("later"))
	c.Notify, c.Persist = h.notify, true
	r := run(t, c)
	told := func(what string) {
		t.Helper()
		wait(t, what, func() bool {
			return strings.Contains(strings.Join(h.of(Failed), "\n"), what)
		})
	}
	told(`database "later" does not exist`)
	do(t, open(t, server.DSN("postgres")), "CREATE DATABASE later")
	told("tidegate pg migrate makes it")
	migrate(t, server.DSN("later"))
	r.reaches(t, p.index)
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	verify(t, p, server.DSN("later"))
}

// A journal that has removed what the registered position wants, by hand or because its reader was not there.
func TestPositionBeforeTheJournal(t *testing.T) {
	t.Parallel()
	p := newProducer(t, t.TempDir())
	p.append(10)
	p.durable(t)
	c := testConfig(t, p, "host=127.0.0.1 port=1")
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	held := reader(t, p)
	if err := held.Register("postgres"); err != nil {
		t.Fatal(err)
	}
	if err := held.Done(0); err != nil {
		t.Fatal(err)
	}
	if err := s.hold(reader(t, p)); err != nil {
		t.Error(err)
	}
	if s.since.Load() != int64(start+p.step) {
		t.Errorf("since %d", s.since.Load())
	}
}

func TestMeter(t *testing.T) {
	var m meter
	at := time.Unix(1000, 0)
	if r := m.rate(); r != 0 {
		t.Errorf("%v before the first sample", r)
	}
	for i := range 30 {
		m.sample(at, uint64(i)*50)
		m.sample(at.Add(time.Millisecond), 1<<40) // too close: left out
		at = at.Add(lookEvery)
	}
	if r := m.rate(); r != 50 {
		t.Errorf("%v, want 50", r)
	}
	for range 10 {
		m.sample(at, 29*50)
		at = at.Add(lookEvery)
	}
	if r := m.rate(); r != 0 {
		t.Errorf("%v after ten seconds without any", r)
	}
}

//go:build linux

package main

import (
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tidegate/gateway/admin"
	"tidegate/internal/pgcluster"
	"tidegate/internal/pgtest"
	"tidegate/sinks/journal"
	"tidegate/sinks/postgres"
)

var outage = flag.Duration("outage", 2*time.Second, "how long PostgreSQL is stopped in TestE2EPostgres")

// crashSafe are settings of a server that may be stopped as in a crash: only the machine must not crash.
const crashSafe = "fsync = off\nfull_page_writes = off\n"

// keepEverything is the end of a configuration: every entry of a journal becomes a row of a database, whose connection
// string is in a file.
func keepEverything(dir, dsnFile string) string {
	return fmt.Sprintf("journal: {dir: %q, schemas: [mbo, trades, bbo-1s, ohlcv-1m, definition, status]}\npostgres: {dsn_file: %q, keep: [%s]}\n",
		dir, dsnFile, strings.Join(postgres.Optional(), ", "))
}

func migrated(t *testing.T, dsn string) {
	t.Helper()
	if _, _, err := postgres.Migrate(t.Context(), dsn); err != nil {
		t.Fatal(err)
	}
}

func connected(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := postgres.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func execute(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// rowsAre holds a database against the journal that was drained into it.
func rowsAre(t *testing.T, dsn, dir string) *postgres.Comparison {
	t.Helper()
	r, err := journal.OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	c, err := postgres.Verify(t.Context(), dsn, r, postgres.VerifyOptions{Keep: postgres.Optional()})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Differences) > 0 || c.Missing > 0 {
		t.Errorf("%d entries are missing; %s", c.Missing, strings.Join(c.Differences, "; "))
	}
	return c
}

// drained waits until everything that was durable when it is called is in the database.
func drained(t *testing.T, url string) *admin.PostgresReport {
	t.Helper()
	var r admin.FeedsReport
	getJSON(t, url+"/feeds", &r)
	wanted := r.Journal.DurableIndex
	eventually(t, "database", func() error {
		r = admin.FeedsReport{}
		getJSON(t, url+"/feeds", &r)
		if r.Postgres.Next <= wanted || r.Postgres.Breaker != "closed" {
			return fmt.Errorf("wanted %d: %+v", wanted, r.Postgres)
		}
		return nil
	})
	return r.Postgres
}

// A gateway drains its journal. Its database is not there, is made, crashes and stays away, is slow, and is gone when
// the gateway ends: feed, subscribers and journal go on as if nothing were, and every entry is a row in the end.
func TestE2EPostgres(t *testing.T) {
	server := pgtest.New(t, crashSafe)
	binary := buildTidegate(t)
	a, b, lines := twoPorts(t)
	root := t.TempDir()
	dir, dsn := filepath.Join(root, "journal"), server.DSN("market")
	dsnFile := filepath.Join(root, "dsn")
	if err := os.WriteFile(dsnFile, []byte(dsn+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	config := configWith(t, lines, func(text string) string { return text + keepEverything(dir, dsnFile) })
	g := startAt(t, binary, config)
	subscriber := watch(t, g.addr, keyOne, false)
	v := startVenue(t, binary, venueCmd{Seed: 21, Rate: 1600, Speed: "4x", A: a, B: b})
	lives := func(when string) {
		t.Helper()
		v.passes(v.truth().Sent + 1000)
		before := len(subscriber.all())
		eventually(t, "subscriber "+when, func() error {
			if n := len(subscriber.all()); n <= before+500 {
				return fmt.Errorf("has %d records, had %d", n, before)
			}
			return nil
		})
		var r admin.FeedsReport
		getJSON(t, g.url+"/feeds", &r)
		if j := r.Journal; j.Stalled != "" || j.Dropped > 0 || j.Spilling {
			t.Errorf("the journal %s: %+v", when, j)
		}
	}
	look := func() *admin.PostgresReport {
		t.Helper()
		var r admin.FeedsReport
		getJSON(t, g.url+"/feeds", &r)
		return r.Postgres
	}
	stat := func(parts ...string) {
		t.Helper()
		wantContains(t, "stat", mustRun(t, "stat", "--url", g.url), parts...)
	}

	g.logged("postgres: failed", "level", "WARN", "what", `connect to database market as tidegate: 127.0.0.1:`+fmt.Sprint(server.Port)+
		`: server error: FATAL: database "market" does not exist (SQLSTATE 3D000); trying again`)
	g.logged("postgres: down", "level", "WARN")
	lives("without a database")
	if p := look(); p.Breaker == "closed" || p.LagEntries < 1000 || p.Lag <= 0 || p.Lag > time.Hour || p.Next != 1 {
		t.Errorf("without a database: %+v", p)
	}
	stat("postgres DOWN: 0 rows (0 a second), up to 0, ", " entries wait, the oldest for ")
	admins := connected(t, server.DSN("postgres"))
	execute(t, admins, "CREATE DATABASE market")
	admins.Close(t.Context())
	migrated(t, dsn)
	g.logged("postgres: up", "level", "INFO")
	drained(t, g.url)

	server.Stop(t, pgcluster.Immediate)
	for end := time.Now().Add(*outage); time.Now().Before(end); {
		lives("while the database is gone")
	}
	p := look()
	if p.Breaker == "closed" || p.LagEntries < 1000 || p.Lag <= 0 || p.Ended != "" {
		t.Errorf("while the database is gone: %+v", p)
	}
	body := page(t, g.url+"/metrics")
	wantContains(t, "metrics", body, "\ntidegate_postgres_up 0\n", "\ntidegate_postgres_lag_entries ", "\ntidegate_postgres_lag_seconds ")
	back := time.Now()
	server.Start(t)
	caught := drained(t, g.url)
	t.Logf("%d entries, the oldest %v old, were caught up with in %v; %d failures", p.LagEntries, p.Lag, time.Since(back).Round(10*time.Millisecond), caught.Failures)
	stat("postgres draining: ")

	slow := connected(t, dsn)
	execute(t, slow, "BEGIN")
	execute(t, slow, "LOCK TABLE tidegate.positions IN EXCLUSIVE MODE")
	lives("while the database is slow")
	if p := look(); p.LagEntries == 0 {
		t.Errorf("while the database is slow: %+v", p)
	}
	execute(t, slow, "COMMIT")
	slow.Close(t.Context())
	drained(t, g.url)

	truth := v.pause()
	reaches(t, g.url, truth.Sent)
	g.signal(syscall.SIGTERM)
	if code, out := g.exit(); code != exitOK {
		t.Errorf("exit code %d: %s", code, out)
	}
	g.logged("postgres: everything is drained")
	if err := subscriber.ends(t, "subscriber"); err == nil {
		t.Error("the session ended without an error")
	}
	v.accountOf(truth.Sent, nothing).wantRecords(t, subscriber.all(), 0)
	c := rowsAre(t, dsn, dir)
	state, err := journal.Stat(dir)
	if err != nil || c.Rows != state.Durable || c.To != state.Durable+1 || c.From != 1 || c.Rows < truth.Sent {
		t.Errorf("rows of %d to %d, %d of them; the journal has %d entries: %v", c.From, c.To, c.Rows, state.Durable, err)
	}

	// A gateway that never reaches its database ends as fast as any, and says what is left.
	server.Stop(t, pgcluster.Immediate)
	g = startAt(t, binary, config)
	g.logged("postgres: down")
	g.signal(syscall.SIGTERM)
	if code, out := g.exit(); code != exitOK {
		t.Errorf("exit code %d: %s", code, out)
	}
	left := g.logged("postgres: not everything is drained, the next start goes on", "level", "WARN", "entries", "2", "next", fmt.Sprint(c.To))
	if left["rows"] != 0.0 {
		t.Errorf("%v", left)
	}
}

// page returns a page of the admin interface as it is.
func page(t *testing.T, url string) string {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// What makes no sense about the database is said before anything is started.
func TestRunPostgresConfiguration(t *testing.T) {
	for says, section := range map[string]string{
		"connection string":      "postgres: {dsn: \"port=x password=hidden\"}\njournal: {dir: j}\n",
		"a database and no jour": "postgres: {dsn: \"host=x password=hidden\"}\n",
	} {
		config := configWith(t, `{name: A, address: "127.0.0.1:1"}`, func(text string) string { return text + section })
		for _, args := range [][]string{{"run", "--check", "-c", config}, {"run", "-c", config}} {
			code, _, stderr := tidegate(t, args...)
			if code != exitUsage || !strings.Contains(stderr, says) || strings.Contains(stderr, "hidden") {
				t.Errorf("%q: exit code %d, want %d with %q: %s", args, code, exitUsage, says, stderr)
			}
		}
	}
}

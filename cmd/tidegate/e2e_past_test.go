//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"tidegate/internal/pgcluster"
	"tidegate/internal/pgtest"
	"tidegate/sinks/journal"
)

// questioned asks for a page of history, and returns what there was and whence.
func questioned(t *testing.T, url string) (status int, source string, body []byte) {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if body, err = io.ReadAll(r.Body); err != nil {
		t.Fatalf("%s: %v after %d bytes", url, err, len(body))
	}
	if r.StatusCode >= 500 && r.Header.Get("Retry-After") == "" {
		t.Errorf("%s: %d without a time to try again", url, r.StatusCode)
	}
	return r.StatusCode, r.Header.Get("Tidegate-Source"), body
}

// What a replica answers is what the journal answers, byte for byte. One that stands still is refused until it has
// caught up; what the journal has no longer comes from it by itself; where there is no server, that is said at once.
func TestE2EHistoryOfAReplica(t *testing.T) {
	primary := pgtest.New(t, crashSafe)
	dsn := primary.DSN("postgres")
	migrated(t, dsn)
	standby := primary.Standby(t, "")
	binary := buildTidegate(t)
	a, b, lines := twoPorts(t)
	dir := filepath.Join(t.TempDir(), "journal")
	config := configWith(t, lines, func(text string) string {
		return text + fmt.Sprintf("journal: {dir: %q, schemas: [mbo, mbp-1, tbbo, trades, bbo-1s, ohlcv-1s, definition, status]}\n"+
			"postgres:\n  dsn: %q\n  keep: [trades, quotes, bars, orders, records]\n"+
			"  history: {dsn: 'host=127.0.0.1,127.0.0.1 port=%d,%d user=%s dbname=postgres sslmode=disable', max_lag: 2s}\n",
			dir, dsn, primary.Port, standby.Port, pgtest.Superuser)
	})
	g := startAt(t, binary, config)
	v := startVenue(t, binary, venueCmd{Seed: 21, Rate: 1600, Speed: "4x", A: a, B: b})
	v.passes(8000)
	truth := v.pause()
	reaches(t, g.url, truth.Sent)
	drained(t, g.url)

	var trades struct {
		Records []struct {
			Symbol string
			Event  string `json:"ts_event"`
		}
	}
	getJSON(t, g.url+"/history?schema=trades&start=0&limit=1000000", &trades)
	if len(trades.Records) < 20 {
		t.Fatalf("%d trades", len(trades.Records))
	}
	middle := trades.Records[len(trades.Records)/2]
	var asked []string
	for _, schema := range []string{"mbo", "mbp-1", "tbbo", "trades", "bbo-1s", "ohlcv-1s", "definition", "status"} {
		for _, format := range []string{"json", "csv", "dbn"} {
			asked = append(asked, fmt.Sprintf("/history?schema=%s&format=%s&start=0&limit=1000000", schema, format))
		}
		asked = append(asked, fmt.Sprintf("/history?schema=%s&format=csv&start=%s&symbol=%s&limit=7", schema, middle.Event, middle.Symbol))
	}
	asked = append(asked, "/history/switches?start=0", "/history/gaps?start=0&format=csv")
	answers := make(map[string][]byte)
	for _, q := range asked {
		eventually(t, q, func() error { // when the last is durable, drained and replayed
			status, source, want := questioned(t, g.url+q+"&source=journal")
			if status != http.StatusOK || source != "journal" {
				t.Fatalf("%s: %d from %s: %s", q, status, source, want)
			}
			status, source, got := questioned(t, g.url+q+"&source=database")
			if status != http.StatusOK || source != "database" || !bytes.Equal(got, want) {
				return fmt.Errorf("%d from %s, %d bytes, want %d: %.300s", status, source, len(got), len(want), got)
			}
			answers[q] = got
			return nil
		})
	}

	there := connected(t, standby.DSN("postgres"))
	execute(t, there, "SELECT pg_wal_replay_pause()")
	v.post("/resume", nil)
	v.passes(truth.Sent + 1000)
	truth = v.pause()
	reaches(t, g.url, truth.Sent)
	const fresh = "/history?schema=trades&start=0&source=database"
	eventually(t, "a standby that stands is refused", func() error {
		if status, _, body := questioned(t, g.url+fresh); status != http.StatusServiceUnavailable || !strings.Contains(string(body), "lags too far behind") {
			return fmt.Errorf("%d %s", status, body)
		}
		return nil
	})
	wantContains(t, "metrics", page(t, g.url+"/metrics"), "\ntidegate_history_database_behind_total ", "\ntidegate_history_database_lag_seconds ")
	execute(t, there, "SELECT pg_wal_replay_resume()")
	there.Close(t.Context())
	eventually(t, "the standby has caught up", func() error {
		if status, _, body := questioned(t, g.url+fresh); status != http.StatusOK {
			return fmt.Errorf("%d %s", status, body)
		}
		return nil
	})

	// The journal of this run goes. The next gateway has it from the database.
	drained(t, g.url)
	g.signal(syscall.SIGTERM)
	if code, out := g.exit(); code != exitOK {
		t.Errorf("exit code %d: %s", code, out)
	}
	g = startAt(t, binary, config)
	drained(t, g.url)
	state, err := journal.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range state.Segments {
		if s.Epoch == state.Segments[0].Epoch {
			if err := os.Remove(filepath.Join(dir, s.Name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	old := "/history?schema=trades&limit=5&format=csv&start=" + middle.Event
	eventually(t, "what the journal has no longer", func() error {
		if status, source, body := questioned(t, g.url+old); status != http.StatusOK || source != "database" || bytes.Count(body, []byte("\n")) != 6 {
			return fmt.Errorf("%d from %s: %s", status, source, body)
		}
		return nil
	})
	if status, _, body := questioned(t, g.url+old+"&source=journal"); status != http.StatusGone {
		t.Errorf("the journal alone: %d %s", status, body)
	}

	standby.Stop(t, pgcluster.Immediate)
	primary.Stop(t, pgcluster.Immediate)
	began := time.Now()
	status, _, body := questioned(t, g.url+fresh)
	var said struct{ Error string }
	if err := json.Unmarshal(body, &said); err != nil || status != http.StatusBadGateway || !strings.Contains(said.Error, "the database cannot be asked") {
		t.Errorf("without a server: %d %s after %v", status, body, time.Since(began))
	}
}

package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"tidegate/arbiter"
	"tidegate/gateway/admin"
)

func twoProviders() admin.ChoiceReport {
	lag, seen := 1234*time.Microsecond, 5*time.Millisecond
	return admin.ChoiceReport{
		Feed: "nasdaq", Active: "secaucus", Preferred: "secaucus", Stale: true, Switches: 2, TimesStale: 1, RefreshDue: 3,
		Providers: []admin.ProviderReport{
			{
				Name: "carteret", BreakerReport: admin.BreakerReport{Rank: "DOWN", Breaker: "open", Reason: "behind", By: 51 * time.Millisecond},
				Override: "none", Gapped: true, Margin: arbiter.Margin{Won: 5, Lost: 7, BehindAverage: 2e6}, Standby: 9,
			},
			{
				Name: "secaucus", BreakerReport: admin.BreakerReport{Rank: "SUSPECT", Breaker: "half-open", Reason: "silent"},
				Override: "closed", Lag: &lag, LagAge: &seen, Forwarded: 8,
			},
		},
		Decisions: []admin.DecisionReport{
			{At: time.Unix(1e9, 5e6), From: "carteret", To: "secaucus", Reason: "behind", By: 51 * time.Millisecond},
			{At: time.Unix(1e9+1, 0), From: "secaucus", To: "carteret", Reason: "preferred"},
		},
	}
}

// squeeze leaves one space between words, so that columns can be compared.
func squeeze(text string) string {
	var rows []string
	for line := range strings.Lines(text) {
		rows = append(rows, strings.Join(strings.Fields(line), " "))
	}
	return strings.Join(rows, "\n")
}

// A line for each provider, the ranks of lines, connections, and the journal.
func TestStatShowsProviders(t *testing.T) {
	feeds := &admin.FeedsReport{
		Providers: []admin.ChoiceReport{twoProviders()},
		Feeds: []admin.FeedReport{{
			Lines: []admin.LineReport{
				{Name: "A", Judged: &admin.BreakerReport{Rank: "OK", Breaker: "closed", Reason: "fresh"}, Address: "x:1"},
				{Name: "B", Judged: &admin.BreakerReport{Rank: "DOWN", Breaker: "open", Reason: "behind"}, Address: "x:2"},
				{Name: "C", TCP: &admin.TCPReport{Dials: 3, Logins: 1, Refused: 2, Missed: 1, LastError: "no route"}, Address: "x:3"},
				{Name: "R", Address: "x:4"},
			},
			Snapshots: &admin.SnapshotsReport{Servers: []admin.SnapshotServerReport{
				{Name: "y:1", Attempts: 3, Outcomes: map[string]uint64{"done": 1, "broken": 1}, UnderWay: true, Breaker: "open", LastError: "gone"},
			}},
		}},
		Journal: &admin.JournalReport{
			Dir: "/j", Entries: 12, DurableIndex: 11, Dropped: 1, QueueBytes: 64 << 10, Segments: 1, StoredBytes: 5 << 20, FreeBytes: 7 << 20,
			Damaged: 1, HeldBy: "pg", HeldBytes: 2 << 20,
		},
	}
	show := func() string {
		var out bytes.Buffer
		if err := (&stat{Feeds: feeds, Subscribers: &admin.SubscribersReport{}, Latency: &admin.LatencyReport{}}).write(&out, nil); err != nil {
			t.Fatal(err)
		}
		return squeeze(out.String())
	}
	wantContains(t, "stat", show(),
		"\nchoice nasdaq: secaucus is active, THE FEED IS STALE, an operator prefers secaucus, 2 switches, stale 1 time, 3 instruments to be published anew\n",
		"\ncarteret DOWN behind 51ms - GAP - - 5 7 2ms 0 9\n",
		"\nsecaucus active SUSPECT silent - closed - 1ms 5ms 0 0 0s 8 0\n",
		" state rank address\n", " nothing yet OK x:1\n", " nothing yet DOWN behind x:2\n", " nothing yet - x:4\n",
		"\nline C by tcp: NOT CONNECTED, 3 dials, 1 logins, 2 refused, 1 message missed (no route)\n",
		"\nsnapshots of y:1: breaker open, 3 attempts, 1 of them good, one under way (gone)\n",
		"\njournal keeping in /j: 12 entries, durable up to 11, 1 dropped, 64 KiB wait; 1 segment, 5 MiB, 7 MiB free, 1 DAMAGED, 2 MiB kept for pg\n")
	for _, c := range []struct {
		spoil func(*admin.JournalReport)
		want  string
	}{
		{func(j *admin.JournalReport) { j.Spilling = true }, "journal SPILLING in"},
		{func(j *admin.JournalReport) { j.Stalled = "disk is full" }, "journal STALLED (disk is full) in"},
		{func(j *admin.JournalReport) { j.Dropping = true }, "journal DROPPING in"},
	} {
		c.spoil(feeds.Journal)
		wantContains(t, "stat", show(), c.want)
	}
	feeds.Journal = nil
	if out := show(); strings.Contains(out, "journal") {
		t.Errorf("a journal in\n%s", out)
	}
	var out bytes.Buffer
	if err := (&stat{Providers: &admin.ProvidersReport{Feeds: feeds.Providers}}).write(&out, nil); err != nil {
		t.Fatal(err)
	}
	wantContains(t, "stat --providers", squeeze(out.String()), "choice nasdaq: secaucus is active",
		"\n2001-09-09T01:46:40.005Z carteret to secaucus: behind by 51ms\n2001-09-09T01:46:41.000Z secaucus to carteret: preferred")
}

// What the command sends, and what it makes of the answer.
func TestProviderCommand(t *testing.T) {
	var got string
	code := http.StatusOK
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got = r.Method + " " + r.URL.EscapedPath() + " " + r.Header.Get("Content-Type") + " " + r.Header.Get("Authorization") + " " + string(b)
		w.WriteHeader(code)
		if code != http.StatusOK {
			_, _ = io.WriteString(w, `{"error":"not known: there is venue"}`)
			return
		}
		if err := json.NewEncoder(w).Encode(twoProviders()); err != nil {
			t.Error(err)
		}
	}))
	defer s.Close()
	for args, body := range map[string]string{
		"--force open":   `{"force":"open"}`,
		"--force closed": `{"force":"closed"}`,
		"--force none":   `{"force":"none"}`,
		"--prefer":       `{"prefer":true}`,
		"--no-prefer":    `{"prefer":false}`,
	} {
		out := mustRun(t, append([]string{"provider", "a/b", "ven dor", "--url", s.URL, "--token", "secret"}, strings.Fields(args)...)...)
		wantContains(t, args, squeeze(out), "choice nasdaq: secaucus is active", "\nsecaucus active SUSPECT ")
		if want := "POST /providers/a%2Fb/ven%20dor application/json Bearer secret " + body; got != want {
			t.Errorf("%s sent %s, want %s", args, got, want)
		}
	}
	code = http.StatusNotFound
	if exit, _, stderr := tidegate(t, "provider", "x", "y", "--prefer", "--url", s.URL); exit != exitFailure || !strings.Contains(stderr, "/providers/x/y: 404 Not Found: not known: there is venue") {
		t.Errorf("exit %d, %q", exit, stderr)
	}
	for args, want := range map[string]string{
		"provider x y":                             "want one of --force open",
		"provider x y --force open --prefer":       "want one of --force open",
		"provider x y --force ajar":                "ajar",
		"provider x":                               "expected",
		"provider x y --prefer --url http://":      "want one like",
		"stat --providers --instruments":           "--providers: not with --instruments",
		"stat --providers --url ://":               "want one like",
		"provider x y --prefer --no-prefer --what": "unknown flag",
	} {
		if exit, _, stderr := tidegate(t, strings.Fields(args)...); exit != exitUsage || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit %d, %q", args, exit, stderr)
		}
	}
}

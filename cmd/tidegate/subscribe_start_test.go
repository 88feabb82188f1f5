package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"tidegate/codec/dbn"
	"tidegate/internal/lsgclient/lsgtest"
	"tidegate/market"
)

func TestStartOf(t *testing.T) {
	now := time.Date(2026, 1, 5, 15, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		text string
		want time.Time
		err  string
	}{
		{"0", time.Unix(0, 0), ""},
		{"-10m", now.Add(-10 * time.Minute), ""},
		{"10m", now.Add(-10 * time.Minute), ""},
		{"1.5h", now.Add(-90 * time.Minute), ""},
		{"2026-01-05T14:30:00Z", now.Add(-30 * time.Minute), ""},
		{"2026-01-05T09:30:00.5-05:00", now.Add(-30*time.Minute + 500*time.Millisecond), ""},
		{"2026-01-05T15:00:01Z", now, "is in the future"},
		{"--1m", now, "want a time like"},
		{"yesterday", now, "want a time like"},
		{"1960-01-01T00:00:00Z", now, "want a time like"},
		{"1000000h", now, "want a time like"},
	} {
		got, err := startOf(c.text, now)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v, want %q", c.text, err, c.err)
			}
			continue
		}
		if err != nil || got != market.Nanos(c.want.UnixNano()) {
			t.Errorf("%s: %d, %v, want %d", c.text, got, err, c.want.UnixNano())
		}
	}
	if got, err := startOf("", now); err != nil || got.Defined() {
		t.Errorf("nothing: %d, %v", got, err)
	}
}

func TestReplayIsShown(t *testing.T) {
	var s script
	s.ack().mapping(1, "ALFA", "ALFA").trade(1, 1e9).trade(1, 2e9).system(dbn.SystemReplayCompleted, "Finished trades replay").trade(1, 3e9)
	s.system(dbn.SystemUnset, "gateway is stopping")
	addr := serveStream(t, &s, false)
	var out, errs bytes.Buffer
	code := run(t.Context(), []string{"subscribe", "-a", addr, "-d", "XSIM.ITCH", "-k", lsgtest.Key, "-s", "trades", "--start", "0", "ALFA"}, &console{Out: &out, Err: &errs})
	if code != exitOK || strings.Count(out.String(), "ALFA") != 3 {
		t.Errorf("exit code %d, out %s", code, &out)
	}
	if !strings.Contains(errs.String(), "replay finished: 2 records in ") {
		t.Errorf("said %s", &errs)
	}
	for _, c := range []struct{ flags, want string }{
		{"--start tomorrow", "--start \"tomorrow\": want a time like"},
		{"--start 0 --snapshot", "--start and --snapshot: want one of them"},
	} {
		errs.Reset()
		args := append([]string{"subscribe", "-a", addr, "-d", "XSIM.ITCH", "-k", lsgtest.Key, "-s", "mbo"}, strings.Fields(c.flags)...)
		if code := run(t.Context(), args, &console{Out: &out, Err: &errs}); code != exitUsage || !strings.Contains(errs.String(), c.want) {
			t.Errorf("%s: exit code %d, %s", c.flags, code, &errs)
		}
	}
}

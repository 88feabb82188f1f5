package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tidegate/codec/dbn"
	"tidegate/market"
	"tidegate/sinks/journal"
)

const journalStart = 1_795_000_000 * market.Second

// madeJournal makes a journal of two epochs with 100 mbo records and 10 others, and a registered reader.
func madeJournal(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for range 2 {
		j, err := journal.Open(journal.Config{Dir: dir, SegmentBytes: 2 << 20, ReserveBytes: 1})
		if err != nil {
			t.Fatal(err)
		}
		for i := range market.Nanos(50) {
			at := journalStart + market.Nanos(j.Epoch())*market.Minute + i*market.Second
			m := dbn.MBO{Header: dbn.Header{PublisherID: 2, InstrumentID: 7, TsEvent: at}, OrderID: 1000 + uint64(i), TsRecv: at, Action: market.Add, Side: market.Bid, Price: 5 * market.PriceScale, Size: 100}
			j.Append(journal.Header{At: at, Feed: 1, Kind: 1}, m.Append(nil))
		}
		for range 5 {
			j.Append(journal.Header{At: journalStart + market.Hour, Feed: 2, Kind: 9}, []byte("tide"))
		}
		j.Append(journal.Header{At: journalStart + market.Hour}, make([]byte, journal.PayloadMax+1))
		r, err := j.NewReader()
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Register("store"); err != nil {
			t.Fatal(err)
		}
		r.Close()
		if err := j.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// segmentsIn returns the plain segments of a journal.
func segmentsIn(t *testing.T, dir string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "*.tgj"))
	if err != nil || len(all) == 0 {
		t.Fatalf("segments: %v, %v", all, err)
	}
	return all
}

func TestJournalCommands(t *testing.T) {
	dir := madeJournal(t)
	wantContains(t, "verify", mustRun(t, "journal", "verify", dir), "index 1 to 112", "2 segments", "110 entries", "2 entries were dropped", "whole")
	var report journal.Report
	if err := json.Unmarshal([]byte(mustRun(t, "journal", "verify", "--json", dir)), &report); err != nil || report.Last != 112 || len(report.Segments) != 2 || report.Segments[1].First != 57 {
		t.Errorf("verify --json: %+v, %v", report, err)
	}

	wantContains(t, "stat", mustRun(t, "journal", "stat", dir), "epoch 2", "index 1 to 112", "00000002-00000000000000000057.tgj", "reader   store", "next is index 1,", "112 entries")
	var state journal.State
	if err := json.Unmarshal([]byte(mustRun(t, "journal", "stat", "--json", dir)), &state); err != nil || state.Durable != 112 || len(state.Readers) != 1 || state.Segments[0].Last != 56 {
		t.Errorf("stat --json: %+v, %v", state, err)
	}

	text := mustRun(t, "journal", "dump", dir)
	if n := strings.Count(text, "\n"); n != 112 {
		t.Errorf("dump prints %d lines, want 112", n)
	}
	wantContains(t, "dump", text, "1  2026-11-18T11:07:40.000000000Z  feed 1  kind 1  mbo", "5.00          1000", "feed 2  kind 9  74696465", "56 to 56  GAP of 1: dropped", "payload too long")
	text = mustRun(t, "journal", "dump", dir, "--from", "57", "--feed", "1", "-n", "3", "--json")
	lines := strings.Split(strings.TrimSpace(text), "\n")
	var d dumped
	if err := json.Unmarshal([]byte(lines[0]), &d); err != nil || len(lines) != 3 || d.Index != 57 || d.Feed != 1 || len(d.Payload) != 2*56 || d.Record == "" {
		t.Errorf("dump --json: %+v, %v, %d lines", d, err, len(lines))
	}
	if text := mustRun(t, "journal", "dump", dir, "--since", "2026-11-18T11:08:39Z", "--kind", "1"); !strings.HasPrefix(text, "56 to 56  GAP") || !strings.Contains(text, "\n57  2026-11-18T11:08:40.000000000Z") || strings.Contains(text, "\n55 ") {
		t.Errorf("dump --since: %.100s", text)
	}

	wantContains(t, "seek", mustRun(t, "journal", "seek", dir, "--index", "60"), "entry 60 of 2026-11-18T11:08:43", "epoch 2", "00000002-00000000000000000057.tgj at byte 512", "entries 57 to 111")
	wantContains(t, "seek a gap", mustRun(t, "journal", "seek", dir, "--index", "56"), "entries 56 to 56 were dropped")
	var f found
	at := journalStart + market.Minute + 7*market.Second
	if err := json.Unmarshal([]byte(mustRun(t, "journal", "seek", dir, "--time", fmt.Sprint(int64(at)), "--json")), &f); err != nil || f.Index != 8 || f.At != at || f.Epoch != 1 {
		t.Errorf("seek --json: %+v, %v", f, err)
	}
}

func TestJournalDamage(t *testing.T) {
	dir := madeJournal(t)
	name := segmentsIn(t, dir)[0]
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	b[700] ^= 1
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := tidegate(t, "journal", "verify", dir)
	if code != exitImperfect {
		t.Errorf("verify: exit %d, %s", code, stderr)
	}
	wantContains(t, "verify", stdout, "DAMAGE", filepath.Base(name), "byte 512", "entries 1 to 55 (55) cannot be read", "DAMAGED")
	code, stdout, stderr = tidegate(t, "journal", "dump", dir)
	if code != exitImperfect {
		t.Errorf("dump: exit %d, %s", code, stderr)
	}
	wantContains(t, "dump", stdout, "1 to 55  HOLE of 55: cannot be read", "56 to 56  GAP", "\n57  ")
	if code, _, stderr := tidegate(t, "journal", "seek", dir, "--index", "3"); code != exitImperfect || !strings.Contains(stderr, "entries 3 to 55") {
		t.Errorf("seek: exit %d, %s", code, stderr)
	}
}

func TestJournalCannotBeRead(t *testing.T) {
	for _, command := range []string{"verify", "stat", "dump"} {
		code, _, stderr := tidegate(t, "journal", command, filepath.Join(t.TempDir(), "none"))
		if code != exitFailure || !strings.Contains(stderr, "no journal there") {
			t.Errorf("%s: exit %d, %q", command, code, stderr)
		}
	}
	dir := madeJournal(t)
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"seek", dir}, exitUsage, "--index"},
		{[]string{"seek", dir, "--index", "1", "--time", "5"}, exitUsage, "--time"},
		{[]string{"seek", dir, "--time", "noon"}, exitUsage, "want a time like"},
		{[]string{"seek", dir, "--index", "113"}, exitFailure, "the journal ends before that, at index 112"},
		{[]string{"dump", dir, "--from", "3", "--since", "5"}, exitUsage, "want one of them"},
		{[]string{"dump", dir, "--since", "noon"}, exitUsage, "want a time like"},
	} {
		code, _, stderr := tidegate(t, append([]string{"journal"}, c.args...)...)
		if code != c.code || !strings.Contains(stderr, c.want) {
			t.Errorf("%v: exit %d, %q; want %d, %q", c.args, code, stderr, c.code, c.want)
		}
	}
}

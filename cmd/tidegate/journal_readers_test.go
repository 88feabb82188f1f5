package main

import (
	"encoding/json"
	"strings"
	"testing"

	"tidegate/sinks/journal"
)

// Readers are listed with what they need, and dropped by name.
func TestJournalReaders(t *testing.T) {
	dir := t.TempDir()
	j, err := journal.Open(journal.Config{Dir: dir, ReserveBytes: 1})
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		j.Append(journal.Header{At: 1}, []byte("entry"))
	}
	if err := j.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantContains(t, "nobody", mustRun(t, "journal", "readers", dir), "no reader is registered")
	for name, next := range map[string]uint64{"postgres": 4, "gone": 1} {
		r, err := journal.OpenReader(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if err := r.Register(name); err != nil {
			t.Fatal(err)
		}
		if err := r.Done(next); err != nil {
			t.Fatal(err)
		}
	}
	fails := func(want int, says string, args ...string) {
		t.Helper()
		if code, _, stderr := tidegate(t, args...); code != want || !strings.Contains(stderr, says) {
			t.Errorf("%q: exit code %d, want %d with %q: %s", args, code, want, says, stderr)
		}
	}
	wantContains(t, "readers", mustRun(t, "journal", "readers", dir), "gone     1  ", "postgres     4  ", "7 entries")
	fails(exitFailure, "no reader other is registered; there is gone, postgres", "journal", "readers", dir, "--drop", "other")
	fails(exitUsage, "want 1 to 64 letters", "journal", "readers", dir, "--drop", "../x")
	fails(exitFailure, "no journal", "journal", "readers", t.TempDir(), "--drop", "gone")
	wantContains(t, "drop", mustRun(t, "journal", "readers", dir, "--drop", "gone"), "dropped  gone")
	var left []journal.Position
	if err := json.Unmarshal([]byte(mustRun(t, "journal", "readers", dir, "--json")), &left); err != nil || len(left) != 1 || left[0].Name != "postgres" || left[0].Next != 4 {
		t.Errorf("%+v, %v", left, err)
	}
}

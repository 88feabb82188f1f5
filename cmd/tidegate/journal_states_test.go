package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tidegate/internal/vfs"
	"tidegate/market"
	"tidegate/sinks/journal"
)

// A journal that is being written says so, and what lies behind its last entry is not called lost.
func TestJournalBeingWritten(t *testing.T) {
	dir := t.TempDir()
	j, err := journal.Open(journal.Config{Dir: dir, SegmentBytes: 2 << 20, ReserveBytes: 1})
	if err != nil {
		t.Fatal(err)
	}
	j.Append(journal.Header{At: journalStart}, []byte("tide"))
	eventually(t, "journal", func() error {
		if j.DurableIndex() != 1 {
			return errors.New("is not durable")
		}
		return nil
	})
	wantContains(t, "verify", mustRun(t, "journal", "verify", dir), "open     the journal is being written", "1 entries", "whole")
	wantContains(t, "stat", mustRun(t, "journal", "stat", dir), "being written")

	segment := segmentsIn(t, dir)[0]
	f, err := os.OpenFile(segment, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("TGB1 of the next batch"), 1024); err != nil {
		t.Fatal(err)
	}
	wantContains(t, "verify in the middle of a write", mustRun(t, "journal", "verify", dir), "with 22 bytes of the next entries", "whole")
	if err := errors.Join(f.Close(), j.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	text := mustRun(t, "journal", "verify", dir)
	if strings.Contains(text, "being written") || strings.Contains(mustRun(t, "journal", "stat", dir), "being written") {
		t.Errorf("a closed journal is being written: %s", text)
	}
	var report journal.Report
	if err := json.Unmarshal([]byte(mustRun(t, "journal", "verify", "--json", dir)), &report); err != nil || report.Writing || report.Last != 1 {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestJournalInUse(t *testing.T) {
	dir := t.TempDir()
	j, err := journal.Open(journal.Config{Dir: dir, SegmentBytes: 2 << 20, ReserveBytes: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close(t.Context())
	_, err = journal.Open(journal.Config{Dir: dir})
	if want := "journal: " + dir + ": another process, or another part of this one, is writing it: lock " + filepath.Join(dir, "journal.lock") + ": in use"; !errors.Is(err, vfs.ErrLocked) || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// What is no journal says what is there instead.
func TestJournalThatIsNone(t *testing.T) {
	empty, other := t.TempDir(), t.TempDir()
	file := filepath.Join(other, "notes.txt")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]string{
		empty:                        "no journal there: the directory has no files",
		other:                        "no journal there: none of the files is a segment; the first is notes.txt",
		filepath.Join(empty, "gone"): "no journal there: file does not exist",
		file:                         "not a directory",
	} {
		for _, command := range []string{"verify", "stat", "dump"} {
			if code, _, stderr := tidegate(t, "journal", command, dir); code != exitFailure || !strings.Contains(stderr, want) {
				t.Errorf("%s: exit %d, %q, want %q", command, code, stderr, want)
			}
		}
	}
}

// Damage in the middle costs what it hit: the rest is verified, read and exported, and a gateway goes on behind it.
func TestJournalDamagedInTheMiddle(t *testing.T) {
	dir := t.TempDir()
	for range 3 {
		j, err := journal.Open(journal.Config{Dir: dir, SegmentBytes: 2 << 20, ReserveBytes: 1})
		if err != nil {
			t.Fatal(err)
		}
		for i := range market.Nanos(10) {
			j.Append(journal.Header{At: journalStart + i, Kind: 9}, []byte("tide"))
		}
		if err := j.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	all := segmentsIn(t, dir)
	b, err := os.ReadFile(all[1])
	if err != nil {
		t.Fatal(err)
	}
	b[700] ^= 1
	if err := os.WriteFile(all[1], b, 0o600); err != nil {
		t.Fatal(err)
	}
	j, err := journal.Open(journal.Config{Dir: dir, SegmentBytes: 2 << 20, ReserveBytes: 1})
	if err != nil {
		t.Fatal(err)
	}
	if index, kept := j.Append(journal.Header{At: journalStart}, []byte("on")); index != 31 || !kept {
		t.Errorf("goes on with index %d, %t", index, kept)
	}
	if err := j.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"verify", "dump"} {
		code, stdout, stderr := tidegate(t, "journal", command, dir)
		if code != exitImperfect || !strings.Contains(stdout, "11 to 20") || !strings.Contains(stderr, "1 ") {
			t.Errorf("%s: exit %d, %s, %s", command, code, stdout, stderr)
		}
		if command == "dump" && strings.Count(stdout, "\n") != 22 {
			t.Errorf("dump: %s, want 21 entries and a hole", stdout)
		}
	}
	if err := os.Remove(all[1]); err != nil { // as if it had never been
		t.Fatal(err)
	}
	if code, stdout, _ := tidegate(t, "journal", "verify", dir); code != exitImperfect || !strings.Contains(stdout, "entries 11 to 20 (10) cannot be read") {
		t.Errorf("without the segment: exit %d, %s", code, stdout)
	}
}

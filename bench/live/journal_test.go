//go:build linux

package live

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"tidegate/internal/vfs"
)

func smallJournal(t *testing.T) JournalOptions {
	return JournalOptions{Rounds: 2, Entries: 20_000, Payload: 56, BurstBase: 100_000, Burst: 400 * time.Millisecond, Dir: t.TempDir()}
}

func TestJournal(t *testing.T) {
	o := smallJournal(t)
	r, err := RunJournal(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if q := r.Ratios[0]; len(r.Ratios) != 1 || len(q.Rounds) != 2 || q.Rounds[0] <= 0 || q.Mark != 0.8 || !q.AtLeast {
		t.Errorf("ratios %+v", r.Ratios)
	}
	for _, f := range r.Figures {
		if !strings.HasPrefix(f.Name, "burst") && (len(f.Rounds) != 2 || f.Rounds[0] <= 0) {
			t.Errorf("%s: %v", f.Name, f.Rounds)
		}
	}
	text := textOf(t, r)
	for _, want := range []string{"20000 entries of 56 bytes", "burst, slow disk: 400ms of 1000000 entries/s", "journal / bare write and fdatasync"} {
		if !strings.Contains(text, want) {
			t.Errorf("text has no %q:\n%s", want, text)
		}
	}
	if left, err := os.ReadDir(o.Dir); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// A burst that the disk does not take is in memory: 1.7 MB come in 0.4 s, and the disk takes 1 MB/s.
func TestJournalBurstOnSlowDisk(t *testing.T) {
	o := smallJournal(t)
	o.BurstBase = 6000
	m := &journalRun{opt: &o, ctx: t.Context(), root: t.TempDir(), memory: 1 << 20}
	b, err := m.burst(&slowFS{FS: vfs.Disk{}, bytesPerSecond: 1e6})
	if err != nil || b.spilled == 0 || b.waited <= 1<<20 || b.entries < 24_000 {
		t.Errorf("%+v, %v, want it to spill", b, err)
	}
}

// What memory does not hold is an error, not a figure.
func TestJournalBurstThatIsTooMuch(t *testing.T) {
	o := smallJournal(t)
	m := &journalRun{opt: &o, ctx: t.Context(), root: t.TempDir(), memory: 1 << 20}
	if _, err := m.burst(&slowFS{FS: vfs.Disk{}, bytesPerSecond: 4 << 20}); err == nil || !strings.Contains(err.Error(), "was dropped") {
		t.Errorf("got %v", err)
	}
}

func TestJournalCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	o := smallJournal(t)
	if _, err := RunJournal(ctx, o); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if left, err := os.ReadDir(o.Dir); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestJournalOptions(t *testing.T) {
	for want, change := range map[string]func(*JournalOptions){
		"rounds 0":               func(o *JournalOptions) { o.Rounds = 0 },
		"1 entries":              func(o *JournalOptions) { o.Entries = 1 },
		"payload of 8 bytes":     func(o *JournalOptions) { o.Payload = 8 },
		"usual rate of 1":        func(o *JournalOptions) { o.BurstBase = 1 },
		"a burst of 1ns: want 1": func(o *JournalOptions) { o.Burst = 1 },
	} {
		o := smallJournal(t)
		change(&o)
		if err := o.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
	o := DefaultJournal()
	if err := o.Validate(); err != nil {
		t.Error(err)
	}
}

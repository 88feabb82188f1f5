//go:build linux

package live

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"
)

// TestMain is the child too: the measurements under test start this binary again.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "child" {
		if err := Child(os.Stdin, os.Stdout); err != nil {
			os.Stderr.WriteString(err.Error() + "\n")
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// common are options for a machine that has other things to do.
func common() Common {
	return Common{Command: []string{os.Args[0], "child"}, Rounds: 1, Threads: Threads{Loops: 1, Idle: 1}}
}

func smallLatency() LatencyOptions {
	return LatencyOptions{
		Common: common(), Rates: []float64{2_000}, Duration: 600 * time.Millisecond, WarmUp: 100 * time.Millisecond,
		Batch: 1, Subscribers: 2, IngestMessages: 20_000,
	}
}

func TestLatency(t *testing.T) {
	o := smallLatency()
	r, err := RunLatency(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := r.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	t.Log(text.String())
	for _, s := range r.Series {
		want := int64(1200)
		if strings.HasSuffix(s.Name, "subscriber") {
			want *= 2
		}
		if strings.HasSuffix(s.Name, "late") {
			want = 1400
		}
		if s.Count != want {
			t.Errorf("series %q: %d latencies, want %d", s.Name, s.Count, want)
		}
	}
}

func smallFanout() FanoutOptions {
	return FanoutOptions{Common: common(), Subscribers: []int{3}, Duration: 400 * time.Millisecond, StallSubscribers: 5, StallRate: 20_000}
}

func TestFanout(t *testing.T) {
	r, err := RunFanout(t.Context(), smallFanout())
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := r.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	t.Log(text.String())
}

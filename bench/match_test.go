package bench

import (
	"bytes"
	"runtime"
	"strings"
	"testing"

	"tidegate/book/match"
)

func TestRunMatch(t *testing.T) {
	for _, plain := range []bool{false, true} {
		r, err := RunMatch(t.Context(), MatchOptions{Operations: 5000, Resting: 1000, Runs: 2, Plain: plain, Twin: 500})
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Programs) != 3 {
			t.Fatalf("%d programs, want 3", len(r.Programs))
		}
		insert, cancel, mix := r.Programs[0], r.Programs[1], r.Programs[2]
		if insert.Open != 5000 || insert.Trades != 0 || insert.Events != 10_000 {
			t.Errorf("insert: %+v", insert)
		}
		if cancel.Open != 0 || cancel.Events != 5000 {
			t.Errorf("cancel: %+v", cancel)
		}
		if mix.Trades < 500 || mix.Open < 1000 || mix.Checked != 500 {
			t.Errorf("mix: %+v", mix)
		}
		var out bytes.Buffer
		if err := r.WriteText(&out); err != nil || !strings.Contains(out.String(), "mix") {
			t.Errorf("text: %v\n%s", err, &out)
		}
	}
	if _, err := RunMatch(t.Context(), MatchOptions{Operations: 10, Resting: 1000, Runs: 1}); err == nil {
		t.Error("10 operations are enough")
	}
}

func BenchmarkMatchMix(b *testing.B) {
	p := matchPrograms(MatchOptions{Operations: 500_000, Resting: 100_000})[2]
	b.ReportAllocs()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	best := 0.0
	for b.Loop() {
		b.StopTimer()
		events := make([]match.Event, 0, 4096)
		e := p.engine(&events)
		b.StartTimer()
		busy := threadTime()
		for i := range p.inputs {
			if i%matchGroup == 0 {
				e.Prefetch(p.inputs[i:min(i+matchGroup, len(p.inputs))])
			}
			events = e.Apply(&p.inputs[i], events[:0])
		}
		if took := float64(threadTime()-busy) / float64(len(p.inputs)); best == 0 || took < best {
			best = took
		}
		if e.Len() < 100_000 {
			b.Fatalf("%d orders", e.Len())
		}
	}
	b.ReportMetric(best, "best-processor-ns/input")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(p.inputs)), "ns/input")
}

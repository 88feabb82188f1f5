package admin

import (
	"errors"
	"testing"

	"tidegate/arbiter"
	"tidegate/market"
)

func here(f func()) error { f(); return nil }

func TestLatency(t *testing.T) {
	l := NewLatency()
	l.Published(5) // nothing was received
	for _, took := range []market.Nanos{1000, 2000, 3000, 4000, 100 * market.Second} {
		l.Stamp(1 << 60)
		l.Stamp(1<<60 + 1) // later in the same poll
		l.Published(1<<60 + took)
	}
	l.Stamp(1 << 60)
	l.Published(1<<60 - 1) // the clock was set back
	if l.Waiting() {
		t.Error("waiting after the end of the poll")
	}
	if err := l.collect(here); err != nil {
		t.Fatal(err)
	}
	near := func(got, want int64) bool { return got > want*98/100 && got < want*102/100 }
	r := l.report().WireToPublish
	if r.Total.Count != 5 || !near(r.Total.Min, 1000) || !near(r.Total.P50, 3000) || !near(r.Total.Max, 10e9) || r.Recent != r.Total {
		t.Errorf("first %+v", r)
	}
	l.Stamp(0)
	l.Published(1000)
	refused := errors.New("stopped")
	if err := l.collect(func(func()) error { return refused }); err != refused {
		t.Errorf("got %v, want %v", err, refused)
	}
	if err := l.collect(here); err != nil {
		t.Fatal(err)
	}
	if r = l.report().WireToPublish; r.Total.Count != 6 || r.Recent.Count != 1 || !near(r.Recent.Max, 1000) {
		t.Errorf("second %+v", r)
	}
	counts, count, sum := l.buckets([]int64{500, 1100, 5000, 20e9})
	if count != 6 || counts[0] != 0 || counts[1] != 2 || counts[2] != 5 || counts[3] != 6 || !near(int64(sum), 10e9) {
		t.Errorf("buckets %v of %d, sum %v", counts, count, sum)
	}
}

func TestLatencyDoesNotAllocate(t *testing.T) {
	l := NewLatency()
	at := market.Nanos(0)
	if n := testing.AllocsPerRun(1000, func() {
		at += 1000
		l.Stamp(at)
		l.Published(at + 700)
	}); n != 0 {
		t.Errorf("%.1f allocations per poll, want 0", n)
	}
}

func TestLatest(t *testing.T) {
	var l latest[arbiter.Gap]
	for n := range uint64(witnessMax + 3) {
		l.add(arbiter.Gap{From: n + 1})
	}
	want := uint64(4) // the first three are forgotten
	l.each(func(number uint64, g *arbiter.Gap) {
		if number != want || g.From != number {
			t.Errorf("number %d is %+v, want number %d", number, g, want)
		}
		want++
	})
	if want != witnessMax+4 {
		t.Errorf("ended before %d", want)
	}
}

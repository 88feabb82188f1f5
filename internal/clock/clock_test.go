package clock

import (
	"testing"
	"testing/synctest"
	"time"

	"tidegate/market"
)

func TestNowIsTheTimeOfDay(t *testing.T) {
	before := time.Now().Add(-time.Minute)
	got := time.Unix(0, int64(Now()))
	if after := time.Now().Add(time.Minute); got.Before(before) || got.After(after) {
		t.Errorf("got %v, want a time between %v and %v", got, before, after)
	}
}

func TestNowNeverGoesBack(t *testing.T) {
	last := Now()
	for range 10000 {
		now := Now()
		if now < last {
			t.Fatalf("went from %d to %d", last, now)
		}
		last = now
	}
}

func TestNowInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if got, want := Now(), market.Nanos(time.Now().UnixNano()); got != want {
			t.Fatalf("got %d, want the bubble's time %d", got, want)
		}
		start := Now()
		time.Sleep(time.Second)
		if got := Now() - start; got != market.Second {
			t.Errorf("a second of the bubble took %d ns", got)
		}
	})
}

func TestNowDoesNotAllocate(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { Now() }); n != 0 {
		t.Errorf("Now allocates %.1f times, want 0", n)
	}
}

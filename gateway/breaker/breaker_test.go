package breaker

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tidegate/market"
)

// drive ticks a breaker each millisecond for a time, and returns its last state.
func drive(b *Breaker, d time.Duration, healthy bool) (s State) {
	for range d / time.Millisecond {
		time.Sleep(time.Millisecond)
		s = b.OnTick(market.Nanos(time.Now().UnixNano()), healthy)
	}
	return s
}

func must(t *testing.T, cfg Config) *Breaker {
	t.Helper()
	b, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := DefaultConfig("A")
		cfg.Jitter = 0
		b := must(t, cfg)
		if s := drive(b, time.Minute, true); s != Closed {
			t.Fatalf("a good minute: %s", s)
		}
		if s := drive(b, time.Millisecond, false); s != Open || b.Opened() != 1 {
			t.Fatalf("one bad tick: %s, opened %d times", s, b.Opened())
		}
		if s := drive(b, 999*time.Millisecond, true); s != Open {
			t.Fatalf("before the cool-down was over: %s", s)
		}
		if s := drive(b, 2*time.Millisecond, true); s != HalfOpen {
			t.Fatalf("after the cool-down: %s", s)
		}
		if s := drive(b, 995*time.Millisecond, true); s != HalfOpen {
			t.Fatalf("before the last probe: %s", s)
		}
		if s := drive(b, 10*time.Millisecond, true); s != Closed {
			t.Fatalf("after ten good probes: %s", s)
		}
		// A relapse on probation starts the cool-down again.
		drive(b, time.Millisecond, false)
		drive(b, 1500*time.Millisecond, true)
		if s := drive(b, time.Millisecond, false); s != Open || b.Opened() != 3 {
			t.Fatalf("a relapse on probation: %s, opened %d times", s, b.Opened())
		}
		if s := drive(b, 990*time.Millisecond, true); s != Open {
			t.Fatalf("the cool-down after a relapse: %s", s)
		}
	})
}

// TestStaysOpen: what stays bad is not put on probation again and again, and is as soon as it is good.
func TestStaysOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := must(t, DefaultConfig("A"))
		for range time.Minute / time.Millisecond {
			if s := drive(b, time.Millisecond, false); s != Open {
				t.Fatalf("a bad tick: %s", s)
			}
		}
		if b.Opened() != 1 {
			t.Errorf("a bad minute: opened %d times", b.Opened())
		}
		if s := drive(b, time.Millisecond, true); s != HalfOpen {
			t.Errorf("a good tick long after the cool-down: %s", s)
		}
		if s := drive(b, 1005*time.Millisecond, true); s != Closed {
			t.Errorf("after ten good probes: %s", s)
		}
	})
}

// TestFlapping: a subject that is bad every half second never comes back, and one that is bad only while
// nobody relies on it does.
func TestFlapping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := must(t, DefaultConfig("A"))
		closed := 0
		for range 200 {
			drive(b, 499*time.Millisecond, true)
			if drive(b, time.Millisecond, false) == Closed {
				closed++
			}
			if b.State() == Closed {
				closed++
			}
		}
		if closed != 0 {
			t.Errorf("closed %d times while flapping", closed)
		}
		if s := drive(b, 3*time.Second, true); s != Closed {
			t.Errorf("after three good seconds: %s", s)
		}
	})
}

func TestJitterSpreads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := DefaultConfig("A")
		cfg.Jitter = 200 * time.Millisecond
		seen := map[time.Duration]bool{}
		for seed := range uint64(20) {
			cfg.Seed = seed + 1
			b := must(t, cfg)
			drive(b, time.Millisecond, false)
			start := time.Now()
			for b.State() == Open {
				drive(b, time.Millisecond, true)
			}
			took := time.Since(start)
			if took < cfg.CoolDown || took > cfg.CoolDown+cfg.Jitter+3*time.Millisecond {
				t.Errorf("seed %d: open for %s", seed, took)
			}
			seen[took] = true
		}
		if len(seen) < 10 {
			t.Errorf("20 seeds gave %d different times", len(seen))
		}
	})
}

func TestOverride(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := must(t, DefaultConfig("A"))
		b.Force(ForceOpen)
		if s := drive(b, time.Second, true); s != Open || b.Own() != Closed {
			t.Errorf("forced open: %s, own %s", s, b.Own())
		}
		b.Force(ForceClosed)
		if s := drive(b, time.Second, false); s != Closed || b.Own() != Open {
			t.Errorf("forced closed: %s, own %s", s, b.Own())
		}
		b.Force(None)
		if s := drive(b, time.Millisecond, false); s != Open {
			t.Errorf("set free while unhealthy: %s", s)
		}
	})
}

func TestTickAllocatesNothing(t *testing.T) {
	b := must(t, DefaultConfig("A"))
	now := market.Nanos(1)
	if n := testing.AllocsPerRun(1000, func() {
		now += 1_000_000
		b.OnTick(now, now%7 != 0)
	}); n != 0 {
		t.Errorf("%v allocations per tick", n)
	}
}

func TestConfig(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"cool-down":   func(c *Config) { c.CoolDown = 0 },
		"jitter":      func(c *Config) { c.Jitter = -1 },
		"0 probes":    func(c *Config) { c.Probes = 0 },
		"probe every": func(c *Config) { c.ProbeEvery = -1 },
	} {
		cfg := DefaultConfig("line A")
		change(&cfg)
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

//go:build linux

package netloop

import (
	"testing"
	"time"

	"tidegate/market"
)

func poller(t *testing.T, idle Idle, tick time.Duration) *Poller {
	t.Helper()
	p, err := NewPoller(idle, tick)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// park waits, and reports whether a descriptor was among what ended the wait.
func park(t *testing.T, p *Poller, fd int) bool {
	t.Helper()
	clear(p.events[:])
	if err := p.Idle(1, false); err != nil {
		t.Fatal(err)
	}
	for i := range p.events {
		if p.events[i].Events != 0 && int(p.events[i].Fd) == fd {
			return true
		}
	}
	return false
}

func TestPark(t *testing.T) {
	p := poller(t, Park, 50*time.Millisecond)
	s, to := pair(t, Config{Addr: loopback})
	if err := p.Add(s); err != nil {
		t.Fatal(err)
	}
	for !park(t, p, p.timer) { // it comes, if nothing else does
	}
	p.Wake()
	p.Wake()
	if !park(t, p, p.wake) {
		t.Error("a wake before the wait did not end it")
	}
	if park(t, p, p.wake) {
		t.Error("two wakes ended two waits, want one")
	}
	go p.Wake()
	for !park(t, p, p.wake) { // ticks may be earlier
	}
	send(t, to, []byte("x"))
	for range 2 { // it stays until somebody takes it
		if !park(t, p, s.fd) {
			t.Error("a datagram did not end the wait")
		}
	}
	receive(t, s, NewBatch(1, 10), func(int) {})
	if park(t, p, s.fd) {
		t.Error("there is no datagram, but one ended the wait")
	}
	if spins, parks := p.Counts(); spins != 0 || parks < 7 {
		t.Errorf("%d spins, %d parks, want 0 and at least 7", spins, parks)
	}
}

func TestIdleStrategies(t *testing.T) {
	const now = 1000 * market.Second
	for _, tt := range []struct {
		idle         Idle
		spins, parks uint64
	}{{Backoff, 3, 2}, {Park, 0, 5}, {Spin, 5, 0}} {
		t.Run(tt.idle.String(), func(t *testing.T) {
			p := poller(t, tt.idle, time.Second)
			for _, at := range []struct {
				now  market.Nanos
				busy bool
			}{
				{now, true},
				{now, false}, // quiet from here
				{now + spinMax - 1, false},
				{now + spinMax, false}, // parks
				{now + market.Second, false},
				{now + market.Second, true},
				{now + market.Second + 1, false}, // quiet from here
			} {
				p.Wake() // so that no wait takes long
				if err := p.Idle(at.now, at.busy); err != nil {
					t.Fatal(err)
				}
			}
			if spins, parks := p.Counts(); spins != tt.spins || parks != tt.parks {
				t.Errorf("%d spins, %d parks, want %d and %d", spins, parks, tt.spins, tt.parks)
			}
		})
	}
}

func TestPollerRefuses(t *testing.T) {
	for _, tt := range []struct {
		idle Idle
		tick time.Duration
	}{{Spin + 1, time.Second}, {Park, 0}, {Park, time.Microsecond}, {Park, time.Minute}} {
		if p, err := NewPoller(tt.idle, tt.tick); err == nil {
			p.Close()
			t.Errorf("idle %d, tick %s: no error", tt.idle, tt.tick)
		}
	}
}

func TestIdleText(t *testing.T) {
	for want, text := range []string{"backoff", "park", "spin"} {
		var i Idle
		if err := i.UnmarshalText([]byte(text)); err != nil || i != Idle(want) {
			t.Errorf("%s: got %d, %v", text, i, err)
		}
		if b, _ := i.MarshalText(); string(b) != text {
			t.Errorf("%d: text %q, want %q", i, b, text)
		}
	}
	var i Idle
	if err := i.UnmarshalText([]byte("sleep")); err == nil {
		t.Error("sleep: no error")
	}
	if got := Idle(9).String(); got != "idle?" {
		t.Errorf("unknown: %q", got)
	}
}

func TestIdleDoesNotAllocate(t *testing.T) {
	p := poller(t, Park, time.Second)
	if n := testing.AllocsPerRun(100, func() {
		p.Wake()
		if err := p.Idle(1, false); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("a wait and a wake allocate %.1f times, want 0", n)
	}
}

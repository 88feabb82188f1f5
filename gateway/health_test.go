package gateway_test

import (
	"testing"

	"tidegate/arbiter"
	"tidegate/gateway"
	"tidegate/market"
)

// A line that misses what the other one has delivered is behind, since then.
func TestLineHealth(t *testing.T) {
	p := newPipeline(t, gateway.ITCH, &discard{})
	p.OnDatagram(arbiter.LineA, 10*market.Millisecond, mold(1, add(1, 'B', 100, 10000)))
	p.OnDatagram(arbiter.LineB, 11*market.Millisecond, mold(1, add(1, 'B', 100, 10000)))
	p.OnDatagram(arbiter.LineA, 20*market.Millisecond, mold(2, add(2, 'B', 100, 10000), add(3, 'B', 100, 10000)))
	a, _ := p.LineHealth(arbiter.LineA)
	b, ok := p.LineHealth(arbiter.LineB)
	if !ok || a.Behind != 0 || a.BehindSince.Defined() || a.HighWater != 4 || a.LastRecv != 20*market.Millisecond {
		t.Errorf("line A: %+v", a)
	}
	if b.Behind != 2 || b.BehindSince != 20*market.Millisecond || b.HighWater != 2 || b.LastRecv != 11*market.Millisecond {
		t.Errorf("line B: %+v", b)
	}
	if h, ok := p.LineHealth(arbiter.LinesMax); ok {
		t.Errorf("a line that cannot be: %+v", h)
	}
	file, err := gateway.New(gateway.FileConfig(gateway.ITCH), &discard{})
	if err != nil {
		t.Fatal(err)
	}
	if h, ok := file.LineHealth(arbiter.LineA); ok {
		t.Errorf("a line of a file: %+v", h)
	}
}

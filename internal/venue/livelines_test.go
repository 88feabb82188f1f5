package venue

import (
	"strings"
	"testing"

	"tidegate/market"
)

func (a *audience) set(line int, to LiveLine) {
	a.t.Helper()
	if err := a.SetLine(line, to); err != nil {
		a.t.Fatal(err)
	}
	if got := a.Line(line); got.Down != to.Down || got.Clogged != to.Clogged || got.Impairment.Loss != to.Impairment.Loss || got.Impairment.Down != nil {
		a.t.Fatalf("line is %+v after setting %+v", got, to)
	}
}

// heard returns how many packets came on a line since the last time.
func (a *audience) heard(line int) int {
	n := len(a.lines[line])
	a.lines[line] = nil
	return n
}

func TestLiveLineChanges(t *testing.T) {
	cfg := shortLive(1)
	cfg.Feed.Market.Trading = market.Minute
	a := listen(t, cfg)
	step := func() (lineA, lineB int) {
		a.pass(500 * market.Millisecond)
		return a.heard(0), a.heard(1)
	}
	if x, y := step(); x == 0 || x != y {
		t.Fatalf("perfect lines bring %d and %d packets", x, y)
	}

	a.set(0, LiveLine{Impairment: Impairment{Loss: 1}})
	if x, y := step(); x != 0 || y == 0 || a.Counts(0).Lost != uint64(y) {
		t.Fatalf("A loses all: %d and %d packets, %+v", x, y, a.Counts(0))
	}

	a.set(0, LiveLine{Down: true})
	lost := a.Counts(0).Lost
	if x, y := step(); x != 0 || y == 0 || a.Counts(0).Lost != lost+uint64(y) {
		t.Fatalf("A is down: %d and %d packets, %+v", x, y, a.Counts(0))
	}
	a.set(1, LiveLine{Down: true})
	if x, y := step(); x != 0 || y != 0 {
		t.Fatalf("both are down: %d and %d packets", x, y)
	}
	a.set(0, LiveLine{})
	a.set(1, LiveLine{})
	if x, y := step(); x == 0 || x != y {
		t.Fatalf("both are up again: %d and %d packets", x, y)
	}

	a.set(0, LiveLine{Clogged: true})
	x, y := step()
	if x != 0 || y == 0 || a.Held(0) != y || a.Counts(0).Clogged != uint64(y) {
		t.Fatalf("A is clogged: %d and %d packets, %d held, %+v", x, y, a.Held(0), a.Counts(0))
	}
	delivered := a.Counts(0).Delivered
	a.set(0, LiveLine{})
	a.tick(0)
	if x := a.heard(0); x != y || a.Held(0) != 0 || a.Counts(0).Delivered != delivered+uint64(y) {
		t.Fatalf("A is free again: %d packets at once of %d, %+v", x, y, a.Counts(0))
	}
	a.heard(1)

	a.set(0, LiveLine{Impairment: Impairment{Delay: market.Second}})
	a.set(1, LiveLine{Impairment: Impairment{Duplicate: 1}})
	x, y = step()
	if x != 0 || uint64(y) != 2*a.Counts(1).Duplicated || y == 0 {
		t.Fatalf("A is late and B repeats: %d and %d packets, %+v", x, y, a.Counts(1))
	}
	a.set(0, LiveLine{}) // what is under way is not overtaken
	first := uint64(0)
	a.pass(1500 * market.Millisecond)
	for _, p := range a.lines[0] {
		if p.Seq < first {
			t.Fatalf("packet from %d after one from %d", p.Seq, first)
		}
		first = p.Seq
	}
}

// No line delivers before its delay is over, though the least delay of all lines is known.
func TestLiveLinesDelay(t *testing.T) {
	cfg := shortLive(1)
	for i := range cfg.Feed.Lines {
		cfg.Feed.Lines[i].Delay = 50 * market.Millisecond
	}
	a := listen(t, cfg)
	a.tick(0)
	a.pass(49 * market.Millisecond)
	if n := a.heard(0) + a.heard(1); n != 0 {
		t.Errorf("%d packets before their time", n)
	}
	a.tick(market.Millisecond)
	if x, y := a.heard(0), a.heard(1); x == 0 || x != y {
		t.Errorf("%d and %d packets at their time", x, y)
	}
}

func TestLiveLineRefusesNonsense(t *testing.T) {
	a := listen(t, shortLive(1))
	for want, i := range map[string]Impairment{
		"loss 2: want a probability": {Loss: 2},
		"down and clogged spans":     {Down: []Span{{0, 1}}},
		"delay 3600":                 {Delay: market.Hour},
	} {
		if err := a.SetLine(1, LiveLine{Impairment: i, Down: true}); err == nil || !strings.Contains(err.Error(), "venue: line B: "+want) {
			t.Errorf("%+v: error %v, want %q", i, err, want)
		}
	}
	if l := a.Line(1); l.Down || l.Impairment.Loss != 0 {
		t.Errorf("line is %+v, want it as it was", l)
	}
}

// With protection every packet comes by one line, while one is up.
func TestLiveLinesAreProtected(t *testing.T) {
	cfg := shortLive(2)
	cfg.Feed.Protected = true
	a := listen(t, cfg)
	for i := range 2 {
		a.set(i, LiveLine{Impairment: Impairment{Loss: 0.7}})
	}
	a.set(1, LiveLine{Impairment: Impairment{Loss: 0.7}, Down: true})
	a.pass(2 * market.Second)
	if got, _ := stream(t, a.lines[0], cfg.Feed.Sender.Session); len(got) == 0 || len(a.lines[1]) != 0 || a.Counts(0).Spared == 0 {
		t.Errorf("%d messages on A, %d packets on B, %+v", len(got), len(a.lines[1]), a.Counts(0))
	}
	a.heard(0)
	a.set(0, LiveLine{Down: true})
	a.pass(market.Second)
	if n := a.heard(0) + a.heard(1); n != 0 {
		t.Errorf("%d packets, with both lines down", n)
	}
}

// What is under way is bounded, by whatever delay or clog.
func TestLiveLinesHoldNoMoreThanTheyMay(t *testing.T) {
	cfg := shortLive(3)
	a := listen(t, cfg)
	a.set(0, LiveLine{Clogged: true})
	a.set(1, LiveLine{Impairment: Impairment{Delay: market.Minute}})
	a.switches[0].held = make([]Datagram, heldMax)
	a.pass(200 * market.Millisecond)
	if c := a.Counts(0); a.Held(0) != heldMax || c.Lost == 0 || c.Lost != c.Packets || c.Delivered != 0 {
		t.Errorf("clogged: %d held, %+v", a.Held(0), c)
	}
	under := len(a.LiveFeed.lines.pending)
	a.LiveFeed.lines.pending = append(a.LiveFeed.lines.pending, make(arrivals, underwayMax-under)...)
	for i := under; i < underwayMax; i++ {
		a.LiveFeed.lines.pending[i].Time = never
	}
	lost := a.Counts(1).Lost
	a.pass(200 * market.Millisecond)
	if c := a.Counts(1); len(a.LiveFeed.lines.pending) > underwayMax || c.Lost == lost {
		t.Errorf("delayed: %d under way, %+v", len(a.LiveFeed.lines.pending), c)
	}
}

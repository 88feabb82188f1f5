package providers_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"tidegate/arbiter"
	"tidegate/gateway"
	"tidegate/gateway/breaker"
	"tidegate/gateway/providers"
	"tidegate/internal/venue"
	"tidegate/market"
)

// twoLines is a venue whose lines A and B arrive by paths of their own, and their judge.
type twoLines struct {
	t        *testing.T
	venue    *venue.LiveFeed
	paths    [2]path
	pipeline *gateway.Pipeline
	lines    *providers.Lines
	verdicts []providers.LineVerdict
}

func newTwoLines(t *testing.T, ids ...arbiter.LineID) *twoLines {
	t.Helper()
	w := &twoLines{t: t}
	w.paths[0].delay, w.paths[1].delay = steady(ms), steady(2*ms)
	live := venue.DefaultLiveConfig(1)
	live.Feed.Market.Open, live.Feed.Market.PreOpen = market.Second, market.Second
	live.Feed.Market.Halts, live.Feed.Market.Rate = nil, 3000
	var err error
	if w.venue, err = venue.NewLiveFeed(live, w.now()); err != nil {
		t.Fatal(err)
	}
	if w.pipeline, err = gateway.New(gateway.DefaultConfig(gateway.ITCH), void{}); err != nil {
		t.Fatal(err)
	}
	cfg := providers.LinesConfig{Channel: "sim", IDs: ids, StaleAfter: 50 * ms, Silence: 3 * market.Second}
	w.lines, err = providers.NewLines(cfg, w.pipeline, func(c *breaker.Config) { c.Jitter = 0 },
		func(v providers.LineVerdict) { w.verdicts = append(w.verdicts, v) })
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *twoLines) now() market.Nanos { return market.Nanos(time.Now().UnixNano()) }

// run lets time pass, a millisecond per tick.
func (w *twoLines) run(d market.Nanos) {
	for end := w.now() + d; w.now() < end; {
		time.Sleep(time.Millisecond)
		now := w.now()
		w.venue.OnTick(now)
		for d, ok := w.venue.Next(); ok; d, ok = w.venue.Next() {
			for i := range w.paths { // the venue's own line A, which is perfect, by two paths
				if d.Line == 0 {
					w.paths[i].send(now, d.Payload)
				}
			}
		}
		for i := range w.paths {
			p := &w.paths[i]
			for ; len(p.queue) > 0 && p.queue[0].at <= now; p.queue = p.queue[1:] {
				w.pipeline.OnTick(now)
				w.pipeline.OnDatagram(arbiter.LineID(i), now, p.queue[0].b)
			}
		}
		w.pipeline.OnTick(now)
		w.lines.OnTick(now)
	}
}

// line returns the account of a line.
func (w *twoLines) line(id arbiter.LineID) providers.LineLedger {
	w.t.Helper()
	ledger := w.lines.Ledger()
	i := slices.IndexFunc(ledger, func(l providers.LineLedger) bool { return l.Line == id })
	if i < 0 {
		w.t.Fatalf("no line %s in %+v", id, ledger)
	}
	return ledger[i]
}

// TestLineLate: a line that is late by more than the limit is opened in the tick after it, and closed again
// after its cool-down and probes.
func TestLineLate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newTwoLines(t, arbiter.LineA, arbiter.LineB, arbiter.LineR)
		w.run(4 * market.Second)
		for _, v := range w.verdicts {
			if v.State != breaker.Closed {
				t.Fatalf("good lines: %+v", w.verdicts)
			}
		}
		w.verdicts = nil
		late := w.now()
		w.paths[0].delay = steady(80 * ms)
		w.run(200 * ms)
		if len(w.verdicts) != 1 {
			t.Fatalf("verdicts: %+v", w.verdicts)
		}
		v := w.verdicts[0]
		if v.Line != arbiter.LineA || v.State != breaker.Open || v.Reason != providers.Behind || v.By <= 50*ms || v.By > 52*ms {
			t.Errorf("late by 80 ms: %+v, want it open within a tick of 50 ms", v)
		}
		if took := v.At - late; took < 50*ms || took > 70*ms { // what was on its way, the limit, and a tick
			t.Errorf("opened %d ms after the line became late", took/ms)
		}
		if l := w.line(arbiter.LineA); l.Opened != 1 || l.Since != v.At || l.State != breaker.Open {
			t.Errorf("line A: %+v", l)
		}
		if l := w.line(arbiter.LineB); l.State != breaker.Closed || l.Opened != 0 || l.Reason != providers.Fresh {
			t.Errorf("line B: %+v", l)
		}
		w.run(1500 * ms) // it comes on probation, and fails
		if l := w.line(arbiter.LineA); l.Opened < 2 || l.State == breaker.Closed {
			t.Errorf("still late: %+v", l)
		}
		w.paths[0].delay = steady(ms)
		w.verdicts = nil
		healed := w.now()
		w.run(4 * market.Second)
		if len(w.verdicts) == 0 {
			t.Fatalf("no verdict after it healed: %+v", w.line(arbiter.LineA))
		}
		last := w.verdicts[len(w.verdicts)-1]
		if last.State != breaker.Closed || last.Reason != providers.Fresh || last.At-healed < market.Second {
			t.Errorf("healed: %+v, %d ms after", last, (last.At-healed)/ms)
		}
		if n := len(w.lines.Ledger()); n != 2 {
			t.Errorf("%d lines are judged, want A and B", n)
		}
	})
}

// TestLineQuiet: a quiet market opens nothing, nor does one that has stopped altogether; a line without even
// heartbeats is silent while the other one has them.
func TestLineQuiet(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newTwoLines(t, arbiter.LineA, arbiter.LineB)
		w.run(3 * market.Second)
		w.venue.Pause() // heartbeats only
		w.run(10 * market.Second)
		for _, id := range []arbiter.LineID{arbiter.LineA, arbiter.LineB} {
			if l := w.line(id); l.Opened != 0 || l.Reason != providers.Fresh {
				t.Fatalf("line %s of a quiet market: %+v", id, l)
			}
		}
		w.paths[1].drop = true
		w.run(3500 * ms) // its last heartbeat may be a second old
		if l := w.line(arbiter.LineB); l.State != breaker.Open || l.Reason != providers.Silent || l.By <= 3*market.Second || l.By > 3*market.Second+2*ms {
			t.Errorf("line B without heartbeats: %+v", l)
		}
		w.paths[0].drop = true
		w.run(10 * market.Second)
		if l := w.line(arbiter.LineA); l.Opened != 0 {
			t.Errorf("line A, with nobody to be compared with: %+v", l)
		}
	})
}

// TestLineNeverHeard: a line that never had anything is down as soon as another one has, and not before.
func TestLineNeverHeard(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newTwoLines(t, arbiter.LineA, arbiter.LineB)
		w.paths[0].drop, w.paths[1].drop = true, true
		w.run(5 * market.Second)
		if l := w.line(arbiter.LineB); l.State != breaker.Closed || l.Reason != providers.Unheard {
			t.Errorf("before anything was heard: %+v", l)
		}
		w.paths[0].drop = false
		w.run(500 * ms)
		if l := w.line(arbiter.LineB); l.State != breaker.Open || l.Opened != 1 {
			t.Errorf("the other one is heard: %+v", l)
		}
		if l := w.line(arbiter.LineA); l.State != breaker.Closed {
			t.Errorf("the one that is heard: %+v", l)
		}
	})
}

func TestLinesConfig(t *testing.T) {
	p, err := gateway.New(gateway.DefaultConfig(gateway.ITCH), void{})
	if err != nil {
		t.Fatal(err)
	}
	good := providers.LinesConfig{Channel: "sim", IDs: []arbiter.LineID{arbiter.LineA}, StaleAfter: 1, Silence: 2}
	for want, spoil := range map[string]func(*providers.LinesConfig){
		"want more than stale after": func(c *providers.LinesConfig) { c.Silence = 1 },
		"and that more than 0":       func(c *providers.LinesConfig) { c.StaleAfter = 0 },
		"of sim: the pipeline has no such line": func(c *providers.LinesConfig) {
			c.IDs = []arbiter.LineID{arbiter.LinesMax}
		},
	} {
		cfg := good
		spoil(&cfg)
		if _, err := providers.NewLines(cfg, p, nil, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if _, err := providers.NewLines(good, p, func(c *breaker.Config) { c.Probes = 0 }, nil); err == nil {
		t.Error("a breaker without probes is taken")
	}
}

package providers_test

import (
	"testing"

	"tidegate/gateway"
	"tidegate/gateway/breaker"
	"tidegate/gateway/providers"
	"tidegate/market"
)

func twoProviders() providers.Config {
	cfg := providers.DefaultConfig("venue", "vendor")
	cfg.SameIDs = true
	return cfg
}

// TestGoodProviders: jitter, a quiet market and a busy one make nobody stale and switch nothing.
func TestGoodProviders(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, 1, twoProviders())
		for range 3 {
			w.run(8 * market.Second)
			w.venue.Pause() // heartbeats only
			w.run(8 * market.Second)
			w.venue.Resume()
		}
		w.settle()
		l := w.feed.Ledger()
		if len(w.out.switches) != 0 || len(w.out.stale) != 0 || l.Active != "venue" {
			t.Errorf("switches %v, staleness %v, active %s", w.out.switches, w.out.stale, l.Active)
		}
		if l.Providers[0].Forwarded == 0 || l.Providers[1].Standby != l.Providers[0].Forwarded {
			t.Errorf("%d events of the active provider, %d of the standby", l.Providers[0].Forwarded, l.Providers[1].Standby)
		}
		if m := l.Providers[1].Margin; m.Lost < 1000 || m.BehindAverage < 2*ms || m.BehindAverage > 5*ms {
			t.Errorf("the standby, three milliseconds later, is said to be %+v", m)
		}
	})
}

// TestSwitch: what goes wrong with the active provider, and what is said of it. The switch comes within a
// tick of the limit, the reader's books stay right, and the preferred provider comes back.
func TestSwitch(t *testing.T) {
	for name, c := range map[string]struct {
		harm   func(w *world)
		heal   func(w *world)
		reason providers.Reason
	}{
		"flows late": {
			func(w *world) { w.paths[0].delay = steady(80 * ms) },
			func(w *world) { w.paths[0].delay = steady(ms) },
			providers.Behind, // nothing comes for 79 ms, and by then the other one is ahead
		},
		"gets slower": {
			func(w *world) {
				start := w.now()
				w.paths[0].delay = func() market.Nanos { return (w.now()-start)/20 + ms } // 50 ms more per second
			},
			func(w *world) { w.paths[0].delay = steady(ms) },
			providers.Lagging, // the other one is three milliseconds later anyway
		},
		"stalls": {
			func(w *world) { w.paths[0].drop = true },
			func(w *world) { w.paths[0].drop = false },
			providers.Behind,
		},
		"loses messages": {
			func(w *world) { w.paths[0].lose = 3 },
			func(*world) {},
			providers.Gapped,
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, 2, twoProviders())
				w.run(4 * market.Second)
				c.harm(w)
				w.run(8 * market.Second)
				if len(w.out.switches) != 1 || w.out.switches[0].To != "vendor" || w.out.switches[0].Reason != c.reason {
					t.Fatalf("switches: %v", w.out.switches)
				}
				s := w.out.switches[0]
				if c.reason != providers.Gapped && (s.By <= 50*ms || s.By > 52*ms) {
					t.Errorf("%s: want within a tick and a bit of 50 ms", s)
				}
				w.settle()
				c.heal(w)
				w.run(20 * market.Second)
				w.settle()
				if len(w.out.stale) != 0 {
					t.Errorf("stale with a fresh provider: %v", w.out.stale)
				}
			})
		})
	}
}

// TestRelearnedOffset: that one provider's path is found to be faster than it was thought says nothing about the
// others, who are behind as soon as they were.
func TestRelearnedOffset(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := twoProviders()
		cfg.Lag.Relearn = 60 // what comes in 20 ms
		w := newWorld(t, 20, cfg)
		w.paths[1].delay = steady(80 * ms)
		w.run(5 * market.Second)
		w.venue.Pause() // so that nothing is on the way when the path becomes faster
		w.run(200 * ms)
		w.paths[0].drop = true
		w.paths[1].delay = steady(ms)
		w.venue.Resume()
		w.run(55 * ms)
		l := w.feed.Ledger()
		if l.Providers[1].Steps != 1 {
			t.Fatalf("%d steps of the vendor's clock", l.Providers[1].Steps)
		}
		if l.Providers[0].State == breaker.Closed {
			t.Error("the venue is behind for 55 ms, and nobody says so")
		}
	})
}

// TestClockOfOne: a provider whose own clock is set, forward or back, puts nobody else behind, then or when it is
// right again, and the others are watched as before.
func TestClockOfOne(t *testing.T) {
	for _, by := range []market.Nanos{3 * market.Second, -3 * market.Second, 2 * 3600 * market.Second} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t, 21, twoProviders())
			w.run(2 * market.Second)
			w.paths[1].ahead = by
			w.run(3 * market.Second)
			w.paths[1].ahead = 0
			w.run(3 * market.Second)
			for i := range w.paths {
				if l := w.feed.Ledger().Providers[i]; l.State != breaker.Closed {
					t.Errorf("set by %d s and right again: provider %d is %s, %s: %+v", by/market.Second, i, l.State, l.Reason, l)
				}
			}
			if len(w.out.stale)+len(w.out.switches) != 0 {
				t.Errorf("set by %d s: %v %v", by/market.Second, w.out.switches, w.out.stale)
			}
			w.paths[0].delay = steady(80 * ms)
			w.run(market.Second)
			if l := w.feed.Ledger().Providers[0]; l.State == breaker.Closed {
				t.Errorf("set by %d s: nobody looks any more", by/market.Second)
			}
		})
	}
}

// TestSwitchToAnotherEpoch: a provider that does not see that the publisher began again is left for one that does.
// The orders of the two epochs have the same numbers, and readers do not mix them up.
func TestSwitchToAnotherEpoch(t *testing.T) {
	for _, orders := range []int{4096, 10} { // refreshed at once, and over many ticks
		bubble(t, func(t *testing.T) {
			cfg := twoProviders()
			cfg.RefreshOrders = orders
			w := newWorld(t, 16, cfg)
			w.run(5 * market.Second)
			w.paths[0].drop = true
			w.restart(17)
			w.run(4 * market.Second)
			if l := w.feed.Ledger(); l.Active != "vendor" {
				t.Fatalf("%s is active", l.Active)
			} else if v := l.Providers[1]; v.Implausible != 0 {
				t.Errorf("%d times of the gateway's own passed for the venue's", v.Implausible)
			}
			w.settle()
		})
	}
}

// TestFailBack: the preferred provider comes back when it has proved itself, and not before.
func TestFailBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, 3, twoProviders())
		w.run(3 * market.Second)
		// A path that jumps between 1 and 80 ms every second cannot be relied on.
		bad := true
		for range 20 {
			w.paths[0].delay = steady(ms)
			if bad {
				w.paths[0].delay = steady(80 * ms)
			}
			bad = !bad
			w.run(market.Second)
		}
		if n := len(w.out.switches); n != 1 {
			t.Fatalf("%d switches while flapping: %v", n, w.out.switches)
		}
		w.paths[0].delay = steady(ms)
		healed := w.now()
		w.run(12 * market.Second)
		if n := len(w.out.switches); n != 2 || w.out.switches[1].Reason != providers.Preferred {
			t.Fatalf("switches: %v", w.out.switches)
		}
		if took := w.out.switches[1].At - healed; took < 5*market.Second || took > 9*market.Second {
			t.Errorf("failed back after %d ms", took/ms)
		}
		w.settle()
	})
}

// TestNobodyFresh: with both providers late, the feed says so before anybody can trade on it, marks what it
// publishes, and takes it back.
func TestNobodyFresh(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, 4, twoProviders())
		w.run(3 * market.Second)
		flagged := w.out.flagged
		w.paths[0].delay, w.paths[1].delay = steady(90*ms), steady(90*ms)
		w.run(5 * market.Second)
		if len(w.out.stale) != 1 || !w.out.stale[0].Stale || w.out.stale[0].Reason != providers.Lagging {
			t.Fatalf("staleness: %v", w.out.stale)
		}
		if by := w.out.stale[0].By; by < 88*ms || by > 90*ms {
			t.Errorf("%s: want 89 ms", w.out.stale[0])
		}
		if w.out.flagged == flagged || w.out.marks < len(w.venue.Truth().Books) {
			t.Errorf("%d events flagged, %d marks", w.out.flagged-flagged, w.out.marks)
		}
		for id, flags := range w.out.last {
			if flags&market.FlagMaybeBadBook == 0 {
				t.Errorf("instrument %d: the last event says nothing of being stale", id)
			}
		}
		w.paths[0].delay, w.paths[1].delay = steady(ms), steady(ms)
		w.run(15 * market.Second)
		if len(w.out.stale) != 2 || w.out.stale[1].Stale {
			t.Fatalf("staleness: %v", w.out.stale)
		}
		w.settle()
		for id, flags := range w.out.last {
			if flags&market.FlagMaybeBadBook != 0 {
				t.Errorf("instrument %d is marked for ever", id)
			}
		}
	})
}

// TestOneProvider: a feed with one provider says when it is late, and when it is silent.
func TestOneProvider(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, 5, providers.DefaultConfig("venue"))
		w.run(3 * market.Second)
		w.paths[0].delay = steady(75 * ms)
		w.run(5 * market.Second)
		w.paths[0].delay = steady(ms)
		w.run(10 * market.Second)
		w.paths[0].drop = true
		silent := w.now()
		w.run(5 * market.Second)
		if n := len(w.out.stale); n != 3 || w.out.stale[0].Reason != providers.Lagging || w.out.stale[2].Reason != providers.Silent {
			t.Fatalf("staleness: %v", w.out.stale)
		}
		if took := w.out.stale[2].At - silent; took < 2900*ms || took > 3100*ms {
			t.Errorf("silence seen after %d ms", took/ms)
		}
	})
}

// TestNobodyBetter: when the active provider fails after the preferred one, nothing is gained by a switch back; and
// what is said of a provider on probation is what was wrong with it.
func TestNobodyBetter(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, 9, twoProviders())
		var told []providers.Verdict
		var err error
		w.judge, err = providers.NewJudge(w.feed, nil, func(v providers.Verdict) { told = append(told, v) })
		if err != nil {
			t.Fatal(err)
		}
		w.run(3 * market.Second)
		w.paths[0].drop = true
		w.run(10 * market.Second)
		w.paths[1].drop = true
		w.run(5 * market.Second)
		if l := w.feed.Ledger(); l.Active != "vendor" || len(w.out.switches) != 1 {
			t.Fatalf("active %s, switches %v", l.Active, w.out.switches)
		}
		w.paths[0].drop, w.paths[1].drop = false, false
		w.run(10 * market.Second)
		probations := 0
		for _, v := range told {
			if v.State != breaker.Closed && v.Reason == providers.Fresh {
				t.Errorf("not to be relied on, because it is fresh: %+v", v)
			}
			if v.State == breaker.HalfOpen {
				probations++
			}
		}
		if probations < 2 {
			t.Errorf("%d times on probation: %+v", probations, told)
		}
		for _, s := range w.out.stale {
			if s.Stale && s.Reason == providers.Fresh {
				t.Errorf("stale: %s", s)
			}
		}
	})
}

// TestLateVenue: a provider that comes long after the start is down until then, told once, and fresh from
// its first event on.
func TestLateVenue(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, 8, providers.DefaultConfig("venue"))
		var told []providers.Verdict
		var err error
		w.judge, err = providers.NewJudge(w.feed, nil, func(v providers.Verdict) { told = append(told, v) })
		if err != nil {
			t.Fatal(err)
		}
		w.paths[0].drop = true
		w.run(10 * market.Second)
		if len(told) != 1 || told[0].State != breaker.Open || told[0].Reason != providers.Silent {
			t.Fatalf("before it came: %+v", told)
		}
		w.paths[0].drop = false
		w.run(10 * market.Second)
		if len(w.out.stale) != 0 {
			t.Errorf("staleness: %v", w.out.stale)
		}
		if n := len(told); told[n-1].State != breaker.Closed || told[n-1].Reason != providers.Fresh {
			t.Errorf("when it had come: %+v", told)
		}
	})
}

// TestOperator: an operator's will is done in the next tick, and taken back.
func TestOperator(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, 6, twoProviders())
		w.run(3 * market.Second)
		if w.judge.Force("nobody", breaker.ForceOpen) || w.judge.Prefer("nobody") {
			t.Error("a provider that does not exist")
		}
		w.judge.Force("venue", breaker.ForceOpen)
		w.run(10 * ms)
		if l := w.feed.Ledger(); l.Active != "vendor" || len(w.out.switches) != 1 || w.out.switches[0].Reason != providers.Operator {
			t.Fatalf("active %s, switches %v", l.Active, w.out.switches)
		}
		w.judge.Force("venue", breaker.None)
		w.run(10 * market.Second)
		if l := w.feed.Ledger(); l.Active != "venue" {
			t.Fatalf("active %s", l.Active)
		}
		w.judge.Prefer("vendor")
		w.run(10 * ms)
		if l := w.feed.Ledger(); l.Active != "vendor" || l.Preferred != "vendor" {
			t.Fatalf("active %s, preferred %s", l.Active, l.Preferred)
		}
		w.judge.Prefer("")
		w.run(10 * market.Second)
		if l := w.feed.Ledger(); l.Active != "venue" || l.Preferred != "" {
			t.Fatalf("active %s, preferred %s", l.Active, l.Preferred)
		}
		w.settle()
	})
}

// TestStartWithoutThePreferred: a preferred provider that is not there is waited for, and not for long.
func TestStartWithoutThePreferred(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, 7, twoProviders())
		w.paths[0].drop = true
		w.run(5 * market.Second)
		if len(w.out.switches) != 1 || w.out.switches[0].Reason != providers.Unheard {
			t.Fatalf("switches: %v", w.out.switches)
		}
		w.settle()
	})
}

// TestOwnNumbers: providers that number instruments differently.
func TestOwnNumbers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := twoProviders()
		cfg.SameIDs = false
		cfg.RefreshOrders = 1 // one instrument per tick
		w := newWorld(t, 8, cfg)
		w.run(4 * market.Second)
		w.paths[0].drop = true
		w.run(4 * market.Second)
		if len(w.out.switches) != 1 {
			t.Fatalf("switches: %v", w.out.switches)
		}
		w.settle()
		for _, p := range w.feed.Ledger().Providers {
			if p.Unnamed != 0 {
				t.Errorf("%s: %d events of unnamed instruments", p.Name, p.Unnamed)
			}
		}
	})
}

// TestReplay: the recorded datagrams and decisions give the same events at the same times.
func TestReplay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, 9, twoProviders())
		w.run(2 * market.Second)
		w.paths[0].drop = true
		w.run(2 * market.Second)
		w.paths[0].drop = false
		w.paths[1].lose = 2
		w.run(10 * market.Second)
		w.paths[0].delay, w.paths[1].delay = steady(90*ms), steady(90*ms)
		w.run(2 * market.Second)
		w.judge.Prefer("vendor")
		w.run(2 * market.Second)
		if len(w.out.switches) < 2 || len(w.out.stale) < 1 {
			t.Fatalf("too little happened: %v, %v", w.out.switches, w.out.stale)
		}

		again := newReader(t)
		feed, pipelines := w.build(again)
		for _, in := range w.tape {
			if in.decision == nil {
				pipelines[in.provider].OnTick(in.at)
				pipelines[in.provider].OnDatagram(0, in.at, in.payload)
				continue
			}
			number, d, ok := providers.ParseDecision(in.decision)
			if !ok || number != 3 {
				t.Fatalf("a decision was not read back: %x", in.decision)
			}
			for _, p := range pipelines {
				p.OnTick(in.at)
			}
			feed.Apply(d)
		}
		for _, p := range pipelines {
			p.OnTick(w.now())
		}
		if again.events != w.out.events || again.sum.Sum64() != w.out.sum.Sum64() {
			t.Errorf("live: %d events, %016x; replay: %d events, %016x",
				w.out.events, w.out.sum.Sum64(), again.events, again.sum.Sum64())
		}
	})
}

// TestNothingIsAllocated on the way of an event through a feed.
func TestNothingIsAllocated(t *testing.T) {
	for _, cfg := range []providers.Config{providers.DefaultConfig("venue"), twoProviders()} {
		feed, err := providers.New(cfg, void{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := range cfg.Names {
			p, err := gateway.New(gateway.DefaultConfig(gateway.ITCH), feed.Port(i))
			if err != nil {
				t.Fatal(err)
			}
			feed.Attach(i, p)
		}
		events := []market.Event{{Instrument: 7, Action: market.Add, Side: market.Bid, Price: 1, Size: 1, OrderID: 1}}
		books, at := feed.Books(), market.Nanos(0)
		if n := testing.AllocsPerRun(1000, func() {
			at += ms
			events[0].TsEvent, events[0].TsRecv = at, at
			for i := range cfg.Names {
				feed.Port(i).OnEvents(events, books)
			}
			feed.OnTick(at)
		}); n != 0 {
			t.Errorf("%d providers: %v allocations per event", len(cfg.Names), n)
		}
	}
}

func TestDecisionRoundTrip(t *testing.T) {
	for _, d := range []providers.Decision{
		{},
		{At: 1 << 60, By: -5, Kind: providers.ToRefresh, Provider: 255, Reason: providers.Operator},
	} {
		feed, got, ok := providers.ParseDecision(providers.AppendDecision([]byte{}, 65535, d))
		if !ok || feed != 65535 || got != d {
			t.Errorf("%+v came back as %+v, %v", d, got, ok)
		}
	}
}

func FuzzParseDecision(f *testing.F) {
	f.Add(providers.AppendDecision(nil, 1, providers.Decision{At: 3}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if feed, d, ok := providers.ParseDecision(b); ok {
			if string(providers.AppendDecision(nil, feed, d)) != string(b) {
				t.Errorf("%x is not what is written for %+v", b, d)
			}
		}
	})
}

package providers

import (
	"fmt"
	"slices"

	"tidegate/arbiter"
	"tidegate/gateway/breaker"
	"tidegate/market"
)

// A Judge watches the providers of a feed and tells it what to think of them. It belongs to the feed's
// owner. Replay has none.
type Judge struct {
	feed     *Feed
	breakers []*breaker.Breaker
	told     []Verdict
	watch    func(Verdict)
	start    market.Nanos
}

// NewJudge returns a judge with a breaker per provider. configure, if not nil, changes a breaker's
// configuration; watch, if not nil, is called with each verdict.
func NewJudge(f *Feed, configure func(*breaker.Config), watch func(Verdict)) (*Judge, error) {
	j := &Judge{feed: f, watch: watch}
	for i, name := range f.cfg.Names {
		cfg := breaker.DefaultConfig("provider " + name)
		if configure != nil {
			configure(&cfg)
		}
		b, err := breaker.New(cfg)
		if err != nil {
			return nil, fmt.Errorf("providers: %w", err)
		}
		j.breakers = append(j.breakers, b)
		j.told = append(j.told, Verdict{Provider: uint8(i), State: breaker.Closed, Reason: Unheard})
	}
	return j, nil
}

// OnTick looks at every provider, and tells the feed what has changed. Call it after the pipelines' own
// ticks of the same time and before the feed's.
func (j *Judge) OnTick(now market.Nanos) {
	if j.start == 0 {
		j.start = now
	}
	j.feed.race.OnTick(now)
	for i, b := range j.breakers {
		p := j.feed.ports[i]
		reason, by := p.assess(now, j.start)
		state := b.OnTick(now, reason == Fresh || reason == Unheard || !p.heard)
		switch {
		case b.Override() != breaker.None:
			reason, by = Operator, 0
		case reason == Silent && !p.heard:
			state = breaker.Open // until it comes: nothing speaks against one that is there for the first time
		}
		told := &j.told[i]
		if state != breaker.Closed && reason == Fresh {
			reason, by = told.Reason, told.By // on probation, what opened it stays the reason
		}
		if state == told.State && reason == told.Reason {
			continue
		}
		j.tell(Verdict{At: now, By: by, Provider: uint8(i), State: state, Reason: reason})
	}
}

func (j *Judge) tell(v Verdict) {
	if j.watch != nil {
		j.watch(v)
	}
	j.told[v.Provider] = v
	j.feed.OnVerdict(v)
}

// Force sets an operator's will about a provider, breaker.None to take it back. It reports false for a name
// that no provider has.
func (j *Judge) Force(name string, o breaker.Override) bool {
	for i, n := range j.feed.cfg.Names {
		if n == name {
			j.breakers[i].Force(o)
			return true
		}
	}
	return false
}

// Prefer makes a provider the first choice among equals; "" takes that back. It reports false for a name that
// no provider has.
func (j *Judge) Prefer(name string) bool {
	i := slices.Index(j.feed.cfg.Names, name)
	if name != "" && i < 0 {
		return false
	}
	j.feed.Prefer(i)
	return true
}

// Breaker returns a provider's breaker, to be looked at.
func (j *Judge) Breaker(i int) *breaker.Breaker { return j.breakers[i] }

// assess says what is wrong with a provider right now.
func (p *port) assess(now, start market.Nanos) (Reason, market.Nanos) {
	f := p.feed
	if silent := now - p.lastHeard(start); silent > f.cfg.Silence {
		return Silent, silent
	}
	if !p.heard {
		return Unheard, 0
	}
	if lag, seen, ok := p.lag.Lag(); ok && lag > f.cfg.StaleAfter && now-seen <= f.cfg.LagMemory {
		return Lagging, lag
	}
	if since, behind := f.race.Behind(p.index); behind && p.lag.Event().Defined() {
		return Behind, now - since
	}
	if p.gapped != 0 && now-p.gapped > f.cfg.UnhealedAfter && len(f.ports) > 1 {
		return Unhealed, now - p.gapped
	}
	return Fresh, 0
}

// lastHeard returns when the newest datagram of any line came.
func (p *port) lastHeard(start market.Nanos) market.Nanos {
	last := start
	for id := range arbiter.LineID(arbiter.LinesMax) {
		if h, ok := p.pipeline.LineHealth(id); ok && h.LastRecv.Defined() {
			last = max(last, h.LastRecv)
		}
	}
	return last
}

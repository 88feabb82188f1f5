package sim

import (
	"tidegate/arbiter"
	"tidegate/gateway/breaker"
	"tidegate/gateway/providers"
	"tidegate/market"
)

// How much later than its limit something may be noticed.
const (
	// lagSlack is what measuring times of a drifting clock may be wrong by.
	lagSlack = 3 * market.Millisecond
	// raceSlack is a tick, and the grain in which a Race knows the past.
	raceSlack = 3 * market.Millisecond
	// tickSlack is a tick.
	tickSlack = 2 * market.Millisecond
	// unsureFor is for how long after a change of the venue's clock its times are no measure: what a LagMeter
	// remembers, and a while.
	unsureFor = 8 * market.Second
	// aftermath is for how long what was done to a provider may be felt: a queue, a gap, a silence, what was
	// learned.
	aftermath = 4 * market.Second
)

// A checker watches a world.
type checker struct{ ticks int }

// A feedChecker is what a checker knows of a feed.
type feedChecker struct {
	clock   market.Nanos // of the venue, when it was last seen
	unsure  market.Nanos // until when venue times are no measure
	newest  market.Nanos // venue time of the newest event that any provider delivered
	front   []delivery   // of newest, in the last while
	quiet   market.Nanos // since when the market has been paused; 0 if it is not
	checked bool         // the books, in this pause
	heard   market.Nanos // when the first provider was; 0 before
	sent    market.Nanos // when the venue sent its last datagram
}

// A delivery says when a venue time was first delivered: at, by the time of receipt, and published when.
type delivery struct{ event, at, published market.Nanos }

// doubt lets time pass in which venue times are no measure. While nothing comes nobody learns of a clock that was set.
func (c *feedChecker) doubt(w *World, f *feed) {
	var newest market.Nanos
	for _, p := range f.providers {
		newest = max(newest, p.watch.lateness.at)
		p.watch.lateness.forget()
	}
	if w.now-newest > 100*market.Millisecond {
		c.unsure += grain
	}
}

// carried notes that the venue sent something.
func (c *feedChecker) carried(now market.Nanos) { c.sent = now }

// delivered notes the newest event of a provider.
func (c *feedChecker) delivered(w *World, o *watch, at market.Nanos) {
	if o.newest > c.newest {
		c.newest = o.newest
		c.front = append(c.front, delivery{o.newest, at, w.now})
	}
}

// reached returns the newest venue time that a provider must have delivered: one that was first delivered long ago,
// by the time of its receipt, and by the time when it was published, which for what had to wait behind a gap is
// later. What others delivered shortly after its books were made anew may have been in the snapshot, and shortly after
// a new epoch they may have yet to see that.
func (c *feedChecker) reached(o *watch, now market.Nanos) (received, published market.Nanos) {
	for _, d := range c.front {
		// The first packet of an epoch may have come long before it was believed.
		// What waited behind a gap, a provider may go by either time of.
		caught := max(o.rebuilt, o.epoch.TsRecv) + staleAfter - raceSlack
		if now-d.at > staleAfter && d.at > caught || now-d.published > staleAfter && d.published > caught {
			received = d.event
		}
		if caught := max(o.rebuilt, o.epochAt) + staleAfter; now-d.published > staleAfter+tickSlack && d.at > caught+raceSlack {
			published = d.event
		}
	}
	return received, published
}

// onVerdict checks that a breaker has a reason to open.
func (c *checker) onVerdict(w *World, f *feed, v providers.Verdict) {
	if v.State != breaker.Open {
		return
	}
	p := f.providers[v.Provider]
	unsure := w.now <= f.check.unsure
	switch v.Reason {
	case providers.Lagging:
		if over := p.watch.lateness.last - p.watch.lateness.ever; over+lagSlack <= staleAfter && !unsure {
			w.violate("the breaker of %s opened because it lags by %d us, and it was late by %d us", p.name, v.By/1000, over/1000)
		}
	case providers.Behind:
		if received, _ := f.check.reached(p.watch, w.now); p.watch.newest >= received && !unsure {
			w.violate("the breaker of %s opened because it is behind, and it is not", p.name)
		}
	case providers.Silent:
		if v.By <= silence {
			w.violate("the breaker of %s opened because it was silent for %d us", p.name, v.By/1000)
		}
		if p.watch.pipeline.Next() != 0 && w.now-p.clean > aftermath && w.now-p.heardAt < silence {
			w.violate("the breaker of %s opened because it is silent, and it was heard %d ms ago", p.name, (w.now-p.heardAt)/market.Millisecond)
		}
	case providers.Unhealed:
		if !p.pipeline.Suspect() && w.now-max(p.watch.rebuilt, p.watch.epochAt) > tickSlack {
			w.violate("the breaker of %s opened because of a gap, and there is none", p.name)
		}
	}
	if p.pipeline.Suspect() || w.now-p.watch.rebuilt < aftermath {
		return // what is lost may be felt until there are snapshots, and more messages
	}
	if since := w.now - p.clean; since > aftermath && !p.sick() && !unsure {
		w.violate("the breaker of %s opened (%s by %d us), and nothing was done to it for %d ms", p.name, v.Reason, v.By/1000, since/market.Millisecond)
	}
}

// onTick checks what must hold at every moment.
func (c *checker) onTick(w *World) {
	c.ticks++
	for _, f := range w.feeds {
		k := &f.check
		if f.clock != k.clock || f.wild {
			k.clock, k.unsure = f.clock, w.now+unsureFor
			k.newest, k.front = 0, k.front[:0]
		}
		if w.now <= k.unsure {
			k.doubt(w, f)
		}
		n := 0
		for n+1 < len(k.front) && w.now-k.front[n+1].published > staleAfter+10*market.Millisecond {
			n++ // one that is old enough is kept
		}
		k.front = k.front[n:]
		for i, p := range f.providers {
			c.limits(w, f, p, f.judge.Breaker(i).State())
		}
		c.choice(w, f)
		if c.ticks%8 == 0 {
			c.marks(w, f)
			c.lines(w, f)
		}
		if c.ticks%16 == 4 {
			c.books(w, f, market.InstrumentID(c.ticks/16%instruments)+1)
		}
		c.pause(w, f)
	}
	if w.gate.consolidated != nil {
		c.consolidated(w)
	}
}

// limits checks that the breaker of a provider that is late, behind or silent is not closed.
func (c *checker) limits(w *World, f *feed, p *provider, state breaker.State) {
	if state != breaker.Closed {
		return
	}
	sure := w.now > f.check.unsure
	o := p.watch
	if l := &o.lateness; l.at != 0 && w.now-l.at < market.Second && sure && o.newest != 0 {
		slack := market.Nanos(0)
		if f.drifts != 0 {
			slack = lagSlack
		}
		if over := l.over(lagWindow - leastSpan); over > staleAfter+slack {
			w.violate("%s is late by %d us, and its breaker is closed", p.name, over/1000)
		}
	}
	if _, published := f.check.reached(o, w.now); o.newest != 0 && o.newest < published && sure {
		w.violate("%s is behind, and its breaker is closed", p.name)
	}
	if w.now-p.heardAt > silence+tickSlack {
		w.violate("%s was not heard for %d ms, and its breaker is closed", p.name, (w.now-p.heardAt)/market.Millisecond)
	}
}

// choice checks that the active provider is the best, and that a feed without a good one says so.
func (c *checker) choice(w *World, f *feed) {
	rank := func(i int) int {
		p := f.providers[i]
		switch {
		case p.watch.epochs == 0:
			return 0
		case f.judge.Breaker(i).State() != breaker.Closed:
			return 1
		case p.pipeline.Suspect() || p.pipeline.Withheld():
			return 2
		default:
			return 3
		}
	}
	s := f.chooser.Status()
	active, best := rank(s.Active), 0
	for i := range f.providers {
		best = max(best, rank(i))
	}
	if best > 0 && f.check.heard == 0 {
		f.check.heard = w.now
	}
	if best > active && w.now-f.check.heard > market.Second+tickSlack {
		w.violate("%s is active, and there is a better one", f.names[s.Active])
	}
	if stale := active == 1; stale != s.Stale {
		w.violate("%s is active, its breaker is %s, and the feed says stale: %t", f.names[s.Active], f.judge.Breaker(s.Active).State(), s.Stale)
	}
	if w.gate.auditor.feeds[f.reader.feed].said != s.Stale {
		w.violate("feed %d is stale: %t, and subscribers were not told", f.reader.feed, s.Stale)
	}
}

// lines checks what is known of each line.
func (c *checker) lines(w *World, f *feed) {
	for _, p := range f.providers {
		if p.watch.start != f.restarts {
			continue // that the publisher began again is yet to be seen, on all lines or on some
		}
		if w.now-p.clean < 3*market.Second || w.now <= f.check.unsure || p.sick() {
			c.quietLine(w, p)
			continue
		}
		for id := range arbiter.LineID(len(p.lines)) {
			if h, _ := p.pipeline.LineHealth(id); h.Behind > 0 && w.now-h.BehindSince > 12*market.Millisecond {
				w.violate("%s: line %s is behind by %d messages since %d ms, and nothing was done to it", p.name, id, h.Behind, (w.now-h.BehindSince)/market.Millisecond)
			}
		}
	}
}

// quietLine checks that a line that brings nothing is known to be behind if the other one does.
func (c *checker) quietLine(w *World, p *provider) {
	for id, l := range p.lines {
		other := p.lines[1-id]
		if !l.down && !l.clogged || l.mute == 0 || !l.muteWell || w.now-l.mute < 20*market.Millisecond || other.sore > l.mute-market.Second || p.watch.epochAt > l.mute-market.Second {
			continue
		}
		h, _ := p.pipeline.LineHealth(arbiter.LineID(id))
		if h.Behind == 0 || h.BehindSince < l.mute || h.BehindSince > l.mute+10*market.Millisecond && w.now-l.mute < 100*market.Millisecond {
			w.violate("%s: line %s has brought nothing for %d ms: behind by %d messages since %d ms", p.name, arbiter.LineID(id),
				(w.now-l.mute)/market.Millisecond, h.Behind, (w.now-h.BehindSince)/market.Millisecond)
		}
	}
}

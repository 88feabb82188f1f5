package sim

import (
	"tidegate/arbiter"
	"tidegate/gateway/breaker"
	"tidegate/gateway/providers"
	"tidegate/market"
)

// slack is how much later than 50 ms something may be noticed: two ticks, and what the fastest way of a
// datagram and the grain of a race take.
const slack = 10 * market.Millisecond

// A checker watches a world.
type checker struct {
	start   market.Nanos
	late    market.Nanos // since when the active provider has been late and nobody said so; 0 if it is not
	quiet   market.Nanos // since when the market has been paused; 0 if it is not
	checked bool         // the books, in this pause
	clock   market.Nanos // of the venue, when it was last seen
	unsure  market.Nanos // until when venue times are no measure
}

func (c *checker) begin(w *World) { c.start = w.now }

// onVerdict checks that a breaker has a reason to open.
func (c *checker) onVerdict(w *World, v providers.Verdict) {
	if v.State != breaker.Open {
		return
	}
	p := w.providers[v.Provider]
	if v.Reason == providers.Unhealed && p.pipeline.Suspect() {
		return
	}
	// What was done to it may be felt for as long as a queue, a gap and what was learned last.
	if since := v.At - p.clean; since > 4*market.Second && v.At > c.unsure {
		w.violate("the breaker of %s opened (%s by %d us), and nothing was done to it for %d ms",
			w.names[v.Provider], v.Reason, v.By/1000, since/market.Millisecond)
	}
}

// onTick checks what must hold at every moment.
func (c *checker) onTick(w *World) {
	if w.clock != c.clock || w.wild {
		c.clock, c.unsure = w.clock, w.now+8*market.Second
	}
	c.freshness(w)
	c.pause(w)
}

// freshness checks that nobody trades on old prices.
func (c *checker) freshness(w *World) {
	l := w.feed.Status()
	active := w.providers[l.Active]
	late := false
	if active.watch.newest != 0 && w.now > c.unsure {
		for i, p := range w.providers {
			if i != l.Active && p.watch.newest > active.watch.newest && w.now-p.watch.newestAt > 50*market.Millisecond+slack && p.watch.epochs == active.watch.epochs {
				late = true // another one has had it for long
			}
		}
	}
	if !late || l.Stale {
		c.late = 0
		return
	}
	if c.late == 0 {
		c.late = w.now
		w.violate("%s is active and behind, and nobody says so", w.names[l.Active])
	}
}

// pause compares books when the market has been paused for long enough.
func (c *checker) pause(w *World) {
	if !w.venue.Position().Paused {
		c.quiet, c.checked = 0, false
		return
	}
	if c.quiet == 0 {
		c.quiet = w.now
	}
	if c.checked || w.now-c.quiet < 1400*market.Millisecond {
		return
	}
	c.checked = true
	c.compare(w)
}

// compare compares the books of those who have no excuse with the venue's own.
func (c *checker) compare(w *World) {
	truth := w.venue.Truth().Books
	l := w.feed.Status()
	for i, p := range w.providers {
		if w.now-p.clean < market.Second || p.pipeline.Suspect() {
			continue
		}
		if err := compare(w.names[i], p.pipeline.Books(), truth); err != nil {
			w.violate("%v", err)
		} else if i == l.Active && l.RefreshDue == 0 && !w.reader.stalled && len(w.reader.awaits) == 0 && w.stream.Pending() == 0 {
			if err := compare("subscriber", w.reader.books.Books(), truth); err != nil {
				w.violate("%v", err)
			}
		}
	}
}

// end checks that the world came to rest.
func (c *checker) end(w *World) {
	l := w.feed.Ledger()
	for i, p := range w.providers {
		if err := p.pipeline.Balanced(); err != nil {
			w.violate("%s: the account does not balance: %v", w.names[i], err)
		}
		if p.pipeline.Suspect() {
			w.violate("%s: a gap lies behind it after %d s of health", w.names[i], w.cfg.Calm/market.Second)
		}
		if s := l.Providers[i].State; s != breaker.Closed {
			w.violate("%s: its breaker is %s after %d s of health", w.names[i], s, w.cfg.Calm/market.Second)
		}
		ledger, _ := p.pipeline.Ledger()
		c.messages(w, i, &ledger)
		w.report.Gaps += p.watch.gaps
		w.report.Filled += ledger.GapsFilled.Ranges
	}
	if l.Stale || l.Active != w.names[0] {
		w.violate("after %d s of health %s is active, stale: %t", w.cfg.Calm/market.Second, l.Active, l.Stale)
	}
	if w.reader.err != nil {
		w.violate("subscriber: %v", w.reader.err)
	}
	c.checked = false
	c.compare(w)
	w.report.Messages = w.venue.Position().Sent
	w.report.Switches, w.report.Stale, w.report.Lapped = l.Switches, l.TimesStale, w.reader.lapped
}

// messages checks that every message of the venue was published once or announced as lost.
func (c *checker) messages(w *World, i int, l *arbiter.Ledger) {
	if w.restarts > 0 {
		return // what was never seen of an epoch before cannot be announced
	}
	var published uint64
	for k := range l.Lines {
		published += l.Lines[k].Published.Messages
	}
	sent := w.venue.Position().Sent
	if published+w.providers[i].watch.announced != sent {
		w.violate("%s: %d messages published and %d announced as lost, the venue sent %d",
			w.names[i], published, w.providers[i].watch.announced, sent)
	}
}

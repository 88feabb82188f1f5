package sim

import (
	"tidegate/book"
	"tidegate/gateway/breaker"
	"tidegate/gateway/recovery"
	"tidegate/market"
)

// instruments is how many a venue has. Their ids are 1 and up, at all venues alike.
const instruments = 8

// current reports whether a provider's books must be those of the venue now.
func (f *feed) current(p *provider) bool {
	return p.pipeline.Next() == f.twin.Next() && p.watch.start == f.seen.start && !p.pipeline.Suspect() && !p.pipeline.Withheld()
}

// books compares one instrument's book with the twin's, of all who have come as far.
func (c *checker) books(w *World, f *feed, id market.InstrumentID) {
	s := f.chooser.Status()
	want, hashed := uint64(0), false
	for i, p := range f.providers {
		if !f.current(p) {
			continue
		}
		if !hashed {
			want, hashed = f.twin.Books().Hash(id), true
		}
		w.report.Compared++
		if got := p.pipeline.Books().Hash(id); got != want {
			w.violate("%s: the book of %d after message %d is wrong", p.name, id, p.pipeline.Next()-1)
		}
		if i == s.Active && s.RefreshDue == 0 && f.reader.current() {
			w.report.Compared++
			if got := f.reader.books.Books().Hash(id); got != want {
				w.violate("subscriber: the book of %d after message %d of %s is wrong", id, p.pipeline.Next()-1, p.name)
			}
		}
	}
}

// marks checks that the newest record of each instrument says whether its book can be relied on.
func (c *checker) marks(w *World, f *feed) {
	s := f.chooser.Status()
	p := f.providers[s.Active].pipeline
	if s.RefreshDue > 0 || p.Withheld() {
		return
	}
	known := w.gate.auditor.feeds[f.reader.feed].instruments
	for id := market.InstrumentID(1); id <= instruments; id++ {
		empty := p.Books().BBO(id) == book.EmptyBBO // nobody is told of what may be missing from it
		marked := int(id) < len(known) && known[id].marked
		switch {
		case s.Stale && !marked && !empty:
			w.violate("feed %d is stale, and the newest record of instrument %d does not say so", f.reader.feed, id)
		case marked && !s.Stale && !p.Suspect():
			w.violate("feed %d is fresh, and the newest record of instrument %d says otherwise", f.reader.feed, id)
		}
	}
}

// consolidated checks that the consolidated dataset has the best of those feeds that are not stale.
func (c *checker) consolidated(w *World) {
	best := w.gate.auditor.best
	settled := true
	for i, f := range w.feeds {
		s := f.chooser.Status()
		settled = settled && s.RefreshDue == 0 && !f.providers[s.Active].pipeline.Withheld()
		if !s.Stale {
			continue
		}
		for id, l := range best {
			if l.BidPublisher == publishers[i].ID && l.BidPrice.Defined() || l.AskPublisher == publishers[i].ID && l.AskPrice.Defined() {
				w.violate("consolidated: instrument %d: the best is of %s, which is stale", id, publishers[i].Dataset)
			}
		}
	}
	if !settled || c.ticks%8 != 0 {
		return
	}
	for _, in := range w.gate.consolidated.Directory().All() {
		want := book.EmptyBBO
		for _, f := range w.feeds {
			s := f.chooser.Status()
			if s.Stale {
				continue
			}
			for id := market.InstrumentID(1); id <= instruments; id++ {
				if p := f.providers[s.Active].pipeline; p.Symbol(id) == in.Symbol {
					b := p.Books().BBO(id)
					if b.Bid.Price.Defined() && (!want.Bid.Price.Defined() || b.Bid.Price > want.Bid.Price) {
						want.Bid.Price = b.Bid.Price
					}
					if b.Ask.Price.Defined() && (!want.Ask.Price.Defined() || b.Ask.Price < want.Ask.Price) {
						want.Ask.Price = b.Ask.Price
					}
				}
			}
		}
		l, ok := best[in.ID]
		if !ok {
			l.BidPrice, l.AskPrice = market.UndefPrice, market.UndefPrice
		}
		if l.BidPrice != want.Bid.Price || l.AskPrice != want.Ask.Price {
			w.violate("consolidated: %s: %d and %d, want %d and %d", in.Symbol, l.BidPrice, l.AskPrice, want.Bid.Price, want.Ask.Price)
		}
	}
}

// pause compares all books with the venue's own when the market has been paused for long enough.
func (c *checker) pause(w *World, f *feed) {
	k := &f.check
	if !f.venue.Position().Paused {
		k.quiet, k.checked = 0, false
		return
	}
	if k.quiet == 0 {
		k.quiet = w.now
	}
	if k.checked || w.now-k.quiet < 1400*market.Millisecond {
		return
	}
	k.checked = true
	c.compare(w, f)
}

// unseenMax is for how long it may not be noticed that a publisher began again.
const unseenMax = 10 * market.Second

// compare compares the books of those who have no excuse with the venue's own.
func (c *checker) compare(w *World, f *feed) {
	truth := f.venue.Truth().Books
	s := f.chooser.Status()
	for i, p := range f.providers {
		if p.watch.start != f.restarts && w.now-p.clean < unseenMax {
			continue // a publisher that is silent after it began again is noticed after some heartbeats
		}
		if w.now-p.clean < market.Second || p.sick() || p.pipeline.Suspect() || p.pipeline.Withheld() {
			continue
		}
		w.report.Compared++
		if err := compare(p.name, p.pipeline.Books(), truth); err != nil {
			w.violate("%v", err)
		} else if i == s.Active && s.RefreshDue == 0 && f.reader.current() {
			w.report.Compared++
			if err := compare("subscriber", f.reader.books.Books(), truth); err != nil {
				w.violate("%v", err)
			}
		}
	}
}

// settled checks that before the first fault everything came up at the first attempt.
func (c *checker) settled(w *World) {
	for _, f := range w.feeds {
		for _, p := range f.providers {
			l := p.snapshots.Ledger()
			for _, s := range l.Servers {
				if failed := s.Attempts - s.Outcomes[recovery.Done]; failed > 0 && s.LastError != "" {
					w.violate("%s: nothing was wrong, and %d attempts at a snapshot failed: %s", p.name, failed, s.LastError)
				}
			}
			if p.watch.epochs > 0 && (p.pipeline.Suspect() || p.pipeline.Withheld()) {
				w.violate("%s: nothing was wrong, and there are no good books", p.name)
			}
		}
	}
}

// end checks that the world came to rest.
func (w *World) end() {
	r := &w.report
	for _, f := range w.feeds {
		l := f.chooser.Ledger()
		// In a quiet market nobody learns of a clock that was set before something comes.
		learned := w.now > f.check.unsure+unsureFor
		for i, p := range f.providers {
			w.endProvider(f, i, p, learned)
		}
		if learned && (l.Stale || l.Active != f.names[0]) {
			w.violate("after %d s of health %s is active, stale: %t", w.cfg.Calm/market.Second, l.Active, l.Stale)
		}
		if f.reader.err != nil {
			w.violate("subscriber: %v", f.reader.err)
		}
		w.check.compare(w, f)
		r.Messages += f.venue.Position().Sent
		r.Switches += l.Switches
		r.Stale += l.TimesStale
		r.Lapped += f.reader.lapped
	}
}

func (w *World) endProvider(f *feed, i int, p *provider, learned bool) {
	after := w.cfg.Calm / market.Second
	if err := p.pipeline.Balanced(); err != nil {
		w.violate("%s: the account does not balance: %v", p.name, err)
	}
	snapshots := p.snapshots.Ledger()
	if err := snapshots.Balanced(); err != nil {
		w.violate("%s: %v", p.name, err)
	}
	if p.pipeline.Suspect() || p.pipeline.Withheld() {
		w.violate("%s: there are no good books after %d s of health", p.name, after)
	}
	if s := f.judge.Breaker(i).State(); learned && s != breaker.Closed {
		w.violate("%s: its breaker is %s after %d s of health", p.name, s, after)
	}
	sent := f.venue.Position().Sent
	if next := p.pipeline.Next(); next != sent+1 {
		w.violate("%s: next is message %d, the venue sent %d", p.name, next, sent)
	}
	ledger, _ := p.pipeline.Ledger()
	if f.restarts == 0 && ledger.JoinedMid == 0 { // what was never seen of an epoch before cannot be announced
		var published uint64
		for k := range ledger.Lines {
			published += ledger.Lines[k].Published.Messages
		}
		if published+p.watch.announced != sent {
			w.violate("%s: %d messages published and %d announced as lost, the venue sent %d", p.name, published, p.watch.announced, sent)
		}
	}
	r := &w.report
	r.Gaps += p.watch.gaps
	r.Filled += ledger.GapsFilled.Ranges
	done := snapshots.Attempts(recovery.Done)
	r.Snapshots += done
	for _, s := range snapshots.Servers {
		r.Failed += s.Attempts
	}
	r.Failed -= done
}

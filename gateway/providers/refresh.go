package providers

import "tidegate/market"

// refresh is what a switch has still to publish: instruments of which the feed's readers have the books of
// the provider before.
type refresh struct {
	queue []market.InstrumentID
	next  int
	isDue []bool // by the feed's number
	left  int
}

// due reports whether an instrument waits for its refresh.
func (r *refresh) due(id market.InstrumentID) bool {
	return r.left > 0 && int(id) < len(r.isDue) && r.isDue[id]
}

func (r *refresh) add(id market.InstrumentID) {
	for int(id) >= len(r.isDue) {
		r.isDue = append(r.isDue, false)
	}
	if !r.isDue[id] {
		r.isDue[id] = true
		r.queue = append(r.queue, id)
		r.left++
	}
}

func (r *refresh) done(id market.InstrumentID) {
	r.isDue[id] = false
	if r.left--; r.left == 0 {
		r.queue, r.next = r.queue[:0], 0
	}
}

// beginRefresh notes every instrument whose book the provider before or the active one has. What was due
// from an earlier switch stays due.
//
// Orders are numbered anew in each epoch of a publisher. If the two providers are in different ones every book is
// cleared before the first is published, so that no reader holds an order of the one under the number of
// an order of the other.
func (f *Feed) beginRefresh(before *port, now market.Nanos) {
	for _, p := range [2]*port{before, f.active} {
		p.pipeline.EachBook(func(local market.InstrumentID) {
			if id := p.numbers.feed(p, local); id != 0 {
				f.refresh.add(id)
			}
		})
	}
	if before.heard && (before.epochs != f.active.epochs || before.pipeline.Session() != f.active.pipeline.Session()) {
		f.clearDue(now)
	}
	f.refreshFacts()
}

// clearDue publishes that the books that are due are empty until their refresh.
func (f *Feed) clearDue(now market.Nanos) {
	for _, id := range f.refresh.queue[f.refresh.next:] {
		if f.refresh.isDue[id] {
			f.events = append(f.events[:0], f.cleared(id, now))
			f.publish(f.events, f.active)
		}
	}
}

// cleared returns a snapshot of an empty book.
func (f *Feed) cleared(id market.InstrumentID, now market.Nanos) market.Event {
	return market.Event{
		TsEvent: now, TsRecv: now, Price: market.UndefPrice, Instrument: id, Publisher: f.Publisher().ID,
		Action: market.Clear, Side: market.NoSide,
		Flags: market.FlagSnapshot | market.FlagBadTsRecv | market.FlagLast | f.mark(),
	}
}

// refreshFacts publishes the definitions and states that the active provider knows.
func (f *Feed) refreshFacts() {
	p := f.active
	facts := market.Facts{Definitions: p.defined}
	for _, s := range p.facts {
		if s.Instrument != 0 {
			facts.Statuses = append(facts.Statuses, s)
		}
	}
	if len(facts.Definitions)+len(facts.Statuses) > 0 {
		f.active.passFacts(&facts)
	}
}

// passFacts passes on what was remembered.
func (p *port) passFacts(facts *market.Facts) {
	if !p.feed.cfg.SameIDs {
		facts = p.numbers.renumber(p, facts, &p.feed.facts)
	}
	p.feed.sink.OnFacts(facts)
}

// serve publishes refreshes that are due, up to the limit of a tick.
func (f *Feed) serve(now market.Nanos) {
	r := &f.refresh
	for budget := f.cfg.RefreshOrders; budget > 0 && r.left > 0; {
		id := r.queue[r.next]
		r.next++
		if r.isDue[id] {
			budget -= f.refreshOne(id, now)
		}
	}
}

// refreshOne publishes an instrument's book as the active provider has it, and returns the number of events.
func (f *Feed) refreshOne(id market.InstrumentID, now market.Nanos) int {
	f.refresh.done(id)
	f.refreshed++
	f.events = f.AppendSnapshot(f.events[:0], id, now)
	n := len(f.events)
	f.publish(f.events, f.active)
	return n
}

// trades returns what events say beside the book, which a refresh does not: trades, and the fills of
// orders. The event is complete with the last of them.
func (f *Feed) trades(events []market.Event) []market.Event {
	n := 0
	for i := range events {
		if a := events[i].Action; a == market.Trade || a == market.Fill {
			f.events = append(f.events[:n], events[i])
			n++
		}
	}
	if n == 0 {
		return nil
	}
	f.events[n-1].Flags |= market.FlagLast
	return f.events[:n]
}

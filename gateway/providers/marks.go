package providers

import "tidegate/market"

// setStale marks every book, and tells.
func (f *Feed) setStale(d Decision) {
	now := d.At
	f.stale = d.Kind == ToStale
	f.plain = len(f.ports) == 1 && !f.stale
	if f.stale {
		f.staleness++
	}
	if f.notices != nil {
		f.notices.OnStale(Staleness{At: now, Stale: f.stale, Reason: d.Reason, By: d.By})
	}
	f.active.pipeline.EachBook(func(local market.InstrumentID) {
		if id := f.active.numbers.feed(f.active, local); id != 0 && !f.refresh.due(id) {
			f.say(id, now) // else its refresh does
		}
	})
}

// say publishes an event that says nothing but whether an instrument's book can be relied on.
func (f *Feed) say(id market.InstrumentID, now market.Nanos) {
	f.events = append(f.events[:0], market.Event{
		TsEvent: now, TsRecv: now, Price: market.UndefPrice, Instrument: id, Publisher: f.Publisher().ID,
		Action: market.None, Side: market.NoSide, Flags: market.FlagLast | market.FlagBadTsRecv | f.mark(),
	})
	f.publish(f.events, f.active)
}

// unmark takes the mark back of instruments that have it and no longer deserve it: books that are empty now, as
// the others were published anew.
func (f *Feed) unmark(now market.Nanos) {
	if f.mark() != 0 {
		return
	}
	for id := 0; f.marked.n > 0 && id < len(f.marked.is); id++ {
		if id := market.InstrumentID(id); f.marked.is[id] && !f.refresh.due(id) {
			f.say(id, now)
		}
	}
}

// marked are the instruments whose latest event has FlagMaybeBadBook, by the feed's number.
type marked struct {
	is []bool
	n  int
}

// note takes what is published.
func (m *marked) note(events []market.Event) {
	e := &events[len(events)-1]
	is := e.Flags&market.FlagMaybeBadBook != 0
	if !is && m.n == 0 {
		return
	}
	for int(e.Instrument) >= len(m.is) {
		m.is = append(m.is, false)
	}
	if m.is[e.Instrument] != is {
		m.is[e.Instrument] = is
		if is {
			m.n++
		} else {
			m.n--
		}
	}
}

// mark returns the flags that events have because of the state of the feed.
func (f *Feed) mark() (flags market.Flags) {
	if f.stale || f.active.pipeline.Suspect() {
		return market.FlagMaybeBadBook
	}
	return 0
}

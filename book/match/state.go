package match

func (e *Engine) onSetState(in *Input) {
	n := e.byInstrument.find(uint64(in.Instrument))
	if n == 0 {
		e.reject(in, ReasonUnknownInstrument)
		return
	}
	s := &e.instruments[n]
	switch {
	case in.State >= states:
		e.reject(in, ReasonBadField)
		return
	case in.State == s.state:
		e.reject(in, ReasonWrongState)
		return
	}
	s.state = in.State
	ev := e.emit(StateChanged)
	ev.Instrument, ev.State = in.Instrument, in.State
	switch s.state {
	case Open:
		e.uncross(n)
		// Stop orders that came before have seen no trade yet.
		s.high, s.low = s.last, s.last
	case Closed:
		e.endDay(n)
	}
	e.follow(n)
}

// endDay cancels what does not outlive a close: day orders, and market orders that waited for an auction.
func (e *Engine) endDay(n uint32) {
	e.batch = e.batch[:0]
	for i := range e.all(n) {
		if o := e.orders.at(i); o.tif != GoodTillTime || o.kind == Market && o.where == inBook {
			e.batch = append(e.batch, i)
		}
	}
	for _, i := range e.batch {
		e.cancel(i, ReasonDayOver)
	}
}

// all goes over the orders of an instrument: the book, bids before asks, best price first; stop orders
// for trades and for quotes in the same way; held orders; parked pegs.
func (e *Engine) all(n uint32) func(yield func(i uint32) bool) {
	return func(yield func(i uint32) bool) {
		s := &e.instruments[n]
		for k := range s.ladders {
			for l := s.ladders[k].best; l != 0; l = e.levels.at(l).worse {
				if !e.each(e.levels.at(l).queue, byQueue, yield) {
					return
				}
			}
		}
		if !e.each(s.held, byQueue, yield) {
			return
		}
		e.each(s.pegs, byPeg, func(i uint32) bool { return e.orders.at(i).where != nowhere || yield(i) })
	}
}

// each goes over a chain.
func (e *Engine) each(c chain, kind int, yield func(i uint32) bool) bool {
	for i := c.head; i != 0; i = e.orders.at(i).links[kind].next {
		if !yield(i) {
			return false
		}
	}
	return true
}

package match

import "tidegate/market"

// Orders that wait for the reference or a trade: pegs, held orders and stop orders.

// pegPrice returns the price that a peg has now; limit is its own, or 0. ok is false if there is none,
// because the reference says none that can be trusted or none that an order can have.
func (s *instrument) pegPrice(side market.Side, peg Peg, offset, limit market.Price) (p market.Price, ok bool) {
	if s.state != Open {
		return 0, false
	}
	bid, ask := s.reference()
	own, other := bid, ask
	if side == market.Ask {
		own, other = ask, bid
	}
	switch peg {
	case PegPrimary:
		p = own
	case PegMarket:
		p = other
	default:
		if bid == 0 || ask == 0 {
			return 0, false
		}
		p = market.Mid(bid, ask)
		if side == market.Ask {
			p = ask - (ask-bid)/2 // the same, rounded away from the other side
		}
	}
	if p == 0 {
		return 0, false
	}
	if side == market.Bid {
		p = s.tickDown(p - offset)
		if limit != 0 {
			p = min(p, limit)
		}
	} else {
		p = max(s.tickUp(p+offset), limit)
	}
	return p, within(p)
}

// refusesPegs reports whether a peg without a price cannot live.
func (s *instrument) refusesPegs() bool { return s.state == Open && s.WhenStale == RefuseStale }

// placePeg lets a peg that is nowhere into the book at its price, or parks it.
func (e *Engine) placePeg(i uint32) {
	o := e.orders.at(i)
	p, ok := e.instruments[o.instrument].pegPrice(o.side, o.peg, o.offset, o.cap)
	if !ok {
		e.tell(Restated, o, ReasonParked)
		return
	}
	o.price = p
	e.enter(i, p)
}

// follow does everything that follows from another reference or trading state.
func (e *Engine) follow(n uint32) {
	e.movePegs(n)
	e.releaseHeld(n)
	e.settle(n)
}

// movePegs gives pegs the prices that they have now. All that move leave the book before the first one
// enters it again: otherwise it could trade with another at a price that is over.
func (e *Engine) movePegs(n uint32) {
	s := &e.instruments[n]
	e.batch = e.batch[:0]
	for i := s.pegs.head; i != 0; {
		o := e.orders.at(i)
		next := o.links[byPeg].next
		p, ok := s.pegPrice(o.side, o.peg, o.offset, o.cap)
		switch {
		case ok && p == o.price: // in the book: a parked peg has no price
		case ok:
			ref := e.withdraw(i)
			o.price = p
			e.tell(Restated, o, ReasonPegMoved).PrevRef = ref
			e.batch = append(e.batch, i)
		case s.refusesPegs():
			e.cancel(i, ReasonStaleReference)
		case o.where == inBook:
			ref := e.withdraw(i)
			o.price = 0
			e.tell(Restated, o, ReasonParked).PrevRef = ref
		}
		i = next
	}
	for _, i := range e.batch { // nobody can reach those that have not entered yet
		e.enter(i, e.orders.at(i).price)
	}
}

// releaseHeld lets held orders enter that no longer have to wait.
func (e *Engine) releaseHeld(n uint32) {
	s := &e.instruments[n]
	if s.state != Open && s.state != PreOpen {
		return
	}
	e.batch = e.batch[:0]
	for i := s.held.head; i != 0; i = e.orders.at(i).links[byQueue].next {
		e.batch = append(e.batch, i)
	}
	for _, i := range e.batch {
		o := e.orders.at(i)
		limit, reason := e.admit(s, o.side, o.kind, o.post, o.price)
		if s.state == PreOpen && !waits(o.tif, o.min != 0) {
			reason = ReasonNotInCall
		}
		switch reason {
		case ReasonHeld:
		case ReasonNone:
			e.withdraw(i)
			e.tell(Restated, o, ReasonReleased)
			e.enterOrHold(i, limit, reason)
		default:
			e.cancel(i, reason)
		}
	}
}

// stops returns the ladder of stop orders that an order belongs to.
func (s *instrument) stops(o *order) *ladder {
	if o.trigger == TriggerTrade {
		return s.ladder(tradeStopLadder, o.side)
	}
	return s.ladder(quoteStopLadder, o.side)
}

// arm lets a stop order that is nowhere wait for its trigger, unless that has happened.
func (e *Engine) arm(i uint32) {
	o := e.orders.at(i)
	s := &e.instruments[o.instrument]
	bid, ask := s.reference()
	if o.trigger == TriggerTrade {
		bid, ask = s.last, s.last
	}
	price := ask
	if o.side == market.Ask {
		price = bid
	}
	if s.state == Open && reached(o.side, o.stop, price) {
		e.fire(i)
		return
	}
	o.where = inStops
	e.enqueue(s.stops(o), o.stop, i)
}

// reached reports whether a price triggers a stop order of a side; 0 does not.
func reached(side market.Side, stop, price market.Price) bool {
	return price != 0 && reaches(side, price, stop)
}

// settle triggers stop orders until none is left that should be: those that trades trigger before those
// that quotes do, bids before asks, and among them the one whose price was reached first.
func (e *Engine) settle(n uint32) {
	s := &e.instruments[n]
	if s.state != Open {
		return
	}
	for i := e.nextTriggered(s); i != 0; i = e.nextTriggered(s) {
		e.fire(i)
	}
	s.high, s.low = 0, 0
}

func (e *Engine) nextTriggered(s *instrument) uint32 {
	bid, ask := s.reference()
	for k, price := range [...]market.Price{s.high, s.low, ask, bid} {
		side := market.Bid
		if k%2 == 1 {
			side = market.Ask
		}
		if best := s.ladders[tradeStopLadder+k].best; best != 0 && reached(side, e.levels.at(best).price, price) {
			return e.levels.at(best).queue.head
		}
	}
	return 0
}

// fire triggers a stop order.
func (e *Engine) fire(i uint32) {
	o := e.orders.at(i)
	e.withdraw(i)
	o.trigger, o.stop = NoTrigger, 0
	e.tell(Restated, o, ReasonTriggered)
	limit, reason := e.admit(&e.instruments[o.instrument], o.side, o.kind, o.post, o.price)
	if reason != ReasonNone && reason != ReasonHeld {
		e.cancel(i, reason)
		return
	}
	e.enterOrHold(i, limit, reason)
}

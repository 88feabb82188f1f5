package match

import "tidegate/market"

// enterOrHold puts an order on the way that admit decided.
func (e *Engine) enterOrHold(i uint32, limit market.Price, reason Reason) {
	o := e.orders.at(i)
	if reason == ReasonHeld {
		o.where = inHeld
		e.instruments[o.instrument].held.append(&e.orders, i, byQueue)
		e.tell(Restated, o, ReasonHeld)
		return
	}
	if o.kind == Limit {
		o.price = limit // it may have slid
	}
	e.enter(i, limit)
}

// enter lets an order that is nowhere into the market: it takes what it can get up to its limit, and
// what is left rests or is canceled.
func (e *Engine) enter(i uint32, limit market.Price) {
	o := e.orders.at(i)
	s := &e.instruments[o.instrument]
	if s.state == PreOpen {
		if o.stp == AllowSelf || e.preventInCall(i) {
			e.rest(i)
		}
		return
	}
	switch {
	case o.tif == FillOrKill && !e.canFill(o, limit, o.open):
		e.cancel(i, ReasonNotFillable)
		return
	case o.min != 0 && !e.canFill(o, limit, o.min):
		e.cancel(i, ReasonBelowMinimum)
		return
	}
	o.min = 0
	if !e.take(i, limit) {
		return
	}
	if o.kind == Market || o.tif == Immediate || o.tif == FillOrKill {
		e.cancel(i, ReasonUnfilled)
		return
	}
	e.rest(i)
}

// canFill reports whether an order could execute a size at once. What lies behind an order of its own
// account does not count if meeting that ends it.
func (e *Engine) canFill(o *order, limit market.Price, want uint32) bool {
	opposite := o.side.Opposite()
	prevent := o.stp
	if e.groups.at(o.group)[opposite.Index()].head == 0 {
		prevent = AllowSelf // there is nobody to meet
	}
	need, sum := market.Size(want), market.Size(0)
	l := e.instruments[o.instrument].ladder(bookLadder, opposite)
	for n := l.best; n != 0; n = e.levels.at(n).worse {
		lv := e.levels.at(n)
		if !reaches(o.side, limit, lv.price) {
			break
		}
		if prevent == AllowSelf {
			sum += lv.open
		} else {
			var met bool
			if sum, met = e.countOthers(lv, o.account, prevent, sum); met {
				break
			}
		}
		if sum >= need {
			return true
		}
	}
	return sum >= need
}

// countOthers adds to sum what an account could take from a level. met says that it goes no further.
func (e *Engine) countOthers(lv *level, account uint32, prevent SelfTrade, sum market.Size) (total market.Size, met bool) {
	for i := lv.queue.head; i != 0; i = e.orders.at(i).links[byQueue].next {
		switch o := e.orders.at(i); {
		case o.account != account:
			sum += market.Size(o.shown)
			if prevent == CancelOldest {
				sum += market.Size(o.hidden())
			}
		case prevent != CancelOldest:
			// Hidden parts come after everything that shows: none of them was reached.
			return sum, true
		}
	}
	if prevent != CancelOldest {
		sum += lv.open - lv.shown
	}
	return sum, false
}

// take matches an order against the other side, up to a limit. It reports whether the order still lives.
func (e *Engine) take(i uint32, limit market.Price) bool {
	o := e.orders.at(i)
	s := &e.instruments[o.instrument]
	l := s.ladder(bookLadder, o.side.Opposite())
	for l.best != 0 {
		lv := e.levels.at(l.best)
		if !reaches(o.side, limit, lv.price) {
			break
		}
		r := lv.queue.head
		resting := e.orders.at(r)
		if resting.account == o.account && o.stp != AllowSelf {
			if !e.preventSelf(i, r) {
				return false
			}
			continue
		}
		size := min(o.open, resting.shown)
		e.matches++
		e.execute(resting, size, lv.price, Added)
		e.execute(o, size, lv.price, Removed)
		s.traded(lv.price)
		e.refill(r)
		if o.open == 0 {
			e.discard(i)
			return false
		}
	}
	return true
}

// execute takes a size that traded off an order and tells of it.
func (e *Engine) execute(o *order, size uint32, price market.Price, liquidity Liquidity) {
	e.reduce(o, size)
	ev := e.tell(Executed, o, ReasonNone)
	ev.Match, ev.Price, ev.Size, ev.Liquidity = e.matches, price, market.Size(size), liquidity
}

// reduce takes a size off what an order has open and, in the book, off what it shows.
func (e *Engine) reduce(o *order, size uint32) {
	o.open -= size
	if o.where == inBook {
		o.shown -= size
		lv := e.levels.at(o.level)
		lv.open -= market.Size(size)
		lv.shown -= market.Size(size)
	}
}

// refill removes an order in the book that has nothing left, and shows the next part of one that has
// used up what it shows, at the end of the queue.
func (e *Engine) refill(i uint32) {
	o := e.orders.at(i)
	switch {
	case o.shown != 0:
	case o.open == 0:
		e.withdraw(i)
		e.discard(i)
	default:
		lv := e.levels.at(o.level)
		lv.queue.remove(&e.orders, i, byQueue)
		lv.queue.append(&e.orders, i, byQueue)
		o.shown = o.part()
		lv.shown += market.Size(o.shown)
		e.refs++
		o.ref = e.refs
		e.tell(Restated, o, ReasonRefill)
	}
}

// traded remembers the price of a trade, for stop orders.
func (s *instrument) traded(p market.Price) {
	s.last = p
	s.high = max(s.high, p)
	if s.low == 0 || p < s.low {
		s.low = p
	}
}

// preventSelf does what order i wants done when it meets order r of its account. It reports whether i
// goes on.
func (e *Engine) preventSelf(i, r uint32) bool {
	o := e.orders.at(i)
	switch o.stp {
	case CancelOldest:
		e.cancel(r, ReasonSelfTrade)
		return true
	case CancelBoth:
		e.cancel(r, ReasonSelfTrade)
	case DecrementBoth:
		size := min(o.open, e.orders.at(r).shown)
		e.decrement(r, size)
		e.refill(r)
		e.decrement(i, size)
		if o.open == 0 {
			e.discard(i)
			return false
		}
		return true
	}
	e.cancel(i, ReasonSelfTrade)
	return false
}

// decrement cancels a size of an order because it would have met one of its account.
func (e *Engine) decrement(i, size uint32) {
	o := e.orders.at(i)
	o.size -= size
	e.reduce(o, size)
	e.tell(Canceled, o, ReasonSelfTrade).Size = market.Size(size)
}

// rest puts an order that is nowhere at the end of the queue at its price.
func (e *Engine) rest(i uint32) {
	o := e.orders.at(i)
	s := &e.instruments[o.instrument]
	key := o.price
	if o.kind == Market {
		key = noLimit(o.side)
	} else {
		e.refs++
		o.ref = e.refs
	}
	o.where, o.shown = inBook, o.part()
	e.enqueue(s.ladder(bookLadder, o.side), key, i)
	e.tell(Booked, o, ReasonNone)
}

// enqueue puts an order at the end of a queue of a ladder.
func (e *Engine) enqueue(l *ladder, key market.Price, i uint32) {
	o := e.orders.at(i)
	o.level = e.levels.make(l, key)
	lv := e.levels.at(o.level)
	lv.queue.append(&e.orders, i, byQueue)
	lv.orders++
	lv.open += market.Size(o.open)
	lv.shown += market.Size(o.shown)
}

// withdraw takes an order out of the queue that it waits in, if any, and returns the public number
// that goes with it.
func (e *Engine) withdraw(i uint32) (ref uint64) {
	o := e.orders.at(i)
	s := &e.instruments[o.instrument]
	switch o.where {
	case inBook:
		e.dequeue(s.ladder(bookLadder, o.side), i)
	case inStops:
		e.dequeue(s.stops(o), i)
	case inHeld:
		s.held.remove(&e.orders, i, byQueue)
	}
	ref = o.ref
	o.where, o.ref, o.shown = nowhere, 0, 0
	return ref
}

func (e *Engine) dequeue(l *ladder, i uint32) {
	o := e.orders.at(i)
	lv := e.levels.at(o.level)
	lv.queue.remove(&e.orders, i, byQueue)
	lv.orders--
	lv.open -= market.Size(o.open)
	lv.shown -= market.Size(o.shown)
	if lv.orders == 0 {
		e.levels.drop(l, o.level)
	}
	o.level = 0
}

// cancel ends an order.
func (e *Engine) cancel(i uint32, reason Reason) {
	o := e.orders.at(i)
	ev := e.tell(Canceled, o, reason)
	ev.Size, ev.Open, ev.Displayed = ev.Open, 0, 0
	e.withdraw(i)
	e.discard(i)
}

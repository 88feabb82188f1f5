package match

import "tidegate/market"

func (e *Engine) onNew(in *Input) {
	n := e.byInstrument.find(uint64(in.Instrument))
	if n == 0 {
		e.reject(in, ReasonUnknownInstrument)
		return
	}
	s := &e.instruments[n]
	if reason := e.checkNew(s, in); reason != ReasonNone {
		e.reject(in, reason)
		return
	}
	// Stop orders are admitted when they are triggered, pegs have a price of their own.
	var limit market.Price
	var reason Reason
	switch {
	case in.Trigger != NoTrigger:
	case in.Peg != NoPeg:
		if _, ok := s.pegPrice(in.Side, in.Peg, priceOf(in.Offset), priceOf(in.Price)); !ok && s.refusesPegs() {
			reason = ReasonStaleReference
		}
	default:
		limit, reason = e.admit(s, in.Side, in.Type, in.Post, priceOf(in.Price))
	}
	if reason != ReasonNone && reason != ReasonHeld {
		e.reject(in, reason)
		return
	}

	i := e.accept(n, in)
	switch {
	case in.Trigger != NoTrigger:
		e.arm(i)
	case in.Peg != NoPeg:
		s.pegs.append(&e.orders, i, byPeg)
		e.placePeg(i)
	default:
		e.enterOrHold(i, limit, reason)
	}
	e.settle(n)
}

// checkNew says what is wrong with a new order, whatever the market is like.
func (e *Engine) checkNew(s *instrument, in *Input) Reason {
	switch {
	case in.OrderID == 0:
		return ReasonBadOrderID
	case e.byID.find(in.OrderID, &e.orders) != 0:
		return ReasonDuplicateOrder
	case in.Account == 0:
		return ReasonBadAccount
	case !wellFormed(in):
		return ReasonBadField
	case !combines(in):
		return ReasonBadCombination
	}
	if !s.sizesFit(in.Size, in.Display, in.MinSize) {
		return ReasonBadSize
	}
	if !s.pricesFit(in) {
		return ReasonBadPrice
	}
	if in.TIF == GoodTillTime && in.Until <= e.now || in.TIF != GoodTillTime && in.Until != 0 {
		return ReasonBadTime
	}
	if reason := s.takesOrders(); reason != ReasonNone {
		return reason
	}
	if s.state == PreOpen && !waits(in.TIF, in.MinSize != 0) {
		return ReasonNotInCall
	}
	if e.orders.live() == e.cfg.OrdersMax {
		return ReasonBookFull
	}
	return ReasonNone
}

// wellFormed reports whether every field has a value that there is.
func wellFormed(in *Input) bool {
	return (in.Side == market.Bid || in.Side == market.Ask) &&
		in.Type < orderTypes && in.TIF < timesInForce && in.STP < selfTrades && in.Post < postOnlys &&
		in.Peg < pegs && in.Trigger < triggerChoices &&
		(!in.CancelOnDisconnect || in.Session != 0)
}

// combines reports whether the fields go together.
func combines(in *Input) bool {
	atOnce := in.TIF == Immediate || in.TIF == FillOrKill
	waiting := in.Trigger != NoTrigger
	switch {
	case in.Type == Market && (in.Post != MayTake || in.Peg != NoPeg || in.Display != 0),
		in.Type == Market && in.TIF == GoodTillTime && !waiting,
		in.Post != MayTake && (atOnce || in.Peg != NoPeg || waiting || in.MinSize != 0),
		in.Peg != NoPeg && (atOnce || waiting || in.MinSize != 0),
		waiting && (atOnce || in.MinSize != 0),
		in.TIF == FillOrKill && in.MinSize != 0,
		atOnce && in.Display != 0:
		return false
	}
	return true
}

// sizesFit checks sizes against the lot and each other.
func (s *instrument) sizesFit(size, display, least market.Size) bool {
	return size > 0 && size <= SizeMax && size%s.LotSize == 0 &&
		display <= size && display%s.LotSize == 0 && (display == 0 || (size-1)/display < PartsMax) &&
		least <= size && least%s.LotSize == 0
}

// pricesFit checks the prices of a new order.
func (s *instrument) pricesFit(in *Input) bool {
	price, stop, offset := priceOf(in.Price), priceOf(in.Stop), priceOf(in.Offset)
	switch {
	case price == 0:
		if in.Type == Limit && in.Peg == NoPeg {
			return false
		}
	case in.Type == Market || !s.onTick(price):
		return false
	}
	if in.Trigger == NoTrigger {
		if stop != 0 {
			return false
		}
	} else if !s.onTick(stop) {
		return false
	}
	return offset == 0 || in.Peg != NoPeg && within(offset)
}

func (s *instrument) onTick(p market.Price) bool { return within(p) && p%s.TickSize == 0 }

// takesOrders says why an instrument takes no orders, if it takes none.
func (s *instrument) takesOrders() Reason {
	switch s.state {
	case Closed:
		return ReasonMarketClosed
	case Halted:
		return ReasonMarketHalted
	default:
		return ReasonNone
	}
}

// waits reports whether an order may wait for an auction.
func waits(tif TimeInForce, hasMin bool) bool {
	return tif != Immediate && tif != FillOrKill && !hasMin
}

// admit says on what terms an order that is no peg may enter the book now: with which limit, which is
// noLimit's for none, or why not. ReasonHeld is that it has to wait for a fresh reference. The
// instrument is open or before its auction.
func (e *Engine) admit(s *instrument, side market.Side, kind OrderType, post PostOnly, price market.Price) (limit market.Price, reason Reason) {
	limit = price
	if kind == Market {
		limit = noLimit(side)
	}
	if s.state == PreOpen {
		return limit, ReasonNone
	}
	if s.Collar != 0 {
		bound, ok := s.bound(side)
		switch {
		case !ok && s.WhenStale == HoldStale:
			return limit, ReasonHeld
		case !ok:
			return limit, ReasonStaleReference
		case kind == Market:
			limit = bound
		case !reaches(side, bound, price):
			return limit, ReasonCollar
		}
	}
	if post == MayTake {
		return limit, ReasonNone
	}
	best := s.ladder(bookLadder, side.Opposite()).best
	if best == 0 || !reaches(side, limit, e.levels.at(best).price) {
		return limit, ReasonNone
	}
	if post == SlideTaking {
		limit = e.levels.at(best).price - s.TickSize
		if side == market.Ask {
			limit = e.levels.at(best).price + s.TickSize
		}
	}
	if post == RejectTaking || !within(limit) {
		return limit, ReasonWouldTake
	}
	return limit, ReasonNone
}

// accept makes the order of an input. It is nowhere yet.
func (e *Engine) accept(n uint32, in *Input) uint32 {
	s := &e.instruments[n]
	i := e.orders.take()
	o := e.orders.at(i)
	e.entries++
	*o = order{
		id: in.OrderID, price: priceOf(in.Price), size: uint32(in.Size), open: uint32(in.Size),
		account: in.Account, session: in.Session, instrument: n, side: in.Side,
		kind: in.Type, tif: in.TIF, stp: in.STP, post: in.Post, peg: in.Peg, trigger: in.Trigger,
		entry: e.entries, stop: priceOf(in.Stop), offset: priceOf(in.Offset),
		display: uint32(in.Display), min: uint32(in.MinSize), cancelOnDisconnect: in.CancelOnDisconnect,
	}
	if in.Display == in.Size {
		o.display = 0
	}
	ev := e.tell(Accepted, o, ReasonNone)
	ev.Size = in.Size
	if o.peg != NoPeg {
		o.price, o.cap = 0, o.price
	}

	s.orders++
	e.byID.add(o.id, i)
	e.join(i)
	if o.tif == GoodTillTime {
		e.timers.add(timer{at: in.Until, key: orderTimer | o.entry, owner: i})
	}
	return i
}

// join puts an order into the chains of its account and, if it goes with it, its session.
func (e *Engine) join(i uint32) {
	o := e.orders.at(i)
	key := groupKey(o)
	if o.group = e.byGroup.find(key); o.group == 0 {
		o.group = e.groups.take()
		e.byGroup.add(key, o.group)
	}
	e.groups.at(o.group)[o.side.Index()].append(&e.orders, i, byGroup)
	if o.cancelOnDisconnect {
		c := e.bySession.find(uint64(o.session))
		if c == 0 {
			c = e.sessions.take()
			e.bySession.add(uint64(o.session), c)
		}
		e.sessions.at(c).append(&e.orders, i, bySession)
	}
}

func groupKey(o *order) uint64 { return uint64(o.account)<<32 | uint64(o.instrument) }

// discard forgets an order that is nowhere.
func (e *Engine) discard(i uint32) {
	o := e.orders.at(i)
	s := &e.instruments[o.instrument]
	s.orders--
	e.byID.remove(o.id, i)
	g := e.groups.at(o.group)
	g[o.side.Index()].remove(&e.orders, i, byGroup)
	if *g == (group{}) {
		e.byGroup.remove(groupKey(o))
		e.groups.give(o.group)
	}
	if o.cancelOnDisconnect {
		c := e.bySession.find(uint64(o.session))
		e.sessions.at(c).remove(&e.orders, i, bySession)
		if *e.sessions.at(c) == (chain{}) {
			e.bySession.remove(uint64(o.session))
			e.sessions.give(c)
		}
	}
	if o.peg != NoPeg {
		s.pegs.remove(&e.orders, i, byPeg)
	}
	if o.timer != 0 {
		e.timers.remove(o.timer)
	}
	e.orders.give(i)
}

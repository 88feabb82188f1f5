package match

import "tidegate/market"

// find returns the order that an input names, or what is wrong with that.
func (e *Engine) find(in *Input) (uint32, Reason) {
	i := e.byID.find(in.OrderID, &e.orders)
	if i == 0 {
		return 0, ReasonUnknownOrder
	}
	if e.orders.at(i).account != in.Account {
		return 0, ReasonNotOwner
	}
	return i, ReasonNone
}

func (e *Engine) onCancel(in *Input) {
	i, reason := e.find(in)
	if reason != ReasonNone {
		e.reject(in, reason)
		return
	}
	e.cancel(i, ReasonRequested)
}

func (e *Engine) onMassCancel(in *Input) {
	if in.Account == 0 {
		e.reject(in, ReasonBadAccount)
		return
	}
	first, last := uint32(1), uint32(len(e.instruments)-1)
	if in.Instrument != 0 {
		first = e.byInstrument.find(uint64(in.Instrument))
		last = first
		if first == 0 {
			e.reject(in, ReasonUnknownInstrument)
			return
		}
	}
	count := market.Size(0)
	for n := first; n <= last; n++ {
		key := groupKey(&order{account: in.Account, instrument: n})
		for side := range 2 {
			if in.Side == market.Bid && side == 1 || in.Side == market.Ask && side == 0 {
				continue
			}
			// The group goes with its last order.
			for g := e.byGroup.find(key); g != 0; g = e.byGroup.find(key) {
				i := e.groups.at(g)[side].head
				if i == 0 {
					break
				}
				e.cancel(i, ReasonMassCancel)
				count++
			}
		}
	}
	e.massCanceled(in, count)
}

func (e *Engine) onDisconnect(in *Input) {
	if in.Session == 0 {
		e.reject(in, ReasonBadField)
		return
	}
	count := market.Size(0)
	// The chain goes with its last order.
	for c := e.bySession.find(uint64(in.Session)); c != 0; c = e.bySession.find(uint64(in.Session)) {
		e.cancel(e.sessions.at(c).head, ReasonDisconnected)
		count++
	}
	e.massCanceled(in, count)
}

func (e *Engine) massCanceled(in *Input, count market.Size) {
	ev := e.emit(MassCanceled)
	ev.Size, ev.Session = count, in.Session
	if in.Kind == MassCancel {
		ev.Account, ev.Instrument = in.Account, in.Instrument
		if in.Side == market.Bid || in.Side == market.Ask {
			ev.Side = in.Side
		}
	}
}

// A change is what a Replace makes of an order.
type change struct {
	id          uint64
	price, stop market.Price // of a peg, price is its limit
	size, open  uint32
	keeps       bool // its place

	// On what terms the order enters again; see admit.
	limit  market.Price
	reason Reason
}

func (e *Engine) onReplace(in *Input) {
	i, reason := e.find(in)
	if reason != ReasonNone {
		e.reject(in, reason)
		return
	}
	o := e.orders.at(i)
	c, reason := e.checkReplace(o, in)
	switch {
	case reason == ReasonReplacedToNone:
		e.cancel(i, reason)
		return
	case reason != ReasonNone:
		e.reject(in, reason)
		return
	}
	before := o.id
	if c.id != o.id {
		e.byID.remove(o.id, i)
		e.byID.add(c.id, i)
		o.id = c.id
	}
	if c.keeps {
		e.shrink(o, c)
		ev := e.tell(Replaced, o, ReasonKeptPlace)
		ev.PrevID, ev.PrevRef, ev.Size = before, o.ref, in.Size
		return
	}
	n := o.instrument // of the order there may be nothing left
	e.reenter(i, c, before)
	e.settle(n)
}

// checkReplace says what a Replace makes of an order, or why it is rejected. ReasonReplacedToNone is
// that nothing is left.
func (e *Engine) checkReplace(o *order, in *Input) (c change, reason Reason) {
	s := &e.instruments[o.instrument]
	c = change{id: o.id, price: o.price, stop: o.stop}
	if o.peg != NoPeg {
		c.price = o.cap
	}
	was := c
	if in.NewID != 0 {
		c.id = in.NewID
	}
	if c.id != o.id && e.byID.find(c.id, &e.orders) != 0 {
		return c, ReasonDuplicateOrder
	}
	if reason = s.takesOrders(); reason != ReasonNone {
		return c, reason
	}
	display := min(market.Size(o.display), in.Size)
	if !s.sizesFit(in.Size, display, market.Size(o.min)) {
		return c, ReasonBadSize
	}
	if p := priceOf(in.Price); p != 0 {
		if o.kind == Market || !s.onTick(p) {
			return c, ReasonBadPrice
		}
		c.price = p
	}
	if p := priceOf(in.Stop); p != 0 {
		if o.where != inStops || !s.onTick(p) {
			return c, ReasonBadPrice
		}
		c.stop = p
	}
	c.size = uint32(in.Size)
	if c.size <= o.executed() {
		return c, ReasonReplacedToNone
	}
	c.open = c.size - o.executed()
	c.keeps = c.price == was.price && c.stop == was.stop && c.open <= o.open
	switch {
	case c.keeps || o.where == inStops:
	case o.peg != NoPeg:
		if _, ok := s.pegPrice(o.side, o.peg, o.offset, c.price); !ok && s.refusesPegs() {
			return c, ReasonStaleReference
		}
	default:
		c.limit, c.reason = e.admit(s, o.side, o.kind, o.post, c.price)
		if c.reason != ReasonNone && c.reason != ReasonHeld {
			return c, c.reason
		}
	}
	return c, ReasonNone
}

// shrink gives an order a smaller size where it is. What does not show goes first.
func (e *Engine) shrink(o *order, c change) {
	open, shown := o.open-c.open, o.shown-min(o.shown, c.open)
	o.size, o.open, o.shown = c.size, c.open, o.shown-shown
	if o.level != 0 {
		lv := e.levels.at(o.level)
		lv.open -= market.Size(open)
		lv.shown -= market.Size(shown)
	}
}

// reenter gives an order a new price or more size, for which it loses its place.
func (e *Engine) reenter(i uint32, c change, before uint64) {
	o := e.orders.at(i)
	s := &e.instruments[o.instrument]
	stops := o.where == inStops
	ref := e.withdraw(i)
	o.price, o.stop, o.size, o.open = c.price, c.stop, c.size, c.open
	ev := e.tell(Replaced, o, ReasonLostPlace)
	ev.PrevID, ev.PrevRef, ev.Size = before, ref, market.Size(c.size)
	switch {
	case stops:
		e.arm(i)
	case o.peg != NoPeg:
		o.price, o.cap = 0, c.price
		s.pegs.remove(&e.orders, i, byPeg)
		s.pegs.append(&e.orders, i, byPeg)
		e.placePeg(i)
	default:
		e.enterOrHold(i, c.limit, c.reason)
	}
}

package matchtest

import (
	"slices"

	"tidegate/book/match"
	"tidegate/market"
)

// come lets an order enter now, or hold it.
func (p *Plain) come(o *order) {
	limit, reason := p.admit(o.on, &o.in, o.price)
	switch reason {
	case match.ReasonHeld:
		o.on.held = append(o.on.held, o)
		p.emit(p.about(match.Restated, o, match.ReasonHeld))
	case match.ReasonNone:
		if o.in.Type == match.Limit {
			o.price = limit
		}
		p.enter(o, limit)
	default:
		p.cancel(o, reason)
	}
}

func (p *Plain) enter(o *order, limit market.Price) {
	s := o.on
	if s.state == match.PreOpen {
		if p.mayWait(o, limit) {
			p.rest(o)
		}
		return
	}
	if o.in.TIF == match.FillOrKill && p.couldFill(o, limit) < o.open {
		p.cancel(o, match.ReasonNotFillable)
		return
	}
	if p.couldFill(o, limit) < o.min {
		p.cancel(o, match.ReasonBelowMinimum)
		return
	}
	o.min = 0
	opposite := &s.book[1-o.in.Side.Index()]
	for len(*opposite) > 0 && crosses(o.in.Side, limit, (*opposite)[0].price) {
		r := (*opposite)[0]
		if r.in.Account == o.in.Account && o.in.STP != match.AllowSelf {
			if !p.meetSelf(o, r) {
				return
			}
			continue
		}
		size := min(o.open, r.shown)
		at := r.price
		p.matches++
		p.fill(r, size, at, match.Added)
		p.fill(o, size, at, match.Removed)
		p.refill(r)
		if o.open == 0 {
			p.gone(o)
			return
		}
	}
	if o.in.Type == match.Market || o.in.TIF == match.Immediate || o.in.TIF == match.FillOrKill {
		p.cancel(o, match.ReasonUnfilled)
		return
	}
	p.rest(o)
}

// couldFill plays through what an order could execute, without doing it.
func (p *Plain) couldFill(o *order, limit market.Price) (sum market.Size) {
	var queue []order
	for _, r := range o.on.book[1-o.in.Side.Index()] {
		if crosses(o.in.Side, limit, r.price) {
			queue = append(queue, *r)
		}
	}
	for len(queue) > 0 && sum < o.open {
		r := queue[0]
		if r.in.Account == o.in.Account && o.in.STP != match.AllowSelf {
			if o.in.STP != match.CancelOldest {
				return sum
			}
			queue = queue[1:]
			continue
		}
		queue = queue[1:]
		sum += r.shown
		if r.open -= r.shown; r.open > 0 {
			r.shown = min(r.open, r.display)
			at := len(queue)
			for i, x := range queue {
				if x.price != r.price {
					at = i
					break
				}
			}
			queue = slices.Insert(queue, at, r)
		}
	}
	return min(sum, o.open)
}

func (p *Plain) fill(o *order, size market.Size, at market.Price, liquidity match.Liquidity) {
	o.open -= size
	if o.resting {
		o.shown -= size
	}
	ev := p.about(match.Executed, o, match.ReasonNone)
	ev.Match, ev.Price, ev.Size, ev.Liquidity = p.matches, at, size, liquidity
	p.emit(ev)
	s := o.on
	s.last = at
	if s.high == 0 || at > s.high {
		s.high = at
	}
	if s.low == 0 || at < s.low {
		s.low = at
	}
}

// refill shows the next part of an order, or forgets it.
func (p *Plain) refill(o *order) {
	if o.open == 0 {
		p.gone(o)
		return
	}
	if o.shown > 0 {
		return
	}
	p.takeOut(o)
	p.stand(o)
	p.emit(p.about(match.Restated, o, match.ReasonRefill))
}

func (p *Plain) rest(o *order) {
	p.stand(o)
	p.emit(p.about(match.Booked, o, match.ReasonNone))
}

// stand puts an order at the end of the queue at its price.
func (p *Plain) stand(o *order) {
	o.shown = o.open
	if o.display != 0 {
		o.shown = min(o.open, o.display)
	}
	o.resting = true
	if o.in.Type == match.Limit {
		p.refs++
		o.ref = p.refs
	}
	k := o.in.Side.Index()
	o.on.book[k] = insert(o.on.book[k], o, bookKey, k == 0)
}

func bookKey(o *order) market.Price {
	if o.in.Type == match.Market {
		return noLimit(o.in.Side)
	}
	return o.price
}

// meetSelf does what o wants done when it meets r. It reports whether o goes on.
func (p *Plain) meetSelf(o, r *order) bool {
	switch o.in.STP {
	case match.CancelOldest:
		p.cancel(r, match.ReasonSelfTrade)
		return true
	case match.CancelBoth:
		p.cancel(r, match.ReasonSelfTrade)
	case match.DecrementBoth:
		size := min(o.open, r.shown)
		p.lose(r, size)
		p.refill(r)
		p.lose(o, size)
		if o.open == 0 {
			p.gone(o)
		}
		return o.open > 0
	}
	p.cancel(o, match.ReasonSelfTrade)
	return false
}

func (p *Plain) lose(o *order, size market.Size) {
	o.size -= size
	o.open -= size
	if o.resting {
		o.shown -= size
	}
	ev := p.about(match.Canceled, o, match.ReasonSelfTrade)
	ev.Size = size
	p.emit(ev)
}

// follow does what follows from another reference or state.
func (p *Plain) follow(s *instrument) {
	var moving []*order
	for _, o := range slices.Clone(s.pegs) {
		at, ok := s.pegPrice(&o.in, o.limit)
		if ok && o.resting && at == o.price {
			continue
		}
		switch {
		case ok:
			ref := p.takeOut(o)
			o.price = at
			ev := p.about(match.Restated, o, match.ReasonPegMoved)
			ev.PrevRef = ref
			p.emit(ev)
			moving = append(moving, o)
		case s.state == match.Open && s.WhenStale == match.RefuseStale:
			p.cancel(o, match.ReasonStaleReference)
		case o.resting:
			ref := p.takeOut(o)
			o.price = 0
			ev := p.about(match.Restated, o, match.ReasonParked)
			ev.PrevRef = ref
			p.emit(ev)
		}
	}
	for _, o := range moving {
		p.enter(o, o.price)
	}
	if s.state == match.Open || s.state == match.PreOpen {
		for _, o := range slices.Clone(s.held) {
			p.release(o)
		}
	}
	p.triggerStops(s)
}

func (p *Plain) release(o *order) {
	s := o.on
	_, reason := p.admit(s, &o.in, o.price)
	if s.state == match.PreOpen && (o.in.TIF == match.Immediate || o.in.TIF == match.FillOrKill || o.min != 0) {
		reason = match.ReasonNotInCall
	}
	switch reason {
	case match.ReasonHeld:
	case match.ReasonNone:
		p.takeOut(o)
		p.emit(p.about(match.Restated, o, match.ReasonReleased))
		p.come(o)
	default:
		p.cancel(o, reason)
	}
}

func (p *Plain) placePeg(o *order) {
	at, ok := o.on.pegPrice(&o.in, o.limit)
	if !ok {
		p.emit(p.about(match.Restated, o, match.ReasonParked))
		return
	}
	o.price = at
	p.enter(o, at)
}

// pegPrice returns the price of a peg; ok is false if it has none.
func (s *instrument) pegPrice(in *match.Input, limit market.Price) (at market.Price, ok bool) {
	bid, ask := s.trusted()
	buys := in.Side == market.Bid
	switch {
	case s.state != match.Open:
		return 0, false
	case in.Peg == match.PegMid && (bid == 0 || ask == 0):
		return 0, false
	case in.Peg == match.PegMid:
		at = (bid + ask) / 2
		if !buys {
			at = (bid + ask + 1) / 2
		}
	case (in.Peg == match.PegPrimary) == buys:
		at = bid
	default:
		at = ask
	}
	if at == 0 {
		return 0, false
	}
	if buys {
		at -= price(in.Offset)
		if at <= 0 {
			return 0, false
		}
		at = at / s.TickSize * s.TickSize
		if limit != 0 {
			at = min(at, limit)
		}
	} else {
		at += price(in.Offset)
		at = (at + s.TickSize - 1) / s.TickSize * s.TickSize
		at = max(at, limit)
	}
	return at, at > 0 && at <= match.PriceMax
}

// arm lets a stop order wait, or triggers it.
func (p *Plain) arm(o *order) {
	s := o.on
	quote, k := s.last, o.in.Side.Index()
	if o.trigger == match.TriggerQuote {
		bid, ask := s.trusted()
		quote = bid
		if k == 0 {
			quote = ask
		}
		k += 2
	}
	if s.state == match.Open && touched(o, quote) {
		p.fire(o)
		return
	}
	s.stops[k] = insert(s.stops[k], o, func(o *order) market.Price { return o.stop }, k%2 == 1)
}

func touched(o *order, quote market.Price) bool {
	return quote != 0 && (o.in.Side == market.Bid && quote >= o.stop || o.in.Side == market.Ask && quote <= o.stop)
}

func (p *Plain) fire(o *order) {
	p.takeOut(o)
	o.trigger, o.stop = match.NoTrigger, 0
	p.emit(p.about(match.Restated, o, match.ReasonTriggered))
	p.come(o)
}

func (p *Plain) triggerStops(s *instrument) {
	if s.state != match.Open {
		return
	}
again:
	bid, ask := s.trusted()
	for k, quote := range []market.Price{s.high, s.low, ask, bid} {
		if len(s.stops[k]) > 0 && touched(s.stops[k][0], quote) {
			p.fire(s.stops[k][0])
			goto again
		}
	}
	s.high, s.low = 0, 0
}

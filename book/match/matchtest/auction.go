package matchtest

import (
	"slices"

	"tidegate/book/match"
	"tidegate/market"
)

// mayWait is self-trade prevention before an auction. It reports whether o goes on.
func (p *Plain) mayWait(o *order, limit market.Price) bool {
	if o.in.STP == match.AllowSelf {
		return true
	}
	for _, r := range slices.Clone(o.on.orders) {
		if r.in.Account != o.in.Account || r.in.Side == o.in.Side || !r.resting || !crosses(o.in.Side, limit, bookKey(r)) {
			continue
		}
		switch o.in.STP {
		case match.CancelNewest:
			p.cancel(o, match.ReasonSelfTrade)
			return false
		case match.CancelOldest:
			p.cancel(r, match.ReasonSelfTrade)
		case match.CancelBoth:
			p.cancel(r, match.ReasonSelfTrade)
			p.cancel(o, match.ReasonSelfTrade)
			return false
		case match.DecrementBoth:
			size := min(o.open, r.open)
			if size == r.open {
				p.cancel(r, match.ReasonSelfTrade)
			} else {
				r.size -= size
				r.open -= size
				r.shown = min(r.shown, r.open)
				ev := p.about(match.Canceled, r, match.ReasonSelfTrade)
				ev.Size = size
				p.emit(ev)
			}
			if size == o.open {
				p.cancel(o, match.ReasonSelfTrade)
				return false
			}
			p.lose(o, size)
		}
	}
	return true
}

// A cross is what an auction does at a price.
type cross struct {
	at         market.Price
	bids, asks market.Size
}

func (c cross) volume() market.Size { return min(c.bids, c.asks) }
func (c cross) left() market.Size   { return max(c.bids, c.asks) - c.volume() }

func (s *instrument) crossAt(at market.Price) cross {
	c := cross{at: at}
	for _, o := range s.book[0] {
		if bookKey(o) >= at {
			c.bids += o.open
		}
	}
	for _, o := range s.book[1] {
		if bookKey(o) <= at {
			c.asks += o.open
		}
	}
	return c
}

// clear tries every price that an order has.
func (s *instrument) clear() cross {
	lean := s.last
	if bid, ask := s.trusted(); bid != 0 && ask != 0 {
		lean = (bid + ask) / 2
	}
	lean = lean / s.TickSize * s.TickSize
	var prices []market.Price
	for _, o := range slices.Concat(s.book[0], s.book[1]) {
		if o.in.Type == match.Limit {
			prices = append(prices, o.price)
		}
	}
	if len(prices) == 0 && lean != 0 {
		prices = append(prices, lean)
	}
	slices.Sort(prices)
	var best []cross // the lowest price first
	for _, at := range prices {
		c := s.crossAt(at)
		switch {
		case len(best) == 0, c.volume() > best[0].volume(), c.volume() == best[0].volume() && c.left() < best[0].left():
			best = []cross{c}
		case c.volume() == best[0].volume() && c.left() == best[0].left():
			best = append(best, c)
		}
	}
	if len(best) == 0 || best[0].volume() == 0 {
		return cross{}
	}
	low, high := best[0], best[len(best)-1]
	if high.bids > high.asks {
		return high
	}
	if low.asks > low.bids {
		return low
	}
	if lean == 0 {
		lean = (low.at + high.at) / 2 / s.TickSize * s.TickSize
	}
	return s.crossAt(max(low.at, min(high.at, lean)))
}

func (p *Plain) indicate(in *match.Input) {
	s := p.instrument(in.Instrument)
	if s == nil {
		p.reject(in, match.ReasonUnknownInstrument)
		return
	}
	if s.state != match.PreOpen {
		p.reject(in, match.ReasonWrongState)
		return
	}
	c := s.clear()
	ev := p.event(match.Indicated)
	ev.Instrument, ev.Size, ev.Open = s.ID, c.volume(), c.left()
	if c.at != 0 {
		ev.Price = c.at
	}
	if c.bids > c.asks {
		ev.Side = market.Bid
	} else if c.asks > c.bids {
		ev.Side = market.Ask
	}
	p.emit(ev)
}

func (p *Plain) uncross(s *instrument) {
	c := s.clear()
	for done := market.Size(0); done < c.volume(); {
		b, a := s.book[0][0], s.book[1][0]
		size := min(b.shown, a.shown)
		p.matches++
		p.fill(b, size, c.at, match.Crossed)
		p.fill(a, size, c.at, match.Crossed)
		p.refill(b)
		p.refill(a)
		done += size
	}
	for _, o := range slices.Concat(s.book[0], s.book[1]) {
		if o.in.Type == match.Market {
			p.cancel(o, match.ReasonUnfilled)
		}
	}
}

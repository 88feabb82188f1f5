package match

import "tidegate/market"

// A clearing is where an auction clears.
type clearing struct {
	price  market.Price // 0 if nothing trades
	volume market.Size  // what trades
	bids   market.Size  // what would like to buy at the price
	asks   market.Size  // what would like to sell
}

func (c clearing) imbalance() (market.Size, market.Side) {
	switch {
	case c.bids > c.asks:
		return c.bids - c.asks, market.Bid
	case c.asks > c.bids:
		return c.asks - c.bids, market.Ask
	default:
		return 0, market.NoSide
	}
}

// betterThan reports whether c trades more than d, or as much and leaves less.
func (c clearing) betterThan(d clearing) bool {
	if c.volume != d.volume {
		return c.volume > d.volume
	}
	left, _ := c.imbalance()
	other, _ := d.imbalance()
	return left < other
}

// A sweep goes over the prices at which an auction could clear, from the lowest.
type sweep struct {
	bid, ask   uint32 // next levels, upwards; 0 is none
	bids, asks market.Size
	top        market.Price // no ask above it counts
}

// newSweep begins a sweep. Only prices from the best ask to the best bid can have volume; market orders,
// which count at every price, make the one or the other the end of all prices.
func (e *Engine) newSweep(s *instrument) (w sweep) {
	bid, ask := s.ladders[bookLadder].best, s.ladders[bookLadder+1].best
	bottom := market.Price(0)
	if ask != 0 {
		if bottom = e.levels.at(ask).price; bottom == marketAsk {
			w.asks = e.levels.at(ask).open
			ask = e.levels.at(ask).worse
		}
	}
	if bid != 0 {
		w.top = e.levels.at(bid).price
	}
	w.ask = ask
	for ; bid != 0 && e.levels.at(bid).price >= bottom; bid = e.levels.at(bid).worse {
		w.bids += e.levels.at(bid).open
		w.bid = bid
	}
	return w
}

// next returns what an auction would do at the next price.
func (e *Engine) next(w *sweep) (c clearing, ok bool) {
	bid, ask := marketBid, marketBid // a price above all
	if w.bid != 0 {
		bid = e.levels.at(w.bid).price // of market orders, just that
	}
	if w.ask != 0 && e.levels.at(w.ask).price <= w.top {
		ask = e.levels.at(w.ask).price
	}
	p := min(bid, ask)
	if p == marketBid {
		return clearing{}, false
	}
	if ask == p {
		w.asks += e.levels.at(w.ask).open
		w.ask = e.levels.at(w.ask).worse
	}
	c = clearing{price: p, volume: min(w.bids, w.asks), bids: w.bids, asks: w.asks}
	if bid == p {
		w.bids -= e.levels.at(w.bid).open
		w.bid = e.levels.at(w.bid).better
	}
	return c, true
}

// clear finds where an auction clears: the price at which most trades, of those the one that leaves
// least; and if there is more than one, by pressure and then by the reference.
func (e *Engine) clear(s *instrument) clearing {
	var low, high clearing // the best prices lie next to each other
	w := e.newSweep(s)
	for c, ok := e.next(&w); ok; c, ok = e.next(&w) {
		switch {
		case low.price == 0 || c.betterThan(low):
			low, high = c, c
		case !low.betterThan(c):
			high = c
		}
	}
	ref := s.auctionReference()
	if low.price == 0 && ref != 0 { // no order has a price: w counts the market orders
		low = clearing{price: ref, volume: min(w.bids, w.asks), bids: w.bids, asks: w.asks}
		high = low
	}
	if low.volume == 0 {
		return clearing{}
	}
	switch {
	case high.bids > high.asks: // buyers are left even at the highest
		return high
	case low.asks > low.bids:
		return low
	}
	if ref == 0 {
		ref = s.tickDown(market.Mid(low.price, high.price))
	}
	switch {
	case ref <= low.price:
		return low
	case ref >= high.price:
		return high
	}
	// Between: bids from the highest price on, asks up to the lowest, and levels of neither.
	return e.clearAt(s, ref)
}

// clearAt returns what an auction does at a price.
func (e *Engine) clearAt(s *instrument, p market.Price) clearing {
	c := clearing{price: p}
	for n := s.ladders[bookLadder].best; n != 0 && e.levels.at(n).price >= p; n = e.levels.at(n).worse {
		c.bids += e.levels.at(n).open
	}
	for n := s.ladders[bookLadder+1].best; n != 0 && e.levels.at(n).price <= p; n = e.levels.at(n).worse {
		c.asks += e.levels.at(n).open
	}
	c.volume = min(c.bids, c.asks)
	return c
}

// auctionReference is the price to which auctions lean: the middle of the reference, else the last trade;
// 0 if there is neither.
func (s *instrument) auctionReference() market.Price {
	p := s.last
	if bid, ask := s.reference(); bid != 0 && ask != 0 {
		p = market.Mid(bid, ask)
	}
	return s.tickDown(p)
}

func (e *Engine) onIndicate(in *Input) {
	n := e.byInstrument.find(uint64(in.Instrument))
	switch {
	case n == 0:
		e.reject(in, ReasonUnknownInstrument)
		return
	case e.instruments[n].state != PreOpen:
		e.reject(in, ReasonWrongState)
		return
	}
	c := e.clear(&e.instruments[n])
	ev := e.emit(Indicated)
	ev.Instrument, ev.Price, ev.Size = in.Instrument, eventPrice(c.price), c.volume
	ev.Open, ev.Side = c.imbalance()
}

// uncross trades what an auction trades, at one price, in the order of the queues. Market orders that
// are left are canceled.
func (e *Engine) uncross(n uint32) {
	s := &e.instruments[n]
	bids, asks := &s.ladders[bookLadder], &s.ladders[bookLadder+1]
	c := e.clear(s)
	for left := c.volume; left > 0; {
		b, a := e.levels.at(bids.best).queue.head, e.levels.at(asks.best).queue.head
		bid, ask := e.orders.at(b), e.orders.at(a)
		size := min(bid.shown, ask.shown)
		e.matches++
		e.execute(bid, size, c.price, Crossed)
		e.execute(ask, size, c.price, Crossed)
		s.traded(c.price)
		e.refill(b)
		e.refill(a)
		left -= market.Size(size)
	}
	for _, l := range [...]*ladder{bids, asks} {
		for l.best != 0 && e.orders.at(e.levels.at(l.best).queue.head).kind == Market {
			e.cancel(e.levels.at(l.best).queue.head, ReasonUnfilled)
		}
	}
}

// preventInCall does for an order that comes before an auction what preventSelf does when orders meet:
// there, every order of the other side counts as met whose price overlaps, because the auction may
// match it. It reports whether the order goes on.
func (e *Engine) preventInCall(i uint32) bool {
	o := e.orders.at(i)
	limit := o.price
	if o.kind == Market {
		limit = noLimit(o.side)
	}
	others := &e.groups.at(o.group)[o.side.Opposite().Index()] // stays: o is of the group
	for r := others.head; r != 0; {
		resting := e.orders.at(r)
		next := resting.links[byGroup].next
		if resting.where != inBook || !reaches(o.side, limit, e.levels.at(resting.level).price) {
			r = next
			continue
		}
		switch o.stp {
		case CancelOldest:
			e.cancel(r, ReasonSelfTrade)
		case DecrementBoth:
			size := min(o.open, resting.open)
			if size == resting.open {
				e.cancel(r, ReasonSelfTrade)
			} else {
				resting.size -= size
				e.shrink(resting, change{size: resting.size, open: resting.open - size})
				e.tell(Canceled, resting, ReasonSelfTrade).Size = market.Size(size)
			}
			if size == o.open {
				e.cancel(i, ReasonSelfTrade)
				return false
			}
			e.decrement(i, size)
		case CancelBoth:
			e.cancel(r, ReasonSelfTrade)
			fallthrough
		default:
			e.cancel(i, ReasonSelfTrade)
			return false
		}
		r = next
	}
	return true
}

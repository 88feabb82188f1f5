package matchtest

import (
	"slices"

	"tidegate/book/match"
	"tidegate/market"
)

func (p *Plain) newOrder(in *match.Input) {
	s := p.instrument(in.Instrument)
	if s == nil {
		p.reject(in, match.ReasonUnknownInstrument)
		return
	}
	if reason := p.wrongWith(s, in); reason != match.ReasonNone {
		p.reject(in, reason)
		return
	}
	p.entries++
	o := &order{
		in: *in, on: s, entry: p.entries, price: price(in.Price), size: in.Size, open: in.Size, min: in.MinSize,
		display: in.Display, stop: price(in.Stop), trigger: in.Trigger,
	}
	if o.display == o.size {
		o.display = 0
	}
	s.orders = append(s.orders, o)
	ev := p.about(match.Accepted, o, match.ReasonNone)
	ev.Size = o.size
	p.emit(ev)
	switch {
	case o.trigger != match.NoTrigger:
		p.arm(o)
	case in.Peg != match.NoPeg:
		o.price, o.limit = 0, o.price
		s.pegs = append(s.pegs, o)
		p.placePeg(o)
	default:
		p.come(o)
	}
	p.triggerStops(s)
}

// wrongWith says why a new order is rejected.
func (p *Plain) wrongWith(s *instrument, in *match.Input) match.Reason {
	atOnce := in.TIF == match.Immediate || in.TIF == match.FillOrKill
	limit, stop, offset := price(in.Price), price(in.Stop), price(in.Offset)
	onTick := func(x market.Price) bool { return x > 0 && x <= match.PriceMax && x%s.TickSize == 0 }
	onLot := func(x market.Size) bool { return x%s.LotSize == 0 }
	stopOrder, peg := in.Trigger != match.NoTrigger, in.Peg != match.NoPeg
	rules := []struct {
		broken bool
		reason match.Reason
	}{
		{in.OrderID == 0, match.ReasonBadOrderID},
		{p.order(in.OrderID) != nil, match.ReasonDuplicateOrder},
		{in.Account == 0, match.ReasonBadAccount},
		{in.Side != market.Bid && in.Side != market.Ask, match.ReasonBadField},
		{in.Type > match.Market || in.TIF > match.GoodTillTime || in.STP > match.DecrementBoth, match.ReasonBadField},
		{in.Post > match.SlideTaking || in.Peg > match.PegMarket || in.Trigger > match.TriggerQuote, match.ReasonBadField},
		{in.CancelOnDisconnect && in.Session == 0, match.ReasonBadField},
		{in.Type == match.Market && in.Post != match.MayTake, match.ReasonBadCombination},
		{in.Type == match.Market && peg, match.ReasonBadCombination},
		{in.Type == match.Market && in.Display != 0, match.ReasonBadCombination},
		{in.Type == match.Market && in.TIF == match.GoodTillTime && !stopOrder, match.ReasonBadCombination},
		{in.Post != match.MayTake && (atOnce || peg || stopOrder || in.MinSize != 0), match.ReasonBadCombination},
		{peg && (atOnce || stopOrder || in.MinSize != 0), match.ReasonBadCombination},
		{stopOrder && (atOnce || in.MinSize != 0), match.ReasonBadCombination},
		{in.TIF == match.FillOrKill && in.MinSize != 0, match.ReasonBadCombination},
		{atOnce && in.Display != 0, match.ReasonBadCombination},
		{in.Size == 0 || in.Size > match.SizeMax || !onLot(in.Size), match.ReasonBadSize},
		{in.Display > in.Size || !onLot(in.Display), match.ReasonBadSize},
		{tooManyParts(in.Size, in.Display), match.ReasonBadSize},
		{in.MinSize > in.Size || !onLot(in.MinSize), match.ReasonBadSize},
		{in.Type == match.Limit && !peg && limit == 0, match.ReasonBadPrice},
		{in.Type == match.Market && limit != 0, match.ReasonBadPrice},
		{limit != 0 && !onTick(limit), match.ReasonBadPrice},
		{stopOrder && !onTick(stop) || !stopOrder && stop != 0, match.ReasonBadPrice},
		{offset != 0 && (!peg || offset < 0 || offset > match.PriceMax), match.ReasonBadPrice},
		{in.TIF == match.GoodTillTime && in.Until <= p.now, match.ReasonBadTime},
		{in.TIF != match.GoodTillTime && in.Until != 0, match.ReasonBadTime},
		{s.state == match.Closed, match.ReasonMarketClosed},
		{s.state == match.Halted, match.ReasonMarketHalted},
		{s.state == match.PreOpen && (atOnce || in.MinSize != 0), match.ReasonNotInCall},
		{p.Len() == p.cfg.OrdersMax, match.ReasonBookFull},
	}
	for _, r := range rules {
		if r.broken {
			return r.reason
		}
	}
	switch {
	case stopOrder:
	case peg:
		if _, ok := s.pegPrice(in, limit); !ok && s.state == match.Open && s.WhenStale == match.RefuseStale {
			return match.ReasonStaleReference
		}
	default:
		if _, reason := p.admit(s, in, limit); reason != match.ReasonHeld {
			return reason
		}
	}
	return match.ReasonNone
}

func tooManyParts(size, display market.Size) bool {
	return display != 0 && (size+display-1)/display > match.PartsMax
}

// admit says with which limit an order enters now, or why it does not.
func (p *Plain) admit(s *instrument, in *match.Input, limit market.Price) (market.Price, match.Reason) {
	buys := in.Side == market.Bid
	if in.Type == match.Market {
		limit = noLimit(in.Side)
	}
	if s.state != match.Open {
		return limit, match.ReasonNone
	}
	if s.Collar > 0 {
		bid, ask := s.trusted()
		base := bid
		if buys {
			base = ask
		}
		if base == 0 {
			if s.WhenStale == match.HoldStale {
				return limit, match.ReasonHeld
			}
			return limit, match.ReasonStaleReference
		}
		// In parts, because base*Collar may be too large.
		width := base/10_000*market.Price(s.Collar) + base%10_000*market.Price(s.Collar)/10_000
		end := base - width
		if buys {
			end = base + width
		}
		if in.Type == match.Market {
			limit = end
		} else if buys && limit > end || !buys && limit < end {
			return limit, match.ReasonCollar
		}
	}
	opposite := s.book[1-in.Side.Index()]
	if in.Post == match.MayTake || len(opposite) == 0 || !crosses(in.Side, limit, opposite[0].price) {
		return limit, match.ReasonNone
	}
	if in.Post == match.RejectTaking {
		return limit, match.ReasonWouldTake
	}
	slid := opposite[0].price + s.TickSize
	if buys {
		slid = opposite[0].price - s.TickSize
	}
	if slid <= 0 || slid > match.PriceMax {
		return limit, match.ReasonWouldTake
	}
	return slid, match.ReasonNone
}

// noLimit is a price that is better than all others.
func noLimit(side market.Side) market.Price {
	if side == market.Bid {
		return 1<<63 - 1
	}
	return -1 << 63
}

// crosses reports whether an order with a limit trades at a price.
func crosses(side market.Side, limit, at market.Price) bool {
	return side == market.Bid && at <= limit || side == market.Ask && at >= limit
}

// trusted returns the reference, 0 for what cannot be trusted.
func (s *instrument) trusted() (bid, ask market.Price) {
	if !s.fresh || s.bid != 0 && s.ask != 0 && s.bid > s.ask {
		return 0, 0
	}
	return s.bid, s.ask
}

func (p *Plain) replace(in *match.Input) {
	o := p.find(in)
	if o == nil {
		return
	}
	s := o.on
	newID := in.NewID
	if newID == 0 {
		newID = o.in.OrderID
	}
	waiting := slices.Contains(s.allStops(), o)
	was := o.price
	if o.in.Peg != match.NoPeg {
		was = o.limit
	}
	limit, stop := price(in.Price), price(in.Stop)
	onTick := func(x market.Price) bool { return x > 0 && x <= match.PriceMax && x%s.TickSize == 0 }
	done := o.size - o.open
	rules := []struct {
		broken bool
		reason match.Reason
	}{
		{newID != o.in.OrderID && p.order(newID) != nil, match.ReasonDuplicateOrder},
		{s.state == match.Closed, match.ReasonMarketClosed},
		{s.state == match.Halted, match.ReasonMarketHalted},
		{in.Size == 0 || in.Size > match.SizeMax || in.Size%s.LotSize != 0, match.ReasonBadSize},
		{in.Size > o.display && tooManyParts(in.Size, o.display), match.ReasonBadSize},
		{in.Size < o.min, match.ReasonBadSize},
		{limit != 0 && (o.in.Type == match.Market || !onTick(limit)), match.ReasonBadPrice},
		{stop != 0 && (!waiting || !onTick(stop)), match.ReasonBadPrice},
	}
	for _, r := range rules {
		if r.broken {
			p.reject(in, r.reason)
			return
		}
	}
	if in.Size <= done {
		p.cancel(o, match.ReasonReplacedToNone)
		return
	}
	if limit == 0 {
		limit = was
	}
	if stop == 0 {
		stop = o.stop
	}
	open := in.Size - done
	before := o.in.OrderID
	if limit == was && stop == o.stop && open <= o.open {
		o.in.OrderID, o.size, o.open, o.shown = newID, in.Size, open, min(o.shown, open)
		ev := p.about(match.Replaced, o, match.ReasonKeptPlace)
		ev.PrevID, ev.PrevRef, ev.Size = before, o.ref, o.size
		p.emit(ev)
		return
	}
	if o.in.Peg != match.NoPeg {
		if _, ok := s.pegPrice(&o.in, limit); !ok && s.state == match.Open && s.WhenStale == match.RefuseStale {
			p.reject(in, match.ReasonStaleReference)
			return
		}
	} else if !waiting {
		if _, reason := p.admit(s, &o.in, limit); reason != match.ReasonNone && reason != match.ReasonHeld {
			p.reject(in, reason)
			return
		}
	}
	ref := p.takeOut(o)
	o.in.OrderID, o.size, o.open, o.price, o.stop = newID, in.Size, open, limit, stop
	ev := p.about(match.Replaced, o, match.ReasonLostPlace)
	ev.PrevID, ev.PrevRef, ev.Size = before, ref, o.size
	p.emit(ev)
	switch {
	case waiting:
		p.arm(o)
	case o.in.Peg != match.NoPeg:
		o.price, o.limit = 0, limit
		s.pegs = append(without(s.pegs, o), o)
		p.placePeg(o)
	default:
		p.come(o)
	}
	p.triggerStops(s)
}

func (s *instrument) allStops() []*order { return slices.Concat(s.stops[:]...) }

func without(list []*order, o *order) []*order {
	return slices.DeleteFunc(list, func(x *order) bool { return x == o })
}

// takeOut takes an order out of wherever it waits and returns its public number.
func (p *Plain) takeOut(o *order) (ref uint64) {
	s := o.on
	for k := range s.book {
		s.book[k] = without(s.book[k], o)
	}
	for k := range s.stops {
		s.stops[k] = without(s.stops[k], o)
	}
	s.held = without(s.held, o)
	ref = o.ref
	o.ref, o.shown, o.resting = 0, 0, false
	return ref
}

// gone forgets an order.
func (p *Plain) gone(o *order) {
	p.takeOut(o)
	o.on.orders = without(o.on.orders, o)
	o.on.pegs = without(o.on.pegs, o)
}

func (p *Plain) cancel(o *order, reason match.Reason) {
	ev := p.about(match.Canceled, o, reason)
	ev.Size, ev.Open, ev.Displayed = o.open, 0, 0
	p.emit(ev)
	p.gone(o)
}

// insert puts an order behind all that are as good or better. better orders keys.
func insert(list []*order, o *order, key func(*order) market.Price, high bool) []*order {
	at := len(list)
	for i, x := range list {
		if high && key(x) < key(o) || !high && key(x) > key(o) {
			at = i
			break
		}
	}
	return slices.Insert(list, at, o)
}

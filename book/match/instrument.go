package match

import "tidegate/market"

func (e *Engine) onDefine(in *Input) {
	def := in.defined()
	if !def.valid() {
		e.reject(in, ReasonBadField)
		return
	}
	n := e.byInstrument.find(uint64(def.ID))
	switch {
	case n == 0:
		if len(e.instruments) > e.cfg.InstrumentsMax {
			e.reject(in, ReasonBookFull)
			return
		}
		n = uint32(len(e.instruments))
		e.instruments = append(e.instruments, newInstrument())
		e.byInstrument.add(uint64(def.ID), n)
	case e.instruments[n].state != Closed || e.instruments[n].orders != 0:
		e.reject(in, ReasonInstrumentInUse)
		return
	}
	s := &e.instruments[n]
	s.Instrument = def
	s.fresh = false // its age was judged by the old definition
	if s.timer != 0 {
		e.timers.remove(s.timer)
	}
	e.emit(Defined).Instrument = def.ID
}

func newInstrument() (s instrument) {
	// The best bid is the highest, the best ask the lowest. The first stop of a bid to be reached is the
	// lowest, that of an ask the highest.
	for _, n := range [...]int{bookLadder + 1, tradeStopLadder, quoteStopLadder} {
		s.ladders[n].mirror = lowestFirst
	}
	return s
}

func (e *Engine) onReference(in *Input) {
	n := e.byInstrument.find(uint64(in.Instrument))
	if n == 0 {
		e.reject(in, ReasonUnknownInstrument)
		return
	}
	s := &e.instruments[n]
	bid, ask, at := priceOf(in.Price), priceOf(in.Stop), in.Until
	switch {
	case bid < 0 || bid > PriceMax || ask < 0 || ask > PriceMax:
		e.reject(in, ReasonBadPrice)
		return
	case at > e.now:
		e.reject(in, ReasonBadTime)
		return
	case at < s.at:
		e.reject(in, ReasonTimeWentBack)
		return
	}
	s.bid, s.ask, s.at, s.fresh = bid, ask, at, in.Fresh
	if s.timer != 0 {
		e.timers.remove(s.timer)
	}
	if s.fresh && s.ReferenceAgeMax > 0 {
		// The age is counted, not the end: their sum may be past what a time can hold.
		if e.now-at >= s.ReferenceAgeMax {
			s.fresh = false
		} else if left := s.ReferenceAgeMax - (e.now - at); left <= lastTime-e.now {
			e.timers.add(timer{at: e.now + left, key: uint64(n), owner: n})
		}
	}
	e.follow(n)
}

const lastTime market.Nanos = 1<<63 - 1

// reference returns the reference's bid and ask, each 0 if there is none to trust. One that is crossed is
// as good as none: at least one of its quotes is wrong.
func (s *instrument) reference() (bid, ask market.Price) {
	if !s.fresh || s.bid != 0 && s.ask != 0 && s.bid > s.ask {
		return 0, 0
	}
	return s.bid, s.ask
}

// bound returns how far an order of a side may reach. ok is false if there is no reference to trust.
func (s *instrument) bound(side market.Side) (limit market.Price, ok bool) {
	bid, ask := s.reference()
	if side == market.Bid {
		return ask + share(ask, s.Collar), ask != 0
	}
	return bid - share(bid, s.Collar), bid != 0
}

// share returns a number of basis points of a price, rounded down. It cannot overflow: they are
// at most 10,000, which is all of the price.
func share(p market.Price, basisPoints uint32) market.Price {
	const whole = 10_000
	points := market.Price(basisPoints)
	return p/whole*points + p%whole*points/whole
}

// tickDown and tickUp round to the tick.
func (s *instrument) tickDown(p market.Price) market.Price {
	r := p % s.TickSize
	if r < 0 {
		r += s.TickSize
	}
	return p - r
}

func (s *instrument) tickUp(p market.Price) market.Price {
	down := s.tickDown(p)
	if down == p {
		return p
	}
	return down + s.TickSize
}

// within reports whether an order may have a price, apart from the tick.
func within(p market.Price) bool { return p > 0 && p <= PriceMax }

// Keys of market orders in the book: before every price.
const (
	marketBid market.Price = 1<<63 - 1
	marketAsk market.Price = -1 << 63
)

// noLimit returns the limit of an order of a side that has none.
func noLimit(side market.Side) market.Price {
	if side == market.Bid {
		return marketBid
	}
	return marketAsk
}

// reaches reports whether an order of a side with a limit trades at a price.
func reaches(side market.Side, limit, price market.Price) bool {
	if side == market.Bid {
		return price <= limit
	}
	return price >= limit
}

func (s *instrument) ladder(of int, side market.Side) *ladder { return &s.ladders[of+side.Index()] }

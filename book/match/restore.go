package match

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"tidegate/market"
)

// A restorer reads words into an empty engine. After the first error it reads zeros, so that only loops
// must look.
type restorer struct {
	*Engine
	rest []byte
	err  error
}

func (r *restorer) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}

func (r *restorer) word() uint64 {
	if len(r.rest) == 0 {
		r.fail("snapshot is cut off")
	}
	if r.err != nil {
		return 0
	}
	w := binary.LittleEndian.Uint64(r.rest)
	r.rest = r.rest[8:]
	return w
}

// price reads a price or 0.
func (r *restorer) price() market.Price {
	w := r.word()
	if w > uint64(PriceMax) {
		r.fail("price %d out of range", w)
	}
	return market.Price(w)
}

// small reads a number of at most limit.
func (r *restorer) small(what string, limit uint64) uint64 {
	w := r.word()
	if w > limit {
		r.fail("%s %d: at most %d", what, w, limit)
		return 0
	}
	return w
}

func (r *restorer) engine() {
	r.now = market.Nanos(r.small("time", uint64(lastTime)))
	r.inputs, r.entries, r.refs, r.matches = r.word(), r.word(), r.word(), r.word()
	n := uint32(r.small("instruments", uint64(r.cfg.InstrumentsMax)))
	for i := uint32(1); i <= n && r.err == nil; i++ {
		r.instruments = append(r.instruments, newInstrument())
		r.instrument(i)
	}
	r.chains()
}

func (r *restorer) instrument(n uint32) {
	s := &r.instruments[n]
	s.ID = market.InstrumentID(r.small("instrument", 1<<32-1))
	s.TickSize, s.LotSize = r.price(), market.Size(r.word())
	s.Collar = uint32(r.small("collar", CollarMax))
	s.ReferenceAgeMax = market.Nanos(r.word())
	s.WhenStale = StalePolicy(r.small("stale policy", uint64(stalePolicies-1)))
	if !s.valid() || r.byInstrument.find(uint64(s.ID)) != 0 {
		r.fail("instrument %d cannot be", s.ID)
	}
	if r.err != nil {
		return
	}
	r.byInstrument.add(uint64(s.ID), n)
	s.state = State(r.small("state", uint64(states-1)))
	s.bid, s.ask, s.at = r.price(), r.price(), market.Nanos(r.word())
	s.fresh = r.small("fresh", 1) != 0
	s.last = r.price()
	if s.at > r.now {
		r.fail("reference of %d is from the future", s.ID)
	}
	if s.fresh && s.ReferenceAgeMax > 0 && r.err == nil {
		age := r.now - s.at
		if age < 0 || age >= s.ReferenceAgeMax {
			r.fail("reference of %d is fresh at the age of %d", s.ID, age)
		} else if left := s.ReferenceAgeMax - age; left <= lastTime-r.now {
			r.timers.add(timer{at: r.now + left, key: uint64(n), owner: n})
		}
	}

	for k := range ladderCount {
		for range r.small("orders", uint64(r.cfg.OrdersMax)) {
			i := r.order(n)
			if i == 0 {
				return
			}
			o := r.orders.at(i)
			key := o.stop
			o.where = inStops
			if k < tradeStopLadder {
				o.where = inBook
				if key = o.price; o.kind == Market {
					key = noLimit(o.side)
				}
			}
			r.enqueue(&s.ladders[k], key, i)
		}
	}
	for range r.small("held orders", uint64(r.cfg.OrdersMax)) {
		i := r.order(n)
		if i == 0 {
			return
		}
		r.orders.at(i).where = inHeld
		s.held.append(&r.orders, i, byQueue)
	}
	r.pegs(n)
}

// pegs reads the pegs of an instrument: parked ones, and the entry numbers of those in the book.
func (r *restorer) pegs(n uint32) {
	s := &r.instruments[n]
	booked := map[uint64]uint32{}
	for k := range 2 {
		for l := s.ladders[k].best; l != 0; l = r.levels.at(l).worse {
			r.each(r.levels.at(l).queue, byQueue, func(i uint32) bool {
				if o := r.orders.at(i); o.peg != NoPeg {
					booked[o.entry] = i
				}
				return true
			})
		}
	}
	for range r.small("pegs", uint64(r.cfg.OrdersMax)) {
		var i uint32
		if len(r.rest) >= 8 && binary.LittleEndian.Uint64(r.rest) == 0 {
			r.word()
			entry := r.word()
			if i = booked[entry]; i == 0 {
				r.fail("peg %d is not in the book", entry)
			}
			delete(booked, entry)
		} else {
			i = r.order(n)
		}
		if i == 0 || r.err != nil {
			return
		}
		s.pegs.append(&r.orders, i, byPeg)
	}
	if len(booked) > 0 {
		r.fail("%d pegs of instrument %d do not move", len(booked), s.ID)
	}
}

// order reads an order of an instrument that is nowhere yet; 0 if there is none.
func (r *restorer) order(n uint32) uint32 {
	o := order{id: r.word(), entry: r.word(), ref: r.word(), instrument: n}
	o.price, o.stop, o.cap, o.offset = r.price(), r.price(), r.price(), r.price()
	until := market.Nanos(r.small("until", uint64(lastTime)))
	w := r.word()
	o.size, o.open = uint32(w>>32), uint32(w)
	w = r.word()
	o.shown, o.display = uint32(w>>32), uint32(w)
	w = r.word()
	o.min, o.account = uint32(w>>32), uint32(w)
	w = r.word()
	o.session = uint32(w >> 32)
	o.cancelOnDisconnect = w>>16&1 != 0
	o.side = [2]market.Side{market.Bid, market.Ask}[w>>14&1]
	o.kind, o.tif, o.stp = OrderType(w>>12&3), TimeInForce(w>>9&7), SelfTrade(w>>6&7)
	o.post, o.peg, o.trigger = PostOnly(w>>4&3), Peg(w>>2&3), Trigger(w&3)

	switch {
	case r.err != nil:
	case o.id == 0 || r.byID.find(o.id, &r.orders) != 0:
		r.fail("order id %d is 0 or not the only one", o.id)
	case o.kind >= orderTypes || o.tif >= timesInForce || o.stp >= selfTrades || o.post >= postOnlys ||
		o.trigger >= triggerChoices || w&0xfffe_8000 != 0:
		r.fail("order %d: bits %x", o.id, uint32(w))
	case (o.tif == GoodTillTime) != (until != 0) || until != 0 && until <= r.now:
		r.fail("order %d: lives until %d", o.id, until)
	case r.Len() == r.cfg.OrdersMax:
		r.fail("more than %d orders", r.cfg.OrdersMax)
	}
	if r.err != nil {
		return 0
	}
	i := r.orders.take()
	*r.orders.at(i) = o
	r.byID.add(o.id, i)
	r.instruments[n].orders++
	if until != 0 {
		r.timers.add(timer{at: until, key: orderTimer | o.entry, owner: i})
	}
	return i
}

// chains puts all orders into the chains of their accounts and sessions, as they came.
func (r *restorer) chains() {
	all := make([]uint32, 0, r.Len())
	for i := uint32(1); int(i) < len(r.orders.records); i++ {
		all = append(all, i)
	}
	slices.SortFunc(all, func(i, j uint32) int { return cmp.Compare(r.orders.at(i).entry, r.orders.at(j).entry) })
	for k, i := range all {
		if k > 0 && r.orders.at(i).entry == r.orders.at(all[k-1]).entry {
			r.fail("two orders have entry number %d", r.orders.at(i).entry)
		}
		r.join(i)
	}
}

package orders

import (
	"tidegate/book/match"
	"tidegate/market"
)

// request decides a request of a session.
func (d *desk) request(e *Entry, f *flight, out *decision) {
	r := &e.Request
	f.request, f.echo, f.target = r.Kind, r.Echo, r.Target
	f.on, f.side = r.Order.Instrument, r.Order.Side
	s := &d.sessions[f.session]
	if f.recordOf = r.ID; r.ID != (ClientID{}) {
		if f.record = d.ids.find(f.session, &r.ID); f.record != 0 {
			f.repeated = true
			return
		}
		f.record = d.ids.add(f.session, &s.remembered, &r.ID, d.idsMax/max(1, len(d.sessions)-1))
	}
	f.account = d.byAccount.find(uint64(r.Order.Account))
	if f.account == 0 {
		f.refusal = AccountUnknown
		return
	}
	switch r.Kind {
	case New:
		f.refusal = d.newOrder(e, f, out)
	case Replace, Reduce, Cancel:
		if f.refusal = d.findOrder(r, f); f.refusal != NotRefused {
			return
		}
		o := d.orders.at(f.order)
		f.on, f.side = d.instruments[o.instrument].ID, o.side
		switch r.Kind {
		case Replace:
			f.refusal = d.replace(e, f, o, out)
		case Reduce:
			if f.refusal = ReduceTooLarge; r.Order.Size < o.size {
				f.refusal = NotRefused
				d.route(o, match.Input{Kind: match.Replace, Size: r.Order.Size}, out)
			}
		default:
			d.route(o, match.Input{Kind: match.Cancel}, out)
		}
	default: // MassCancel: Submit lets no other kind pass
		s.putFence(fence{e.Ticket, AccountID(r.Order.Account), r.Order.Instrument, r.Order.Side})
		out.loops = d.all()
		if r.Order.Instrument != 0 {
			n := d.byInstrument.find(uint64(r.Order.Instrument))
			if n == 0 {
				f.refusal, out.loops = InstrumentUnknown, 0
				return
			}
			out.loops = 1 << d.instruments[n].loop
		}
		out.input = match.Input{Kind: match.MassCancel, Account: r.Order.Account, Instrument: r.Order.Instrument, Side: r.Order.Side}
	}
	out.input.Session = uint32(s.id)
}

// route sends an input about a live order to its engine.
func (d *desk) route(o *order, in match.Input, out *decision) {
	in.OrderID, in.Account = o.id, uint32(d.accounts[o.account].ID)
	out.loops, out.input = 1<<d.instruments[o.instrument].loop, in
}

// mayTrade says why an account may not have more orders than it has, if it may not.
func (d *desk) mayTrade(a *account) Refusal {
	switch {
	case d.killed || a.killed:
		return Killed
	case a.Disabled:
		return AccountDisabled
	}
	return NotRefused
}

// sane reports whether sizes and prices are such that they can be multiplied. Everything else about
// them is the engine's to judge.
func sane(size market.Size, price market.Price) bool {
	return size > 0 && size <= match.SizeMax && price >= 0 && price <= match.PriceMax
}

// priceOf returns a price of a request, 0 if there is none.
func priceOf(p market.Price) market.Price {
	if !p.Defined() {
		return 0
	}
	return p
}

func (d *desk) newOrder(e *Entry, f *flight, out *decision) Refusal {
	in := e.Request.Order
	a, s := &d.accounts[f.account], &d.sessions[f.session]
	price := priceOf(in.Price)
	if why := d.mayTrade(a); why != NotRefused {
		return why
	}
	if s.fenced(e.Ticket, AccountID(in.Account), in.Instrument, in.Side) {
		return MassCanceled
	}
	if in.CancelOnDisconnect && e.Ticket <= s.lost {
		return SessionLost
	}
	n := d.byInstrument.find(uint64(in.Instrument))
	if n == 0 {
		return InstrumentUnknown
	}
	inst := &d.instruments[n]
	switch {
	case !sane(in.Size, price):
		return BadRequest
	case inst.SizeMax != 0 && in.Size > inst.SizeMax:
		return OrderTooLarge
	case a.OrdersMax != 0 && a.orders >= a.OrdersMax, s.ordersMax != 0 && s.orders >= s.ordersMax:
		return TooManyOrders
	}
	limit := price
	if limit == 0 && in.Side == market.Bid && !a.Unchecked {
		// What a market order may cost is bounded by a limit, which cannot move while it waits.
		if limit = inst.bound(); limit == 0 || in.Type != match.Market || in.Trigger != match.NoTrigger {
			return PriceNeeded
		}
		in.Type, in.Price = match.Limit, limit
		if in.TIF == match.Day {
			in.TIF = match.Immediate
		}
	}
	if !a.NotionalMax.zero() && inst.notional(max(limit, inst.ask), in.Size).Cmp(a.NotionalMax) > 0 {
		return NotionalTooLarge
	}
	o := order{
		id: e.Index, account: f.account, session: f.session, instrument: n, record: f.record, side: in.Side,
		limit: limit, size: in.Size, open: in.Size, client: e.Request.ID, echo: e.Request.Echo, entered: e.Time,
		price: market.UndefPrice,
	}
	o.reserved = inst.reserve(in.Side, limit, in.Size, a.Unchecked)
	if b := d.reserves(&o); b != nil {
		if b.available().Cmp(o.reserved) < 0 {
			return BalanceTooLow
		}
		b.reserved = b.reserved.Add(o.reserved)
	}
	f.order, f.id = d.addOrder(o), o.id
	in.Kind, in.OrderID, in.NewID = match.New, e.Index, 0
	out.loops, out.input = 1<<inst.loop, in
	return NotRefused
}

// zero reports whether m is 0.
func (m Money) zero() bool { return m == Money{} }

// bound returns the most that a market order to buy may pay, 0 if there is no knowing: the collar above the last
// reference. The engine has the same bound, as long as the reference is fresh.
func (in *instrument) bound() market.Price {
	if in.Collar == 0 || in.ask == 0 {
		return 0
	}
	const whole = 10_000
	points := market.Price(in.Collar)
	p := in.ask + in.ask/whole*points + in.ask%whole*points/whole
	return min(p-p%in.TickSize, match.PriceMax-match.PriceMax%in.TickSize)
}

// notional returns what a size costs.
func (in *instrument) notional(price market.Price, size market.Size) Money {
	return MoneyOf(int64(price)).times(uint64(size)).over(max(1, in.PriceFor))
}

// amount returns how much of the base asset a size is.
func (in *instrument) amount(size market.Size) Money {
	unit := in.BaseUnit
	if unit == 0 {
		unit = market.PriceScale
	}
	return Money{Lo: unit}.times(uint64(size))
}

// reserve returns what an order reserves for an open size: what it pays at most, or what it sells.
func (in *instrument) reserve(side market.Side, limit market.Price, open market.Size, unchecked bool) Money {
	switch {
	case unchecked:
		return Money{}
	case side == market.Bid:
		return in.notional(limit, open)
	case side == market.Ask:
		return in.amount(open)
	default:
		return Money{}
	}
}

// reserves returns the balance that an order reserves of, nil if it does not.
func (d *desk) reserves(o *order) *balance {
	in := &d.instruments[o.instrument]
	switch {
	case d.accounts[o.account].Unchecked && o.reserved.zero():
		return nil
	case o.side == market.Bid:
		return d.balance(o.account, in.Quote)
	case o.side == market.Ask:
		return d.balance(o.account, in.Base)
	default:
		return nil
	}
}

func (d *desk) addOrder(o order) uint32 {
	i := d.orders.take()
	d.byOrder.add(o.id, i)
	a := &d.accounts[o.account]
	o.prev = a.tail
	*d.orders.at(i) = o
	if a.tail == 0 {
		a.head = i
	} else {
		d.orders.at(a.tail).next = i
	}
	a.tail = i
	a.orders++
	d.sessions[o.session].orders++
	if o.record != 0 {
		r := d.ids.records.at(o.record)
		r.order, r.pinned = o.id, true
	}
	return i
}

// findOrder finds the order that a request is about.
func (d *desk) findOrder(r *Request, f *flight) Refusal {
	id := r.Order.OrderID
	if r.Target != (ClientID{}) {
		n := d.ids.find(f.session, &r.Target)
		if n == 0 || !d.ids.records.at(n).pinned {
			return OrderUnknown
		}
		id = d.ids.records.at(n).order
	}
	i := d.byOrder.find(id)
	if i == 0 || d.orders.at(i).account != f.account {
		return OrderUnknown
	}
	f.order, f.id = i, id
	return NotRefused
}

func (d *desk) replace(e *Entry, f *flight, o *order, out *decision) Refusal {
	in := &e.Request.Order
	a, inst := &d.accounts[o.account], &d.instruments[o.instrument]
	price := priceOf(in.Price)
	if why := d.mayTrade(a); why != NotRefused {
		return why
	}
	switch {
	case !sane(in.Size, price):
		return BadRequest
	case inst.SizeMax != 0 && in.Size > inst.SizeMax:
		return OrderTooLarge
	}
	// Until the engine has answered, both the old order and the new one have to be covered.
	limit := max(price, o.limit)
	if !a.NotionalMax.zero() && inst.notional(max(limit, inst.ask), in.Size).Cmp(a.NotionalMax) > 0 {
		return NotionalTooLarge
	}
	executed := o.size - o.open
	need := inst.reserve(o.side, limit, max(o.open, in.Size-min(in.Size, executed)), a.Unchecked)
	if b := d.reserves(o); b != nil && need.Cmp(o.reserved) > 0 {
		extra := need.Sub(o.reserved)
		if b.available().Cmp(extra) < 0 {
			return BalanceTooLow
		}
		f.extra = extra
		b.reserved = b.reserved.Add(extra)
	}
	if f.record != 0 {
		r := d.ids.records.at(f.record)
		r.order, r.pinned = o.id, true
	}
	d.route(o, match.Input{Kind: match.Replace, Price: in.Price, Stop: in.Stop, Size: in.Size}, out)
	return NotRefused
}

func (s *session) putFence(f fence) {
	last := s.fences[fencesMax-1]
	if last.ticket != 0 { // all are in use: the first two become one for all
		s.fences[0] = fence{ticket: max(s.fences[0].ticket, s.fences[1].ticket)}
		copy(s.fences[1:], s.fences[2:])
		s.fences[fencesMax-1] = f
		return
	}
	for i := range s.fences {
		if s.fences[i].ticket == 0 {
			s.fences[i] = f
			return
		}
	}
}

// fenced reports whether a MassCancel overtook a request.
func (s *session) fenced(t Ticket, a AccountID, on market.InstrumentID, side market.Side) bool {
	for i := range s.fences {
		f := &s.fences[i]
		if t < f.ticket && (f.account == 0 || f.account == a) && (f.instrument == 0 || f.instrument == on) &&
			(f.side != market.Bid && f.side != market.Ask || f.side == side) {
			return true
		}
	}
	return false
}

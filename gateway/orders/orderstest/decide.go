package orderstest

import (
	"math/big"
	"slices"

	"tidegate/book/match"
	"tidegate/gateway/orders"
	"tidegate/market"
)

func (p *Plain) request(f *flight) (in match.Input, engines []int) {
	r := &f.entry.Request
	f.on, f.side = r.Order.Instrument, r.Order.Side
	if r.ID != (orders.ClientID{}) {
		if f.session.find(r.ID) != nil {
			f.repeated = true
			return in, nil
		}
		f.record = p.remember(f.session, r.ID)
	}
	f.account = p.account(orders.AccountID(r.Order.Account))
	if f.account == nil {
		f.refusal = orders.AccountUnknown
		return in, nil
	}
	switch r.Kind {
	case orders.New:
		in, f.refusal = p.enter(f)
		if f.refusal == orders.NotRefused {
			engines = []int{f.order.instrument.loop}
		}
	case orders.MassCancel:
		p.fence(f)
		engines = p.every()
		if r.Order.Instrument != 0 {
			s := p.instrument(r.Order.Instrument)
			if s == nil {
				f.refusal = orders.InstrumentUnknown
				return in, nil
			}
			engines = []int{s.loop}
		}
		in = match.Input{Kind: match.MassCancel, Account: r.Order.Account, Instrument: r.Order.Instrument, Side: r.Order.Side}
	default:
		o := p.named(f)
		if o == nil {
			f.refusal = orders.OrderUnknown
			return in, nil
		}
		f.order, f.on, f.side = o, o.instrument.ID, o.side
		in = match.Input{Kind: match.Cancel}
		switch r.Kind {
		case orders.Replace:
			in = match.Input{Kind: match.Replace, Price: r.Order.Price, Stop: r.Order.Stop, Size: r.Order.Size}
			f.refusal = p.replace(f)
		case orders.Reduce:
			in = match.Input{Kind: match.Replace, Size: r.Order.Size}
			if r.Order.Size >= o.size {
				f.refusal = orders.ReduceTooLarge
			}
		}
		if f.refusal != orders.NotRefused {
			return in, nil
		}
		in.OrderID, in.Account = o.id, r.Order.Account
		engines = []int{o.instrument.loop}
	}
	in.Session = uint32(f.session.ID)
	return in, engines
}

func (p *Plain) remember(s *session, c orders.ClientID) *id {
	if len(s.ids) >= p.cfg.IDsMax/len(p.sessions) {
		for range min(8, len(s.ids)) {
			oldest := s.ids[0]
			s.ids = s.ids[1:]
			if !oldest.pinned {
				break
			}
			s.ids = append(s.ids, oldest)
		}
	}
	x := &id{id: c}
	s.ids = append(s.ids, x)
	return x
}

func (p *Plain) fence(f *flight) {
	r := &f.entry.Request
	s := f.session
	if len(s.fences) == 8 {
		both := fence{ticket: max(s.fences[0].ticket, s.fences[1].ticket)}
		s.fences = append([]fence{both}, s.fences[2:]...)
	}
	s.fences = append(s.fences, fence{f.entry.Ticket, orders.AccountID(r.Order.Account), r.Order.Instrument, r.Order.Side})
}

func (p *Plain) named(f *flight) *order {
	r := &f.entry.Request
	n := r.Order.OrderID
	if r.Target != (orders.ClientID{}) {
		x := f.session.find(r.Target)
		if x == nil || !x.pinned {
			return nil
		}
		n = x.order
	}
	o := p.order(n)
	if o == nil || o.account != f.account {
		return nil
	}
	return o
}

func undef(p market.Price) market.Price {
	if p == market.UndefPrice {
		return 0
	}
	return p
}

func (p *Plain) enter(f *flight) (in match.Input, why orders.Refusal) {
	r, a, s := &f.entry.Request, f.account, f.session
	in = r.Order
	price := undef(in.Price)
	switch {
	case p.killed || a.killed:
		return in, orders.Killed
	case a.Disabled:
		return in, orders.AccountDisabled
	}
	for _, x := range s.fences {
		if f.entry.Ticket < x.ticket && (x.account == 0 || x.account == a.ID) && (x.instrument == 0 || x.instrument == in.Instrument) &&
			(x.side == in.Side || x.side != market.Bid && x.side != market.Ask) {
			return in, orders.MassCanceled
		}
	}
	inst := p.instrument(in.Instrument)
	switch {
	case in.CancelOnDisconnect && f.entry.Ticket <= s.lost:
		return in, orders.SessionLost
	case inst == nil:
		return in, orders.InstrumentUnknown
	case in.Size == 0 || in.Size > match.SizeMax || price < 0 || price > match.PriceMax:
		return in, orders.BadRequest
	case inst.SizeMax != 0 && in.Size > inst.SizeMax:
		return in, orders.OrderTooLarge
	case a.OrdersMax != 0 && p.ordersOf(func(o *order) bool { return o.account == a }) >= a.OrdersMax,
		s.OrdersMax != 0 && p.ordersOf(func(o *order) bool { return o.session == s }) >= s.OrdersMax:
		return in, orders.TooManyOrders
	}
	limit := price
	if limit == 0 && in.Side == market.Bid && !a.Unchecked {
		if in.Type != match.Market || in.Trigger != match.NoTrigger || inst.Collar == 0 || inst.ask == 0 {
			return in, orders.PriceNeeded
		}
		x := new(big.Int).Mul(big.NewInt(int64(inst.ask)), big.NewInt(int64(inst.Collar)))
		limit = inst.ask + market.Price(x.Div(x, big.NewInt(10_000)).Int64())
		limit = min(limit-limit%inst.TickSize, match.PriceMax-match.PriceMax%inst.TickSize)
		if limit == 0 {
			return in, orders.PriceNeeded
		}
		in.Type, in.Price = match.Limit, limit
		if in.TIF == match.Day {
			in.TIF = match.Immediate
		}
	}
	if most := large(a.NotionalMax); most.Sign() != 0 && inst.cost(max(limit, inst.ask), in.Size).Cmp(most) > 0 {
		return in, orders.NotionalTooLarge
	}
	o := &order{
		id: f.entry.Index, account: a, session: s, instrument: inst, record: f.record, side: in.Side, limit: limit,
		size: in.Size, open: in.Size, client: r.ID, echo: r.Echo, entered: f.entry.Time, price: market.UndefPrice,
	}
	o.reserved = inst.needs(a, in.Side, limit, in.Size)
	if !a.Unchecked && o.asset() != 0 {
		p.touch(a, o.asset())
		if p.available(a, o.asset()).Cmp(o.reserved) < 0 {
			return in, orders.BalanceTooLow
		}
	}
	p.orders = append(p.orders, o)
	if o.record != nil {
		o.record.order, o.record.pinned = o.id, true
	}
	f.order = o
	in.Kind, in.OrderID, in.NewID = match.New, o.id, 0
	return in, orders.NotRefused
}

func (p *Plain) replace(f *flight) orders.Refusal {
	in, o := &f.entry.Request.Order, f.order
	a, inst := o.account, o.instrument
	price := undef(in.Price)
	limit := max(price, o.limit)
	most := large(a.NotionalMax)
	switch {
	case p.killed || a.killed:
		return orders.Killed
	case a.Disabled:
		return orders.AccountDisabled
	case in.Size == 0 || in.Size > match.SizeMax || price < 0 || price > match.PriceMax:
		return orders.BadRequest
	case inst.SizeMax != 0 && in.Size > inst.SizeMax:
		return orders.OrderTooLarge
	case most.Sign() != 0 && inst.cost(max(limit, inst.ask), in.Size).Cmp(most) > 0:
		return orders.NotionalTooLarge
	}
	left := market.Size(0)
	if executed := o.size - o.open; in.Size > executed {
		left = in.Size - executed
	}
	need := inst.needs(a, o.side, limit, max(left, o.open))
	if o.asset() != 0 && need.Cmp(o.reserved) > 0 {
		extra := new(big.Int).Sub(need, o.reserved)
		if p.available(a, o.asset()).Cmp(extra) < 0 {
			return orders.BalanceTooLow
		}
		f.extra, f.asset = extra, o.asset()
	}
	if f.record != nil {
		f.record.order, f.record.pinned = o.id, true
	}
	return orders.NotRefused
}

// Check says what the accounts must never be: below what they have with their credit, as long as they
// are checked and nobody takes from them.
func (p *Plain) Check() (overdrawn []orders.AccountID) {
	for _, a := range p.accounts {
		for asset := range a.totals {
			if !a.Unchecked && p.available(a, asset).Sign() < 0 && !slices.Contains(overdrawn, a.ID) {
				overdrawn = append(overdrawn, a.ID)
			}
		}
	}
	return overdrawn
}

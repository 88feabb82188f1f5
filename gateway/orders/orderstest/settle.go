package orderstest

import (
	"encoding/binary"
	"math/big"
	"slices"

	"tidegate/book/match"
	"tidegate/gateway/orders"
	"tidegate/market"
)

func (p *Plain) settle() {
	f := p.flights[0]
	p.settled = f.entry.Index
	var mine []orders.Report
	tell := func(r orders.Report, to *session, of *account) {
		r.Index = f.entry.Index
		r.Event.Input = 0
		if to != nil {
			to.reports++
			r.Number, r.To = to.reports, to.ID
			if of != nil {
				of.reports++
				r.AccountNumber = of.reports
			}
		}
		if to == nil || to != f.session || r.Event.Reason == match.ReasonExpired {
			r.Ticket, r.Request = 0, 0
		} else {
			r.Ticket, r.Request = f.entry.Ticket, f.entry.Request.Kind
		}
		if in := p.instrument(r.Event.Instrument); in != nil && !r.Copy {
			if n := uint64(r.MessageCount(&in.Instrument)); n > 0 {
				r.Message = p.messages + 1
				p.messages += n
			}
		}
		p.told++
		mine = append(mine, r)
	}
	answer := orders.Report{ID: f.entry.Request.ID, Echo: f.entry.Request.Echo, PrevPrice: market.UndefPrice}
	answer.Event = match.Event{Time: f.entry.Time, Price: market.UndefPrice, Side: market.NoSide}
	if f.session != nil {
		answer.Event.Session = uint32(f.session.ID)
	}
	switch {
	case f.repeated:
		answer.Kind = orders.Repeated
		if x := f.session.find(f.entry.Request.ID); x != nil {
			answer.First, answer.Event.OrderID = x.first, x.order
		}
		tell(answer, f.session, nil)
	case f.refusal != orders.NotRefused:
		answer.Kind, answer.Refusal, answer.PrevID = orders.Refused, f.refusal, f.entry.Request.Target
		answer.Event.Instrument, answer.Event.Side = f.on, f.side
		if f.order != nil {
			answer.Event.OrderID = f.order.id
		}
		if f.account != nil {
			answer.Event.Account = uint32(f.account.ID)
		}
		tell(answer, f.session, nil)
	case f.what != nil:
		p.defined(f)
	}
	p.events(f, tell)
	p.landed(f)

	var number uint64
	last := -1
	for i, r := range mine {
		if f.session != nil && r.To == f.session.ID && r.Ticket != 0 {
			last = i
			if number == 0 {
				number = r.Number
			}
		}
	}
	if last >= 0 {
		mine[last].Last = true
	}
	if f.record != nil && slices.Contains(f.session.ids, f.record) {
		f.record.first = number
	}
	p.flights = p.flights[1:]
	p.reports = append(p.reports, mine...)
}

func (p *Plain) defined(f *flight) {
	s := f.what
	next := *f.entry.Setting.Instrument
	if f.events[len(f.events)-1].Kind != match.Defined {
		old := s.Instrument
		next.Instrument, next.Base, next.Quote, next.BaseUnit, next.PriceFor, next.Symbol = old.Instrument, old.Base, old.Quote, old.BaseUnit, old.PriceFor, old.Symbol
	}
	s.Instrument = next
}

func (p *Plain) events(f *flight, tell func(orders.Report, *session, *account)) {
	parts, canceled, trade, printed := len(f.engines), market.Size(0), uint64(0), uint64(0)
	for _, ev := range f.events {
		r := orders.Report{Kind: orders.FromEngine, PrevPrice: market.UndefPrice}
		if ev.Kind == match.MassCanceled {
			canceled += ev.Size
			if parts--; parts > 0 {
				continue
			}
			ev.Size = canceled
		}
		if ev.Kind == match.Executed {
			if trade != ev.Match {
				trade = ev.Match
				p.trades++
			}
			ev.Match = p.trades
		}
		var o *order
		if ev.Kind != match.Rejected && ev.OrderID != 0 {
			o = p.order(ev.OrderID)
		}
		if o == nil {
			r.Event = ev
			var to *session
			if f.entry.Kind == orders.EntryRequest && (ev.Kind == match.Rejected || ev.Kind == match.MassCanceled) {
				to, r.ID, r.Echo = f.session, f.entry.Request.ID, f.entry.Request.Echo
				if ev.Kind == match.Rejected {
					r.PrevID, r.Event.Instrument, r.Event.Side = f.entry.Request.Target, f.on, f.side
				}
			}
			tell(r, to, f.account)
			continue
		}
		r.PrevPrice, r.PrevDisplayed = o.price, o.displayed
		r.Printed = ev.Kind == match.Executed && printed == ev.Match
		p.about(f, o, &ev, &r)
		r.Event = ev
		r.ID, r.Echo = o.client, o.echo
		was := p.messages
		tell(r, o.session, o.account)
		if ev.Kind == match.Executed && p.messages != was {
			printed = ev.Match
		}
		if f.session != nil && o == f.order && o.session != f.session && f.entry.Request.Kind != orders.New && ev.Reason != match.ReasonExpired {
			r.Copy = true
			tell(r, f.session, nil)
		}
		if o.open == 0 && (ev.Kind == match.Executed || ev.Kind == match.Canceled) {
			p.drop(o)
		}
	}
}

// about does what an event means for its order and account.
func (p *Plain) about(f *flight, o *order, ev *match.Event, r *orders.Report) {
	in, a := o.instrument, o.account
	switch ev.Kind {
	case match.Accepted:
		f.accepted = true
	case match.Executed:
		base, quote := in.units(ev.Size), in.cost(ev.Price, ev.Size)
		if o.side == market.Bid {
			quote.Neg(quote)
		} else {
			base.Neg(base)
		}
		a.add(in.Base, base)
		a.add(in.Quote, quote)
	case match.Canceled:
		o.size -= ev.Size
	case match.Replaced:
		r.PrevID = o.client
		o.size = ev.Size
		if ev.Reason == match.ReasonLostPlace {
			o.limit = undef(ev.Price)
		}
		if f.entry.Request.Kind == orders.Replace {
			o.echo = f.entry.Request.Echo
			if f.record != nil {
				if o.record != nil {
					o.record.pinned = false
				}
				o.record, o.client = f.record, f.record.id
			}
		}
	}
	o.open, o.ref, o.displayed = ev.Open, ev.Ref, ev.Displayed
	if ev.Kind != match.Executed {
		o.price = ev.Price
	}
	if ev.Kind == match.Executed || ev.Kind == match.Canceled || ev.Kind == match.Replaced {
		o.reserved = in.needs(a, o.side, o.limit, o.open)
	}
	if ev.Ref != 0 {
		ev.Ref = ev.Ref*uint64(len(p.engines)) + uint64(in.loop)
	}
	if ev.PrevRef != 0 {
		ev.PrevRef = ev.PrevRef*uint64(len(p.engines)) + uint64(in.loop)
	}
}

func (p *Plain) landed(f *flight) {
	if f.order == nil || f.refusal != orders.NotRefused {
		return
	}
	switch {
	case f.entry.Request.Kind == orders.New && !f.accepted:
		p.drop(f.order)
	case f.entry.Request.Kind == orders.Replace && f.record != nil && (f.order.record != f.record || !slices.Contains(p.orders, f.order)):
		f.record.pinned = false
	}
}

// Words returns what orders.Core.Words goes over.
func (p *Plain) Words() []uint64 {
	one := map[bool]uint64{true: 1}
	w := []uint64{p.index, p.trades, p.told, p.messages, one[p.killed], uint64(len(p.instruments))}
	put := func(all ...uint64) { w = append(w, all...) }
	bytes := func(b []byte) {
		for ; len(b) > 0; b = b[8:] {
			put(binary.LittleEndian.Uint64(b))
		}
	}
	money := func(n *big.Int) {
		m := small(n)
		put(uint64(m.Hi), m.Lo)
	}
	for _, in := range p.instruments {
		put(uint64(in.ID), uint64(in.ask))
	}
	put(uint64(len(p.sessions)))
	for _, s := range p.sessions {
		put(uint64(s.ID), s.reports, uint64(s.last), uint64(s.lost))
		for i := range 8 {
			var f fence
			if i < len(s.fences) {
				f = s.fences[i]
			}
			put(uint64(f.ticket), uint64(f.account), uint64(f.instrument)<<8|uint64(f.side))
		}
		put(uint64(len(s.ids)))
		for _, x := range s.ids {
			bytes(x.id[:])
			put(x.order, x.first<<1|one[x.pinned])
		}
	}
	put(uint64(len(p.accounts)))
	for _, a := range p.accounts {
		put(uint64(a.ID), a.reports, a.adjusted<<1|one[a.killed], uint64(len(a.totals)))
		var assets []orders.AssetID
		for asset := range a.totals {
			assets = append(assets, asset)
		}
		slices.Sort(assets)
		for _, asset := range assets {
			put(uint64(asset))
			money(a.totals[asset])
			money(p.reserved(a, asset))
		}
		put(uint64(p.ordersOf(func(o *order) bool { return o.account == a })))
		for _, o := range p.orders {
			if o.account != a {
				continue
			}
			put(o.id, uint64(o.session.ID)<<32|uint64(o.instrument.ID), uint64(o.size)<<32|uint64(o.open),
				uint64(o.limit), uint64(o.price), o.ref, uint64(o.displayed)<<8|uint64(o.side), uint64(o.entered))
			money(o.reserved)
			bytes(o.client[:])
			bytes(o.echo[:])
			put(one[o.record != nil])
		}
	}
	for _, e := range p.engines {
		put(e.Words()...)
	}
	return w
}

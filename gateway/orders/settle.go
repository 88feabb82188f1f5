package orders

import (
	"tidegate/book/match"
	"tidegate/market"
)

// settle takes what the engines did with the oldest entry that is not settled, in the order of the engines, and
// appends the reports about it to reports.
func (d *desk) settle(events []match.Event, reports []Report) []Report {
	f := d.flights.first()
	d.settled = f.index
	start := len(reports)
	d.reports = reports
	switch {
	case f.repeated:
		r := d.answer(f, Repeated)
		if n := d.ids.find(f.session, &f.recordOf); n != 0 {
			rec := d.ids.records.at(n)
			r.First, r.Event.OrderID = rec.first, rec.order
		}
	case f.refusal != NotRefused:
		r := d.answer(f, Refused)
		r.Refusal, r.Event.OrderID, r.PrevID = f.refusal, f.id, f.target
		r.Event.Instrument, r.Event.Side = f.on, f.side
		if f.account != 0 {
			r.Event.Account = uint32(d.accounts[f.account].ID)
		}
	case f.kind == EntryInstrument:
		d.defined(*f.define, len(events) > 0 && events[len(events)-1].Kind == match.Defined)
	}
	canceled, parts := market.Size(0), 0
	for left := f.loops; left != 0; left &= left - 1 {
		parts++
	}
	trade, printed := uint64(0), false
	for i := range events {
		ev := &events[i]
		switch ev.Kind {
		case match.MassCanceled: // each engine says so; the last one for all
			canceled += ev.Size
			if parts--; parts > 0 {
				continue
			}
			ev.Size = canceled
		case match.Executed:
			if ev.Match != trade {
				trade, printed = ev.Match, false
				d.trades++
			}
			ev.Match = d.trades
			d.event(f, ev, printed)
			printed = d.reports[len(d.reports)-1].Message != 0
			continue
		}
		d.event(f, ev, false)
	}
	if f.order != 0 && f.kind == EntryRequest {
		d.landed(f)
	}
	d.finish(f, start)
	d.told += uint64(len(d.reports) - start)
	d.flights.head++
	reports, d.reports = d.reports, nil
	return reports
}

// answer appends a report to the session of a request that is not an engine's.
func (d *desk) answer(f *flight, kind ReportKind) *Report {
	s := &d.sessions[f.session]
	s.reports++
	d.reports = append(d.reports, Report{
		Kind: kind, PrevPrice: market.UndefPrice, To: s.id, Number: s.reports, Index: f.index, Ticket: f.ticket, Request: f.request, ID: f.recordOf, Echo: f.echo,
		Event: match.Event{Time: f.time, Session: uint32(s.id), Price: market.UndefPrice, Side: market.NoSide},
	})
	return &d.reports[len(d.reports)-1]
}

// finish marks the last answer to the request, and remembers the first one with its id.
func (d *desk) finish(f *flight, start int) {
	if f.session == 0 {
		return
	}
	id := d.sessions[f.session].id
	first := uint64(0)
	var last *Report
	for i := start; i < len(d.reports); i++ {
		r := &d.reports[i]
		if r.Ticket != 0 && r.To == id {
			last = r
			if first == 0 {
				first = r.Number
			}
		}
	}
	if last != nil {
		last.Last = true
	}
	if f.record != 0 && !f.repeated {
		if r := d.ids.records.at(f.record); r.id == f.recordOf && r.session == f.session && r.first == 0 {
			r.first = first
		}
	}
}

// event does what an event means for accounts, and reports it.
func (d *desk) event(f *flight, ev *match.Event, printed bool) {
	n := uint32(0)
	if ev.OrderID != 0 && ev.Kind != match.Rejected {
		n = d.byOrder.find(ev.OrderID)
	}
	r := Report{Kind: FromEngine, Index: f.index, PrevPrice: market.UndefPrice}
	if f.session != 0 && ev.Reason != match.ReasonExpired {
		r.Ticket, r.Request = f.ticket, f.request
	}
	if n == 0 {
		d.aboutNoOrder(f, ev, &r)
		return
	}
	o := d.orders.at(n)
	r.PrevPrice, r.PrevDisplayed, r.Printed = o.price, o.displayed, printed
	mine := r.Ticket
	if o.session != f.session {
		r.Ticket, r.Request = 0, 0
	}
	switch ev.Kind {
	case match.Accepted:
		f.accepted = true
	case match.Executed:
		d.execute(o, ev)
	case match.Canceled:
		o.size -= ev.Size
		d.reserveAnew(o, o.limit, ev.Open)
	case match.Replaced:
		d.replaced(f, o, ev, &r)
	}
	o.open, o.ref, o.displayed = ev.Open, ev.Ref, ev.Displayed
	if ev.Kind != match.Executed {
		o.price = ev.Price
	}
	d.globalRefs(ev, d.instruments[o.instrument].loop)
	r.ID, r.Echo, r.Event = o.client, o.echo, *ev
	d.report(&r, o.session, o.account)
	if mine != 0 && o.session != f.session && n == f.order && f.request != New {
		// Who asked for it hears of it too.
		s := &d.sessions[f.session]
		s.reports++
		r.Copy, r.To, r.Number, r.AccountNumber, r.Message, r.Ticket, r.Request = true, s.id, s.reports, 0, 0, mine, f.request
		d.reports = append(d.reports, r)
	}
	if ev.Open == 0 && (ev.Kind == match.Executed || ev.Kind == match.Canceled) {
		d.removeOrder(n)
	}
}

// aboutNoOrder reports what is about no order that lives.
func (d *desk) aboutNoOrder(f *flight, ev *match.Event, r *Report) {
	r.Event = *ev
	session := uint32(0)
	if ev.Kind == match.Rejected || ev.Kind == match.MassCanceled {
		if f.kind == EntryRequest {
			session, r.ID, r.Echo = f.session, f.recordOf, f.echo
		}
	}
	if ev.Kind == match.Rejected && f.kind == EntryRequest {
		r.PrevID, r.Event.Instrument, r.Event.Side = f.target, f.on, f.side
	}
	d.report(r, session, f.account)
}

// report numbers a report and appends it.
func (d *desk) report(r *Report, session, account uint32) {
	if session != 0 {
		s := &d.sessions[session]
		s.reports++
		r.Number, r.To = s.reports, s.id
	} else {
		r.Ticket, r.Request = 0, 0
	}
	if session != 0 && account != 0 {
		a := &d.accounts[account]
		a.reports++
		r.AccountNumber = a.reports
	}
	r.Event.Input = 0
	if n := d.byInstrument.find(uint64(r.Event.Instrument)); n != 0 {
		if count := r.MessageCount(&d.instruments[n].Instrument); count > 0 {
			r.Message = d.messages + 1
			d.messages += uint64(count)
		}
	}
	d.reports = append(d.reports, *r)
}

// globalRefs makes public numbers unique among engines.
func (d *desk) globalRefs(ev *match.Event, loop int) {
	if ev.Ref != 0 {
		ev.Ref = ev.Ref*uint64(d.engines) + uint64(loop)
	}
	if ev.PrevRef != 0 {
		ev.PrevRef = ev.PrevRef*uint64(d.engines) + uint64(loop)
	}
}

// execute books one side of a trade: what is bought comes, what is sold goes. The two sides of a trade
// cancel out, so no asset comes from nowhere.
func (d *desk) execute(o *order, ev *match.Event) {
	in := &d.instruments[o.instrument]
	paid, amount := in.notional(ev.Price, ev.Size), in.amount(ev.Size)
	d.reserveAnew(o, o.limit, ev.Open)
	base, quote := d.balance(o.account, in.Base), d.balance(o.account, in.Quote)
	if o.side == market.Bid {
		base.total, quote.total = base.total.Add(amount), quote.total.Sub(paid)
	} else {
		base.total, quote.total = base.total.Sub(amount), quote.total.Add(paid)
	}
}

// reserveAnew makes an order reserve what it needs for a limit and an open size.
func (d *desk) reserveAnew(o *order, limit market.Price, open market.Size) {
	b := d.reserves(o)
	if b == nil {
		return
	}
	need := d.instruments[o.instrument].reserve(o.side, limit, open, d.accounts[o.account].Unchecked)
	b.reserved = b.reserved.Sub(o.reserved).Add(need)
	o.reserved = need
}

// replaced gives an order what a Replace asked for.
func (d *desk) replaced(f *flight, o *order, ev *match.Event, r *Report) {
	r.PrevID = o.client
	o.size = ev.Size
	if ev.Reason == match.ReasonLostPlace {
		o.limit = priceOf(ev.Price)
	}
	d.reserveAnew(o, o.limit, ev.Open)
	if f.request != Replace {
		return
	}
	o.echo = f.echo
	if f.record != 0 {
		if o.record != 0 {
			d.ids.records.at(o.record).pinned = false
		}
		o.record, o.client = f.record, f.recordOf
	}
}

// landed ends what was kept for a request while it was on its way.
func (d *desk) landed(f *flight) {
	if !f.extra.zero() {
		// The order may be gone by now; the balance is found without it.
		in := &d.instruments[d.byInstrument.find(uint64(f.on))]
		asset := in.Base
		if f.side == market.Bid {
			asset = in.Quote
		}
		b := d.balance(f.account, asset)
		b.reserved = b.reserved.Sub(f.extra)
	}
	i := d.byOrder.find(f.id)
	switch {
	case f.request == New && !f.accepted:
		d.removeOrder(i)
	case f.request == Replace && f.record != 0 && (i == 0 || d.orders.at(i).record != f.record):
		d.ids.records.at(f.record).pinned = false
	}
}

// removeOrder forgets an order, and gives back what it has reserved.
func (d *desk) removeOrder(i uint32) {
	o := d.orders.at(i)
	if b := d.reserves(o); b != nil {
		b.reserved = b.reserved.Sub(o.reserved)
	}
	a := &d.accounts[o.account]
	if o.prev == 0 {
		a.head = o.next
	} else {
		d.orders.at(o.prev).next = o.next
	}
	if o.next == 0 {
		a.tail = o.prev
	} else {
		d.orders.at(o.next).prev = o.prev
	}
	a.orders--
	d.sessions[o.session].orders--
	if o.record != 0 {
		d.ids.records.at(o.record).pinned = false
	}
	d.byOrder.remove(o.id)
	d.orders.give(i)
}

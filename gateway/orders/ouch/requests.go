package ouch

import (
	"encoding/binary"

	"tidegate/book/match"
	"tidegate/codec/ouch50"
	"tidegate/gateway/orders"
	"tidegate/market"
)

// Requests of OUCH become those of the gate. What OUCH has and the gate has not travels with the order as
// its echo, and comes back in its reports.

// clientID is how the gate knows what a client calls by a UserRefNum of one of its sequences.
func clientID(idx uint8, ref uint32) (id orders.ClientID) {
	id[0], id[1] = clientIDMark, idx
	binary.BigEndian.PutUint32(id[12:], ref)
	return id
}

// clientIDMark is the first byte of ids that come from OUCH.
const clientIDMark = 'O'

// userRef returns the UserRefNum and its sequence of an id; ok is false for one that is not from OUCH.
func userRef(id orders.ClientID) (idx uint8, ref uint32, ok bool) {
	if id[0] != clientIDMark {
		return 0, 0, false
	}
	return id[1], binary.BigEndian.Uint32(id[12:]), true
}

// echo is what comes back with the reports of an order.
//
//	offset  0            14    15      16       17        18   19     20      22
//	        +------------+-----+-------+--------+---------+----+------+-------+------------+
//	        | ClOrdID    | side| time  | display| capacity| ISO| cross| reject| zeros      |
//	        |            |     | in f. |        |         |    | type | u16   |            |
//	        +------------+-----+-------+--------+---------+----+------+-------+------------+
//
// reject is not 0 in a request that only asks to be rejected for that reason: see void.
type echo struct {
	clOrdID  ouch50.ClOrdID
	side     byte
	tif      byte
	display  byte
	capacity byte
	iso      byte
	cross    byte
	reject   ouch50.RejectReason
}

func (e *echo) pack() (p orders.Echo) {
	copy(p[:], e.clOrdID[:])
	p[14], p[15], p[16], p[17], p[18], p[19] = e.side, e.tif, e.display, e.capacity, e.iso, e.cross
	binary.BigEndian.PutUint16(p[20:], uint16(e.reject))
	return p
}

func unpackEcho(p *orders.Echo) echo {
	return echo{
		clOrdID: ouch50.ClOrdID(p[:14]), side: p[14], tif: p[15], display: p[16], capacity: p[17], iso: p[18], cross: p[19],
		reject: ouch50.RejectReason(binary.BigEndian.Uint16(p[20:])),
	}
}

// enter fills in r what an EnterOrder asks for, or says why it is rejected. idx is that of the sequence.
func (d *desk) enter(m *ouch50.EnterOrder, r *orders.Request, now market.Nanos) ouch50.RejectReason {
	e := echo{
		clOrdID: m.ClOrdID, side: m.Side, tif: m.TimeInForce, display: m.Display, capacity: m.Capacity,
		iso: m.ISO, cross: m.CrossType,
	}
	*r = orders.Request{
		Kind: orders.New, ID: clientID(m.Appendage.UserRefIdx(), m.UserRefNum), Echo: e.pack(),
		Order: match.Input{
			Side: ouch50.MarketSide(m.Side), Size: market.Size(m.Quantity), STP: d.user.SelfTrade,
			CancelOnDisconnect: d.user.CancelOnDisconnect, Instrument: d.instrument(m.Symbol),
		},
	}
	o := &r.Order
	switch {
	case m.ISO == ouch50.Yes:
		return ouch50.RejectISONotAllowed
	case m.CrossType != ouch50.ContinuousMarket:
		return ouch50.RejectInvalidCrossOrder // the auction takes what is in the book
	case m.Display == ouch50.Hidden:
		return ouch50.RejectInvalidDisplay
	}
	if m.Price.Market() {
		o.Type = match.Market
	} else {
		o.Price, _ = m.Price.Price() // Check has seen to it that it is a price
	}
	if reason := enterTime(m, o, now); reason != 0 {
		return reason
	}
	return d.enterOptions(m, o)
}

// enterTime takes the time in force.
func enterTime(m *ouch50.EnterOrder, o *match.Input, now market.Nanos) ouch50.RejectReason {
	_, expires := m.Appendage.Find(ouch50.TagExpireTime)
	switch m.TimeInForce {
	case ouch50.Day:
		o.TIF = match.Day
	case ouch50.Immediate:
		o.TIF = match.Immediate
	case ouch50.GoodTillTime:
		option, ok := m.Appendage.Find(ouch50.TagExpireTime)
		if !ok {
			return ouch50.RejectOther
		}
		o.TIF, o.Until = match.GoodTillTime, now+market.Nanos(option.Uint())*market.Second
		return 0
	default: // there are no extended hours
		return ouch50.RejectOther
	}
	if expires {
		return ouch50.RejectOther
	}
	return 0
}

// enterOptions takes the appendage. An option that would change what becomes of the order and cannot be
// had rejects it; those that only inform are passed over.
func (d *desk) enterOptions(m *ouch50.EnterOrder, o *match.Input) ouch50.RejectReason {
	for option, rest, ok := m.Appendage.Next(); ok; option, rest, ok = rest.Next() {
		if reason := d.enterOption(option, o); reason != 0 {
			return reason
		}
	}
	if o.Peg == match.NoPeg && o.Offset != 0 {
		return ouch50.RejectInvalidPegType
	}
	return 0
}

func (d *desk) enterOption(option ouch50.Option, o *match.Input) ouch50.RejectReason {
	switch option.Tag {
	case ouch50.TagFirm:
		account, ok := d.account(option.Text())
		if !ok {
			return ouch50.RejectFirmNotAuthorized
		}
		o.Account = uint32(account)
	case ouch50.TagMinQty:
		o.MinSize = market.Size(option.Uint())
	case ouch50.TagMaxFloor:
		o.Display = market.Size(option.Uint())
	case ouch50.TagPriceType:
		return enterPeg(option.Code(), o)
	case ouch50.TagPegOffset:
		o.Offset = option.Offset().Price() // of the price; the gate's is away from the other side
		if o.Side == market.Bid {
			o.Offset = -o.Offset
		}
	case ouch50.TagPostOnly:
		if option.Code() == ouch50.PostOnly {
			o.Post = match.RejectTaking
		}
	case ouch50.TagCustomerType:
		if option.Code() == 'R' {
			return ouch50.RejectRetailNotAllowed
		}
	case ouch50.TagTradeNow:
		if option.Code() == ouch50.Yes {
			return ouch50.RejectOther
		}
	case ouch50.TagDiscretionPrice, ouch50.TagDiscretionPriceType, ouch50.TagDiscretionPegOffset,
		ouch50.TagHandleInst, ouch50.TagBBOWeight, ouch50.TagGroupID:
		return ouch50.RejectOther
	case ouch50.TagRandomReserves:
		return ouch50.RejectInvalidMaxFloor
	case ouch50.TagRoute:
		return ouch50.RejectRoutingNotAllowed
	case ouch50.TagAIQStrategy, ouch50.TagAIQGroupID:
		return ouch50.RejectInvalidAIQ // a session has one way of self-trade prevention: see User
	}
	return 0
}

// enterPeg takes the price type. The price of a peg is the farthest that it goes, 0 to go anywhere.
func enterPeg(code byte, o *match.Input) ouch50.RejectReason {
	switch code {
	case ouch50.Limit:
		return 0
	case ouch50.PrimaryPeg:
		o.Peg = match.PegPrimary
	case ouch50.MarketPeg:
		o.Peg = match.PegMarket
	case ouch50.MidpointPeg, ouch50.Midpoint:
		o.Peg = match.PegMid
	default:
		return ouch50.RejectPeggingNotAllowed
	}
	if o.Type == match.Market { // "at any price": the gate says so without a limit
		o.Type = match.Limit
	}
	return 0
}

// void makes a request one that is sure to be refused, and answered with a reason of OUCH: so the answer
// has a number and its place like any other, and comes again to a client that missed it.
func void(r *orders.Request, reason ouch50.RejectReason) {
	e := unpackEcho(&r.Echo)
	e.reject = reason
	*r = orders.Request{Kind: orders.New, ID: r.ID, Echo: e.pack(), Order: match.Input{Side: r.Order.Side, Size: 1}}
}

// replace fills in r what a ReplaceOrder asks for, or says why it is rejected.
func (d *desk) replace(m *ouch50.ReplaceOrder, r *orders.Request) ouch50.RejectReason {
	idx := m.Appendage.UserRefIdx()
	target := clientID(idx, m.OrigUserRefNum)
	p, known := d.live[target]
	e := unpackEcho(&p)
	e.clOrdID = m.ClOrdID
	*r = orders.Request{Kind: orders.Replace, ID: clientID(idx, m.UserRefNum), Target: target, Echo: e.pack()}
	r.Order.Size = market.Size(m.Quantity)
	switch {
	case !known:
		return ouch50.RejectReplaceNotAllowed
	case m.ISO == ouch50.Yes:
		return ouch50.RejectISONotAllowed
	case m.Display != e.display:
		return ouch50.RejectInvalidDisplay
	case m.TimeInForce != e.tif, m.Price.Market():
		return ouch50.RejectReplaceNotAllowed
	}
	r.Order.Price, _ = m.Price.Price()
	for option, rest, ok := m.Appendage.Next(); ok; option, rest, ok = rest.Next() {
		switch option.Tag {
		case ouch50.TagUserRefIdx, ouch50.TagSharesLocated, ouch50.TagLocateBroker:
		case ouch50.TagSide:
			if ouch50.MarketSide(option.Code()) != ouch50.MarketSide(e.side) {
				return ouch50.RejectInvalidSide
			}
			e.side = option.Code()
			r.Echo = e.pack()
		default: // what else an order is, it stays
			return ouch50.RejectReplaceNotAllowed
		}
	}
	return 0
}

// cancel fills in r what a CancelOrder asks for.
func (d *desk) cancel(m *ouch50.CancelOrder, r *orders.Request) {
	*r = orders.Request{Kind: orders.Cancel, Target: clientID(m.Appendage.UserRefIdx(), m.UserRefNum)}
	if m.Quantity > 0 {
		r.Kind, r.Order.Size = orders.Reduce, market.Size(m.Quantity)
	}
}

// modify fills in r what a ModifyOrder asks for.
func (d *desk) modify(m *ouch50.ModifyOrder, r *orders.Request) {
	*r = orders.Request{Kind: orders.Reduce, Target: clientID(m.Appendage.UserRefIdx(), m.UserRefNum)}
	r.Order.Size = market.Size(m.Quantity)
}

// massCancel fills in r what a MassCancel asks for, or says why it is rejected.
func (d *desk) massCancel(m *ouch50.MassCancel, r *orders.Request) ouch50.RejectReason {
	*r = orders.Request{Kind: orders.MassCancel, ID: clientID(m.Appendage.UserRefIdx(), m.UserRefNum)}
	account, ok := d.account([]byte(m.Firm.String()))
	if !ok {
		return ouch50.RejectFirmNotAuthorized
	}
	r.Order.Account = uint32(account)
	if !m.Symbol.Blank() {
		if r.Order.Instrument = d.instrument(m.Symbol); r.Order.Instrument == 0 {
			return ouch50.RejectInvalidSymbol
		}
	}
	if _, group := m.Appendage.Find(ouch50.TagGroupID); group {
		return ouch50.RejectOther
	}
	if side, ok := m.Appendage.Find(ouch50.TagSide); ok {
		r.Order.Side = ouch50.MarketSide(side.Code())
	}
	return 0
}

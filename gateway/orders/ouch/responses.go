package ouch

import (
	"tidegate/book/match"
	"tidegate/codec/ouch50"
	"tidegate/gateway/orders"
	"tidegate/market"
)

// Every report is exactly one message of OUCH: so the number of a message in the session is that of the
// report, whenever and by whomever it is asked for.

// A translator makes messages of reports. It is a function of the report and of what is configured,
// apart from the time zone.
type translator struct {
	symbols map[market.InstrumentID]ouch50.Symbol
	firms   map[orders.AccountID]ouch50.Firm
	day     dayClock
}

// append appends the message that a report is to b.
func (t *translator) append(b []byte, r *orders.Report) []byte {
	h, a := t.header(r), options(r)
	e := unpackEcho(&r.Echo)
	ev := &r.Event
	switch {
	case r.Kind == orders.Refused:
		return t.refused(b, h, r, &e)
	case r.Kind == orders.Repeated:
		// The port passes over numbers that were used before: this one was used by another road.
		m := ouch50.Rejected{Header: h, Reason: ouch50.RejectRiskDuplicateMessageRate, ClOrdID: textOr(e.clOrdID), Appendage: a}
		return m.Append(b)
	}
	switch ev.Kind {
	case match.Accepted:
		m := t.accepted(h, r, &e, ev.Size)
		return m.Append(b)
	case match.Booked:
		return priorityUpdate(b, h, a, ev, &e)
	case match.Executed:
		m := ouch50.OrderExecuted{
			Header: h, Quantity: uint32(ev.Size), Price: wirePrice(ev.Price), Liquidity: liquidity(ev.Liquidity), Match: ev.Match, Appendage: a,
		}
		return m.Append(b)
	case match.Canceled:
		return canceled(b, h, a, ev)
	case match.Replaced:
		if r.Request == orders.Reduce {
			m := ouch50.OrderModified{Header: h, Side: orderSide(ev.Side, &e), Quantity: uint32(ev.Open), Appendage: a}
			return m.Append(b)
		}
		m := ouch50.OrderReplaced{OrderAccepted: t.accepted(h, r, &e, ev.Open)}
		_, m.OrigUserRefNum, _ = userRef(r.PrevID)
		return m.Append(b)
	case match.Restated:
		return restated(b, h, a, ev, &e)
	case match.MassCanceled:
		return t.massCanceled(b, h, r)
	case match.Rejected:
		return t.rejected(b, h, r, &e, rejectOf(ev.Reason))
	}
	return t.rejected(b, h, r, &e, ouch50.RejectProcessingError)
}

// header returns what every message begins with. The number is that of the order; where a request that
// names it was not done, that which the request named.
func (t *translator) header(r *orders.Report) ouch50.Header {
	id := r.ID
	if id == (orders.ClientID{}) {
		id = r.PrevID
	}
	_, ref, _ := userRef(id)
	return ouch50.Header{Timestamp: t.day.since(r.Event.Time), UserRefNum: ref}
}

// options returns the appendage of a message about an order: the sequence of its number, unless it is the first.
func options(r *orders.Report) ouch50.Appendage {
	id := r.ID
	if id == (orders.ClientID{}) {
		id = r.PrevID
	}
	if idx, _, _ := userRef(id); idx != 0 {
		return ouch50.Appendage(nil).AppendUint(ouch50.TagUserRefIdx, uint64(idx))
	}
	return nil
}

func (t *translator) accepted(h ouch50.Header, r *orders.Report, e *echo, quantity market.Size) ouch50.OrderAccepted {
	m := ouch50.OrderAccepted{
		Header: h, Side: orderSide(r.Event.Side, e), Quantity: uint32(quantity), Symbol: t.symbols[r.Event.Instrument],
		Price: wirePrice(r.Event.Price), TimeInForce: orElse(e.tif, ouch50.Day), Display: orElse(e.display, ouch50.Visible),
		OrderRef: r.Event.OrderID, Capacity: orElse(e.capacity, ouch50.Agency), ISO: orElse(e.iso, ouch50.No),
		CrossType: orElse(e.cross, ouch50.ContinuousMarket), State: ouch50.Live, ClOrdID: textOr(e.clOrdID),
		Appendage: options(r),
	}
	if r.Event.Kind == match.Replaced && r.Event.Open == 0 {
		m.State = ouch50.Dead
	}
	return m
}

// orderSide returns the side as the client said it, or that of the book for an order that came another way.
func orderSide(s market.Side, e *echo) byte {
	switch {
	case ouch50.MarketSide(e.side) == s && s != market.NoSide:
		return e.side
	case s == market.Bid:
		return ouch50.Buy
	default:
		return ouch50.Sell
	}
}

func orElse(b, otherwise byte) byte {
	if b == 0 {
		return otherwise
	}
	return b
}

// textOr makes a ClOrdID that nobody gave one of spaces.
func textOr(id ouch50.ClOrdID) ouch50.ClOrdID {
	if id == (ouch50.ClOrdID{}) {
		return blankClOrdID
	}
	return id
}

var blankClOrdID, _ = ouch50.ParseClOrdID("")

// wirePrice returns a price as OUCH has it, in units of 1e-4. Where it has more decimals it is rounded
// down: instruments of OUCH have ticks that it can say, only the middle of a quote can be finer.
func wirePrice(p market.Price) ouch50.Price {
	if !p.Defined() || p == 0 {
		return ouch50.MarketPrice
	}
	return ouch50.Price(p / (market.PriceScale / 1e4))
}

// priorityUpdate says where an order stands in the book now, and under which number market data has it.
func priorityUpdate(b []byte, h ouch50.Header, a ouch50.Appendage, ev *match.Event, e *echo) []byte {
	m := ouch50.OrderPriorityUpdate{
		Header: h, Price: wirePrice(ev.Price), Display: orElse(e.display, ouch50.Visible), OrderRef: ev.Ref, Appendage: a,
	}
	return m.Append(b)
}

func liquidity(l match.Liquidity) byte {
	switch l {
	case match.Added:
		return ouch50.LiquidityAdded
	case match.Crossed:
		return ouch50.LiquidityOpeningCross
	default:
		return ouch50.LiquidityRemoved
	}
}

// canceled says that size was taken off an order. For self-trade prevention the engine does not say how
// much would have been executed: it is said to be what was taken off.
func canceled(b []byte, h ouch50.Header, a ouch50.Appendage, ev *match.Event) []byte {
	if ev.Reason != match.ReasonSelfTrade {
		m := ouch50.OrderCanceled{Header: h, Quantity: uint32(ev.Size), Reason: cancelReason(ev.Reason), Appendage: a}
		return m.Append(b)
	}
	m := ouch50.AIQCanceled{
		Header: h, Decrement: uint32(ev.Size), Reason: ouch50.CanceledSelfMatch, Prevented: uint32(ev.Size),
		Price: wirePrice(ev.Price), Liquidity: ouch50.LiquidityRemoved, Strategy: ' ', Appendage: a,
	}
	if ev.Ref != 0 {
		m.Liquidity = ouch50.LiquidityAdded
	}
	return m.Append(b)
}

func cancelReason(r match.Reason) byte {
	switch r {
	case match.ReasonRequested, match.ReasonMassCancel, match.ReasonReplacedToNone:
		return ouch50.CanceledByUser
	case match.ReasonExpired:
		return ouch50.CanceledTimeout
	case match.ReasonUnfilled, match.ReasonNotFillable, match.ReasonBelowMinimum:
		return ouch50.CanceledImmediate
	case match.ReasonDayOver, match.ReasonMarketClosed:
		return ouch50.CanceledClosed
	case match.ReasonMarketHalted:
		return ouch50.CanceledHalted
	case match.ReasonCollar:
		return ouch50.CanceledCollars
	case match.ReasonWouldTake:
		return ouch50.CanceledPostOnlyContra
	default:
		return ouch50.CanceledBySystem
	}
}

// restated says that an order changed by itself.
func restated(b []byte, h ouch50.Header, a ouch50.Appendage, ev *match.Event, e *echo) []byte {
	switch ev.Reason {
	case match.ReasonRefill, match.ReasonParked, match.ReasonHeld:
		m := ouch50.OrderRestated{Header: h, Reason: ouch50.RestatedDisplay, Appendage: a}
		m.Appendage = m.Appendage.AppendUint(ouch50.TagSecondaryOrdRefNum, ev.Ref)
		m.Appendage = m.Appendage.AppendUint(ouch50.TagDisplayQuantity, uint64(ev.Displayed))
		return m.Append(b)
	default: // it enters the book: at another price, or for the first time
		return priorityUpdate(b, h, a, ev, e)
	}
}

func (t *translator) massCanceled(b []byte, h ouch50.Header, r *orders.Report) []byte {
	m := ouch50.MassCancelResponse{Header: h, Firm: t.firm(orders.AccountID(r.Event.Account)), Symbol: blankSymbol, Appendage: options(r)}
	if s, ok := t.symbols[r.Event.Instrument]; ok {
		m.Symbol = s
	}
	switch r.Event.Side {
	case market.Bid:
		m.Appendage = m.Appendage.AppendCode(ouch50.TagSide, ouch50.Buy)
	case market.Ask:
		m.Appendage = m.Appendage.AppendCode(ouch50.TagSide, ouch50.Sell)
	}
	return m.Append(b)
}

var (
	blankSymbol, _ = ouch50.ParseSymbol("")
	blankFirm, _   = ouch50.ParseFirm("")
)

func (t *translator) firm(account orders.AccountID) ouch50.Firm {
	if f, ok := t.firms[account]; ok {
		return f
	}
	return blankFirm
}

// refused says that a request did not get to the market.
func (t *translator) refused(b []byte, h ouch50.Header, r *orders.Report, e *echo) []byte {
	reason := e.reject
	if reason == 0 {
		reason = rejectOfRefusal(r.Refusal)
	}
	return t.rejected(b, h, r, e, reason)
}

// rejected says that nothing was done: of a cancel and of less of an order by a message of their own.
func (t *translator) rejected(b []byte, h ouch50.Header, r *orders.Report, e *echo, reason ouch50.RejectReason) []byte {
	if r.Request == orders.Cancel || r.Request == orders.Reduce {
		m := ouch50.CancelReject{Notice: ouch50.Notice{Header: h, Appendage: options(r)}}
		return m.Append(b)
	}
	m := ouch50.Rejected{Header: h, Reason: reason, ClOrdID: textOr(e.clOrdID), Appendage: options(r)}
	return m.Append(b)
}

// rejectOf returns what OUCH calls a reason of the engine.
func rejectOf(r match.Reason) ouch50.RejectReason {
	switch r {
	case match.ReasonUnknownInstrument:
		return ouch50.RejectInvalidSymbol
	case match.ReasonUnknownOrder, match.ReasonNotOwner:
		return ouch50.RejectReplaceNotAllowed
	case match.ReasonBadSize:
		return ouch50.RejectInvalidQuantity
	case match.ReasonBadPrice:
		return ouch50.RejectInvalidPrice
	case match.ReasonMarketClosed:
		return ouch50.RejectDestinationClosed
	case match.ReasonMarketHalted:
		return ouch50.RejectHalted
	case match.ReasonNotInCall:
		return ouch50.RejectInvalidCrossOrder
	case match.ReasonBookFull:
		return ouch50.RejectProcessingError
	case match.ReasonCollar:
		return ouch50.RejectFatFinger
	case match.ReasonStaleReference:
		return ouch50.RejectQuoteUnavailable
	case match.ReasonWouldTake:
		return ouch50.RejectCrossedMarket
	default:
		return ouch50.RejectOther
	}
}

// rejectOfRefusal returns what OUCH calls a refusal of the gate.
func rejectOfRefusal(r orders.Refusal) ouch50.RejectReason {
	switch r {
	case orders.AccountUnknown, orders.AccountDisabled, orders.Killed:
		return ouch50.RejectFirmNotAuthorized
	case orders.InstrumentUnknown:
		return ouch50.RejectInvalidSymbol
	case orders.OrderUnknown:
		return ouch50.RejectReplaceNotAllowed
	case orders.OrderTooLarge:
		return ouch50.RejectRiskQuantityMax
	case orders.NotionalTooLarge:
		return ouch50.RejectRiskOrderNotional
	case orders.TooManyOrders, orders.BalanceTooLow:
		return ouch50.RejectRiskAggregateExposure
	case orders.PriceNeeded:
		return ouch50.RejectRiskMarketOrderNotAllowed
	case orders.MassCanceled:
		return ouch50.RejectCancelPending
	case orders.SessionLost:
		return ouch50.RejectDestinationClosed
	case orders.BadRequest:
		return ouch50.RejectInvalidQuantity
	case orders.TooManyIDs:
		return ouch50.RejectRiskDuplicateMessageRate
	default:
		return ouch50.RejectOther
	}
}

// rejectOfVerdict returns what OUCH calls it that the gate did not take a request. The answer has no number:
// the gate keeps nothing of such a request.
func rejectOfVerdict(v orders.Verdict) ouch50.RejectReason {
	switch v {
	case orders.Busy, orders.BadKind, orders.BadID:
		return ouch50.RejectProcessingError
	case orders.SessionBusy, orders.TooFast, orders.AccountFast:
		return ouch50.RejectRiskPortMessageRate
	case orders.AccountKilled, orders.AccountOther:
		return ouch50.RejectFirmNotAuthorized
	default:
		return ouch50.RejectDestinationClosed
	}
}

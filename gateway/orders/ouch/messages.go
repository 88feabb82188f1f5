package ouch

import (
	"context"
	"time"

	"tidegate/codec/ouch50"
	"tidegate/gateway/orders"
	"tidegate/market"
)

// onMessage does what a message of the client asks for.
func (c *connection) onMessage(b []byte, now market.Nanos) {
	if len(b) == 0 {
		c.onGarbage("a message of no bytes", now)
		return
	}
	c.loop.counts.Requests++
	var err error
	switch b[0] {
	case ouch50.TypeEnterOrder:
		err = c.onEnter(b, now)
	case ouch50.TypeReplaceOrder:
		err = c.onReplace(b, now)
	case ouch50.TypeCancelOrder:
		var m ouch50.CancelOrder
		if err = m.Parse(b); err == nil {
			c.desk.cancel(&m, &c.loop.request)
			c.submitCancel(m.UserRefNum, m.Appendage, now)
		}
	case ouch50.TypeModifyOrder:
		err = c.onModify(b, now)
	case ouch50.TypeMassCancel:
		err = c.onMassCancel(b, now)
	case ouch50.TypeDisableOrderEntry, ouch50.TypeEnableOrderEntry:
		err = c.onControl(b, now)
	case ouch50.TypeAccountQuery:
		err = c.onAccountQuery(b, now)
	default:
		err = ouch50.ErrType
	}
	if err != nil {
		c.onGarbage(err.Error(), now)
	}
}

// onGarbage counts what is no message, and says so in words: the protocol has no answer to it. A client
// that goes on with it is closed.
func (c *connection) onGarbage(what string, now market.Nanos) {
	c.loop.counts.Garbage++
	c.garbage++
	if c.garbage > c.loop.limits.Garbage {
		c.close(closedGarbage, what, now)
		return
	}
	c.soup.SendDebug(what, now)
}

// fresh reports whether a number may be used in a sequence; one that is used up was sent again, and is
// passed over.
func (c *connection) fresh(a ouch50.Appendage, ref uint32) bool {
	c.desk.mu.Lock()
	ok := c.desk.refs[a.UserRefIdx()].Fresh(ref)
	c.desk.mu.Unlock()
	if !ok {
		c.loop.counts.Old++
	}
	return ok
}

// took notes that a number is used up, and what was said of the order that has it.
func (c *connection) took(a ouch50.Appendage, ref uint32, r *orders.Request, lives bool) {
	c.desk.mu.Lock()
	defer c.desk.mu.Unlock()
	c.desk.refs[a.UserRefIdx()].Take(ref)
	if lives {
		c.desk.live[r.ID] = r.Echo
	}
}

// readable reports whether a message can be answered although something is wrong with it, and with what.
func readable(err error, check func() ouch50.RejectReason) (reason ouch50.RejectReason, ok bool) {
	switch err {
	case nil:
		return 0, true
	case ouch50.ErrField:
		return check(), true
	case ouch50.ErrAppendage:
		return ouch50.RejectOther, true
	default:
		return 0, false
	}
}

func (c *connection) onEnter(b []byte, now market.Nanos) error {
	var m ouch50.EnterOrder
	err := m.Parse(b)
	reason, ok := readable(err, m.Check)
	if !ok {
		return err
	}
	if !c.fresh(m.Appendage, m.UserRefNum) {
		return nil
	}
	r := &c.loop.request
	if entered := c.desk.enter(&m, r, now); reason == 0 {
		reason = entered
	}
	if reason != 0 {
		void(r, reason)
	}
	v := c.submit(r)
	if v != orders.Taken {
		c.reject(m.UserRefNum, rejectOfVerdict(v), m.ClOrdID, m.Appendage, now)
		return nil
	}
	c.took(m.Appendage, m.UserRefNum, r, reason == 0)
	return nil
}

func (c *connection) onReplace(b []byte, now market.Nanos) error {
	var m ouch50.ReplaceOrder
	err := m.Parse(b)
	reason, ok := readable(err, m.Check)
	if !ok {
		return err
	}
	if !c.fresh(m.Appendage, m.UserRefNum) {
		return nil
	}
	r := &c.loop.request
	c.desk.mu.Lock()
	if replaced := c.desk.replace(&m, r); reason == 0 {
		reason = replaced
	}
	c.desk.mu.Unlock()
	if reason != 0 { // the number is not used up, and the answer has none
		c.reject(m.UserRefNum, reason, m.ClOrdID, m.Appendage, now)
		return nil
	}
	if v := c.submit(r); v != orders.Taken {
		c.reject(m.UserRefNum, rejectOfVerdict(v), m.ClOrdID, m.Appendage, now)
		return nil
	}
	c.took(m.Appendage, m.UserRefNum, r, true)
	return nil
}

func (c *connection) onModify(b []byte, now market.Nanos) error {
	var m ouch50.ModifyOrder
	err := m.Parse(b)
	if _, ok := readable(err, m.Check); !ok {
		return err
	}
	if err != nil {
		c.rejectCancel(m.UserRefNum, m.Appendage, now)
		return nil
	}
	c.desk.modify(&m, &c.loop.request)
	c.submitCancel(m.UserRefNum, m.Appendage, now)
	return nil
}

// submitCancel submits what makes less of an order, or an end to it.
func (c *connection) submitCancel(ref uint32, a ouch50.Appendage, now market.Nanos) {
	if c.submit(&c.loop.request) != orders.Taken {
		c.rejectCancel(ref, a, now)
	}
}

func (c *connection) onMassCancel(b []byte, now market.Nanos) error {
	var m ouch50.MassCancel
	err := m.Parse(b)
	reason, ok := readable(err, m.Check)
	if !ok {
		return err
	}
	if !c.fresh(m.Appendage, m.UserRefNum) {
		return nil
	}
	r := &c.loop.request
	if asked := c.desk.massCancel(&m, r); reason == 0 {
		reason = asked
	}
	if reason == 0 {
		v := c.submit(r)
		if v == orders.Taken {
			c.took(m.Appendage, m.UserRefNum, r, false)
			return nil
		}
		reason = rejectOfVerdict(v)
	}
	c.reject(m.UserRefNum, reason, blankClOrdID, m.Appendage, now)
	return nil
}

// submit gives a request to the gate.
func (c *connection) submit(r *orders.Request) orders.Verdict {
	_, v := c.link.Submit(r)
	c.loop.verdicts[v]++
	return v
}

// reject says that a request was not taken. The message has no number: nothing is kept of the request.
func (c *connection) reject(ref uint32, reason ouch50.RejectReason, id ouch50.ClOrdID, a ouch50.Appendage, now market.Nanos) {
	m := ouch50.Rejected{Header: c.header(ref, now), Reason: reason, ClOrdID: id, Appendage: sequenceOf(a)}
	c.tell(m.Append(c.loop.message[:0]), now)
}

func (c *connection) rejectCancel(ref uint32, a ouch50.Appendage, now market.Nanos) {
	m := ouch50.CancelReject{Notice: ouch50.Notice{Header: c.header(ref, now), Appendage: sequenceOf(a)}}
	c.tell(m.Append(c.loop.message[:0]), now)
}

func (c *connection) header(ref uint32, now market.Nanos) ouch50.Header {
	return ouch50.Header{Timestamp: c.loop.translator.day.since(now), UserRefNum: ref}
}

// sequenceOf returns what of a request's appendage belongs into the answer.
func sequenceOf(a ouch50.Appendage) ouch50.Appendage {
	if idx := a.UserRefIdx(); idx != 0 {
		return ouch50.Appendage(nil).AppendUint(ouch50.TagUserRefIdx, uint64(idx))
	}
	return nil
}

func (c *connection) onAccountQuery(b []byte, now market.Nanos) error {
	var m ouch50.AccountQuery
	if err := m.Parse(b); err != nil {
		return err
	}
	c.desk.mu.Lock()
	next, _ := c.desk.refs[m.Appendage.UserRefIdx()].Next() // 0 if none is left
	c.desk.mu.Unlock()
	answer := ouch50.AccountQueryResponse{
		Timestamp: c.loop.translator.day.since(now), NextUserRefNum: next, Appendage: sequenceOf(m.Appendage),
	}
	c.tell(answer.Append(c.loop.message[:0]), now)
	return nil
}

// controlMax is how long a switch of order entry may take to become durable.
const controlMax = 10 * time.Second

// onControl switches order entry of a firm off, with which its orders are canceled, or on again: but only
// what the session has switched off itself, not what an operator has. The gate answers when that is durable,
// so it is asked beside the loop.
func (c *connection) onControl(b []byte, now market.Nanos) error {
	var m ouch50.DisableOrderEntry
	off := b[0] == ouch50.TypeDisableOrderEntry
	err := m.Parse(b)
	if !off {
		var on ouch50.EnableOrderEntry
		err = on.Parse(b)
		m.OrderEntryControl = on.OrderEntryControl
	}
	reason, ok := readable(err, m.Check)
	if !ok {
		return err
	}
	if !c.fresh(m.Appendage, m.UserRefNum) {
		return nil
	}
	account, known := c.desk.account([]byte(m.Firm.String()))
	switch {
	case reason != 0:
	case !known, !off && !c.desk.switchedOff(account):
		reason = ouch50.RejectFirmNotAuthorized
	case c.controls == controlsMax:
		reason = ouch50.RejectProcessingError
	}
	if reason != 0 {
		c.reject(m.UserRefNum, reason, blankClOrdID, m.Appendage, now)
		return nil
	}
	c.took(m.Appendage, m.UserRefNum, &orders.Request{}, false)
	c.control(m.UserRefNum, m.Firm, sequenceOf(m.Appendage), account, off)
	return nil
}

// controlsMax is how many switches of a connection may be under way.
const controlsMax = 4

func (c *connection) control(ref uint32, firm ouch50.Firm, a ouch50.Appendage, account orders.AccountID, off bool) {
	c.controls++
	gate := c.loop.server.gate
	c.loop.server.aside(func() {
		ctx, cancel := context.WithTimeout(context.Background(), controlMax)
		err := gate.Kill(ctx, account, off)
		cancel()
		c.loop.execute(func(now market.Nanos) {
			c.controls--
			response := ouch50.OrderEntryControlResponse{Header: c.header(ref, now), Firm: firm, Appendage: a}
			switch {
			case err != nil:
				c.reject(ref, ouch50.RejectProcessingError, blankClOrdID, a, now)
			case off:
				c.desk.switched(account, true)
				m := ouch50.DisableOrderEntryResponse{OrderEntryControlResponse: response}
				c.tell(m.Append(c.loop.message[:0]), now)
			default:
				c.desk.switched(account, false)
				m := ouch50.EnableOrderEntryResponse{OrderEntryControlResponse: response}
				c.tell(m.Append(c.loop.message[:0]), now)
			}
			c.serve(now)
			c.loop.armed()
		})
	})
}

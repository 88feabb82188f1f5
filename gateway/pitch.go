package gateway

import (
	"tidegate/arbiter"
	"tidegate/book"
	"tidegate/codec/pitch"
	"tidegate/codec/sequnit"
	"tidegate/market"
)

// framePITCH frames a sequenced unit. A unit has no session name: the unit's number stands for it, and
// a sequence that begins again is a restart. Unsequenced packets have sequence 0, which the arbiter
// counts apart.
func framePITCH(b []byte, k *arbiter.Packet) bool {
	s, err := sequnit.Parse(b)
	if err != nil {
		return false
	}
	k.Session = pitchSession(&s)
	k.Seq = uint64(s.Seq)
	k.TsSend = market.UndefTime
	k.Messages = s.Messages
	k.Count = uint32(s.Count)
	k.Kind = arbiter.Data
	if s.Heartbeat() {
		k.Kind = arbiter.Heartbeat
	}
	return true
}

func pitchSession(s *sequnit.Packet) arbiter.Session {
	return arbiter.SessionOfNumbers(uint32(s.Unit), 0)
}

// pitchBlock decodes, applies and publishes a block of PITCH messages.
func (p *Pipeline) pitchBlock(block []byte, r run) {
	b := &p.batch
	for len(block) > 0 {
		n := 0
		for n < batchMax && len(block) > 0 {
			var msg []byte
			msg, block = sequnit.Next(block)
			b.verdicts[n] = p.pitch.Decode(msg, r.tsRecv, &b.updates[n])
			b.messages[n] = msg
			r.stamp(&b.updates[n])
			r.seq++
			n++
			if b.verdicts[n-1] == market.Cold {
				break // it is decoded before a later message sets the unit's second
			}
		}
		if n > 1 { // one alone has nothing to overlap with
			p.orders.Prefetch(b.updates[:n])
		}
		for i := range n {
			p.countType(b.messages[i])
			switch b.verdicts[i] {
			case market.Applied:
				p.applyPITCH(&b.updates[i], b.messages[i])
			case market.Cold:
				p.facts.Reset()
				p.onFacts(p.pitch.DecodeCold(b.messages[i], r.tsRecv, &p.facts), r.tsRecv)
			default:
				p.count(b.verdicts[i])
			}
		}
	}
}

// applyPITCH applies and publishes an update. What names only an order gets its instrument and side from
// the order.
func (p *Pipeline) applyPITCH(u *market.Update, msg []byte) {
	switch u.Action {
	case market.Add, market.Trade:
		p.applyOrder(u)
		return
	case market.Clear:
		p.counts.Verdicts[market.Applied]++
		p.suspect = false // what was lost was about orders that are gone
		p.clearBooks(u.TsEvent, u.TsRecv, u.Seq)
		return
	}
	o, instrument, ok := p.orders.Find(u.OrderID)
	if !ok {
		p.count(market.UnknownOrder)
		return
	}
	u.Instrument, u.Side = instrument, o.Side
	remaining, resizes := pitch.Remaining(msg)
	if !resizes || u.Size+remaining == o.Size {
		p.applyOrder(u)
		return
	}
	p.executeAndResize(u, o, remaining)
}

// executeAndResize applies and publishes an execution after which the order shows something else than
// what it showed less the execution: a part of it was hidden.
func (p *Pipeline) executeAndResize(u *market.Update, o book.Order, remaining market.Size) {
	if u.Size == 0 {
		p.count(market.BadField)
		return
	}
	rest := *u
	rest.Price, rest.Size, rest.Match = o.Price, remaining, 0
	if remaining == 0 {
		rest.Action, rest.Price = market.Delete, market.UndefPrice
	} else {
		rest.Action, rest.PrevOrderID = market.Replace, o.ID
	}
	r := p.orders.Apply(&rest)
	p.count(r.Verdict)
	if r.Verdict != market.Applied {
		return
	}
	// The trade and the fill of what was executed, whatever was displayed; then what becomes of the order.
	u.PrevPrice, u.PrevSize = o.Price, u.Size
	n := expandExecute(u, &p.events) - 1 // without the cancel
	p.send(p.events[:n], 0)
	p.publish(&rest, r.Change)
}

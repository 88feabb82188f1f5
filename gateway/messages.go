package gateway

import (
	"tidegate/book"
	"tidegate/codec/iextp"
	"tidegate/codec/moldudp64"
	"tidegate/codec/sequnit"
	"tidegate/market"
)

// batchMax is how many messages are decoded before the first of them is applied: far enough ahead
// that the memory their orders live in is on its way, near enough that it is still in the cache.
const batchMax = 32

// batch holds decoded messages on their way to the book.
type batch struct {
	updates  [batchMax]market.Update
	verdicts [batchMax]market.Verdict
	messages [batchMax][]byte // views of the datagram; dead when the call that fills them returns
}

// run is what the messages of one block have in common.
type run struct {
	seq     uint64       // of the first message
	tsRecv  market.Nanos // UndefTime: take each message's own time (files without capture time)
	tsDelta int32        // from the venue's send time to tsRecv
}

// block decodes, applies and publishes a block of messages.
func (p *Pipeline) block(block []byte, r run) {
	switch p.cfg.Feed {
	case ITCH:
		p.itchBlock(block, r)
	case DEEP:
		p.deepBlock(block, r)
	case TOPS:
		p.topsBlock(block, r)
	case PITCH:
		p.pitchBlock(block, r)
	}
}

// count counts what became of a message. One that could not be understood, or does not fit the book, leaves
// the book in doubt: what it was to do is not done. Removing a level that is not there is done.
func (p *Pipeline) count(v market.Verdict) {
	p.counts.Verdicts[v]++
	if v.Fault() && v != market.UnknownType && v != market.UnknownLevel {
		p.suspect = true
	}
}

// skip returns a block without its first n messages.
func (f Feed) skip(block []byte, n uint32) []byte {
	for ; n > 0; n-- {
		switch f {
		case ITCH:
			_, block = moldudp64.Next(block)
		case DEEP, TOPS:
			_, block = iextp.Next(block)
		case PITCH:
			_, block = sequnit.Next(block)
		}
	}
	return block
}

// itch decodes, applies and publishes a block of ITCH messages.
func (p *Pipeline) itchBlock(block []byte, r run) {
	b := &p.batch
	for len(block) > 0 {
		n := 0
		for n < batchMax && len(block) > 0 {
			var msg []byte
			msg, block = moldudp64.Next(block)
			u := &b.updates[n]
			b.verdicts[n] = p.itch.Decode(msg, u)
			b.messages[n] = msg
			u.Seq = r.seq
			u.TsRecv = r.tsRecv
			if r.tsRecv == market.UndefTime {
				u.TsRecv = u.TsEvent
			}
			r.seq++
			n++
		}
		if n > 1 { // one alone has nothing to overlap with
			p.orders.Prefetch(b.updates[:n])
		}
		for i := range n {
			p.countType(b.messages[i])
			switch b.verdicts[i] {
			case market.Applied:
				p.applyOrder(&b.updates[i])
			case market.Cold:
				p.facts.Reset()
				v := p.itch.DecodeCold(b.messages[i], &p.facts)
				p.onFacts(v, r.tsRecv)
			default:
				p.count(b.verdicts[i])
			}
		}
	}
}

// applyOrder gives an update to the by-order books and publishes what came of it.
func (p *Pipeline) applyOrder(u *market.Update) {
	if u.Action == market.Trade {
		p.counts.Verdicts[market.Applied]++
		p.publish(u, 0)
		return
	}
	r := p.orders.Apply(u)
	p.count(r.Verdict)
	if r.Verdict == market.Applied || r.Verdict == market.Oversize {
		p.publish(u, r.Change)
	}
}

// deepBlock decodes, applies and publishes a block of DEEP messages.
func (p *Pipeline) deepBlock(block []byte, r run) {
	for len(block) > 0 {
		var msg []byte
		msg, block = iextp.Next(block)
		u := &p.batch.updates[0]
		p.countType(msg)
		switch v := p.deep.Decode(msg, u); v {
		case market.Applied:
			r.stamp(u)
			p.applyLevel(u)
		case market.Cold:
			p.facts.Reset()
			p.onFacts(p.deep.DecodeCold(msg, &p.facts), r.tsRecv)
		default:
			p.count(v)
		}
		r.seq++
	}
}

// topsBlock decodes, applies and publishes a block of TOPS messages.
func (p *Pipeline) topsBlock(block []byte, r run) {
	us := (*[2]market.Update)(p.batch.updates[:2])
	for len(block) > 0 {
		var msg []byte
		msg, block = iextp.Next(block)
		p.countType(msg)
		n, v := p.tops.Decode(msg, us)
		switch v {
		case market.Applied:
			for i := range us[:n] {
				r.stamp(&us[i])
			}
			p.applyQuote(us[:n])
		case market.Cold:
			p.facts.Reset()
			p.onFacts(p.tops.DecodeCold(msg, &p.facts), r.tsRecv)
		default:
			p.count(v)
		}
		r.seq++
	}
}

// applyLevel gives an update to the by-price books and publishes what came of it.
func (p *Pipeline) applyLevel(u *market.Update) {
	var r book.Result
	if u.Action != market.Trade {
		r = p.levels.Apply(u)
	}
	p.count(r.Verdict)
	switch {
	case r.Verdict == market.Applied:
		p.publish(u, r.Change)
	case u.Flags&market.FlagLast != 0:
		p.endEvent(u)
	}
}

// applyQuote applies the updates of one quote message, which counts as one message.
func (p *Pipeline) applyQuote(us []market.Update) {
	verdict := market.Applied
	for i := range us {
		u := &us[i]
		var change book.Change
		if u.Action == market.Level {
			r := p.levels.Apply(u)
			if r.Verdict != market.Applied {
				verdict = r.Verdict
				continue
			}
			change = r.Change
			if u.Size == 0 && u.PrevSize == 0 || u.Price == u.PrevPrice && u.Size == u.PrevSize {
				if u.Flags&market.FlagLast != 0 {
					p.endEvent(u)
				}
				continue // this side is as it was
			}
		}
		p.publish(u, change)
	}
	p.count(verdict)
}

// endEvent publishes the end of an event whose last message changed nothing, so that a subscriber
// who waits for the end of the event is told.
func (p *Pipeline) endEvent(u *market.Update) {
	u.Action, u.Side, u.Price, u.Size, u.OrderID = market.None, market.NoSide, market.UndefPrice, 0, 0
	p.publish(u, 0)
}

// OnEvent takes a market-by-order event as a DBN file holds it: by-order, complete, with its own
// flags and times. The book follows it, and it is published as it is.
func (p *Pipeline) OnEvent(e *market.Event) {
	u := &p.batch.updates[0]
	*u = market.Update{Event: *e}
	p.counts.Messages++
	p.counts.Types[byte(e.Action)]++
	var r book.Result
	if changesBook(e.Action) {
		r = p.orders.Apply(u)
	}
	p.count(r.Verdict)
	if r.Verdict != market.Applied && r.Verdict != market.Oversize {
		if e.Flags&market.FlagLast != 0 {
			p.endEvent(u)
		}
		return
	}
	p.events[0] = *e
	p.send(p.events[:1], r.Change)
}

func changesBook(a market.Action) bool {
	switch a {
	case market.Add, market.Cancel, market.Modify, market.Clear:
		return true
	default:
		return false
	}
}

// stamp sets what the block says of each of its messages.
func (r *run) stamp(u *market.Update) {
	u.Seq, u.TsRecv, u.TsInDelta = r.seq, r.tsRecv, r.tsDelta
}

func (p *Pipeline) countType(msg []byte) {
	p.counts.Messages++
	if len(msg) > 0 {
		p.counts.Types[msg[0]]++
	}
}

// publish expands an applied update, which changed the top of its book so, into events and sends them.
func (p *Pipeline) publish(u *market.Update, c book.Change) {
	n := expand(u, &p.events)
	p.send(p.events[:n], c)
}

// send marks events, counts them and hands them to the sink.
func (p *Pipeline) send(events []market.Event, c book.Change) {
	p.change = c
	if p.withhold {
		p.rebuilds.Withheld += uint64(len(events))
		return
	}
	if p.suspect {
		p.counts.Suspect += uint64(len(events))
		for i := range events {
			events[i].Flags |= market.FlagMaybeBadBook
		}
	}
	p.counts.Events += uint64(len(events))
	if events[0].Action == market.Trade {
		p.counts.Trades++
		p.counts.Volume += uint64(events[0].Size)
	}
	p.sink.OnEvents(events, p.books)
}

// onFacts counts a cold message, learns from it and hands its facts to the sink.
func (p *Pipeline) onFacts(v market.Verdict, tsRecv market.Nanos) {
	p.count(v)
	if v != market.Cold {
		return
	}
	f := &p.facts
	stampFacts(f, tsRecv)
	for i := range f.Definitions {
		p.Define(f.Definitions[i].Instrument)
	}
	p.sink.OnFacts(f)
}

// stampFacts sets the receive time of facts; UndefTime means each one's own time.
func stampFacts(f *market.Facts, tsRecv market.Nanos) {
	at := func(tsEvent market.Nanos) market.Nanos {
		if tsRecv == market.UndefTime {
			return tsEvent
		}
		return tsRecv
	}
	for i := range f.Statuses {
		f.Statuses[i].TsRecv = at(f.Statuses[i].TsEvent)
	}
	for i := range f.Definitions {
		f.Definitions[i].TsRecv = at(f.Definitions[i].TsEvent)
	}
	for i := range f.Statistics {
		f.Statistics[i].TsRecv = at(f.Statistics[i].TsEvent)
	}
	for i := range f.Imbalances {
		f.Imbalances[i].TsRecv = at(f.Imbalances[i].TsEvent)
	}
}

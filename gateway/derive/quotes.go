package derive

import (
	"tidegate/book"
	"tidegate/codec/dbn"
	"tidegate/market"
)

// An edge is the worst price of each side that a schema's quote shows: of one level, the best. A
// side that has room for more levels has market.UndefPrice.
type edge struct{ bid, ask market.Price }

// reached reports whether a change may show in the quote.
func (q edge) reached(c *bookChange) bool {
	switch c.side {
	case market.Bid:
		return !q.bid.Defined() || c.price >= q.bid
	case market.Ask:
		return c.price <= q.ask // market.UndefPrice is above every price
	default:
		return true // a Clear
	}
}

// bookChange is what an event says of a change of the book.
type bookChange struct {
	price  market.Price
	size   market.Size
	action market.Action // 0 where there is no change
	side   market.Side
}

// pending is what the event under way has changed in an instrument's book so far.
type pending struct {
	last bookChange
	near bookChange // the last that reached the quote as it was before the event
}

// note takes a part of an event. before is the edge of the quote before the event.
func (p *pending) note(e *market.Event, before edge) {
	if !changesBook(e.Action) {
		return
	}
	p.last = bookChange{price: e.Price, size: e.Size, action: e.Action, side: e.Side}
	if before.reached(&p.last) {
		p.near = p.last
	}
}

// take forgets the event that e completes and returns what to say of it, if the quote changed: its
// last change, unless that lies behind the quote (an order that left the best price for a deep one)
// and another does not. An event without a change (the book was changed by messages that were not
// published) has action None.
func (p *pending) take(e *market.Event, after edge) market.Event {
	c := p.last
	if p.near.action != 0 && !after.reached(&c) {
		c = p.near
	}
	if c.action == 0 {
		c = bookChange{price: market.UndefPrice, action: market.None, side: market.NoSide}
	}
	*p = pending{}
	said := *e
	said.Action, said.Side, said.Price, said.Size = c.action, c.side, c.price, c.size
	return said
}

// edgeOf returns the edge of a quote of one level.
func edgeOf(b *book.BBO) edge { return edge{b.Bid.Price, b.Ask.Price} }

// top makes mbp-1 (changes of the best bid and offer, and trades) or, without quotes, tbbo (trades
// only).
type top struct {
	passive
	instruments[topState]
	quotes bool
}

type topState struct {
	bbo     book.BBO // at the end of the last event
	pending pending
}

func newTop(quotes bool) *top {
	return &top{quotes: quotes, instruments: newInstruments(topState{bbo: book.EmptyBBO})}
}

func (d *top) OnEvents(out []byte, events []market.Event, books Books) []byte {
	for i := range events {
		e := &events[i]
		s := d.at(e.Instrument)
		if s == nil {
			continue
		}
		s.pending.note(e, edgeOf(&s.bbo))
		if e.Action == market.Trade {
			rec := dbn.MBP1{Change: change(e, 0), Level: pair(s.bbo.Bid, s.bbo.Ask)}
			out = rec.Append(out)
		}
		if e.Flags&market.FlagLast == 0 {
			continue
		}
		bbo := books.BBO(e.Instrument)
		said := s.pending.take(e, edgeOf(&bbo))
		if d.quotes && bbo != s.bbo {
			rec := dbn.MBP1{Change: change(&said, 0), Level: pair(bbo.Bid, bbo.Ask)}
			out = rec.Append(out)
		}
		s.bbo = bbo
	}
	return out
}

// depthLevels is the number of levels in an mbp-10 record.
const depthLevels = 10

// depth makes mbp-10: changes of the ten best levels of each side, and trades.
type depth struct {
	passive
	instruments[depthState]
}

// ladder is the best levels of both sides, bids first. Levels that a book does not have are those
// of book.EmptyBBO.
type ladder [2][depthLevels]book.Level

type depthState struct {
	ladder  ladder // at the end of the last event
	pending pending
}

func newDepth() *depth {
	var fresh depthState
	for i := range depthLevels {
		fresh.ladder[0][i], fresh.ladder[1][i] = book.EmptyBBO.Bid, book.EmptyBBO.Ask
	}
	return &depth{instruments: newInstruments(fresh)}
}

func (d *depth) OnEvents(out []byte, events []market.Event, books Books) []byte {
	for i := range events {
		e := &events[i]
		s := d.at(e.Instrument)
		if s == nil {
			continue
		}
		s.pending.note(e, s.ladder.edge())
		if e.Action == market.Trade {
			out = s.append(out, e, 0)
		}
		if e.Flags&market.FlagLast == 0 {
			continue
		}
		before := s.ladder
		s.ladder.read(books, e.Instrument)
		said := s.pending.take(e, s.ladder.edge())
		if s.ladder != before {
			out = s.append(out, &said, depthOf(&said, &before, &s.ladder))
		}
	}
	return out
}

func (s *depthState) append(out []byte, e *market.Event, at uint8) []byte {
	rec := dbn.MBP10{Change: change(e, at)}
	for i := range rec.Levels {
		rec.Levels[i] = pair(s.ladder[0][i], s.ladder[1][i])
	}
	return rec.Append(out)
}

// read takes the best levels of both sides from the books.
func (l *ladder) read(books Books, id market.InstrumentID) {
	for i, side := range [2]market.Side{market.Bid, market.Ask} {
		levels := books.Levels(id, side, l[i][:0])
		for k := len(levels); k < depthLevels; k++ {
			l[i][k] = book.EmptyBBO.Bid
		}
	}
}

func (l *ladder) edge() edge {
	return edge{l[0][depthLevels-1].Price, l[1][depthLevels-1].Price}
}

// depthOf returns which level e changed: where its price is now, or, if that level is gone, was. A
// change whose price is at none of them (an order that was modified to a deep price, a Clear)
// changed the first level that differs.
func depthOf(e *market.Event, before, after *ladder) uint8 {
	if e.Side == market.Bid || e.Side == market.Ask {
		for _, l := range [2]*ladder{after, before} {
			for i, level := range l[e.Side.Index()] {
				if level.Price == e.Price {
					return uint8(i)
				}
			}
		}
	}
	for i := range depthLevels {
		if before[0][i] != after[0][i] || before[1][i] != after[1][i] {
			return uint8(i)
		}
	}
	return 0
}

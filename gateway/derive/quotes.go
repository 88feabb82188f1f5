package derive

import (
	"tidegate/book"
	"tidegate/codec/dbn"
	"tidegate/market"
)

// pending is the last change of the book in an event that is not complete yet.
type pending struct {
	event market.Event
	any   bool
}

// note keeps e if it changes the book.
func (p *pending) note(e *market.Event) {
	if changesBook(e.Action) {
		p.event, p.any = *e, true
	}
}

// take returns what to say of the event that e completes, and forgets it. An event that changed no
// order (a quote changed by a gap's end, say) is said with action None.
func (p *pending) take(e *market.Event) market.Event {
	said := p.event
	if !p.any {
		said = *e
		said.Action, said.Side, said.Price, said.Size = market.None, market.NoSide, market.UndefPrice, 0
	}
	// The quote is as of the event's end.
	said.TsEvent, said.TsRecv, said.Seq, said.Flags = e.TsEvent, e.TsRecv, e.Seq, e.Flags|market.FlagLast
	p.any = false
	return said
}

// top makes mbp-1 (changes of the best bid and offer, and trades) or, without quotes, tbbo (trades
// only).
type top struct {
	nothing
	quotes bool
	state  instruments[topState]
}

type topState struct {
	bbo     book.BBO // as last published
	pending pending
}

func newTop(quotes bool) *top {
	return &top{quotes: quotes, state: newInstruments(topState{bbo: book.EmptyBBO})}
}

func (d *top) OnEvents(out []byte, events []market.Event, books Books) []byte {
	for i := range events {
		e := &events[i]
		s := d.state.at(e.Instrument)
		s.pending.note(e)
		if e.Action == market.Trade {
			rec := dbn.MBP1{Change: change(e, 0), Level: pair(s.bbo.Bid, s.bbo.Ask)}
			out = rec.Append(out)
		}
		if e.Flags&market.FlagLast == 0 {
			continue
		}
		said := s.pending.take(e)
		bbo := books.BBO(e.Instrument)
		if bbo == s.bbo {
			continue
		}
		s.bbo = bbo
		if d.quotes {
			rec := dbn.MBP1{Change: change(&said, 0), Level: pair(bbo.Bid, bbo.Ask)}
			out = rec.Append(out)
		}
	}
	return out
}

// depthLevels is the number of levels in an mbp-10 record.
const depthLevels = 10

// depth makes mbp-10: changes of the ten best levels of each side, and trades.
type depth struct {
	nothing
	state instruments[depthState]
}

type depthState struct {
	sides   [2][depthLevels]book.Level // as last published
	pending pending
}

func newDepth() *depth {
	empty := book.Level{Price: market.UndefPrice}
	var fresh depthState
	for side := range fresh.sides {
		for i := range fresh.sides[side] {
			fresh.sides[side][i] = empty
		}
	}
	return &depth{state: newInstruments(fresh)}
}

func (d *depth) OnEvents(out []byte, events []market.Event, books Books) []byte {
	for i := range events {
		e := &events[i]
		s := d.state.at(e.Instrument)
		s.pending.note(e)
		if e.Action == market.Trade {
			out = s.append(out, e, 0)
		}
		if e.Flags&market.FlagLast == 0 {
			continue
		}
		said := s.pending.take(e)
		before := s.sides
		s.read(books, e.Instrument)
		if s.sides != before {
			out = s.append(out, &said, depthOf(&said, &before, &s.sides))
		}
	}
	return out
}

// read takes the ten best levels of both sides from the books.
func (s *depthState) read(books Books, id market.InstrumentID) {
	for i, side := range [2]market.Side{market.Bid, market.Ask} {
		levels := books.Levels(id, side, s.sides[i][:0])
		for k := len(levels); k < depthLevels; k++ {
			s.sides[i][k] = book.Level{Price: market.UndefPrice}
		}
	}
}

func (s *depthState) append(out []byte, e *market.Event, at uint8) []byte {
	rec := dbn.MBP10{Change: change(e, at)}
	for i := range rec.Levels {
		rec.Levels[i] = pair(s.sides[0][i], s.sides[1][i])
	}
	return rec.Append(out)
}

// depthOf returns which level e changed: where its price is now, or, if its level is gone, was.
func depthOf(e *market.Event, before, after *[2][depthLevels]book.Level) uint8 {
	if e.Side == market.NoSide {
		return 0
	}
	for _, sides := range [2]*[2][depthLevels]book.Level{after, before} {
		for i, l := range sides[e.Side.Index()] {
			if l.Price == e.Price {
				return uint8(i)
			}
		}
	}
	return 0
}

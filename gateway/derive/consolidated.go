package derive

import (
	"fmt"

	"tidegate/book"
	"tidegate/codec/dbn"
	"tidegate/market"
)

// Market is the consolidated book that the channels of several publishers share. Instruments are
// the same where their publishers give them the same symbol; they are numbered from 1 in order of
// appearance, and consolidated records carry that number as their instrument id.
type Market struct {
	book    *book.Consolidated
	numbers map[string]market.InstrumentID
	symbols []string
}

// NewMarket returns a market without instruments.
func NewMarket() *Market {
	return &Market{
		book:    book.NewConsolidated(book.ConsolidatedConfig{}),
		numbers: make(map[string]market.InstrumentID),
	}
}

// number returns the number of a symbol.
func (m *Market) number(symbol string) market.InstrumentID {
	id, ok := m.numbers[symbol]
	if !ok {
		m.symbols = append(m.symbols, symbol)
		id = market.InstrumentID(len(m.symbols))
		m.numbers[symbol] = id
	}
	return id
}

// Symbols returns the symbols in order of their numbers, the first of which is 1.
func (m *Market) Symbols() []string { return m.symbols }

// Book returns the consolidated book; its index of an instrument is the instrument's number.
func (m *Market) Book() *book.Consolidated { return m.book }

// A View is one publisher's way into a Market. Views of one Market belong to one loop.
type View struct {
	market *Market
	symbol func(market.InstrumentID) string
	known  instruments[market.InstrumentID] // publisher's id -> number; 0 not yet
}

// View returns a view for the publisher whose symbols symbol tells. Where it tells none, the
// instrument is named by its id.
func (m *Market) View(symbol func(market.InstrumentID) string) *View {
	return &View{market: m, symbol: symbol, known: newInstruments(market.InstrumentID(0))}
}

func (v *View) number(id market.InstrumentID) market.InstrumentID {
	n := v.known.at(id)
	if *n == 0 {
		symbol := v.symbol(id)
		if symbol == "" {
			symbol = fmt.Sprintf("#%d", id)
		}
		*n = v.market.number(symbol)
	}
	return *n
}

// consolidated makes cmbp-1, tcbbo, cbbo-1s and cbbo-1m from one publisher's events and the
// consolidated book.
//
// The intervals of cbbo close per publisher's channel: an instrument that several publishers quote
// has one record for each of them in which it changed, all with the quote at that point.
type consolidated struct {
	interval
	schema dbn.Schema
	rtype  dbn.RType
	view   *View
	state  instruments[consolidatedState]
	dirty  []uint32
}

type consolidatedState struct {
	pending pending
	rec     dbn.CBBO
	marked  bool
}

func newConsolidated(schema dbn.Schema, view *View) *consolidated {
	rtype, _ := schema.RType()
	var fresh consolidatedState
	fresh.rec.Price, fresh.rec.Side = market.UndefPrice, market.NoSide
	fresh.rec.TsEvent = market.UndefTime
	d := &consolidated{schema: schema, rtype: rtype, view: view, state: newInstruments(fresh)}
	switch schema {
	case dbn.SchemaCBBO1s:
		d.length = market.Second
	case dbn.SchemaCBBO1m:
		d.length = market.Minute
	}
	return d
}

func (d *consolidated) OnFacts(out []byte, _ *market.Facts) []byte { return out }

func (d *consolidated) OnEvents(out []byte, events []market.Event, books Books) []byte {
	for i := range events {
		e := &events[i]
		if d.length != 0 {
			out = d.OnTime(out, e.TsRecv)
			if d.end == 0 {
				d.begin(e.TsRecv)
			}
		}
		slot := d.state.index(e.Instrument)
		s := &d.state.slots[slot]
		s.pending.note(e)
		if e.Action == market.Trade {
			out = d.onTrade(out, slot, e)
		}
		if e.Flags&market.FlagLast == 0 {
			continue
		}
		said := s.pending.take(e)
		number := d.view.number(e.Instrument)
		// Also where the quote is as before: that it was confirmed now is its age.
		if !d.view.market.book.Update(uint32(number), e.Publisher, books.BBO(e.Instrument), e.TsRecv) {
			continue
		}
		switch d.schema {
		case dbn.SchemaCMBP1:
			out = d.append(out, &said, number)
		case dbn.SchemaCBBO1s, dbn.SchemaCBBO1m:
			d.mark(slot, e, number)
		}
	}
	return out
}

func (d *consolidated) onTrade(out []byte, slot uint32, e *market.Event) []byte {
	number := d.view.number(e.Instrument)
	if d.length == 0 {
		return d.append(out, e, number)
	}
	rec := &d.state.slots[slot].rec
	rec.Price, rec.Side, rec.TsEvent = e.Price, e.Side, e.TsEvent
	rec.Size, _ = dbn.SaturateSize(e.Size)
	d.mark(slot, e, number)
	return out
}

// append makes a cmbp-1 or tcbbo record of e with the consolidated quote as it stands.
func (d *consolidated) append(out []byte, e *market.Event, number market.InstrumentID) []byte {
	best := d.view.market.book.Best(uint32(number))
	size, _ := dbn.SaturateSize(e.Size)
	rec := dbn.CMBP1{
		Header: header(e),
		Price:  e.Price, Size: size, Action: e.Action, Side: e.Side, Flags: e.Flags,
		TsRecv: e.TsRecv, TsInDelta: e.TsInDelta,
		Level: consolidatedPair(&best),
	}
	rec.RType, rec.InstrumentID = d.rtype, number
	return rec.Append(out)
}

func (d *consolidated) mark(slot uint32, e *market.Event, number market.InstrumentID) {
	s := &d.state.slots[slot]
	s.rec.RType = d.rtype
	s.rec.PublisherID, s.rec.InstrumentID = e.Publisher, number
	s.rec.Flags = e.Flags | market.FlagLast
	if !s.marked {
		s.marked = true
		d.dirty = append(d.dirty, slot)
	}
}

func (d *consolidated) OnTime(out []byte, now market.Nanos) []byte {
	if d.length == 0 || !d.passed(now) {
		return out
	}
	for _, slot := range d.dirty {
		s := &d.state.slots[slot]
		s.marked = false
		best := d.view.market.book.Best(uint32(s.rec.InstrumentID))
		s.rec.TsRecv = d.end
		s.rec.Level = consolidatedPair(&best)
		out = s.rec.Append(out)
	}
	d.dirty = d.dirty[:0]
	d.begin(now)
	return out
}

func consolidatedPair(n *book.NBBO) dbn.ConsolidatedLevel {
	bidSize, _ := dbn.SaturateSize(n.Bid.Size)
	askSize, _ := dbn.SaturateSize(n.Ask.Size)
	return dbn.ConsolidatedLevel{
		BidPrice: n.Bid.Price, AskPrice: n.Ask.Price,
		BidSize: bidSize, AskSize: askSize,
		BidPublisher: n.Bid.Publisher, AskPublisher: n.Ask.Publisher,
	}
}

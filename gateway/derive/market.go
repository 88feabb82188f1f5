package derive

import (
	"fmt"

	"tidegate/book"
	"tidegate/codec/dbn"
	"tidegate/market"
)

// marketMax bounds the instruments of a Market.
const marketMax = 1<<14 - 1

// Market is the consolidated book that the channels of several publishers share, for one schema:
// what has changed since the last record is a question that each schema asks for itself.
// Instruments are the same where their publishers give them the same symbol; they are numbered from
// 1 in order of appearance, and consolidated records carry that number as their instrument id.
//
// A Market, its views and their derivers belong to one loop, which hands them events in the order
// of time.
type Market struct {
	book    *book.Consolidated
	numbers *Numbers

	served bool       // by a deriver
	schema dbn.Schema // then the one it makes
	sample marketSample

	changed []uint32 // by Exclude and Include
}

// Numbers numbers the symbols of consolidated instruments. Markets that share it, one for each
// schema, give an instrument the same number. It belongs to the loop of its markets.
type Numbers struct {
	max     int
	ids     map[string]market.InstrumentID
	symbols []string
	onNew   func(market.InstrumentID, string)
}

// NewNumbers returns an empty numbering. onNew, if not nil, is told of every new instrument before
// its first record.
func NewNumbers(onNew func(market.InstrumentID, string)) *Numbers {
	return newNumbers(marketMax, onNew)
}

func newNumbers(instrumentsMax int, onNew func(market.InstrumentID, string)) *Numbers {
	return &Numbers{max: instrumentsMax, ids: make(map[string]market.InstrumentID), onNew: onNew}
}

// of returns the number of a symbol; 0 if it is new and there are too many.
func (n *Numbers) of(symbol string) market.InstrumentID {
	id, ok := n.ids[symbol]
	if !ok && len(n.symbols) < n.max {
		n.symbols = append(n.symbols, symbol)
		id = market.InstrumentID(len(n.symbols))
		n.ids[symbol] = id
		if n.onNew != nil {
			n.onNew(id, symbol)
		}
	}
	return id
}

// Symbols returns the symbols in order of their numbers, the first of which is 1.
func (n *Numbers) Symbols() []string { return n.symbols }

// NewMarket returns a market without instruments. It takes 22 MB, so that it need not grow.
func NewMarket(numbers *Numbers) *Market {
	return &Market{
		// Numbers are its indexes, so index 0 is not used.
		book:    book.NewConsolidated(book.ConsolidatedConfig{InstrumentsMax: numbers.max + 1}),
		numbers: numbers,
	}
}

// serve makes schema the one schema of the market.
func (m *Market) serve(schema dbn.Schema) error {
	if m.served && m.schema != schema {
		return fmt.Errorf("schema %s: its market serves schema %s", schema, m.schema)
	}
	m.served, m.schema = true, schema
	return nil
}

// Book returns the consolidated book; its index of an instrument is the instrument's number.
func (m *Market) Book() *book.Consolidated { return m.book }

// A View is one publisher's way into a Market, for one deriver.
type View struct {
	market  *Market
	symbol  func(market.InstrumentID) string
	known   instruments[viewState] // by the publisher's id
	refused uint64                 // events of instruments that are not in the market
}

type viewState struct {
	asked   bool                // for its symbol
	number  market.InstrumentID // 0: not in the market
	bbo     book.BBO            // the publisher's own, at the end of the last event
	pending pending
}

// View returns a view for the publisher whose symbols symbol tells. It is asked once for each
// instrument, at its first event. An instrument without a symbol is one that no other publisher
// has.
func (m *Market) View(symbol func(market.InstrumentID) string) *View {
	return &View{market: m, symbol: symbol, known: newInstruments(viewState{bbo: book.EmptyBBO})}
}

// at returns what is kept of an event's instrument, or nil (and counts that) if there are too many.
func (v *View) at(e *market.Event) *viewState {
	s := v.known.at(e.Instrument)
	if s == nil {
		return nil
	}
	if !s.asked {
		s.asked = true
		symbol := v.symbol(e.Instrument)
		if symbol == "" {
			symbol = fmt.Sprintf("#%d.%d", e.Publisher, e.Instrument)
		}
		s.number = v.market.numbers.of(symbol)
	}
	if s.number == 0 {
		v.refused++
		return nil
	}
	return s
}

// Refused returns how many events gave no record because of a limit on instruments.
func (v *View) Refused() uint64 { return v.known.Refused() + v.refused }

// update gives the market the publisher's quote at the end of an event. It reports whether the
// consolidated quote changed. Also where the publisher's is as before: that it was confirmed now is
// its age.
func (v *View) update(s *viewState, e *market.Event, books Books) (changed bool) {
	s.bbo = books.BBO(e.Instrument)
	return v.market.book.Update(uint32(s.number), e.Publisher, s.bbo, e.TsRecv)
}

// best returns the consolidated quote as records hold it.
func (m *Market) best(number market.InstrumentID) dbn.ConsolidatedLevel {
	n := m.book.Best(uint32(number))
	bidSize, _ := dbn.SaturateSize(n.Bid.Size)
	askSize, _ := dbn.SaturateSize(n.Ask.Size)
	return dbn.ConsolidatedLevel{
		BidPrice: n.Bid.Price, AskPrice: n.Ask.Price,
		BidSize: bidSize, AskSize: askSize,
		BidPublisher: n.Bid.Publisher, AskPublisher: n.Ask.Publisher,
	}
}

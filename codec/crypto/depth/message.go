package depth

import (
	"math"
	"slices"

	"tidegate/codec/crypto/wire"
	"tidegate/market"
)

// FlagNarrowed marks an event whose size is not what the venue said to the last digit, or is more than
// the 32 bits that subscribers get: see Instrument.SizeScale. It is the bit that DBN leaves to publishers
// (F_PUBLISHER_SPECIFIC).
const FlagNarrowed market.Flags = 1 << 1

// Kind says what a message is.
type Kind uint8

// Kinds.
const (
	Other     Kind = iota // valid, and about nothing that is asked here
	Snapshot              // a whole book: Levels, and where the deltas go on
	Delta                 // a change of a book: Levels
	Trades                // Trades
	Quote                 // best bid and offer: Levels has the bid, then the ask; size 0 is none
	Ack                   // a request was done; Text says which channel or topic, if the venue does
	Heartbeat             // the connection lives, and nothing else
	Refused               // a request was refused, or the venue reports an error: Text
	Reconnect             // the venue asks to be called again
	Status                // the venue tells how it is: Text
)

var kindNames = [...]string{
	"other", "snapshot", "delta", "trades", "quote", "ack", "heartbeat", "refused", "reconnect", "status",
}

// String returns the name used in counters.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "kind?"
}

// A Level says that the level at Price on Side now holds Size in total; 0 removes it.
type Level = wire.Level

// A Trade is one trade.
type Trade struct {
	Instrument *Instrument
	TsEvent    market.Nanos
	Price      market.Price
	Size       market.Size // lots
	PriceText  wire.Decimal
	SizeText   wire.Decimal
	Match      uint64      // the venue's number of the trade, 0 where that is no number
	Side       market.Side // the aggressor's
	Narrowed   bool
}

// Check says what became of a checksum.
type Check uint8

// Results of a check.
const (
	Unchecked Check = iota // the message has none
	Matches
	Differs
)

// A Message is what one message of a venue says. It is filled again and again; what it refers to is valid
// until then, and only while the bytes it was decoded from are.
type Message struct {
	Kind       Kind
	Check      Check       // set by Splicer.Offer
	Numbered   bool        // First, Last and Prev are set, as far as the venue has them
	Summed     bool        // Checksum is set
	Checksum   uint32      // over the book after this message
	Instrument *Instrument // nil where the message is about none; each of Trades has its own
	TsEvent    market.Nanos
	// First and Last are the numbers of the first and the last change that are in the message, Prev is that
	// of the last change of the message before. What of it there is, and how it is counted, is the
	// venue's: see its Rule.
	First, Last, Prev int64
	Levels            []Level
	Trades            []Trade
	Text              []byte
	// Narrowed counts levels and trades with FlagNarrowed.
	Narrowed int
	// Beyond counts levels that were left out because their price is more than a Price can hold (9.2e9): on
	// some books there is an ask at ten thousand million, which nobody means.
	Beyond int

	publisher market.PublisherID
	scanner   wire.Scanner // decoders read with it, so that its memory is used again
}

// Scan empties m and returns its scanner at the beginning of text. It is for decoders.
func (m *Message) Scan(text []byte, publisher market.PublisherID) *wire.Scanner {
	m.Kind, m.Check, m.Numbered, m.Summed = Other, Unchecked, false, false
	m.Instrument, m.TsEvent, m.Text = nil, 0, nil
	m.First, m.Last, m.Prev, m.Checksum = 0, 0, 0, 0
	m.Levels, m.Trades, m.Narrowed, m.Beyond = m.Levels[:0], m.Trades[:0], 0, 0
	m.publisher = publisher
	m.scanner.Reset(text)
	return &m.scanner
}

// ReadLevels reads an array of arrays that begin with price and size. It is for decoders.
func (m *Message) ReadLevels(side market.Side) {
	m.Levels = m.scanner.Levels(m.Levels, side)
}

// AddLevel adds a level whose texts the decoder then sets. The pointer is valid until the next call.
func (m *Message) AddLevel(side market.Side) *Level {
	n := len(m.Levels)
	if n == cap(m.Levels) {
		m.Levels = append(m.Levels, Level{})
	} else {
		m.Levels = m.Levels[:n+1]
	}
	l := &m.Levels[n]
	*l = Level{Side: side}
	return l
}

// AddTrade adds a trade, which the decoder then sets but for Price, Size and Narrowed. The pointer is
// valid until the next call.
func (m *Message) AddTrade() *Trade {
	m.Trades = append(m.Trades, Trade{Side: market.NoSide})
	return &m.Trades[len(m.Trades)-1]
}

// Finish completes a message of which all has been read, and returns its verdict: Applied for what is
// about books and trades, Cold for what is about the connection, Ignored for what is about nothing that
// matters here or about instruments that are not in the directory; or the fault. It is for decoders.
func (m *Message) Finish() market.Verdict {
	if v := m.scanner.Verdict(); v != market.Applied {
		return m.fault(v)
	}
	switch m.Kind {
	case Snapshot, Delta, Quote:
		return m.finishLevels()
	case Trades:
		return m.finishTrades()
	case Other:
		return market.Ignored
	default:
		return market.Cold
	}
}

func (m *Message) fault(v market.Verdict) market.Verdict {
	m.Kind, m.Levels, m.Trades, m.Narrowed, m.Beyond = Other, m.Levels[:0], m.Trades[:0], 0, 0
	return v
}

func (m *Message) finishLevels() market.Verdict {
	if m.Instrument == nil {
		return m.fault(market.Ignored)
	}
	scale := m.Instrument.SizeScale
	for i := range m.Levels {
		l := &m.Levels[i]
		var ok, exact bool
		if l.Price, ok = l.PriceText.Price(); !ok {
			if !beyond(l.PriceText) {
				return m.fault(market.BadPrice)
			}
			m.Beyond++
		}
		if l.Size, exact, ok = l.SizeText.Size(scale); !ok {
			return m.fault(market.BadField)
		}
		if !exact || l.Size > math.MaxUint32 {
			l.Narrowed = true
			m.Narrowed++
		}
	}
	if m.Beyond > 0 && m.Kind != Quote {
		m.Levels = slices.DeleteFunc(m.Levels, func(l Level) bool { return !l.Price.Defined() })
	}
	return market.Applied
}

// beyond reports whether a price is more than a Price can hold, and not only too fine.
func beyond(d wire.Decimal) bool {
	whole, _, ok := d.Size(0)
	return !ok || whole >= math.MaxInt64/market.PriceScale
}

// finishTrades leaves out trades of instruments that are not in the directory.
func (m *Message) finishTrades() market.Verdict {
	kept := m.Trades[:0]
	for _, t := range m.Trades {
		if t.Instrument == nil {
			continue
		}
		var ok, exact bool
		if t.Price, ok = t.PriceText.Price(); !ok {
			return m.fault(market.BadPrice)
		}
		if t.Size, exact, ok = t.SizeText.Size(t.Instrument.SizeScale); !ok {
			return m.fault(market.BadField)
		}
		if t.Narrowed = !exact || t.Size > math.MaxUint32; t.Narrowed {
			m.Narrowed++
		}
		kept = append(kept, t)
	}
	if m.Trades = kept; len(kept) == 0 {
		return m.fault(market.Ignored)
	}
	return market.Applied
}

// Len returns how many updates the message is.
func (m *Message) Len() int {
	switch m.Kind {
	case Snapshot:
		return 1 + len(m.Levels)
	case Delta, Quote:
		return len(m.Levels)
	case Trades:
		return len(m.Trades)
	default:
		return 0
	}
}

// Update sets u to one of the updates of the message, from 0 on:
//
//   - A Snapshot is a Clear and then a Level for each level, all with FlagSnapshot; the last has FlagLast,
//     and until then the book must not be read.
//   - A Delta is a Level for each level; the last has FlagLast. A Delta without levels is no update.
//   - Each of Trades is a Trade with FlagLast.
//   - A Quote is two Levels with FlagTOB, the last with FlagLast. They are the whole book of whoever takes
//     nothing else, and must not be given to a book that takes deltas.
//
// Levels have FlagMBP. Seq is Last, 0 for trades. Update
// sets all fields but TsRecv, TsInDelta, Channel, PrevPrice and PrevSize. It does not allocate.
func (m *Message) Update(i int, u *market.Update) {
	u.OrderID, u.PrevOrderID, u.Match, u.Unprintable = 0, 0, 0, false
	u.Publisher = m.publisher
	u.Flags = 0
	if m.Kind == Trades {
		m.trade(&m.Trades[i], u)
		return
	}
	u.TsEvent, u.Seq, u.Instrument = m.TsEvent, uint64(m.Last), m.Instrument.ID
	if i == m.Len()-1 {
		u.Flags = market.FlagLast
	}
	switch m.Kind {
	case Snapshot:
		u.Flags |= market.FlagSnapshot
		if i == 0 {
			u.Action, u.Side, u.Price, u.Size = market.Clear, market.NoSide, market.UndefPrice, 0
			return
		}
		i--
	case Quote:
		u.Flags |= market.FlagTOB
	}
	l := &m.Levels[i]
	u.Action, u.Side, u.Price, u.Size = market.Level, l.Side, l.Price, l.Size
	u.Flags |= market.FlagMBP
	if m.Kind == Quote && (l.Size == 0 || !l.Price.Defined()) {
		u.Price, u.Size = market.UndefPrice, 0
	}
	if l.Narrowed {
		u.Flags |= FlagNarrowed
	}
}

func (m *Message) trade(t *Trade, u *market.Update) {
	u.TsEvent, u.Seq, u.Instrument = t.TsEvent, 0, t.Instrument.ID
	u.Action, u.Side, u.Price, u.Size = market.Trade, t.Side, t.Price, t.Size
	u.Match = t.Match
	u.Flags = market.FlagLast
	if t.Narrowed {
		u.Flags |= FlagNarrowed
	}
}

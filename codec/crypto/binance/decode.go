package binance

import (
	"tidegate/codec/crypto/depth"
	"tidegate/codec/crypto/wire"
	"tidegate/market"
)

// A Decoder decodes what Binance sends. It belongs to the loop that owns its directory.
type Decoder struct{ directory *depth.Directory }

// NewDecoder returns a decoder of messages about the instruments of a directory.
func NewDecoder(d *depth.Directory) *Decoder { return &Decoder{d} }

// event holds the fields of a payload, which may come in any order.
type event struct {
	name                     []byte // e
	symbol                   []byte
	sent, at                 market.Nanos // E, T
	number, aggregate        int64        // t, a
	buyerRested              bool
	price, size              wire.Decimal
	bid, bidSize, ask, askSz wire.Decimal
	quoted                   int // how many of the four are there
	answer                   bool
}

// Decode decodes one message of a stream. Kinds are Delta, Quote, Trades, Ack, Refused and Reconnect. m is
// valid as long as b is. It does not allocate once m has grown.
func (d *Decoder) Decode(b []byte, m *depth.Message) market.Verdict {
	s := m.Scan(b, d.directory.Publisher())
	if d.deltaShape(s, m) {
		return m.Finish()
	}
	s = m.Scan(b, d.directory.Publisher())
	var e event
	e.read(s, m, true)
	s.End()
	m.TsEvent = max(e.at, 0)
	if e.at == 0 {
		m.TsEvent = e.sent
	}
	switch {
	case m.Kind == depth.Refused:
	case string(e.name) == "depthUpdate":
		m.Kind, m.Numbered = depth.Delta, true
	case e.quoted == 4 && (e.name == nil || string(e.name) == "bookTicker"):
		m.Kind, m.Numbered = depth.Quote, true
		m.First = m.Last
		m.Levels = m.Levels[:0]
		bid := m.AddLevel(market.Bid)
		bid.PriceText, bid.SizeText = e.bid, e.bidSize
		ask := m.AddLevel(market.Ask)
		ask.PriceText, ask.SizeText = e.ask, e.askSz
	case string(e.name) == "trade" || string(e.name) == "aggTrade":
		d.trade(&e, m)
	case string(e.name) == "serverShutdown":
		m.Kind = depth.Reconnect
	case e.answer:
		m.Kind = depth.Ack
	}
	if e.symbol != nil {
		m.Instrument = d.directory.Find(e.symbol)
	}
	return m.Finish()
}

func (d *Decoder) trade(e *event, m *depth.Message) {
	if e.size.Mantissa == 0 {
		return // futures report what is no trade on the market like this
	}
	m.Kind = depth.Trades
	t := m.AddTrade()
	t.Instrument, t.TsEvent = d.directory.Find(e.symbol), m.TsEvent
	t.PriceText, t.SizeText = e.price, e.size
	t.Match = uint64(max(e.number, e.aggregate))
	t.Side = market.Bid
	if e.buyerRested {
		t.Side = market.Ask
	}
}

// read reads a payload, and what is around it where outer is true.
func (e *event) read(s *wire.Scanner, m *depth.Message, outer bool) {
	for key, ok := s.FirstKey(); ok; key, ok = s.NextKey() {
		switch string(key) {
		case "data":
			if !outer || s.Peek() != '{' {
				s.Skip()
				continue
			}
			e.read(s, m, false)
		case "e":
			e.name = s.Text()
		case "s":
			e.symbol = s.Text()
		case "E":
			e.sent = s.Millis()
		case "T":
			e.at = s.Millis()
		case "U":
			m.First = s.Int()
		case "u":
			m.Last = s.Int()
		case "pu":
			m.Prev = s.Int()
		case "b":
			e.side(s, m, market.Bid, &e.bid)
		case "a":
			e.side(s, m, market.Ask, &e.ask)
		case "B":
			e.quote(s, &e.bidSize)
		case "A":
			e.quote(s, &e.askSz)
		case "t":
			e.number = s.Int()
		case "p":
			e.price = s.Decimal()
		case "q":
			e.size = s.Decimal()
		case "m":
			e.buyerRested = s.Bool()
		case "result", "id":
			e.answer = true
			s.Skip()
		case "error":
			readError(s, m)
		case "msg":
			m.Kind, m.Text = depth.Refused, s.Text()
		default:
			s.Skip()
		}
	}
}

// side reads "b" or "a": the levels of a delta, a price of a quote, or the number of an aggregate trade.
func (e *event) side(s *wire.Scanner, m *depth.Message, side market.Side, price *wire.Decimal) {
	switch s.Peek() {
	case '[':
		m.ReadLevels(side)
	case '"':
		e.quote(s, price)
	default:
		e.aggregate = s.Int()
	}
}

func (e *event) quote(s *wire.Scanner, d *wire.Decimal) {
	*d = s.Decimal()
	e.quoted++
}

// readError reads {"code":..,"msg":".."}.
func readError(s *wire.Scanner, m *depth.Message) {
	m.Kind = depth.Refused
	if s.Peek() != '{' {
		s.Skip()
		return
	}
	for key, ok := s.FirstKey(); ok; key, ok = s.NextKey() {
		if string(key) == "msg" {
			m.Text = s.Text()
			continue
		}
		s.Skip()
	}
}

// DecodeSnapshot decodes the answer to a request for the book of an instrument, which does not say whose
// it is: a Snapshot, or Refused with what Binance says against it.
func (d *Decoder) DecodeSnapshot(b []byte, in *depth.Instrument, m *depth.Message) market.Verdict {
	s := m.Scan(b, d.directory.Publisher())
	for key, ok := s.FirstKey(); ok; key, ok = s.NextKey() {
		switch string(key) {
		case "lastUpdateId":
			m.Last, m.Numbered = s.Int(), true
		case "T":
			m.TsEvent = s.Millis()
		case "bids":
			m.ReadLevels(market.Bid)
		case "asks":
			m.ReadLevels(market.Ask)
		case "msg":
			m.Kind, m.Text = depth.Refused, s.Text()
		default:
			s.Skip()
		}
	}
	s.End()
	if m.Numbered && m.Kind != depth.Refused {
		m.Kind, m.Instrument = depth.Snapshot, in
	}
	return m.Finish()
}

// SpotBook says how spot books are put together.
func SpotBook() depth.SplicerConfig { return book(spotRule) }

// FuturesBook says how books of futures are put together.
func FuturesBook() depth.SplicerConfig { return book(futuresRule) }

func book(rule depth.Rule) depth.SplicerConfig {
	return depth.SplicerConfig{
		Rule: rule, Requested: true, HeldMax: depth.HeldMax, HeldLevelsMax: depth.HeldLevelsMax,
	}
}

func spotRule(at int64, _ bool, m *depth.Message) depth.Step {
	switch {
	case m.Last <= at:
		return depth.Old
	case m.First > at+1:
		return depth.Missing
	default:
		return depth.Next
	}
}

func futuresRule(at int64, first bool, m *depth.Message) depth.Step {
	switch {
	case m.Last < at || !first && m.Last == at:
		return depth.Old
	case first && m.First > at || !first && m.Prev != at:
		return depth.Missing
	default:
		return depth.Next
	}
}

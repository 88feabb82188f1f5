package okx

import (
	"math"

	"tidegate/codec/crypto/depth"
	"tidegate/codec/crypto/wire"
	"tidegate/market"
)

// A Decoder decodes what OKX sends. It belongs to the loop that owns its directory.
type Decoder struct{ directory *depth.Directory }

// NewDecoder returns a decoder of messages about the instruments of a directory.
func NewDecoder(d *depth.Directory) *Decoder { return &Decoder{d} }

// document holds the outer fields.
type document struct {
	channel, action, event     []byte
	elements                   int
	bid, bidSize, ask, askSize wire.Decimal
}

// Decode decodes one message. Kinds are Snapshot, Delta, Trades, Quote, Ack, Heartbeat, Refused and
// Reconnect. m is valid as long as b is. It does not allocate once m has grown.
func (d *Decoder) Decode(b []byte, m *depth.Message) market.Verdict {
	s := m.Scan(b, d.directory.Publisher())
	if string(b) == "pong" {
		m.Kind = depth.Heartbeat
		return m.Finish()
	}
	if d.deltaShape(s, m) {
		return m.Finish()
	}
	s = m.Scan(b, d.directory.Publisher())
	var o document
	for key, ok := s.FirstKey(); ok; key, ok = s.NextKey() {
		switch string(key) {
		case "arg":
			d.readArg(s, m, &o)
		case "action":
			o.action = s.Text()
		case "data":
			for more := s.FirstElem(); more; more = s.NextElem() {
				d.readDatum(s, m, &o)
			}
		case "event":
			o.event = s.Text()
		case "msg":
			m.Text = s.Text()
		default:
			s.Skip()
		}
	}
	s.End()
	if o.event != nil {
		m.Kind = o.eventKind()
		if m.Kind == depth.Ack {
			m.Text = o.channel
		}
		return m.Finish()
	}
	switch string(o.channel) {
	case "books", "books50-l2-tbt", "books-l2-tbt":
		if o.elements != 1 {
			s.Fail(market.BadField)
		}
		switch string(o.action) {
		case "snapshot":
			m.Kind = depth.Snapshot
		case "update":
			m.Kind = depth.Delta
		}
	case "trades":
		m.Kind = depth.Trades
	case "tickers":
		m.Kind = depth.Quote
		bid := m.AddLevel(market.Bid)
		bid.PriceText, bid.SizeText = o.bid, o.bidSize
		ask := m.AddLevel(market.Ask)
		ask.PriceText, ask.SizeText = o.ask, o.askSize
	}
	return m.Finish()
}

func (o *document) eventKind() depth.Kind {
	switch string(o.event) {
	case "subscribe", "unsubscribe":
		return depth.Ack
	case "error":
		return depth.Refused
	case "notice":
		return depth.Reconnect
	default:
		return depth.Other
	}
}

// readArg reads what a message is about.
func (d *Decoder) readArg(s *wire.Scanner, m *depth.Message, o *document) {
	for key, ok := s.FirstKey(); ok; key, ok = s.NextKey() {
		switch string(key) {
		case "channel":
			o.channel = s.Text()
		case "instId":
			m.Instrument = d.directory.Find(s.Text())
		default:
			s.Skip()
		}
	}
}

// readDatum reads an element of "data": a book, a trade or a ticker.
func (d *Decoder) readDatum(s *wire.Scanner, m *depth.Message, o *document) {
	var t depth.Trade
	t.Side = market.NoSide
	for key, ok := s.FirstKey(); ok; key, ok = s.NextKey() {
		switch string(key) {
		case "asks":
			m.ReadLevels(market.Ask)
		case "bids":
			m.ReadLevels(market.Bid)
		case "ts":
			t.TsEvent = s.Millis()
		case "checksum":
			readChecksum(s, m)
		case "seqId":
			m.Last, m.Numbered = s.Int(), true
		case "prevSeqId":
			m.Prev = s.Int()
		case "instId":
			t.Instrument = d.directory.Find(s.Text())
		case "tradeId":
			t.Match = uint64(s.Int())
		case "px":
			t.PriceText = s.Decimal()
		case "sz":
			t.SizeText = s.Decimal()
		case "side":
			t.Side = aggressor(s.Text())
		case "bidPx":
			o.bid = s.OptionalDecimal()
		case "bidSz":
			o.bidSize = s.OptionalDecimal()
		case "askPx":
			o.ask = s.OptionalDecimal()
		case "askSz":
			o.askSize = s.OptionalDecimal()
		default:
			s.Skip()
		}
	}
	o.elements++
	m.TsEvent = max(m.TsEvent, t.TsEvent)
	if t.Side != market.NoSide { // nothing but a trade has one
		*m.AddTrade() = t
	}
}

func readChecksum(s *wire.Scanner, m *depth.Message) {
	n := s.Int()
	if n < math.MinInt32 || n > math.MaxInt32 {
		s.Fail(market.BadField)
	}
	m.Checksum, m.Summed = uint32(int32(n)), n != 0
}

func aggressor(side []byte) market.Side {
	switch string(side) {
	case "buy":
		return market.Bid
	case "sell":
		return market.Ask
	default:
		return market.NoSide
	}
}

package kraken

import (
	"bytes"
	"math"

	"tidegate/codec/crypto/depth"
	"tidegate/codec/crypto/wire"
	"tidegate/market"
)

// A Decoder decodes what Kraken sends, in both versions. It belongs to the loop that owns its directory.
type Decoder struct{ directory *depth.Directory }

// NewDecoder returns a decoder of messages about the instruments of a directory. Symbols of version 1 and
// 2 differ ("XBT/USD", "BTC/USD"): a directory has those of the version that is spoken.
func NewDecoder(d *depth.Directory) *Decoder { return &Decoder{d} }

// Decode decodes one message. Kinds are Snapshot, Delta, Trades, Quote (version 2), Ack, Heartbeat, Status
// and Refused. m is valid as long as b is. It does not allocate once m has grown.
func (d *Decoder) Decode(b []byte, m *depth.Message) market.Verdict {
	s := m.Scan(b, d.directory.Publisher())
	if d.deltaShape(s, m) {
		return m.Finish()
	}
	s = m.Scan(b, d.directory.Publisher())
	if s.Peek() == '[' {
		d.readList(s, m)
	} else {
		d.readObject(s, m)
	}
	s.End()
	return m.Finish()
}

// document holds the outer fields of an object, of either version.
type document struct {
	channel, kind, event, method, status []byte
	refused                              bool
	books                                int
	bid, bidSize, ask, askSize           wire.Decimal
}

func (d *Decoder) readObject(s *wire.Scanner, m *depth.Message) {
	var o document
	for key, ok := s.FirstKey(); ok; key, ok = s.NextKey() {
		switch string(key) {
		case "channel":
			o.channel = s.Text()
		case "type":
			o.kind = s.Text()
		case "data":
			if s.Peek() != '[' {
				s.Skip()
				continue
			}
			for more := s.FirstElem(); more; more = s.NextElem() {
				d.readDatum(s, m, &o)
			}
		case "method":
			o.method = s.Text()
		case "success":
			o.refused = !s.Bool()
		case "error", "errorMessage":
			m.Text = s.Text()
		case "event":
			o.event = s.Text()
		case "status":
			o.status = s.Text()
		default:
			s.Skip()
		}
	}
	switch {
	case o.event != nil:
		m.Kind = o.eventKind()
	case o.method != nil:
		m.Kind = o.answerKind()
	case m.Text != nil:
		m.Kind = depth.Refused
	default:
		o.finishChannel(s, m)
	}
	if m.Kind == depth.Status && m.Text == nil {
		m.Text = o.status
	}
}

// eventKind returns the kind of an event of version 1.
func (o *document) eventKind() depth.Kind {
	switch string(o.event) {
	case "heartbeat", "pong":
		return depth.Heartbeat
	case "systemStatus":
		return depth.Status
	case "subscriptionStatus":
		if string(o.status) == "error" {
			return depth.Refused
		}
		return depth.Ack
	case "error":
		return depth.Refused
	default:
		return depth.Other
	}
}

// answerKind returns the kind of an answer of version 2.
func (o *document) answerKind() depth.Kind {
	switch {
	case o.refused:
		return depth.Refused
	case string(o.method) == "pong":
		return depth.Heartbeat
	default:
		return depth.Ack
	}
}

func (o *document) finishChannel(s *wire.Scanner, m *depth.Message) {
	snapshot := string(o.kind) == "snapshot"
	switch string(o.channel) {
	case "book":
		if o.books != 1 {
			s.Fail(market.BadField) // one symbol a message
		}
		if m.Kind = depth.Delta; snapshot {
			m.Kind = depth.Snapshot
		}
	case "trade":
		if m.Kind = depth.Trades; snapshot {
			m.Kind = depth.Other
		}
	case "ticker":
		m.Kind = depth.Quote
		m.Levels = m.Levels[:0]
		bid := m.AddLevel(market.Bid)
		bid.PriceText, bid.SizeText = o.bid, o.bidSize
		ask := m.AddLevel(market.Ask)
		ask.PriceText, ask.SizeText = o.ask, o.askSize
	case "heartbeat":
		m.Kind = depth.Heartbeat
	case "status":
		m.Kind = depth.Status
	}
}

// readDatum reads an element of "data": a book, a trade or a ticker.
func (d *Decoder) readDatum(s *wire.Scanner, m *depth.Message, o *document) {
	var t depth.Trade
	var in *depth.Instrument
	var at market.Nanos
	t.Side = market.NoSide
	for key, ok := s.FirstKey(); ok; key, ok = s.NextKey() {
		switch string(key) {
		case "symbol":
			in = d.directory.Find(s.Text())
		case "bids":
			readRungs(s, m, market.Bid)
		case "asks":
			readRungs(s, m, market.Ask)
		case "checksum":
			readChecksum(s, m)
		case "timestamp":
			at = s.Time()
		case "side":
			t.Side = aggressor(s.Text())
		case "price":
			t.PriceText = s.Decimal()
		case "qty":
			t.SizeText = s.Decimal()
		case "trade_id":
			t.Match = uint64(s.Int())
		case "bid":
			o.bid = s.Decimal()
		case "bid_qty":
			o.bidSize = s.Decimal()
		case "ask":
			o.ask = s.Decimal()
		case "ask_qty":
			o.askSize = s.Decimal()
		case "system":
			o.status = s.Text()
		default:
			s.Skip()
		}
	}
	o.books++
	m.Instrument, m.TsEvent = in, max(m.TsEvent, at)
	t.Instrument, t.TsEvent = in, at
	if t.Side != market.NoSide { // nothing but a trade has one
		*m.AddTrade() = t
	}
}

// readRungs reads [{"price":1.20,"qty":3.0},..].
func readRungs(s *wire.Scanner, m *depth.Message, side market.Side) {
	for ok := s.FirstElem(); ok; ok = s.NextElem() {
		l := m.AddLevel(side)
		for key, more := s.FirstKey(); more; key, more = s.NextKey() {
			switch string(key) {
			case "price":
				l.PriceText = s.Decimal()
			case "qty":
				l.SizeText = s.Decimal()
			default:
				s.Skip()
			}
		}
	}
}

func readChecksum(s *wire.Scanner, m *depth.Message) {
	n := s.Int()
	if n < 0 || n > math.MaxUint32 {
		s.Fail(market.BadField)
	}
	m.Checksum, m.Summed = uint32(n), true
}

// aggressor reads the side of a trade, of either version.
func aggressor(side []byte) market.Side {
	switch string(side) {
	case "buy", "b":
		return market.Bid
	case "sell", "s":
		return market.Ask
	default:
		return market.NoSide
	}
}

// readList reads a message of version 1: [channel, payload, .., name, pair].
func (d *Decoder) readList(s *wire.Scanner, m *depth.Message) {
	var name, pair []byte
	snapshot := false
	for ok := s.FirstElem(); ok; ok = s.NextElem() {
		switch s.Peek() {
		case '{':
			snapshot = readBook(s, m) || snapshot
		case '[':
			readTrades(s, m)
		case '"':
			name, pair = pair, s.Text()
		default:
			s.Skip()
		}
	}
	m.Instrument = d.directory.Find(pair)
	switch {
	case bytes.HasPrefix(name, []byte("book")):
		if m.Kind = depth.Delta; snapshot {
			m.Kind = depth.Snapshot
		}
	case string(name) == "trade":
		m.Kind = depth.Trades
		for i := range m.Trades {
			m.Trades[i].Instrument = m.Instrument
		}
	}
}

// readBook reads an object of a book, or goes over that of a ticker, which has the same keys.
func readBook(s *wire.Scanner, m *depth.Message) (snapshot bool) {
	for key, ok := s.FirstKey(); ok; key, ok = s.NextKey() {
		switch string(key) {
		case "as", "bs":
			snapshot = true
			readLevels(s, m, key[0])
		case "a", "b":
			readLevels(s, m, key[0])
		case "c":
			if s.Peek() == '"' {
				readChecksum(s, m)
				continue
			}
			s.Skip()
		default:
			s.Skip()
		}
	}
	return snapshot
}

// readLevels reads [["price","volume","time"],..].
func readLevels(s *wire.Scanner, m *depth.Message, key byte) {
	side := market.Bid
	if key == 'a' {
		side = market.Ask
	}
	for ok := s.FirstElem(); ok; ok = s.NextElem() {
		if s.Peek() != '[' {
			s.Skip() // of a ticker
			continue
		}
		l := m.AddLevel(side)
		if at, _ := s.Triple(&l.PriceText, &l.SizeText); at > m.TsEvent {
			m.TsEvent = at
		}
		rest(s)
	}
}

// readTrades reads [["price","volume","time","s",..],..], or goes over what other channels have there.
func readTrades(s *wire.Scanner, m *depth.Message) {
	for ok := s.FirstElem(); ok; ok = s.NextElem() {
		if s.Peek() != '[' {
			s.Skip()
			continue
		}
		t := m.AddTrade()
		t.TsEvent, ok = s.Triple(&t.PriceText, &t.SizeText)
		if ok && s.NextElem() {
			t.Side = aggressor(s.Text())
			rest(s)
		}
		m.TsEvent = max(m.TsEvent, t.TsEvent)
	}
}

// rest goes over the elements that follow.
func rest(s *wire.Scanner) {
	for s.NextElem() {
		s.Skip()
	}
}

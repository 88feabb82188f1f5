package bybit

import (
	"bytes"

	"tidegate/codec/crypto/depth"
	"tidegate/codec/crypto/wire"
	"tidegate/market"
)

// A Decoder decodes what Bybit sends, in both versions. It belongs to the loop that owns its directory.
type Decoder struct{ directory *depth.Directory }

// NewDecoder returns a decoder of messages about the instruments of a directory.
func NewDecoder(d *depth.Directory) *Decoder { return &Decoder{d} }

// document holds the outer fields.
type document struct {
	topic, kind, op, answer []byte
	sent, changed           market.Nanos // ts, cts
	answered, refused       bool
}

// Decode decodes one message. Kinds are Snapshot, Delta, Trades, Ack, Heartbeat and Refused. m is valid as
// long as b is. It does not allocate once m has grown.
func (d *Decoder) Decode(b []byte, m *depth.Message) market.Verdict {
	s := m.Scan(b, d.directory.Publisher())
	if d.deltaShape(s, m) {
		return m.Finish()
	}
	s = m.Scan(b, d.directory.Publisher())
	var o document
	d.read(s, m, &o)
	s.End()
	if m.TsEvent = o.changed; o.changed == 0 {
		m.TsEvent = o.sent
	}
	name, symbol := o.topic, []byte(nil)
	if i := bytes.LastIndexByte(o.topic, '.'); i >= 0 {
		name, symbol = o.topic[:i], o.topic[i+1:]
		m.Instrument = d.directory.Find(symbol)
	}
	switch {
	case bytes.HasPrefix(name, []byte("orderbook.")), bytes.HasPrefix(name, []byte("orderBookL2_")):
		m.Kind = depth.Delta
		if string(o.kind) == "snapshot" {
			m.Kind = depth.Snapshot
			listedLevels(m)
		}
	case string(name) == "publicTrade", string(name) == "trade":
		m.Kind = depth.Trades
	case o.answered:
		o.finishAnswer(m)
	case string(o.op) == "pong":
		m.Kind = depth.Heartbeat
	}
	return m.Finish()
}

func (o *document) finishAnswer(m *depth.Message) {
	switch {
	case o.refused:
		m.Kind = depth.Refused
	case string(o.answer) == "pong" || string(o.op) == "ping" || string(o.op) == "pong":
		m.Kind = depth.Heartbeat
	default:
		m.Kind = depth.Ack
	}
	m.Text = o.answer
}

// listedLevels makes levels of what was read as trades, because data was a list: the snapshot of version 2.
func listedLevels(m *depth.Message) {
	for i := range m.Trades {
		t := &m.Trades[i]
		l := m.AddLevel(t.Side)
		l.PriceText, l.SizeText = t.PriceText, t.SizeText
	}
	m.Trades = m.Trades[:0]
}

func (d *Decoder) read(s *wire.Scanner, m *depth.Message, o *document) {
	for key, ok := s.FirstKey(); ok; key, ok = s.NextKey() {
		switch string(key) {
		case "topic":
			o.topic = s.Text()
		case "type":
			o.kind = s.Text()
		case "ts":
			o.sent = s.Millis()
		case "cts":
			o.changed = s.Millis()
		case "timestamp_e6":
			o.changed = s.Micros()
		case "cross_seq":
			m.Last, m.Numbered = s.Int(), true
		case "data":
			switch s.Peek() {
			case '{':
				d.readBook(s, m)
			case '[':
				d.readTrades(s, m)
			default:
				s.Skip()
			}
		case "success":
			o.answered, o.refused = true, !s.Bool()
		case "ret_msg":
			o.answer = s.Text()
		case "op":
			o.op = s.Text()
		default:
			s.Skip()
		}
	}
}

// readBook reads data of a book where it is an object, of either version.
func (d *Decoder) readBook(s *wire.Scanner, m *depth.Message) {
	for key, ok := s.FirstKey(); ok; key, ok = s.NextKey() {
		switch string(key) {
		case "b":
			m.ReadLevels(market.Bid)
		case "a":
			m.ReadLevels(market.Ask)
		case "u":
			m.Last, m.Numbered = s.Int(), true
			m.First = m.Last
		case "order_book", "delete", "update", "insert":
			readLevels(s, m)
		default:
			s.Skip()
		}
	}
}

// readLevels reads levels of version 2.
func readLevels(s *wire.Scanner, m *depth.Message) {
	for ok := s.FirstElem(); ok; ok = s.NextElem() {
		l := m.AddLevel(market.NoSide)
		for key, more := s.FirstKey(); more; key, more = s.NextKey() {
			switch string(key) {
			case "price":
				l.PriceText = s.Decimal()
			case "side":
				l.Side = side(s)
			case "size":
				l.SizeText = s.Decimal()
			default:
				s.Skip()
			}
		}
		if l.Side == market.NoSide {
			s.Fail(market.BadField)
		}
	}
}

// readTrades reads data where it is a list: trades of either version, or levels of version 2.
func (d *Decoder) readTrades(s *wire.Scanner, m *depth.Message) {
	for ok := s.FirstElem(); ok; ok = s.NextElem() {
		t := m.AddTrade()
		for key, more := s.FirstKey(); more; key, more = s.NextKey() {
			switch string(key) {
			case "s", "symbol":
				t.Instrument = d.directory.Find(s.Text())
			case "S", "side":
				t.Side = side(s)
			case "p", "price":
				t.PriceText = s.Decimal()
			case "v", "size":
				t.SizeText = s.Decimal()
			case "T", "trade_time_ms":
				t.TsEvent = s.Millis()
			case "i", "trade_id":
				t.Match = number(s.Text())
			default:
				s.Skip()
			}
		}
		if t.Side == market.NoSide {
			s.Fail(market.BadField)
		}
	}
}

func side(s *wire.Scanner) market.Side {
	switch string(s.Text()) {
	case "Buy":
		return market.Bid
	case "Sell":
		return market.Ask
	default:
		s.Fail(market.BadField)
		return market.NoSide
	}
}

// number returns the number that a trade is called by; 0 where it is called by a UUID.
func number(text []byte) uint64 {
	var n uint64
	for _, c := range text {
		if c-'0' > 9 || len(text) > 19 {
			return 0
		}
		n = n*10 + uint64(c-'0')
	}
	return n
}

// Book says how books are put together.
func Book() depth.SplicerConfig { return depth.SplicerConfig{Rule: rule} }

func rule(at int64, _ bool, m *depth.Message) depth.Step {
	restarted := m.First == 1 // but no snapshot has come
	switch {
	case !m.Numbered:
		return depth.Next
	case m.Last <= at && !restarted:
		return depth.Old
	case m.First != 0 && m.First != at+1:
		return depth.Missing
	default:
		return depth.Next
	}
}

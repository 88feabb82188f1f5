package bitstamp

import (
	"bytes"

	"tidegate/codec/crypto/depth"
	"tidegate/codec/crypto/wire"
	"tidegate/market"
)

// A Decoder decodes what Bitstamp sends. It belongs to the loop that owns its directory.
type Decoder struct{ directory *depth.Directory }

// NewDecoder returns a decoder of messages about the instruments of a directory.
func NewDecoder(d *depth.Directory) *Decoder { return &Decoder{d} }

// document holds the fields of a message, which may come in any order.
type document struct {
	event, channel []byte
	at             market.Nanos // microtimestamp
	micros         int64
	number         int64 // id
	sells          bool
	price, size    wire.Decimal
}

// Decode decodes one message. Kinds are Delta, Trades, Ack, Heartbeat, Refused and Reconnect. m is valid
// as long as b is. It does not allocate once m has grown.
func (d *Decoder) Decode(b []byte, m *depth.Message) market.Verdict {
	s := m.Scan(b, d.directory.Publisher())
	if d.deltaShape(s, m) {
		return m.Finish()
	}
	s = m.Scan(b, d.directory.Publisher())
	var o document
	for key, ok := s.FirstKey(); ok; key, ok = s.NextKey() {
		switch string(key) {
		case "event":
			o.event = s.Text()
		case "channel":
			o.channel = s.Text()
		case "data":
			if s.Peek() != '{' {
				s.Skip()
				continue
			}
			o.readData(s, m)
		default:
			s.Skip()
		}
	}
	s.End()
	m.TsEvent = o.at
	name, symbol := o.channel, []byte(nil)
	if i := bytes.LastIndexByte(o.channel, '_'); i >= 0 {
		name, symbol = o.channel[:i], o.channel[i+1:]
		m.Instrument = d.directory.Find(symbol)
	}
	switch string(o.event) {
	case "data":
		if string(name) == "diff_order_book" {
			m.Kind, m.Numbered = depth.Delta, true
			m.First, m.Last = o.micros, o.micros
		}
	case "trade":
		m.Kind = depth.Trades
		t := m.AddTrade()
		t.Instrument, t.TsEvent, t.Match = m.Instrument, o.at, uint64(o.number)
		t.PriceText, t.SizeText = o.price, o.size
		if t.Side = market.Bid; o.sells {
			t.Side = market.Ask
		}
	case "bts:subscription_succeeded", "bts:unsubscription_succeeded":
		m.Kind, m.Text = depth.Ack, o.channel
	case "bts:heartbeat":
		m.Kind = depth.Heartbeat
	case "bts:request_reconnect":
		m.Kind = depth.Reconnect
	case "bts:error":
		m.Kind = depth.Refused
	}
	return m.Finish()
}

// readData reads the fields of a book, a trade or an error.
func (o *document) readData(s *wire.Scanner, m *depth.Message) {
	for key, ok := s.FirstKey(); ok; key, ok = s.NextKey() {
		switch string(key) {
		case "microtimestamp":
			o.at = s.Micros()
			o.micros = int64(o.at / market.Microsecond)
		case "bids":
			m.ReadLevels(market.Bid)
		case "asks":
			m.ReadLevels(market.Ask)
		case "id":
			o.number = s.Int()
		case "price_str":
			o.price = s.Decimal()
		case "amount_str":
			o.size = s.Decimal()
		case "type":
			o.sells = s.Int() == 1
		case "message", "reason":
			if s.Peek() != '"' {
				s.Skip()
				continue
			}
			m.Text = s.Text()
		default:
			s.Skip()
		}
	}
}

// DecodeSnapshot decodes the answer to a request for the book of an instrument, which does not say whose
// it is: a Snapshot, or Refused with what Bitstamp says against it.
func (d *Decoder) DecodeSnapshot(b []byte, in *depth.Instrument, m *depth.Message) market.Verdict {
	s := m.Scan(b, d.directory.Publisher())
	var o document
	o.readData(s, m)
	s.End()
	m.TsEvent = o.at
	switch {
	case o.micros != 0:
		m.Kind, m.Instrument, m.Numbered = depth.Snapshot, in, true
		m.First, m.Last = o.micros, o.micros
	case m.Text != nil:
		m.Kind = depth.Refused
	}
	return m.Finish()
}

// Book says how books are put together.
func Book() depth.SplicerConfig {
	return depth.SplicerConfig{
		Rule: rule, Requested: true, Overlap: true, HeldMax: depth.HeldMax, HeldLevelsMax: depth.HeldLevelsMax,
	}
}

// rule drops what is not after the snapshot. Two messages of one microsecond are both applied.
func rule(at int64, first bool, m *depth.Message) depth.Step {
	if m.Last < at || first && m.Last == at {
		return depth.Old
	}
	return depth.Next
}

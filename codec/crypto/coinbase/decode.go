package coinbase

import (
	"tidegate/codec/crypto/depth"
	"tidegate/codec/crypto/wire"
	"tidegate/market"
)

// A Decoder decodes what Coinbase sends. It belongs to the loop that owns its directory.
type Decoder struct{ directory *depth.Directory }

// NewDecoder returns a decoder of messages about the instruments of a directory.
func NewDecoder(d *depth.Directory) *Decoder { return &Decoder{d} }

// fields holds what a message says, which may come in any order.
type fields struct {
	kind                     []byte // type
	product                  []byte
	number                   int64 // trade_id
	side                     market.Side
	price, size              wire.Decimal
	bid, bidSize, ask, askSz wire.Decimal
}

// Decode decodes one message. Kinds are Snapshot, Delta, Quote, Trades, Ack, Heartbeat and Refused. The
// sizes of a Quote are 0 where the venue does not send them. m is valid as long as b is. It does not
// allocate once m has grown.
func (d *Decoder) Decode(b []byte, m *depth.Message) market.Verdict {
	s := m.Scan(b, d.directory.Publisher())
	if d.deltaShape(s, m) {
		return m.Finish()
	}
	s = m.Scan(b, d.directory.Publisher())
	f := fields{side: market.NoSide}
	f.read(s, m)
	s.End()
	if f.product != nil {
		m.Instrument = d.directory.Find(f.product)
	}
	switch string(f.kind) {
	case "l2update":
		m.Kind = depth.Delta
	case "snapshot":
		m.Kind = depth.Snapshot
	case "match":
		m.Kind = depth.Trades
		t := m.AddTrade()
		t.Instrument, t.TsEvent, t.Match = m.Instrument, m.TsEvent, uint64(f.number)
		t.PriceText, t.SizeText = f.price, f.size
		t.Side = f.side.Opposite()
	case "ticker":
		m.Kind = depth.Quote
		bid := m.AddLevel(market.Bid)
		bid.PriceText, bid.SizeText = f.bid, f.bidSize
		ask := m.AddLevel(market.Ask)
		ask.PriceText, ask.SizeText = f.ask, f.askSz
	case "heartbeat":
		m.Kind = depth.Heartbeat
	case "subscriptions":
		m.Kind = depth.Ack
	case "error":
		m.Kind = depth.Refused
	}
	return m.Finish()
}

func (f *fields) read(s *wire.Scanner, m *depth.Message) {
	for key, ok := s.FirstKey(); ok; key, ok = s.NextKey() {
		switch string(key) {
		case "type":
			f.kind = s.Text()
		case "product_id":
			f.product = s.Text()
		case "changes":
			readChanges(s, m)
		case "time":
			m.TsEvent = s.Time()
		case "bids":
			m.ReadLevels(market.Bid)
		case "asks":
			m.ReadLevels(market.Ask)
		case "trade_id":
			f.number = s.Int()
		case "side":
			f.side = side(s)
		case "price":
			f.price = s.Decimal()
		case "size":
			f.size = s.Decimal()
		case "best_bid":
			f.bid = s.Decimal()
		case "best_bid_size":
			f.bidSize = s.Decimal()
		case "best_ask":
			f.ask = s.Decimal()
		case "best_ask_size":
			f.askSz = s.Decimal()
		case "message":
			m.Text = s.Text()
		default:
			s.Skip()
		}
	}
}

// readChanges reads [["buy","price","size"],..].
func readChanges(s *wire.Scanner, m *depth.Message) {
	for more := s.FirstElem(); more; {
		if !s.FirstElem() {
			s.Fail(market.BadField)
			return
		}
		l := m.AddLevel(side(s))
		if !s.NextElem() {
			s.Fail(market.BadField)
			return
		}
		more = s.PairRest(&l.PriceText, &l.SizeText)
	}
}

func side(s *wire.Scanner) market.Side {
	switch string(s.Text()) {
	case "buy":
		return market.Bid
	case "sell":
		return market.Ask
	default:
		s.Fail(market.BadField)
		return market.NoSide
	}
}

// Book says how books are put together.
func Book() depth.SplicerConfig {
	return depth.SplicerConfig{
		Rule: func(int64, bool, *depth.Message) depth.Step { return depth.Next },
	}
}

package coinbase

import (
	"tidegate/codec/crypto/depth"
	"tidegate/codec/crypto/wire"
	"tidegate/market"
)

// deltaShape reads a delta in the shape in which Coinbase writes it, which saves the search for keys. It
// returns false for everything else, and Decode then reads by key.
func (d *Decoder) deltaShape(s *wire.Scanner, m *depth.Message) bool {
	if !s.Literal(`{"type":"l2update","product_id":"`) {
		return false
	}
	product, ok := s.Until()
	if !ok || !s.Literal(`,"changes":[`) {
		return false
	}
	for more := true; more; {
		var side market.Side
		switch {
		case s.Literal(`["buy",`):
			side = market.Bid
		case s.Literal(`["sell",`):
			side = market.Ask
		default:
			return false
		}
		l := m.AddLevel(side)
		more = s.PairRest(&l.PriceText, &l.SizeText)
	}
	if !s.Literal(`,"time":`) {
		return false
	}
	m.TsEvent = s.Time()
	if !s.Literal(`}`) || !s.Done() {
		return false
	}
	m.Kind, m.Instrument = depth.Delta, d.directory.Find(product)
	return true
}

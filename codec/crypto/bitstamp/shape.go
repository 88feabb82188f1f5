package bitstamp

import (
	"tidegate/codec/crypto/depth"
	"tidegate/codec/crypto/wire"
	"tidegate/market"
)

// deltaShape reads a delta in the shape in which Bitstamp writes it, which saves the search for keys. It
// returns false for everything else, and Decode then reads by key.
func (d *Decoder) deltaShape(s *wire.Scanner, m *depth.Message) bool {
	if !s.Literal(`{"data":{"timestamp":`) {
		return false
	}
	if s.Int(); !s.Literal(`,"microtimestamp":`) {
		return false
	}
	m.TsEvent = s.Micros()
	if !s.Literal(`,"bids":`) {
		return false
	}
	m.ReadLevels(market.Bid)
	if !s.Literal(`,"asks":`) {
		return false
	}
	m.ReadLevels(market.Ask)
	if !s.Literal(`},"channel":"diff_order_book_`) {
		return false
	}
	symbol, ok := s.Until()
	if !ok || !s.Literal(`,"event":"data"}`) || !s.Done() {
		return false
	}
	m.Kind, m.Numbered, m.Instrument = depth.Delta, true, d.directory.Find(symbol)
	m.First = int64(m.TsEvent / market.Microsecond)
	m.Last = m.First
	return true
}

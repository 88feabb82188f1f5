package binance

import (
	"tidegate/codec/crypto/depth"
	"tidegate/codec/crypto/wire"
	"tidegate/market"
)

// deltaShape reads a delta in the shape in which Binance writes it, which saves the search for keys. It
// returns false for everything else, and Decode then reads by key.
func (d *Decoder) deltaShape(s *wire.Scanner, m *depth.Message) bool {
	end := `}`
	if s.Literal(`{"stream":"`) {
		if _, ok := s.Until(); !ok || !s.Literal(`,"data":`) {
			return false
		}
		end = `}}`
	}
	if !s.Literal(`{"e":"depthUpdate","E":`) {
		return false
	}
	m.TsEvent = s.Millis()
	if s.Literal(`,"T":`) {
		m.TsEvent = s.Millis()
	}
	if !s.Literal(`,"s":"`) {
		return false
	}
	symbol, ok := s.Until()
	if !ok || !s.Literal(`,"U":`) {
		return false
	}
	m.First = s.Int()
	if !s.Literal(`,"u":`) {
		return false
	}
	m.Last = s.Int()
	if s.Literal(`,"pu":`) {
		m.Prev = s.Int()
	}
	if !s.Literal(`,"b":`) {
		return false
	}
	m.ReadLevels(market.Bid)
	if !s.Literal(`,"a":`) {
		return false
	}
	m.ReadLevels(market.Ask)
	if !s.Literal(end) || !s.Done() {
		return false
	}
	m.Kind, m.Numbered, m.Instrument = depth.Delta, true, d.directory.Find(symbol)
	return true
}

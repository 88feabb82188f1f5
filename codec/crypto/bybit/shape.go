package bybit

import (
	"bytes"

	"tidegate/codec/crypto/depth"
	"tidegate/codec/crypto/wire"
	"tidegate/market"
)

// deltaShape reads a delta in the shape in which Bybit writes it, which saves the search for keys. It
// returns false for everything else, and Decode then reads by key.
func (d *Decoder) deltaShape(s *wire.Scanner, m *depth.Message) bool {
	if s.Literal(`{"topic":"orderBookL2_`) {
		return d.deltaShapeV2(s, m)
	}
	if !s.Literal(`{"topic":"orderbook.`) {
		return false
	}
	if !d.rest(s, m) || !s.Literal(`,"type":"delta","ts":`) {
		return false
	}
	if s.Millis(); !s.Literal(`,"data":{"s":"`) {
		return false
	}
	if _, ok := s.Until(); !ok || !s.Literal(`,"b":`) {
		return false
	}
	m.ReadLevels(market.Bid)
	if !s.Literal(`,"a":`) {
		return false
	}
	m.ReadLevels(market.Ask)
	if !s.Literal(`,"u":`) {
		return false
	}
	m.Last, m.Numbered = s.Int(), true
	m.First = m.Last
	if !s.Literal(`,"seq":`) {
		return false
	}
	if s.Int(); !s.Literal(`},"cts":`) {
		return false
	}
	m.TsEvent = s.Millis()
	m.Kind = depth.Delta
	return m.TsEvent != 0 && s.Literal(`}`) && s.Done()
}

func (d *Decoder) deltaShapeV2(s *wire.Scanner, m *depth.Message) bool {
	if !d.rest(s, m) || !s.Literal(`,"type":"delta","data":{"delete":`) {
		return false
	}
	if !levelsShape(s, m) || !s.Literal(`,"update":`) {
		return false
	}
	if !levelsShape(s, m) || !s.Literal(`,"insert":`) {
		return false
	}
	if !levelsShape(s, m) {
		return false
	}
	if s.Literal(`,"transactTimeE6":`) {
		s.Int()
	}
	if !s.Literal(`},"cross_seq":`) {
		return false
	}
	m.Last, m.Numbered = s.Int(), true
	if !s.Literal(`,"timestamp_e6":`) {
		return false
	}
	m.TsEvent = s.Micros()
	m.Kind = depth.Delta
	return m.TsEvent != 0 && s.Literal(`}`) && s.Done()
}

// rest reads the rest of a topic: the depth, a point and the symbol.
func (d *Decoder) rest(s *wire.Scanner, m *depth.Message) bool {
	topic, ok := s.Until()
	i := bytes.LastIndexByte(topic, '.')
	if !ok || i < 0 {
		return false
	}
	m.Instrument = d.directory.Find(topic[i+1:])
	return true
}

// levelsShape reads levels of version 2.
func levelsShape(s *wire.Scanner, m *depth.Message) bool {
	if s.Literal(`[]`) {
		return true
	}
	if !s.Literal(`[`) {
		return false
	}
	for s.Literal(`{"price":`) {
		l := m.AddLevel(market.NoSide)
		l.PriceText = s.Decimal()
		if !s.Literal(`,"symbol":"`) {
			return false
		}
		if _, ok := s.Until(); !ok || !s.Literal(`,"id":`) {
			return false
		}
		if s.Skip(); !s.Literal(`,"side":"`) {
			return false
		}
		switch {
		case s.Literal(`Buy"`):
			l.Side = market.Bid
		case s.Literal(`Sell"`):
			l.Side = market.Ask
		default:
			return false
		}
		if s.Literal(`,"size":`) {
			l.SizeText = s.Decimal()
		}
		if s.Literal(`},`) {
			continue
		}
		return s.Literal(`}]`)
	}
	return false
}

package kraken

import (
	"tidegate/codec/crypto/depth"
	"tidegate/codec/crypto/wire"
	"tidegate/market"
)

// deltaShape reads a delta in the shape in which Kraken writes it, which saves the search for keys. It
// returns false for everything else, and Decode then reads by key.
func (d *Decoder) deltaShape(s *wire.Scanner, m *depth.Message) bool {
	if s.Literal(`{"channel":"book","type":"update","data":[{"symbol":"`) {
		return d.deltaShapeV2(s, m)
	}
	if !s.Literal(`[`) {
		return false
	}
	if s.Int(); !s.Literal(`,{"`) {
		return false
	}
	var side market.Side
	switch {
	case s.Literal(`a":[`):
		side = market.Ask
	case s.Literal(`b":[`):
		side = market.Bid
	default:
		return false
	}
	for more := true; more; {
		l := m.AddLevel(side)
		at, ok := s.Triple(&l.PriceText, &l.SizeText)
		if m.TsEvent = max(m.TsEvent, at); !ok {
			return false
		}
		s.Literal(`,"r"`) // said again
		if more = s.Literal(`],`); !more && !s.Literal(`]],"c":`) {
			return false
		}
	}
	readChecksum(s, m)
	if !s.Literal(`},"book-`) {
		return false
	}
	if _, ok := s.Until(); !ok || !s.Literal(`,"`) {
		return false
	}
	pair, ok := s.Until()
	if !ok || !s.Literal(`]`) || !s.Done() {
		return false
	}
	m.Kind, m.Instrument = depth.Delta, d.directory.Find(pair)
	return true
}

func (d *Decoder) deltaShapeV2(s *wire.Scanner, m *depth.Message) bool {
	symbol, ok := s.Until()
	if !ok || !s.Literal(`,"bids":`) {
		return false
	}
	if !rungsShape(s, m, market.Bid) || !s.Literal(`,"asks":`) {
		return false
	}
	if !rungsShape(s, m, market.Ask) || !s.Literal(`,"checksum":`) {
		return false
	}
	readChecksum(s, m)
	if !s.Literal(`,"timestamp":`) {
		return false
	}
	m.TsEvent = s.Time()
	if !s.Literal(`}]}`) || !s.Done() {
		return false
	}
	m.Kind, m.Instrument = depth.Delta, d.directory.Find(symbol)
	return true
}

// rungsShape reads [{"price":1.20,"qty":3.0},..].
func rungsShape(s *wire.Scanner, m *depth.Message, side market.Side) bool {
	if s.Literal(`[]`) {
		return true
	}
	if !s.Literal(`[`) {
		return false
	}
	for s.Literal(`{"price":`) {
		l := m.AddLevel(side)
		l.PriceText = s.Decimal()
		if !s.Literal(`,"qty":`) {
			return false
		}
		l.SizeText = s.Decimal()
		if s.Literal(`},`) {
			continue
		}
		return s.Literal(`}]`)
	}
	return false
}

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
	switch {
	case s.Literal(`a":`):
		readLevels(s, m, 'a')
	case s.Literal(`b":`):
		readLevels(s, m, 'b')
	default:
		return false
	}
	if !s.Literal(`,"c":`) {
		return false
	}
	readChecksum(s, m)
	if !s.Literal(`},"book-`) {
		return false
	}
	if _, ok := s.Until(); !ok || !s.Literal(`,`) {
		return false
	}
	pair := s.Text()
	if !s.Literal(`]`) || !s.Done() {
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

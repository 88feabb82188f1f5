package okx

import (
	"tidegate/codec/crypto/depth"
	"tidegate/codec/crypto/wire"
	"tidegate/market"
)

// deltaShape reads a delta in the shape in which OKX writes it, which saves the search for keys. It returns
// false for everything else, and Decode then reads by key.
func (d *Decoder) deltaShape(s *wire.Scanner, m *depth.Message) bool {
	if !s.Literal(`{"arg":{"channel":"books","instId":"`) {
		return false
	}
	symbol, ok := s.Until()
	if !ok || !s.Literal(`},"action":"update","data":[{"asks":`) {
		return false
	}
	m.ReadLevels(market.Ask)
	if !s.Literal(`,"bids":`) {
		return false
	}
	m.ReadLevels(market.Bid)
	if !s.Literal(`,"ts":`) {
		return false
	}
	m.TsEvent = s.Millis()
	for {
		switch {
		case s.Literal(`,"checksum":`):
			readChecksum(s, m)
		case s.Literal(`,"seqId":`):
			m.Last, m.Numbered = s.Int(), true
		case s.Literal(`,"prevSeqId":`):
			m.Prev = s.Int()
		default:
			if !s.Literal(`}]}`) || !s.Done() {
				return false
			}
			m.Kind, m.Instrument = depth.Delta, d.directory.Find(symbol)
			return true
		}
	}
}

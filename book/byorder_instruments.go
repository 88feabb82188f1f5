package book

import (
	"math/bits"

	"tidegate/market"
)

// instrumentsMax bounds ByOrderConfig.InstrumentsMax.
const instrumentsMax = 1 << 20

// An instrumentTable finds the book index of an instrument. Small ids, as venues with a locate code
// have them, index an array; the others are in an open-addressing table, which never shrinks
// because instruments never go.
type instrumentTable struct {
	small [1 << 16]uint32
	large []largeInstrument // a power of two, at most half full; nil before the first
	max   int
}

type largeInstrument struct {
	id    market.InstrumentID
	index uint32 // 0 is empty
}

func (t *instrumentTable) init(max int) { t.max = max }

func (t *instrumentTable) find(id market.InstrumentID) uint32 {
	if id < market.InstrumentID(len(t.small)) {
		return t.small[id]
	}
	if t.large == nil {
		return 0
	}
	return t.large[t.slot(id)].index
}

// slot returns the place of a large id, or the empty one where it would go.
func (t *instrumentTable) slot(id market.InstrumentID) int {
	mask := uint32(len(t.large) - 1)
	i := uint32(id) * 0x9E3779B1 >> 7 & mask
	for t.large[i].index != 0 && t.large[i].id != id {
		i = (i + 1) & mask
	}
	return int(i)
}

func (t *instrumentTable) set(id market.InstrumentID, index uint32) {
	if id < market.InstrumentID(len(t.small)) {
		t.small[id] = index
		return
	}
	if t.large == nil {
		t.large = make([]largeInstrument, 2<<bits.Len(uint(t.max)))
	}
	t.large[t.slot(id)] = largeInstrument{id, index}
}

package derive

import "tidegate/market"

// directMax bounds the instrument ids that are looked up by index; the few venues with larger,
// sparse ids are looked up by hash.
const directMax = 1 << 16

// instruments keeps one T for each instrument, by id.
type instruments[T any] struct {
	direct []uint32 // id -> slot+1
	sparse map[market.InstrumentID]uint32
	slots  []T
	fresh  T // what an instrument starts with
}

func newInstruments[T any](fresh T) instruments[T] {
	return instruments[T]{sparse: make(map[market.InstrumentID]uint32), fresh: fresh}
}

// at returns the slot of an instrument. It is valid until the next call for a new instrument.
func (t *instruments[T]) at(id market.InstrumentID) *T {
	if int(id) < len(t.direct) && t.direct[id] != 0 {
		return &t.slots[t.direct[id]-1]
	}
	return &t.slots[t.index(id)]
}

// index returns the slot number of an instrument, which stays the same.
func (t *instruments[T]) index(id market.InstrumentID) uint32 {
	if id < directMax {
		for len(t.direct) <= int(id) {
			t.direct = append(t.direct, 0)
		}
		if t.direct[id] == 0 {
			t.slots = append(t.slots, t.fresh)
			t.direct[id] = uint32(len(t.slots))
		}
		return t.direct[id] - 1
	}
	slot, ok := t.sparse[id]
	if !ok {
		slot = uint32(len(t.slots))
		t.slots = append(t.slots, t.fresh)
		t.sparse[id] = slot
	}
	return slot
}

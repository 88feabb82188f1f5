package derive

import "tidegate/market"

// instrumentsMax bounds the instruments that a deriver keeps state of: as many as a channel has
// books by default. What belongs to further ones is refused and counted.
const instrumentsMax = 1 << 16

// directMax bounds the instrument ids that are looked up by index; the larger, sparse ids of some
// venues are looked up by hash.
const directMax = 1 << 16

// instruments keeps one T for each instrument, by id.
type instruments[T any] struct {
	direct  []uint32 // id -> slot+1
	sparse  map[market.InstrumentID]uint32
	slots   []T
	fresh   T // what an instrument starts with
	refused uint64
}

func newInstruments[T any](fresh T) instruments[T] {
	return instruments[T]{sparse: make(map[market.InstrumentID]uint32), fresh: fresh}
}

// at returns what is kept of an instrument, or nil (and counts that) if there are too many. It is
// valid until the next call for a new instrument.
func (t *instruments[T]) at(id market.InstrumentID) *T {
	if id < market.InstrumentID(len(t.direct)) && t.direct[id] != 0 {
		return &t.slots[t.direct[id]-1]
	}
	if slot, ok := t.sparse[id]; ok {
		return &t.slots[slot]
	}
	return t.enter(id)
}

// enter makes the state of a new instrument.
func (t *instruments[T]) enter(id market.InstrumentID) *T {
	slot := len(t.slots)
	if slot == instrumentsMax {
		t.refused++
		return nil
	}
	t.slots = append(t.slots, t.fresh)
	if id < directMax {
		if short := int(id) + 1 - len(t.direct); short > 0 {
			t.direct = append(t.direct, make([]uint32, short)...)
		}
		t.direct[id] = uint32(slot) + 1
	} else {
		t.sparse[id] = uint32(slot)
	}
	return &t.slots[slot]
}

// Refused returns how many events gave no record because of the limit.
func (t *instruments[T]) Refused() uint64 { return t.refused }

package match

// An idTable finds orders by id. It is a table whose slots are half as long: what is kept of a key is 32
// bits of its hash, and the order says whether it is the one. Eight ids in a row have eight slots in a row,
// because ids that were given out one after the other come together: a new order meets the cache
// line of the one before.
type idTable struct {
	slots []idSlot
	mask  uint32
	seed  uint64
}

type idSlot struct {
	hash  uint32 // its lower bits are the slot's home
	index uint32 // 0 is an empty slot
}

func newIDTable(limit int, seed uint64) idTable {
	n := 8
	for n < 2*limit {
		n *= 2
	}
	return idTable{slots: largeSlice[idSlot](n), mask: uint32(n - 1), seed: seed}
}

const idRow = 8 // slots of a cache line

func (t *idTable) hash(id uint64) uint32 {
	const odd = 0x9E3779B97F4A7C15
	x := id/idRow ^ t.seed
	x = (x ^ x>>32) * odd
	x = (x ^ x>>29) * odd
	return uint32(x>>32)&^(idRow-1) | uint32(id%idRow)
}

// find returns the order with an id, 0 if there is none.
func (t *idTable) find(id uint64, orders *slab[order]) uint32 {
	h := t.hash(id)
	for i := h & t.mask; ; i = (i + 1) & t.mask {
		s := t.slots[i]
		if s.index == 0 || s.hash == h && orders.at(s.index).id == id {
			return s.index
		}
	}
}

// add adds an order whose id is not there.
func (t *idTable) add(id uint64, index uint32) {
	h := t.hash(id)
	i := h & t.mask
	for t.slots[i].index != 0 {
		i = (i + 1) & t.mask
	}
	t.slots[i] = idSlot{h, index}
}

// remove removes an order that is there under an id.
func (t *idTable) remove(id uint64, index uint32) {
	hole := t.hash(id) & t.mask
	for t.slots[hole].index != index {
		hole = (hole + 1) & t.mask
	}
	for i := hole; ; {
		i = (i + 1) & t.mask
		s := t.slots[i]
		if s.index == 0 {
			break
		}
		// An entry may move to the hole if that is not before its own place.
		if (i-s.hash)&t.mask >= (i-hole)&t.mask {
			t.slots[hole] = s
			hole = i
		}
	}
	t.slots[hole] = idSlot{}
}

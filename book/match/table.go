package match

// A table finds an index by a key, by open addressing: collisions go to the next free slot, and
// removal shifts back, so there are no tombstones. It has twice the slots that its limit needs from
// the start on and never grows: no input pays for copying it.
type table struct {
	slots []slot
	mask  uint64
	seed  uint64
}

type slot struct {
	key   uint64
	index uint32 // 0 is an empty slot
}

func newTable(limit int, seed uint64) table {
	n := 4
	for n < 2*limit {
		n *= 2
	}
	return table{slots: largeSlice[slot](n), mask: uint64(n - 1), seed: seed}
}

// home returns the slot where the search for a key begins.
func (t *table) home(key uint64) uint64 {
	const odd = 0x9E3779B97F4A7C15
	x := key ^ t.seed
	x = (x ^ x>>32) * odd
	x = (x ^ x>>29) * odd
	return (x ^ x>>32) & t.mask
}

// find returns the index of a key, 0 if the key is not there.
func (t *table) find(key uint64) uint32 {
	for i := t.home(key); ; i = (i + 1) & t.mask {
		if s := &t.slots[i]; s.index == 0 || s.key == key {
			return s.index
		}
	}
}

// add adds a key that is not there.
func (t *table) add(key uint64, index uint32) {
	i := t.home(key)
	for t.slots[i].index != 0 {
		i = (i + 1) & t.mask
	}
	t.slots[i] = slot{key, index}
}

// remove removes a key that is there.
func (t *table) remove(key uint64) {
	hole := t.home(key)
	for t.slots[hole].key != key || t.slots[hole].index == 0 {
		hole = (hole + 1) & t.mask
	}
	for i := hole; ; {
		i = (i + 1) & t.mask
		s := t.slots[i]
		if s.index == 0 {
			break
		}
		// An entry may move to the hole if that is not before its own place.
		if (i-t.home(s.key))&t.mask >= (i-hole)&t.mask {
			t.slots[hole] = s
			hole = i
		}
	}
	t.slots[hole] = slot{}
}

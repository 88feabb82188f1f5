package orders

// A table finds a number by a key, by open addressing: collisions go to the next free slot, and removal
// shifts back, so there are no tombstones. It is made for how much it is expected to hold, and doubles
// when that was too little.
type table struct {
	slots []slot
	mask  uint64
	used  int
}

type slot struct {
	key   uint64
	value uint32 // 0 is an empty slot
}

func newTable(expected int) table {
	n := 8
	for n < 2*expected {
		n *= 2
	}
	return table{slots: make([]slot, n), mask: uint64(n - 1)}
}

// mix spreads the bits of a key.
func mix(x uint64) uint64 {
	const odd = 0x9E3779B97F4A7C15
	x = (x ^ x>>32) * odd
	x = (x ^ x>>29) * odd
	return x ^ x>>32
}

// find returns the number of a key, 0 if the key is not there.
func (t *table) find(key uint64) uint32 {
	for i := mix(key) & t.mask; ; i = (i + 1) & t.mask {
		if s := &t.slots[i]; s.value == 0 || s.key == key {
			return s.value
		}
	}
}

// add adds a key that is not there.
func (t *table) add(key uint64, value uint32) {
	if t.used++; 2*t.used > len(t.slots) {
		old := t.slots
		t.slots, t.mask = make([]slot, 2*len(old)), uint64(2*len(old)-1)
		for _, s := range old {
			if s.value != 0 {
				t.put(s.key, s.value)
			}
		}
	}
	t.put(key, value)
}

func (t *table) put(key uint64, value uint32) {
	i := mix(key) & t.mask
	for t.slots[i].value != 0 {
		i = (i + 1) & t.mask
	}
	t.slots[i] = slot{key, value}
}

// remove removes a key that is there.
func (t *table) remove(key uint64) {
	hole := mix(key) & t.mask
	for t.slots[hole].key != key || t.slots[hole].value == 0 {
		hole = (hole + 1) & t.mask
	}
	for i := hole; ; {
		i = (i + 1) & t.mask
		s := t.slots[i]
		if s.value == 0 {
			break
		}
		// An entry may move to the hole if that is not before its own place.
		if (i-mix(s.key))&t.mask >= (i-hole)&t.mask {
			t.slots[hole] = s
			hole = i
		}
	}
	t.slots[hole] = slot{}
	t.used--
}

// A slab hands out records by number; 0 is none. Records never move. Memory is taken in pieces when more
// records live than ever before.
type slab[T any] struct {
	pieces [][]T
	next   uint32
	free   []uint32
}

const pieceBits = 12

func (s *slab[T]) at(i uint32) *T { return &s.pieces[i>>pieceBits][i&(1<<pieceBits-1)] }

// take returns the number of a zeroed record.
func (s *slab[T]) take() uint32 {
	if n := len(s.free); n > 0 {
		i := s.free[n-1]
		s.free = s.free[:n-1]
		return i
	}
	if s.next == 0 {
		s.next = 1
	}
	if int(s.next>>pieceBits) == len(s.pieces) {
		s.pieces = append(s.pieces, make([]T, 1<<pieceBits))
	}
	s.next++
	return s.next - 1
}

func (s *slab[T]) give(i uint32) {
	var zero T
	*s.at(i) = zero
	s.free = append(s.free, i)
}

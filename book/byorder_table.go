package book

import "unsafe"

// An orderTable finds an order's slab index by the order's id, whatever the ids are like. It is an
// extendible hash table:
//
//	hash (32 bits)  [ directory .............. | slot in segment (13) ]
//	                                                     [ id & 7 (3) ]
//
// The top bits choose, by the directory, a segment of 8,192 slots; a slot is 8 bytes, the hash above
// the slab index. Collisions go to the next free slot of the segment; removal shifts back, so there
// are no tombstones. A segment that is half full is split in two by one more bit of the hash.
// Growing so costs one segment at a time (BenchmarkSplit) and never copies the table.
//
// Eight ids in a row share one cache line.
type orderTable struct {
	dir     []*segment
	shift   uint // 32 minus the number of directory bits
	orders  *orderSlab
	scratch *segment // for split
}

const (
	segmentBits = 13
	segmentLen  = 1 << segmentBits
	segmentMask = segmentLen - 1
	segmentFull = segmentLen / 2
	runBits     = 3 // 1<<runBits ids in a row share a cache line

	// directoryBitsMax ends splitting: no real stream of ids comes near.
	directoryBitsMax = 32 - segmentBits
)

type segment struct {
	slots [segmentLen]uint64 // hash<<32 | slab index; 0 is empty
	used  uint32
	depth uint32     // hash bits that all entries share
	_     [14]uint32 // whole cache lines
}

var _ = [1]struct{}{}[unsafe.Sizeof(segment{})%64]

// hashID returns the hash of an order id. The low bits keep runs of ids together; the others are
// the top of a product with an odd constant, so that ids in steps spread as well.
func hashID(id uint64) uint32 {
	const odd = 0x9E3779B97F4A7C15
	x := id >> runBits
	x ^= x >> 32
	return uint32(x*odd>>32)<<runBits | uint32(id)&(1<<runBits-1)
}

func (x *orderTable) segment(hash uint32) *segment { return x.dir[hash>>x.shift] }

// find returns the slab index of an order, 0 if there is none with this id.
func (x *orderTable) find(id uint64) uint32 {
	hash := hashID(id)
	_, i := x.search(x.segment(hash), id, hash)
	return i
}

// search returns the slot and the slab index of an id in its segment. If the id is not there, the index
// is 0 and the slot is where it would go.
func (x *orderTable) search(s *segment, id uint64, hash uint32) (slot, index uint32) {
	for slot = hash; ; slot++ {
		e := s.slots[slot&segmentMask]
		if e == 0 || uint32(e>>32) == hash && x.orders.at(uint32(e)).id == id {
			return slot, uint32(e)
		}
	}
}

// slotOf returns the slot where the search for a hash begins.
func (x *orderTable) slotOf(hash uint32) *uint64 { return &x.segment(hash).slots[hash&segmentMask] }

// guess returns the slab index of an order whose id has a hash, 0 if there is none close to where
// the search begins.
func (x *orderTable) guess(hash uint32) uint32 {
	slots := &x.segment(hash).slots
	index := uint32(0)
	for i := range uint32(4) { // no early exit: where it is found is hard to predict
		if e := slots[(hash+i)&segmentMask]; uint32(e>>32) == hash {
			index = uint32(e)
		}
	}
	return index
}

// set enters an order whose id is not there. It reports false if there is no room.
func (x *orderTable) set(id uint64, i uint32) bool {
	hash := hashID(id)
	s := x.makeRoom(hash)
	if s == nil {
		return false
	}
	slot, _ := x.search(s, id, hash)
	s.set(slot, hash, i)
	return true
}

// remove takes out an id that is there.
func (x *orderTable) remove(id uint64) {
	hash := hashID(id)
	s := x.segment(hash)
	slot, _ := x.search(s, id, hash)
	s.remove(slot)
}

// set fills a slot that search returned as the place of a missing id.
func (s *segment) set(slot, hash, index uint32) {
	s.slots[slot&segmentMask] = uint64(hash)<<32 | uint64(index)
	s.used++
}

// remove empties a slot and moves entries behind it back towards their places.
func (s *segment) remove(slot uint32) {
	hole := slot & segmentMask
	for i := hole; ; {
		i = (i + 1) & segmentMask
		e := s.slots[i]
		if e == 0 {
			break
		}
		// An entry may move to the hole if that is not before its own place.
		home := uint32(e >> 32)
		if (i-home)&segmentMask >= (i-hole)&segmentMask {
			s.slots[hole] = e
			hole = i
		}
	}
	s.slots[hole] = 0
	s.used--
}

// makeRoom returns the segment of a hash, split until it has room; nil if that is not possible.
func (x *orderTable) makeRoom(hash uint32) *segment {
	for {
		s := x.segment(hash)
		if s.used < segmentFull {
			return s
		}
		if s.depth == directoryBitsMax {
			return nil
		}
		x.split(s, hash)
	}
}

func (x *orderTable) split(s *segment, hash uint32) {
	if uint(s.depth) == 32-x.shift {
		x.doubleDirectory()
	}
	s.depth++
	t := &segment{depth: s.depth}

	// The directory entries of s are in a row; t gets the upper half.
	span := 1 << (32 - x.shift - uint(s.depth))
	first := int(hash>>x.shift) &^ (2*span - 1)
	for i := first + span; i < first+2*span; i++ {
		x.dir[i] = t
	}

	// Start behind an empty slot, so that no chain of collisions is cut.
	if x.scratch == nil {
		x.scratch = new(segment)
	}
	old := x.scratch
	old.slots = s.slots
	clear(s.slots[:])
	s.used = 0
	start := uint32(0)
	for old.slots[start] != 0 {
		start++
	}
	for i := range uint32(segmentLen) {
		e := old.slots[(start+i)&segmentMask]
		if e == 0 {
			continue
		}
		to := s
		if uint32(e>>32)>>(32-s.depth)&1 != 0 {
			to = t
		}
		to.place(e)
	}
}

func (s *segment) place(e uint64) {
	slot := uint32(e>>32) & segmentMask
	for s.slots[slot] != 0 {
		slot = (slot + 1) & segmentMask
	}
	s.slots[slot] = e
	s.used++
}

func (x *orderTable) doubleDirectory() {
	dir := make([]*segment, 2*len(x.dir))
	for i, s := range x.dir {
		dir[2*i], dir[2*i+1] = s, s
	}
	x.dir = dir
	x.shift--
}

// init makes an empty table with room for n orders.
func (x *orderTable) init(orders *orderSlab, n uint32) {
	x.orders = orders
	depth := uint32(0)
	for n>>depth > segmentLen/3 {
		depth++
	}
	segments := largeSlice[segment](1 << depth)
	x.dir = make([]*segment, len(segments))
	for i := range segments {
		segments[i].depth = depth
		x.dir[i] = &segments[i]
	}
	x.shift = uint(32 - depth)
}

// reset empties the table and keeps its memory.
func (x *orderTable) reset() {
	for i, s := range x.dir {
		if i > 0 && s == x.dir[i-1] {
			continue // entries of one segment are in a row
		}
		clear(s.slots[:])
		s.used = 0
	}
}

package book

import "unsafe"

// An order is one live order, linked by slab index into the queue of its level. It has no pointer,
// so the collector never looks at it.
type order struct {
	id         uint64
	price      int64
	size       uint32
	side       uint32 // index into sides
	prev, next uint32 // neighbours in the queue; 0 is none. next also links the free list
}

// Two orders share a cache line, and none straddles two.
var _ = [1]struct{}{}[unsafe.Sizeof(order{})-32]

const (
	// ordersMax is how many orders a slab holds; index 0 means none.
	ordersMax = 1<<24 - 1
	// windowsMax is how many levels windows may have together. There is always room for the far
	// levels, of which there are no more than orders.
	windowsMax = 1 << 25
)

// An orderSlab hands out order records by index.
type orderSlab struct {
	reserve[order]
	free uint32 // head of the free list, 0 is none
	live uint32
	max  uint32
}

// at returns the record with index i. Record 0 is no order; it takes what is written to neighbours
// that do not exist.
func (s *orderSlab) at(i uint32) *order { return &s.records[i] }

// take returns a record with undefined contents. i is 0 when the slab is full.
func (s *orderSlab) take() (i uint32) {
	if i = s.free; i != 0 {
		s.free = s.records[i].next
	} else if s.live >= s.max {
		return 0
	} else {
		i = s.extend(1)
	}
	s.live++
	return i
}

// give takes record i back.
func (s *orderSlab) give(i uint32) {
	s.records[i].next = s.free
	s.free = i
	s.live--
}

func (s *orderSlab) reset() { s.free, s.used, s.live = 0, 1, 0 }

// A levelSlab holds the slots of windows and the far levels. Windows are never given back.
type levelSlab struct {
	reserve[level]
	free    uint32 // head of the free list of far levels, 0 is none
	windows uint32 // levels in windows
}

func (s *levelSlab) at(i uint32) *level { return &s.records[i] }

// take returns the index of a level with undefined contents.
func (s *levelSlab) take() (i uint32) {
	if i = s.free; i != 0 {
		s.free = s.records[i].head
		return i
	}
	return s.extend(1)
}

func (s *levelSlab) give(i uint32) {
	s.records[i].head = s.free
	s.free = i
}

// takeWindow returns the index of the first of n empty levels in a row, 0 if there is no room. n is
// even: windows begin with a cache line.
func (s *levelSlab) takeWindow(n uint32) uint32 {
	if s.windows+n > windowsMax {
		return 0
	}
	if s.used%2 != 0 {
		s.give(s.extend(1))
	}
	s.windows += n
	first := s.extend(n)
	clear(s.records[first : first+n])
	return first
}

func (s *levelSlab) reset() { s.free, s.used, s.windows = 0, 1, 0 }

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
	chunkBits = 16
	chunkLen  = 1 << chunkBits // records of one chunk: 2 MiB

	orderChunksMax = 256
	levelChunksMax = 1024

	// ordersMax is how many orders a slab holds; index 0 means none.
	ordersMax = orderChunksMax*chunkLen - 1
	// windowsMax is how many levels windows may have together, so that there is always room for the
	// far levels, of which there are no more than orders.
	windowsMax = (levelChunksMax - orderChunksMax - 1) * chunkLen
)

// An orderSlab hands out order records by index. It grows by whole chunks and never moves a record.
type orderSlab struct {
	chunks [orderChunksMax]*[chunkLen]order
	free   uint32 // head of the free list, 0 is none
	used   uint32 // records handed out at least once, and record 0
	live   uint32
	max    uint32
}

// at returns the record with index i.
func (s *orderSlab) at(i uint32) *order { return &s.chunks[uint8(i>>chunkBits)][uint16(i)] }

// take returns a record with undefined contents. i is 0 when the slab is full.
func (s *orderSlab) take() (i uint32, o *order) {
	if i = s.free; i != 0 {
		o = s.at(i)
		s.free = o.next
		s.live++
		return i, o
	}
	if s.live >= s.max {
		return 0, nil
	}
	i = s.used
	s.reserve(i + 1)
	s.used++
	s.live++
	return i, s.at(i)
}

// give takes record i back.
func (s *orderSlab) give(i uint32, o *order) {
	o.next = s.free
	s.free = i
	s.live--
}

// reserve makes sure of memory for the first n records.
func (s *orderSlab) reserve(n uint32) { reserveChunks(s.chunks[:], n) }

func (s *orderSlab) reset() { s.free, s.used, s.live = 0, 1, 0 }

// A levelSlab holds the slots of windows and the far levels. Windows are never given back.
type levelSlab struct {
	chunks  [levelChunksMax]*[chunkLen]level
	free    uint32 // head of the free list of far levels, 0 is none
	used    uint32
	windows uint32 // levels in windows
}

func (s *levelSlab) at(i uint32) *level {
	return &s.chunks[i>>chunkBits%levelChunksMax][uint16(i)]
}

// take returns the index of a level with undefined contents.
func (s *levelSlab) take() uint32 {
	if i := s.free; i != 0 {
		s.free = s.at(i).head
		return i
	}
	i := s.used
	s.reserve(i + 1)
	s.used++
	return i
}

func (s *levelSlab) give(i uint32) {
	s.at(i).head = s.free
	s.free = i
}

// takeWindow returns the index of the first of n empty levels in a row, 0 if there is no room. n is a
// power of two.
func (s *levelSlab) takeWindow(n uint32) uint32 {
	if s.windows+n > windowsMax {
		return 0
	}
	first := (s.used + n - 1) &^ (n - 1) // in one chunk, and on cache lines of its own
	for i := s.used; i < first; i++ {
		s.reserve(i + 1)
		s.give(i)
	}
	s.reserve(first + n)
	s.used = first + n
	s.windows += n
	for i := first; i < first+n; i++ {
		*s.at(i) = level{}
	}
	return first
}

func (s *levelSlab) reserve(n uint32) { reserveChunks(s.chunks[:], n) }

func (s *levelSlab) reset() { s.free, s.used, s.windows = 0, 1, 0 }

// reserveChunks makes the first n records of a slab usable. Missing chunks are cut from one
// allocation, so that a large reservation can have large pages.
func reserveChunks[T any](chunks []*[chunkLen]T, n uint32) {
	want := int((uint64(n) + chunkLen - 1) >> chunkBits)
	if chunks[want-1] != nil {
		return
	}
	have := want - 1
	for have > 0 && chunks[have-1] == nil {
		have--
	}
	block := largeSlice[T]((want - have) * chunkLen)
	for i := have; i < want; i++ {
		chunks[i] = (*[chunkLen]T)(block)
		block = block[chunkLen:]
	}
}

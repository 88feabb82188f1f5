package book

import "unsafe"

// An order is one live order, linked by slab index into the queue of its level. It has no pointer,
// so the collector never looks at it.
type order struct {
	id         uint64
	size       uint64
	level      uint32 // index into levels
	prev, next uint32 // neighbours in the queue; 0 is none. next also links the free list
	_          uint32
}

// A level is one price of one side with its orders in time priority.
type level struct {
	price      int64
	size       uint64 // sum over its orders
	head, tail uint32 // first and last order of the queue. head also links the free list
	orders     uint32
	owner      uint32 // index into books, times two, plus the side's index
}

// Two of each share a cache line, and none straddles one.
var (
	_ = [1]struct{}{}[unsafe.Sizeof(order{})-32]
	_ = [1]struct{}{}[unsafe.Sizeof(level{})-32]
)

const (
	chunkBits = 16
	chunkLen  = 1 << chunkBits // records of one slab chunk: 2 MiB
	chunksMax = 256

	// slabMax is how many records a slab holds; index 0 means none.
	slabMax = chunksMax*chunkLen - 1
)

// An orderSlab hands out order records by index. It grows by whole chunks and never moves a record.
type orderSlab struct {
	chunks [chunksMax]*[chunkLen]order
	free   uint32 // head of the free list, 0 is none
	used   uint32 // records handed out at least once, and record 0
	live   uint32
	max    uint32
}

// at returns the record with index i, which must have been handed out.
func (s *orderSlab) at(i uint32) *order { return &s.chunks[uint8(i>>chunkBits)][uint16(i)] }

// take returns a record with undefined contents. i is 0 when the slab is full.
func (s *orderSlab) take() (i uint32, o *order) {
	if i = s.free; i != 0 {
		o = s.at(i)
		s.free = o.next
	} else {
		if s.live >= s.max {
			return 0, nil
		}
		i = s.used
		if s.chunks[uint8(i>>chunkBits)] == nil {
			s.reserve(i + 1)
		}
		s.used++
		o = s.at(i)
	}
	s.live++
	return i, o
}

// give takes record i back.
func (s *orderSlab) give(i uint32, o *order) {
	o.id = 0
	o.next = s.free
	s.free = i
	s.live--
}

// reserve takes memory for n records at once.
func (s *orderSlab) reserve(n uint32) {
	reserveChunks(&s.chunks, n)
}

func (s *orderSlab) reset() { s.free, s.used, s.live = 0, 1, 0 }

// A levelSlab is to levels what orderSlab is to orders. It is never full: every level has an
// order.
type levelSlab struct {
	chunks [chunksMax]*[chunkLen]level
	free   uint32
	used   uint32
}

func (s *levelSlab) at(i uint32) *level { return &s.chunks[uint8(i>>chunkBits)][uint16(i)] }

func (s *levelSlab) take() (i uint32, l *level) {
	if i = s.free; i != 0 {
		l = s.at(i)
		s.free = l.head
		return i, l
	}
	i = s.used
	if s.chunks[uint8(i>>chunkBits)] == nil {
		s.reserve(i + 1)
	}
	s.used++
	return i, s.at(i)
}

func (s *levelSlab) give(i uint32, l *level) {
	l.head = s.free
	s.free = i
}

func (s *levelSlab) reserve(n uint32) {
	reserveChunks(&s.chunks, n)
}

func (s *levelSlab) reset() { s.free, s.used = 0, 1 }

// reserveChunks makes the first n records of a slab usable. Missing chunks are cut from one
// allocation, so that a large reservation can have large pages.
func reserveChunks[T any](chunks *[chunksMax]*[chunkLen]T, n uint32) {
	have := 0
	for have < chunksMax && chunks[have] != nil {
		have++
	}
	want := min(int((uint64(n)+chunkLen-1)>>chunkBits), chunksMax)
	if want <= have {
		return
	}
	block := largeSlice[T]((want - have) * chunkLen)
	for i := have; i < want; i++ {
		chunks[i] = (*[chunkLen]T)(block)
		block = block[chunkLen:]
	}
}

package book

import (
	"math/bits"
	"unsafe"

	"tidegate/market"
)

// A side is the levels of one side of a book. "Rank" is the price for bids and its complement for
// asks, so that the larger rank is the better one on both sides; "tick rank" is the same for tick
// numbers.
//
// Most levels are in the window: a directly indexed array of level indexes for the tick ranks
// [base, base+span), used as a ring, with a bit map to find the next one. All others are in far, an
// array sorted by rank with the best one last: levels off the grid or outside the window. Where a
// level is kept never shows; when too many land in far, the window is moved or doubled.
type side struct {
	bestRank int64  // rank of the best level; meaningless when best is 0
	base     uint64 // tick rank of the window's worst end, a multiple of 32
	words    uint64 // a bit for each word of the bit map that is not zero
	best     uint32 // index of the best level, 0 is none
	window   uint32 // block of the window: span level indexes, then span/32 words of the bit map
	far      uint32 // block of the far levels
	farLen   uint32
	misses   uint32 // levels on the grid that came to far since the window was placed
	span     uint16 // ticks of the window, a power of two; 0 while there is none
	farBits  uint8  // far has room for 1<<farBits levels; 0 while there is none
	_        uint8
}

// A book is the header of one instrument's book: two cache lines.
type book struct {
	side [2]side // by market.Side.Index
	grid
	id market.InstrumentID
	_  uint32
}

var _ = [1]struct{}{}[unsafe.Sizeof(book{})-128]

const (
	windowMin = 128
	windowMax = 2048 // as many as 64 words of 32 bits map
	farMin    = 3    // farBits of the first block

	// missesMax is how many levels may land in far before the window is placed anew; far's length
	// over missesShare is added, so that the work per level stays bounded.
	missesMax   = 16
	missesShare = 4
)

// A farLevel is a level that is not in the window.
type farLevel struct {
	rank  int64
	level uint32
	_     uint32
}

// mirror is 0 for bids and all ones for asks: it turns prices into ranks and back.
func mirror(sideIndex uint32) int64 { return -int64(sideIndex) }

// levelAt returns the level with a price, and makes it if there is none. The index is never 0.
func (b *ByOrder) levelAt(bookIndex, sideIndex uint32, price int64) (uint32, *level) {
	bk := &b.books[bookIndex]
	s := &bk.side[sideIndex&1]
	rank := price ^ mirror(sideIndex)
	if s.best != 0 && rank == s.bestRank {
		return s.best, b.levels.at(s.best)
	}
	tick := bk.number(price) ^ uint64(mirror(sideIndex))
	if tick-s.base < uint64(s.span) {
		if i := *b.windows.at(s.window + uint32(tick)&uint32(s.span-1)); i != 0 {
			return i, b.levels.at(i)
		}
	} else if i, ok := b.searchFar(s, rank); ok {
		index := b.farLevels(s)[i].level
		return index, b.levels.at(index)
	}
	return b.newLevel(bk, s, bookIndex<<1|sideIndex, price)
}

func (b *ByOrder) newLevel(bk *book, s *side, owner uint32, price int64) (uint32, *level) {
	index, l := b.levels.take()
	*l = level{price: price, owner: owner}
	f := mirror(owner & 1)
	rank := price ^ f
	tick := bk.number(price) ^ uint64(f)
	empty := s.best == 0
	if empty || rank > s.bestRank {
		s.best, s.bestRank = index, rank
	}
	if tick-s.base >= uint64(s.span) {
		if !empty || !b.placeEmpty(bk, s, f) || tick-s.base >= uint64(s.span) {
			b.newFar(bk, s, f, rank, index)
			return index, l
		}
	}
	b.setWindow(s, tick, index)
	return index, l
}

// dropLevel removes a level that has no orders.
func (b *ByOrder) dropLevel(index uint32, l *level) {
	bk := &b.books[l.owner>>1]
	s := &bk.side[l.owner&1]
	f := mirror(l.owner & 1)
	tick := bk.number(l.price) ^ uint64(f)
	if tick-s.base < uint64(s.span) {
		b.clearWindow(s, tick)
	} else if i, ok := b.searchFar(s, l.price^f); ok {
		far := b.farLevels(s)
		copy(far[i:], far[i+1:])
		s.farLen--
	}
	b.levels.give(index, l)
	if index == s.best {
		b.findBest(bk, s, f)
	}
}

// findBest sets the best level of a side whose best level went.
func (b *ByOrder) findBest(bk *book, s *side, f int64) {
	s.best = 0
	if tick, ok := b.below(s, s.base+uint64(s.span)); ok {
		s.best = *b.windows.at(s.window + uint32(tick)&uint32(s.span-1))
		s.bestRank = bk.price(tick^uint64(f)) ^ f
	}
	if s.farLen != 0 {
		top := b.farLevels(s)[s.farLen-1]
		if s.best == 0 || top.rank > s.bestRank {
			s.best, s.bestRank = top.level, top.rank
		}
	}
}

func (b *ByOrder) setWindow(s *side, tick uint64, index uint32) {
	slot := uint32(tick) & uint32(s.span-1)
	block := b.windows.block(s.window, uint32(s.span)+uint32(s.span)/32)
	block[slot] = index
	block[uint32(s.span)+slot/32] |= 1 << (slot % 32)
	s.words |= 1 << (slot / 32)
}

func (b *ByOrder) clearWindow(s *side, tick uint64) {
	slot := uint32(tick) & uint32(s.span-1)
	block := b.windows.block(s.window, uint32(s.span)+uint32(s.span)/32)
	block[slot] = 0
	word := &block[uint32(s.span)+slot/32]
	*word &^= 1 << (slot % 32)
	if *word == 0 {
		s.words &^= 1 << (slot / 32)
	}
}

// below returns the best tick rank below limit that has a level in the window. limit is in
// [base, base+span].
func (b *ByOrder) below(s *side, limit uint64) (tick uint64, ok bool) {
	if s.words == 0 || limit == s.base {
		return 0, false
	}
	span := uint32(s.span)
	bitMap := b.windows.block(s.window+span, span/32)
	last := limit - 1
	if w := bitMap[uint32(last)&(span-1)/32] & (2<<(last%32) - 1); w != 0 {
		return last&^31 + uint64(bits.Len32(w)) - 1, true
	}
	// Turn the words' bits so that bit k stands for ticks base+32*k and up.
	n := span / 32
	turn := uint32(s.base/32) & (n - 1)
	words := (s.words>>turn | s.words<<(n-turn)) & (1<<((last-s.base)/32) - 1)
	if words == 0 {
		return 0, false
	}
	k := uint64(bits.Len64(words)) - 1
	first := s.base + 32*k
	return first + uint64(bits.Len32(bitMap[uint32(first)&(span-1)/32])) - 1, true
}

// eachLevel calls yield for the levels of a side from the best one until it returns false.
func (b *ByOrder) eachLevel(bk *book, sideIndex uint32, yield func(index uint32, l *level) bool) {
	s := &bk.side[sideIndex]
	f := mirror(sideIndex)
	far := b.farLevels(s)
	tick, ok := b.below(s, s.base+uint64(s.span))
	for ok || len(far) > 0 {
		var index uint32
		if !ok || len(far) > 0 && far[len(far)-1].rank > bk.price(tick^uint64(f))^f {
			index = far[len(far)-1].level
			far = far[:len(far)-1]
		} else {
			index = *b.windows.at(s.window + uint32(tick)&uint32(s.span-1))
			tick, ok = b.below(s, tick)
		}
		if !yield(index, b.levels.at(index)) {
			return
		}
	}
}

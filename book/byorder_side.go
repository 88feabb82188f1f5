package book

import (
	"math/bits"
	"unsafe"

	"tidegate/market"
)

// A level is one price of one side with its orders in time priority.
type level struct {
	price      int64
	size       uint64 // sum over its orders
	head, tail uint32 // first and last order of the queue; head also links the free list
	orders     uint32 // 0 in a slot of a window that holds no level
	_          uint32
}

// A side is the levels of one side of a book. "Rank" is the price for bids and its complement for
// asks, so that the larger rank is the better one on both sides; "tick rank" is the same for tick
// numbers.
//
// Most levels are in the window: an array of levels for the tick ranks [base, base+span), used as
// a ring, so that a price is an address. All others are in far, an array sorted by rank with the
// best one last: levels off the grid or outside the window. Where a level is kept never shows; when
// too many land in far, the window is moved or doubled.
//
// # Tick numbers
//
// number turns a price into a tick number without dividing. With tick = odd << rot, the product
// price * odd^-1 mod 2^64, rotated right by rot, is the exact quotient where price is a multiple of
// tick. The whole mapping is one to one, so other prices get numbers above every such quotient,
// where no window is: "on the grid and in the window" is one comparison. So that negative prices
// have their place too, 2^(lift-rot) ticks are added, which is 1<<lift before the rotation.
type side struct {
	bestRank   int64     // rank of the best level; meaningless when best is 0
	base       uint64    // tick rank of the window's worst end, a multiple of baseStep
	occupied   [2]uint64 // a bit for each of 128 groups of slots: one of them holds a level
	inverse    uint64    // of the odd part of the tick size, modulo 2^64
	best       uint32    // level index of the best level, 0 is none
	window     uint32    // level index of the window's slot 0
	far        uint32    // block of the far levels
	farLen     uint32
	misses     uint16 // levels that came to far since the window was placed
	span       uint16 // ticks of the window, a power of two; 0 while there is none
	groupShift uint8  // a group has 1<<groupShift slots
	farBits    uint8  // far has room for 1<<farBits levels; 0 while there is none
	rot, lift  uint8
}

// A side is one cache line, and a level never straddles two.
var (
	_ = [1]struct{}{}[unsafe.Sizeof(side{})-64]
	_ = [1]struct{}{}[unsafe.Sizeof(level{})-32]
)

const (
	groups   = 128
	spanMin  = groups
	spanMax  = 16 * groups
	baseStep = spanMax / groups // the largest group, so that groups never wrap around

	farBitsMin = 3
)

// A farLevel is a level that is not in the window.
type farLevel struct {
	rank  int64
	level uint32
	_     uint32
}

// mirror is 0 for bids and all ones for asks: it turns prices into ranks and back, and tick numbers
// into tick ranks and back.
func mirror(sideIndex uint32) int64 { return -int64(sideIndex & 1) }

// number returns the tick number of a price.
func (s *side) number(price int64) uint64 {
	return bits.RotateLeft64(uint64(price)*s.inverse+1<<(s.lift&63), -int(s.rot))
}

// slot returns the level index of the window's slot for a price; ok is false if the price has none.
func (s *side) slot(price, m int64) (index uint32, ok bool) {
	tick := s.number(price) ^ uint64(m)
	return s.at(tick), tick-s.base < uint64(s.span)
}

// at returns the level index of the slot of a tick rank in the window.
func (s *side) at(tick uint64) uint32 { return s.window + uint32(tick)&uint32(s.span-1) }

// mark notes that the slot with a level index holds a level.
func (s *side) mark(index uint32) {
	group := (index - s.window) >> (s.groupShift & 31) % groups
	s.occupied[group/64] |= 1 << (group % 64)
}

// unmark notes that the slot with a level index became empty.
func (b *ByOrder) unmark(s *side, index uint32) {
	group := (index - s.window) >> (s.groupShift & 31) % groups
	if s.groupShift > 0 {
		first := s.window + group<<s.groupShift
		for i := range uint32(1) << s.groupShift {
			if b.levels.at(first+i).orders != 0 {
				return
			}
		}
	}
	s.occupied[group/64] &^= 1 << (group % 64)
}

// farIndex returns the index of the level with a price that has no slot in the window, 0 if there is
// none.
func (b *ByOrder) farIndex(s *side, price, m int64) uint32 {
	if price^m == s.bestRank {
		return s.best
	}
	if i, ok := b.searchFar(s, price^m); ok {
		return b.farLevels(s)[i].level
	}
	return 0
}

// dropFar removes a level that has no orders left and no slot in the window.
func (b *ByOrder) dropFar(s *side, index uint32, price, m int64) {
	if i, ok := b.searchFar(s, price^m); ok {
		far := b.farLevels(s)
		copy(far[i:], far[i+1:])
		s.farLen--
		b.levels.give(index)
	}
	if index == s.best {
		b.findBest(s, m)
	}
}

// findBest finds the best level of a side again.
func (b *ByOrder) findBest(s *side, m int64) {
	s.best = 0
	if tick, ok := b.below(s, s.base+uint64(s.span)); ok {
		s.best = s.at(tick)
	}
	if s.best != 0 {
		s.bestRank = b.levels.at(s.best).price ^ m
	}
	if s.farLen != 0 {
		top := b.farLevels(s)[s.farLen-1]
		if s.best == 0 || top.rank > s.bestRank {
			s.best, s.bestRank = top.level, top.rank
		}
	}
}

// below returns the best tick rank below limit that has a level in the window. limit is in
// [base, base+span].
func (b *ByOrder) below(s *side, limit uint64) (tick uint64, ok bool) {
	if s.occupied == [2]uint64{} {
		return 0, false
	}
	// Turn the ring so that bit k stands for the group that begins at base + k<<groupShift.
	turn := uint(s.base) & uint(s.span-1) >> s.groupShift
	low, high := s.occupied[0], s.occupied[1]
	if turn >= 64 {
		low, high = high, low
		turn -= 64
	}
	low, high = low>>turn|high<<(64-turn), high>>turn|low<<(64-turn)

	// Groups that are at least partly below the limit.
	part := uint64(1)<<s.groupShift - 1
	k := uint((limit - s.base + part) >> s.groupShift)
	if k < 64 {
		high = 0
		low &= 1<<k - 1
	} else {
		high &= 1<<(k-64) - 1
	}
	for {
		var group uint
		switch {
		case high != 0:
			group = uint(bits.Len64(high)) - 1
			high &^= 1 << group
			group += 64
		case low != 0:
			group = uint(bits.Len64(low)) - 1
			low &^= 1 << group
		default:
			return 0, false
		}
		first := s.base + uint64(group)<<s.groupShift
		if s.groupShift == 0 {
			return first, true
		}
		for tick := min(first+part, limit-1); ; tick-- {
			if b.levels.at(s.at(tick)).orders != 0 {
				return tick, true
			}
			if tick == first {
				break // of this group, only levels from limit on
			}
		}
	}
}

// eachLevel calls yield for the levels of a side from the best one until it returns false.
func (b *ByOrder) eachLevel(sideIndex uint32, yield func(l *level) bool) {
	s := &b.sides[sideIndex]
	m := mirror(sideIndex)
	far := b.farLevels(s)
	tick, ok := b.below(s, s.base+uint64(s.span))
	for ok || len(far) > 0 {
		var l *level
		if ok {
			l = b.levels.at(s.at(tick))
		}
		if n := len(far); n > 0 && (!ok || far[n-1].rank > l.price^m) {
			l = b.levels.at(far[n-1].level)
			far = far[:n-1]
		} else {
			tick, ok = b.below(s, tick)
		}
		if !yield(l) {
			return
		}
	}
}

func (l *level) view() Level {
	return Level{Price: market.Price(l.price), Size: market.Size(l.size), Orders: l.orders}
}

package book

import (
	"math/bits"

	"tidegate/market"
)

const (
	// tickMax keeps windows away from the ends of the tick numbers.
	tickMax market.Price = 1 << 48
	// reach bounds the prices that a window can hold, on both sides of 0.
	reach = 1 << 60

	// missesMax is how many levels may land in far before the window is placed anew; far's length
	// over missesShare is added, so that the work per level stays bounded.
	missesMax   = 16
	missesShare = 4

	// A window is doubled if one slot in wideShare that it had then would hold a level from far.
	wideShare = 16
)

// setTick sets the tick size of a side that has no window.
func (s *side) setTick(tick int64) {
	rot := bits.TrailingZeros64(uint64(tick))
	odd := uint64(tick) >> rot
	inverse := odd // right in the low 3 bits; each step doubles their number
	for range 5 {
		inverse *= 2 - odd*inverse
	}
	s.inverse, s.rot = inverse, uint8(rot)
	// tick << (lift-rot) is between 2^61 and 2^62.
	s.lift = uint8(62 - bits.Len64(uint64(tick)) + rot)
}

// nearest returns the tick number of the multiple of tick at or below a price; ok is false for a
// price out of reach.
func (s *side) nearest(price, tick int64) (number uint64, ok bool) {
	if price < -reach || price > reach {
		return 0, false
	}
	return (uint64(price) + uint64(tick)<<(s.lift-s.rot)) / uint64(tick), true
}

// windowBase returns the base of a window that has the tick rank best a quarter below its top: the
// best price may improve that much before the window must move.
func windowBase(best uint64, span uint16) uint64 {
	return (best - uint64(span)/4*3) &^ (baseStep - 1)
}

// makeRoom returns the index of the level with a price that has no slot in the window: the far level
// with it, or a new one, or a slot in the window where that could be moved. A new level is empty.
func (b *ByOrder) makeRoom(s *side, sideIndex uint32, price int64) uint32 {
	m := mirror(sideIndex)
	if s.best != 0 {
		if index := b.farIndex(s, price, m); index != 0 {
			return index
		}
	}
	tick := b.ticks[sideIndex/2]
	number, near := s.nearest(price, tick)
	if near && s.best == 0 && (s.span != 0 || b.openWindow(s, spanMin)) {
		s.base = windowBase(number^uint64(m), s.span)
		s.misses = 0
		if index, ok := s.slot(price, m); ok {
			return index
		}
	}
	if near {
		if s.misses++; uint32(s.misses) > missesMax+s.farLen/missesShare || s.misses == 1<<16-1 {
			if finer := b.finerTick(s, m, tick); finer != tick {
				b.setTick(sideIndex/2, finer)
			} else {
				b.place(s, m, tick)
			}
			if index, ok := s.slot(price, m); ok {
				return index
			}
		}
	}
	return b.insertFar(s, level{price: price}, m)
}

// openWindow gives a side an empty window. It reports false if there is no memory for it.
func (b *ByOrder) openWindow(s *side, span uint16) bool {
	window := b.levels.takeWindow(uint32(span))
	if window == 0 {
		return false
	}
	s.window, s.span = window, span
	s.groupShift = uint8(bits.TrailingZeros16(span / groups))
	return true
}

// place moves the window to the best price, and widens it as long as that brings enough levels in
// from far. Level indexes of the side change.
func (b *ByOrder) place(s *side, m, tick int64) {
	s.misses = 0
	number, ok := s.nearest(s.bestRank^m, tick)
	if !ok {
		return
	}
	best := number ^ uint64(m)
	span := max(s.span, spanMin)
	held := b.countFar(s, m, best, span)
	for span < spanMax {
		wider := b.countFar(s, m, best, span*2)
		if wider-held < int(span)/wideShare {
			break
		}
		span, held = span*2, wider
	}
	base := windowBase(best, span)
	if base == s.base && span == s.span {
		return
	}
	b.gather(s)
	if span != s.span && !b.openWindow(s, span) {
		base = windowBase(best, s.span)
	}
	s.base = base
	b.scatter(s, m)
	b.findBest(s, m)
}

// finerTick returns a tick size that puts the far levels on the grid, if most of them are off it:
// stocks below a dollar have finer ticks than others, and not every venue says so.
func (b *ByOrder) finerTick(s *side, m, tick int64) int64 {
	off, finer := 0, uint64(tick)
	for _, e := range b.farLevels(s) {
		price := e.rank ^ m
		if number, near := s.nearest(price, tick); near && s.number(price) != number {
			off++
			finer = gcd(finer, uint64(max(price, -price)))
		}
	}
	if off <= int(s.farLen/2) {
		return tick
	}
	return int64(finer)
}

func gcd(x, y uint64) uint64 {
	for y != 0 {
		x, y = y, x%y
	}
	return x
}

// countFar counts far levels that a window of span ticks around best would hold.
func (b *ByOrder) countFar(s *side, m int64, best uint64, span uint16) (n int) {
	base := windowBase(best, span)
	for _, e := range b.farLevels(s) {
		if s.number(e.rank^m)^uint64(m)-base < uint64(span) {
			n++
		}
	}
	return n
}

// gather moves all levels of the window to b.moving.
func (b *ByOrder) gather(s *side) {
	b.moving = b.moving[:0]
	for tick, ok := b.below(s, s.base+uint64(s.span)); ok; tick, ok = b.below(s, tick) {
		l := b.levels.at(s.at(tick))
		b.moving = append(b.moving, *l)
	}
	for i := range uint32(s.span) {
		*b.levels.at(s.window + i) = level{}
	}
	s.occupied = [2]uint64{}
}

// scatter puts the levels of b.moving and of far where they belong now.
func (b *ByOrder) scatter(s *side, m int64) {
	far := b.farLevels(s)
	kept := far[:0]
	for _, e := range far {
		if index, ok := s.slot(e.rank^m, m); ok {
			*b.levels.at(index) = *b.levels.at(e.level)
			s.mark(index)
			b.levels.give(e.level)
		} else {
			kept = append(kept, e)
		}
	}
	s.farLen = uint32(len(kept))
	for _, l := range b.moving {
		if index, ok := s.slot(l.price, m); ok {
			*b.levels.at(index) = l
			s.mark(index)
		} else {
			b.insertFar(s, l, m)
		}
	}
}

// setTick gives a book another tick size. Windows are made anew and their old memory is lost until
// Reset: tick sizes change about never.
func (b *ByOrder) setTick(bookIndex uint32, tick int64) {
	b.ticks[bookIndex] = tick
	for sideIndex := bookIndex * 2; sideIndex < bookIndex*2+2; sideIndex++ {
		s, m := &b.sides[sideIndex], mirror(sideIndex)
		b.gather(s)
		s.span = 0
		b.scatter(s, m) // all to far
		s.setTick(tick)
		b.findBest(s, m)
		if s.best != 0 {
			b.place(s, m, tick)
		}
	}
}

func (b *ByOrder) farLevels(s *side) []farLevel { return b.fars.block(s.far, s.farLen) }

// searchFar returns where a rank is in far, or would go.
func (b *ByOrder) searchFar(s *side, rank int64) (i int, ok bool) {
	far := b.farLevels(s)
	low, high := 0, len(far)
	for low < high {
		mid := int(uint(low+high) / 2)
		if far[mid].rank < rank {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low, low < len(far) && far[low].rank == rank
}

// insertFar adds a level to far and returns its index.
func (b *ByOrder) insertFar(s *side, l level, m int64) uint32 {
	if s.farBits == 0 || s.farLen == 1<<s.farBits {
		old := b.farLevels(s)
		s.farBits = max(s.farBits+1, farBitsMin)
		s.far = b.fars.take(1 << s.farBits)
		copy(b.fars.block(s.far, s.farLen), old)
	}
	index := b.levels.take()
	*b.levels.at(index) = l
	rank := l.price ^ m
	i, _ := b.searchFar(s, rank)
	s.farLen++
	far := b.farLevels(s)
	copy(far[i+1:], far[i:])
	far[i] = farLevel{rank: rank, level: index}
	return index
}

package book

import (
	"math/bits"

	"tidegate/market"
)

// A grid turns prices into tick numbers without dividing.
//
// With tick = odd << k, the number (price+bias) * odd^-1 mod 2^64, rotated right by k, is the exact
// quotient where price is a multiple of tick. The whole mapping is one to one, so other prices get
// numbers above every such quotient. "On the grid and in the window" is therefore one comparison.
type grid struct {
	inverse uint64 // of the odd part of tick, modulo 2^64
	bias    uint64 // the multiple of tick below 2^62: makes prices in reach positive
	tick    int64
}

const (
	// tickMax keeps windows away from the ends of the tick numbers.
	tickMax market.Price = 1 << 48
	// reach bounds the prices that a window can hold, on both sides of 0.
	reach = 1 << 61
)

func newGrid(tick market.Price) grid {
	odd := uint64(tick) >> bits.TrailingZeros64(uint64(tick))
	inverse := odd // right in the low 3 bits; each step doubles their number
	for range 5 {
		inverse *= 2 - odd*inverse
	}
	return grid{
		inverse: inverse,
		bias:    1 << 62 / uint64(tick) * uint64(tick),
		tick:    int64(tick),
	}
}

// number returns the tick number of a price.
func (g *grid) number(price int64) uint64 {
	k := bits.TrailingZeros64(uint64(g.tick))
	return bits.RotateLeft64((uint64(price)+g.bias)*g.inverse, -k)
}

// price returns the price with a tick number.
func (g *grid) price(number uint64) int64 { return int64(number*uint64(g.tick) - g.bias) }

// nearest returns the tick number at or below a price in reach.
func (g *grid) nearest(price int64) (number uint64, ok bool) {
	if price < -reach || price > reach {
		return 0, false
	}
	return (uint64(price) + g.bias) / uint64(g.tick), true
}

// onGrid reports whether a window could hold a price.
func (g *grid) onGrid(price int64) bool {
	n, ok := g.nearest(price)
	return ok && g.price(n) == price
}

// windowBase returns the base of a window that has the tick rank best a quarter below its top: the
// best price may improve that much before the window must move.
func windowBase(best uint64, span uint16) uint64 { return (best - uint64(span)/4*3) &^ 31 }

// placeEmpty places the window of a side that had no level, around the best rank. It reports false
// when no window can hold that.
func (b *ByOrder) placeEmpty(bk *book, s *side, f int64) bool {
	n, ok := bk.nearest(s.bestRank ^ f)
	if !ok {
		return false
	}
	if s.span == 0 {
		s.span = windowMin
		s.window = b.windows.take(windowMin + windowMin/32)
	}
	s.base = windowBase(n^uint64(f), s.span)
	s.misses = 0
	return true
}

// place moves the window to the best price, and doubles it as long as that brings enough levels
// in from far.
func (b *ByOrder) place(bk *book, s *side, f int64) {
	s.misses = 0
	n, ok := bk.nearest(s.bestRank ^ f)
	if !ok {
		return
	}
	best := n ^ uint64(f)
	span := max(s.span, windowMin)
	held := b.countFar(bk, s, f, best, span)
	for span < windowMax {
		wider := b.countFar(bk, s, f, best, span*2)
		if wider-held < int(span)/16 {
			break
		}
		span, held = span*2, wider
	}
	if base := windowBase(best, span); base != s.base || span != s.span {
		b.gather(s)
		if span != s.span {
			s.span = span
			s.window = b.windows.take(uint32(span + span/32))
		}
		s.base = base
		b.scatter(bk, s, f)
	}
}

// countFar counts far levels that a window of span ticks around best would hold.
func (b *ByOrder) countFar(bk *book, s *side, f int64, best uint64, span uint16) (n int) {
	base := windowBase(best, span)
	for _, e := range b.farLevels(s) {
		if bk.number(e.rank^f)^uint64(f)-base < uint64(span) {
			n++
		}
	}
	return n
}

// gather empties the window into b.moving.
func (b *ByOrder) gather(s *side) {
	b.moving = b.moving[:0]
	for tick, ok := b.below(s, s.base+uint64(s.span)); ok; tick, ok = b.below(s, tick) {
		b.moving = append(b.moving, *b.windows.at(s.window + uint32(tick)&uint32(s.span-1)))
		b.clearWindow(s, tick)
	}
}

// scatter puts the levels of b.moving and of far where they belong now.
func (b *ByOrder) scatter(bk *book, s *side, f int64) {
	far := b.farLevels(s)
	kept := far[:0]
	for _, e := range far {
		if tick := bk.number(e.rank^f) ^ uint64(f); tick-s.base < uint64(s.span) {
			b.setWindow(s, tick, e.level)
		} else {
			kept = append(kept, e)
		}
	}
	s.farLen = uint32(len(kept))
	for _, index := range b.moving {
		price := b.levels.at(index).price
		if tick := bk.number(price) ^ uint64(f); tick-s.base < uint64(s.span) {
			b.setWindow(s, tick, index)
		} else {
			b.insertFar(s, price^f, index)
		}
	}
}

// regrid gives a book another tick size.
func (b *ByOrder) regrid(bk *book, tick market.Price) {
	for i := range uint32(2) {
		s := &bk.side[i]
		b.gather(s)
		for _, index := range b.moving {
			b.insertFar(s, b.levels.at(index).price^mirror(i), index)
		}
		s.span = 0 // the old block is lost; tick sizes change about never
	}
	bk.grid = newGrid(tick)
	for i := range uint32(2) {
		if s := &bk.side[i]; s.best != 0 {
			b.place(bk, s, mirror(i))
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

// newFar adds a new level to far, and places the window anew when that has come too often.
func (b *ByOrder) newFar(bk *book, s *side, f, rank int64, index uint32) {
	b.insertFar(s, rank, index)
	if !bk.onGrid(rank ^ f) {
		return
	}
	if s.misses++; s.misses > missesMax+s.farLen/missesShare {
		b.place(bk, s, f)
	}
}

func (b *ByOrder) insertFar(s *side, rank int64, index uint32) {
	if s.farBits == 0 || s.farLen == 1<<s.farBits {
		old := b.farLevels(s)
		s.farBits = max(s.farBits+1, farMin)
		s.far = b.fars.take(1 << s.farBits)
		copy(b.fars.block(s.far, s.farLen), old)
	}
	i, _ := b.searchFar(s, rank)
	s.farLen++
	far := b.farLevels(s)
	copy(far[i+1:], far[i:])
	far[i] = farLevel{rank: rank, level: index}
}

package depth

import (
	"cmp"
	"slices"

	"tidegate/codec/crypto/wire"
	"tidegate/market"
)

// A Ladder is the book of one instrument with the texts of its prices and sizes, of which venues make
// their checksums, and with a depth to which it is cut. The zero value is empty.
type Ladder struct {
	sides [2]ladderSide // bids, asks
}

// ladderSide is sorted by rank with the best level at the end: most changes are near it.
type ladderSide []rung

type rung struct {
	rank  int64 // grows towards the touch on both sides
	price wire.Decimal
	size  wire.Decimal
}

// Reset empties the ladder and keeps its memory.
func (l *Ladder) Reset() { l.sides[0], l.sides[1] = l.sides[0][:0], l.sides[1][:0] }

// Set sets or removes a level: one with a size text of 0 is removed. It returns false for the removal
// of a level that is not there.
func (l *Ladder) Set(level *Level) (known bool) {
	side := &l.sides[level.Side.Index()]
	rank := rankOf(level.Side, level.Price)
	i, found := side.find(rank)
	switch {
	case level.SizeText.Mantissa == 0:
		if found {
			*side = slices.Delete(*side, i, i+1)
		}
		return found
	case found:
		(*side)[i] = rung{rank, level.PriceText, level.SizeText}
	default:
		*side = slices.Insert(*side, i, rung{rank, level.PriceText, level.SizeText})
	}
	return true
}

// Cut removes the worst levels of each side until it has at most depth, and appends the removals to dst.
func (l *Ladder) Cut(depth int, dst []Level) []Level {
	for i, side := range [...]market.Side{market.Bid, market.Ask} {
		s := l.sides[i]
		over := len(s) - depth
		if over <= 0 {
			continue
		}
		for _, r := range s[:over] {
			dst = append(dst, Level{
				Price: market.Price(r.rank ^ -int64(i)), PriceText: r.price, Side: side,
			})
		}
		l.sides[i] = slices.Delete(s, 0, over)
	}
	return dst
}

// Len returns how many levels a side has.
func (l *Ladder) Len(side market.Side) int { return len(l.sides[side.Index()]) }

// Text returns the price and the size of a level as they were sent. Level 0 is the best.
func (l *Ladder) Text(side market.Side, level int) (price, size wire.Decimal) {
	s := l.sides[side.Index()]
	r := &s[len(s)-1-level]
	return r.price, r.size
}

// rankOf is the price for bids and its complement for asks, which orders them the other way round.
func rankOf(side market.Side, p market.Price) int64 { return int64(p) ^ -int64(side.Index()) }

// find returns the place of a rank, or where it would be inserted.
func (s ladderSide) find(rank int64) (i int, found bool) {
	return slices.BinarySearchFunc(s, rank, func(r rung, rank int64) int { return cmp.Compare(r.rank, rank) })
}

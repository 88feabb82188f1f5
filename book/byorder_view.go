package book

import (
	"iter"
	"runtime"
	"slices"

	"tidegate/market"
)

func (b *ByOrder) bestLevel(s *side) Level {
	if s.best == 0 {
		return noLevel
	}
	return b.levels.at(s.best).view()
}

// BBO returns the best bid and offer of an instrument, EmptyBBO if it has no book.
func (b *ByOrder) BBO(id market.InstrumentID) BBO {
	i := b.instruments.find(id)
	if i == 0 {
		return EmptyBBO
	}
	bbo := BBO{Bid: b.bestLevel(&b.sides[2*i]), Ask: b.bestLevel(&b.sides[2*i+1])}
	runtime.KeepAlive(b)
	return bbo
}

// Levels appends the levels of a side to dst, best first, until there are no more or dst is full
// (its length is its capacity), and returns the longer dst.
func (b *ByOrder) Levels(id market.InstrumentID, side market.Side, dst []Level) []Level {
	i := b.instruments.find(id)
	if i == 0 || len(dst) == cap(dst) {
		return dst
	}
	b.eachLevel(2*i+uint32(side.Index()), func(l *level) bool {
		dst = append(dst, l.view())
		return len(dst) < cap(dst)
	})
	runtime.KeepAlive(b)
	return dst
}

// An Order is one live order.
type Order struct {
	ID    uint64
	Price market.Price
	Size  market.Size
	Side  market.Side
}

// Orders yields the orders of a side in priority order: best level first, and in queue order
// within a level. The books must not be changed meanwhile.
func (b *ByOrder) Orders(id market.InstrumentID, side market.Side) iter.Seq[Order] {
	return func(yield func(Order) bool) {
		i := b.instruments.find(id)
		if i == 0 {
			return
		}
		b.eachLevel(2*i+uint32(side.Index()), func(l *level) bool {
			for n := l.head; n != 0; {
				o := b.orders.at(n)
				if !yield(Order{ID: o.id, Price: market.Price(l.price), Size: market.Size(o.size), Side: side}) {
					return false
				}
				n = o.next
			}
			return true
		})
		runtime.KeepAlive(b)
	}
}

// Len returns the number of live orders of all books.
func (b *ByOrder) Len() int { return int(b.orders.live) }

// Hash returns the state hash of an instrument's book (see Hasher). A book that is empty and one
// that does not exist have the same hash.
func (b *ByOrder) Hash(id market.InstrumentID) uint64 {
	return b.hash(b.instruments.find(id))
}

func (b *ByOrder) hash(bookIndex uint32) uint64 {
	var h Hasher
	for sideIndex, side := range sides {
		h.Side(side)
		if bookIndex == 0 {
			continue
		}
		b.eachLevel(2*bookIndex+uint32(sideIndex), func(l *level) bool {
			h.Level(l.view())
			for n := l.head; n != 0; {
				o := b.orders.at(n)
				h.Order(o.id, market.Size(o.size))
				n = o.next
			}
			return true
		})
	}
	runtime.KeepAlive(b)
	return h.Sum()
}

// HashAll returns the state hash of all books together.
func (b *ByOrder) HashAll() uint64 {
	live := make([]uint32, 0, len(b.ids))
	for i := 1; i < len(b.ids); i++ {
		if b.sides[2*i].best != 0 || b.sides[2*i+1].best != 0 {
			live = append(live, uint32(i))
		}
	}
	slices.SortFunc(live, func(i, j uint32) int {
		if b.ids[i] < b.ids[j] {
			return -1
		}
		return 1
	})
	var h Hasher
	for _, i := range live {
		h.Book(b.ids[i], b.hash(i))
	}
	return h.Sum()
}

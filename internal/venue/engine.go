package venue

import (
	"fmt"
	"slices"

	"tidegate/market"
)

// An Order is a resting, displayed order.
type Order struct {
	Ref   uint64
	Side  market.Side
	Price market.Price
	Size  market.Size
}

// An engine keeps the orders of one instrument and matches by price, then time. It is the oracle, so
// it is written to be plainly right: sorted slices, a map, no cleverness.
//
// A request that makes no sense (a known reference, an unknown one, a crossing order to rest, more
// than an order has) is a bug of this package, and panics.
type engine struct {
	bids   []queue // highest price first
	asks   []queue // lowest price first
	orders map[uint64]*Order
}

// A queue is one price level: its orders, oldest first. It is never empty.
type queue struct {
	price  market.Price
	orders []*Order
}

// A fill is what one resting order gives to an aggressor.
type fill struct {
	Order             // the resting order as it was before
	given market.Size // at most Order.Size
}

func newEngine() *engine { return &engine{orders: make(map[uint64]*Order)} }

// rest puts an order at the end of its queue. It must not match anything.
func (e *engine) rest(o Order) {
	if e.orders[o.Ref] != nil {
		panic(fmt.Sprintf("venue: order %d rests already", o.Ref))
	}
	if o.Size == 0 || o.Price <= 0 {
		panic(fmt.Sprintf("venue: order %d of %d at %v", o.Ref, o.Size, o.Price))
	}
	if best, ok := e.best(o.Side.Opposite()); ok && !better(o.Side.Opposite(), o.Price, best) {
		panic(fmt.Sprintf("venue: order %d at %v would cross %v", o.Ref, o.Price, best))
	}
	e.orders[o.Ref] = &o
	side := e.side(o.Side)
	i, found := position(*side, o.Side, o.Price)
	if !found {
		*side = slices.Insert(*side, i, queue{price: o.Price})
	}
	q := &(*side)[i]
	q.orders = append(q.orders, &o)
}

// take matches an aggressor of a side: up to size, at limit or better. It returns what each resting
// order gave, in the order of execution; the aggressor's rest is the caller's.
func (e *engine) take(aggressor market.Side, limit market.Price, size market.Size) []fill {
	var fills []fill
	resting := aggressor.Opposite()
	for size > 0 {
		best, ok := e.best(resting)
		if !ok || better(aggressor, best, limit) {
			break
		}
		first := (*e.side(resting))[0].orders[0]
		f := fill{Order: *first, given: min(size, first.Size)}
		size -= f.given
		e.reduce(first.Ref, f.given)
		fills = append(fills, f)
	}
	return fills
}

// reduce takes size off an order, which keeps its place, or goes when nothing is left.
func (e *engine) reduce(ref uint64, size market.Size) {
	o := e.orders[ref]
	if o == nil || size == 0 || size > o.Size {
		panic(fmt.Sprintf("venue: order %d reduced by %d: %+v", ref, size, o))
	}
	o.Size -= size
	if o.Size == 0 {
		e.remove(o)
	}
}

// replace removes an order and rests another of the same side, last in its queue.
func (e *engine) replace(ref uint64, next Order) {
	o := e.orders[ref]
	if o == nil || o.Side != next.Side {
		panic(fmt.Sprintf("venue: order %d replaced by %+v: %+v", ref, next, o))
	}
	e.remove(o)
	e.rest(next)
}

// best returns the best price of a side.
func (e *engine) best(side market.Side) (market.Price, bool) {
	levels := *e.side(side)
	if len(levels) == 0 {
		return market.UndefPrice, false
	}
	return levels[0].price, true
}

// count returns the number of orders of a side.
func (e *engine) count(side market.Side) int {
	n := 0
	for _, q := range *e.side(side) {
		n += len(q.orders)
	}
	return n
}

func (e *engine) remove(o *Order) {
	delete(e.orders, o.Ref)
	side := e.side(o.Side)
	i, _ := position(*side, o.Side, o.Price)
	q := &(*side)[i]
	at := slices.Index(q.orders, o)
	q.orders = slices.Delete(q.orders, at, at+1)
	if len(q.orders) == 0 {
		*side = slices.Delete(*side, i, i+1)
	}
}

func (e *engine) side(side market.Side) *[]queue {
	if side == market.Bid {
		return &e.bids
	}
	return &e.asks
}

// position finds a price in a side's queues: its index, or where it belongs.
func position(queues []queue, side market.Side, price market.Price) (int, bool) {
	return slices.BinarySearchFunc(queues, price, func(q queue, price market.Price) int {
		switch {
		case better(side, q.price, price):
			return -1
		case q.price == price:
			return 0
		default:
			return 1
		}
	})
}

// better reports whether an order of a side at price a ranks before one at price b: higher bids,
// lower asks. It is also how far an order of that side is willing to go: past b to reach a.
func better(side market.Side, a, b market.Price) bool {
	if side == market.Bid {
		return a > b
	}
	return a < b
}

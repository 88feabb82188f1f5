package booktest

import (
	"maps"
	"slices"

	"tidegate/book"
	"tidegate/market"
)

// ByOrder is the plain twin of book.ByOrder: a map of orders, and for each price a list of order
// ids. Everything that is asked is sorted or added up when it is asked. The only limit is
// that of an order's size.
type ByOrder struct {
	orders map[uint64]plainOrder
	queues map[plainLevel][]uint64 // order ids in time priority; never empty
}

type plainOrder struct {
	plainLevel
	size market.Size
}

type plainLevel struct {
	instrument market.InstrumentID
	side       market.Side
	price      market.Price
}

// NewByOrder returns an empty twin.
func NewByOrder() *ByOrder {
	b := &ByOrder{}
	b.Reset()
	return b
}

// Reset empties all books.
func (b *ByOrder) Reset() {
	b.orders = map[uint64]plainOrder{}
	b.queues = map[plainLevel][]uint64{}
}

// Apply applies u and completes it, as book.ByOrder does.
func (b *ByOrder) Apply(u *market.Update) book.Result {
	before := b.BBO(u.Instrument)
	verdict := b.apply(u)
	after := b.BBO(u.Instrument)
	var change book.Change
	if before.Bid != after.Bid {
		change |= book.BidChanged
	}
	if before.Ask != after.Ask {
		change |= book.AskChanged
	}
	return book.Result{Verdict: verdict, Change: change}
}

func (b *ByOrder) apply(u *market.Update) market.Verdict {
	u.PrevPrice, u.PrevSize = market.UndefPrice, 0
	hasSide := u.Side == market.Bid || u.Side == market.Ask
	order := market.Applied // what is wrong with the order that u brings
	if u.Size == 0 || u.Price == market.UndefPrice {
		order = market.BadField
	} else if u.Size > book.OrderSizeMax {
		order = market.BookFull
	}
	switch u.Action {
	case market.Add:
		if !hasSide {
			return market.Ignored
		}
		if order != market.Applied {
			return order
		}
		if _, ok := b.orders[u.OrderID]; ok {
			return market.DuplicateOrder
		}
		b.insert(u.OrderID, plainOrder{plainLevel{u.Instrument, u.Side, u.Price}, u.Size})
		return market.Applied

	case market.Delete, market.Cancel, market.Execute:
		if u.Action != market.Delete && u.Size == 0 {
			return market.BadField
		}
		o, verdict := b.known(u, u.OrderID)
		if verdict != market.Applied {
			return verdict
		}
		if u.Action == market.Execute && u.Price == market.UndefPrice {
			u.Price = o.price
		}
		if u.Action != market.Delete && u.Size < o.size {
			o.size -= u.Size
			b.orders[u.OrderID] = o
			return market.Applied
		}
		b.remove(u.OrderID)
		if u.Action != market.Delete && u.Size > o.size {
			return market.Oversize
		}
		return market.Applied

	case market.Replace:
		if order != market.Applied {
			return order
		}
		if _, ok := b.orders[u.OrderID]; ok && u.OrderID != u.PrevOrderID {
			return market.DuplicateOrder
		}
		o, verdict := b.known(u, u.PrevOrderID)
		if verdict != market.Applied {
			return verdict
		}
		b.remove(u.PrevOrderID)
		o.price, o.size = u.Price, u.Size
		b.insert(u.OrderID, o)
		return market.Applied

	case market.Modify:
		if !hasSide {
			return market.Ignored
		}
		if order != market.Applied {
			return order
		}
		o, ok := b.orders[u.OrderID]
		if ok && o.instrument == u.Instrument && o.side != u.Side {
			return market.BadField
		}
		o, verdict := b.known(u, u.OrderID)
		if verdict != market.Applied {
			return verdict
		}
		if u.Price == o.price && u.Size <= o.size {
			o.size = u.Size
			b.orders[u.OrderID] = o
			return market.Applied
		}
		b.remove(u.OrderID)
		o.price, o.size = u.Price, u.Size
		b.insert(u.OrderID, o)
		return market.Applied

	case market.Clear:
		for id, o := range b.orders {
			if o.instrument == u.Instrument {
				b.remove(id)
			}
		}
		return market.Applied

	case market.Trade, market.Fill, market.None:
		return market.Ignored
	}
	return market.BadField
}

// known returns the order that u is about, and tells u what it was.
func (b *ByOrder) known(u *market.Update, id uint64) (plainOrder, market.Verdict) {
	o, ok := b.orders[id]
	if !ok {
		return o, market.UnknownOrder
	}
	if o.instrument != u.Instrument {
		return o, market.WrongBook
	}
	u.Side, u.PrevPrice, u.PrevSize = o.side, o.price, o.size
	return o, market.Applied
}

func (b *ByOrder) insert(id uint64, o plainOrder) {
	b.orders[id] = o
	b.queues[o.plainLevel] = append(b.queues[o.plainLevel], id)
}

func (b *ByOrder) remove(id uint64) {
	o := b.orders[id]
	delete(b.orders, id)
	queue := b.queues[o.plainLevel]
	i := slices.Index(queue, id)
	if queue = slices.Delete(queue, i, i+1); len(queue) == 0 {
		delete(b.queues, o.plainLevel)
	} else {
		b.queues[o.plainLevel] = queue
	}
}

// levels returns the levels of a side, best first.
func (b *ByOrder) levels(id market.InstrumentID, side market.Side) []plainLevel {
	var levels []plainLevel
	for l := range b.queues {
		if l.instrument == id && l.side == side {
			levels = append(levels, l)
		}
	}
	slices.SortFunc(levels, func(x, y plainLevel) int {
		if (x.price > y.price) == (side == market.Bid) {
			return -1
		}
		return 1
	})
	return levels
}

func (b *ByOrder) view(l plainLevel) book.Level {
	v := book.Level{Price: l.price}
	for _, id := range b.queues[l] {
		v.Size += b.orders[id].size
		v.Orders++
	}
	return v
}

// Levels returns all levels of a side, best first.
func (b *ByOrder) Levels(id market.InstrumentID, side market.Side) []book.Level {
	var levels []book.Level
	for _, l := range b.levels(id, side) {
		levels = append(levels, b.view(l))
	}
	return levels
}

// BBO returns the best bid and offer of an instrument.
func (b *ByOrder) BBO(id market.InstrumentID) book.BBO {
	bbo := book.EmptyBBO
	if bids := b.levels(id, market.Bid); len(bids) > 0 {
		bbo.Bid = b.view(bids[0])
	}
	if asks := b.levels(id, market.Ask); len(asks) > 0 {
		bbo.Ask = b.view(asks[0])
	}
	return bbo
}

// Orders returns all orders of a side in priority order.
func (b *ByOrder) Orders(id market.InstrumentID, side market.Side) []book.Order {
	var orders []book.Order
	for _, l := range b.levels(id, side) {
		for _, order := range b.queues[l] {
			orders = append(orders, book.Order{ID: order, Price: l.price, Size: b.orders[order].size, Side: side})
		}
	}
	return orders
}

// Len returns the number of live orders.
func (b *ByOrder) Len() int { return len(b.orders) }

// Hash returns the state hash of an instrument's book (see book.Hasher).
func (b *ByOrder) Hash(id market.InstrumentID) uint64 {
	var h book.Hasher
	for _, side := range []market.Side{market.Bid, market.Ask} {
		h.Side(side)
		for _, l := range b.levels(id, side) {
			h.Level(b.view(l))
			for _, order := range b.queues[l] {
				h.Order(order, b.orders[order].size)
			}
		}
	}
	return h.Sum()
}

// HashAll returns the state hash of all books together.
func (b *ByOrder) HashAll() uint64 {
	ids := map[market.InstrumentID]bool{}
	for _, o := range b.orders {
		ids[o.instrument] = true
	}
	var h book.Hasher
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		h.Book(id, b.Hash(id))
	}
	return h.Sum()
}

package book

import (
	"runtime"

	"tidegate/market"
)

// OrderSizeMax is the largest size of one order in a by-order book.
const OrderSizeMax market.Size = 1<<32 - 1

// ByOrder holds all by-order books of one channel: every order with its place in the queue.
//
// One goroutine owns a ByOrder. Apply allocates only when more orders, levels or instruments live
// at a time than ever before, and then in large pieces; it never copies a table to grow it.
//
// Apply, by action:
//
//   - Add puts an order at the end of the queue at its price.
//   - Delete removes an order. Cancel and Execute take Size off it and remove it when nothing is
//     left; it keeps its place.
//   - Replace removes PrevOrderID and adds OrderID on the same side, at the end of the queue.
//   - Modify sets price and size. The order keeps its place only if the price is the same and the
//     size not larger, else it goes to the end of the queue.
//   - Clear removes every order of the instrument.
//   - Trade, Fill and None change nothing and are market.Ignored.
//
// Faults change nothing, except Oversize:
//
//   - UnknownOrder: the order to change is not in any book. A Modify does not add it.
//   - DuplicateOrder: the order to add is there already; the old one stays.
//   - WrongBook: the order to change belongs to another instrument than the update says.
//   - Oversize: Cancel or Execute of more than the order has; the order is removed.
//   - BadField: an order without size or price, a size of 0 to take off, a Modify that changes
//     the side, an action that by-order books do not know.
//   - BookFull: OrdersMax or InstrumentsMax is reached, or the size is above OrderSizeMax.
//
// An Add or Modify without a side is market.Ignored.
type ByOrder struct {
	cfg    ByOrderConfig
	orders orderSlab
	levels levelSlab
	index  orderIndex

	instruments instrumentTable
	// Book i is sides[2*i] (bids) and sides[2*i+1] (asks), ids[i] and ticks[i]; 0 is no book. Apart,
	// so that an update touches one cache line of them.
	sides []side
	ids   []market.InstrumentID
	ticks []int64 // tick sizes

	fars   blocks[farLevel]
	moving []level // levels on their way to another window

	prefetcher prefetcher
}

// NewByOrder returns empty books. It panics if cfg is not valid.
func NewByOrder(cfg ByOrderConfig) *ByOrder {
	if err := cfg.Validate(); err != nil {
		panic(err)
	}
	cfg = cfg.withDefaults()
	b := &ByOrder{
		cfg:    cfg,
		sides:  largeSlice[side](2*cfg.InstrumentsMax + 2)[:2],
		ids:    make([]market.InstrumentID, 1, cfg.InstrumentsMax+1),
		ticks:  make([]int64, 1, cfg.InstrumentsMax+1),
		moving: make([]level, 0, spanMax),
	}
	b.instruments.init(cfg.InstrumentsMax)
	b.orders.max = uint32(cfg.OrdersMax)
	expected := uint32(cfg.OrdersExpected)
	var freeOrders, freeLevels func()
	b.orders.reserve, freeOrders = newReserve[order](cfg.OrdersMax + 1)
	b.levels.reserve, freeLevels = newReserve[level](cfg.OrdersMax + windowsMax + 2)
	b.orders.advise(expected + 1)
	freeIndex := b.index.init(&b.orders, expected)
	// Exported methods end with KeepAlive: the memory must not go while they use it.
	runtime.AddCleanup(b, func(int) { freeOrders(); freeLevels(); freeIndex() }, 0)
	if n := cfg.InstrumentsExpected; n > 0 {
		b.fars.reserve(n * 2 << farBitsMin)
	}
	b.Reset()
	return b
}

// Reset empties all books for a new epoch. Definitions and memory are kept.
func (b *ByOrder) Reset() {
	b.index.reset() // first, see there
	b.orders.reset()
	b.levels.reset()
	b.fars.reset()
	b.fars.take(1) // block 0 is none
	for i := range b.sides {
		s := &b.sides[i]
		*s = side{inverse: s.inverse, rot: s.rot, lift: s.lift}
	}
}

// Define makes an instrument's book and sets its tick size, where that is known. It may be called
// again at any time. It returns BookFull when there are InstrumentsMax instruments, else Applied.
func (b *ByOrder) Define(in market.Instrument) market.Verdict {
	i := b.bookFor(in.ID)
	if i == 0 {
		return market.BookFull
	}
	tick := in.TickSize
	if tick < 1 || tick > tickMax {
		tick = b.cfg.TickSize
	}
	if b.ticks[i] != int64(tick) {
		b.setTick(i, int64(tick))
	}
	runtime.KeepAlive(b)
	return market.Applied
}

// bookFor returns the book index of an instrument and makes the book if there is none; 0 if there
// is no room for it.
func (b *ByOrder) bookFor(id market.InstrumentID) uint32 {
	if i := b.instruments.find(id); i != 0 {
		return i
	}
	if len(b.ids) > b.cfg.InstrumentsMax {
		return 0
	}
	i := uint32(len(b.ids))
	b.ids = append(b.ids, id)
	b.ticks = append(b.ticks, 0)
	b.sides = append(b.sides, side{}, side{})
	b.setTick(i, int64(b.cfg.TickSize))
	b.instruments.set(id, i)
	return i
}

// Apply applies u to its book and completes it (see market.Update). It keeps nothing of u.
func (b *ByOrder) Apply(u *market.Update) Result {
	r := b.apply(u)
	runtime.KeepAlive(b)
	return r
}

func (b *ByOrder) apply(u *market.Update) Result {
	u.PrevPrice, u.PrevSize = market.UndefPrice, 0
	switch u.Action {
	case market.Add:
		return b.add(u)
	case market.Delete, market.Cancel, market.Execute:
		return b.reduce(u)
	case market.Replace:
		return b.replace(u)
	case market.Modify:
		return b.modify(u)
	case market.Clear:
		return Result{Change: b.ClearInstrument(u.Instrument)}
	case market.Trade, market.Fill, market.None:
		return Result{Verdict: market.Ignored}
	default:
		return Result{Verdict: market.BadField}
	}
}

// check says what is wrong with the order that an update brings.
func check(u *market.Update) market.Verdict {
	switch {
	case u.Size == 0 || !u.Price.Defined():
		return market.BadField
	case u.Size > OrderSizeMax:
		return market.BookFull
	}
	return market.Applied
}

func (b *ByOrder) add(u *market.Update) Result {
	if u.Side != market.Bid && u.Side != market.Ask {
		return Result{Verdict: market.Ignored}
	}
	if v := check(u); v != market.Applied {
		return Result{Verdict: v}
	}
	bookIndex := b.instruments.find(u.Instrument)
	if bookIndex == 0 {
		if bookIndex = b.bookFor(u.Instrument); bookIndex == 0 {
			return Result{Verdict: market.BookFull}
		}
	}
	if b.index.find(u.OrderID) != 0 {
		return Result{Verdict: market.DuplicateOrder}
	}
	i := b.orders.take()
	if i == 0 {
		return Result{Verdict: market.BookFull}
	}
	if !b.index.set(u.OrderID, i) {
		b.orders.give(i)
		return Result{Verdict: market.BookFull}
	}
	o := b.orders.at(i)
	o.id, o.price, o.size = u.OrderID, int64(u.Price), uint32(u.Size)
	o.side = bookIndex*2 + uint32(u.Side.Index())
	if b.enqueue(i, o) {
		return Result{Change: BidChanged << (o.side & 1)}
	}
	return Result{}
}

var sides = [2]market.Side{market.Bid, market.Ask}

// lookup finds the order that an update is about, checks that it is the instrument's, and completes
// the update with what it was.
func (b *ByOrder) lookup(u *market.Update, id uint64) (i uint32, v market.Verdict) {
	i = b.index.find(id)
	if i == 0 {
		return 0, market.UnknownOrder
	}
	o := b.orders.at(i)
	if o.side/2 != b.instruments.find(u.Instrument) {
		return 0, market.WrongBook
	}
	u.PrevPrice, u.PrevSize = market.Price(o.price), market.Size(o.size)
	return i, market.Applied
}

// reduce applies Delete, Cancel and Execute.
func (b *ByOrder) reduce(u *market.Update) (r Result) {
	if u.Size == 0 && u.Action != market.Delete {
		return Result{Verdict: market.BadField}
	}
	i, v := b.lookup(u, u.OrderID)
	if v != market.Applied {
		return Result{Verdict: v}
	}
	o := b.orders.at(i)
	u.Side = sides[o.side&1]
	if u.Action == market.Execute && !u.Price.Defined() {
		u.Price = u.PrevPrice
	}
	var best bool
	if u.Action != market.Delete && u.Size < u.PrevSize {
		best = b.shrink(o, uint32(u.Size))
	} else {
		if u.Action != market.Delete && u.Size > u.PrevSize {
			r.Verdict = market.Oversize
		}
		b.index.remove(u.OrderID)
		best = b.dequeue(o)
		b.orders.give(i)
	}
	if best {
		r.Change = BidChanged << (o.side & 1)
	}
	return r
}

func (b *ByOrder) replace(u *market.Update) Result {
	if v := check(u); v != market.Applied {
		return Result{Verdict: v}
	}
	renamed := u.OrderID != u.PrevOrderID
	if renamed && b.index.find(u.OrderID) != 0 {
		return Result{Verdict: market.DuplicateOrder}
	}
	i, v := b.lookup(u, u.PrevOrderID)
	if v != market.Applied {
		return Result{Verdict: v}
	}
	if renamed {
		if !b.index.set(u.OrderID, i) {
			u.PrevPrice, u.PrevSize = market.UndefPrice, 0
			return Result{Verdict: market.BookFull}
		}
		b.index.remove(u.PrevOrderID)
	}
	o := b.orders.at(i)
	u.Side = sides[o.side&1]
	o.id = u.OrderID
	return b.move(i, o, u)
}

func (b *ByOrder) modify(u *market.Update) Result {
	if u.Side != market.Bid && u.Side != market.Ask {
		return Result{Verdict: market.Ignored}
	}
	if v := check(u); v != market.Applied {
		return Result{Verdict: v}
	}
	i, v := b.lookup(u, u.OrderID)
	if v != market.Applied {
		return Result{Verdict: v}
	}
	o := b.orders.at(i)
	if u.Side != sides[o.side&1] {
		u.PrevPrice, u.PrevSize = market.UndefPrice, 0
		return Result{Verdict: market.BadField}
	}
	if u.Price != u.PrevPrice || u.Size > u.PrevSize {
		return b.move(i, o, u)
	}
	if u.Size != u.PrevSize && b.shrink(o, uint32(u.PrevSize-u.Size)) {
		return Result{Change: BidChanged << (o.side & 1)}
	}
	return Result{}
}

// move takes an order to the end of the queue at the update's price, with the update's size.
func (b *ByOrder) move(i uint32, o *order, u *market.Update) Result {
	s := &b.sides[o.side]
	rank := o.price ^ mirror(o.side)
	rank = max(rank, int64(u.Price)^mirror(o.side))
	if rank < s.bestRank {
		b.dequeue(o)
		o.price, o.size = int64(u.Price), uint32(u.Size)
		b.enqueue(i, o)
		return Result{}
	}
	before := b.bestLevel(s)
	b.dequeue(o)
	o.price, o.size = int64(u.Price), uint32(u.Size)
	b.enqueue(i, o)
	if b.bestLevel(s) == before {
		return Result{}
	}
	return Result{Change: BidChanged << (o.side & 1)}
}

// ClearInstrument removes every order of an instrument.
func (b *ByOrder) ClearInstrument(id market.InstrumentID) (c Change) {
	bookIndex := b.instruments.find(id)
	for sideIndex := range uint32(2) {
		s := &b.sides[bookIndex*2+sideIndex]
		if s.best != 0 {
			c |= BidChanged << sideIndex
		}
		for s.best != 0 {
			b.clearLevel(s.best)
		}
	}
	runtime.KeepAlive(b)
	return c
}

func (b *ByOrder) clearLevel(index uint32) {
	for i := b.levels.at(index).head; i != 0; {
		o := b.orders.at(i)
		next := o.next
		b.index.remove(o.id)
		b.dequeue(o)
		b.orders.give(i)
		i = next
	}
}

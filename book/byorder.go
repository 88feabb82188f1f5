package book

import (
	"fmt"

	"tidegate/market"
)

// ByOrderConfig sets the limits of a set of by-order books. Zero values mean the defaults.
type ByOrderConfig struct {
	// OrdersMax is how many orders may live at a time over all books; an add beyond it is
	// market.BookFull. 1 to 16,777,215; 0 means that many.
	OrdersMax int
	// InstrumentsMax is how many instruments may have a book. 1 to 1<<20; 0 means 65,536. Memory
	// for their headers, 128 bytes each, is set aside at the start.
	InstrumentsMax int
	// OrdersExpected is for how many live orders memory is taken at the start. Until there are
	// more, Apply does not allocate. 0 to OrdersMax.
	OrdersExpected int
	// InstrumentsExpected is for how many instruments with orders memory is taken at the start.
	// 0 to InstrumentsMax.
	InstrumentsExpected int
	// TickSize is the tick size of instruments that Define did not give one. Prices between ticks
	// are legal and kept exactly; they only cost more time. 0 means 0.01.
	TickSize market.Price
}

func (c ByOrderConfig) withDefaults() ByOrderConfig {
	if c.OrdersMax == 0 {
		c.OrdersMax = slabMax
	}
	if c.InstrumentsMax == 0 {
		c.InstrumentsMax = 1 << 16
	}
	if c.TickSize == 0 {
		c.TickSize = market.PriceScale / 100
	}
	return c
}

// Validate says what is wrong with c.
func (c ByOrderConfig) Validate() error {
	c = c.withDefaults()
	switch {
	case c.OrdersMax < 1 || c.OrdersMax > slabMax:
		return fmt.Errorf("by-order books: orders max %d: want 1 to %d", c.OrdersMax, slabMax)
	case c.InstrumentsMax < 1 || c.InstrumentsMax > instrumentsMax:
		return fmt.Errorf("by-order books: instruments max %d: want 1 to %d", c.InstrumentsMax, instrumentsMax)
	case c.OrdersExpected < 0 || c.OrdersExpected > c.OrdersMax:
		return fmt.Errorf("by-order books: orders expected %d: want 0 to orders max, %d", c.OrdersExpected, c.OrdersMax)
	case c.InstrumentsExpected < 0 || c.InstrumentsExpected > c.InstrumentsMax:
		return fmt.Errorf("by-order books: instruments expected %d: want 0 to instruments max, %d",
			c.InstrumentsExpected, c.InstrumentsMax)
	case c.TickSize < 1 || c.TickSize > tickMax:
		return fmt.Errorf("by-order books: tick size %s: want above 0 and at most %s", c.TickSize, tickMax)
	}
	return nil
}

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
//   - BookFull: OrdersMax or InstrumentsMax is reached.
//
// An Add or Modify without a side is market.Ignored.
type ByOrder struct {
	cfg    ByOrderConfig
	orders orderSlab
	levels levelSlab
	index  orderIndex

	books       []book // by book index; 0 is no book
	instruments instrumentTable
	windows     blocks[uint32]
	fars        blocks[farLevel]
	moving      []uint32 // levels on their way to another window
}

// NewByOrder returns empty books. It panics if cfg is not valid.
func NewByOrder(cfg ByOrderConfig) *ByOrder {
	if err := cfg.Validate(); err != nil {
		panic(err)
	}
	cfg = cfg.withDefaults()
	b := &ByOrder{cfg: cfg, books: largeSlice[book](cfg.InstrumentsMax + 1)[:1]}
	b.instruments.init(cfg.InstrumentsMax)
	b.orders.max = uint32(cfg.OrdersMax)
	expected := uint32(cfg.OrdersExpected)
	b.orders.reserve(expected + 1)
	b.levels.reserve(expected + 1)
	b.index.init(&b.orders, expected)
	if n := cfg.InstrumentsExpected; n > 0 {
		b.windows.reserve(n * 2 * (windowMin + windowMin/32))
		b.fars.reserve(n * 2 << farMin)
	}
	b.moving = make([]uint32, 0, windowMax)
	b.Reset()
	return b
}

// Reset empties all books for a new epoch. Definitions and memory are kept.
func (b *ByOrder) Reset() {
	b.orders.reset()
	b.levels.reset()
	b.index.reset()
	b.windows.reset()
	b.fars.reset()
	b.windows.take(1) // block 0 is none
	b.fars.take(1)
	for i := range b.books {
		b.books[i].side = [2]side{}
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
	if bk := &b.books[i]; bk.tick != int64(tick) {
		b.regrid(bk, tick)
	}
	return market.Applied
}

// bookFor returns the book index of an instrument and makes the book if there is none; 0 if there
// is no room for it.
func (b *ByOrder) bookFor(id market.InstrumentID) uint32 {
	if i := b.instruments.find(id); i != 0 {
		return i
	}
	if len(b.books) > b.cfg.InstrumentsMax {
		return 0
	}
	i := uint32(len(b.books))
	b.books = append(b.books, book{id: id, grid: newGrid(b.cfg.TickSize)})
	b.instruments.set(id, i)
	return i
}

// Apply applies u to its book and completes it (see market.Update).
func (b *ByOrder) Apply(u *market.Update) Result {
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

func (b *ByOrder) add(u *market.Update) Result {
	if u.Side != market.Bid && u.Side != market.Ask {
		return Result{Verdict: market.Ignored}
	}
	if u.Size == 0 || !u.Price.Defined() {
		return Result{Verdict: market.BadField}
	}
	bookIndex := b.bookFor(u.Instrument)
	hash := hashID(u.OrderID)
	if bookIndex == 0 || !b.index.makeRoom(hash) {
		return Result{Verdict: market.BookFull}
	}
	seg, slot, i := b.index.find(u.OrderID, hash)
	if i != 0 {
		return Result{Verdict: market.DuplicateOrder}
	}
	i, o := b.orders.take()
	if i == 0 {
		return Result{Verdict: market.BookFull}
	}
	seg.set(slot, hash, i)
	o.id, o.size = u.OrderID, uint64(u.Size)
	sideIndex := uint32(u.Side.Index())
	b.enqueue(i, o, bookIndex, sideIndex, int64(u.Price))

	var r Result
	if o.level == b.books[bookIndex].side[sideIndex].best {
		r.Change = BidChanged << sideIndex
	}
	return r
}

// enqueue puts an order at the end of the queue at a price.
func (b *ByOrder) enqueue(i uint32, o *order, bookIndex, sideIndex uint32, price int64) {
	index, l := b.levelAt(bookIndex, sideIndex, price)
	o.level, o.prev, o.next = index, l.tail, 0
	if l.tail != 0 {
		b.orders.at(l.tail).next = i
	} else {
		l.head = i
	}
	l.tail = i
	l.size += o.size
	l.orders++
}

// dequeue takes an order out of its queue.
func (b *ByOrder) dequeue(o *order, l *level) {
	if o.prev != 0 {
		b.orders.at(o.prev).next = o.next
	} else {
		l.head = o.next
	}
	if o.next != 0 {
		b.orders.at(o.next).prev = o.prev
	} else {
		l.tail = o.prev
	}
	l.size -= o.size
	l.orders--
	if l.orders == 0 {
		b.dropLevel(o.level, l)
	}
}

var sides = [2]market.Side{market.Bid, market.Ask}

// lookup finds the order that an update is about, checks that it is the instrument's, and completes
// the update with what it was.
func (b *ByOrder) lookup(u *market.Update, id uint64, hash uint32) (
	seg *segment, slot, i uint32, o *order, l *level, v market.Verdict,
) {
	seg, slot, i = b.index.find(id, hash)
	if i == 0 {
		return nil, 0, 0, nil, nil, market.UnknownOrder
	}
	o = b.orders.at(i)
	l = b.levels.at(o.level)
	if b.books[l.owner>>1].id != u.Instrument {
		return nil, 0, 0, nil, nil, market.WrongBook
	}
	u.PrevPrice, u.PrevSize = market.Price(l.price), market.Size(o.size)
	return seg, slot, i, o, l, market.Applied
}

// reduce applies Delete, Cancel and Execute.
func (b *ByOrder) reduce(u *market.Update) Result {
	if u.Size == 0 && u.Action != market.Delete {
		return Result{Verdict: market.BadField}
	}
	seg, slot, i, o, l, v := b.lookup(u, u.OrderID, hashID(u.OrderID))
	if v != market.Applied {
		return Result{Verdict: v}
	}
	sideIndex := l.owner & 1
	u.Side = sides[sideIndex]
	if u.Action == market.Execute && !u.Price.Defined() {
		u.Price = u.PrevPrice
	}
	var r Result
	if o.level == b.books[l.owner>>1].side[sideIndex].best {
		r.Change = BidChanged << sideIndex
	}
	if u.Action != market.Delete {
		if uint64(u.Size) < o.size {
			o.size -= uint64(u.Size)
			l.size -= uint64(u.Size)
			return r
		}
		if uint64(u.Size) > o.size {
			r.Verdict = market.Oversize
		}
	}
	seg.remove(slot)
	b.dequeue(o, l)
	b.orders.give(i, o)
	return r
}

func (b *ByOrder) replace(u *market.Update) Result {
	if u.Size == 0 || !u.Price.Defined() {
		return Result{Verdict: market.BadField}
	}
	hash := hashID(u.OrderID)
	if !b.index.makeRoom(hash) {
		return Result{Verdict: market.BookFull}
	}
	if u.OrderID != u.PrevOrderID {
		if _, _, i := b.index.find(u.OrderID, hash); i != 0 {
			return Result{Verdict: market.DuplicateOrder}
		}
	}
	seg, slot, i, o, l, v := b.lookup(u, u.PrevOrderID, hashID(u.PrevOrderID))
	if v != market.Applied {
		return Result{Verdict: v}
	}
	u.Side = sides[l.owner&1]
	seg.remove(slot)
	o.id = u.OrderID
	r := b.move(i, o, l, u)
	seg, slot, _ = b.index.find(u.OrderID, hash)
	seg.set(slot, hash, i)
	return r
}

func (b *ByOrder) modify(u *market.Update) Result {
	if u.Side != market.Bid && u.Side != market.Ask {
		return Result{Verdict: market.Ignored}
	}
	if u.Size == 0 || !u.Price.Defined() {
		return Result{Verdict: market.BadField}
	}
	_, _, i, o, l, v := b.lookup(u, u.OrderID, hashID(u.OrderID))
	if v != market.Applied {
		return Result{Verdict: v}
	}
	if u.Side != sides[l.owner&1] {
		u.PrevPrice, u.PrevSize = market.UndefPrice, 0
		return Result{Verdict: market.BadField}
	}
	if size := uint64(u.Size); int64(u.Price) == l.price && size <= o.size {
		var r Result
		if size != o.size && o.level == b.books[l.owner>>1].side[l.owner&1].best {
			r.Change = BidChanged << (l.owner & 1)
		}
		l.size -= o.size - size
		o.size = size
		return r
	}
	return b.move(i, o, l, u)
}

// move takes an order to the end of the queue at the update's price, with the update's size.
func (b *ByOrder) move(i uint32, o *order, l *level, u *market.Update) Result {
	bookIndex, sideIndex := l.owner>>1, l.owner&1
	s := &b.books[bookIndex].side[sideIndex]
	if o.level != s.best && int64(u.Price)^mirror(sideIndex) < s.bestRank {
		b.dequeue(o, l)
		o.size = uint64(u.Size)
		b.enqueue(i, o, bookIndex, sideIndex, int64(u.Price))
		return Result{}
	}
	before := b.bestLevel(s)
	b.dequeue(o, l)
	o.size = uint64(u.Size)
	b.enqueue(i, o, bookIndex, sideIndex, int64(u.Price))
	if b.bestLevel(s) == before {
		return Result{}
	}
	return Result{Change: BidChanged << sideIndex}
}

// ClearInstrument removes every order of an instrument.
func (b *ByOrder) ClearInstrument(id market.InstrumentID) (c Change) {
	i := b.instruments.find(id)
	if i == 0 {
		return 0
	}
	bk := &b.books[i]
	for sideIndex := range bk.side {
		s := &bk.side[sideIndex]
		if s.best != 0 {
			c |= BidChanged << sideIndex
		}
		for s.best != 0 {
			b.clearLevel(b.levels.at(s.best))
		}
	}
	return c
}

func (b *ByOrder) clearLevel(l *level) {
	for i := l.head; i != 0; {
		o := b.orders.at(i)
		next := o.next
		seg, slot, _ := b.index.find(o.id, hashID(o.id))
		seg.remove(slot)
		b.dequeue(o, l) // drops the level with its last order
		b.orders.give(i, o)
		i = next
	}
}

package match

import "tidegate/market"

// where says where an order is.
type where uint8

const (
	nowhere where = iota // on its way, or a peg that is parked
	inBook
	inStops // waits for its trigger
	inHeld  // waits for a fresh reference
)

// An order is one live order, linked by slab index into the queues that it is in. It has no pointer.
type order struct {
	id    uint64
	ref   uint64       // public number of the displayed part; 0 if none shows
	price market.Price // limit, or a peg's present price; 0 for a market order
	size  uint32       // all of it, less what was canceled
	open  uint32       // what is not executed
	shown uint32       // of that, what can be executed before the next refill; 0 outside the book
	level uint32       // in the book or among stops

	account    uint32
	session    uint32
	instrument uint32 // index
	side       market.Side
	kind       OrderType
	tif        TimeInForce
	stp        SelfTrade
	post       PostOnly
	peg        Peg
	trigger    Trigger // NoTrigger once triggered
	where      where

	entry   uint64       // number of acceptance
	stop    market.Price // what a trigger waits for
	cap     market.Price // a peg's limit; 0 is none
	offset  market.Price // a peg's
	display uint32       // size of a displayed part; 0 is all
	min     uint32       // what must be executed at once when it enters the book; then 0
	group   uint32
	timer   uint32 // place of its timer; 0 is none

	links [chains]links // neighbours in the chains that it is in

	cancelOnDisconnect bool
}

// hidden is what of the open size does not show yet.
func (o *order) hidden() uint32 { return o.open - o.shown }

// executed is what was executed.
func (o *order) executed() uint32 { return o.size - o.open }

// part is how much of the order shows when it comes into the book or is refilled.
func (o *order) part() uint32 {
	if o.display == 0 {
		return o.open
	}
	return min(o.display, o.open)
}

// displayed is what others see of the order: nothing of a market order that waits for an auction.
func (o *order) displayed() market.Size {
	if o.ref == 0 {
		return 0
	}
	return market.Size(o.shown)
}

// links are an order's neighbours in a chain.
type links struct{ prev, next uint32 }

// A chain is a list of orders, linked by the links of one kind.
type chain struct{ head, tail uint32 }

// The chains that an order can be in.
const (
	byQueue   = iota // of a level, or the held orders of an instrument
	byGroup          // same account, instrument and side, as they came
	bySession        // those that go with a session, as they came
	byPeg            // pegs of an instrument, in the order in which they move
	chains
)

// A group is the orders of one account in one instrument: bids and asks.
type group [2]chain

// append puts an order at the end of a chain of a kind.
func (c *chain) append(orders *slab[order], i uint32, kind int) {
	orders.at(i).links[kind] = links{prev: c.tail}
	if c.tail == 0 {
		c.head = i
	} else {
		orders.at(c.tail).links[kind].next = i
	}
	c.tail = i
}

func (c *chain) remove(orders *slab[order], i uint32, kind int) {
	l := orders.at(i).links[kind]
	if l.prev == 0 {
		c.head = l.next
	} else {
		orders.at(l.prev).links[kind].next = l.next
	}
	if l.next == 0 {
		c.tail = l.prev
	} else {
		orders.at(l.next).links[kind].prev = l.prev
	}
}

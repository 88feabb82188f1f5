package market

import "unsafe"

// An Event is one published fact: an order came, changed or went, a trade happened. It is exactly
// one cache line and holds no pointer, so it is copied, stored and sent by value.
//
// The fields are those of DBN's MboMsg, with 64-bit sequence and size.
type Event struct {
	TsEvent    Nanos  // venue time
	TsRecv     Nanos  // our receive time (capture time in replay)
	Seq        uint64 // the venue's message number on its channel
	OrderID    uint64 // the venue's order id; 0 where the event is about no order
	Price      Price
	Size       Size
	Instrument InstrumentID
	TsInDelta  int32 // nanoseconds from the venue's send time to TsRecv, clamped; 0 where unknown
	Publisher  PublisherID
	Action     Action
	Side       Side
	Flags      Flags
	Channel    uint8 // DBN channel_id; 255 where unknown
	_          [2]byte
}

// An Event is exactly one cache line.
var _ = [1]struct{}{}[unsafe.Sizeof(Event{})-64]

// An Update is one venue message on its way from a decoder to a book. A decoder fills the Event
// with what the message says, and PrevOrderID for a Replace. The book applies it and completes it:
// see the fields.
//
// What decoders leave open, by action:
//
//   - Cancel: Price and Side. Delete: Price, Side and Size (0).
//   - Execute: Side; and Price, which is UndefPrice unless the venue gives an execution price of
//     its own.
//   - Replace: Side; OrderID, Price and Size are those of the new order.
//   - Modify: nothing (DBN input carries everything).
//
// After the book has applied an update, Event.Side is known, and PrevPrice and PrevSize are the
// order's (or, for Level, the level's) price and size before it. For Execute, Event.Price is then
// the execution price: the venue's, else the order's.
type Update struct {
	Event
	PrevOrderID uint64 // Replace: the order that goes
	PrevPrice   Price  // out: price before; UndefPrice if there was none
	PrevSize    Size   // out: size before; 0 if there was none
	// Match is the venue's execution number for Execute and Trade, 0 where there is none.
	Match uint64
	// Unprintable marks an execution that must not count as a trade (it will be, or was, reported
	// in bulk).
	Unprintable bool
}

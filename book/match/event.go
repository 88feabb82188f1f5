package match

import "tidegate/market"

// EventKind says what an event tells.
type EventKind uint8

// Kinds of event.
const (
	Accepted     EventKind = 1 + iota // a new order lives
	Rejected                          // an input did nothing; Reason says why
	Booked                            // an order, or what is left of it, stands in the book
	Executed                          // an order traded; every trade is two events in a row
	Canceled                          // size was taken off an order; it is gone when Open is 0
	Replaced                          // an order has a new id, price or size
	Restated                          // an order changed by itself; Reason says how
	StateChanged                      // an instrument has another trading state
	Indicated                         // where an auction would clear
	MassCanceled                      // a MassCancel or Disconnect is done; Size is how many orders
	Defined                           // an instrument was defined
	eventKinds
)

var eventKindNames = [eventKinds]string{
	"?", "accepted", "rejected", "booked", "executed", "canceled", "replaced", "restated", "state",
	"indicated", "mass-canceled", "defined",
}

// String returns the name used in counters and scenarios.
func (k EventKind) String() string {
	if k < eventKinds {
		return eventKindNames[k]
	}
	return "?"
}

// Reason says why something was done or not done.
type Reason uint8

// Reasons.
const (
	ReasonNone Reason = iota

	// Of Rejected. Some are also of Canceled, where a check comes later than the order.

	ReasonBadInput          // a kind of input that there is not
	ReasonTimeWentBack      // the input's time is less than that of the one before, or the reference is older than the last
	ReasonBadTime           // a time to live that is over, missing or for another TIF; a reference from the future
	ReasonUnknownInstrument //
	ReasonInstrumentInUse   // an instrument that is not closed or has orders does not change
	ReasonBadOrderID        // 0
	ReasonDuplicateOrder    // the id is that of a live order
	ReasonUnknownOrder      // no live order has the id
	ReasonNotOwner          // the order belongs to another account
	ReasonBadAccount        // 0
	ReasonBadField          // a value that there is not, or one that is missing
	ReasonBadCombination    // values that do not go together
	ReasonBadSize           // 0, too large, no multiple of the lot, or Display or MinSize do not fit Size
	ReasonBadPrice          // out of range, no multiple of the tick, missing or where there can be none
	ReasonMarketClosed      // the instrument is closed
	ReasonMarketHalted      // the instrument is halted
	ReasonNotInCall         // an order that must trade at once cannot wait for an auction
	ReasonWrongState        // the instrument is in that state already; no auction to indicate
	ReasonBookFull          // a limit of the engine is reached
	ReasonCollar            // the price is too far through the reference
	ReasonStaleReference    // there is no reference to trust, and the instrument refuses then
	ReasonWouldTake         // post-only, and would have traded

	// Of Canceled.

	ReasonRequested      // by Cancel
	ReasonMassCancel     // by MassCancel
	ReasonDisconnected   // by Disconnect
	ReasonExpired        // its time is over
	ReasonUnfilled       // what is left of an order that does not rest
	ReasonNotFillable    // fill or kill, and not all could be filled
	ReasonBelowMinimum   // less than MinSize could be filled
	ReasonSelfTrade      // it met an order of its account
	ReasonDayOver        // the instrument closed
	ReasonReplacedToNone // it was replaced by a size that was executed already

	// Of Restated.

	ReasonRefill    // the displayed part was used up; the next one is at the end of the queue
	ReasonPegMoved  // a peg has another price, and enters the book at it
	ReasonParked    // a peg is out of the book until there is a price for it
	ReasonHeld      // an order is out of the book until the reference is fresh
	ReasonReleased  // a held order enters the book
	ReasonTriggered // a stop order enters the book

	// Of Replaced.

	ReasonKeptPlace // same place in the queue
	ReasonLostPlace // it enters the book again

	reasons
)

var reasonNames = [reasons]string{
	"none", "bad-input", "time-went-back", "bad-time", "unknown-instrument", "instrument-in-use",
	"bad-order-id", "duplicate-order", "unknown-order", "not-owner", "bad-account", "bad-field",
	"bad-combination", "bad-size", "bad-price", "market-closed", "market-halted", "not-in-call",
	"wrong-state", "book-full", "collar", "stale-reference", "would-take",
	"requested", "mass-cancel", "disconnected", "expired", "unfilled", "not-fillable", "below-minimum",
	"self-trade", "day-over", "replaced-to-none",
	"refill", "peg-moved", "parked", "held", "released", "triggered",
	"kept-place", "lost-place",
}

// String returns the name used in counters and scenarios.
func (r Reason) String() string {
	if r < reasons {
		return reasonNames[r]
	}
	return "reason?"
}

// Liquidity says which part an order had in a trade.
type Liquidity uint8

// Parts.
const (
	NoLiquidity Liquidity = iota // the event is no execution
	Added                        // the order rested
	Removed                      // the order came
	Crossed                      // the trade is of an auction
)

// An Event is one thing that the engine did. It has no pointer and is copied by value.
//
// Fields that a kind does not name are those of the order, the input or the instrument that the event
// is about, or zero. Price is market.UndefPrice where there is none. Open is what of the order is not
// executed and not canceled, after the event.
//
//	Accepted      Price, Size, Side; for a stop order Price is its limit
//	Rejected      Reason; OrderID, Account, Session, Instrument as in the input
//	Booked        Price, Ref, Displayed, Open
//	Executed      Match, Price, Size, Open, Liquidity, Ref. The first event of a trade is of the order
//	              that rested (in an auction, of the bid), the second of the other
//	Canceled      Size (taken off), Open, Reason, Ref, Displayed
//	Replaced      OrderID (new), PrevID, Price, Size, Open, PrevRef, Ref, Displayed, Reason
//	Restated      Price, Open, PrevRef, Ref, Displayed, Reason
//	StateChanged  State
//	Indicated     Price, Size (would be executed), Open (imbalance), Side (of the imbalance)
//	MassCanceled  Size (number of orders), Account, Session, Instrument, Side
//
// # The displayed book
//
// Ref is the public number of the part of an order that shows. Each part has its own: who follows the
// public numbers cannot tell that one part is the refill of another. These events change the
// displayed book, all others do not:
//
//	Booked              Ref appears at the end of the queue at Price, with size Displayed
//	Executed            Ref loses Size, and goes when nothing is left
//	Canceled            Ref has Displayed left, and goes when that is 0
//	Replaced, Restated  if Ref is PrevRef, it has Displayed left and keeps its place;
//	                    otherwise PrevRef goes, and Ref appears as with Booked
//
// where 0 is no part: the order did not show, or does not now. Market orders that wait for an auction
// never show.
type Event struct {
	Time    market.Nanos // of the input that caused it
	Input   uint64       // number of that input, from 1
	OrderID uint64
	PrevID  uint64
	Ref     uint64
	PrevRef uint64
	Match   uint64 // number of the trade, from 1
	Price   market.Price
	Size    market.Size
	Open    market.Size

	Displayed  market.Size
	Account    uint32
	Session    uint32
	Instrument market.InstrumentID
	Kind       EventKind
	Reason     Reason
	Side       market.Side
	State      State
	Liquidity  Liquidity
}

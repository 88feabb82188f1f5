package match

import "tidegate/market"

// Kind says what an input asks for.
type Kind uint8

// Kinds of input.
const (
	Tick       Kind = 1 + iota // time passed; nothing else
	Define                     // an instrument, new or changed
	SetState                   // the trading state of an instrument
	Reference                  // best bid and offer of the consolidated market
	Indicate                   // say where an auction would clear now
	New                        // an order
	Replace                    // another price or size for an order
	Cancel                     // an order
	MassCancel                 // the orders of an account
	Disconnect                 // a session is gone, and its orders that say so with it
)

// OrderType says whether an order has a limit.
type OrderType uint8

// Order types. With a Trigger they are stop-limit and stop orders.
const (
	Limit OrderType = iota
	Market
	orderTypes
)

// TimeInForce says how long an order lives.
type TimeInForce uint8

// Times in force.
const (
	Day          TimeInForce = iota // until the close
	Immediate                       // what cannot be executed at once is canceled (IOC)
	FillOrKill                      // all at once or nothing (FOK)
	GoodTillTime                    // until Input.Until, also past a close
	timesInForce
)

// SelfTrade says what an order does when it meets one of the same account.
type SelfTrade uint8

// Self-trade prevention. The order that comes decides, not the one that rests.
const (
	AllowSelf     SelfTrade = iota
	CancelNewest            // the order that comes is canceled
	CancelOldest            // the order that rests is canceled
	CancelBoth              // both are
	DecrementBoth           // both lose what they would have traded with each other
	selfTrades
)

// PostOnly says what an order does that must not take liquidity, and would.
type PostOnly uint8

// Post-only behaviours.
const (
	MayTake      PostOnly = iota
	RejectTaking          // it is rejected
	SlideTaking           // its price becomes one tick short of the other side's best
	postOnlys
)

// Peg says which price of the reference an order follows.
type Peg uint8

// Pegs. Offset makes each of them less aggressive: lower for a bid, higher for an ask.
const (
	NoPeg      Peg = iota
	PegPrimary     // a bid follows the reference's bid, an ask its ask
	PegMid         // the middle
	PegMarket      // a bid follows the reference's ask, an ask its bid
	pegs
)

// Trigger says what a stop order waits for.
type Trigger uint8

// Triggers.
const (
	NoTrigger    Trigger = iota
	TriggerTrade         // a trade here: at Stop or higher for a bid, at Stop or lower for an ask
	TriggerQuote         // the reference: its ask at Stop or higher for a bid, its bid at Stop or lower for an ask
	triggerChoices
)

// StalePolicy says what becomes of orders that need a reference while there is none to trust.
type StalePolicy uint8

// Policies.
const (
	RefuseStale StalePolicy = iota // new ones are rejected, waiting ones canceled
	HoldStale                      // they wait outside the book
	stalePolicies
)

// State is the trading state of an instrument.
type State uint8

// Trading states.
const (
	Closed  State = iota // only cancels
	PreOpen              // orders are collected for an auction
	Open                 // continuous trading
	Halted               // only cancels; orders stay
	states
)

// An Input is everything that can happen to an engine: a union, of which Kind says what counts. Fields
// that a kind does not name below are not looked at. In all of them 0 is "none"; for a price,
// market.UndefPrice too.
//
//	Tick        -
//	Define      Instrument; see DefineInput for the rest
//	SetState    Instrument, State
//	Reference   Instrument, Fresh; see ReferenceInput for the rest
//	Indicate    Instrument
//	New         OrderID, Account, Session, Instrument, Side, Type, TIF, STP, Post, Peg, Trigger,
//	            CancelOnDisconnect, Price, Stop, Offset, Until, Size, Display, MinSize
//	Replace     OrderID, Account, NewID, Price, Stop, Size
//	Cancel      OrderID, Account
//	MassCancel  Account, Instrument (0: all), Side (neither Bid nor Ask: both)
//	Disconnect  Session
type Input struct {
	Time    market.Nanos // when the input was taken; never less than that of the input before
	OrderID uint64       // not 0; unique among the orders that live
	NewID   uint64       // Replace: the order's id from then on; 0 keeps it
	Price   market.Price // the limit; of a peg the farthest it goes, or none
	Stop    market.Price // what Trigger waits for
	Offset  market.Price // of a peg, away from the other side
	Until   market.Nanos // GoodTillTime: the order lives as long as Time is less
	Size    market.Size  // all of the order; for Replace what was executed counts too
	Display market.Size  // how much of it shows at a time; 0 is all
	MinSize market.Size  // how much must be executed at once when the order enters the book

	Instrument market.InstrumentID
	Account    uint32 // not 0; whose order it is
	Session    uint32 // where it came from; 0 is none
	Collar     uint32 // Define

	Kind      Kind
	Side      market.Side
	Type      OrderType
	TIF       TimeInForce
	STP       SelfTrade
	Post      PostOnly
	Peg       Peg
	Trigger   Trigger
	State     State
	WhenStale StalePolicy // Define
	Fresh     bool        // Reference: it may be trusted
	// CancelOnDisconnect cancels the order when its session goes.
	CancelOnDisconnect bool
}

// DefineInput returns the input that defines an instrument: the tick size travels as Price, the lot
// size as Size, the age as Until.
func DefineInput(now market.Nanos, in Instrument) Input {
	return Input{
		Time: now, Kind: Define, Instrument: in.ID, Price: in.TickSize, Size: in.LotSize,
		Collar: in.Collar, Until: in.ReferenceAgeMax, WhenStale: in.WhenStale,
	}
}

// ReferenceInput returns the input that says how the consolidated market stands: its best bid and
// ask (market.UndefPrice where there is none), whether they may be trusted, and of when they are. The
// bid travels as Price, the ask as Stop, the time as Until.
func ReferenceInput(now market.Nanos, id market.InstrumentID, bid, ask market.Price, fresh bool, at market.Nanos) Input {
	return Input{Time: now, Kind: Reference, Instrument: id, Price: bid, Stop: ask, Fresh: fresh, Until: at}
}

// defined returns the instrument that a Define is about.
func (in *Input) defined() Instrument {
	return Instrument{
		ID: in.Instrument, TickSize: in.Price, LotSize: in.Size, Collar: in.Collar,
		ReferenceAgeMax: in.Until, WhenStale: in.WhenStale,
	}
}

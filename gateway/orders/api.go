package orders

import (
	"tidegate/book/match"
	"tidegate/market"
)

// A SessionID names a session of the configuration. It is not 0. Session numbers go into match.Input.
type SessionID uint32

// An AccountID names an account. It is not 0. Account numbers go into match.Input.
type AccountID uint32

// An AssetID names what balances are kept in: a currency, a share. It is not 0.
type AssetID uint32

// A ClientID is how a client names a request: sixteen bytes that the gate only compares. All zeros is
// none. OUCH puts its user reference number there, HTTP the idempotency key.
type ClientID [16]byte

// EchoLen is how many bytes of a request come back in every report of its order.
const EchoLen = 32

// An Echo is what a protocol wants to find again in reports: fields that only it knows (ClOrdID, time in
// force as the client wrote it). It is kept with the order; a Replace brings its own.
type Echo [EchoLen]byte

// Kind says what a request asks for.
type Kind uint8

// Kinds of requests.
const (
	New        Kind = 1 + iota // an order
	Replace                    // another price or size for an order
	Reduce                     // a smaller size for an order, which keeps its place: never risk
	Cancel                     // an order
	MassCancel                 // orders of an account
)

// A Request is what a session asks for. The gate copies it.
//
//	New         ID, Echo, and of Order: Instrument, Account, Side, Type, TIF, STP, Post, Peg, Trigger,
//	            Price, Stop, Offset, Until, Size, Display, MinSize, CancelOnDisconnect
//	Replace     ID, Echo, Target or Order.OrderID; Order.Account, Price, Stop, Size (see match: with what was
//	            executed; a price of 0 keeps the old one), and Instrument if it shall go by lane 2
//	Reduce      ID (may be none), Target or Order.OrderID; Order.Account, Size (what the order shall have, with what was executed)
//	Cancel      ID (may be none), Target or Order.OrderID; Order.Account
//	MassCancel  ID (may be none), Order.Account, Order.Instrument (0: all), Order.Side (neither: both)
//
// An Order.Account of 0 is the session's first. The gate fills in Order's Kind, Time, Session and, for
// New, OrderID; what a protocol put there does not count.
type Request struct {
	Order  match.Input
	Kind   Kind
	ID     ClientID // of this request; not used before in its session
	Target ClientID // the order's present ClientID; none: Order.OrderID says which
	Echo   Echo
}

// A Ticket numbers the requests of a session that were Taken, from 1, in the order of Submit. It goes on
// over restarts.
type Ticket uint64

// A Verdict says what became of a request at the door. Whatever is not Taken left no trace.
type Verdict uint8

// Verdicts.
const (
	Taken         Verdict = iota // it is in a lane, and will be answered by reports
	Busy                         // its lane is full
	SessionBusy                  // too many requests of the session wait in that lane
	AccountBusy                  // too many requests of the account wait
	TooFast                      // the session is above its rate
	AccountFast                  // the account is above its rate
	AccountKilled                // the kill switch of the account, or of all, is on
	AccountOther                 // the account is not one of the session's
	BadKind                      // there is no such kind of request
	BadID                        // a New or Replace without ID
	Detached                     // the link was detached
	Closing                      // the gate is being closed
	verdicts
)

var verdictNames = [verdicts]string{
	"taken", "busy", "session-busy", "account-busy", "too-fast", "account-too-fast", "account-killed", "account-other",
	"bad-kind", "bad-id", "detached", "closing",
}

// String returns the name used in counters.
func (v Verdict) String() string {
	if v < verdicts {
		return verdictNames[v]
	}
	return "verdict?"
}

// A Refusal says why the checks before the market did not let a request through.
type Refusal uint8

// Refusals.
const (
	NotRefused        Refusal = iota
	AccountUnknown            // there is no such account
	AccountDisabled           // the account may not trade
	Killed                    // the kill switch is on
	InstrumentUnknown         // there is no such instrument
	OrderUnknown              // no live order of the session's accounts has the id
	OrderTooLarge             // more than the account's or instrument's largest size
	NotionalTooLarge          // more than the account's largest notional
	TooManyOrders             // the account's or the session's open orders are at their limit
	BalanceTooLow             // cash, position and credit do not cover it
	PriceNeeded               // an account with limits has to say the most it pays: no bound is known
	ReduceTooLarge            // a Reduce that is none
	MassCanceled              // a MassCancel of the session overtook the request
	SessionLost               // the session was lost while the request waited, and it has CancelOnDisconnect
	BadRequest                // sizes or prices that no order can have
	TooManyIDs                // the session has used all ids it may use
	refusals
)

var refusalNames = [refusals]string{
	"none", "account-unknown", "account-disabled", "killed", "instrument-unknown", "order-unknown",
	"order-too-large", "notional-too-large", "too-many-orders", "balance-too-low", "price-needed",
	"reduce-too-large", "mass-canceled", "session-lost", "bad-request", "too-many-ids",
}

// String returns the name used in counters and answers.
func (r Refusal) String() string {
	if r < refusals {
		return refusalNames[r]
	}
	return "refusal?"
}

// ReportKind says what a report tells.
type ReportKind uint8

// Kinds of reports.
const (
	// FromEngine is an event of the matching engine: Event says all, see match.Event. Event.Kind is
	// Accepted, Rejected, Booked, Executed, Canceled, Replaced, Restated or MassCanceled.
	FromEngine ReportKind = 1 + iota
	// Refused says that a request did not get to the engine: Refusal says why. Event has the order's
	// id if there is one, account, session, instrument and side.
	Refused
	// Repeated answers a New or Replace whose ID was used before: First is the number of the report that
	// answered it then.
	Repeated
)

// A Report is one numbered message to a session. It has no pointer and is copied by value. Sizes,
// prices and times are those of package market.
type Report struct {
	// Event is what happened. Event.Input is not set: see Index.
	Event match.Event
	// Number is that of the report in its session, from 1 without holes.
	Number uint64
	// AccountNumber is that of the report in the history of its account, from 1 without holes; 0 if it is not
	// in it: refusals, and copies.
	AccountNumber uint64
	// Index is that of the entry of the input log that caused it.
	Index uint64
	// Ticket is the request that this answers; 0 if none of this session caused it (somebody else's order
	// executed it, it expired).
	Ticket Ticket
	// First is for Repeated.
	First uint64
	// Message is the number of the first ITCH message that tells of it, 0 if none does: see AppendMessage.
	Message uint64
	// PrevPrice and PrevDisplayed are what the order had before: its price (market.UndefPrice for none), and
	// what it showed.
	PrevPrice     market.Price
	PrevDisplayed market.Size
	// ID is the present ClientID of the order; if there is no order, that of the request.
	ID ClientID
	// PrevID is the one before, where Event.Kind is Replaced, and the Target of a Replace, Reduce or Cancel
	// that was Rejected or Refused.
	PrevID  ClientID
	Echo    Echo
	To      SessionID // whose report it is
	Kind    ReportKind
	Request Kind // of the request with the Ticket; 0 without
	Refusal Refusal
	// Last marks the last report with its Ticket.
	Last bool
	// Copy marks a report about an order of another session of the account, to the session whose request
	// changed it.
	Copy bool
	// Printed is for the second side of a trade in an auction: the first side's message counts the trade.
	Printed bool
}

// An OrderState is a live order as the engine told of it last.
type OrderState struct {
	match.Order
	SessionID SessionID
	ID        ClientID
	Echo      Echo
	Entered   market.Nanos
}

// A Balance is what an account has of an asset. What is available is Total + Credit - Reserved.
type Balance struct {
	Asset                   AssetID
	Total, Reserved, Credit Money
}

// Package match is the matching engine: it takes orders, decides which of them trade, at which price and
// in which order, and says so. (Package book, in contrast, applies what other venues have decided.)
//
//	inputs, each with its time --> Engine.Apply --> events
//
//	engine := match.NewEngine(match.Config{})
//	in := match.DefineInput(now, match.Instrument{ID: 1, TickSize: market.PriceScale / 100, LotSize: 1})
//	events = engine.Apply(&in, events[:0])
//
// An Engine is a function of its inputs: it reads no clock, starts no goroutine and depends on no order
// of a map. The same inputs give the same events, the same Hash and the same snapshot, always. So a log of
// inputs (see Input.AppendBinary) is all that has to be kept, and a snapshot with the log from
// there on is as good. Every input can be applied: what makes no sense is rejected with a reason.
//
// Prices are in 1e-9 of the currency, sizes in the instrument's units of size, times in nanoseconds since
// the Unix epoch, as everywhere (see package market). In inputs, 0 is "no price", as
// market.UndefPrice is; events have only the latter.
//
// # Priority
//
// Better prices trade first: higher bids, lower asks. Among orders of one price, those that have been
// there longer. A trade is at the price of the order that rested.
//
// An order keeps its place when it loses size: by executions, by a Replace to a smaller size at the
// same price, by self-trade prevention. It loses its place, and enters the market again as if it came
// now, by a Replace with another price, stop price or a larger size, when a peg moves, and part by
// part when it shows only a part of its size.
//
// # Orders
//
//   - Limit orders trade up to their limit, and what is left rests. Prices are multiples of the tick size,
//     above 0 and up to PriceMax; sizes are multiples of the lot size, up to SizeMax.
//   - Market orders trade at any price within the collar, and what is left is canceled. Before an auction
//     they wait for it, ahead of all prices, and do not show.
//   - Immediate (IOC): what is left is canceled. FillOrKill: all at once, or nothing.
//   - MinSize: so much at once, or the order is canceled. It counts once, when the order enters the book;
//     what is left then rests like any other.
//   - Day orders end when the instrument closes. GoodTillTime orders end at their time, and outlive a
//     close; the time is that of inputs: an order whose time is over is canceled before the next input
//     is looked at.
//   - Display: only so much shows. When that is used up, the next part shows, under a new public number,
//     at the end of the queue. Only what shows can be executed at once; the rest of a price level comes
//     after everything there that shows. An order has at most PartsMax parts.
//   - Post-only orders do not take: RejectTaking rejects one that would, SlideTaking gives it the price
//     one tick short of the other side's best, for good. Before an auction nobody takes, and post-only
//     means nothing.
//   - Stop orders (Trigger) wait outside the book, for a trade here or for the reference to reach Stop.
//     Then they enter as limit or market orders. One whose stop price is reached already is triggered at
//     once.
//   - Pegs follow the reference: PegPrimary its own side, PegMarket the other, PegMid the middle, each
//     less Offset, rounded to the tick away from the other side, and no farther than Price if there is
//     one. Without a price to follow they are parked outside the book. They are in the book only in
//     continuous trading.
//
// Account and OrderID must not be 0. OrderID is unique among live orders, of all accounts; an id may
// come again when its order is gone. Cancel and Replace come from the account of the order.
//
// These do not go together: a Market order with Post, Peg, Display, or GoodTillTime without a Trigger;
// Post with Immediate, FillOrKill, Peg, Trigger or MinSize; Peg with Immediate, FillOrKill, Trigger or
// MinSize; Trigger with Immediate, FillOrKill or MinSize; FillOrKill with MinSize; Display with
// Immediate or FillOrKill.
//
// # Replace and cancel
//
// The Size of a Replace is that of the whole order, with what was executed before; what is left open is
// the difference. So a Replace that crosses an execution on its way does not buy more than was meant.
// If nothing is left, the order is canceled. A Price or Stop of 0 keeps the old one. Every check of a
// new order's price is made again if the order loses its place; if one fails, the Replace is
// rejected and the order stays as it was.
//
// Cancel, MassCancel and Disconnect work in every state. MassCancel goes over instruments as they were
// defined, over bids before asks, and over orders as they came; Disconnect cancels the orders of a
// session that have CancelOnDisconnect, as they came.
//
// # Self-trade prevention
//
// When an order that came meets one of its account, its STP decides: CancelNewest cancels the one that
// came, CancelOldest the one that rests, CancelBoth both; DecrementBoth takes off both the size that
// would have traded, of what shows. With AllowSelf they trade. FillOrKill and MinSize look ahead: behind
// an order that would end them, nothing counts; with CancelOldest, orders of the account are passed over.
//
// Before an auction orders do not meet, so prevention happens as an order comes: orders of its account on
// the other side, as they came, count as met if prices overlap; DecrementBoth takes off their whole
// open sizes then, what does not show first. So an auction itself prevents nothing, and clears at
// the price that was indicated.
//
// # Trading states
//
//	Closed   nothing but cancels; where an instrument begins. Entering it cancels day orders
//	PreOpen  orders are collected and do not trade; the book may be crossed. Immediate, FillOrKill and
//	         MinSize are rejected
//	Open     continuous trading. Entering it uncrosses the book, whatever state was before
//	Halted   nothing but cancels; orders stay
//
// Any state may follow any other. A closing auction is PreOpen, Open, Closed.
//
// # Auction
//
// An auction is at one price for all, by these rules in turn:
//
//  1. Among the limits of the orders in the book, the prices at which most is executed. Market orders
//     count at every price, hidden size counts in full.
//  2. Of those, the prices that leave the smallest imbalance.
//  3. If at all of them buyers are left, the highest; if at all of them sellers are left, the lowest.
//  4. Otherwise the price between the lowest and the highest of them that is nearest to the middle of the
//     reference, if it is fresh and has both sides, else to the last trade, rounded down to the tick; if
//     there is neither, the middle between the lowest and the highest, rounded down to the tick.
//
// If only market orders are there, the price is that of rule 4. If there is none, or nothing can be
// executed, nothing happens. Orders trade by priority, all at that price. Market orders that are left
// are canceled. Indicate says at any time before where the auction would clear, how much would trade,
// and the imbalance at that price.
//
// # Reference, collars and stale data
//
// The reference is the best bid and offer of the consolidated market. It comes as an input (see
// ReferenceInput), with the time of which it is and whether it may be trusted. It is stale when its input
// says so, when it is older than the instrument's ReferenceAgeMax, and before the first input; one whose bid is
// above its ask is as good as stale. A stale reference never moves or prices a peg, triggers a stop, admits an
// order or leans an auction. The reference should leave out this engine's own quotes: a peg would
// follow itself.
//
// With a Collar, in continuous trading, no bid may have a limit above the reference's ask by more than so many
// basis points, and no ask one below its bid; market orders trade up to there. Pegs are never
// outside. What becomes of orders when there is no reference to trust is the instrument's
// WhenStale:
//
//	             RefuseStale                   HoldStale
//	new, collar  rejected                      held outside the book until the reference is fresh
//	triggered    canceled                      held
//	pegs         rejected; canceled if they    parked
//	             live already
//	stops        wait                          wait
//
// Held orders enter as they came, when the reference is fresh, or when an auction is prepared, to which collars
// do not apply; the checks of their price are made then.
//
// # What happens first
//
// An input has time pass first: references that became too old, and orders whose time is over, by
// time, at the same time references first. Then it does what it asks for. What follows from a
// reference or a state comes after that: first pegs leave the book that move, in the order in which
// they came or last lost their place; then each enters at its new price; then held orders enter. Last, stop orders
// are triggered one by one, each after all that the one before has done: those for trades before those for
// the reference, bids before asks, the stop price first that was reached first, and by time.
//
// # Use
//
// One goroutine owns an Engine, and several engines share nothing. Memory is set aside at the start;
// searches are by hash tables of fixed size and balanced trees, so no input costs more than the
// logarithm of what is there, for each order that it touches.
// FillOrKill and MinSize look at no more price levels than they need, and at the orders in them if the
// account has orders on the other side; a Reference looks at all pegs and held orders of its
// instrument; Indicate and opening look at the levels that overlap; a mass cancel without an
// instrument looks at all instruments.
//
// Package matchtest holds the plain twin: a slow and obviously right engine with the same rules, events
// and hash, against which this one is tested.
package match

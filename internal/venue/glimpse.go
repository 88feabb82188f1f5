package venue

import (
	"tidegate/codec/itch50"
	"tidegate/market"
)

// eventCodes are the system events of a day, in order.
const eventCodes = "OSQMEC"

// Snapshot returns the state of the exchange after its latest step as ITCH 5.0 messages, in the order
// of Nasdaq GLIMPSE 5.0: the latest system event; directory, trading action and short sale restriction
// of each listed instrument; then each resting order of each instrument as Add Order, bids first, in
// the order in which they would execute. End of Snapshot is not among them.
//
// The messages have the time of the step. Who entered an order, and why an instrument is halted, is
// told in the feed and not kept: orders are without attribution and trading actions without a reason.
func (x *Exchange) Snapshot() [][]byte {
	t := tape{midnight: x.cfg.Midnight, now: x.now}
	if n := x.MessagesOf(itch50.TypeSystemEvent); n > 0 {
		t.systemEvent(eventCodes[n-1])
	}
	// Instruments are listed in their order, one directory message each.
	listed := x.instruments[:x.MessagesOf(itch50.TypeStockDirectory)]
	for _, in := range listed {
		t.directory(in)
		t.tradingAction(in, "")
		t.shortSale(in)
	}
	for _, in := range listed {
		for _, side := range [...]market.Side{market.Bid, market.Ask} {
			for _, o := range x.Orders(market.InstrumentID(in.locate), side) {
				t.add(in, o, "")
			}
		}
	}
	return t.messages
}

// Snapshot returns the state of the present session as ITCH 5.0 messages, and the sequence number of
// the message with which to go on. It may be a step ahead of what was sent.
func (f *LiveFeed) Snapshot() (messages [][]byte, next uint64) {
	return f.exchange.Snapshot(), f.exchange.Messages() + 1
}

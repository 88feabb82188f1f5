package match

import (
	"iter"

	"tidegate/book"
	"tidegate/market"
)

// An Order is a view of a live order, by value.
type Order struct {
	ID         uint64
	Ref        uint64 // public number of the part that shows; 0 if none does
	Instrument market.InstrumentID
	Account    uint32
	Session    uint32
	Side       market.Side
	Price      market.Price // limit, or a peg's present price; market.UndefPrice if there is none
	Size       market.Size  // all of it, less what was canceled
	Open       market.Size  // what is not executed
	Displayed  market.Size
}

func (e *Engine) view(o *order) Order {
	return Order{
		ID: o.id, Ref: o.ref, Instrument: e.instruments[o.instrument].ID, Account: o.account, Session: o.session,
		Side: o.side, Price: eventPrice(o.price), Size: market.Size(o.size), Open: market.Size(o.open), Displayed: o.displayed(),
	}
}

// Order returns the live order with an id.
func (e *Engine) Order(id uint64) (o Order, ok bool) {
	i := e.byID.find(id, &e.orders)
	if i == 0 {
		return Order{}, false
	}
	return e.view(e.orders.at(i)), true
}

// State returns the trading state of an instrument, Closed of one that is not defined.
func (e *Engine) State(id market.InstrumentID) State {
	return e.instruments[e.byInstrument.find(uint64(id))].state
}

// BBO returns the best levels of an instrument as others see them. Market orders that wait for an
// auction do not show.
func (e *Engine) BBO(id market.InstrumentID) book.BBO {
	var one [1]book.Level
	bbo := book.EmptyBBO
	if l := e.Levels(id, market.Bid, one[:0]); len(l) > 0 {
		bbo.Bid = l[0]
	}
	if l := e.Levels(id, market.Ask, one[:0]); len(l) > 0 {
		bbo.Ask = l[0]
	}
	return bbo
}

// Levels appends the levels of a side as others see them to levels, best first, until its capacity is
// used, and returns the extended slice.
func (e *Engine) Levels(id market.InstrumentID, side market.Side, levels []book.Level) []book.Level {
	s := &e.instruments[e.byInstrument.find(uint64(id))]
	for n := s.ladder(bookLadder, side).best; n != 0 && len(levels) < cap(levels); n = e.levels.at(n).worse {
		if lv := e.levels.at(n); lv.price != noLimit(side) {
			levels = append(levels, book.Level{Price: lv.price, Size: lv.shown, Orders: lv.orders})
		}
	}
	return levels
}

// Orders goes over all live orders of an instrument: the book, bids before asks, each from the best
// price and by time; stop orders in the order in which they would be triggered; held orders; parked
// pegs. The engine must not be used for anything else meanwhile.
func (e *Engine) Orders(id market.InstrumentID) iter.Seq[Order] {
	return func(yield func(Order) bool) {
		n := e.byInstrument.find(uint64(id))
		if n == 0 {
			return
		}
		for i := range e.all(n) {
			if !yield(e.view(e.orders.at(i))) {
				return
			}
		}
	}
}

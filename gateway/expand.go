package gateway

import "tidegate/market"

// expandMax is the most events one update is published as: a trade, its fill, and the cancel that
// takes the fill out of the book.
const expandMax = 3

// expand writes what an applied update is published as into dst and returns how many events that
// are. The last one carries the update's own flags; those before it are never the last of their
// event.
//
// The rules are those of Databento's MBO schema: only Add, Cancel, Modify and Clear change a book.
//
//   - Execute: Trade (aggressor's side, no order), Fill and Cancel of the resting order. An
//     unprintable execution has no Trade: it is reported elsewhere and must not count twice.
//   - Replace: Cancel of the old order, Add of the new one.
//   - Delete: Cancel of what the order still had.
//   - Level: Add, Modify or Cancel of one order that stands for the whole level (FlagMBP). Its id
//     is made of side and price, or of the side alone where the venue sends only quotes, so that a
//     subscriber's by-order book needs no special case.
func expand(u *market.Update, dst *[expandMax]market.Event) int {
	switch u.Action {
	case market.Execute:
		return expandExecute(u, dst)
	case market.Replace:
		gone := &dst[0]
		*gone = u.Event
		gone.Action = market.Cancel
		gone.OrderID = u.PrevOrderID
		gone.Price = u.PrevPrice
		gone.Size = u.PrevSize
		gone.Flags &^= market.FlagLast
		dst[1] = u.Event
		dst[1].Action = market.Add
		return 2
	case market.Delete:
		dst[0] = u.Event
		dst[0].Action = market.Cancel
		dst[0].Price = u.PrevPrice
		dst[0].Size = u.PrevSize
		return 1
	case market.Cancel:
		dst[0] = u.Event
		dst[0].Price = u.PrevPrice
		dst[0].Size = min(u.Size, u.PrevSize)
		return 1
	case market.Level:
		dst[0] = u.Event
		expandLevel(u, &dst[0])
		return 1
	default:
		dst[0] = u.Event
		return 1
	}
}

func expandExecute(u *market.Update, dst *[expandMax]market.Event) int {
	size := min(u.Size, u.PrevSize)
	n := 0
	if !u.Unprintable {
		trade := &dst[n]
		*trade = u.Event
		trade.Action = market.Trade
		trade.Side = u.Side.Opposite()
		trade.OrderID = 0
		trade.Size = size
		trade.Flags &^= market.FlagLast
		n++
	}
	fill := &dst[n]
	*fill = u.Event
	fill.Action = market.Fill
	fill.Size = size
	fill.Flags &^= market.FlagLast
	n++

	gone := &dst[n]
	*gone = u.Event
	gone.Action = market.Cancel
	gone.Price = u.PrevPrice
	gone.Size = size
	return n + 1
}

func expandLevel(u *market.Update, e *market.Event) {
	switch {
	case u.Size == 0:
		e.Action = market.Cancel
		e.Price = u.PrevPrice
		e.Size = u.PrevSize
	case u.PrevSize == 0:
		e.Action = market.Add
	default:
		e.Action = market.Modify
	}
	e.OrderID = levelOrderID(u.Side, e.Price, u.Flags)
}

// levelOrderID is the order id that stands for a price level. Two levels of one instrument never
// share it, not even in a crossed book.
func levelOrderID(side market.Side, price market.Price, flags market.Flags) uint64 {
	if flags&market.FlagTOB != 0 {
		return uint64(side.Index()) + 1
	}
	return uint64(price)<<1 | uint64(side.Index())
}

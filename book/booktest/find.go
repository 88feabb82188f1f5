package booktest

import (
	"tidegate/book"
	"tidegate/market"
)

// Find returns a live order and its instrument, as book.ByOrder does.
func (b *ByOrder) Find(id uint64) (o book.Order, instrument market.InstrumentID, ok bool) {
	found, ok := b.orders[id]
	if !ok {
		return book.Order{}, 0, false
	}
	return book.Order{ID: id, Price: found.price, Size: found.size, Side: found.side}, found.instrument, true
}

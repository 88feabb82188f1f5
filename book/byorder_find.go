package book

import (
	"runtime"

	"tidegate/market"
)

// Find returns a live order and the instrument whose book it is in. It is for venues whose messages
// name an order and nothing else: what Apply wants to know of the instrument and the side is found here.
// The memory that it reads is what Apply reads next.
func (b *ByOrder) Find(id uint64) (o Order, instrument market.InstrumentID, ok bool) {
	i := b.index.find(id)
	if i == 0 {
		return Order{}, 0, false
	}
	found := b.orders.at(i)
	o = Order{
		ID: id, Price: market.Price(found.price), Size: market.Size(found.size), Side: sides[found.side&1],
	}
	instrument = b.ids[found.side/2]
	runtime.KeepAlive(b)
	return o, instrument, true
}

package book

import (
	"unsafe"

	"tidegate/market"
)

// prefetchLen is how many updates are prefetched together: enough that the first line has come
// when the next pass needs it, and few enough that all lines stay in the first-level cache.
const prefetchLen = 32

// A prefetcher is the scratch memory of Prefetch.
type prefetcher struct {
	addresses [5 * prefetchLen]uintptr
	n         int
	sides     [prefetchLen]uint32 // side index of the bids of an update's book
	orders    [prefetchLen]uint32 // order index of an update that names one
	levels    [prefetchLen]uint32 // level index of an add
}

func (p *prefetcher) want(address unsafe.Pointer) {
	p.addresses[p.n] = uintptr(address)
	p.n++
}

func (p *prefetcher) flush() {
	prefetch(&p.addresses[0], p.n)
	p.n = 0
}

// Prefetch brings the memory that Apply will need for us closer, without changing anything. It is
// worth calling with 16 to 32 updates before applying them one by one. Everything that Apply
// reads in turn is a cache miss in a large market: the order's slot in the index, the order, its level
// and its neighbours in the queue. Prefetch overlaps the misses of many updates, one pass per step.
func (b *ByOrder) Prefetch(us []market.Update) {
	if !canPrefetch {
		return
	}
	for len(us) > prefetchLen {
		b.prefetchSome(us[:prefetchLen])
		us = us[prefetchLen:]
	}
	b.prefetchSome(us)
}

func (b *ByOrder) prefetchSome(us []market.Update) {
	p := &b.prefetcher

	// First: index slots and the sides, named by the updates.
	for i := range us {
		u := &us[i]
		hash := hashID(u.OrderID)
		if u.Action == market.Replace {
			p.want(unsafe.Pointer(b.index.slotOf(hash)))
			hash = hashID(u.PrevOrderID)
		}
		p.want(unsafe.Pointer(b.index.slotOf(hash)))
		bookIndex := b.instruments.find(u.Instrument)
		p.sides[i%prefetchLen] = bookIndex * 2
		s := unsafe.Pointer(&b.sides[bookIndex*2])
		if u.Action == market.Add {
			p.want(unsafe.Add(s, u.Side.Index()*int(unsafe.Sizeof(side{}))))
		} else {
			p.want(s)
			p.want(unsafe.Add(s, unsafe.Sizeof(side{})))
		}
	}
	p.flush()

	// Second: orders; for adds the level.
	for i := range us {
		u := &us[i]
		p.orders[i%prefetchLen] = 0
		switch u.Action {
		case market.Add:
			p.levels[i%prefetchLen] = b.prefetchLevel(p.sides[i%prefetchLen]+uint32(u.Side.Index()), int64(u.Price))
		case market.Delete, market.Cancel, market.Execute, market.Modify, market.Replace:
			id := u.OrderID
			if u.Action == market.Replace {
				id = u.PrevOrderID
			}
			if index := b.index.guess(hashID(id)); index != 0 {
				p.orders[i%prefetchLen] = index
				p.want(unsafe.Pointer(b.orders.at(index)))
			}
		}
	}
	p.flush()

	// Third: levels, and neighbours in the queue.
	for i := range us {
		u := &us[i]
		if u.Action == market.Add {
			if index := p.levels[i%prefetchLen]; index != 0 {
				p.want(unsafe.Pointer(b.orders.at(b.levels.at(index).tail)))
			}
		} else if index := p.orders[i%prefetchLen]; index != 0 {
			o := b.orders.at(index)
			b.prefetchLevel(o.side, o.price)
			p.want(unsafe.Pointer(b.orders.at(o.prev)))
			p.want(unsafe.Pointer(b.orders.at(o.next)))
			if u.Action == market.Replace || u.Action == market.Modify {
				b.prefetchLevel(o.side, int64(u.Price))
			}
		}
	}
	p.flush()
}

// prefetchLevel wants the window slot of a price. It returns the level index, 0 if the price is not
// in the window.
func (b *ByOrder) prefetchLevel(sideIndex uint32, price int64) uint32 {
	index, ok := b.sides[sideIndex].slot(price, mirror(sideIndex))
	if !ok {
		return 0
	}
	b.prefetcher.want(unsafe.Pointer(b.levels.at(index)))
	return index
}

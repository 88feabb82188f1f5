package book

import (
	"runtime"
	"unsafe"

	"tidegate/market"
)

// prefetchLen is how many updates are prefetched together: enough that the first line has come
// when the next pass needs it, and few enough that all lines stay in the first-level cache.
const prefetchLen = 32

// A prefetcher is the scratch memory of Prefetch.
type prefetcher struct {
	addresses [4 * prefetchLen]uintptr
	adds      [prefetchLen]uint32 // places of adds in the batch
	refs      [prefetchLen]uint32 // places of updates that name an order
	sides     [prefetchLen]uint32 // by place: index of the update's side, as far as it is known
	ids       [prefetchLen]uint64 // by place: of the order that the update names
	levels    [prefetchLen]uint32 // of adds
	orders    [prefetchLen]uint32 // of refs
}

// Prefetch brings the memory that Apply will need for us closer, without changing anything. It is
// worth calling with about 32 updates before applying them one by one. Everything that Apply reads in
// turn is a cache miss in a large market: the order's slot in the index, the order, its level and
// its neighbours in the queue. Prefetch overlaps the misses of many updates, one pass per step.
func (b *ByOrder) Prefetch(us []market.Update) {
	if !canPrefetch {
		return
	}
	for len(us) > prefetchLen {
		b.prefetchBatch(us[:prefetchLen])
		us = us[prefetchLen:]
	}
	b.prefetchBatch(us)
	runtime.KeepAlive(b)
}

// prefetchBatch sorts updates into adds and others first: which comes next is close to a coin toss,
// and no pass branches on it.
func (b *ByOrder) prefetchBatch(us []market.Update) {
	p := &b.prefetcher
	adds, refs := uint(0), uint(0)

	// First: index slots and sides, which the updates name.
	for i := range uint(len(us)) {
		u := &us[i]
		id := u.OrderID
		if u.PrevOrderID != 0 {
			id = u.PrevOrderID
		}
		p.ids[i%prefetchLen] = id
		side := 2 * b.instruments.find(u.Instrument)
		p.addresses[i%(4*prefetchLen)] = uintptr(b.index.slotOf(id))
		if u.Side == market.Ask {
			side++
		}
		p.sides[i%prefetchLen] = side
		p.adds[adds%prefetchLen], p.refs[refs%prefetchLen] = uint32(i), uint32(i)
		add := uint(0)
		if u.Action == market.Add {
			add = 1
		}
		adds += add
		refs += 1 - add
	}
	prefetch(&p.addresses[0], len(us))

	// Second: orders; for adds the level.
	n := uint(0)
	for j := range adds {
		i := p.adds[j%prefetchLen]
		u := &us[i]
		s := &b.sides[p.sides[i%prefetchLen]]
		index, ok := s.slot(int64(u.Price), mirror(p.sides[i%prefetchLen]))
		if !ok {
			index = 0
		}
		p.levels[j%prefetchLen] = index
		p.addresses[n%(4*prefetchLen)] = uintptr(unsafe.Pointer(b.levels.at(index)))
		n++
	}
	for j := range refs {
		i := p.refs[j%prefetchLen]
		index := b.index.guess(p.ids[i%prefetchLen])
		p.orders[j%prefetchLen] = index
		p.addresses[n%(4*prefetchLen)] = uintptr(unsafe.Pointer(b.orders.at(index)))
		n++
	}
	prefetch(&p.addresses[0], int(n))

	// Third: levels, and neighbours in the queue.
	n = 0
	for _, index := range p.levels[:adds] {
		p.addresses[n%(4*prefetchLen)] = uintptr(unsafe.Pointer(b.orders.at(b.levels.at(index).tail)))
		n++
	}
	for j := range refs {
		i := p.refs[j%prefetchLen]
		o := b.orders.at(p.orders[j%prefetchLen])
		s := &b.sides[o.side]
		index, ok := s.slot(o.price, mirror(o.side))
		if !ok {
			index = 0
		}
		p.addresses[n%(4*prefetchLen)] = uintptr(unsafe.Pointer(b.levels.at(index)))
		p.addresses[(n+1)%(4*prefetchLen)] = uintptr(unsafe.Pointer(b.orders.at(o.prev)))
		p.addresses[(n+2)%(4*prefetchLen)] = uintptr(unsafe.Pointer(b.orders.at(o.next)))
		n += 3
		if u := &us[i]; u.PrevOrderID != 0 {
			if index, ok := s.slot(int64(u.Price), mirror(o.side)); ok {
				p.addresses[n%(4*prefetchLen)] = uintptr(unsafe.Pointer(b.levels.at(index)))
				n++
			}
		}
	}
	prefetch(&p.addresses[0], int(n))
}

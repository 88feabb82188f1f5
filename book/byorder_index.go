package book

import "unsafe"

const (
	// recentLen is how many ids in a row the window of an orderIndex covers: 32 MiB of slab indexes.
	recentLen = 1 << 23
	// recentStep is by how many ids the window moves at a time.
	recentStep = 64
)

// An orderIndex finds an order's slab index by the order's id. Most venues number orders in sequence,
// and most orders go young, so it has two parts:
//
//	ids   ........ [base .................. base+recentLen) ........
//	       older                 recent                      older
//
// recent is an array indexed by the id, used as a ring: to find an order is one read, and the ids of
// young orders lie side by side. The window moves up when an id above it comes. What drops out at its
// lower end goes to older, a hash table, where all ids are that are in no sequence.
//
// An id above the window goes to older too, and the window may come to cover it. The ids that only
// recent can hold are [sure, sure+sureLen); find looks whether an id is one of them and nowhere else.
type orderIndex struct {
	sure, sureLen uint64
	recent        *[recentLen]uint32 // by id modulo recentLen; 0 is no order
	live          uint32             // orders in recent
	base          uint64             // a multiple of recentStep, at most 1<<64 - recentLen
	highest       uint64             // the highest id that older had since reset
	older         orderTable
}

// init makes an empty index with room for n orders. free gives the memory of recent back.
func (x *orderIndex) init(orders *orderSlab, n uint32) (free func()) {
	recent, free := newReserve[uint32](recentLen)
	recent.advise(recentLen)
	x.recent = (*[recentLen]uint32)(recent.records)
	x.older.init(orders, n)
	x.setSure()
	return free
}

// reset empties the index and keeps its memory. It reads the slab, which is reset after it: writing
// over all of recent would take memory that was never used.
func (x *orderIndex) reset() {
	orders := x.older.orders
	for _, o := range orders.records[:orders.used] {
		if o.id-x.base < recentLen {
			x.recent[o.id%recentLen] = 0
		}
	}
	x.base, x.live, x.highest = 0, 0, 0
	x.setSure()
	x.older.reset()
}

// setSure finds the ids that recent alone may hold.
func (x *orderIndex) setSure() {
	x.sure, x.sureLen = x.base, recentLen
	if x.highest >= x.base {
		held := min(x.highest-x.base, recentLen-1) + 1
		x.sure += held
		x.sureLen -= held
	}
}

// find returns the slab index of an order, 0 if there is none with this id. It is short enough to be
// inlined.
func (x *orderIndex) find(id uint64) uint32 {
	if id-x.sure < x.sureLen {
		return x.recent[id%recentLen]
	}
	return x.findUnsure(id)
}

func (x *orderIndex) findUnsure(id uint64) uint32 {
	if id-x.base < recentLen {
		if i := x.recent[id%recentLen]; i != 0 {
			return i
		}
	}
	return x.older.find(id)
}

// slotOf returns an address that find reads first, for most ids the only one.
func (x *orderIndex) slotOf(id uint64) unsafe.Pointer {
	if id-x.sure < x.sureLen {
		return unsafe.Pointer(&x.recent[id%recentLen])
	}
	return unsafe.Pointer(x.older.slotOf(hashID(id)))
}

// guess is find without a look at the orders, which would have to come from memory first: now and then
// it misses one.
func (x *orderIndex) guess(id uint64) uint32 {
	if id-x.sure < x.sureLen {
		return x.recent[id%recentLen]
	}
	return x.older.guess(hashID(id))
}

// set enters an order whose id is not there. It reports false if there is no room.
func (x *orderIndex) set(id uint64, i uint32) bool {
	if id-x.base >= recentLen && !x.reach(id) {
		return x.setOlder(id, i)
	}
	x.recent[id%recentLen] = i
	x.live++
	return true
}

// setOlder is set for an id that the window does not cover, or is about to leave behind.
func (x *orderIndex) setOlder(id uint64, i uint32) bool {
	if !x.older.set(id, i) {
		return false
	}
	if id > x.highest {
		x.highest = id
		x.setSure()
	}
	return true
}

// remove takes out an id that is there.
func (x *orderIndex) remove(id uint64) {
	if id-x.base < recentLen {
		if slot := &x.recent[id%recentLen]; *slot != 0 {
			*slot = 0
			x.live--
			return
		}
	}
	x.older.remove(id)
}

// reach moves the window towards an id that it does not cover, and reports whether it covers it now. An
// empty window goes there at once. Another goes up by one step only, so that numbers left out cause no
// stall: as more ids come from there, the window arrives, or becomes empty.
func (x *orderIndex) reach(id uint64) bool {
	switch {
	case x.live == 0:
		x.base = min(id-min(id, recentLen/2), 1<<64-recentLen) &^ (recentStep - 1)
	case id < x.base || !x.emptyStep():
		return false
	default:
		x.base += recentStep
	}
	x.setSure()
	return id-x.base < recentLen
}

// emptyStep moves the orders of the window's lowest ids to older. It reports false if there is no room
// for all of them.
func (x *orderIndex) emptyStep() bool {
	first := x.base % recentLen
	slots := x.recent[first : first+recentStep]
	for k, i := range slots {
		if i == 0 {
			continue
		}
		if !x.setOlder(x.base+uint64(k), i) {
			return false
		}
		slots[k] = 0
		x.live--
	}
	return true
}

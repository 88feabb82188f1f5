package match

import "tidegate/market"

// timers is a heap of what happens at a time: orders expire, references become stale. What happens at
// the same time happens to references first, in the order of their instruments, and then to orders, in
// the order in which they came.
//
// A timer is known by its place in the heap, from 1; its owner keeps the place, and set keeps the
// owner up to date.
type timers struct {
	heap []timer // heap[0] is none
	set  func(t timer, place uint32)
}

type timer struct {
	at    market.Nanos
	key   uint64 // decides among timers of one time: see orderTimer
	owner uint32 // slab index of the order, or index of the instrument
}

// orderTimer marks keys of orders, which hold the order's entry number; those of instruments hold the
// instrument's index.
const orderTimer = 1 << 63

func (t timer) isOrder() bool { return t.key&orderTimer != 0 }

func (t timer) before(u timer) bool { return t.at < u.at || t.at == u.at && t.key < u.key }

// due reports whether the first timer is at or before now.
func (h *timers) due(now market.Nanos) bool { return len(h.heap) > 1 && h.heap[1].at <= now }

func (h *timers) add(t timer) {
	h.heap = append(h.heap, t)
	h.up(uint32(len(h.heap)-1), t)
}

// remove removes the timer at a place.
func (h *timers) remove(place uint32) {
	h.set(h.heap[place], 0)
	last := uint32(len(h.heap) - 1)
	t := h.heap[last]
	h.heap = h.heap[:last]
	if place == last {
		return
	}
	if place > 1 && t.before(h.heap[place/2]) {
		h.up(place, t)
	} else {
		h.down(place, t)
	}
}

// up puts t where it belongs between a place and the top.
func (h *timers) up(place uint32, t timer) {
	for place > 1 && t.before(h.heap[place/2]) {
		h.put(place, h.heap[place/2])
		place /= 2
	}
	h.put(place, t)
}

// down puts t where it belongs between a place and the bottom.
func (h *timers) down(place uint32, t timer) {
	n := uint32(len(h.heap))
	for {
		child := 2 * place
		if child >= n {
			break
		}
		if child+1 < n && h.heap[child+1].before(h.heap[child]) {
			child++
		}
		if !h.heap[child].before(t) {
			break
		}
		h.put(place, h.heap[child])
		place = child
	}
	h.put(place, t)
}

func (h *timers) put(place uint32, t timer) {
	h.heap[place] = t
	h.set(t, place)
}

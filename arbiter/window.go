package arbiter

// window keeps copies of packets that came before their turn, by sequence. Packets may overlap. Its
// memory is fixed: one slot of slotBytes per packet.
type window struct {
	slotBytes int
	slots     []Packet // Messages of a used slot lies in the slot's part of slab
	slab      []byte
	free      []uint32 // unused slots
	order     []uint32 // used slots by Seq, equal ones in order of arrival
}

func newWindow(packets, slotBytes int) window {
	w := window{
		slotBytes: slotBytes,
		slots:     make([]Packet, packets),
		slab:      make([]byte, packets*slotBytes),
		free:      make([]uint32, packets),
		order:     make([]uint32, 0, packets),
	}
	for i := range w.free {
		w.free[i] = uint32(packets - 1 - i)
	}
	return w
}

func (w *window) len() int              { return len(w.order) }
func (w *window) at(i int) *Packet      { return &w.slots[w.order[i]] }
func (w *window) fits(p *Packet) bool   { return len(w.free) > 0 && len(p.Messages) <= w.slotBytes }
func (w *window) bytes(i uint32) []byte { return w.slab[int(i)*w.slotBytes:][:w.slotBytes] }

// insert copies p, which fits.
func (w *window) insert(p *Packet) {
	slot := w.free[len(w.free)-1]
	w.free = w.free[:len(w.free)-1]
	kept := &w.slots[slot]
	*kept = *p
	kept.Messages = w.bytes(slot)[:copy(w.bytes(slot), p.Messages)]

	i := w.after(p.Seq)
	w.order = w.order[:len(w.order)+1]
	copy(w.order[i+1:], w.order[i:])
	w.order[i] = slot
}

// after returns the position behind the last packet whose Seq is at most seq.
func (w *window) after(seq uint64) int {
	lo, hi := 0, len(w.order)
	for lo < hi {
		mid := (lo + hi) / 2
		if w.at(mid).Seq > seq {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo
}

// removeFirst removes the n packets with the lowest sequences.
func (w *window) removeFirst(n int) {
	w.free = append(w.free, w.order[:n]...)
	w.order = w.order[:copy(w.order, w.order[n:])]
}

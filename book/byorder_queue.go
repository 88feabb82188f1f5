package book

// enqueue puts an order at the end of the queue at its price. It reports whether that is the best
// price.
//
// Whether the level is new and whether there is an order before this one are close to coin tosses,
// so nothing here branches on them: a level that exists is marked again, and what has no neighbour
// writes into order 0. The same holds for dequeue.
func (b *ByOrder) enqueue(i uint32, o *order) (best bool) {
	s := &b.sides[o.side]
	m := mirror(o.side)
	index, ok := s.slot(o.price, m)
	if !ok {
		index = b.makeRoom(s, o.side, o.price)
		if _, ok = s.slot(o.price, m); ok {
			s.mark(index)
		}
	} else {
		s.mark(index)
	}
	l := b.levels.at(index)
	l.price = o.price
	l.size += uint64(o.size)
	l.orders++
	head := l.head
	if l.tail == 0 {
		head = i
	}
	l.head = head
	o.prev, o.next = l.tail, 0
	b.orders.at(l.tail).next = i
	l.tail = i
	if rank := o.price ^ m; rank > s.bestRank || s.best == 0 {
		s.best, s.bestRank = index, rank
	}
	return index == s.best
}

// dequeue takes an order out of its queue. It reports whether the best level changed or went.
func (b *ByOrder) dequeue(o *order) (best bool) {
	s := &b.sides[o.side]
	m := mirror(o.side)
	index, inWindow := s.slot(o.price, m)
	if !inWindow {
		index = b.farIndex(s, o.price, m)
	}
	best = index == s.best
	l := b.levels.at(index)
	l.size -= uint64(o.size)
	l.orders--
	head, tail := l.head, l.tail
	if o.prev == 0 {
		head = o.next
	}
	if o.next == 0 {
		tail = o.prev
	}
	l.head, l.tail = head, tail
	b.orders.at(o.prev).next = o.next
	b.orders.at(o.next).prev = o.prev

	switch {
	case !inWindow:
		if l.orders == 0 {
			b.dropFar(s, index, o.price, m)
		}
		return best
	case s.groupShift == 0:
		group := (index - s.window) % groups
		bit := uint64(0)
		if l.orders == 0 {
			bit = 1
		}
		s.occupied[group/64] &^= bit << (group % 64)
	case l.orders == 0:
		b.unmark(s, index)
	}
	if best && l.orders == 0 {
		b.findBest(s, m)
	}
	return best
}

// shrink takes size off an order that keeps some. It reports whether that is in the best level.
func (b *ByOrder) shrink(o *order, size uint32) (best bool) {
	s := &b.sides[o.side]
	m := mirror(o.side)
	index, ok := s.slot(o.price, m)
	if !ok {
		index = b.farIndex(s, o.price, m)
	}
	o.size -= size
	b.levels.at(index).size -= uint64(size)
	return index == s.best
}

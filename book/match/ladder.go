package match

import "tidegate/market"

// A ladder is one side of a book, or the stop orders of one side and trigger: price levels from the
// best to the worst, each with a queue of orders. Levels are a balanced tree (AVL), so that nobody can
// make a search long by choosing prices, and a list from the best one on, so that matching and
// stepping do not search.
type ladder struct {
	root   uint32
	best   uint32
	mirror int64 // rank is price ^ mirror, and a better price has a higher rank
}

// A level is one price of a ladder. It is one cache line.
type level struct {
	price  market.Price
	open   market.Size // sum of the orders' open sizes
	shown  market.Size // sum of the displayed parts
	queue  chain       // orders, by time
	orders uint32

	better, worse       uint32 // next levels by price; 0 is none
	parent, left, right uint32 // tree; left is worse
	height              int32
}

// ladders holds the levels of all ladders of an engine.
type ladders struct{ slab[level] }

func (l *ladder) rank(p market.Price) int64 { return int64(p) ^ l.mirror }

// make returns the level with a price, which it makes if there is none.
func (s *ladders) make(l *ladder, p market.Price) uint32 {
	if l.best != 0 && s.at(l.best).price == p {
		return l.best
	}
	rank := l.rank(p)
	parent, isLeft := uint32(0), false
	for i := l.root; i != 0; {
		n := s.at(i)
		r := l.rank(n.price)
		if rank == r {
			return i
		}
		parent, isLeft = i, rank < r
		if isLeft {
			i = n.left
		} else {
			i = n.right
		}
	}
	i := s.take()
	n := s.at(i)
	n.price, n.parent, n.height = p, parent, 1
	if parent == 0 {
		l.root, l.best = i, i
		return i
	}
	// In price, a new leaf is next to its parent.
	if up := s.at(parent); isLeft {
		up.left = i
		n.better, n.worse = parent, up.worse
	} else {
		up.right = i
		n.better, n.worse = up.better, parent
	}
	if n.worse != 0 {
		s.at(n.worse).better = i
	}
	if n.better != 0 {
		s.at(n.better).worse = i
	} else {
		l.best = i
	}
	s.balance(l, parent)
	return i
}

// drop removes an empty level.
func (s *ladders) drop(l *ladder, i uint32) {
	n := s.at(i)
	var from uint32 // where heights may have changed
	if n.left == 0 || n.right == 0 {
		from = n.parent
		s.hang(l, n.parent, i, n.left|n.right)
	} else {
		// The next better level has no left subtree; it takes the place.
		y := n.better
		m := s.at(y)
		from = y
		if m.parent != i {
			from = m.parent
			s.hang(l, m.parent, y, m.right)
			m.right = n.right
			s.at(m.right).parent = y
		}
		m.left, m.height = n.left, n.height
		s.at(m.left).parent = y
		s.hang(l, n.parent, i, y)
	}
	if n.worse != 0 {
		s.at(n.worse).better = n.better
	}
	if n.better != 0 {
		s.at(n.better).worse = n.worse
	} else {
		l.best = n.worse
	}
	s.give(i)
	s.balance(l, from)
}

// hang puts a level, or nothing, in the place below parent where old hangs.
func (s *ladders) hang(l *ladder, parent, old, i uint32) {
	switch {
	case parent == 0:
		l.root = i
	case s.at(parent).left == old:
		s.at(parent).left = i
	default:
		s.at(parent).right = i
	}
	if i != 0 {
		s.at(i).parent = parent
	}
}

// balance restores heights and balance from a level up.
func (s *ladders) balance(l *ladder, i uint32) {
	for i != 0 {
		n := s.at(i)
		before := n.height
		switch lean := s.at(n.left).height - s.at(n.right).height; {
		case lean > 1:
			if m := s.at(n.left); s.at(m.left).height < s.at(m.right).height {
				s.rotate(l, n.left, m.right)
			}
			i = s.rotate(l, i, n.left)
		case lean < -1:
			if m := s.at(n.right); s.at(m.right).height < s.at(m.left).height {
				s.rotate(l, n.right, m.left)
			}
			i = s.rotate(l, i, n.right)
		default:
			s.measure(i)
		}
		if n = s.at(i); n.height == before {
			return
		}
		i = n.parent
	}
}

// rotate puts a child in the place of its parent i, which becomes the child's child, and returns the child.
func (s *ladders) rotate(l *ladder, i, child uint32) uint32 {
	n, m := s.at(i), s.at(child)
	s.hang(l, n.parent, i, child)
	var middle uint32
	if n.left == child {
		middle = m.right
		n.left, m.right = middle, i
	} else {
		middle = m.left
		n.right, m.left = middle, i
	}
	if middle != 0 {
		s.at(middle).parent = i
	}
	n.parent = child
	s.measure(i)
	s.measure(child)
	return child
}

func (s *ladders) measure(i uint32) {
	n := s.at(i)
	n.height = 1 + max(s.at(n.left).height, s.at(n.right).height)
}

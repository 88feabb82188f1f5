package orders

import (
	"sync/atomic"

	"tidegate/market"
)

// Lanes of the priority order queue, from the first to be served.
const (
	LaneCancel = iota // cancels, and what only makes risk smaller
	LaneHigh          // high notional
	LaneNormal
	laneCount
)

// waiting is a request in a lane.
type waiting struct {
	request Request
	session *Session
	door    *door // of the account
	since   market.Nanos
	ticket  Ticket
	lost    bool // not a request: the session is lost
}

// A lane is a bounded ring with many producers and one consumer. Each place has a number that says whose turn
// it is: a place at position p is free when its number is p, and full when it is p+1. Producers draw
// positions; nobody takes a lock, and nothing is allocated.
type lane struct {
	places []place
	mask   uint64
	_      [64]byte
	tail   atomic.Uint64 // next position to be filled
	_      [64]byte
	head   uint64 // next position to be taken; the consumer's
}

type place struct {
	turn atomic.Uint64
	waiting
}

func newLane(size int) *lane {
	n := 2
	for n < size {
		n *= 2
	}
	l := &lane{places: make([]place, n), mask: uint64(n - 1)}
	for i := range l.places {
		l.places[i].turn.Store(uint64(i))
	}
	return l
}

// claim returns a place to be filled, and nil if the lane is full. The place counts when it is published.
func (l *lane) claim() (p *place, position uint64) {
	for {
		position = l.tail.Load()
		p = &l.places[position&l.mask]
		switch turn := p.turn.Load(); {
		case turn == position:
			if l.tail.CompareAndSwap(position, position+1) {
				return p, position
			}
		case turn < position: // not taken since the ring went round
			return nil, 0
		}
	}
}

func (p *place) publish(position uint64) { p.turn.Store(position + 1) }

// first returns the oldest request that waits, nil if there is none. It stays until it is taken.
func (l *lane) first() *waiting {
	p := &l.places[l.head&l.mask]
	if p.turn.Load() != l.head+1 {
		return nil
	}
	return &p.waiting
}

// take gives the place of the oldest request back.
func (l *lane) take() {
	p := &l.places[l.head&l.mask]
	p.session, p.door = nil, nil
	p.turn.Store(l.head + l.mask + 1)
	l.head++
}

// lanes are served in order, but for patience: a lane that has seen so many requests go before it while it
// waited is served once.
type lanes struct {
	lane     [laneCount]*lane
	patience [laneCount]int
	passed   [laneCount]int // requests that went before, since the lane was served or empty
}

// next returns the lane whose turn it is, and its oldest request; nil if nobody waits.
func (q *lanes) next() (n int, w *waiting) {
	n = -1
	for i := range q.lane {
		first := q.lane[i].first()
		switch {
		case first == nil:
			q.passed[i] = 0
		case n < 0, q.passed[i] >= q.patience[i] && q.passed[n] < q.patience[n]:
			n, w = i, first
		}
	}
	if n < 0 {
		return 0, nil
	}
	for i := range q.lane {
		if i != n {
			q.passed[i]++ // of an empty lane it is forgotten the next time
		}
	}
	q.passed[n] = 0
	return n, w
}

// empty reports whether nobody waits.
func (q *lanes) empty() bool {
	for _, l := range q.lane {
		if l.first() != nil {
			return false
		}
	}
	return true
}

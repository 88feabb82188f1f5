package arbiter

import (
	"slices"

	"tidegate/market"
)

const (
	// askedMax is how many of the latest requests of an epoch are remembered.
	askedMax = 1024
	// answerLifeMax is how long an answer can be under way. One that comes later is not believed, and
	// after a restart nothing is asked until no answer to a question from before can come any more.
	answerLifeMax = market.Second
)

// question is a request as it is remembered.
type question struct {
	from, to uint64
	at       market.Nanos
	server   uint8
	state    questionState
}

type questionState uint8

const (
	forgotten questionState = iota // the zero value
	inFlight
	answered
	timedOut
)

// askedList remembers the latest requests: those in flight, so that nothing is asked twice, and those
// that were, so that a late answer is still taken.
type askedList struct {
	ring   [askedMax]question
	next   int      // ring position of the next request
	oldest int      // no request before this position, going round, is in flight
	flying []uint16 // ring positions of requests in flight, by from; never grown
}

func newAskedList(inFlightMax int) askedList {
	return askedList{flying: make([]uint16, 0, inFlightMax)}
}

// full reports whether there is no room for a request in flight.
func (l *askedList) full() bool {
	return len(l.flying) == cap(l.flying) || l.ring[l.next].state == inFlight
}

// add remembers a request in flight, for which there is room.
func (l *askedList) add(q question) {
	l.earliest() // so that oldest is not overtaken by next
	q.state = inFlight
	l.ring[l.next] = q
	i := l.first(q.from)
	l.flying = slices.Insert(l.flying, i, uint16(l.next))
	if len(l.flying) == 1 {
		l.oldest = l.next
	}
	l.next = (l.next + 1) % askedMax
}

// first returns the index in flying of the first request that ends after seq.
func (l *askedList) first(seq uint64) int {
	lo, hi := 0, len(l.flying)
	for lo < hi {
		if mid := (lo + hi) / 2; l.ring[l.flying[mid]].to > seq {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo
}

// earliest returns the request that has been in flight for longest, nil if there is none.
func (l *askedList) earliest() *question {
	if len(l.flying) == 0 {
		return nil
	}
	for l.ring[l.oldest].state != inFlight {
		l.oldest = (l.oldest + 1) % askedMax
	}
	return &l.ring[l.oldest]
}

// land takes a request, which is in flight, out of the air.
func (l *askedList) land(q *question, state questionState) {
	q.state = state
	i := l.first(q.from)
	l.flying = slices.Delete(l.flying, i, i+1)
}

// uncovered returns the first part of [from, to) that is not in flight; it is empty if all of it is.
func (l *askedList) uncovered(from, to uint64) (uint64, uint64) {
	for i := l.first(from); i < len(l.flying); i++ {
		q := &l.ring[l.flying[i]]
		if q.from > from {
			return from, min(to, q.from)
		}
		if from = q.to; from >= to {
			return to, to
		}
	}
	return from, to
}

// forget forgets every request.
func (l *askedList) forget() {
	clear(l.ring[:])
	l.flying = l.flying[:0]
	l.next = 0
}

package orders

import (
	"math"
	"runtime"
	"sync/atomic"

	"tidegate/book/match"
)

// A ring is a bounded queue of one producer and one consumer.
type ring[T any] struct {
	items []T
	mask  uint64
	_     [64]byte
	tail  atomic.Uint64 // the producer's
	_     [64]byte
	head  atomic.Uint64 // the consumer's
}

func newRing[T any](size int) *ring[T] {
	return &ring[T]{items: make([]T, size), mask: uint64(size - 1)}
}

// push copies an item into the ring, or says that it is full.
func (r *ring[T]) push(x *T) bool {
	tail := r.tail.Load()
	if tail-r.head.Load() == uint64(len(r.items)) {
		return false
	}
	r.items[tail&r.mask] = *x
	r.tail.Store(tail + 1)
	return true
}

// first returns the oldest item, nil if there is none. It stays until pop.
func (r *ring[T]) first() *T {
	head := r.head.Load()
	if head == r.tail.Load() {
		return nil
	}
	return &r.items[head&r.mask]
}

func (r *ring[T]) pop() { r.head.Store(r.head.Load() + 1) }

// A matchLoop runs an engine on a thread of its own: it is the only one who touches it. What it gets comes from
// the admission loop, and what it says goes back there.
type matchLoop struct {
	engine    *match.Engine
	admission *admission
	in        *ring[match.Input]
	out       *ring[match.Event] // a zero event ends what is about one input
	due       atomic.Int64       // when the engine has something to do because time passed
	parked    atomic.Bool
	wake      chan struct{}
	stop      chan struct{}
	ended     chan struct{}

	// Of the admission loop.
	sent, answered uint64
	partly         uint64 // entry whose answer has been read already
}

// eventsAhead is how many events a loop may be ahead of the admission loop. An auction makes many at once.
const eventsAhead = 1 << 13

func newMatchLoop(e *match.Engine, a *admission) *matchLoop {
	l := &matchLoop{
		engine: e, admission: a, in: newRing[match.Input](loopAhead * 2), out: newRing[match.Event](eventsAhead),
		wake: make(chan struct{}, 1), stop: make(chan struct{}), ended: make(chan struct{}),
	}
	l.setDue()
	return l
}

func (l *matchLoop) setDue() {
	due := int64(math.MaxInt64)
	if t, ok := l.engine.Due(); ok {
		due = int64(t)
	}
	l.due.Store(due)
}

// send gives an input to the loop, or says that there is no room.
func (l *matchLoop) send(in *match.Input) bool {
	if !l.in.push(in) {
		return false
	}
	l.sent++
	if l.parked.Load() && l.parked.Swap(false) {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
	return true
}

// answer appends the events about the oldest input that is not answered, for an entry. It reports whether all
// of them are there; if not, it is called again.
func (l *matchLoop) answer(events *[]match.Event, entry uint64) bool {
	if l.partly == entry {
		return true
	}
	for {
		ev := l.out.first()
		if ev == nil {
			return false
		}
		end := ev.Kind == 0
		if !end {
			*events = append(*events, *ev)
		}
		l.out.pop()
		if end {
			l.answered++
			l.partly = entry
			return true
		}
	}
}

// run is the loop.
func (l *matchLoop) run() {
	runtime.LockOSThread()
	defer close(l.ended)
	var events []match.Event
	for idle := 0; ; {
		in := l.in.first()
		if in != nil {
			idle = 0
			events = append(l.engine.Apply(in, events[:0]), match.Event{})
			l.setDue()
			l.in.pop()
			for i := range events {
				for !l.out.push(&events[i]) {
					l.admission.unpark()
					runtime.Gosched()
				}
			}
			l.admission.unpark()
			continue
		}
		select {
		case <-l.stop:
			return
		default:
		}
		if idle++; idle < idleLooks {
			continue
		}
		l.parked.Store(true)
		if l.in.first() != nil {
			l.parked.Store(false)
			continue
		}
		select {
		case <-l.wake:
		case <-l.stop:
		}
		l.parked.Store(false)
	}
}

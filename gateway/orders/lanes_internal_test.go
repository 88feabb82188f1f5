package orders

import (
	"math"
	"slices"
	"sync"
	"testing"

	"tidegate/book/match"
	"tidegate/market"
)

func put(t *testing.T, l *lane, ticket Ticket) bool {
	t.Helper()
	p, position := l.claim()
	if p == nil {
		return false
	}
	p.ticket = ticket
	p.publish(position)
	return true
}

func TestLaneIsBoundedAndInOrder(t *testing.T) {
	l := newLane(4)
	next, taken := Ticket(1), Ticket(1)
	for round := range 10 {
		for put(t, l, next) {
			next++
		}
		if got := int(next - taken); got != 4 {
			t.Fatalf("round %d: %d in a lane of 4", round, got)
		}
		for range round%4 + 1 {
			if w := l.first(); w == nil || w.ticket != taken {
				t.Fatalf("first is %+v, want ticket %d", w, taken)
			}
			l.take()
			taken++
		}
	}
	for l.first() != nil {
		l.take()
	}
	if p, position := l.claim(); p == nil {
		t.Error("an empty lane is full")
	} else if l.first() != nil {
		t.Error("a place counts before it is published")
	} else {
		p.publish(position)
	}
}

// Many producers: nothing is lost, nothing comes twice, and what one of them put is in order.
func TestLaneOfManyProducers(t *testing.T) {
	l := newLane(16)
	var producers sync.WaitGroup
	for n := range 4 {
		producers.Go(func() {
			for i := range 2000 {
				for {
					p, position := l.claim()
					if p == nil {
						continue
					}
					p.ticket, p.since = Ticket(i), market.Nanos(n)
					p.publish(position)
					break
				}
			}
		})
	}
	var next [4]Ticket
	for got := 0; got < 4*2000; {
		w := l.first()
		if w == nil {
			continue
		}
		if w.ticket != next[w.since] {
			t.Fatalf("producer %d: %d, want %d", w.since, w.ticket, next[w.since])
		}
		next[w.since]++
		l.take()
		got++
	}
	producers.Wait()
}

func TestLanesAreStrictWithinPatience(t *testing.T) {
	q := lanes{patience: [laneCount]int{math.MaxInt, 3, 5}}
	for i := range q.lane {
		q.lane[i] = newLane(64)
	}
	for i := range 30 {
		for n := range q.lane {
			put(t, q.lane[n], Ticket(i))
		}
	}
	var order []int
	passed := [laneCount]int{}
	for {
		n, w := q.next()
		if w == nil {
			break
		}
		q.lane[n].take()
		order = append(order, n)
		for i := range passed {
			if i == n || q.lane[i].first() == nil {
				passed[i] = 0
			} else if passed[i]++; i > 0 && passed[i] > q.patience[i]+1 {
				t.Fatalf("after %v: %d requests went before lane %d", order, passed[i], i+1)
			}
		}
	}
	if want := []int{0, 0, 0, 1, 0, 2, 0, 1}; !slices.Equal(order[:8], want) {
		t.Errorf("order %v, want it to begin with %v", order, want)
	}
	if len(order) != 90 {
		t.Errorf("%d served, want 90", len(order))
	}
	// Without a rush, the better lane goes first.
	put(t, q.lane[2], 1)
	put(t, q.lane[0], 1)
	if n, _ := q.next(); n != 0 {
		t.Errorf("lane %d first, want 1", n+1)
	}
}

func TestRate(t *testing.T) {
	var r rate
	if !r.allow(0) {
		t.Error("without a limit nothing passes")
	}
	r.set(100) // one each 10 ms, 10 at once
	now := market.Nanos(1000 * market.Second)
	for i := range 20 {
		if got := r.allow(now); got != (i < 10) {
			t.Fatalf("request %d at once: %t", i, got)
		}
	}
	passed := 0
	for range 1000 { // a second
		now += market.Millisecond
		if r.allow(now) {
			passed++
		}
	}
	if passed != 100 {
		t.Errorf("%d in a second, want 100", passed)
	}
}

func TestLaneOf(t *testing.T) {
	f := &fact{Instrument: Instrument{HighNotional: Units(1000)}}
	g := &Gate{facts: map[market.InstrumentID]*fact{1: f, 2: {}}}
	order := func(k Kind, on market.InstrumentID, price market.Price, size market.Size) *Request {
		return &Request{Kind: k, Order: match.Input{Instrument: on, Price: price * market.PriceScale, Size: size}}
	}
	for _, c := range []struct {
		r    *Request
		want int
	}{
		{order(Cancel, 1, 0, 0), LaneCancel},
		{order(MassCancel, 1, 0, 0), LaneCancel},
		{order(Reduce, 1, 0, 5), LaneCancel},
		{order(New, 1, 10, 99), LaneNormal},
		{order(New, 1, 10, 100), LaneHigh},
		{order(Replace, 1, 10, 100), LaneHigh},
		{order(New, 1, 0, 100_000), LaneNormal}, // a market order, and no reference
		{order(New, 2, 10, 100_000), LaneNormal},
		{order(New, 9, 10, 100_000), LaneNormal},
		{order(New, 1, -5, 100_000), LaneNormal},
		{order(New, 1, 10, 1<<40), LaneNormal},
	} {
		if got := g.laneOf(c.r); got != c.want {
			t.Errorf("%+v: lane %d, want %d", c.r, got+1, c.want+1)
		}
	}
	f.ask.Store(int64(10 * market.PriceScale))
	if got := g.laneOf(order(New, 1, 0, 100)); got != LaneHigh {
		t.Errorf("a large market order: lane %d, want 2", got+1)
	}
}

// What follows for an order waits where what came before waits.
func TestSameOrderSameLane(t *testing.T) {
	g := &Gate{facts: map[market.InstrumentID]*fact{}}
	g.cfg.SessionQueueMax = 4
	s := newSession(g, SessionConfig{})
	id := func(n byte) ClientID { return ClientID{n} }
	enter := Request{Kind: New, ID: id(1)}
	s.inLane[LaneNormal].remember(&enter)
	cancel := func(n byte) *Request { return &Request{Kind: Cancel, Target: id(n)} }
	if got := s.laneFor(cancel(1)); got != LaneNormal {
		t.Errorf("the cancel of an order that waits: lane %d, want 3", got+1)
	}
	if got := s.laneFor(cancel(2)); got != LaneCancel {
		t.Errorf("the cancel of another: lane %d, want 1", got+1)
	}
	replace := Request{Kind: Replace, ID: id(3), Target: id(1)}
	s.inLane[LaneNormal].remember(&replace)
	s.inLane[LaneNormal].taken.Add(1) // the order is in
	for _, n := range []byte{1, 3} {
		if got := s.laneFor(cancel(n)); got != LaneNormal {
			t.Errorf("the cancel of a replace that waits, by id %d: lane %d, want 3", n, got+1)
		}
	}
	byNumber := &Request{Kind: Cancel, Order: match.Input{OrderID: 77}}
	if got := s.laneFor(byNumber); got != LaneNormal {
		t.Errorf("a cancel by number, while a replace by id waits: lane %d, want 3", got+1)
	}
	s.inLane[LaneNormal].taken.Add(1)
	for _, r := range []*Request{cancel(1), cancel(3), byNumber} {
		if got := s.laneFor(r); got != LaneCancel {
			t.Errorf("nothing waits: lane %d, want 1", got+1)
		}
	}
	// The other way about: a replace does not overtake a cancel either.
	s.inLane[LaneCancel].remember(byNumber)
	if got := s.laneFor(&Request{Kind: Replace, Order: match.Input{OrderID: 77}}); got != LaneCancel {
		t.Errorf("a replace behind a cancel: lane %d, want 1", got+1)
	}
	if got := s.laneFor(&Request{Kind: MassCancel}); got != LaneCancel {
		t.Errorf("a mass cancel: lane %d, want 1", got+1)
	}
}

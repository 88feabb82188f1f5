package soup

import (
	"errors"
	"fmt"
	"sync"
	"testing"
)

func TestQueueCopies(t *testing.T) {
	woken := 0
	q := NewQueue(DefaultQueueConfig(), func() { woken++ })
	body := []byte("one")
	broken := errors.New("broken")
	for _, item := range []Item{
		{Kind: LoggedIn, Asked: 1, Seq: 1, Session: session},
		{Kind: Message, Seq: 1, Body: body, TsRecv: 7, Session: session},
		{Kind: Disconnected, Err: broken},
	} {
		if !q.Offer(&item) {
			t.Fatal("no room")
		}
	}
	copy(body, "xxx")
	var got []Item
	if n := q.Drain(func(item *Item) {
		got = append(got, *item)
		got[len(got)-1].Body = append([]byte(nil), item.Body...)
	}); n != 3 || woken != 1 {
		t.Errorf("%d items, woken %d times", n, woken)
	}
	if string(got[1].Body) != "one" || got[1].TsRecv != 7 || got[1].Session != session || got[2].Err != broken || got[0].Kind != LoggedIn {
		t.Errorf("%+v", got)
	}
	if n := q.Drain(func(*Item) { t.Error("an item from nowhere") }); n != 0 {
		t.Errorf("%d items", n)
	}
	q.Offer(&Item{})
	if woken != 2 {
		t.Errorf("woken %d times", woken)
	}
}

func TestQueueLimits(t *testing.T) {
	offer := func(q *Queue, bytes int) bool { return q.Offer(&Item{Kind: Message, Body: make([]byte, bytes)}) }
	q := NewQueue(QueueConfig{ItemsMax: 3, BytesMax: 1 << 16}, nil)
	for i := range 4 {
		if got := offer(q, 1); got != (i < 3) {
			t.Errorf("item %d: %t", i, got)
		}
	}
	select {
	case <-q.Room():
		t.Error("room before anything was taken")
	default:
	}
	q.Drain(func(*Item) {})
	select {
	case <-q.Room():
	default:
		t.Error("nobody is told of the room")
	}
	if !offer(q, 1<<16-1) || offer(q, 2) || !offer(q, 1) {
		t.Error("bytes are counted wrongly")
	}
	q.Drain(func(*Item) {})
	<-q.Room()
	q.Drain(func(*Item) {})
	select {
	case <-q.Room():
		t.Error("told of room that was there already")
	default:
	}
	if !offer(q, 1<<16) {
		t.Error("no room in an empty queue")
	}
	for _, c := range []QueueConfig{{0, 1 << 16}, {1, 1<<16 - 1}, {1, 1<<30 + 1}, {1<<24 + 1, 1 << 16}} {
		if c.Validate() == nil {
			t.Errorf("%+v is valid", c)
		}
	}
	if err := DefaultQueueConfig().Validate(); err != nil {
		t.Error(err)
	}
}

// One writes, one reads: everything comes once, in order.
func TestQueueBetweenGoroutines(t *testing.T) {
	const items = 20_000
	woken := make(chan struct{}, 1)
	q := NewQueue(QueueConfig{ItemsMax: 50, BytesMax: 1 << 16}, func() {
		select {
		case woken <- struct{}{}:
		default:
		}
	})
	var writing sync.WaitGroup
	writing.Go(func() {
		for n := uint64(1); n <= items; n++ {
			item := Item{Kind: Message, Seq: n, Body: fmt.Append(nil, n)}
			for !q.Offer(&item) {
				<-q.Room()
			}
		}
	})
	next := uint64(1)
	for next <= items {
		<-woken
		q.Drain(func(item *Item) {
			if item.Seq != next || string(item.Body) != fmt.Sprint(next) {
				t.Fatalf("item %d is %d, %q", next, item.Seq, item.Body)
			}
			next++
		})
	}
	writing.Wait()
}

func TestQueueDoesNotAllocate(t *testing.T) {
	q := NewQueue(DefaultQueueConfig(), func() {})
	item := &Item{Kind: Message, Body: make([]byte, 40)}
	taken := 0
	take := func(*Item) { taken++ }
	if n := testing.AllocsPerRun(20, func() {
		for range 1000 {
			if !q.Offer(item) {
				t.Fatal("no room")
			}
		}
		q.Drain(take)
	}); n != 0 || taken != 21*1000 {
		t.Errorf("%.1f allocations, %d items", n, taken)
	}
}

package soup

import (
	"fmt"
	"sync"
)

// A QueueConfig has the limits of a Queue.
type QueueConfig struct {
	ItemsMax int // items that wait
	BytesMax int // of their bodies
}

// DefaultQueueConfig returns a queue for a burst of 16,384 messages. It takes 4 MiB.
func DefaultQueueConfig() QueueConfig {
	return QueueConfig{ItemsMax: 1 << 14, BytesMax: 1 << 20}
}

// Validate reports the first thing that is wrong, and what is expected instead.
func (c QueueConfig) Validate() error {
	if c.ItemsMax < 1 || c.ItemsMax > 1<<24 {
		return fmt.Errorf("queue: items max %d: want 1 to %d", c.ItemsMax, 1<<24)
	}
	if c.BytesMax < 1<<16 || c.BytesMax > 1<<30 {
		return fmt.Errorf("queue: bytes max %d: want %d, for the longest message, to %d", c.BytesMax, 1<<16, 1<<30)
	}
	return nil
}

// A Queue is a Sink that another goroutine empties. The two sides change over between two batches of
// memory, so that the one who reads holds no lock while it works, and nothing allocates after
// NewQueue. It is for one writer and one reader.
type Queue struct {
	wake func()
	room chan struct{} // has a value: the reader has made room for a writer that found none

	mu      sync.Mutex
	filling *batch // belongs to the writer, under mu
	full    bool   // the writer found no room
	emptied *batch // belongs to the reader
}

// A batch is items and the memory of their bodies, which never moves.
type batch struct {
	items []Item
	bytes []byte
}

func (b *batch) clear() {
	clear(b.items) // lets go of errors
	b.items, b.bytes = b.items[:0], b.bytes[:0]
}

// NewQueue returns an empty queue. wake is called by the writer when an item comes into an empty
// queue; it must not wait. nil is for a reader that looks by itself. The configuration must be valid.
func NewQueue(cfg QueueConfig, wake func()) *Queue {
	b := func() *batch {
		return &batch{items: make([]Item, 0, cfg.ItemsMax), bytes: make([]byte, 0, cfg.BytesMax)}
	}
	return &Queue{wake: wake, room: make(chan struct{}, 1), filling: b(), emptied: b()}
}

// Offer copies an item into the queue, or says that there is no room.
func (q *Queue) Offer(item *Item) bool {
	q.mu.Lock()
	b := q.filling
	if len(b.items) == cap(b.items) || len(item.Body) > cap(b.bytes)-len(b.bytes) {
		q.full = true
		q.mu.Unlock()
		return false
	}
	first := len(b.items) == 0
	from := len(b.bytes)
	b.bytes = append(b.bytes, item.Body...)
	b.items = append(b.items, *item)
	b.items[len(b.items)-1].Body = b.bytes[from:len(b.bytes):len(b.bytes)]
	q.mu.Unlock()
	if first && q.wake != nil {
		q.wake()
	}
	return true
}

// Room returns the channel that says when to offer again.
func (q *Queue) Room() <-chan struct{} { return q.room }

// Drain hands all items that are in the queue to take, oldest first, and returns how many there were.
// An item is valid only during the call. Drain is for the reader alone; it does not wait for items.
func (q *Queue) Drain(take func(item *Item)) int {
	q.mu.Lock()
	q.filling, q.emptied = q.emptied, q.filling
	wasFull := q.full
	q.full = false
	q.mu.Unlock()
	if wasFull {
		select {
		case q.room <- struct{}{}:
		default:
		}
	}
	b := q.emptied
	n := len(b.items)
	for i := range b.items {
		take(&b.items[i])
	}
	b.clear()
	return n
}

//go:build linux

package lines

import (
	"fmt"
	"sync/atomic"

	"tidegate/market"
)

// An entry is a datagram in its slot, or a tick.
type entry struct {
	at   market.Nanos
	line int32 // in Loop.lines; entryTick for a tick
	slot int32
}

const entryTick = -1

// queue brings entries, in order, from the receiving thread of a split loop to the other one. It has no
// lock: positions count up, and a position's place is its remainder. Datagrams stay where the kernel put
// them.
type queue struct {
	entries []entry // a power of two
	ticking uint64  // entries that may wait when a tick is added: there must be room for every slot's datagram
	wake    func()

	_       [cacheLine]byte
	written atomic.Uint64 // by the writer: everything before it can be read
	end     uint64        // the writer's copy
	unrung  bool          // the writer added something since ring
	_       [cacheLine]byte
	read    atomic.Uint64 // by the reader: everything before it can be overwritten
	next    uint64        // the reader's own position
	seen    uint64        // the reader's copy of written
	_       [cacheLine]byte
	asleep  atomic.Bool // set by a reader that is about to rest, taken back by whoever ends that
	_       [cacheLine]byte
}

// cacheLine separates words that different processors write.
const cacheLine = 64

// newQueue returns a queue for as many datagrams as there are slots. wake ends the reader's rest.
func newQueue(slots int, wake func()) *queue {
	size := 1
	for size < 2*slots {
		size *= 2
	}
	return &queue{entries: make([]entry, size), ticking: uint64(size - slots), wake: wake}
}

// onDatagram adds a datagram. There is room: see ticking.
func (q *queue) onDatagram(line *line, slot int, at market.Nanos) {
	if q.end-q.read.Load() == uint64(len(q.entries)) {
		panic(fmt.Sprintf("lines: %d entries wait, more than there are slots", len(q.entries)))
	}
	q.add(entry{at, int32(line.number), int32(slot)})
}

// onTick adds a tick, unless the reader is so far behind that one of the next will do.
func (q *queue) onTick(now market.Nanos) {
	if q.end-q.read.Load() < q.ticking {
		q.add(entry{at: now, line: entryTick})
	}
}

func (q *queue) add(e entry) {
	q.entries[q.end&uint64(len(q.entries)-1)] = e
	q.end++
	q.unrung = true
	q.written.Store(q.end)
}

// ring wakes the reader if it sleeps and something was added since the last ring. The reader says that
// it sleeps first and looks afterwards, and the writer adds first and looks afterwards: one sees the other.
func (q *queue) ring() {
	if !q.unrung {
		return
	}
	q.unrung = false
	if q.asleep.Load() && q.asleep.Swap(false) {
		q.wake()
	}
}

// take returns the next entry. Its place is the writer's again after free.
func (q *queue) take() (e entry, ok bool) {
	if q.next == q.seen {
		if q.seen = q.written.Load(); q.next == q.seen {
			return e, false
		}
	}
	e = q.entries[q.next&uint64(len(q.entries)-1)]
	q.next++
	return e, true
}

// free gives back what was taken.
func (q *queue) free() { q.read.Store(q.next) }

// sleep declares that the reader is about to rest. It returns false if something is there: the reader
// must not rest then.
func (q *queue) sleep() bool {
	q.asleep.Store(true)
	if q.written.Load() == q.next {
		return true
	}
	q.asleep.Store(false)
	return false
}

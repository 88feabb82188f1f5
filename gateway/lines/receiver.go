//go:build linux

package lines

import (
	"net/netip"
	"sync/atomic"
	"time"

	"tidegate/arbiter"
	"tidegate/internal/netloop"
	"tidegate/market"
)

// A receiver reads sockets and puts what it read, and time, in order. It is owned by one thread: that of
// its loop, or, where the loop is split, one of its own.
type receiver struct {
	lines  []line
	poller *netloop.Poller
	clock  clock
	tick   market.Nanos
	last   market.Nanos // time of the last datagram or tick
	ticked market.Nanos // time of the last tick
	to     delivery
	counts counts
	// crowded: the last poll ended because a line had no room.
	crowded bool

	reported reported
}

// A delivery is where datagrams and ticks go, in order: a loop that handles them at once, or the queue
// to one.
type delivery interface {
	onDatagram(line *line, slot int, at market.Nanos)
	onTick(now market.Nanos)
}

// line is one socket, and what was read from it. Datagrams are numbered in the order in which they came;
// those that are not freed are in the slots of the batch, which are a ring. Where nothing waits it begins
// anew with the first slot, whose memory was used last.
type line struct {
	number int // in Loop.lines
	id     arbiter.LineID
	feed   *feed
	socket *netloop.Socket
	addr   netip.AddrPort
	batch  *netloop.Batch
	slots  uint64 // of batch, a power of two
	split  bool

	// The receiver's.
	origin   uint64 // number of the datagram in slot 0
	received uint64 // datagrams that were read
	given    uint64 // of those, in order to the delivery
	faults   faults

	// The loop's.
	retransmit *retransmit // of a line R that requests leave by, else nil
	stats      LineStats
	handled    uint64        // datagrams
	freed      atomic.Uint64 // the same, as the receiver of a split loop sees it
}

// faults are what went wrong while reading.
type faults struct {
	kernelDrops uint64
	errors      uint64
	last        error
}

func (r *receiver) begin(lines []line, tick time.Duration, to delivery) {
	r.lines, r.tick, r.to = lines, market.Nanos(tick), to
	r.last = market.UndefTime
	r.clock.start()
}

// look reads the sockets, and lets time pass. It returns the time before, and whether there was anything.
func (r *receiver) look() (now market.Nanos, busy bool) {
	now = r.clock.now() // before the poll: what comes after an empty one is not older
	if busy = r.poll(now); busy {
		// Datagrams older than the clock's time may wait in the sockets: it cannot be passed on yet.
		r.pass(r.last)
	} else {
		r.pass(max(now, r.last))
	}
	return now, busy
}

// poll reads every socket and hands on what was received by now, oldest first, up to pollMax datagrams.
// It reports whether there was anything.
//
// The order matters when the loop is behind: lines that are read one after the other would drift apart
// in time, and a gap would be given up while what fills it waits on the other line, unread. That is why
// datagrams received since now are left for the next poll: lines that were read before may have older
// ones. It is also why nothing is handed on while a line has no room to be read.
func (r *receiver) poll(now market.Nanos) (busy bool) {
	r.counts.polls++
	r.crowded = false
	for i := range r.lines {
		if line := &r.lines[i]; line.given == line.received && !r.read(line) {
			return true
		}
	}
	for range pollMax {
		line := r.oldest()
		if line == nil {
			return busy
		}
		busy = true
		slot := line.slot(line.given)
		stamp := r.clock.stamped(line.batch.Stamp(slot))
		if stamp > now {
			return busy
		}
		r.last = max(r.last, stamp) // UndefTime is below every time
		if r.last == market.UndefTime {
			r.last = r.clock.now() // the first datagram of all, without the kernel's time
		}
		line.given++
		r.to.onDatagram(line, slot, r.last)
		if line.given == line.received && line.batch.Full() && !r.read(line) { // there may be more, older than what the other lines have
			return busy
		}
	}
	return true
}

// read takes datagrams from a socket. It reports false if there is no room for any.
func (r *receiver) read(line *line) bool {
	first, most := line.room()
	if most == 0 {
		r.crowded = true
		r.counts.crowded++
		return false
	}
	n, err := line.socket.ReceiveInto(line.batch, first, most)
	if err != nil {
		line.faults.errors++
		line.faults.last = err
	}
	if n > 0 {
		line.received += uint64(n)
		line.faults.kernelDrops += uint64(line.batch.Dropped())
		r.counts.batches++
		r.counts.batchMax = max(r.counts.batchMax, n)
	}
	return true
}

// room returns the slots that can be received into at once.
func (l *line) room() (first, most int) {
	freed := l.given
	if l.split {
		freed = l.freed.Load()
	}
	if freed == l.received {
		l.origin = l.received
	}
	first = l.slot(l.received)
	return first, min(int(l.slots)-int(l.received-freed), int(l.slots)-first, netloop.BatchDatagrams)
}

// slot returns where a datagram is.
func (l *line) slot(number uint64) int { return int((number - l.origin) & (l.slots - 1)) }

// oldest returns the line whose next datagram was received first, nil if no line has one.
func (r *receiver) oldest() (oldest *line) {
	var at market.Nanos
	for i := range r.lines {
		line := &r.lines[i]
		if line.given == line.received {
			continue
		}
		if stamp := line.batch.Stamp(line.slot(line.given)); oldest == nil || stamp < at {
			oldest, at = line, stamp
		}
	}
	return oldest
}

// pass hands a tick on, if it is time for one.
func (r *receiver) pass(now market.Nanos) {
	if now-r.ticked < r.tick {
		return
	}
	r.last, r.ticked = now, now
	r.to.onTick(now)
}

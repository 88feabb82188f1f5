package venue

import (
	"bytes"
	"container/heap"
	"fmt"

	"tidegate/market"
)

// A Datagram is a packet as a line delivers it.
type Datagram struct {
	Line int // index of the line
	Time market.Nanos
	// Payload is shared by all datagrams of the packet. It stays valid and must not be changed.
	Payload []byte
}

// Lines carries packets over several lines at once and delivers what comes out of them in order of
// arrival. It holds what is under way, and so needs memory for the longest delay or clog.
type Lines struct {
	lines   []*line
	protect bool
	sent    uint64 // packets
	queued  uint64 // datagrams, to keep the order of those that arrive at once
	start   market.Nanos
	delay   market.Nanos // the least of any line
	certain market.Nanos // nothing that is sent later arrives before this
	pending arrivals
	fates   []fate // of the packet in hand, by line
}

// NewLines returns lines with the given impairments. With protect, a packet that every line would
// lose is delivered by one of them all the same, preferably by one that is not down.
func NewLines(impairments []Impairment, seed uint64, protect bool) (*Lines, error) {
	if len(impairments) == 0 {
		return nil, fmt.Errorf("venue: no lines: want one at least")
	}
	l := &Lines{protect: protect, delay: impairments[0].Delay, fates: make([]fate, len(impairments))}
	for i, impairment := range impairments {
		if err := impairment.Validate(); err != nil {
			return nil, fmt.Errorf("venue: line %d: %w", i, err)
		}
		l.lines = append(l.lines, &line{Impairment: impairment, dice: newDice(seed, streamLine+uint64(i))})
		l.delay = min(l.delay, impairment.Delay)
	}
	return l, nil
}

// Send puts a packet into every line. It copies the payload. Times of packets must not go back.
func (l *Lines) Send(p Packet) {
	if l.sent == 0 {
		l.start = p.Time
	}
	l.sent++
	l.certain = p.Time + l.delay
	kept := bytes.Clone(p.Payload)
	lostByAll := true
	for i, line := range l.lines {
		l.fates[i] = line.decide(p.Time, l.start)
		lostByAll = lostByAll && l.fates[i].lost
	}
	if lostByAll && l.protect {
		l.spare()
	}
	for i, line := range l.lines {
		f := l.fates[i]
		line.counts.Packets++
		if f.lost {
			line.counts.Lost++
			continue
		}
		if f.clogged {
			line.counts.Clogged++
		}
		l.queue(i, f.at, kept, false)
		if f.duplicate {
			line.counts.Duplicated++
			l.queue(i, f.again, kept, true)
		}
	}
}

// spare delivers the packet in hand on one line: the first from a different one each time that is
// not down, or if all are down that one.
func (l *Lines) spare() {
	first := int(l.sent % uint64(len(l.lines)))
	chosen := first
	for i := range l.lines {
		if at := (first + i) % len(l.lines); !l.fates[at].down {
			chosen = at
			break
		}
	}
	l.fates[chosen].lost = false
	l.lines[chosen].counts.Spared++
}

// Next returns the datagram that arrives next, or false if a packet that is still to be sent could
// arrive before it.
func (l *Lines) Next() (Datagram, bool) {
	if len(l.pending) == 0 || l.pending[0].Time > l.certain {
		return Datagram{}, false
	}
	a := heap.Pop(&l.pending).(arrival)
	line := l.lines[a.Line]
	line.counts.Delivered++
	if a.packet > line.highest {
		line.highest = a.packet
	} else if !a.duplicate {
		line.counts.Reordered++
	}
	return a.Datagram, true
}

// Close says that nothing more will be sent: Next will return all that is under way.
func (l *Lines) Close() { l.certain = never }

// Counts returns what the lines did so far.
func (l *Lines) Counts() []LineCounts {
	counts := make([]LineCounts, len(l.lines))
	for i, line := range l.lines {
		counts[i] = line.counts
	}
	return counts
}

func (l *Lines) queue(line int, at market.Nanos, payload []byte, duplicate bool) {
	l.queued++
	heap.Push(&l.pending, arrival{
		Datagram:  Datagram{Line: line, Time: at, Payload: payload},
		packet:    l.sent,
		queued:    l.queued,
		duplicate: duplicate,
	})
}

// Impair sends packets over lines and returns all datagrams in order of arrival, and what each line
// did. See NewLines; Lines does the same without holding everything in memory.
func Impair(packets []Packet, lines []Impairment, seed uint64, everyMessageOnOneLine bool) ([]Datagram, []LineCounts, error) {
	l, err := NewLines(lines, seed, everyMessageOnOneLine)
	if err != nil {
		return nil, nil, err
	}
	for _, p := range packets {
		l.Send(p)
	}
	l.Close()
	var arrived []Datagram
	for d, ok := l.Next(); ok; d, ok = l.Next() {
		arrived = append(arrived, d)
	}
	return arrived, l.Counts(), nil
}

// An arrival is a datagram under way.
type arrival struct {
	Datagram
	packet    uint64 // number of the packet, from 1
	queued    uint64 // number of the datagram, from 1
	duplicate bool
}

// arrivals is a heap by time, then by the order of queueing.
type arrivals []arrival

func (a arrivals) Len() int      { return len(a) }
func (a arrivals) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a arrivals) Less(i, j int) bool {
	if a[i].Time != a[j].Time {
		return a[i].Time < a[j].Time
	}
	return a[i].queued < a[j].queued
}
func (a *arrivals) Push(v any) { *a = append(*a, v.(arrival)) }
func (a *arrivals) Pop() any {
	last := len(*a) - 1
	v := (*a)[last]
	(*a)[last] = arrival{} // let go of the payload
	*a = (*a)[:last]
	return v
}

package arbiter

import (
	"math"

	"tidegate/market"
)

// LineHealth are facts about one line, to judge it by.
type LineHealth struct {
	LastRecv  market.Nanos // TsRecv of its last packet of the session; UndefTime if there was none
	HighWater uint64       // next sequence as this line knows it, in its own epoch
	Epoch     uint32       // its epoch; 0 if it delivered nothing of the session
	// Behind is how many messages other lines made known and this one has not. It is 0 for line R, which
	// brings what it is asked for.
	Behind uint64
	// BehindSince is when the first of those became known through another line, UndefTime if Behind is
	// 0. It is up to a millisecond late, never early; of a line far behind for more than about 100 ms
	// it says at least that.
	BehindSince market.Nanos
}

// Health returns what is known of a line.
func (a *Arbiter) Health(id LineID) LineHealth {
	l := &a.lines[id]
	h := LineHealth{
		LastRecv:    l.lastRecv,
		HighWater:   l.high,
		Epoch:       l.epoch,
		BehindSince: market.UndefTime,
	}
	switch {
	case a.epoch.Number == 0 || id == LineR:
	case l.epoch != a.epoch.Number:
		h.Behind, h.BehindSince = a.high-a.epoch.From, a.epoch.TsRecv
	case l.high < a.high:
		h.Behind, h.BehindSince = a.high-l.high, a.marks.passed(l, a.highAt)
	}
	return h
}

// marks remember when the channel's high-water mark rose, one mark per markSpan at most. The exact
// time per message would cost the common path more than it is worth; see LineHealth.BehindSince.
type marks struct {
	due  market.Nanos // no new mark before this time
	next int          // ring position of the next mark
	gone mark         // the last one that was overwritten
	ring [marksMax]mark
}

// A mark says that the message at seq became known at a time.
type mark struct {
	seq uint64
	at  market.Nanos // UndefTime for none
}

const (
	marksMax = 128
	markSpan = market.Millisecond
)

func (m *marks) reset() {
	m.due = math.MinInt64
	m.next = 0
	m.gone.at = market.UndefTime
	for i := range m.ring {
		m.ring[i].at = market.UndefTime
	}
}

// passed returns when l's high-water mark was passed by another line; fallback if only just.
func (m *marks) passed(l *line, fallback market.Nanos) market.Nanos {
	if l.passedAt.Defined() && l.passedHigh == l.high {
		return l.passedAt
	}
	before := m.gone
	for i := range marksMax {
		k := m.ring[(m.next+i)%marksMax]
		switch {
		case !k.at.Defined():
		case k.seq >= l.high:
			return k.known(l.high, before)
		default:
			before = k
		}
	}
	return fallback
}

// known returns when the message at seq became known, which is before the mark k or its own: if there was no mark
// of it, it came within markSpan of the mark before.
func (k mark) known(seq uint64, before mark) market.Nanos {
	if seq == k.seq || !before.at.Defined() {
		return k.at
	}
	return min(k.at, before.at+markSpan)
}

// mark notes that the message at seq became known now. The mark it overwrites may be the only one
// that knows when a line fell behind, so that line keeps its time.
//
//go:noinline
func (a *Arbiter) mark(seq uint64, now market.Nanos) {
	m := &a.marks
	slot := &m.ring[m.next]
	if slot.at.Defined() {
		for i := range a.lines {
			l := &a.lines[i]
			if l.high <= slot.seq && !(l.passedAt.Defined() && l.passedHigh == l.high) {
				l.passedAt, l.passedHigh = slot.known(l.high, m.gone), l.high
			}
		}
		m.gone = *slot
	}
	*slot = mark{seq, now}
	m.next = (m.next + 1) % marksMax
	m.due = now + markSpan
}

package venue

import (
	"fmt"
	"slices"

	"tidegate/market"
)

// A LiveLine is what a line of a LiveFeed does at present.
type LiveLine struct {
	Impairment Impairment // without spans
	Down       bool       // what is sent is lost
	Clogged    bool       // what would arrive is held, and arrives at once when the line is free again
}

// Limits that keep what is under way bounded.
const (
	underwayMax = 1 << 18 // datagrams on all lines
	heldMax     = 1 << 16 // datagrams that a clogged line holds
)

// A lineSwitch is what can be done to a line by hand, and what it holds while it is clogged.
type lineSwitch struct {
	down, clogged bool
	held          []Datagram
}

// hold keeps a datagram that has come out of the line, or loses it where there are too many.
func (s *lineSwitch) hold(d Datagram, counts *LineCounts) {
	counts.Delivered--
	if len(s.held) == heldMax {
		counts.Lost++
		return
	}
	counts.Clogged++
	s.held = append(s.held, d)
}

// Line returns what a line does at present.
func (f *LiveFeed) Line(line int) LiveLine {
	s := f.switches[line]
	l := LiveLine{Impairment: f.lines.lines[line].Impairment, Down: s.down, Clogged: s.clogged}
	l.Impairment.Down = nil // which is how the line is taken down
	return l
}

// Held returns how many datagrams a clogged line holds.
func (f *LiveFeed) Held(line int) int { return len(f.switches[line].held) }

// Counts returns what a line did so far, over all sessions.
func (f *LiveFeed) Counts(line int) LineCounts { return f.lines.lines[line].counts }

// SetLine changes what a line does from the next packet on. Packets under way keep their delay, and
// no later packet overtakes them but by Reorder. A line that is no longer clogged delivers all that
// it holds at once.
func (f *LiveFeed) SetLine(line int, to LiveLine) error {
	if err := validateLive(to.Impairment); err != nil {
		return fmt.Errorf("venue: line %s: %w", f.cfg.Feed.Lines[line].Name, err)
	}
	l, s := f.lines.lines[line], &f.switches[line]
	if to.Down {
		to.Impairment.Down = always
	}
	if s.clogged && !to.Clogged {
		l.counts.Delivered += uint64(len(s.held))
		f.freed = append(f.freed, s.held...)
		s.held = nil
	}
	l.Impairment, s.down, s.clogged = to.Impairment, to.Down, to.Clogged
	// That every packet arrives on one line is promised as long as one is up.
	f.lines.protect = f.cfg.Feed.Protected && !f.allDown()
	return nil
}

// allDown reports whether no line is up.
func (f *LiveFeed) allDown() bool {
	return !slices.ContainsFunc(f.switches, func(s lineSwitch) bool { return !s.down })
}

// nextArrival returns when the next datagram arrives, never if none is under way.
func (l *Lines) nextArrival() market.Nanos {
	if len(l.pending) == 0 {
		return never
	}
	return l.pending[0].Time
}

// crowded reports whether there is no room for another packet.
func (l *Lines) crowded() bool { return len(l.pending)+2*len(l.lines) > underwayMax }

// refuse loses a packet on every line for want of room.
func (l *Lines) refuse() {
	for _, line := range l.lines {
		line.counts.Packets++
		line.counts.Lost++
	}
}

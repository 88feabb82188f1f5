package venue

import (
	"fmt"
	"slices"

	"tidegate/market"
)

// An Impairment is what a line does to packets. The zero value delivers each at once.
type Impairment struct {
	Delay     market.Nanos // that every packet takes
	Jitter    market.Nanos // most that is added to Delay; does not change the order of packets
	Loss      float64      // probability that a packet is lost
	Burst     BurstLoss    // losses in a row
	Duplicate float64      // probability that a packet arrives twice, a little apart
	Reorder   float64      // probability that a packet is held back, so that others overtake it
	ReorderBy market.Nanos // most that such a packet is held back
	Down      []Span       // what would arrive meanwhile is lost
	Clogged   []Span       // what would arrive meanwhile arrives at the end, all at once
}

// BurstLoss is the Gilbert-Elliott model of losses that come in a row: a line is good or bad, and
// changes its state before a packet with a probability.
type BurstLoss struct {
	Enter float64 // probability of turning bad
	Leave float64 // probability of turning good
	Loss  float64 // probability that a packet is lost while the line is bad
}

// A Span of time counts from the first packet that is sent. From is inside, To is not.
type Span struct{ From, To market.Nanos }

// Limits that keep what is under way bounded.
const (
	delayMax = market.Minute
	spanMax  = market.Day
)

// duplicateWithin is the most by which a duplicate comes after the original.
const duplicateWithin = 200 * market.Microsecond

// Validate reports the first thing that is wrong, and what is expected instead.
func (i Impairment) Validate() error {
	for _, d := range []struct {
		name string
		span market.Nanos
	}{{"delay", i.Delay}, {"jitter", i.Jitter}, {"reorder by", i.ReorderBy}} {
		if d.span < 0 || d.span > delayMax {
			return fmt.Errorf("%s %d ns: want 0 to 1 min", d.name, d.span)
		}
	}
	for _, p := range []struct {
		name        string
		probability float64
	}{
		{"loss", i.Loss},
		{"burst enter", i.Burst.Enter},
		{"burst leave", i.Burst.Leave},
		{"burst loss", i.Burst.Loss},
		{"duplicate", i.Duplicate},
		{"reorder", i.Reorder},
	} {
		if !(p.probability >= 0 && p.probability <= 1) { // so that NaN is refused
			return fmt.Errorf("%s %v: want a probability, 0 to 1", p.name, p.probability)
		}
	}
	if i.Reorder > 0 && i.ReorderBy == 0 {
		return fmt.Errorf("reorder %v by 0 ns: want a time by which packets are held back", i.Reorder)
	}
	if err := validateSpans("down", i.Down); err != nil {
		return err
	}
	return validateSpans("clogged", i.Clogged)
}

func validateSpans(name string, spans []Span) error {
	for n, s := range spans {
		if s.From < 0 || s.To <= s.From || s.To > spanMax {
			return fmt.Errorf("%s span %d from %d to %d ns: want 0 <= from < to <= a day", name, n, s.From, s.To)
		}
		if n > 0 && s.From < spans[n-1].To {
			return fmt.Errorf("%s span %d from %d ns: want it after the span before, which ends at %d", name, n, s.From, spans[n-1].To)
		}
	}
	return nil
}

// LineCounts says what a line did. Delivered = Packets - Lost + Duplicated, once all has arrived.
type LineCounts struct {
	Packets    uint64 `json:"packets"`    // sent into the line
	Delivered  uint64 `json:"delivered"`  // arrived, duplicates included
	Lost       uint64 `json:"lost"`       // never arrived
	Duplicated uint64 `json:"duplicated"` // arrived twice
	Reordered  uint64 `json:"reordered"`  // arrived after a packet that was sent later
	Clogged    uint64 `json:"clogged"`    // held until the end of a clog
	Spared     uint64 `json:"spared"`     // would have been lost on every line, and was not
}

// A line is the state of one line. Chance on a line is its own: another line's impairments do not
// change it.
type line struct {
	Impairment
	dice    dice
	bad     bool         // of the Gilbert-Elliott model
	last    market.Nanos // latest arrival of a packet that was not held back
	highest uint64       // latest packet that arrived, by its number from 1
	counts  LineCounts
}

// A fate is what becomes of one packet on one line.
type fate struct {
	at        market.Nanos // arrival
	lost      bool
	down      bool // the line was down
	clogged   bool
	duplicate bool
	again     market.Nanos // arrival of the duplicate
}

// decide draws the fate of a packet. start is the time of the first packet.
func (l *line) decide(sent, start market.Nanos) fate {
	f := fate{at: sent + l.Delay + l.dice.upTo(l.Jitter)}
	f.lost = l.loses()
	if _, down := within(l.Down, f.at-start); down {
		f.lost, f.down = true, true
	}
	if clog, clogged := within(l.Clogged, f.at-start); clogged {
		f.at, f.clogged = start+clog.To, true
	}
	f.at = max(f.at, l.last)
	l.last = f.at
	if l.dice.happens(l.Reorder) {
		f.at += 1 + l.dice.upTo(l.ReorderBy-1)
	}
	if f.duplicate = l.dice.happens(l.Duplicate); f.duplicate {
		f.again = f.at + l.dice.upTo(duplicateWithin)
	}
	return f
}

// loses moves the Gilbert-Elliott model by one packet and says whether the packet is lost.
func (l *line) loses() bool {
	turn := l.Burst.Enter
	if l.bad {
		turn = l.Burst.Leave
	}
	if l.dice.happens(turn) {
		l.bad = !l.bad
	}
	lost := l.dice.happens(l.Loss)
	if l.bad && l.dice.happens(l.Burst.Loss) {
		lost = true
	}
	return lost
}

// within finds the span that a time lies in.
func within(spans []Span, t market.Nanos) (Span, bool) {
	i := slices.IndexFunc(spans, func(s Span) bool { return s.From <= t && t < s.To })
	if i < 0 {
		return Span{}, false
	}
	return spans[i], true
}

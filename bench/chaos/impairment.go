//go:build linux

package chaos

import (
	"errors"
	"fmt"
	"time"
)

// An Impairment is what a path does to the packets of a line. The zero value forwards each at once.
type Impairment struct {
	Delay     Span    `json:"delay,omitempty"`      // that every packet takes
	Jitter    Span    `json:"jitter,omitempty"`     // most that is added to Delay; does not change the order of packets
	Loss      float64 `json:"loss,omitempty"`       // probability that a packet is lost
	Duplicate float64 `json:"duplicate,omitempty"`  // probability that a packet is sent twice
	Reorder   float64 `json:"reorder,omitempty"`    // probability that a packet is held back, so that others overtake it
	ReorderBy Span    `json:"reorder_by,omitempty"` // most that such a packet is held back
	Stalled   bool    `json:"stalled,omitempty"`    // packets are held, and sent all at once when that ends
	Down      bool    `json:"down,omitempty"`       // packets are lost
	Clock     Clock   `json:"clock,omitempty"`      // what the venue times of messages are made
}

// A Clock says what becomes of the times that the venue stamped.
type Clock string

// Clocks. A time of ITCH has 48 bits and counts from midnight: it cannot say 1970 or 2200, but be off by as much
// as it can say.
const (
	ClockRight  Clock = ""
	ClockPast   Clock = "past"   // midnight, in every message
	ClockFuture Clock = "future" // the last nanosecond of the day, in every message
	ClockBeyond Clock = "beyond" // 78 hours after midnight, which no day has, in every message
)

// A Span of time is text such as "250ms" in JSON.
type Span time.Duration

// MarshalText writes the span as time.Duration does.
func (s Span) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what time.ParseDuration reads.
func (s *Span) UnmarshalText(b []byte) error {
	d, err := time.ParseDuration(string(b))
	*s = Span(d)
	return err
}

// String writes the span as time.Duration does.
func (s Span) String() string { return time.Duration(s).String() }

// delayMax bounds what is under way.
const delayMax = Span(10 * time.Second)

// Validate reports the first thing that is wrong, and what is expected instead.
func (i Impairment) Validate() error {
	for _, d := range []struct {
		name string
		span Span
	}{{"delay", i.Delay}, {"jitter", i.Jitter}, {"reorder_by", i.ReorderBy}} {
		if d.span < 0 || d.span > delayMax {
			return fmt.Errorf("%s %s: want 0 to %s", d.name, d.span, delayMax)
		}
	}
	for _, p := range []struct {
		name        string
		probability float64
	}{{"loss", i.Loss}, {"duplicate", i.Duplicate}, {"reorder", i.Reorder}} {
		if !(p.probability >= 0 && p.probability <= 1) { // so that NaN is refused
			return fmt.Errorf("%s %v: want a probability, 0 to 1", p.name, p.probability)
		}
	}
	switch {
	case (i.Reorder > 0) != (i.ReorderBy > 0):
		return errors.New("reorder and reorder_by: want both or neither")
	case i.Clock != ClockRight && i.Clock != ClockPast && i.Clock != ClockFuture && i.Clock != ClockBeyond:
		return fmt.Errorf("clock %q: want %q, %q or %q", i.Clock, ClockPast, ClockFuture, ClockBeyond)
	}
	return nil
}

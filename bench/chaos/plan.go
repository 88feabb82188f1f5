//go:build linux

package chaos

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"tidegate/internal/venue"
)

// A Plan is a list of drills, one after the other.
type Plan struct {
	Drills []Drill `json:"drills"`
}

// A Drill is what is done to the gateway's surroundings, and what is expected of it.
type Drill struct {
	Name string `json:"name"`
	// Says what happens, in a sentence.
	Says   string `json:"says,omitempty"`
	Repeat int    `json:"repeat,omitempty"` // 0 is 1
	Steps  []Step `json:"steps"`
	// For is how long the drill goes on, from its beginning. Then everything is healed.
	For    Span   `json:"for"`
	Expect Expect `json:"expect"`
}

// A Step is what is done at a time.
type Step struct {
	At Span `json:"at,omitempty"` // since the beginning of the drill
	// Paths says which: provider and line, like "north/A". "active" and "standby" stand for a provider, the latter
	// for the one that follows the active one, and a star for any.
	Paths string `json:"paths,omitempty"`
	// Set gives the paths another impairment, and Lose has them lose the next packets with messages, the same on all.
	Set  *Impairment `json:"set,omitempty"`
	Lose int         `json:"lose,omitempty"`
	// Retransmit is how the retransmit servers answer from now on, and Snapshots what is wrong with snapshots.
	Retransmit Serving             `json:"retransmit,omitempty"`
	Snapshots  *venue.SoupSettings `json:"snapshots,omitempty"`
}

// A Since says from when on a gateway is expected to do something.
type Since string

// Moments. Behind and Late are about the active provider, of whom every line must be impaired.
const (
	SinceBehind Since = "behind" // stale_after behind the first packet with messages that was not forwarded in time
	SinceLate   Since = "late"   // the first packet that came too late
	SinceSilent Since = "silent" // silence behind its last packet of all
	SinceGap    Since = "gap"    // gap_deadline behind the first packet that showed that some were lost
)

// Expect is what the gateway must do, and that it does nothing else: a switch or a stale mark that is not
// expected is a broken promise.
type Expect struct {
	// Switch has the reasons of which one is why the feed leaves the active provider. None: it stays.
	Switch []string `json:"switch,omitempty"`
	// MaySwitch: the feed may try another provider before it finds that none is fresh, or take the one that has its
	// snapshot first.
	MaySwitch bool `json:"may_switch,omitempty"`
	// Stale: the feed says that no provider is fresh, and leaves the consolidated dataset.
	Stale bool `json:"stale,omitempty"`
	// Since is from when on the switch, the stale mark or the announcement of a gap is timed. "": it is not.
	Since Since `json:"since,omitempty"`
	// Filled: what the lines lost comes by retransmission. Lost: it is announced as a gap.
	Filled bool `json:"filled,omitempty"`
	Lost   bool `json:"lost,omitempty"`
	// Snapshot: the books are had anew from a snapshot.
	Snapshot bool `json:"snapshot,omitempty"`
	// Within is how much later than it left the venue a message may come. 0: any.
	Within Span `json:"within,omitempty"`
}

// Limits of plans.
const (
	drillsMax = 100
	repeatMax = 100_000
	forMax    = Span(10 * time.Minute)
	loseMax   = 10_000
)

// ParsePlan reads a plan from JSON. A drill without steps is the built-in one of its name.
func ParsePlan(b []byte) (Plan, error) {
	var p Plan
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&p); err != nil {
		return Plan{}, fmt.Errorf("plan: %w", err)
	}
	if dec.More() {
		return Plan{}, errors.New("plan: more follows the object")
	}
	for i := range p.Drills {
		d := &p.Drills[i]
		if len(d.Steps) > 0 {
			continue
		}
		built, ok := builtIn(d.Name)
		if !ok {
			return Plan{}, fmt.Errorf("plan: drill %d: no steps, and none is built in that is called %q", i+1, d.Name)
		}
		built.Repeat = d.Repeat
		*d = built
	}
	return p, p.Validate()
}

// Built returns a plan of one built-in drill, or of all of them for the name "all".
func Built(name string, repeat int) (Plan, error) {
	var p Plan
	for _, d := range drills {
		if d.Name == name || name == "all" {
			d.Repeat = repeat
			p.Drills = append(p.Drills, d)
		}
	}
	if p.Drills == nil {
		return p, fmt.Errorf("plan: no drill is called %q: want one of %s, or all", name, strings.Join(Names(), ", "))
	}
	return p, p.Validate()
}

// Names returns the names of the built-in drills.
func Names() (names []string) {
	for _, d := range drills {
		names = append(names, d.Name)
	}
	return names
}

// Drills returns the built-in drills.
func Drills() []Drill { return slices.Clone(drills) }

func builtIn(name string) (Drill, bool) {
	i := slices.IndexFunc(drills, func(d Drill) bool { return d.Name == name })
	if i < 0 {
		return Drill{}, false
	}
	return drills[i], true
}

// Validate reports the first thing that is wrong, and what is expected instead.
func (p *Plan) Validate() error {
	if len(p.Drills) == 0 || len(p.Drills) > drillsMax {
		return fmt.Errorf("plan: %d drills: want 1 to %d", len(p.Drills), drillsMax)
	}
	for i := range p.Drills {
		if err := p.Drills[i].validate(); err != nil {
			return fmt.Errorf("plan: drill %q: %w", p.Drills[i].Name, err)
		}
	}
	return nil
}

func (d *Drill) validate() error {
	switch {
	case d.Name == "":
		return errors.New("no name")
	case d.Repeat < 0 || d.Repeat > repeatMax:
		return fmt.Errorf("repeat %d: want 1 to %d", d.Repeat, repeatMax)
	case d.For <= 0 || d.For > forMax:
		return fmt.Errorf("for %s: want more than 0, and %s at most", d.For, forMax)
	}
	last := Span(0)
	for i := range d.Steps {
		s := &d.Steps[i]
		if s.At < last || s.At >= d.For {
			return fmt.Errorf("step %d at %s: want steps in order, before the end at %s", i+1, s.At, d.For)
		}
		last = s.At
		if err := s.validate(); err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
	}
	switch d.Expect.Since {
	case "", SinceBehind, SinceLate, SinceSilent, SinceGap:
		return nil
	default:
		return fmt.Errorf("since %q: want behind, late, silent or gap", d.Expect.Since)
	}
}

func (s *Step) validate() error {
	provider, line, ok := strings.Cut(s.Paths, "/")
	onPaths := s.Set != nil || s.Lose > 0
	switch {
	case s.Lose < 0 || s.Lose > loseMax:
		return fmt.Errorf("lose %d packets: want 1 to %d", s.Lose, loseMax)
	case onPaths && (!ok || provider == "" || line == ""):
		return fmt.Errorf(`paths %q: want a provider and a line, like "active/A" or "*/*"`, s.Paths)
	case !onPaths && s.Paths != "":
		return errors.New("paths: want set or lose with them")
	case s.Retransmit != "" && !slices.Contains(servings, s.Retransmit):
		return fmt.Errorf("retransmit %q: want one of %v", s.Retransmit, servings)
	case !onPaths && s.Retransmit == "" && s.Snapshots == nil:
		return errors.New("nothing is done: want set, lose, retransmit or snapshots")
	case s.Set != nil:
		return s.Set.Validate()
	}
	return nil
}

// String says what the step does.
func (s *Step) String() string {
	var said []string
	if s.Set != nil {
		b, _ := json.Marshal(s.Set) // text and numbers
		said = append(said, fmt.Sprintf("%s %s", s.Paths, b))
	}
	if s.Lose > 0 {
		said = append(said, fmt.Sprintf("%s lose the next %d packets", s.Paths, s.Lose))
	}
	if s.Retransmit != "" {
		said = append(said, fmt.Sprintf("retransmit server: %s", s.Retransmit))
	}
	if s.Snapshots != nil {
		b, _ := json.Marshal(s.Snapshots)
		said = append(said, fmt.Sprintf("snapshots %s", b))
	}
	return fmt.Sprintf("%s: %s", s.At, strings.Join(said, "; "))
}

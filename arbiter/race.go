package arbiter

import (
	"slices"

	"tidegate/market"
)

// ProvidersMax is how many providers a Race has room for.
const ProvidersMax = 8

// A Race compares the providers of one feed by the venue times of what they delivered: whoever has not
// delivered up to a time that another one delivered is behind. The venue's clock is the same for all, so no
// clock needs to be trusted and no offset learned.
//
// Unless one provider's times are not the venue's. When the times of one are seen to be set forward or back it
// stands apart: it puts nobody behind, and nothing puts it behind. Either the venue's clock was set and the
// others follow, then it races on with those that did; or its own was, then it waits until it is right again.
//
// It is a pure state machine with one owner and allocates nothing.
type Race struct {
	after   market.Nanos
	newest  [ProvidersMax]market.Nanos // venue time; 0 before the first
	first   market.Nanos               // venue time of whoever is first
	marks   [raceMarksMax]milestone    // times of first, oldest first, as a ring
	head, n int
	reached milestone                  // the newest mark that is older than after
	caught  [ProvidersMax]market.Nanos // what was first delivered up to this time puts nobody behind: see CatchUp
	legs    [ProvidersMax]leg
	apart   [ProvidersMax]bool
	flag    milestone // of the running comparison; its event is 0 while there is none
	winner  int
}

// raceMarksMax bounds how finely the past is known: to a sixty-fourth of the limit, or better.
const raceMarksMax = 64

type milestone struct{ event, recv market.Nanos }

// leg is how one provider does against the others.
type leg struct {
	margin Margin
	passed bool // the running comparison's flag
}

// A Margin says how a provider did in comparisons with the others, about one per millisecond of traffic.
type Margin struct {
	Won  uint64 `json:"won"`  // it was first
	Lost uint64 `json:"lost"` // another one was
	// Behind is by how much it was later than the first, in the last comparison that it lost, and on
	// average over the last ones, in nanoseconds.
	Behind        market.Nanos `json:"behind_ns"`
	BehindAverage market.Nanos `json:"behind_average_ns"`
}

// NewRace returns a race in which a provider is behind when it has not delivered what another one delivered
// longer than after ago.
func NewRace(after market.Nanos) *Race { return &Race{after: max(after, 1)} }

// OnEvent takes the venue time of an event that provider i delivered at tsRecv. Times of receipt do not go
// back.
func (r *Race) OnEvent(i int, tsEvent, tsRecv market.Nanos) {
	if !tsEvent.Defined() || tsEvent <= r.newest[i] {
		return
	}
	r.newest[i] = tsEvent
	if r.apart[i] {
		return
	}
	r.compare(i, tsEvent, tsRecv)
	if tsEvent <= r.first {
		return
	}
	r.first = tsEvent
	r.mark(tsRecv)
}

// OnDoubted takes a venue time that is earlier or later than it can be, unless the clock was set, which is not
// decided. It shows that i delivered what others have, and puts nobody behind.
func (r *Race) OnDoubted(i int, tsEvent, tsRecv market.Nanos) {
	r.OnEvent(i, min(tsEvent, r.first), tsRecv)
}

// mark notes the time of whoever is first, unless the last note is too fresh.
func (r *Race) mark(now market.Nanos) {
	if r.first <= r.reached.event {
		return // it is known since when
	}
	if r.n > 0 {
		last := r.marks[(r.head+r.n-1)%raceMarksMax]
		if last.event >= r.first || now-last.recv < r.after/(raceMarksMax-2) {
			return
		}
	}
	r.expire(now)
	if r.n == raceMarksMax { // after this long without expiring, the oldest says nothing that the next does not
		r.head, r.n = (r.head+1)%raceMarksMax, r.n-1
	}
	r.marks[(r.head+r.n)%raceMarksMax] = milestone{event: r.first, recv: now}
	r.n++
}

// expire moves what is older than the limit to reached.
func (r *Race) expire(now market.Nanos) {
	for r.n > 0 && now-r.marks[r.head].recv > r.after {
		r.reached = r.marks[r.head]
		r.head, r.n = (r.head+1)%raceMarksMax, r.n-1
	}
}

// OnTick lets time pass.
func (r *Race) OnTick(now market.Nanos) {
	r.mark(now)
	r.expire(now)
}

// Behind reports whether provider i has not delivered what another one delivered longer than the limit
// ago; and since when that is known elsewhere. Call OnTick first.
func (r *Race) Behind(i int) (since market.Nanos, behind bool) {
	return r.reached.recv, r.newest[i] < r.reached.event && r.reached.recv > r.caught[i] && !r.apart[i]
}

// compare measures by how much the others are later than whoever delivers a venue time first.
func (r *Race) compare(i int, tsEvent, tsRecv market.Nanos) {
	if r.flag.event == 0 || tsRecv-r.flag.recv > 2*r.after {
		if tsEvent > r.first {
			r.flag, r.winner = milestone{event: tsEvent, recv: tsRecv}, i
			for k := range r.legs {
				r.legs[k].passed = false
			}
			r.legs[i].passed = true
		}
		return
	}
	l := &r.legs[i]
	if l.passed || tsEvent < r.flag.event {
		return
	}
	l.passed = true
	l.margin.Lost++
	l.margin.Behind = tsRecv - r.flag.recv
	l.margin.BehindAverage += (l.margin.Behind - l.margin.BehindAverage) / 16
	r.legs[r.winner].margin.Won++
	for k := range r.legs {
		if r.newest[k] != 0 && !r.legs[k].passed && tsRecv-r.flag.recv <= r.after {
			return // somebody is still on the way
		}
	}
	r.flag.event = 0
}

// Margin returns how provider i does against the others.
func (r *Race) Margin(i int) Margin { return r.legs[i].margin }

// Forget forgets what provider i delivered: its publisher began anew. That leaves it behind nothing that others
// delivered before, who may not have seen it yet.
func (r *Race) Forget(i int, now market.Nanos) {
	r.newest[i] = 0
	r.CatchUp(i, now)
}

// CatchUp notes that provider i got what it had missed in another way, from a snapshot. That may hold what others are
// about to deliver; so if it is behind after all, what they deliver later than the limit from now shows it.
func (r *Race) CatchUp(i int, now market.Nanos) { r.caught[i] = now + r.after }

// settingMax is how far apart, in limits, the offsets may lie of providers that saw the venue's clock set.
const settingMax = 20

// SetApart notes that the times of provider i were set forward or back. Call Regroup until it reports that nobody
// stands apart.
func (r *Race) SetApart(i int) { r.apart[i], r.newest[i] = true, 0 }

// Apart reports whether provider i stands apart.
func (r *Race) Apart(i int) bool { return r.apart[i] }

// Regroup decides who is compared with whom, and reports whether anybody stands apart. offsets are what the
// providers' clocks differ by from the receiver's, UndefTime of those that nothing came from yet.
func (r *Race) Regroup(offsets []market.Nanos) (apart bool) {
	near := func(i, k int, limit market.Nanos) bool {
		return offsets[i].Defined() && offsets[k].Defined() && max(offsets[i]-offsets[k], offsets[k]-offsets[i]) <= limit
	}
	racing := 0
	for i := range offsets {
		for k := range offsets {
			if r.apart[i] && !r.apart[k] && near(i, k, r.after) {
				r.apart[i] = false // its clock is that of the others, again or still
			}
		}
		if offsets[i].Defined() && !r.apart[i] {
			racing++
		}
	}
	for i := range offsets {
		if !r.apart[i] {
			continue
		}
		apart = true
		agree := 0
		for k := range offsets {
			if r.apart[k] && near(i, k, settingMax*r.after) {
				agree++
			}
		}
		if agree >= 2 && agree > racing { // the venue's clock was set
			for k := range offsets {
				r.apart[k] = !near(i, k, settingMax*r.after)
			}
			*r = Race{after: r.after, newest: r.newest, caught: r.caught, legs: r.legs, apart: r.apart}
			return slices.Contains(r.apart[:len(offsets)], true)
		}
	}
	return apart
}

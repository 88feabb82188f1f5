package arbiter

import (
	"errors"

	"tidegate/market"
)

// LagConfig sets how a LagMeter learns.
type LagConfig struct {
	// StepMin is the smallest change of a clock that is taken for a step and not for delay. It is at most
	// the lag that matters.
	StepMin market.Nanos
	// Window is how long the smallest difference between the clocks is remembered: between Window and
	// twice that.
	Window market.Nanos
	// PlausibleMax is how late an event may be by its venue time; how early is StepMin, as no path is much
	// faster than the fastest so far. Other times are counted and not used, until Relearn of them in a row
	// agree with each other within StepMin: then the venue's clock was set.
	PlausibleMax market.Nanos
	Relearn      int
	// OffsetMax bounds what may be learned as a difference between the clocks, where both are known to be
	// synchronised. With 0 a path that is late from the start passes for a clock that is slow.
	OffsetMax market.Nanos
}

// DefaultLagConfig returns the configuration for clocks about which nothing is known.
func DefaultLagConfig() LagConfig {
	return LagConfig{
		StepMin: 50 * market.Millisecond, Window: 30 * market.Second,
		PlausibleMax: market.Minute, Relearn: 16,
	}
}

// Validate returns an error that names the first value that makes no sense.
func (c LagConfig) Validate() error {
	switch {
	case c.StepMin <= 0:
		return errors.New("lag: smallest step: want more than 0")
	case c.Window <= 0:
		return errors.New("lag: window: want more than 0")
	case c.PlausibleMax <= c.StepMin:
		return errors.New("lag: plausible difference: want more than the smallest step")
	case c.Relearn < 2:
		return errors.New("lag: relearn: want 2 or more")
	case c.OffsetMax < 0:
		return errors.New("lag: offset: want 0 or more")
	}
	return nil
}

// A LagMeter measures how old events are when they come: receive time minus venue time, minus what the
// two clocks differ by, which it learns.
//
// What they differ by is taken to be the smallest difference of the last minute or so: no path is
// faster than its fastest moment, and the queues of a busy path are empty now and then. It forgets by
// halves of a window, so a slow drift is followed; not while nothing comes, unless that is for long.
//
// A venue clock that steps forward makes a smaller difference, and is learned when some events agree about
// it; one alone may be wrong. One that steps back gives venue times that fall while messages go on in sequence,
// which no delay does: the difference grew by the step, and that is added to what was learned. If it steps back by
// less than passed since the event before, it looks like delay, for as long as the window is. So it is when a
// publisher begins anew on another machine: that its first events are late may as well be true.
// A step of the receiver's clock looks like delay to every meter alike; whoever sees it elsewhere (a monotonic
// clock) tells with Shift.
//
// Feed it the venue time of messages in the order of their sequence. It is a pure state machine with one
// owner and allocates nothing.
type LagMeter struct {
	cfg       LagConfig
	lag       market.Nanos
	seen      market.Nanos    // receive time of the newest event; UndefTime before the first
	event     market.Nanos    // its venue time
	least     [2]market.Nanos // smallest differences of this part of the window and the part before
	until     market.Nanos    // when this part ends
	odd       int             // implausible times in a row that agree
	oddOffset market.Nanos    // difference of the first of them

	implausible uint64
	steps       uint64
}

// quietWindows is how many windows without an event it takes to forget what was learned before. After fewer, the
// first event may be late: there is no other one to tell.
const quietWindows = 8

// NewLagMeter returns a meter that knows nothing yet.
func NewLagMeter(cfg LagConfig) (*LagMeter, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &LagMeter{cfg: cfg, seen: market.UndefTime}, nil
}

// OnEvent takes the venue time of an event and the time at which it was received. It reports whether the
// venue time is plausible; an event without one says nothing.
func (m *LagMeter) OnEvent(tsEvent, tsRecv market.Nanos) bool {
	if !tsEvent.Defined() {
		return false
	}
	difference := tsRecv - tsEvent
	switch {
	case !m.seen.Defined():
		m.learn(difference, tsRecv)
	case m.event-tsEvent >= m.cfg.StepMin && m.event-tsEvent <= m.cfg.PlausibleMax:
		m.steps++
		m.shift(difference - (m.seen - m.event))
	case difference-m.Offset() > m.cfg.PlausibleMax || m.Offset()-difference > m.cfg.StepMin:
		m.implausible++
		if !m.agrees(difference) {
			return difference-m.Offset() <= m.cfg.PlausibleMax && m.Offset()-difference <= m.cfg.PlausibleMax
		}
		m.steps++
		m.learn(difference, tsRecv)
	}
	m.odd = 0
	if tsRecv >= m.until {
		m.least[1], m.least[0] = m.least[0], difference
		if tsRecv-m.until >= quietWindows*m.cfg.Window {
			m.least[1] = difference
		}
		m.until = tsRecv + m.cfg.Window
	}
	m.least[0] = min(m.least[0], difference)
	m.lag = max(0, difference-m.Offset())
	m.seen, m.event = tsRecv, tsEvent
	return true
}

// agrees counts implausible times that agree with each other, and reports whether they are enough.
func (m *LagMeter) agrees(difference market.Nanos) bool {
	if off := difference - m.oddOffset; m.odd == 0 || off > m.cfg.StepMin || off < -m.cfg.StepMin {
		m.odd, m.oddOffset = 0, difference
	}
	m.odd++
	return m.odd >= m.cfg.Relearn
}

// learn begins anew from one difference.
func (m *LagMeter) learn(difference, tsRecv market.Nanos) {
	m.least = [2]market.Nanos{difference, difference}
	m.until = tsRecv + m.cfg.Window
}

func (m *LagMeter) shift(by market.Nanos) {
	m.least[0] += by
	m.least[1] += by
}

// Shift tells that the clock of receive times was stepped: times from now on are larger by as much.
func (m *LagMeter) Shift(by market.Nanos) {
	if m.seen.Defined() {
		m.steps++
		m.shift(by)
		m.seen += by
		m.until += by
	}
}

// Lag returns how late the newest event was, and when it was received. ok is false before the first.
func (m *LagMeter) Lag() (lag, seen market.Nanos, ok bool) { return m.lag, m.seen, m.seen.Defined() }

// Offset returns by how much receive times are ahead of venue times where there is no delay; it holds
// the shortest way that an event took.
func (m *LagMeter) Offset() market.Nanos {
	offset := min(m.least[0], m.least[1])
	if most := m.cfg.OffsetMax; most > 0 {
		offset = min(max(offset, -most), most)
	}
	return offset
}

// Event returns the venue time of the newest event, UndefTime before the first.
func (m *LagMeter) Event() market.Nanos {
	if !m.seen.Defined() {
		return market.UndefTime
	}
	return m.event
}

// Doubts reports whether the newest venue time is earlier or later than it can be, unless the clock was set, which
// is not decided.
func (m *LagMeter) Doubts() bool { return m.odd > 0 }

// Implausible returns how many venue times were too far from what was expected.
func (m *LagMeter) Implausible() uint64 { return m.implausible }

// Steps returns how often a clock was found to have been stepped.
func (m *LagMeter) Steps() uint64 { return m.steps }

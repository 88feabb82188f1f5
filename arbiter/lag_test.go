package arbiter

import (
	"math/rand/v2"
	"testing"

	"tidegate/market"
)

const lagStart = 1_700_000_000 * market.Second

func lagMeter(t *testing.T, change func(*LagConfig)) *LagMeter {
	t.Helper()
	cfg := DefaultLagConfig()
	if change != nil {
		change(&cfg)
	}
	m, err := NewLagMeter(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// path sends an event each millisecond for a time; delay says how long the one at t takes.
func path(m *LagMeter, from, to, venueAhead market.Nanos, delay func(t market.Nanos) market.Nanos) (worst market.Nanos) {
	last := market.Nanos(0)
	for at := from; at < to; at += market.Millisecond {
		recv := max(last, lagStart+at+delay(at)) // one path does not reorder
		last = recv
		m.OnEvent(lagStart+at+venueAhead, recv)
		lag, _, _ := m.Lag()
		worst = max(worst, lag)
	}
	return worst
}

func steady(d market.Nanos) func(market.Nanos) market.Nanos {
	return func(market.Nanos) market.Nanos { return d }
}

func TestLagLearnsTheOffset(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	noisy := func(market.Nanos) market.Nanos {
		return 3*market.Millisecond + market.Nanos(r.ExpFloat64()*float64(market.Millisecond))
	}
	for _, ahead := range []market.Nanos{0, market.Hour, -market.Hour, 50 * 365 * market.Day} {
		m := lagMeter(t, nil)
		if worst := path(m, 0, 5*market.Second, ahead, noisy); worst > 20*market.Millisecond {
			t.Errorf("venue ahead by %d: a lag of %d ns on a good path", ahead, worst)
		}
		late := func(at market.Nanos) market.Nanos { return noisy(at) + 60*market.Millisecond }
		path(m, 5*market.Second, 6*market.Second, ahead, late)
		if lag, _, _ := m.Lag(); lag < 55*market.Millisecond || lag > 80*market.Millisecond {
			t.Errorf("venue ahead by %d: 60 ms more delay measured as %d ns", ahead, lag)
		}
		if m.Implausible() != 0 || m.Steps() != 0 {
			t.Errorf("venue ahead by %d: %d implausible, %d steps", ahead, m.Implausible(), m.Steps())
		}
	}
}

func TestLagFollowsDrift(t *testing.T) {
	m := lagMeter(t, nil)
	drift := func(at market.Nanos) market.Nanos { return market.Millisecond + at/5000 } // 200 ppm
	if worst := path(m, 0, 10*market.Minute, 0, drift); worst > 20*market.Millisecond {
		t.Errorf("a drift of 200 ppm is a lag of %d ns", worst)
	}
}

func TestLagVenueStepsBack(t *testing.T) {
	m := lagMeter(t, nil)
	path(m, 0, market.Second, 0, steady(market.Millisecond))
	worst := path(m, market.Second, 2*market.Second, -200*market.Millisecond, steady(market.Millisecond))
	if worst > 2*market.Millisecond || m.Steps() != 1 {
		t.Errorf("a step of the venue's clock: lag %d ns, %d steps", worst, m.Steps())
	}
	// And delay is still seen.
	if worst = path(m, 2*market.Second, 3*market.Second, -200*market.Millisecond, steady(70*market.Millisecond)); worst < 68*market.Millisecond {
		t.Errorf("delay after the step: %d ns", worst)
	}
}

func TestLagVenueStepsForward(t *testing.T) {
	m := lagMeter(t, nil)
	path(m, 0, market.Second, 0, steady(market.Millisecond))
	if worst := path(m, market.Second, 2*market.Second, 300*market.Millisecond, steady(market.Millisecond)); worst != 0 {
		t.Errorf("a step forward: lag %d ns", worst)
	}
	if m.Steps() != 1 || m.Doubts() {
		t.Errorf("a step forward: %d steps, doubts %v", m.Steps(), m.Doubts())
	}
	if worst := path(m, 2*market.Second, 3*market.Second, 300*market.Millisecond, steady(61*market.Millisecond)); worst < 59*market.Millisecond {
		t.Errorf("delay after the step: %d ns", worst)
	}
}

// TestLagAfterSilence: the first event after a pause may be late, and does not pass for what is normal.
func TestLagAfterSilence(t *testing.T) {
	m := lagMeter(t, nil)
	path(m, 0, market.Second, 0, steady(market.Millisecond))
	const pause = 3 * market.Minute
	path(m, pause, pause+market.Second, 0, steady(80*market.Millisecond))
	if lag, _, _ := m.Lag(); lag < 78*market.Millisecond {
		t.Errorf("79 ms more delay after a pause measured as %d ns", lag)
	}
	path(m, pause+market.Second, pause+2*market.Second, 0, steady(market.Millisecond))
	if m.Steps() != 0 || m.Implausible() != 0 {
		t.Errorf("the path recovered: %d steps, %d implausible", m.Steps(), m.Implausible())
	}
	// A difference that nobody has seen for hours says nothing any more.
	path(m, 8*market.Hour, 8*market.Hour+market.Second, 0, steady(40*market.Millisecond))
	if lag, _, _ := m.Lag(); lag != 0 {
		t.Errorf("clocks that drifted overnight: a lag of %d ns", lag)
	}
}

func TestLagReceiverSteps(t *testing.T) {
	m := lagMeter(t, nil)
	path(m, 0, market.Second, 0, steady(market.Millisecond))
	m.Shift(market.Second)
	if worst := path(m, market.Second, 2*market.Second, 0, steady(market.Second+market.Millisecond)); worst > market.Millisecond {
		t.Errorf("a step of our clock: lag %d ns", worst)
	}
}

func TestLagImplausibleTimes(t *testing.T) {
	m := lagMeter(t, nil)
	path(m, 0, market.Second, 0, steady(market.Millisecond))
	at := lagStart + market.Second
	for i, wrong := range []market.Nanos{0, market.Day, 7_258_118_400 * market.Second, 1, at + 2*market.Minute, market.UndefTime} {
		if m.OnEvent(wrong, at+market.Nanos(i)) {
			t.Errorf("a venue time of %d was believed", wrong)
		}
	}
	if lag, _, _ := m.Lag(); lag > market.Millisecond || m.Implausible() != 5 {
		t.Errorf("lag %d ns, %d implausible times", lag, m.Implausible())
	}
	// One that is a second early is no measure of delay, but in its place among the events.
	if !m.OnEvent(at+market.Second, at+10) || m.Implausible() != 6 {
		t.Errorf("a second early: %d implausible times", m.Implausible())
	}
	if m.OnEvent(at+11, at+11); m.Offset() != market.Millisecond && m.Offset() != 0 {
		t.Errorf("one early event moved the offset to %d", m.Offset())
	}
	// A clock that is wrong in the same way for long is believed in the end.
	for i := range market.Nanos(200) {
		now := at + i*market.Millisecond
		m.OnEvent(now+market.Day, now)
	}
	if m.Implausible() != 6+16 || m.Offset() != -market.Day {
		t.Errorf("%d implausible times, offset %d", m.Implausible(), m.Offset())
	}
}

func TestLagKnownClocks(t *testing.T) {
	m := lagMeter(t, func(c *LagConfig) { c.OffsetMax = 5 * market.Millisecond })
	path(m, 0, market.Second, 0, steady(80*market.Millisecond))
	if lag, _, _ := m.Lag(); lag != 75*market.Millisecond {
		t.Errorf("late from the start with synchronised clocks: %d ns", lag)
	}
}

func TestLagAllocatesNothing(t *testing.T) {
	m := lagMeter(t, nil)
	at := lagStart
	if n := testing.AllocsPerRun(1000, func() { at += market.Second; m.OnEvent(at, at+7) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

package orders

import (
	"math"
	"runtime"
	"sync/atomic"
	"time"

	hdrhistogram "github.com/HdrHistogram/hdrhistogram-go"

	"tidegate/book/match"
	"tidegate/market"
	"tidegate/sinks/journal"
)

// An admission is the loop that decides: it takes what comes, in order of urgency, writes it to the input log, checks
// it, and gives it to the engines; or, where there are no matching loops, runs the engine itself. It has a
// thread of its own, takes no lock, and waits for nobody but the publisher when that lags.
type admission struct {
	gate *Gate
	log  *journal.Journal
	core *Core // of which it owns the desk, and the engine if there are no loops
	desk *desk

	loops   []*matchLoop // none: inline
	index   uint64       // of the last entry
	now     market.Nanos
	payload []byte
	reports []Report
	out     *ring[Report]
	settled atomic.Uint64 // entries whose reports are all in out

	controls map[uint64]*control // by index, as long as their entry is not settled
	marked   uint64              // entries up to here are known in the log to be settled
	cut      uint64              // entry of the last mark that was made for a snapshot
	ticked   []market.Nanos      // for which time a Tick was given to each engine
	events   []match.Event

	waits   [laneCount]*hdrhistogram.Histogram
	collect chan chan [laneCount]*hdrhistogram.Histogram

	parked atomic.Bool
	wake   chan struct{}
	stop   chan struct{}
	ended  chan struct{}
}

const (
	laneBudget  = 64   // requests taken between looks at everything else
	loopAhead   = 64   // entries given to a matching loop that it has not answered
	flightsMax  = 4096 // entries that are decided and not settled
	idleLooks   = 200  // how often an idle loop looks before it parks
	waitMax     = 60e9 // nanoseconds in the histograms; longer is as long
	parkAtMost  = 50e6 // nanoseconds
	outCapacity = 1 << 14
)

func newAdmission(g *Gate, log *journal.Journal, core *Core, index uint64) *admission {
	a := &admission{
		gate: g, log: log, core: core, desk: core.desk, index: index,
		out: newRing[Report](outCapacity), controls: map[uint64]*control{}, ticked: make([]market.Nanos, len(core.engines)),
		collect: make(chan chan [laneCount]*hdrhistogram.Histogram),
		wake:    make(chan struct{}, 1), stop: make(chan struct{}), ended: make(chan struct{}),
	}
	a.settled.Store(index)
	a.cut = index
	for i := range a.waits {
		a.waits[i] = newWaits()
	}
	for i := range g.cfg.MatchingLoops {
		a.loops = append(a.loops, newMatchLoop(core.engines[i], a))
	}
	return a
}

func newWaits() *hdrhistogram.Histogram { return hdrhistogram.New(1, waitMax, 3) }

// unpark wakes the loop if it is parked.
func (a *admission) unpark() {
	if a.parked.Load() && a.parked.Swap(false) {
		select {
		case a.wake <- struct{}{}:
		default:
		}
	}
}

// run is the loop.
func (a *admission) run() {
	runtime.LockOSThread()
	defer close(a.ended)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for idle := 0; ; {
		n := a.pass()
		select {
		case <-a.stop:
			if n == 0 && a.drained() && a.gate.lanes.empty() {
				return
			}
			continue
		case c := <-a.collect:
			c <- a.waits
			for i := range a.waits {
				a.waits[i] = newWaits()
			}
			continue
		default:
		}
		if n > 0 {
			idle = 0
			continue
		}
		if idle++; idle < idleLooks {
			continue
		}
		a.parked.Store(true)
		if a.pass() > 0 {
			a.parked.Store(false)
			idle = 0
			continue
		}
		timer.Reset(a.rest())
		select {
		case <-a.wake:
		case <-timer.C:
		case <-a.stop:
		}
		a.parked.Store(false)
	}
}

// drained reports whether everything that was taken is settled.
func (a *admission) drained() bool { return a.desk.flights.len() == 0 }

// rest is how long there is nothing to do, if nothing comes.
func (a *admission) rest() time.Duration {
	until := market.Nanos(parkAtMost)
	for n := range a.core.engines {
		until = min(until, a.due(n)-a.now)
	}
	if !a.room() {
		until = min(until, 100*market.Microsecond) // nobody wakes the loop when the disk has caught up
	}
	return time.Duration(max(until, 1000))
}

// due returns when an engine has something to do because time passed.
func (a *admission) due(n int) market.Nanos {
	due := market.Nanos(math.MaxInt64)
	if len(a.loops) > 0 {
		due = market.Nanos(a.loops[n].due.Load())
	} else if t, ok := a.core.engines[n].Due(); ok {
		due = t
	}
	if due <= a.ticked[n] {
		return math.MaxInt64 // it has been told
	}
	return due
}

// pass does what there is to do once, and returns how much that was.
func (a *admission) pass() (n int) {
	a.now = max(a.now, a.gate.cfg.Now())
	n = a.settleAll()
	if !a.room() {
		return n
	}
	if len(a.loops) > 0 && a.index-a.cut >= a.gate.cfg.SnapshotEvery {
		// A snapshot wants a moment at which all is settled; under load there is none by itself.
		if !a.drained() {
			return n
		}
		a.mark()
		a.cut = a.index
		return n + 1
	}
	if a.gate.controls.count.Load() > 0 {
		n += a.takeControls()
	}
	for in, ok := a.gate.references.take(); ok && a.room(); in, ok = a.gate.references.take() {
		in.Time = a.now
		in.Until = min(in.Until, a.now)
		a.decide(&Entry{Kind: EntryMarket, Input: in})
		n++
	}
	for i := range a.core.engines {
		if due := a.due(i); due <= a.now {
			a.ticked[i] = a.now
			a.decide(&Entry{Kind: EntryMarket, Loop: uint8(i), Input: match.Input{Kind: match.Tick}})
			n++
		}
	}
	for range laneBudget {
		if !a.room() || !a.takeRequest() {
			break
		}
		n++
	}
	if n == 0 && len(a.loops) > 0 && a.drained() && a.marked < a.index {
		// Whoever follows the log learns that all is settled.
		a.mark()
		n++
	}
	return n
}

// mark writes into the log that all is settled.
func (a *admission) mark() {
	a.decide(&Entry{Kind: EntryMark})
	a.marked = a.index
}

// room reports whether another entry may be decided: the log and the loops bound how many are on their way.
func (a *admission) room() bool {
	if a.index-a.log.DurableIndex() >= uint64(a.gate.cfg.InFlightMax) || a.desk.flights.len() >= flightsMax {
		return false
	}
	for _, l := range a.loops {
		if l.sent-l.answered >= loopAhead {
			return false
		}
	}
	return true
}

func (a *admission) takeRequest() bool {
	n, w := a.gate.lanes.next()
	if w == nil {
		return false
	}
	_ = a.waits[n].RecordValue(int64(min(max(a.now-w.since, 1), waitMax)))
	w.door.waiting.Add(-1)
	w.session.inLane[n].taken.Add(1)
	e := Entry{Kind: EntryRequest, Session: w.session.config.ID, Ticket: w.ticket, Request: w.request}
	a.gate.lanes.lane[n].take()
	a.decide(&e)
	return true
}

func (a *admission) takeControls() (n int) {
	list, lost := a.gate.controls.take()
	for s, t := range lost { // they touch different sessions: their order is that of the log
		a.decide(&Entry{Kind: EntryDisconnect, Session: s.config.ID, Ticket: t})
		n++
	}
	for _, c := range list {
		a.decideFor(c)
		n++
	}
	return n
}

// decideFor decides an entry that somebody waits for, and what comes with it.
func (a *admission) decideFor(c *control) {
	var sweeps []uint32
	if c.sweep {
		for i := 1; i < len(a.desk.accounts); i++ {
			sweeps = append(sweeps, uint32(a.desk.accounts[i].ID))
		}
	}
	c.last = a.index + 1 + uint64(len(sweeps))
	a.controls[a.index+1] = c
	a.decide(&c.entry)
	for _, account := range sweeps {
		a.decide(&Entry{Kind: EntrySweep, Input: match.Input{Account: account}})
	}
}

// decide makes an entry of the log, and does what it says.
func (a *admission) decide(e *Entry) {
	e.Index, e.Time = a.index+1, a.now
	e.Input.Time = a.now
	if len(a.loops) == 0 || e.Kind == EntryMark && a.drained() {
		e.Settled = e.Index
	} else {
		e.Settled = a.desk.settled
	}
	a.payload = e.Append(a.payload[:0])
	index, kept := a.log.Append(journal.Header{At: e.Time, Kind: uint8(e.Kind)}, a.payload)
	if !kept || index != e.Index {
		// room bounds what waits for the disk to far less than the queue of the log holds.
		panic("orders: the input log dropped an entry")
	}
	a.index = index
	if len(a.loops) == 0 {
		a.reports = a.core.Apply(e, a.reports[:0])
		a.hand(e.Index)
		return
	}
	d := &a.core.decision
	a.desk.admit(e, d)
	for n, l := range a.loops {
		if d.loops>>n&1 != 0 {
			for !l.send(&d.input) { // sweeps may be more than room allows
				a.settleAll()
			}
		}
	}
}

// settleAll settles what the matching loops have answered, in the order of the log.
func (a *admission) settleAll() (n int) {
	for a.desk.flights.len() > 0 && len(a.loops) > 0 {
		f := a.desk.flights.first()
		for i, l := range a.loops {
			if f.loops>>i&1 != 0 && !l.answer(&a.events, f.index) {
				return n
			}
		}
		a.reports = a.desk.settle(a.events, a.reports[:0])
		a.events = a.events[:0]
		a.hand(a.desk.settled)
		n++
	}
	return n
}

// hand gives the reports of an entry to the publisher, and tells who waits for the entry.
func (a *admission) hand(index uint64) {
	if len(a.controls) > 0 { // only then an instrument can have been defined
		a.gate.learn(a.desk, a.reports)
	}
	for i := range a.reports {
		for !a.out.push(&a.reports[i]) {
			a.gate.publisher.unpark()
			time.Sleep(50 * time.Microsecond)
		}
	}
	a.settled.Store(index)
	a.gate.publisher.unpark()
	if len(a.controls) == 0 {
		return
	}
	if c := a.controls[index]; c != nil {
		done := controlDone{index: c.last}
		for i := range a.reports {
			if r := &a.reports[i]; r.Event.Kind == match.Rejected {
				done.reason = r.Event.Reason
			}
		}
		delete(a.controls, index)
		c.done <- done
	}
}

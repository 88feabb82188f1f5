package sim

import (
	"fmt"

	"tidegate/market"
)

// Kinds of fault. What they are called is what reports count them by.
const (
	loss       = "loss"
	burst      = "burst loss"
	duplicate  = "duplicates"
	reorder    = "reordering"
	delay      = "delay"
	flapping   = "flapping delay"
	outage     = "outage"
	clog       = "clog"
	swizzle    = "swizzle"
	truncate   = "truncation"
	flip       = "flipped header bits"
	sameLoss   = "same range lost on all lines"
	aheadLine  = "one line far ahead"
	quiet      = "heartbeats only"
	clockStep  = "venue clock step"
	clockDrift = "venue clock drift"
	restart    = "publisher restart"
	dirtyStart = "publisher restart amid loss"
	lostStart  = "publisher restart unseen by one"
	newSession = "session change"
	lateResend = "late retransmits"
	deadResend = "dead retransmit server"
	badResend  = "wrong retransmits"
	twice      = "doubled retransmits"
	noSnapshot = "no snapshots"
	oldSnap    = "old snapshots"
	badSnap    = "faulty snapshots"
	stall      = "stalled reader"
	wildTimes  = "implausible times"
)

// kinds are the faults that a world may have.
var kinds = []string{
	loss, burst, duplicate, reorder, delay, flapping, outage, clog, swizzle, truncate, flip, sameLoss, aheadLine,
	quiet, clockStep, clockDrift, restart, dirtyStart, lostStart, newSession, lateResend, deadResend, badResend, twice,
	noSnapshot, oldSnap, badSnap, stall, wildTimes,
}

// A Fault is something that goes wrong for a while.
type Fault struct {
	Number   int
	Kind     string
	Who      string
	From, To market.Nanos // since the gateway began
}

// String says it in a line.
func (f Fault) String() string {
	return fmt.Sprintf("fault %d: %s of %s, from %.3f s to %.3f s", f.Number, f.Kind, f.Who, float64(f.From)/1e9, float64(f.To)/1e9)
}

// An event is the beginning or the end of a fault.
type event struct {
	at    market.Nanos
	do    func()
	kind  string
	first bool // of its fault
}

// A planner makes the events of one fault.
type planner struct {
	w        *World
	f        *feed
	p        *provider
	lines    []*path // that suffer: one of the provider, or all
	from, to market.Nanos
	share    float64      // of datagrams that suffer
	amount   market.Nanos // of delay
	n        int          // of datagrams
	dice     float64
	kind     string
	who      string
	events   []event
}

func (g *planner) at(when market.Nanos, do func()) {
	g.events = append(g.events, event{at: when, do: do, kind: g.kind, first: len(g.events) == 0})
}

// each returns what does something to every line that suffers.
func (g *planner) each(do func(l *path)) func() {
	return func() {
		g.w.touch(g.p)
		for _, l := range g.lines {
			do(l)
		}
	}
}

// during does something to every line at the beginning, and something else at the end.
func (g *planner) during(begin, end func(l *path)) {
	g.at(g.from, g.each(begin))
	g.at(g.to, g.each(end))
}

// set sets a flag at the beginning, and takes it back at the end.
func (g *planner) set(flag *bool) {
	g.at(g.from, func() { *flag = true })
	g.at(g.to, func() { *flag = false })
}

// plan makes the events of a fault of a line or a provider.
func (g *planner) plan() {
	switch g.kind {
	case loss:
		g.during(func(l *path) { l.loss = g.share }, func(l *path) { l.loss = 0 })
	case burst:
		g.during(func(l *path) { l.burst = true }, func(l *path) { l.burst, l.inBurst = false, false })
	case duplicate:
		g.during(func(l *path) { l.duplicate = g.share }, func(l *path) { l.duplicate = 0 })
	case reorder:
		g.during(func(l *path) { l.reorder = true }, func(l *path) { l.reorder = false })
	case aheadLine, delay:
		if g.kind == aheadLine {
			g.lines = g.p.lines[1:]
		}
		g.during(func(l *path) { l.extra = g.amount }, func(l *path) { l.extra = 0 })
	case flapping:
		for t := g.from; t < g.to; t += 2 * g.amount {
			g.at(t, g.each(func(l *path) { l.extra = g.amount }))
			g.at(t+g.amount, g.each(func(l *path) { l.extra = 0 }))
		}
	case outage:
		if len(g.lines) == len(g.p.lines) && g.dice < 0.6 { // long enough to be told from a quiet market
			g.to += 3 * market.Second
		}
		g.during(func(l *path) { l.down = true }, func(l *path) { l.down, l.mute = false, 0 })
	case clog:
		g.during(func(l *path) { l.clogged = true }, func(l *path) { l.unclog(g.w.now) })
	case truncate:
		g.during(func(l *path) { l.truncate = g.share / 2 }, func(l *path) { l.truncate = 0 })
	case flip:
		g.during(func(l *path) { l.flip = g.share / 2 }, func(l *path) { l.flip = 0 })
	case sameLoss:
		g.lose(g.p, g.from)
	default:
		g.planRest()
	}
}

// lose loses the same datagrams on all lines of a provider.
func (g *planner) lose(p *provider, from market.Nanos) {
	all := func(n int) func() {
		return func() {
			g.w.touch(p)
			for _, l := range p.lines {
				l.skip = n
			}
		}
	}
	g.at(from, all(g.n))
	g.at(from+200*market.Millisecond, all(0))
}

// planRest makes the events of a fault of a venue, a server or a reader.
func (g *planner) planRest() {
	w, f, p := g.w, g.f, g.p
	server := func(servers int) int { return int(g.dice * float64(servers)) }
	switch g.kind {
	case swizzle:
		g.swizzle()
	case quiet:
		g.at(g.from, func() { f.venue.Pause() })
		g.at(g.to, f.resume)
	case clockStep:
		g.at(g.from, func() { f.clock += market.Nanos((g.dice - 0.5) * 4e9); w.touchAll(f) })
	case clockDrift:
		g.at(g.from, func() { f.drift = (g.dice - 0.5) * 400e-6 })
	case restart:
		g.at(g.from, func() { w.restart(f) })
	case dirtyStart: // what was lost before is asked for, and the answers come after
		for _, p := range f.providers {
			for _, r := range p.resend {
				g.at(g.from-60*market.Millisecond, func() { r.late = true })
				g.at(g.from+200*market.Millisecond, func() { r.late = false })
			}
			g.n = 1 + g.n%3 // so that it is noticed before the restart
			g.lose(p, g.from-market.Nanos(15+g.dice*30)*market.Millisecond)
		}
		g.at(g.from, func() { w.restart(f) })
	case lostStart: // who sees it has other books than who does not
		g.lines = f.providers[0].lines
		g.p = f.providers[0]
		g.at(g.from-100*market.Millisecond, g.each(func(l *path) { l.down = true }))
		g.at(g.from, func() { w.restart(f) })
		g.at(g.to, g.each(func(l *path) { l.down, l.mute = false, 0 }))
	case newSession:
		g.at(g.from, func() { w.touchAll(f); f.close() })
	case lateResend, deadResend, badResend, twice:
		if len(p.resend) > 0 {
			r := p.resend[server(len(p.resend))]
			g.set(map[string]*bool{lateResend: &r.late, deadResend: &r.dead, badResend: &r.wrong, twice: &r.twice}[g.kind])
		}
	case noSnapshot:
		for _, s := range p.servers {
			g.set(&s.dead)
		}
		g.wantSnapshot()
	case oldSnap:
		s := p.servers[server(len(p.servers))]
		g.at(g.from, func() { s.old = s.take() })
		g.at(g.to, func() { s.old = nil })
		g.wantSnapshot()
	case badSnap:
		g.set(&p.servers[server(len(p.servers))].bad)
		g.wantSnapshot()
	case stall:
		g.to += market.Nanos(g.dice * 3e9)
		g.set(&f.reader.stalled)
	case wildTimes:
		g.set(&f.wild)
	}
}

// wantSnapshot has something lost that no server can retransmit, so that there is need of a snapshot.
func (g *planner) wantSnapshot() {
	for _, r := range g.p.resend {
		g.set(&r.dead)
	}
	g.lose(g.p, g.from+(g.to-g.from)/3)
}

// swizzle clogs all lines one by one, and lets them go in another order.
func (g *planner) swizzle() {
	var all []*path
	for _, p := range g.f.providers {
		all = append(all, p.lines...)
	}
	step := (g.to - g.from) / market.Nanos(2*len(all))
	for i := range all {
		n := (i + g.n) % len(all)
		l := all[n]
		g.at(g.from+market.Nanos(i)*step, func() { g.w.touchAll(g.f); l.clogged = true })
		g.at(g.to-market.Nanos(n*7%len(all))*step, func() { g.w.touchAll(g.f); l.unclog(g.w.now) })
	}
}

package sim

import (
	"encoding/binary"
	"slices"
	"sort"

	"tidegate/codec/moldudp64"
	"tidegate/market"
)

// An event is the beginning or the end of a fault.
type event struct {
	at   market.Nanos
	do   func(w *World)
	kind fault
}

// kinds are the faults that a world may have, by who suffers.
var kinds = []fault{
	loss, burst, duplicate, reorder, delay, flapping, outage, clog, swizzle, truncate, flip, sameLoss, aheadLine,
	quiet, clockStep, clockDrift, restart, newSession, lateResend, deadResend, badResend, twice, noSnapshot, oldSnap,
	stall, implicit,
}

// schedule plans the faults of a world: some kinds of all, each some times.
func (w *World) schedule() {
	var some []fault
	for _, k := range kinds {
		if len(w.cfg.Only) > 0 && !slices.Contains(w.cfg.Only, string(k)) {
			continue
		}
		if len(w.cfg.Only) > 0 || w.random.IntN(3) == 0 {
			some = append(some, k)
		}
	}
	if len(some) == 0 {
		return
	}
	const settled = 3 * market.Second // before, nobody has learned what is normal
	for range w.cfg.Faults {
		k := some[w.random.IntN(len(some))]
		from := w.now + settled + market.Nanos(w.random.Int64N(int64(w.cfg.Storm-settled)))
		length := market.Nanos(20+w.random.IntN(1500)) * market.Millisecond
		w.fault(k, from, min(from+length, w.now+w.cfg.Storm))
	}
	sort.SliceStable(w.plan, func(i, j int) bool { return w.plan[i].at < w.plan[j].at })
}

// fault plans one fault.
func (w *World) fault(k fault, from, to market.Nanos) {
	at := func(when market.Nanos, do func(w *World)) { w.plan = append(w.plan, event{at: when, do: do, kind: k}) }
	i := w.random.IntN(len(w.providers))
	p := w.providers[i]
	line := p.lines[w.random.IntN(len(p.lines))]
	whole := w.random.IntN(2) == 0 // all lines of the provider
	lines := []*path{line}
	if whole {
		lines = p.lines
	}
	each := func(do func(l *path)) func(w *World) {
		return func(w *World) {
			w.touch(p)
			for _, l := range lines {
				do(l)
			}
		}
	}
	during := func(begin, end func(l *path)) { at(from, each(begin)); at(to, each(end)) }
	share := 0.02 + 0.3*w.random.Float64()
	amount := market.Nanos(55+w.random.IntN(200)) * market.Millisecond
	switch k {
	case loss:
		during(func(l *path) { l.loss = share }, func(l *path) { l.loss = 0 })
	case burst:
		during(func(l *path) { l.burst = true }, func(l *path) { l.burst, l.inBurst = false, false })
	case duplicate:
		during(func(l *path) { l.duplicate = share }, func(l *path) { l.duplicate = 0 })
	case reorder:
		during(func(l *path) { l.reorder = true }, func(l *path) { l.reorder = false })
	case delay, aheadLine:
		if k == aheadLine {
			lines = p.lines[1:]
		}
		during(func(l *path) { l.extra = amount }, func(l *path) { l.extra = 0 })
	case flapping:
		for t := from; t < to; t += 2 * amount {
			at(t, each(func(l *path) { l.extra = amount }))
			at(t+amount, each(func(l *path) { l.extra = 0 }))
		}
	case outage:
		during(func(l *path) { l.down = true }, func(l *path) { l.down = false })
	case clog:
		during(func(l *path) { l.clogged = true }, func(l *path) { l.unclog(w.now) })
	case swizzle: // clog all one by one, and let them go in another order
		w.swizzle(at, from, to)
	case truncate:
		during(func(l *path) { l.truncate = share / 2 }, func(l *path) { l.truncate = 0 })
	case flip:
		during(func(l *path) { l.flip = share / 2 }, func(l *path) { l.flip = 0 })
	case sameLoss:
		lines = p.lines
		n := 1 + w.random.IntN(40)
		at(from, each(func(l *path) { l.skip = n }))
		at(from+200*market.Millisecond, each(func(l *path) { l.skip = 0 }))
	case quiet:
		at(from, func(w *World) { w.venue.Pause() })
		at(to, func(w *World) {
			if !w.closing {
				w.venue.Resume()
			}
		})
	case clockStep:
		by := market.Nanos(w.random.IntN(4000)-2000) * market.Millisecond
		at(from, func(w *World) { w.clock += by; w.touchAll() })
	case clockDrift:
		rate := (w.random.Float64() - 0.5) * 400e-6
		at(from, func(w *World) { w.drift = rate })
	case restart:
		at(from, (*World).restartVenue)
	case newSession:
		at(from, (*World).changeSession)
	case lateResend, deadResend, badResend, twice:
		w.resendFault(at, k, p, from, to)
	case noSnapshot:
		at(from, func(*World) { p.snapshots.dead = true })
		at(to, func(*World) { p.snapshots.dead = false })
	case oldSnap:
		at(from, func(*World) { p.snapshots.old = true })
		at(to, func(*World) { p.snapshots.old = false })
	case stall:
		at(from, func(w *World) { w.reader.stalled = true })
		at(to, func(w *World) { w.reader.stalled = false })
	case implicit:
		at(from, func(w *World) { w.wild = true })
		at(to, func(w *World) { w.wild = false })
	}
}

func (w *World) swizzle(at func(market.Nanos, func(*World)), from, to market.Nanos) {
	var all []*path
	for _, p := range w.providers {
		all = append(all, p.lines...)
	}
	w.random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	step := (to - from) / market.Nanos(2*len(all))
	for n, l := range all {
		at(from+market.Nanos(n)*step, func(w *World) { w.touchAll(); l.clogged = true })
		at(to-market.Nanos(n)*step, func(w *World) { w.touchAll(); l.unclog(w.now) })
	}
}

func (w *World) resendFault(at func(market.Nanos, func(*World)), k fault, p *provider, from, to market.Nanos) {
	r := p.resend[w.random.IntN(len(p.resend))]
	set := func(on bool) func(*World) {
		return func(*World) {
			switch k {
			case lateResend:
				r.late = on
			case deadResend:
				r.dead = on
			case badResend:
				r.wrong = on
			case twice:
				r.twice = on
			}
		}
	}
	at(from, set(true))
	at(to, set(false))
}

// restartVenue has the publisher begin again under the same session, from sequence 1. One that did so
// within its first messages would not be noticed: see package arbiter.
func (w *World) restartVenue() {
	if w.closing || w.venue.Position().Sent < 3000 {
		return
	}
	w.touchAll()
	w.restarts++
	if err := w.open(w.cfg.Seed+uint64(w.restarts), w.venue.Position().Session); err != nil {
		w.violate("restart: %v", err)
	}
}

// changeSession ends the session. Another begins when its end has been said.
func (w *World) changeSession() {
	w.touchAll()
	w.venue.Close()
	w.closing = true
}

// nextSession begins the session after one that has ended.
func (w *World) nextSession() {
	w.touchAll()
	w.closing = false
	w.restarts++
	name := []byte(w.venue.Position().Session)
	name[len(name)-1]++
	if err := w.open(w.cfg.Seed+uint64(w.restarts), string(name)); err != nil {
		w.violate("session: %v", err)
	}
}

// happen does what is planned for now.
func (w *World) happen() {
	for len(w.plan) > 0 && w.plan[0].at <= w.now {
		e := w.plan[0]
		w.plan = w.plan[1:]
		w.report.Faults[string(e.kind)]++
		e.do(w)
	}
}

// touch notes that something was done to a provider.
func (w *World) touch(p *provider) { p.clean = w.now }

func (w *World) touchAll() {
	for _, p := range w.providers {
		w.touch(p)
	}
}

// healAll ends every fault.
func (w *World) healAll() {
	w.plan = nil
	if !w.closing {
		w.venue.Resume()
	}
	for _, p := range w.providers {
		for _, l := range p.lines {
			if l.extra != 0 || l.loss != 0 || l.burst || l.duplicate != 0 || l.reorder || l.truncate != 0 || l.flip != 0 || l.down || l.clogged {
				w.touch(p)
			}
			l.heal(w.now)
		}
		for _, r := range p.resend {
			r.dead, r.late, r.wrong, r.twice = false, false, false, false
		}
		p.snapshots.dead, p.snapshots.old = false, false
	}
	w.reader.stalled = false
	w.drift, w.wild = 0, false
}

// stamped returns a datagram with the times of the venue's clock.
func (w *World) stamped(payload []byte) []byte {
	if w.drift != 0 {
		w.clock += market.Nanos(w.drift * 1e6) // about once a millisecond
	}
	payload = append([]byte(nil), payload...)
	shift := w.clock + w.started - w.origin // every session of the venue begins at the same time of day
	if shift == 0 && !w.wild {
		return payload
	}
	m, err := moldudp64.Parse(payload)
	if err != nil || m.Kind != moldudp64.Data {
		return payload
	}
	for block := m.Messages; len(block) > 0; {
		var msg []byte
		msg, block = moldudp64.Next(block)
		t := market.Nanos(binary.BigEndian.Uint64(msg[3:])&(1<<48-1)) + shift
		if w.wild && w.random.IntN(50) == 0 {
			t = market.Nanos(w.random.Int64N(30 * 3600e9))
		}
		msg[5], msg[6] = byte(t>>40), byte(t>>32)
		binary.BigEndian.PutUint32(msg[7:], uint32(t))
	}
	return payload
}

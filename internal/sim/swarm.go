package sim

import (
	"math/rand/v2"
	"slices"

	"tidegate/market"
)

// settled is how long nothing goes wrong at first: before, nobody has learned what is normal.
const settled = 3 * market.Second

// schedule plans the faults of a world: some kinds of all, each some times. The plan of a fault does not depend
// on which others are left out.
func (w *World) schedule() {
	dice := rand.New(rand.NewPCG(w.cfg.Seed, 0x7469646567617465))
	var some []string
	for _, k := range kinds {
		if in := dice.IntN(3) == 0; len(w.cfg.Only) == 0 && in || slices.Contains(w.cfg.Only, k) {
			some = append(some, k)
		}
	}
	if len(some) == 0 {
		return
	}
	for n := range w.cfg.Faults {
		g := planner{w: w, f: w.feeds[0], kind: some[dice.IntN(len(some))]}
		if len(w.feeds) > 1 && dice.IntN(2) == 0 {
			g.f = w.feeds[1]
		}
		g.p = g.f.providers[dice.IntN(len(g.f.providers))]
		g.lines, g.who = g.p.lines, g.p.name
		if line := dice.IntN(2); dice.IntN(2) == 0 {
			g.lines = g.p.lines[line : line+1]
			g.who += "." + string('A'+rune(line))
		}
		g.from = w.now + settled + market.Nanos(dice.Int64N(int64(w.cfg.Storm-settled)))
		g.to = g.from + market.Nanos(20+dice.IntN(1500))*market.Millisecond
		g.share, g.dice = 0.02+0.3*dice.Float64(), dice.Float64()
		g.amount = staleAfter + market.Nanos(dice.Int64N(int64(200*market.Millisecond)))
		if dice.IntN(2) == 0 { // just over what is allowed
			g.amount = staleAfter + market.Nanos(dice.Int64N(int64(2*market.Millisecond)))
		}
		g.n = 1 + dice.IntN(40)
		g.plan()
		if w.cfg.Keep != nil && !slices.Contains(w.cfg.Keep, n) {
			continue
		}
		w.report.Plan = append(w.report.Plan, Fault{Number: n, Kind: g.kind, Who: g.who, From: g.from - w.start, To: g.to - w.start})
		w.plan = append(w.plan, g.events...)
	}
	slices.SortStableFunc(w.plan, func(a, b event) int { return int(a.at - b.at) })
}

// happen does what is planned for now.
func (w *World) happen() {
	for len(w.plan) > 0 && w.plan[0].at <= w.now {
		e := w.plan[0]
		w.plan = w.plan[1:]
		if e.first {
			w.report.Faults[e.kind]++
		}
		e.do()
	}
}

// restartMin is after how many messages a publisher may restart: with fewer its numbers may be those of datagrams in
// another order. See arbiter.Config.FallBackMax.
const restartMin = 1500

// restart restarts the publisher under the same session. Where the gateway began late and all that was before was
// announced as lost, numbers from there count as late and not as those of a new epoch: see arbiter/DESIGN.md.
func (w *World) restart(f *feed) {
	if w.shape.late > 0 && w.shape.joinGap > joinGapSmall {
		return
	}
	if f.closing || f.venue.Position().Sent < restartMin {
		return
	}
	w.touchAll(f)
	if err := f.exchange.restart(w.now); err != nil {
		w.violate("restart: %v", err)
	}
}

// touch notes that something was done to a provider.
func (w *World) touch(p *provider) { p.clean = w.now }

func (w *World) touchAll(f *feed) {
	for _, p := range f.providers {
		w.touch(p)
	}
}

// healAll ends every fault.
func (w *World) healAll() {
	w.plan = nil
	for _, f := range w.feeds {
		f.resume()
		for _, p := range f.providers {
			for _, l := range p.lines {
				if l.sick() {
					w.touch(p)
				}
				l.heal(w.now)
			}
			for _, r := range p.resend {
				r.dead, r.late, r.wrong, r.twice = false, false, false, false
			}
			for _, s := range p.servers {
				s.dead, s.bad, s.old = false, false, nil
			}
		}
		f.reader.stalled = false
		f.drift, f.wild = 0, false
	}
}

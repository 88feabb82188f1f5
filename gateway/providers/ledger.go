package providers

import (
	"tidegate/arbiter"
	"tidegate/gateway/breaker"
	"tidegate/market"
)

// decisionsKept is how many switches a feed remembers.
const decisionsKept = 64

// decisions are the latest switches, as a ring.
type decisions struct {
	kept [decisionsKept]Switch
	n    uint64
}

func (d *decisions) add(s Switch) {
	d.kept[d.n%decisionsKept] = s
	d.n++
}

// Ledger accounts for the providers of a feed. It is a copy.
type Ledger struct {
	Active    string
	Preferred string // an operator's choice; "" none
	Stale     bool
	Switches  uint64
	Reasons   map[string]uint64 // switches by reason, the first choice included
	TimesStale,
	Refreshed uint64 // times that the feed became stale; instruments refreshed
	RefreshDue int // instruments
	Providers  []ProviderLedger
	Decisions  []Switch // the latest, oldest first
}

// ProviderLedger accounts for one provider.
type ProviderLedger struct {
	Name   string
	State  breaker.State
	Reason Reason
	By     market.Nanos
	Gapped bool
	Heard  bool

	Lag         market.Nanos // of the newest event
	LagSeen     market.Nanos // when that was received; UndefTime before the first
	Offset      market.Nanos // learned difference of the clocks
	Implausible uint64       // venue times that were not believed
	Steps       uint64       // of clocks
	Margin      arbiter.Margin

	Forwarded uint64 // events published
	Standby   uint64 // events that were not, because another provider was active
	Unnamed   uint64 // events of instruments without a symbol
}

// Status is the state of a feed in short.
type Status struct {
	Active     int // provider
	Stale      bool
	RefreshDue int // instruments
}

// Status returns the state as of now.
func (f *Feed) Status() Status {
	return Status{Active: f.active.index, Stale: f.stale, RefreshDue: f.refresh.left}
}

// Ledger returns the accounts as of now. It allocates: it is for questions that people ask.
func (f *Feed) Ledger() Ledger {
	l := Ledger{
		Active: f.cfg.Names[f.active.index], Stale: f.stale, Switches: f.switches,
		Reasons: map[string]uint64{}, TimesStale: f.staleness, Refreshed: f.refreshed, RefreshDue: f.refresh.left,
	}
	if f.preferred >= 0 {
		l.Preferred = f.cfg.Names[f.preferred]
	}
	for r, n := range f.byReason {
		if n > 0 {
			l.Reasons[Reason(r).String()] = n
		}
	}
	for i, p := range f.ports {
		lag, seen, _ := p.lag.Lag()
		l.Providers = append(l.Providers, ProviderLedger{
			Name: f.cfg.Names[i], State: p.state, Reason: p.reason, By: p.by, Gapped: p.gapped != 0, Heard: p.heard,
			Lag: lag, LagSeen: seen, Offset: p.lag.Offset(), Implausible: p.lag.Implausible(), Steps: p.lag.Steps(),
			Margin: f.race.Margin(i), Forwarded: p.forwarded, Standby: p.standby, Unnamed: p.unnamed,
		})
	}
	d := &f.decisions
	for i := d.n - min(d.n, decisionsKept); i < d.n; i++ {
		l.Decisions = append(l.Decisions, d.kept[i%decisionsKept])
	}
	return l
}

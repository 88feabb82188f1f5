package providers

import (
	"fmt"
	"slices"

	"tidegate/arbiter"
	"tidegate/gateway"
	"tidegate/gateway/breaker"
	"tidegate/market"
)

// Notices takes what there is to say about a feed beside its events. Its methods are called on the feed's
// owner and must not wait.
type Notices interface {
	// OnSwitch says that another provider is active from now on. Refreshes of its instruments follow.
	OnSwitch(s Switch)
	// OnStale says that no provider is fresh, or with Fresh as reason that one is again. Events that mark
	// the instruments follow.
	OnStale(s Staleness)
}

// A Switch is the choice of another provider.
type Switch struct {
	At       market.Nanos
	From, To string
	Reason   Reason       // what was wrong with From, or Preferred or Operator
	By       market.Nanos // see Verdict
}

// String says it in a sentence.
func (s Switch) String() string {
	text := fmt.Sprintf("switched from provider %s to %s: %s", s.From, s.To, s.Reason)
	if s.By > 0 {
		text += fmt.Sprintf(" by %.1f ms", float64(s.By)/1e6)
	}
	return text
}

// A Staleness is a change of whether a feed can be relied on.
type Staleness struct {
	At     market.Nanos
	Stale  bool
	Reason Reason // of the active provider
	By     market.Nanos
}

// String says it in a sentence.
func (s Staleness) String() string {
	if !s.Stale {
		return "fresh again"
	}
	text := fmt.Sprintf("stale: no provider is fresh, the active one is %s", s.Reason)
	if s.By > 0 {
		text += fmt.Sprintf(" by %.1f ms", float64(s.By)/1e6)
	}
	return text
}

// rank orders providers: larger is better. One on probation is no better than one that is down: who switched
// to it would switch again if it fails.
type rank uint8

const reliable rank = 2 // and better: the breaker is closed

// A Feed chooses among the providers of one feed. One goroutine owns it and their pipelines. It allocates
// nothing per event.
type Feed struct {
	cfg     Config
	sink    gateway.Sink
	notices Notices
	ports   []*port
	active  *port
	race    *arbiter.Race
	apart   bool           // somebody stands apart in it
	offsets []market.Nanos // scratch of regroup
	start   market.Nanos   // first tick; 0 before
	heard   market.Nanos   // when the first of all was heard; 0 before

	record    func(Decision)
	preferred int // an operator's choice; -1 none
	stale     bool
	plain     bool // one provider, fresh: its events are passed on as they are

	ids     map[string]market.InstrumentID // the feed's numbers, where providers number differently
	symbols []string

	refresh refresh
	marked  marked
	facts   market.Facts
	events  []market.Event
	top     bool // what is being published by refreshOne changed the best prices

	switches  uint64
	byReason  [reasons]uint64
	staleness uint64 // times that the feed became stale
	refreshed uint64 // instruments
	decisions decisions
}

// New returns a feed that publishes to sink. notices may be nil. Attach every provider before the first
// datagram.
func New(cfg Config, sink gateway.Sink, notices Notices) (*Feed, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	f := &Feed{
		cfg: cfg, sink: sink, notices: notices, preferred: -1,
		race: arbiter.NewRace(cfg.StaleAfter), ids: make(map[string]market.InstrumentID),
	}
	for i := range cfg.Names {
		lag, err := arbiter.NewLagMeter(cfg.Lag)
		if err != nil {
			return nil, err
		}
		f.ports = append(f.ports, &port{feed: f, index: i, lag: lag, state: breaker.Closed, reason: Unheard})
	}
	f.active = f.ports[0]
	f.plain = len(f.ports) == 1
	return f, nil
}

// Port returns the sink of provider i's pipeline.
func (f *Feed) Port(i int) gateway.Sink { return f.ports[i] }

// Names returns the names of the providers, the preferred first. Any goroutine may call it.
func (f *Feed) Names() []string { return slices.Clone(f.cfg.Names) }

// Attach tells the feed which pipeline publishes to port i.
func (f *Feed) Attach(i int, p *gateway.Pipeline) { f.ports[i].pipeline = p }

// OnVerdict takes what a Judge says of a provider. What follows from it is decided by the next OnTick.
func (f *Feed) OnVerdict(v Verdict) {
	if int(v.Provider) < len(f.ports) {
		p := f.ports[v.Provider]
		p.state, p.reason, p.by = v.State, v.Reason, v.By
	}
}

// Prefer makes a provider the operator's choice among equals; one that there is not takes that back.
func (f *Feed) Prefer(i int) {
	f.preferred = -1
	if i >= 0 && i < len(f.ports) {
		f.preferred = i
	}
}

// Record has record called with each decision before it is carried out.
func (f *Feed) Record(record func(Decision)) { f.record = record }

// OnTick decides what is to be done now, and does it. Call it after the pipelines' own ticks of the same time.
// A replay does not call it, but Apply with the decisions that were recorded.
func (f *Feed) OnTick(now market.Nanos) {
	if f.start == 0 {
		f.start = now
	}
	for _, p := range f.ports {
		p.weigh(now)
		if p.heard && f.heard == 0 {
			f.heard = now
		}
	}
	f.regroup()
	f.race.OnTick(now)
	if d, ok := f.choose(now); ok {
		f.decide(d)
	}
	if stale := f.active.heard && f.active.state != breaker.Closed; stale != f.stale {
		d := Decision{At: now, Kind: ToFresh}
		if stale {
			d = Decision{At: now, Kind: ToStale, Reason: f.active.reason, By: f.active.by}
		}
		f.decide(d)
	}
	if f.refresh.left > 0 || f.marked.n > 0 && f.mark() == 0 {
		f.decide(Decision{At: now, Kind: ToRefresh})
	}
}

func (f *Feed) decide(d Decision) {
	if f.record != nil {
		f.record(d)
	}
	f.Apply(d)
}

// Apply carries out a decision. The pipelines have come to its time.
func (f *Feed) Apply(d Decision) {
	switch d.Kind {
	case ToProvider:
		if int(d.Provider) < len(f.ports) {
			f.switchTo(f.ports[d.Provider], d.Reason, d.By, d.At)
		}
	case ToStale, ToFresh:
		f.setStale(d)
	case ToRefresh:
		f.serve(d.At)
		f.unmark(d.At)
	}
}

// weigh ranks a provider.
func (p *port) weigh(now market.Nanos) {
	if p.pipeline.Suspect() {
		if p.gapped == 0 {
			p.gapped = now
		}
	} else {
		p.gapped = 0
	}
	r := rank(0)
	if p.heard {
		r = 1
		if p.state == breaker.Closed {
			r = reliable
			if p.gapped == 0 {
				r = 3
			}
		}
	}
	if r != p.ranked {
		p.ranked, p.since = r, now
	}
}

// choose says whether there is a better provider.
func (f *Feed) choose(now market.Nanos) (d Decision, ok bool) {
	a, best := f.active, f.active
	for _, p := range f.ports {
		if p.ranked > best.ranked || p.ranked == best.ranked && f.prefers(p, best) {
			best = p
		}
	}
	d = Decision{At: now, Kind: ToProvider, Provider: uint8(best.index)}
	switch {
	case best == a:
		return d, false
	case best.ranked == a.ranked: // fail back, but only to what has proved itself
		d.Reason = Preferred
		if best.index == f.preferred {
			d.Reason = Operator
		}
		return d, d.Reason == Operator || best.ranked >= reliable && now-best.since >= f.cfg.FailBack
	case !a.heard: // the start
		d.Reason = Unheard
		return d, now-f.heard >= f.cfg.StartGrace
	case a.state != breaker.Closed:
		d.Reason, d.By = a.reason, a.by
	default:
		d.Reason, d.By = Gapped, now-a.gapped
	}
	return d, true
}

// prefers reports whether p comes before q, other things being equal.
func (f *Feed) prefers(p, q *port) bool {
	if p.index == f.preferred || q.index == f.preferred {
		return p.index == f.preferred
	}
	return p.index < q.index
}

func (f *Feed) switchTo(p *port, why Reason, by, now market.Nanos) {
	s := Switch{At: now, From: f.cfg.Names[f.active.index], To: f.cfg.Names[p.index], Reason: why, By: by}
	old := f.active
	f.active = p
	if !old.heard { // nothing was published yet
		f.sink.OnTime(now)
	} else {
		f.switches++
	}
	f.byReason[why]++
	f.decisions.add(s)
	if f.notices != nil {
		f.notices.OnSwitch(s)
	}
	f.beginRefresh(old, now)
}

// publish publishes events of the feed's own making.
func (f *Feed) publish(events []market.Event, p *port) {
	f.top = true
	f.marked.note(events)
	f.sink.OnEvents(events, p.books(p.pipeline.Books()))
	f.top = false
}

// renumbered returns events with the feed's number and marks: themselves, or copies.
func (f *Feed) renumbered(events []market.Event, id market.InstrumentID) []market.Event {
	if f.cfg.SameIDs && !f.stale {
		return events
	}
	f.events = append(f.events[:0], events...)
	for i := range f.events {
		f.events[i].Instrument = id
		if f.stale {
			f.events[i].Flags |= market.FlagMaybeBadBook
		}
	}
	return f.events
}

// number returns the feed's number of a symbol.
func (f *Feed) number(symbol string) market.InstrumentID {
	id, ok := f.ids[symbol]
	if !ok {
		f.symbols = append(f.symbols, symbol)
		id = market.InstrumentID(len(f.symbols))
		f.ids[symbol] = id
	}
	return id
}

// The methods below show the active provider's pipeline by the feed's numbers.

// TopChanged reports whether what is being published changed its instrument's best bid or offer. See
// gateway.Pipeline.
func (f *Feed) TopChanged() bool { return f.top || f.active.pipeline.TopChanged() }

// Symbol returns an instrument's symbol, "" where it is not known.
func (f *Feed) Symbol(id market.InstrumentID) string {
	if f.cfg.SameIDs {
		for _, p := range f.ports {
			if symbol := p.pipeline.Symbol(id); symbol != "" {
				return symbol
			}
		}
		return ""
	}
	if id == 0 || int(id) > len(f.symbols) {
		return ""
	}
	return f.symbols[id-1]
}

// Books returns the books of the active provider.
func (f *Feed) Books() gateway.Books { return f.active.books(f.active.pipeline.Books()) }

// Publisher returns whose instruments they are.
func (f *Feed) Publisher() market.Publisher { return f.active.pipeline.Config().Publisher }

// AppendSnapshot appends the state of an instrument's book as the active provider has it. See
// gateway.Pipeline.
func (f *Feed) AppendSnapshot(dst []market.Event, id market.InstrumentID, now market.Nanos) []market.Event {
	p := f.active
	first := len(dst)
	local := p.numbers.local(p, id)
	if local == 0 {
		return append(dst, f.cleared(id, now))
	}
	dst = p.pipeline.AppendSnapshot(dst, local, now)
	if f.cfg.SameIDs && !f.stale {
		return dst
	}
	for i := first; i < len(dst); i++ {
		dst[i].Instrument = id
		dst[i].Flags |= f.mark()
	}
	return dst
}

package providers

import (
	"tidegate/arbiter"
	"tidegate/book"
	"tidegate/gateway"
	"tidegate/gateway/breaker"
	"tidegate/market"
)

// A port is where a provider's pipeline publishes to.
type port struct {
	feed     *Feed
	index    int
	pipeline *gateway.Pipeline
	lag      *arbiter.LagMeter
	steps    uint64 // times that the venue's clock was set, seen so far

	state  breaker.State
	reason Reason
	by     market.Nanos
	heard  bool
	gapped market.Nanos // since when a gap lies behind it; 0 if none does
	ranked rank
	since  market.Nanos // when it came to be ranked so

	epochs  int // seen
	numbers numbering
	facts   []market.Status // the latest of each instrument, by the provider's number
	defined []market.Definition

	forwarded, standby uint64 // events
	unnamed            uint64 // events of instruments that cannot be told by symbol
}

// OnEvents passes events on if the provider is active.
func (p *port) OnEvents(events []market.Event, books gateway.Books) {
	f, e := p.feed, &events[0]
	p.heard = true
	// A Clear is the gateway's own, when an epoch begins: its time is not the venue's.
	if e.Action != market.Clear && p.lag.OnEvent(e.TsEvent, e.TsRecv) && len(f.ports) > 1 {
		f.compare(p, e)
	}
	if f.active != p {
		p.standby += uint64(len(events))
		return
	}
	p.forwarded += uint64(len(events))
	if f.plain && f.refresh.left == 0 { // one provider, fresh, and nothing to be published anew
		f.marked.note(events)
		f.sink.OnEvents(events, books)
		return
	}
	id := p.numbers.feed(p, e.Instrument)
	if id == 0 {
		p.unnamed += uint64(len(events))
		return
	}
	if f.refresh.due(id) {
		f.refreshOne(id, e.TsRecv)
		events = f.trades(events)
		if len(events) == 0 {
			return
		}
	}
	events = f.renumbered(events, id)
	f.marked.note(events)
	f.sink.OnEvents(events, p.books(books))
}

// compare tells the race of an event with a plausible time.
func (f *Feed) compare(p *port, e *market.Event) {
	if p.lag.Doubts() && !f.agrees(p, e.TsRecv-e.TsEvent) {
		f.race.OnDoubted(p.index, e.TsEvent, e.TsRecv)
		return
	}
	if n := p.lag.Steps(); n != p.steps {
		p.steps = n
		f.race.SetApart(p.index)
		f.apart = true
		f.regroup()
	}
	f.race.OnEvent(p.index, e.TsEvent, e.TsRecv)
}

// agrees reports whether the clock of another provider differs from the receiver's by about as much: then a path
// became faster, and no clock was set.
func (f *Feed) agrees(p *port, offset market.Nanos) bool {
	for _, q := range f.ports {
		if q != p && q.lag.Event().Defined() && !f.race.Apart(q.index) {
			if d := q.lag.Offset() - offset; max(d, -d) <= f.cfg.StaleAfter {
				return true
			}
		}
	}
	return false
}

// regroup has the race decide whose clock goes with whose, while there is a doubt.
func (f *Feed) regroup() {
	if !f.apart {
		return
	}
	f.offsets = f.offsets[:0]
	for _, p := range f.ports {
		offset := market.UndefTime
		if p.lag.Event().Defined() {
			offset = p.lag.Offset()
		}
		f.offsets = append(f.offsets, offset)
	}
	f.apart = f.race.Regroup(f.offsets)
}

// books returns the provider's books by the feed's numbers.
func (p *port) books(b gateway.Books) gateway.Books {
	if p.feed.cfg.SameIDs {
		return b
	}
	p.numbers.books = b
	return &p.numbers
}

// OnFacts notes what is known of instruments, and passes it on if the provider is active.
func (p *port) OnFacts(facts *market.Facts) {
	f := p.feed
	p.heard = true
	if len(f.ports) > 1 {
		p.remember(facts)
	}
	if f.active != p {
		return
	}
	if !f.cfg.SameIDs {
		facts = p.numbers.renumber(p, facts, &f.facts)
	}
	f.sink.OnFacts(facts)
}

// remember keeps what a feed that switches to this provider must say.
func (p *port) remember(facts *market.Facts) {
	p.defined = append(p.defined, facts.Definitions...)
	for _, s := range facts.Statuses {
		if s.Instrument == 0 || s.Instrument >= localMax {
			continue
		}
		for int(s.Instrument) >= len(p.facts) {
			p.facts = append(p.facts, market.Status{})
		}
		p.facts[s.Instrument] = s
	}
}

// OnTime passes the time on if the provider is active.
func (p *port) OnTime(now market.Nanos) {
	if p.feed.active == p {
		p.feed.sink.OnTime(now)
	}
}

// OnGap passes a gap on if the provider is active.
func (p *port) OnGap(g arbiter.Gap) {
	p.heard = true
	if p.feed.active == p {
		p.feed.sink.OnGap(g)
	}
}

// OnEpoch passes an epoch on if the provider is active.
func (p *port) OnEpoch(e arbiter.Epoch) {
	p.heard = true
	p.epochs++
	p.defined = p.defined[:0]
	clear(p.facts)
	p.feed.race.Forget(p.index, e.TsRecv)
	if p.feed.active == p {
		p.feed.sink.OnEpoch(e)
	}
}

// OnRebuild has the provider's books published anew, if it is active. See gateway.Rebuilder.
func (p *port) OnRebuild(ids []market.InstrumentID, now market.Nanos) {
	if !p.pipeline.Suspect() {
		p.feed.race.CatchUp(p.index, now) // else a quiet market would leave it behind for as long as it is quiet
	}
	if p.feed.active != p {
		return
	}
	for _, local := range ids {
		if id := p.numbers.feed(p, local); id != 0 {
			p.feed.refresh.add(id)
		}
	}
	// What was there may be of an epoch whose end nobody saw, with orders that have the numbers of others: see
	// beginRefresh.
	p.feed.clearDue(now)
	p.feed.serve(now)
}

// localMax bounds the instrument numbers of providers that are looked up in an array.
const localMax = 1 << 20

// numbering is the way between a provider's instrument numbers and the feed's. It is the identity where
// all providers number alike.
type numbering struct {
	toFeed  []market.InstrumentID // by the provider's number; 0 is not known yet
	toLocal []market.InstrumentID // by the feed's number; 0: the provider does not have it
	books   gateway.Books
}

// feed returns the feed's number of a provider's instrument.
func (n *numbering) feed(p *port, local market.InstrumentID) market.InstrumentID {
	if p.feed.cfg.SameIDs {
		return local
	}
	if int(local) < len(n.toFeed) && n.toFeed[local] != 0 {
		return n.toFeed[local]
	}
	symbol := p.pipeline.Symbol(local)
	if symbol == "" || local >= localMax {
		return 0 // nobody can say which instrument it is
	}
	id := p.feed.number(symbol)
	for int(local) >= len(n.toFeed) {
		n.toFeed = append(n.toFeed, 0)
	}
	n.toFeed[local] = id
	for int(id) >= len(n.toLocal) {
		n.toLocal = append(n.toLocal, 0)
	}
	n.toLocal[id] = local
	return id
}

// local returns the provider's number of the feed's instrument, 0 if it does not have it.
func (n *numbering) local(p *port, id market.InstrumentID) market.InstrumentID {
	if p.feed.cfg.SameIDs {
		return id
	}
	if int(id) < len(n.toLocal) {
		return n.toLocal[id]
	}
	return 0
}

func (n *numbering) at(id market.InstrumentID) market.InstrumentID {
	if int(id) < len(n.toLocal) {
		return n.toLocal[id]
	}
	return 0
}

// BBO returns the best bid and offer by the feed's number. See gateway.Books.
func (n *numbering) BBO(id market.InstrumentID) book.BBO {
	if local := n.at(id); local != 0 {
		return n.books.BBO(local)
	}
	return book.EmptyBBO
}

// Levels appends levels by the feed's number. See gateway.Books.
func (n *numbering) Levels(id market.InstrumentID, side market.Side, dst []book.Level) []book.Level {
	if local := n.at(id); local != 0 {
		return n.books.Levels(local, side, dst)
	}
	return dst
}

// Hash returns the state hash by the feed's number. See gateway.Books.
func (n *numbering) Hash(id market.InstrumentID) uint64 { return n.books.Hash(n.at(id)) }

// HashAll returns the state hash of all the provider's books, by its own numbers.
func (n *numbering) HashAll() uint64 { return n.books.HashAll() }

// renumber returns facts by the feed's numbers, in out. Those of instruments that nobody can name are left
// out; those of the whole market keep number 0.
func (n *numbering) renumber(p *port, in, out *market.Facts) *market.Facts {
	out.Reset()
	for _, d := range in.Definitions {
		if d.Symbol == "" {
			continue
		}
		local := d.Instrument.ID
		d.ID = p.feed.number(d.Symbol)
		n.bind(local, d.ID)
		out.Definitions = append(out.Definitions, d)
	}
	for _, s := range in.Statuses {
		if id := n.feed(p, s.Instrument); id != 0 || s.Instrument == 0 {
			s.Instrument = id
			out.Statuses = append(out.Statuses, s)
		}
	}
	for _, s := range in.Statistics {
		if id := n.feed(p, s.Instrument); id != 0 || s.Instrument == 0 {
			s.Instrument = id
			out.Statistics = append(out.Statistics, s)
		}
	}
	for _, i := range in.Imbalances {
		if id := n.feed(p, i.Instrument); id != 0 || i.Instrument == 0 {
			i.Instrument = id
			out.Imbalances = append(out.Imbalances, i)
		}
	}
	return out
}

// bind notes that two numbers mean the same instrument.
func (n *numbering) bind(local, id market.InstrumentID) {
	if local >= localMax {
		return
	}
	for int(local) >= len(n.toFeed) {
		n.toFeed = append(n.toFeed, 0)
	}
	for int(id) >= len(n.toLocal) {
		n.toLocal = append(n.toLocal, 0)
	}
	n.toFeed[local], n.toLocal[id] = id, local
}

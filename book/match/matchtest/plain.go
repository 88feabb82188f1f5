package matchtest

import (
	"slices"

	"tidegate/book"
	"tidegate/book/match"
	"tidegate/market"
)

// Plain is the plain twin of match.Engine: slices in priority order, everything else found by looking
// at all orders. It keeps the same rules and gives the same events and the same Words.
type Plain struct {
	cfg                            match.Config
	now                            market.Nanos
	inputs, entries, refs, matches uint64
	instruments                    []*instrument
	events                         []match.Event
}

type instrument struct {
	match.Instrument
	state     match.State
	bid, ask  market.Price
	at        market.Nanos
	fresh     bool
	last      market.Price
	high, low market.Price

	orders []*order    // all that live, as they came
	book   [2][]*order // bids and asks, by priority
	stops  [4][]*order // bids and asks for trades, then for quotes, by when they would be triggered
	held   []*order
	pegs   []*order
}

type order struct {
	in          match.Input // as it came; price, id and triggers change
	on          *instrument
	entry, ref  uint64
	price       market.Price // of a peg its present one
	size, open  market.Size
	shown, min  market.Size
	display     market.Size
	stop, limit market.Price // limit is a peg's
	trigger     match.Trigger
	resting     bool // in the book
}

// NewPlain returns a twin without instruments. Of cfg, only the limits count; they must not be 0.
func NewPlain(cfg match.Config) *Plain { return &Plain{cfg: cfg} }

// Len returns the number of live orders.
func (p *Plain) Len() (n int) {
	for _, s := range p.instruments {
		n += len(s.orders)
	}
	return n
}

// Apply does what an input asks for, as Engine.Apply does.
func (p *Plain) Apply(in *match.Input, events []match.Event) []match.Event {
	p.events = events
	p.inputs++
	if in.Time < p.now {
		p.reject(in, match.ReasonTimeWentBack)
		return p.events
	}
	p.now = in.Time
	p.runTimers()
	switch in.Kind {
	case match.Tick:
	case match.Define:
		p.define(in)
	case match.SetState:
		p.setState(in)
	case match.Reference:
		p.reference(in)
	case match.Indicate:
		p.indicate(in)
	case match.New:
		p.newOrder(in)
	case match.Replace:
		p.replace(in)
	case match.Cancel:
		if o := p.find(in); o != nil {
			p.cancel(o, match.ReasonRequested)
		}
	case match.MassCancel:
		p.massCancel(in)
	case match.Disconnect:
		p.disconnect(in)
	default:
		p.reject(in, match.ReasonBadInput)
	}
	return p.events
}

func (p *Plain) instrument(id market.InstrumentID) *instrument {
	for _, s := range p.instruments {
		if s.ID == id {
			return s
		}
	}
	return nil
}

func (p *Plain) order(id uint64) *order {
	for _, s := range p.instruments {
		for _, o := range s.orders {
			if o.in.OrderID == id {
				return o
			}
		}
	}
	return nil
}

// find returns the order that an input names; if that is wrong, it rejects the input.
func (p *Plain) find(in *match.Input) *order {
	o := p.order(in.OrderID)
	if o == nil {
		p.reject(in, match.ReasonUnknownOrder)
	} else if o.in.Account != in.Account {
		p.reject(in, match.ReasonNotOwner)
		return nil
	}
	return o
}

func (p *Plain) emit(ev match.Event) { p.events = append(p.events, ev) }

func (p *Plain) event(kind match.EventKind) match.Event {
	return match.Event{Time: p.now, Input: p.inputs, Kind: kind, Price: market.UndefPrice, Side: market.NoSide}
}

func (p *Plain) reject(in *match.Input, reason match.Reason) {
	ev := p.event(match.Rejected)
	ev.OrderID, ev.Account, ev.Session, ev.Instrument, ev.Reason = in.OrderID, in.Account, in.Session, in.Instrument, reason
	p.emit(ev)
}

// about returns an event about an order.
func (p *Plain) about(kind match.EventKind, o *order, reason match.Reason) match.Event {
	ev := p.event(kind)
	ev.OrderID, ev.Account, ev.Session, ev.Instrument = o.in.OrderID, o.in.Account, o.in.Session, o.on.ID
	ev.Side, ev.Reason, ev.Open, ev.Ref = o.in.Side, reason, o.open, o.ref
	if o.price != 0 {
		ev.Price = o.price
	}
	if o.ref != 0 {
		ev.Displayed = o.shown
	}
	return ev
}

func price(x market.Price) market.Price {
	if x == market.UndefPrice {
		return 0
	}
	return x
}

func (p *Plain) define(in *match.Input) {
	def := match.Instrument{
		ID: in.Instrument, TickSize: in.Price, LotSize: in.Size, Collar: in.Collar,
		ReferenceAgeMax: in.Until, WhenStale: in.WhenStale,
	}
	if def.ID == 0 || def.TickSize < 1 || def.TickSize > match.PriceMax || def.LotSize < 1 || def.LotSize > match.SizeMax ||
		def.Collar > match.CollarMax || def.ReferenceAgeMax < 0 || def.WhenStale > match.HoldStale {
		p.reject(in, match.ReasonBadField)
		return
	}
	s := p.instrument(def.ID)
	switch {
	case s == nil && len(p.instruments) == p.cfg.InstrumentsMax:
		p.reject(in, match.ReasonBookFull)
		return
	case s == nil:
		s = &instrument{}
		p.instruments = append(p.instruments, s)
	case s.state != match.Closed || len(s.orders) > 0:
		p.reject(in, match.ReasonInstrumentInUse)
		return
	}
	s.Instrument, s.fresh = def, false
	ev := p.event(match.Defined)
	ev.Instrument = def.ID
	p.emit(ev)
}

func (p *Plain) setState(in *match.Input) {
	s := p.instrument(in.Instrument)
	switch {
	case s == nil:
		p.reject(in, match.ReasonUnknownInstrument)
		return
	case in.State > match.Halted:
		p.reject(in, match.ReasonBadField)
		return
	case in.State == s.state:
		p.reject(in, match.ReasonWrongState)
		return
	}
	s.state = in.State
	ev := p.event(match.StateChanged)
	ev.Instrument, ev.State = s.ID, s.state
	p.emit(ev)
	if s.state == match.Open {
		p.uncross(s)
		s.high, s.low = s.last, s.last
	}
	if s.state == match.Closed {
		for _, o := range s.inOrder() {
			if o.in.TIF != match.GoodTillTime || o.in.Type == match.Market && o.resting {
				p.cancel(o, match.ReasonDayOver)
			}
		}
	}
	p.follow(s)
}

// inOrder returns all orders of an instrument, where they stand.
func (s *instrument) inOrder() []*order {
	all := slices.Concat(s.book[0], s.book[1], s.stops[0], s.stops[1], s.stops[2], s.stops[3], s.held)
	for _, o := range s.pegs {
		if !o.resting {
			all = append(all, o)
		}
	}
	return all
}

func (p *Plain) reference(in *match.Input) {
	s := p.instrument(in.Instrument)
	bid, ask := price(in.Price), price(in.Stop)
	switch {
	case s == nil:
		p.reject(in, match.ReasonUnknownInstrument)
	case bid < 0 || bid > match.PriceMax || ask < 0 || ask > match.PriceMax:
		p.reject(in, match.ReasonBadPrice)
	case in.Until > p.now:
		p.reject(in, match.ReasonBadTime)
	case in.Until < s.at:
		p.reject(in, match.ReasonTimeWentBack)
	default:
		s.bid, s.ask, s.at, s.fresh = bid, ask, in.Until, in.Fresh
		if p.tooOld(s) {
			s.fresh = false
		}
		p.follow(s)
	}
}

func (p *Plain) tooOld(s *instrument) bool {
	return s.ReferenceAgeMax > 0 && uint64(p.now)-uint64(s.at) >= uint64(s.ReferenceAgeMax)
}

// runTimers does what is due, the earliest first.
func (p *Plain) runTimers() {
	for {
		var at market.Nanos
		var due func()
		for _, s := range p.instruments {
			if end := s.at + s.ReferenceAgeMax; s.fresh && p.tooOld(s) && (due == nil || end < at) {
				at = end
				due = func() { s.fresh = false; p.follow(s) }
			}
		}
		var oldest *order
		for _, s := range p.instruments {
			for _, o := range s.orders {
				if end := o.in.Until; o.in.TIF == match.GoodTillTime && end <= p.now &&
					(due == nil || end < at || oldest != nil && end == at && o.entry < oldest.entry) {
					at, oldest = end, o
					due = func() { p.cancel(o, match.ReasonExpired) }
				}
			}
		}
		if due == nil {
			return
		}
		due()
	}
}

func (p *Plain) massCancel(in *match.Input) {
	switch {
	case in.Account == 0:
		p.reject(in, match.ReasonBadAccount)
		return
	case in.Instrument != 0 && p.instrument(in.Instrument) == nil:
		p.reject(in, match.ReasonUnknownInstrument)
		return
	}
	ev := p.event(match.MassCanceled)
	ev.Account, ev.Session, ev.Instrument = in.Account, in.Session, in.Instrument
	oneSide := in.Side == market.Bid || in.Side == market.Ask
	if oneSide {
		ev.Side = in.Side
	}
	for _, s := range p.instruments {
		for _, side := range []market.Side{market.Bid, market.Ask} {
			for _, o := range slices.Clone(s.orders) {
				if o.in.Account == in.Account && o.in.Side == side && (in.Instrument == 0 || in.Instrument == s.ID) &&
					(!oneSide || side == in.Side) {
					p.cancel(o, match.ReasonMassCancel)
					ev.Size++
				}
			}
		}
	}
	p.emit(ev)
}

func (p *Plain) disconnect(in *match.Input) {
	if in.Session == 0 {
		p.reject(in, match.ReasonBadField)
		return
	}
	ev := p.event(match.MassCanceled)
	ev.Session = in.Session
	var going []*order
	for _, s := range p.instruments {
		for _, o := range s.orders {
			if o.in.CancelOnDisconnect && o.in.Session == in.Session {
				going = append(going, o)
			}
		}
	}
	slices.SortFunc(going, func(a, b *order) int { return int(a.entry) - int(b.entry) })
	for _, o := range going {
		p.cancel(o, match.ReasonDisconnected)
		ev.Size++
	}
	p.emit(ev)
}

// Words returns what Engine.Words goes over.
func (p *Plain) Words() []uint64 {
	w := []uint64{uint64(p.now), p.inputs, p.entries, p.refs, p.matches, uint64(len(p.instruments))}
	for _, s := range p.instruments {
		w = append(w, uint64(s.ID), uint64(s.TickSize), uint64(s.LotSize), uint64(s.Collar), uint64(s.ReferenceAgeMax),
			uint64(s.WhenStale), uint64(s.state), uint64(s.bid), uint64(s.ask), uint64(s.at), bit(s.fresh), uint64(s.last))
		for _, list := range [][]*order{s.book[0], s.book[1], s.stops[0], s.stops[1], s.stops[2], s.stops[3], s.held} {
			w = append(w, uint64(len(list)))
			for _, o := range list {
				w = append(w, o.words()...)
			}
		}
		w = append(w, uint64(len(s.pegs)))
		for _, o := range s.pegs {
			if o.resting {
				w = append(w, 0, o.entry)
			} else {
				w = append(w, o.words()...)
			}
		}
	}
	return w
}

func (o *order) words() []uint64 {
	in := &o.in
	kinds := uint64(in.Session)<<32 | bit(in.CancelOnDisconnect)<<16 | bit(in.Side == market.Ask)<<14 |
		uint64(in.Type)<<12 | uint64(in.TIF)<<9 | uint64(in.STP)<<6 | uint64(in.Post)<<4 | uint64(in.Peg)<<2 | uint64(o.trigger)
	return []uint64{
		in.OrderID, o.entry, o.ref, uint64(o.price), uint64(o.stop), uint64(o.limit), uint64(price(in.Offset)), uint64(in.Until),
		uint64(o.size<<32 | o.open), uint64(o.shown<<32 | o.display), uint64(o.min)<<32 | uint64(in.Account), kinds,
	}
}

func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// Hash returns what Engine.Hash does.
func (p *Plain) Hash() uint64 {
	var h book.Hasher
	for _, w := range p.Words() {
		h.Word(w)
	}
	return h.Sum()
}

// Levels returns all levels of a side as others see them, best first.
func (p *Plain) Levels(id market.InstrumentID, side market.Side) (levels []book.Level) {
	s := p.instrument(id)
	if s == nil {
		return nil
	}
	for _, o := range s.book[side.Index()] {
		if o.in.Type == match.Market {
			continue
		}
		if n := len(levels); n == 0 || levels[n-1].Price != o.price {
			levels = append(levels, book.Level{Price: o.price})
		}
		l := &levels[len(levels)-1]
		l.Size += o.shown
		l.Orders++
	}
	return levels
}

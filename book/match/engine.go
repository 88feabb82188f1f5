package match

import "tidegate/market"

// Engine matches the orders of a set of instruments. It is a state machine: Apply takes inputs, each
// with its time, and says what they did. The same inputs give the same events and the same Hash.
//
// One goroutine owns an Engine. Memory is set aside at the start; Apply allocates only where the
// caller's slice of events is too short, and when more things wait for a time, or move at once, than
// ever before.
type Engine struct {
	cfg Config
	now market.Nanos

	// Numbers given out so far.
	inputs, entries, refs, matches uint64

	instruments []instrument // in order of definition; 0 is none
	orders      slab[order]
	levels      ladders
	groups      slab[group]
	sessions    slab[chain]
	timers      timers

	byID         idTable // order id to order
	byGroup      table   // account and instrument index to group
	bySession    table   // session to its chain of orders
	byInstrument table   // instrument id to index

	out   []Event  // what Apply returns, while it runs
	batch []uint32 // orders that something happens to together, while it happens
	read  uint32   // by Prefetch: what is read for nothing must not look so
}

// Ladders of an instrument. Those of a side are two apart: ladder + Side.Index().
const (
	bookLadder      = 0
	tradeStopLadder = 2
	quoteStopLadder = 4
	ladderCount     = 6
	lowestFirst     = -1 // mirror of ladders whose best price is the lowest
)

// An instrument is the state of one.
type instrument struct {
	Instrument
	state State

	// The reference, as it came. Prices are 0 where there is none.
	bid, ask market.Price
	at       market.Nanos
	fresh    bool // and not too old

	last      market.Price // of the last trade; 0 if there was none
	high, low market.Price // of the trades of this input that stops have not seen; 0 if there is none

	ladders [ladderCount]ladder
	held    chain // byQueue
	pegs    chain // byPeg
	orders  uint32
	timer   uint32 // when the reference is too old
}

// NewEngine returns an engine without instruments. It panics if cfg is not valid.
func NewEngine(cfg Config) *Engine {
	if err := cfg.Validate(); err != nil {
		panic(err)
	}
	cfg = cfg.withDefaults()
	e := &Engine{
		cfg:          cfg,
		instruments:  make([]instrument, 1, cfg.InstrumentsMax+1),
		orders:       newSlab[order](cfg.OrdersMax),
		levels:       ladders{newSlab[level](cfg.OrdersMax)},
		groups:       newSlab[group](cfg.OrdersMax),
		sessions:     newSlab[chain](cfg.OrdersMax),
		byID:         newIDTable(cfg.OrdersMax, cfg.HashSeed),
		byGroup:      newTable(cfg.OrdersMax, cfg.HashSeed),
		bySession:    newTable(cfg.OrdersMax, cfg.HashSeed),
		byInstrument: newTable(cfg.InstrumentsMax, cfg.HashSeed),
	}
	e.timers = timers{heap: make([]timer, 1), set: e.placeTimer}
	return e
}

// Apply does what an input asks for and appends to events what that did; it returns the extended
// slice. Every input is answered by at least one event, Tick and Reference apart. A rejected input
// changes nothing, except that time has passed: what was due until its time happened.
//
// Apply never panics, whatever is in the input, and keeps nothing of it.
func (e *Engine) Apply(in *Input, events []Event) []Event {
	e.out = events
	e.inputs++
	if in.Time < e.now {
		e.reject(in, ReasonTimeWentBack)
	} else {
		e.now = in.Time
		if e.timers.due(e.now) {
			e.runTimers()
		}
		e.apply(in)
	}
	events, e.out = e.out, nil
	return events
}

func (e *Engine) apply(in *Input) {
	switch in.Kind {
	case New:
		e.onNew(in)
	case Cancel:
		e.onCancel(in)
	case Replace:
		e.onReplace(in)
	case Reference:
		e.onReference(in)
	case Tick:
	case MassCancel:
		e.onMassCancel(in)
	case Disconnect:
		e.onDisconnect(in)
	case SetState:
		e.onSetState(in)
	case Indicate:
		e.onIndicate(in)
	case Define:
		e.onDefine(in)
	default:
		e.reject(in, ReasonBadInput)
	}
}

// Now returns the time of the last input that was not refused for its time.
func (e *Engine) Now() market.Nanos { return e.now }

// Inputs returns how many inputs there were. The next one has the number above it in its events.
func (e *Engine) Inputs() uint64 { return e.inputs }

// Len returns the number of live orders.
func (e *Engine) Len() int { return e.orders.live() }

// emit appends an event and returns it, to be completed before the next one is.
func (e *Engine) emit(kind EventKind) *Event {
	e.out = append(e.out, Event{Time: e.now, Input: e.inputs, Kind: kind, Price: market.UndefPrice, Side: market.NoSide})
	return &e.out[len(e.out)-1]
}

// tell appends an event about an order as it is.
func (e *Engine) tell(kind EventKind, o *order, reason Reason) *Event {
	ev := e.emit(kind)
	ev.OrderID, ev.Account, ev.Session = o.id, o.account, o.session
	ev.Instrument = e.instruments[o.instrument].ID
	ev.Side, ev.Reason = o.side, reason
	ev.Price = eventPrice(o.price)
	ev.Open, ev.Ref, ev.Displayed = market.Size(o.open), o.ref, o.displayed()
	return ev
}

func eventPrice(p market.Price) market.Price {
	if p == 0 {
		return market.UndefPrice
	}
	return p
}

// priceOf returns a price of an input, 0 if there is none.
func priceOf(p market.Price) market.Price {
	if !p.Defined() {
		return 0
	}
	return p
}

func (e *Engine) reject(in *Input, reason Reason) {
	ev := e.emit(Rejected)
	ev.OrderID, ev.Account, ev.Session, ev.Instrument = in.OrderID, in.Account, in.Session, in.Instrument
	ev.Reason = reason
}

// runTimers lets everything happen that is due.
func (e *Engine) runTimers() {
	for e.timers.due(e.now) {
		t := e.timers.heap[1]
		if t.isOrder() {
			e.cancel(t.owner, ReasonExpired)
			continue
		}
		e.timers.remove(1)
		e.instruments[t.owner].fresh = false
		e.follow(t.owner)
	}
}

// placeTimer keeps the place of a timer with its owner.
func (e *Engine) placeTimer(t timer, place uint32) {
	if t.isOrder() {
		e.orders.at(t.owner).timer = place
	} else {
		e.instruments[t.owner].timer = place
	}
}

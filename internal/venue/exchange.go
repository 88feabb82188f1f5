package venue

import (
	"fmt"
	"math"

	"tidegate/codec/itch50"
	"tidegate/market"
)

// An Exchange is one simulated trading day. It belongs to one goroutine.
type Exchange struct {
	cfg         Config
	dice        dice
	now         market.Nanos
	agenda      []appointment // what is still to happen, by time
	flow        flow
	instruments []*instrument // by locate code, less 1
	out         tape
	lastRef     uint64
	lastMatch   uint64
}

// An instrument is a listing during the day.
type instrument struct {
	Listing
	locate uint16
	symbol itch50.Symbol
	state  byte // an ITCH trading state: stateHalted, stateQuoting or stateTrading
	book   *engine
	fair   market.Price // what participants think it is worth
	drift  int          // ticks of fair to come, and their direction
	trades Tally
}

// ITCH trading states (Stock Trading Action).
const (
	stateHalted  = 'H'
	stateQuoting = 'Q' // orders rest, nothing trades
	stateTrading = 'T'
)

// A Level is one price of one side of a book.
type Level struct {
	Price  market.Price `json:"price"` // units of 1e-9
	Size   market.Size  `json:"size"`
	Orders int          `json:"orders"`
}

// A Tally counts trades.
type Tally struct {
	Count  uint64      `json:"count"`
	Volume market.Size `json:"volume"`
}

func (t *Tally) add(size market.Size) {
	t.Count++
	t.Volume += size
}

// New returns an exchange before its day's first message.
func New(cfg Config) (*Exchange, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("venue: %w", err)
	}
	x := &Exchange{
		cfg:         cfg,
		dice:        newDice(cfg.Seed, streamFlow),
		instruments: make([]*instrument, len(cfg.Listings)),
	}
	x.out.midnight = cfg.Midnight
	for i, l := range cfg.Listings {
		symbol, err := itch50.ParseSymbol(l.Symbol)
		if err != nil {
			return nil, fmt.Errorf("venue: listing %d: %w", i, err)
		}
		x.instruments[i] = &instrument{
			Listing: l,
			locate:  uint16(i + 1),
			symbol:  symbol,
			state:   stateQuoting,
			book:    newEngine(),
			fair:    l.Reference,
		}
	}
	x.plan()
	x.now = x.agenda[0].at
	x.flow.at = never // until its appointment
	return x, nil
}

// Step does the next thing that happens at the venue and returns its messages, one or more, each a
// complete ITCH 5.0 message, with the time of them all. After the day's last message it returns
// none. Times never go back. The messages are valid until the next Step.
func (x *Exchange) Step() (market.Nanos, [][]byte) {
	x.out.clear()
	for len(x.out.messages) == 0 && len(x.agenda) > 0 {
		if next := x.agenda[0]; next.at <= x.flow.at {
			x.agenda = x.agenda[1:]
			x.turn(next.at)
			next.do()
			continue
		}
		x.turn(x.flow.at)
		x.act(x.flow.instrument(x))
		x.flow.advance(x)
	}
	return x.now, x.out.messages
}

// turn sets the clock.
func (x *Exchange) turn(at market.Nanos) {
	x.now = max(x.now, at)
	x.out.now = x.now
}

// Levels returns a side of an instrument's book, best price first. It returns nil for an unknown
// instrument.
func (x *Exchange) Levels(id market.InstrumentID, side market.Side) []Level {
	in := x.byID(id)
	if in == nil {
		return nil
	}
	queues := *in.book.side(side)
	levels := make([]Level, len(queues))
	for i, q := range queues {
		levels[i] = Level{Price: q.price, Orders: len(q.orders)}
		for _, o := range q.orders {
			levels[i].Size += o.Size
		}
	}
	return levels
}

// Orders returns the resting orders of one side of an instrument in the order in which they would
// execute. It returns nil for an unknown instrument.
func (x *Exchange) Orders(id market.InstrumentID, side market.Side) []Order {
	in := x.byID(id)
	if in == nil {
		return nil
	}
	var orders []Order
	for _, q := range *in.book.side(side) {
		for _, o := range q.orders {
			orders = append(orders, *o)
		}
	}
	return orders
}

// Trades returns what an instrument traded so far: executions, hidden trades and crosses. The
// non-printable executions of a cross count in the cross alone.
func (x *Exchange) Trades(id market.InstrumentID) Tally {
	if in := x.byID(id); in != nil {
		return in.trades
	}
	return Tally{}
}

// LiveOrders returns the number of resting orders of all instruments.
func (x *Exchange) LiveOrders() int {
	n := 0
	for _, in := range x.instruments {
		n += len(in.book.orders)
	}
	return n
}

// Messages returns the number of messages so far.
func (x *Exchange) Messages() uint64 {
	var n uint64
	for _, count := range x.out.counts {
		n += count
	}
	return n
}

// MessagesOf returns the number of messages of an ITCH type so far.
func (x *Exchange) MessagesOf(kind byte) uint64 { return x.out.counts[kind] }

// Instruments returns what the venue lists, in the order of their ids.
func (x *Exchange) Instruments() []market.Instrument {
	list := make([]market.Instrument, len(x.instruments))
	for i, in := range x.instruments {
		list[i] = market.Instrument{
			ID:        market.InstrumentID(in.locate),
			Publisher: market.Simulated.ID,
			Symbol:    in.Symbol,
			TickSize:  in.Tick,
			RoundLot:  roundLot,
		}
	}
	return list
}

func (x *Exchange) byID(id market.InstrumentID) *instrument {
	if id < 1 || int(id) > len(x.instruments) {
		return nil
	}
	return x.instruments[id-1]
}

// nextRef numbers an order. Aggressors that never rest use up numbers too, as at a real venue.
func (x *Exchange) nextRef() uint64 {
	x.lastRef++
	return x.lastRef
}

// nextMatch numbers a trade.
func (x *Exchange) nextMatch() uint64 {
	x.lastMatch++
	return x.lastMatch
}

// never is the time of a flow that has stopped.
const never = market.Nanos(math.MaxInt64)

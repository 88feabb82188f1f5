package venue

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"tidegate/codec/itch50"
	"tidegate/market"
)

// A replay rebuilds the books from ITCH messages alone, with a map of orders and nothing else. It
// shares no code with the exchange, and checks what a venue promises: references are known and
// unique, executions take the first order of their side, nothing trades unless trading is open.
type replay struct {
	orders  map[uint64]*replayed
	arrived uint64
	state   map[uint16]byte
	trades  map[uint16]*Tally
	flows   map[uint16]*flows
	types   map[byte]uint64
	count   uint64
	last    uint64                 // timestamp
	session []byte                 // system events
	bulk    map[uint64]market.Size // executed by match number, to be reported by a cross
	// strict checks priority at each execution, which costs a walk over all orders.
	strict bool
}

type replayed struct {
	Order
	locate  uint16
	arrival uint64
}

// flows are the sizes that entered and left a book.
type flows struct{ added, executed, cancelled, deleted, replaced market.Size }

func newReplay() *replay {
	return &replay{
		orders: make(map[uint64]*replayed),
		state:  make(map[uint16]byte),
		trades: make(map[uint16]*Tally),
		flows:  make(map[uint16]*flows),
		types:  make(map[byte]uint64),
		bulk:   make(map[uint64]market.Size),
	}
}

// apply applies one message, or says what is wrong with it.
func (r *replay) apply(b []byte) error {
	if len(b) == 0 || itch50.Length(b[0]) != len(b) {
		return fmt.Errorf("message % x: not of its type's length", b)
	}
	r.count++
	r.types[b[0]]++
	timestamp := binary.BigEndian.Uint64(b[3:]) & (1<<48 - 1) // the same place in every message
	if timestamp < r.last {
		return fmt.Errorf("time went from %d to %d", r.last, timestamp)
	}
	r.last = timestamp
	switch b[0] {
	case 'A':
		var m itch50.AddOrder
		if err := m.Parse(b); err != nil {
			return err
		}
		return r.add(m)
	case 'F':
		var m itch50.AddOrderMPID
		if err := m.Parse(b); err != nil {
			return err
		}
		return r.add(m.AddOrder)
	case 'E':
		var m itch50.OrderExecuted
		if err := m.Parse(b); err != nil {
			return err
		}
		return r.execute(m, true)
	case 'C':
		var m itch50.OrderExecutedWithPrice
		if err := m.Parse(b); err != nil {
			return err
		}
		return r.execute(m.OrderExecuted, m.Printable == 'Y')
	case 'X':
		var m itch50.OrderCancel
		if err := m.Parse(b); err != nil {
			return err
		}
		o, err := r.find(m.Header, m.OrderRef)
		if err != nil {
			return err
		}
		if by := market.Size(m.Shares); by == 0 || by >= o.Size {
			return fmt.Errorf("cancel of %d from an order of %d", by, o.Size)
		}
		o.Size -= market.Size(m.Shares)
		r.flows[o.locate].cancelled += market.Size(m.Shares)
	case 'D':
		var m itch50.OrderDelete
		if err := m.Parse(b); err != nil {
			return err
		}
		o, err := r.find(m.Header, m.OrderRef)
		if err != nil {
			return err
		}
		r.flows[o.locate].deleted += o.Size
		delete(r.orders, o.Ref)
	case 'U':
		var m itch50.OrderReplace
		if err := m.Parse(b); err != nil {
			return err
		}
		o, err := r.find(m.Header, m.OrderRef)
		if err != nil {
			return err
		}
		r.flows[o.locate].replaced += o.Size
		delete(r.orders, o.Ref)
		return r.rest(o.locate, Order{Ref: m.NewOrderRef, Side: o.Side, Price: m.Price.Price(), Size: market.Size(m.Shares)})
	case 'P':
		var m itch50.Trade
		if err := m.Parse(b); err != nil {
			return err
		}
		return r.trade(m.Header, market.Size(m.Shares))
	case 'Q':
		var m itch50.CrossTrade
		if err := m.Parse(b); err != nil {
			return err
		}
		if part := r.bulk[m.Match]; part > market.Size(m.Shares) {
			return fmt.Errorf("cross of %d: %d of it were executed before", m.Shares, part)
		}
		delete(r.bulk, m.Match)
		if m.Shares > 0 {
			r.tally(m.Locate).add(market.Size(m.Shares))
		}
	case 'H':
		var m itch50.TradingAction
		if err := m.Parse(b); err != nil {
			return err
		}
		r.state[m.Locate] = m.State
	case 'S':
		var m itch50.SystemEvent
		if err := m.Parse(b); err != nil {
			return err
		}
		r.session = append(r.session, m.Event)
	}
	return nil
}

func (r *replay) find(h itch50.Header, ref uint64) (*replayed, error) {
	o := r.orders[ref]
	switch {
	case o == nil:
		return nil, fmt.Errorf("order %d is not known", ref)
	case o.locate != h.Locate:
		return nil, fmt.Errorf("order %d is of %d, not of %d", ref, o.locate, h.Locate)
	}
	return o, nil
}

func (r *replay) add(m itch50.AddOrder) error {
	if r.state[m.Locate] == 'H' {
		return fmt.Errorf("order %d entered while %d is halted", m.OrderRef, m.Locate)
	}
	side := market.Bid
	if m.Side == itch50.Sell {
		side = market.Ask
	}
	o := Order{Ref: m.OrderRef, Side: side, Price: m.Price.Price(), Size: market.Size(m.Shares)}
	return r.rest(m.Locate, o)
}

func (r *replay) rest(locate uint16, o Order) error {
	if r.orders[o.Ref] != nil || o.Size == 0 || o.Price == 0 {
		return fmt.Errorf("order %+v: known, or empty", o)
	}
	if r.flows[locate] == nil {
		r.flows[locate] = &flows{}
	}
	r.flows[locate].added += o.Size
	r.arrived++
	r.orders[o.Ref] = &replayed{Order: o, locate: locate, arrival: r.arrived}
	return nil
}

func (r *replay) execute(m itch50.OrderExecuted, printable bool) error {
	o, err := r.find(m.Header, m.OrderRef)
	if err != nil {
		return err
	}
	given := market.Size(m.Shares)
	if given == 0 || given > o.Size {
		return fmt.Errorf("execution of %d of an order of %d", given, o.Size)
	}
	if r.strict {
		if first := r.side(o.locate, o.Side)[0]; first.Ref != o.Ref {
			return fmt.Errorf("order %d executed before %d, which has priority", o.Ref, first.Ref)
		}
	}
	r.flows[o.locate].executed += given
	if o.Size -= given; o.Size == 0 {
		delete(r.orders, o.Ref)
	}
	if printable {
		return r.trade(m.Header, given)
	}
	r.bulk[m.Match] += given
	return nil
}

func (r *replay) trade(h itch50.Header, size market.Size) error {
	if r.state[h.Locate] != 'T' {
		return fmt.Errorf("trade of %d in state %q", h.Locate, r.state[h.Locate])
	}
	r.tally(h.Locate).add(size)
	return nil
}

func (r *replay) tally(locate uint16) *Tally {
	if r.trades[locate] == nil {
		r.trades[locate] = &Tally{}
	}
	return r.trades[locate]
}

// side returns the orders of a side in order of priority.
func (r *replay) side(locate uint16, side market.Side) []*replayed {
	var orders []*replayed
	for _, o := range r.orders {
		if o.locate == locate && o.Side == side {
			orders = append(orders, o)
		}
	}
	slices.SortFunc(orders, func(a, b *replayed) int {
		byPrice := cmp.Compare(a.Price, b.Price)
		if side == market.Bid {
			byPrice = -byPrice
		}
		return cmp.Or(byPrice, cmp.Compare(a.arrival, b.arrival))
	})
	return orders
}

// levels returns a side as the exchange's Levels does.
func (r *replay) levels(locate uint16, side market.Side) []Level {
	var levels []Level
	for _, o := range r.side(locate, side) {
		if n := len(levels); n == 0 || levels[n-1].Price != o.Price {
			levels = append(levels, Level{Price: o.Price})
		}
		l := &levels[len(levels)-1]
		l.Size += o.Size
		l.Orders++
	}
	return levels
}

// compare says how the replayed books differ from the exchange's.
func (r *replay) compare(x *Exchange) error {
	if len(r.orders) != x.LiveOrders() {
		return fmt.Errorf("%d orders, the exchange has %d", len(r.orders), x.LiveOrders())
	}
	for _, in := range x.Instruments() {
		locate := uint16(in.ID)
		var best [2]market.Price
		var live market.Size
		for i, side := range []market.Side{market.Bid, market.Ask} {
			var mine []Order
			for _, o := range r.side(locate, side) {
				mine = append(mine, o.Order)
				live += o.Size
			}
			if theirs := x.Orders(in.ID, side); !slices.Equal(mine, theirs) {
				return fmt.Errorf("%s %v: orders\n%v, the exchange has\n%v", in.Symbol, side, mine, theirs)
			}
			if mine, theirs := r.levels(locate, side), x.Levels(in.ID, side); !slices.Equal(mine, theirs) {
				return fmt.Errorf("%s %v: levels\n%v, the exchange has\n%v", in.Symbol, side, mine, theirs)
			}
			if len(mine) > 0 {
				best[i] = mine[0].Price
			}
		}
		if best[0] != 0 && best[1] != 0 && best[0] >= best[1] {
			return fmt.Errorf("%s is crossed: %v bid, %v ask", in.Symbol, best[0], best[1])
		}
		if f := r.flows[locate]; f != nil && f.added != f.executed+f.cancelled+f.deleted+f.replaced+live {
			return fmt.Errorf("%s: %+v and %d live: sizes do not add up", in.Symbol, *f, live)
		}
		if mine, theirs := *r.tally(locate), x.Trades(in.ID); mine != theirs {
			return fmt.Errorf("%s: traded %+v, the exchange says %+v", in.Symbol, mine, theirs)
		}
	}
	return nil
}

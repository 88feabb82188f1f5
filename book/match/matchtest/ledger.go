package matchtest

import (
	"fmt"

	"tidegate/book"
	"tidegate/book/match"
	"tidegate/market"
)

// A Ledger follows all orders and the displayed books by the events of an engine alone, and objects to
// what breaks a law:
//
//   - the size of an order is what was executed, canceled and is open, at any time;
//   - trades have two sides that agree, and no order trades beyond its limit, or with one of its account
//     that it must not meet;
//   - in continuous trading the price is that of the order that rested;
//   - public numbers are new, and nothing happens to one that does not show.
type Ledger struct {
	Books *book.ByOrder // what shows

	orders map[uint64]*entry
	refs   uint64 // highest public number
	trades uint64
	half   *match.Event // first event of a trade

	// Sizes over all orders that ever were: In = Executed + Canceled + Open.
	In, Executed, Canceled, Open market.Size
}

type entry struct {
	match.Event // the last event about it
	stp         match.SelfTrade
	entered     uint64 // input with which it came, or came again
	limit       market.Price
}

// NewLedger returns a ledger of an engine without orders.
func NewLedger() *Ledger {
	return &Ledger{
		Books:  book.NewByOrder(book.ByOrderConfig{InstrumentsMax: 16}),
		orders: map[uint64]*entry{},
	}
}

// Len returns how many orders live.
func (l *Ledger) Len() int { return len(l.orders) }

// Apply takes an input and the events that it caused. The error is the first objection.
func (l *Ledger) Apply(in *match.Input, events []match.Event) error {
	for i := range events {
		if err := l.event(in, &events[i]); err != nil {
			return fmt.Errorf("event %d of input %d, %+v: %w", i, events[i].Input, events[i], err)
		}
	}
	if l.half != nil {
		return fmt.Errorf("trade %d has one side", l.half.Match)
	}
	if l.In != l.Executed+l.Canceled+l.Open {
		return fmt.Errorf("%d came in, %d executed, %d canceled, %d open", l.In, l.Executed, l.Canceled, l.Open)
	}
	return nil
}

func (l *Ledger) event(in *match.Input, ev *match.Event) error {
	if (ev.Kind == match.Executed) != (l.half != nil) && l.half != nil {
		return fmt.Errorf("between the sides of trade %d", l.half.Match)
	}
	switch ev.Kind {
	case match.Accepted:
		if l.orders[ev.OrderID] != nil || ev.Open != ev.Size || ev.OrderID != in.OrderID || ev.Size != in.Size {
			return fmt.Errorf("accepted as another order, or twice")
		}
		e := &entry{Event: *ev, stp: in.STP, entered: ev.Input}
		if in.Type == match.Limit {
			e.limit = ev.Price
		} else {
			e.limit = market.UndefPrice
		}
		l.orders[ev.OrderID] = e
		l.In += ev.Size
		l.Open += ev.Size
		return nil
	case match.Booked, match.Executed, match.Canceled, match.Replaced, match.Restated:
	default:
		return nil
	}
	id := ev.OrderID
	if ev.Kind == match.Replaced {
		id = ev.PrevID
	}
	o := l.orders[id]
	if o == nil {
		return fmt.Errorf("order %d does not live", id)
	}
	open := o.Open
	switch ev.Kind {
	case match.Booked, match.Restated:
		if ev.Open != open {
			return fmt.Errorf("%d open, before %d", ev.Open, open)
		}
		if ev.Reason == match.ReasonTriggered || ev.Reason == match.ReasonReleased || ev.Reason == match.ReasonPegMoved {
			o.entered = ev.Input
		}
	case match.Executed:
		if err := l.trade(o, ev); err != nil {
			return err
		}
		fallthrough
	case match.Canceled:
		if ev.Size == 0 || ev.Size > open || ev.Open != open-ev.Size {
			return fmt.Errorf("%d taken off %d leaves %d", ev.Size, open, ev.Open)
		}
		if ev.Kind == match.Executed {
			l.Executed += ev.Size
		} else {
			l.Canceled += ev.Size
		}
		l.Open -= ev.Size
	case match.Replaced:
		// Modular: the size may be less than before.
		l.In += ev.Open - open
		l.Open += ev.Open - open
		delete(l.orders, id)
		if l.orders[ev.OrderID] != nil {
			return fmt.Errorf("replaces by an order that lives")
		}
		l.orders[ev.OrderID] = o
		if ev.Reason == match.ReasonLostPlace {
			o.entered = ev.Input
			if o.limit.Defined() || ev.Price.Defined() {
				o.limit = ev.Price
			}
		}
	}
	if err := l.show(o, ev); err != nil {
		return err
	}
	stp, entered, limit := o.stp, o.entered, o.limit
	*o = entry{Event: *ev, stp: stp, entered: entered, limit: limit}
	if ev.Open == 0 {
		delete(l.orders, ev.OrderID)
	}
	return nil
}

// trade checks one side of a trade.
func (l *Ledger) trade(o *entry, ev *match.Event) error {
	if o.limit.Defined() && (ev.Side == market.Bid && ev.Price > o.limit || ev.Side == market.Ask && ev.Price < o.limit) {
		return fmt.Errorf("trades beyond its limit %v", o.limit)
	}
	if l.half == nil {
		if l.trades++; ev.Match != l.trades {
			return fmt.Errorf("trade %d, want %d", ev.Match, l.trades)
		}
		first := *ev
		l.half = &first
		return nil
	}
	first := l.half
	l.half = nil
	if first.Match != ev.Match || first.Price != ev.Price || first.Size != ev.Size || first.Side != ev.Side.Opposite() ||
		first.Instrument != ev.Instrument {
		return fmt.Errorf("does not agree with %+v", *first)
	}
	crossed := ev.Liquidity == match.Crossed && first.Liquidity == match.Crossed
	if !crossed && (first.Liquidity != match.Added || ev.Liquidity != match.Removed) {
		return fmt.Errorf("liquidity %d, the other %d", ev.Liquidity, first.Liquidity)
	}
	if !crossed && first.Account == ev.Account && o.stp != match.AllowSelf {
		return fmt.Errorf("self-trade")
	}
	return nil
}

// show applies what an event does to the displayed book.
func (l *Ledger) show(o *entry, ev *match.Event) error {
	u := market.Update{Event: market.Event{Instrument: ev.Instrument, Side: ev.Side, Price: ev.Price}}
	apply := func(action market.Action, ref uint64, size market.Size) error {
		u.Action, u.OrderID, u.Size = action, ref, size
		if r := l.Books.Apply(&u); r.Verdict != market.Applied {
			return fmt.Errorf("%v of ref %d: %v", action, ref, r.Verdict)
		}
		return nil
	}
	appear := func() error {
		if ev.Ref == 0 {
			return nil
		}
		if ev.Ref <= l.refs {
			return fmt.Errorf("ref %d is not new", ev.Ref)
		}
		l.refs = ev.Ref
		return apply(market.Add, ev.Ref, ev.Displayed)
	}
	switch ev.Kind {
	case match.Booked:
		return appear()
	case match.Executed:
		if ev.Ref == 0 {
			return nil
		}
		if err := apply(market.Execute, ev.Ref, ev.Size); err != nil {
			return err
		}
		if ev.Liquidity == match.Added && u.PrevPrice != ev.Price {
			return fmt.Errorf("trades at another price than it rested, %v", u.PrevPrice)
		}
		return nil
	case match.Canceled:
		if ev.Ref == 0 {
			return nil
		}
		return l.shrink(o, ev.Ref, ev.Displayed, apply)
	default: // Replaced, Restated
		if ev.PrevRef != 0 && ev.PrevRef == ev.Ref {
			return l.shrink(o, ev.Ref, ev.Displayed, apply)
		}
		if ev.PrevRef != 0 {
			if err := apply(market.Delete, ev.PrevRef, 0); err != nil {
				return err
			}
			u.Price = ev.Price
		}
		return appear()
	}
}

// shrink leaves a part with a size.
func (l *Ledger) shrink(o *entry, ref uint64, left market.Size, apply func(market.Action, uint64, market.Size) error) error {
	switch {
	case ref != o.Ref || left > o.Displayed:
		return fmt.Errorf("ref %d with %d left, before %d with %d", ref, left, o.Ref, o.Displayed)
	case left == 0:
		return apply(market.Delete, ref, 0)
	case left < o.Displayed:
		return apply(market.Cancel, ref, o.Displayed-left)
	}
	return nil
}

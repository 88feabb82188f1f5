package venue

import (
	"cmp"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"tidegate/market"
)

// twin is the engine said in another way: one list of orders as they came, sorted when something
// matches.
type twin struct{ orders []Order }

// priority returns the orders of a side in the order in which they would execute.
func (w *twin) priority(side market.Side) []Order {
	var orders []Order
	for _, o := range w.orders {
		if o.Side == side {
			orders = append(orders, o)
		}
	}
	slices.SortStableFunc(orders, func(a, b Order) int {
		if side == market.Bid {
			a, b = b, a
		}
		return cmp.Compare(a.Price, b.Price)
	})
	return orders
}

func (w *twin) take(aggressor market.Side, limit market.Price, size market.Size) []fill {
	var fills []fill
	for _, o := range w.priority(aggressor.Opposite()) {
		reachable := o.Price <= limit
		if aggressor == market.Ask {
			reachable = o.Price >= limit
		}
		if !reachable || size == 0 {
			break
		}
		given := min(size, o.Size)
		fills = append(fills, fill{Order: o, given: given})
		size -= given
		w.reduce(o.Ref, given)
	}
	return fills
}

func (w *twin) reduce(ref uint64, by market.Size) {
	i := slices.IndexFunc(w.orders, func(o Order) bool { return o.Ref == ref })
	w.orders[i].Size -= by
	if w.orders[i].Size == 0 {
		w.orders = slices.Delete(w.orders, i, i+1)
	}
}

// priority of an engine, like the twin's.
func (e *engine) priority(side market.Side) []Order {
	var orders []Order
	for _, q := range *e.side(side) {
		for _, o := range q.orders {
			orders = append(orders, *o)
		}
	}
	return orders
}

func TestEngineAgreesWithTwin(t *testing.T) {
	sides := []market.Side{market.Bid, market.Ask}
	rapid.Check(t, func(t *rapid.T) {
		e, w := newEngine(), &twin{}
		var ref uint64
		var added, executed, cancelled, replacedAway market.Size
		rest := func(o Order) {
			e.rest(o)
			w.orders = append(w.orders, o)
			added += o.Size
		}
		limitOrder := func(t *rapid.T) {
			ref++
			o := Order{
				Ref:   ref,
				Side:  rapid.SampledFrom(sides).Draw(t, "side"),
				Price: market.Price(rapid.IntRange(1, 12).Draw(t, "price")),
				Size:  market.Size(rapid.IntRange(1, 9).Draw(t, "size")),
			}
			got := e.take(o.Side, o.Price, o.Size)
			if want := w.take(o.Side, o.Price, o.Size); !slices.Equal(got, want) {
				t.Fatalf("%+v took %+v, want %+v", o, got, want)
			}
			for _, f := range got {
				o.Size -= f.given
				executed += f.given
			}
			if o.Size > 0 {
				rest(o)
			}
		}
		pick := func(t *rapid.T) Order {
			if len(w.orders) == 0 {
				t.Skip("no orders")
			}
			return rapid.SampledFrom(w.orders).Draw(t, "order")
		}
		t.Repeat(map[string]func(*rapid.T){
			"limit order": limitOrder,
			"another":     limitOrder, // twice as likely as the others
			"reduce": func(t *rapid.T) {
				o := pick(t)
				by := market.Size(rapid.Uint64Range(1, uint64(o.Size)).Draw(t, "by"))
				e.reduce(o.Ref, by)
				w.reduce(o.Ref, by)
				cancelled += by
			},
			"replace": func(t *rapid.T) {
				o := pick(t)
				ref++
				next := Order{Ref: ref, Side: o.Side, Price: o.Price, Size: market.Size(rapid.IntRange(1, 9).Draw(t, "size"))}
				e.replace(o.Ref, next)
				w.reduce(o.Ref, o.Size)
				w.orders = append(w.orders, next)
				replacedAway += o.Size
				added += next.Size
			},
			"": func(t *rapid.T) {
				bid, hasBid := e.best(market.Bid)
				ask, hasAsk := e.best(market.Ask)
				if hasBid && hasAsk && bid >= ask {
					t.Fatalf("crossed: %d bid, %d ask", bid, ask)
				}
				var live market.Size
				for _, side := range sides {
					got, want := e.priority(side), w.priority(side)
					if !slices.Equal(got, want) {
						t.Fatalf("side %v: orders %+v, want %+v", side, got, want)
					}
					for _, o := range got {
						live += o.Size
					}
				}
				if len(e.orders) != len(w.orders) {
					t.Fatalf("%d orders known, want %d", len(e.orders), len(w.orders))
				}
				if added != executed+cancelled+replacedAway+live {
					t.Fatalf("%d added, but %d executed, %d cancelled, %d replaced, %d live", added, executed, cancelled, replacedAway, live)
				}
			},
		})
	})
}

func TestEngineRefusesNonsense(t *testing.T) {
	bid := Order{Ref: 1, Side: market.Bid, Price: 100, Size: 10}
	for name, do := range map[string]func(e *engine){
		"a known reference":    func(e *engine) { e.rest(bid) },
		"no size":              func(e *engine) { e.rest(Order{Ref: 2, Side: market.Bid, Price: 100}) },
		"no price":             func(e *engine) { e.rest(Order{Ref: 2, Side: market.Bid, Size: 1}) },
		"a crossing order":     func(e *engine) { e.rest(Order{Ref: 2, Side: market.Ask, Price: 99, Size: 1}) },
		"a locking order":      func(e *engine) { e.rest(Order{Ref: 2, Side: market.Ask, Price: 100, Size: 1}) },
		"an unknown reduction": func(e *engine) { e.reduce(2, 1) },
		"a large reduction":    func(e *engine) { e.reduce(1, 11) },
		"an empty reduction":   func(e *engine) { e.reduce(1, 0) },
		"an unknown replace":   func(e *engine) { e.replace(2, Order{Ref: 3, Side: market.Bid, Price: 1, Size: 1}) },
		"a change of side":     func(e *engine) { e.replace(1, Order{Ref: 3, Side: market.Ask, Price: 1, Size: 1}) },
	} {
		t.Run(name, func(t *testing.T) {
			e := newEngine()
			e.rest(bid)
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			do(e)
		})
	}
}

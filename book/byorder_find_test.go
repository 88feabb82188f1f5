package book_test

import (
	"testing"

	"pgregory.net/rapid"

	"tidegate/book"
	"tidegate/book/booktest"
	"tidegate/market"
)

// Find knows every live order and no other, as the twin does, and what it says is enough to apply an
// update that names the order alone.
func TestFindAgreesWithItsTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ids := []market.InstrumentID{1, 2, 1 << 30}
		fast, plain := book.NewByOrder(book.ByOrderConfig{}), booktest.NewByOrder()
		for range rapid.IntRange(1, 200).Draw(t, "operations") {
			u := update(rapid.SampledFrom(allActions).Draw(t, "action"), rapid.SampledFrom(ids).Draw(t, "instrument"),
				uint64(rapid.IntRange(0, 20).Draw(t, "order")), rapid.SampledFrom(allSides).Draw(t, "side"),
				market.Size(rapid.IntRange(0, 5).Draw(t, "size")), market.Price(rapid.IntRange(-9, 9).Draw(t, "price"))*cent)
			u.PrevOrderID = uint64(rapid.IntRange(0, 20).Draw(t, "previous"))
			if _, instrument, ok := fast.Find(u.OrderID); ok && u.Action == market.Delete {
				u.Instrument = instrument
				if r := fast.Apply(&u); r.Verdict != market.Applied {
					t.Fatalf("%s of an order that was found: %v", describe(&u), r.Verdict)
				}
				plain.Apply(&u)
			} else {
				again := u
				fast.Apply(&u)
				plain.Apply(&again)
			}
			for id := range uint64(22) {
				o, instrument, ok := fast.Find(id)
				wantOrder, wantInstrument, want := plain.Find(id)
				if o != wantOrder || instrument != wantInstrument || ok != want {
					t.Fatalf("after %s: Find(%d) = %+v, %d, %t, want %+v, %d, %t",
						describe(&u), id, o, instrument, ok, wantOrder, wantInstrument, want)
				}
			}
		}
	})
}

func TestFindDoesNotAllocate(t *testing.T) {
	b := book.NewByOrder(book.ByOrderConfig{})
	u := update(market.Add, 1, 7, market.Ask, 5, cent)
	b.Apply(&u)
	if n := testing.AllocsPerRun(100, func() {
		if o, _, ok := b.Find(7); !ok || o.Side != market.Ask {
			t.Fatalf("%+v, %t", o, ok)
		}
	}); n != 0 {
		t.Errorf("Find allocates %.1f times, want 0", n)
	}
}

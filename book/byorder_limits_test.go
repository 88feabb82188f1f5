package book_test

import (
	"slices"
	"testing"

	"tidegate/book"
	"tidegate/book/booktest"
	"tidegate/market"
)

// TestManyOrders adds and deletes orders with ids in several patterns and looks for every one.
func TestManyOrders(t *testing.T) {
	const orders = 60_000
	for name, id := range map[string]func(i uint64) uint64{
		"in sequence":    func(i uint64) uint64 { return i },
		"in steps":       func(i uint64) uint64 { return i << 12 },
		"in large steps": func(i uint64) uint64 { return i << 40 },
		"mixed up":       func(i uint64) uint64 { return i * 0xD1342543DE82EF95 },
	} {
		b := book.NewByOrder(book.ByOrderConfig{})
		for round := range 2 {
			want := func(action market.Action, i uint64, verdict market.Verdict) {
				t.Helper()
				u := update(action, 1, id(i), market.Bid, 1, market.Price(1+i%500)*cent)
				if r := b.Apply(&u); r.Verdict != verdict {
					t.Fatalf("ids %s, round %d: %s of order %d: verdict %v, want %v", name, round, action, i, r.Verdict, verdict)
				}
			}
			for i := range uint64(orders) {
				want(market.Add, i, market.Applied)
			}
			for i := range uint64(orders) {
				want(market.Add, i, market.DuplicateOrder)
				if i%3 == 0 {
					want(market.Delete, i, market.Applied)
				}
			}
			for i := range uint64(orders) {
				if i%3 == 0 {
					want(market.Delete, i, market.UnknownOrder)
				} else {
					want(market.Execute, i, market.Applied)
				}
			}
			if b.Len() != 0 || b.BBO(1) != book.EmptyBBO {
				t.Errorf("ids %s, round %d: %d orders remain", name, round, b.Len())
			}
			b.Reset()
		}
	}
}

func TestByOrderLimits(t *testing.T) {
	b := book.NewByOrder(book.ByOrderConfig{OrdersMax: 2, InstrumentsMax: 2})
	for _, step := range []struct {
		u    market.Update
		want market.Verdict
	}{
		{update(market.Add, 1, 1, market.Bid, book.OrderSizeMax, cent), market.Applied},
		{update(market.Add, 1, 2, market.Bid, book.OrderSizeMax+1, cent), market.BookFull},
		{update(market.Modify, 1, 1, market.Bid, book.OrderSizeMax+1, cent), market.BookFull},
		{update(market.Add, 70_000, 2, market.Ask, 1, cent), market.Applied},
		{update(market.Add, 1, 3, market.Bid, 1, cent), market.BookFull},
		{update(market.Add, 3, 3, market.Bid, 1, cent), market.BookFull},
		{update(market.Delete, 70_000, 1, market.Bid, 0, cent), market.WrongBook},
		{update(market.Delete, 3, 1, market.Bid, 0, cent), market.WrongBook},
		{update(market.Delete, 1, 1, market.NoSide, 0, market.UndefPrice), market.Applied},
		{update(market.Add, 70_000, 3, market.Bid, 1, cent), market.Applied},
	} {
		if r := b.Apply(&step.u); r.Verdict != step.want {
			t.Errorf("%s: verdict %v, want %v", describe(&step.u), r.Verdict, step.want)
		}
	}
	if v := b.Define(market.Instrument{ID: 5}); v != market.BookFull {
		t.Errorf("third instrument: verdict %v, want %v", v, market.BookFull)
	}
	if !b.BBO(70_000).Locked() {
		t.Errorf("best bid and offer %+v, want a locked book", b.BBO(70_000))
	}
}

func TestByOrderConfig(t *testing.T) {
	for _, c := range []book.ByOrderConfig{
		{OrdersMax: -1},
		{OrdersMax: 1 << 24},
		{InstrumentsMax: -1},
		{InstrumentsMax: 1<<20 + 1},
		{OrdersMax: 5, OrdersExpected: 6},
		{InstrumentsExpected: 1 << 17},
		{TickSize: -1},
		{TickSize: 1<<48 + 1},
	} {
		if c.Validate() == nil {
			t.Errorf("%+v is valid", c)
		}
	}
	if err := (book.ByOrderConfig{}).Validate(); err != nil {
		t.Errorf("zero configuration: %v", err)
	}
}

func TestByOrderDoesNotAllocate(t *testing.T) {
	b := book.NewByOrder(book.ByOrderConfig{OrdersExpected: 1000, InstrumentsExpected: 4})
	b.Define(market.Instrument{ID: 1, TickSize: cent})
	batch := make([]market.Update, 32)
	levels := make([]book.Level, 0, 10)
	next := uint64(1)
	round := func() {
		for i := range batch {
			u := &batch[i]
			*u = update(market.Add, 1, next, market.Bid, 5, market.Price(1000+next*7%90)*cent)
			switch i % 4 {
			case 1:
				u.Action, u.PrevOrderID = market.Replace, next-1
			case 2:
				u.Action, u.OrderID, u.Size = market.Execute, next-1, 2
			case 3:
				u.Action, u.OrderID = market.Delete, next-2
			}
			next++
		}
		b.Prefetch(batch)
		for i := range batch {
			b.Apply(&batch[i])
		}
		levels = b.Levels(1, market.Bid, levels[:0])
		_, _ = b.BBO(1), b.Hash(1)
		b.ClearInstrument(1)
	}
	if n := testing.AllocsPerRun(1000, round); n != 0 {
		t.Errorf("%.1f allocations per batch, want 0", n)
	}
}

// TestQueuePlaces checks who is behind whom after each way to change an order.
func TestQueuePlaces(t *testing.T) {
	for _, c := range []struct {
		name string
		u    market.Update
		want []uint64
	}{
		{"modify to the same", update(market.Modify, 1, 1, market.Bid, 5, cent), []uint64{1, 2, 3}},
		{"modify to less", update(market.Modify, 1, 1, market.Bid, 4, cent), []uint64{1, 2, 3}},
		{"modify to more", update(market.Modify, 1, 1, market.Bid, 6, cent), []uint64{2, 3, 1}},
		{"modify to another price", update(market.Modify, 1, 2, market.Bid, 5, 2*cent), []uint64{2, 1, 3}},
		{"cancel a part", update(market.Cancel, 1, 1, market.NoSide, 1, market.UndefPrice), []uint64{1, 2, 3}},
		{"execute a part", update(market.Execute, 1, 1, market.NoSide, 1, market.UndefPrice), []uint64{1, 2, 3}},
		{"replace by the same", replaced(1, 4, 5, cent), []uint64{2, 3, 4}},
		{"replace under the same id", replaced(1, 1, 5, cent), []uint64{2, 3, 1}},
	} {
		fast, plain := book.NewByOrder(smallConfig), booktest.NewByOrder()
		for id := uint64(1); id <= 3; id++ {
			u := update(market.Add, 1, id, market.Bid, 5, cent)
			fast.Apply(&u)
			plain.Apply(&u)
		}
		u, v := c.u, c.u
		if r := fast.Apply(&u); r.Verdict != market.Applied {
			t.Errorf("%s: verdict %v", c.name, r.Verdict)
		}
		plain.Apply(&v)
		var got, twin []uint64
		for o := range fast.Orders(1, market.Bid) {
			got = append(got, o.ID)
		}
		for _, o := range plain.Orders(1, market.Bid) {
			twin = append(twin, o.ID)
		}
		if !slices.Equal(got, c.want) || !slices.Equal(twin, c.want) {
			t.Errorf("%s: queue %v, in the twin %v, want %v", c.name, got, twin, c.want)
		}
	}
}

func replaced(from, to uint64, size market.Size, price market.Price) market.Update {
	u := update(market.Replace, 1, to, market.NoSide, size, price)
	u.PrevOrderID = from
	return u
}

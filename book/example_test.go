package book_test

import (
	"fmt"

	"tidegate/book"
	"tidegate/market"
)

// A venue that publishes orders: two orders share the best bid, and one of them is executed.
func ExampleByOrder() {
	const id = 7
	books := book.NewByOrder(book.ByOrderConfig{})
	books.Define(market.Instrument{ID: id, TickSize: market.PriceScale / 100})

	add := market.Event{Instrument: id, Action: market.Add, Side: market.Bid, Price: 10 * market.PriceScale}
	first, second := add, add
	first.OrderID, first.Size = 1, 100
	second.OrderID, second.Size = 2, 250
	execute := market.Event{
		Instrument: id, Action: market.Execute, OrderID: 1, Size: 60, Price: market.UndefPrice,
	}
	for _, e := range []market.Event{first, second, execute} {
		u := market.Update{Event: e}
		r := books.Apply(&u)
		bid := books.BBO(id).Bid
		fmt.Printf("%v %v: bid %d x %v in %d orders\n", u.Action, r.Verdict, bid.Size, bid.Price, bid.Orders)
	}
	for o := range books.Orders(id, market.Bid) {
		fmt.Printf("order %d: %d\n", o.ID, o.Size)
	}
	// Output:
	// A applied: bid 100 x 10.00 in 1 orders
	// A applied: bid 350 x 10.00 in 2 orders
	// E applied: bid 290 x 10.00 in 2 orders
	// order 1: 40
	// order 2: 250
}

// A venue that publishes levels: one event takes the best ask and makes a new best bid. The book is
// looked at when the event is complete.
func ExampleByPrice() {
	const id = 1
	books := book.NewByPrice(book.ByPriceConfig{})
	level := func(side market.Side, price market.Price, size market.Size, flags market.Flags) {
		u := market.Update{Event: market.Event{
			Instrument: id, Action: market.Level, Side: side, Price: price, Size: size, Flags: flags,
		}}
		r := books.Apply(&u)
		if u.Flags&market.FlagLast == 0 {
			fmt.Printf("%v, under way\n", r.Verdict)
			return
		}
		bbo := books.BBO(id)
		fmt.Printf("%v, bid %v, ask %v\n", r.Verdict, bbo.Bid.Price, bbo.Ask.Price)
	}
	level(market.Bid, 10.00*market.PriceScale, 300, market.FlagLast)
	level(market.Ask, 10.50*market.PriceScale, 200, market.FlagLast)
	level(market.Ask, 10.75*market.PriceScale, 100, market.FlagLast)
	level(market.Ask, 10.50*market.PriceScale, 0, 0)
	level(market.Bid, 10.50*market.PriceScale, 400, market.FlagLast)
	// Output:
	// applied, bid 10.00, ask -
	// applied, bid 10.00, ask 10.50
	// applied, bid 10.00, ask 10.50
	// applied, under way
	// applied, bid 10.50, ask 10.75
}

// Three publishers quote one instrument. Two tie; when the leader turns out to be stale, it leaves.
func ExampleConsolidated() {
	const instrument = 0
	c := book.NewConsolidated(book.ConsolidatedConfig{InstrumentsMax: 1})
	bid := func(price market.Price, size market.Size) book.BBO {
		bbo := book.EmptyBBO
		bbo.Bid = book.Level{Price: price * market.PriceScale, Size: size}
		return bbo
	}
	show := func(now market.Nanos) {
		b := c.Best(instrument).Bid
		fmt.Printf("%d x %v from publisher %d, %d old; %d at this price, %d in all\n",
			b.Size, b.Price, b.Publisher, now-b.TsRecv, b.Ties, b.Total)
	}
	c.Update(instrument, market.NasdaqITCH.ID, bid(20, 300), 1000)
	c.Update(instrument, market.NasdaqBX.ID, bid(20, 100), 1050)
	c.Update(instrument, market.IEXTops.ID, bid(19, 500), 1100)
	show(1100)
	for _, i := range c.Exclude(market.NasdaqITCH.ID, nil) {
		fmt.Printf("instrument %d changed\n", i)
	}
	show(1200)
	// Output:
	// 300 x 20.00 from publisher 2, 100 old; 2 at this price, 400 in all
	// instrument 0 changed
	// 100 x 20.00 from publisher 3, 150 old; 1 at this price, 100 in all
}

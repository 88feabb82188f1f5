package derive_test

import (
	"testing"

	"tidegate/book"
	"tidegate/codec/dbn"
	"tidegate/gateway/derive"
	"tidegate/market"
)

// Once a deriver knows its instruments, events, facts and time cost no allocation in any schema.
func TestDeriversDoNotAllocate(t *testing.T) {
	books := book.NewByOrder(book.ByOrderConfig{OrdersMax: 1000, InstrumentsMax: 100, OrdersExpected: 100})
	price := func(cents int) market.Price { return market.Price(cents) * (market.PriceScale / 100) }
	facts := market.Facts{
		Statuses: make([]market.Status, 2), Definitions: make([]market.Definition, 2),
		Statistics: make([]market.Statistic, 2), Imbalances: make([]market.Imbalance, 2),
	}
	for _, s := range derive.Schemas() {
		d := newDeriver(t, s)
		now := midnight
		out := make([]byte, 0, 1<<20)
		var records int
		events := make([]market.Event, 4)
		round := func() {
			out = out[:0]
			for _, id := range []market.InstrumentID{1, 2, 70001} {
				copy(events, []market.Event{
					{Action: market.Add, Side: market.Bid, Price: price(1000), OrderID: 1},
					{Action: market.Trade, Side: market.Ask, Price: price(1000)},
					{Action: market.Fill, Side: market.Bid, Price: price(1000), OrderID: 1},
					{Action: market.Cancel, Side: market.Bid, Price: price(1000), OrderID: 1, Flags: market.FlagLast},
				})
				events[0].Flags |= market.FlagLast
				for i := range events {
					e := &events[i]
					e.Instrument, e.Size, e.TsRecv, e.TsEvent = id, 5, now, now
					u := market.Update{Event: *e}
					books.Apply(&u)
					out = d.OnEvents(out, events[i:i+1], books)
				}
			}
			out = d.OnFacts(out, &facts)
			now += market.Day
			out = d.OnTime(out, now)
		}
		round()
		if n := testing.AllocsPerRun(100, round); n != 0 {
			t.Errorf("schema %s: %.1f allocations per round, want 0", s, n)
		}
		eachRecord(t, out, func(dbn.Record) { records++ })
		if records == 0 {
			t.Errorf("schema %s: no records, so nothing was measured", s)
		}
	}
}

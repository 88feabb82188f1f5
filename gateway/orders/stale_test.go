package orders_test

import (
	"testing"

	"tidegate/book/match"
	"tidegate/book/match/matchtest"
	"tidegate/gateway/orders"
	"tidegate/market"
)

// The only fresh provider stalls for 60 ms, again and again, while orders of every kind that needs a reference
// come, wait and are canceled: pegs, stop orders on quotes, everything under a collar. Nothing of that
// trades on a reference older than 50 ms, or on one that is marked stale; and something trades when it is
// fresh again.
func TestStaleReferenceTradesNothing(t *testing.T) {
	const ageMax = 50 * market.Millisecond
	executed, stalls, afterwards := 0, 0, 0
	for seed := range uint64(100) {
		dice := matchtest.Seeded(seed)
		policy := match.RefuseStale
		if seed%2 == 0 {
			policy = match.HoldStale
		}
		core := orders.NewCore(orders.CoreConfig{Engine: match.Config{OrdersMax: 4096, InstrumentsMax: 2}, Engines: 1, IDsMax: 64})
		var reports []orders.Report
		index := uint64(0)
		now := market.Nanos(market.Second)
		apply := func(e orders.Entry) {
			index++
			e.Index, e.Settled, e.Time = index, index, now
			reports = core.Apply(&e, reports[:0])
		}
		collared := orders.Instrument{
			Instrument: match.Instrument{ID: 1, TickSize: 100_000, LotSize: 1, Collar: 100, ReferenceAgeMax: ageMax, WhenStale: policy},
			Symbol:     "COLLAR", Base: 2, Quote: 1,
		}
		free := collared
		free.ID, free.Symbol, free.Collar = 2, "FREE", 0
		for _, in := range []orders.Instrument{collared, free} {
			apply(orders.Entry{Kind: orders.EntryInstrument, Setting: &orders.Setting{Instrument: &in}})
			apply(orders.Entry{Kind: orders.EntryMarket, Input: match.Input{Kind: match.SetState, Instrument: in.ID, State: match.Open}})
		}
		for n := range 5 {
			apply(orders.Entry{Kind: orders.EntryAccount, Setting: &orders.Setting{Account: &orders.Account{ID: orders.AccountID(n + 1), Unchecked: true}}})
		}
		apply(orders.Entry{Kind: orders.EntrySession, Setting: &orders.Setting{Session: &orders.SessionConfig{ID: 1, Name: "S"}}})

		var fresh [3]bool
		var at [3]market.Nanos
		var stalled market.Nanos    // until when
		needs := map[uint64]bool{}  // orders that need a reference wherever they are
		live := []uint64{}          // as far as it is known
		justBack := market.Nanos(0) // when the last stall ended
		for ticket := orders.Ticket(1); ticket < 600; ticket++ {
			now += market.Nanos(dice(uint64(2 * market.Millisecond)))
			if stalled <= now && dice(60) == 0 {
				stalled = now + 60*market.Millisecond
				justBack = stalled
				stalls++
				if dice(2) == 0 { // the gateway says so, before age does
					for id := range 2 {
						apply(orders.Entry{Kind: orders.EntryMarket, Input: match.ReferenceInput(now, market.InstrumentID(id+1), 99_900_000, 100_100_000, false, now)})
						fresh[id+1] = false
					}
				}
			}
			if now >= stalled && dice(3) == 0 {
				id := 1 + dice(2)
				bid := market.Price(99_000_000 + 100_000*market.Price(dice(20)))
				apply(orders.Entry{Kind: orders.EntryMarket, Input: match.ReferenceInput(now, market.InstrumentID(id), bid, bid+100_000*market.Price(1+dice(3)), true, now)})
				fresh[id], at[id] = true, now
			} else {
				e := orders.Entry{Kind: orders.EntryRequest, Session: 1, Ticket: ticket}
				o := match.Input{
					Instrument: market.InstrumentID(1 + dice(2)), Account: 1 + uint32(dice(5)), Session: 1,
					Side: []market.Side{market.Bid, market.Ask}[dice(2)], Size: market.Size(1 + dice(9)),
					Price: market.Price(99_000_000 + 100_000*market.Price(dice(24))),
				}
				kind := dice(10)
				switch {
				case kind < 3:
					o.Peg = match.Peg(1 + dice(3))
				case kind < 6:
					o.Trigger, o.Stop = match.TriggerQuote, o.Price
				case kind < 7 && o.Instrument == 1:
					o.Type, o.Price = match.Market, 0
				case kind < 8 && len(live) > 0:
					e.Request = orders.Request{Kind: orders.Cancel, Order: match.Input{OrderID: live[dice(uint64(len(live)))], Account: o.Account}}
				}
				if e.Request.Kind == 0 {
					e.Request = orders.Request{Kind: orders.New, Order: o}
					needs[index+1] = o.Peg != match.NoPeg || o.Instrument == 1
					live = append(live, index+1)
				}
				apply(e)
			}
			for i := range reports {
				ev := &reports[i].Event
				if ev.Kind == match.Restated && ev.Reason == match.ReasonTriggered && (!fresh[ev.Instrument] || now-at[ev.Instrument] >= ageMax) {
					t.Fatalf("seed %d: a stop order is triggered by a reference of %d ms ago: %+v", seed, (now-at[ev.Instrument])/market.Millisecond, ev)
				}
				if ev.Kind != match.Executed {
					continue
				}
				executed++
				if justBack != 0 && now >= justBack {
					afterwards++
					justBack = 0
				}
				if needs[ev.OrderID] && (!fresh[ev.Instrument] || now-at[ev.Instrument] >= ageMax) {
					t.Fatalf("seed %d: order %d trades on a reference of %d ms ago: %+v", seed, ev.OrderID, (now-at[ev.Instrument])/market.Millisecond, ev)
				}
			}
		}
	}
	if executed < 1000 || stalls < 300 || afterwards < 100 {
		t.Errorf("%d executions, %d stalls, %d trades after one: the test tests nothing", executed, stalls, afterwards)
	}
	t.Logf("%d executions, %d stalls, %d trades after one", executed, stalls, afterwards)
}

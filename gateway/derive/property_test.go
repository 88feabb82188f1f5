package derive_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tidegate/book"
	"tidegate/codec/dbn"
	"tidegate/gateway/derive"
	"tidegate/market"
)

// symbolOf names instruments: the publishers agree on ONE and TWO, though not on the id of ONE. What
// else they have under an id that both use is not the same.
func symbolOf(p market.PublisherID, id market.InstrumentID) string {
	switch {
	case id == 1 && p == 2, id == 70001 && p == 3:
		return "ONE"
	case id == 2:
		return "TWO"
	default:
		return ""
	}
}

// twinSymbol is symbolOf with instruments without a symbol told apart.
func twinSymbol(p market.PublisherID, id market.InstrumentID) string {
	if s := symbolOf(p, id); s != "" {
		return s
	}
	return fmt.Sprint(p, id)
}

// TestDeriversAgreeWithTwin drives the derivers of every schema with random events of two
// publishers, and compares their records with those that the twin makes of the whole history.
func TestDeriversAgreeWithTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		prices := rapid.IntRange(2, 25).Draw(t, "prices") // more than the levels of mbp-10, or few
		var w twin
		var out [20][]byte
		schemas := bookSchemas()
		books := map[market.PublisherID]*book.ByOrder{}
		derivers := map[market.PublisherID][]derive.Deriver{}
		markets := make([]*derive.Market, len(schemas))
		for _, p := range []market.PublisherID{2, 3} {
			books[p] = book.NewByOrder(book.ByOrderConfig{OrdersMax: 1000, InstrumentsMax: 100})
			for i, s := range schemas {
				if markets[i] == nil {
					markets[i] = derive.NewSmallMarket()
				}
				d, err := derive.New(s, markets[i].View(func(id market.InstrumentID) string { return symbolOf(p, id) }))
				if err != nil {
					t.Fatal(err)
				}
				derivers[p] = append(derivers[p], d)
			}
		}
		now, seq := midnight, uint64(0)
		for group := range rapid.IntRange(1, 40).Draw(t, "updates") {
			p := rapid.SampledFrom([]market.PublisherID{2, 3}).Draw(t, "publisher")
			now += rapid.SampledFrom([]market.Nanos{
				0, 1, 400 * market.Millisecond, market.Second, 30 * market.Second, market.Hour, -market.Second,
			}).Draw(t, "later")
			if rapid.IntRange(0, 9).Draw(t, "clock") == 0 {
				w.history = append(w.history, fact{Event: market.Event{TsRecv: now, Publisher: p}, clock: true, group: group})
				for i, d := range derivers[p] {
					out[i] = d.OnTime(out[i], now)
				}
				continue
			}
			id := rapid.SampledFrom([]market.InstrumentID{1, 2, 3, 70001}).Draw(t, "instrument")
			var events []market.Event
			for range rapid.IntRange(1, 3).Draw(t, "events") {
				e := drawEvent(t, prices)
				e.Instrument, e.Publisher, e.TsRecv = id, p, now
				e.OrderID |= uint64(id) << 32
				u := market.Update{Event: e}
				if v := books[p].Apply(&u).Verdict; v.Fault() && v != market.Oversize {
					continue // such an event is not published
				}
				seq++
				e.Seq, e.TsEvent, e.TsInDelta = seq, now-market.Nanos(seq), int32(seq)
				events = append(events, e)
			}
			if len(events) == 0 {
				continue
			}
			if rapid.IntRange(0, 3).Draw(t, "more") > 0 {
				events[len(events)-1].Flags |= market.FlagLast
			}
			for _, e := range events {
				w.history = append(w.history, fact{Event: e, group: group})
			}
			for i, d := range derivers[p] {
				out[i] = d.OnEvents(out[i], events, books[p])
			}
		}
		end := now + 3*market.Day
		w.history = append(w.history, fact{Event: market.Event{TsRecv: end}, clock: true})
		for i := range schemas {
			for _, p := range []market.PublisherID{2, 3} {
				out[i] = derivers[p][i].OnTime(out[i], end)
			}
		}
		for i, s := range schemas {
			wantSame(t, &w, s, out[i])
		}
	})
}

// wantSame compares a stream with the twin's. Publishers that share no market have intervals of
// their own, so their streams are compared one by one.
func wantSame(t *rapid.T, w *twin, s dbn.Schema, out []byte) {
	compare := func(got []string, want []byte) {
		text := printRecords(t, want)
		if g, w := strings.Join(got, "\n"), strings.Join(text, "\n"); g != w {
			t.Fatalf("%s: %s", s, firstDifference(g, w))
		}
	}
	switch s {
	case dbn.SchemaCMBP1, dbn.SchemaTCBBO, dbn.SchemaCBBO1s, dbn.SchemaCBBO1m:
		compare(printRecords(t, out), w.records(s, twinSymbol))
		return
	}
	for _, p := range []market.PublisherID{2, 3} {
		var got []string
		for _, line := range printRecords(t, out) {
			if strings.HasPrefix(strings.Fields(line)[1], fmt.Sprintf("%d:", p)) {
				got = append(got, line)
			}
		}
		own := w.of(p)
		compare(got, own.records(s, twinSymbol))
	}
}

// drawEvent draws what an event does, but for where and when.
func drawEvent(t *rapid.T, prices int) market.Event {
	e := market.Event{
		Action: market.Action(rapid.SampledFrom([]byte("AAAAAACCMMTTFNR")).Draw(t, "action")),
		Side:   rapid.SampledFrom([]market.Side{market.Bid, market.Ask}).Draw(t, "side"),
		Size:   market.Size(rapid.IntRange(1, 3).Draw(t, "size")),
	}
	e.Price = market.Price(1000+rapid.IntRange(0, prices).Draw(t, "price")) * (market.PriceScale / 100)
	e.OrderID = uint64(rapid.IntRange(1, 30).Draw(t, "order"))
	switch e.Action {
	case market.Clear, market.None:
		e.OrderID, e.Price, e.Size, e.Side = 0, market.UndefPrice, 0, market.NoSide
	case market.Trade:
		e.OrderID = 0
		if rapid.IntRange(0, 5).Draw(t, "unpriced") == 0 {
			e.Price, e.Side = market.UndefPrice, market.NoSide
		}
	}
	if rapid.IntRange(0, 9).Draw(t, "large") == 0 && e.Size != 0 {
		e.Size += 1 << 33
	}
	return e
}

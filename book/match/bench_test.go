package match_test

import (
	"slices"
	"testing"

	"tidegate/book"
	"tidegate/book/match"
	"tidegate/book/match/matchtest"
	"tidegate/market"
)

// A flow is inputs as a liquid instrument has them: of a hundred, about 46 new orders, 42 cancels, 8
// replaces and 4 updates of the reference; 1 order in 12 takes, 1 in 30 shows a part of its size, 1 in 50 is
// a peg. Prices stay around a middle that wanders; some 10,000 orders rest in 8 instruments.
func flow(n int) []match.Input {
	dice := matchtest.Seeded(1)
	const instruments, tick = 8, market.PriceScale / 100
	middle := [instruments]market.Price{}
	var inputs []match.Input
	for i := range middle {
		middle[i] = 100 * market.PriceScale
		id := market.InstrumentID(i + 1)
		inputs = append(inputs,
			match.DefineInput(0, match.Instrument{ID: id, TickSize: tick, LotSize: 1, Collar: 500, WhenStale: match.HoldStale}),
			match.Input{Kind: match.SetState, Instrument: id, State: match.Open},
			match.ReferenceInput(0, id, middle[i]-tick, middle[i]+tick, true, 0))
	}
	const live = 10_000 // about as many ids are kept to choose from
	type mine struct {
		id      uint64
		account uint32
	}
	var ids []mine
	next := uint64(0)
	for len(inputs) < n {
		now := market.Nanos(len(inputs)) * market.Microsecond
		k := dice(instruments)
		in := match.Input{Time: now, Instrument: market.InstrumentID(k + 1)}
		r := dice(100)
		if len(ids) < live && r >= 46 && r < 88 {
			r = 0 // first fill the book
		}
		switch {
		case r < 46:
			next++
			in.Kind, in.OrderID, in.Account, in.Session = match.New, next, 1+uint32(dice(200)), 1+uint32(dice(50))
			in.STP, in.CancelOnDisconnect = match.CancelOldest, dice(2) == 0
			in.Size = market.Size(100 * (1 + dice(5)))
			away := market.Price(1+dice(8)*dice(8)) * tick
			if dice(12) == 0 {
				away = -2 * tick
				in.TIF = match.TimeInForce(dice(2))
			}
			in.Side, in.Price = market.Bid, middle[k]-away
			if dice(2) == 0 {
				in.Side, in.Price = market.Ask, middle[k]+away
			}
			if dice(30) == 0 && in.TIF == match.Day {
				in.Size, in.Display = in.Size*10, 100
			}
			if dice(50) == 0 {
				in.Peg, in.TIF, in.Display = match.PegPrimary, match.Day, 0
			}
			ids = append(ids, mine{next, in.Account})
		case r < 88:
			at := dice(uint64(len(ids)))
			in.Kind, in.OrderID, in.Account = match.Cancel, ids[at].id, ids[at].account
			ids[at] = ids[len(ids)-1]
			ids = ids[:len(ids)-1]
		case r < 96:
			if len(ids) == 0 {
				continue
			}
			o := ids[dice(uint64(len(ids)))]
			in.Kind, in.OrderID, in.Account = match.Replace, o.id, o.account
			in.Size = market.Size(100 * (1 + dice(5)))
		default:
			if dice(8) == 0 {
				middle[k] += market.Price(dice(3))*tick - tick
			}
			in = match.ReferenceInput(now, in.Instrument, middle[k]-tick, middle[k]+tick, true, now)
		}
		inputs = append(inputs, in)
	}
	return inputs
}

var flowConfig = match.Config{OrdersMax: 1 << 16, InstrumentsMax: 8}

// flowHash is that of all events and the state after flow(flowLen), as the first run gave it.
const (
	flowLen  = 400_000
	flowHash = 0xb9581410735a8244
)

func hashEvents(h *book.Hasher, events []match.Event) {
	for i := range events {
		ev := &events[i]
		h.Word(uint64(ev.Kind) | uint64(ev.Reason)<<8 | uint64(ev.Side)<<16)
		h.Word(ev.OrderID)
		h.Word(ev.Ref)
		h.Word(ev.Match)
		h.Word(uint64(ev.Price))
		h.Word(uint64(ev.Open))
	}
}

func TestFlow(t *testing.T) {
	inputs := flow(flowLen)
	e := match.NewEngine(flowConfig)
	var events []match.Event
	var h book.Hasher
	count := map[match.EventKind]int{}
	for i := range inputs {
		events = e.Apply(&inputs[i], events[:0])
		hashEvents(&h, events)
		for _, ev := range events {
			count[ev.Kind]++
		}
	}
	h.Word(e.Hash())
	if err := e.Check(); err != nil {
		t.Error(err)
	}
	if h.Sum() != flowHash {
		t.Errorf("hash %#x, want %#x", h.Sum(), uint64(flowHash))
	}
	t.Logf("%d orders, events %v", e.Len(), count)
}

// The twin agrees about the beginning.
func TestFlowAgainstPlainTwin(t *testing.T) {
	fast, plain := match.NewEngine(flowConfig), matchtest.NewPlain(flowConfig)
	for i, in := range flow(6000) {
		got, want := fast.Apply(&in, nil), plain.Apply(&in, nil)
		if !slices.Equal(got, want) {
			t.Fatalf("input %d, %+v: events\n%swant\n%s", i, in, list(got), list(want))
		}
	}
	if got, want := fast.Hash(), plain.Hash(); got != want {
		t.Errorf("hash %x, want %x", got, want)
	}
}

func BenchmarkApply(b *testing.B) {
	inputs := flow(flowLen)
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		e := match.NewEngine(flowConfig)
		events := make([]match.Event, 0, 1024)
		b.StartTimer()
		for i := range inputs {
			events = e.Apply(&inputs[i], events[:0])
		}
		b.StopTimer()
		if n := e.Len(); n < 5000 {
			b.Fatalf("%d orders", n)
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(inputs)), "ns/input")
}

func TestApplyDoesNotAllocate(t *testing.T) {
	inputs := flow(120_000)
	e := match.NewEngine(flowConfig)
	events := make([]match.Event, 0, 4096)
	at := 0
	run := func(n int) {
		for range n {
			events = e.Apply(&inputs[at], events[:0])
			at++
		}
	}
	run(60_000)
	if n := testing.AllocsPerRun(10, func() { run(5000) }); n != 0 {
		t.Errorf("5,000 inputs allocate %.0f times, want 0", n)
	}
}

func BenchmarkHash(b *testing.B) {
	e := match.NewEngine(flowConfig)
	for _, in := range flow(60_000) {
		e.Apply(&in, nil)
	}
	want := e.Hash()
	for b.Loop() {
		if e.Hash() != want {
			b.Fatal("the hash changed")
		}
	}
}

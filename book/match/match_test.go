package match_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"tidegate/book"
	"tidegate/book/match"
	"tidegate/book/match/matchtest"
	"tidegate/market"
)

var testConfig = match.Config{OrdersMax: 60, InstrumentsMax: 4}

// A trial drives an engine and its twin and compares everything that shows.
type trial struct {
	fast   *match.Engine
	plain  *matchtest.Plain
	ledger *matchtest.Ledger

	events, want []match.Event
	inputs       int
	kinds        map[string]int // events seen, by kind and reason
}

func newTrial(cfg match.Config) *trial {
	return &trial{
		fast: match.NewEngine(cfg), plain: matchtest.NewPlain(cfg), ledger: matchtest.NewLedger(),
		kinds: map[string]int{},
	}
}

func (t *trial) apply(in match.Input) error {
	t.inputs++
	t.fast.Prefetch([]match.Input{in}) // it changes nothing
	t.events = t.fast.Apply(&in, t.events[:0])
	t.want = t.plain.Apply(&in, t.want[:0])
	if !slices.Equal(t.events, t.want) {
		return fmt.Errorf("input %d, %+v: events\n%swant\n%s", t.inputs, in, list(t.events), list(t.want))
	}
	for _, ev := range t.events {
		t.kinds[ev.Kind.String()+" "+ev.Reason.String()]++
	}
	if err := t.ledger.Apply(&in, t.events); err != nil {
		return err
	}
	if err := t.fast.Check(); err != nil {
		return fmt.Errorf("input %d, %+v: %w", t.inputs, in, err)
	}
	words := slices.Collect(t.fast.Words())
	if want := t.plain.Words(); !slices.Equal(words, want) {
		return fmt.Errorf("input %d, %+v: words\n%d\nwant\n%d", t.inputs, in, words, want)
	}
	if t.fast.Len() != t.plain.Len() || t.fast.Len() != t.ledger.Len() {
		return fmt.Errorf("%d orders, the twin has %d, the ledger %d", t.fast.Len(), t.plain.Len(), t.ledger.Len())
	}
	return t.compareBooks()
}

// compareBooks compares what shows with the twin's, and with what events alone say.
func (t *trial) compareBooks() error {
	for _, in := range matchtest.Instruments {
		var bbo [2]book.Level
		for k, side := range []market.Side{market.Bid, market.Ask} {
			want := t.plain.Levels(in.ID, side)
			if got := t.fast.Levels(in.ID, side, make([]book.Level, 0, 100)); !slices.Equal(got, want) {
				return fmt.Errorf("levels of %d %v: %v, want %v", in.ID, side, got, want)
			}
			if got := t.ledger.Books.Levels(in.ID, side, make([]book.Level, 0, 100)); !slices.Equal(got, want) {
				return fmt.Errorf("levels of %d %v by events: %v, want %v", in.ID, side, got, want)
			}
			bbo[k] = book.EmptyBBO.Bid
			if len(want) > 0 {
				bbo[k] = want[0]
			}
		}
		got := t.fast.BBO(in.ID)
		if want := (book.BBO{Bid: bbo[0], Ask: bbo[1]}); got != want {
			return fmt.Errorf("best of %d: %v, want %v", in.ID, got, want)
		}
		if t.fast.State(in.ID) == match.Open && (got.Crossed() || got.Locked()) {
			return fmt.Errorf("instrument %d is open and crossed: %v", in.ID, got)
		}
	}
	return nil
}

func list(events []match.Event) (s string) {
	for _, ev := range events {
		s += fmt.Sprintf("  %v %v %+v\n", ev.Kind, ev.Reason, ev)
	}
	return s
}

func TestAgainstPlainTwin(t *testing.T) {
	seen := map[string]int{}
	for seed := range uint64(150) {
		trial := newTrial(testConfig)
		g := matchtest.NewGenerator(matchtest.Seeded(seed))
		for range 400 {
			if err := trial.apply(g.Next()); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
		for k, n := range trial.kinds {
			seen[k] += n
		}
	}
	// What the generator never does is not tested.
	for _, want := range []string{
		"executed none", "canceled self-trade", "canceled expired", "canceled not-fillable", "canceled below-minimum",
		"canceled collar", "canceled would-take", "canceled not-in-call", "canceled day-over", "canceled replaced-to-none",
		"rejected would-take", "rejected stale-reference", "rejected collar", "rejected book-full", "rejected time-went-back",
		"replaced kept-place", "replaced lost-place", "restated refill", "restated peg-moved", "restated parked",
		"restated held", "restated released", "restated triggered", "indicated none", "mass-canceled none",
	} {
		if seen[want] == 0 {
			t.Errorf("no event %q", want)
		}
	}
}

func TestAgainstPlainTwinShrinking(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		trial := newTrial(testConfig)
		g := matchtest.NewGenerator(func(n uint64) uint64 { return rapid.Uint64Range(0, n-1).Draw(t, "") })
		for range rapid.IntRange(1, 60).Draw(t, "inputs") {
			if err := trial.apply(g.Next()); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// Any field may hold any value: the engine rejects what makes no sense, agrees with its twin, and never
// panics.
func TestHostileInputs(t *testing.T) {
	extremes := []uint64{
		0, 1, 2, 7, 9_999, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32, 1<<61 - 1, 1 << 61, 1<<61 + 1, 1<<62 + 1,
		1<<63 - 2, 1<<63 - 1, 1 << 63, 1<<63 + 1, 1<<64 - 1,
	}
	for seed := range uint64(150) {
		dice := matchtest.Seeded(seed)
		g := matchtest.NewGenerator(dice)
		trial := newTrial(match.Config{OrdersMax: 12, InstrumentsMax: 3})
		wild := market.Nanos(0) // once time has jumped, it goes on from there
		for range 200 {
			in := g.Next()
			if dice(2) == 0 {
				x := extremes[dice(uint64(len(extremes)))]
				switch dice(16) {
				case 0:
					in.Price = market.Price(x)
				case 1:
					in.Stop = market.Price(x)
				case 2:
					in.Offset = market.Price(x)
				case 3:
					in.Until = market.Nanos(x)
				case 4:
					in.Size = market.Size(x)
				case 5:
					in.Display = market.Size(x)
				case 6:
					in.MinSize = market.Size(x)
				case 7:
					in.OrderID = x
				case 8:
					in.NewID = x
				case 9:
					in.Account, in.Session = uint32(x), uint32(x)
				case 10:
					in = match.ReferenceInput(in.Time, in.Instrument, market.Price(x), market.Price(extremes[dice(18)]), true, in.Time)
				case 11:
					in = match.DefineInput(in.Time, match.Instrument{
						ID: in.Instrument, TickSize: market.Price(x), LotSize: market.Size(extremes[dice(18)]),
						Collar: uint32(dice(11_000)), ReferenceAgeMax: market.Nanos(extremes[dice(18)]),
					})
				case 12:
					in = match.Input{Kind: match.SetState, Instrument: in.Instrument, State: match.State(dice(5))}
				case 13:
					in.Price, in.Size = match.PriceMax, match.SizeMax
				case 14:
					in.Kind, in.Type, in.TIF, in.Trigger = match.Kind(x), match.OrderType(x>>1), match.TimeInForce(x>>2), match.Trigger(x>>3)
				default:
					if dice(20) == 0 && market.Nanos(x) > wild {
						wild = market.Nanos(x) - min(market.Nanos(x), 1000)
					}
				}
			}
			in.Time = max(in.Time, in.Time+wild)
			if err := trial.apply(in); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
	}
}

func TestConfigValidate(t *testing.T) {
	for _, c := range []struct {
		cfg match.Config
		ok  bool
	}{
		{match.Config{}, true},
		{match.Config{OrdersMax: 1, InstrumentsMax: 1}, true},
		{match.Config{OrdersMax: 1 << 24, InstrumentsMax: 1 << 20}, true},
		{match.Config{OrdersMax: 1<<24 + 1}, false},
		{match.Config{OrdersMax: -1}, false},
		{match.Config{InstrumentsMax: 1<<20 + 1}, false},
		{match.Config{InstrumentsMax: -1}, false},
	} {
		if err := c.cfg.Validate(); (err == nil) != c.ok {
			t.Errorf("%+v: %v", c.cfg, err)
		}
	}
}

// Views are values, orders in their place.
func TestViews(t *testing.T) {
	e := match.NewEngine(testConfig)
	for _, in := range []match.Input{
		match.DefineInput(0, match.Instrument{ID: 1, TickSize: 1, LotSize: 1}),
		{Kind: match.SetState, Instrument: 1, State: match.Open},
		{Kind: match.New, Instrument: 1, OrderID: 1, Account: 5, Side: market.Bid, Price: 10, Size: 30, Display: 10},
		{Kind: match.New, Instrument: 1, OrderID: 2, Account: 6, Side: market.Bid, Price: 11, Size: 5, Session: 3},
		{Kind: match.New, Instrument: 1, OrderID: 3, Account: 6, Side: market.Ask, Type: match.Market, Trigger: match.TriggerTrade, Stop: 5, Size: 5},
	} {
		if events := e.Apply(&in, nil); events[0].Kind == match.Rejected {
			t.Fatal(list(events))
		}
	}
	want := []match.Order{
		{ID: 2, Ref: 2, Instrument: 1, Account: 6, Session: 3, Side: market.Bid, Price: 11, Size: 5, Open: 5, Displayed: 5},
		{ID: 1, Ref: 1, Instrument: 1, Account: 5, Side: market.Bid, Price: 10, Size: 30, Open: 30, Displayed: 10},
		{ID: 3, Instrument: 1, Account: 6, Side: market.Ask, Price: market.UndefPrice, Size: 5, Open: 5},
	}
	if got := slices.Collect(e.Orders(1)); !slices.Equal(got, want) {
		t.Errorf("orders %+v, want %+v", got, want)
	}
	if got, ok := e.Order(1); !ok || got != want[1] {
		t.Errorf("order 1: %+v", got)
	}
	if _, ok := e.Order(9); ok || e.State(9) != match.Closed || e.BBO(9) != book.EmptyBBO {
		t.Error("something is known of what is not there")
	}
	for range e.Orders(9) {
		t.Error("orders of an instrument that is not there")
	}
	for range e.Orders(1) {
		break
	}
}

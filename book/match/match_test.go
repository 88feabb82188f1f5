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
	for seed := range uint64(300) {
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
	t.Log(seen)
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

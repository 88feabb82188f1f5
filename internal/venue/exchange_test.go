package venue

import (
	"crypto/sha256"
	"fmt"
	"testing"

	"tidegate/codec/itch50"
	"tidegate/market"
)

// short is a day of a few seconds with a halt: about 6,000 messages.
func short(seed uint64) Config {
	cfg := DefaultConfig(seed)
	cfg.PreOpen, cfg.Trading = market.Second, 3*market.Second
	cfg.Halts = []Halt{{Symbol: "BRVO", At: market.Second, For: market.Second}}
	return cfg
}

func mustNew(t testing.TB, cfg Config) *Exchange {
	t.Helper()
	x, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestStreamRebuildsTheBooks(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			x, r := mustNew(t, short(seed)), newReplay()
			r.strict = true
			for step := 0; ; step++ {
				ts, messages := x.Step()
				if len(messages) == 0 {
					break
				}
				for _, m := range messages {
					if err := r.apply(m); err != nil {
						t.Fatalf("step %d: %c: %v", step, m[0], err)
					}
				}
				if want := x.cfg.Midnight + market.Nanos(r.last); ts != want {
					t.Fatalf("step %d at %d: its messages say %d", step, ts, want)
				}
				if step%500 == 0 {
					if err := r.compare(x); err != nil {
						t.Fatalf("step %d: %v", step, err)
					}
				}
			}
			if err := r.compare(x); err != nil {
				t.Fatal(err)
			}
			if len(r.bulk) != 0 {
				t.Errorf("%d matches were never reported by a cross", len(r.bulk))
			}
			if r.count != x.Messages() {
				t.Errorf("%d messages, the exchange says %d", r.count, x.Messages())
			}
			for kind, n := range r.types {
				if n != x.MessagesOf(kind) {
					t.Errorf("%d messages of type %c, the exchange says %d", n, kind, x.MessagesOf(kind))
				}
			}
			if got := string(r.session); got != "OSQMEC" {
				t.Errorf("system events %s, want OSQMEC", got)
			}
		})
	}
}

// digest hashes a whole day: times and messages.
func digest(t *testing.T, cfg Config) string {
	x, h := mustNew(t, cfg), sha256.New()
	for {
		ts, messages := x.Step()
		if len(messages) == 0 {
			return fmt.Sprintf("%x", h.Sum(nil))
		}
		for _, m := range messages {
			fmt.Fprintf(h, "%d %x\n", ts, m)
		}
	}
}

func TestSeedDecidesEverything(t *testing.T) {
	first := digest(t, short(1))
	if again := digest(t, short(1)); again != first {
		t.Errorf("the same seed gave %s and %s", first, again)
	}
	if other := digest(t, short(2)); other == first {
		t.Error("two seeds gave the same day")
	}
	// The day of a seed is the same on every machine. Who changes what participants do changes it
	// too, and writes the new value here.
	const golden = "3ed3b59cfdf030ba9f94d01190fc6fff836c15012aa58032761004b0d2cfa6eb"
	if first != golden {
		t.Errorf("seed 1 gave %s, want %s", first, golden)
	}
}

func TestDefaultDayIsLikeARealOne(t *testing.T) {
	x := mustNew(t, DefaultConfig(7))
	silences := 0
	var last market.Nanos
	for {
		ts, messages := x.Step()
		if len(messages) == 0 {
			break
		}
		if last > 0 && ts-last > market.Second {
			silences++
		}
		last = ts
	}
	total := x.Messages()
	if total < 200_000 || total > 400_000 {
		t.Errorf("%d messages, want about 300,000", total)
	}
	for _, want := range []struct {
		types     string
		low, high float64 // percent
	}{
		{"AF", 41, 47},
		{"D", 40, 46},
		{"U", 6, 8},
		{"EC", 1.8, 3.2},
		{"X", 1, 2},
		{"P", 0.5, 2},
		{"C", 0.05, 0.5},
		{"F", 1, 4},
	} {
		var n uint64
		for _, kind := range []byte(want.types) {
			n += x.MessagesOf(kind)
		}
		if percent := 100 * float64(n) / float64(total); percent < want.low || percent > want.high {
			t.Errorf("%s: %.2f %% of messages, want %v to %v", want.types, percent, want.low, want.high)
		}
	}
	for kind, want := range map[byte]uint64{'R': 8, 'Y': 8, 'S': 6, 'V': 1, 'Q': 17, 'H': 8 + 8 + 3} {
		if got := x.MessagesOf(kind); got != want {
			t.Errorf("%d messages of type %c, want %d", got, kind, want)
		}
	}
	if x.MessagesOf('I') == 0 {
		t.Error("no cross was announced")
	}
	if silences < 3 {
		t.Errorf("%d silences of more than a second, want a few", silences)
	}
	moved := 0
	for _, in := range x.instruments {
		for _, side := range []market.Side{market.Bid, market.Ask} {
			if n := len(x.Orders(market.InstrumentID(in.locate), side)); n < in.Depth/10 {
				t.Errorf("%s %v: %d orders left, want a book that tends to %d", in.Symbol, side, n, in.Depth)
			}
		}
		if in.fair != in.Reference {
			moved++
		}
	}
	if moved < 6 {
		t.Errorf("%d of 8 prices moved", moved)
	}
	if busiest, quietest := x.Trades(1).Count, x.Trades(8).Count; busiest < 3*quietest {
		t.Errorf("%d trades of the busiest instrument, %d of the quietest: want a difference", busiest, quietest)
	}
}

func TestHaltStopsTradingOfItsSymbolOnly(t *testing.T) {
	cfg := short(3)
	x := mustNew(t, cfg)
	halted := func(ts market.Nanos) bool {
		since := ts - cfg.Midnight - cfg.Open - cfg.Halts[0].At
		return since >= 0 && since < cfg.Halts[0].For
	}
	const locate = 2 // BRVO
	var states string
	executed := 0
	for {
		ts, messages := x.Step()
		if len(messages) == 0 {
			break
		}
		for _, m := range messages {
			var h itch50.TradingAction
			if h.Parse(m) == nil && h.Locate == locate {
				states += string(rune(h.State))
			}
			var e itch50.OrderExecuted
			if e.Parse(m) == nil && halted(ts) {
				if e.Locate == locate {
					t.Fatalf("executed at %d, during the halt", ts)
				}
				executed++
			}
		}
	}
	if states != "QTHQT" {
		t.Errorf("states of the halted symbol %s, want QTHQT", states)
	}
	if executed == 0 {
		t.Error("the halt stopped other symbols too")
	}
}

func TestQueriesOfUnknownInstruments(t *testing.T) {
	x := mustNew(t, short(1))
	for _, id := range []market.InstrumentID{0, 9, 1 << 31} {
		if x.Levels(id, market.Bid) != nil || x.Orders(id, market.Ask) != nil || x.Trades(id) != (Tally{}) {
			t.Errorf("instrument %d is known", id)
		}
	}
}

func TestDiceAreFair(t *testing.T) {
	d := newDice(1, streamFlow)
	const n, mean = 200_000, market.Millisecond
	var sum, beyond market.Nanos
	for range n {
		v := d.exponential(mean)
		if v < 0 {
			t.Fatalf("%d ns", v)
		}
		sum += v
		if v > 2*mean {
			beyond++
		}
	}
	if got := sum / n; got < mean*98/100 || got > mean*102/100 {
		t.Errorf("mean %d ns, want %d", got, mean)
	}
	// An exponential distribution has 13.5 % beyond twice its mean.
	if share := beyond * 1000 / n; share < 120 || share > 150 {
		t.Errorf("%d of 1000 beyond twice the mean, want about 135", share)
	}
}

func BenchmarkExchange(b *testing.B) {
	b.ReportAllocs()
	messages := 0
	for b.Loop() {
		x := mustNew(b, short(1))
		for {
			_, m := x.Step()
			if len(m) == 0 {
				break
			}
			messages += len(m)
		}
	}
	b.ReportMetric(float64(messages)/b.Elapsed().Seconds(), "messages/s")
}

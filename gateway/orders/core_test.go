package orders_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"tidegate/book"
	"tidegate/book/match/matchtest"
	"tidegate/codec/itch50"
	"tidegate/gateway/orders"
	"tidegate/gateway/orders/orderstest"
	"tidegate/market"
)

// A trial drives a core and its twin and compares all that they say and keep.
type trial struct {
	core          *orders.Core
	plain         *orderstest.Plain
	reports, want []orders.Report
	seen          map[string]int
	numbers       map[orders.SessionID]uint64
	told          uint64
	books         *book.ByOrder // as the ITCH messages say
}

func newTrial(cfg orders.CoreConfig) *trial {
	return &trial{
		core: orders.NewCore(cfg), plain: orderstest.NewPlain(cfg),
		seen: map[string]int{}, numbers: map[orders.SessionID]uint64{},
		books: book.NewByOrder(book.ByOrderConfig{OrdersExpected: 64, InstrumentsExpected: 8}),
	}
}

func (t *trial) apply(e orders.Entry) error {
	// What is applied is what can be read back.
	t.reports = t.core.Apply(&e, t.reports[:0])
	t.want = t.plain.Apply(&e, t.want[:0])
	if !slices.Equal(t.reports, t.want) {
		return fmt.Errorf("entry %d, %+v: reports\n%swant\n%s", e.Index, e, list(t.reports), list(t.want))
	}
	for i := range t.reports {
		r := &t.reports[i]
		if r.Number != 0 {
			if t.numbers[r.To]++; r.Number != t.numbers[r.To] {
				return fmt.Errorf("report %d of session %d, want %d", r.Number, r.To, t.numbers[r.To])
			}
		}
		switch r.Kind {
		case orders.FromEngine:
			t.seen[r.Event.Kind.String()+" "+r.Event.Reason.String()]++
			if r.Copy {
				t.seen["copy"]++
			}
		case orders.Refused:
			t.seen["refused "+r.Refusal.String()]++
		case orders.Repeated:
			t.seen["repeated"]++
		}
	}
	if err := t.tell(); err != nil {
		return fmt.Errorf("entry %d, %+v: %w", e.Index, e, err)
	}
	if over := t.plain.Check(); len(over) > 0 {
		return fmt.Errorf("entry %d, %+v: accounts %v are overdrawn", e.Index, e, over)
	}
	if !t.core.Settled() {
		return nil
	}
	if words, want := slices.Collect(t.core.Words()), t.plain.Words(); !slices.Equal(words, want) {
		return fmt.Errorf("entry %d, %+v: words\n%d\nwant\n%d", e.Index, e, words, want)
	}
	return nil
}

// tell gives the messages of the reports to a book, and compares it with the engine's.
func (t *trial) tell() error {
	d := itch50.Decoder{Publisher: market.Simulated.ID}
	for i := range t.reports {
		r := &t.reports[i]
		at := slices.IndexFunc(orderstest.Instruments, func(in orders.Instrument) bool { return in.ID == r.Event.Instrument })
		if at < 0 {
			continue
		}
		in := &orderstest.Instruments[at]
		for k := range r.MessageCount(in) {
			if t.told++; r.Message+uint64(k) != t.told {
				return fmt.Errorf("message %d, want %d", r.Message+uint64(k), t.told)
			}
			b := r.AppendMessage(nil, k, in, 0)
			t.seen["itch "+string(b[:1])]++
			var u market.Update
			switch v := d.Decode(b, &u); v {
			case market.Cold, market.Ignored:
			case market.Applied:
				if v := t.books.Apply(&u).Verdict; v != market.Applied && v != market.Ignored {
					return fmt.Errorf("message %x of %+v: %v", b, r, v)
				}
			default:
				return fmt.Errorf("message %x of %+v: %v", b, r, v)
			}
		}
	}
	if !t.core.Settled() {
		return nil
	}
	for i := range orderstest.Instruments {
		in := &orderstest.Instruments[i]
		for _, side := range []market.Side{market.Bid, market.Ask} {
			e := t.core.Engine(in.ID)
			if e == nil || !in.Public() {
				continue
			}
			want := e.Levels(in.ID, side, make([]book.Level, 0, 100))
			want = slices.DeleteFunc(want, func(l book.Level) bool { return l.Price > 400_000*market.PriceScale }) // more than ITCH has
			if got := t.books.Levels(in.ID, side, make([]book.Level, 0, 100)); !slices.Equal(got, want) {
				return fmt.Errorf("%s %v: the book of the messages is %v, want %v", in.Symbol, side, got, want)
			}
		}
	}
	return nil
}

func list(reports []orders.Report) (s string) {
	for _, r := range reports {
		s += fmt.Sprintf("  %v %v %+v\n", r.Event.Kind, r.Event.Reason, r)
	}
	return s
}

func TestCoreAgainstPlainTwin(t *testing.T) {
	seen := map[string]int{}
	for seed := range uint64(100) {
		engines := 1 + int(seed%3)
		trial := newTrial(orderstest.Config(engines))
		g := orderstest.NewGenerator(matchtest.Seeded(seed), engines)
		for range 500 {
			if err := trial.apply(g.Next()); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
		for k, n := range trial.seen {
			seen[k] += n
		}
	}
	// What the generator never does is not tested.
	for _, want := range []string{
		"executed none", "canceled requested", "canceled mass-cancel", "canceled disconnected", "replaced lost-place", "replaced kept-place",
		"rejected unknown-order", "mass-canceled none", "copy", "repeated", "refused account-unknown", "refused killed",
		"refused instrument-unknown", "refused order-unknown", "refused order-too-large", "refused notional-too-large",
		"refused too-many-orders", "refused balance-too-low", "refused price-needed", "refused reduce-too-large",
		"itch R", "itch H", "itch A", "itch E", "itch C", "itch X", "itch D", "itch P", "refused mass-canceled", "refused session-lost", "refused bad-request",
	} {
		if seen[want] == 0 {
			t.Errorf("no report %q", want)
		}
	}
	t.Log(seen)
}

func TestCoreAgainstPlainTwinShrinking(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		engines := rapid.IntRange(1, 3).Draw(t, "engines")
		trial := newTrial(orderstest.Config(engines))
		g := orderstest.NewGenerator(func(n uint64) uint64 { return rapid.Uint64Range(0, n-1).Draw(t, "") }, engines)
		for range rapid.IntRange(1, 80).Draw(t, "entries") {
			if err := trial.apply(g.Next()); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// A core made of a snapshot goes on exactly as the one that wrote it.
func TestCoreSnapshot(t *testing.T) {
	for seed := range uint64(15) {
		engines := 1 + int(seed%3)
		cfg := orderstest.Config(engines)
		core := orders.NewCore(cfg)
		g := orderstest.NewGenerator(matchtest.Seeded(1000+seed), engines)
		for n := 0; n < 300 || !core.Settled(); n++ {
			e := g.Next()
			core.Apply(&e, nil)
		}
		snapshot := core.AppendSnapshot(nil)
		again, err := orders.RestoreCore(cfg, snapshot)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if got, want := slices.Collect(again.Words()), slices.Collect(core.Words()); !slices.Equal(got, want) {
			t.Fatalf("seed %d: restored\n%d\nwant\n%d", seed, got, want)
		}
		if !slices.Equal(again.AppendSnapshot(nil), snapshot) {
			t.Fatalf("seed %d: the snapshot of the restored core is another", seed)
		}
		for range 300 {
			e := g.Next()
			if got, want := again.Apply(&e, nil), core.Apply(&e, nil); !slices.Equal(got, want) {
				t.Fatalf("seed %d: entry %d: reports\n%swant\n%s", seed, e.Index, list(got), list(want))
			}
		}
		if core.Settled() && again.Hash() != core.Hash() {
			t.Fatalf("seed %d: hashes differ", seed)
		}
		for _, at := range []int{0, 8, 16, 30, 100, len(snapshot) - 3} {
			bad := slices.Clone(snapshot)
			bad[at] ^= 4
			if _, err := orders.RestoreCore(cfg, bad); err == nil {
				t.Errorf("seed %d: a snapshot with a changed byte %d was restored", seed, at)
			}
		}
		if _, err := orders.RestoreCore(cfg, snapshot[:len(snapshot)-8]); err == nil {
			t.Error("a snapshot that is cut off was restored")
		}
	}
}

func hashOf(words []uint64) uint64 {
	var h book.Hasher
	for _, w := range words {
		h.Word(w)
	}
	return h.Sum()
}

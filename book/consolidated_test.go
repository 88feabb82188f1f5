package book_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"tidegate/book"
	"tidegate/book/booktest"
	"tidegate/market"
)

const (
	pubA market.PublisherID = 2
	pubB market.PublisherID = 3
	pubC market.PublisherID = 4
)

// quoted returns the BBO of a publisher; a size of 0 leaves the side empty. Prices are in whole
// units.
func quoted(bid int64, bidSize market.Size, ask int64, askSize market.Size) book.BBO {
	bbo := book.EmptyBBO
	if bidSize > 0 {
		bbo.Bid = book.Level{Price: market.Price(bid * market.PriceScale), Size: bidSize}
	}
	if askSize > 0 {
		bbo.Ask = book.Level{Price: market.Price(ask * market.PriceScale), Size: askSize}
	}
	return bbo
}

func wantBest(t *testing.T, what string, got, want book.BestQuote) {
	t.Helper()
	want.Price *= market.PriceScale
	if got != want {
		t.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

func wantChanged(t *testing.T, what string, got, want bool) {
	t.Helper()
	if got != want {
		t.Errorf("%s: changed is %v, want %v", what, got, want)
	}
}

func TestConsolidatedTakesTheBestOfEachSide(t *testing.T) {
	c := book.NewConsolidated(book.ConsolidatedConfig{InstrumentsMax: 4})
	if got := c.Best(3); got != book.EmptyNBBO {
		t.Errorf("before any quote: got %+v, want none", got)
	}
	wantChanged(t, "first quote", c.Update(3, pubA, quoted(10, 100, 12, 200), 1000), true)
	wantChanged(t, "better bid, worse ask", c.Update(3, pubB, quoted(11, 50, 13, 70), 2000), true)
	wantBest(t, "bid", c.Best(3).Bid,
		book.BestQuote{Price: 11, Size: 50, Total: 50, TsRecv: 2000, Since: 2000, Publisher: pubB, Ties: 1})
	wantBest(t, "ask", c.Best(3).Ask,
		book.BestQuote{Price: 12, Size: 200, Total: 200, TsRecv: 1000, Since: 1000, Publisher: pubA, Ties: 1})
	if n := c.Best(3); n.Locked() || n.Crossed() {
		t.Errorf("11 bid, 12 asked: locked %v, crossed %v", n.Locked(), n.Crossed())
	}

	wantChanged(t, "a change behind the best", c.Update(3, pubB, quoted(11, 50, 14, 70), 2500), false)
	wantBest(t, "the age is renewed", c.Best(3).Bid,
		book.BestQuote{Price: 11, Size: 50, Total: 50, TsRecv: 2500, Since: 2000, Publisher: pubB, Ties: 1})
	wantChanged(t, "a quote that goes", c.Update(3, pubB, book.EmptyBBO, 3000), true)
	wantBest(t, "the next one", c.Best(3).Bid,
		book.BestQuote{Price: 10, Size: 100, Total: 100, TsRecv: 1000, Since: 1000, Publisher: pubA, Ties: 1})
	if got := c.Best(0); got != book.EmptyNBBO {
		t.Errorf("another instrument: got %+v, want none", got)
	}
}

func TestConsolidatedKeepsTies(t *testing.T) {
	c := book.NewConsolidated(book.ConsolidatedConfig{})
	c.Update(0, pubC, quoted(10, 100, 0, 0), 1000)
	wantChanged(t, "a tie of equal size, later", c.Update(0, pubA, quoted(10, 100, 0, 0), 2000), false)
	wantBest(t, "the earlier one leads", c.Best(0).Bid,
		book.BestQuote{Price: 10, Size: 100, Total: 200, TsRecv: 1000, Since: 1000, Publisher: pubC, Ties: 2})
	wantChanged(t, "a tie of larger size", c.Update(0, pubB, quoted(10, 101, 0, 0), 3000), true)
	wantBest(t, "the larger one leads", c.Best(0).Bid,
		book.BestQuote{Price: 10, Size: 101, Total: 301, TsRecv: 3000, Since: 3000, Publisher: pubB, Ties: 3})

	// B shrinks to the size of the others: it has been at the price for the shortest time.
	wantChanged(t, "the leader shrinks", c.Update(0, pubB, quoted(10, 100, 0, 0), 4000), true)
	wantBest(t, "the earliest one leads", c.Best(0).Bid,
		book.BestQuote{Price: 10, Size: 100, Total: 300, TsRecv: 1000, Since: 1000, Publisher: pubC, Ties: 3})

	// C leaves the price and comes back at the time at which A does too.
	c.Update(0, pubC, quoted(9, 100, 0, 0), 5000)
	c.Update(0, pubA, quoted(9, 100, 0, 0), 5000)
	c.Update(0, pubC, quoted(11, 100, 0, 0), 6000)
	c.Update(0, pubA, quoted(11, 100, 0, 0), 6000)
	wantBest(t, "the lower id leads", c.Best(0).Bid,
		book.BestQuote{Price: 11, Size: 100, Total: 200, TsRecv: 6000, Since: 6000, Publisher: pubA, Ties: 2})
}

func TestConsolidatedReportsLockedAndCrossed(t *testing.T) {
	c := book.NewConsolidated(book.ConsolidatedConfig{})
	c.Update(0, pubA, quoted(10, 1, 12, 1), 1)
	c.Update(0, pubB, quoted(12, 1, 13, 1), 2)
	n := c.Best(0)
	if !n.Locked() || n.Crossed() || n.Bid.Publisher != pubB || n.Ask.Publisher != pubA {
		t.Errorf("B bids what A asks: got %+v", n)
	}
	c.Update(0, pubB, quoted(13, 1, 14, 1), 3)
	n = c.Best(0)
	if n.Locked() || !n.Crossed() || n.Bid.Publisher != pubB || n.Ask.Publisher != pubA {
		t.Errorf("B bids more than A asks: got %+v", n)
	}
	c.Update(0, pubB, quoted(13, 1, 0, 0), 4)
	c.Update(0, pubA, book.EmptyBBO, 5)
	if n = c.Best(0); n.Locked() || n.Crossed() {
		t.Errorf("nobody asks: got %+v", n)
	}
}

func TestConsolidatedExclusion(t *testing.T) {
	c := book.NewConsolidated(book.ConsolidatedConfig{})
	c.Update(5, pubA, quoted(10, 1, 20, 1), 1)
	c.Update(5, pubB, quoted(11, 1, 19, 1), 2)
	c.Update(7, pubB, quoted(11, 1, 19, 1), 3)
	c.Update(9, pubA, quoted(10, 1, 20, 1), 4)

	if got := c.Exclude(pubB, nil); !slices.Equal(got, []uint32{5, 7}) {
		t.Errorf("excluding B changes %v, want 5 and 7", got)
	}
	if got := c.Exclude(pubB, nil); len(got) != 0 {
		t.Errorf("excluding B again changes %v, want nothing", got)
	}
	if got := c.Best(5).Bid.Publisher; got != pubA {
		t.Errorf("without B publisher %d leads, want A", got)
	}
	if got := c.Best(7); got != book.EmptyNBBO {
		t.Errorf("without B: got %+v, want none", got)
	}
	wantChanged(t, "an excluded publisher quotes", c.Update(7, pubB, quoted(12, 1, 18, 1), 5), false)
	wantChanged(t, "an excluded publisher joins", c.Update(9, pubB, quoted(12, 1, 18, 1), 6), false)
	wantChanged(t, "exclusion of the only eligible one", c.ExcludeAt(9, pubA), true)
	wantChanged(t, "B in 5 for a second reason", c.ExcludeAt(5, pubB), false)

	if got := c.Include(pubB, nil); !slices.Equal(got, []uint32{7, 9}) {
		t.Errorf("including B changes %v, want 7 and 9 (it stays out of 5)", got)
	}
	wantBest(t, "what it said while it was out counts", c.Best(7).Bid,
		book.BestQuote{Price: 12, Size: 1, Total: 1, TsRecv: 5, Since: 5, Publisher: pubB, Ties: 1})
	wantChanged(t, "B back in 5", c.IncludeAt(5, pubB), true)
	wantChanged(t, "a publisher that never joined", c.IncludeAt(5, pubC), false)

	wantChanged(t, "exclusion before the first quote", c.ExcludeAt(7, pubC), false)
	wantChanged(t, "first quote of an excluded publisher", c.Update(7, pubC, quoted(15, 1, 16, 1), 7), false)
	want := []book.PublisherQuote{
		{BBO: quoted(12, 1, 18, 1), TsRecv: 5, Publisher: pubB, Eligible: true},
		{BBO: quoted(15, 1, 16, 1), TsRecv: 7, Publisher: pubC},
	}
	if got := c.Quotes(7, nil); !slices.Equal(got, want) {
		t.Errorf("quotes:\n got %+v\nwant %+v", got, want)
	}
}

func TestConsolidatedDepth(t *testing.T) {
	books := map[market.PublisherID][]book.Level{
		pubA: {{Price: 10, Size: 1, Orders: 1}, {Price: 8, Size: 2, Orders: 2}, {Price: 5, Size: 3, Orders: 3}},
		pubB: {{Price: 9, Size: 10}, {Price: 8, Size: 20}},
		pubC: {{Price: 20, Size: 100}},
	}
	levels := func(p market.PublisherID, dst []book.Level) []book.Level {
		return append(dst, books[p][:min(len(books[p]), cap(dst)-len(dst))]...)
	}
	c := book.NewConsolidated(book.ConsolidatedConfig{})
	for _, p := range []market.PublisherID{pubC, pubB, pubA} {
		c.Update(1, p, quoted(1, 1, 2, 1), 1)
	}
	c.ExcludeAt(1, pubC)
	want := []book.Level{{Price: 10, Size: 1, Orders: 1}, {Price: 9, Size: 10}, {Price: 8, Size: 22, Orders: 2}, {Price: 5, Size: 3, Orders: 3}}
	for n := range 6 {
		got := c.Depth(1, market.Bid, make([]book.Level, 0, n), levels)
		if !slices.Equal(got, want[:min(n, len(want))]) {
			t.Errorf("best %d: got %v, want %v", n, got, want[:min(n, len(want))])
		}
	}
	if got := c.Depth(2, market.Bid, make([]book.Level, 0, 5), levels); len(got) != 0 {
		t.Errorf("an instrument without publishers: got %v", got)
	}

	for _, b := range books {
		slices.Reverse(b)
	}
	slices.Reverse(want)
	if got := c.Depth(1, market.Ask, make([]book.Level, 0, 9), levels); !slices.Equal(got, want) {
		t.Errorf("asks: got %v, want %v", got, want)
	}
}

func TestConsolidatedLimits(t *testing.T) {
	c := book.NewConsolidated(book.ConsolidatedConfig{InstrumentsMax: 2})
	for p := range market.PublisherID(book.ConsolidatedPublishersMax) {
		wantChanged(t, "within the limit", c.Update(1, p, quoted(int64(p)+1, 1, 0, 0), 1), true)
	}
	wantChanged(t, "one publisher too many", c.Update(1, 99, quoted(50, 1, 0, 0), 1), false)
	wantChanged(t, "one instrument too many", c.Update(2, 0, quoted(50, 1, 0, 0), 1), false)
	wantChanged(t, "exclusion past the limit", c.ExcludeAt(2, 0), false)
	if got := c.Refused(); got != 3 {
		t.Errorf("refused %d, want 3", got)
	}
	if got := c.Best(1).Bid.Publisher; got != book.ConsolidatedPublishersMax-1 {
		t.Errorf("publisher %d leads, want the sixteenth", got)
	}
	if got := c.Best(1 << 31); got != book.EmptyNBBO {
		t.Errorf("far outside: got %+v, want none", got)
	}
}

func TestConsolidatedConfigValidate(t *testing.T) {
	for instrumentsMax, good := range map[int]bool{0: true, 1: true, 1 << 20: true, -1: false, 1<<20 + 1: false} {
		cfg := book.ConsolidatedConfig{InstrumentsMax: instrumentsMax}
		if err := cfg.Validate(); (err == nil) != good {
			t.Errorf("%+v: got %v, want good %v", cfg, err, good)
		}
	}
}

func TestConsolidatedDoesNotAllocate(t *testing.T) {
	c := book.NewConsolidated(book.ConsolidatedConfig{})
	changed := make([]uint32, 0, 8)
	quotes := make([]book.PublisherQuote, 0, 8)
	now, total := market.Nanos(0), market.Size(0)
	n := testing.AllocsPerRun(1000, func() {
		now++
		for p := range market.PublisherID(3) {
			c.Update(uint32(now%5), p, quoted(int64(now%7), 1, int64(10+now%3), 1), now)
		}
		c.Exclude(1, changed[:0])
		c.Include(1, changed[:0])
		c.Quotes(2, quotes[:0])
		total += c.Best(2).Bid.Total
	})
	if n != 0 || total == 0 {
		t.Errorf("allocates %.1f times per round, want 0 (total %d)", n, total)
	}
}

// consolidatedPair drives a book and its twin with the same inputs.
type consolidatedPair struct {
	fast  *book.Consolidated
	plain *booktest.Consolidated
	now   market.Nanos
}

const pairInstruments = 3

func newConsolidatedPair() *consolidatedPair {
	return &consolidatedPair{
		fast:  book.NewConsolidated(book.ConsolidatedConfig{InstrumentsMax: pairInstruments}),
		plain: booktest.NewConsolidated(pairInstruments),
	}
}

// A step is one input in five small numbers. They are few on purpose: ties, locks and crosses are
// then common.
type step struct{ op, instrument, publisher, bid, ask byte }

// do returns what differs between the book and its twin after one step.
func (c *consolidatedPair) do(t interface{ Fatalf(string, ...any) }, s step) {
	i, p := uint32(s.instrument)%(pairInstruments+1), market.PublisherID(s.publisher%20)
	c.now += market.Nanos(s.op / 16 % 2) // equal times are common too
	var got, want bool
	var gotAll, wantAll []uint32
	switch s.op % 16 {
	case 0:
		gotAll, wantAll = c.fast.Exclude(p, nil), c.plain.Exclude(p)
	case 1:
		gotAll, wantAll = c.fast.Include(p, nil), c.plain.Include(p)
	case 2:
		got, want = c.fast.ExcludeAt(i, p), c.plain.ExcludeAt(i, p)
	case 3:
		got, want = c.fast.IncludeAt(i, p), c.plain.IncludeAt(i, p)
	default:
		bbo := quoted(int64(s.bid%4)-1, market.Size(s.bid/4%4), int64(s.ask%4), market.Size(s.ask/4%4))
		got, want = c.fast.Update(i, p, bbo, c.now), c.plain.Update(i, p, bbo, c.now)
	}
	if got != want || !slices.Equal(gotAll, wantAll) {
		t.Fatalf("%+v: changed %v %v, want %v %v", s, got, gotAll, want, wantAll)
	}
	for i := range uint32(pairInstruments + 1) {
		if got, want := c.fast.Best(i), c.plain.Best(i); got != want {
			t.Fatalf("%+v: best of instrument %d:\n got %+v\nwant %+v", s, i, got, want)
		}
		if got, want := c.fast.Quotes(i, nil), c.plain.Quotes(i); !slices.Equal(got, want) {
			t.Fatalf("%+v: quotes of instrument %d:\n got %+v\nwant %+v", s, i, got, want)
		}
	}
	if got, want := c.fast.Refused(), c.plain.Refused(); got != want {
		t.Fatalf("%+v: refused %d, want %d", s, got, want)
	}
}

func TestConsolidatedEqualsTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pair := newConsolidatedPair()
		steps := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step {
			return step{
				op:         rapid.Byte().Draw(t, "op"),
				instrument: rapid.ByteMax(pairInstruments).Draw(t, "instrument"),
				publisher:  rapid.ByteMax(19).Draw(t, "publisher"),
				bid:        rapid.ByteMax(15).Draw(t, "bid"),
				ask:        rapid.ByteMax(15).Draw(t, "ask"),
			}
		}), 1, 200).Draw(t, "steps")
		for _, s := range steps {
			pair.do(t, s)
		}
	})
}

func FuzzConsolidated(f *testing.F) {
	f.Add([]byte{
		20, 0, 0, 5, 6, 21, 0, 1, 5, 6, 0, 0, 0, 0, 0, 20, 0, 2, 9, 5, 1, 0, 0, 0, 0, 2, 0, 1, 0, 0,
	})
	f.Fuzz(func(t *testing.T, program []byte) {
		pair := newConsolidatedPair()
		for len(program) >= 5 {
			pair.do(t, step{program[0], program[1], program[2], program[3], program[4]})
			program = program[5:]
		}
	})
}

package book_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"tidegate/book"
	"tidegate/book/booktest"
	"tidegate/market"
)

// levelUpdate says that a level of instrument id now has a size. The price is in whole units.
func levelUpdate(id market.InstrumentID, side market.Side, price int64, size market.Size) market.Update {
	return market.Update{Event: market.Event{
		Instrument: id, Action: market.Level, Side: side,
		Price: market.Price(price) * market.PriceScale, Size: size,
	}}
}

// quoteUpdate is levelUpdate of a venue that publishes its best quotes only.
func quoteUpdate(id market.InstrumentID, side market.Side, price int64, size market.Size) market.Update {
	u := levelUpdate(id, side, price, size)
	u.Flags = market.FlagTOB
	return u
}

// wantLevels checks a side against price, size pairs in whole units.
func wantLevels(t *testing.T, b *book.ByPrice, id market.InstrumentID, side market.Side, want ...int64) {
	t.Helper()
	var levels []book.Level
	for ; len(want) > 0; want = want[2:] {
		levels = append(levels, book.Level{
			Price: market.Price(want[0]) * market.PriceScale, Size: market.Size(want[1]),
		})
	}
	if got := b.Levels(id, side, make([]book.Level, 0, 100)); !slices.Equal(got, levels) {
		t.Errorf("levels of side %v:\n got %v\nwant %v", side, got, levels)
	}
}

func TestByPriceApply(t *testing.T) {
	const (
		ok   = market.Applied
		none = market.UndefPrice
		unit = market.PriceScale
	)
	undefined := quoteUpdate(1, market.Bid, 0, 5)
	undefined.Price = none
	undefinedLevel := levelUpdate(1, market.Bid, 0, 5)
	undefinedLevel.Price = none
	with := func(action market.Action) market.Update {
		u := levelUpdate(1, market.Bid, 10, 7)
		u.Action = action
		return u
	}

	b := book.NewByPrice(book.ByPriceConfig{InstrumentsMax: 2, LevelsMax: 3})
	for _, step := range []struct {
		what      string
		u         market.Update
		verdict   market.Verdict
		change    book.Change
		prevPrice market.Price
		prevSize  market.Size
	}{
		{"first bid", levelUpdate(1, market.Bid, 10, 100), ok, book.BidChanged, none, 0},
		{"first ask", levelUpdate(1, market.Ask, 12, 50), ok, book.AskChanged, none, 0},
		{"ask behind the best", levelUpdate(1, market.Ask, 14, 60), ok, 0, none, 0},
		{"ask between", levelUpdate(1, market.Ask, 13, 70), ok, 0, none, 0},
		{"ask past the limit", levelUpdate(1, market.Ask, 11, 5), market.BookFull, 0, none, 0},
		{"size behind the best", levelUpdate(1, market.Ask, 13, 71), ok, 0, 13 * unit, 70},
		{"size again", levelUpdate(1, market.Ask, 12, 50), ok, 0, 12 * unit, 50},
		{"size of the best", levelUpdate(1, market.Ask, 12, 40), ok, book.AskChanged, 12 * unit, 50},
		{"best goes", levelUpdate(1, market.Ask, 12, 0), ok, book.AskChanged, 12 * unit, 40},
		{"best goes again", levelUpdate(1, market.Ask, 12, 0), market.UnknownLevel, 0, none, 0},
		{"last level goes", levelUpdate(1, market.Ask, 14, 0), ok, 0, 14 * unit, 60},
		{"bid crosses", levelUpdate(1, market.Bid, 15, 1), ok, book.BidChanged, none, 0},
		{"no side", levelUpdate(1, market.NoSide, 15, 1), market.BadField, 0, none, 0},
		{"no price", undefinedLevel, market.BadField, 0, none, 0},
		{"trade", with(market.Trade), market.Ignored, 0, none, 0},
		{"fill", with(market.Fill), market.Ignored, 0, none, 0},
		{"nothing", with(market.None), market.Ignored, 0, none, 0},
		{"an order", with(market.Add), market.BadField, 0, none, 0},
		{"highest instrument", levelUpdate(2, market.Bid, 1, 1), ok, book.BidChanged, none, 0},
		{"instrument past the limit", levelUpdate(3, market.Bid, 1, 1), market.BookFull, 0, none, 0},
		{"quote replaces the side", quoteUpdate(1, market.Bid, 9, 3), ok, book.BidChanged, 15 * unit, 1},
		{"quote again", quoteUpdate(1, market.Bid, 9, 3), ok, 0, 9 * unit, 3},
		{"quote without price", undefined, ok, book.BidChanged, 9 * unit, 3},
		{"quote without size", quoteUpdate(1, market.Bid, 0, 0), ok, 0, none, 0},
		{"clear of one side", with(market.Clear), ok, book.AskChanged, none, 0},
		{"clear of nothing", with(market.Clear), ok, 0, none, 0},
	} {
		u := step.u
		if got := b.Apply(&u); got.Verdict != step.verdict || got.Change != step.change {
			t.Errorf("%s: got %+v, want %v and change %v", step.what, got, step.verdict, step.change)
		}
		if u.PrevPrice != step.prevPrice || u.PrevSize != step.prevSize {
			t.Errorf("%s: before it %d x %v, want %d x %v",
				step.what, u.PrevSize, u.PrevPrice, step.prevSize, step.prevPrice)
		}
		if u.Event != step.u.Event {
			t.Errorf("%s: the event became %+v", step.what, u.Event)
		}
	}
	wantLevels(t, b, 1, market.Bid)
	wantLevels(t, b, 1, market.Ask)
	wantLevels(t, b, 2, market.Bid, 1, 1)
}

func TestByPriceQueries(t *testing.T) {
	b := book.NewByPrice(book.ByPriceConfig{})
	empty := b.HashAll()
	for i := range int64(30) {
		// Outside in and inside out, so that levels come and are searched everywhere.
		price := 100 + i*7%30
		bid, ask := levelUpdate(4, market.Bid, price, market.Size(price)), levelUpdate(4, market.Ask, -price, 5)
		b.Apply(&bid)
		b.Apply(&ask)
	}
	bbo := b.BBO(4)
	if bbo.Bid.Price != 129*market.PriceScale || bbo.Ask.Price != -129*market.PriceScale || !bbo.Crossed() {
		t.Errorf("best: got %v", bbo)
	}
	if got := b.BBO(1 << 31); got != book.EmptyBBO {
		t.Errorf("best of an unknown instrument: got %v", got)
	}
	got := b.Levels(4, market.Bid, make([]book.Level, 0, 3))
	if len(got) != 3 || got[0].Size != 129 || got[1].Size != 128 || got[2].Size != 127 {
		t.Errorf("best three bids: got %v", got)
	}
	if got := b.Levels(9, market.Bid, make([]book.Level, 0, 3)); len(got) != 0 {
		t.Errorf("levels of an unknown instrument: got %v", got)
	}
	if b.Hash(4) == b.Hash(9) || b.HashAll() == empty || b.Hash(9) != b.Hash(0) {
		t.Errorf("hashes: %x, unknown %x and %x, all %x, empty %x", b.Hash(4), b.Hash(9), b.Hash(0), b.HashAll(), empty)
	}
	b.Reset()
	if got := b.BBO(4); got != book.EmptyBBO || b.HashAll() != empty {
		t.Errorf("after Reset: best %v, hash %x, want none, %x", got, b.HashAll(), empty)
	}
}

// An event of two messages: an order takes the best ask, and what is left of it is the best bid. In
// between, the ask has gone up and the bid has not.
func TestByPriceEventOfSeveralUpdates(t *testing.T) {
	b := book.NewByPrice(book.ByPriceConfig{})
	for _, u := range []market.Update{
		levelUpdate(1, market.Bid, 10, 1), levelUpdate(1, market.Ask, 11, 1), levelUpdate(1, market.Ask, 12, 1),
	} {
		b.Apply(&u)
	}
	published := b.BBO(1)
	event := []market.Update{
		levelUpdate(1, market.Ask, 11, 0), levelUpdate(1, market.Bid, 11, 4),
	}
	event[1].Flags |= market.FlagLast
	var change book.Change
	for i := range event {
		change |= b.Apply(&event[i]).Change
	}
	if change != book.BBOChanged {
		t.Errorf("the event changed %v, want both sides", change)
	}
	want := book.BBO{
		Bid: book.Level{Price: 11 * market.PriceScale, Size: 4},
		Ask: book.Level{Price: 12 * market.PriceScale, Size: 1},
	}
	if got := b.BBO(1); got != want || got == published {
		t.Errorf("after the event: got %v, want %v", got, want)
	}

	// A level goes and comes back within an event: each update changed the best, the event did not.
	published = b.BBO(1)
	out, back := levelUpdate(1, market.Ask, 12, 0), levelUpdate(1, market.Ask, 12, 1)
	change = b.Apply(&out).Change | b.Apply(&back).Change
	if !change.BBO() || b.BBO(1) != published {
		t.Errorf("out and back: changes %v, best %v, want %v", change, b.BBO(1), published)
	}
}

func TestByPriceConfigValidate(t *testing.T) {
	for _, c := range []struct {
		cfg  book.ByPriceConfig
		good bool
	}{
		{book.ByPriceConfig{}, true},
		{book.ByPriceConfig{InstrumentsMax: market.SymbolsMax, LevelsMax: 1 << 20}, true},
		{book.ByPriceConfig{InstrumentsMax: -1}, false},
		{book.ByPriceConfig{InstrumentsMax: market.SymbolsMax + 1}, false},
		{book.ByPriceConfig{LevelsMax: -1}, false},
		{book.ByPriceConfig{LevelsMax: 1<<20 + 1}, false},
	} {
		if err := c.cfg.Validate(); (err == nil) != c.good {
			t.Errorf("%+v: got %v, want good %v", c.cfg, err, c.good)
		}
	}
}

func TestByPriceDoesNotAllocate(t *testing.T) {
	b := book.NewByPrice(book.ByPriceConfig{})
	dst := make([]book.Level, 0, 10)
	round := func() {
		for i := range int64(60) {
			u := levelUpdate(market.InstrumentID(i%3), market.Bid, i*37%60, market.Size(i%4))
			b.Apply(&u)
		}
		q := quoteUpdate(2, market.Ask, 7, 7)
		b.Apply(&q)
		_, _ = b.Levels(1, market.Bid, dst), b.BBO(1)
		clear := market.Update{Event: market.Event{Action: market.Clear, Instrument: 1}}
		b.Apply(&clear)
	}
	round()
	if n := testing.AllocsPerRun(100, round); n != 0 {
		t.Errorf("allocates %.1f times per round, want 0", n)
	}
}

// byPricePair drives books and their twin with the same updates.
type byPricePair struct {
	fast  *book.ByPrice
	plain *booktest.ByPrice
}

func newByPricePair(levelsMax int) *byPricePair {
	cfg := book.ByPriceConfig{InstrumentsMax: 2, LevelsMax: levelsMax}
	return &byPricePair{book.NewByPrice(cfg), booktest.NewByPrice(cfg)}
}

// do returns what differs between the books after one update.
func (p *byPricePair) do(t interface{ Fatalf(string, ...any) }, u market.Update) {
	fast, plain := u, u
	if got, want := p.fast.Apply(&fast), p.plain.Apply(&plain); got != want || fast != plain {
		t.Fatalf("%+v:\n got %+v %+v\nwant %+v %+v", u, got, fast, want, plain)
	}
	if got, want := p.fast.BBO(u.Instrument), p.plain.BBO(u.Instrument); got != want {
		t.Fatalf("%+v: best: got %v, want %v", u, got, want)
	}
	if got, want := p.fast.Hash(u.Instrument), p.plain.Hash(u.Instrument); got != want {
		t.Fatalf("%+v: hash: got %x, want %x", u, got, want)
	}
}

// end compares everything.
func (p *byPricePair) end(t interface{ Fatalf(string, ...any) }) {
	for id := range market.InstrumentID(3) {
		for _, side := range []market.Side{market.Bid, market.Ask} {
			got, want := p.fast.Levels(id, side, make([]book.Level, 0, 1000)), p.plain.Levels(id, side)
			if !slices.Equal(got, want) {
				t.Fatalf("instrument %d, side %v:\n got %v\nwant %v", id, side, got, want)
			}
		}
	}
	if got, want := p.fast.HashAll(), p.plain.HashAll(); got != want {
		t.Fatalf("hash of all: got %x, want %x", got, want)
	}
}

// programUpdate makes an update of four bytes. Most are levels; prices include the outermost ones.
func programUpdate(what, where, price, size byte) market.Update {
	u := market.Update{Event: market.Event{
		Action:     market.Level,
		Side:       [...]market.Side{market.Bid, market.Ask}[where&1],
		Instrument: market.InstrumentID(where / 2 % 4),
		Price:      market.Price(int8(price)),
		Size:       market.Size(size % 4),
	}}
	switch what {
	case 0:
		u.Action = market.Clear
	case 1:
		u.Action = market.Trade
	case 2, 3:
		u.Flags = market.FlagTOB
	case 4:
		u.Price = market.UndefPrice
	case 5:
		u.Price, u.Flags = market.UndefPrice, market.FlagTOB
	case 6:
		u.Price = -market.UndefPrice - 1
	case 7:
		u.Price = market.UndefPrice - 1
	case 8:
		u.Side = market.NoSide
	case 9:
		u.Action = market.Action(price)
	}
	return u
}

func TestByPriceEqualsTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pair := newByPricePair(rapid.SampledFrom([]int{1, 5, 200}).Draw(t, "levelsMax"))
		for price := range rapid.SampledFrom([]byte{0, 100}).Draw(t, "levels") { // deep books from the start
			pair.do(t, programUpdate(255, price, price, 1))
		}
		pricesMax := rapid.SampledFrom([]byte{3, 20, 255}).Draw(t, "prices")
		draw := rapid.Custom(func(t *rapid.T) market.Update {
			return programUpdate(rapid.Byte().Draw(t, "what"), rapid.Byte().Draw(t, "where"),
				rapid.ByteMax(pricesMax).Draw(t, "price"), rapid.Byte().Draw(t, "size"))
		})
		for _, u := range rapid.SliceOfN(draw, 1, 400).Draw(t, "updates") {
			pair.do(t, u)
		}
		pair.end(t)
	})
}

func FuzzByPrice(f *testing.F) {
	f.Add(byte(5), []byte("2B122A132B142B152B162B102B\x81\x00\x00\x00\x00\x00\x02\x00\x05\x07"))
	f.Fuzz(func(t *testing.T, levelsMax byte, program []byte) {
		pair := newByPricePair(1 + int(levelsMax))
		for len(program) >= 4 {
			pair.do(t, programUpdate(program[0], program[1], program[2], program[3]))
			program = program[4:]
		}
		pair.end(t)
	})
}

package book_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"tidegate/book"
	"tidegate/book/booktest"
	"tidegate/market"
)

const cent = market.PriceScale / 100

// smallConfig makes books that are cheap to make: 0.4 ms instead of 0.8.
var smallConfig = book.ByOrderConfig{InstrumentsMax: 8}

// A pair drives a fast set of books and its twin and compares everything that shows.
type pair struct {
	fast  *book.ByOrder
	plain *booktest.ByOrder
	ids   []market.InstrumentID
	n     int
}

func newPair(cfg book.ByOrderConfig, ids ...market.InstrumentID) *pair {
	return &pair{fast: book.NewByOrder(cfg), plain: booktest.NewByOrder(), ids: ids}
}

func (p *pair) apply(u market.Update) error {
	fast, plain := u, u
	p.fast.Prefetch([]market.Update{u})
	got, want := p.fast.Apply(&fast), p.plain.Apply(&plain)
	if got != want {
		return fmt.Errorf("%s: result %v %b, want %v %b", describe(&u), got.Verdict, got.Change, want.Verdict, want.Change)
	}
	if fast != plain {
		return fmt.Errorf("%s: completed to %+v, want %+v", describe(&u), fast, plain)
	}
	if got, want := p.fast.BBO(u.Instrument), p.plain.BBO(u.Instrument); got != want {
		return fmt.Errorf("%s: best bid and offer %+v, want %+v", describe(&u), got, want)
	}
	if p.n++; p.n%16 != 0 {
		return nil
	}
	if got, want := p.fast.Hash(u.Instrument), p.plain.Hash(u.Instrument); got != want {
		return fmt.Errorf("%s: hash %x, want %x", describe(&u), got, want)
	}
	return nil
}

func (p *pair) compare() error {
	if got, want := p.fast.Len(), p.plain.Len(); got != want {
		return fmt.Errorf("%d orders, want %d", got, want)
	}
	if got, want := p.fast.HashAll(), p.plain.HashAll(); got != want {
		return fmt.Errorf("hash of all %x, want %x", got, want)
	}
	for _, id := range p.ids {
		for _, side := range []market.Side{market.Bid, market.Ask} {
			want := p.plain.Levels(id, side)
			if got := p.fast.Levels(id, side, make([]book.Level, 0, len(want)+1)); !slices.Equal(got, want) {
				return fmt.Errorf("levels of %d %s: %v, want %v", id, side, got, want)
			}
			n := min(3, len(want))
			if got := p.fast.Levels(id, side, make([]book.Level, 0, n)); !slices.Equal(got, want[:n]) {
				return fmt.Errorf("first levels of %d %s: %v, want %v", id, side, got, want[:n])
			}
			if got, want := slices.Collect(p.fast.Orders(id, side)), p.plain.Orders(id, side); !slices.Equal(got, want) {
				return fmt.Errorf("orders of %d %s: %v, want %v", id, side, got, want)
			}
		}
	}
	return nil
}

func describe(u *market.Update) string {
	return fmt.Sprintf("%s of order %d (before %d) of %d, side %q, %d at %s",
		u.Action, u.OrderID, u.PrevOrderID, u.Instrument, byte(u.Side), u.Size, u.Price)
}

func update(action market.Action, instrument market.InstrumentID, id uint64, side market.Side,
	size market.Size, price market.Price,
) market.Update {
	var u market.Update
	u.Action, u.Instrument, u.OrderID, u.Side, u.Size, u.Price = action, instrument, id, side, size, price
	return u
}

// drawPrice draws from small and large neighbourhoods, on and off the grid.
func drawPrice(t *rapid.T, centre market.Price) market.Price {
	near := market.Price(rapid.IntRange(-40, 40).Draw(t, "near"))
	switch rapid.IntRange(0, 11).Draw(t, "kind") {
	case 0:
		return centre + near*50*cent // far away
	case 1:
		return centre + near*2000*cent
	case 2:
		return centre + near*cent/7 // off the grid
	case 3:
		return rapid.SampledFrom([]market.Price{
			0, cent, -cent, 199_999_99 * cent, market.UndefPrice, market.UndefPrice - 1, -1 << 63, 1 << 61, -1 << 61,
		}).Draw(t, "stub")
	default:
		return centre + near*cent
	}
}

var (
	allActions = []market.Action{
		market.Add, market.Add, market.Add, market.Add, market.Delete, market.Delete, market.Cancel,
		market.Execute, market.Replace, market.Replace, market.Modify, market.Trade, market.Fill,
		market.None, market.Level,
	}
	allSides = []market.Side{market.Bid, market.Ask, market.Bid, market.Ask, market.Bid, market.Ask, market.NoSide}
)

func TestByOrderAgreesWithItsTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ids := []market.InstrumentID{1, 2, 1 << 30}
		p := newPair(smallConfig, ids...)
		tick := rapid.SampledFrom([]market.Price{0, cent, 25 * cent, 1, 100_000, 3 * cent}).Draw(t, "tick")
		p.fast.Define(market.Instrument{ID: 2, TickSize: tick})
		centre := market.Price(10_000) * cent
		next := uint64(1)
		for range rapid.IntRange(1, 400).Draw(t, "operations") {
			u := update(rapid.SampledFrom(allActions).Draw(t, "action"), rapid.SampledFrom(ids).Draw(t, "instrument"),
				1+uint64(rapid.IntRange(0, int(next)).Draw(t, "order")), rapid.SampledFrom(allSides).Draw(t, "side"),
				market.Size(rapid.IntRange(0, 5).Draw(t, "size")), market.UndefPrice)
			switch u.Action {
			case market.Add, market.Modify:
				u.Price = drawPrice(t, centre)
				if u.Action == market.Add && rapid.IntRange(0, 9).Draw(t, "known") != 0 {
					u.OrderID = next
					next++
				}
			case market.Replace:
				u.PrevOrderID, u.OrderID = u.OrderID, next
				u.Price = drawPrice(t, centre)
				if rapid.IntRange(0, 9).Draw(t, "known") == 0 {
					u.OrderID = 1 + uint64(rapid.IntRange(0, int(next)).Draw(t, "new order"))
				} else {
					next++
				}
			case market.Execute:
				if rapid.Bool().Draw(t, "with price") {
					u.Price = centre
				}
			}
			if err := p.apply(u); err != nil {
				t.Fatal(err)
			}
			switch rapid.IntRange(0, 99).Draw(t, "rare") {
			case 0:
				if err := p.apply(update(market.Clear, rapid.SampledFrom(ids).Draw(t, "cleared"), 0, market.NoSide, 0, market.UndefPrice)); err != nil {
					t.Fatal(err)
				}
			case 1, 2:
				centre += market.Price(rapid.IntRange(-300, 300).Draw(t, "move")) * cent
			case 3:
				tick := rapid.SampledFrom([]market.Price{cent, 10 * cent, 100_000}).Draw(t, "new tick")
				p.fast.Define(market.Instrument{ID: 1, TickSize: tick})
			case 4:
				if rapid.IntRange(0, 9).Draw(t, "reset") == 0 {
					p.fast.Reset()
					p.plain.Reset()
				}
			}
		}
		if err := p.compare(); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzByOrder runs a program of 8-byte operations: action and side, instrument, order, size, price.
func FuzzByOrder(f *testing.F) {
	f.Add([]byte("\x00\x01\x01\x05\x10\x00\x00\x00\x04\x01\x01\x00\x00\x00\x00\x00"))
	ramp := make([]byte, 0, 8*300)
	for i := range 300 { // a price that runs away and comes back
		ramp = append(ramp, byte(i%2), 1, byte(i), 3, byte(i*7), byte(i*7>>8), 0, 0)
	}
	f.Add(ramp)
	f.Fuzz(func(t *testing.T, program []byte) {
		p := newPair(smallConfig, 0, 1, 2, 3)
		for len(program) >= 8 {
			op := program[:8]
			program = program[8:]
			price := market.Price(int16(binary.LittleEndian.Uint16(op[4:]))) * cent
			switch op[6] % 8 {
			case 1:
				price /= 3
			case 2:
				price *= 1000
			case 3:
				price = market.UndefPrice - market.Price(op[4]%2)
			}
			u := update(allActions[int(op[0]>>1)%len(allActions)], market.InstrumentID(op[1]%4), uint64(op[2]),
				market.Bid, market.Size(op[3]), price)
			if op[0]&1 != 0 {
				u.Side = market.Ask
			}
			u.PrevOrderID = uint64(op[7])
			if err := p.apply(u); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.compare(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestWideBooks has books of many levels, far apart and off the grid, whose middle wanders: windows
// are doubled and moved.
func TestWideBooks(t *testing.T) {
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 1))
		p := newPair(smallConfig, 1)
		middle, id := market.Price(5_000), uint64(0)
		for n := range 1_500 {
			u := update(market.Add, 1, id, market.Bid, market.Size(1+r.IntN(9)), 0)
			if r.IntN(2) == 0 {
				u.Side = market.Ask
			}
			middle += market.Price(r.IntN(3)-1) * market.Price(1+r.IntN(8))
			price := middle + market.Price(r.IntN(1600)-800)
			switch {
			case seed%2 == 1 && n > 700 && r.IntN(4) != 0: // a run away from everything before
				price += 5_000
			case seed >= 4: // all off the grid of cents
				price = price*10 + 3
				u.Price = price * cent / 100
			}
			if u.Price == 0 {
				u.Price = price * cent
			}
			switch kind := r.IntN(8); {
			case kind < 5:
				id++
				u.OrderID = id
			case kind < 7:
				u.Action, u.OrderID = market.Delete, 1+r.Uint64N(id+1)
			default:
				u.Action, u.PrevOrderID = market.Replace, 1+r.Uint64N(id+1)
				id++
				u.OrderID = id
			}
			if err := p.apply(u); err != nil {
				t.Fatalf("seed %d, operation %d: %v", seed, n, err)
			}
			if n%500 == 499 {
				if err := p.compare(); err != nil {
					t.Fatalf("seed %d, operation %d: %v", seed, n, err)
				}
			}
		}
		p.fast.Define(market.Instrument{ID: 1, TickSize: 7 * cent})
		if err := p.compare(); err != nil {
			t.Fatalf("seed %d, with another tick size: %v", seed, err)
		}
		if err := p.apply(update(market.Clear, 1, 0, market.NoSide, 0, market.UndefPrice)); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if err := p.compare(); err != nil || p.fast.Len() != 0 {
			t.Fatalf("seed %d: %d orders after a clear: %v", seed, p.fast.Len(), err)
		}
	}
}

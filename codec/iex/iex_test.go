package iex_test

import (
	"encoding/hex"
	"fmt"
	"math"
	"strings"
	"testing"

	"tidegate/codec/iex"
	"tidegate/market"
)

// The golden vectors are made by hand from the layouts of the specifications. All of them are about
// the symbol TIDE at the same time.
const (
	goldenTime = 1_700_000_000_123_456_789
	at         = " 15cd853dfe9c9717 " // the time of a message
	tide       = " 5449444520202020 " // its symbol
)

const publisher = 60001

func message(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatalf("golden vector %q: %v", text, err)
	}
	return b
}

// Messages with a book or a trade in them.
const (
	levelBuy   = "38 01" + at + tide + "64000000 a4420f0000000000"                                     // 100 x 100.0100
	levelSell  = "35 00" + at + tide + "00000000 4e61bc0000000000"                                     // 0 x 1234.5678
	trade      = "54 80" + at + tide + "19000000 dc410f0000000000 968f060000000000"                    // 25 x 99.9900, 429974
	tradeBreak = "42 80" + at + tide + "19000000 dc410f0000000000 968f060000000000"                    // breaks it
	quote      = "51 00" + at + tide + "64000000 dc410f0000000000 a4420f0000000000 10270000"           // 100 x 99.9900, 100.0100 x 10000
	bidOnly    = "51 40" + at + tide + "64000000 dc410f0000000000 0000000000000000 00000000"           // no ask
	zeroQuote  = "51 c0" + at + tide + "00000000 0000000000000000 0000000000000000 00000000"           // no side
	oddQuote   = "51 00" + at + tide + "00000000 dc410f0000000000 a4420f0000000000 ffffffff 0000 cafe" // a price without a size, and a tail
)

// Messages that carry cold facts.
const (
	systemEvent     = "53 52" + at
	directory       = "44 80" + at + tide + "64000000 dc410f0000000000 01"
	directoryETP    = "44 20" + at + tide + "19000000 dc410f0000000000 01"
	trading         = "48 54" + at + tide + "20202020"
	halted          = "48 48" + at + tide + "54312020" // T1
	paused          = "48 50" + at + tide + "20202020"
	acceptingOrders = "48 4f" + at + tide + "49504f32" // IPO2
	retailLiquidity = "49 43" + at + tide
	operationalHalt = "4f 4f" + at + tide
	operationalOK   = "4f 4e" + at + tide
	shortSaleOn     = "50 01" + at + tide + "41"
	shortSaleOff    = "50 00" + at + tide + "20"
	securityEvent   = "45 4f" + at + tide
	openingPrice    = "58 51" + at + tide + "dc410f0000000000"
	closingPrice    = "58 4d" + at + tide + "a4420f0000000000"
	auction         = "41 43" + at + tide + "2c010000" + "40420f0000000000" + "e0510f0000000000" + // 300 paired, 100.0000, 100.4000
		"c8000000 42 01 58f35365" + // 200 to buy, one extension, 1700000600 s
		"1c480f0000000000" + "40420f0000000000" + "f07e0e0000000000" + "9005100000000000" // 100.1500, 100.0000, 95.0000, 105.0000
	auctionEmpty = "41 4f" + at + tide + "00000000" + "0000000000000000" + "0000000000000000" +
		"00000000 4e 00 00000000" +
		"0000000000000000" + "0000000000000000" + "0000000000000000" + "0000000000000000"
)

// every names one golden vector of each kind, for tests that must see all types.
var every = map[string]string{
	"levelBuy": levelBuy, "levelSell": levelSell, "trade": trade, "tradeBreak": tradeBreak,
	"quote": quote, "bidOnly": bidOnly, "zeroQuote": zeroQuote,
	"systemEvent": systemEvent, "directory": directory, "directoryETP": directoryETP,
	"trading": trading, "halted": halted, "paused": paused, "acceptingOrders": acceptingOrders,
	"retailLiquidity": retailLiquidity, "operationalHalt": operationalHalt, "operationalOK": operationalOK,
	"shortSaleOn": shortSaleOn, "shortSaleOff": shortSaleOff, "securityEvent": securityEvent,
	"openingPrice": openingPrice, "closingPrice": closingPrice,
	"auction": auction, "auctionEmpty": auctionEmpty,
}

func newDeep() *iex.Deep { return iex.NewDeep(publisher, market.NewSymbolTable(16)) }

func newTops() *iex.Tops { return iex.NewTops(publisher, market.NewSymbolTable(16)) }

// used returns an update as an earlier message may have left it. Decoders must overwrite what is
// theirs and leave the rest alone.
func used() market.Update {
	return market.Update{
		Event: market.Event{
			TsEvent: 1, TsRecv: 2, Seq: 3, OrderID: 4, Price: 5, Size: 6, Instrument: 7, TsInDelta: 8,
			Publisher: 9, Action: market.Add, Side: market.Ask, Flags: 0xff, Channel: 10,
		},
		PrevOrderID: 11, PrevPrice: 12, PrevSize: 13, Match: 14, Unprintable: true,
	}
}

// about returns what every update of a golden vector holds, on top of what used left to others.
func about(action market.Action, side market.Side, p market.Price, size market.Size, f market.Flags) market.Update {
	return market.Update{
		Event: market.Event{
			TsEvent: goldenTime, TsRecv: 2, Seq: 3, Price: p, Size: size, Instrument: 1, TsInDelta: 8,
			Publisher: publisher, Action: action, Side: side, Flags: f, Channel: 10,
		},
		PrevPrice: 12, PrevSize: 13,
	}
}

func aboutTrade() market.Update {
	u := about(market.Trade, market.NoSide, 99_990_000_000, 25, market.FlagLast)
	u.Match = 429974
	return u
}

func TestDeepDecode(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       market.Update
	}{
		{"level, event complete", levelBuy, about(market.Level, market.Bid, 100_010_000_000, 100, market.FlagMBP|market.FlagLast)},
		{"level removed, event under way", levelSell, about(market.Level, market.Ask, 1_234_567_800_000, 0, market.FlagMBP)},
		{"other event flags mean nothing", strings.Replace(levelBuy, "38 01", "38 fe", 1), about(market.Level, market.Bid, 100_010_000_000, 100, market.FlagMBP)},
		{"trade", trade, aboutTrade()},
		{"trade with a longer tail", trade + "00 01 02", aboutTrade()},
	} {
		t.Run(c.name, func(t *testing.T) {
			u := used()
			if v := newDeep().Decode(message(t, c.text), &u); v != market.Applied {
				t.Fatalf("verdict %v, want applied", v)
			}
			if u != c.want {
				t.Errorf("got\n%+v, want\n%+v", u, c.want)
			}
		})
	}
}

func TestTopsDecode(t *testing.T) {
	const tob = market.FlagTOB | market.FlagMBP
	for _, c := range []struct {
		name, text string
		want       []market.Update
	}{
		{"quote", quote, []market.Update{
			about(market.Level, market.Bid, 99_990_000_000, 100, tob),
			about(market.Level, market.Ask, 100_010_000_000, 10_000, tob|market.FlagLast),
		}},
		{"bid only", bidOnly, []market.Update{
			about(market.Level, market.Bid, 99_990_000_000, 100, tob),
			about(market.Level, market.Ask, market.UndefPrice, 0, tob|market.FlagLast),
		}},
		{"no side", zeroQuote, []market.Update{
			about(market.Level, market.Bid, market.UndefPrice, 0, tob),
			about(market.Level, market.Ask, market.UndefPrice, 0, tob|market.FlagLast),
		}},
		{"a price without size, a longer tail", oddQuote, []market.Update{
			about(market.Level, market.Bid, market.UndefPrice, 0, tob),
			about(market.Level, market.Ask, 100_010_000_000, math.MaxUint32, tob|market.FlagLast),
		}},
		{"trade", trade, []market.Update{aboutTrade()}},
	} {
		t.Run(c.name, func(t *testing.T) {
			u := [2]market.Update{used(), used()}
			n, v := newTops().Decode(message(t, c.text), &u)
			if v != market.Applied || n != len(c.want) {
				t.Fatalf("got %d updates, %v, want %d, applied", n, v, len(c.want))
			}
			for i, want := range c.want {
				if u[i] != want {
					t.Errorf("update %d: got\n%+v, want\n%+v", i, u[i], want)
				}
			}
		})
	}
}

// decodeAny gives a message to the feed's Decode and, where that says so, to DecodeCold, as a
// gateway does.
func decodeAny(d any, b []byte, f *market.Facts) (v market.Verdict) {
	switch d := d.(type) {
	case *iex.Deep:
		var u market.Update
		if v = d.Decode(b, &u); v == market.Cold {
			return d.DecodeCold(b, f)
		}
	case *iex.Tops:
		var u [2]market.Update
		var n int
		n, v = d.Decode(b, &u)
		if (n > 0) != (v == market.Applied) {
			panic(fmt.Sprintf("%d updates with verdict %v", n, v))
		}
		if v == market.Cold {
			return d.DecodeCold(b, f)
		}
	}
	return v
}

func TestVerdicts(t *testing.T) {
	// A Price holds at most 92,233,720,368,547 of IEX's units.
	const most, tooMuch = "a38d23d6e2530000", "a48d23d6e2530000"
	const least, tooLittle = "5d72dc291dacffff", "5c72dc291dacffff"
	const before1970 = " ffffffffffffffff "
	for _, c := range []struct {
		name, text string
		deep, tops market.Verdict
	}{
		{"empty", "", market.Short, market.Short},
		{"unknown type", "00" + at + tide, market.UnknownType, market.UnknownType},
		{"order of another protocol", "61 38" + at + tide, market.UnknownType, market.UnknownType},
		{"price level is for DEEP", levelBuy, market.Applied, market.UnknownType},
		{"quote is for TOPS", quote, market.UnknownType, market.Applied},
		{"security event is for DEEP", securityEvent, market.Ignored, market.UnknownType},
		{"trade", trade, market.Applied, market.Applied},
		{"trade break", tradeBreak, market.Ignored, market.Ignored},
		{"system event", systemEvent, market.Ignored, market.Ignored},
		{"retail liquidity", retailLiquidity, market.Ignored, market.Ignored},
		{"directory", directory, market.Cold, market.Cold},
		{"directory with a longer tail", directory + "00", market.Cold, market.Cold},

		{"largest price", "38 01" + at + tide + "64000000" + most, market.Applied, market.UnknownType},
		{"price too large", "38 01" + at + tide + "64000000" + tooMuch, market.BadPrice, market.UnknownType},
		{"smallest price", "35 01" + at + tide + "64000000" + least, market.Applied, market.UnknownType},
		{"price too small", "35 01" + at + tide + "64000000" + tooLittle, market.BadPrice, market.UnknownType},
		{"trade price", "54 00" + at + tide + "64000000" + tooMuch + "968f060000000000", market.BadPrice, market.BadPrice},
		{"bid price", "51 00" + at + tide + "64000000" + tooMuch + most + "64000000", market.UnknownType, market.BadPrice},
		{"ask price", "51 00" + at + tide + "64000000" + most + tooMuch + "64000000", market.UnknownType, market.BadPrice},
		{"official price", "58 51" + at + tide + tooMuch, market.BadPrice, market.BadPrice},
		{"auction price", strings.Replace(auction, "9005100000000000", tooMuch, 1), market.BadPrice, market.BadPrice},

		{"level before 1970", strings.Replace(levelBuy, at, before1970, 1), market.BadTime, market.UnknownType},
		{"quote before 1970", strings.Replace(quote, at, before1970, 1), market.UnknownType, market.BadTime},
		{"trade before 1970", strings.Replace(trade, at, before1970, 1), market.BadTime, market.BadTime},
		{"status before 1970", strings.Replace(trading, at, before1970, 1), market.BadTime, market.BadTime},

		{"trading status", "48 58" + at + tide + "20202020", market.BadField, market.BadField},
		{"operational halt", "4f 48" + at + tide, market.BadField, market.BadField},
		{"short sale status", "50 02" + at + tide + "20", market.BadField, market.BadField},
		{"official price type", "58 58" + at + tide + "dc410f0000000000", market.BadField, market.BadField},
		{"imbalance side", strings.Replace(auction, "c8000000 42", "c8000000 41", 1), market.BadField, market.BadField},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := message(t, c.text)
			var f market.Facts
			if got := decodeAny(newDeep(), b, &f); got != c.deep {
				t.Errorf("deep: got %v, want %v", got, c.deep)
			}
			if got := decodeAny(newTops(), b, &f); got != c.tops {
				t.Errorf("tops: got %v, want %v", got, c.tops)
			}
		})
	}
}

func TestDecodeColdKnowsOnlyColdMessages(t *testing.T) {
	for _, text := range []string{levelBuy, levelSell, quote, trade, tradeBreak, "00"} {
		var f market.Facts
		if v := newDeep().DecodeCold(message(t, text), &f); v != market.UnknownType {
			t.Errorf("%s: got %v, want unknown-type", text[:2], v)
		}
	}
	if v := newDeep().DecodeCold(nil, new(market.Facts)); v != market.Short {
		t.Errorf("no bytes: got %v, want short", v)
	}
}

// Every message that lost bytes at its end is short, leaves no fact and takes no symbol number.
func TestShortMessages(t *testing.T) {
	for name, text := range every {
		b := message(t, text)
		symbols := market.NewSymbolTable(16)
		deep, tops := iex.NewDeep(publisher, symbols), iex.NewTops(publisher, symbols)
		for n := range b {
			var f market.Facts
			for _, d := range []any{deep, tops} {
				v := decodeAny(d, b[:n:n], &f)
				if v != market.Short && v != market.UnknownType {
					t.Errorf("%s cut to %d bytes: %T says %v, want short", name, n, d, v)
				}
			}
			if len(f.Statuses)+len(f.Definitions)+len(f.Statistics)+len(f.Imbalances) != 0 {
				t.Errorf("%s cut to %d bytes: left %+v", name, n, f)
			}
		}
		if symbols.Len() != 0 {
			t.Errorf("%s: cut messages took %d symbol numbers", name, symbols.Len())
		}
	}
}

func TestSymbolsAreNumberedUntilTheTableIsFull(t *testing.T) {
	symbols := market.NewSymbolTable(2)
	deep := iex.NewDeep(publisher, symbols)
	other := strings.Replace(levelBuy, tide, " 4741544520202020 ", 1)      // GATE
	third := strings.Replace(levelBuy, tide, " 5741544552202020 ", 1)      // WATER
	status := strings.Replace(trading, tide, " 5741544552202020 ", 1)      // WATER
	broken := "38 01" + at + " 4e4f4e4520202020 64000000 ffffffffffffff7f" // NONE, with a bad price
	var f market.Facts
	for i, step := range []struct {
		text string
		want market.Verdict
		len  int
	}{
		{broken, market.BadPrice, 0},
		{levelBuy, market.Applied, 1},
		{levelSell, market.Applied, 1},
		{other, market.Applied, 2},
		{third, market.BookFull, 2},
		{status, market.BookFull, 2},
		{trade, market.Applied, 2},
	} {
		if v := decodeAny(deep, message(t, step.text), &f); v != step.want {
			t.Errorf("step %d: got %v, want %v", i, v, step.want)
		}
		if symbols.Len() != step.len {
			t.Errorf("step %d: table holds %d symbols, want %d", i, symbols.Len(), step.len)
		}
	}
	if len(f.Statuses) != 0 {
		t.Errorf("a message without a symbol number left %+v", f.Statuses)
	}
	if symbols.Symbol(1) != "TIDE" || symbols.Symbol(2) != "GATE" {
		t.Errorf("symbols are %q, %q, want TIDE, GATE", symbols.Symbol(1), symbols.Symbol(2))
	}
}

func TestDecodeDoesNotAllocate(t *testing.T) {
	deep, tops := newDeep(), newTops()
	var messages [][]byte
	for _, text := range every {
		messages = append(messages, message(t, text))
	}
	var (
		one   market.Update
		two   [2]market.Update
		facts market.Facts
	)
	decode := func() {
		facts.Reset()
		for _, b := range messages {
			if deep.Decode(b, &one) == market.Cold && b[0] != 'D' { // a definition carries text
				deep.DecodeCold(b, &facts)
			}
			tops.Decode(b, &two)
		}
	}
	decode() // numbers the symbol and makes room for the facts
	if n := testing.AllocsPerRun(100, decode); n != 0 {
		t.Errorf("decoding %d messages allocates %.1f times, want 0", len(messages), n)
	}
}

package pitch

import (
	"bytes"
	"encoding/hex"
	"math"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tidegate/market"
)

// unhex reads hexadecimal digits, spaces aside.
func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

// A message is one of the structs.
type message interface {
	Append(b []byte) []byte
	Parse(b []byte) error
}

func symbol(name string) Symbol {
	s, err := ParseSymbol(name)
	if err != nil {
		panic(err)
	}
	return s
}

// at1 is a header of 500,000,001 ns: the wire has 0165cd1d.
var at1 = Header{Offset: 500_000_001}

// golden has every message, and every form of those that have several, byte for byte.
var golden = []struct {
	name string
	wire string
	want message
}{
	{"time", "20 98850000", &Time{Seconds: 34_200}},
	{"unit clear", "97 0165cd1d", &UnitClear{at1}},
	{
		"add order, short", "22 0165cd1d 0807060504030201 42 2c01 5a5645202020 d607 01",
		&AddOrder{at1, 0x0102030405060708, Buy, 300, symbol("ZVE"), 200_600, 1, nobody, ' '},
	},
	{
		"add order, long for its price", "21 0165cd1d 0807060504030201 53 2c010000 5a5645202020 9c0f030000000000 01",
		&AddOrder{at1, 0x0102030405060708, Sell, 300, symbol("ZVE"), 200_604, 1, nobody, ' '},
	},
	{
		"add order, long for its quantity", "21 0165cd1d 0807060504030201 53 00000100 5a56455a5a54 980f030000000000 01",
		&AddOrder{at1, 0x0102030405060708, Sell, 65_536, symbol("ZVEZZT"), 200_600, 1, nobody, ' '},
	},
	{
		"add order, expanded for its symbol", "2f 0165cd1d 0807060504030201 42 2c010000 5a56455a5a543120 980f030000000000 01 20202020 20",
		&AddOrder{at1, 0x0102030405060708, Buy, 300, symbol("ZVEZZT1"), 200_600, 1, nobody, ' '},
	},
	{
		"add order, expanded for its participant", "2f 0165cd1d 0807060504030201 42 2c010000 5a56452020202020 980f030000000000 01 5254414c 20",
		&AddOrder{at1, 0x0102030405060708, Buy, 300, symbol("ZVE"), 200_600, 1, [4]byte{'R', 'T', 'A', 'L'}, ' '},
	},
	{
		"order executed", "23 0165cd1d 0807060504030201 64000000 1817161514131211",
		&OrderExecuted{at1, 0x0102030405060708, 100, 0x1112131415161718},
	},
	{
		"order executed at price", "24 0165cd1d 0807060504030201 64000000 32000000 1817161514131211 9c0f030000000000",
		&OrderExecutedAtPrice{at1, 0x0102030405060708, 100, 50, 0x1112131415161718, 200_604},
	},
	{"reduce size, short", "26 0165cd1d 0807060504030201 ffff", &ReduceSize{at1, 0x0102030405060708, 65_535}},
	{"reduce size, long", "25 0165cd1d 0807060504030201 00000100", &ReduceSize{at1, 0x0102030405060708, 65_536}},
	{"modify order, short", "28 0165cd1d 0807060504030201 2c01 d607 03", &ModifyOrder{at1, 0x0102030405060708, 300, 200_600, 3}},
	{
		"modify order, short at its largest", "28 0165cd1d 0807060504030201 ffff ffff 01",
		&ModifyOrder{at1, 0x0102030405060708, 65_535, 6_553_500, 1},
	},
	{
		"modify order, long for its price", "27 0165cd1d 0807060504030201 2c010000 6400640000000000 01",
		&ModifyOrder{at1, 0x0102030405060708, 300, 6_553_700, 1},
	},
	{"delete order", "29 0165cd1d 0807060504030201", &DeleteOrder{at1, 0x0102030405060708}},
	{
		"trade, short", "2b 0165cd1d 0807060504030201 42 2c01 5a5645202020 d607 1817161514131211",
		&Trade{at1, 0x0102030405060708, Buy, 300, symbol("ZVE"), 200_600, 0x1112131415161718},
	},
	{
		"trade, long", "2a 0165cd1d 0807060504030201 42 2c010000 5a5645202020 1900000000000000 1817161514131211",
		&Trade{at1, 0x0102030405060708, Buy, 300, symbol("ZVE"), 25, 0x1112131415161718},
	},
	{
		"trade, expanded", "30 0165cd1d 0807060504030201 53 2c010000 5a56455a5a543132 980f030000000000 1817161514131211",
		&Trade{at1, 0x0102030405060708, Sell, 300, symbol("ZVEZZT12"), 200_600, 0x1112131415161718},
	},
	{"trade break", "2c 0165cd1d 1817161514131211", &TradeBreak{at1, 0x1112131415161718}},
	{"end of session", "2d 0165cd1d", &EndOfSession{at1}},
	{
		"symbol mapping", "2e 303141634c20" + hex.EncodeToString([]byte("TIDE  260116C00012500")) + "4e 5449444520202020",
		&SymbolMapping{
			[6]byte([]byte("01AcL ")), [21]byte([]byte("TIDE  260116C00012500")), 'N', [8]byte([]byte("TIDE    ")),
		},
	},
	{"trading status", "31 0165cd1d 5a56452020202020 54 31 2020", &TradingStatus{at1, symbol("ZVE"), 'T', '1', [2]byte{' ', ' '}}},
	{
		"auction update", "95 0165cd1d 5a56452020202020 4f 970f030000000000 64000000 c8000000 980f030000000000 9c0f030000000000",
		&AuctionUpdate{at1, symbol("ZVE"), 'O', 200_599, 100, 200, 200_600, 200_604},
	},
	{"auction summary", "96 0165cd1d 5a56452020202020 43 980f030000000000 64000000", &AuctionSummary{at1, symbol("ZVE"), 'C', 200_600, 100}},
	{"retail price improvement", "98 0165cd1d 5a56452020202020 41", &RetailPriceImprovement{at1, symbol("ZVE"), 'A'}},
}

func TestGoldenMessages(t *testing.T) {
	forms := map[byte]bool{}
	for _, tt := range golden {
		wire := unhex(tt.wire)
		forms[wire[0]] = true
		if got := tt.want.Append(nil); !bytes.Equal(got, wire) {
			t.Errorf("%s: Append: %x, want %x", tt.name, got, wire)
		}
		got := reflect.New(reflect.TypeOf(tt.want).Elem()).Interface().(message)
		if err := got.Parse(wire); err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: Parse: %+v, %v, want %+v", tt.name, got, err, tt.want)
		}
		// A longer message is one of a later edition.
		if err := got.Parse(append(wire, 0xee, 0xee)); err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: Parse of a longer message: %+v, %v", tt.name, got, err)
		}
		if err := got.Parse(wire[:LengthMin(wire[0])-1]); err != ErrLength {
			t.Errorf("%s: Parse of a shorter message: %v, want %v", tt.name, err, ErrLength)
		}
		for _, other := range [][]byte{nil, {0xff}} {
			if err := got.Parse(other); err != ErrType {
				t.Errorf("%s: Parse of %x: %v, want %v", tt.name, other, err, ErrType)
			}
		}
	}
	for typ := range 256 {
		if has := LengthMin(byte(typ)) > 0; has != forms[byte(typ)] {
			t.Errorf("type %#02x: the protocol has it: %t, a golden message: %t", typ, has, forms[byte(typ)])
		}
	}
}

// Older editions, and the options and futures feeds, lack the last fields.
func TestFieldsThatMayBeMissing(t *testing.T) {
	for _, tt := range []struct {
		wire string
		into message
		want message
	}{
		{
			"22 0165cd1d 0807060504030201 42 2c01 5a5645202020 d607", new(AddOrder),
			&AddOrder{at1, 0x0102030405060708, Buy, 300, symbol("ZVE"), 200_600, 0, nobody, ' '},
		},
		{
			"21 0165cd1d 0807060504030201 42 2c010000 5a5645202020 1900000000000000", new(AddOrder),
			&AddOrder{at1, 0x0102030405060708, Buy, 300, symbol("ZVE"), 25, 0, nobody, ' '},
		},
		{
			"2f 0165cd1d 0807060504030201 42 2c010000 5a56455a5a543120 1900000000000000 01", new(AddOrder),
			&AddOrder{at1, 0x0102030405060708, Buy, 300, symbol("ZVEZZT1"), 25, 1, nobody, ' '},
		},
		{
			"2f 0165cd1d 0807060504030201 42 2c010000 5a56455a5a543120 1900000000000000 01 54494445", new(AddOrder),
			&AddOrder{at1, 0x0102030405060708, Buy, 300, symbol("ZVEZZT1"), 25, 1, [4]byte{'T', 'I', 'D', 'E'}, ' '},
		},
		{"28 0165cd1d 0807060504030201 2c01 d607", new(ModifyOrder), &ModifyOrder{at1, 0x0102030405060708, 300, 200_600, 0}},
		{
			"27 0165cd1d 0807060504030201 2c010000 1900000000000000", new(ModifyOrder),
			&ModifyOrder{at1, 0x0102030405060708, 300, 25, 0},
		},
		{
			"2e 303141634c20" + hex.EncodeToString([]byte("TIDE  260116C00012500")) + "43", new(SymbolMapping),
			&SymbolMapping{
				[6]byte([]byte("01AcL ")), [21]byte([]byte("TIDE  260116C00012500")), 'C', [8]byte([]byte("        ")),
			},
		},
	} {
		if err := tt.into.Parse(unhex(tt.wire)); err != nil || !reflect.DeepEqual(tt.into, tt.want) {
			t.Errorf("%s: %+v, %v, want %+v", tt.wire, tt.into, err, tt.want)
		}
	}
}

// What is appended is parsed again, whichever form was chosen, and a form is never longer than needed.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := Header{rapid.Uint32().Draw(t, "offset")}
		id := rapid.Uint64().Draw(t, "order")
		quantity := rapid.OneOf(rapid.Uint32(), rapid.Uint32Range(math.MaxUint16-1, math.MaxUint16+1)).Draw(t, "quantity")
		price := rapid.OneOf(
			rapid.Map(rapid.Uint64(), func(p uint64) Price { return Price(p) }),
			rapid.Map(rapid.Uint64Range(0, 65_540), func(p uint64) Price { return Price(p * 100) }),
			rapid.Map(rapid.Uint64Range(0, 300), func(p uint64) Price { return Price(p) }),
		).Draw(t, "price")
		name := symbol(rapid.StringMatching(`[A-Z.+]{1,8}`).Draw(t, "symbol"))
		side := rapid.SampledFrom([]byte{Buy, Sell}).Draw(t, "side")
		who := rapid.SampledFrom([][4]byte{nobody, {'R', 'T', 'A', 'L'}}).Draw(t, "participant")
		for _, m := range []message{
			&AddOrder{h, id, side, quantity, name, price, 1, who, ' '},
			&Trade{h, id, side, quantity, name, price, id + 1},
			&ModifyOrder{h, id, quantity, price, 3},
			&ReduceSize{h, id, quantity},
		} {
			wire := m.Append(nil)
			again := reflect.New(reflect.TypeOf(m).Elem()).Interface().(message)
			if err := again.Parse(wire); err != nil || !reflect.DeepEqual(again, m) {
				t.Fatalf("%x: %+v, %v, want %+v", wire, again, err, m)
			}
			fits := quantity <= math.MaxUint16
			if _, ok := m.(*ReduceSize); !ok {
				fits = fits && price%100 == 0 && price <= 6_553_500
			}
			short := map[byte]bool{TypeAddOrderShort: true, TypeTradeShort: true, TypeModifyOrderShort: true, TypeReduceSizeShort: true}
			expanded := wire[0] == TypeAddOrderExpanded || wire[0] == TypeTradeExpanded
			if short[wire[0]] != (fits && !expanded) {
				t.Fatalf("%+v: type %#02x", m, wire[0])
			}
			if len(wire) > LengthMax {
				t.Fatalf("%+v: %d bytes, LengthMax is %d", m, len(wire), LengthMax)
			}
		}
	})
}

func TestPrice(t *testing.T) {
	for _, tt := range []struct {
		p    Price
		want market.Price
		ok   bool
	}{
		{0, 0, true},
		{25, 2_500_000, true},
		{200_600, 20_060_000_000, true},
		{92_233_720_368_547, 9_223_372_036_854_700_000, true},
		{92_233_720_368_548, market.UndefPrice, false},
		{1 << 63, market.UndefPrice, false},
		{math.MaxUint64, market.UndefPrice, false},
	} {
		if got, ok := tt.p.Price(); got != tt.want || ok != tt.ok {
			t.Errorf("%d: %d, %t, want %d, %t", tt.p, got, ok, tt.want, tt.ok)
		}
	}
}

func TestParseSymbol(t *testing.T) {
	for name, padded := range map[string]string{"": "        ", "BRK.B": "BRK.B   ", "ABCDEFGH": "ABCDEFGH"} {
		s, err := ParseSymbol(name)
		if err != nil || string(s[:]) != padded || s.String() != name {
			t.Errorf("%q: %q, prints as %q: %v", name, s[:], s, err)
		}
	}
	for _, name := range []string{"ABCDEFGHI", "A\x00", "Ä"} {
		if _, err := ParseSymbol(name); err == nil {
			t.Errorf("ParseSymbol(%q) succeeds", name)
		}
	}
}

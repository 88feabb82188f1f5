package match_test

import (
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"

	"tidegate/book/match"
	"tidegate/book/match/matchtest"
	"tidegate/market"
)

// golden is version 1 of the encoding, written by hand from the table of AppendBinary.
var golden = []struct {
	in   match.Input
	want string
}{
	{
		match.Input{
			Time: 0x0102030405060708, OrderID: 0x1112131415161718, NewID: 0x2122232425262728,
			Price: 0x3132333435363738, Stop: 0x4142434445464748, Offset: 0x5152535455565758, Until: 0x6162636465666768,
			Size: 0x7172737475767778, Display: 0x8182838485868788, MinSize: 0x9192939495969798,
			Instrument: 0xA1A2A3A4, Account: 0xB1B2B3B4, Session: 0xC1C2C3C4, Collar: 0xD1D2D3D4,
			Kind: match.New, Side: market.Ask, Type: match.Market, TIF: match.FillOrKill, STP: match.CancelBoth,
			Post: match.SlideTaking, Peg: match.PegMarket, Trigger: match.TriggerQuote, State: match.Halted,
			WhenStale: match.HoldStale, Fresh: true, CancelOnDisconnect: true,
		},
		`01 06 41 01 02 03 02 03 02 03 03 01  a4a3a2a1  0807060504030201
		 1817161514131211 2827262524232221  b4b3b2b1 c4c3c2c1
		 3837363534333231 4847464544434241 5857565554535251 6867666564636261
		 7877767574737271 8887868584838281 9897969594939291  d4d3d2d1 00000000`,
	},
	{
		match.ReferenceInput(5, 7, 10*market.PriceScale, market.UndefPrice, true, 3),
		`01 04 00 00 00 00 00 00 00 01 00 00  07000000  0500000000000000
		 0000000000000000 0000000000000000  00000000 00000000
		 00e40b5402000000 ffffffffffffff7f 0000000000000000 0300000000000000
		 0000000000000000 0000000000000000 0000000000000000  00000000 00000000`,
	},
	{
		match.DefineInput(-1, match.Instrument{ID: 2, TickSize: 10, LotSize: 100, Collar: 500, ReferenceAgeMax: 50, WhenStale: match.HoldStale}),
		`01 02 00 00 00 00 00 00 00 00 00 01  02000000  ffffffffffffffff
		 0000000000000000 0000000000000000  00000000 00000000
		 0a00000000000000 0000000000000000 0000000000000000 3200000000000000
		 6400000000000000 0000000000000000 0000000000000000  f4010000 00000000`,
	},
}

func TestInputGolden(t *testing.T) {
	for i, c := range golden {
		want, err := hex.DecodeString(strings.Join(strings.Fields(c.want), ""))
		if err != nil || len(want) != match.InputLen {
			t.Fatalf("golden %d: %d bytes, %v", i, len(want), err)
		}
		got, err := c.in.AppendBinary([]byte("before"))
		if err != nil || string(got) != "before"+string(want) {
			t.Errorf("golden %d: encoded to\n%x\nwant\n%x", i, got[6:], want)
		}
		var back match.Input
		if err := back.UnmarshalBinary(want); err != nil || back != c.in {
			t.Errorf("golden %d: decoded to %+v, %v", i, back, err)
		}
	}
}

// An engine that has restored old snapshots and read old logs for years must not find that a kind or a
// reason means something else now.
func TestNumbersStay(t *testing.T) {
	if match.Tick != 1 || match.Disconnect != 10 || match.GoodTillTime != 3 || match.DecrementBoth != 4 || match.Halted != 3 {
		t.Error("numbers in logs have changed: that is another InputVersion")
	}
}

func TestInputRefused(t *testing.T) {
	good, _ := golden[0].in.AppendBinary(nil)
	for _, c := range []struct {
		name   string
		change func(b []byte) []byte
		want   error
	}{
		{"nothing", func([]byte) []byte { return nil }, match.ErrInputLen},
		{"short", func(b []byte) []byte { return b[1:] }, match.ErrInputLen},
		{"long", func(b []byte) []byte { return append(b, 0) }, match.ErrInputLen},
		{"version", func(b []byte) []byte { b[0] = 2; return b }, match.ErrInputVersion},
		{"flags", func(b []byte) []byte { b[9] |= 4; return b }, match.ErrInputBits},
		{"end", func(b []byte) []byte { b[111] = 1; return b }, match.ErrInputBits},
	} {
		in := golden[1].in
		err := in.UnmarshalBinary(c.change(slices.Clone(good)))
		if !errors.Is(err, c.want) || in != golden[1].in {
			t.Errorf("%s: error %v, want %v; input %+v", c.name, err, c.want, in)
		}
	}
}

// A log of any bytes can be applied: the engine stays sound and agrees with its twin.
func FuzzLog(f *testing.F) {
	for seed := range uint64(8) {
		f.Add(encode(matchtest.Inputs(seed, 30)))
	}
	f.Fuzz(func(t *testing.T, log []byte) {
		cfg := match.Config{OrdersMax: 20, InstrumentsMax: 4}
		fast, plain := match.NewEngine(cfg), matchtest.NewPlain(cfg)
		var got, want []match.Event
		for ; len(log) >= match.InputLen; log = log[match.InputLen:] {
			var in match.Input
			if in.UnmarshalBinary(log[:match.InputLen]) != nil {
				continue
			}
			if again, _ := in.AppendBinary(nil); string(again) != string(log[:match.InputLen]) {
				t.Fatalf("encoded again:\n%x\nwant\n%x", again, log[:match.InputLen])
			}
			got, want = fast.Apply(&in, got[:0]), plain.Apply(&in, want[:0])
			if !slices.Equal(got, want) {
				t.Fatalf("%+v: events\n%swant\n%s", in, list(got), list(want))
			}
			if err := fast.Check(); err != nil {
				t.Fatalf("%+v: %v", in, err)
			}
		}
		if got, want := fast.Hash(), plain.Hash(); got != want {
			t.Fatalf("hash %x, want %x", got, want)
		}
	})
}

func encode(inputs []match.Input) (log []byte) {
	for _, in := range inputs {
		log, _ = in.AppendBinary(log)
	}
	return log
}

package depth

import (
	"fmt"
	"testing"

	"tidegate/codec/crypto/wire"
	"tidegate/market"
)

func number(t *testing.T, text string) wire.Decimal {
	t.Helper()
	if text == "" {
		return wire.Decimal{}
	}
	d, ok := wire.ParseDecimal(text)
	if !ok {
		t.Fatal(text)
	}
	return d
}

func TestScaleFor(t *testing.T) {
	for _, c := range []struct {
		step, largest string
		want          int
	}{
		{"0.00000001", "9000", 5},           // 42,949 fit
		{"0.00000001", "42.94967295", 8},    // the largest number of 32 bits
		{"0.00000001", "42.94967296", 7},    // one more
		{"0.00001000", "9000.00000000", 5},  // the step needs no more
		{"1.00", "46116860414.00", -2},      // lots of a hundred
		{"0.1", "1000", 1},                  //
		{"10", "100", 0},                    // never coarser than one for the step's sake
		{"0.00000001", "", 8},               // not known
		{"", "100", 0},                      //
		{"0.000000000000001", "", 12},       // SizeScaleMax
		{"1", "18446744073709551615", -9},   // SizeScaleMin
		{"0.01", "1" + "0000000000000", -4}, //
	} {
		if got := ScaleFor(number(t, c.step), number(t, c.largest)); got != c.want {
			t.Errorf("step %s, largest %s: scale %d, want %d", c.step, c.largest, got, c.want)
		}
	}
}

func TestLargestOf(t *testing.T) {
	for _, c := range []struct{ worth, tick, want string }{
		{"20.0", "0.01", "100000"},          // 100 * 10 / 0.01
		{"0.0002", "0.00000001", "1000000"}, // 100 * 0.0001 / 0.00000001
		{"10", "1000000", "0.001"},
		{"", "0.01", ""},
		{"10", "", ""},
	} {
		got := LargestOf(number(t, c.worth), number(t, c.tick))
		if want := number(t, c.want); got != want {
			t.Errorf("worth %s, tick %s: %+v, want %+v", c.worth, c.tick, got, want)
		}
	}
	if got := Times(wire.Decimal{Mantissa: 5}, 30); got.Mantissa != 1<<64-1 {
		t.Errorf("5e30 is %+v", got)
	}
}

func TestLot(t *testing.T) {
	for _, c := range []struct {
		scale int
		want  string
		ok    bool
	}{{8, "0.00000001", true}, {0, "1.00", true}, {-2, "100.00", true}, {9, "0.000000001", true}, {-9, "1000000000.00", true}, {10, "-", false}} {
		in := Instrument{SizeScale: c.scale}
		if lot, ok := in.Lot(); lot.String() != c.want || ok != c.ok {
			t.Errorf("scale %d: lot %v, %t, want %s", c.scale, lot, ok, c.want)
		}
	}
}

func TestDirectory(t *testing.T) {
	d := NewDirectory(60999)
	symbol := func(i int) string { // some alike in their first and last bytes
		return []string{fmt.Sprint("S", i), fmt.Sprintf("FIRSTBYT%06dLASTBYTE", i), fmt.Sprintf("B-%d/USD", i)}[i%3]
	}
	for i := range 1000 {
		in, err := d.Add(Instrument{ID: market.InstrumentID(i), Symbol: symbol(i), SizeScale: i%21 + SizeScaleMin})
		if err != nil || in.Symbol != symbol(i) {
			t.Fatalf("%d: %+v, %v", i, in, err)
		}
	}
	for i := range 1000 {
		if in := d.Find([]byte(symbol(i))); in == nil || in.ID != market.InstrumentID(i) {
			t.Errorf("%s: %+v", symbol(i), in)
		}
	}
	for _, unknown := range []string{"", "S", "s0", "B-2/US", "FIRSTBYT999999LASTBYTE"} {
		if in := d.Find([]byte(unknown)); in != nil {
			t.Errorf("%s: %+v", unknown, in)
		}
	}
	if len(d.All()) != 1000 || d.All()[7].ID != 7 || d.Publisher() != 60999 {
		t.Errorf("%d instruments", len(d.All()))
	}
	for _, bad := range []Instrument{{}, {Symbol: "S0"}, {Symbol: "X", SizeScale: SizeScaleMax + 1}, {Symbol: "X", SizeScale: SizeScaleMin - 1}} {
		if in, err := d.Add(bad); err == nil {
			t.Errorf("added %+v", in)
		}
	}
	key := []byte(symbol(1))
	if n := testing.AllocsPerRun(100, func() { d.Find(key) }); n != 0 {
		t.Errorf("Find allocates %.1f times", n)
	}
}

package ouch50

import (
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"tidegate/market"
)

func TestPrice(t *testing.T) {
	for _, tt := range []struct {
		p    Price
		want market.Price
		ok   bool
	}{
		{0, 0, true},
		{242700, 24_270_000_000, true},
		{LimitMax, 199_999_990_000_000, true},
		{MarketPrice, market.UndefPrice, false},
		{MarketCrossPrice, market.UndefPrice, false},
		{math.MaxInt64 / 100_000, math.MaxInt64 / 100_000 * 100_000, true},
		{math.MaxInt64/100_000 + 1, market.UndefPrice, false},
		{math.MaxUint64, market.UndefPrice, false},
	} {
		if got, ok := tt.p.Price(); got != tt.want || ok != tt.ok {
			t.Errorf("%d is %d, %t, want %d, %t", tt.p, got, ok, tt.want, tt.ok)
		}
	}
	if got, _ := Price(12345).Price(); got.String() != "1.2345" {
		t.Errorf("12345 is %s", got)
	}
	for _, p := range []market.Price{-100_000, 1, 99_999, 100_001, market.UndefPrice, math.MinInt64, 200_000 * market.PriceScale} {
		if got, ok := PriceOf(p); ok || got != 0 {
			t.Errorf("%d became %d", p, got)
		}
	}
}

// A price there and back is the same, and exactly 1e-4 a unit.
func TestPriceRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Price(rapid.Uint64().Draw(t, "price"))
		m, ok := p.Price()
		exact := new(big.Int).Mul(new(big.Int).SetUint64(uint64(p)), big.NewInt(100_000))
		if want := exact.IsInt64() && !p.Market(); ok != want {
			t.Fatalf("%d: %t, want %t", p, ok, want)
		}
		if !ok {
			return
		}
		if exact.Int64() != int64(m) {
			t.Fatalf("%d is %d, want %d", p, m, exact)
		}
		if back, ok := PriceOf(m); !ok || back != p {
			t.Fatalf("%d became %d, %t", p, back, ok)
		}
	})
}

func TestOffset(t *testing.T) {
	for _, o := range []Offset{0, 1, -1, math.MaxInt32, math.MinInt32} {
		if got := o.Price(); int64(got) != int64(o)*100_000 {
			t.Errorf("%d is %d", o, got)
		}
		if back, ok := OffsetOf(o.Price()); !ok || back != o {
			t.Errorf("%d became %d, %t", o, back, ok)
		}
	}
	for _, p := range []market.Price{1, -1, market.UndefPrice, math.MinInt64, (math.MaxInt32 + 1) * 100_000, (math.MinInt32 - 1) * 100_000} {
		if got, ok := OffsetOf(p); ok || got != 0 {
			t.Errorf("%d became %d", p, got)
		}
	}
}

func TestText(t *testing.T) {
	for _, name := range []string{"", "A", "BRK.", "ONLY"} {
		s, err := ParseSymbol(name)
		if err != nil || s.String() != name || s.Blank() != (name == "") || len(s) != 8 || s[7] != ' ' {
			t.Errorf("symbol %q became %q: %v", name, s[:], err)
		}
		f, err := ParseFirm(name)
		if err != nil || f.String() != name || f.Blank() != (name == "") {
			t.Errorf("firm %q became %q: %v", name, f[:], err)
		}
		id, err := ParseClOrdID(name)
		if err != nil || id.String() != name || id[13] != ' ' {
			t.Errorf("id %q became %q: %v", name, id[:], err)
		}
	}
	for _, bad := range []string{"ABCDEFGHIJKLMNO", "A\n", "\xff", "Ä", "\x00"} {
		if s, err := ParseSymbol(bad); err == nil || s != (Symbol{}) {
			t.Errorf("symbol %q succeeds", bad)
		}
		if f, err := ParseFirm(bad); err == nil || f != (Firm{}) {
			t.Errorf("firm %q succeeds", bad)
		}
		if id, err := ParseClOrdID(bad); err == nil || id != (ClOrdID{}) {
			t.Errorf("id %q succeeds", bad)
		}
	}
}

func TestRefSequence(t *testing.T) {
	var s RefSequence
	if n, ok := s.Next(); n != 1 || !ok {
		t.Errorf("the first number is %d, %t", n, ok)
	}
	for _, tt := range []struct {
		n    uint32
		want bool
		next uint32
	}{
		{0, false, 1}, // not a number of an order
		{1, true, 2},
		{1, false, 2}, // sent again
		{5, true, 6},  // gaps are allowed
		{3, false, 6},
		{6, true, 7},
	} {
		if got := s.Fresh(tt.n); got != tt.want {
			t.Errorf("%d is fresh: %t", tt.n, got)
		}
		if got := s.Take(tt.n); got != tt.want {
			t.Errorf("%d is taken: %t", tt.n, got)
		}
		if n, ok := s.Next(); n != tt.next || !ok {
			t.Errorf("after %d comes %d, %t, want %d", tt.n, n, ok, tt.next)
		}
	}
	s = ResumeRefs(7)
	if n, ok := s.Next(); n != 7 || !ok || s.Fresh(6) || !s.Take(7) {
		t.Errorf("resumed at %d, %t", n, ok)
	}
	s = ResumeRefs(0)
	if n, _ := s.Next(); n != 1 {
		t.Errorf("resumed at %d", n)
	}
	s = ResumeRefs(math.MaxUint32)
	if !s.Take(math.MaxUint32) || s.Take(math.MaxUint32) {
		t.Error("the last number is not taken once")
	}
	if n, ok := s.Next(); ok || n != 0 {
		t.Errorf("after the last number comes %d", n)
	}
}

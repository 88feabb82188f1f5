package wire

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tidegate/market"
)

// numberText draws a decimal number as text, with what venues do not send too.
func numberText() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		whole := rapid.StringMatching(`0|[1-9][0-9]{0,4}|[1-9][0-9]{10,21}`).Draw(t, "whole")
		frac := rapid.StringMatching(`|\.[0-9]{1,9}|\.[0-9]{1,3}0{1,24}|\.0{1,20}[1-9]`).Draw(t, "fraction")
		exponent := rapid.SampledFrom([]string{"", "", "", "", "e0", "e-7", "E+3", "e12", "e-15"}).Draw(t, "exponent")
		return whole + frac + exponent
	})
}

// units returns text * 10^scale.
func units(text string, scale int) *big.Rat {
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		panic(text)
	}
	power := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(scale, -scale))), nil)
	if scale < 0 {
		return r.Quo(r, new(big.Rat).SetInt(power))
	}
	return r.Mul(r, new(big.Rat).SetInt(power))
}

func TestDecimalAgreesWithBig(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := numberText().Draw(t, "number")
		scale := rapid.IntRange(-9, 12).Draw(t, "scale")
		quote := rapid.SampledFrom([]string{"", `"`}).Draw(t, "quote")
		var s Scanner
		s.Reset([]byte(quote + text + quote))
		d := s.Decimal()
		s.End()

		// The digits after trailing zeros of the fraction are gone must fit 64 bits, and the exponent's zeros too.
		mantissa, _, hasExponent := strings.Cut(strings.ToLower(text), "e")
		beforePoint, fraction, _ := strings.Cut(mantissa, ".")
		digits := beforePoint + strings.TrimRight(fraction, "0")
		n, _ := new(big.Int).SetString("0"+digits, 10)
		if !n.IsUint64() {
			if s.Verdict() != market.BadField {
				t.Fatalf("%s: %+v, %v, want %v", text, d, s.Verdict(), market.BadField)
			}
			return
		}
		if s.Verdict() != market.Applied {
			if hasExponent && units(text, 0).Cmp(units("1e12", 0)) > 0 {
				return // the zeros that the exponent stands for did not fit
			}
			t.Fatalf("%s: %v", text, s.Verdict())
		}
		if back := string(d.AppendText(nil)); !hasExponent && back != text {
			t.Fatalf("%s: %+v gives the text %s", text, d, back)
		}
		if got, want := string(d.AppendDigits(nil)), strings.TrimLeft(strings.Replace(text, ".", "", 1), "0"); !hasExponent && want != "" && got != want {
			t.Fatalf("%s: %+v gives the digits %s, want %s", text, d, got, want)
		}

		exact := units(text, 9)
		price, ok := d.Price()
		if fits := exact.IsInt() && exact.Cmp(new(big.Rat).SetInt64(math.MaxInt64)) < 0; ok != fits {
			t.Fatalf("%s as a price: %v, %t, want %t", text, price, ok, fits)
		}
		if ok && exact.Cmp(new(big.Rat).SetInt64(int64(price))) != 0 {
			t.Fatalf("%s as a price: %d, want %v", text, price, exact)
		}

		want := units(text, scale)
		size, whole, ok := d.Size(scale)
		floor := new(big.Int).Quo(want.Num(), want.Denom())
		if ok != floor.IsUint64() {
			t.Fatalf("%s with scale %d: %d, ok %t, want %v", text, scale, size, ok, want)
		}
		if !ok {
			return
		}
		if floor.Sign() == 0 && want.Sign() > 0 {
			floor.SetInt64(1)
		}
		if whole != want.IsInt() || floor.Uint64() != uint64(size) {
			t.Fatalf("%s with scale %d: %d, exact %t, want %v", text, scale, size, whole, want)
		}
	})
}

func TestDecimal(t *testing.T) {
	for _, c := range []struct {
		text string
		want Decimal
		v    market.Verdict
	}{
		{`"61737.63000000"`, Decimal{6173763000000, 8, 0}, market.Applied},
		{`0.5666`, Decimal{5666, 4, 0}, market.Applied},
		{`"0"`, Decimal{0, 0, 0}, market.Applied},
		{`"0.00000000"`, Decimal{0, 8, 0}, market.Applied},
		{`"1000000000000.00000000"`, Decimal{10000000000000000000, 7, 1}, market.Applied},
		{`"18446744073709551615"`, Decimal{math.MaxUint64, 0, 0}, market.Applied},
		{`"18446744073709551616"`, Decimal{}, market.BadField},
		{`"1234567890.12345678901"`, Decimal{}, market.BadField},
		{`1e-7`, Decimal{1, 7, 0}, market.Applied},
		{`1.5E3`, Decimal{1500, 0, 0}, market.Applied},
		{`1e65`, Decimal{}, market.BadField},
		{`1e-999999999999`, Decimal{}, market.BadField},
		{`0.` + strings.Repeat("0", 65), Decimal{}, market.BadField},
		{`"-1"`, Decimal{}, market.BadField},
		{`"+1"`, Decimal{}, market.BadField},
		{`"01"`, Decimal{}, market.BadField},
		{`".5"`, Decimal{}, market.BadField},
		{`"5."`, Decimal{}, market.BadField},
		{`"5.x"`, Decimal{}, market.BadField},
		{`"1 "`, Decimal{}, market.BadField},
		{`1x`, Decimal{}, market.BadField},
		{`""`, Decimal{}, market.BadField},
		{`"1`, Decimal{}, market.Short},
		{`"`, Decimal{}, market.Short},
		{``, Decimal{}, market.Short},
		{`null`, Decimal{}, market.BadField},
	} {
		var s Scanner
		s.Reset([]byte(c.text))
		got := s.Decimal()
		s.End()
		if s.Verdict() != c.v || c.v == market.Applied && got != c.want {
			t.Errorf("%s: %+v, %v, want %+v, %v", c.text, got, s.Verdict(), c.want, c.v)
		}
	}
}

// shapes draws arrays of numbers as venues send them, and much that is nearly that.
func shapes(t *rapid.T) []byte {
	pieces := rapid.SliceOfN(rapid.SampledFrom([]string{
		`["1.50","2"],`, `["61737.63000000","0.10000000"],`, `["0.000022880","12345678.5","0","1"],`, `["30261","0","0","12"],`,
		`["354.15","5","1618678133.365913"],`, `["5","6","1618678133.365913","r"],`, `["7","8","9999999999.365913"],`,
		`["01.5","2"],`, `["1","007"],`, `["7","8","0123456789.365913"],`, `["7","8","9.e"],`, `["12345678","1.123456789"],`,
		`["`, `"`, `","`, `,`, `]`, `"]`, `],`, `[`, ` `, `1`, `0.10`, `{}`, `"x"`, `-`, `null`, `\u0031`, `e5`, `00`,
	}), 0, 6).Draw(t, "pieces")
	b := []byte("[" + strings.Join(pieces, "") + rapid.SampledFrom([]string{`["1","2"]]`, "]", `"]`, ""}).Draw(t, "end"))
	// What is read eight bytes at a time must not look at what is behind.
	return append(b, rapid.SampledFrom([]string{"", strings.Repeat(" ", 80), ",1234567890"}).Draw(t, "after")...)
}

// Levels, Pair and Triple have a road of their own for what venues send; the plain one must give the same.
func TestLevels(t *testing.T) {
	for _, numbers := range []string{
		`"01.5","2"`, `"1","007"`, `"1.5","2."`, `"1.","2"`, `".5","2"`, `"1e5","2"`, `"1","2.5e1"`, `"12345678","1.123456789"`, `"","2"`,
		`"1","2","\u0030","0"`, `"1","2","","0"`, `"1","2","\","0"`, `"1"`, `"-1","2"`, `"123456789012345.5","2"`, `"1","18446744073709551616"`,
	} {
		levelsAgree(t, []byte("[["+numbers+"],["+numbers+"]]"+strings.Repeat(" ", 60)))
	}
	rapid.Check(t, func(t *rapid.T) { levelsAgree(t, shapes(t)) })
}

func levelsAgree(t interface{ Fatalf(string, ...any) }, b []byte) {
	var fast, pairs, plain Scanner
	fast.Reset(b)
	got := fast.Levels(nil, market.Ask)
	pairs.Reset(b)
	var gotPairs []Level
	for more := pairs.FirstElem(); more; {
		l := Level{Side: market.Ask}
		more = pairs.Pair(&l.PriceText, &l.SizeText)
		gotPairs = append(gotPairs, l)
	}
	plain.Reset(b)
	var want []Level
	for more := plain.FirstElem(); more; {
		l := Level{Side: market.Ask}
		more = plain.take('[') && plain.pairPlain(&l.PriceText, &l.SizeText)
		want = append(want, l)
	}
	ok := plain.Verdict() == market.Applied
	if (fast.Verdict() == market.Applied) != ok || (pairs.Verdict() == market.Applied) != ok {
		t.Fatalf("%q: %v and %v, want %v", b, fast.Verdict(), pairs.Verdict(), plain.Verdict())
	}
	if ok && (fast.i != plain.i || !slices.Equal(got, want) || pairs.i != plain.i || !slices.Equal(gotPairs, want)) {
		t.Fatalf("%q: %+v to byte %d, pairs %+v to byte %d, want %+v to byte %d", b, got, fast.i, gotPairs, pairs.i, want, plain.i)
	}
}

func TestTriple(t *testing.T) {
	for _, numbers := range []string{
		`"1","2","0123456789.365913"`, `"1","2","9223372037.365913"`, `"1","2","9999999999.365913"`, `"1","2","1618678133.36591x"`,
		`"1","2","161867813x.365913"`, `"1","2","1618678133,365913"`, `"1","2","1618678133.365913`, `"01","2","1618678133.365913"`,
	} {
		tripleAgrees(t, []byte("["+numbers+"]"+strings.Repeat(" ", 80)))
	}
	rapid.Check(t, func(t *rapid.T) { tripleAgrees(t, shapes(t)[1:]) })
}

func tripleAgrees(t interface{ Fatalf(string, ...any) }, b []byte) {
	var fast, plain Scanner
	var got, want [2]Decimal
	fast.Reset(b)
	at, ok := fast.Triple(&got[0], &got[1])
	plain.Reset(b)
	wantAt, wantOK := plain.triplePlain(&want[0], &want[1])
	if ok != wantOK || ok && (at != wantAt || got != want || fast.i != plain.i) {
		t.Fatalf("%q: %d, %v, %t to byte %d, want %d, %v, %t to byte %d", b, at, got, ok, fast.i, wantAt, want, wantOK, plain.i)
	}
}

// What looks at eight bytes gives what looks at one after the other gives.
func TestEightBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := []byte(rapid.StringOfN(rapid.SampledFrom([]rune("0123456789019.e\"\\/:\x1f\x20\x7fé")), 8, 40, -1).Draw(t, "bytes"))
		plain := func(is func(c byte) bool) (n int) {
			for n < 8 && is(b[n]) {
				n++
			}
			return n
		}
		wantN := plain(func(c byte) bool { return c >= '0' && c <= '9' })
		value, n := digits8(load8(b, 0))
		want := uint64(0)
		for _, c := range b[:wantN] {
			want = want*10 + uint64(c-'0')
		}
		if n != wantN || value != want {
			t.Fatalf("%q: %d digits, %d, want %d, %d", b, n, value, wantN, want)
		}
		if n, want := plain8(load8(b, 0)), plain(func(c byte) bool { return c != '"' && c != '\\' && c >= ' ' }); n != want {
			t.Fatalf("%q: %d plain bytes, want %d", b, n, want)
		}
		var s Scanner
		var d Decimal
		s.Reset(b)
		s.decimalPlain(&d)
		if m, decimals, next := number(b, 0, &s.width[0]); next > 0 && (s.verdict != market.Applied || d != Decimal{m, uint8(decimals), 0} || s.i != next) {
			t.Fatalf("%q: %d with %d decimals to byte %d, want %+v to %d, %v", b, m, decimals, next, d, s.i, s.verdict)
		}
	})
}

func TestTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := time.Unix(rapid.Int64Range(0, 7258118400-1).Draw(t, "second"), rapid.Int64Range(0, 1e9-1).Draw(t, "nano")).UTC()
		layout := rapid.SampledFrom([]string{time.RFC3339, time.RFC3339Nano, "2006-01-02T15:04:05.000000Z"}).Draw(t, "layout")
		text := at.Format(layout)
		want, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := parseTime([]byte(text)); !ok || int64(got) != want.UnixNano() {
			t.Fatalf("%s: %d, %t, want %d", text, got, ok, want.UnixNano())
		}
		// Times of the day of the one before have a road of their own.
		same := []byte(text)
		for i := 11; i < len(same); i++ {
			if rapid.IntRange(0, 5).Draw(t, "change") == 0 {
				same[i] = rapid.SampledFrom([]byte("0123456789:.Zx")).Draw(t, "byte")
			}
		}
		wantSame, wantOK := parseTime(same)
		var s Scanner
		s.Reset(fmt.Appendf(nil, `["%s","%s"]`, text, same))
		s.FirstElem()
		s.Time()
		s.NextElem()
		got := s.Time()
		if ok := s.Verdict() == market.Applied; ok != wantOK || ok && got != wantSame {
			t.Fatalf("%s after %s: %d, %v, want %d, %t", same, text, got, s.Verdict(), wantSame, wantOK)
		}
	})
	for _, text := range []string{
		"", "2021-04-17", "2021-04-17T16:43:37", "2021-04-17T16:43:37+02:00", "2021-02-29T00:00:00Z", "2021-13-01T00:00:00Z",
		"2021-04-31T00:00:00Z", "2021-04-17T24:00:00Z", "2021-04-17T16:60:37Z", "2021-04-17T16:43:60Z", "2021-04-17T16:43:37.Z",
		"2021-04-17T16:43:37.1234567890Z", "2021-04-17T16:43:37.12x4Z", "2021-00-17T16:43:37Z", "2x21-04-17T16:43:37Z",
		"1969-04-17T16:43:37Z", "2201-01-01T00:00:00Z", "2021-04-00T16:43:37Z",
	} {
		if got, ok := parseTime([]byte(text)); ok {
			t.Errorf("%q: %d, want none", text, got)
		}
	}
}

func TestTimesAsNumbers(t *testing.T) {
	for _, c := range []struct {
		text string
		read func(*Scanner) market.Nanos
		want market.Nanos
		v    market.Verdict
	}{
		{`1633998512068`, (*Scanner).Millis, 1633998512068 * market.Millisecond, market.Applied},
		{`"1641343691244908"`, (*Scanner).Micros, 1641343691244908 * market.Microsecond, market.Applied},
		{`"1618678123.481570"`, (*Scanner).Seconds, 1618678123481570 * market.Microsecond, market.Applied},
		{`-1`, (*Scanner).Millis, 0, market.BadTime},
		{`9223372036855`, (*Scanner).Millis, 0, market.BadTime},
		{`9223372036.9`, (*Scanner).Seconds, 0, market.BadTime},
		{`"x"`, (*Scanner).Micros, 0, market.BadField},
	} {
		var s Scanner
		s.Reset([]byte(c.text))
		if got := c.read(&s); got != c.want || s.Verdict() != c.v {
			t.Errorf("%s: %d, %v, want %d, %v", c.text, got, s.Verdict(), c.want, c.v)
		}
	}
}

func TestScannerDoesNotAllocate(t *testing.T) {
	in := []byte(`{"s":"BTC\/USD","b":[["61737.63000000","0.10000000"],["1","2","0","1"]],"t":"2021-04-17T16:43:37.075687Z","x":{"y":[1,"2",null]}}`)
	var s Scanner
	read := func() {
		s.Reset(in)
		for key, ok := s.FirstKey(); ok; key, ok = s.NextKey() {
			switch string(key) {
			case "s":
				s.Text()
			case "t":
				s.Time()
			case "b":
				var p, q Decimal
				for more := s.FirstElem(); more; {
					more = s.Pair(&p, &q)
				}
			default:
				s.Skip()
			}
		}
		s.End()
	}
	read()
	if n := testing.AllocsPerRun(100, read); n != 0 || s.Verdict() != market.Applied {
		t.Errorf("%.1f allocations, verdict %v", n, s.Verdict())
	}
}

package iex_test

import (
	"testing"

	"tidegate/codec/iex"
	"tidegate/market"
)

func addGolden(f *testing.F) {
	for _, text := range every {
		f.Add(message(f, text))
	}
	f.Add([]byte{})
	f.Add([]byte{'T'})
}

// checkUpdate checks what holds for every update of a decoder.
func checkUpdate(t *testing.T, u *market.Update, symbols *market.SymbolTable) {
	t.Helper()
	if u.TsEvent < 0 || u.Publisher != publisher || u.OrderID != 0 || u.Seq != 3 || u.Channel != 10 {
		t.Errorf("update %+v", u)
	}
	if u.Instrument < 1 || int(u.Instrument) > symbols.Len() {
		t.Errorf("instrument %d, but the table has %d symbols", u.Instrument, symbols.Len())
	}
	switch u.Action {
	case market.Trade:
		if u.Side != market.NoSide || !u.Price.Defined() {
			t.Errorf("trade %+v", u)
		}
	case market.Level:
		if u.Side == market.NoSide || u.Flags&market.FlagMBP == 0 {
			t.Errorf("level %+v", u)
		}
		if topOfBook := u.Flags&market.FlagTOB != 0; u.Price.Defined() == (topOfBook && u.Size == 0) {
			t.Errorf("level %+v: price and size disagree", u)
		}
	default:
		t.Errorf("action %v", u.Action)
	}
}

// checkCold decodes a message as cold and checks that facts appear exactly with that verdict.
func checkCold(t *testing.T, v market.Verdict, f *market.Facts) {
	t.Helper()
	n := len(f.Statuses) + len(f.Definitions) + len(f.Statistics) + len(f.Imbalances)
	want := 0
	switch v {
	case market.Cold:
		want = 1
	case market.Applied:
		t.Errorf("a cold message was applied")
	}
	if n != want {
		t.Errorf("verdict %v with %d facts, want %d", v, n, want)
	}
}

func FuzzDeep(f *testing.F) {
	addGolden(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		symbols := market.NewSymbolTable(1)
		d := iex.NewDeep(publisher, symbols)
		u := used()
		v := d.Decode(b, &u)
		if v == market.Applied {
			checkUpdate(t, &u, symbols)
		} else if symbols.Len() != 0 {
			t.Errorf("verdict %v took a symbol number", v)
		}
		var facts market.Facts
		checkCold(t, d.DecodeCold(b, &facts), &facts)
	})
}

func FuzzTops(f *testing.F) {
	addGolden(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		symbols := market.NewSymbolTable(1)
		d := iex.NewTops(publisher, symbols)
		u := [2]market.Update{used(), used()}
		n, v := d.Decode(b, &u)
		if (n > 0) != (v == market.Applied) {
			t.Errorf("%d updates with verdict %v", n, v)
		}
		for i := range u[:n] {
			checkUpdate(t, &u[i], symbols)
			if last := u[i].Flags&market.FlagLast != 0; last != (i == n-1) {
				t.Errorf("update %d of %d: flags %#x", i, n, u[i].Flags)
			}
		}
		var facts market.Facts
		checkCold(t, d.DecodeCold(b, &facts), &facts)
	})
}

func BenchmarkDeepDecodeLevel(b *testing.B) {
	d, m := newDeep(), message(b, levelBuy)
	var u market.Update
	b.ReportAllocs()
	for b.Loop() {
		if v := d.Decode(m, &u); v != market.Applied || u.Size != 100 {
			b.Fatalf("got %v, %+v", v, u)
		}
	}
}

func BenchmarkTopsDecodeQuote(b *testing.B) {
	d, m := newTops(), message(b, quote)
	var u [2]market.Update
	b.ReportAllocs()
	for b.Loop() {
		if n, v := d.Decode(m, &u); n != 2 || v != market.Applied {
			b.Fatalf("got %d, %v", n, v)
		}
	}
}

package crypto_test

import (
	"maps"
	"slices"
	"testing"

	"tidegate/codec/crypto/capture"
	"tidegate/codec/crypto/coinbase"
	"tidegate/codec/crypto/depth"
	"tidegate/market"
)

func TestCoinbase(t *testing.T) {
	var truth struct {
		Books   map[string]bookDigest
		Symbols map[string]struct {
			Updates int `json:"l2updates"`
			Match   int
		}
	}
	venueTruth(t, "coinbase", &truth)
	g := newGate(t, 8, coinbase.Book(), slices.Sorted(maps.Keys(truth.Symbols))...)
	g.decoder = coinbase.NewDecoder(g.directory)
	equal, first := 0, map[*depth.Instrument]bool{}
	g.onQuote = func(m *depth.Message) {
		b := g.books.BBO(m.Instrument.ID)
		switch {
		case b.Bid.Price == m.Levels[0].Price && b.Ask.Price == m.Levels[1].Price:
			equal++
		case first[m.Instrument]:
			t.Errorf("%s: best %v, %v, ticker %v, %v", m.Instrument.Symbol, b.Bid.Price, b.Ask.Price, m.Levels[0].Price, m.Levels[1].Price)
		}
		first[m.Instrument] = true // the first may be older than the book
	}
	for _, l := range items(t, "crypto/coinbase/COINBASE.ws.28.0") {
		if l.Kind == capture.Received {
			g.receive(l.Text, l.Time)
		}
	}
	wantCounts(t, "kinds", g.kinds, map[depth.Kind]int{
		depth.Ack: 3, depth.Snapshot: 10, depth.Quote: 107, depth.Other: 10, depth.Delta: 9719, depth.Trades: 97,
	})
	wantCounts(t, "verdicts", g.verdicts, map[market.Verdict]int{
		market.Cold: 3, market.Ignored: 10, market.Applied: 10 + 107 + 9719 + 97,
	})
	if equal != 100 {
		t.Errorf("%d tickers equal the book, want 100", equal)
	}
	for symbol, want := range truth.Symbols {
		if g.deltas[symbol] != want.Updates || g.trades[symbol] != want.Match {
			t.Errorf("%s: %d deltas, %d trades, want %+v", symbol, g.deltas[symbol], g.trades[symbol], want)
		}
		g.wantBook(symbol, truth.Books[symbol])
	}
}

func TestCoinbaseInstruments(t *testing.T) {
	list := instruments(t, "crypto/coinbase/COINBASE.0", "/products", coinbase.ParseInstruments)
	if len(list) != 162 {
		t.Errorf("%d instruments, want 162", len(list))
	}
	wantInstrument(t, list, depth.Instrument{
		Symbol: "SKL-EUR", Canonical: "SKL-EUR", Base: "SKL", Quote: "EUR", Class: 'X', Unit: "SKL", Tick: 100_000, SizeScale: 1, Trading: true,
	})
	wantInstrument(t, list, depth.Instrument{
		Symbol: "BTC-GBP", Canonical: "BTC-GBP", Base: "BTC", Quote: "GBP", Class: 'X', Unit: "BTC", Tick: 10_000_000, SizeScale: 4, Trading: true,
	})
}

package crypto_test

import (
	"maps"
	"slices"
	"testing"

	"tidegate/book"
	"tidegate/codec/crypto/bybit"
	"tidegate/codec/crypto/capture"
	"tidegate/codec/crypto/depth"
	"tidegate/market"
)

func TestBybit(t *testing.T) {
	var truth struct {
		Books   map[string]bookDigest
		Symbols map[string]struct{ Trades, Deltas, Delete, Update, Insert int }
	}
	venueTruth(t, "bybit", &truth)
	g := newGate(t, 8, bybit.Book(), slices.Sorted(maps.Keys(truth.Symbols))...)
	g.decoder = bybit.NewDecoder(g.directory)
	levels := map[string]int{}
	g.onDelta = func(m *depth.Message) {
		levels[m.Instrument.Symbol] += len(m.Levels)
		for _, side := range [...]market.Side{market.Bid, market.Ask} {
			if n := len(g.books.Levels(m.Instrument.ID, side, make([]book.Level, 0, 32))); n != 25 {
				t.Errorf("%s at %d: %d levels on side %v, want 25", m.Instrument.Symbol, m.Last, n, side)
			}
		}
	}
	for _, name := range []string{"crypto/bybit/BYBIT.ws.25.0", "crypto/bybit/BYBIT.ws.26.0"} {
		for _, l := range items(t, name) {
			if l.Kind == capture.Received {
				g.receive(l.Text, l.Time)
			}
		}
	}
	wantCounts(t, "kinds", g.kinds, map[depth.Kind]int{
		depth.Trades: 142, depth.Ack: 20, depth.Snapshot: 10, depth.Delta: 4268,
	})
	trades := 0
	for symbol, want := range truth.Symbols {
		if g.deltas[symbol] != want.Deltas || g.trades[symbol] != want.Trades || levels[symbol] != want.Delete+want.Update+want.Insert {
			t.Errorf("%s: %d deltas, %d levels, %d trades, want %+v", symbol, g.deltas[symbol], levels[symbol], g.trades[symbol], want)
		}
		trades += g.trades[symbol]
		g.wantBook(symbol, truth.Books[symbol])
	}
	if trades != 251 || g.unknown != 0 {
		t.Errorf("%d trades, %d levels removed that were not there, want 251, 0", trades, g.unknown)
	}
}

func TestBybitInstruments(t *testing.T) {
	list := instruments(t, "crypto/bybit/BYBIT.0", "symbols", bybit.ParseInstruments)
	if len(list) != 15 {
		t.Errorf("%d instruments, want 15", len(list))
	}
	wantInstrument(t, list, depth.Instrument{
		Symbol: "BTCUSD", Canonical: "BTC-USD-PERP", Base: "BTC", Quote: "USD", Class: 'F', Unit: "USD", Tick: 500_000_000, Trading: true,
	})
	wantInstrument(t, list, depth.Instrument{
		Symbol: "BCHUSDT", Canonical: "BCH-USDT-PERP", Base: "BCH", Quote: "USDT", Class: 'F', Unit: "BCH", Tick: 50_000_000, SizeScale: 2, Trading: true,
	})
}

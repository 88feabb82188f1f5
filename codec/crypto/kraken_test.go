package crypto_test

import (
	"maps"
	"slices"
	"testing"

	"tidegate/codec/crypto/capture"
	"tidegate/codec/crypto/depth"
	"tidegate/codec/crypto/kraken"
	"tidegate/market"
)

func TestKraken(t *testing.T) {
	var truth struct {
		Books   map[string]bookDigest
		Symbols map[string]struct {
			Updates int
			Sums    int `json:"checksum_ok"`
		}
	}
	venueTruth(t, "kraken", &truth)
	symbols := slices.Sorted(maps.Keys(truth.Symbols))
	for _, depthMax := range []int{1000, 10} { // a book that is cut to what the checksum needs has the same one
		g := newGate(t, 8, kraken.Book(depthMax), symbols...)
		g.decoder = kraken.NewDecoder(g.directory)
		g.beyond = map[string]string{"XBT/CHF": "a,9999999997,0.001\n"}
		for _, l := range items(t, "crypto/kraken/KRAKEN.ws.50.0") {
			if l.Kind == capture.Received {
				g.receive(l.Text, l.Time)
			}
			if depthMax == 10 && g.checks[depth.Differs] > 0 {
				break
			}
		}
		if depthMax == 10 {
			// Levels that come back from behind are missing, because more than ten were subscribed.
			if g.checks[depth.Differs] == 0 {
				t.Error("a book that is cut too short has all checksums right")
			}
			continue
		}
		wantCounts(t, "kinds", g.kinds, map[depth.Kind]int{
			depth.Status: 1, depth.Ack: 10, depth.Heartbeat: 31, depth.Snapshot: 10, depth.Delta: 4269,
		})
		if g.checks != [3]int{depth.Unchecked: 10, depth.Matches: 4269} {
			t.Errorf("checksums: %v, want 4269 that match", g.checks)
		}
		for symbol, want := range truth.Symbols {
			counts := g.splicers[g.directory.Find([]byte(symbol))].Counts()
			if g.deltas[symbol] != want.Updates || int(counts.Matching) != want.Sums || counts.Differing != 0 {
				t.Errorf("%s: %d deltas, %+v, want %+v", symbol, g.deltas[symbol], counts, want)
			}
			g.wantBook(symbol, truth.Books[symbol])
		}
	}
}

func TestKrakenTradesAndTickers(t *testing.T) {
	var truth struct{ Symbols map[string]struct{} }
	venueTruth(t, "kraken", &truth)
	for name, want := range map[string]map[depth.Kind]int{
		"crypto/kraken/KRAKEN.ws.48.0": {depth.Status: 1, depth.Ack: 10, depth.Heartbeat: 30, depth.Trades: 8},
		"crypto/kraken/KRAKEN.ws.49.0": {depth.Status: 1, depth.Ack: 10, depth.Heartbeat: 31, depth.Other: 18},
	} {
		g := newGate(t, 8, kraken.Book(1000), slices.Sorted(maps.Keys(truth.Symbols))...)
		g.decoder = kraken.NewDecoder(g.directory)
		inside := 0
		g.onTrade = func(trade *depth.Trade) {
			if inside++; trade.Side == market.NoSide || trade.Price <= 0 || trade.Size == 0 || trade.TsEvent < 1618678132*market.Second {
				t.Errorf("%+v", trade)
			}
		}
		for _, l := range items(t, name) {
			if l.Kind == capture.Received {
				g.receive(l.Text, l.Time)
			}
		}
		wantCounts(t, name, g.kinds, want)
		if want[depth.Trades] > 0 && inside != 10 {
			t.Errorf("%d trades, want 10", inside)
		}
	}
}

func TestKrakenInstruments(t *testing.T) {
	list := instruments(t, "crypto/kraken/KRAKEN.0", "AssetPairs", kraken.ParseInstrumentsV1)
	v2 := instruments(t, "crypto/kraken/KRAKEN.0", "AssetPairs", kraken.ParseInstruments)
	if len(list) != len(v2) || len(list) < 250 {
		t.Errorf("%d and %d instruments", len(list), len(v2))
	}
	wantInstrument(t, list, depth.Instrument{
		Symbol: "XBT/USD", Canonical: "BTC-USD", Base: "BTC", Quote: "USD", Class: 'X', Unit: "BTC", Tick: 100_000_000, SizeScale: 5, Trading: true,
	})
	wantInstrument(t, v2, depth.Instrument{
		Symbol: "BTC/USD", Canonical: "BTC-USD", Base: "BTC", Quote: "USD", Class: 'X', Unit: "BTC", Tick: 100_000_000, SizeScale: 5, Trading: true,
	})
	wantInstrument(t, v2, depth.Instrument{
		Symbol: "BTC/USDT", Canonical: "BTC-USDT", Base: "BTC", Quote: "USDT", Class: 'X', Unit: "BTC", Tick: 100_000_000, SizeScale: 5, Trading: true,
	})
	wantInstrument(t, v2, depth.Instrument{
		Symbol: "DOGE/EUR", Canonical: "DOGE-EUR", Base: "DOGE", Quote: "EUR", Class: 'X', Unit: "DOGE", Tick: 100, SizeScale: -1, Trading: true,
	})
}

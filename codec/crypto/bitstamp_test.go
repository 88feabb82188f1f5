package crypto_test

import (
	"bytes"
	"maps"
	"slices"
	"testing"

	"tidegate/codec/crypto/bitstamp"
	"tidegate/codec/crypto/capture"
	"tidegate/codec/crypto/depth"
	"tidegate/market"
)

// TestBitstamp runs the recording in the order of its times, and with all snapshots late.
func TestBitstamp(t *testing.T) {
	var truth struct {
		Books   map[string]bookDigest
		Symbols map[string]struct {
			Diffs   int
			Dropped int `json:"dropped_stale"`
			Applied int
			Trades  int
		}
	}
	venueTruth(t, "bitstamp", &truth)
	stream := items(t, "crypto/bitstamp/BITSTAMP.ws.1.0")
	answers := items(t, "crypto/bitstamp/BITSTAMP.http.0.0")
	for _, late := range []bool{false, true} {
		g := newGate(t, 8, bitstamp.Book(), slices.Sorted(maps.Keys(truth.Symbols))...)
		d := bitstamp.NewDecoder(g.directory)
		g.decoder = d
		g.beyond = map[string]string{"ethusd": "a,9999999999,0.001\n"}
		both := slices.Concat(stream, answers)
		if !late {
			slices.SortStableFunc(both, func(a, b capture.Line) int { return int(a.Time - b.Time) })
		}
		for _, l := range both {
			switch l.Kind {
			case capture.Received:
				g.receive(l.Text, l.Time)
			case capture.Answered:
				symbol := l.URL[bytes.LastIndexByte(l.URL, '/')+1:]
				g.take(d.DecodeSnapshot(l.Text, g.directory.Find(symbol), &g.m), l.Time)
			}
		}
		wantCounts(t, "kinds", g.kinds, map[depth.Kind]int{
			depth.Ack: 20, depth.Delta: 717, depth.Trades: 10, depth.Snapshot: 10,
		})
		wantCounts(t, "verdicts", g.verdicts, map[market.Verdict]int{market.Cold: 20, market.Applied: 717 + 10 + 10})
		published := 0
		for symbol, want := range truth.Symbols {
			counts := g.splicers[g.directory.Find([]byte(symbol))].Counts().Outcomes
			if g.deltas[symbol] != want.Applied || int(counts[depth.Older]) != want.Dropped || g.trades[symbol] != want.Trades {
				t.Errorf("%s: %d applied, %v, %d trades, want %+v", symbol, g.deltas[symbol], counts, g.trades[symbol], want)
			}
			published += int(counts[depth.Publish])
			g.wantBook(symbol, truth.Books[symbol])
		}
		if published != 625 || g.unknown != 0 {
			t.Errorf("%d snapshots and deltas published, %d unknown levels, want 625, 0", published, g.unknown)
		}
	}
}

func TestBitstampInstruments(t *testing.T) {
	list := instruments(t, "crypto/bitstamp/BITSTAMP.0", "trading-pairs-info", bitstamp.ParseInstruments)
	if len(list) != 140 {
		t.Errorf("%d instruments, want 140", len(list))
	}
	wantInstrument(t, list, depth.Instrument{
		Symbol: "btcusd", Canonical: "BTC-USD", Base: "BTC", Quote: "USD", Class: 'X', Unit: "BTC", Tick: 10_000_000, SizeScale: 4, Trading: true,
	})
	wantInstrument(t, list, depth.Instrument{
		Symbol: "usdteur", Canonical: "USDT-EUR", Base: "USDT", Quote: "EUR", Class: 'X', Unit: "USDT", Tick: 10_000, SizeScale: 1, Trading: true,
	})
}

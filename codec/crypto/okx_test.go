package crypto_test

import (
	"maps"
	"slices"
	"testing"

	"tidegate/codec/crypto/capture"
	"tidegate/codec/crypto/depth"
	"tidegate/codec/crypto/okx"
	"tidegate/market"
)

func TestOKX(t *testing.T) {
	var truth struct {
		Books   map[string]bookDigest
		Trades  map[string]int
		Symbols map[string]struct {
			Updates int
			Sums    int `json:"checksum_ok"`
			Unknown int `json:"del_unknown"`
		}
	}
	venueTruth(t, "okx", &truth)
	g := newGate(t, 8, okx.Book(), slices.Sorted(maps.Keys(truth.Symbols))...)
	g.decoder = okx.NewDecoder(g.directory)
	for _, l := range items(t, "crypto/okx/OKX.ws.1.0") {
		if l.Kind == capture.Received {
			g.receive(l.Text, l.Time)
		}
	}
	wantCounts(t, "kinds", g.kinds, map[depth.Kind]int{
		depth.Ack: 18, depth.Quote: 28, depth.Trades: 74, depth.Snapshot: 3, depth.Delta: 287,
	})
	wantCounts(t, "verdicts", g.verdicts, map[market.Verdict]int{market.Cold: 18, market.Applied: 28 + 74 + 290})
	wantCounts(t, "trades", g.trades, truth.Trades)
	if g.checks != [3]int{depth.Matches: 290} {
		t.Errorf("checksums: %v, want 290 that match", g.checks)
	}
	unknown := 0
	for symbol, want := range truth.Symbols {
		counts := g.splicers[g.directory.Find([]byte(symbol))].Counts()
		if g.deltas[symbol] != want.Updates || int(counts.Matching) != want.Sums || int(counts.UnknownRemoved) != want.Unknown {
			t.Errorf("%s: %d deltas, %+v, want %+v", symbol, g.deltas[symbol], counts, want)
		}
		unknown += want.Unknown
		g.wantBook(symbol, truth.Books[symbol])
	}
	if g.unknown != 953 || unknown != 953 {
		t.Errorf("%d levels removed that were not there, want 953", g.unknown)
	}
}

func TestOKXInstruments(t *testing.T) {
	for _, c := range []struct {
		part string
		n    int
		want depth.Instrument
	}{
		{"instType=SPOT", 513, depth.Instrument{
			Symbol: "BTC-USDT", Canonical: "BTC-USDT", Base: "BTC", Quote: "USDT", Class: 'X', Unit: "BTC", Tick: 100_000_000, SizeScale: 6, Trading: true,
		}},
		{"instType=SWAP", 166, depth.Instrument{
			Symbol: "BTC-USD-SWAP", Canonical: "BTC-USD-PERP", Base: "BTC", Quote: "USD", Class: 'F', Unit: "CONTRACT", Tick: 100_000_000, Trading: true,
		}},
		{"instType=FUTURES", 104, depth.Instrument{
			Symbol: "BTC-USD-220520", Canonical: "BTC-USD-220520", Base: "BTC", Quote: "USD", Class: 'F', Unit: "CONTRACT", Tick: 100_000_000, Trading: true,
		}},
		{"instType=OPTION&uly=BTC-USD", 346, depth.Instrument{
			Symbol: "BTC-USD-220514-22000-C", Canonical: "BTC-USD-220514-22000-C", Base: "BTC", Quote: "USD", Class: 'C', Unit: "CONTRACT", Tick: 500_000, Trading: true,
		}},
	} {
		list := instruments(t, "crypto/okx/OKX.0", c.part, okx.ParseInstruments)
		if len(list) != c.n {
			t.Errorf("%s: %d instruments, want %d", c.part, len(list), c.n)
		}
		wantInstrument(t, list, c.want)
	}
}

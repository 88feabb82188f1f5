package crypto_test

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"

	"tidegate/book"
	"tidegate/codec/crypto/binance"
	"tidegate/codec/crypto/capture"
	"tidegate/codec/crypto/depth"
	"tidegate/internal/realdata"
	"tidegate/market"
)

// TestBinance runs the recording of four symbols, in the order of its times and with all snapshots late.
func TestBinance(t *testing.T) {
	var truth struct {
		Books   map[string]bookDigest
		Symbols map[string]struct {
			Diffs   int
			Dropped int `json:"dropped_stale"`
			Applied int
			LastU   int64 `json:"last_u"`
		}
	}
	venueTruth(t, "binance", &truth)
	stream := items(t, "crypto/binance/BINANCE.ws.1.0")
	answers := items(t, "crypto/binance/BINANCE.http.0.0")
	for _, late := range []bool{false, true} {
		g := newGate(t, 8, binance.SpotBook(), slices.Sorted(maps.Keys(truth.Symbols))...)
		d := binance.NewDecoder(g.directory)
		g.decoder = d
		both := slices.Concat(stream, answers)
		if !late {
			slices.SortStableFunc(both, func(a, b capture.Line) int { return int(a.Time - b.Time) })
		}
		for _, l := range both {
			switch l.Kind {
			case capture.Received:
				g.receive(l.Text, l.Time)
			case capture.Answered:
				_, query, _ := bytes.Cut(l.URL, []byte("symbol="))
				symbol, _, _ := bytes.Cut(query, []byte("&"))
				g.take(d.DecodeSnapshot(l.Text, g.directory.Find(symbol), &g.m), l.Time)
			}
		}
		wantCounts(t, "kinds", g.kinds, map[depth.Kind]int{
			depth.Delta: 177, depth.Quote: 84, depth.Trades: 2, depth.Other: 2, depth.Snapshot: 4,
		})
		wantCounts(t, "verdicts", g.verdicts, map[market.Verdict]int{market.Applied: 177 + 84 + 2 + 4, market.Ignored: 2})
		wantCounts(t, "trades", g.trades, map[string]int{"NKNUSDT": 1, "LRCBTC": 1})
		for symbol, want := range truth.Symbols {
			in := g.directory.Find([]byte(symbol))
			counts := g.splicers[in].Counts().Outcomes
			if g.deltas[symbol] != want.Applied || int(counts[depth.Older]) != want.Dropped {
				t.Errorf("%s: %d applied, %d dropped, want %d, %d", symbol, g.deltas[symbol], counts[depth.Older], want.Applied, want.Dropped)
			}
			if counts[depth.Gap]+counts[depth.Stale]+counts[depth.Overflow] != 0 || g.splicers[in].At() != want.LastU {
				t.Errorf("%s: %v, at %d, want %d", symbol, counts, g.splicers[in].At(), want.LastU)
			}
			if held := int(counts[depth.Held]); late && held != want.Diffs || !late && held >= want.Diffs {
				t.Errorf("%s: %d deltas were held, late %t", symbol, held, late)
			}
			g.wantBook(symbol, truth.Books[symbol])
		}
		if g.unknown != 0 {
			t.Errorf("%d levels removed that were not there", g.unknown)
		}
	}
}

// TestBinanceRaw runs two recordings that hold their snapshots in place, and compares the book with every
// quote that is of the same change.
func TestBinanceRaw(t *testing.T) {
	shared := 0
	for name, splicing := range map[string]depth.SplicerConfig{
		"crypto/binance-raw/spot_btcusdt_20240808.gz": binance.SpotBook(),
		"crypto/binance-raw/usdm_btcusdt_20240808.gz": binance.FuturesBook(),
	} {
		var truth struct {
			Counts map[string]int
			LastU  int64 `json:"last_u"`
			Info   struct {
				Levels  int `json:"depth_levels"`
				Dropped int `json:"dropped_stale"`
				Applied int
				Unknown int `json:"del_unknown"`
				Shared  int `json:"bt_same_u"`
			}
			Trades      int
			Quantity    string `json:"trade_qty"`
			First       uint64 `json:"first_trade_id"`
			Last        uint64 `json:"last_trade_id"`
			BuyerRested int    `json:"buyer_is_maker"`
			Book        bookDigest
		}
		realdata.Facts(t, name, &truth)
		g := newGate(t, 8, splicing, "BTCUSDT")
		d := binance.NewDecoder(g.directory)
		g.decoder = d
		in := g.directory.All()[0]

		quotes := map[int64]book.BBO{}
		compared, late, levels := 0, 0, 0
		compare := func(at int64, quote book.BBO, count *int) {
			if got := g.books.BBO(in.ID); got != quote {
				t.Fatalf("%s: at %d the book has %+v, the quote %+v", name, at, got, quote)
			}
			*count++
		}
		g.onDelta = func(m *depth.Message) {
			if q, ok := quotes[m.Last]; ok {
				compare(m.Last, q, &compared)
			}
		}
		g.onQuote = func(m *depth.Message) {
			bid, ask := m.Levels[0], m.Levels[1]
			q := book.BBO{Bid: book.Level{Price: bid.Price, Size: bid.Size}, Ask: book.Level{Price: ask.Price, Size: ask.Size}}
			quotes[m.Last] = q
			if s := g.splicers[in]; s.At() == m.Last {
				compare(m.Last, q, &late)
			}
		}
		var volume market.Size
		var first, last uint64
		rested := 0
		g.onTrade = func(trade *depth.Trade) {
			volume += trade.Size
			if last != 0 && trade.Match != last+1 {
				t.Errorf("%s: trade %d after %d", name, trade.Match, last)
			}
			if last = trade.Match; first == 0 {
				first = last
			}
			if trade.Side == market.Ask {
				rested++
			}
		}
		lines(t, name, func(b []byte) {
			l, err := capture.ParseReceived(b)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.HasPrefix(l.Text, []byte(`{"lastUpdateId"`)) {
				g.take(d.DecodeSnapshot(l.Text, in, &g.m), l.Time)
				return
			}
			g.receive(l.Text, l.Time)
			if g.m.Kind == depth.Delta {
				levels += bytes.Count(l.Text, []byte(`["`))
			}
		})
		wantCounts(t, name, g.kinds, map[depth.Kind]int{
			depth.Delta: truth.Counts["depthUpdate"], depth.Quote: truth.Counts["bookTicker"],
			depth.Trades: truth.Counts["trade"], depth.Snapshot: truth.Counts["snapshot"],
		})
		counts := g.splicers[in].Counts().Outcomes
		if g.deltas["BTCUSDT"] != truth.Info.Applied || int(counts[depth.Older]) != truth.Info.Dropped || counts[depth.Gap] != 0 ||
			g.splicers[in].At() != truth.LastU {
			t.Errorf("%s: %d applied, outcomes %v, at %d; want %+v, %d", name, g.deltas["BTCUSDT"], counts, g.splicers[in].At(), truth.Info, truth.LastU)
		}
		if levels != truth.Info.Levels || g.unknown != truth.Info.Unknown {
			t.Errorf("%s: %d levels, %d unknown ones removed, want %d, %d", name, levels, g.unknown, truth.Info.Levels, truth.Info.Unknown)
		}
		if g.trades["BTCUSDT"] != truth.Trades || first != truth.First || last != truth.Last || rested != truth.BuyerRested ||
			plain(int64(volume), 8) != truth.Quantity {
			t.Errorf("%s: %d trades of %s, %d to %d, %d times the buyer rested", name, g.trades["BTCUSDT"], plain(int64(volume), 8), first, last, rested)
		}
		if compared != truth.Info.Shared { // those that came before their delta
			t.Errorf("%s: %d quotes compared, want %d", name, compared, truth.Info.Shared)
		}
		t.Logf("%s: %d quotes came before their delta, %d after it: all equal", name, compared, late)
		shared += compared
		g.wantBook("BTCUSDT", truth.Book)
	}
	if shared != 1067 {
		t.Errorf("%d quotes compared in both, want 1067", shared)
	}
}

func TestBinanceInstruments(t *testing.T) {
	list := instruments(t, "crypto/binance/BINANCE.0", "exchangeInfo", binance.ParseInstruments)
	if len(list) != 1695 {
		t.Errorf("%d instruments, want 1695", len(list))
	}
	wantInstrument(t, list, depth.Instrument{
		Symbol: "NKNUSDT", Canonical: "NKN-USDT", Base: "NKN", Quote: "USDT", Class: 'X', Unit: "NKN", Tick: 100_000, Trading: true,
	})
	for _, in := range list {
		if in.Symbol != strings.ToUpper(in.Symbol) || in.Canonical != in.Base+"-"+in.Quote || in.Tick <= 0 {
			t.Errorf("%+v", in)
		}
	}
}

package derive_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"testing"

	"tidegate/book"
	"tidegate/codec/dbn"
	"tidegate/gateway/derive"
	"tidegate/internal/openfile"
	"tidegate/internal/realdata"
	"tidegate/market"
)

// TestRealFutures derives every schema from two days of market-by-order records of one future, and
// compares with what is known of its quotes and trades.
func TestRealFutures(t *testing.T) {
	const name = "dbn/glbx/esh4-glbx-mdp3-20231225.mbo.dbn.zst"
	var want struct {
		Book struct {
			BBOChanges int    `json:"bbo_changes"`
			BBOLog     string `json:"bbo_log_sha256"`
			Trades     int    `json:"trades"`
			Volume     uint64 `json:"trade_volume"`
		} `json:"book"`
	}
	realdata.Facts(t, name, &want)
	if want.Book.BBOLog == "" || want.Book.BBOChanges == 0 || want.Book.Volume == 0 {
		t.Fatal("nothing is known of the file")
	}
	file, err := openfile.Open(realdata.Path(t, name))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	out := deriveFile(t, file)

	changes, bboLog := 0, sha256.New()
	eachRecord(t, out[dbn.SchemaMBP1], func(r dbn.Record) {
		var m dbn.MBP1
		if err := m.Parse(r); err != nil {
			t.Fatal(err)
		}
		if m.Action == market.Trade {
			return
		}
		if m.Flags&market.FlagLast == 0 {
			t.Fatalf("sequence %d: a quote that is not the last of its event", m.Sequence)
		}
		changes++
		fmt.Fprintf(bboLog, "%d,%d,%d,%d,%d,%d,%d\n", m.TsRecv,
			zeroIfNone(m.Level.BidPrice), m.Level.BidSize, m.Level.BidCount,
			zeroIfNone(m.Level.AskPrice), m.Level.AskSize, m.Level.AskCount)
	})
	if got := hex.EncodeToString(bboLog.Sum(nil)); changes != want.Book.BBOChanges || got != want.Book.BBOLog {
		t.Errorf("mbp-1: %d changes with hash %s, want %d with %s", changes, got, want.Book.BBOChanges, want.Book.BBOLog)
	}

	for _, s := range []dbn.Schema{dbn.SchemaTrades, dbn.SchemaTBBO, dbn.SchemaMBP1, dbn.SchemaMBP10, dbn.SchemaCMBP1, dbn.SchemaTCBBO} {
		trades, volume := 0, uint64(0)
		eachRecord(t, out[s], func(r dbn.Record) {
			if action, size := actionAndSize(t, r); action == market.Trade {
				trades++
				volume += uint64(size)
			}
		})
		if trades != want.Book.Trades || volume != want.Book.Volume {
			t.Errorf("%s: %d trades of %d contracts, want %d of %d", s, trades, volume, want.Book.Trades, want.Book.Volume)
		}
	}
	for _, s := range []dbn.Schema{dbn.SchemaOHLCV1s, dbn.SchemaOHLCV1m, dbn.SchemaOHLCV1h, dbn.SchemaOHLCV1d} {
		volume := uint64(0)
		eachRecord(t, out[s], func(r dbn.Record) {
			var bar dbn.OHLCV
			if err := bar.Parse(r); err != nil {
				t.Fatal(err)
			}
			if bar.Low > min(bar.Open, bar.Close) || bar.High < max(bar.Open, bar.Close) {
				t.Errorf("%s: bar %+v", s, bar)
			}
			volume += bar.Volume
		})
		if volume != want.Book.Volume {
			t.Errorf("%s: %d contracts, want %d", s, volume, want.Book.Volume)
		}
	}
	// One publisher is its own consolidated market.
	if q, c := len(out[dbn.SchemaBBO1s]), len(out[dbn.SchemaCBBO1s]); q == 0 || c == 0 || c > q {
		t.Errorf("bbo-1s has %d bytes and cbbo-1s %d: the consolidated one has no order counts, so it cannot change more often", q, c)
	}
}

// deriveFile returns the records of every schema.
func deriveFile(t *testing.T, r io.Reader) map[dbn.Schema][]byte {
	reader, err := dbn.NewReader(r)
	if err != nil {
		t.Fatal(err)
	}
	books := book.NewByOrder(book.ByOrderConfig{})
	schemas := bookSchemas()
	derivers := make([]derive.Deriver, len(schemas))
	for i, s := range schemas {
		derivers[i] = newDeriver(t, s)
	}
	out := make([][]byte, len(schemas))
	var m dbn.MBO
	events := make([]market.Event, 1)
	for {
		rec, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = m.Parse(rec)
		}
		if err != nil {
			t.Fatal(err)
		}
		m.Event(&events[0])
		u := market.Update{Event: events[0]}
		if v := books.Apply(&u).Verdict; v.Fault() {
			t.Fatalf("sequence %d: %s", m.Sequence, v)
		}
		for i, d := range derivers {
			out[i] = d.OnEvents(out[i], events, books)
		}
		if i := 0; !bytes.HasSuffix(out[i], rec.Raw()) {
			t.Fatalf("sequence %d: mbo is not what was read", m.Sequence)
		}
	}
	bySchema := make(map[dbn.Schema][]byte)
	for i, s := range schemas {
		bySchema[s] = derivers[i].OnTime(out[i], m.TsRecv+market.Day)
	}
	return bySchema
}

func zeroIfNone(p market.Price) market.Price {
	if !p.Defined() {
		return 0
	}
	return p
}

func actionAndSize(t *testing.T, r dbn.Record) (market.Action, uint32) {
	var trade dbn.Trade
	var top dbn.MBP1
	var depth dbn.MBP10
	var consolidated dbn.CMBP1
	switch {
	case trade.Parse(r) == nil:
		return trade.Action, trade.Size
	case top.Parse(r) == nil:
		return top.Action, top.Size
	case depth.Parse(r) == nil:
		return depth.Action, depth.Size
	case consolidated.Parse(r) == nil:
		return consolidated.Action, consolidated.Size
	}
	t.Fatalf("a record of type %s", r.RType)
	return 0, 0
}

package replay_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tidegate/arbiter"
	"tidegate/book"
	"tidegate/codec/dbn"
	"tidegate/gateway/derive"
	"tidegate/gateway/replay"
	"tidegate/internal/realdata"
	"tidegate/market"
)

// mustReplay replays and fails the test on an error.
func mustReplay(t testing.TB, opt replay.Options) *replay.Result {
	t.Helper()
	result, err := replay.Run(context.Background(), opt)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func wantTypes(t *testing.T, c *replay.ChannelSummary, want map[string]uint64) {
	t.Helper()
	got := make(map[string]uint64)
	for _, n := range c.Types {
		got[n.Type] = n.Count
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("messages by type: got %v, want %v", got, want)
	}
}

// levelText is how truth.json hashes a side: letter, price in units of 1e-9/unit, size.
func levelText(b *strings.Builder, letter string, levels []book.Level, unit market.Price, orders bool) {
	for _, l := range levels {
		if orders {
			fmt.Fprintf(b, "%s,%d,%d,%d\n", letter, l.Price/unit, l.Size, l.Orders)
		} else {
			fmt.Fprintf(b, "%s,%d,%d\n", letter, l.Price/unit, l.Size)
		}
	}
}

func allLevels(c *replay.Channel, id market.InstrumentID, side market.Side) []book.Level {
	return c.Pipeline.Books().Levels(id, side, make([]book.Level, 0, 1<<16))
}

func sum(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:])
}

// The DEEP capture: 12 epochs under one session id, a last record that is cut, crossed books.
func TestDEEPCapture(t *testing.T) {
	const name = "iex/DEEP10.pcap.gz"
	path := realdata.Path(t, name)
	var truth struct {
		Packets    uint64            `json:"packets_complete"`
		Heartbeats uint64            `json:"heartbeats"`
		Messages   uint64            `json:"messages"`
		Types      map[string]uint64 `json:"messages_by_type"`
		Trades     uint64            `json:"trades"`
		Volume     uint64            `json:"trade_volume"`
		Symbols    int               `json:"symbols_seen"`
		Restarts   uint64            `json:"restarts"`
		Epochs     []struct {
			UnknownRemovals uint64 `json:"level_removals_of_unknown_price"`
			FinalBooks      map[string]struct {
				BidLevels int    `json:"bid_levels"`
				AskLevels int    `json:"ask_levels"`
				SHA256    string `json:"sha256"`
			} `json:"final_books"`
		} `json:"epochs"`
	}
	realdata.Facts(t, name, &truth)
	result := mustReplay(t, replay.Options{Paths: []string{path}})
	s := result.Summary
	if in := s.Inputs[0]; in.Items != truth.Packets || !strings.Contains(in.Fault, "cut") {
		t.Errorf("input: %d datagrams, fault %q; want %d and a cut record", in.Items, in.Fault, truth.Packets)
	}
	if len(s.Channels) != 1 {
		t.Fatalf("%d channels, want 1", len(s.Channels))
	}
	c := &s.Channels[0]
	if c.Ledger.Lines[0].Heartbeats != truth.Heartbeats {
		t.Errorf("%d heartbeats, want %d", c.Ledger.Lines[0].Heartbeats, truth.Heartbeats)
	}
	sent := c.Ledger.Channel()
	if sent.Published.Messages != truth.Messages || sent.Duplicate.Messages != 0 || c.Ledger.GapsOpened.Ranges != 0 {
		t.Errorf("published %d, duplicate %d, gaps %d; want %d, 0, 0",
			sent.Published.Messages, sent.Duplicate.Messages, c.Ledger.GapsOpened.Ranges, truth.Messages)
	}
	if c.Ledger.Restarts != truth.Restarts || !c.Balanced {
		t.Errorf("%d restarts, balanced %t; want %d, true", c.Ledger.Restarts, c.Balanced, truth.Restarts)
	}
	if c.Trades != truth.Trades || c.Volume != truth.Volume || c.Books.Instruments != truth.Symbols {
		t.Errorf("%d trades of %d, %d symbols; want %d of %d, %d",
			c.Trades, c.Volume, c.Books.Instruments, truth.Trades, truth.Volume, truth.Symbols)
	}
	wantTypes(t, c, truth.Types)
	var unknown uint64
	for _, e := range truth.Epochs {
		unknown += e.UnknownRemovals
	}
	if c.Verdicts["unknown-level"] != unknown {
		t.Errorf("%d removals of unknown levels, want %d", c.Verdicts["unknown-level"], unknown)
	}

	last := truth.Epochs[len(truth.Epochs)-1].FinalBooks
	levels := 0
	for _, in := range result.Channels[0].Pipeline.Instruments() {
		bids := allLevels(result.Channels[0], in.ID, market.Bid)
		asks := allLevels(result.Channels[0], in.ID, market.Ask)
		want, ok := last[in.Symbol]
		if !ok {
			if len(bids)+len(asks) > 0 {
				t.Errorf("%s has a book of %d and %d levels, want none", in.Symbol, len(bids), len(asks))
			}
			continue
		}
		levels += len(bids) + len(asks)
		var b strings.Builder
		const unit = market.PriceScale / 10_000
		levelText(&b, "b", bids, unit, false)
		levelText(&b, "a", asks, unit, false)
		if len(bids) != want.BidLevels || len(asks) != want.AskLevels || sum(b.String()) != want.SHA256 {
			t.Errorf("%s: %d and %d levels, sum %s; want %d, %d, %s", in.Symbol, len(bids), len(asks),
				sum(b.String()), want.BidLevels, want.AskLevels, want.SHA256)
		}
		delete(last, in.Symbol)
	}
	if levels != 803 || len(last) != 0 {
		t.Errorf("%d final levels and %d books missing, want 803 and 0", levels, len(last))
	}
}

// A day of ES by order: a snapshot without a clear record, fills that change nothing.
func TestESByOrder(t *testing.T) {
	const name = "dbn/glbx/esh4-glbx-mdp3-20231225.mbo.dbn.zst"
	path := realdata.Path(t, name)
	var truth struct {
		Records uint64            `json:"records"`
		Actions map[string]uint64 `json:"actions"`
		Book    struct {
			BidLevels int    `json:"bid_levels"`
			AskLevels int    `json:"ask_levels"`
			L2        string `json:"l2_sha256"`
			Trades    uint64 `json:"trades"`
			Volume    uint64 `json:"trade_volume"`
		} `json:"book"`
	}
	realdata.Facts(t, name, &truth)
	result := mustReplay(t, replay.Options{Paths: []string{path}})
	c := &result.Summary.Channels[0]
	if c.Messages != truth.Records || c.Verdicts["applied"] != truth.Records {
		t.Errorf("%d messages, verdicts %v; want %d, all applied", c.Messages, c.Verdicts, truth.Records)
	}
	wantTypes(t, c, truth.Actions)
	if c.Trades != truth.Book.Trades || c.Volume != truth.Book.Volume {
		t.Errorf("%d trades of %d, want %d of %d", c.Trades, c.Volume, truth.Book.Trades, truth.Book.Volume)
	}
	books := result.Books("ESH4", 1)
	if len(books) != 1 || books[0].Bids[0].Price != "4810.00" || books[0].Asks[0].Price != "4810.25" {
		t.Fatalf("ESH4: %+v, want 4810.00 and 4810.25", books)
	}
	id := market.InstrumentID(books[0].ID)
	bids, asks := allLevels(result.Channels[0], id, market.Bid), allLevels(result.Channels[0], id, market.Ask)
	var b strings.Builder
	levelText(&b, "B", bids, 1, true)
	levelText(&b, "A", asks, 1, true)
	if len(bids) != truth.Book.BidLevels || len(asks) != truth.Book.AskLevels || sum(b.String()) != truth.Book.L2 {
		t.Errorf("%d and %d levels, sum %s; want %d, %d, %s", len(bids), len(asks), sum(b.String()),
			truth.Book.BidLevels, truth.Book.AskLevels, truth.Book.L2)
	}
}

func TestITCHFirst1000(t *testing.T) {
	const name = "itch50/nasdaq_first_1000.itch"
	path := realdata.Path(t, name)
	var truth struct {
		Types     map[string]uint64 `json:"messages_by_type"`
		Directory int               `json:"directory_entries"`
	}
	realdata.Facts(t, name, &truth)
	result := mustReplay(t, replay.Options{Paths: []string{path}})
	c := &result.Summary.Channels[0]
	wantTypes(t, c, truth.Types)
	if c.Books.Instruments != truth.Directory {
		t.Errorf("%d instruments, want %d", c.Books.Instruments, truth.Directory)
	}
}

// Artificial orders: references to unknown orders are counted and ignored, books are crossed.
func TestITCHArtificial(t *testing.T) {
	const name = "itch50/artificial/ex20101224.TEST_ITCH_50.gz"
	path := realdata.Path(t, name)
	var truth struct {
		Types   map[string]uint64 `json:"messages_by_type"`
		Unknown map[string]uint64 `json:"references_to_unknown_orders"`
		Books   map[string]struct {
			BidLevels int        `json:"bid_levels"`
			AskLevels int        `json:"ask_levels"`
			Bids      [][3]int64 `json:"bids"`
			Asks      [][3]int64 `json:"asks"`
		} `json:"final_books"`
	}
	realdata.Facts(t, name, &truth)
	if _, err := replay.Run(context.Background(), replay.Options{Paths: []string{path}}); err == nil ||
		!strings.Contains(err.Error(), "length fields are zero") {
		t.Errorf("strict reading: %v, want a refusal of the zero lengths", err)
	}
	result := mustReplay(t, replay.Options{Paths: []string{path}, TypedLengths: true})
	c := &result.Summary.Channels[0]
	wantTypes(t, c, truth.Types)
	var unknown uint64
	for _, n := range truth.Unknown {
		unknown += n
	}
	if c.Verdicts["unknown-order"] != unknown {
		t.Errorf("%d references to unknown orders, want %d", c.Verdicts["unknown-order"], unknown)
	}
	for symbol, want := range truth.Books {
		got := result.Books(symbol, 1<<16)
		if len(got) != 1 {
			t.Fatalf("%s: %d books", symbol, len(got))
		}
		for _, side := range []struct {
			name   string
			got    []replay.LevelSnapshot
			levels int
			best   [][3]int64
		}{{"bid", got[0].Bids, want.BidLevels, want.Bids}, {"ask", got[0].Asks, want.AskLevels, want.Asks}} {
			if len(side.got) != side.levels {
				t.Errorf("%s: %d %s levels, want %d", symbol, len(side.got), side.name, side.levels)
			}
			for i, l := range side.best {
				price := market.Price(l[0] * market.PriceScale / 10_000).String()
				if g := side.got[i]; g.Price != price || g.Size != uint64(l[1]) || g.Orders != uint32(l[2]) {
					t.Errorf("%s: %s level %d is %v, want %v", symbol, side.name, i, g, l)
				}
			}
		}
	}
}

// Single packets of real feeds: whatever is of a protocol we read is counted by type as truth has it.
func TestSinglePackets(t *testing.T) {
	type packets struct {
		Packets []struct {
			Mold *struct {
				Types []string `json:"types"`
			} `json:"mold"`
			IEX *struct {
				Types []string `json:"types"`
			} `json:"iextp"`
		} `json:"packets"`
	}
	patterns := []string{
		"packets/omi/Nasdaq/*.TotalView.Itch.v5.0*/*.pcap", "packets/omi/Iex/*/*.pcap",
	}
	files := 0
	for _, pattern := range patterns {
		for _, name := range realdata.Glob(t, pattern) {
			var truth packets
			realdata.Facts(t, name, &truth)
			want := make(map[string]uint64)
			for _, p := range truth.Packets {
				if p.Mold != nil {
					for _, typ := range p.Mold.Types {
						want[typ]++
					}
				}
				if p.IEX != nil {
					for _, typ := range p.IEX.Types {
						want[typ]++
					}
				}
			}
			result := mustReplay(t, replay.Options{Paths: []string{realdata.Path(t, name)}})
			got := make(map[string]uint64)
			var all arbiter.LineLedger
			for _, c := range result.Summary.Channels {
				for _, n := range c.Types {
					got[n.Type] += n.Count
				}
				sum := c.Ledger.Channel()
				all.Received.Messages += sum.Received.Messages
				all.Unsequenced.Messages += sum.Unsequenced.Messages
				all.Implausible.Messages += sum.Implausible.Messages
			}
			var messages uint64
			for _, n := range want {
				messages += n
			}
			if all.Received.Messages != messages {
				t.Errorf("%s: %d messages received, want %d", name, all.Received.Messages, messages)
			}
			// Captures wrapped from files have sequence 0, and one has two packets four million messages
			// apart: such messages are accounted for, but not believed.
			if doubted := all.Unsequenced.Messages + all.Implausible.Messages; doubted > 0 {
				believed := uint64(0)
				for _, n := range got {
					believed += n
				}
				if believed+doubted != messages {
					t.Errorf("%s: %d believed + %d doubted messages, want %d", name, believed, doubted, messages)
				}
			} else if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s: messages %v, want %v", name, got, want)
			}
			files++
		}
	}
	if files < 50 {
		t.Errorf("%d captures, want more than 50", files)
	}
}

// The conformance files of every DBN version: read, counted, and written again in version 3.
func TestDBNConformance(t *testing.T) {
	for _, name := range realdata.Glob(t, "dbn/conformance/test_data.*") {
		if strings.Contains(name, ".frag") {
			continue // no metadata: not a file that stands alone
		}
		t.Run(filepath.Base(name), func(t *testing.T) {
			var truth struct {
				Records uint64 `json:"records"`
				Schema  string `json:"schema"`
			}
			realdata.Facts(t, name, &truth)
			schema, ok := dbn.ParseSchema(truth.Schema)
			if !ok {
				t.Fatalf("schema %q", truth.Schema)
			}
			derivable := false
			for _, s := range derive.Schemas() {
				derivable = derivable || s == schema
			}
			if !derivable {
				t.Fatalf("schema %s cannot be written", schema)
			}
			out := filepath.Join(t.TempDir(), "out.dbn")
			result := mustReplay(t, replay.Options{Paths: []string{realdata.Path(t, name)}, Out: out, Schema: schema})
			var records uint64
			for _, n := range result.Summary.Channels[0].Records {
				records += n
			}
			if records != truth.Records || result.Summary.Output.Records != truth.Records {
				t.Errorf("%d records read, %d written; want %d", records, result.Summary.Output.Records, truth.Records)
			}
			f, err := os.Open(out)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			r, err := dbn.NewReader(f)
			if err != nil {
				t.Fatal(err)
			}
			if m := r.Metadata(); m.Version != dbn.Version || m.Schema != schema {
				t.Errorf("written as version %d of %s", m.Version, m.Schema)
			}
		})
	}
}

// Replaying anything twice gives the same bytes.
func TestSameBytesEveryTime(t *testing.T) {
	for _, input := range []struct {
		name  string
		typed bool
	}{
		{"iex/DEEP10.pcap.gz", false},
		{"dbn/glbx/esh4-glbx-mdp3-20231225.mbo.dbn.zst", false},
		{"itch50/nasdaq_first_1000.itch", false},
		{"itch50/artificial/ex20101224.TEST_ITCH_50.gz", true},
		{"packets/omi/Nasdaq/Nasdaq.Equities.TotalView.Itch.v5.0/Multiple.Packets.pcap", false},
	} {
		path := realdata.Path(t, input.name)
		for _, schema := range []dbn.Schema{dbn.SchemaMBO, dbn.SchemaMBP10, dbn.SchemaCMBP1, dbn.SchemaOHLCV1m} {
			var first *replay.OutputSummary
			for range 2 {
				out := filepath.Join(t.TempDir(), "out.dbn.zst")
				result := mustReplay(t, replay.Options{
					Paths: []string{path}, TypedLengths: input.typed, Out: out, Schema: schema,
				})
				o := result.Summary.Output
				raw, err := os.ReadFile(out)
				if err != nil {
					t.Fatal(err)
				}
				if sum(string(raw)) != o.SHA256 {
					t.Errorf("%s %s: the file is not what the summary says", input.name, schema)
				}
				if first == nil {
					first = o
				} else if o.SHA256 != first.SHA256 || o.Records != first.Records {
					t.Errorf("%s %s: %s, then %s", input.name, schema, first.SHA256, o.SHA256)
				}
			}
		}
	}
}

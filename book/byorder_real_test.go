package book_test

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strconv"
	"testing"

	"tidegate/book"
	"tidegate/codec/dbn"
	"tidegate/codec/itch50"
	"tidegate/internal/openfile"
	"tidegate/internal/realdata"
	"tidegate/market"
)

const esFile = "dbn/glbx/esh4-glbx-mdp3-20231225.mbo.dbn.zst"

// esBook is what truth.json knows of the book of ESH4. The rules of the hashes are in its
// conventions.
type esBook struct {
	Events     int    `json:"events"`
	BBOChanges int    `json:"bbo_changes"`
	BBOLog     string `json:"bbo_log_sha256"`
	Crossed    int    `json:"crossed_events"`
	Orders     int    `json:"orders"`
	BidOrders  int    `json:"bid_orders"`
	AskOrders  int    `json:"ask_orders"`
	BidLevels  int    `json:"bid_levels"`
	AskLevels  int    `json:"ask_levels"`
	L2         string `json:"l2_sha256"`
	L3ByID     string `json:"l3_by_id_sha256"`
	L3FIFO     string `json:"l3_fifo_sha256"`

	Checkpoints map[string]struct {
		Orders    int       `json:"orders"`
		BidLevels int       `json:"bid_levels"`
		AskLevels int       `json:"ask_levels"`
		BBO       [6]uint64 `json:"bbo"`
	} `json:"checkpoints"`
}

func bboFields(b book.BBO) (f [6]uint64) {
	for i, l := range []book.Level{b.Bid, b.Ask} {
		if l.Defined() {
			f[3*i], f[3*i+1], f[3*i+2] = uint64(l.Price), uint64(l.Size), uint64(l.Orders)
		}
	}
	return f
}

func sum(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }

// TestESDay rebuilds a day of the E-mini S&P 500 future from market-by-order records.
func TestESDay(t *testing.T) {
	var facts struct {
		Book esBook `json:"book"`
	}
	realdata.Facts(t, esFile, &facts)
	want := facts.Book
	const id = 17077

	updates := readMBO(t, realdata.Path(t, esFile))
	books := book.NewByOrder(book.ByOrderConfig{})
	books.Define(market.Instrument{ID: id, TickSize: 25 * cent})
	room := make([]book.Level, 0, 4096)
	levels := func(side market.Side) []book.Level { return books.Levels(id, side, room[:0]) }

	var got esBook
	log := sha256.New()
	var last [6]uint64
	before := book.EmptyBBO
	for i := range updates {
		u := &updates[i]
		if i%32 == 0 {
			books.Prefetch(updates[i:min(i+32, len(updates))])
		}
		r := books.Apply(u)
		switch u.Action {
		case market.Trade, market.Fill:
			if r != (book.Result{Verdict: market.Ignored}) {
				t.Fatalf("record %d: %s: result %v, want ignored without change", i+1, u.Action, r)
			}
		default:
			if r.Verdict != market.Applied {
				t.Fatalf("record %d: %s of order %d: verdict %v", i+1, u.Action, u.OrderID, r.Verdict)
			}
		}
		bbo := books.BBO(id)
		if changed := bbo != before; changed != r.Change.BBO() {
			t.Fatalf("record %d: best bid and offer changed: %v, the result says %v", i+1, changed, r.Change.BBO())
		}
		before = bbo
		if u.Flags&market.FlagLast != 0 {
			f := bboFields(bbo)
			if got.Events++; got.Events == 1 || f != last {
				got.BBOChanges++
				fmt.Fprintf(log, "%d,%d,%d,%d,%d,%d,%d\n", u.TsRecv, f[0], f[1], f[2], f[3], f[4], f[5])
				last = f
			}
			if bbo.Crossed() {
				got.Crossed++
			}
		}
		if c, ok := want.Checkpoints[strconv.Itoa(i+1)]; ok {
			bids, asks := len(levels(market.Bid)), len(levels(market.Ask))
			if books.Len() != c.Orders || bids != c.BidLevels || asks != c.AskLevels || bboFields(bbo) != c.BBO {
				t.Errorf("after record %d: %d orders, %d and %d levels, best %v; want %+v",
					i+1, books.Len(), bids, asks, bboFields(bbo), c)
			}
		}
	}
	got.BBOLog = sum(log)

	got.Orders = books.Len()
	got.BidLevels, got.AskLevels = len(levels(market.Bid)), len(levels(market.Ask))
	l2, fifo, byID := sha256.New(), sha256.New(), sha256.New()
	var all []book.Order
	for _, side := range []market.Side{market.Bid, market.Ask} {
		for _, l := range levels(side) {
			fmt.Fprintf(l2, "%s,%d,%d,%d\n", side, l.Price, l.Size, l.Orders)
		}
		for o := range books.Orders(id, side) {
			fmt.Fprintf(fifo, "%s,%d,%d,%d\n", side, o.Price, o.ID, o.Size)
			all = append(all, o)
			if side == market.Bid {
				got.BidOrders++
			} else {
				got.AskOrders++
			}
		}
	}
	slices.SortFunc(all, func(x, y book.Order) int { return cmp.Compare(x.ID, y.ID) })
	for _, o := range all {
		fmt.Fprintf(byID, "%d,%s,%d,%d\n", o.ID, o.Side, o.Price, o.Size)
	}
	got.L2, got.L3FIFO, got.L3ByID = sum(l2), sum(fifo), sum(byID)
	want.Checkpoints = nil
	if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); g != w {
		t.Errorf("book of the day:\n got %s\nwant %s", g, w)
	}
}

func readMBO(t *testing.T, path string) []market.Update {
	t.Helper()
	f, err := openfile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := dbn.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var updates []market.Update
	for {
		record, err := r.Next()
		if errors.Is(err, io.EOF) {
			return updates
		}
		if err != nil {
			t.Fatal(err)
		}
		var m dbn.MBO
		if err := m.Parse(record); err != nil {
			t.Fatal(err)
		}
		var u market.Update
		m.Event(&u.Event)
		updates = append(updates, u)
	}
}

// TestITCHWithUnknownOrders plays made-up ITCH messages: books that are crossed, prices off any tick,
// and references to orders that never came.
func TestITCHWithUnknownOrders(t *testing.T) {
	const name = "itch50/artificial/ex20101224.TEST_ITCH_50.gz"
	type bookFacts struct {
		Live      int         `json:"live_orders"`
		BidLevels int         `json:"bid_levels"`
		AskLevels int         `json:"ask_levels"`
		Bids      [][3]uint64 `json:"bids"` // the best five: price in 1e-4, size, orders
		Asks      [][3]uint64 `json:"asks"`
	}
	var facts struct {
		Unknown map[string]int       `json:"references_to_unknown_orders"`
		Live    int                  `json:"live_orders_at_end"`
		Books   map[string]bookFacts `json:"final_books"`
	}
	realdata.Facts(t, name, &facts)

	f, err := openfile.Open(realdata.Path(t, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := itch50.NewTypedFileReader(f)
	books := book.NewByOrder(book.ByOrderConfig{})
	var decoder itch50.Decoder
	ids, unknown := map[string]market.InstrumentID{}, map[string]int{}
	for {
		msg, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if msg[0] == itch50.TypeStockDirectory {
			var m itch50.StockDirectory
			if err := m.Parse(msg); err != nil {
				t.Fatal(err)
			}
			ids[m.Stock.String()] = market.InstrumentID(m.Locate)
		}
		var u market.Update
		if decoder.Decode(msg, &u) != market.Applied {
			continue
		}
		switch v := books.Apply(&u).Verdict; v {
		case market.Applied, market.Ignored:
		case market.UnknownOrder:
			unknown[string(msg[:1])]++
		default:
			t.Errorf("%s: verdict %v", describe(&u), v)
		}
	}
	if fmt.Sprint(unknown) != fmt.Sprint(facts.Unknown) || books.Len() != facts.Live {
		t.Errorf("unknown orders %v, %d live; want %v, %d", unknown, books.Len(), facts.Unknown, facts.Live)
	}
	for symbol, want := range facts.Books {
		id, ok := ids[symbol]
		if !ok {
			t.Fatalf("no directory entry for %s", symbol)
		}
		var got bookFacts
		for _, side := range []market.Side{market.Bid, market.Ask} {
			levels := books.Levels(id, side, make([]book.Level, 0, 500))
			best := [][3]uint64{}
			for _, l := range levels[:min(5, len(levels))] {
				best = append(best, [3]uint64{uint64(l.Price) / 100_000, uint64(l.Size), uint64(l.Orders)})
			}
			for range books.Orders(id, side) {
				got.Live++
			}
			if side == market.Bid {
				got.BidLevels, got.Bids = len(levels), best
			} else {
				got.AskLevels, got.Asks = len(levels), best
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("book of %s:\n got %+v\nwant %+v", symbol, got, want)
		}
	}
}

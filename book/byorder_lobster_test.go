package book_test

import (
	"bufio"
	"encoding/csv"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"tidegate/book"
	"tidegate/internal/openfile"
	"tidegate/internal/realdata"
	"tidegate/market"
)

const (
	lobsterMessages = "lobster/AAPL_2012-06-21_34200000_57600000_message_10.csv"
	lobsterBook     = "lobster/AAPL_2012-06-21_34200000_57600000_orderbook_10.csv"
	lobsterHour     = "lobster/AAPL_2012-06-21_34200000_37800000_message_50.csv.gz"

	aapl = 13
	// unseen is added to a price to make the id of an order that stands for all orders of a level
	// that were added before the file begins.
	unseen = 1 << 40
)

// TestLobsterMinute plays 49 seconds of AAPL order flow and compares each book with the published
// one. Levels come into view at the tenth place from orders that the file does not show: there, and
// only there, the published book is taken over.
func TestLobsterMinute(t *testing.T) {
	var facts struct {
		Consistent int            `json:"transitions_consistent"`
		ByType     map[string]int `json:"messages_by_type"`
		Unseen     map[string]int `json:"references_to_orders_added_before_the_file"`
	}
	realdata.Facts(t, lobsterMessages, &facts)
	messages := readLobster(t, lobsterMessages)
	published := readCSV(t, lobsterBook)

	books := book.NewByOrder(book.ByOrderConfig{})
	books.Define(market.Instrument{ID: aapl, TickSize: cent})
	first := messages[0]
	apply(t, books, first, market.Applied)
	known := [2]market.Price{0, market.UndefPrice - 1} // prices from these on are not known yet
	takeOver(t, books, published[0], &known)

	consistent, byUnseen := 0, map[string]int{}
	byType := map[string]int{lobsterType[first.Action]: 1}
	for k := 1; k < len(messages); k++ {
		u := messages[k]
		byType[lobsterType[u.Action]]++
		fast := u
		switch r := books.Apply(&fast); {
		case u.Action == market.Trade:
		case r.Verdict == market.UnknownOrder:
			byUnseen["type "+lobsterType[u.Action]]++
			u.Action, u.OrderID = market.Cancel, unseen+uint64(u.Price)
			apply(t, books, u, market.Applied)
		case r.Verdict != market.Applied:
			t.Fatalf("row %d: %s: verdict %v", k, describe(&u), r.Verdict)
		case fast.Side != u.Side || u.Action != market.Add && fast.PrevPrice != u.Price:
			t.Errorf("row %d: %s: completed to side %s, price %s", k, describe(&u), fast.Side, fast.PrevPrice)
		}
		if inView(t, k, books, published[k], known) {
			consistent++
		}
		takeOver(t, books, published[k], &known)
	}
	if consistent != facts.Consistent || consistent != len(messages)-1 {
		t.Errorf("%d of %d books follow, want %d", consistent, len(messages)-1, facts.Consistent)
	}
	if fmt.Sprint(byType) != fmt.Sprint(facts.ByType) || fmt.Sprint(byUnseen) != fmt.Sprint(facts.Unseen) {
		t.Errorf("messages %v, of unseen orders %v; want %v, %v", byType, byUnseen, facts.ByType, facts.Unseen)
	}
}

// publishedSide returns the levels of one side of a row of the book file.
func publishedSide(row []int64, sideIndex int) []book.Level {
	var levels []book.Level
	for i := 2 * (1 - sideIndex); i+1 < len(row); i += 4 {
		levels = append(levels, book.Level{Price: market.Price(row[i]) * 100_000, Size: market.Size(row[i+1])})
	}
	return levels
}

// within reports whether a price is better than the border of what is known of a side.
func within(price, border market.Price, sideIndex int) bool {
	if sideIndex == 0 {
		return price >= border && border != 0
	}
	return price <= border && border != market.UndefPrice-1
}

// inView compares what was known before row k with the published book of row k.
func inView(t *testing.T, k int, books *book.ByOrder, row []int64, known [2]market.Price) bool {
	ok := true
	for sideIndex, side := range []market.Side{market.Bid, market.Ask} {
		var want, got []book.Level
		worst := market.Price(0)
		for _, l := range publishedSide(row, sideIndex) {
			worst = l.Price
			if within(l.Price, known[sideIndex], sideIndex) {
				want = append(want, l)
			}
		}
		for _, l := range books.Levels(aapl, side, make([]book.Level, 0, 500)) {
			if within(l.Price, known[sideIndex], sideIndex) && within(l.Price, worst, sideIndex) {
				got = append(got, book.Level{Price: l.Price, Size: l.Size})
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("row %d: levels of side %s: %v, want %v", k, side, got, want)
			ok = false
		}
	}
	return ok
}

// takeOver makes the books show the levels of a row that are beyond what was known before it: orders
// come and go there without a message.
func takeOver(t *testing.T, books *book.ByOrder, row []int64, known *[2]market.Price) {
	t.Helper()
	for sideIndex, side := range []market.Side{market.Bid, market.Ask} {
		levels := publishedSide(row, sideIndex)
		worst := levels[len(levels)-1].Price
		missing := map[market.Price]market.Size{}
		for _, l := range levels {
			if !within(l.Price, known[sideIndex], sideIndex) {
				missing[l.Price] = l.Size
			}
		}
		for _, o := range slices.Collect(books.Orders(aapl, side)) {
			switch {
			case within(o.Price, known[sideIndex], sideIndex) || !within(o.Price, worst, sideIndex):
			case o.Size > missing[o.Price]:
				apply(t, books, update(market.Delete, aapl, o.ID, side, 0, o.Price), market.Applied)
			default:
				missing[o.Price] -= o.Size
			}
		}
		for _, l := range levels {
			if size := missing[l.Price]; size > 0 {
				apply(t, books, update(market.Add, aapl, unseen+uint64(l.Price), side, size, l.Price), market.Applied)
			}
		}
		known[sideIndex] = worst
	}
}

func apply(t *testing.T, books *book.ByOrder, u market.Update, want market.Verdict) {
	t.Helper()
	if r := books.Apply(&u); r.Verdict != want {
		t.Fatalf("%s: verdict %v, want %v", describe(&u), r.Verdict, want)
	}
}

// TestLobsterHour plays real order flow, of which most of the first books are unknown, against the twin.
func TestLobsterHour(t *testing.T) {
	messages := readLobster(t, lobsterHour)
	p := newPair(book.ByOrderConfig{}, aapl)
	for _, u := range messages[:4000] {
		if err := p.apply(u); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.compare(); err != nil {
		t.Fatal(err)
	}
}

var lobsterType = map[market.Action]string{
	market.Add: "1", market.Cancel: "2", market.Delete: "3", market.Execute: "4", market.Trade: "5",
}

// readLobster returns the rows of a message file as updates.
func readLobster(t *testing.T, name string) []market.Update {
	t.Helper()
	var updates []market.Update
	for _, row := range readCSV(t, name) {
		u := update(market.None, aapl, uint64(row[2]), market.Bid, market.Size(row[3]), market.Price(row[4])*100_000)
		for action, typ := range lobsterType {
			if typ == strconv.FormatInt(row[1], 10) {
				u.Action = action
			}
		}
		if row[5] < 0 {
			u.Side = market.Ask
		}
		updates = append(updates, u)
	}
	return updates
}

// readCSV returns the rows of a file of integers; a time's fraction is cut off.
func readCSV(t *testing.T, name string) [][]int64 {
	t.Helper()
	f, err := openfile.Open(realdata.Path(t, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	records, err := csv.NewReader(bufio.NewReader(f)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	rows := make([][]int64, len(records))
	for i, record := range records {
		for _, field := range record {
			whole, _, _ := strings.Cut(field, ".")
			n, err := strconv.ParseInt(whole, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			rows[i] = append(rows[i], n)
		}
	}
	return rows
}

package history

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tidegate/codec/dbn"
	"tidegate/market"
	"tidegate/sinks/entry"
	"tidegate/sinks/journal"
)

// A kept is one entry as a test remembers it.
type kept struct {
	index  uint64
	feed   string
	symbol string
	schema dbn.Schema
	record string
}

// A shelf is a journal that a test writes, and remembers.
type shelf struct {
	t       *testing.T
	dir     string
	journal *journal.Journal
	live    *Live
	feeds   []string
	schemas []dbn.Schema
	names   map[uint16]map[market.InstrumentID]string
	all     []kept
	next    uint64
	config  journal.Config
}

const noon = market.Nanos(1_767_700_800_000_000_000)

func newShelf(t *testing.T) *shelf {
	s := &shelf{t: t, dir: filepath.Join(t.TempDir(), "journal")}
	s.config = journal.Config{Dir: s.dir, SegmentBytes: 2 << 20, ReserveBytes: 1, PlainSegments: -1, QueueBytes: 4 << 20, SpillBytes: 256 << 20}
	t.Cleanup(s.close)
	return s
}

// open begins an epoch.
func (s *shelf) open(at market.Nanos, feeds []string, schemas ...dbn.Schema) {
	s.t.Helper()
	s.close()
	var err error
	if s.journal, err = journal.Open(s.config); err != nil {
		s.t.Fatal(err)
	}
	s.next = s.journal.DurableIndex() + 1
	s.live, s.feeds, s.schemas = &Live{}, feeds, schemas
	s.names = make(map[uint16]map[market.InstrumentID]string)
	for number, name := range feeds {
		s.put(number, entry.KindFeed, at, (&entry.Feed{Name: name}).Append(nil))
		s.put(number, entry.KindRecord, at, AppendKept(nil, schemas, at))
		s.names[uint16(number)] = make(map[market.InstrumentID]string)
	}
}

func (s *shelf) close() {
	if s.journal == nil {
		return
	}
	if err := s.journal.Close(context.Background()); err != nil {
		s.t.Error(err)
	}
	s.journal = nil
}

func (s *shelf) put(feed int, kind uint8, at market.Nanos, payload []byte) uint64 {
	index, _ := s.journal.Append(journal.Header{At: at, Feed: uint16(feed), Kind: kind}, payload)
	if index != s.next {
		s.t.Fatalf("index %d, want %d", index, s.next)
	}
	s.next++
	return index
}

func (s *shelf) meet(feed int, at market.Nanos, id market.InstrumentID, symbol string) {
	index := s.put(feed, entry.KindRecord, at, AppendMet(nil, id, symbol, at))
	s.live.Catalog.Add(Met{index, uint16(feed), id, symbol})
	s.names[uint16(feed)][id] = symbol
}

// trade keeps a trade and what else is made of it.
func (s *shelf) trade(feed int, at, event market.Nanos, id market.InstrumentID, n int) {
	c := dbn.Change{
		Header: dbn.Header{InstrumentID: id, TsEvent: event}, Price: market.Price(n), Size: 1, Action: market.Trade, Side: market.Bid, TsRecv: at,
	}
	for _, schema := range s.schemas {
		var b []byte
		switch schema {
		case dbn.SchemaTrades:
			b = (&dbn.Trade{Change: c}).Append(nil)
		case dbn.SchemaMBP1, dbn.SchemaTBBO:
			b = (&dbn.MBP1{Change: c}).Append(nil)
		case dbn.SchemaMBO:
			b = (&dbn.MBO{Header: c.Header, Price: c.Price, Action: market.Trade, Side: market.Bid, TsRecv: at}).Append(nil)
		case dbn.SchemaBBO1s:
			b = (&dbn.BBO{Header: dbn.Header{RType: dbn.RTypeBBO1s, InstrumentID: id, TsEvent: event - market.Hour}, Price: c.Price, TsRecv: at}).Append(nil)
		}
		index := s.put(int(FeedOf(uint8(feed), schema, s.schemas)), entry.KindRecord, at, b)
		s.all = append(s.all, kept{index, s.feeds[feed], s.names[uint16(feed)][id], schema, string(b)})
	}
}

// quote keeps a change of the best price, which is in mbp-1 alone.
func (s *shelf) quote(feed int, at market.Nanos, id market.InstrumentID) {
	if !slices.Contains(s.schemas, dbn.SchemaMBP1) {
		return
	}
	b := (&dbn.MBP1{Change: dbn.Change{Header: dbn.Header{InstrumentID: id, TsEvent: at}, Action: market.Add, TsRecv: at}}).Append(nil)
	index := s.put(feed, entry.KindRecord, at, b)
	s.all = append(s.all, kept{index, s.feeds[feed], s.names[uint16(feed)][id], dbn.SchemaMBP1, string(b)})
}

func (s *shelf) history() *History {
	s.t.Helper()
	for end := time.Now().Add(time.Minute); s.journal.DurableIndex()+1 < s.next; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatal("not durable")
		}
	}
	return New(Config{Dir: s.dir, Open: s.journal.NewReader, Schemas: s.schemas, Feeds: s.feeds, Epoch: s.journal.Epoch(), Live: s.live})
}

// read reads everything that is asked for.
func read(h *History, q Query) (records []string, symbols []string, err error) {
	c, err := h.Read(context.Background(), q)
	if err != nil {
		return nil, nil, err
	}
	defer c.Close()
	var item Item
	for {
		out, err := c.Next(context.Background(), &item)
		switch {
		case err != nil:
			return records, symbols, err
		case out == Empty:
			return records, symbols, nil
		case out == Missing:
			return records, symbols, errors.New(item.Missing)
		case out == Ready && item.Record():
			records, symbols = append(records, string(item.Payload)), append(symbols, item.Symbol)
		}
	}
}

// want is what a query should give, by the plainest way.
func (s *shelf) want(q Query) (records, symbols []string) {
	for _, k := range s.all {
		if k.feed != q.Feed {
			continue
		}
		for _, w := range q.Wants {
			at := IndexTime([]byte(k.record))
			id := market.InstrumentID(k.record[4])
			switch {
			case k.schema != w.Schema, w.Symbols != nil && !slices.Contains(w.Symbols, k.symbol), w.Numbers != nil && !slices.Contains(w.Numbers, id):
				continue
			case w.From != 0 && k.index < w.From, w.From == 0 && at < w.Start, w.End != 0 && w.End.Defined() && at >= w.End:
				continue
			}
			records, symbols = append(records, k.record), append(symbols, k.symbol)
			break
		}
	}
	return records, symbols
}

// Several starts of the gateway, in each of which feeds have other numbers and instruments too, and event times
// that are ahead of receive times, more and more: whatever is asked for, it is what a list of everything has.
func TestReadIsWhatWasKept(t *testing.T) {
	s := newShelf(t)
	dice := rand.New(rand.NewPCG(5, 6))
	at := noon
	play := func(n int, skewed bool) {
		begun := at
		for i := range n {
			at += market.Nanos(dice.IntN(int(20 * market.Millisecond)))
			feed, id := dice.IntN(len(s.feeds)), market.InstrumentID(1+dice.IntN(4))
			if dice.IntN(500) == 0 {
				s.meet(feed, at, id, fmt.Sprintf("%s%d", s.feeds[feed], i))
			}
			event := at - 1000
			if skewed {
				event += 20 * (at - begun) // a clock that goes 21 times as fast
			}
			s.trade(feed, at, event, id, i)
			if dice.IntN(4) == 0 {
				s.quote(feed, at, id)
			}
		}
	}
	meetAll := func(order string) {
		for feed := range s.feeds {
			for i, symbol := range strings.Split(order, " ") {
				s.meet(feed, at, market.InstrumentID(i+1), symbol)
			}
		}
	}
	s.open(at, []string{"one"}, dbn.SchemaMBO, dbn.SchemaTBBO, dbn.SchemaBBO1s)
	meetAll("A B C D")
	play(4000, false)
	s.open(at, []string{"two", "one"}, dbn.SchemaMBO, dbn.SchemaMBP1, dbn.SchemaTBBO, dbn.SchemaBBO1s)
	meetAll("D C B A")
	play(6000, false)
	s.open(at, []string{"one", "two"}, dbn.SchemaMBO, dbn.SchemaMBP1, dbn.SchemaTBBO, dbn.SchemaTrades, dbn.SchemaBBO1s)
	meetAll("B A E F")
	play(6000, true)
	h := s.history()
	for round := range 80 {
		q := Query{Feed: []string{"one", "two"}[dice.IntN(2)]}
		for range 1 + dice.IntN(2) {
			k := s.all[dice.IntN(len(s.all))]
			w := Want{Schema: []dbn.Schema{dbn.SchemaMBO, dbn.SchemaTBBO, dbn.SchemaBBO1s}[dice.IntN(3)], Start: IndexTime([]byte(k.record))}
			switch dice.IntN(5) {
			case 0:
				w.Start = 0
			case 1:
				w.From, w.Start = k.index, 0
			case 2:
				w.End = w.Start + market.Nanos(dice.IntN(int(10*market.Second)))
			}
			switch dice.IntN(3) {
			case 0:
				w.Symbols = []string{"A", "C", k.symbol}
			case 1:
				w.Numbers = []market.InstrumentID{2, 3}
			}
			q.Wants = append(q.Wants, w)
		}
		records, symbols, err := read(h, q)
		if err != nil {
			t.Fatalf("round %d, %+v: %v", round, q, err)
		}
		wantRecords, wantSymbols := s.want(q)
		if !slices.Equal(records, wantRecords) {
			t.Fatalf("round %d, %+v: %d records, want %d", round, q, len(records), len(wantRecords))
		}
		if !slices.Equal(symbols, wantSymbols) {
			t.Fatalf("round %d, %+v: symbols differ", round, q)
		}
	}
	names, err := h.Names(t.Context(), "one", 0)
	if err != nil || len(names) != 4 || names[3] == "" {
		t.Errorf("names %v, %v", names, err)
	}
	// What was not kept all along.
	start := IndexTime([]byte(s.all[10].record))
	if _, _, err := read(h, Query{Feed: "one", Wants: []Want{{Schema: dbn.SchemaMBP1, Start: start}}}); !errors.Is(err, ErrAgedOut) || !strings.Contains(err.Error(), "schema mbp-1 was not kept before") {
		t.Errorf("mbp-1: %v", err)
	}
	if _, _, err := read(h, Query{Feed: "one", Wants: []Want{{Schema: dbn.SchemaMBP10}}}); !errors.Is(err, ErrSchema) {
		t.Errorf("mbp-10: %v", err)
	}
	if _, _, err := read(h, Query{Feed: "one"}); err == nil {
		t.Error("nothing was asked for, and given")
	}
	records, _, err := read(h, Query{Feed: "one", Wants: []Want{{Schema: dbn.SchemaMBP1}}})
	if want, _ := s.want(Query{Feed: "one", Wants: []Want{{Schema: dbn.SchemaMBP1}}}); err != nil || !slices.Equal(records, want) {
		t.Errorf("all there is of mbp-1: %d records, want %d, %v", len(records), len(want), err)
	}
	// Somebody else reads the same, with nothing in memory.
	other := New(Config{Dir: s.dir, Open: func() (*journal.Reader, error) { return journal.OpenReader(s.dir) }, Schemas: s.schemas})
	q := Query{Feed: "two", Wants: []Want{{Schema: dbn.SchemaMBO, Symbols: []string{"A", "D"}}}}
	records, _, err = read(other, q)
	if want, _ := s.want(q); err != nil || !slices.Equal(records, want) {
		t.Errorf("by another process: %d records, want %d, %v", len(records), len(want), err)
	}
}

// What retention has removed is said, and when history begins.
func TestAgedOut(t *testing.T) {
	s := newShelf(t)
	s.config.RetainBytes = 256 << 10 // as files, which are packed
	s.open(noon, []string{"one"}, dbn.SchemaMBO)
	s.meet(0, noon, 1, "A")
	n := 0
	for end := time.Now().Add(time.Minute); s.journal.Stats().Kept.Removed == 0; {
		if n >= 120_000 { // enough
			time.Sleep(5 * time.Millisecond)
		}
		for range min(20_000, 120_000-n) {
			n++
			at := noon + market.Nanos(n)*market.Millisecond
			s.trade(0, at, at, 1, n*7919)
		}
		if time.Now().After(end) {
			t.Fatal("nothing is removed")
		}
	}
	h := s.history()
	if _, _, err := read(h, Query{Feed: "one", Wants: []Want{{Schema: dbn.SchemaMBO, Start: noon}}}); !errors.Is(err, ErrAgedOut) || !strings.Contains(err.Error(), "it begins at 2026-01-06T12:") {
		t.Errorf("%v", err)
	}
	for range 10 { // it may be removed while it is read
		records, symbols, err := read(h, Query{Feed: "one", Wants: []Want{{Schema: dbn.SchemaMBO}}})
		if errors.Is(err, ErrAgedOut) {
			continue
		}
		if err != nil || len(records) == 0 || len(records) > n || records[len(records)-1] != s.all[len(s.all)-1].record || symbols[0] != "A" {
			t.Errorf("%d records of %d, %v", len(records), n, err)
		}
		return
	}
	t.Error("never read to the end")
}

// A cursor follows what is written, and goes where it is told.
func TestCursorFollows(t *testing.T) {
	s := newShelf(t)
	s.open(noon, []string{"one"}, dbn.SchemaMBO)
	s.meet(0, noon, 1, "A")
	c, err := s.history().Read(t.Context(), Query{Feed: "one", Wants: []Want{{Schema: dbn.SchemaMBO, Start: noon + market.Hour}}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var item Item
	next := func(want Outcome) {
		t.Helper()
		out, err := c.Next(t.Context(), &item)
		if err != nil || out != want {
			t.Fatalf("%d, %v, want %d", out, err, want)
		}
	}
	next(Empty)
	if c.Position() != s.next {
		t.Errorf("position %d, want %d: what was received before is passed over", c.Position(), s.next)
	}
	at := noon + 2*market.Hour
	s.trade(0, at, at, 1, 1)
	s.meet(0, at, 1, "Z")
	s.trade(0, at, at, 1, 2)
	s.history()
	next(Ready)
	if item.Symbol != "A" || !item.Record() || item.Index+1 != c.Position() {
		t.Errorf("%+v", item)
	}
	next(Ready)
	if item.Record() || item.Symbol != "Z" || item.Instrument != 1 {
		t.Errorf("%+v", item)
	}
	next(Ready)
	if item.Symbol != "Z" {
		t.Errorf("%+v", item)
	}
	next(Empty)
	if err := c.Seek(s.next); err != nil {
		t.Fatal(err)
	}
	next(Empty)
	s.trade(0, at, at, 1, 3)
	s.history()
	next(Ready)
	if item.Symbol != "Z" || item.Index != s.next-1 {
		t.Errorf("after a seek: %+v", item)
	}
	// Much that is not wanted.
	for i := range 3 * pauseAfter {
		s.trade(0, at, noon, 1, i)
	}
	s.trade(0, at, at, 1, 4)
	s.history()
	pauses := 0
	for {
		out, err := c.Next(t.Context(), &item)
		if err != nil {
			t.Fatal(err)
		}
		if out == Ready {
			break
		}
		if pauses++; out != Pause {
			t.Fatalf("outcome %d", out)
		}
	}
	if pauses < 2 || pauses > 3 {
		t.Errorf("%d pauses", pauses)
	}
}

// A feed that comes late: what happened before an end is there, whenever it was received.
func TestEndOfALateFeed(t *testing.T) {
	s := newShelf(t)
	s.open(noon, []string{"one"}, dbn.SchemaMBO)
	s.meet(0, noon, 1, "A")
	for i := range 60 {
		at := noon + market.Nanos(i)*market.Minute
		s.trade(0, at, at-10*market.Minute, 1, i)
		s.history() // a batch of its own
	}
	q := Query{Feed: "one", Wants: []Want{{Schema: dbn.SchemaMBO, Start: noon, End: noon + 20*market.Minute}}}
	records, _, err := read(s.history(), q)
	if want, _ := s.want(q); err != nil || !slices.Equal(records, want) || len(want) != 20 {
		t.Errorf("%d records, want %d, %v", len(records), len(want), err)
	}
}

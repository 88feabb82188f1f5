package derive_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"tidegate/book"
	"tidegate/codec/dbn"
	"tidegate/gateway/derive"
	"tidegate/market"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// midnight is the time 0 of scenarios: the start of a day, 2023-11-14 UTC.
const midnight = 1699920000 * market.Second

// TestScenarios plays the stories in testdata and compares the records of each schema with the
// golden files.
func TestScenarios(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, string(text))
			golden := strings.TrimSuffix(path, ".txt") + ".golden"
			if *update {
				if err := os.WriteFile(golden, got, 0o666); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s: %s", golden, firstDifference(string(got), string(want)))
			}
		})
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("line %d:\n got %s\nwant %s", i+1, g[i], w[i])
		}
	}
	return fmt.Sprintf("got %d lines, want %d", len(g), len(w))
}

// A story is a scenario under way.
type story struct {
	t          testing.TB
	schemas    []dbn.Schema
	markets    []*derive.Market // by schema
	publishers map[string]*publisher
	order      []string
	out        [][]byte // by schema
	at         market.Nanos
	seq        uint64
	group      []market.Event // of the update that is being read
	from       *publisher     // its publisher
}

// A publisher has a book and one deriver for each schema.
type publisher struct {
	id       market.PublisherID
	symbols  map[market.InstrumentID]string
	book     *book.ByOrder
	derivers []derive.Deriver
}

// play returns the records that each schema gives, as text. A line of a story is
//
//	seconds publisher:instrument action side price size #order flags
//
// A line that starts with + continues the update of the line before, at the same time. A line
// "clock seconds" lets time pass.
func play(t testing.TB, text string) []byte {
	s := &story{t: t, publishers: make(map[string]*publisher)}
	for n, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "# ")
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		if err := s.line(f); err != nil {
			t.Fatalf("line %d: %v", n+1, err)
		}
	}
	s.flush()
	var b bytes.Buffer
	for i, schema := range s.schemas {
		fmt.Fprintf(&b, "== %s\n", schema)
		for _, line := range printRecords(t, s.out[i]) {
			fmt.Fprintln(&b, line)
		}
	}
	return b.Bytes()
}

func (s *story) line(f []string) error {
	if f[0] != "+" {
		s.flush()
	}
	switch f[0] {
	case "schemas":
		for _, name := range f[1:] {
			schema, ok := dbn.ParseSchema(name)
			if !ok {
				return fmt.Errorf("schema %q: unknown", name)
			}
			s.schemas = append(s.schemas, schema)
			s.markets = append(s.markets, derive.NewSmallMarket())
		}
		s.out = make([][]byte, len(s.schemas))
		return nil
	case "publisher":
		return s.publisher(f[1:])
	case "clock":
		now, err := offset(f[1])
		for _, name := range s.order {
			for i, d := range s.publishers[name].derivers {
				s.out[i] = d.OnTime(s.out[i], now)
			}
		}
		return err
	case "+":
	default:
		var err error
		if s.at, err = offset(f[0]); err != nil {
			return err
		}
	}
	return s.event(f[1:])
}

func (s *story) publisher(f []string) error {
	id, err := strconv.ParseUint(f[1], 10, 16)
	if err != nil {
		return err
	}
	p := &publisher{
		id:      market.PublisherID(id),
		symbols: make(map[market.InstrumentID]string),
		book:    book.NewByOrder(book.ByOrderConfig{OrdersMax: 1000, InstrumentsMax: 100}),
	}
	for _, mapping := range f[2:] {
		number, symbol, _ := strings.Cut(mapping, "=")
		n, err := strconv.ParseUint(number, 10, 32)
		if err != nil {
			return err
		}
		p.symbols[market.InstrumentID(n)] = symbol
	}
	for i, schema := range s.schemas {
		d, err := derive.New(schema, s.markets[i].View(func(id market.InstrumentID) string { return p.symbols[id] }))
		if err != nil {
			return err
		}
		p.derivers = append(p.derivers, d)
	}
	s.publishers[f[0]] = p
	s.order = append(s.order, f[0])
	return nil
}

// event reads one event and applies it to its publisher's book.
func (s *story) event(f []string) error {
	name, number, _ := strings.Cut(f[0], ":")
	p := s.publishers[name]
	if p == nil || len(f) < 6 {
		return fmt.Errorf("event %q: want publisher:instrument action side price size #order flags", f)
	}
	instrument, err := strconv.ParseUint(number, 10, 32)
	if err != nil {
		return err
	}
	price := market.UndefPrice
	if f[3] != "-" {
		if price, err = market.ParsePrice(f[3]); err != nil {
			return err
		}
	}
	size, err := strconv.ParseUint(f[4], 10, 64)
	if err != nil {
		return err
	}
	order, err := strconv.ParseUint(strings.TrimPrefix(f[5], "#"), 10, 64)
	if err != nil {
		return err
	}
	s.seq++
	e := market.Event{
		TsEvent: s.at - market.Millisecond, TsRecv: s.at, TsInDelta: int32(s.seq), Seq: s.seq, OrderID: order,
		Price: price, Size: market.Size(size), Instrument: market.InstrumentID(instrument),
		Publisher: p.id, Action: market.Action(f[1][0]), Side: market.Side(f[2][0]), Channel: 255,
	}
	for _, name := range f[6:] {
		flag, ok := flagNames[name]
		if !ok {
			return fmt.Errorf("flag %q: unknown", name)
		}
		e.Flags |= flag
	}
	u := market.Update{Event: e}
	if v := p.book.Apply(&u).Verdict; v.Fault() && v != market.Oversize {
		return fmt.Errorf("the book says %s", v)
	}
	s.group, s.from = append(s.group, e), p
	return nil
}

var flagNames = map[string]market.Flags{
	"last": market.FlagLast, "snapshot": market.FlagSnapshot,
	"badtime": market.FlagBadTsRecv, "maybebad": market.FlagMaybeBadBook,
}

// flush hands the update that was read to the derivers.
func (s *story) flush() {
	if len(s.group) == 0 {
		return
	}
	for i, d := range s.from.derivers {
		s.out[i] = d.OnEvents(s.out[i], s.group, s.from.book)
	}
	s.group = s.group[:0]
}

// offset reads seconds since midnight.
func offset(text string) (market.Nanos, error) {
	seconds, err := market.ParsePrice(text) // nanoseconds are as many as prices' units
	return midnight + market.Nanos(seconds), err
}

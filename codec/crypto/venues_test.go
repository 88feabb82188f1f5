package crypto_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"tidegate/book"
	"tidegate/codec/crypto/capture"
	"tidegate/codec/crypto/depth"
	"tidegate/internal/realdata"
	"tidegate/market"
)

const publisher = 60999

// A decoder is what all venues have.
type decoder interface {
	Decode([]byte, *depth.Message) market.Verdict
}

// A gate is what is behind a recorded connection: a decoder, a splicer and a book for each instrument,
// and counts of all that comes out.
type gate struct {
	t         testing.TB
	directory *depth.Directory
	decoder   decoder
	splicing  depth.SplicerConfig
	splicers  map[*depth.Instrument]*depth.Splicer
	books     *book.ByPrice
	m         depth.Message

	verdicts map[market.Verdict]int
	kinds    map[depth.Kind]int
	outcomes map[*depth.Instrument]*[depth.OutcomeCount]int
	checks   [3]int
	deltas   map[string]int // published, by symbol
	trades   map[string]int
	unknown  int // levels removed that were not there
	narrowed int
	// beyond has the levels of asks that no Price can hold, as lines of a digest, by symbol. They are the
	// worst of their books and stay there all the time.
	beyond  map[string]string
	onDelta func(*depth.Message) // after a delta is in the book
	onQuote func(*depth.Message)
	onTrade func(*depth.Trade)
}

// newGate makes a gate of instruments named by their symbols.
func newGate(t testing.TB, scale int, splicing depth.SplicerConfig, symbols ...string) *gate {
	g := &gate{
		t: t, directory: depth.NewDirectory(publisher), splicing: splicing,
		splicers: map[*depth.Instrument]*depth.Splicer{},
		books:    book.NewByPrice(book.ByPriceConfig{LevelsMax: 1 << 16}),
		verdicts: map[market.Verdict]int{}, kinds: map[depth.Kind]int{},
		outcomes: map[*depth.Instrument]*[depth.OutcomeCount]int{},
		deltas:   map[string]int{}, trades: map[string]int{},
	}
	for i, symbol := range symbols {
		in, err := g.directory.Add(depth.Instrument{ID: market.InstrumentID(i + 1), Symbol: symbol, SizeScale: scale})
		if err != nil {
			t.Fatal(err)
		}
		if g.splicers[in], err = depth.NewSplicer(splicing, 0); err != nil {
			t.Fatal(err)
		}
		g.outcomes[in] = new([depth.OutcomeCount]int)
	}
	return g
}

// receive decodes one message of the WebSocket and does what it says.
func (g *gate) receive(text []byte, now market.Nanos) {
	g.t.Helper()
	v := g.decoder.Decode(text, &g.m)
	g.take(v, now)
	if v.Fault() {
		g.t.Errorf("%.200s: %v", text, v)
	}
}

// TestDeltaShapes checks that a delta in the shape in which its venue writes it, which is read on a road of its
// own, gives the same as with a space before it, which has it read by key; and that a change of a byte
// anywhere gives the same in both too.
func TestDeltaShapes(t *testing.T) {
	for _, k := range contests {
		t.Run(k.venue, func(t *testing.T) {
			texts, d := k.load(t, 200)
			random := rand.New(rand.NewPCG(1, 2))
			var fast, plain depth.Message
			for _, text := range texts {
				for i := range 6 {
					b := append([]byte(" "), text...)
					if i > 0 {
						at := 1 + random.IntN(len(text))
						b[at] = "0129.,:\"'[]{}eEx\\ "[random.IntN(18)]
					}
					v, w := d.Decode(b[1:], &fast), d.Decode(b, &plain)
					if v != w || fast.Kind != plain.Kind || fast.Instrument != plain.Instrument || fast.TsEvent != plain.TsEvent ||
						fast.First != plain.First || fast.Last != plain.Last || fast.Prev != plain.Prev || fast.Numbered != plain.Numbered ||
						fast.Summed != plain.Summed || fast.Checksum != plain.Checksum || !slices.Equal(fast.Levels, plain.Levels) {
						t.Fatalf("%s: %v %+v\nby key: %v %+v", b[1:], v, fast, w, plain)
					}
				}
			}
		})
	}
}

// take does what g.m says.
func (g *gate) take(v market.Verdict, now market.Nanos) {
	g.t.Helper()
	m := &g.m
	g.verdicts[v]++
	g.kinds[m.Kind]++
	g.narrowed += m.Narrowed
	if v != market.Applied {
		return
	}
	switch m.Kind {
	case depth.Quote:
		if g.onQuote != nil {
			g.onQuote(m)
		}
	case depth.Trades:
		for i := range m.Trades {
			g.trades[m.Trades[i].Instrument.Symbol]++
			if g.onTrade != nil {
				g.onTrade(&m.Trades[i])
			}
		}
	default:
		s, outcomes := g.splicers[m.Instrument], g.outcomes[m.Instrument]
		o := s.Offer(m, now)
		outcomes[o]++
		for ; o == depth.Publish; outcomes[o]++ {
			g.publish()
			o = s.Next(m, now)
		}
	}
}

func (g *gate) publish() {
	g.t.Helper()
	m := &g.m
	g.checks[m.Check]++
	var u market.Update
	for i := range m.Len() {
		m.Update(i, &u)
		switch r := g.books.Apply(&u); r.Verdict {
		case market.Applied:
		case market.UnknownLevel:
			g.unknown++
		default:
			g.t.Fatalf("%s: %+v: %v", m.Instrument.Symbol, u, r.Verdict)
		}
	}
	if m.Kind == depth.Delta {
		g.deltas[m.Instrument.Symbol]++
		if g.onDelta != nil {
			g.onDelta(m)
		}
	}
}

// bookDigest is a book as truth.json keeps them.
type bookDigest struct {
	Bids      [][2]string `json:"bids"`
	Asks      [][2]string `json:"asks"`
	BidLevels int         `json:"bid_levels"`
	AskLevels int         `json:"ask_levels"`
	Digest    string      `json:"digest"`
}

// wantBook compares the book of an instrument with what truth.json says: the number of levels, and a hash
// of every level.
func (g *gate) wantBook(symbol string, want bookDigest) {
	g.t.Helper()
	in := g.directory.Find([]byte(symbol))
	h := sha256.New()
	var counts [2]int
	for i, side := range [...]market.Side{market.Bid, market.Ask} {
		levels := g.books.Levels(in.ID, side, make([]book.Level, 0, 1<<16))
		counts[i] = len(levels)
		for _, l := range levels {
			fmt.Fprintf(h, "%s,%s,%s\n", "ba"[i:i+1], plain(int64(l.Price), 9), plain(int64(l.Size), in.SizeScale))
		}
	}
	if line, ok := g.beyond[symbol]; ok {
		counts[1]++
		io.WriteString(h, line)
	}
	if counts[0] != want.BidLevels || counts[1] != want.AskLevels {
		g.t.Errorf("%s: %d bids, %d asks, want %d, %d", symbol, counts[0], counts[1], want.BidLevels, want.AskLevels)
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != want.Digest {
		g.t.Errorf("%s: book has digest %s, want %s", symbol, got, want.Digest)
	}
}

// plain writes n / 10^scale without zeros at the end.
func plain(n int64, scale int) string {
	text := strconv.FormatInt(n, 10)
	if scale == 0 {
		return text
	}
	if pad := scale + 1 - len(text); pad > 0 {
		text = strings.Repeat("0", pad) + text
	}
	text = text[:len(text)-scale] + "." + text[len(text)-scale:]
	return strings.TrimRight(strings.TrimRight(text, "0"), ".")
}

// lines calls f with every line of a data file, unpacked if its name says so. b is valid during the call.
func lines(t testing.TB, name string, f func(b []byte)) {
	t.Helper()
	file, err := os.Open(realdata.Path(t, name))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var in io.Reader = file
	if strings.HasSuffix(name, ".gz") {
		if in, err = gzip.NewReader(file); err != nil {
			t.Fatal(err)
		}
	}
	r := bufio.NewReaderSize(in, 1<<22)
	for {
		b, err := r.ReadSlice('\n')
		if len(b) > 0 {
			f(bytes.TrimRight(b, "\n"))
		}
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
}

// items returns the lines of a recording of the cryptofeed form, but for blank ones.
func items(t testing.TB, name string) (all []capture.Line) {
	t.Helper()
	lines(t, name, func(b []byte) {
		l, err := capture.Parse(bytes.Clone(b))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if l.Kind != capture.Blank {
			all = append(all, l)
		}
	})
	return all
}

// wantCounts compares counts by name.
func wantCounts[K comparable](t testing.TB, what string, got, want map[K]int) {
	t.Helper()
	for k, n := range want {
		if got[k] != n {
			t.Errorf("%s: %v: %d, want %d", what, k, got[k], n)
		}
	}
	for k, n := range got {
		if _, ok := want[k]; !ok {
			t.Errorf("%s: %v: %d, want none", what, k, n)
		}
	}
}

// venueTruth decodes what truth.json knows of a venue into v.
func venueTruth(t testing.TB, venue string, v any) {
	t.Helper()
	b, err := os.ReadFile(realdata.Path(t, "truth.json"))
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Venues map[string]json.RawMessage `json:"crypto_venues"`
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(doc.Venues[venue], v); err != nil {
		t.Fatalf("truth.json: %s: %v", venue, err)
	}
}

// instruments parses the first answer in a recording whose URL contains part.
func instruments(t testing.TB, name, part string, parse func([]byte) ([]depth.Instrument, error)) []depth.Instrument {
	t.Helper()
	for _, l := range items(t, name) {
		if l.Kind != capture.Answered || !bytes.Contains(l.URL, []byte(part)) {
			continue
		}
		list, err := parse(l.Text)
		if err != nil {
			t.Fatal(err)
		}
		d := depth.NewDirectory(publisher)
		for _, in := range list {
			if _, err := d.Add(in); err != nil {
				t.Error(err)
			}
		}
		return list
	}
	t.Fatalf("%s: no answer from %s", name, part)
	return nil
}

// wantInstrument looks for an instrument; its scale is set from the list where want has 0.
func wantInstrument(t testing.TB, list []depth.Instrument, want depth.Instrument) {
	t.Helper()
	for _, in := range list {
		if in.Symbol == want.Symbol {
			if in != want {
				t.Errorf("%+v, want %+v", in, want)
			}
			return
		}
	}
	t.Errorf("no %s in the list", want.Symbol)
}

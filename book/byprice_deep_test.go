package book_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"reflect"
	"testing"

	"tidegate/book"
	"tidegate/book/booktest"
	"tidegate/codec/iex"
	"tidegate/codec/iextp"
	"tidegate/codec/pcap"
	"tidegate/internal/openfile"
	"tidegate/internal/realdata"
	"tidegate/market"
)

const (
	deepCapture  = "iex/DEEP10.pcap.gz"
	deepUnit     = 100_000 // IEX prices count 1/10,000 dollar
	deepBestOnly = 5       // levels that truth.json lists; the digest covers all
)

// A deepEpoch is what truth.json knows of the books of one run of the publisher.
type deepEpoch struct {
	UnknownRemovals int                 `json:"level_removals_of_unknown_price"`
	Crossed         int                 `json:"price_updates_after_which_book_is_crossed_or_locked"`
	Books           map[string]deepBook `json:"final_books"`
}

// A deepBook is a book at the end of a run. Levels are pairs of price, in IEX's unit, and size.
type deepBook struct {
	BidLevels int        `json:"bid_levels"`
	AskLevels int        `json:"ask_levels"`
	Bids      [][2]int64 `json:"bids"`
	Asks      [][2]int64 `json:"asks"`
	Digest    string     `json:"sha256"`
}

// TestByPriceRebuildsDeepSampleDay applies IEX's sample day and compares every final book of its
// twelve runs.
func TestByPriceRebuildsDeepSampleDay(t *testing.T) {
	var truth struct {
		Epochs []deepEpoch `json:"epochs"`
	}
	realdata.Facts(t, deepCapture, &truth)

	symbols := market.NewSymbolTable(1 << 14)
	deep := iex.NewDeep(market.IEXDeep.ID, symbols)
	cfg := book.ByPriceConfig{InstrumentsMax: 1 << 14, LevelsMax: 1 << 10}
	books, plain := book.NewByPrice(cfg), booktest.NewByPrice(cfg)
	var epochs []deepEpoch
	var epoch deepEpoch
	end := func() {
		epoch.Books = map[string]deepBook{}
		for id := market.InstrumentID(1); int(id) <= symbols.Len(); id++ {
			if books.BBO(id) != book.EmptyBBO {
				epoch.Books[symbols.Symbol(id)] = finalDeepBook(books, id)
			}
		}
		if got, want := books.HashAll(), plain.HashAll(); got != want {
			t.Errorf("epoch %d: hash of all: got %x, twin %x", len(epochs), got, want)
		}
		epochs = append(epochs, epoch)
		epoch = deepEpoch{}
		books.Reset()
		plain.Reset()
	}

	var u market.Update
	seen := int64(0) // bytes of the current run
	eachDatagram(t, deepCapture, func(b []byte) {
		seg, err := iextp.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		if seg.StreamOffset == 0 && seen > 0 {
			end()
		}
		seen = seg.StreamOffset + int64(len(seg.Messages))
		for block := seg.Messages; len(block) > 0; {
			var msg []byte
			msg, block = iextp.Next(block)
			if deep.Decode(msg, &u) != market.Applied {
				continue
			}
			twin := u
			r := books.Apply(&u)
			if want := plain.Apply(&twin); r != want || u != twin {
				t.Fatalf("%+v: got %+v, twin %+v: %+v", u, r, twin, want)
			}
			if r.Verdict == market.UnknownLevel {
				epoch.UnknownRemovals++
			}
			if bbo := books.BBO(u.Instrument); u.Action == market.Level && u.Flags&market.FlagLast != 0 &&
				(bbo.Crossed() || bbo.Locked()) {
				epoch.Crossed++
			}
		}
	})
	end()

	if len(epochs) != len(truth.Epochs) {
		t.Fatalf("%d epochs, want %d", len(epochs), len(truth.Epochs))
	}
	for i := range epochs {
		if !reflect.DeepEqual(epochs[i], truth.Epochs[i]) {
			t.Errorf("epoch %d:\n got %+v\nwant %+v", i, epochs[i], truth.Epochs[i])
		}
	}
}

// finalDeepBook describes a book as truth.json does. The digest is over a line per level, bids
// first, best first: side letter, price, size.
func finalDeepBook(books *book.ByPrice, id market.InstrumentID) deepBook {
	digest := sha256.New()
	best := func(letter string, levels []book.Level) [][2]int64 {
		pairs := [][2]int64{}
		for _, l := range levels {
			fmt.Fprintf(digest, "%s,%d,%d\n", letter, l.Price/deepUnit, l.Size)
			pairs = append(pairs, [2]int64{int64(l.Price / deepUnit), int64(l.Size)})
		}
		return pairs[:min(len(pairs), deepBestOnly)]
	}
	bids := books.Levels(id, market.Bid, make([]book.Level, 0, 1<<10))
	asks := books.Levels(id, market.Ask, make([]book.Level, 0, 1<<10))
	b := deepBook{BidLevels: len(bids), AskLevels: len(asks), Bids: best("b", bids), Asks: best("a", asks)}
	b.Digest = hex.EncodeToString(digest.Sum(nil))
	return b
}

// eachDatagram calls do with the payload of every datagram of a recorded file. The last record of a
// file may be cut.
func eachDatagram(t *testing.T, name string, do func(b []byte)) {
	t.Helper()
	file, err := openfile.Open(realdata.Path(t, name))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	r, err := pcap.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	for d := (pcap.Datagram{}); ; {
		if err := r.Next(&d); errors.Is(err, io.EOF) || errors.Is(err, pcap.ErrCut) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
		do(d.Payload)
	}
}

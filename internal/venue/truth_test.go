package venue

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"tidegate/codec/moldudp64"
	"tidegate/codec/pcap"
	"tidegate/market"
)

func shortFeed(seed uint64) FeedConfig {
	cfg := DefaultFeedConfig(seed)
	cfg.Market = short(seed)
	for i := range cfg.Lines {
		cfg.Lines[i].Loss = 0.2
	}
	cfg.Lines[0].Down = []Span{{2 * market.Second, 2500 * market.Millisecond}}
	cfg.Lines[1].Clogged = []Span{{2200 * market.Millisecond, 2600 * market.Millisecond}}
	return cfg
}

// captures runs a feed into two capture files.
func captures(t *testing.T, cfg FeedConfig) (Truth, [2]bytes.Buffer) {
	t.Helper()
	var files [2]bytes.Buffer
	var writers [2]CaptureWriter
	for i := range files {
		w, err := pcap.NewWriter(&files[i])
		if err != nil {
			t.Fatal(err)
		}
		writers[i] = w
	}
	truth, err := WriteCaptures(cfg, writers[0], writers[1])
	if err != nil {
		t.Fatal(err)
	}
	return truth, files
}

// merge reads capture files and collects their messages by sequence number.
func merge(t *testing.T, files [2]bytes.Buffer, cfg FeedConfig) map[uint64][]byte {
	t.Helper()
	messages := make(map[uint64][]byte)
	for i := range files {
		r, err := pcap.NewReader(bytes.NewReader(files[i].Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		var last market.Nanos
		for {
			var d pcap.Datagram
			if err := r.Next(&d); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			if d.Src != cfg.Lines[i].Source || d.Dst != cfg.Lines[i].Group || d.TsRecv < last {
				t.Fatalf("line %d: datagram from %v to %v at %d", i, d.Src, d.Dst, d.TsRecv)
			}
			last = d.TsRecv
			packet, err := moldudp64.Parse(d.Payload)
			if err != nil {
				t.Fatal(err)
			}
			for block, seq := packet.Messages, packet.Seq; len(block) > 0; seq++ {
				var m []byte
				m, block = moldudp64.Next(block)
				if before, ok := messages[seq]; ok && !bytes.Equal(before, m) {
					t.Fatalf("message %d differs between packets", seq)
				}
				messages[seq] = bytes.Clone(m)
			}
		}
	}
	return messages
}

func TestProtectedCapturesTellTheTruth(t *testing.T) {
	for seed := range uint64(4) {
		cfg := shortFeed(seed)
		truth, files := captures(t, cfg)
		messages := merge(t, files, cfg)
		if uint64(len(messages)) != truth.Messages {
			t.Fatalf("seed %d: %d messages arrived, want %d", seed, len(messages), truth.Messages)
		}
		r := newReplay()
		for seq := uint64(1); seq <= truth.Messages; seq++ {
			if err := r.apply(messages[seq]); err != nil {
				t.Fatalf("seed %d: message %d: %v", seed, seq, err)
			}
		}
		byType := make(map[string]uint64)
		for kind, n := range r.types {
			byType[string(rune(kind))] = n
		}
		if !reflect.DeepEqual(byType, truth.ByType) {
			t.Errorf("seed %d: types %v, want %v", seed, byType, truth.ByType)
		}
		if len(r.orders) != truth.LiveOrders {
			t.Errorf("seed %d: %d orders live, want %d", seed, len(r.orders), truth.LiveOrders)
		}
		var perBook, perType Tally
		for _, book := range truth.Books {
			locate := uint16(book.Instrument)
			if !reflect.DeepEqual(r.levels(locate, market.Bid), book.Bids) || !reflect.DeepEqual(r.levels(locate, market.Ask), book.Asks) {
				t.Errorf("seed %d: %s: books differ", seed, book.Symbol)
			}
			if got := *r.tally(locate); got != book.Trades {
				t.Errorf("seed %d: %s: traded %+v, want %+v", seed, book.Symbol, got, book.Trades)
			}
			perBook.Count += book.Trades.Count
			perBook.Volume += book.Trades.Volume
		}
		for _, tally := range truth.Trades {
			perType.Count += tally.Count
			perType.Volume += tally.Volume
		}
		if perBook != perType || perBook.Count == 0 {
			t.Errorf("seed %d: %+v traded by instrument, %+v by type", seed, perBook, perType)
		}
		packets := truth.Packets.Data + truth.Packets.Heartbeats + truth.Packets.EndOfSession
		for _, l := range truth.Lines {
			if l.Packets != packets || l.Lost == 0 || l.Spared == 0 {
				t.Errorf("seed %d: line %s: %+v, %d packets were sent", seed, l.Name, l.LineCounts, packets)
			}
			if l.Delivered != l.Packets-l.Lost+l.Duplicated {
				t.Errorf("seed %d: line %s: %+v: not all has arrived", seed, l.Name, l.LineCounts)
			}
		}
	}
}

func TestUnprotectedLinesLoseMessages(t *testing.T) {
	cfg := shortFeed(1)
	cfg.Protected = false
	truth, files := captures(t, cfg)
	if got := uint64(len(merge(t, files, cfg))); got >= truth.Messages {
		t.Errorf("%d of %d messages arrived: want some lost on both lines", got, truth.Messages)
	}
}

func TestSeedDecidesTheCaptures(t *testing.T) {
	truth, files := captures(t, shortFeed(1))
	truthAgain, filesAgain := captures(t, shortFeed(1))
	if !reflect.DeepEqual(truth, truthAgain) {
		t.Error("two truths from one seed")
	}
	for i := range files {
		if sha256.Sum256(files[i].Bytes()) != sha256.Sum256(filesAgain[i].Bytes()) {
			t.Errorf("line %d: two captures from one seed", i)
		}
	}
}

func TestTruthIsJSON(t *testing.T) {
	truth, _ := captures(t, shortFeed(1))
	b, err := json.Marshal(truth)
	if err != nil {
		t.Fatal(err)
	}
	var back Truth
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(truth, back) {
		t.Errorf("the truth came back as %+v", back)
	}
	for _, want := range []string{`"symbol":"ALFA"`, `"group":"233.252.0.1:26400"`, `"lost":`, `"end_of_session":3`} {
		if !strings.Contains(string(b), want) {
			t.Errorf("%s is not in %.300s", want, b)
		}
	}
}

// brokenCapture fails at its third datagram.
type brokenCapture struct{ written int }

var errDiskFull = errors.New("disk full")

func (b *brokenCapture) Write(market.Nanos, netip.AddrPort, netip.AddrPort, []byte) error {
	if b.written++; b.written == 3 {
		return errDiskFull
	}
	return nil
}

func TestWriteCapturesReportsErrors(t *testing.T) {
	b := &brokenCapture{}
	if _, err := WriteCaptures(shortFeed(1), b, b); !errors.Is(err, errDiskFull) {
		t.Errorf("error %v, want that of the capture", err)
	}
	if b.written != 3 {
		t.Errorf("%d writes: want none after the error", b.written)
	}
	if _, err := WriteCaptures(shortFeed(1), b); err == nil || !strings.Contains(err.Error(), "one for each") {
		t.Errorf("error %v, want one about the number of captures", err)
	}
	cfg := shortFeed(1)
	cfg.Market.Rate = -1
	if _, err := WriteCaptures(cfg, b, b); err == nil {
		t.Error("no error for a bad configuration")
	}
}

// BenchmarkFeed generates the default market with everything: engine, packets, two lines.
func BenchmarkFeed(b *testing.B) {
	b.ReportAllocs()
	messages := uint64(0)
	for b.Loop() {
		f, err := NewFeed(DefaultFeedConfig(1))
		if err != nil {
			b.Fatal(err)
		}
		for _, ok := f.Next(); ok; _, ok = f.Next() {
		}
		messages += f.Truth().Messages
	}
	b.ReportMetric(float64(messages)/b.Elapsed().Seconds(), "messages/s")
}

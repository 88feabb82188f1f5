package itch50

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"testing"

	"tidegate/codec/moldudp64"
	"tidegate/codec/pcap"
	"tidegate/internal/realdata"
	"tidegate/market"
)

// datagrams returns the UDP payloads of a capture file.
func datagrams(t *testing.T, name string) (payloads [][]byte) {
	t.Helper()
	file, err := os.Open(realdata.Path(t, name))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	r, err := pcap.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	for {
		var d pcap.Datagram
		err := r.Next(&d)
		if err == io.EOF {
			return payloads
		}
		if err != nil {
			t.Fatal(err)
		}
		payloads = append(payloads, bytes.Clone(d.Payload))
	}
}

// TestRecordedPackets compares every field of every message in real packets with what another decoder
// found there.
func TestRecordedPackets(t *testing.T) {
	var names []string
	for _, venue := range []string{"Nasdaq", "Bx", "Psx"} {
		names = append(names, realdata.Glob(t, "packets/omi/Nasdaq/"+venue+".Equities.TotalView.Itch.v5.0*/*.pcap")...)
	}
	if len(names) != 49 {
		t.Errorf("%d files, want 49", len(names))
	}
	types := map[byte]int{}
	for _, name := range names {
		var truth struct {
			Packets []struct{ Messages []fields }
		}
		realdata.Facts(t, name, &truth)
		packets := datagrams(t, name)
		if len(packets) != len(truth.Packets) {
			t.Errorf("%s: %d packets, want %d", name, len(packets), len(truth.Packets))
			continue
		}
		for i, datagram := range packets {
			p, err := moldudp64.Parse(datagram)
			if err != nil {
				t.Fatalf("%s: packet %d: %v", name, i, err)
			}
			want := truth.Packets[i].Messages
			if int(p.Count) != len(want) {
				t.Fatalf("%s: packet %d has %d messages, want %d", name, i, p.Count, len(want))
			}
			for block := p.Messages; len(block) > 0; want = want[1:] {
				var msg []byte
				msg, block = moldudp64.Next(block)
				types[msg[0]]++
				if got := fieldsOf(t, msg); !maps.Equal(got, want[0]) {
					t.Errorf("%s: packet %d\n got %v\nwant %v", name, i, got, want[0])
				}
				var u market.Update
				var facts market.Facts
				switch v := testDecoder.Decode(msg, &u); {
				case v == market.Applied:
					wantUpdate(t, &u, want[0])
				case v == market.Ignored && want[0]["type"] == "Q" && want[0]["shares"] == "0":
				case v == market.Cold:
					wantCold := market.Cold
					if msg[0] == 'L' || msg[0] == 'N' {
						wantCold = market.Ignored
					}
					if v := testDecoder.DecodeCold(msg, &facts); v != wantCold {
						t.Errorf("%s: packet %d: %v: DecodeCold says %v, want %v", name, i, want[0], v, wantCold)
					}
				default:
					t.Errorf("%s: packet %d: %v: verdict %v", name, i, want[0], v)
				}
			}
		}
	}
	if got := string(slices.Sorted(maps.Keys(types))); got != "ACDEFHIJLNPQSUXY" {
		t.Errorf("types %s", got)
	}
}

// TestRecordedFile reads the beginning of a day that Nasdaq published.
func TestRecordedFile(t *testing.T) {
	const name = "itch50/nasdaq_first_1000.itch"
	var truth struct {
		Messages       int
		MessagesByType map[string]int `json:"messages_by_type"`
		FirstTsNs      uint64         `json:"first_ts_ns"`
		LastTsNs       uint64         `json:"last_ts_ns"`
		StockLocates   int            `json:"stock_locates"`
		FirstSymbols   []string       `json:"first_symbols"`
		LastSymbols    []string       `json:"last_symbols"`
		MarketCategory map[string]int `json:"market_category"`
		FirstThree     []fields       `json:"first_three"`
		Last           fields
		NotR           [][2]json.RawMessage `json:"not_R"`
	}
	realdata.Facts(t, name, &truth)
	others := map[int]fields{}
	for _, pair := range truth.NotR {
		var i int
		var m fields
		if err := errors.Join(json.Unmarshal(pair[0], &i), json.Unmarshal(pair[1], &m)); err != nil {
			t.Fatal(err)
		}
		others[i] = m
	}
	file, err := os.Open(realdata.Path(t, name))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()

	exchanges := map[string]string{
		"N": "XNYS", "P": "ARCX", "G": "XNAS", "Q": "XNAS", "S": "XNAS", "A": "XASE", "Z": "BATS",
	}
	r := NewFileReader(file)
	var facts market.Facts
	byType, categories, locates := map[string]int{}, map[string]int{}, map[string]bool{}
	var last fields
	messages := 0
	for ; ; messages++ {
		msg, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got := fieldsOf(t, msg)
		byType[got["type"]]++
		locates[got["locate"]] = true
		if messages < len(truth.FirstThree) && !maps.Equal(got, truth.FirstThree[messages]) {
			t.Errorf("message %d\n got %v\nwant %v", messages, got, truth.FirstThree[messages])
		}
		if want, ok := others[messages]; ok && !maps.Equal(got, want) {
			t.Errorf("message %d\n got %v\nwant %v", messages, got, want)
		}
		var u market.Update
		if v := testDecoder.Decode(msg, &u); v != market.Cold {
			t.Errorf("message %d: Decode says %v", messages, v)
		}
		if v := testDecoder.DecodeCold(msg, &facts); v != market.Cold {
			t.Errorf("message %d: DecodeCold says %v", messages, v)
		}
		if got["type"] == "R" {
			categories[got["mkt"]]++
			d := facts.Definitions[len(facts.Definitions)-1]
			if d.Symbol != got["stock"] || d.Exchange != exchanges[got["mkt"]] || d.SecType != got["issue"]+got["sub"] {
				t.Errorf("definition %+v of %v", d, got)
			}
		}
		if messages == 0 && got["ts_ns"] != fmt.Sprint(truth.FirstTsNs) {
			t.Errorf("first time %s, want %d", got["ts_ns"], truth.FirstTsNs)
		}
		last = got
	}
	if messages != truth.Messages || r.Ended() {
		t.Errorf("%d messages, want %d; ended %t, want false", messages, truth.Messages, r.Ended())
	}
	if !maps.Equal(byType, truth.MessagesByType) || !maps.Equal(categories, truth.MarketCategory) || len(locates) != truth.StockLocates {
		t.Errorf("messages %v, want %v\ncategories %v, want %v\nlocates %d, want %d",
			byType, truth.MessagesByType, categories, truth.MarketCategory, len(locates), truth.StockLocates)
	}
	if !maps.Equal(last, truth.Last) || last["ts_ns"] != fmt.Sprint(truth.LastTsNs) {
		t.Errorf("last message\n got %v\nwant %v", last, truth.Last)
	}
	var symbols []string
	for _, d := range facts.Definitions {
		symbols = append(symbols, d.Symbol)
	}
	first, end := symbols[:len(truth.FirstSymbols)], symbols[len(symbols)-len(truth.LastSymbols):]
	if !slices.Equal(first, truth.FirstSymbols) || !slices.Equal(end, truth.LastSymbols) {
		t.Errorf("symbols %v ... %v, want %v ... %v", first, end, truth.FirstSymbols, truth.LastSymbols)
	}
	if len(facts.Statuses) != byType["H"]+byType["Y"]+byType["S"] {
		t.Errorf("%d statuses", len(facts.Statuses))
	}
}

// TestFileWithoutLengths reads a file of a project that leaves every length zero.
func TestFileWithoutLengths(t *testing.T) {
	const name = "itch50/artificial/ex20101224.TEST_ITCH_50.gz"
	var truth struct {
		UncompressedBytes int `json:"uncompressed_bytes"`
		Messages          int
		MessagesByType    map[string]int `json:"messages_by_type"`
		ReframedSHA256    string         `json:"reframed_sha256"`
	}
	realdata.Facts(t, name, &truth)
	packed, err := os.Open(realdata.Path(t, name))
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	unpacked, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	file, err := io.ReadAll(unpacked)
	if err != nil || len(file) != truth.UncompressedBytes {
		t.Fatalf("%d bytes, want %d: %v", len(file), truth.UncompressedBytes, err)
	}

	if _, messages, err := readAll(NewFileReader(bytes.NewReader(file))); messages != 0 || !errors.Is(err, ErrZeroLengths) {
		t.Errorf("the strict reader gives %d messages and %v, want ErrZeroLengths", messages, err)
	}

	r := NewTypedFileReader(bytes.NewReader(file))
	hash := sha256.New()
	byType := map[string]int{}
	messages := 0
	for {
		block, n, err := r.Block()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		hash.Write(block)
		messages += n
		for len(block) > 0 {
			var msg []byte
			msg, block = moldudp64.Next(block)
			byType[string(msg[:1])]++
			var u market.Update
			var facts market.Facts
			v := testDecoder.Decode(msg, &u)
			if v == market.Cold {
				v = testDecoder.DecodeCold(msg, &facts)
			}
			if v.Fault() {
				t.Errorf("%x: verdict %v", msg, v)
			}
		}
	}
	if messages != truth.Messages || !maps.Equal(byType, truth.MessagesByType) {
		t.Errorf("%d messages %v, want %d %v", messages, byType, truth.Messages, truth.MessagesByType)
	}
	if got := hex.EncodeToString(hash.Sum(nil)); got != truth.ReframedSHA256 {
		t.Errorf("SHA-256 with lengths filled in %s, want %s", got, truth.ReframedSHA256)
	}
}

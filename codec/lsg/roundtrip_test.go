package lsg

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tidegate/market"
)

// freeText is what may stand in a value.
var freeText = rapid.StringMatching(`[ -{}~éß漢=,]{0,20}`)

func anySubscription(t *rapid.T) Subscription {
	s := Subscription{
		Schema:  rapid.SampledFrom([]string{"mbo", "mbp-1", "ohlcv-1s"}).Draw(t, "schema"),
		STypeIn: rapid.SampledFrom([]string{"raw_symbol", "instrument_id", "parent"}).Draw(t, "stype"),
		IsLast:  true,
	}
	if s.HasID = rapid.Bool().Draw(t, "hasID"); s.HasID {
		s.ID = rapid.Uint32().Draw(t, "id")
	}
	switch rapid.IntRange(0, 2).Draw(t, "from") {
	case 1:
		s.Start, s.HasStart = market.Nanos(rapid.Int64Min(0).Draw(t, "start")), true
	case 2:
		s.Schema, s.Snapshot = "mbo", true
	}
	if rapid.IntRange(0, 9).Draw(t, "all") == 0 {
		s.Symbols = []string{AllSymbols}
		return s
	}
	// One symbol drawn, many numbered: drawing 2,000 texts takes too long.
	symbol := rapid.StringMatching(`[A-Za-z0-9.=/ ]{1,60}`).Draw(t, "symbol")
	n := rapid.OneOf(rapid.IntRange(1, 3), rapid.SampledFrom([]int{499, 500, 501, 1000, 1001, 1999, 2000})).Draw(t, "symbols")
	for i := range n {
		s.Symbols = append(s.Symbols, symbol+strings.Repeat("x", i%5))
	}
	return s
}

func TestAuthRequestComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := AuthRequest{
			Auth:        anyAuth(t),
			Dataset:     rapid.StringMatching(`[A-Z0-9.=_-]{1,15}`).Draw(t, "dataset"),
			Encoding:    rapid.SampledFrom([]Encoding{EncodingDBN, EncodingCSV, EncodingJSON}).Draw(t, "encoding"),
			Compression: rapid.SampledFrom([]Compression{CompressionNone, CompressionZstd}).Draw(t, "compression"),
			TsOut:       rapid.Bool().Draw(t, "ts_out"),
			SlowReader:  rapid.SampledFrom([]SlowReader{SlowReaderSkip, SlowReaderWarn}).Draw(t, "slow"),
			Client:      freeText.Draw(t, "client"),
			Details:     freeText.Draw(t, "details"),
			PrettyPx:    rapid.Bool().Draw(t, "px"),
			PrettyTs:    rapid.Bool().Draw(t, "ts"),
		}
		if rapid.Bool().Draw(t, "hasHeartbeat") {
			want.HeartbeatSeconds = rapid.IntRange(HeartbeatSecondsMin, HeartbeatSecondsMax).Draw(t, "heartbeat")
		}
		b, err := want.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		line, size, err := CutLine(b, AuthLineMax)
		if err != nil || size != len(b) {
			t.Fatalf("%q: %d of %d bytes are a line, %v", b, size, len(b), err)
		}
		if got, err := ParseAuthRequest(line); err != nil || got != want {
			t.Fatalf("%q: got %+v, %v, want %+v", line, got, err, want)
		}
	})
}

func anyAuth(t *rapid.T) (a Auth) {
	copy(a.Hash[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "hash"))
	copy(a.Bucket[:], rapid.StringMatching(`[a-zA-Z0-9=-]{5}`).Draw(t, "bucket"))
	return a
}

func TestWritersRefuseWhatReadersWould(t *testing.T) {
	ok := AuthRequest{Auth: mustAuth(t, vectorAuth), Dataset: "X"}
	for name, change := range map[string]func(*AuthRequest){
		"no dataset":    func(r *AuthRequest) { r.Dataset = "" },
		"long dataset":  func(r *AuthRequest) { r.Dataset = strings.Repeat("X", 16) },
		"dataset pipe":  func(r *AuthRequest) { r.Dataset = "X|Y" },
		"client":        func(r *AuthRequest) { r.Client = "a\nb" },
		"details":       func(r *AuthRequest) { r.Details = "a|auth=x" },
		"not UTF-8":     func(r *AuthRequest) { r.Details = "\xff" },
		"heartbeat 4":   func(r *AuthRequest) { r.HeartbeatSeconds = 4 },
		"heartbeat -5":  func(r *AuthRequest) { r.HeartbeatSeconds = -5 },
		"heartbeat max": func(r *AuthRequest) { r.HeartbeatSeconds = 1801 },
	} {
		r := ok
		change(&r)
		if b, err := r.Append([]byte("before")); err == nil || string(b) != "before" {
			t.Errorf("%s: wrote %q, %v", name, b, err)
		} else {
			checkErrorText(t, err)
		}
	}
	sub := Subscription{Schema: "mbo", STypeIn: "raw_symbol", Symbols: []string{"A"}}
	for name, change := range map[string]func(*Subscription){
		"no schema":     func(s *Subscription) { s.Schema = "" },
		"schema pipe":   func(s *Subscription) { s.Schema = "mbo|id=2" },
		"no stype":      func(s *Subscription) { s.STypeIn = "" },
		"no symbols":    func(s *Subscription) { s.Symbols = nil },
		"empty symbol":  func(s *Subscription) { s.Symbols = []string{"A", ""} },
		"symbol comma":  func(s *Subscription) { s.Symbols = []string{"A,B"} },
		"symbol pipe":   func(s *Subscription) { s.Symbols = []string{"A|id=2"} },
		"symbol line":   func(s *Subscription) { s.Symbols = []string{"A\nstart_session"} },
		"long symbol":   func(s *Subscription) { s.Symbols = []string{strings.Repeat("A", 71)} },
		"many symbols":  func(s *Subscription) { s.Symbols = make([]string, 2001) },
		"all and one":   func(s *Subscription) { s.Symbols = []string{AllSymbols, "A"} },
		"before 1970":   func(s *Subscription) { s.Start, s.HasStart = -2, true },
		"two histories": func(s *Subscription) { s.HasStart, s.Snapshot = true, true },
		"snapshot":      func(s *Subscription) { s.Schema, s.Snapshot = "mbp-1", true },
	} {
		s := sub
		change(&s)
		if b, err := s.Append([]byte("before")); err == nil || string(b) != "before" {
			t.Errorf("%s: wrote %q, %v", name, b, err)
		} else {
			checkErrorText(t, err)
		}
	}
}

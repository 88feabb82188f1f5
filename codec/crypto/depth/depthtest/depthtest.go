// Package depthtest has what the tests of all venues' decoders share: golden messages as text, and what
// holds for every message whatever its bytes.
//
// A golden message is compared as Describe writes it:
//
//	delta BTC-USD numbered 5-7 prev 4 at 1633998512068000000 sum 974947235
//	  bid 61737.63 x 12000000
//	  ask 61737.64 x 0
package depthtest

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"tidegate/codec/crypto/depth"
	"tidegate/market"
)

// Publisher signs the instruments of Directory.
const Publisher market.PublisherID = 60999

// A Decoder is what every venue has.
type Decoder interface {
	Decode([]byte, *depth.Message) market.Verdict
}

// A Golden is a message made by hand from the venue's specification: its name, its text, and what it says, as
// Describe writes it.
type Golden [3]string

// Directory returns a directory of instruments with size scale 8, numbered from 1 on.
func Directory(symbols ...string) *depth.Directory {
	d := depth.NewDirectory(Publisher)
	for i, symbol := range symbols {
		if _, err := d.Add(depth.Instrument{ID: market.InstrumentID(i + 1), Symbol: symbol, SizeScale: 8}); err != nil {
			panic(err)
		}
	}
	return d
}

// Describe writes what a message says, one line for the message and one for each level or trade. What did
// not become a message is its verdict.
func Describe(v market.Verdict, m *depth.Message) string {
	var b strings.Builder
	if v != market.Applied && v != market.Cold {
		return v.String()
	}
	b.WriteString(m.Kind.String())
	if m.Instrument != nil {
		fmt.Fprintf(&b, " %s", m.Instrument.Symbol)
	}
	if m.Numbered {
		fmt.Fprintf(&b, " numbered %d-%d prev %d", m.First, m.Last, m.Prev)
	}
	if m.TsEvent != 0 {
		fmt.Fprintf(&b, " at %d", m.TsEvent)
	}
	if m.Summed {
		fmt.Fprintf(&b, " sum %d", m.Checksum)
	}
	if m.Text != nil {
		fmt.Fprintf(&b, " %q", m.Text)
	}
	for _, l := range m.Levels {
		fmt.Fprintf(&b, "\n  %s %v x %d", name(l.Side, "bid", "ask"), l.Price, l.Size)
	}
	for _, t := range m.Trades {
		fmt.Fprintf(&b, "\n  %s %s %v x %d at %d", t.Instrument.Symbol, name(t.Side, "buys", "sells"), t.Price, t.Size, t.TsEvent)
		if t.Match != 0 {
			fmt.Fprintf(&b, " number %d", t.Match)
		}
	}
	return b.String()
}

func name(side market.Side, bid, ask string) string {
	switch side {
	case market.Bid:
		return bid
	case market.Ask:
		return ask
	default:
		return "nobody"
	}
}

// Run checks golden messages, and that each says the same with white space wherever JSON allows it, which
// keeps it off the short roads that decoders have for what venues send.
func Run(t *testing.T, d Decoder, all []Golden) {
	t.Helper()
	var m depth.Message
	for _, g := range all {
		name, text, want := g[0], g[1], strings.TrimSpace(g[2])
		if got := Describe(d.Decode([]byte(text), &m), &m); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, want)
		}
		if !json.Valid([]byte(text)) {
			continue
		}
		spaced := space(text)
		if got := Describe(d.Decode([]byte(spaced), &m), &m); got != want {
			t.Errorf("%s, with spaces:\n%s\nwant\n%s", name, got, want)
		}
		// Every cut of it is a fault, and none a panic.
		for i := range text {
			if v := d.Decode([]byte(text[:i]), &m); !v.Fault() {
				t.Errorf("%s, cut to %d bytes: %v", name, i, v)
			}
		}
	}
}

// space puts a space behind every punctuation of a JSON text.
func space(text string) string {
	var b strings.Builder
	b.WriteByte(' ')
	inText, escaped := false, false
	for _, c := range text {
		b.WriteRune(c)
		switch {
		case escaped:
			escaped = false
		case c == '\\':
			escaped = true
		case c == '"':
			inText = !inText
		}
		if !inText && strings.ContainsRune(`{}[],:"`, c) {
			b.WriteByte(' ')
		}
	}
	return b.String()
}

// Allocations checks that a message is decoded without allocating once the decoder has seen it.
func Allocations(t *testing.T, d Decoder, text string) {
	t.Helper()
	var m depth.Message
	var u market.Update
	b := []byte(text)
	decode := func() {
		if v := d.Decode(b, &m); v != market.Applied {
			t.Fatalf("%s: %v", text, v)
		}
		for i := range m.Len() {
			m.Update(i, &u)
		}
	}
	decode()
	if n := testing.AllocsPerRun(100, decode); n != 0 {
		t.Errorf("%s: %.1f allocations, want 0", text, n)
	}
}

// Check checks what holds for every message that was decoded from b.
func Check(t *testing.T, b []byte, v market.Verdict, m *depth.Message) {
	t.Helper()
	if !v.Fault() && string(b) != "pong" && !json.Valid(b) {
		t.Errorf("%q: %v, and it is no JSON", b, v)
	}
	events := m.Kind == depth.Snapshot || m.Kind == depth.Delta || m.Kind == depth.Quote || m.Kind == depth.Trades
	if events != (v == market.Applied) {
		t.Errorf("%q: %v with verdict %v", b, m.Kind, v)
	}
	if v != market.Applied {
		if m.Len() != 0 {
			t.Errorf("%q: %d updates with verdict %v", b, m.Len(), v)
		}
		return
	}
	for i := range m.Len() {
		u := market.Update{PrevOrderID: 1, Unprintable: true}
		m.Update(i, &u)
		last := u.Flags&market.FlagLast != 0
		if last != (i == m.Len()-1 || m.Kind == depth.Trades) || u.Instrument == 0 || u.Publisher != Publisher ||
			u.OrderID != 0 || u.PrevOrderID != 0 || u.Unprintable {
			t.Errorf("%q: update %d: %+v", b, i, u)
		}
		switch u.Action {
		case market.Clear:
			if m.Kind != depth.Snapshot || i != 0 {
				t.Errorf("%q: update %d clears", b, i)
			}
		case market.Level:
			if u.Side == market.NoSide || u.Flags&market.FlagMBP == 0 || u.Price < 0 || !u.Price.Defined() && m.Kind != depth.Quote {
				t.Errorf("%q: update %d: %+v", b, i, u)
			}
		case market.Trade:
			if !u.Price.Defined() {
				t.Errorf("%q: update %d: %+v", b, i, u)
			}
		default:
			t.Errorf("%q: update %d: %+v", b, i, u)
		}
	}
}

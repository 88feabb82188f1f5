package recovery_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"tidegate/gateway"
	"tidegate/gateway/recovery"
	"tidegate/market"
)

// golden inputs, written by hand from the layout. Feed 0x0102 at 0x1122334455667788.
var golden = []struct {
	hex string
	in  recovery.Input
}{
	{"5447 5245 434f 5652 0201 00 0000000000 8877665544332211 0000100000000000", recovery.Input{Kind: recovery.Begin, Number: 1 << 20}},
	{"5447 5245 434f 5652 0201 01 0000000000 8877665544332211 0000000000000000 000153 0000", recovery.Input{Kind: recovery.Block, Block: []byte{0, 1, 'S', 0, 0}}},
	{"5447 5245 434f 5652 0201 02 0000000000 8877665544332211 2a00000000000000", recovery.Input{Kind: recovery.End, Number: 42}},
	{"5447 5245 434f 5652 0201 03 0000000000 8877665544332211 0000000000000000", recovery.Input{Kind: recovery.Cancel}},
	{"5447 5245 434f 5652 0201 04 0000000000 8877665544332211 0000000000000000", recovery.Input{Kind: recovery.Release}},
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

func TestInput(t *testing.T) {
	for _, g := range golden {
		want, in := unhex(g.hex), g.in
		in.At = 0x1122334455667788
		if got := recovery.AppendInput([]byte("x"), 0x0102, in); !bytes.Equal(got[1:], want) {
			t.Errorf("%v is % x, want % x", in.Kind, got[1:], want)
		}
		feed, got, ok := recovery.ParseInput(want)
		if !ok || feed != 0x0102 || got.Kind != in.Kind || got.At != in.At || got.Number != in.Number || !bytes.Equal(got.Block, in.Block) {
			t.Errorf("%v reads as %+v of feed %d, %v", in.Kind, got, feed, ok)
		}
		for name, change := range map[string]func([]byte) []byte{
			"cut":             func(b []byte) []byte { return b[:31] },
			"of another kind": func(b []byte) []byte { b[0] = 'X'; return b },
			"kind 5":          func(b []byte) []byte { b[10] = 5; return b },
			"not zero":        func(b []byte) []byte { b[15] = 1; return b },
		} {
			if _, _, ok := recovery.ParseInput(change(bytes.Clone(want))); ok {
				t.Errorf("%v, %s, is read", in.Kind, name)
			}
		}
	}
	block := recovery.AppendInput(nil, 0, recovery.Input{Kind: recovery.Block, Block: make([]byte, recovery.BlockMax+1)})
	if _, _, ok := recovery.ParseInput(block); ok {
		t.Error("a block that is too long is read")
	}
	if _, _, ok := recovery.ParseInput(block[:32]); ok {
		t.Error("a block without bytes is read")
	}
}

// A block that is not one of whole messages ends the rebuild, and nothing worse.
func TestApplyRefuses(t *testing.T) {
	g := newGate(t, nil)
	for _, block := range []string{"00", "0003 5300", "ffff", "0000 00"} {
		if err := recovery.Apply(g.pipeline, recovery.Input{Kind: recovery.Begin, Number: 1 << 20}); err != nil {
			t.Fatal(err)
		}
		if err := recovery.Apply(g.pipeline, recovery.Input{Kind: recovery.Block, Block: unhex(block)}); !errors.Is(err, recovery.ErrBlock) {
			t.Errorf("block %s: %v", block, err)
		}
		if err := recovery.Apply(g.pipeline, recovery.Input{Kind: recovery.End}); !errors.Is(err, gateway.ErrNoRebuild) {
			t.Errorf("block %s, then the end: %v", block, err)
		}
	}
}

// Whatever a recording holds, a pipeline survives it.
func FuzzInput(f *testing.F) {
	for _, g := range golden {
		f.Add(unhex(g.hex), false)
		f.Add(unhex(g.hex), true)
	}
	f.Fuzz(func(t *testing.T, b []byte, pitch bool) {
		feed, in, ok := recovery.ParseInput(b)
		if !ok {
			return
		}
		if again := recovery.AppendInput(nil, feed, in); !bytes.Equal(again, b) {
			t.Fatalf("% x is read as %+v and written as % x", b, in, again)
		}
		g := newGate(t, func(c *gateway.Config) {
			if pitch {
				*c = gateway.DefaultConfig(gateway.PITCH)
			}
		})
		for _, in := range []recovery.Input{{Kind: recovery.Begin, Number: 1 << 16}, in, {Kind: recovery.End, At: market.Second}} {
			_ = recovery.Apply(g.pipeline, in)
		}
		if err := g.pipeline.Balanced(); err != nil {
			t.Fatal(err)
		}
	})
}

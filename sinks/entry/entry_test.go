package entry

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

// payload is what all layouts can do.
type payload interface {
	Append(b []byte) []byte
	Parse(b []byte) error
}

var golden = []struct {
	name string
	of   payload
	hex  string
}{
	{"gap", &Gap{From: 7, To: 9, Seen: 1000, Epoch: 2, Channel: 3, Reason: "late"}, "0700000000000000" + "0900000000000000" + "e803000000000000" + "02000000" + "0300" + "04" + "6c617465"},
	{"switch", &Switch{By: 256, From: "a", To: "bc", Reason: ""}, "0001000000000000" + "0161" + "026263" + "00"},
	{"feed", &Feed{Publisher: 60002, Name: "sim"}, "62ea" + "0373696d"},
}

func empty(p payload) payload {
	switch p.(type) {
	case *Gap:
		return &Gap{}
	case *Switch:
		return &Switch{}
	default:
		return &Feed{}
	}
}

func TestLayouts(t *testing.T) {
	for _, g := range golden {
		want, err := hex.DecodeString(g.hex)
		if err != nil {
			t.Fatal(err)
		}
		if got := g.of.Append(nil); !bytes.Equal(got, want) {
			t.Errorf("%s: %x, want %x", g.name, got, want)
		}
		back := empty(g.of)
		if err := back.Parse(append(want, 0xff)); err != nil { // a later version has more
			t.Errorf("%s: %v", g.name, err)
		}
		if got := back.Append(nil); !bytes.Equal(got, want) {
			t.Errorf("%s: parsed to %+v", g.name, back)
		}
		for n := range want {
			if err := back.Parse(want[:n]); !errors.Is(err, ErrCut) {
				t.Errorf("%s: %d bytes: %v, want ErrCut", g.name, n, err)
			}
		}
	}
}

func TestLongTextsAreCut(t *testing.T) {
	long := Feed{Name: strings.Repeat("x", 300)}
	var f Feed
	if err := f.Parse(long.Append(nil)); err != nil || len(f.Name) != 255 {
		t.Errorf("%d bytes, %v", len(f.Name), err)
	}
}

func FuzzParse(f *testing.F) {
	for _, g := range golden {
		f.Add(g.of.Append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, g := range golden {
			p := empty(g.of)
			if p.Parse(b) != nil {
				continue
			}
			if again := p.Append(nil); !bytes.HasPrefix(b, again) {
				t.Errorf("%s: %x became %x", g.name, b, again)
			}
		}
	})
}

package ouch50

import (
	"bytes"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// specSizes are the sizes of the options' values by tag (appendix A).
var specSizes = map[Tag]int{
	1: 8, 2: 4, 3: 4, 4: 1, 5: 4, 6: 1, 7: 4, 9: 8, 10: 1, 11: 4, 12: 1, 13: 4, 14: 4, 15: 4, 16: 1, 17: 1, 18: 1,
	22: 4, 23: 8, 24: 2, 25: 1, 26: 4, 27: 1, 28: 1, 29: 1, 30: 2,
}

// clientTags are the options that a client's messages can have.
var clientTags = map[byte][]Tag{
	'O': {2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 24, 25, 26, 28, 29, 30},
	'U': {3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 15, 16, 17, 24, 25, 26, 27, 28, 29, 30},
	'X': {28}, 'M': {25, 26, 28}, 'C': {24, 27, 28}, 'D': {28}, 'E': {28}, 'Q': {28},
}

// option returns an option written by hand.
func option(tag Tag, value ...byte) []byte {
	return append([]byte{byte(len(value) + 1), byte(tag)}, value...)
}

// everyOption returns an appendage with every option of the protocol.
func everyOption() Appendage {
	var a Appendage
	for tag := range Tag(255) {
		if size, ok := specSizes[tag]; ok {
			a = append(a, option(tag, make([]byte, size)...)...)
		}
	}
	return a
}

// with returns a golden message with another appendage.
func with(g int, a []byte) []byte {
	wire := unhex(golden[g].wire)
	_, bare := specOf(wire, golden[g].client)
	wire = be.AppendUint16(wire[:bare:bare], uint16(len(a)))
	return append(wire, a...)
}

// Each option alone in each message: the client's messages have theirs, the venue's have any, and a
// value has the size of its tag.
func TestOptionsByMessage(t *testing.T) {
	for i, g := range golden {
		wire := unhex(g.wire)
		if s, _ := specOf(wire, g.client); s.rule == never {
			continue
		}
		for tag := range 256 {
			size, known := specSizes[Tag(tag)]
			allowed := !g.client
			for _, a := range clientTags[wire[0]] {
				allowed = allowed || g.client && a == Tag(tag)
			}
			for n := range 10 {
				var want error
				if g.client && !allowed || known && n != size {
					want = ErrAppendage
				}
				err := fresh(g.msg).Parse(with(i, option(Tag(tag), bytes.Repeat([]byte(" "), n)...)))
				if err == ErrField {
					err = nil // the value is blank; see TestCheck
				}
				if err != want {
					t.Fatalf("%s, tag %d, %d bytes: %v, want %v", g.name, tag, n, err, want)
				}
			}
		}
	}
}

func TestBrokenAppendages(t *testing.T) {
	later := option(99, 1, 2, 3)
	for _, tt := range []struct {
		name          string
		a             []byte
		client, venue error
	}{
		{"none", nil, nil, nil},
		{"one", option(28, 5), nil, nil},
		{"twice the same", append(option(28, 5), option(28, 5)...), ErrAppendage, ErrAppendage},
		{"length 0", []byte{0, 28}, ErrAppendage, ErrAppendage},
		{"one byte", []byte{1}, ErrAppendage, ErrAppendage},
		{"over the end", []byte{3, 28, 5}, ErrAppendage, ErrAppendage},
		{"a byte behind", append(option(28, 5), 0), ErrAppendage, ErrAppendage},
		{"of a later edition", append(later, option(28, 5)...), ErrAppendage, nil},
		{"of a later edition, twice", append(later, later...), ErrAppendage, nil},
		{"without a value", option(99), ErrAppendage, nil},
	} {
		for i, g := range golden {
			if s, _ := specOf(unhex(g.wire), g.client); s.rule == never {
				continue
			}
			want := tt.venue
			if g.client {
				want = tt.client
			}
			if err := fresh(g.msg).Parse(with(i, tt.a)); err != want {
				t.Errorf("%s, %s: %v, want %v", g.name, tt.name, err, want)
			}
		}
	}
}

// With a broken appendage there are still fields to answer to, also wrong ones.
func TestBrokenAppendageLeavesFields(t *testing.T) {
	wire := with(0, option(99))
	wire[5] = '?'
	var m EnterOrder
	if err := m.Parse(wire); err != ErrAppendage || m.UserRefNum != 7 || m.ClOrdID != my1 || m.Appendage != nil || m.Check() != RejectInvalidSide {
		t.Errorf("%+v: %v", m, err)
	}
}

func TestFind(t *testing.T) {
	var m EnterOrder
	if err := m.Parse(unhex(golden[1].wire)); err != nil {
		t.Fatal(err)
	}
	find := func(tag Tag) Option {
		o, ok := m.Appendage.Find(tag)
		if !ok || o.Tag != tag {
			t.Errorf("tag %d: found %t, %d", tag, ok, o.Tag)
		}
		return o
	}
	if got := find(TagMinQty).Uint(); got != 100 {
		t.Errorf("minimum %d", got)
	}
	if got := find(TagPegOffset).Offset(); got != -100 {
		t.Errorf("offset %d", got)
	}
	if got := find(TagDiscretionPrice).Price(); got != LimitMax {
		t.Errorf("discretion price %d", got)
	}
	if got := find(TagPriceType).Code(); got != MidpointPeg {
		t.Errorf("price type %c", got)
	}
	if got := string(find(TagAIQGroupID).Text()); got != "A1" {
		t.Errorf("group %q", got)
	}
	if got := m.Appendage.UserRefIdx(); got != 255 {
		t.Errorf("index %d", got)
	}
	if _, ok := m.Appendage.Find(TagSide); ok {
		t.Error("found an option that is not there")
	}
	if got := Appendage(nil).UserRefIdx(); got != 0 {
		t.Errorf("index %d of none", got)
	}
	if o := (Option{}); o.Code() != 0 || o.Uint() != 0 || len(o.Text()) != 0 {
		t.Error("an option without a value has one")
	}
	var sum uint64
	if n := testing.AllocsPerRun(100, func() {
		o, _ := m.Appendage.Find(TagMinQty)
		sum += o.Uint() + uint64(m.Appendage.UserRefIdx())
	}); n != 0 || sum == 0 {
		t.Errorf("%.1f allocations", n)
	}
}

// What is appended comes back, whatever the values.
func TestOptionsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var a Appendage
		tags := rapid.Permutation([]Tag{TagMinQty, TagGroupID, TagUserRefIdx, TagSecondaryOrdRefNum, TagDisplayPrice, TagPegOffset, TagPriceType, TagRoute}).Draw(t, "tags")
		tags = tags[:rapid.IntRange(0, len(tags)).Draw(t, "count")]
		want := map[Tag]any{}
		for _, tag := range tags {
			switch tag {
			case TagDisplayPrice:
				v := Price(rapid.Uint64().Draw(t, "price"))
				a, want[tag] = a.AppendPrice(tag, v), v
			case TagPegOffset:
				v := Offset(rapid.Int32().Draw(t, "offset"))
				a, want[tag] = a.AppendOffset(tag, v), v
			case TagPriceType:
				v := rapid.Byte().Draw(t, "code")
				a, want[tag] = a.AppendCode(tag, v), v
			case TagRoute:
				v := rapid.StringMatching("[A-Z]{0,4}").Draw(t, "text")
				a, want[tag] = a.AppendText(tag, v), v
			default:
				v := rapid.Uint64Max(1<<(8*specSizes[tag])-1).Draw(t, "number")
				a, want[tag] = a.AppendUint(tag, v), v
			}
		}
		m := OrderRestated{Header: head, Appendage: a}
		wire := m.Append(nil)
		var got OrderRestated
		if err := got.Parse(wire); err != nil {
			t.Fatalf("%x: %v", wire, err)
		}
		n := 0
		for o, rest, ok := got.Appendage.Next(); ok; o, rest, ok = rest.Next() {
			var v any
			switch o.Tag {
			case TagDisplayPrice:
				v = o.Price()
			case TagPegOffset:
				v = o.Offset()
			case TagPriceType:
				v = o.Code()
			case TagRoute:
				v = string(o.Text())
			default:
				v = o.Uint()
			}
			if o.Tag != tags[n] || v != want[o.Tag] {
				t.Fatalf("option %d is %d: %v, want %d: %v", n, o.Tag, v, tags[n], want[tags[n]])
			}
			n++
		}
		if n != len(tags) {
			t.Fatalf("%d options, want %d", n, len(tags))
		}
	})
}

func TestSenselessOptionsPanic(t *testing.T) {
	for name, f := range map[string]func(){
		"number too large":       func() { Appendage(nil).AppendUint(TagUserRefIdx, 256) },
		"number of a code":       func() { Appendage(nil).AppendUint(TagPriceType, 1) },
		"code of a number":       func() { Appendage(nil).AppendCode(TagMinQty, 'P') },
		"price of an offset":     func() { Appendage(nil).AppendPrice(TagPegOffset, 1) },
		"offset of a price":      func() { Appendage(nil).AppendOffset(TagDisplayPrice, 1) },
		"text too long":          func() { Appendage(nil).AppendText(TagFirm, "FIRMS") },
		"text not printable":     func() { Appendage(nil).AppendText(TagFirm, "\n") },
		"no tag of the protocol": func() { Appendage(nil).AppendUint(8, 1) },
		"appendage of 64 KiB":    func() { (&CancelOrder{Appendage: make(Appendage, 1<<16)}).Append(nil) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if s, _ := recover().(string); !strings.HasPrefix(s, "ouch50: ") {
					t.Errorf("recovered %q", s)
				}
			}()
			f()
		})
	}
}

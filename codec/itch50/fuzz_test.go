package itch50

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"testing"
	"testing/iotest"

	"tidegate/market"
)

func seedMessages(f *testing.F) {
	f.Add([]byte{})
	for _, g := range golden {
		f.Add(unhex(g.wire))
	}
}

// FuzzDecode: no bytes make Decode panic, it agrees with its plain twin, and it leaves the update
// alone where it says so.
func FuzzDecode(f *testing.F) {
	seedMessages(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		b = bytes.Clone(b)[:len(b):len(b)] // no room behind the message to read by mistake
		got, want := canary(), canary()
		gotVerdict, wantVerdict := testDecoder.Decode(b, &got), decodePlain(&testDecoder, b, &want)
		if gotVerdict != wantVerdict || got != want {
			t.Fatalf("%x:\n got %v %+v\nwant %v %+v", b, gotVerdict, got, wantVerdict, want)
		}
		if gotVerdict != market.Applied && got != canary() {
			t.Fatalf("%x: verdict %v, and the update was changed: %+v", b, gotVerdict, got)
		}
	})
}

// FuzzDecodeCold: no bytes make DecodeCold panic, and it appends something exactly when it says so.
func FuzzDecodeCold(f *testing.F) {
	seedMessages(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		var facts market.Facts
		v := testDecoder.DecodeCold(b, &facts)
		if appended := !reflect.DeepEqual(facts, market.Facts{}); appended != (v == market.Cold) {
			t.Fatalf("%x: verdict %v with %+v", b, v, facts)
		}
		var u market.Update
		if hot := testDecoder.Decode(b, &u); (v == market.Cold) && hot != market.Cold {
			t.Fatalf("%x: Decode says %v and DecodeCold %v", b, hot, v)
		}
	})
}

// FuzzFileReader: whatever the bytes, the messages and what follows them make up the whole file, and
// neither the way it is read nor the size of the reads makes a difference.
func FuzzFileReader(f *testing.F) {
	var file []byte
	for _, g := range golden {
		file = AppendFramed(file, unhex(g.wire))
	}
	f.Add(file, false)
	f.Add(AppendEnd(bytes.Clone(file)), false)
	f.Add(file[:len(file)-1], false)
	f.Add(append(AppendEnd(bytes.Clone(file)), 1), false)
	f.Add(zeroLengths(file), true)
	f.Add([]byte{0, 0}, true)
	f.Fuzz(func(t *testing.T, file []byte, typed bool) {
		open := func(r io.Reader) *FileReader {
			if typed {
				return NewTypedFileReader(r)
			}
			return NewFileReader(r)
		}
		whole := open(bytes.NewReader(file))
		var framed []byte
		messages := 0
		for {
			block, n, err := whole.Block()
			if err != nil {
				break
			}
			if n == 0 {
				t.Fatal("an empty block")
			}
			framed = append(framed, block...)
			messages += n
		}
		start := bytes.Clone(file)[:len(framed)]
		if typed {
			for at := 0; at < len(framed); at += 2 + int(be.Uint16(framed[at:])) {
				copy(start[at:], framed[at:at+2])
			}
		}
		if !bytes.Equal(start, framed) {
			t.Fatalf("the blocks are not the file's beginning:\n%x\n%x", framed, start)
		}
		_, _, wholeErr := whole.Block()
		switch clean := len(file) - len(framed); {
		case wholeErr == io.EOF && whole.Ended() && clean == 2 && file[len(framed)] == 0 && file[len(framed)+1] == 0:
		case wholeErr == io.EOF && !whole.Ended() && clean == 0:
		case errors.Is(wholeErr, ErrCut) && clean > 0:
		case errors.Is(wholeErr, ErrAfterEnd) && !typed && clean > 2 && len(framed) > 0:
		case errors.Is(wholeErr, ErrZeroLengths) && !typed && clean > 2 && len(framed) == 0:
		case errors.Is(wholeErr, ErrUnknownType) && typed && clean > 2:
		default:
			t.Fatalf("%d bytes left, ended %t: %v", clean, whole.Ended(), wholeErr)
		}

		slow := open(iotest.OneByteReader(bytes.NewReader(file)))
		var again []byte
		for {
			msg, err := slow.Next()
			if err != nil {
				if err.Error() != wholeErr.Error() || slow.Ended() != whole.Ended() {
					t.Fatalf("Block ends with %v, Next with %v", wholeErr, err)
				}
				break
			}
			again = AppendFramed(again, msg)
			messages--
		}
		if messages != 0 || !bytes.Equal(again, framed) {
			t.Fatalf("%d messages differ:\n%x\n%x", messages, again, framed)
		}
	})
}

package sequnit

import (
	"bytes"
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// unhex reads hexadecimal digits, spaces aside.
func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

// messages returns the messages of a validated block.
func messages(block []byte) (all []string) {
	for len(block) > 0 {
		var msg []byte
		msg, block = Next(block)
		all = append(all, string(msg))
	}
	return all
}

var golden = []struct {
	name string
	wire string
	want Packet
	msgs []string
	err  error
}{
	{
		name: "one message", wire: "0b00 01 07 04030201 03 4142",
		want: Packet{Seq: 0x01020304, Count: 1, Unit: 7}, msgs: []string{"AB"},
	},
	{
		name: "three messages, one of the type alone", wire: "1000 03 01 01000000 02 41 03 4243 03 4445",
		want: Packet{Seq: 1, Count: 3, Unit: 1}, msgs: []string{"A", "BC", "DE"},
	},
	{name: "heartbeat", wire: "0800 00 21 05000000", want: Packet{Seq: 5, Unit: 33}},
	{name: "heartbeat without a sequence", wire: "0800 00 01 00000000", want: Packet{Unit: 1}},
	{name: "unsequenced", wire: "0a00 01 00 00000000 02 41", want: Packet{Count: 1}, msgs: []string{"A"}},
	{
		name: "last message there can be", wire: "0a00 01 01 feffffff 02 41",
		want: Packet{Seq: 1<<32 - 2, Count: 1, Unit: 1}, msgs: []string{"A"},
	},
	{name: "heartbeat at the last sequence", wire: "0800 00 01 ffffffff", want: Packet{Seq: 1<<32 - 1, Unit: 1}},
	{name: "nothing", wire: "", err: ErrShort},
	{name: "cut header", wire: "0700 00 01 010000", err: ErrShort},
	{name: "length beyond the datagram", wire: "0b00 01 01 01000000 02 41", err: ErrLength},
	{name: "bytes after the length", wire: "0800 00 01 01000000 00", err: ErrLength},
	{name: "length below the header", wire: "0700 00 01 01000000", err: ErrLength},
	{name: "no message", wire: "0800 01 01 01000000", err: ErrCount},
	{name: "one message less than said", wire: "0a00 02 01 01000000 02 41", err: ErrCount},
	{name: "one message more than said", wire: "0c00 01 01 01000000 02 41 02 42", err: ErrCount},
	{name: "heartbeat with a message", wire: "0a00 00 01 01000000 02 41", err: ErrCount},
	{name: "message of no length", wire: "0a00 01 01 01000000 00 41", err: ErrMessage},
	{name: "message without a type", wire: "0b00 02 01 01000000 01 02 41", err: ErrMessage},
	{name: "cut message", wire: "0a00 01 01 01000000 03 41", err: ErrMessage},
	{name: "past the last sequence", wire: "0a00 01 01 ffffffff 02 41", err: ErrSequence},
}

func TestParse(t *testing.T) {
	for _, tt := range golden {
		t.Run(tt.name, func(t *testing.T) {
			b := unhex(tt.wire)
			got, err := Parse(b)
			if err != tt.err {
				t.Fatalf("error %v, want %v", err, tt.err)
			}
			if err == nil && !bytes.Equal(got.Messages, b[HeaderLen:]) {
				t.Errorf("messages %x", got.Messages)
			}
			if msgs := messages(got.Messages); !slices.Equal(msgs, tt.msgs) {
				t.Errorf("messages %q, want %q", msgs, tt.msgs)
			}
			if got.Seq != tt.want.Seq || got.Count != tt.want.Count || got.Unit != tt.want.Unit {
				t.Errorf("\n got %+v\nwant %+v", got, tt.want)
			}
			if err == nil && got.Heartbeat() != (tt.want.Count == 0) {
				t.Errorf("Heartbeat() = %t", got.Heartbeat())
			}
			if sequenced := tt.want.Seq != 0 && tt.want.Unit != 0; got.Sequenced() != sequenced {
				t.Errorf("Sequenced() = %t, want %t", got.Sequenced(), sequenced)
			}
		})
	}
}

// A Builder writes what Parse reads, byte for byte.
func TestBuilderWritesTheGoldenPackets(t *testing.T) {
	for _, tt := range golden {
		if tt.err != nil {
			continue
		}
		var b Builder
		b.Reset(tt.want.Unit, tt.want.Seq, 1472)
		for _, msg := range tt.msgs {
			if !b.Append([]byte(msg)) {
				t.Fatalf("%s: no room for %q", tt.name, msg)
			}
		}
		if got, want := b.Bytes(), unhex(tt.wire); !bytes.Equal(got, want) || b.Count() != len(tt.msgs) {
			t.Errorf("%s: %x with %d messages, want %x", tt.name, got, b.Count(), want)
		}
	}
}

func TestBuilderKeepsItsLimits(t *testing.T) {
	var b Builder
	b.Reset(1, 1, HeaderLen+3+2)
	for _, tt := range []struct {
		msg  string
		fits bool
	}{{"ABCDE", false}, {"", false}, {"AB", true}, {"AB", false}, {"A", true}, {"A", false}} {
		if got := b.Append(make([]byte, len(tt.msg))); got != tt.fits {
			t.Errorf("Append of %d bytes after %d messages: %t, want %t", len(tt.msg), b.Count(), got, tt.fits)
		}
	}
	b.Reset(1, 1, 1<<20)
	if b.Append(make([]byte, MessageMax+1)) {
		t.Error("a message longer than its length can say was appended")
	}
	longest := make([]byte, MessageMax)
	for b.Append(longest) {
	}
	if p, err := Parse(b.Bytes()); err != nil || p.Count != CountMax || len(b.Bytes()) > PacketMax {
		t.Errorf("the longest packet has %d messages, %d bytes: %v", p.Count, len(b.Bytes()), err)
	}
}

// Split cuts a stream into the packets it was made of, wherever it was cut when it arrived.
func TestSplit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var stream []byte
		var want []string
		for range rapid.IntRange(0, 5).Draw(t, "packets") {
			var b Builder
			b.Reset(0, 0, 1472)
			for range rapid.IntRange(0, 3).Draw(t, "messages") {
				b.Append(rapid.SliceOfN(rapid.Byte(), 1, 30).Draw(t, "message"))
			}
			want = append(want, string(b.Bytes()))
			stream = append(stream, b.Bytes()...)
		}
		var got []string
		var buffered []byte
		for len(stream) > 0 {
			n := rapid.IntRange(1, len(stream)).Draw(t, "arrived")
			buffered, stream = append(buffered, stream[:n]...), stream[n:]
			for {
				packet, rest, err := Split(buffered)
				if err != nil {
					t.Fatal(err)
				}
				if packet == nil {
					break
				}
				got = append(got, string(packet))
				buffered = rest
			}
		}
		if !slices.Equal(got, want) || len(buffered) != 0 {
			t.Fatalf("got %x and %x left, want %x", got, buffered, want)
		}
	})
	for _, wire := range []string{"0000", "0700 01"} {
		if packet, rest, err := Split(unhex(wire)); err != ErrLength || packet != nil || len(rest) == 0 {
			t.Errorf("Split(%s) = %x, %x, %v, want %v", wire, packet, rest, err, ErrLength)
		}
	}
}

func TestParseDoesNotAllocate(t *testing.T) {
	var b Builder
	b.Reset(1, 1, 1472)
	for b.Append(make([]byte, 25)) {
	}
	packet := b.Bytes()
	if n := testing.AllocsPerRun(100, func() {
		p, err := Parse(packet)
		if err != nil {
			t.Fatal(err)
		}
		for block := p.Messages; len(block) > 0; {
			_, block = Next(block)
		}
	}); n != 0 {
		t.Errorf("Parse and Next allocate %.1f times a packet, want 0", n)
	}
}

// What is parsed has as many messages as it says, covers the datagram, and is what a Builder writes.
func FuzzParse(f *testing.F) {
	for _, tt := range golden {
		f.Add(unhex(tt.wire))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Parse(b)
		if err != nil {
			return
		}
		var again Builder
		again.Reset(p.Unit, p.Seq, PacketMax)
		n := 0
		for block := p.Messages; len(block) > 0; n++ {
			var msg []byte
			msg, block = Next(block)
			if !again.Append(msg) {
				t.Fatalf("message %d does not fit again", n)
			}
		}
		if n != int(p.Count) || !bytes.Equal(again.Bytes(), b) {
			t.Fatalf("%d messages, said %d; %x, again %x", n, p.Count, b, again.Bytes())
		}
		packet, rest, err := Split(append(slices.Clone(b), 1))
		if err != nil || !bytes.Equal(packet, b) || len(rest) != 1 {
			t.Fatalf("Split: %x, %x, %v", packet, rest, err)
		}
	})
}

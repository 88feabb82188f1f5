package soupbintcp

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tidegate/market"
)

// unhex reads hexadecimal digits, spaces aside.
func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

// Pieces of the golden packets, made by hand from the specification.
const (
	userHex     = "74 69 64 65 20 20"                                           // "tide  "
	passwordHex = "73 65 73 61 6d 65 20 20 20 20"                               // "sesame    "
	sessionHex  = "20 20 20 54 49 44 45 30 30 31"                               // "   TIDE001"
	blankHex    = "20 20 20 20 20 20 20 20 20 20"                               //
	number42Hex = "20 20 20 20 20 20 20 20 20 20 20 20 20 20 20 20 20 20 34 32" // 42
	number1Hex  = "20 20 20 20 20 20 20 20 20 20 20 20 20 20 20 20 20 20 20 31" // 1
	numberMax   = "31 38 34 34 36 37 34 34 30 37 33 37 30 39 35 35 31 36 31 35" // 2^64 - 1
)

var session = Session([]byte("   TIDE001"))

// golden has every packet type, hand-made from SoupBinTCP 3.00, section 2, and 4.10.
var golden = []struct {
	name string
	wire string
	make func([]byte) []byte
	typ  Type
}{
	{"debug", "0006 2b 68656c6c6f", func(b []byte) []byte { return AppendDebug(b, "hello") }, Debug},
	{"debug without text", "0001 2b", func(b []byte) []byte { return AppendDebug(b, "") }, Debug},
	{"login accepted", "001f 41" + sessionHex + number42Hex, func(b []byte) []byte {
		return AppendLoginAccepted(b, session, 42)
	}, LoginAccepted},
	{"login accepted at the last number", "001f 41" + sessionHex + numberMax, func(b []byte) []byte {
		return AppendLoginAccepted(b, session, 1<<64-1)
	}, LoginAccepted},
	{"login rejected", "0002 4a 41", func(b []byte) []byte { return AppendLoginRejected(b, NotAuthorized) }, LoginRejected},
	{"login rejected, session", "0002 4a 53", func(b []byte) []byte { return AppendLoginRejected(b, NoSession) }, LoginRejected},
	{"sequenced data", "0004 53 414243", func(b []byte) []byte { return AppendSequenced(b, []byte("ABC")) }, SequencedData},
	{"sequenced data of no bytes", "0001 53", func(b []byte) []byte { return AppendSequenced(b, nil) }, SequencedData},
	{"server heartbeat", "0001 48", AppendServerHeartbeat, ServerHeartbeat},
	{"end of session", "0001 5a", AppendEndOfSession, EndOfSession},
	{"login request", "002f 4c" + userHex + passwordHex + blankHex + number1Hex, func(b []byte) []byte {
		return AppendLoginRequest(b, Login{Username: "tide", Password: "sesame", Next: 1})
	}, LoginRequest},
	{"login request into a session", "002f 4c" + userHex + passwordHex + sessionHex + number42Hex, func(b []byte) []byte {
		return AppendLoginRequest(b, Login{Username: "tide", Password: "sesame", Session: session, Next: 42})
	}, LoginRequest},
	{"login request of 4.10", "0034 4c" + userHex + passwordHex + blankHex + number1Hex + "20 32 35 30 30", func(b []byte) []byte {
		return AppendLoginRequest(b, Login{Username: "tide", Password: "sesame", Next: 1, HeartbeatTimeout: 2500 * market.Millisecond})
	}, LoginRequest},
	{"unsequenced data", "0003 55 4142", func(b []byte) []byte { return AppendUnsequenced(b, []byte("AB")) }, UnsequencedData},
	{"client heartbeat", "0001 52", AppendClientHeartbeat, ClientHeartbeat},
	{"logout request", "0001 4f", AppendLogoutRequest, LogoutRequest},
}

// decode gives the decoder a stream in pieces, each as large as next says, and returns what comes out:
// packets as type and payload.
func decode(d *Decoder, stream []byte, next func(left int) int) (packets []string) {
	for len(stream) > 0 {
		n := copy(d.Room(), stream[:min(next(len(stream)), len(stream))])
		if n == 0 {
			panic("no room")
		}
		d.Read(n)
		stream = stream[n:]
		for p, ok := d.Next(); ok; p, ok = d.Next() {
			packets = append(packets, fmt.Sprintf("%c%s", p.Type, p.Payload))
		}
	}
	return packets
}

func whole(left int) int { return left }
func bytewise(int) int   { return 1 }

// decodePlain is the plain twin of a Decoder: it has the whole stream at once.
func decodePlain(stream []byte, payloadMax int) (packets []string, err error) {
	for len(stream) >= 2 {
		n := int(stream[0])<<8 | int(stream[1])
		if n == 0 {
			return packets, ErrEmpty
		}
		if n > payloadMax+1 {
			return packets, ErrOversize
		}
		if len(stream) < 3 {
			break
		}
		want := map[byte][]int{'A': {30}, 'J': {1}, 'H': {0}, 'Z': {0}, 'L': {46, 51}, 'R': {0}, 'O': {0}, 'S': nil, 'U': nil, '+': nil}
		lengths, known := want[stream[2]]
		if !known {
			return packets, ErrType
		}
		fits := lengths == nil
		for _, l := range lengths {
			fits = fits || l == n-1
		}
		if !fits {
			return packets, ErrLength
		}
		if len(stream) < 2+n {
			break
		}
		packets = append(packets, string(stream[2:2+n]))
		stream = stream[2+n:]
	}
	return packets, nil
}

func TestGoldenPackets(t *testing.T) {
	for _, g := range golden {
		wire := unhex(g.wire)
		if got := g.make([]byte("before")); string(got) != "before"+string(wire) {
			t.Errorf("%s: encoded %x, want %x", g.name, got[6:], wire)
		}
		d := NewDecoder(PayloadMax)
		want := []string{string(g.typ) + string(wire[3:])}
		if got := decode(d, wire, bytewise); fmt.Sprint(got) != fmt.Sprint(want) || d.Err() != nil {
			t.Errorf("%s: decoded %q, %v", g.name, got, d.Err())
		}
	}
}

func TestDecoderRefuses(t *testing.T) {
	for _, tt := range []struct {
		name, wire string
		packets    int
		err        error
	}{
		{"nothing", "", 0, nil},
		{"half a length", "00", 0, nil},
		{"no type yet", "0001", 0, nil},
		{"half a message", "0003 53 41", 0, nil},
		{"length 0", "0000", 0, ErrEmpty},
		{"length 0 after a packet", "0001 48 0000", 1, ErrEmpty},
		{"longest", "0065 53" + strings.Repeat("41", 100), 1, nil},
		{"too long", "0066", 0, ErrOversize},
		{"unknown type", "0001 58", 0, ErrType},
		{"unknown type before the rest has come", "0064 58", 0, ErrType},
		{"lower case", "0001 68", 0, ErrType},
		{"heartbeat with a payload", "0002 48", 0, ErrLength},
		{"client heartbeat with a payload", "0002 52", 0, ErrLength},
		{"end of session with a payload", "0002 5a", 0, ErrLength},
		{"logout with a payload", "0002 4f", 0, ErrLength},
		{"login accepted, short", "001e 41", 0, ErrLength},
		{"login accepted, long", "0020 41", 0, ErrLength},
		{"login rejected without a reason", "0001 4a", 0, ErrLength},
		{"login request, short", "002e 4c", 0, ErrLength},
		{"login request, between the versions", "0030 4c", 0, ErrLength},
		{"login request, long", "0035 4c", 0, ErrLength},
		{"nothing after a fault", "0000 0001 48", 0, ErrEmpty},
	} {
		for _, split := range []func(int) int{whole, bytewise} {
			d := NewDecoder(100)
			if got := decode(d, unhex(tt.wire), split); len(got) != tt.packets || d.Err() != tt.err {
				t.Errorf("%s: %q, %v, want %d packets, %v", tt.name, got, d.Err(), tt.packets, tt.err)
			}
		}
	}
}

func TestDecoderAfterReset(t *testing.T) {
	d := NewDecoder(10)
	decode(d, unhex("0001 48 0005 53 41"), whole)
	d.Reset()
	if got := decode(d, unhex("0001 5a 0000"), whole); fmt.Sprint(got) != "[Z]" || d.Err() != ErrEmpty {
		t.Errorf("%q, %v", got, d.Err())
	}
	d.Reset()
	if got := decode(d, unhex("0001 5a"), whole); fmt.Sprint(got) != "[Z]" || d.Err() != nil {
		t.Errorf("after a fault: %q, %v", got, d.Err())
	}
}

// streams generates packets, now and then a wrong one.
func streams(t *rapid.T) []byte {
	var stream []byte
	for range rapid.IntRange(0, 40).Draw(t, "packets") {
		switch rapid.IntRange(0, 30).Draw(t, "kind") {
		case 0:
			stream = append(stream, rapid.SliceOfN(rapid.Byte(), 1, 6).Draw(t, "bytes")...)
		case 1, 2, 3, 4, 5, 6:
			stream = append(stream, unhex(golden[rapid.IntRange(0, len(golden)-1).Draw(t, "golden")].wire)...)
		default:
			stream = AppendSequenced(stream, make([]byte, rapid.IntRange(0, 3000).Draw(t, "length")))
		}
	}
	return stream
}

func TestDecoderAgreesWithPlainTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stream := streams(t)
		payloadMax := rapid.SampledFrom([]int{1, 50, 2990, PayloadMax}).Draw(t, "payload max")
		want, wantErr := decodePlain(stream, payloadMax)
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "split"), 0))
		piece := rapid.SampledFrom([]int{1, 5, 100, 5000, 200_000}).Draw(t, "piece")
		d := NewDecoder(payloadMax)
		got := decode(d, stream, func(int) int { return 1 + r.IntN(piece) })
		if fmt.Sprint(got) != fmt.Sprint(want) || d.Err() != wantErr {
			t.Fatalf("%d packets, %v, want %d, %v", len(got), d.Err(), len(want), wantErr)
		}
	})
}

func TestDecoderDoesNotAllocate(t *testing.T) {
	var stream []byte
	for range 1000 {
		stream = AppendSequenced(stream, make([]byte, 40))
	}
	d := NewDecoder(PayloadMax)
	packets := 0
	if n := testing.AllocsPerRun(20, func() {
		for rest := stream; len(rest) > 0; {
			n := copy(d.Room(), rest[:min(len(rest), 1999)])
			d.Read(n)
			rest = rest[n:]
			for _, ok := d.Next(); ok; _, ok = d.Next() {
				packets++
			}
		}
	}); n != 0 || packets != 21*1000 {
		t.Errorf("%.1f allocations, %d packets", n, packets)
	}
}

func TestSenselessLimitsPanic(t *testing.T) {
	for name, f := range map[string]func(){
		"no payload":      func() { NewDecoder(0) },
		"payload max":     func() { NewDecoder(PayloadMax + 1) },
		"long message":    func() { AppendSequenced(nil, make([]byte, PayloadMax+1)) },
		"more than room":  func() { d := NewDecoder(1); d.Read(len(d.Room()) + 1) },
		"long unnumbered": func() { AppendUnsequenced(nil, make([]byte, PayloadMax+1)) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
	if got := AppendSequenced(nil, make([]byte, PayloadMax)); !bytes.Equal(got[:3], unhex("ffff 53")) {
		t.Errorf("longest message begins %x", got[:3])
	}
}

func BenchmarkDecoder(b *testing.B) {
	var stream []byte
	for range 800 {
		stream = AppendSequenced(stream, make([]byte, 36))
	}
	d := NewDecoder(PayloadMax)
	b.SetBytes(int64(len(stream)))
	b.ReportAllocs()
	for b.Loop() {
		d.Read(copy(d.Room(), stream))
		n := 0
		for _, ok := d.Next(); ok; _, ok = d.Next() {
			n++
		}
		if n != 800 {
			b.Fatalf("%d packets", n)
		}
	}
}

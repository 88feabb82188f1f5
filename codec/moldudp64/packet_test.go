package moldudp64

import (
	"bytes"
	"encoding/hex"
	"reflect"
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

const sessionHex = "30303030303031413742" // "0000001A7B"

var session = Session([]byte("0000001A7B"))

// messages returns the messages of a validated block.
func messages(block []byte) (all []string) {
	for len(block) > 0 {
		var msg []byte
		msg, block = Next(block)
		all = append(all, string(msg))
	}
	return all
}

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		name string
		wire string
		want Packet
		msgs []string
		err  error
	}{
		{
			name: "one message", wire: sessionHex + "0102030405060708 0001 0003 414243",
			want: Packet{Session: session, Seq: 0x0102030405060708, Count: 1, Kind: Data}, msgs: []string{"ABC"},
		},
		{
			name: "three messages, one empty", wire: sessionHex + "0000000000000001 0003 0001 41 0000 0002 4243",
			want: Packet{Session: session, Seq: 1, Count: 3, Kind: Data}, msgs: []string{"A", "", "BC"},
		},
		{
			name: "heartbeat", wire: sessionHex + "0000000000000007 0000",
			want: Packet{Session: session, Seq: 7, Kind: Heartbeat},
		},
		{
			name: "end of session", wire: sessionHex + "0000000000000007 ffff",
			want: Packet{Session: session, Seq: 7, Kind: EndOfSession},
		},
		{
			name: "heartbeat at the last sequence", wire: sessionHex + "ffffffffffffffff 0000",
			want: Packet{Session: session, Seq: 1<<64 - 1, Kind: Heartbeat},
		},
		{
			name: "last message there can be", wire: sessionHex + "fffffffffffffffe 0001 0001 41",
			want: Packet{Session: session, Seq: 1<<64 - 2, Count: 1, Kind: Data}, msgs: []string{"A"},
		},
		{name: "nothing", wire: "", err: ErrShort},
		{name: "cut header", wire: sessionHex + "0000000000000001 00", err: ErrShort},
		{name: "no message", wire: sessionHex + "0000000000000001 0001", err: ErrCut},
		{name: "cut length", wire: sessionHex + "0000000000000001 0001 00", err: ErrCut},
		{name: "cut message", wire: sessionHex + "0000000000000001 0001 0003 4142", err: ErrCut},
		{name: "one message less than said", wire: sessionHex + "0000000000000001 0002 0003 414243", err: ErrCut},
		{name: "one message more than said", wire: sessionHex + "0000000000000001 0001 0001 41 0001 42", err: ErrTrailing},
		{name: "one byte more than said", wire: sessionHex + "0000000000000001 0001 0001 41 00", err: ErrTrailing},
		{name: "heartbeat with a message", wire: sessionHex + "0000000000000001 0000 0001 41", err: ErrTrailing},
		{name: "end of session with a message", wire: sessionHex + "0000000000000001 ffff 0001 41", err: ErrTrailing},
		{name: "past the last sequence", wire: sessionHex + "ffffffffffffffff 0001 0001 41", err: ErrSequence},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := unhex(tt.wire)
			got, err := Parse(b)
			if err != tt.err {
				t.Fatalf("error %v, want %v", err, tt.err)
			}
			if err == nil && !bytes.Equal(got.Messages, b[HeaderLen:]) {
				t.Errorf("messages %x", got.Messages)
			}
			if msgs := messages(got.Messages); strings.Join(msgs, "|") != strings.Join(tt.msgs, "|") || len(msgs) != len(tt.msgs) {
				t.Errorf("messages %q, want %q", msgs, tt.msgs)
			}
			got.Messages = nil
			if got.Seq != tt.want.Seq || got.Session != tt.want.Session || got.Count != tt.want.Count || got.Kind != tt.want.Kind {
				t.Errorf("\n got %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

// TestParseOfTheMostMessages has as many messages as the count can say.
func TestParseOfTheMostMessages(t *testing.T) {
	b := AppendHeartbeat(nil, session, 1)
	b[18], b[19] = 0xFF, 0xFE
	b = append(b, make([]byte, 2*CountMax)...)
	p, err := Parse(b)
	if err != nil || p.Kind != Data || int(p.Count) != CountMax || len(messages(p.Messages)) != CountMax {
		t.Errorf("%d messages, kind %v: %v", p.Count, p.Kind, err)
	}
}

func TestRequest(t *testing.T) {
	wire := unhex(sessionHex + "0102030405060708 0064")
	request := Request{Session: session, Seq: 0x0102030405060708, Count: 100}
	if got := AppendRequest(nil, request); !bytes.Equal(got, wire) {
		t.Errorf("AppendRequest: %x, want %x", got, wire)
	}
	if got, err := ParseRequest(wire); err != nil || got != request {
		t.Errorf("ParseRequest: %+v, %v", got, err)
	}
	if _, err := ParseRequest(wire[:19]); err != ErrShort {
		t.Errorf("a short request: %v", err)
	}
	if _, err := ParseRequest(append(wire, 0)); err != ErrTrailing {
		t.Errorf("a long request: %v", err)
	}
}

func TestSession(t *testing.T) {
	for name, padded := range map[string]string{"": "          ", "TIDE": "TIDE      ", "0000001A7B": "0000001A7B"} {
		s, err := ParseSession(name)
		if err != nil {
			t.Fatal(err)
		}
		if string(s[:]) != padded || s.String() != name {
			t.Errorf("session %q is %q and prints as %q", name, s[:], s.String())
		}
	}
	for _, name := range []string{"12345678901", "A\x00", "\x7f", "Ä"} {
		if _, err := ParseSession(name); err == nil {
			t.Errorf("ParseSession(%q) succeeds", name)
		}
	}
	if got := Session([]byte("      TIDE")).String(); got != "TIDE" {
		t.Errorf("a session padded on the left prints as %q", got)
	}
	if got := (Session{}).String(); got != "" {
		t.Errorf("a session of zero bytes prints as %q", got)
	}
}

func TestKind(t *testing.T) {
	for kind, want := range map[Kind]string{Data: "data", Heartbeat: "heartbeat", EndOfSession: "end-of-session", 9: "kind?"} {
		if got := kind.String(); got != want {
			t.Errorf("kind %d prints as %q, want %q", kind, got, want)
		}
	}
}

func TestBuilder(t *testing.T) {
	var b Builder
	b.Reset(session, 7, HeaderLen+2+3+2+1)
	if got, want := b.Bytes(), AppendHeartbeat(nil, session, 7); !bytes.Equal(got, want) {
		t.Errorf("without a message: %x, want %x", got, want)
	}
	for _, step := range []struct {
		msg   string
		fits  bool
		count int
	}{{"ABC", true, 1}, {"DE", false, 1}, {"D", true, 2}, {"", false, 2}} {
		if got := b.Append([]byte(step.msg)); got != step.fits || b.Count() != step.count {
			t.Errorf("Append(%q) is %t with %d messages, want %t with %d", step.msg, got, b.Count(), step.fits, step.count)
		}
	}
	if want := unhex(sessionHex + "0000000000000007 0002 0003 414243 0001 44"); !bytes.Equal(b.Bytes(), want) {
		t.Errorf("packet %x, want %x", b.Bytes(), want)
	}
	b.Reset(session, 9, 1472)
	if !b.Append([]byte("Z")) {
		t.Error("no room after Reset")
	}
	if want := unhex(sessionHex + "0000000000000009 0001 0001 5a"); !bytes.Equal(b.Bytes(), want) {
		t.Errorf("packet %x, want %x", b.Bytes(), want)
	}
}

func TestBuilderLimits(t *testing.T) {
	var b Builder
	b.Reset(session, 1, 1<<20)
	if b.Append(make([]byte, 1<<16)) {
		t.Error("a message of 65,536 bytes fits")
	}
	if !b.Append(make([]byte, 1<<16-1)) {
		t.Error("a message of 65,535 bytes does not fit")
	}
	b.Reset(session, 1, 1<<20)
	for b.Append(nil) {
	}
	if b.Count() != CountMax {
		t.Errorf("%d messages, want %d", b.Count(), CountMax)
	}
	p, err := Parse(b.Bytes())
	if err != nil || p.Kind != Data || int(p.Count) != CountMax {
		t.Errorf("%v with %d messages: %v", p.Kind, p.Count, err)
	}
}

func TestEndOfSession(t *testing.T) {
	want := unhex(sessionHex + "0000000000000009 ffff")
	if got := AppendEndOfSession(nil, session, 9); !bytes.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
}

// TestRoundTrip builds packets of any messages and reads them again.
func TestRoundTrip(t *testing.T) {
	var b Builder
	rapid.Check(t, func(t *rapid.T) {
		s := Session(rapid.SliceOfN(rapid.Byte(), SessionLen, SessionLen).Draw(t, "session"))
		seq := rapid.Uint64Max(1<<63).Draw(t, "seq")
		bytesMax := rapid.IntRange(HeaderLen, 2000).Draw(t, "bytesMax")
		msgs := rapid.SliceOf(rapid.SliceOfN(rapid.Byte(), 0, 60)).Draw(t, "messages")
		b.Reset(s, seq, bytesMax)
		var want []string
		for _, m := range msgs {
			if !b.Append(m) {
				break
			}
			want = append(want, string(m))
		}
		packet := b.Bytes()
		if len(packet) > bytesMax {
			t.Fatalf("%d bytes, want at most %d", len(packet), bytesMax)
		}
		p, err := Parse(packet)
		if err != nil {
			t.Fatal(err)
		}
		got := messages(p.Messages)
		if p.Session != s || p.Seq != seq || int(p.Count) != len(want) || strings.Join(got, "|") != strings.Join(want, "|") {
			t.Fatalf("%+v %q, want %q", p, got, want)
		}
		for n := range packet {
			if _, err := Parse(packet[:n]); err == nil {
				t.Fatalf("the first %d of %d bytes are taken for a packet", n, len(packet))
			}
		}
	})
}

// FuzzParse: no datagram makes Parse panic; what it takes can be walked to the end, and built again.
func FuzzParse(f *testing.F) {
	f.Add([]byte{})
	f.Add(AppendHeartbeat(nil, session, 7))
	f.Add(AppendEndOfSession(nil, session, 7))
	f.Add(unhex(sessionHex + "0000000000000001 0003 0001 41 0000 0002 4243"))
	f.Add(unhex(sessionHex + "0000000000000001 0002 0003 414243"))
	f.Add(unhex(sessionHex + "0000000000000001 0001 0001 41 00"))
	var builder Builder
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Parse(b)
		if err != nil {
			if !reflect.DeepEqual(p, Packet{}) {
				t.Fatalf("a packet with the error %v: %+v", err, p)
			}
			return
		}
		var again []byte
		switch p.Kind {
		case EndOfSession:
			again = AppendEndOfSession(nil, p.Session, p.Seq)
		case Heartbeat:
			again = AppendHeartbeat(nil, p.Session, p.Seq)
		case Data:
			builder.Reset(p.Session, p.Seq, len(b))
			count := 0
			for block := p.Messages; len(block) > 0; count++ {
				var msg []byte
				msg, block = Next(block)
				if !builder.Append(msg) {
					t.Fatalf("message %d of %d does not fit", count, p.Count)
				}
			}
			if count != int(p.Count) {
				t.Fatalf("%d messages, want %d", count, p.Count)
			}
			again = builder.Bytes()
		}
		if !bytes.Equal(again, b) {
			t.Fatalf("built again\n     %x\nwant %x", again, b)
		}
	})
}

func TestNothingAllocates(t *testing.T) {
	var b Builder
	msg := []byte("a message")
	build := func() {
		b.Reset(session, 1, 1472)
		for b.Append(msg) {
		}
	}
	build()
	packet := bytes.Clone(b.Bytes())
	var total int
	if n := testing.AllocsPerRun(100, func() {
		build()
		p, err := Parse(packet)
		if err != nil {
			t.Fatal(err)
		}
		for block := p.Messages; len(block) > 0; {
			var msg []byte
			msg, block = Next(block)
			total += len(msg)
		}
		if _, err := Parse(packet[:100]); err == nil {
			t.Fatal("no error")
		}
	}); n != 0 {
		t.Errorf("a packet allocates %.1f times, want 0", n)
	}
}

// BenchmarkParse parses a full packet and walks it.
func BenchmarkParse(b *testing.B) {
	var builder Builder
	builder.Reset(session, 1, 1472)
	for builder.Append(make([]byte, 30)) {
	}
	packet := builder.Bytes()
	b.SetBytes(int64(len(packet)))
	b.ReportAllocs()
	for b.Loop() {
		p, err := Parse(packet)
		if err != nil {
			b.Fatal(err)
		}
		total := 0
		for block := p.Messages; len(block) > 0; {
			var msg []byte
			msg, block = Next(block)
			total += len(msg)
		}
		if total != 45*30 {
			b.Fatalf("%d bytes, want %d", total, 45*30)
		}
	}
}

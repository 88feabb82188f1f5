package iextp_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
	"tidegate/codec/iextp"
)

// Golden segments, made by hand from the layout in the package comment.
const (
	header = "01 00 0480 01000000 785634 12 "                      // version, DEEP 1.0, channel 1, session 0x12345678
	tail   = " 1027000000000000 2a00000000000000 15cd853dfe9c9717" // stream offset 10000, sequence 42, time

	heartbeat   = header + "0000 0000" + tail
	twoMessages = header + "0900 0200" + tail + "0300 616263 0200 6465"
	emptyInside = header + "0400 0200" + tail + "0000 0000"
)

func segment(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatalf("golden segment %q: %v", text, err)
	}
	return b
}

// messages walks a segment as the package comment says.
func messages(s *iextp.Segment) (all []string) {
	for block := s.Messages; len(block) > 0; {
		var msg []byte
		msg, block = iextp.Next(block)
		all = append(all, string(msg))
	}
	return all
}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"heartbeat", heartbeat, nil},
		{"two messages", twoMessages, []string{"abc", "de"}},
		{"messages without bytes", emptyInside, []string{"", ""}},
		{"reserved byte set", strings.Replace(twoMessages, "01 00", "01 ff", 1), []string{"abc", "de"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := iextp.Parse(segment(t, c.text))
			if err != nil {
				t.Fatal(err)
			}
			if got := messages(&s); !reflect.DeepEqual(got, c.want) {
				t.Errorf("messages %q, want %q", got, c.want)
			}
			if s.Heartbeat() != (len(c.want) == 0) {
				t.Errorf("Heartbeat() = %t with %d messages", s.Heartbeat(), len(c.want))
			}
			s.Messages = nil
			want := iextp.Segment{
				Protocol: iextp.DEEP10, Count: uint16(len(c.want)), Channel: 1, Session: 0x12345678,
				Seq: 42, StreamOffset: 10_000, SendTime: 1_700_000_000_123_456_789,
			}
			if !reflect.DeepEqual(s, want) {
				t.Errorf("got\n%+v, want\n%+v", s, want)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       error
	}{
		{"nothing", "", iextp.ErrShort},
		{"header cut by one byte", heartbeat[:len(heartbeat)-2], iextp.ErrShort},
		{"version 0", "00" + heartbeat[2:], iextp.ErrVersion},
		{"version 2", "02" + heartbeat[2:], iextp.ErrVersion},
		{"a byte too many", twoMessages + "00", iextp.ErrLength},
		{"a byte too few", twoMessages[:len(twoMessages)-2], iextp.ErrLength},
		{"a byte after a heartbeat", heartbeat + "00", iextp.ErrLength},
		{"message length cut", header + "0100 0100" + tail + "00", iextp.ErrMessage},
		{"message one byte too long", header + "0300 0100" + tail + "0200 61", iextp.ErrMessage},
		{"longest message length", header + "0300 0100" + tail + "ffff 61", iextp.ErrMessage},
		{"one message more than counted", header + "0900 0100" + tail + "0300 616263 0200 6465", iextp.ErrCount},
		{"one message less than counted", header + "0900 0300" + tail + "0300 616263 0200 6465", iextp.ErrCount},
		{"count without messages", header + "0000 0100" + tail, iextp.ErrCount},
		{"messages without count", header + "0300 0000" + tail + "0100 61", iextp.ErrCount},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := iextp.Parse(segment(t, c.text)); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestAppend(t *testing.T) {
	for _, text := range []string{heartbeat, twoMessages, emptyInside} {
		want := segment(t, text)
		s, err := iextp.Parse(want)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Append(nil); !bytes.Equal(got, want) {
			t.Errorf("got\n%x, want\n%x", got, want)
		}
	}
}

func TestAppendRefusesWhatDoesNotFit(t *testing.T) {
	long := make([]byte, 1<<16)
	for name, appendLong := range map[string]func(){
		"message": func() { iextp.AppendMessage(nil, long) },
		"block":   func() { (&iextp.Segment{Messages: long}).Append(nil) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("a %s of %d bytes was appended", name, len(long))
				}
			}()
			appendLong()
		}()
	}
}

func TestAppendThenParse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(rapid.StringN(0, 60, 100), 0, 50).Draw(t, "messages")
		s := iextp.Segment{
			Protocol: rapid.Uint16().Draw(t, "protocol"),
			Count:    uint16(len(want)),
			Seq:      rapid.Uint64().Draw(t, "seq"),
		}
		for _, m := range want {
			s.Messages = iextp.AppendMessage(s.Messages, []byte(m))
		}
		got, err := iextp.Parse(s.Append([]byte("before"))[len("before"):])
		if err != nil {
			t.Fatal(err)
		}
		if m := messages(&got); len(m) != len(want) || len(m) > 0 && !reflect.DeepEqual(m, want) {
			t.Fatalf("messages %q, want %q", m, want)
		}
		if got.Protocol != s.Protocol || got.Seq != s.Seq || got.Count != s.Count {
			t.Fatalf("got %+v, want %+v", got, s)
		}
	})
}

func TestParseDoesNotAllocate(t *testing.T) {
	good, bad := segment(t, twoMessages), segment(t, twoMessages+"00")
	if n := testing.AllocsPerRun(100, func() {
		s, err := iextp.Parse(good)
		count := 0
		for block := s.Messages; len(block) > 0; count++ {
			_, block = iextp.Next(block)
		}
		if err != nil || count != 2 {
			t.Fatalf("got %d messages, %v", count, err)
		}
		if _, err = iextp.Parse(bad); err == nil {
			t.Fatal("a bad segment was accepted")
		}
	}); n != 0 {
		t.Errorf("parsing allocates %.1f times, want 0", n)
	}
}

// Parse never panics; what it accepts can be walked, and is written again as it was (but for the
// reserved byte).
func FuzzParse(f *testing.F) {
	for _, text := range []string{heartbeat, twoMessages, emptyInside, header, twoMessages + "00"} {
		f.Add(segment(f, text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := iextp.Parse(b)
		if err != nil {
			return
		}
		if got := len(messages(&s)); got != int(s.Count) {
			t.Fatalf("walked %d messages, count %d", got, s.Count)
		}
		again := s.Append(nil)
		again[1] = b[1]
		if !bytes.Equal(again, b) {
			t.Fatalf("got\n%x, want\n%x", again, b)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	s := iextp.Segment{Protocol: iextp.DEEP10, Count: 40, Seq: 1}
	for range s.Count {
		s.Messages = iextp.AppendMessage(s.Messages, make([]byte, 30))
	}
	datagram := s.Append(nil)
	b.SetBytes(int64(len(datagram)))
	b.ReportAllocs()
	for b.Loop() {
		if s, err := iextp.Parse(datagram); err != nil || s.Count != 40 {
			b.Fatalf("got %+v, %v", s, err)
		}
	}
}

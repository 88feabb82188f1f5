package lsg

import (
	"bytes"
	"reflect"
	"testing"
)

// A client's line: every parser takes it without panic; what one accepts is written and read back
// the same; what it refuses has a text that can be sent.
func FuzzClientLine(f *testing.F) {
	for _, line := range []string{
		"auth=" + vectorAuth + "|dataset=XNAS.ITCH|encoding=dbn|ts_out=1|compression=zstd|client=a=b|heartbeat_interval_s=10|slow_reader_behavior=drop",
		"auth=" + vectorAuth + "|dataset=XNAS.ITCH|details=é|pretty_px=1|pretty_ts=0|x|",
		"schema=mbo|stype_in=raw_symbol|id=1|symbols=AAPL,MSFT|snapshot=0|is_last=1",
		"schema=mbo|symbols=ALL_SYMBOLS|snapshot=1",
		"schema=mbo|symbols=A|start=2024-03-01T09:30:00.5-05:00|is_last=0",
		"start_session=0",
	} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		was := bytes.Clone(line)
		if r, err := ParseAuthRequest(line); err != nil {
			checkErrorText(t, err)
		} else {
			b, err := r.Append(nil)
			if err != nil {
				t.Fatalf("%q was read, but cannot be written: %v", line, err)
			}
			r.Unknown = 0
			if again, err := ParseAuthRequest(b[:len(b)-1]); err != nil || again != r {
				t.Fatalf("%q comes back as %+v, %v, want %+v", line, again, err, r)
			}
		}
		if s, err := ParseSubscription(line); err != nil {
			checkErrorText(t, err)
		} else {
			checkSubscription(t, s)
		}
		IsStart(line)
		if !bytes.Equal(was, line) {
			t.Fatalf("%q was changed to %q", was, line)
		}
	})
}

func checkSubscription(t *testing.T, s Subscription) {
	t.Helper()
	b, err := s.Append(nil)
	if err != nil {
		t.Fatalf("%+v was read, but cannot be written: %v", s, err)
	}
	s.Unknown, s.IsLast = 0, true
	var g Group
	for {
		line, size, err := CutLine(b, LineMax)
		if err != nil || size == 0 {
			t.Fatalf("no line in %q: %v", b, err)
		}
		part, err := ParseSubscription(line)
		if err != nil {
			t.Fatal(err)
		}
		whole, complete, err := g.Add(part)
		if err != nil {
			t.Fatal(err)
		}
		if b = b[size:]; !complete {
			continue
		}
		if len(b) != 0 || !reflect.DeepEqual(whole, s) {
			t.Fatalf("got %+v, want %+v, and %d bytes are left", whole, s, len(b))
		}
		return
	}
}

// Lines of a client one after the other, as a session gets them.
func FuzzGroup(f *testing.F) {
	f.Add([]byte("schema=mbo|symbols=A|is_last=0\nschema=mbo|symbols=B\nstart_session\n"))
	f.Add([]byte("schema=mbo|symbols=A|is_last=0\nschema=mbo|symbols=B|id=1\nx"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var g Group
		parts := 0
		for {
			line, size, err := CutLine(b, 1000)
			if err != nil || size == 0 {
				return
			}
			b = b[size:]
			s, err := ParseSubscription(line)
			if err != nil {
				continue
			}
			parts += len(s.Symbols)
			whole, complete, err := g.Add(s)
			switch {
			case err != nil:
				checkErrorText(t, err)
				parts = 0
			case complete:
				if len(whole.Symbols) != parts || parts > SymbolsMax {
					t.Fatalf("%d symbols, want %d", len(whole.Symbols), parts)
				}
				parts = 0
			}
			if g.Open() != (parts > 0) {
				t.Fatalf("Open() = %t with %d symbols", g.Open(), parts)
			}
		}
	})
}

// A gateway's line, likewise.
func FuzzGatewayLine(f *testing.F) {
	for _, line := range []string{
		"lsg_version=0.1.0", "cram=" + vectorChallenge, "success=1|session_id=5", "success=0|error=no=way", "success=1|session_id=5|",
	} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		if g, err := ParseGreeting(line); err != nil {
			checkErrorText(t, err)
		} else if again, err := ParseGreeting(bytes.TrimSuffix(g.Append(nil), []byte{'\n'})); err != nil || again != g {
			t.Fatalf("%q comes back as %+v, %v", line, again, err)
		}
		if c, err := ParseChallenge(line); err != nil {
			checkErrorText(t, err)
		} else if again, err := ParseChallenge(bytes.TrimSuffix(c.Append(nil), []byte{'\n'})); err != nil || again != c {
			t.Fatalf("%q comes back as %+v, %v", line, again, err)
		}
		if r, err := ParseAuthResponse(line); err != nil {
			checkErrorText(t, err)
		} else if len(r.Error) <= ErrorTextMax {
			again, err := ParseAuthResponse(bytes.TrimSuffix(r.Append(nil), []byte{'\n'}))
			if r.Accepted {
				r.Error = ""
			} else {
				r.SessionID = 0
			}
			if err != nil || again != r {
				t.Fatalf("%q comes back as %+v, %v", line, again, err)
			}
		}
	})
}

// The text of a proof.
func FuzzAuth(f *testing.F) {
	f.Add([]byte(vectorAuth))
	f.Fuzz(func(t *testing.T, text []byte) {
		a, err := ParseAuth(text)
		if err != nil {
			checkErrorText(t, err)
			return
		}
		if got := a.String(); got != string(bytes.ToLower(text[:64]))+string(text[64:]) {
			t.Fatalf("%q comes back as %q", text, got)
		}
	})
}

// The time of a start.
func FuzzStart(f *testing.F) {
	f.Add([]byte("1709251200000000000"))
	f.Add([]byte("2024-03-01T09:30:00.5-05:00"))
	f.Fuzz(func(t *testing.T, text []byte) {
		start, err := ParseStart(text)
		if err != nil {
			checkErrorText(t, err)
		} else if start < 0 {
			t.Fatalf("%q is %d", text, start)
		}
	})
}

// The text of a key: never in an error.
func FuzzKey(f *testing.F) {
	f.Add(vectorKey)
	f.Fuzz(func(t *testing.T, text string) {
		k, err := ParseKey(text)
		if err != nil {
			checkErrorText(t, err)
		} else if len(text) != KeySize || k.Bucket() != text[KeySize-BucketSize:] {
			t.Fatalf("%q was taken with bucket %q", text, k.Bucket())
		}
	})
}

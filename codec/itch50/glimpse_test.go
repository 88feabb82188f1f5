package itch50

import (
	"math/big"
	"strings"
	"testing"

	"tidegate/market"
)

func TestEndOfSnapshot(t *testing.T) {
	for _, tt := range []struct {
		wire string
		next uint64
		err  error
	}{
		{"G               12345", 12345, nil},
		{"G12345               ", 12345, nil},
		{"G00000000000000012345", 12345, nil},
		{"G                   0", 0, nil},
		{"G18446744073709551615", 1<<64 - 1, nil},
		{"G18446744073709551616", 0, ErrNumber},
		{"G99999999999999999999", 0, ErrNumber},
		{"G                    ", 0, ErrNumber},
		{"G              12 345", 0, ErrNumber},
		{"G                  -1", 0, ErrNumber},
		{"G                 0x1", 0, ErrNumber},
		{"G              12345", 0, ErrLength},
		{"G                12345", 0, ErrLength},
		{"G", 0, ErrLength},
		{"", 0, ErrType},
		{"A               12345", 0, ErrType},
	} {
		var m EndOfSnapshot
		if err := m.Parse([]byte(tt.wire)); err != tt.err || m.Next != tt.next {
			t.Errorf("%q: %d, %v, want %d, %v", tt.wire, m.Next, err, tt.next, tt.err)
		}
	}
	for next, wire := range map[uint64]string{
		12345: "G               12345", 0: "G                   0", 1<<64 - 1: "G18446744073709551615",
	} {
		if got := (&EndOfSnapshot{Next: next}).Append([]byte("x")); string(got) != "x"+wire {
			t.Errorf("%d: %q, want %q", next, got, wire)
		}
	}
}

// The message is none of the feed's: there it is an unknown type.
func TestEndOfSnapshotIsNotOfTheFeed(t *testing.T) {
	msg := (&EndOfSnapshot{Next: 1}).Append(nil)
	var u market.Update
	if v := testDecoder.Decode(msg, &u); v != market.UnknownType || Length(TypeEndOfSnapshot) != 0 {
		t.Errorf("verdict %v, length %d", v, Length(TypeEndOfSnapshot))
	}
}

// FuzzEndOfSnapshot: no bytes make Parse panic, it agrees with big integers, and what it reads it
// writes again.
func FuzzEndOfSnapshot(f *testing.F) {
	for _, wire := range []string{"", "G", "G               12345", "G18446744073709551616", "G1                   "} {
		f.Add([]byte(wire))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var m EndOfSnapshot
		err := m.Parse(b)
		want, ok := new(big.Int), false
		if len(b) == LenEndOfSnapshot && b[0] == 'G' {
			digits := strings.Trim(string(b[1:]), " ")
			if strings.Trim(digits, "0123456789") == "" {
				want, ok = want.SetString(digits, 10)
				ok = ok && want.IsUint64()
			}
		}
		if ok != (err == nil) || ok && m.Next != want.Uint64() {
			t.Fatalf("%q: %d, %v, want %v, %t", b, m.Next, err, want, ok)
		}
		var again EndOfSnapshot
		if err == nil && (again.Parse(m.Append(nil)) != nil || again != m) {
			t.Fatalf("%q: read %d, wrote and read %d", b, m.Next, again.Next)
		}
	})
}

package providers

import (
	"encoding/binary"
	"fmt"
	"math"

	"tidegate/gateway/breaker"
	"tidegate/market"
)

// A Reason says why a provider is judged as it is, or why the feed switched.
type Reason uint8

// Reasons.
const (
	Fresh     Reason = iota // nothing is wrong, or no longer
	Unheard                 // nothing came from it yet
	Lagging                 // its events come too late
	Behind                  // another provider delivered what it has not
	Silent                  // nothing at all comes, heartbeats included
	Gapped                  // a gap lies behind what it delivers
	Unhealed                // and has for long
	Preferred               // it is preferred to the one before
	Operator                // somebody wanted it so
	reasons
)

var reasonNames = [reasons]string{
	"fresh", "unheard", "lagging", "behind", "silent", "gapped", "unhealed", "preferred", "operator",
}

// String returns the name used in reports.
func (r Reason) String() string {
	if r >= reasons {
		return fmt.Sprintf("reason %d", uint8(r))
	}
	return reasonNames[r]
}

// MarshalText returns the name used in reports.
func (r Reason) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// A Verdict is what a Judge says of a provider when that has changed. It is an input of the Feed.
type Verdict struct {
	At       market.Nanos
	By       market.Nanos // how late, how far behind or how long silent; 0 if that says nothing
	Provider uint8
	State    breaker.State
	Reason   Reason
	// Prefer makes Provider the operator's choice among equals from now on, and State and Reason say
	// nothing. A Provider of NoPreference takes that back.
	Prefer bool
}

// NoPreference is the provider of a Verdict that takes a preference back.
const NoPreference = math.MaxUint8

// verdictMagic begins a recorded verdict. No datagram of a feed that we know begins with it.
const verdictMagic = "TGVERDCT"

// VerdictLen is the length of a recorded verdict.
//
//	0   8  "TGVERDCT"
//	8   2  number of the feed, little-endian like the rest
//	10  1  provider, 255 none
//	11  1  state
//	12  1  reason
//	13  1  1: a preference
//	14  2  0
//	16  8  at, nanoseconds since the epoch
//	24  8  by, nanoseconds
const VerdictLen = 32

// AppendVerdict appends a verdict about a provider of a feed as it stands in a recording.
func AppendVerdict(dst []byte, feed uint16, v Verdict) []byte {
	dst = append(dst, verdictMagic...)
	dst = binary.LittleEndian.AppendUint16(dst, feed)
	prefer := byte(0)
	if v.Prefer {
		prefer = 1
	}
	dst = append(dst, v.Provider, byte(v.State), byte(v.Reason), prefer, 0, 0)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(v.At))
	return binary.LittleEndian.AppendUint64(dst, uint64(v.By))
}

// ParseVerdict reads what AppendVerdict wrote. ok is false for anything else.
func ParseVerdict(b []byte) (feed uint16, v Verdict, ok bool) {
	if len(b) != VerdictLen || string(b[:8]) != verdictMagic {
		return 0, v, false
	}
	v = Verdict{
		Provider: b[10], State: breaker.State(b[11]), Reason: Reason(b[12]), Prefer: b[13] == 1,
		At: market.Nanos(binary.LittleEndian.Uint64(b[16:])),
		By: market.Nanos(binary.LittleEndian.Uint64(b[24:])),
	}
	if v.State > breaker.Closed || v.Reason >= reasons || b[13] > 1 || b[14]|b[15] != 0 {
		return 0, Verdict{}, false
	}
	return binary.LittleEndian.Uint16(b[8:]), v, true
}

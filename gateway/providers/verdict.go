package providers

import (
	"encoding/binary"
	"fmt"

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

// A Verdict is what a Judge says of a provider when that has changed.
type Verdict struct {
	At       market.Nanos
	By       market.Nanos // how late, how far behind or how long silent; 0 if that says nothing
	Provider uint8
	State    breaker.State
	Reason   Reason
}

// A Kind says what a Decision does.
type Kind uint8

// Kinds of decisions.
const (
	ToProvider Kind = iota // another provider is active
	ToStale                // the feed cannot be relied on
	ToFresh                // it can be again
	ToRefresh              // the next slice of a refresh is published
	kinds
)

// A Decision is what a Feed does of its own accord, at a tick. It is an input of the feed: recorded beside the
// datagrams, it makes a replay do the same in the same place.
type Decision struct {
	At       market.Nanos
	By       market.Nanos // see Verdict
	Kind     Kind
	Provider uint8 // of ToProvider
	Reason   Reason
}

// decisionMagic begins a recorded decision. No datagram of a feed that we know begins with it.
const decisionMagic = "TGDECIDE"

// DecisionLen is the length of a recorded decision.
//
//	0   8  "TGDECIDE"
//	8   2  number of the feed, little-endian like the rest
//	10  1  kind
//	11  1  provider
//	12  1  reason
//	13  3  0
//	16  8  at, nanoseconds since the epoch
//	24  8  by, nanoseconds
const DecisionLen = 32

// AppendDecision appends a decision of a feed as it stands in a recording.
func AppendDecision(dst []byte, feed uint16, d Decision) []byte {
	dst = append(dst, decisionMagic...)
	dst = binary.LittleEndian.AppendUint16(dst, feed)
	dst = append(dst, byte(d.Kind), d.Provider, byte(d.Reason), 0, 0, 0)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(d.At))
	return binary.LittleEndian.AppendUint64(dst, uint64(d.By))
}

// ParseDecision reads what AppendDecision wrote. ok is false for anything else.
func ParseDecision(b []byte) (feed uint16, d Decision, ok bool) {
	if len(b) != DecisionLen || string(b[:8]) != decisionMagic || b[13]|b[14]|b[15] != 0 {
		return 0, d, false
	}
	d = Decision{
		Kind: Kind(b[10]), Provider: b[11], Reason: Reason(b[12]),
		At: market.Nanos(binary.LittleEndian.Uint64(b[16:])),
		By: market.Nanos(binary.LittleEndian.Uint64(b[24:])),
	}
	if d.Kind >= kinds || d.Reason >= reasons {
		return 0, Decision{}, false
	}
	return binary.LittleEndian.Uint16(b[8:]), d, true
}

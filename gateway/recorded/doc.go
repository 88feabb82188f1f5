// Package recorded is what a recording holds beside the datagrams of its lines: the description of the gateway
// that made it, and where its other inputs are found.
//
// A recording is a capture of everything that a gateway was given, in order. What is no datagram is recorded as
// one, sent to Addr: decisions about providers (see gateway/providers), and snapshots (see gateway/recovery).
// What came by TCP is recorded as the packets that were made of it, sent to the LineAddr of its channel. Which
// pipeline of which feed all that was for, and how it was set, says a Layout, which comes before all else:
//
//	records, err := recorded.Append(&layout)       // once, before the first datagram
//	...
//	if n, ok := recorded.Records(first); ok {      // of the first datagram of a capture
//		layout, err := recorded.Parse(records)     // that one and the n-1 after it
//	}
//
// # Records
//
// A layout is a text in JSON (see text.go), in one record or, where that would be longer than a datagram, in
// several. Integers are little-endian.
//
//	0   8  "TGLAYOUT"
//	8   2  version
//	10  2  number of the record, from 0
//	12  2  how many records there are
//	14  2  0
//	16  4  CRC-32C of the whole text: a changed digit would still be JSON
//	20     text
//
// A version is understood whole or not at all: whoever adds a field that a replay must heed raises it.
package recorded

import (
	"net/netip"
)

// Addr is where what is no datagram is recorded as sent to. Nothing is really sent there.
var Addr = netip.AddrPortFrom(netip.IPv4Unspecified(), 0)

// IsInput reports whether a datagram sent to an address is an input that is none: it was sent to Addr, and begins
// with a name as all of them do, TG and six capitals. Captures of other origin have addresses of zeros too.
func IsInput(dst netip.AddrPort, b []byte) bool {
	if dst != Addr || len(b) < nameLen || b[0] != 'T' || b[1] != 'G' {
		return false
	}
	for _, c := range b[2:nameLen] {
		if c < 'A' || c > 'Z' {
			return false
		}
	}
	return true
}

// nameLen is the length of the name that an input begins with.
const nameLen = 8

// Name returns the name that an input begins with.
func Name(b []byte) string { return string(b[:nameLen]) }

// LineAddr is where what a channel's line by TCP brings is recorded as sent to.
func LineAddr(channel uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.IPv4Unspecified(), 1+channel)
}

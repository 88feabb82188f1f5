package entry

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// Kinds of entries of a capture.
//
//	128  Start: a recording begins. The payload is one byte, the version of this layout, 1
//	129  Datagram: what a line brought, and whatever else the gateway was given
//	130  Head: a Datagram that says what the gateway is, again, for who cannot read the beginning any more
//
// Heads that follow each other belong together. Who has read the beginning leaves them out.
//
//	datagram
//	0   2  source port
//	2   2  destination port
//	4   1  length of an address: 4 or 16
//	5   3  0
//	8      source, destination, payload
const (
	KindStart uint8 = 128 + iota
	KindDatagram
	KindHead
)

// CaptureVersion is the payload of a Start.
const CaptureVersion = 1

// A Datagram is an input of the gateway. When it came is in the entry's header.
type Datagram struct {
	Src, Dst netip.AddrPort // both of IPv4, or both of IPv6
	Payload  []byte
}

const datagramBytes = 8

// Append adds the payload of the entry to b. An address of IPv4 in IPv6 becomes one of IPv4 if both are; zones
// are left out.
func (d *Datagram) Append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint16(b, d.Src.Port())
	b = binary.LittleEndian.AppendUint16(b, d.Dst.Port())
	src, dst := d.Src.Addr().Unmap(), d.Dst.Addr().Unmap()
	if src.Is4() && dst.Is4() {
		b = append(b, 4, 0, 0, 0)
		a, z := src.As4(), dst.As4()
		b = append(append(b, a[:]...), z[:]...)
	} else {
		b = append(b, 16, 0, 0, 0)
		a, z := src.As16(), dst.As16()
		b = append(append(b, a[:]...), z[:]...)
	}
	return append(b, d.Payload...)
}

// Parse reads a payload of an entry. d.Payload is a view of b. The error wraps ErrCut.
func (d *Datagram) Parse(b []byte) error {
	if len(b) < datagramBytes {
		return fmt.Errorf("parse datagram: %w: %d bytes", ErrCut, len(b))
	}
	n := int(b[4])
	if n != 4 && n != 16 || len(b) < datagramBytes+2*n {
		return fmt.Errorf("parse datagram: %w: %d bytes with addresses of %d", ErrCut, len(b), n)
	}
	src, _ := netip.AddrFromSlice(b[datagramBytes:][:n])
	dst, _ := netip.AddrFromSlice(b[datagramBytes+n:][:n])
	d.Src = netip.AddrPortFrom(src.Unmap(), binary.LittleEndian.Uint16(b))
	d.Dst = netip.AddrPortFrom(dst.Unmap(), binary.LittleEndian.Uint16(b[2:]))
	d.Payload = b[datagramBytes+2*n:]
	return nil
}

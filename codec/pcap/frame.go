package pcap

import (
	"encoding/binary"
	"net/netip"
)

// Link types (draft-ietf-opsawg-pcaplinktype).
const (
	linkNull      = 0
	linkEthernet  = 1
	linkRawBSD    = 12 // raw IP as some systems number it
	linkRawOpen   = 14
	linkRaw       = 101
	linkLoop      = 108
	linkLinuxSLL  = 113
	linkIPv4      = 228
	linkIPv6      = 229
	linkLinuxSLL2 = 276
)

// EtherTypes.
const (
	etherIPv4   = 0x0800
	etherIPv6   = 0x86dd
	etherVLAN   = 0x8100
	etherQinQ   = 0x88a8
	etherOldTag = 0x9100
)

// IP protocol numbers. Those but UDP are IPv6 extension headers.
const (
	protoHopByHop    = 0
	protoUDP         = 17
	protoRouting     = 43
	protoFragment    = 44
	protoAuth        = 51
	protoDestination = 60
	protoMobility    = 135
	protoHostID      = 139
	protoShim6       = 140
)

const (
	ethernetLen = 14
	vlanLen     = 4
	sllLen      = 16
	sll2Len     = 20
	loopbackLen = 4
	ipv4Len     = 20
	ipv6Len     = 40
	udpLen      = 8

	extensionLenMin = 8
)

// decode finds the UDP datagram in f and puts it into d, or counts why there is none.
func (r *Reader) decode(f *frame, d *Datagram) bool {
	b, kind, ok := r.decodeLink(f)
	if !ok {
		return false
	}
	for kind == etherVLAN || kind == etherQinQ || kind == etherOldTag {
		if len(b) < vlanLen {
			return r.short(f)
		}
		kind = binary.BigEndian.Uint16(b[2:])
		b = b[vlanLen:]
	}
	var src, dst netip.Addr
	switch kind {
	case etherIPv4:
		b, src, dst, ok = r.decodeIPv4(f, b)
	case etherIPv6:
		b, src, dst, ok = r.decodeIPv6(f, b)
	default:
		r.stats.NotIP++
		return false
	}
	if !ok {
		return false
	}
	if len(b) < udpLen {
		return r.malformed()
	}
	length := int(binary.BigEndian.Uint16(b[4:]))
	if length < udpLen || length > len(b) {
		return r.malformed()
	}
	d.TsRecv = f.ts
	d.Src = netip.AddrPortFrom(src, binary.BigEndian.Uint16(b))
	d.Dst = netip.AddrPortFrom(dst, binary.BigEndian.Uint16(b[2:]))
	d.Payload = b[udpLen:length:length]
	return true
}

// decodeLink returns what follows the link layer header and its EtherType.
func (r *Reader) decodeLink(f *frame) (b []byte, kind uint16, ok bool) {
	b = f.bytes
	switch f.link {
	case linkEthernet:
		if len(b) < ethernetLen {
			return nil, 0, r.short(f)
		}
		return b[ethernetLen:], binary.BigEndian.Uint16(b[12:]), true
	case linkLinuxSLL:
		if len(b) < sllLen {
			return nil, 0, r.short(f)
		}
		return b[sllLen:], binary.BigEndian.Uint16(b[14:]), true
	case linkLinuxSLL2:
		if len(b) < sll2Len {
			return nil, 0, r.short(f)
		}
		return b[sll2Len:], binary.BigEndian.Uint16(b), true
	case linkNull, linkLoop:
		if len(b) < loopbackLen {
			return nil, 0, r.short(f)
		}
		return b[loopbackLen:], loopbackKind(b), true
	case linkRaw, linkRawBSD, linkRawOpen:
		if len(b) == 0 {
			return nil, 0, r.short(f)
		}
		switch b[0] >> 4 {
		case 4:
			return b, etherIPv4, true
		case 6:
			return b, etherIPv6, true
		}
		r.stats.NotIP++
		return nil, 0, false
	case linkIPv4:
		return b, etherIPv4, true
	case linkIPv6:
		return b, etherIPv6, true
	}
	r.stats.UnknownLink++
	return nil, 0, false
}

// loopbackKind turns the address family of a BSD loopback header into an EtherType. The family is
// in the byte order of the machine that captured (type 0) or of the network (type 108); families
// are small, so the order shows.
func loopbackKind(b []byte) uint16 {
	family := binary.LittleEndian.Uint32(b)
	if family > 0xffff {
		family = binary.BigEndian.Uint32(b)
	}
	switch family {
	case 2:
		return etherIPv4
	case 10, 24, 28, 30: // Linux, NetBSD and OpenBSD, FreeBSD, Darwin
		return etherIPv6
	}
	return 0
}

// decodeIPv4 returns the payload of a packet that carries a whole UDP datagram (RFC 791 section 3.1).
func (r *Reader) decodeIPv4(f *frame, b []byte) (payload []byte, src, dst netip.Addr, ok bool) {
	if len(b) < ipv4Len {
		return nil, src, dst, r.short(f)
	}
	headLen, total := int(b[0]&0x0f)*4, int(binary.BigEndian.Uint16(b[2:]))
	if b[0]>>4 != 4 || headLen < ipv4Len || total < headLen {
		return nil, src, dst, r.malformed()
	}
	if b[9] != protoUDP {
		r.stats.NotUDP++
		return nil, src, dst, false
	}
	if binary.BigEndian.Uint16(b[6:])&0x3fff != 0 { // more fragments, or not the first
		r.stats.Fragment++
		return nil, src, dst, false
	}
	if total > len(b) {
		return nil, src, dst, r.short(f)
	}
	return b[headLen:total], netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20])), true
}

// decodeIPv6 returns the payload of a packet that carries a whole UDP datagram (RFC 8200 sections 3
// and 4).
func (r *Reader) decodeIPv6(f *frame, b []byte) (payload []byte, src, dst netip.Addr, ok bool) {
	if len(b) < ipv6Len {
		return nil, src, dst, r.short(f)
	}
	if b[0]>>4 != 6 {
		return nil, src, dst, r.malformed()
	}
	length, next := int(binary.BigEndian.Uint16(b[4:])), b[6]
	payload = b[ipv6Len:]
	whole := length <= len(payload)
	if whole {
		payload = payload[:length]
	}
	for next != protoUDP {
		if !isExtension(next) {
			r.stats.NotUDP++
			return nil, src, dst, false
		}
		if len(payload) < extensionLenMin || len(payload) < extensionLen(next, payload) {
			if whole {
				return nil, src, dst, r.malformed()
			}
			return nil, src, dst, r.short(f)
		}
		if next == protoFragment && binary.BigEndian.Uint16(payload[2:])&0xfff9 != 0 {
			// More fragments, or not the first.
			r.stats.Fragment++
			return nil, src, dst, false
		}
		next, payload = payload[0], payload[extensionLen(next, payload):]
	}
	if !whole {
		return nil, src, dst, r.short(f)
	}
	return payload, netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40])), true
}

func isExtension(proto byte) bool {
	switch proto {
	case protoHopByHop, protoRouting, protoFragment, protoAuth, protoDestination, protoMobility,
		protoHostID, protoShim6:
		return true
	}
	return false
}

// extensionLen returns the length of the IPv6 extension header at the start of b, which has at
// least extensionLenMin bytes.
func extensionLen(proto byte, b []byte) int {
	switch proto {
	case protoFragment:
		return extensionLenMin // its second byte is reserved
	case protoAuth:
		return extensionLenMin + 4*int(b[1]) // RFC 4302 section 2.2
	default:
		return extensionLenMin + 8*int(b[1])
	}
}

// short counts a frame whose bytes end too early: cut by the capture, or never right.
func (r *Reader) short(f *frame) bool {
	if uint64(len(f.bytes)) < uint64(f.wire) {
		r.stats.Truncated++
	} else {
		r.stats.Malformed++
	}
	return false
}

func (r *Reader) malformed() bool {
	r.stats.Malformed++
	return false
}

package pcap

import (
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"

	"tidegate/market"
)

const (
	ipHopsMax      = 64
	ipDontFragment = 0x4000
	frameHeadLen   = ethernetLen + ipv4Len + udpLen
	recordHeadLen  = classicRecordLen + frameHeadLen
	// payloadBytesMax is the most a UDP datagram over IPv4 can carry.
	payloadBytesMax = 65_535 - ipv4Len - udpLen
)

// Writer writes UDP datagrams as a classic pcap file: little endian, nanoseconds, Ethernet, IPv4. It
// is owned by one goroutine.
type Writer struct {
	w   io.Writer
	buf []byte // one record
}

// NewWriter writes the file header to w. Each datagram then is one call of w.Write, so w should
// buffer where calls are dear.
func NewWriter(w io.Writer) (*Writer, error) {
	var h [classicHeaderLen]byte
	binary.LittleEndian.PutUint32(h[0:], magicNanos)
	binary.LittleEndian.PutUint16(h[4:], 2)
	binary.LittleEndian.PutUint16(h[6:], 4)
	binary.LittleEndian.PutUint32(h[16:], frameBytesMax)
	binary.LittleEndian.PutUint32(h[20:], linkEthernet)
	if _, err := w.Write(h[:]); err != nil {
		return nil, fmt.Errorf("pcap: write the file header: %w", err)
	}
	return &Writer{w: w}, nil
}

// Write adds one datagram, captured at ts, which must lie in the years 1970 to 2105. Both addresses
// must be IPv4, and the payload at most 65,507 bytes; it is not kept. After an error of the
// underlying writer the file ends in the middle of a record.
//
// Checksums are right. The Ethernet address of a multicast group is the group's own (RFC 1112
// section 6.4); any other is made from the IP address. The datagram is marked "don't fragment" with
// identification 0 (RFC 6864 section 4.1), so the same datagrams give the same bytes.
func (w *Writer) Write(ts market.Nanos, src, dst netip.AddrPort, payload []byte) error {
	seconds := ts / market.Second
	if ts < 0 || seconds > 0xffff_ffff {
		return fmt.Errorf("pcap: write a datagram: time %d ns: want 1970 to 2105", ts)
	}
	from, to := src.Addr().Unmap(), dst.Addr().Unmap()
	if !from.Is4() || !to.Is4() {
		return fmt.Errorf("pcap: write a datagram: %v to %v: want IPv4 addresses", src, dst)
	}
	if len(payload) > payloadBytesMax {
		return fmt.Errorf("pcap: write a datagram: payload of %d bytes: want at most %d", len(payload), payloadBytesMax)
	}
	frameLen := frameHeadLen + len(payload)
	if cap(w.buf) < classicRecordLen+frameLen {
		w.buf = make([]byte, recordHeadLen+payloadBytesMax)
	}
	b := w.buf[:classicRecordLen+frameLen]
	binary.LittleEndian.PutUint32(b[0:], uint32(seconds))
	binary.LittleEndian.PutUint32(b[4:], uint32(ts%market.Second))
	binary.LittleEndian.PutUint32(b[8:], uint32(frameLen))
	binary.LittleEndian.PutUint32(b[12:], uint32(frameLen))
	copy(b[recordHeadLen:], payload)
	putFrame(b[classicRecordLen:], from.As4(), to.As4(), src.Port(), dst.Port())
	if _, err := w.w.Write(b); err != nil {
		return fmt.Errorf("pcap: write a datagram: %w", err)
	}
	return nil
}

// putFrame fills in the headers of a frame whose payload is in place.
func putFrame(b []byte, src, dst [4]byte, srcPort, dstPort uint16) {
	dstMAC, srcMAC := macOf(dst), macOf(src)
	copy(b[0:], dstMAC[:])
	copy(b[6:], srcMAC[:])
	binary.BigEndian.PutUint16(b[12:], etherIPv4)

	ip := b[ethernetLen:]
	clear(ip[:ipv4Len])
	ip[0] = 4<<4 | ipv4Len/4
	binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)))
	binary.BigEndian.PutUint16(ip[6:], ipDontFragment)
	ip[8] = ipHopsMax
	ip[9] = protoUDP
	copy(ip[12:], src[:])
	copy(ip[16:], dst[:])
	binary.BigEndian.PutUint16(ip[10:], ^fold(sum(0, ip[:ipv4Len])))

	udp := ip[ipv4Len:]
	binary.BigEndian.PutUint16(udp[0:], srcPort)
	binary.BigEndian.PutUint16(udp[2:], dstPort)
	binary.BigEndian.PutUint16(udp[4:], uint16(len(udp)))
	binary.BigEndian.PutUint16(udp[6:], 0)
	// The pseudo header (RFC 768): both addresses, protocol and length; then header and payload.
	check := ^fold(sum(sum(protoUDP+uint32(len(udp)), ip[12:20]), udp))
	if check == 0 {
		check = 0xffff // 0 would mean "no checksum"
	}
	binary.BigEndian.PutUint16(udp[6:], check)
}

// macOf returns the Ethernet address for an IPv4 address: a group's, or a locally administered one.
func macOf(ip [4]byte) [6]byte {
	if ip[0]>>4 == 0xe {
		return [6]byte{0x01, 0x00, 0x5e, ip[1] & 0x7f, ip[2], ip[3]}
	}
	return [6]byte{0x02, 0x00, ip[0], ip[1], ip[2], ip[3]}
}

// sum adds b to s as big-endian 16-bit words (RFC 1071). It cannot overflow: a datagram has at most
// 32,768 words.
func sum(s uint32, b []byte) uint32 {
	for ; len(b) >= 2; b = b[2:] {
		s += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		s += uint32(b[0]) << 8
	}
	return s
}

// fold brings a sum into 16 bits with end-around carry.
func fold(s uint32) uint16 {
	s = s>>16 + s&0xffff
	s += s >> 16
	return uint16(s)
}

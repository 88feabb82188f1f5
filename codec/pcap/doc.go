// Package pcap reads UDP datagrams from capture files and writes capture files of UDP datagrams.
//
// A Reader takes classic pcap (both byte orders, microseconds and nanoseconds) and pcapng, finds
// the UDP payload of each frame, and counts by reason what is no UDP datagram:
//
//	r, err := pcap.NewReader(in)
//	if err != nil {
//		return err // ErrNotCapture, ErrCut
//	}
//	var d pcap.Datagram
//	for {
//		err := r.Next(&d)
//		if err == io.EOF {
//			break
//		}
//		if err != nil {
//			return err // wraps ErrCut or ErrCorrupt, or is the input's own
//		}
//		onDatagram(d.TsRecv, d.Dst, d.Payload) // d.Payload is valid until the next call
//	}
//
// Every frame is a datagram or skipped for one reason: Stats().Frames = Datagrams + Skipped().
// Next does not allocate. A Writer makes captures of its own; see NewWriter.
//
// # Classic pcap
//
// Source: draft-ietf-opsawg-pcap. All fields are in the writer's byte order, which the magic
// number tells.
//
//	file header                          record header
//	 0 magic     a1b2c3d4 microseconds    0 seconds since 1970, unsigned
//	             a1b23c4d nanoseconds     4 microseconds or nanoseconds
//	 4 version   u16 2, u16 4             8 bytes captured
//	 8 time zone, accuracy: unused       12 bytes on the wire
//	16 snap length: not trusted          16 frame
//	20 link type (low 16 bits)
//
// The snap length is not used as a limit, since writers exceed what they declare or declare 0. A
// record may hold up to 262,144 bytes, which is libpcap's own limit; a larger one is ErrCorrupt.
//
// # pcapng
//
// Source: draft-ietf-opsawg-pcapng. A file is a list of blocks, each with its length at both ends:
//
//	0 block type  4 block length  8 body, padded to 4 bytes  length-4 block length again
//
//	0a0d0d0a section header      0 byte order magic 1a2b3c4d  4 version u16 1, u16 0  8 section length
//	00000001 interface           0 link type u16  4 snap length  8 options
//	00000006 enhanced packet     0 interface  4 time, high  8 time, low  12 captured  16 on the wire  20 frame
//	00000003 simple packet       0 on the wire  4 frame (no time: TsRecv is market.UndefTime)
//	00000002 packet (obsolete)   0 interface u16  2 drops u16  4 as in the enhanced packet
//
// Of the options two matter, both of the interface: if_tsresol (9), the unit of time, and
// if_tsoffset (14), seconds to add. Any unit down to 10^-19 and 2^-63 seconds is converted exactly
// and rounded down to a nanosecond. Other blocks are passed over, whatever their length. A section
// starts its interfaces and its byte order anew.
//
// # Frames
//
//	Ethernet (1), with any number of VLAN tags (8100, 88a8, 9100)
//	Linux cooked (113: 16 bytes, 276: 20 bytes), BSD loopback (0, 108: 4 bytes)
//	raw IP (101, also 12 and 14), IPv4 (228), IPv6 (229)
//
// Lengths come from the IP and UDP headers, so that padding and frame check sequences after the
// datagram do no harm. Checksums are not verified: a sender's network card fills them in after the
// capture was taken. Fragments are counted and skipped; market data feeds do not fragment.
//
// # Why our own reader
//
// The readers of gopacket v1.7.7 (pcapgo) were tried first. The one for pcapng believes the lengths
// in a file, so that a damaged one makes it read the rest of the file into memory or misread it;
// converts time units of 2^-n with a divisor cut to an integer (74 ms off for 2^-32); and allocates
// for each packet with options. Importing it also brings in raw sockets. What guards against this is
// as long as a reader. On the recorded captures, as pcap and rewritten as pcapng, the two agree on
// every frame; gopacket's layers are what the tests compare the Writer with.
package pcap

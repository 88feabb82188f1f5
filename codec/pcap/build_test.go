package pcap_test

import (
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"slices"
	"testing"

	"tidegate/codec/pcap"
	"tidegate/market"
)

// What follows builds captures and frames by hand, from the layouts of the specifications and not
// with the code under test.

var (
	src4 = netip.MustParseAddrPort("10.1.2.3:5000")
	dst4 = netip.MustParseAddrPort("233.54.12.111:26477")
	src6 = netip.MustParseAddrPort("[2001:db8::1]:5000")
	dst6 = netip.MustParseAddrPort("[ff3e::8000:1]:26477")
)

type byteOrder interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

// udp returns a UDP header without checksum, and the payload.
func udp(payload string) []byte {
	b := binary.BigEndian.AppendUint16(nil, src4.Port())
	b = binary.BigEndian.AppendUint16(b, dst4.Port())
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(payload)))
	b = append(b, 0, 0)
	return append(b, payload...)
}

// ip4 returns an IPv4 packet. options must be a multiple of 4 bytes.
func ip4(proto byte, fragment uint16, options string, payload []byte) []byte {
	head := 20 + len(options)
	b := []byte{4<<4 | byte(head/4), 0}
	b = binary.BigEndian.AppendUint16(b, uint16(head+len(payload)))
	b = append(b, 0, 0)
	b = binary.BigEndian.AppendUint16(b, fragment)
	b = append(b, 1, proto, 0, 0)
	b = append(b, src4.Addr().AsSlice()...)
	b = append(b, dst4.Addr().AsSlice()...)
	b = append(b, options...)
	return append(b, payload...)
}

// ip6 returns an IPv6 packet. Extension headers are part of the payload.
func ip6(next byte, payload []byte) []byte {
	b := binary.BigEndian.AppendUint16([]byte{0x60, 0, 0, 0}, uint16(len(payload)))
	b = append(b, next, 1)
	b = append(b, src6.Addr().AsSlice()...)
	b = append(b, dst6.Addr().AsSlice()...)
	return append(b, payload...)
}

// ether returns an Ethernet frame. kinds are the tag types, each followed by its tag, and last the
// EtherType of the packet.
func ether(packet []byte, kinds ...uint16) []byte {
	b := []byte("\x01\x00\x5e\x36\x0c\x6f\x02\x00\x00\x00\x00\x01")
	for _, k := range kinds {
		b = binary.BigEndian.AppendUint16(b, k)
	}
	return append(b, packet...)
}

// classic builds a classic capture file.
type classic struct {
	order byteOrder
	bytes []byte
}

func newClassic(order byteOrder, magic, link uint32) *classic {
	b := order.AppendUint32(nil, magic)
	b = order.AppendUint16(b, 2)
	b = order.AppendUint16(b, 4)
	b = append(b, make([]byte, 8)...)
	b = order.AppendUint32(b, 0) // snap length: some writers leave it 0
	b = order.AppendUint32(b, link)
	return &classic{order, b}
}

func (c *classic) add(seconds, fraction, wire uint32, frame []byte) *classic {
	c.bytes = c.order.AppendUint32(c.bytes, seconds)
	c.bytes = c.order.AppendUint32(c.bytes, fraction)
	c.bytes = c.order.AppendUint32(c.bytes, uint32(len(frame)))
	c.bytes = c.order.AppendUint32(c.bytes, wire)
	c.bytes = append(c.bytes, frame...)
	return c
}

// ng builds a pcapng file.
type ng struct {
	order byteOrder
	bytes []byte
}

func (n *ng) block(kind uint32, body []byte) *ng {
	for len(body)%4 != 0 {
		body = append(body, 0)
	}
	length := uint32(12 + len(body))
	n.bytes = n.order.AppendUint32(n.bytes, kind)
	n.bytes = n.order.AppendUint32(n.bytes, length)
	n.bytes = append(n.bytes, body...)
	n.bytes = n.order.AppendUint32(n.bytes, length)
	return n
}

func (n *ng) section(order byteOrder) *ng {
	n.order = order
	b := order.AppendUint32(nil, 0x1a2b3c4d)
	b = order.AppendUint16(b, 1)
	b = order.AppendUint16(b, 0)
	b = append(b, "\xff\xff\xff\xff\xff\xff\xff\xff"...) // section length not given
	return n.block(0x0a0d0d0a, append(b, n.option(1, "a comment")...))
}

func (n *ng) option(code uint16, value string) []byte {
	b := n.order.AppendUint16(nil, code)
	b = n.order.AppendUint16(b, uint16(len(value)))
	b = append(b, value...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

func (n *ng) iface(link uint16, snap uint32, options ...[]byte) *ng {
	b := n.order.AppendUint16(nil, link)
	b = append(b, 0, 0)
	b = n.order.AppendUint32(b, snap)
	return n.block(1, append(b, slices.Concat(options...)...))
}

func (n *ng) packet(iface uint32, units uint64, wire uint32, frame []byte, options ...[]byte) *ng {
	b := n.order.AppendUint32(nil, iface)
	b = n.order.AppendUint32(b, uint32(units>>32))
	b = n.order.AppendUint32(b, uint32(units))
	b = n.order.AppendUint32(b, uint32(len(frame)))
	b = n.order.AppendUint32(b, wire)
	b = append(b, frame...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return n.block(6, append(b, slices.Concat(options...)...))
}

func (n *ng) simple(wire uint32, frame []byte) *ng {
	return n.block(3, append(n.order.AppendUint32(nil, wire), frame...))
}

// readAll reads datagrams until an error, which it returns (nil for io.EOF), and copies payloads.
func readAll(t testing.TB, in io.Reader) (got []pcap.Datagram, stats pcap.Stats, err error) {
	t.Helper()
	r, err := pcap.NewReader(in)
	if err != nil {
		return nil, stats, err
	}
	for {
		d := pcap.Datagram{TsRecv: 1, Src: src6, Payload: []byte("old")}
		if err = r.Next(&d); err != nil {
			break
		}
		d.Payload = slices.Clone(d.Payload)
		got = append(got, d)
	}
	stats = r.Stats()
	if stats.Datagrams != uint64(len(got)) || stats.Frames != stats.Datagrams+stats.Skipped() {
		t.Errorf("stats %+v do not add up to %d datagrams", stats, len(got))
	}
	again := r.Next(&pcap.Datagram{})
	switch {
	case errors.Is(err, pcap.ErrCut):
		if again != io.EOF {
			t.Errorf("after ErrCut: %v, want io.EOF", again)
		}
	case again != err:
		t.Errorf("after %v: %v, want the same", err, again)
	}
	if err == io.EOF {
		err = nil
	}
	return got, stats, err
}

func want(t testing.TB, got []pcap.Datagram, ts []market.Nanos, payloads ...string) {
	t.Helper()
	if len(got) != len(payloads) {
		t.Fatalf("got %d datagrams, want %d", len(got), len(payloads))
	}
	for i, p := range payloads {
		if string(got[i].Payload) != p {
			t.Errorf("payload %d: got %q, want %q", i, got[i].Payload, p)
		}
		if got[i].TsRecv != ts[i] {
			t.Errorf("time %d: got %d, want %d", i, got[i].TsRecv, ts[i])
		}
	}
}

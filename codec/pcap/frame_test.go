package pcap_test

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"tidegate/codec/pcap"
)

// Every way a datagram may be wrapped.
func TestFramesWithADatagram(t *testing.T) {
	p4, p6 := ip4(17, 0, "", udp("payload")), ip6(17, udp("payload"))
	extended := func(headers ...string) []byte {
		return ip6(headers[0][0], append([]byte(strings.Join(headers, "")[1:]), udp("payload")...))
	}
	for _, c := range []struct {
		name  string
		link  uint32
		frame []byte
		v6    bool
	}{
		{"Ethernet", 1, ether(p4, kindIPv4), false},
		{"Ethernet, IPv6", 1, ether(p6, kindIPv6), true},
		{"Ethernet padded to 60 bytes", 1, append(ether(p4, kindIPv4), make([]byte, 11)...), false},
		{"Ethernet, IPv6 padded", 1, append(ether(p6, kindIPv6), "padding"...), true},
		{"Ethernet with frame check sequence length in the link type", 1 | 0x4400_0000, append(ether(p4, kindIPv4), 1, 2, 3, 4), false},
		{"VLAN", 1, ether(p4, 0x8100, 100, kindIPv4), false},
		{"QinQ", 1, ether(p4, 0x88a8, 5, 0x8100, 100, kindIPv4), false},
		{"QinQ, old type, IPv6", 1, ether(p6, 0x9100, 5, 0x8100, 100, kindIPv6), true},
		{"IPv4 options", 1, ether(ip4(17, 0, "\x94\x04\x00\x00", udp("payload")), kindIPv4), false},
		{"IPv4 options, 40 bytes", 1, ether(ip4(17, 0, strings.Repeat("\x01", 40), udp("payload")), kindIPv4), false},
		{"IPv4, must not be fragmented", 1, ether(ip4(17, 0x4000, "", udp("payload")), kindIPv4), false},
		{"IPv4 longer than its UDP", 1, ether(ip4(17, 0, "", append(udp("payload"), "junk"...)), kindIPv4), false},
		{"IPv6 hop by hop", 1, ether(extended("\x00", "\x11\x00\x05\x02\x00\x00\x01\x00"), kindIPv6), true},
		{"IPv6 routing and destination", 1, ether(extended("\x2b", "\x3c\x01"+strings.Repeat("\x00", 14), "\x11\x00"+strings.Repeat("\x00", 6)), kindIPv6), true},
		{"IPv6 authentication", 1, ether(extended("\x33", "\x11\x04"+strings.Repeat("\x00", 22)), kindIPv6), true},
		{"IPv6 fragment that is whole", 1, ether(extended("\x2c", "\x11\x7b\x00\x00\x01\x02\x03\x04"), kindIPv6), true},
		{"Linux cooked", 113, append([]byte("\x00\x02\x00\x01\x00\x06\x02\x00\x00\x00\x00\x01\x00\x00\x08\x00"), p4...), false},
		{"Linux cooked, VLAN, IPv6", 113, append([]byte("\x00\x02\x00\x01\x00\x06\x02\x00\x00\x00\x00\x01\x00\x00\x81\x00\x00\x07\x86\xdd"), p6...), true},
		{"Linux cooked 2", 276, append([]byte("\x08\x00\x00\x00\x00\x00\x00\x02\x00\x01\x02\x06\x02\x00\x00\x00\x00\x01\x00\x00"), p4...), false},
		{"Linux cooked 2, IPv6", 276, append([]byte("\x86\xdd\x00\x00\x00\x00\x00\x02\x00\x01\x02\x06\x02\x00\x00\x00\x00\x01\x00\x00"), p6...), true},
		{"BSD loopback, little endian", 0, append([]byte{2, 0, 0, 0}, p4...), false},
		{"BSD loopback, big endian", 0, append([]byte{0, 0, 0, 2}, p4...), false},
		{"BSD loopback, FreeBSD IPv6", 0, append([]byte{28, 0, 0, 0}, p6...), true},
		{"BSD loopback, Darwin IPv6", 0, append([]byte{30, 0, 0, 0}, p6...), true},
		{"OpenBSD loopback, IPv6", 108, append([]byte{0, 0, 0, 24}, p6...), true},
		{"raw, IPv4", 101, p4, false},
		{"raw, IPv6", 101, p6, true},
		{"raw of BSD", 12, p4, false},
		{"raw of OpenBSD", 14, p6, true},
		{"IPv4", 228, p4, false},
		{"IPv6", 229, p6, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			size := uint32(len(c.frame))
			file := newClassic(binary.LittleEndian, micros, c.link).add(1, 2, size, c.frame)
			got, stats, err := readAll(t, bytes.NewReader(file.bytes))
			if err != nil || len(got) != 1 {
				t.Fatalf("%d datagrams, %v, stats %+v", len(got), err, stats)
			}
			src, dst := src4, dst4
			if c.v6 {
				src, dst = src6, dst6
			}
			if string(got[0].Payload) != "payload" || got[0].Src != src || got[0].Dst != dst {
				t.Errorf("got %q from %v to %v", got[0].Payload, got[0].Src, got[0].Dst)
			}
			// Cut short by the capture, it is counted as that, wherever the cut. The last bytes may be
			// ones that the datagram does not need.
			needed := bytes.Index(c.frame, []byte("payload")) + len("payload")
			if strings.Contains(c.name, "longer") {
				needed += len("junk") // the IP packet must be there in whole
			}
			for cut := range needed {
				file := newClassic(binary.LittleEndian, micros, c.link).add(1, 2, size, c.frame[:cut])
				_, stats, err := readAll(t, bytes.NewReader(file.bytes))
				if err != nil || stats != (pcap.Stats{Frames: 1, Truncated: 1}) {
					t.Errorf("%d of %d bytes captured: %v, stats %+v", cut, size, err, stats)
				}
				// The same bytes, said to be all there were: malformed.
				file = newClassic(binary.LittleEndian, micros, c.link).add(1, 2, uint32(cut), c.frame[:cut])
				_, stats, err = readAll(t, bytes.NewReader(file.bytes))
				if err != nil || stats != (pcap.Stats{Frames: 1, Malformed: 1}) {
					t.Errorf("%d bytes on the wire: %v, stats %+v", cut, err, stats)
				}
			}
			file = newClassic(binary.LittleEndian, micros, c.link).add(1, 2, size+100, c.frame[:needed])
			if _, stats, err := readAll(t, bytes.NewReader(file.bytes)); err != nil || stats.Datagrams != 1 {
				t.Errorf("cut after the datagram: %v, stats %+v", err, stats)
			}
		})
	}
}

func TestFramesWithout(t *testing.T) {
	edit := func(b []byte, at int, v ...byte) []byte {
		b = slices.Clone(b)
		copy(b[at:], v)
		return b
	}
	p4, p6 := ip4(17, 0, "", udp("payload")), ip6(17, udp("payload"))
	one := pcap.Stats{Frames: 1}
	notIP, notUDP, fragment, malformed, link := one, one, one, one, one
	notIP.NotIP, notUDP.NotUDP, fragment.Fragment, malformed.Malformed, link.UnknownLink = 1, 1, 1, 1, 1
	for _, c := range []struct {
		name  string
		link  uint32
		frame []byte
		want  pcap.Stats
	}{
		{"802.11", 105, ether(p4, kindIPv4), link},
		{"ARP", 1, ether(make([]byte, 28), 0x0806), notIP},
		{"802.3 length", 1, ether(make([]byte, 28), 28), notIP},
		{"VLAN, ARP", 1, ether(make([]byte, 28), 0x8100, 3, 0x0806), notIP},
		{"raw, version 5", 101, edit(p4, 0, 0x55), notIP},
		{"loopback, AppleTalk", 0, append([]byte{16, 0, 0, 0}, p4...), notIP},
		{"cooked, ARP", 113, append([]byte("\x00\x02\x00\x01\x00\x06\x02\x00\x00\x00\x00\x01\x00\x00\x08\x06"), p4...), notIP},
		{"TCP", 1, ether(ip4(6, 0, "", udp("payload")), kindIPv4), notUDP},
		{"TCP fragment", 1, ether(ip4(6, 0x2000, "", udp("payload")), kindIPv4), notUDP},
		{"IPv6 TCP", 1, ether(ip6(6, udp("payload")), kindIPv6), notUDP},
		{"IPv6 encrypted", 1, ether(ip6(50, udp("payload")), kindIPv6), notUDP},
		{"IPv6 no next header", 1, ether(ip6(59, nil), kindIPv6), notUDP},
		{"first fragment", 1, ether(ip4(17, 0x2000, "", udp("payload")), kindIPv4), fragment},
		{"last fragment", 1, ether(ip4(17, 0x0001, "", udp("payload")), kindIPv4), fragment},
		{"IPv6 first fragment", 1, ether(ip6(44, append([]byte("\x11\x00\x00\x01\x00\x00\x00\x07"), udp("x")...)), kindIPv6), fragment},
		{"IPv6 last fragment", 1, ether(ip6(44, append([]byte("\x11\x00\x00\x08\x00\x00\x00\x07"), udp("x")...)), kindIPv6), fragment},
		{"EtherType IPv4, version 6", 1, ether(p6, kindIPv4), malformed},
		{"EtherType IPv6, version 4", 1, ether(p4, kindIPv6), malformed},
		{"IPv4 header of 16 bytes", 1, ether(edit(p4, 0, 0x44), kindIPv4), malformed},
		{"IPv4 total below its header", 1, ether(edit(p4, 2, 0, 19), kindIPv4), malformed},
		{"IPv4 total above the frame", 1, ether(edit(p4, 2, 0, 36), kindIPv4), malformed},
		{"IPv4 without room for UDP", 1, ether(ip4(17, 0, "", []byte("1234567")), kindIPv4), malformed},
		{"UDP length below its header", 1, ether(edit(p4, 24, 0, 7), kindIPv4), malformed},
		{"UDP length above the packet", 1, ether(edit(p4, 24, 0, 16), kindIPv4), malformed},
		{"IPv6 without room for UDP", 1, ether(ip6(17, []byte("1234567")), kindIPv6), malformed},
		{"IPv6 jumbogram", 1, ether(edit(p6, 4, 0, 0), kindIPv6), malformed},
		{"IPv6 extension above the packet", 1, ether(ip6(60, []byte("\x11\x09\x00\x00\x00\x00\x00\x00")), kindIPv6), malformed},
		{"IPv6 extensions that end early", 1, ether(ip6(60, []byte("\x3c\x00\x00\x00\x00\x00\x00\x00")), kindIPv6), malformed},
	} {
		file := newClassic(binary.LittleEndian, micros, c.link).add(1, 2, uint32(len(c.frame)), c.frame)
		got, stats, err := readAll(t, bytes.NewReader(file.bytes))
		if err != nil || len(got) != 0 || stats != c.want {
			t.Errorf("%s: %d datagrams, %v, stats %+v, want %+v", c.name, len(got), err, stats, c.want)
		}
	}
}

// An address is what the packet holds: an IPv4 address inside IPv6 stays one.
func TestMappedAddress(t *testing.T) {
	p := ip6(17, udp("x"))
	mapped := netip.MustParseAddr("::ffff:10.0.0.1")
	copy(p[8:], mapped.AsSlice())
	file := newClassic(binary.LittleEndian, micros, 101).add(1, 2, uint32(len(p)), p)
	got, _, err := readAll(t, bytes.NewReader(file.bytes))
	if err != nil || len(got) != 1 || got[0].Src.Addr() != mapped {
		t.Errorf("got %v, %v", got, err)
	}
}

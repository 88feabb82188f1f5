package pcap_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"

	"tidegate/codec/pcap"
	"tidegate/market"
)

func TestInterfacesAndTimeUnits(t *testing.T) {
	frame := ether(ip4(17, 0, "", udp("abc")), kindIPv4)
	const second = 1_500_000_000
	seconds := func(s int64) string { // if_tsoffset, in the order of the file
		return string(binary.LittleEndian.AppendUint64(nil, uint64(s)))
	}
	for _, c := range []struct {
		name   string
		unit   string // value of if_tsresol; "" leaves it out
		offset string // value of if_tsoffset
		units  uint64
		want   market.Nanos
	}{
		{"microseconds by default", "", "", second*1e6 + 999_999, second*1e9 + 999_999_000},
		{"seconds", "\x00", "", second, second * 1e9},
		{"milliseconds", "\x03", "", second*1e3 + 7, second*1e9 + 7_000_000},
		{"microseconds", "\x06", "", second*1e6 + 7, second*1e9 + 7_000},
		{"nanoseconds", "\x09", "", second*1e9 + 123_456_789, second*1e9 + 123_456_789},
		{"picoseconds", "\x0c", "", 1_000_000*1e12 + 123_456_789_999, 1_000_000*1e9 + 123_456_789},
		{"10^-19 seconds", "\x13", "", 12_345_678_901_234_567_890, 1_234_567_890},
		{"2^-10 seconds", "\x8a", "", second<<10 + 1, second*1e9 + 976_562},
		{"2^-20 seconds", "\x94", "", second<<20 + 1<<19, second*1e9 + 500_000_000},
		{"2^-30 seconds", "\x9e", "", second<<30 + 1<<30 - 1, second*1e9 + 999_999_999},
		{"2^-32 seconds", "\xa0", "", second<<32 + 3<<30, second*1e9 + 750_000_000},
		{"2^-63 seconds", "\xbf", "", 1<<63 + 1<<62, 1_500_000_000},
		{"offset", "\x09", seconds(second), 123, second*1e9 + 123},
		{"offset back", "\x00", seconds(-100), second + 100, second * 1e9},
		{"before 1970", "\x00", seconds(-second - 1), second, market.UndefTime},
		{"after 2262", "\x00", "", math.MaxInt64/1_000_000_000 + 1, market.UndefTime},
		{"more seconds than a number holds", "\x00", "", math.MaxUint64, market.UndefTime},
		{"offset that would wrap", "\x00", seconds(math.MaxInt64), second, market.UndefTime},
		{"offset that would wrap back", "\x00", seconds(math.MinInt64), second, market.UndefTime},
	} {
		n := (&ng{}).section(binary.LittleEndian)
		options := n.option(2, "eth0")
		if c.unit != "" {
			options = append(options, n.option(9, c.unit)...)
		}
		if c.offset != "" {
			options = append(options, n.option(14, c.offset)...)
		}
		options = append(options, n.option(0, "")...)
		options = append(options, n.option(9, "\x00")...) // after the end of options: not one
		n.iface(1, 0, n.option(9, "\x00")).iface(1, 65535, options).iface(105, 0)
		n.packet(1, c.units, uint32(len(frame)), frame, n.option(2, "\x01\x00\x00\x00"))
		got, _, err := readAll(t, bytes.NewReader(n.bytes))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if len(got) != 1 || got[0].TsRecv != c.want || string(got[0].Payload) != "abc" {
			t.Errorf("%s: got %+v, want time %d", c.name, got, c.want)
		}
	}
}

// Interfaces of several link types, all packet blocks, blocks to pass over, and sections of both
// byte orders in one file.
func TestSectionsAndBlocks(t *testing.T) {
	four, six := ip4(17, 0, "", udp("four")), ip6(17, udp("six"))
	tagged := ether(four, 0x8100, 9, kindIPv4)
	n := (&ng{}).section(binary.LittleEndian)
	n.iface(1, 0)                                    // 0: Ethernet, microseconds
	n.iface(101, 0, n.option(9, "\x09"))             // 1: raw, nanoseconds
	n.iface(105, 0)                                  // 2: 802.11
	n.block(0x0000_0bad, make([]byte, 400_000))      // a custom block, longer than any buffer
	n.block(4, []byte("names"))                      // name resolution
	n.block(10, []byte("secrets of a long session")) // decryption secrets
	n.packet(1, 1_000_000_007, uint32(len(four)), four)
	n.packet(0, 2_000_007, uint32(len(tagged)), tagged)
	n.packet(2, 0, uint32(len(tagged)), tagged)
	n.block(5, make([]byte, 12)) // statistics

	n.section(binary.BigEndian) // interfaces and byte order start anew
	n.iface(229, 46)            // 0: IPv6, cut at 46 bytes
	n.packet(0, 3_000_000, uint32(len(six)), six)
	obsolete := binary.BigEndian.AppendUint32(nil, 0x0000_0003) // interface 0, three drops
	obsolete = append(obsolete, 0, 0, 0, 0)
	obsolete = binary.BigEndian.AppendUint32(obsolete, 4_000_000)
	obsolete = binary.BigEndian.AppendUint32(obsolete, uint32(len(six)))
	obsolete = binary.BigEndian.AppendUint32(obsolete, uint32(len(six)))
	n.block(2, append(obsolete, six...))
	n.simple(uint32(len(six)), six[:46]) // 51 bytes on the wire

	n.section(binary.LittleEndian)
	n.iface(228, 0)
	n.simple(uint32(len(four)), four)

	got, stats, err := readAll(t, bytes.NewReader(n.bytes))
	if err != nil {
		t.Fatal(err)
	}
	want(t, got,
		[]market.Nanos{1_000_000_007, 2_000_007_000, 3 * market.Second, 4 * market.Second, market.UndefTime},
		"four", "four", "six", "six", "four")
	if wantStats := (pcap.Stats{Frames: 7, Datagrams: 5, UnknownLink: 1, Truncated: 1}); stats != wantStats {
		t.Errorf("got %+v, want %+v", stats, wantStats)
	}
}

// A block that is passed over may be cut too, and the error says where.
func TestCutInALongBlock(t *testing.T) {
	n := (&ng{}).section(binary.LittleEndian)
	before := len(n.bytes)
	n.block(0x0000_0bad, make([]byte, 400_000))
	for _, at := range []int{before + 12, before + 399_999, len(n.bytes) - 1} {
		_, _, err := readAll(t, bytes.NewReader(n.bytes[:at]))
		if !isCut(err) {
			t.Errorf("%d bytes: got %v, want ErrCut", at, err)
		}
	}
}

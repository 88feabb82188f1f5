package pcap_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"tidegate/codec/pcap"
	"tidegate/market"
)

const (
	micros = 0xa1b2c3d4
	nanos  = 0xa1b23c4d

	kindIPv4 = 0x0800
	kindIPv6 = 0x86dd
)

func TestClassicByteOrdersAndUnits(t *testing.T) {
	frame := ether(ip4(17, 0, "", udp("abc")), kindIPv4)
	for _, c := range []struct {
		name     string
		order    byteOrder
		magic    uint32
		fraction uint32
		want     market.Nanos
	}{
		{"little endian, microseconds", binary.LittleEndian, micros, 999_999, 1_500_000_000_999_999_000},
		{"big endian, microseconds", binary.BigEndian, micros, 999_999, 1_500_000_000_999_999_000},
		{"little endian, nanoseconds", binary.LittleEndian, nanos, 999_999_999, 1_500_000_000_999_999_999},
		{"big endian, nanoseconds", binary.BigEndian, nanos, 999_999_999, 1_500_000_000_999_999_999},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := newClassic(c.order, c.magic, 1).add(1_500_000_000, c.fraction, uint32(len(frame)), frame)
			got, stats, err := readAll(t, bytes.NewReader(file.bytes))
			if err != nil {
				t.Fatal(err)
			}
			want(t, got, []market.Nanos{c.want}, "abc")
			if got[0].Src != src4 || got[0].Dst != dst4 {
				t.Errorf("got %v to %v, want %v to %v", got[0].Src, got[0].Dst, src4, dst4)
			}
			if stats != (pcap.Stats{Frames: 1, Datagrams: 1}) {
				t.Errorf("stats %+v", stats)
			}
		})
	}
}

// The first seconds field past 2038 is an unsigned number.
func TestClassicTimeIsUnsigned(t *testing.T) {
	frame := ether(ip4(17, 0, "", udp("x")), kindIPv4)
	file := newClassic(binary.LittleEndian, nanos, 1).add(0xffff_ffff, 7, 45, frame)
	got, _, err := readAll(t, bytes.NewReader(file.bytes))
	if err != nil {
		t.Fatal(err)
	}
	want(t, got, []market.Nanos{4_294_967_295_000_000_007}, "x")
}

func TestNotACapture(t *testing.T) {
	valid := newClassic(binary.LittleEndian, micros, 1).bytes
	version := bytes.Clone(valid)
	version[4] = 3
	section := (&ng{}).section(binary.BigEndian).bytes
	ngVersion, ngOrder := bytes.Clone(section), bytes.Clone(section)
	ngVersion[13] = 2
	ngOrder[8] ^= 1
	for name, b := range map[string][]byte{
		"empty":                     nil,
		"three bytes":               valid[:3],
		"text":                      []byte("date,time,price\n"),
		"gzip":                      {0x1f, 0x8b, 8, 0, 0, 0, 0, 0},
		"version 3":                 version,
		"pcapng version 2":          ngVersion,
		"pcapng without byte order": ngOrder,
	} {
		r, err := pcap.NewReader(bytes.NewReader(b))
		if !errors.Is(err, pcap.ErrNotCapture) || r != nil {
			t.Errorf("%s: got %v, want ErrNotCapture", name, err)
		}
	}
}

// A classic and a pcapng capture of three datagrams, and where each record ends.
func cutCases() map[string]struct {
	file []byte
	ends []int
} {
	type cut = struct {
		file []byte
		ends []int
	}
	frames := [][]byte{
		ether(ip4(17, 0, "", udp("one")), kindIPv4),
		ether(ip4(6, 0, "", udp("tcp")), kindIPv4),
		ether(ip6(17, udp("three")), 0x8100, 7, kindIPv6),
	}
	c := cut{}
	file := newClassic(binary.BigEndian, micros, 1)
	c.ends = append(c.ends, len(file.bytes))
	for _, f := range frames {
		file.add(1, 2, uint32(len(f)), f)
		c.ends = append(c.ends, len(file.bytes))
	}
	c.file = file.bytes

	n := cut{}
	blocks := (&ng{}).section(binary.BigEndian)
	n.ends = append(n.ends, len(blocks.bytes))
	blocks.iface(1, 0, blocks.option(9, "\x09"))
	n.ends = append(n.ends, len(blocks.bytes))
	for _, f := range frames {
		blocks.packet(0, 1, uint32(len(f)), f)
		n.ends = append(n.ends, len(blocks.bytes))
		blocks.block(5, make([]byte, 12)) // interface statistics: passed over
		n.ends = append(n.ends, len(blocks.bytes))
	}
	n.file = blocks.bytes
	return map[string]cut{"classic": c, "pcapng": n}
}

func TestCutAtEveryByte(t *testing.T) {
	for name, c := range cutCases() {
		whole, _, err := readAll(t, bytes.NewReader(c.file))
		if err != nil || len(whole) != 2 {
			t.Fatalf("%s: %d datagrams, %v", name, len(whole), err)
		}
		for at := 4; at < len(c.file); at++ {
			got, stats, err := readAll(t, iotest.OneByteReader(bytes.NewReader(c.file[:at])))
			records, clean := 0, false
			for _, end := range c.ends {
				if at >= end {
					records++
				}
				clean = clean || at == end
			}
			if clean {
				if err != nil {
					t.Errorf("%s, %d bytes: %v, want a clean end", name, at, err)
				}
			} else if !errors.Is(err, pcap.ErrCut) || !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%s, %d bytes: %v, want ErrCut", name, at, err)
			}
			for i := range got {
				if !bytes.Equal(got[i].Payload, whole[i].Payload) {
					t.Errorf("%s, %d bytes: datagram %d differs", name, at, i)
				}
			}
			if name == "classic" && records > 0 && stats.Frames != uint64(records-1) {
				t.Errorf("classic, %d bytes: %d frames, want all %d whole ones", at, stats.Frames, records-1)
			}
		}
	}
}

func TestCutSaysWhere(t *testing.T) {
	frame := ether(ip4(17, 0, "", udp("abc")), kindIPv4) // 45 bytes
	file := newClassic(binary.LittleEndian, micros, 1).add(1, 2, 45, frame).add(1, 2, 45, frame).bytes
	for _, c := range []struct {
		bytes int
		want  string
	}{
		{10, "pcap: the file header has 10 of 24 bytes: capture is cut: unexpected EOF"},
		{24 + 61 + 15, "pcap: record 2 at byte 85 has 15 of 16 bytes: capture is cut: unexpected EOF"},
		{24 + 61 + 16, "pcap: record 2 at byte 85 has 16 of 61 bytes: capture is cut: unexpected EOF"},
		{24 + 61 + 60, "pcap: record 2 at byte 85 has 60 of 61 bytes: capture is cut: unexpected EOF"},
	} {
		_, _, err := readAll(t, bytes.NewReader(file[:c.bytes]))
		if err == nil || err.Error() != c.want {
			t.Errorf("%d bytes: got %v, want %s", c.bytes, err, c.want)
		}
	}
}

// An input that fails is neither a cut nor a corrupt capture.
func TestInputErrorPassesThrough(t *testing.T) {
	broken := errors.New("disk on fire")
	for name, c := range cutCases() {
		for at := range c.file {
			in := io.MultiReader(bytes.NewReader(c.file[:at]), iotest.ErrReader(broken))
			_, _, err := readAll(t, in)
			if !errors.Is(err, broken) || errors.Is(err, pcap.ErrCut) {
				t.Errorf("%s, fails at %d: got %v", name, at, err)
			}
		}
	}
}

// Lengths no writer would write are refused before memory is taken for them.
func TestInsaneLengths(t *testing.T) {
	frame := ether(ip4(17, 0, "", udp("abc")), kindIPv4)
	good := newClassic(binary.LittleEndian, micros, 1).add(1, 2, 45, frame).bytes
	sec := func() *ng { return (&ng{}).section(binary.LittleEndian).iface(1, 0) }
	raw := func(n *ng, words ...uint32) []byte {
		b := n.bytes
		for _, w := range words {
			b = binary.LittleEndian.AppendUint32(b, w)
		}
		return append(b, make([]byte, 64)...)
	}
	for _, c := range []struct {
		name string
		file []byte
		says string
	}{
		{"classic, 4 GiB", raw(&ng{bytes: good}, 1, 2, 0xffff_ffff, 0xffff_ffff), "record 2 at byte 85: 4294967295 bytes captured, at most 262144"},
		{"classic, above the limit", raw(&ng{bytes: good}, 1, 2, 262_145, 262_145), "record 2 at byte 85: 262145 bytes captured, at most 262144"},
		{"block of 0 bytes", raw(sec(), 6, 0), "a block of 0 bytes"},
		{"block of 8 bytes", raw(sec(), 6, 8, 8), "a block of 8 bytes"},
		{"block of 13 bytes", raw(sec(), 5, 13, 0, 0), "a block of 13 bytes"},
		{"block of 2 GiB", raw(sec(), 5, 0x8000_0000, 0), "a block of 2147483648 bytes"},
		{"packet block of 1 GiB", raw(sec(), 6, 0x4000_0000, 0), "a block of type 6 with 1073741824 bytes"},
		{"ends are not equal", raw(sec(), 5, 16, 0, 20), "a block of 16 bytes that ends as one of 20"},
		{"section, ends are not equal", raw(sec(), 0x0a0d0d0a, 28, 0x1a2b3c4d, 1, 0, 0, 32), "a block of 28 bytes that ends as one of 32"},
		{"section too short", raw(sec(), 0x0a0d0d0a, 16, 0x1a2b3c4d, 16), "a section header with 4 bytes"},
		{"section without a byte order", raw(sec(), 0x0a0d0d0a, 28, 0x1a2b3c4e, 1, 0, 0, 28), "a section without a byte order"},
		{"section of version 2", raw(sec(), 0x0a0d0d0a, 28, 0x1a2b3c4d, 2, 0, 0, 28), "a section of version 2.0"},
		{"interface too short", sec().block(1, []byte{1, 0, 0, 0}).bytes, "an interface with 4 bytes"},
		{"option past its block", sec().block(1, []byte{1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 5, 0, 'a', 'b', 'c', 'd'}).bytes, "option 2 has 4 of 5 bytes"},
		{"time unit of no length", sec().iface(1, 0, sec().option(9, "")).bytes, "a time unit"},
		{"time unit 10^-20", sec().iface(1, 0, sec().option(9, "\x14")).bytes, "a time unit 14"},
		{"time unit 2^-64", sec().iface(1, 0, sec().option(9, "\xc0")).bytes, "a time unit c0"},
		{"time offset of 4 bytes", sec().iface(1, 0, sec().option(14, "1234")).bytes, "a time offset 31 32 33 34"},
		{"packet block too short", sec().block(6, make([]byte, 16)).bytes, "a packet block with 16 bytes"},
		{"simple packet too short", sec().block(3, nil).bytes, "a simple packet block with 0 bytes"},
		{"packet of no interface", sec().packet(1, 0, 0, nil).bytes, "interface 1 of 1"},
		{"obsolete, no interface", sec().block(2, append([]byte{1, 0}, make([]byte, 18)...)).bytes, "interface 1 of 1"},
		{"simple packet, no interface", (&ng{}).section(binary.LittleEndian).simple(0, nil).bytes, "interface 0 of 0"},
		{"captured more than the block", sec().block(6, []byte{12: 5, 23: 0}).bytes, "5 bytes captured in a block with room for 4"},
		{"captured 4 GiB", sec().block(6, []byte{12: 255, 13: 255, 14: 255, 15: 255, 23: 0}).bytes, "4294967295 bytes captured in a block with room for 4"},
		{"simple packet past its block", sec().simple(100, []byte("abcd")).bytes, "100 bytes captured in a block with room for 4"},
		{"interfaces without end", bytes.Join([][]byte{sec().bytes, bytes.Repeat((&ng{order: binary.LittleEndian}).iface(1, 0).bytes, 5000)}, nil), "more than 4096 interfaces"},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _, err := readAll(t, bytes.NewReader(c.file))
		runtime.ReadMemStats(&after)
		if !errors.Is(err, pcap.ErrCorrupt) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want ErrCorrupt with %q", c.name, err, c.says)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 2<<20 {
			t.Errorf("%s: took %d bytes of memory", c.name, took)
		}
	}
}

// The longest frame fits, so that a capture with a snap length of 262,144 can be read.
func TestLongestFrame(t *testing.T) {
	frame := append(ether(ip4(17, 0, "", udp("abc")), kindIPv4), make([]byte, 262_144-45)...)
	size := uint32(len(frame))
	file := newClassic(binary.LittleEndian, micros, 1).add(1, 2, size, frame).add(1, 2, size, frame).bytes
	got, _, err := readAll(t, bytes.NewReader(file))
	if err != nil || len(got) != 2 {
		t.Errorf("classic: %d datagrams, %v", len(got), err)
	}
	comment := (&ng{order: binary.LittleEndian}).option(1, strings.Repeat("x", 65_000))
	blocks := (&ng{}).section(binary.LittleEndian).iface(1, 0).packet(0, 0, size, frame, comment)
	got, _, err = readAll(t, bytes.NewReader(blocks.bytes))
	if err != nil || len(got) != 1 {
		t.Errorf("pcapng: %d datagrams, %v", len(got), err)
	}
}

// loop gives the bytes of a capture for ever: its header once, then its records.
type loop struct {
	file   []byte
	header int
	at     int
}

func (l *loop) Read(p []byte) (int, error) {
	if l.at == len(l.file) {
		l.at = l.header
	}
	n := copy(p, l.file[l.at:])
	l.at += n
	return n, nil
}

// BenchmarkNext reads VLAN-tagged datagrams of 1,000 bytes, classic pcap, from memory.
func BenchmarkNext(b *testing.B) {
	frame := ether(ip4(17, 0, "", udp(strings.Repeat("x", 1000))), 0x8100, 1, kindIPv4)
	file := newClassic(binary.LittleEndian, nanos, 1)
	header := len(file.bytes)
	for range 100 {
		file.add(1, 2, uint32(len(frame)), frame)
	}
	r, err := pcap.NewReader(&loop{file: file.bytes, header: header})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(16 + len(frame)))
	b.ReportAllocs()
	var d pcap.Datagram
	for b.Loop() {
		if err := r.Next(&d); err != nil || len(d.Payload) != 1000 {
			b.Fatalf("payload of %d bytes, %v", len(d.Payload), err)
		}
	}
}

func TestNextDoesNotAllocate(t *testing.T) {
	frames := [][]byte{
		ether(ip4(17, 0, "", udp("four")), kindIPv4),
		ether(ip6(17, udp("six")), 0x88a8, 1, 0x8100, 2, kindIPv6),
		ether(ip4(6, 0, "", udp("no")), kindIPv4),
	}
	file := newClassic(binary.LittleEndian, micros, 1)
	blocks := (&ng{}).section(binary.LittleEndian).iface(1, 0)
	header, ngHeader := len(file.bytes), len(blocks.bytes)
	for _, f := range frames {
		file.add(1, 2, uint32(len(f)), f)
		blocks.packet(0, 1, uint32(len(f)), f, blocks.option(2, "\x01\x00\x00\x00"), blocks.option(1, "a comment"))
	}
	for name, in := range map[string]*loop{
		"classic": {file: file.bytes, header: header},
		"pcapng":  {file: blocks.bytes, header: ngHeader},
	} {
		r, err := pcap.NewReader(in)
		if err != nil {
			t.Fatal(err)
		}
		var d pcap.Datagram
		allocs := testing.AllocsPerRun(20_000, func() {
			if err := r.Next(&d); err != nil {
				t.Fatal(err)
			}
		})
		if allocs != 0 {
			t.Errorf("%s: Next allocates %.2f times per datagram, want 0", name, allocs)
		}
	}
}

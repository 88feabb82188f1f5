package pcap_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"

	"tidegate/codec/pcap"
)

func isCut(err error) bool { return errors.Is(err, pcap.ErrCut) }

// FuzzReader checks that no input breaks the reader: it ends, in one of the ways it documents, every
// frame has one fate, and every payload lies within what was read.
func FuzzReader(f *testing.F) {
	for _, c := range cutCases() {
		f.Add(c.file)
		f.Add(c.file[:len(c.file)-3])
	}
	for _, link := range []uint32{0, 1, 12, 101, 113, 228, 229, 276} {
		four, six := ip4(17, 0, "\x94\x04\x00\x00", udp("p")), ip6(60, append([]byte("\x11\x00\x00\x00\x00\x00\x00\x00"), udp("p")...))
		f.Add(newClassic(binary.LittleEndian, nanos, link).add(1, 2, 100, four).add(3, 4, 100, six).bytes)
	}
	n := (&ng{}).section(binary.BigEndian)
	n.iface(1, 0, n.option(9, "\x94"), n.option(14, "\x00\x00\x00\x00\x00\x00\x00\x01"))
	n.packet(0, 1, 50, ether(ip4(17, 0, "", udp("p")), kindIPv4), n.option(1, "comment"))
	n.simple(60, make([]byte, 60)).section(binary.LittleEndian).iface(276, 64).block(77, nil)
	f.Add(n.bytes)
	f.Fuzz(func(t *testing.T, b []byte) {
		got, stats, err := readAll(t, bytes.NewReader(b))
		if err != nil && !isCut(err) && !errors.Is(err, pcap.ErrCorrupt) && !errors.Is(err, pcap.ErrNotCapture) {
			t.Fatalf("undocumented error: %v", err)
		}
		size := 0
		for _, d := range got {
			size += len(d.Payload)
			if !d.Src.IsValid() || !d.Dst.IsValid() {
				t.Fatalf("datagram without addresses: %+v", d)
			}
		}
		if size > len(b) {
			t.Fatalf("%d bytes of payload from %d bytes", size, len(b))
		}
		// However the bytes arrive, the answer is the same.
		slow, slowStats, slowErr := readAll(t, &dribble{b: b})
		if len(slow) != len(got) || slowStats != stats || (slowErr == nil) != (err == nil) ||
			err != nil && slowErr.Error() != err.Error() {
			t.Fatalf("byte by byte: %d datagrams, %+v, %v; at once: %d, %+v, %v", len(slow), slowStats, slowErr, len(got), stats, err)
		}
	})
}

// dribble gives a few bytes at a time, and the last ones together with io.EOF.
type dribble struct {
	b []byte
	n int
}

func (d *dribble) Read(p []byte) (int, error) {
	d.n = d.n%7 + 1
	n := copy(p, d.b[:min(d.n, len(d.b))])
	d.b = d.b[n:]
	if len(d.b) == 0 {
		return n, io.EOF
	}
	return n, nil
}

package iex_test

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"tidegate/internal/realdata"
)

// readCapture calls onDatagram with the UDP payload of every complete record of a recorded file, a
// little endian classic pcap. b is valid only during the call. A last record that is cut is left out.
func readCapture(t *testing.T, name string, onDatagram func(b []byte)) {
	t.Helper()
	file, err := os.Open(realdata.Path(t, name))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var r io.Reader = bufio.NewReaderSize(file, 1<<16)
	if strings.HasSuffix(name, ".gz") {
		if r, err = gzip.NewReader(r); err != nil {
			t.Fatal(err)
		}
		r = bufio.NewReaderSize(r, 1<<16)
	}
	var fileHeader [24]byte
	if _, err := io.ReadFull(r, fileHeader[:]); err != nil {
		t.Fatal(err)
	}
	switch magic := binary.LittleEndian.Uint32(fileHeader[:]); magic {
	case 0xa1b2c3d4, 0xa1b23c4d: // microseconds, nanoseconds
	default:
		t.Fatalf("%s: magic %#x, want a little endian classic pcap", name, magic)
	}
	var header [16]byte
	var buffer [1 << 16]byte
	for {
		if _, err := io.ReadFull(r, header[:]); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
		frame := buffer[:min(binary.LittleEndian.Uint32(header[8:]), uint32(len(buffer)))]
		if _, err := io.ReadFull(r, frame); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
		onDatagram(udpPayload(t, frame))
	}
}

// udpPayload returns what an Ethernet frame with IPv4 and UDP carries.
func udpPayload(t *testing.T, frame []byte) []byte {
	t.Helper()
	if len(frame) < 42 || binary.BigEndian.Uint16(frame[12:]) != 0x0800 || frame[14] != 0x45 || frame[23] != 17 {
		t.Fatalf("frame %x: not UDP over plain IPv4 over Ethernet", frame[:min(42, len(frame))])
	}
	return frame[42 : 34+int(binary.BigEndian.Uint16(frame[38:]))]
}

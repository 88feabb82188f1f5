package iex_test

import (
	"bufio"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"tidegate/codec/pcap"
	"tidegate/internal/realdata"
)

// readCapture calls onDatagram with every datagram of a recorded capture, unpacking it if its name
// says so. b is valid only during the call. cut tells whether the capture ends inside a record.
func readCapture(t *testing.T, name string, onDatagram func(b []byte)) (cut bool) {
	t.Helper()
	file, err := os.Open(realdata.Path(t, name))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var in io.Reader = file
	if strings.HasSuffix(name, ".gz") {
		if in, err = gzip.NewReader(file); err != nil {
			t.Fatal(err)
		}
	}
	r, err := pcap.NewReader(bufio.NewReaderSize(in, 1<<16))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	for {
		var d pcap.Datagram
		switch err := r.Next(&d); {
		case err == nil:
			onDatagram(d.Payload)
		case errors.Is(err, pcap.ErrCut):
			cut = true
		case err == io.EOF:
			return cut
		default:
			t.Fatalf("%s: %v", name, err)
		}
	}
}

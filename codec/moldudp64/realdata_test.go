package moldudp64

import (
	"io"
	"os"
	"slices"
	"testing"

	"tidegate/codec/pcap"
	"tidegate/internal/realdata"
)

// TestRecordedPackets compares the framing of real packets with what another decoder found there.
func TestRecordedPackets(t *testing.T) {
	names := realdata.Glob(t, "packets/omi/Nasdaq/*/*.pcap")
	packets := 0
	for _, name := range names {
		var truth struct {
			Packets []struct {
				Payload int
				Mold    struct {
					Session string
					Seq     uint64
					Count   uint16
					Lens    []int
				}
			}
		}
		realdata.Facts(t, name, &truth)
		file, err := os.Open(realdata.Path(t, name))
		if err != nil {
			t.Fatal(err)
		}
		r, err := pcap.NewReader(file)
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range truth.Packets {
			var d pcap.Datagram
			if err := r.Next(&d); err != nil {
				t.Fatalf("%s: packet %d: %v", name, i, err)
			}
			p, err := Parse(d.Payload)
			if err != nil {
				t.Fatalf("%s: packet %d: %v", name, i, err)
			}
			packets++
			if len(d.Payload) != want.Payload || string(p.Session[:]) != want.Mold.Session || p.Seq != want.Mold.Seq ||
				p.Count != want.Mold.Count || p.Kind != Data {
				t.Errorf("%s: packet %d: %d bytes, %+v, want %+v", name, i, len(d.Payload), p, want)
			}
			var lens []int
			for _, msg := range messages(p.Messages) {
				lens = append(lens, len(msg))
			}
			if !slices.Equal(lens, want.Mold.Lens) {
				t.Errorf("%s: packet %d: messages of %v bytes, want %v", name, i, lens, want.Mold.Lens)
			}
		}
		if err := r.Next(new(pcap.Datagram)); err != io.EOF {
			t.Errorf("%s: after the last packet: %v", name, err)
		}
		file.Close()
	}
	if len(names) != 58 || packets != 230 {
		t.Errorf("%d packets in %d files, want 230 in 58", packets, len(names))
	}
}

package sequnit

import (
	"fmt"
	"io"
	"os"
	"slices"
	"testing"

	"tidegate/codec/pcap"
	"tidegate/internal/realdata"
)

// TestRecordedPackets compares the framing of real packets of five Cboe feeds with what another decoder
// found there.
func TestRecordedPackets(t *testing.T) {
	names := realdata.Glob(t, "packets/omi/Cboe/*.Pitch.*/*.pcap")
	packets := 0
	for _, name := range names {
		var truth struct {
			Packets []struct {
				Payload int
				Pitch   []struct {
					Length int
					Count  uint8
					Unit   uint8
					Seq    uint32
					Types  []string
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
			if len(want.Pitch) != 1 {
				t.Fatalf("%s: packet %d: %d headers, want one", name, i, len(want.Pitch))
			}
			h := want.Pitch[0]
			if len(d.Payload) != h.Length || p.Seq != h.Seq || p.Count != h.Count || p.Unit != h.Unit {
				t.Errorf("%s: packet %d: %d bytes, %+v, want %+v", name, i, len(d.Payload), p, h)
			}
			types := []string{}
			for _, msg := range messages(p.Messages) {
				types = append(types, fmt.Sprintf("%#02x", msg[0]))
			}
			if !slices.Equal(types, h.Types) {
				t.Errorf("%s: packet %d: types %v, want %v", name, i, types, h.Types)
			}
		}
		if err := r.Next(new(pcap.Datagram)); err != io.EOF {
			t.Errorf("%s: after the last packet: %v", name, err)
		}
		file.Close()
	}
	if len(names) != 25 || packets == 0 {
		t.Errorf("%d packets in %d files, want some in 25", packets, len(names))
	}
}

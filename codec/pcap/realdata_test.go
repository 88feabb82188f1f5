package pcap_test

import (
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"testing"
	"time"

	"tidegate/codec/pcap"
	"tidegate/internal/openfile"
	"tidegate/internal/realdata"
	"tidegate/market"
)

func openCapture(t *testing.T, name string) *pcap.Reader {
	t.Helper()
	f, err := openfile.Open(realdata.Path(t, name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	r, err := pcap.NewReader(f)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return r
}

func parseTime(t *testing.T, s string) market.Nanos {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		t.Fatal(err)
	}
	return market.Nanos(at.UnixNano())
}

// The small captures of many venues: each packet has its addresses, payload length and, where truth
// has it, its capture time.
func TestRealCapturesOfVenues(t *testing.T) {
	files, datagrams := 0, 0
	for _, name := range append(realdata.Glob(t, "packets/omi/*/*/*.pcap"), realdata.Glob(t, "packets/omi/*/*/*/*.pcap")...) {
		files++
		var facts struct {
			Packets []struct {
				L4          string
				Src, Dst    string
				Payload     int
				CaptureTime string `json:"capture_time"`
			}
		}
		realdata.Facts(t, name, &facts)
		r := openCapture(t, name)
		var want pcap.Stats
		var d pcap.Datagram
		for i, p := range facts.Packets {
			want.Frames++
			if p.L4 != "udp" {
				want.NotUDP++
				continue
			}
			want.Datagrams++
			datagrams++
			if err := r.Next(&d); err != nil {
				t.Fatalf("%s: packet %d: %v", name, i, err)
			}
			if d.Src.String() != p.Src || d.Dst.String() != p.Dst || len(d.Payload) != p.Payload {
				t.Errorf("%s: packet %d: got %v to %v, %d bytes; want %s to %s, %d bytes",
					name, i, d.Src, d.Dst, len(d.Payload), p.Src, p.Dst, p.Payload)
			}
			if p.CaptureTime != "" && d.TsRecv != parseTime(t, p.CaptureTime) {
				t.Errorf("%s: packet %d: captured at %d, want %s", name, i, d.TsRecv, p.CaptureTime)
			}
		}
		if err := r.Next(&d); err != io.EOF {
			t.Errorf("%s: after the last packet: %v, want io.EOF", name, err)
		}
		if r.Stats() != want {
			t.Errorf("%s: stats %+v, want %+v", name, r.Stats(), want)
		}
	}
	if files != 113 || datagrams != 282 {
		t.Errorf("%d files with %d datagrams, want 113 with 282", files, datagrams)
	}
}

// Captures on a loopback interface: one of UDP, two of TCP.
func TestRealCapturesOfBATS(t *testing.T) {
	for _, name := range realdata.Glob(t, "packets/bats-pitch/*.pcap") {
		var facts struct {
			Packets     uint64
			First, Last string
			Flows       map[string]int
		}
		realdata.Facts(t, name, &facts)
		want := pcap.Stats{Frames: facts.Packets}
		flows := map[string]int{}
		for flow, n := range facts.Flows {
			if strings.HasPrefix(flow, "udp ") {
				want.Datagrams += uint64(n)
				flows[flow] = n
			} else {
				want.NotUDP += uint64(n)
			}
		}
		r := openCapture(t, name)
		var d pcap.Datagram
		var first, last market.Nanos
		for {
			err := r.Next(&d)
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if first == 0 {
				first = d.TsRecv
			}
			last = d.TsRecv
			flows[fmt.Sprintf("udp %v->%v", d.Src, d.Dst)]--
		}
		for flow, left := range flows {
			if left != 0 {
				t.Errorf("%s: %d datagrams of %s are missing", name, left, flow)
			}
		}
		if r.Stats() != want {
			t.Errorf("%s: stats %+v, want %+v", name, r.Stats(), want)
		}
		if want.Datagrams > 0 && (first != parseTime(t, facts.First) || last != parseTime(t, facts.Last)) {
			t.Errorf("%s: from %d to %d, want %s to %s", path.Base(name), first, last, facts.First, facts.Last)
		}
	}
}

// A capture whose last record is cut: everything before it is delivered.
func TestRealCaptureThatIsCut(t *testing.T) {
	const name = "iex/DEEP10.pcap.gz"
	var facts struct {
		Packets    uint64   `json:"packets_complete"`
		Flow       []string `json:"flow"`
		First      string   `json:"capture_first"`
		Last       string   `json:"capture_last"`
		PayloadMax int      `json:"max_payload_bytes"`
		Epochs     []struct {
			Bytes int `json:"bytes_of_stream"`
		} `json:"epochs"`
	}
	realdata.Facts(t, name, &facts)
	r := openCapture(t, name)
	var d pcap.Datagram
	var first, last market.Nanos
	var err error
	size, longest := 0, 0
	for {
		if err = r.Next(&d); err != nil {
			break
		}
		if first == 0 {
			first = d.TsRecv
		}
		last = d.TsRecv
		size += len(d.Payload)
		longest = max(longest, len(d.Payload))
		if flow := fmt.Sprintf("%v->%v", d.Src, d.Dst); !strings.HasPrefix(facts.Flow[0], flow+" ") {
			t.Fatalf("got flow %s, want %s", flow, facts.Flow[0])
		}
	}
	if !errors.Is(err, pcap.ErrCut) {
		t.Errorf("got %v, want ErrCut", err)
	}
	// The README of the data: the last header announces 1,490 bytes and 460 are there.
	if !strings.Contains(fmt.Sprint(err), "record 121315 ") || !strings.Contains(fmt.Sprint(err), "476 of 1506 bytes") {
		t.Errorf("error %q does not say what is cut", err)
	}
	if err := r.Next(&d); err != io.EOF {
		t.Errorf("after the cut: %v, want io.EOF", err)
	}
	if want := (pcap.Stats{Frames: facts.Packets, Datagrams: facts.Packets}); r.Stats() != want {
		t.Errorf("stats %+v, want %+v", r.Stats(), want)
	}
	if first != parseTime(t, facts.First) || last != parseTime(t, facts.Last) {
		t.Errorf("from %d to %d, want %s to %s", first, last, facts.First, facts.Last)
	}
	const headerLen = 40 // of IEX-TP; truth counts the bytes after it
	wantSize := int(facts.Packets) * headerLen
	for _, e := range facts.Epochs {
		wantSize += e.Bytes
	}
	if size != wantSize || longest != headerLen+facts.PayloadMax {
		t.Errorf("payloads of %d bytes, the longest %d; want %d and %d", size, longest, wantSize, headerLen+facts.PayloadMax)
	}
}

package pcap_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"pgregory.net/rapid"

	"tidegate/codec/pcap"
	"tidegate/market"
)

// A file of one datagram, every byte of it worked out by hand.
func TestWriterGolden(t *testing.T) {
	golden := strings.Join([]string{
		"4d3cb2a1 0200 0400 00000000 00000000 00000400 01000000", // header: nanoseconds, 2.4, Ethernet
		"2a000000 15cd5b07 2d000000 2d000000",                    // 42.123456789 s, 45 bytes
		"01005e360c6f 02000a010203 0800",                         // 233.54.12.111 as a group address
		"45 00 001f 0000 4000 40 11 3925",                        // IPv4, 31 bytes, 64 hops, UDP
		"0a010203 e9360c6f",                                      // 10.1.2.3 to 233.54.12.111
		"1388 676d 000b bed6 616263",                             // 5000 to 26477, 11 bytes, "abc"
	}, "")
	wantBytes, err := hex.DecodeString(strings.ReplaceAll(golden, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	w, err := pcap.NewWriter(&file)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(42_123_456_789, src4, dst4, []byte("abc")); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(file.Bytes(), wantBytes) {
		t.Errorf("got\n%x, want\n%x", file.Bytes(), wantBytes)
	}
}

// What is written is read back, and is what another implementation makes of the same datagram,
// checksums included.
func TestRoundTripAndPeer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		addr := rapid.Custom(func(t *rapid.T) netip.AddrPort {
			ip := [4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "ip"))
			return netip.AddrPortFrom(netip.AddrFrom4(ip), rapid.Uint16().Draw(t, "port"))
		})
		var file bytes.Buffer
		w, err := pcap.NewWriter(&file)
		if err != nil {
			t.Fatal(err)
		}
		var written []pcap.Datagram
		for range rapid.IntRange(0, 5).Draw(t, "datagrams") {
			d := pcap.Datagram{
				TsRecv:  market.Nanos(rapid.Int64Range(0, 4_294_967_295_999_999_999).Draw(t, "time")),
				Src:     addr.Draw(t, "src"),
				Dst:     addr.Draw(t, "dst"),
				Payload: rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "payload"),
			}
			start := file.Len()
			if err := w.Write(d.TsRecv, d.Src, d.Dst, d.Payload); err != nil {
				t.Fatal(err)
			}
			if got, peer := file.Bytes()[start+16:], peerFrame(t, d); !bytes.Equal(got, peer) {
				t.Fatalf("got frame\n%x, want\n%x", got, peer)
			}
			written = append(written, d)
		}
		r, err := pcap.NewReader(&file)
		if err != nil {
			t.Fatal(err)
		}
		for i := range written {
			var got pcap.Datagram
			if err := r.Next(&got); err != nil {
				t.Fatalf("datagram %d: %v", i, err)
			}
			if got.TsRecv != written[i].TsRecv || got.Src != written[i].Src || got.Dst != written[i].Dst ||
				!bytes.Equal(got.Payload, written[i].Payload) {
				t.Fatalf("datagram %d: got %+v, want %+v", i, got, written[i])
			}
		}
		if err := r.Next(&pcap.Datagram{}); err != io.EOF {
			t.Fatalf("got %v, want io.EOF", err)
		}
	})
}

// peerFrame lets gopacket make the frame, checksums and lengths included.
func peerFrame(t *rapid.T, d pcap.Datagram) []byte {
	mac := func(ip [4]byte) []byte {
		if netip.AddrFrom4(ip).IsMulticast() {
			return []byte{0x01, 0x00, 0x5e, ip[1] &^ 0x80, ip[2], ip[3]}
		}
		return []byte{0x02, 0x00, ip[0], ip[1], ip[2], ip[3]}
	}
	src, dst := d.Src.Addr().As4(), d.Dst.Addr().As4()
	eth := &layers.Ethernet{SrcMAC: mac(src), DstMAC: mac(dst), EthernetType: layers.EthernetTypeIPv4}
	ip := &layers.IPv4{
		Version: 4, TTL: 64, Flags: layers.IPv4DontFragment, Protocol: layers.IPProtocolUDP,
		SrcIP: src[:], DstIP: dst[:],
	}
	udp := &layers.UDP{SrcPort: layers.UDPPort(d.Src.Port()), DstPort: layers.UDPPort(d.Dst.Port())}
	if err := udp.SetNetworkLayerForChecksum(ip); err != nil {
		t.Fatal(err)
	}
	b := gopacket.NewSerializeBuffer()
	options := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	// Ethernet pads a short frame; the capture of an outgoing frame has no padding.
	if err := gopacket.SerializeLayers(b, options, ip, udp, gopacket.Payload(d.Payload)); err != nil {
		t.Fatal(err)
	}
	packet := append([]byte(nil), b.Bytes()...)
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{}, eth); err != nil {
		t.Fatal(err)
	}
	return append(append([]byte(nil), b.Bytes()[:14]...), packet...)
}

// With every payload of two bytes the checksum runs through every value, with each kind of carry.
// The receiver's test holds for all: header, payload and pseudo header add up to all ones, and the
// field is never 0, which would mean that there is no checksum.
func TestEveryChecksum(t *testing.T) {
	var file bytes.Buffer
	w, err := pcap.NewWriter(&file)
	if err != nil {
		t.Fatal(err)
	}
	for v := range 1 << 16 {
		file.Reset()
		if err := w.Write(0, src4, dst4, []byte{byte(v >> 8), byte(v)}); err != nil {
			t.Fatal(err)
		}
		datagram := file.Bytes()[16+14+20:]
		pseudo := append(file.Bytes()[16+14+12:16+14+20:16+14+20], 0, 17, 0, byte(len(datagram)))
		total := 0
		for _, b := range [][]byte{pseudo, datagram} {
			for i := 0; i < len(b); i += 2 {
				total += int(b[i])<<8 | int(b[i+1])
			}
		}
		if total%0xffff != 0 || datagram[6] == 0 && datagram[7] == 0 {
			t.Fatalf("payload %04x: checksum %x", v, datagram[6:8])
		}
	}
}

func TestWriterRefuses(t *testing.T) {
	w, err := pcap.NewWriter(io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"before 1970":   w.Write(-1, src4, dst4, nil),
		"after 2105":    w.Write(4_294_967_296*market.Second, src4, dst4, nil),
		"IPv6":          w.Write(0, src6, dst6, nil),
		"no address":    w.Write(0, netip.AddrPort{}, dst4, nil),
		"long datagram": w.Write(0, src4, dst4, make([]byte, 65_508)),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := w.Write(0, src4, dst4, make([]byte, 65_507)); err != nil {
		t.Errorf("longest datagram: %v", err)
	}
}

type failing struct{ left int }

func (f *failing) Write(p []byte) (int, error) {
	if len(p) > f.left {
		return 0, io.ErrShortWrite
	}
	f.left -= len(p)
	return len(p), nil
}

func TestWriterPassesErrorsOn(t *testing.T) {
	if _, err := pcap.NewWriter(&failing{23}); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("header: got %v", err)
	}
	w, err := pcap.NewWriter(&failing{24})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(0, src4, dst4, nil); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("datagram: got %v", err)
	}
}

func TestWriterDoesNotAllocate(t *testing.T) {
	w, err := pcap.NewWriter(io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	payload := make([]byte, 1400)
	allocs := testing.AllocsPerRun(1000, func() {
		if err := w.Write(1, src4, dst4, payload); err != nil {
			t.Fatal(err)
		}
	})
	if allocs != 0 {
		t.Errorf("Write allocates %.2f times per datagram, want 0", allocs)
	}
}

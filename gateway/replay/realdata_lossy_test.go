package replay_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"tidegate/codec/iextp"
	"tidegate/codec/pcap"
	"tidegate/gateway/replay"
	"tidegate/internal/openfile"
	"tidegate/internal/realdata"
	"tidegate/market"
)

// captured returns the datagrams of a real capture.
func captured(t *testing.T, name string) (all []pcap.Datagram) {
	t.Helper()
	f, err := openfile.Open(realdata.Path(t, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := pcap.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for {
		var d pcap.Datagram
		err := r.Next(&d)
		if err == io.EOF || err != nil && len(all) > 0 { // its last record is cut
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		d.Payload = bytes.Clone(d.Payload)
		all = append(all, d)
	}
}

// capture writes datagrams to a file, those that keep says, each as late as it says.
func capture(t *testing.T, name string, port uint16, all []pcap.Datagram, keep func(i int) (late market.Nanos, ok bool)) string {
	t.Helper()
	var b bytes.Buffer
	w, err := pcap.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	src, dst := netip.MustParseAddrPort("192.0.2.1:1000"), netip.AddrPortFrom(netip.MustParseAddr("233.252.0.1"), port)
	for i := range all {
		if late, ok := keep(i); ok {
			if err := w.Write(all[i].TsRecv+late, src, dst, all[i].Payload); err != nil {
				t.Fatal(err)
			}
		}
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestDEEPOnTwoLossyLines splits the DEEP capture into two lines that each lose a third of it, one of them half a
// millisecond late. As long as every packet is on one of them, the books are those of the whole capture, in each of
// its epochs; and what both lose is announced, range by range.
func TestDEEPOnTwoLossyLines(t *testing.T) {
	all := captured(t, "iex/DEEP10.pcap.gz")
	hash := func(paths ...string) (uint64, *replay.ChannelSummary) {
		t.Helper()
		result := mustReplay(t, replay.Options{Paths: paths, Publisher: market.IEXDeep})
		if len(result.Summary.Channels) != 1 {
			t.Fatalf("%d channels, want 1", len(result.Summary.Channels))
		}
		return result.Channels[0].Pipeline.Books().HashAll(), &result.Summary.Channels[0]
	}
	whole, want := hash(capture(t, "whole.pcap", 1, all, func(int) (market.Nanos, bool) { return 0, true }))
	for seed := range uint64(2) {
		for _, both := range []bool{false, true} {
			t.Run(fmt.Sprintf("seed %d, both lose some: %t", seed, both), func(t *testing.T) {
				r := rand.New(rand.NewPCG(seed, 1))
				fate := make([]int, len(all)) // 0: on both, 1: on B only, 2: on A only, 3: on none
				lost := uint64(0)
				for i := range fate {
					fate[i] = r.IntN(3)
					// The first packets of an epoch tell where it begins.
					s, err := iextp.Parse(all[i].Payload)
					if err == nil && both && s.Count > 0 && s.Seq > 1000 && r.IntN(2000) == 0 {
						fate[i] = 3
						lost += uint64(s.Count)
					}
				}
				a := capture(t, "a.pcap", 1, all, func(i int) (market.Nanos, bool) { return 0, fate[i]&1 == 0 })
				b := capture(t, "b.pcap", 2, all, func(i int) (market.Nanos, bool) { return 500_000, fate[i] < 2 })
				got, s := hash(a, b)
				if announced := s.Ledger.GapsAnnounced().Messages; announced != lost || !s.Balanced {
					t.Errorf("%d messages announced as lost, want %d; balanced: %t", announced, lost, s.Balanced)
				}
				if s.Ledger.Restarts != want.Ledger.Restarts {
					t.Errorf("%d restarts, want %d", s.Ledger.Restarts, want.Ledger.Restarts)
				}
				if lost == 0 && (got != whole || s.Ledger.Channel().Published.Messages != want.Ledger.Channel().Published.Messages || s.Suspect != want.Suspect) {
					t.Errorf("the books differ from those of the whole capture; %d messages published, %d suspect", s.Ledger.Channel().Published.Messages, s.Suspect)
				}
				if both && lost == 0 {
					t.Error("nothing was lost on both lines")
				}
			})
		}
	}
}

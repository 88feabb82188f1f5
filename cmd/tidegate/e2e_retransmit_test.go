//go:build linux

package main

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"

	"tidegate/arbiter"
	"tidegate/gateway/admin"
)

// A relay stands between a gateway and the retransmit server of a venue, so that the server can die while
// the venue goes on.
type relay struct {
	conn *net.UDPConn // the gateway's side

	mu     sync.Mutex // guards client
	client netip.AddrPort
}

// startRelay starts a relay to a server.
func startRelay(t *testing.T, server netip.AddrPort) *relay {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{conn: conn}
	out, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(server))
	if err != nil {
		t.Fatal(err)
	}
	var ended sync.WaitGroup
	t.Cleanup(func() { conn.Close(); out.Close(); ended.Wait() })
	ended.Go(func() {
		b := make([]byte, 2048)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			r.mu.Lock()
			r.client = from
			r.mu.Unlock()
			_, _ = out.Write(b[:n])
		}
	})
	ended.Go(func() {
		b := make([]byte, 2048)
		for {
			n, err := out.Read(b)
			if err != nil && strings.Contains(err.Error(), "closed") {
				return
			}
			r.mu.Lock()
			client := r.client
			r.mu.Unlock()
			if err == nil {
				_, _ = conn.WriteToUDPAddrPort(b[:n], client)
			}
		}
	})
	return r
}

func (r *relay) addr() netip.AddrPort { return r.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

// dies makes the server fall silent.
func (r *relay) dies() { r.conn.Close() }

// lineOf returns what a feed says about a line.
func lineOf(t *testing.T, f *admin.FeedReport, id arbiter.LineID) *admin.LineReport {
	t.Helper()
	for i := range f.Lines {
		if f.Lines[i].Name == id.String() {
			return &f.Lines[i]
		}
	}
	t.Fatalf("no line %s", id)
	return nil
}

// Both lines lose one packet in twenty, each for itself. The retransmit servers have what both have lost:
// the first, and when it dies the second. When that has died too, gaps are announced and the stream goes on.
func TestE2ERetransmission(t *testing.T) {
	binary := buildTidegate(t)
	a, b, lines := twoPorts(t)
	server := netip.AddrPortFrom(a.Addr(), freePort(t))
	relays := []*relay{startRelay(t, server), startRelay(t, server)}
	path := writeConfig(t, t.TempDir(), lines, anyPort, "")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// The timeout is long enough for a machine that has other things to do.
	section := fmt.Sprintf("  retransmit: {servers: [%q, %q], timeout: 100ms, rest_max: 200ms}\nloop:", relays[0].addr(), relays[1].addr())
	config := strings.Replace(strings.Replace(string(text), "loop:", section, 1), "gap_deadline: 1s", "gap_deadline: 3s", 1)
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	g := startAt(t, binary, path)
	g.logged("retransmission", "feed", "sim")
	subscriber := watch(t, g.addr, keyOne, false)
	v := startVenue(t, binary, venueCmd{Seed: 7, Rate: 1600, Speed: "5x", A: a, B: b},
		"--retransmit", server.String(), "--history", "100000")
	v.post("/lines/a", map[string]any{"loss": 0.05})
	v.post("/lines/b", map[string]any{"loss": 0.05})

	answered := func(more uint64) {
		t.Helper()
		want := lineOf(t, feedOf(t, g.url), arbiter.LineR).Ledger.GapMessages + more
		eventually(t, "line R", func() error {
			if got := lineOf(t, feedOf(t, g.url), arbiter.LineR).Ledger.GapMessages; got < want {
				return fmt.Errorf("has filled %d messages, want %d", got, want)
			}
			return nil
		})
	}
	answered(20)
	relays[0].dies()
	answered(20)
	truth := v.pause()
	f := reaches(t, g.url, truth.Sent)
	if r := lineOf(t, f, arbiter.LineR).Ledger; !f.Balanced || f.Messages != truth.Sent || f.Ledger.GapsAnnounced().Messages != 0 || f.Suspect != 0 || r.Unasked.Packets > 0 {
		t.Errorf("of %d messages the gateway published %d; %+v; line R %+v", truth.Sent, f.Messages, f.Ledger, r)
	}
	subscriber.has(t, "subscriber", truth.Books)
	v.accountOf(truth.Sent, nothing).wantRecords(t, subscriber.all(), 0)
	if truth.Retransmit.Answered == 0 || truth.Retransmit.Malformed+truth.Retransmit.Foreign > 0 {
		t.Errorf("the server's account: %+v", truth.Retransmit)
	}

	relays[1].dies()
	v.post("/resume", nil)
	eventually(t, "gateway", func() error {
		if f = feedOf(t, g.url); f.Ledger.GapsDeadline.Ranges < 3 {
			return fmt.Errorf("%d gaps announced at their deadline", f.Ledger.GapsDeadline.Ranges)
		}
		return nil
	})
	sent := v.truth().Sent
	v.passes(sent + 2000)
	truth = v.pause()
	if f = reaches(t, g.url, truth.Sent); !f.Balanced || f.Messages+f.Ledger.GapsAnnounced().Messages != truth.Sent || f.Suspect == 0 {
		t.Errorf("of %d messages the gateway published %d; %+v", truth.Sent, f.Messages, f.Ledger)
	}
}

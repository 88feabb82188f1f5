//go:build linux

package main

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
)

// twoPorts are two lines of the loopback interface.
func twoPorts(t *testing.T) (a, b netip.AddrPort, lines string) {
	t.Helper()
	host := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	a, b = netip.AddrPortFrom(host, freePort(t)), netip.AddrPortFrom(host, freePort(t))
	return a, b, fmt.Sprintf(`{name: A, address: %q, receive_buffer: 4 MiB}, {name: B, address: %q, receive_buffer: 4 MiB}`, a, b)
}

const anyPort = `listen: "127.0.0.1:0", limits: {connections_per_second: 100}, keys: [{name: one, key: ` + keyOne + `}]`

// One line is cut, for so long that the gateway calls it silent, then the other: nothing is lost.
func TestE2ELinesCut(t *testing.T) {
	binary := buildTidegate(t)
	a, b, lines := twoPorts(t)
	g := startAt(t, binary, writeConfig(t, t.TempDir(), lines, anyPort, ""))
	subscriber := watch(t, g.addr, keyOne, false)
	v := startVenue(t, binary, venueCmd{Seed: 5, Rate: 1600, Speed: "1x", A: a, B: b}, "--protected")
	v.misbehaves()
	v.passes(500)
	for i, line := range []string{"a", "b"} {
		v.post("/lines/"+line, map[string]any{"down": true})
		if i == 0 {
			eventually(t, "line "+line, func() error {
				if !feedOf(t, g.url).Lines[i].Silent {
					return errors.New("is not called silent")
				}
				return nil
			})
		}
		v.passes(v.truth().Sent + 1500)
		packets := feedOf(t, g.url).Lines[i].Packets
		v.post("/lines/"+line, map[string]any{"down": false})
		eventually(t, "line "+line, func() error {
			if now := feedOf(t, g.url).Lines[i].Packets; now < packets+50 {
				return fmt.Errorf("%d packets, %d while it was cut", now, packets)
			}
			return nil
		})
	}
	v.loses()
	truth := v.pause()
	f := reaches(t, g.url, truth.Sent)
	if !f.Balanced || f.Messages != truth.Sent || f.Ledger.GapsAnnounced().Messages != 0 || f.Faults != 0 {
		t.Errorf("of %d messages the gateway published %d; %+v", truth.Sent, f.Messages, f.Ledger)
	}
	subscriber.has(t, "subscriber", truth.Books)
	v.accountOf(truth.Sent, nothing).wantRecords(t, subscriber.all(), 0)
}

//go:build linux

package lines

import (
	"net/netip"

	"tidegate/arbiter"
	"tidegate/gateway"
	"tidegate/market"
)

// Deliver gives a pipeline of the loop a datagram that came by no socket of its own: one made of what a TCP
// connection brought. It must be called on the loop, by way of Do. The datagram gets the loop's present time,
// so that time does not go back for those that wait in the sockets; at is its own, for when there is none yet.
// The Tap gets it with dst, which must be an address of its own, for a replay to tell the line by, as sender too:
// a recorder takes no datagram of nobody.
func (l *Loop) Deliver(p *gateway.Pipeline, line arbiter.LineID, dst netip.AddrPort, at market.Nanos, payload []byte) {
	if l.last.Defined() {
		at = l.last
	}
	l.last = at
	if l.cfg.Tap != nil {
		l.cfg.Tap(dst, dst, at, payload)
	}
	p.OnTick(at)
	p.OnDatagram(line, at, payload)
	l.publish()
}

// Now returns the loop's present time, that of the last datagram or tick; market.UndefTime before the first. It
// must be called on the loop.
func (l *Loop) Now() market.Nanos { return l.last }

//go:build !linux

package livevenue

import (
	"errors"
	"net"
	"net/netip"
)

// datagrams sends to one destination, one at a time, without multicast: enough to try things.
type datagrams struct{ *net.UDPConn }

func openLine(to netip.AddrPort, _ string, _ int) (datagrams, error) {
	if to.Addr().IsMulticast() {
		return datagrams{}, errors.New("multicast is sent on Linux only")
	}
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	return datagrams{conn}, err
}

// Local returns the address that datagrams come from.
func (d datagrams) Local() netip.AddrPort { return d.LocalAddr().(*net.UDPAddr).AddrPort() }

// Send sends each payload as a datagram, in order.
func (d datagrams) Send(payloads ...[]byte) (sent int, err error) {
	for _, p := range payloads {
		// That nobody listens is told with a later datagram, and is no error: it is UDP.
		if _, err := d.Write(p); err != nil && !errors.Is(err, net.ErrClosed) {
			continue
		}
		sent++
	}
	return sent, nil
}

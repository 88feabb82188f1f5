//go:build !linux

package livevenue

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
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

// Send sends each payload as a datagram, in order. Nobody listening is no error: it is UDP.
func (d datagrams) Send(payloads ...[]byte) (sent int, err error) {
	for _, p := range payloads {
		if _, err := d.Write(p); err != nil && !errors.Is(err, syscall.ECONNREFUSED) {
			return sent, err
		}
		sent++
	}
	return sent, nil
}

//go:build linux

package netloop

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// A Peer is somebody whom a Socket sends to, for example to ask for a retransmission. What comes back
// to the socket's address is received like everything else.
type Peer struct {
	addr netip.AddrPort
	to   unix.Sockaddr
}

// NewPeer returns the peer at a unicast address.
func NewPeer(addr netip.AddrPort) (Peer, error) {
	addr = netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
	switch ip := addr.Addr(); {
	case !ip.IsValid() || addr.Port() == 0:
		return Peer{}, fmt.Errorf("send: to %s: want an address and a port", addr)
	case ip.IsMulticast() || ip.IsUnspecified():
		return Peer{}, fmt.Errorf("send: to %s: want the address of one machine", addr)
	case ip.Zone() != "":
		return Peer{}, fmt.Errorf("send: to %s: want an address without a zone", addr)
	}
	return Peer{addr: addr, to: sockaddr(addr, 0)}, nil
}

// Addr returns the peer's address.
func (p *Peer) Addr() netip.AddrPort { return p.addr }

// SendTo sends a datagram from the socket's address, which must be a unicast one of the peer's address
// family. It never waits: where the kernel has no room, the datagram is not sent, and the error is
// ErrNoRoom. Nobody listening is no error. Another thread may receive meanwhile.
func (s *Socket) SendTo(payload []byte, p *Peer) error {
	for {
		switch err := unix.Sendto(s.fd, payload, unix.MSG_DONTWAIT, p.to); err {
		case nil:
			return nil
		case unix.EINTR:
		case unix.EAGAIN, unix.ENOBUFS:
			return ErrNoRoom
		default:
			return fmt.Errorf("send: to %s: %w", p.addr, err)
		}
	}
}

// ErrNoRoom is returned for a datagram that would have had to wait to be sent.
var ErrNoRoom = errors.New("send: the kernel has no room for a datagram")

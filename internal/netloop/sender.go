//go:build linux

package netloop

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// SenderConfig says where datagrams go.
type SenderConfig struct {
	Addr netip.AddrPort // destination: a group or a unicast address
	// Interface is the name of the interface by which datagrams to a group leave. Empty for unicast.
	Interface string
	// Hops is how many routers datagrams to a group may pass, plus one. 0 keeps them on this machine.
	Hops int
}

// A Sender sends datagrams to one destination, in batches. It is owned by one goroutine.
type Sender struct {
	fd      int
	addr    netip.AddrPort
	local   netip.AddrPort
	headers [BatchDatagrams]unix.Mmsghdr
	vectors [BatchDatagrams]unix.Iovec
	segment unix.Msghdr // of SendSegments
	control [32]byte    // of segment
}

// NewSender opens a socket that sends to one destination.
func NewSender(c SenderConfig) (*Sender, error) {
	s, err := newSender(c)
	if err != nil {
		return nil, fmt.Errorf("send: to %s: %w", c.Addr, err)
	}
	return s, nil
}

func newSender(c SenderConfig) (*Sender, error) {
	addr := netip.AddrPortFrom(c.Addr.Addr().Unmap(), c.Addr.Port())
	if !addr.Addr().IsValid() || addr.Port() == 0 {
		return nil, errors.New("want an address and a port")
	}
	if c.Hops < 0 || c.Hops > 255 {
		return nil, fmt.Errorf("hops %d: want 0 to 255", c.Hops)
	}
	var by unix.IPMreqn // which interface datagrams to a group leave by, and with which IPv4 address
	if c.Interface != "" {
		ifi, err := multicastInterface(c.Interface)
		if err != nil {
			return nil, err
		}
		by.Ifindex, by.Address = int32(ifi.Index), firstIPv4(ifi)
	}
	fd, err := unix.Socket(family(addr.Addr()), unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open a socket: %w", err)
	}
	s := &Sender{fd: fd, addr: addr}
	if err := s.setUp(c.Hops, by); err != nil {
		unix.Close(fd)
		return nil, err
	}
	for i := range s.headers {
		s.headers[i].Hdr.Iov = &s.vectors[i]
		s.headers[i].Hdr.SetIovlen(1)
	}
	return s, nil
}

func (s *Sender) setUp(hops int, by unix.IPMreqn) error {
	if ip := s.addr.Addr(); ip.IsMulticast() {
		var err error
		if ip.Is4() {
			err = errors.Join(
				unix.SetsockoptInt(s.fd, unix.IPPROTO_IP, unix.IP_MULTICAST_TTL, hops),
				unix.SetsockoptInt(s.fd, unix.IPPROTO_IP, unix.IP_MULTICAST_LOOP, 1),
				unix.SetsockoptIPMreqn(s.fd, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, &by),
			)
		} else {
			err = errors.Join(
				unix.SetsockoptInt(s.fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_HOPS, hops),
				unix.SetsockoptInt(s.fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_LOOP, 1),
				unix.SetsockoptInt(s.fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_IF, int(by.Ifindex)),
			)
		}
		if err != nil {
			return fmt.Errorf("set multicast options: %w", err)
		}
	}
	if err := unix.Connect(s.fd, sockaddr(s.addr, int(by.Ifindex))); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	sa, err := unix.Getsockname(s.fd)
	if err != nil {
		return fmt.Errorf("get the socket's address: %w", err)
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		s.local = netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		s.local = netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(sa.Port))
	}
	return nil
}

// firstIPv4 returns an interface's first address, which the kernel does not find by itself where the
// interface is the loopback one; 0.0.0.0 if it has none.
func firstIPv4(ifi *net.Interface) (ip [4]byte) {
	addrs, err := ifi.Addrs()
	if err != nil {
		return ip
	}
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() {
			return p.Addr().As4()
		}
	}
	return ip
}

// Local returns the address that datagrams come from.
func (s *Sender) Local() netip.AddrPort { return s.local }

// Send sends each payload as a datagram, in order, and waits where the kernel has no room. Payloads
// are not kept. Nobody listening is no error: it is UDP. After an error, sent datagrams are gone.
func (s *Sender) Send(payloads ...[]byte) (sent int, err error) {
	for sent < len(payloads) {
		batch := payloads[sent:min(len(payloads), sent+BatchDatagrams)]
		for i, p := range batch {
			s.vectors[i].Base = unsafe.SliceData(p)
			s.vectors[i].SetLen(len(p))
		}
		n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&s.headers[0])),
			uintptr(len(batch)), 0, 0, 0)
		switch errno {
		case 0:
			sent += int(n)
		case unix.EINTR, unix.ECONNREFUSED: // the latter is about a datagram before, and takes none
		default:
			return sent, fmt.Errorf("send: to %s: %w", s.addr, errno)
		}
	}
	runtime.KeepAlive(payloads)
	clear(s.vectors[:min(len(payloads), BatchDatagrams)])
	return sent, nil
}

// SendSegments sends b as datagrams of size bytes each, the last one shorter if it does not come out
// even: at most 64 datagrams and 65,000 bytes. The kernel cuts it up (UDP_SEGMENT), which costs a
// fraction of as many single sends.
func (s *Sender) SendSegments(b []byte, size int) error {
	if size < 1 || size > 65_000 || len(b) > 65_000 || len(b) > size*BatchDatagrams {
		return fmt.Errorf("send: to %s: %d bytes in segments of %d: want at most 65000 bytes in 64 segments", s.addr, len(b), size)
	}
	c := (*unix.Cmsghdr)(unsafe.Pointer(&s.control[0]))
	c.Level, c.Type = unix.IPPROTO_UDP, unix.UDP_SEGMENT
	c.SetLen(unix.CmsgLen(2))
	*(*uint16)(unsafe.Pointer(&s.control[unix.CmsgLen(0)])) = uint16(size)
	vector := &s.vectors[0]
	vector.Base = unsafe.SliceData(b)
	vector.SetLen(len(b))
	h := &s.segment
	h.Iov, h.Control = vector, &s.control[0]
	h.SetIovlen(1)
	h.SetControllen(unix.CmsgSpace(2))
	for {
		_, _, errno := unix.Syscall(unix.SYS_SENDMSG, uintptr(s.fd), uintptr(unsafe.Pointer(h)), 0)
		switch errno {
		case 0:
			runtime.KeepAlive(b)
			vector.Base = nil
			return nil
		case unix.EINTR, unix.ECONNREFUSED:
		default:
			return fmt.Errorf("send: to %s: in segments of %d bytes: %w", s.addr, size, errno)
		}
	}
}

// Close closes the sender.
func (s *Sender) Close() error { return unix.Close(s.fd) }

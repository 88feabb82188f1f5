//go:build linux

package netloop

import (
	"errors"
	"fmt"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Socket receives the datagrams of one line. Receive belongs to one loop; the other methods give
// what does not change.
type Socket struct {
	fd      int
	addr    netip.AddrPort
	asked   int
	granted int
	drops   uint32 // the kernel's count as of the last batch; it wraps
}

// Listen opens a socket and, for a group, joins it. The socket hears datagrams to this address only:
// it is bound to the group, not to the port alone, so two groups on one port do not mix.
//
// Several sockets may listen to one group and port, each gets every datagram. A unicast address that
// somebody listens to already is refused: the kernel would give each datagram to one of the two.
func Listen(c Config) (*Socket, error) {
	s, err := listen(c)
	if err != nil {
		return nil, fmt.Errorf("listen: to %s: %w", c.Addr, err)
	}
	return s, nil
}

func listen(c Config) (*Socket, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	addr := netip.AddrPortFrom(c.Addr.Addr().Unmap(), c.Addr.Port())
	ifindex := 0
	if addr.Addr().IsMulticast() {
		ifi, err := multicastInterface(c.Interface)
		if err != nil {
			return nil, err
		}
		ifindex = ifi.Index
	}
	fd, err := unix.Socket(family(addr.Addr()), unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open a socket: %w", err)
	}
	s := &Socket{fd: fd, addr: addr, asked: c.ReceiveBuffer}
	if s.asked == 0 {
		s.asked = ReceiveBufferDefault
	}
	if err := s.setUp(c, ifindex); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return s, nil
}

// setUp sets every option before the first datagram can come, joins last.
func (s *Socket) setUp(c Config, ifindex int) error {
	ip := s.addr.Addr()
	if err := s.setBuffer(); err != nil {
		return err
	}
	type option struct {
		name              string
		level, key, value int
	}
	options := []option{
		{"SO_TIMESTAMPNS", unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1},
		{"SO_RXQ_OVFL", unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1},
	}
	if ip.Is6() {
		options = append(options, option{"IPV6_V6ONLY", unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1})
	}
	if ip.IsMulticast() {
		options = append(options, option{"SO_REUSEADDR", unix.SOL_SOCKET, unix.SO_REUSEADDR, 1})
		// By default a socket hears every group that anybody on this machine has joined.
		if ip.Is6() {
			options = append(options, option{"IPV6_MULTICAST_ALL", unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_ALL, 0})
		} else {
			options = append(options, option{"IP_MULTICAST_ALL", unix.IPPROTO_IP, unix.IP_MULTICAST_ALL, 0})
		}
	}
	for _, o := range options {
		if err := unix.SetsockoptInt(s.fd, o.level, o.key, o.value); err != nil {
			return fmt.Errorf("set %s: %w", o.name, err)
		}
	}
	if err := unix.Bind(s.fd, sockaddr(s.addr, ifindex)); err != nil {
		switch {
		case errors.Is(err, unix.EADDRINUSE):
			return fmt.Errorf("port %d is in use: %w", s.addr.Port(), err)
		case errors.Is(err, unix.EADDRNOTAVAIL):
			return fmt.Errorf("%s is not an address of this machine: %w", ip, err)
		}
		return fmt.Errorf("bind: %w", err)
	}
	if ip.IsMulticast() {
		return join(s.fd, ip, c.Source.Unmap(), c.Interface, ifindex)
	}
	return s.learnAddr()
}

// setBuffer asks for the receive buffer, past the machine's limit if this process may.
func (s *Socket) setBuffer() error {
	if unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, s.asked) != nil {
		if err := unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, s.asked); err != nil {
			return fmt.Errorf("set SO_RCVBUF to %d bytes: %w", s.asked, err)
		}
	}
	doubled, err := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
	if err != nil {
		return fmt.Errorf("get SO_RCVBUF: %w", err)
	}
	s.granted = doubled / 2 // socket(7): the kernel doubles what is set, for its own overhead
	return nil
}

// learnAddr finds out which port the kernel chose.
func (s *Socket) learnAddr() error {
	sa, err := unix.Getsockname(s.fd)
	if err != nil {
		return fmt.Errorf("get the socket's address: %w", err)
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		s.addr = netip.AddrPortFrom(s.addr.Addr(), uint16(sa.Port))
	case *unix.SockaddrInet6:
		s.addr = netip.AddrPortFrom(s.addr.Addr(), uint16(sa.Port))
	}
	return nil
}

// Addr returns the address that the socket is bound to, with its port.
func (s *Socket) Addr() netip.AddrPort { return s.addr }

// ReceiveBuffer returns how many bytes of receive buffer were asked for and granted.
func (s *Socket) ReceiveBuffer() (asked, granted int) { return s.asked, s.granted }

// Warning says what an operator should change, "" for nothing.
func (s *Socket) Warning() string {
	if s.granted >= s.asked {
		return ""
	}
	return fmt.Sprintf("%s: the receive buffer has %d bytes, not the %d asked for: raise net.core.rmem_max, or allow CAP_NET_ADMIN",
		s.addr, s.granted, s.asked)
}

// Close closes the socket, which leaves its group. Its loop must have ended.
func (s *Socket) Close() error { return unix.Close(s.fd) }

// groupReq and groupSourceReq are struct group_req and group_source_req (RFC 3678 section 5.1), the
// same for both address families.
type groupReq struct {
	ifindex uint32
	_       [unsafe.Sizeof(uintptr(0)) - 4]byte
	group   storage
}

type groupSourceReq struct {
	groupReq
	source storage
}

// storage is struct sockaddr_storage.
type storage struct {
	unix.RawSockaddrInet6
	_ [128 - unix.SizeofSockaddrInet6]byte
}

// join joins a group on an interface.
func join(fd int, group, source netip.Addr, name string, ifindex int) error {
	level := unix.IPPROTO_IP
	if group.Is6() {
		level = unix.IPPROTO_IPV6
	}
	req := groupSourceReq{groupReq: groupReq{ifindex: uint32(ifindex), group: storageOf(group)}}
	key, size, what := unix.MCAST_JOIN_GROUP, unsafe.Sizeof(req.groupReq), fmt.Sprintf("join group %s on interface %s", group, name)
	if source.IsValid() {
		req.source = storageOf(source)
		key, size = unix.MCAST_JOIN_SOURCE_GROUP, unsafe.Sizeof(req)
		what += " from " + source.String()
	}
	value := unsafe.String((*byte)(unsafe.Pointer(&req)), size)
	switch err := unix.SetsockoptString(fd, level, key, value); {
	case err == nil:
		return nil
	case errors.Is(err, unix.ENODEV), errors.Is(err, unix.EADDRNOTAVAIL):
		return fmt.Errorf("%s: the interface has no address of this family: %w", what, err)
	case errors.Is(err, unix.ENOBUFS):
		return fmt.Errorf("%s: the machine's limit of memberships is reached (net.ipv4.igmp_max_memberships): %w", what, err)
	default:
		return fmt.Errorf("%s: %w", what, err)
	}
}

func storageOf(ip netip.Addr) (s storage) {
	if ip.Is4() {
		v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(&s))
		v4.Family, v4.Addr = unix.AF_INET, ip.As4()
	} else {
		s.Family, s.Addr = unix.AF_INET6, ip.As16()
	}
	return s
}

func family(ip netip.Addr) int {
	if ip.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// sockaddr returns an address as system calls want it. The interface matters to link-local ones.
func sockaddr(a netip.AddrPort, ifindex int) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16(), ZoneId: uint32(ifindex)}
}

//go:build linux

package netloop

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// ReceiveBufferDefault is the receive buffer asked for where nothing else is said, in bytes. It holds
// about 80,000 small datagrams or 30,000 of 1,400 bytes: 60 ms of the busiest channel.
const ReceiveBufferDefault = 32 << 20

// receiveBufferMax keeps twice the value, which is what the kernel counts with, in 31 bits.
const receiveBufferMax = 1<<30 - 1

// Config says what a Socket receives.
type Config struct {
	// Addr is where the datagrams are sent to: a multicast group, or an address of this machine. With
	// port 0, of a unicast address only, the kernel chooses the port: see Socket.Addr.
	Addr netip.AddrPort
	// Interface is the name of the interface on which a group is joined. Empty for unicast.
	Interface string
	// Source is the one sender of a group to listen to (source-specific multicast, RFC 4607). The zero
	// Addr: all senders.
	Source netip.Addr
	// ReceiveBuffer is how many bytes of datagrams the kernel shall hold. 0: ReceiveBufferDefault.
	ReceiveBuffer int
}

// Validate returns an error that names the first field that makes no sense.
func (c Config) Validate() error {
	ip := c.Addr.Addr().Unmap()
	if !ip.IsValid() {
		return errors.New("address: none given")
	}
	if c.ReceiveBuffer < 0 || c.ReceiveBuffer > receiveBufferMax {
		return fmt.Errorf("receive buffer %d bytes: want 0 to %d", c.ReceiveBuffer, receiveBufferMax)
	}
	if !ip.IsMulticast() {
		switch {
		case c.Interface != "":
			return fmt.Errorf("interface %s: only a multicast group is joined on an interface", c.Interface)
		case c.Source.IsValid():
			return fmt.Errorf("source %s: only a multicast group has one", c.Source)
		}
		return nil
	}
	switch {
	case c.Addr.Port() == 0:
		return errors.New("port 0: a multicast group needs its port")
	case c.Interface == "":
		return errors.New("no interface: a multicast group is joined on one interface, by name")
	case c.Source.IsValid() && c.Source.Unmap().Is4() != ip.Is4():
		return fmt.Errorf("source %s: not of the group's address family", c.Source)
	case c.Source.IsMulticast():
		return fmt.Errorf("source %s: is a group, not a sender", c.Source)
	}
	return nil
}

// multicastInterface finds an interface by name and says what is wrong with it. The loopback interface
// lacks the multicast flag and takes groups all the same.
func multicastInterface(name string) (*net.Interface, error) {
	ifi, err := net.InterfaceByName(name)
	if err != nil {
		return nil, fmt.Errorf("interface %q: there is none of this name%s", name, interfaceNames())
	}
	if ifi.Flags&(net.FlagMulticast|net.FlagLoopback) == 0 {
		return nil, fmt.Errorf("interface %s: does not do multicast", name)
	}
	if ifi.Flags&net.FlagUp == 0 {
		return nil, fmt.Errorf("interface %s: is down", name)
	}
	return ifi, nil
}

// interfaceNames lists what a mistyped name could have meant.
func interfaceNames() string {
	all, err := net.Interfaces()
	if err != nil || len(all) == 0 {
		return ""
	}
	text := "; there are"
	for _, ifi := range all {
		text += " " + ifi.Name
	}
	return text
}

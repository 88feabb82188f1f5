package livevenue

import (
	"net/netip"

	"tidegate/internal/netloop"
)

// datagrams sends to one destination, a batch in a system call.
type datagrams = *netloop.Sender

func openLine(to netip.AddrPort, iface string, hops int) (datagrams, error) {
	return netloop.NewSender(netloop.SenderConfig{Addr: to, Interface: iface, Hops: hops})
}

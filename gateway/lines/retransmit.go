//go:build linux

package lines

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"tidegate/arbiter"
	"tidegate/gateway"
	"tidegate/internal/netloop"
)

// Retransmit is where a feed asks for what its lines have lost. The zero value asks nowhere.
type Retransmit struct {
	// Servers are asked by datagrams, in this order. The pipeline knows them by their numbers, from 0.
	Servers []netip.AddrPort
	// Send takes the requests of a feed that is not asked for by datagrams, on the loop. It must not wait. nil
	// where there are Servers.
	Send func(arbiter.Request)
	// Socket is where answers go to: the feed's line R. Requests to Servers come from there, so its address is
	// one of this machine, or the unspecified one; with port 0 the kernel chooses the port. With Send it is one
	// of this machine or a group, like that of any line.
	Socket netloop.Config
}

func (r *Retransmit) validate(f *Feed, taken map[netip.AddrPort]bool) error {
	requests, asks := f.Pipeline.Requests()
	switch protocol := f.Pipeline.Config().Feed; {
	case !asks && len(r.Servers) == 0 && r.Send == nil:
		return nil
	case !asks:
		return errors.New("its pipeline asks for no retransmission")
	case r.Send != nil && len(r.Servers) > 0:
		return errors.New("both servers and a function that takes requests")
	case r.Send == nil && !protocol.Retransmits():
		return fmt.Errorf("no function that takes requests, and feed %s is not asked for by datagrams", protocol)
	case r.Send == nil && requests.Servers != len(r.Servers):
		return fmt.Errorf("%d servers, but its pipeline asks %d", len(r.Servers), requests.Servers)
	case r.Send == nil && r.Socket.Addr.Addr().IsMulticast():
		return fmt.Errorf("address %s: is a group, and answers go to one machine", r.Socket.Addr)
	}
	for _, l := range f.Lines {
		if l.ID == arbiter.LineR {
			return errors.New("line R is given, and answers come by it")
		}
	}
	if addr := r.Socket.Addr; addr.Port() != 0 {
		if taken[addr] {
			return fmt.Errorf("another line has address %s: a capture tells lines by it", addr)
		}
		taken[addr] = true
	}
	for i, server := range r.Servers {
		if _, err := netloop.NewPeer(server); err != nil {
			return err
		}
		if server.Addr().Unmap().Is4() != r.Socket.Addr.Addr().Unmap().Is4() {
			return fmt.Errorf("server %s: not of the address family of %s", server, r.Socket.Addr)
		}
		if slices.Contains(r.Servers[:i], server) {
			return fmt.Errorf("server %s: given twice", server)
		}
	}
	return nil
}

// retransmit sends the requests of a feed by datagrams. It belongs to the loop.
type retransmit struct {
	pipeline *gateway.Pipeline
	socket   *netloop.Socket // of line R
	servers  []netloop.Peer
	buffer   []byte
	counts   RequestStats
}

// openRetransmit opens the line R of a feed, if it asks for retransmission.
func (l *Loop) openRetransmit(f *feed, from *Retransmit) error {
	if from.Send != nil {
		f.pipeline.SendRequests(from.Send)
		return l.listen(f, Line{ID: arbiter.LineR, Socket: from.Socket}, nil)
	}
	if len(from.Servers) == 0 {
		return nil
	}
	r := &retransmit{pipeline: f.pipeline}
	for _, addr := range from.Servers {
		peer, err := netloop.NewPeer(addr)
		if err != nil {
			return err
		}
		r.servers = append(r.servers, peer)
	}
	if err := l.listen(f, Line{ID: arbiter.LineR, Socket: from.Socket}, r); err != nil {
		return err
	}
	f.pipeline.SendRequests(r.send)
	return nil
}

// send sends a request. If that fails the pipeline learns of it by the silence that follows, as it would
// from a replay.
func (r *retransmit) send(q arbiter.Request) {
	r.buffer = r.pipeline.AppendRequest(r.buffer[:0], q)
	if err := r.socket.SendTo(r.buffer, &r.servers[q.Server]); err != nil {
		r.counts.Failed++
		r.counts.LastError = err
		return
	}
	r.counts.Sent++
}

// knows reports whether a datagram is from one of the servers. Whoever else sends to line R could have
// his messages taken for those that are missing.
func (r *retransmit) knows(src netip.AddrPort) bool {
	for i := range r.servers {
		if r.servers[i].Addr() == src {
			return true
		}
	}
	r.counts.Strangers++
	return false
}

// RequestStats says what became of requests and answers at the socket of a line R, where requests go by datagrams.
// What they achieved is in gateway.Pipeline.Requests.
type RequestStats struct {
	Sent      uint64 // requests
	Failed    uint64 // requests that could not be sent
	LastError error  // of the last one that could not, nil if there was none
	Strangers uint64 // datagrams dropped unread because they came from none of the servers
}

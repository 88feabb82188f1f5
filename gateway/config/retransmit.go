package config

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"tidegate/arbiter"
	"tidegate/gateway"
	"tidegate/market"
)

// Retransmit is where a feed asks for what all its lines have lost: of servers, where it is ITCH, or of proxies,
// where it is PITCH. Without either it does not ask.
type Retransmit struct {
	Servers []netip.AddrPort // in the order in which they are asked
	Proxies []GapProxy       // likewise
	// Addr is where answers go to. From servers they come to where requests come from: an address of this machine;
	// port 0: the system chooses. From proxies they come to a group, or to an address of this machine.
	Addr      netip.AddrPort
	Interface string     // "" for unicast
	Source    netip.Addr // of a group; the zero Addr: all senders
	Limits    arbiter.RequestConfig
}

// A GapProxy is a gap request proxy.
type GapProxy struct {
	Address      string // host and port
	SessionSubID string
	Login
}

// Asks reports whether there is somebody to ask.
func (t *Retransmit) Asks() bool { return len(t.Servers)+len(t.Proxies) > 0 }

// retransmit reads the section of that name. What it says about the other settings of its feed is checked
// by retransmitFits.
func (r *reader) retransmit(t *Retransmit, owner func() string, v value, groups map[netip.AddrPort]string) {
	t.Limits = arbiter.DefaultRequestConfig(1)
	l := &t.Limits
	var messages, gapMax int
	messages, gapMax = int(l.MessagesMax), int(l.GapMax)
	after, timeout := time.Duration(l.RequestAfter), time.Duration(l.Timeout)
	rest, restMax := time.Duration(l.RestMin), time.Duration(l.RestMax)
	found := v.mapping(
		field{"servers", func(v value) { r.servers(t, v) }},
		field{"proxies", func(v value) { r.proxies(t, v) }},
		field{"address", parsed(&t.Addr, "an address and a port, like 192.0.2.1:0 or 233.252.0.9:30501", parseAnswerAddr)},
		field{"interface", text(&t.Interface, 1, 15)},
		field{"source", parsed(&t.Source, "the address of a sender", netip.ParseAddr)},
		field{"request_after", duration(&after, 0, time.Minute)},
		field{"timeout", duration(&timeout, 100*time.Microsecond, 10*time.Second)},
		field{"messages", integer(&messages, 1, 65_534)},
		field{"in_flight", integer(&l.InFlightMax, 1, 256)},
		field{"gap_max", integer(&gapMax, 1, 1<<32)},
		field{"requests_per_second", integer(&l.RequestsPerSecond, 1, 1_000_000)},
		field{"messages_per_second", integer(&l.MessagesPerSecond, 1, 1_000_000)},
		field{"failures", integer(&l.FailuresMax, 1, 1_000_000)},
		field{"rest", duration(&rest, 0, time.Hour)},
		field{"rest_max", duration(&restMax, 0, time.Hour)},
	)
	l.MessagesMax, l.GapMax = uint32(messages), uint64(gapMax)
	l.RequestAfter, l.Timeout = market.Nanos(after), market.Nanos(timeout)
	l.RestMin, l.RestMax = market.Nanos(rest), market.Nanos(restMax)
	l.Servers = max(1, len(t.Servers)+len(t.Proxies))
	_, servers := found["servers"]
	_, proxies := found["proxies"]
	switch {
	case servers && proxies:
		v.mistake("servers and proxies", "one of the two: servers of protocol itch, proxies of pitch")
	case proxies:
		r.answerLine(t, owner, v, found, groups)
	case !servers:
		v.mistake("no servers", "at least one, or of protocol pitch, proxies")
	case len(t.Servers) > 0:
		r.answerAddr(t, found)
	}
	switch {
	case rest < timeout:
		v.mistake(fmt.Sprintf("a rest of %v", rest), fmt.Sprintf("at least the timeout, %v", timeout))
	case restMax < rest:
		v.mistake(fmt.Sprintf("a rest_max of %v", restMax), fmt.Sprintf("at least the rest, %v", rest))
	}
}

func (r *reader) servers(t *Retransmit, v value) {
	v.sequence(func(v value) {
		var server netip.AddrPort
		parsed(&server, "an address and a port, like 192.0.2.1:26402", parseAddr)(v)
		ip := server.Addr()
		switch {
		case !ip.IsValid():
			return
		case ip.IsMulticast() || ip.IsUnspecified() || ip.Zone() != "":
			v.mistake(ip.String(), "the address of one machine")
		case slices.Contains(t.Servers, server):
			v.mistake(server.String()+" again", "each server once")
		case len(t.Servers) > 0 && t.Servers[0].Addr().Is4() != ip.Is4():
			v.mistake(server.String(), "one of the address family of "+t.Servers[0].String())
		}
		t.Servers = append(t.Servers, server)
	})
	switch n := len(t.Servers); {
	case n == 0:
		v.mistake("no servers", "at least one")
	case n > arbiter.ServersMax:
		v.mistake(fmt.Sprintf("%d servers", n), fmt.Sprintf("at most %d", arbiter.ServersMax))
	}
}

// proxies reads the gap request proxies of a section.
func (r *reader) proxies(t *Retransmit, v value) {
	v.sequence(func(v value) {
		var p GapProxy
		found := v.mapping(
			field{"address", parsed(&p.Address, "a host and a port, like gaps.example:17001", parseHostPort)},
			field{"session_sub_id", text(&p.SessionSubID, 1, 4)},
			field{"username", text(&p.Username, 1, 4)},
			field{"password", password(&p.Password)},
		)
		address, ok := found["address"]
		if !ok {
			v.mistake("no address", "one")
		}
		for i := range t.Proxies {
			if p.Address != "" && t.Proxies[i].Address == p.Address && t.Proxies[i].SessionSubID == p.SessionSubID {
				address.mistake(p.Address+" again", "each proxy once: it has one session at a time for a session_sub_id")
				break
			}
		}
		t.Proxies = append(t.Proxies, p)
	})
	switch n := len(t.Proxies); {
	case n == 0:
		v.mistake("no proxies", "at least one")
	case n > arbiter.ServersMax:
		v.mistake(fmt.Sprintf("%d proxies", n), fmt.Sprintf("at most %d", arbiter.ServersMax))
	}
}

// answerLine checks the address that the answers of proxies go to, which is like that of any line.
func (r *reader) answerLine(t *Retransmit, owner func() string, v value, found map[string]value, groups map[netip.AddrPort]string) {
	if t.Addr.IsValid() && t.Addr.Port() == 0 {
		found["address"].mistake(t.Addr.String(), "a port: proxies do not learn where their answers are to go to")
	}
	l := Line{ID: arbiter.LineR, Addr: t.Addr, Interface: t.Interface, Source: t.Source}
	r.socket(&l, v, found)
	t.Source = l.Source
	r.lineAddr(&l, owner, found, groups)
}

func parseAnswerAddr(s string) (netip.AddrPort, error) {
	a, err := netip.ParseAddrPort(s)
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()), err
}

// answerAddr checks the address that the answers of servers go to, or chooses it.
func (r *reader) answerAddr(t *Retransmit, found map[string]value) {
	for _, name := range []string{"interface", "source"} {
		if at, ok := found[name]; ok {
			at.mistake(name+" beside servers", "none: only the answers of proxies come to a group")
		}
	}
	v4 := t.Servers[0].Addr().Is4()
	ip := t.Addr.Addr()
	switch address := found["address"]; {
	case !ip.IsValid() && v4:
		t.Addr = netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
	case !ip.IsValid():
		t.Addr = netip.AddrPortFrom(netip.IPv6Unspecified(), 0)
	case ip.IsMulticast():
		address.mistake("group "+ip.String(), "an address of this machine")
	case ip.Is4() != v4:
		address.mistake(ip.String(), "one of the address family of "+t.Servers[0].String())
	}
}

// retransmitFits checks how the section fits the rest of its feed.
func (r *reader) retransmitFits(f *Feed, p *Provider, v value) {
	t := &p.Retransmit
	switch {
	case f.Protocol == gateway.UnknownFeed:
	case f.Protocol == gateway.PITCH && len(t.Servers) > 0:
		v.mistake("servers of protocol pitch", "proxies: it is asked for by TCP, with a login")
	case f.Protocol.Retransmits() && len(t.Proxies) > 0:
		v.mistake("proxies of protocol "+f.Protocol.String(), "servers: it is asked for by datagrams, without a login")
	case f.Protocol != gateway.PITCH && !f.Protocol.Retransmits():
		v.mistake("retransmission of protocol "+f.Protocol.String(), "none: only itch and pitch have it")
	}
	for _, l := range p.Lines {
		if l.ID == arbiter.LineR {
			v.mistake("retransmission beside a line R", "one of the two: answers come by line R")
		}
	}
	limits := &t.Limits
	if need := time.Duration(limits.GapDeadlineMin()); f.GapDeadline < need && t.Asks() {
		v.mistake(fmt.Sprintf("a gap_deadline of %v", f.GapDeadline), fmt.Sprintf(
			"at least %v: request_after, %v, and a timeout of %v for each of the servers, %d",
			need, time.Duration(limits.RequestAfter), time.Duration(limits.Timeout), limits.Servers))
	}
}

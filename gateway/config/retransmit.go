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

// Retransmit is where a feed asks for what all its lines have lost. Without servers it does not ask.
type Retransmit struct {
	Servers []netip.AddrPort // in the order in which they are asked
	Addr    netip.AddrPort   // where requests come from and answers go to; port 0: the system chooses
	Limits  arbiter.RequestConfig
}

// retransmit reads the section of that name. What it says about the other settings of its feed is checked
// by retransmitFits.
func (r *reader) retransmit(t *Retransmit, v value) {
	t.Limits = arbiter.DefaultRequestConfig(1)
	l := &t.Limits
	var messages, gapMax int
	messages, gapMax = int(l.MessagesMax), int(l.GapMax)
	after, timeout := time.Duration(l.RequestAfter), time.Duration(l.Timeout)
	rest, restMax := time.Duration(l.RestMin), time.Duration(l.RestMax)
	found := v.mapping(
		field{"servers", func(v value) { r.servers(t, v) }},
		field{"address", parsed(&t.Addr, "an address of this machine and a port, like 192.0.2.1:0", parseAnswerAddr)},
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
	if _, ok := found["servers"]; !ok {
		v.mistake("no servers", "at least one")
	}
	if len(t.Servers) > 0 {
		l.Servers = len(t.Servers)
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

func parseAnswerAddr(s string) (netip.AddrPort, error) {
	a, err := netip.ParseAddrPort(s)
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()), err
}

// answerAddr checks the address that answers go to, or chooses it.
func (r *reader) answerAddr(t *Retransmit, found map[string]value) {
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
	if f.Protocol != gateway.UnknownFeed && !f.Protocol.Retransmits() {
		v.mistake("retransmission of protocol "+f.Protocol.String(), "none: only itch has it by datagrams")
	}
	for _, l := range p.Lines {
		if l.ID == arbiter.LineR {
			v.mistake("retransmission beside a line R", "one of the two: answers come by line R")
		}
	}
	limits := &p.Retransmit.Limits
	if need := time.Duration(limits.GapDeadlineMin()); f.GapDeadline < need && len(p.Retransmit.Servers) > 0 {
		v.mistake(fmt.Sprintf("a gap_deadline of %v", f.GapDeadline), fmt.Sprintf(
			"at least %v: request_after, %v, and a timeout of %v for each of the servers, %d",
			need, time.Duration(limits.RequestAfter), time.Duration(limits.Timeout), limits.Servers))
	}
}

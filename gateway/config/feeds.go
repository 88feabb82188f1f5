package config

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"tidegate/arbiter"
	"tidegate/codec/lsg"
	"tidegate/gateway"
	"tidegate/market"
)

func (r *reader) feeds(c *Config, v value) {
	named, published := map[string]bool{}, map[string]string{}
	groups := map[netip.AddrPort]string{}
	v.sequence(func(v value) {
		f := Feed{
			GapDeadline: GapDeadlineDefault, StaleAfter: StaleAfterDefault, Silence: SilenceDefault, FailBack: FailBackDefault,
		}
		found := r.feed(&f, v, groups)
		if f.Name != "" && named[f.Name] {
			found["name"].mistake(strconv.Quote(f.Name)+" again", "another name for each feed")
		}
		named[f.Name] = true
		if other := published[f.Publisher.Dataset]; other != "" {
			v.mistake(fmt.Sprintf("dataset %s, which feed %q has", f.Publisher.Dataset, other), "one feed for a dataset")
		}
		if f.Publisher.Dataset != "" {
			published[f.Publisher.Dataset] = f.Name
		}
		c.Feeds = append(c.Feeds, f)
	})
	if len(c.Feeds) > feedsMax {
		v.mistake(fmt.Sprintf("%d feeds", len(c.Feeds)), fmt.Sprintf("at most %d", feedsMax))
	}
}

func (r *reader) feed(f *Feed, v value, groups map[netip.AddrPort]string) map[string]value {
	var datasets []string
	for _, p := range market.Publishers() {
		datasets = append(datasets, p.Dataset)
	}
	var alone Provider
	owner := func() string { return fmt.Sprintf("feed %q", f.Name) }
	fields := append(r.ofProvider(&alone, owner, groups),
		field{"name", text(&f.Name, 1, nameMax)},
		field{"protocol", choice(&f.Protocol, []string{"itch", "pitch", "deep", "tops"}, []gateway.Feed{gateway.ITCH, gateway.PITCH, gateway.DEEP, gateway.TOPS})},
		field{"dataset", choice(&f.Publisher, datasets, market.Publishers())},
		field{"gap_deadline", duration(&f.GapDeadline, 0, time.Minute)},
		field{"stale_after", duration(&f.StaleAfter, time.Millisecond, time.Minute)},
		field{"silence", duration(&f.Silence, 10*time.Millisecond, time.Hour)},
		field{"fail_back", duration(&f.FailBack, 0, time.Hour)},
		field{"providers", func(value) {}}, // read below, when the protocol is known
	)
	found := v.mapping(fields...)
	for _, name := range []string{"name", "protocol"} {
		if _, ok := found[name]; !ok {
			v.mistake("no "+name, "one")
		}
	}
	if f.Silence <= f.StaleAfter {
		v.mistake(fmt.Sprintf("a silence of %v", f.Silence), fmt.Sprintf("more than stale_after, %v", f.StaleAfter))
	}
	r.providers(f, v, &alone, groups, found)
	if _, ok := found["providers"]; !ok {
		r.providerFits(f, &alone, v, found)
	}
	if _, ok := found["dataset"]; !ok && f.Protocol != gateway.UnknownFeed {
		f.Publisher = f.Protocol.Publisher()
	}
	return found
}

func (r *reader) consolidated(c *Consolidated, v value) {
	v.mapping(
		field{"dataset", parsed(&c.Dataset, fmt.Sprintf("1 to %d printable characters without spaces and pipes", lsg.DatasetMax), parseDataset)},
	)
}

func parseDataset(s string) (string, error) {
	if s == "" || len(s) > lsg.DatasetMax || !printable(s) || strings.Contains(s, "|") {
		return "", strconv.ErrSyntax
	}
	return s, nil
}

// consolidatedDataset checks that the consolidated dataset is none of a feed.
func (r *reader) consolidatedDataset(c *Config) {
	for _, f := range c.Feeds {
		if name := c.Consolidated.Dataset; name != "" && f.Publisher.Dataset == name {
			r.at["consolidated.dataset"].mistake(fmt.Sprintf("%s, which feed %q has", name, f.Name), "a dataset that no feed has")
		}
	}
}

func lineNames() (names []string, ids []arbiter.LineID) {
	for id := range arbiter.LineID(arbiter.LinesMax) {
		names, ids = append(names, id.String()), append(ids, id)
	}
	return names, ids
}

func (r *reader) lines(p *Provider, owner func() string, v value, groups map[netip.AddrPort]string) {
	names, ids := lineNames()
	var taken [arbiter.LinesMax]bool
	v.sequence(func(v value) {
		l := Line{ID: arbiter.LinesMax, ReceiveBuffer: ReceiveBufferDefault}
		found := v.mapping(
			field{"name", choice(&l.ID, names, ids)},
			field{"address", parsed(&l.Addr, "an address and a port, like 233.252.0.1:26400", parseAddr)},
			field{"interface", text(&l.Interface, 1, 15)},
			field{"source", parsed(&l.Source, "the address of a sender", netip.ParseAddr)},
			field{"receive_buffer", size(&l.ReceiveBuffer, 4<<10, 1<<30-1)},
		)
		if name, ok := found["name"]; !ok {
			v.mistake("no name", "one of "+strings.Join(names, ", "))
		} else if l.ID < arbiter.LinesMax {
			if taken[l.ID] {
				name.mistake(fmt.Sprintf("line %s again", l.ID), "each line of a provider once")
			}
			taken[l.ID] = true
		}
		r.socket(&l, v, found)
		r.lineAddr(&l, owner, found, groups)
		p.Lines = append(p.Lines, l)
	})
}

// lineAddr checks that no other line has the address of a line.
func (r *reader) lineAddr(l *Line, owner func() string, found map[string]value, groups map[netip.AddrPort]string) {
	if !l.Addr.IsValid() {
		return
	}
	if other := groups[l.Addr]; other != "" {
		found["address"].mistake(fmt.Sprintf("%s, which %s has", l.Addr, other), "an address for each line: a capture tells lines by it")
	}
	groups[l.Addr] = fmt.Sprintf("line %s of %s", l.ID, owner())
}

func parseAddr(s string) (netip.AddrPort, error) {
	a, err := netip.ParseAddrPort(s)
	if err == nil && a.Port() == 0 {
		err = errors.New("no port")
	}
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()), err
}

// socket checks how the parts of a line's address fit together.
func (r *reader) socket(l *Line, v value, found map[string]value) {
	ip := l.Addr.Addr()
	address, ok := found["address"]
	if !ok {
		v.mistake("no address", "one")
	}
	if !ip.IsValid() {
		return
	}
	source, hasSource := found["source"]
	ifi, hasInterface := found["interface"]
	switch {
	case ip.IsMulticast() && !hasInterface:
		address.mistake(fmt.Sprintf("group %s without an interface", ip), "the name of the interface to join it on")
	case !ip.IsMulticast() && hasInterface:
		ifi.mistake("an interface", fmt.Sprintf("none: %s is no multicast group", ip))
	case !ip.IsMulticast() && hasSource:
		source.mistake("a source", fmt.Sprintf("none: %s is no multicast group", ip))
	case ip.IsUnspecified():
		address.mistake(ip.String(), "the one address that the feed is sent to")
	}
	if !l.Source.IsValid() {
		return
	}
	if l.Source = l.Source.Unmap(); l.Source.Is4() != ip.Is4() || l.Source.IsMulticast() || l.Source.IsUnspecified() {
		source.mistake(l.Source.String(), "a sender of the address family of "+ip.String())
	}
}

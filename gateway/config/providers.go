package config

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode"

	"tidegate/arbiter"
	"tidegate/codec/moldudp64"
	"tidegate/gateway"
)

// A Provider is an independent origin of a feed's channel, with its own sequence.
type Provider struct {
	Name string
	// Session locks the channel to one MoldUDP64 session. "": the first that comes.
	Session    string
	Lines      []Line
	TCP        TCPLine // one more line; no address: none
	Retransmit Retransmit
	Snapshots  Snapshots
}

// A TCPLine is a line that comes by SoupBinTCP.
type TCPLine struct {
	ID      arbiter.LineID
	Address string // host and port; "" for none
	Login
}

// A Login is what a server of the venue asks for.
type Login struct{ Username, Password string }

// Snapshots is where a provider's books are had from when messages are lost for good. Without servers they
// stay marked.
type Snapshots struct {
	Servers  []SnapshotServer // in the order in which they are asked
	Deadline time.Duration    // for one attempt
	// Withhold: a channel that is joined in its middle publishes nothing before its snapshot.
	Withhold bool
}

// A SnapshotServer serves GLIMPSE where the feed is ITCH, and is a spin server where it is PITCH.
type SnapshotServer struct {
	Address      string // host and port
	SessionSubID string // of a spin server
	Login
}

// Bounds and defaults of the settings of providers.
const (
	StaleAfterDefault       = 50 * time.Millisecond
	SilenceDefault          = 3 * time.Second
	FailBackDefault         = 5 * time.Second
	SnapshotDeadlineDefault = 15 * time.Second
	snapshotServersMax      = 8
)

// providers reads the section of that name, or what stands in its place where a feed has one provider.
func (r *reader) providers(f *Feed, v value, alone *Provider, groups map[netip.AddrPort]string, found map[string]value) {
	list, ok := found["providers"]
	if !ok {
		alone.Name = f.Name
		f.Providers = []Provider{*alone}
		return
	}
	for _, name := range []string{"lines", "tcp", "session", "retransmit", "snapshots"} {
		if at, ok := found[name]; ok {
			at.mistake(name+" beside providers", "them in each provider, or no providers")
		}
	}
	named := map[string]bool{}
	list.sequence(func(v value) {
		var p Provider
		found := v.mapping(append([]field{{"name", text(&p.Name, 1, nameMax)}}, r.ofProvider(&p, func() string { return fmt.Sprintf("provider %q of feed %q", p.Name, f.Name) }, groups)...)...)
		if _, ok := found["name"]; !ok {
			v.mistake("no name", "one")
		}
		if named[p.Name] {
			found["name"].mistake(strconv.Quote(p.Name)+" again", "another name for each provider")
		}
		named[p.Name] = true
		r.providerFits(f, &p, v, found)
		f.Providers = append(f.Providers, p)
	})
	switch n := len(f.Providers); {
	case n == 0:
		list.mistake("no providers", "at least one")
	case n > arbiter.ProvidersMax:
		list.mistake(fmt.Sprintf("%d providers", n), fmt.Sprintf("at most %d", arbiter.ProvidersMax))
	}
}

// ofProvider are the settings that a provider has, and a feed with one provider.
func (r *reader) ofProvider(p *Provider, owner func() string, groups map[netip.AddrPort]string) []field {
	return []field{
		{"session", text(&p.Session, 1, moldudp64.SessionLen)},
		{"lines", func(v value) { r.lines(p, owner, v, groups) }},
		{"tcp", func(v value) { r.tcp(&p.TCP, v) }},
		{"retransmit", func(v value) { r.retransmit(&p.Retransmit, owner, v, groups) }},
		{"snapshots", func(v value) { r.snapshots(&p.Snapshots, v) }},
	}
}

// providerFits checks how a provider's settings fit together, and fit its feed.
func (r *reader) providerFits(f *Feed, p *Provider, v value, found map[string]value) {
	_, hasTCP := found["tcp"]
	if lines, ok := found["lines"]; !ok && !hasTCP {
		v.mistake("no lines", "at least one")
	} else if ok && len(p.Lines) == 0 {
		lines.mistake("no lines", "at least one")
	}
	if session, ok := found["session"]; ok && f.Protocol != gateway.ITCH && f.Protocol != gateway.UnknownFeed {
		session.mistake("a session", "none: only those of protocol itch have a name")
	}
	if retransmit, ok := found["retransmit"]; ok {
		r.retransmitFits(f, p, retransmit)
	}
	if hasTCP {
		r.tcpFits(f, p, found["tcp"])
	}
	if snapshots, ok := found["snapshots"]; ok {
		r.snapshotsFit(f, p, snapshots)
	}
}

// tcp reads the section of that name.
func (r *reader) tcp(t *TCPLine, v value) {
	names, ids := lineNames()
	t.ID = arbiter.LinesMax
	found := v.mapping(append(login(&t.Login),
		field{"name", choice(&t.ID, names, ids)},
		field{"address", parsed(&t.Address, "a host and a port, like feed.example:26403", parseHostPort)},
	)...)
	for _, name := range []string{"name", "address"} {
		if _, ok := found[name]; !ok {
			v.mistake("no "+name, "one")
		}
	}
}

func (r *reader) tcpFits(f *Feed, p *Provider, v value) {
	if f.Protocol != gateway.ITCH && f.Protocol != gateway.UnknownFeed {
		v.mistake("a line by tcp of protocol "+f.Protocol.String(), "none: only itch has it")
	}
	for _, l := range p.Lines {
		if l.ID == p.TCP.ID && l.ID < arbiter.LinesMax {
			v.mistake(fmt.Sprintf("line %s again", l.ID), "each line of a provider once")
		}
	}
	if p.TCP.ID == arbiter.LineR && p.Retransmit.Asks() {
		v.mistake("retransmission beside a line R", "one of the two: answers come by line R")
	}
}

// snapshots reads the section of that name.
func (r *reader) snapshots(s *Snapshots, v value) {
	s.Deadline, s.Withhold = SnapshotDeadlineDefault, true
	found := v.mapping(
		field{"servers", func(v value) { r.snapshotServers(s, v) }},
		field{"deadline", duration(&s.Deadline, 100*time.Millisecond, 10*time.Minute)},
		field{"withhold", boolean(&s.Withhold)},
	)
	if _, ok := found["servers"]; !ok {
		v.mistake("no servers", "at least one")
	}
}

func (r *reader) snapshotServers(s *Snapshots, v value) {
	v.sequence(func(v value) {
		var server SnapshotServer
		found := v.mapping(append(login(&server.Login),
			field{"address", parsed(&server.Address, "a host and a port, like snapshot.example:26404", parseHostPort)},
			field{"session_sub_id", text(&server.SessionSubID, 1, 4)},
		)...)
		if _, ok := found["address"]; !ok {
			v.mistake("no address", "one")
		}
		s.Servers = append(s.Servers, server)
	})
	switch n := len(s.Servers); {
	case n == 0:
		v.mistake("no servers", "at least one")
	case n > snapshotServersMax:
		v.mistake(fmt.Sprintf("%d servers", n), fmt.Sprintf("at most %d", snapshotServersMax))
	}
}

func (r *reader) snapshotsFit(f *Feed, p *Provider, v value) {
	switch f.Protocol {
	case gateway.ITCH, gateway.UnknownFeed:
		for _, s := range p.Snapshots.Servers {
			if s.SessionSubID != "" {
				v.mistake("a session_sub_id", "none: only spin servers of protocol pitch have it")
			}
		}
	case gateway.PITCH:
		for _, s := range p.Snapshots.Servers {
			if n := len(s.Username); n > 4 {
				v.mistake(fmt.Sprintf("a username of %d characters", n), "at most 4: it is for a spin server")
			}
		}
	default:
		v.mistake("snapshots of protocol "+f.Protocol.String(), "none: only itch and pitch have them")
	}
}

func login(l *Login) []field {
	return []field{{"username", text(&l.Username, 1, 6)}, {"password", password(&l.Password)}}
}

// password takes the password of a Login, which no error shows.
func password(to *string) func(value) {
	return func(v value) {
		s, ok := v.scalar()
		if !ok || s == "" || len(s) > 10 || strings.ContainsFunc(s, unicode.IsControl) {
			v.mistake("something else", "a password of 1 to 10 characters")
		}
		*to = s
	}
}

func parseHostPort(s string) (string, error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return "", err
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 || host == "" {
		return "", strconv.ErrSyntax
	}
	return s, nil
}

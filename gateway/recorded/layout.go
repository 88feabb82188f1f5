package recorded

import (
	"errors"
	"fmt"
	"net/netip"

	"tidegate/arbiter"
	"tidegate/gateway"
	"tidegate/gateway/providers"
	"tidegate/market"
)

// A Layout describes a gateway as far as what it published depends on it.
type Layout struct {
	Feeds        []Feed
	Consolidated string // dataset; "" for none
}

// A Feed is one feed, and the choice of its providers.
type Feed struct {
	Name   string
	Number uint16 // in decisions
	// Choice is how a provider is chosen. Of it a layout holds the names, what a decision is carried out with
	// (SameIDs, RefreshOrders), and what the decisions were made by: StaleAfter, Silence and FailBack. The rest
	// is as in providers.DefaultConfig.
	Choice   providers.Config
	Channels []Channel // of the providers, in the order of Choice.Names
}

// A Channel is what one provider sends.
type Channel struct {
	Number uint16 // in inputs of its pipeline
	// Pipeline is what the pipeline was made with. Protocol, publisher and midnight are those of all channels
	// of the feed.
	Pipeline gateway.Config
	Servers  []netip.AddrPort // that were asked for retransmission by datagrams, in order
	Proxies  []string         // host and port of those that were asked by TCP, in order
	Lines    []Line
}

// A Line is one line of a channel.
type Line struct {
	ID   arbiter.LineID
	Addr netip.AddrPort // where its datagrams are recorded as sent to
}

// Limits of what a layout may ask of whoever replays it.
const (
	feedsMax       = 256
	symbolsMax     = 1 << 20
	windowBytesMax = 1 << 28 // of one channel's arbiter
	midnightMax    = market.Nanos(1) << 62
)

// Validate returns an error that names the first thing that makes no sense.
func (l *Layout) Validate() error {
	if n := len(l.Feeds); n == 0 || n > feedsMax {
		return fmt.Errorf("%d feeds: want 1 to %d", n, feedsMax)
	}
	taken := taken{
		names: map[string]bool{}, feeds: map[uint16]bool{}, channels: map[uint16]bool{},
		lines: map[netip.AddrPort]bool{Addr: true},
	}
	for i := range l.Feeds {
		f := &l.Feeds[i]
		if f.Name == "" || taken.names[f.Name] || taken.feeds[f.Number] {
			return fmt.Errorf("feed %q, number %d: want a name and a number of its own", f.Name, f.Number)
		}
		taken.names[f.Name], taken.feeds[f.Number] = true, true
		if err := f.validate(&taken); err != nil {
			return fmt.Errorf("feed %q: %w", f.Name, err)
		}
	}
	return nil
}

// taken is what only one may have.
type taken struct {
	names           map[string]bool // of feeds
	feeds, channels map[uint16]bool
	lines           map[netip.AddrPort]bool
}

func (f *Feed) validate(taken *taken) error {
	if err := f.Choice.Validate(); err != nil {
		return err
	}
	if len(f.Channels) != len(f.Choice.Names) {
		return fmt.Errorf("%d channels of %d providers", len(f.Channels), len(f.Choice.Names))
	}
	for i := range f.Channels {
		c := &f.Channels[i]
		err := c.validate(taken)
		if first := &f.Channels[0].Pipeline; err == nil &&
			(c.Pipeline.Feed != first.Feed || c.Pipeline.Publisher != first.Publisher || c.Pipeline.Midnight != first.Midnight) {
			err = errors.New("not of the protocol, publisher and day of the provider before")
		}
		if err != nil {
			return fmt.Errorf("provider %q: %w", f.Choice.Names[i], err)
		}
	}
	return nil
}

func (c *Channel) validate(taken *taken) error {
	p := &c.Pipeline
	switch {
	case taken.channels[c.Number]:
		return fmt.Errorf("channel %d: another one has the number", c.Number)
	case p.Feed == gateway.UnknownFeed || p.Feed == gateway.MBO || p.Feed > gateway.PITCH:
		return fmt.Errorf("protocol %q: want one that comes in datagrams", p.Feed)
	case p.Arbiter == nil:
		return errors.New("no limits of arbitration")
	case p.Midnight < 0 || p.Midnight > midnightMax:
		return fmt.Errorf("midnight %d ns: want 0 to %d", p.Midnight, midnightMax)
	case p.SymbolsMax < 1 || p.SymbolsMax > symbolsMax:
		return fmt.Errorf("symbols max %d: want 1 to %d", p.SymbolsMax, symbolsMax)
	}
	taken.channels[c.Number] = true
	if known, ok := market.PublisherByDataset(p.Publisher.Dataset); !ok || known != p.Publisher {
		return fmt.Errorf("dataset %q: is not known", p.Publisher.Dataset)
	}
	if err := p.Arbiter.Validate(); err != nil {
		return err
	}
	if n := p.Arbiter.WindowPacketsMax * p.Arbiter.PacketBytesMax; n > windowBytesMax {
		return fmt.Errorf("a window of %d bytes: want at most %d", n, windowBytesMax)
	}
	if s := p.Arbiter.Session; s != sessionOf(sessionText(s)) {
		return fmt.Errorf("session %s: want one of printable characters", s)
	}
	if err := c.validateRetransmit(); err != nil {
		return fmt.Errorf("retransmission: %w", err)
	}
	var ids [arbiter.LinesMax]bool
	for _, l := range c.Lines {
		if l.ID >= arbiter.LinesMax || ids[l.ID] || !l.Addr.IsValid() || taken.lines[l.Addr] {
			return fmt.Errorf("line %s, to %s: want a line and an address that no other has", l.ID, l.Addr)
		}
		ids[l.ID], taken.lines[l.Addr] = true, true
	}
	return nil
}

func (c *Channel) validateRetransmit() error {
	limits, servers := c.Pipeline.Retransmit, len(c.Servers)+len(c.Proxies)
	switch protocol := c.Pipeline.Feed; {
	case limits == nil && servers > 0:
		return errors.New("servers without limits")
	case limits == nil:
		return nil
	case limits.Servers != servers:
		return fmt.Errorf("limits for %d servers, but %d are named", limits.Servers, servers)
	case len(c.Servers) > 0 && !protocol.Retransmits():
		return fmt.Errorf("feed %s: has none by datagrams", protocol)
	case len(c.Proxies) > 0 && protocol != gateway.PITCH:
		return fmt.Errorf("feed %s: has none by TCP", protocol)
	}
	return limits.Validate(c.Pipeline.Arbiter.GapDeadline)
}

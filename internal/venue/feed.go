package venue

import (
	"fmt"
	"net/netip"

	"tidegate/market"
)

// A FeedConfig describes a whole simulated feed.
type FeedConfig struct {
	Market Config
	Sender SenderConfig
	Lines  []Line
	// Protected guarantees that each packet arrives on one line at least, whatever the impairments: a
	// receiver that merges the lines loses nothing.
	Protected bool
}

// A Line is one copy of the channel: where its packets come from and go to, and what happens to them
// on the way.
type Line struct {
	Name   string
	Source netip.AddrPort
	Group  netip.AddrPort
	Impairment
}

// DefaultFeedConfig returns the default market on two imperfect lines that never lose the same
// packet. Addresses are those reserved for documentation (RFC 5737, RFC 6676).
func DefaultFeedConfig(seed uint64) FeedConfig {
	return FeedConfig{
		Market: DefaultConfig(seed),
		Sender: DefaultSenderConfig(),
		Lines: []Line{
			{
				Name:   "A",
				Source: netip.MustParseAddrPort("192.0.2.1:26400"),
				Group:  netip.MustParseAddrPort("233.252.0.1:26400"),
				Impairment: Impairment{
					Delay:     80 * market.Microsecond,
					Jitter:    30 * market.Microsecond,
					Loss:      0.001,
					Burst:     BurstLoss{Enter: 0.0005, Leave: 0.2, Loss: 0.7},
					Duplicate: 0.0005,
					Reorder:   0.001,
					ReorderBy: 400 * market.Microsecond,
					Down:      []Span{{From: 100 * market.Second, To: 104 * market.Second}},
				},
			},
			{
				Name:   "B",
				Source: netip.MustParseAddrPort("198.51.100.1:26400"),
				Group:  netip.MustParseAddrPort("233.252.0.2:26400"),
				Impairment: Impairment{
					Delay:     120 * market.Microsecond,
					Jitter:    60 * market.Microsecond,
					Loss:      0.002,
					Burst:     BurstLoss{Enter: 0.001, Leave: 0.3, Loss: 0.8},
					Duplicate: 0.001,
					Reorder:   0.002,
					ReorderBy: 800 * market.Microsecond,
					Clogged:   []Span{{From: 45 * market.Second, To: 45*market.Second + 300*market.Millisecond}},
				},
			},
		},
		Protected: true,
	}
}

// Validate reports the first thing that is wrong, and what is expected instead.
func (c FeedConfig) Validate() error {
	if err := c.Market.Validate(); err != nil {
		return fmt.Errorf("market: %w", err)
	}
	if err := c.Sender.Validate(); err != nil {
		return fmt.Errorf("sender: %w", err)
	}
	if len(c.Lines) == 0 {
		return fmt.Errorf("no lines: want one at least")
	}
	for _, l := range c.Lines {
		if err := l.Validate(); err != nil {
			return fmt.Errorf("line %q: %w", l.Name, err)
		}
	}
	return nil
}

// Validate reports the first thing that is wrong, and what is expected instead.
func (l Line) Validate() error {
	if l.Name == "" {
		return fmt.Errorf("no name")
	}
	if !l.Source.IsValid() || l.Source.Addr().IsMulticast() {
		return fmt.Errorf("source %v: want the address and port of a sender", l.Source)
	}
	if !l.Group.IsValid() || l.Group.Addr().Is4() != l.Source.Addr().Is4() {
		return fmt.Errorf("group %v: want an address and port of the family of the source %v", l.Group, l.Source)
	}
	return l.Impairment.Validate()
}

// A Feed is an exchange, its sender and its lines: the datagrams that a receiver gets.
type Feed struct {
	cfg      FeedConfig
	exchange *Exchange
	sender   *Sender
	lines    *Lines
	packed   bool // the sender has no more packets
}

// NewFeed returns a feed before its first datagram.
func NewFeed(cfg FeedConfig) (*Feed, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("venue: feed: %w", err)
	}
	x, err := New(cfg.Market)
	if err != nil {
		return nil, err
	}
	sender, err := NewSender(x, cfg.Sender)
	if err != nil {
		return nil, err
	}
	impairments := make([]Impairment, len(cfg.Lines))
	for i, l := range cfg.Lines {
		impairments[i] = l.Impairment
	}
	lines, err := NewLines(impairments, cfg.Market.Seed, cfg.Protected)
	if err != nil {
		return nil, err
	}
	return &Feed{cfg: cfg, exchange: x, sender: sender, lines: lines}, nil
}

// Next returns the datagram that arrives next on any line, or false after the last.
func (f *Feed) Next() (Datagram, bool) {
	for {
		if d, ok := f.lines.Next(); ok {
			return d, true
		}
		if f.packed {
			return Datagram{}, false
		}
		if p, ok := f.sender.Next(); ok {
			f.lines.Send(p)
		} else {
			f.lines.Close()
			f.packed = true
		}
	}
}

// Exchange returns the feed's exchange, for its queries: its books are those after the last message
// of all, once Next has returned false. It must not be stepped.
func (f *Feed) Exchange() *Exchange { return f.exchange }

package replay

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"tidegate/arbiter"
	"tidegate/codec/dbn"
	"tidegate/gateway"
	"tidegate/gateway/providers"
	"tidegate/gateway/recorded"
	"tidegate/gateway/recovery"
	"tidegate/market"
)

// ErrDescribed is returned (wrapped) for options that contradict what a recording says of the gateway that made it.
var ErrDescribed = errors.New("the recording describes its gateway")

// described is the gateway that a recording describes.
type described struct {
	feeds    map[uint16]*sink    // by number
	channels map[uint16]*Channel // by number
}

// describe makes the feeds of a recording.
func (c *channels) describe(l *recorded.Layout) error {
	opt := &c.run.opt
	if len(opt.Paths) > 1 {
		return fmt.Errorf("%w: it is all that the gateway was given, and is replayed alone, or as found", ErrDescribed)
	}
	c.described = &described{feeds: make(map[uint16]*sink), channels: make(map[uint16]*Channel)}
	var names []string
	var servers []netip.AddrPort
	for i := range l.Feeds {
		f := &l.Feeds[i]
		names = append(names, f.Name)
		for _, ch := range f.Channels {
			servers = append(servers, ch.Servers...)
		}
		if err := opt.agree(f); err != nil {
			return fmt.Errorf("%w: feed %q: %w", ErrDescribed, f.Name, err)
		}
		if err := c.addFeed(f); err != nil {
			return fmt.Errorf("feed %q: %w", f.Name, err)
		}
	}
	for _, server := range opt.Retransmit.Servers {
		if !slices.Contains(servers, server) {
			return fmt.Errorf("%w: it did not ask %s for retransmission", ErrDescribed, server)
		}
	}
	if opt.Feed != "" && !slices.Contains(names, opt.Feed) {
		return fmt.Errorf("feed %q: the recording has none of that name, but %s", opt.Feed, strings.Join(names, ", "))
	}
	return nil
}

// agree returns an error if the options say otherwise than a recording.
func (o *Options) agree(f *recorded.Feed) error {
	for i := range f.Channels {
		c := &f.Channels[i]
		p := &c.Pipeline
		limits := *p.Arbiter
		limits.Session = o.Arbiter.Session
		switch {
		case o.Publisher.ID != 0 && o.Publisher != p.Publisher:
			return fmt.Errorf("its publisher is %s, not %s", p.Publisher.Dataset, o.Publisher.Dataset)
		case o.Midnight != 0 && o.Midnight != p.Midnight:
			return fmt.Errorf("its day begins at %s, not at %s", timeText(p.Midnight), timeText(o.Midnight))
		case o.Arbiter.GapDeadline != 0 && o.Arbiter.GapDeadline != limits.GapDeadline:
			return fmt.Errorf("its gap deadline is %v, not %v", time.Duration(limits.GapDeadline), time.Duration(o.Arbiter.GapDeadline))
		case o.Arbiter != (arbiter.Config{}) && o.Arbiter != limits:
			return errors.New("it has other limits of arbitration")
		}
	}
	return nil
}

// addFeed makes a feed as it was.
func (c *channels) addFeed(f *recorded.Feed) error {
	first := &f.Channels[0].Pipeline
	s := &sink{name: f.Name, feed: first.Feed, publisher: first.Publisher, renumbers: !f.Choice.SameIDs}
	if c.run.opt.Feed == "" || c.run.opt.Feed == f.Name {
		s.out = c.run.out
	}
	if err := c.compatible(s); err != nil {
		return err
	}
	var err error
	if s.choice, err = providers.New(f.Choice, s, s); err != nil {
		return err
	}
	for i := range f.Channels {
		ch, err := c.addChannel(s, f, i)
		if err != nil {
			return fmt.Errorf("provider %q: %w", f.Choice.Names[i], err)
		}
		s.channels = append(s.channels, ch)
	}
	c.described.feeds[f.Number] = s
	return c.join(s, s.choice.Symbol)
}

// addChannel makes the channel of a provider.
func (c *channels) addChannel(s *sink, f *recorded.Feed, provider int) (*Channel, error) {
	from := &f.Channels[provider]
	ch := &Channel{Name: f.Name, sink: s, feed: from.Pipeline.Feed, records: make(map[dbn.RType]uint64)}
	if len(f.Channels) > 1 {
		ch.Name += "/" + f.Choice.Names[provider]
	}
	port := s.choice.Port(provider)
	ch.witness = &witness{next: port}
	var err error
	if ch.Pipeline, err = gateway.New(from.Pipeline, rebuildable{ch.witness, port.(gateway.Rebuilder)}); err != nil {
		return nil, err
	}
	s.choice.Attach(provider, ch.Pipeline)
	for _, l := range from.Lines {
		dst := netip.AddrPortFrom(l.Addr.Addr().Unmap(), l.Addr.Port())
		ch.Lines = append(ch.Lines, Line{ID: l.ID, Dst: dst})
		c.lines[lineKey{0, dst}] = lineRef{ch, l.ID}
	}
	c.described.channels[from.Number] = ch
	c.list = append(c.list, ch)
	return ch, nil
}

// RecordedSummary says what a recording held beside the datagrams of lines, and what became of it.
type RecordedSummary struct {
	Layout    uint64 `json:"layout"`    // records of the description
	Decisions uint64 `json:"decisions"` // about providers, carried out
	Snapshots uint64 `json:"snapshots"` // inputs of pipelines that get snapshots: begin, blocks, end, ...
	// Refused counts those of Snapshots that the pipeline gave an error for, as it did to the gateway.
	Refused uint64 `json:"refused"`
	// The rest was left out.
	AsFound uint64            `json:"as_found,omitempty"` // because channels were taken as found, not as described
	Damaged uint64            `json:"damaged,omitempty"`  // cannot be read
	Foreign uint64            `json:"foreign,omitempty"`  // about a feed, a channel or a provider that there is not
	Unknown map[string]uint64 `json:"unknown,omitempty"`  // by what they call themselves
}

// Total returns how many there were.
func (s *RecordedSummary) Total() uint64 {
	n := s.Layout + s.Decisions + s.Snapshots + s.AsFound + s.Damaged + s.Foreign
	for _, unknown := range s.Unknown {
		n += unknown
	}
	return n
}

// onInput takes an input that is no datagram, recorded at a time.
func (c *channels) onInput(b []byte, at market.Nanos) {
	s := &c.inputs
	number, decision, isDecision := providers.ParseDecision(b)
	channel, input, isInput := recovery.ParseInput(b)
	switch {
	case !isDecision && !isInput:
		c.notApplied(b)
	case c.described == nil:
		s.AsFound++
	case isDecision && !believable(decision.At) || isInput && !believable(input.At):
		s.Damaged++
	case isDecision:
		f := c.described.feeds[number]
		if f == nil || int(decision.Provider) >= len(f.channels) {
			s.Foreign++
			return
		}
		c.tick(at)
		f.choice.Apply(decision)
		s.Decisions++
	default:
		ch := c.described.channels[channel]
		if ch == nil {
			s.Foreign++
			return
		}
		if input.Kind != recovery.Block {
			c.tick(at)
		}
		s.Snapshots++
		if recovery.Apply(ch.Pipeline, input) != nil {
			s.Refused++
		}
	}
}

// tick brings all pipelines to a time. What is decided at a tick, is decided after the ticks of all pipelines.
// Blocks of snapshots come between ticks, and publish nothing.
func (c *channels) tick(at market.Nanos) {
	for _, ch := range c.list {
		ch.Pipeline.OnTick(at)
	}
}

func believable(at market.Nanos) bool { return at >= 0 && at <= timeMax }

// unknownMax is how many kinds of unknown inputs are told apart.
const unknownMax = 16

// notApplied counts an input that cannot be read: a known one that is damaged, or one by its name.
func (c *channels) notApplied(b []byte) {
	s := &c.inputs
	name := recorded.Name(b)
	switch name {
	case "TGDECIDE", "TGRECOVR", "TGLAYOUT": // a layout is at the beginning or nowhere
		s.Damaged++
		return
	}
	if s.Unknown == nil {
		s.Unknown = make(map[string]uint64)
	}
	if _, ok := s.Unknown[name]; !ok && len(s.Unknown) >= unknownMax {
		name = "others"
	}
	s.Unknown[name]++
}

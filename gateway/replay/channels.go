package replay

import (
	"fmt"
	"net/netip"
	"slices"

	"tidegate/arbiter"
	"tidegate/codec/dbn"
	"tidegate/codec/pcap"
	"tidegate/gateway"
	"tidegate/gateway/derive"
	"tidegate/market"
)

// A Channel is one sequenced stream that a replay found, or that a recording describes, with its pipeline.
type Channel struct {
	Name     string // session of a capture's channel, name of a file, feed (and provider) of a recording
	Pipeline *gateway.Pipeline
	Lines    []Line

	witness  *witness
	sink     *sink // shared with the other providers of its feed
	feed     gateway.Feed
	session  arbiter.Session
	metadata *dbn.Metadata // of a DBN input
	records  map[dbn.RType]uint64
}

// A Line is one line of a channel, as a replay found it.
type Line struct {
	ID   arbiter.LineID
	File int            // index into Options.Paths
	Dst  netip.AddrPort // where its datagrams went
}

// channelsMax bounds how many channels a replay keeps: each has books and a reorder window, and a
// damaged or hostile capture could name a session per packet.
const channelsMax = 64

type lineKey struct {
	file int
	dst  netip.AddrPort
}

type lineRef struct {
	channel *Channel
	line    arbiter.LineID
}

// channels finds and keeps the channels of a replay.
type channels struct {
	run          *run
	list         []*Channel
	sinks        []*sink // of the channels, or of the feeds of a recording
	lines        map[lineKey]lineRef
	unrecognised uint64          // datagrams of no feed we know
	numbers      *derive.Numbers // of the consolidated book, where the output is of one
	market       *derive.Market

	described *described      // what the recording says of itself; nil: channels are found
	inputs    RecordedSummary // of recordings, beside the datagrams
}

// line returns the line a datagram came on, or none if it is of no feed we know. A line is one
// destination in one file; its first recognised datagram decides which channel it is a line of.
func (c *channels) line(file int, at market.Nanos, d *pcap.Datagram) (lineRef, error) {
	key := lineKey{file, d.Dst}
	if ref, ok := c.lines[key]; ok || c.described != nil {
		return ref, nil
	}
	if ref, ok := c.answers(key, d); ok {
		return ref, nil
	}
	feed, session, ok := gateway.Recognise(d.Payload)
	if !ok {
		return lineRef{}, nil
	}
	ch, err := c.of(feed, session, at)
	if err != nil {
		return lineRef{}, err
	}
	id := arbiter.LineID(0)
	for _, l := range ch.Lines {
		if l.ID != arbiter.LineR {
			id++
		}
	}
	if id >= arbiter.LineR {
		return lineRef{}, fmt.Errorf("channel %s: more than %d lines carry it", ch.Name, arbiter.LineR)
	}
	ch.Lines = append(ch.Lines, Line{ID: id, File: file, Dst: d.Dst})
	ref := lineRef{ch, id}
	c.lines[key] = ref
	return ref, nil
}

// of returns the channel of a session of a feed.
func (c *channels) of(feed gateway.Feed, session arbiter.Session, at market.Nanos) (*Channel, error) {
	for _, ch := range c.list {
		if ch.feed == feed && ch.session == session {
			return ch, nil
		}
	}
	if len(c.list) >= channelsMax {
		return nil, fmt.Errorf("session %s: more than %d channels in the input", session, channelsMax)
	}
	cfg := gateway.DefaultConfig(feed)
	if cfg.Midnight = midnightOf(at); at == 0 { // a capture without times
		cfg.Midnight = c.run.opt.Midnight
	}
	if c.run.opt.Arbiter != (arbiter.Config{}) {
		cfg.Arbiter = &c.run.opt.Arbiter
	}
	cfg.Retransmit = c.run.opt.Retransmit.limits(feed)
	ch, err := c.add(cfg, session.String())
	if err != nil {
		return nil, err
	}
	ch.session = session
	return ch, nil
}

// add makes a channel that is a feed of its own.
func (c *channels) add(cfg gateway.Config, name string) (*Channel, error) {
	if c.run.opt.Publisher.ID != 0 {
		cfg.Publisher = c.run.opt.Publisher
	}
	s := &sink{name: name, feed: cfg.Feed, publisher: cfg.Publisher, out: c.run.out}
	if err := c.compatible(s); err != nil {
		return nil, err
	}
	ch := &Channel{Name: name, witness: &witness{next: s}, sink: s, feed: cfg.Feed, records: make(map[dbn.RType]uint64)}
	p, err := gateway.New(cfg, ch.witness)
	if err != nil {
		return nil, err
	}
	ch.Pipeline = p
	s.channels = []*Channel{ch}
	if err := c.join(s, p.Symbol); err != nil {
		return nil, err
	}
	c.list = append(c.list, ch)
	return ch, nil
}

// join has a sink make records of the output's schema, if it is to write any.
func (c *channels) join(s *sink, symbol func(market.InstrumentID) string) (err error) {
	c.sinks = append(c.sinks, s)
	if s.out == nil {
		return nil
	}
	var view *derive.View
	if consolidated(c.run.opt.Schema) {
		if c.market == nil {
			c.numbers = derive.NewNumbers(nil)
			c.market = derive.NewMarket(c.numbers)
		}
		s.market = c.market
		view = c.market.View(symbol)
	}
	s.deriver, err = derive.New(c.run.opt.Schema, view)
	return err
}

// writing returns the sinks that write to the output.
func (c *channels) writing() []*sink {
	return slices.DeleteFunc(slices.Clone(c.sinks), func(s *sink) bool { return s.out == nil })
}

// compatible refuses a sink whose instruments could not be told from those of the others in one
// output file: ids belong to their channel, and a file has one meaning for each. Databento's ids are
// the same throughout a dataset; consolidated schemas number instruments for themselves.
func (c *channels) compatible(s *sink) error {
	writing := c.writing()
	if s.out == nil || consolidated(c.run.opt.Schema) || len(writing) == 0 {
		return nil
	}
	first := writing[0]
	if s.feed == gateway.MBO && first.feed == gateway.MBO && s.publisher.Dataset == first.publisher.Dataset {
		return nil
	}
	if c.described != nil {
		return fmt.Errorf("feeds %q and %q number their instruments separately and cannot share an output of schema %s: "+
			"choose one of them, or a consolidated schema", first.name, s.name, c.run.opt.Schema)
	}
	return fmt.Errorf("channels %s and %s number their instruments separately and cannot share an output of schema %s: "+
		"replay them one by one, or into a consolidated schema", first.name, s.name, c.run.opt.Schema)
}

// suited returns an error if the output cannot be made of what the channels turned out to have.
func (c *channels) suited() error {
	for _, ch := range c.list {
		if err := ch.suited(c.run.opt.Schema); err != nil {
			return err
		}
	}
	if !consolidated(c.run.opt.Schema) || !c.passed() {
		return nil
	}
	// Records that were consolidated before have their own numbers of instruments.
	for _, s := range c.sinks {
		if s.passed == 0 || s.publisher.Dataset != c.sinks[0].publisher.Dataset {
			return fmt.Errorf("channels %s and %s number their instruments separately and cannot share an output: "+
				"replay them one by one", c.sinks[0].name, c.sinks[len(c.sinks)-1].name)
		}
	}
	return nil
}

// passed reports whether the output has records that were in an input as they are.
func (c *channels) passed() bool {
	return slices.ContainsFunc(c.sinks, func(s *sink) bool { return s.passed > 0 })
}

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

// A Channel is one sequenced stream that a replay found, with its pipeline.
type Channel struct {
	Name     string // session of a capture's channel, name of a file
	Pipeline *gateway.Pipeline
	Lines    []Line

	sink     *sink
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
	lines        map[lineKey]lineRef
	unrecognised uint64          // datagrams of no feed we know
	numbers      *derive.Numbers // of the consolidated book, where the output is of one
	market       *derive.Market
}

// line returns the line a datagram came on, or none if it is of no feed we know. A line is one
// destination in one file; its first recognised datagram decides which channel it is a line of.
func (c *channels) line(file int, at market.Nanos, d *pcap.Datagram) (lineRef, error) {
	key := lineKey{file, d.Dst}
	if ref, ok := c.lines[key]; ok {
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

// add makes a channel.
func (c *channels) add(cfg gateway.Config, name string) (*Channel, error) {
	if c.run.opt.Publisher.ID != 0 {
		cfg.Publisher = c.run.opt.Publisher
	}
	if err := c.compatible(&cfg, name); err != nil {
		return nil, err
	}
	ch := &Channel{Name: name, feed: cfg.Feed, records: make(map[dbn.RType]uint64)}
	ch.sink = &sink{channel: ch, out: c.run.out}
	p, err := gateway.New(cfg, ch.sink)
	if err != nil {
		return nil, err
	}
	ch.Pipeline = p
	if c.run.out != nil {
		var view *derive.View
		if consolidated(c.run.opt.Schema) {
			if c.market == nil {
				c.numbers = derive.NewNumbers(nil)
				c.market = derive.NewMarket(c.numbers)
			}
			view = c.market.View(p.Symbol)
		}
		if ch.sink.deriver, err = derive.New(c.run.opt.Schema, view); err != nil {
			return nil, err
		}
	}
	c.list = append(c.list, ch)
	return ch, nil
}

// compatible refuses a channel whose instruments could not be told from those of the others in one
// output file: ids belong to their channel, and a file has one meaning for each. Databento's ids are
// the same throughout a dataset; consolidated schemas number instruments for themselves.
func (c *channels) compatible(cfg *gateway.Config, name string) error {
	if c.run.out == nil || consolidated(c.run.opt.Schema) || len(c.list) == 0 {
		return nil
	}
	first := c.list[0]
	if cfg.Feed == gateway.MBO && first.feed == gateway.MBO &&
		cfg.Publisher.Dataset == first.Pipeline.Config().Publisher.Dataset {
		return nil
	}
	return fmt.Errorf("channels %s and %s number their instruments separately and cannot share an output of schema %s: "+
		"replay them one by one, or into a consolidated schema", first.Name, name, c.run.opt.Schema)
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
	for _, ch := range c.list {
		if ch.sink.passed == 0 || ch.Pipeline.Config().Publisher.Dataset != c.list[0].Pipeline.Config().Publisher.Dataset {
			return fmt.Errorf("channels %s and %s number their instruments separately and cannot share an output: "+
				"replay them one by one", c.list[0].Name, c.list[len(c.list)-1].Name)
		}
	}
	return nil
}

// passed reports whether the output has records that were in an input as they are.
func (c *channels) passed() bool {
	return slices.ContainsFunc(c.list, func(ch *Channel) bool { return ch.sink.passed > 0 })
}

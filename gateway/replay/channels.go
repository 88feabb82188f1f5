package replay

import (
	"fmt"
	"net/netip"
	"strconv"
	"time"

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
	unrecognised uint64 // datagrams of no feed we know
	market       *derive.Market
}

// line returns the line a datagram came on, or none if it is of no feed we know. A line is one
// destination in one file; its first recognised datagram decides which channel it is a line of.
func (c *channels) line(file int, at market.Nanos, d *pcap.Datagram) (lineRef, error) {
	key := lineKey{file, d.Dst}
	if ref, ok := c.lines[key]; ok {
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
	id := arbiter.LineID(len(ch.Lines))
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
				c.market = derive.NewMarket()
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

// consolidated reports whether a schema's instruments are those of the consolidated book.
func consolidated(s dbn.Schema) bool {
	switch s {
	case dbn.SchemaCMBP1, dbn.SchemaTCBBO, dbn.SchemaCBBO1s, dbn.SchemaCBBO1m:
		return true
	default:
		return false
	}
}

// metadata describes the output: every instrument that the channels named, for the days from first
// to last.
func (c *channels) metadata(schema dbn.Schema, first, last market.Nanos) *dbn.Metadata {
	m := &dbn.Metadata{
		Dataset: market.Consolidated.Dataset, Schema: schema, Start: first, End: last + 1,
		STypeIn: dbn.STypeRawSymbol, STypeOut: dbn.STypeInstrumentID,
	}
	day, after := yyyymmdd(first), yyyymmdd(last+market.Day)
	if consolidated(schema) && c.market != nil {
		for i, symbol := range c.market.Symbols() {
			addMapping(m, symbol, market.InstrumentID(i+1), day, after)
		}
		return m
	}
	if len(c.list) > 0 {
		m.Dataset = c.list[0].Pipeline.Config().Publisher.Dataset
	}
	seen := make(map[string]bool)
	for _, ch := range c.list {
		if ch.Pipeline.Config().Publisher.Dataset != m.Dataset {
			m.Dataset = market.Consolidated.Dataset
		}
		for _, in := range ch.Pipeline.Instruments() {
			if !seen[in.Symbol] && len(in.Symbol) <= dbn.SymbolMax && in.Symbol != "" {
				seen[in.Symbol] = true
				addMapping(m, in.Symbol, in.ID, day, after)
			}
		}
	}
	return m
}

func addMapping(m *dbn.Metadata, symbol string, id market.InstrumentID, day, after uint32) {
	m.Symbols = append(m.Symbols, symbol)
	m.Mappings = append(m.Mappings, dbn.Mapping{Symbol: symbol, Intervals: []dbn.Interval{
		{Start: day, End: after, Symbol: strconv.FormatUint(uint64(id), 10)},
	}})
}

// instrumentOf reads a mapping between symbol and id, whichever way round it is.
func instrumentOf(m *dbn.Metadata, symbol, mapped string) (market.Instrument, bool) {
	if m.STypeOut != dbn.STypeInstrumentID {
		symbol, mapped = mapped, symbol
	}
	id, err := strconv.ParseUint(mapped, 10, 32)
	if err != nil {
		return market.Instrument{}, false
	}
	return market.Instrument{ID: market.InstrumentID(id), Symbol: symbol}, true
}

// yyyymmdd returns a UTC day as the decimal number that DBN uses.
func yyyymmdd(t market.Nanos) uint32 {
	y, m, d := time.Unix(0, int64(t)).UTC().Date()
	return uint32(y*10000 + int(m)*100 + d)
}

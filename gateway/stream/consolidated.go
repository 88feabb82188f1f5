package stream

import (
	"tidegate/book"
	"tidegate/codec/dbn"
	"tidegate/gateway/derive"
	"tidegate/internal/bus"
	"tidegate/market"
)

// Consolidated is the dataset of the best bid and offer over several feeds: cmbp-1, tcbbo and cbbo
// of instruments that have the same symbol. It belongs to the loop of those feeds, which must be
// one. Its entries carry its own feed number and its own instrument ids.
type Consolidated struct {
	feed      uint8
	ring      *bus.Ring
	directory Directory
	numbers   *derive.Numbers
	markets   map[dbn.Schema]*derive.Market
	streams   []*Stream
	wanted    map[dbn.Schema]int
	ends      map[dbn.Schema]market.Nanos // of the running interval
	now       market.Nanos
	published uint64           // records
	stale     map[*Stream]bool // feeds whose quotes are left out
}

// ConsolidatedSchemas returns the schemas that a consolidated dataset can publish.
func ConsolidatedSchemas() []dbn.Schema {
	return []dbn.Schema{dbn.SchemaCMBP1, dbn.SchemaTCBBO, dbn.SchemaCBBO1s, dbn.SchemaCBBO1m}
}

// consolidatedAlways are derived whether somebody wants them or not, because they have a memory.
var consolidatedAlways = []dbn.Schema{dbn.SchemaCBBO1s, dbn.SchemaCBBO1m}

// NewConsolidated returns a consolidated dataset without feeds. Join its streams before the first
// datagram.
func NewConsolidated(feed uint8, ring *bus.Ring) *Consolidated {
	c := &Consolidated{
		feed: feed, ring: ring,
		markets: make(map[dbn.Schema]*derive.Market),
		wanted:  make(map[dbn.Schema]int),
		ends:    make(map[dbn.Schema]market.Nanos),
		stale:   make(map[*Stream]bool),
	}
	c.numbers = derive.NewNumbers(c.meet)
	return c
}

// Directory returns the consolidated instruments. Any goroutine may read it.
func (c *Consolidated) Directory() *Directory { return &c.directory }

// Published returns how many records there were. It is to be called on the loop.
func (c *Consolidated) Published() uint64 { return c.published }

// meet enters a new instrument. Its records follow.
func (c *Consolidated) meet(id market.InstrumentID, symbol string) {
	c.directory.add(market.Instrument{ID: id, Publisher: market.Consolidated.ID, Symbol: symbol})
	c.ring.Append(bus.Header{At: c.now, Instrument: id, Tag: bus.Tag{Kind: Instrument, Feed: c.feed}}, nil)
}

// Join adds a feed.
func (c *Consolidated) Join(s *Stream) error {
	s.consolidated = c
	c.streams = append(c.streams, s)
	for _, schema := range consolidatedAlways {
		if _, err := c.start(schema, s); err != nil {
			return err
		}
	}
	return nil
}

// start has a stream derive a consolidated schema.
func (c *Consolidated) start(schema dbn.Schema, s *Stream) (*active, error) {
	m, ok := c.markets[schema]
	if !ok {
		m = derive.NewMarket(c.numbers)
		c.markets[schema] = m
	}
	d, err := derive.New(schema, m.View(s.symbol))
	if err != nil {
		return nil, err
	}
	a := &active{schema: schema, deriver: d, length: intervalOf(schema)}
	s.shared = append(s.shared, a)
	return a, nil
}

// prime shows a deriver that begins late what its feed quotes, because the consolidated quote is made
// of the quotes that stand, however old. What it makes of that is news to nobody and not published.
func (c *Consolidated) prime(a *active, s *Stream) {
	for _, in := range s.directory.All() {
		books := s.source.Books()
		if books.BBO(in.ID) == book.EmptyBBO {
			continue
		}
		s.scratch = a.deriver.OnEvents(s.scratch[:0], []market.Event{{
			Publisher: in.Publisher, Instrument: in.ID, Action: market.None, Side: market.NoSide,
			Price: market.UndefPrice, Flags: market.FlagLast, TsRecv: c.now,
		}}, books)
	}
}

// setStale takes a feed's quotes out, or back in, and publishes what that changes.
func (c *Consolidated) setStale(s *Stream, at market.Nanos, stale bool) {
	c.stale[s] = stale
	for _, a := range s.shared {
		change := c.markets[a.schema].Include
		if stale {
			change = c.markets[a.schema].Exclude
		}
		s.append(c.feed, a, change(s.scratch[:0], s.source.Publisher().ID, at), at)
	}
}

// Want starts deriving a schema, unless it is derived already: from the quotes as they stand.
func (c *Consolidated) Want(schema dbn.Schema) error {
	for _, always := range consolidatedAlways {
		if schema == always {
			return nil
		}
	}
	if c.wanted[schema]++; c.wanted[schema] > 1 {
		return nil
	}
	for _, s := range c.streams {
		a, err := c.start(schema, s)
		if err != nil {
			return err
		}
		c.prime(a, s)
		if c.stale[s] {
			c.markets[schema].Exclude(nil, s.source.Publisher().ID, c.now)
		}
	}
	return nil
}

// Unwant takes one Want back.
func (c *Consolidated) Unwant(schema dbn.Schema) {
	for _, always := range consolidatedAlways {
		if schema == always {
			return
		}
	}
	if c.wanted[schema]--; c.wanted[schema] > 0 {
		return
	}
	delete(c.markets, schema)
	for _, s := range c.streams {
		for i, a := range s.shared {
			if a.schema == schema {
				s.shared = append(s.shared[:i], s.shared[i+1:]...)
				break
			}
		}
	}
}

// Request says that nothing more comes: a consolidated dataset has no orders to be in a snapshot.
func (c *Consolidated) Request(target uint32, _ []market.InstrumentID) {
	c.ring.Append(bus.Header{At: c.now, Target: target, Tag: bus.Tag{Kind: SnapshotDone, Feed: c.feed}}, nil)
}

// Cancel does nothing: no request waits.
func (c *Consolidated) Cancel(uint32) {}

// onTick closes the intervals that end at or before now. The first of the joined streams to come by
// does it for all.
func (c *Consolidated) onTick(s *Stream, now market.Nanos) {
	c.now = now
	for _, a := range s.shared {
		if a.length == 0 || now < c.ends[a.schema] {
			continue
		}
		if end := c.ends[a.schema]; end != 0 {
			c.published += s.append(c.feed, a, a.deriver.OnTime(s.scratch[:0], now), now)
			c.ring.Append(bus.Header{
				At: end, Tag: bus.Tag{Schema: uint16(a.schema), Kind: IntervalEnd, Feed: c.feed},
			}, nil)
		}
		c.ends[a.schema] = now - now%a.length + a.length
	}
}

package stream

import (
	"encoding/binary"
	"errors"
	"fmt"

	"tidegate/arbiter"
	"tidegate/codec/dbn"
	"tidegate/gateway"
	"tidegate/gateway/derive"
	"tidegate/internal/bus"
	"tidegate/market"
)

// Kinds of ring entries.
const (
	// Record: the payload is one DBN record of version 3, without a send time. Schema and Instrument
	// are those of the record.
	Record uint8 = iota
	// IntervalEnd: the records of an interval of Schema are complete. At is its exclusive end.
	IntervalEnd
	// Instrument: the feed's Directory has grown.
	Instrument
	// Gap: messages were lost for good; what follows may be wrong. At is when they were missed.
	Gap
	// Snapshot: the payload is a part of the mbo snapshot of Instrument, whole records, for Target.
	Snapshot
	// SnapshotLast: the last part of it.
	SnapshotLast
	// SnapshotDone: every instrument that Target asked for was served.
	SnapshotDone
)

// Config says what a stream is for.
type Config struct {
	Feed uint8 // number of the feed in ring entries
	Ring *bus.Ring
	// SnapshotOrders is how many orders of snapshots are written per call of Serve, so that a
	// subscriber who wants every book does not hold the feed up.
	SnapshotOrders int
}

// metMax bounds the instrument ids that are known by index; larger ones are looked up.
const metMax = 1 << 16

// snapshotOrdersDefault is about a quarter of a millisecond of work.
const snapshotOrdersDefault = 4096

// A Stream is the way of one feed into the ring. It is owned by the feed's ingest loop.
type Stream struct {
	cfg       Config
	pipeline  *gateway.Pipeline
	directory Directory
	known     map[market.InstrumentID]string // instrument -> symbol, as the directory has it
	met       []bool                         // the same for small ids, for the path of every event

	active  []*active // derivers that are wanted, in the order in which they came to be
	shared  []*active // this feed's part in the consolidated dataset
	scratch []byte    // records on their way into the ring
	epoch   uint32

	consolidated *Consolidated // nil: in none

	requests []request
	orders   []market.Event // of the snapshot being written
}

// active is a deriver that somebody wants.
type active struct {
	schema  dbn.Schema
	rtype   dbn.RType
	deriver derive.Deriver
	wanted  int // by how many; those that always run start with 1
	length  market.Nanos
	end     market.Nanos // of the running interval; 0 before the first time
}

// always are the schemas that are derived whether somebody wants them or not: the first because
// every snapshot continues in it, the others because they have a memory.
var always = []dbn.Schema{
	dbn.SchemaMBO, dbn.SchemaBBO1s, dbn.SchemaBBO1m,
	dbn.SchemaOHLCV1s, dbn.SchemaOHLCV1m, dbn.SchemaOHLCV1h, dbn.SchemaOHLCV1d,
	dbn.SchemaDefinition, dbn.SchemaStatus,
}

// New returns a stream. Attach its pipeline before the first datagram.
func New(cfg Config) (*Stream, error) {
	if cfg.Ring == nil {
		return nil, errors.New("stream: no ring")
	}
	if cfg.SnapshotOrders == 0 {
		cfg.SnapshotOrders = snapshotOrdersDefault
	}
	s := &Stream{cfg: cfg, known: make(map[market.InstrumentID]string)}
	for _, schema := range always {
		if err := s.Want(schema); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Attach tells the stream whose Sink it is.
func (s *Stream) Attach(p *gateway.Pipeline) { s.pipeline = p }

// Directory returns the feed's instruments. Any goroutine may read it.
func (s *Stream) Directory() *Directory { return &s.directory }

// Want starts deriving a schema, unless it is derived already.
func (s *Stream) Want(schema dbn.Schema) error {
	for _, a := range s.active {
		if a.schema == schema {
			a.wanted++
			return nil
		}
	}
	d, err := derive.New(schema, nil)
	if err != nil {
		return fmt.Errorf("stream: %w", err)
	}
	rtype, _ := schema.RType()
	s.active = append(s.active, &active{
		schema: schema, rtype: rtype, deriver: d, wanted: 1, length: intervalOf(schema),
	})
	return nil
}

// Unwant takes one Want back. What nobody wants any more is not derived any more.
func (s *Stream) Unwant(schema dbn.Schema) {
	for i, a := range s.active {
		if a.schema != schema {
			continue
		}
		if a.wanted--; a.wanted == 0 {
			s.active = append(s.active[:i], s.active[i+1:]...)
		}
		return
	}
	panic(fmt.Sprintf("stream: schema %s: unwanted more often than wanted", schema))
}

// intervalOf returns the length of a schema's intervals, 0 for a schema without.
func intervalOf(schema dbn.Schema) market.Nanos {
	switch schema {
	case dbn.SchemaBBO1s, dbn.SchemaOHLCV1s, dbn.SchemaCBBO1s:
		return market.Second
	case dbn.SchemaBBO1m, dbn.SchemaOHLCV1m, dbn.SchemaCBBO1m:
		return market.Minute
	case dbn.SchemaOHLCV1h:
		return market.Hour
	case dbn.SchemaOHLCV1d:
		return market.Day
	default:
		return 0
	}
}

// OnEvents derives and appends. See gateway.Sink.
func (s *Stream) OnEvents(events []market.Event, books gateway.Books) {
	s.OnTime(events[0].TsRecv)
	for i := range events {
		if id := events[i].Instrument; int(id) >= len(s.met) || !s.met[id] {
			s.meet(id, events[i].TsRecv)
		}
	}
	at := events[0].TsRecv
	for _, a := range s.active {
		if a.schema == dbn.SchemaMBO {
			s.appendMBO(events)
			continue
		}
		s.append(s.cfg.Feed, a, a.deriver.OnEvents(s.scratch[:0], events, books), at)
	}
	for _, a := range s.shared {
		s.append(s.consolidated.feed, a, a.deriver.OnEvents(s.scratch[:0], events, books), at)
	}
}

// appendMBO appends events as they are, in place.
func (s *Stream) appendMBO(events []market.Event) {
	for i := range events {
		e := &events[i]
		b := s.cfg.Ring.Reserve(bus.Header{
			At: e.TsRecv, Instrument: e.Instrument, Tag: s.tag(Record, dbn.SchemaMBO),
		}, mboSize)
		dbn.AppendMBO(b[:0], e)
	}
}

func (s *Stream) tag(kind uint8, schema dbn.Schema) bus.Tag {
	return bus.Tag{Schema: uint16(schema), Kind: kind, Feed: s.cfg.Feed}
}

var mboSize = dbn.RTypeMBO.Size(dbn.Version)

// append appends records of a schema, each as an entry of a feed.
func (s *Stream) append(feed uint8, a *active, records []byte, at market.Nanos) {
	s.scratch = records[:0]
	for len(records) > 0 {
		n := 4 * int(records[0])
		s.cfg.Ring.Append(bus.Header{
			At: at, Instrument: market.InstrumentID(binary.LittleEndian.Uint32(records[4:])),
			Tag: bus.Tag{Schema: uint16(a.schema), Kind: Record, Feed: feed},
		}, records[:n])
		records = records[n:]
	}
}

// OnTime closes the intervals that end at or before now, and says so.
func (s *Stream) OnTime(now market.Nanos) {
	for _, a := range s.active {
		if a.length == 0 || now < a.end {
			continue
		}
		if a.end != 0 {
			s.append(s.cfg.Feed, a, a.deriver.OnTime(s.scratch[:0], now), now)
			s.cfg.Ring.Append(bus.Header{At: a.end, Tag: s.tag(IntervalEnd, a.schema)}, nil)
		}
		a.end = now - now%a.length + a.length
	}
	if s.consolidated != nil {
		s.consolidated.onTick(s, now)
	}
}

// OnFacts learns of instruments, derives and appends.
func (s *Stream) OnFacts(f *market.Facts) {
	at := market.Nanos(0)
	for i := range f.Definitions {
		d := &f.Definitions[i]
		at = d.TsRecv
		s.enter(d.Instrument, at)
	}
	for i := range f.Statuses {
		at = f.Statuses[i].TsRecv
	}
	for _, a := range s.active {
		s.append(s.cfg.Feed, a, a.deriver.OnFacts(s.scratch[:0], f), at)
	}
}

// symbol returns what the pipeline calls an instrument.
func (s *Stream) symbol(id market.InstrumentID) string { return s.pipeline.Symbol(id) }

// meet enters an instrument that the feed has not defined.
func (s *Stream) meet(id market.InstrumentID, at market.Nanos) {
	if _, ok := s.known[id]; ok {
		return
	}
	symbol := s.symbol(id)
	if symbol == "" {
		symbol = fmt.Sprintf("#%d", id) // so that it can be asked for, and is in the mappings
	}
	s.enter(market.Instrument{ID: id, Publisher: s.pipeline.Config().Publisher.ID, Symbol: symbol}, at)
}

func (s *Stream) enter(in market.Instrument, at market.Nanos) {
	if symbol, ok := s.known[in.ID]; ok && symbol == in.Symbol {
		return
	}
	s.known[in.ID] = in.Symbol
	if in.ID < metMax {
		for int(in.ID) >= len(s.met) {
			s.met = append(s.met, false)
		}
		s.met[in.ID] = true
	}
	s.directory.add(in)
	s.cfg.Ring.Append(bus.Header{At: at, Instrument: in.ID, Tag: s.tag(Instrument, 0)}, nil)
}

// OnGap tells readers that something was lost.
func (s *Stream) OnGap(g arbiter.Gap) {
	s.cfg.Ring.Append(bus.Header{At: g.Seen, Tag: s.tag(Gap, 0)}, nil)
}

// OnEpoch needs nothing: the Clear events that follow say it in band.
func (s *Stream) OnEpoch(e arbiter.Epoch) { s.epoch = e.Number }

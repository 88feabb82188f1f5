package stream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

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
	// Notice: the payload is a sentence for every subscriber of the feed.
	Notice
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
	source    Source
	directory Directory
	known     map[market.InstrumentID]string // instrument -> symbol, as the directory has it
	met       []acquaintance                 // the same for small ids, for the path of every event

	active  []*active        // derivers that are wanted, in the order in which they came to be
	want    [needs][]*active // those of active that look at events, by what they look for
	shared  []*active        // this feed's part in the consolidated dataset
	due     market.Nanos     // when the first interval of active ends; 0 if one has not begun
	scratch []byte           // records on their way into the ring
	epoch   uint32

	definitions, statuses Current

	consolidated *Consolidated // nil: in none

	requests []request
	orders   []market.Event // of the snapshot being written
}

// A need is which events a deriver must see. The others leave it as it is, and nearly all events are
// of those: most orders come and go away from the best prices, and trades are few.
type need uint8

const (
	needAll    need = iota
	needQuotes      // trades, and ends of events in which the best bid or offer changed
	needTrades
	needs // from here on, none are seen
	needNothing
)

// An acquaintance is what the stream knows of an instrument.
type acquaintance uint8

const (
	met acquaintance = 1 << iota
	// moved: the best bid or offer changed in an event whose end has not come yet.
	moved
)

// active is a deriver that somebody wants.
type active struct {
	schema  dbn.Schema
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

// A Source is what a stream asks about what it is given: a pipeline, or the feed of several providers.
type Source interface {
	// TopChanged reports whether the update that is being published changed its instrument's best bid or
	// offer.
	TopChanged() bool
	// Symbol returns an instrument's symbol, "" where it is not known.
	Symbol(market.InstrumentID) string
	Publisher() market.Publisher
	Books() gateway.Books
	// AppendSnapshot appends the state of an instrument's book to dst. See gateway.Pipeline.
	AppendSnapshot(dst []market.Event, id market.InstrumentID, now market.Nanos) []market.Event
}

// Attach tells the stream whose Sink it is.
func (s *Stream) Attach(source Source) { s.source = source }

// Notify tells every subscriber of the feed something.
func (s *Stream) Notify(at market.Nanos, text string) {
	s.cfg.Ring.Append(bus.Header{At: at, Tag: s.tag(Notice, 0)}, []byte(text[:min(len(text), noticeMax)]))
}

// noticeMax is the longest notice: what a subscriber's system message holds.
const noticeMax = 300

// SetStale says whether the feed's prices can be relied on. Those of a stale feed leave the consolidated
// dataset at once, and come back with it.
func (s *Stream) SetStale(at market.Nanos, stale bool) {
	if s.consolidated != nil {
		s.consolidated.setStale(s, at, stale)
	}
}

// Directory returns the feed's instruments. Any goroutine may read it.
func (s *Stream) Directory() *Directory { return &s.directory }

// Current returns the latest record of each instrument in a schema, for definition and status; for other
// schemas it returns nil. Any goroutine may read it.
func (s *Stream) Current(schema dbn.Schema) *Current {
	switch schema {
	case dbn.SchemaDefinition:
		return &s.definitions
	case dbn.SchemaStatus:
		return &s.statuses
	default:
		return nil
	}
}

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
	s.active = append(s.active, &active{schema: schema, deriver: d, wanted: 1, length: intervalOf(schema)})
	s.sort()
	return nil
}

// sort finds out which derivers must see which events.
func (s *Stream) sort() {
	s.due = 0
	for need := range s.want {
		s.want[need] = s.want[need][:0]
	}
	for _, a := range s.active {
		if need := needOf(a.schema); need < needs {
			s.want[need] = append(s.want[need], a)
		}
	}
}

// needOf returns what a schema is made of. Those that need less than all events are wanted from the
// start (see always): one that begins later would have to learn first what the quotes are.
func needOf(schema dbn.Schema) need {
	switch schema {
	case dbn.SchemaBBO1s, dbn.SchemaBBO1m:
		return needQuotes
	case dbn.SchemaOHLCV1s, dbn.SchemaOHLCV1m, dbn.SchemaOHLCV1h, dbn.SchemaOHLCV1d:
		return needTrades
	case dbn.SchemaMBO: // appended as it is
		return needNothing
	case dbn.SchemaDefinition, dbn.SchemaStatus, dbn.SchemaStatistics, dbn.SchemaImbalance: // of facts
		return needNothing
	default:
		return needAll
	}
}

// Unwant takes one Want back. What nobody wants any more is not derived any more.
func (s *Stream) Unwant(schema dbn.Schema) {
	for i, a := range s.active {
		if a.schema != schema {
			continue
		}
		if a.wanted--; a.wanted == 0 {
			s.active = append(s.active[:i], s.active[i+1:]...)
			s.sort()
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
	id, at := events[0].Instrument, events[0].TsRecv // one update: of one instrument, received at one time
	s.OnTime(at)
	if int(id) >= len(s.met) || s.met[id] == 0 {
		s.meet(id, at)
	}
	s.appendMBO(events)
	if s.quoteMayDiffer(id, events) {
		s.derive(needQuotes, events, books)
	}
	if events[0].Action == market.Trade { // what comes of an execution begins with it
		s.derive(needTrades, events, books)
	}
	s.derive(needAll, events, books)
	for _, a := range s.shared {
		c := s.consolidated
		c.published += s.append(c.feed, a, a.deriver.OnEvents(s.scratch[:0], events, books), at)
	}
}

// quoteMayDiffer reports whether there is something in the events for those who need quotes.
func (s *Stream) quoteMayDiffer(id market.InstrumentID, events []market.Event) bool {
	if int(id) >= len(s.met) {
		return true
	}
	m := &s.met[id]
	if s.source.TopChanged() {
		*m |= moved
	}
	if *m&moved == 0 {
		return events[0].Action == market.Trade
	}
	if events[len(events)-1].Flags&market.FlagLast != 0 {
		*m &^= moved
	}
	return true
}

// derive gives events to the derivers of a need, and appends what they make of them.
func (s *Stream) derive(of need, events []market.Event, books gateway.Books) {
	for _, a := range s.want[of] {
		s.append(s.cfg.Feed, a, a.deriver.OnEvents(s.scratch[:0], events, books), events[0].TsRecv)
	}
}

// appendMBO appends events as they are, in place.
func (s *Stream) appendMBO(events []market.Event) {
	for i := range events {
		e := &events[i]
		b := s.cfg.Ring.Reserve(bus.Header{
			At: e.TsRecv, Instrument: e.Instrument, Tag: s.tag(Record, dbn.SchemaMBO),
		}, mboSize)
		dbn.PutMBO(b, e)
	}
}

func (s *Stream) tag(kind uint8, schema dbn.Schema) bus.Tag {
	return bus.Tag{Schema: uint16(schema), Kind: kind, Feed: s.cfg.Feed}
}

var mboSize = dbn.RTypeMBO.Size(dbn.Version)

// append appends records of a schema, each as an entry of a feed, and returns how many there are.
func (s *Stream) append(feed uint8, a *active, records []byte, at market.Nanos) (count uint64) {
	s.scratch = records[:0]
	for ; len(records) > 0; count++ {
		n := 4 * int(records[0])
		s.cfg.Ring.Append(bus.Header{
			At: at, Instrument: market.InstrumentID(binary.LittleEndian.Uint32(records[4:])),
			Tag: bus.Tag{Schema: uint16(a.schema), Kind: Record, Feed: feed},
		}, records[:n])
		records = records[n:]
	}
	return count
}

// OnTime closes the intervals that end at or before now, and says so.
func (s *Stream) OnTime(now market.Nanos) {
	if now >= s.due {
		s.closeIntervals(now)
	}
	if s.consolidated != nil {
		s.consolidated.onTick(s, now)
	}
}

func (s *Stream) closeIntervals(now market.Nanos) {
	s.due = math.MaxInt64
	for _, a := range s.active {
		if a.length == 0 {
			continue
		}
		if now >= a.end {
			if a.end != 0 {
				s.append(s.cfg.Feed, a, a.deriver.OnTime(s.scratch[:0], now), now)
				s.cfg.Ring.Append(bus.Header{At: a.end, Tag: s.tag(IntervalEnd, a.schema)}, nil)
			}
			a.end = now - now%a.length + a.length
		}
		s.due = min(s.due, a.end)
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
		s.meetFact(f.Statuses[i].Instrument, at)
	}
	for i := range f.Statistics {
		at = f.Statistics[i].TsRecv
		s.meetFact(f.Statistics[i].Instrument, at)
	}
	for i := range f.Imbalances {
		at = f.Imbalances[i].TsRecv
		s.meetFact(f.Imbalances[i].Instrument, at)
	}
	for _, a := range s.active {
		records := a.deriver.OnFacts(s.scratch[:0], f)
		if c := s.Current(a.schema); c != nil {
			c.add(records, s.cfg.Ring.NextIndex()) // before readers can see them in the ring
		}
		s.append(s.cfg.Feed, a, records, at)
	}
}

// meetFact enters the instrument of a fact. Facts of the whole market are about none.
func (s *Stream) meetFact(id market.InstrumentID, at market.Nanos) {
	if id != 0 {
		s.meet(id, at)
	}
}

// symbol returns what the pipeline calls an instrument.
func (s *Stream) symbol(id market.InstrumentID) string { return s.source.Symbol(id) }

// meet enters an instrument that the feed has not defined.
func (s *Stream) meet(id market.InstrumentID, at market.Nanos) {
	if _, ok := s.known[id]; ok {
		return
	}
	symbol := s.symbol(id)
	if symbol == "" {
		symbol = fmt.Sprintf("#%d", id) // so that it can be asked for, and is in the mappings
	}
	s.enter(market.Instrument{ID: id, Publisher: s.source.Publisher().ID, Symbol: symbol}, at)
}

func (s *Stream) enter(in market.Instrument, at market.Nanos) {
	if symbol, ok := s.known[in.ID]; ok && symbol == in.Symbol {
		return
	}
	s.known[in.ID] = in.Symbol
	if in.ID < metMax {
		for int(in.ID) >= len(s.met) {
			s.met = append(s.met, 0)
		}
		s.met[in.ID] |= met
	}
	s.directory.add(in)
	s.cfg.Ring.Append(bus.Header{At: at, Instrument: in.ID, Tag: s.tag(Instrument, 0)}, nil)
}

// OnGap tells readers that something was lost.
func (s *Stream) OnGap(g arbiter.Gap) {
	s.cfg.Ring.Append(bus.Header{At: g.Seen, Tag: s.tag(Gap, 0)}, nil)
}

// OnEpoch forgets the states of trading: the publisher says them anew. The books' Clear events follow in
// band.
func (s *Stream) OnEpoch(e arbiter.Epoch) {
	s.epoch = e.Number
	s.statuses.clear()
}

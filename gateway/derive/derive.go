// Package derive makes the records of each subscriber schema out of published events.
//
// A pipeline publishes one stream: market-by-order events, cold facts, and books that can be read
// after each update. What a subscriber of trades, of best prices or of one-minute bars gets is a
// function of that stream, and each such function is a Deriver:
//
//	d, err := derive.New(dbn.SchemaMBP1, nil)
//	...
//	out = d.OnEvents(out, events, books) // after each update
//	out = d.OnTime(out, now)             // when time passes, and at the end
//
// Derivers append encoded DBN records (version 3) and know nothing of who reads them, so the same
// code serves replay into files and live subscribers, and each schema is encoded once however many
// want it. A Deriver belongs to the loop that owns the channel's pipeline. It reads no clock:
// intervals close by the receive times of events and by OnTime.
//
// # When a quote has changed
//
// A book may be looked at only where the venue says that an event is complete (market.FlagLast). So
// quotes (mbp-1, mbp-10, bbo, cmbp-1, cbbo) are compared at the ends of events, against what was
// last published: prices that came and went inside an event are not published. The record has the
// times, sequence and flags of the event's last part, and tells one change of the book as its
// action, side, price and size: the event's last one, unless that lies behind the quote and another
// does not.
//
// A trade's record (tbbo, mbp-1, mbp-10, cmbp-1, tcbbo) carries the quote as it stood before the
// trade's event.
package derive

import (
	"fmt"

	"tidegate/book"
	"tidegate/codec/dbn"
	"tidegate/market"
)

// Books is what derivers read of a channel's books.
type Books interface {
	BBO(market.InstrumentID) book.BBO
	// Levels appends up to cap(dst)-len(dst) levels of a side to dst, best first.
	Levels(id market.InstrumentID, side market.Side, dst []book.Level) []book.Level
}

// A Deriver makes the records of one schema from what one channel publishes. Every method appends
// whole records to out and returns it.
type Deriver interface {
	// OnEvents takes the events of one update, in order. Books show the state after it.
	OnEvents(out []byte, events []market.Event, books Books) []byte
	// OnFacts takes cold facts. f is valid only during the call.
	OnFacts(out []byte, f *market.Facts) []byte
	// OnTime closes the intervals that end at or before now. Times before those of earlier events
	// or calls are ignored.
	OnTime(out []byte, now market.Nanos) []byte
	// Refused returns how many events gave no record because their instrument is one too many: a
	// deriver knows 65,536, a Market 16,383.
	Refused() uint64
}

// New returns the deriver of a schema. Consolidated schemas (cmbp-1, tcbbo, cbbo-1s, cbbo-1m) need
// a view of a market, which no other deriver has; for the others it is nil. It is an error if the
// market serves another schema.
func New(schema dbn.Schema, view *View) (Deriver, error) {
	switch schema {
	case dbn.SchemaMBO:
		return mbo{}, nil
	case dbn.SchemaTrades:
		return trades{}, nil
	case dbn.SchemaMBP1:
		return newTop(true), nil
	case dbn.SchemaTBBO:
		return newTop(false), nil
	case dbn.SchemaMBP10:
		return newDepth(), nil
	case dbn.SchemaBBO1s:
		return newSampled(dbn.RTypeBBO1s, market.Second), nil
	case dbn.SchemaBBO1m:
		return newSampled(dbn.RTypeBBO1m, market.Minute), nil
	case dbn.SchemaOHLCV1s:
		return newBars(dbn.RTypeOHLCV1s, market.Second), nil
	case dbn.SchemaOHLCV1m:
		return newBars(dbn.RTypeOHLCV1m, market.Minute), nil
	case dbn.SchemaOHLCV1h:
		return newBars(dbn.RTypeOHLCV1h, market.Hour), nil
	case dbn.SchemaOHLCV1d:
		return newBars(dbn.RTypeOHLCV1d, market.Day), nil
	case dbn.SchemaDefinition, dbn.SchemaStatus, dbn.SchemaStatistics, dbn.SchemaImbalance:
		return facts{schema: schema}, nil
	case dbn.SchemaCMBP1, dbn.SchemaTCBBO, dbn.SchemaCBBO1s, dbn.SchemaCBBO1m:
		if view == nil {
			return nil, fmt.Errorf("schema %s: needs a consolidated book", schema)
		}
		return newConsolidated(schema, view)
	default:
		return nil, fmt.Errorf("schema %s: not one that can be derived", schema)
	}
}

// Schemas lists every schema that New knows, in the order users think of them.
func Schemas() []dbn.Schema {
	return []dbn.Schema{
		dbn.SchemaMBO, dbn.SchemaMBP1, dbn.SchemaMBP10, dbn.SchemaTBBO, dbn.SchemaTrades,
		dbn.SchemaBBO1s, dbn.SchemaBBO1m,
		dbn.SchemaCMBP1, dbn.SchemaTCBBO, dbn.SchemaCBBO1s, dbn.SchemaCBBO1m,
		dbn.SchemaOHLCV1s, dbn.SchemaOHLCV1m, dbn.SchemaOHLCV1h, dbn.SchemaOHLCV1d,
		dbn.SchemaDefinition, dbn.SchemaStatus, dbn.SchemaStatistics, dbn.SchemaImbalance,
	}
}

// changesBook reports whether an action changes a book.
func changesBook(a market.Action) bool {
	switch a {
	case market.Add, market.Cancel, market.Modify, market.Clear:
		return true
	default:
		return false
	}
}

// passive is what a schema without facts and intervals makes of them.
type passive struct{}

func (passive) OnFacts(out []byte, _ *market.Facts) []byte { return out }
func (passive) OnTime(out []byte, _ market.Nanos) []byte   { return out }

// stateless is what a schema that keeps nothing of its instruments refuses.
type stateless struct{}

func (stateless) Refused() uint64 { return 0 }

// mbo passes every event on.
type mbo struct {
	passive
	stateless
}

func (mbo) OnEvents(out []byte, events []market.Event, _ Books) []byte {
	for i := range events {
		out = dbn.AppendMBO(out, &events[i])
	}
	return out
}

// trades passes trades on.
type trades struct {
	passive
	stateless
}

func (trades) OnEvents(out []byte, events []market.Event, _ Books) []byte {
	for i := range events {
		if e := &events[i]; e.Action == market.Trade {
			rec := dbn.Trade{Change: change(e, 0)}
			out = rec.Append(out)
		}
	}
	return out
}

// facts passes the facts of one kind on.
type facts struct {
	stateless
	schema dbn.Schema
}

func (facts) OnEvents(out []byte, _ []market.Event, _ Books) []byte { return out }
func (facts) OnTime(out []byte, _ market.Nanos) []byte              { return out }

func (d facts) OnFacts(out []byte, f *market.Facts) []byte {
	switch d.schema {
	case dbn.SchemaDefinition:
		for i := range f.Definitions {
			rec := dbn.DefinitionOf(&f.Definitions[i])
			out = rec.Append(out)
		}
	case dbn.SchemaStatus:
		for i := range f.Statuses {
			rec := dbn.StatusOf(&f.Statuses[i])
			out = rec.Append(out)
		}
	case dbn.SchemaStatistics:
		for i := range f.Statistics {
			rec := dbn.StatOf(&f.Statistics[i])
			out = rec.Append(out)
		}
	case dbn.SchemaImbalance:
		for i := range f.Imbalances {
			rec := dbn.ImbalanceOf(&f.Imbalances[i])
			out = rec.Append(out)
		}
	}
	return out
}

// change returns the part of a record that an event gives.
func change(e *market.Event, depth uint8) dbn.Change {
	size, _ := dbn.SaturateSize(e.Size)
	return dbn.Change{
		Header:    header(e),
		Price:     e.Price,
		Size:      size,
		Action:    e.Action,
		Side:      e.Side,
		Flags:     e.Flags,
		Depth:     depth,
		TsRecv:    e.TsRecv,
		TsInDelta: e.TsInDelta,
		Sequence:  uint32(e.Seq),
	}
}

func header(e *market.Event) dbn.Header {
	return dbn.Header{PublisherID: e.Publisher, InstrumentID: e.Instrument, TsEvent: e.TsEvent}
}

// pair returns the same depth of both sides as a record holds it.
func pair(bid, ask book.Level) dbn.Level {
	bidSize, _ := dbn.SaturateSize(bid.Size)
	askSize, _ := dbn.SaturateSize(ask.Size)
	return dbn.Level{
		BidPrice: bid.Price, AskPrice: ask.Price,
		BidSize: bidSize, AskSize: askSize,
		BidCount: bid.Orders, AskCount: ask.Orders,
	}
}

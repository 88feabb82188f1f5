package postgres

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"tidegate/codec/dbn"
	"tidegate/market"
	"tidegate/sinks/entry"
)

// A stream is the rows that go into one table or partition in one COPY, encoded.
type stream struct {
	table *table
	leaf  leaf
	rows  int
	row
}

// leaf is a span of time, which has one partition of a table.
type leaf struct {
	from, to market.Nanos
}

func (l leaf) holds(t market.Nanos) bool { return l.from <= t && t < l.to }

// spanOf returns the span of a length that holds a time. Spans of whole tables hold every time.
func spanOf(t, length market.Nanos) leaf {
	from := t - t%length
	if from > t { // before 1970
		from -= length
	}
	return leaf{from, from + length}
}

// A batch is what is committed as one: rows, and the position behind them. It is owned by whoever has it: the
// goroutine that fills it, or the one that commits it.
type batch struct {
	streams []*stream
	last    [tablesMax]*stream // by table: rows mostly go where the one before went
	spare   []*stream

	from, end uint64 // entries [from, end) are in it, as far as they are the worker's
	through   market.Nanos
	rows      int
	bytes     int
	skipped   int
	gaps      []missing
	begun     time.Time
	refused   int   // entries that are not understood
	why       error // of the first of them
}

// missing is a range of entries that the journal does not have.
type missing struct {
	from, to uint64 // both included
	reason   string
}

// reset empties the batch and keeps its memory.
func (b *batch) reset(from uint64) {
	for _, s := range b.streams {
		s.b, s.rows = s.b[:0], 0
		b.spare = append(b.spare, s)
	}
	*b = batch{streams: b.streams[:0], spare: b.spare, from: from, end: from, gaps: b.gaps[:0]}
}

// empty reports whether there is nothing to commit, not even a position.
func (b *batch) empty() bool { return b.end == b.from }

// to returns the stream of a table for a time.
func (b *batch) to(t *table, at market.Nanos) *row {
	s := b.last[t.id]
	if s == nil || !s.leaf.holds(at) {
		s = b.find(t, at)
		b.last[t.id] = s
	}
	s.rows++
	b.rows++
	return &s.row
}

func (b *batch) find(t *table, at market.Nanos) *stream {
	for _, s := range b.streams {
		if s.table == t && s.leaf.holds(at) {
			return s
		}
	}
	var s *stream
	if n := len(b.spare); n > 0 {
		s, b.spare = b.spare[n-1], b.spare[:n-1]
	} else {
		s = &stream{}
	}
	s.table, s.leaf = t, t.leafOf(at)
	s.b = append(s.b[:0], copyHeader...)
	b.streams = append(b.streams, s)
	return s
}

func (t *table) leafOf(at market.Nanos) leaf {
	switch t.parts {
	case minutes:
		return spanOf(at, market.Minute)
	case daily:
		return spanOf(at, market.Day)
	default:
		return leaf{-1 << 63, 1<<63 - 1}
	}
}

// seal ends the streams.
func (b *batch) seal() {
	for _, s := range b.streams {
		s.b = append(s.b, copyTrailer...)
		b.bytes += len(s.b)
	}
}

func (s *stream) reader() *bytes.Reader { return bytes.NewReader(s.b) }

var errKind = errors.New("kind is not known")

// add makes the row of an entry, unless it goes to a table that is not kept.
func (b *batch) add(it *item, kept *tableSet) {
	b.through = max(b.through, it.At)
	if err := b.tryAdd(it, kept); err != nil {
		b.to(unread, it.At).unreadable(it, err)
		if b.refused++; b.why == nil {
			b.why = fmt.Errorf("entry %d: %w", it.Index, err)
		}
	}
}

func (b *batch) tryAdd(it *item, kept *tableSet) error {
	switch it.Kind {
	case entry.KindRecord:
		return b.addRecord(it, kept)
	case entry.KindGap:
		var g entry.Gap
		if err := g.Parse(it.Payload); err != nil {
			return err
		}
		b.to(channelGaps, it.At).channelGap(it, &g)
	case entry.KindSwitch:
		var s entry.Switch
		if err := s.Parse(it.Payload); err != nil {
			return err
		}
		b.to(switches, it.At).providerSwitch(it, &s)
	case entry.KindFeed:
		var f entry.Feed
		if err := f.Parse(it.Payload); err != nil {
			return err
		}
		b.to(feeds, it.At).feed(it, &f)
	default:
		return fmt.Errorf("%w: %d", errKind, it.Kind)
	}
	return nil
}

func (b *batch) addRecord(it *item, kept *tableSet) error {
	rec, err := dbn.ParseRecord(it.Payload, dbn.Version, false)
	if err != nil {
		return err
	}
	t := tableOf(rec.RType)
	if !kept[t.id] {
		b.skipped++
		return nil
	}
	// Parse fails only for another type: the length agrees with the type.
	switch rec.RType {
	case dbn.RTypeTrade:
		var m dbn.Trade
		if err = m.Parse(rec); err == nil {
			b.to(t, it.At).trade(it, &m)
		}
	case dbn.RTypeMBO:
		var m dbn.MBO
		if err = m.Parse(rec); err == nil {
			b.to(t, it.At).order(it, &m)
		}
	case dbn.RTypeMBP1:
		var m dbn.MBP1
		if err = m.Parse(rec); err == nil {
			q := changed(&m)
			b.to(t, it.At).quote(it, &q)
		}
	case dbn.RTypeBBO1s, dbn.RTypeBBO1m:
		var m dbn.BBO
		if err = m.Parse(rec); err == nil {
			q := sampled(&m)
			b.to(t, it.At).quote(it, &q)
		}
	case dbn.RTypeCMBP1, dbn.RTypeTCBBO:
		var m dbn.CMBP1
		if err = m.Parse(rec); err == nil {
			q := consolidated(&m)
			b.to(t, it.At).quote(it, &q)
		}
	case dbn.RTypeCBBO1s, dbn.RTypeCBBO1m:
		var m dbn.CBBO
		if err = m.Parse(rec); err == nil {
			q := consolidatedSampled(&m)
			b.to(t, it.At).quote(it, &q)
		}
	case dbn.RTypeOHLCV1s, dbn.RTypeOHLCV1m, dbn.RTypeOHLCV1h, dbn.RTypeOHLCV1d, dbn.RTypeOHLCVEOD:
		var m dbn.OHLCV
		if err = m.Parse(rec); err == nil {
			b.to(t, m.TsEvent).bar(it, &m)
		}
	case dbn.RTypeSymbolMapping:
		var m dbn.SymbolMapping
		if err = m.Parse(rec); err == nil {
			b.to(t, it.At).symbol(it, &m)
		}
	case dbn.RTypeDefinition:
		var m dbn.Definition
		if err = m.Parse(rec); err == nil {
			b.to(t, it.At).definition(it, &m, rec)
		}
	default:
		b.to(t, it.At).record(it, rec)
	}
	return err
}

// tableOf returns the table for records of a type.
func tableOf(t dbn.RType) *table {
	switch t {
	case dbn.RTypeTrade:
		return trades
	case dbn.RTypeMBO:
		return orders
	case dbn.RTypeMBP1, dbn.RTypeBBO1s, dbn.RTypeBBO1m, dbn.RTypeCMBP1, dbn.RTypeTCBBO, dbn.RTypeCBBO1s, dbn.RTypeCBBO1m:
		return quotes
	case dbn.RTypeOHLCV1s, dbn.RTypeOHLCV1m, dbn.RTypeOHLCV1h, dbn.RTypeOHLCV1d, dbn.RTypeOHLCVEOD:
		return bars
	case dbn.RTypeDefinition:
		return instruments
	case dbn.RTypeSymbolMapping:
		return symbols
	default:
		return records
	}
}

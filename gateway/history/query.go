package history

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"tidegate/codec/dbn"
	"tidegate/market"
	"tidegate/sinks/entry"
)

// A Query says what is wanted of one feed: records, or, with another Kind, what package entry has beside.
type Query struct {
	Feed string
	Kind uint8 // entry.KindRecord, entry.KindGap or entry.KindSwitch

	Wants []Want // of records: those that at least one of them asks for

	// Of what is not records: when it was noticed. End is exclusive, market.UndefTime for none.
	Start, End market.Nanos
}

// A Want asks for the records of one schema.
type Want struct {
	Schema dbn.Schema
	// Symbols and Numbers are the instruments, as they were called at the time; both nil for all.
	Symbols []string
	Numbers []market.InstrumentID
	// Start is the index time of the first; 0 for all there are.
	Start market.Nanos
	// End is the index time of the first that is not wanted any more; 0 or market.UndefTime for none.
	End market.Nanos
	// From, if it is not 0, takes the place of Start: records from this entry of the journal on.
	From uint64
}

// ErrSchema is wrapped by errors about a schema that is not kept.
var ErrSchema = errors.New("not kept in history")

// want is a Want that is ready to be asked.
type want struct {
	Want
	rtype   dbn.RType
	size    int  // of a record
	recv    bool // the index time is the receive time
	all     bool
	symbols map[string]bool
	numbers map[market.InstrumentID]bool
}

func (h *History) prepare(q *Query) (all []*want, err error) {
	for _, w := range q.Wants {
		rtype, ok := w.Schema.RType()
		if !ok || !h.Keeps(w.Schema) {
			return nil, fmt.Errorf("history: schema %s: %w", w.Schema, ErrSchema)
		}
		p := &want{Want: w, rtype: rtype, size: rtype.Size(dbn.Version), all: w.Symbols == nil && w.Numbers == nil}
		p.recv = w.Schema == dbn.SchemaBBO1s || w.Schema == dbn.SchemaBBO1m
		if w.End == 0 {
			p.End = market.UndefTime
		}
		p.symbols, p.numbers = make(map[string]bool), make(map[market.InstrumentID]bool)
		for _, s := range w.Symbols {
			p.symbols[s] = true
		}
		for _, n := range w.Numbers {
			p.numbers[n] = true
		}
		all = append(all, p)
	}
	if q.Kind == entry.KindRecord && len(all) == 0 {
		return nil, errors.New("history: nothing is wanted")
	}
	return all, nil
}

// of reports whether an instrument is wanted.
func (w *want) of(id market.InstrumentID, symbol string) bool {
	return w.all || w.numbers[id] || symbol != "" && w.symbols[symbol]
}

// takes reports whether a record of a wanted instrument is wanted. index is that of its entry.
func (w *want) takes(record []byte, index uint64) bool {
	if dbn.RType(record[1]) != w.rtype || len(record) != w.size {
		return false
	}
	if w.From != 0 && index < w.From {
		return false
	}
	at := eventTime(record)
	if w.recv {
		at = receiveTime(record)
	}
	if !at.Defined() {
		return true
	}
	return (w.From != 0 || at >= w.Start) && (!w.End.Defined() || at < w.End)
}

// Places in records, see package dbn.
const (
	eventOffset   = 8
	receiveOffset = 32 // of those with a change of the book
)

func eventTime(record []byte) market.Nanos {
	return market.Nanos(binary.LittleEndian.Uint64(record[eventOffset:]))
}

func receiveTime(record []byte) market.Nanos {
	return market.Nanos(binary.LittleEndian.Uint64(record[receiveOffset:]))
}

// IndexTime returns the time by which a record is in history: when it was received for bbo schemas, else
// when it happened. It may be undefined.
func IndexTime(record []byte) market.Nanos {
	switch dbn.RType(record[1]) {
	case dbn.RTypeBBO1s, dbn.RTypeBBO1m:
		return receiveTime(record)
	default:
		return eventTime(record)
	}
}

// spanOf returns the earliest start and the latest end of what is asked for. from is the first index of those
// who want records from an index on, 0 if nobody does; byTime is whether anybody does by time.
func spanOf(q *Query, wants []*want) (start, end market.Nanos, from uint64, byTime bool) {
	if q.Kind != entry.KindRecord {
		return q.Start, q.End, 0, true
	}
	end = 0
	for _, w := range wants {
		if w.From != 0 {
			if from == 0 || w.From < from {
				from = w.From
			}
		} else if !byTime || w.Start < start {
			start, byTime = w.Start, true
		}
		if !w.End.Defined() || !end.Defined() {
			end = market.UndefTime
		} else {
			end = max(end, w.End+lengthOf(w.Schema))
		}
	}
	return start, end, from, byTime
}

// lengthOf returns how much later than its index time a record is published, by what it is.
func lengthOf(s dbn.Schema) market.Nanos {
	switch s {
	case dbn.SchemaOHLCV1s:
		return market.Second
	case dbn.SchemaOHLCV1m:
		return market.Minute
	case dbn.SchemaOHLCV1h:
		return market.Hour
	case dbn.SchemaOHLCV1d:
		return market.Day
	default:
		return 0
	}
}

// schemasOf returns the schemas that are wanted, each once.
func schemasOf(wants []*want) (all []dbn.Schema) {
	for _, w := range wants {
		if !slices.Contains(all, w.Schema) {
			all = append(all, w.Schema)
		}
	}
	return all
}

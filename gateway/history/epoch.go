package history

import (
	"context"
	"fmt"

	"tidegate/codec/dbn"
	"tidegate/market"
	"tidegate/sinks/entry"
	"tidegate/sinks/journal"
)

// An epoch is what one start of the gateway knew, as its journal says. It does not change.
type epoch struct {
	span
	feeds map[string]int    // numbers
	kept  map[int]schemaSet // by number of the feed
	met   []Met             // in order
	live  *Live             // of the epoch that is being written; nil for others
}

// metNow returns what was met so far, in order.
func (e *epoch) metNow() []Met {
	if e.live != nil {
		return e.live.Catalog.All()
	}
	return e.met
}

// readEpoch reads a whole epoch, for the little in it that is not data.
func readEpoch(ctx context.Context, r *journal.Reader, s *span) (*epoch, error) {
	e := &epoch{span: *s, feeds: make(map[string]int), kept: make(map[int]schemaSet)}
	if err := r.SeekIndex(s.first); err != nil {
		return nil, err
	}
	var b journal.Batch
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		out, err := r.NextBatch(&b)
		switch {
		case err != nil:
			return nil, err
		case out == journal.Empty:
			return e, nil
		case out != journal.Ready:
			continue // who reads the records is told
		case b.Epoch > s.number:
			return e, nil
		}
		var j journal.Entry
		for b.Next(&j) {
			if err := e.take(&j); err != nil {
				return nil, fmt.Errorf("entry %d: %w", j.Index, err)
			}
		}
	}
}

// take takes up an entry.
func (e *epoch) take(j *journal.Entry) error {
	switch {
	case j.Kind == entry.KindFeed:
		var f entry.Feed
		if err := f.Parse(j.Payload); err != nil {
			return err
		}
		e.feeds[f.Name] = int(j.Feed)
	case j.Kind == entry.KindRecord && len(j.Payload) >= dbn.HeaderSize:
		switch rtype := dbn.RType(j.Payload[1]); rtype {
		case dbn.RTypeSymbolMapping:
			if m, ok := parseMet(j); ok {
				e.met = append(e.met, m)
			}
		case dbn.RTypeSystem:
			if kept, ok := keptIn(j); ok {
				e.kept[int(j.Feed)] = kept
			}
		}
	}
	return nil
}

// parseMet reads what AppendMet wrote.
func parseMet(j *journal.Entry) (met Met, ok bool) {
	rec, err := dbn.ParseRecord(j.Payload, dbn.Version, false)
	if err != nil {
		return Met{}, false
	}
	var m dbn.SymbolMapping
	if m.Parse(rec) != nil {
		return Met{}, false
	}
	return Met{Index: j.Index, Feed: j.Feed, Instrument: m.InstrumentID, Symbol: m.SymbolOut}, true
}

// keptIn reads what AppendKept wrote.
func keptIn(j *journal.Entry) (kept schemaSet, ok bool) {
	rec, err := dbn.ParseRecord(j.Payload, dbn.Version, false)
	if err != nil {
		return 0, false
	}
	var m dbn.System
	if m.Parse(rec) != nil {
		return 0, false
	}
	return parseKept(m.Text)
}

// A skew is how much event times were ahead of receive times, and behind them, at most.
type skew struct{ ahead, behind market.Nanos }

// skewSlack is what is added to what was measured.
const skewSlack = market.Minute

// skewSample is how many entries at the end of an epoch are looked at.
const skewSample = 256

func (s skew) or(t skew) skew { return skew{max(s.ahead, t.ahead), max(s.behind, t.behind)} }

// skewOf measures at the end of an epoch, where clocks that go at different speeds are furthest apart.
func (h *History) skewOf(r *journal.Reader, s *span, durable uint64) (k skew, err error) {
	last := durable
	if s.next != 0 {
		last = s.next - 1
	}
	if last < s.first {
		return k, nil
	}
	if err := r.SeekIndex(max(s.first, last-min(last, skewSample-1))); err != nil {
		return k, err
	}
	var e journal.Entry
	for r.Position() <= last {
		out, err := r.Next(&e)
		switch {
		case err != nil:
			return k, err
		case out == journal.Empty:
			return k, nil
		case out != journal.Ready || e.Kind != entry.KindRecord || len(e.Payload) < dbn.HeaderSize:
			continue
		}
		switch dbn.RType(e.Payload[1]) { // whose event time is that of what led to the record
		case dbn.RTypeMBO, dbn.RTypeTrade, dbn.RTypeMBP1:
			if at := eventTime(e.Payload); at.Defined() {
				k = k.or(skew{at - e.At, e.At - at})
			}
		}
	}
	return k, nil
}

// Skew returns how much event times were ahead of receive times, and behind them, at most, as far as the journal
// reaches back, with some slack: what happened in a time was received in that time made longer by these.
func (h *History) Skew() (ahead, behind market.Nanos, err error) {
	r, err := h.cfg.Open()
	if err != nil {
		return 0, 0, fmt.Errorf("history: %w", err)
	}
	defer r.Close()
	spans, err := h.spans()
	if err != nil {
		return 0, 0, err
	}
	_, durable, err := r.Bounds()
	if err != nil {
		return 0, 0, fmt.Errorf("history: %w", err)
	}
	var k skew
	for i := range spans {
		of, err := h.skewOf(r, &spans[i], durable)
		if err != nil {
			return 0, 0, fmt.Errorf("history: %w", err)
		}
		k = k.or(of)
	}
	return max(k.ahead, 0) + skewSlack, max(k.behind, 0) + skewSlack, nil
}

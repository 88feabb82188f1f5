package derive

import (
	"tidegate/codec/dbn"
	"tidegate/market"
)

// newConsolidated returns one publisher's part in making a consolidated schema.
func newConsolidated(schema dbn.Schema, view *View) (Deriver, error) {
	if err := view.market.serve(schema); err != nil {
		return nil, err
	}
	rtype, _ := schema.RType()
	switch schema {
	case dbn.SchemaCBBO1s:
		view.market.sample.length = market.Second
	case dbn.SchemaCBBO1m:
		view.market.sample.length = market.Minute
	default:
		return &consolidated{View: view, rtype: rtype, quotes: schema == dbn.SchemaCMBP1}, nil
	}
	return &consolidatedSampled{View: view, rtype: rtype}, nil
}

// consolidated makes cmbp-1 (changes of the consolidated best bid and offer, and trades) or,
// without quotes, tcbbo (trades only) from one publisher's events.
type consolidated struct {
	passive
	*View
	rtype  dbn.RType
	quotes bool
}

func (d *consolidated) OnEvents(out []byte, events []market.Event, books Books) []byte {
	for i := range events {
		e := &events[i]
		s := d.at(e)
		if s == nil {
			continue
		}
		s.pending.note(e, edgeOf(&s.bbo))
		if e.Action == market.Trade {
			out = d.append(out, e, s.number)
		}
		if e.Flags&market.FlagLast == 0 {
			continue
		}
		changed := d.update(s, e, books)
		said := s.pending.take(e, edgeOf(&s.bbo))
		if d.quotes && changed {
			out = d.append(out, &said, s.number)
		}
	}
	return out
}

// append makes a record of e with the consolidated quote as it stands.
func (d *consolidated) append(out []byte, e *market.Event, number market.InstrumentID) []byte {
	size, _ := dbn.SaturateSize(e.Size)
	rec := dbn.CMBP1{
		Header: header(e),
		Price:  e.Price, Size: size, Action: e.Action, Side: e.Side, Flags: e.Flags,
		TsRecv: e.TsRecv, TsInDelta: e.TsInDelta,
		Level: d.market.best(number),
	}
	rec.RType, rec.InstrumentID = d.rtype, number
	return rec.Append(out)
}

// marketSample is what a market has to say at the end of the running interval.
type marketSample struct {
	interval
	records []sampleState // by number-1
	dirty   []market.InstrumentID
}

type sampleState struct {
	rec    dbn.CBBO // all but Level and TsRecv, which the end of the interval gives
	marked bool     // in dirty
}

// consolidatedSampled makes cbbo-1s and cbbo-1m: the consolidated best bid and offer and the last
// trade, at the end of each interval in which either changed. All publishers share one interval:
// the first whose time passes its end publishes it, before anything later reaches the book.
// Instruments come in the order in which they first changed.
type consolidatedSampled struct {
	*View
	rtype dbn.RType
}

func (d *consolidatedSampled) OnFacts(out []byte, _ *market.Facts) []byte { return out }

func (d *consolidatedSampled) OnEvents(out []byte, events []market.Event, books Books) []byte {
	for i := range events {
		e := &events[i]
		out = d.OnTime(out, e.TsRecv)
		s := d.at(e)
		if s == nil {
			continue
		}
		if sale(e) {
			rec := d.market.mark(d.rtype, e, s.number)
			rec.Price, rec.Side, rec.TsEvent = e.Price, e.Side, e.TsEvent
			rec.Size, _ = dbn.SaturateSize(e.Size)
		}
		if e.Flags&market.FlagLast != 0 && d.update(s, e, books) {
			d.market.mark(d.rtype, e, s.number)
		}
	}
	return out
}

// mark notes that an instrument changed in the running interval, last by e, and returns its record.
func (m *Market) mark(rtype dbn.RType, e *market.Event, number market.InstrumentID) *dbn.CBBO {
	sample := &m.sample
	for len(sample.records) < int(number) {
		sample.records = append(sample.records, sampleState{rec: dbn.CBBO{
			Header: dbn.Header{RType: rtype, TsEvent: market.UndefTime},
			Price:  market.UndefPrice, Side: market.NoSide,
		}})
	}
	s := &sample.records[number-1]
	s.rec.PublisherID, s.rec.InstrumentID = e.Publisher, number
	s.rec.Flags = e.Flags | market.FlagLast
	if !s.marked {
		s.marked = true
		sample.dirty = append(sample.dirty, number)
	}
	return &s.rec
}

func (d *consolidatedSampled) OnTime(out []byte, now market.Nanos) []byte {
	m := &d.market.sample
	if !m.passed(now) {
		return out
	}
	for _, number := range m.dirty {
		s := &m.records[number-1]
		s.marked = false
		s.rec.TsRecv = m.end()
		s.rec.Level = d.market.best(number)
		out = s.rec.Append(out)
	}
	m.dirty = m.dirty[:0]
	m.begin(now)
	return out
}

package derive

import (
	"tidegate/book"
	"tidegate/codec/dbn"
	"tidegate/market"
)

// An interval is the running interval of a sampled schema, from start to start+length. Intervals
// are multiples of their length since the epoch, where the first one begins: what has no time, or
// an impossible one, belongs to the interval that runs.
type interval struct {
	length market.Nanos
	start  market.Nanos
}

// passed reports whether now lies past the running interval. The caller then publishes what the
// interval holds, and says begin.
func (v *interval) passed(now market.Nanos) bool {
	return now >= v.start && now-v.start >= v.length // start is never negative
}

// begin makes the interval that holds now the running one.
func (v *interval) begin(now market.Nanos) { v.start = now - now%v.length }

// end returns the end, exclusive. For the last intervals that a Nanos can hold the bits are right
// as a record holds them, unsigned.
func (v *interval) end() market.Nanos { return v.start + v.length }

// sale reports whether e is a trade that a last price or a bar can tell of: one with a price.
func sale(e *market.Event) bool { return e.Action == market.Trade && e.Price.Defined() }

// sampled makes bbo-1s and bbo-1m: the best bid and offer and the last trade, at the end of each
// interval in which either changed. Instruments come in the order in which they first changed.
type sampled struct {
	instruments[sampledState]
	interval
	rtype dbn.RType
	dirty []market.InstrumentID // those that changed in the running interval
}

type sampledState struct {
	bbo    book.BBO // at the end of the last event
	rec    dbn.BBO  // all but Level and TsRecv, which the end of the interval gives
	marked bool     // in dirty
}

func newSampled(rtype dbn.RType, length market.Nanos) *sampled {
	fresh := sampledState{bbo: book.EmptyBBO, rec: dbn.BBO{
		Header: dbn.Header{RType: rtype, TsEvent: market.UndefTime},
		Price:  market.UndefPrice, Side: market.NoSide,
	}}
	return &sampled{interval: interval{length: length}, rtype: rtype, instruments: newInstruments(fresh)}
}

func (d *sampled) OnFacts(out []byte, _ *market.Facts) []byte { return out }

func (d *sampled) OnEvents(out []byte, events []market.Event, books Books) []byte {
	for i := range events {
		e := &events[i]
		out = d.OnTime(out, e.TsRecv)
		s := d.at(e.Instrument)
		if s == nil {
			continue
		}
		if sale(e) {
			s.rec.Price, s.rec.Side, s.rec.TsEvent = e.Price, e.Side, e.TsEvent
			s.rec.Size, _ = dbn.SaturateSize(e.Size)
			d.mark(s, e)
		}
		if e.Flags&market.FlagLast == 0 {
			continue
		}
		if bbo := books.BBO(e.Instrument); bbo != s.bbo {
			s.bbo = bbo
			d.mark(s, e)
		}
	}
	return out
}

// mark notes that an instrument changed in the running interval, last by e.
func (d *sampled) mark(s *sampledState, e *market.Event) {
	s.rec.PublisherID, s.rec.InstrumentID = e.Publisher, e.Instrument
	s.rec.Sequence, s.rec.Flags = uint32(e.Seq), e.Flags|market.FlagLast
	if !s.marked {
		s.marked = true
		d.dirty = append(d.dirty, e.Instrument)
	}
}

func (d *sampled) OnTime(out []byte, now market.Nanos) []byte {
	if !d.passed(now) {
		return out
	}
	for _, id := range d.dirty {
		s := d.at(id)
		s.marked = false
		s.rec.TsRecv = d.end()
		s.rec.Level = pair(s.bbo.Bid, s.bbo.Ask)
		out = s.rec.Append(out)
	}
	d.dirty = d.dirty[:0]
	d.begin(now)
	return out
}

// bars makes the ohlcv schemas: open, high, low, close and volume of the trades of each interval,
// by receive time. Instruments come in the order of their first trade in the interval.
type bars struct {
	instruments[barState]
	interval
	rtype dbn.RType
	dirty []market.InstrumentID // those that traded in the running interval
}

type barState struct {
	rec    dbn.OHLCV
	marked bool // in dirty
}

func newBars(rtype dbn.RType, length market.Nanos) *bars {
	return &bars{interval: interval{length: length}, rtype: rtype, instruments: newInstruments(barState{})}
}

func (d *bars) OnFacts(out []byte, _ *market.Facts) []byte { return out }

func (d *bars) OnEvents(out []byte, events []market.Event, _ Books) []byte {
	for i := range events {
		e := &events[i]
		out = d.OnTime(out, e.TsRecv)
		if sale(e) {
			d.trade(e)
		}
	}
	return out
}

func (d *bars) trade(e *market.Event) {
	s := d.at(e.Instrument)
	if s == nil {
		return
	}
	rec := &s.rec
	if !s.marked {
		s.marked = true
		d.dirty = append(d.dirty, e.Instrument)
		*rec = dbn.OHLCV{Header: header(e), Open: e.Price, High: e.Price, Low: e.Price}
		rec.RType, rec.TsEvent = d.rtype, d.start
	}
	rec.High = max(rec.High, e.Price)
	rec.Low = min(rec.Low, e.Price)
	rec.Close = e.Price
	rec.Volume += uint64(e.Size)
}

func (d *bars) OnTime(out []byte, now market.Nanos) []byte {
	if !d.passed(now) {
		return out
	}
	for _, id := range d.dirty {
		s := d.at(id)
		s.marked = false
		out = s.rec.Append(out)
	}
	d.dirty = d.dirty[:0]
	d.begin(now)
	return out
}

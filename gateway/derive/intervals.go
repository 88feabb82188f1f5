package derive

import (
	"tidegate/book"
	"tidegate/codec/dbn"
	"tidegate/market"
)

// An interval is the running interval of a sampled schema. Intervals are multiples of their length
// since the epoch.
type interval struct {
	length market.Nanos
	end    market.Nanos // exclusive; 0 before the first event
}

// passed reports whether now lies past the running interval. The caller then publishes what the
// interval holds, and says begin.
func (v *interval) passed(now market.Nanos) bool { return v.end != 0 && now >= v.end }

// begin makes the interval that holds now the running one.
func (v *interval) begin(now market.Nanos) { v.end = now - now%v.length + v.length }

// sampled makes bbo-1s and bbo-1m: the best bid and offer and the last trade, at the end of each
// interval in which either changed. Instruments come in the order in which they first changed.
type sampled struct {
	interval
	rtype dbn.RType
	state instruments[sampledState]
	dirty []uint32 // slots of the instruments that changed in the running interval
}

type sampledState struct {
	bbo    book.BBO // as of the last complete event
	rec    dbn.BBO  // all but Level and TsRecv, which the end of the interval gives
	marked bool     // in dirty
}

func newSampled(rtype dbn.RType, length market.Nanos) *sampled {
	fresh := sampledState{bbo: book.EmptyBBO, rec: dbn.BBO{
		Price: market.UndefPrice, Side: market.NoSide,
	}}
	fresh.rec.TsEvent = market.UndefTime
	return &sampled{interval: interval{length: length}, rtype: rtype, state: newInstruments(fresh)}
}

func (d *sampled) OnFacts(out []byte, _ *market.Facts) []byte { return out }

func (d *sampled) OnEvents(out []byte, events []market.Event, books Books) []byte {
	for i := range events {
		e := &events[i]
		out = d.OnTime(out, e.TsRecv)
		if d.end == 0 {
			d.begin(e.TsRecv)
		}
		slot := d.state.index(e.Instrument)
		s := &d.state.slots[slot]
		if e.Action == market.Trade {
			s.rec.Price, s.rec.Side, s.rec.TsEvent = e.Price, e.Side, e.TsEvent
			s.rec.Size, _ = dbn.SaturateSize(e.Size)
			d.mark(slot, e)
		}
		if e.Flags&market.FlagLast == 0 {
			continue
		}
		if bbo := books.BBO(e.Instrument); bbo != s.bbo {
			s.bbo = bbo
			d.mark(slot, e)
		}
	}
	return out
}

// mark notes that an instrument changed in the running interval, last by e.
func (d *sampled) mark(slot uint32, e *market.Event) {
	s := &d.state.slots[slot]
	s.rec.RType = d.rtype
	s.rec.PublisherID, s.rec.InstrumentID = e.Publisher, e.Instrument
	s.rec.Sequence, s.rec.Flags = uint32(e.Seq), e.Flags|market.FlagLast
	if !s.marked {
		s.marked = true
		d.dirty = append(d.dirty, slot)
	}
}

func (d *sampled) OnTime(out []byte, now market.Nanos) []byte {
	if !d.passed(now) {
		return out
	}
	for _, slot := range d.dirty {
		s := &d.state.slots[slot]
		s.marked = false
		s.rec.TsRecv = d.end
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
	interval
	rtype dbn.RType
	state instruments[barState]
	dirty []uint32
}

type barState struct {
	rec dbn.OHLCV
	any bool
}

func newBars(rtype dbn.RType, length market.Nanos) *bars {
	return &bars{interval: interval{length: length}, rtype: rtype, state: newInstruments(barState{})}
}

func (d *bars) OnFacts(out []byte, _ *market.Facts) []byte { return out }

func (d *bars) OnEvents(out []byte, events []market.Event, _ Books) []byte {
	for i := range events {
		e := &events[i]
		out = d.OnTime(out, e.TsRecv)
		if d.end == 0 {
			d.begin(e.TsRecv)
		}
		if e.Action == market.Trade && e.Price.Defined() {
			d.trade(e)
		}
	}
	return out
}

func (d *bars) trade(e *market.Event) {
	slot := d.state.index(e.Instrument)
	s := &d.state.slots[slot]
	rec := &s.rec
	if !s.any {
		s.any = true
		d.dirty = append(d.dirty, slot)
		*rec = dbn.OHLCV{Header: header(e), Open: e.Price, High: e.Price, Low: e.Price}
		rec.RType = d.rtype
		rec.TsEvent = d.end - d.length
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
	for _, slot := range d.dirty {
		s := &d.state.slots[slot]
		s.any = false
		out = s.rec.Append(out)
	}
	d.dirty = d.dirty[:0]
	d.begin(now)
	return out
}

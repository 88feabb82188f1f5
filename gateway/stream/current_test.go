package stream_test

import (
	"slices"
	"testing"

	"tidegate/arbiter"
	"tidegate/codec/dbn"
	"tidegate/gateway/stream"
	"tidegate/internal/bus"
	"tidegate/market"
)

// status returns the fact that the trading of an instrument changed.
func status(id market.InstrumentID, at market.Nanos) *market.Facts {
	return &market.Facts{Statuses: []market.Status{{
		Instrument: id, TsEvent: at, TsRecv: at, Action: market.StatusTrading,
		Trading: market.Yes, Quoting: market.Yes, ShortSaleRestraint: market.Unknown,
	}}}
}

// What is kept are the ring's own records, with the index of their entries.
func TestCurrentIsWhatTheRingHas(t *testing.T) {
	w := newWorld(t, stream.Config{})
	type place struct {
		schema dbn.Schema
		index  uint64
	}
	published := make(map[place]string)
	for range 500 {
		w.step(t, func(e *bus.Entry) {
			if e.Kind == stream.Record {
				published[place{dbn.Schema(e.Schema), e.Index}] = string(e.Payload)
			}
		})
	}
	for _, schema := range []dbn.Schema{dbn.SchemaDefinition, dbn.SchemaStatus} {
		kept := w.stream.Current(schema).All()
		of := make(map[market.InstrumentID]bool)
		for _, k := range kept {
			if got := published[place{schema, k.Index}]; got != string(k.Record) {
				t.Errorf("%s: entry %d of the ring is %x, kept is %x", schema, k.Index, got, k.Record)
			}
			of[k.Instrument] = true
		}
		for _, in := range w.stream.Directory().All() {
			if !of[in.ID] {
				t.Errorf("%s: nothing of %s", schema, in.Symbol)
			}
		}
	}
	for _, schema := range []dbn.Schema{dbn.SchemaMBO, dbn.SchemaImbalance, dbn.SchemaStatistics} {
		if w.stream.Current(schema) != nil {
			t.Errorf("%s is kept", schema)
		}
	}
}

// However often something is said again, what is kept is bounded, and the latest is in it. Who has an
// older list keeps it as it was.
func TestCurrentIsBounded(t *testing.T) {
	w := newWorld(t, stream.Config{})
	const instruments, rounds = 100, 200
	var early, copied []stream.Kept
	for n := range instruments * rounds {
		w.stream.OnFacts(status(market.InstrumentID(n%instruments+1), market.Nanos(n)))
		w.ring.Publish()
		w.drain(t, func(*bus.Entry) {})
		if n == 1100 {
			early = w.stream.Current(dbn.SchemaStatus).All()
			copied = slices.Clone(early)
		}
	}
	kept := w.stream.Current(dbn.SchemaStatus).All()
	if len(kept) > 2*instruments+1024+1 {
		t.Errorf("%d records are kept of %d instruments", len(kept), instruments)
	}
	if !slices.IsSortedFunc(kept, func(a, b stream.Kept) int { return int(a.Index) - int(b.Index) }) {
		t.Error("not in the order of publication")
	}
	latest := make(map[market.InstrumentID][]byte)
	for _, k := range kept {
		latest[k.Instrument] = k.Record
	}
	for id := market.InstrumentID(1); id <= instruments; id++ {
		want := market.Nanos(instruments*(rounds-1)) + market.Nanos(id) - 1
		r, err := dbn.ParseRecord(latest[id], dbn.Version, false)
		if err != nil || r.TsEvent != want {
			t.Errorf("latest of %d: %+v, %v; want time %d", id, r.Header, err, want)
		}
	}
	for i := range early {
		if early[i].Index != copied[i].Index || &early[i].Record[0] != &copied[i].Record[0] {
			t.Fatalf("element %d of an older list has changed", i)
		}
	}
}

// A publisher that begins again says the states of trading anew; what instruments are it may not.
func TestEpochForgetsStatuses(t *testing.T) {
	w := newWorld(t, stream.Config{})
	for range 500 {
		w.step(t, func(*bus.Entry) {})
	}
	w.stream.OnEpoch(arbiter.Epoch{Number: 2})
	if n := len(w.stream.Current(dbn.SchemaStatus).All()); n != 0 {
		t.Errorf("%d statuses are left", n)
	}
	if len(w.stream.Current(dbn.SchemaDefinition).All()) == 0 {
		t.Error("definitions are gone")
	}
	w.stream.OnFacts(status(1, 5))
	if n := len(w.stream.Current(dbn.SchemaStatus).All()); n != 1 {
		t.Errorf("%d statuses are kept, want 1", n)
	}
}

// An instrument of which only a fact is known is in the directory, so that its records have a mapping.
func TestFactsIntroduceInstruments(t *testing.T) {
	w := newWorld(t, stream.Config{})
	w.stream.OnFacts(status(77, 5))
	w.stream.OnFacts(status(0, 6)) // of the whole market
	w.stream.OnFacts(&market.Facts{Imbalances: []market.Imbalance{{Instrument: 78, TsRecv: 7}}})
	w.stream.OnFacts(&market.Facts{Statistics: []market.Statistic{{Instrument: 79, TsRecv: 8}}})
	var got []string
	for _, in := range w.stream.Directory().All() {
		got = append(got, in.Symbol)
	}
	if want := []string{"#77", "#78", "#79"}; !slices.Equal(got, want) {
		t.Errorf("directory %v, want %v", got, want)
	}
}

package derive_test

import (
	"math"
	"slices"
	"testing"

	"tidegate/book"
	"tidegate/codec/dbn"
	"tidegate/gateway/derive"
	"tidegate/market"
)

// fixedBooks is one BBO for every instrument.
type fixedBooks struct{ bbo book.BBO }

func (b *fixedBooks) BBO(market.InstrumentID) book.BBO { return b.bbo }

func (b *fixedBooks) Levels(_ market.InstrumentID, side market.Side, dst []book.Level) []book.Level {
	if l := b.bbo.Side(side); l.Defined() {
		dst = append(dst, l)
	}
	return dst
}

// newDeriver returns the deriver of a schema, with a market of its own where it needs one.
func newDeriver(t testing.TB, s dbn.Schema) derive.Deriver {
	t.Helper()
	return deriverIn(t, s, derive.NewSmallMarket())
}

// deriverIn returns the deriver of a schema of a publisher whose instruments have no symbols.
func deriverIn(t testing.TB, s dbn.Schema, m *derive.Market) derive.Deriver {
	t.Helper()
	d, err := derive.New(s, m.View(func(market.InstrumentID) string { return "" }))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestNewRefuses(t *testing.T) {
	for _, s := range []dbn.Schema{dbn.SchemaOHLCVEOD, dbn.SchemaMixed, 12345} {
		if _, err := derive.New(s, nil); err == nil {
			t.Errorf("schema %s: no error", s)
		}
	}
	for _, s := range []dbn.Schema{dbn.SchemaCMBP1, dbn.SchemaTCBBO, dbn.SchemaCBBO1s, dbn.SchemaCBBO1m} {
		if _, err := derive.New(s, nil); err == nil {
			t.Errorf("schema %s: no error without a market", s)
		}
	}
	// What changed is asked of the market once, so it can answer one schema only.
	m := derive.NewMarket(derive.NewNumbers(nil))
	noSymbol := func(market.InstrumentID) string { return "" }
	for _, s := range []dbn.Schema{dbn.SchemaCBBO1s, dbn.SchemaCBBO1s} {
		if _, err := derive.New(s, m.View(noSymbol)); err != nil {
			t.Errorf("schema %s again: %v", s, err)
		}
	}
	if _, err := derive.New(dbn.SchemaCMBP1, m.View(noSymbol)); err == nil {
		t.Error("one market served two schemas")
	}
}

func TestSchemasAreAllDerived(t *testing.T) {
	for _, s := range derive.Schemas() {
		if d := newDeriver(t, s); d.Refused() != 0 {
			t.Errorf("schema %s: %d events refused before any", s, d.Refused())
		}
	}
}

func TestFacts(t *testing.T) {
	f := market.Facts{
		Statuses:    []market.Status{{TsRecv: 1, Instrument: 7}, {TsRecv: 2, Instrument: 8}},
		Definitions: []market.Definition{{TsRecv: 3, Instrument: market.Instrument{ID: 9, Symbol: "NINE"}}},
		Statistics:  []market.Statistic{{TsRecv: 4, Instrument: 10}},
		Imbalances:  []market.Imbalance{{TsRecv: 5, Instrument: 11}},
	}
	want := map[dbn.Schema][]market.InstrumentID{
		dbn.SchemaStatus:     {7, 8},
		dbn.SchemaDefinition: {9},
		dbn.SchemaStatistics: {10},
		dbn.SchemaImbalance:  {11},
	}
	trade := []market.Event{{Action: market.Trade, Flags: market.FlagLast, Price: 1, Size: 1}}
	for _, s := range derive.Schemas() {
		d := newDeriver(t, s)
		out := d.OnFacts(nil, &f)
		if _, ok := want[s]; ok {
			out = d.OnEvents(out, trade, &fixedBooks{book.EmptyBBO})
			out = d.OnTime(out, market.Day)
		}
		var got []market.InstrumentID
		eachRecord(t, out, func(r dbn.Record) {
			if rtype, _ := s.RType(); r.RType != rtype {
				t.Errorf("schema %s: a record of type %s", s, r.RType)
			}
			got = append(got, r.InstrumentID)
		})
		if len(got) != len(want[s]) || len(got) > 0 && got[0] != want[s][0] {
			t.Errorf("schema %s: records of instruments %d, want %d", s, got, want[s])
		}
	}
}

// A deriver knows a limited number of instruments, counts what it refuses, and goes on with those
// that it knows. The consolidated book has a smaller limit.
func TestInstrumentsAreLimited(t *testing.T) {
	const hostile = 65_536 + 1000
	books := &fixedBooks{book.BBO{Bid: book.Level{Price: 1, Size: 1, Orders: 1}, Ask: book.EmptyBBO.Ask}}
	for _, c := range []struct {
		schema  dbn.Schema
		refused uint64
	}{
		{dbn.SchemaMBO, 0},
		{dbn.SchemaTrades, 0},
		{dbn.SchemaMBP1, 1000},
		{dbn.SchemaMBP10, 1000},
		{dbn.SchemaBBO1s, 1000},
		{dbn.SchemaOHLCV1s, 1000},
		{dbn.SchemaTCBBO, hostile - 16_383},
		{dbn.SchemaCBBO1s, hostile - 16_383},
	} {
		d := deriverIn(t, c.schema, derive.NewMarket(derive.NewNumbers(nil)))
		now := midnight
		send := func(i uint32) (records int) {
			now += market.Minute
			e := market.Event{
				Action: market.Trade, Flags: market.FlagLast, Price: 1, Size: 1, TsRecv: now,
				Instrument: market.InstrumentID(i * 0x9E3779B1), // all different, most of them large
			}
			out := d.OnEvents(nil, []market.Event{e}, books)
			eachRecord(t, d.OnTime(out, now+market.Second), func(dbn.Record) { records++ })
			return records
		}
		for i := range uint32(hostile) {
			send(i)
		}
		if got := d.Refused(); got != c.refused {
			t.Errorf("schema %s: %d events refused, want %d", c.schema, got, c.refused)
		}
		if n := send(0); n == 0 {
			t.Errorf("schema %s: an instrument that is known gave no record", c.schema)
		}
		if n := send(hostile); n != 0 && c.refused != 0 {
			t.Errorf("schema %s: an instrument too many gave %d records", c.schema, n)
		}
	}
}

// sampledSchemas have intervals.
var sampledSchemas = map[dbn.Schema]market.Nanos{
	dbn.SchemaBBO1s: market.Second, dbn.SchemaBBO1m: market.Minute,
	dbn.SchemaCBBO1s: market.Second, dbn.SchemaCBBO1m: market.Minute,
	dbn.SchemaOHLCV1s: market.Second, dbn.SchemaOHLCV1m: market.Minute,
	dbn.SchemaOHLCV1h: market.Hour, dbn.SchemaOHLCV1d: market.Day,
}

// TestImpossibleTimes trades at times that no feed should have. Each trade must come out in an
// interval, once.
func TestImpossibleTimes(t *testing.T) {
	const first, last = market.Nanos(math.MinInt64), market.Nanos(math.MaxInt64)
	for _, c := range []struct {
		name  string
		times []market.Nanos // of trades
		start market.Nanos   // of the only interval that is published
		none  bool           // none is published
	}{
		{name: "no time", times: []market.Nanos{market.UndefTime}, start: 0},
		{name: "before the epoch", times: []market.Nanos{-market.Second / 2, -3 * market.Day / 2, first}, start: 0},
		{name: "no time, later", times: []market.Nanos{midnight, market.UndefTime, first}, start: midnight},
		{name: "times going back", times: []market.Nanos{midnight + 7, midnight, 5, midnight + 6}, start: midnight},
		{name: "the epoch", times: []market.Nanos{0}, start: 0},
		{name: "the epoch and the end of time", times: []market.Nanos{0, last, last}, start: 0},
		// No time is past the end of the last interval.
		{name: "the end of time", times: []market.Nanos{last - 1, last, 5, first}, none: true},
	} {
		for schema, length := range sampledSchemas {
			d := newDeriver(t, schema)
			var out []byte
			for _, at := range c.times {
				e := market.Event{Action: market.Trade, Side: market.Bid, Price: 1, Size: 1, TsRecv: at, Flags: market.FlagLast}
				out = d.OnEvents(out, []market.Event{e}, &fixedBooks{book.EmptyBBO})
			}
			for _, now := range []market.Nanos{first, last, last, market.UndefTime} {
				out = d.OnTime(out, now)
			}
			var got []market.Nanos
			eachRecord(t, out, func(r dbn.Record) { got = append(got, startOf(t, r, length)) })
			want := []market.Nanos{c.start}
			if c.none {
				want = nil
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s, %s: intervals from %d, want %d", c.name, schema, got, want)
			}
		}
	}
}

// A long silence costs no more than a short one, and no record stands for it.
func TestSilence(t *testing.T) {
	for schema, length := range sampledSchemas {
		d := newDeriver(t, schema)
		trade := func(out []byte, at market.Nanos) []byte {
			e := market.Event{Action: market.Trade, Side: market.Bid, Price: 1, Size: 1, TsRecv: at, Flags: market.FlagLast}
			return d.OnEvents(out, []market.Event{e}, &fixedBooks{book.EmptyBBO})
		}
		out := d.OnTime(nil, market.Second/2) // before any event
		for _, at := range []market.Nanos{1, length - 1, length, math.MaxInt64 - 2*market.Day} {
			out = d.OnTime(trade(out, at), at)
		}
		out = d.OnTime(out, math.MaxInt64)
		var got []market.Nanos
		eachRecord(t, out, func(r dbn.Record) { got = append(got, startOf(t, r, length)) })
		want := []market.Nanos{0, length, (math.MaxInt64 - 2*market.Day) / length * length}
		if !slices.Equal(got, want) {
			t.Errorf("%s: intervals from %d, want %d", schema, got, want)
		}
	}
}

// startOf returns the start of a record's interval.
func startOf(t testing.TB, r dbn.Record, length market.Nanos) market.Nanos {
	var bbo dbn.BBO
	var cbbo dbn.CBBO
	switch {
	case bbo.Parse(r) == nil:
		return bbo.TsRecv - length
	case cbbo.Parse(r) == nil:
		return cbbo.TsRecv - length
	}
	var bar dbn.OHLCV
	if err := bar.Parse(r); err != nil {
		t.Fatal(err)
	}
	return bar.TsEvent
}

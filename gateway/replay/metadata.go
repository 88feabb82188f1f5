package replay

import (
	"strconv"
	"time"

	"tidegate/codec/dbn"
	"tidegate/gateway"
	"tidegate/market"
)

// consolidated reports whether a schema's instruments are those of the consolidated book.
func consolidated(s dbn.Schema) bool {
	switch s {
	case dbn.SchemaCMBP1, dbn.SchemaTCBBO, dbn.SchemaCBBO1s, dbn.SchemaCBBO1m:
		return true
	default:
		return false
	}
}

// span returns the times that records of a schema made from input between first and last carry:
// from start, up to but not including end. Records of intervals carry the interval's start (ohlcv)
// or end (bbo, cbbo).
func span(schema dbn.Schema, first, last market.Nanos) (start, end market.Nanos) {
	var starts, ends market.Nanos // lengths of intervals
	switch schema {
	case dbn.SchemaOHLCV1s:
		starts = market.Second
	case dbn.SchemaOHLCV1m:
		starts = market.Minute
	case dbn.SchemaOHLCV1h:
		starts = market.Hour
	case dbn.SchemaOHLCV1d:
		starts = market.Day
	case dbn.SchemaBBO1s, dbn.SchemaCBBO1s:
		ends = market.Second
	case dbn.SchemaBBO1m, dbn.SchemaCBBO1m:
		ends = market.Minute
	}
	if starts > 0 {
		first -= first % starts
	}
	if ends > 0 {
		last += ends - last%ends
	}
	return first, last + 1
}

// metadata describes the output: every instrument that the channels named, for the days from first
// to last.
func (c *channels) metadata(schema dbn.Schema, first, last market.Nanos) *dbn.Metadata {
	start, end := span(schema, first, last)
	m := &dbn.Metadata{
		Dataset: market.Consolidated.Dataset, Schema: schema, Start: start, End: end,
		STypeIn: dbn.STypeRawSymbol, STypeOut: dbn.STypeInstrumentID,
	}
	day, after := yyyymmdd(start), yyyymmdd(end-1+market.Day)
	if consolidated(schema) && !c.passed() {
		if c.numbers != nil {
			for i, symbol := range c.numbers.Symbols() {
				addMapping(m, symbol, market.InstrumentID(i+1), day, after)
			}
		}
		return m
	}
	writing := c.writing()
	if len(writing) == 0 {
		return m
	}
	m.Dataset = writing[0].publisher.Dataset
	if from := c.list[0].metadata; len(c.list) == 1 && from != nil && len(from.Mappings) > 0 {
		m.STypeIn, m.STypeOut = from.STypeIn, from.STypeOut
		m.Symbols, m.Partial, m.NotFound, m.Mappings = from.Symbols, from.Partial, from.NotFound, from.Mappings
		return m
	}
	seen := make(map[string]bool)
	for _, s := range writing {
		for _, in := range s.instruments() {
			if !seen[in.Symbol] && len(in.Symbol) <= dbn.SymbolMax && in.Symbol != "" {
				seen[in.Symbol] = true
				addMapping(m, in.Symbol, in.ID, day, after)
			}
		}
	}
	return m
}

func addMapping(m *dbn.Metadata, symbol string, id market.InstrumentID, day, after uint32) {
	m.Symbols = append(m.Symbols, symbol)
	m.Mappings = append(m.Mappings, dbn.Mapping{Symbol: symbol, Intervals: []dbn.Interval{
		{Start: day, End: after, Symbol: strconv.FormatUint(uint64(id), 10)},
	}})
}

// define tells a pipeline of the instruments that the metadata of its input maps.
func define(p *gateway.Pipeline, m *dbn.Metadata) {
	for _, mapping := range m.Mappings {
		for _, interval := range mapping.Intervals {
			if in, ok := instrumentOf(m, mapping.Symbol, interval.Symbol); ok {
				in.Publisher = p.Config().Publisher.ID
				p.Define(in)
			}
		}
	}
}

// instrumentOf reads a mapping between symbol and id, whichever way round it is.
func instrumentOf(m *dbn.Metadata, symbol, mapped string) (market.Instrument, bool) {
	if m.STypeOut != dbn.STypeInstrumentID {
		symbol, mapped = mapped, symbol
	}
	id, err := strconv.ParseUint(mapped, 10, 32)
	if err != nil {
		return market.Instrument{}, false
	}
	return market.Instrument{ID: market.InstrumentID(id), Symbol: symbol}, true
}

// yyyymmdd returns a UTC day as the decimal number that DBN uses.
func yyyymmdd(t market.Nanos) uint32 {
	y, m, d := time.Unix(0, int64(t)).UTC().Date()
	return uint32(y*10000 + int(m)*100 + d)
}

package history

import (
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"tidegate/codec/dbn"
	"tidegate/market"
)

// Live is what is known of the epoch that is being written. Its keeper, the goroutine that appends to the
// journal, adds to it; anybody may read it.
type Live struct {
	Catalog Catalog
	// Marks has the keeper call a function with the marks, soon. It does not wait. It returns an error if the
	// keeper has ended.
	Marks func(func(*Marks)) error
}

// A Met is an instrument that became known, or has another symbol, from an index of the journal on.
type Met struct {
	Index      uint64
	Feed       uint16
	Instrument market.InstrumentID
	Symbol     string
}

// A Catalog is the list of what an epoch has met. One goroutine adds to it, any may read it.
type Catalog struct {
	published atomic.Pointer[[]Met] // a prefix of all; elements never change
	all       []Met                 // the writer's
}

// Add appends.
func (c *Catalog) Add(m Met) {
	c.all = append(c.all, m)
	prefix := c.all
	c.published.Store(&prefix)
}

// All returns what was met so far. The slice must not be changed.
func (c *Catalog) All() []Met {
	if p := c.published.Load(); p != nil {
		return *p
	}
	return nil
}

// AppendMet adds the record by which the journal says that an instrument has become known.
func AppendMet(b []byte, id market.InstrumentID, symbol string, at market.Nanos) []byte {
	m := dbn.SymbolMapping{
		Header:  dbn.Header{InstrumentID: id, TsEvent: at},
		STypeIn: dbn.STypeInstrumentID, SymbolIn: strconv.FormatUint(uint64(id), 10),
		STypeOut: dbn.STypeRawSymbol, SymbolOut: symbol,
		Start: at, End: market.UndefTime,
	}
	return m.Append(b)
}

// keptText is how the text begins by which the journal says which schemas are kept.
const keptText = "Journal keeps "

// AppendKept adds the record by which the journal says which schemas of a feed it keeps from now on.
func AppendKept(b []byte, schemas []dbn.Schema, at market.Nanos) []byte {
	var names []string
	for _, s := range schemas {
		names = append(names, s.String())
	}
	m := dbn.System{Header: dbn.Header{TsEvent: at}, Text: keptText + strings.Join(names, ", "), Code: dbn.SystemUnset}
	return m.Append(b)
}

// parseKept reads such a text. ok is false for another.
func parseKept(text string) (kept schemaSet, ok bool) {
	list, ok := strings.CutPrefix(text, keptText)
	if !ok {
		return 0, false
	}
	for name := range strings.SplitSeq(list, ", ") {
		if s, ok := dbn.ParseSchema(name); ok {
			kept |= setOf(s)
		}
	}
	return kept, true
}

// besideMBP1 is added to the number of a feed for its tbbo records where mbp-1 is kept as well: both have one type
// of record, and some of their records are equal.
const besideMBP1 = 1 << 8

// FeedOf returns the number of a feed under which the journal keeps the records of a schema, beside others.
func FeedOf(feed uint8, schema dbn.Schema, kept []dbn.Schema) uint16 {
	if schema == dbn.SchemaTBBO && slices.Contains(kept, dbn.SchemaMBP1) {
		return uint16(feed) | besideMBP1
	}
	return uint16(feed)
}

// schemaSet has a bit for each schema that can be kept.
type schemaSet uint32

func setOf(schemas ...dbn.Schema) (s schemaSet) {
	for _, schema := range schemas {
		if schema < 32 {
			s |= 1 << schema
		}
	}
	return s
}

func (s schemaSet) has(schema dbn.Schema) bool { return schema < 32 && s>>schema&1 != 0 }

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

// Kept returns the schemas that are to be put into the journal for these to be in history: the records of
// tbbo are those of mbp-1 that are trades, so with mbp-1 they are there already.
func Kept(schemas []dbn.Schema) []dbn.Schema {
	if !slices.Contains(schemas, dbn.SchemaMBP1) {
		return schemas
	}
	return slices.DeleteFunc(slices.Clone(schemas), func(s dbn.Schema) bool { return s == dbn.SchemaTBBO })
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

// has reports whether there are records of a schema. Those of tbbo are among those of mbp-1.
func (s schemaSet) has(schema dbn.Schema) bool {
	if schema == dbn.SchemaTBBO && s.has(dbn.SchemaMBP1) {
		return true
	}
	return schema < 32 && s>>schema&1 != 0
}

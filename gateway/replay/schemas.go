package replay

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"tidegate/codec/dbn"
	"tidegate/gateway/derive"
)

// Captures and ITCH files give events, books and facts, of which every schema can be made. A DBN file
// gives events and books if its records are market-by-order; other records can only be written again.

// madeOf returns the schemas that an output can have whose input is a DBN file of a type of records.
func madeOf(t dbn.RType) (all []dbn.Schema) {
	for _, s := range derive.Schemas() {
		if t == dbn.RTypeMBO && fromEvents(s) || sameSchema(s, t) {
			all = append(all, s)
		}
	}
	return all
}

// fromEvents reports whether a schema is made of events and books, not of facts.
func fromEvents(s dbn.Schema) bool {
	switch s {
	case dbn.SchemaDefinition, dbn.SchemaStatus, dbn.SchemaStatistics, dbn.SchemaImbalance:
		return false
	default:
		return true
	}
}

func sameSchema(s dbn.Schema, t dbn.RType) bool {
	rtype, ok := s.RType()
	return ok && rtype == t
}

// suits returns an error if the output cannot be made of a DBN file of one schema. What a file of
// several has, only its records tell.
func suits(out, in dbn.Schema) error {
	t, ok := in.RType()
	if !ok {
		return nil
	}
	can := madeOf(t)
	if in != dbn.SchemaMBO { // of the two schemas with mbp-1 records, it is this one
		can = slices.DeleteFunc(can, func(s dbn.Schema) bool { return s != in })
	}
	if slices.Contains(can, out) {
		return nil
	}
	return errUnsuited(out, []string{in.String()}, can)
}

// suited returns an error if a DBN input has records, and none of them can be in the output or behind
// it.
func (ch *Channel) suited(out dbn.Schema) error {
	var have []string
	var can []dbn.Schema
	for _, t := range slices.Sorted(maps.Keys(ch.records)) {
		switch t {
		case dbn.RTypeSymbolMapping, dbn.RTypeSystem, dbn.RTypeError:
			continue
		}
		have = append(have, t.String())
		can = append(can, madeOf(t)...)
	}
	if len(have) == 0 || slices.Contains(can, out) {
		return nil
	}
	return fmt.Errorf("%s: %w", ch.Name, errUnsuited(out, have, can))
}

func errUnsuited(out dbn.Schema, have []string, can []dbn.Schema) error {
	var names []string
	for _, s := range derive.Schemas() {
		if slices.Contains(can, s) {
			names = append(names, s.String())
		}
	}
	want := "nothing"
	if len(names) > 0 {
		want = strings.Join(names, ", ")
	}
	return fmt.Errorf("it has records of %s, and no %s can be made of them, only %s", strings.Join(have, ", "), out, want)
}

// Booked reports whether the channel has books: that of a DBN file does if the file has
// market-by-order records.
func (ch *Channel) Booked() bool { return ch.metadata == nil || ch.records[dbn.RTypeMBO] > 0 }

package export

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unicode"

	"tidegate/codec/dbn"
	"tidegate/market"
)

// A kind says how the values of a column are written.
type kind uint8

const (
	number   kind = iota // of the size of its type
	unsigned             // likewise
	price                // in units of 1e-9
	moment               // nanoseconds since 1970
	letter               // one byte of text
	text
)

// A column is a field of a record. It is read where the record was parsed.
type column struct {
	name  string
	kind  kind
	bits  int // of a number
	value reflect.Value
}

// defined reports whether there is a value.
func (c *column) defined() bool {
	switch c.kind {
	case price:
		return market.Price(c.value.Int()).Defined()
	case moment:
		return market.Nanos(c.value.Int()).Defined()
	default:
		return true
	}
}

// append appends the value as text. c is defined.
func (c *column) append(b []byte) []byte {
	switch c.kind {
	case number, moment:
		return strconv.AppendInt(b, c.value.Int(), 10)
	case unsigned:
		return strconv.AppendUint(b, c.value.Uint(), 10)
	case price:
		return market.Price(c.value.Int()).AppendDecimal(b)
	case letter:
		return c.appendLetter(b)
	default:
		return append(b, c.value.String()...)
	}
}

// appendLetter appends a byte as text; 0 is nothing.
func (c *column) appendLetter(b []byte) []byte {
	if v := byte(c.value.Uint()); v != 0 {
		b = append(b, v)
	}
	return b
}

// record is what every record of package dbn has.
type record interface {
	Parse(dbn.Record) error
}

// newRecord returns a record for a schema. ok is false for schemas of which a journal has no records.
func newRecord(s dbn.Schema) (r record, ok bool) {
	switch s {
	case dbn.SchemaMBO:
		return new(dbn.MBO), true
	case dbn.SchemaTrades:
		return new(dbn.Trade), true
	case dbn.SchemaMBP1, dbn.SchemaTBBO:
		return new(dbn.MBP1), true
	case dbn.SchemaBBO1s, dbn.SchemaBBO1m:
		return new(dbn.BBO), true
	case dbn.SchemaOHLCV1s, dbn.SchemaOHLCV1m, dbn.SchemaOHLCV1h, dbn.SchemaOHLCV1d:
		return new(dbn.OHLCV), true
	case dbn.SchemaDefinition:
		return new(dbn.Definition), true
	case dbn.SchemaStatus:
		return new(dbn.Status), true
	case dbn.SchemaStatistics:
		return new(dbn.Stat), true
	case dbn.SchemaImbalance:
		return new(dbn.Imbalance), true
	default:
		return nil, false
	}
}

// Schemas returns the schemas that can be exported.
func Schemas() (all []dbn.Schema) {
	for s := range dbn.SchemaBBO1m + 1 {
		if _, ok := newRecord(s); ok {
			all = append(all, s)
		}
	}
	return all
}

// Columns returns the names of the columns of a schema, in order.
func Columns(s dbn.Schema) (names []string) {
	r, ok := newRecord(s)
	if !ok {
		return nil
	}
	for _, c := range columnsOf(r) {
		names = append(names, c.name)
	}
	return append(names, symbolColumn)
}

// symbolColumn is the last column. It is no field.
const symbolColumn = "symbol"

// columnsOf returns the columns of a record, which are read from where it is.
func columnsOf(r record) []column { return appendColumns(nil, reflect.ValueOf(r).Elem()) }

func appendColumns(all []column, v reflect.Value) []column {
	t := v.Type()
	for i := range t.NumField() {
		f, name := v.Field(i), columnName(t, t.Field(i).Name)
		c := column{name: name, value: f}
		switch f.Interface().(type) {
		case dbn.Header, dbn.Change, dbn.Level:
			all = appendColumns(all, f)
			continue
		case market.Price:
			c.kind = price
		case market.Nanos:
			c.kind = moment
		case market.Action, market.Side, market.Tri:
			c.kind = letter
		default:
			c.kind, c.bits = kindOf(f, name)
		}
		all = append(all, c)
	}
	return all
}

func kindOf(f reflect.Value, name string) (kind, int) {
	switch {
	case letters[name]:
		return letter, 0
	case f.Kind() == reflect.String:
		return text, 0
	case f.CanUint():
		return unsigned, f.Type().Bits()
	case f.CanInt():
		return number, f.Type().Bits()
	default:
		panic(fmt.Sprintf("export: column %s is of type %s", name, f.Type())) // a test has all schemas
	}
}

// letters are the columns whose bytes are text.
var letters = map[string]bool{
	"instrument_class": true, "match_algorithm": true, "security_update_action": true, "user_defined_instrument": true,
	"leg_instrument_class": true, "auction_type": true, "significant_imbalance": true,
}

// The names that DBN does not spell like the fields of package dbn.
var (
	levelNames = map[string]string{
		"BidPrice": "bid_px_00", "AskPrice": "ask_px_00", "BidSize": "bid_sz_00", "AskSize": "ask_sz_00",
		"BidCount": "bid_ct_00", "AskCount": "ask_ct_00",
	}
	statNames   = map[string]string{"Kind": "stat_type", "Flags": "stat_flags"}
	statusNames = map[string]string{"Trading": "is_trading", "Quoting": "is_quoting", "ShortSellRestricted": "is_short_sell_restricted"}
	otherNames  = map[string]string{"RType": "rtype"}
)

// columnName returns DBN's name of a field.
func columnName(of reflect.Type, field string) string {
	names := otherNames
	switch of {
	case reflect.TypeFor[dbn.Level]():
		names = levelNames
	case reflect.TypeFor[dbn.Stat]():
		names = statNames
	case reflect.TypeFor[dbn.Status]():
		names = statusNames
	}
	if name, ok := names[field]; ok {
		return name
	}
	return snake(field)
}

// snake turns TsInDelta into ts_in_delta, and SSRFillingPrice into ssr_filling_price.
func snake(name string) string {
	var b strings.Builder
	letters := []rune(name)
	for i, c := range letters {
		if i > 0 && unicode.IsUpper(c) && (!unicode.IsUpper(letters[i-1]) || i+1 < len(letters) && unicode.IsLower(letters[i+1])) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(c))
	}
	return b.String()
}

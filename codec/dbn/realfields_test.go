package dbn

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode"

	"tidegate/market"
)

// truthName is the name that truth.json gives to a record type.
func truthName(t RType) string {
	switch t {
	case RTypeTrade:
		return "mbp-0(trades)"
	case RTypeDefinition:
		return "instrument_def"
	}
	return t.String()
}

// Fields whose name in the specification is not ours in lower case.
var truthFields = map[string]string{
	"r_type": "rtype", "s_s_r_filling_price": "ssr_filling_price", "c_f_i": "cfi",
	"sec_sub_type": "secsubtype", "trading": "is_trading", "quoting": "is_quoting",
	"short_sell_restricted": "is_short_sell_restricted", "kind": "stat_type",
	"bid_price": "bid_px", "ask_price": "ask_px", "bid_size": "bid_sz", "ask_size": "ask_sz",
	"bid_count": "bid_ct", "ask_count": "ask_ct", "bid_publisher": "bid_pb",
	"ask_publisher": "ask_pb",
}

// What version 3 has no place for.
var droppedFields = map[string]bool{
	"trading_reference_price": true, "trading_reference_date": true,
	"md_security_trading_status": true, "settl_price_type": true,
}

// parseReal parses a record and returns its fields by their names in the specification.
func parseReal(t *testing.T, rec Record) map[string]any {
	t.Helper()
	var v interface{ Parse(Record) error }
	switch rec.RType {
	case RTypeMBO:
		v = new(MBO)
	case RTypeTrade:
		v = new(Trade)
	case RTypeMBP1:
		v = new(MBP1)
	case RTypeMBP10:
		v = new(MBP10)
	case RTypeBBO1s, RTypeBBO1m:
		v = new(BBO)
	case RTypeCMBP1:
		v = new(CMBP1)
	case RTypeCBBO1s:
		v = new(CBBO)
	case RTypeOHLCV1s, RTypeOHLCV1m, RTypeOHLCV1h:
		v = new(OHLCV)
	case RTypeStatus:
		v = new(Status)
	case RTypeDefinition:
		v = new(Definition)
	case RTypeImbalance:
		v = new(Imbalance)
	case RTypeStat:
		v = new(Stat)
	default:
		t.Fatalf("unexpected record %+v", rec.Header)
	}
	if err := v.Parse(rec); err != nil {
		t.Fatal(err)
	}
	fields := map[string]any{}
	addFields(fields, reflect.ValueOf(v).Elem(), "")
	if flags, ok := fields["flags"]; ok && rec.RType == RTypeStat {
		fields["stat_flags"] = flags
		delete(fields, "flags")
	}
	return fields
}

func addFields(fields map[string]any, v reflect.Value, suffix string) {
	for i := range v.NumField() {
		name, f := v.Type().Field(i).Name, v.Field(i)
		switch {
		case name == "Header" || name == "Change":
			addFields(fields, f, "")
		case name == "Level":
			addFields(fields, f, "_00")
		case name == "Levels":
			for j := range f.Len() {
				addFields(fields, f.Index(j), fmt.Sprintf("_%02d", j))
			}
		default:
			name = lowerName(name)
			if n, ok := truthFields[name]; ok {
				name = n
			}
			fields[name+suffix] = f.Interface()
		}
	}
}

// lowerName turns InstrumentID into instrument_id.
func lowerName(s string) string {
	var b strings.Builder
	for i, c := range strings.ReplaceAll(s, "ID", "Id") {
		if unicode.IsUpper(c) && i > 0 {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(c))
	}
	return b.String()
}

// checkFields compares every field that the truth gives.
func checkFields(t *testing.T, record int, got map[string]any, want map[string]json.RawMessage) {
	t.Helper()
	for name, raw := range want {
		if droppedFields[name] {
			continue
		}
		v, ok := got[name]
		if !ok {
			t.Errorf("record %d has no field %s", record, name)
			continue
		}
		text := string(raw)
		if raw[0] == '"' {
			if err := json.Unmarshal(raw, &text); err != nil {
				t.Fatal(err)
			}
			if reflect.TypeOf(v).Kind() != reflect.String { // one letter
				v = string(rune(reflect.ValueOf(v).Uint()))
			}
		}
		if ts, ok := v.(market.Nanos); ok {
			v = uint64(ts)
		}
		if rv := reflect.ValueOf(v); rv.CanInt() {
			v = rv.Int()
		} else if rv.CanUint() {
			v = rv.Uint()
		}
		if name == "quantity" && text == "2147483647" { // undefined in versions 1 and 2
			text = "9223372036854775807"
		}
		if got := fmt.Sprint(v); got != text {
			t.Errorf("record %d: %s is %q, want %q", record, name, got, text)
		}
	}
}

package egress

import (
	"fmt"
	"strings"

	"tidegate/codec/dbn"
	"tidegate/market"
)

// schemaCount is one more than the highest schema that can be subscribed to: schemas are indexes.
const schemaCount = int(dbn.SchemaBBO1m) + 1

// schemaSet has a bit for each schema.
type schemaSet uint32

func setOf(schemas ...dbn.Schema) (s schemaSet) {
	for _, schema := range schemas {
		s |= 1 << schema
	}
	return s
}

func (s schemaSet) has(schema dbn.Schema) bool { return s>>schema&1 != 0 }

// String lists the schemas.
func (s schemaSet) String() string { return strings.Join(s.names(), ", ") }

func (s schemaSet) names() (names []string) {
	for schema := range dbn.Schema(schemaCount) {
		if s.has(schema) {
			names = append(names, schema.String())
		}
	}
	return names
}

// skippable are the schemas of which a slow reader may miss records: each record says all there is
// to know.
var skippable = setOf(
	dbn.SchemaMBP1, dbn.SchemaMBP10, dbn.SchemaBBO1s, dbn.SchemaBBO1m,
	dbn.SchemaCMBP1, dbn.SchemaCBBO1s, dbn.SchemaCBBO1m,
)

// A form is how the records of a session are written.
type form struct {
	tsOut bool
}

// seal completes the record that begins at b[start].
func (f form) seal(b []byte, start int, now market.Nanos) []byte {
	if f.tsOut {
		return dbn.AppendTsOut(b, start, now)
	}
	return b
}

// appendRecords appends whole records of version 3.
func (f form) appendRecords(b, records []byte, now market.Nanos) []byte {
	if !f.tsOut {
		return append(b, records...)
	}
	for len(records) > 0 {
		n := 4 * int(records[0])
		start := len(b)
		b = dbn.AppendTsOut(append(b, records[:n]...), start, now)
		records = records[n:]
	}
	return b
}

// appendSystem appends a System record. at is its ts_event.
func (f form) appendSystem(b []byte, code dbn.SystemCode, at market.Nanos, text string, now market.Nanos) []byte {
	m := dbn.System{Header: dbn.Header{TsEvent: at}, Text: text, Code: code}
	return f.seal(m.Append(b), len(b), now)
}

// appendError appends an Error record.
func (f form) appendError(b []byte, code dbn.ErrorCode, text string, last bool, now market.Nanos) []byte {
	m := dbn.Error{Header: dbn.Header{TsEvent: now}, Text: text, Code: code}
	if last {
		m.IsLast = 1
	}
	return f.seal(m.Append(b), len(b), now)
}

// appendMapping appends a SymbolMapping record. It is valid for the day, by UTC.
func (f form) appendMapping(b []byte, id market.InstrumentID, stype dbn.SType, in, out string, now market.Nanos) []byte {
	midnight := now - now%market.Day
	m := dbn.SymbolMapping{
		Header:  dbn.Header{InstrumentID: id, TsEvent: now},
		STypeIn: stype, SymbolIn: in,
		STypeOut: dbn.STypeRawSymbol, SymbolOut: out,
		Start: midnight, End: midnight + market.Day,
	}
	return f.seal(m.Append(b), len(b), now)
}

// Texts whose beginnings clients and their tools know.
const (
	textHeartbeat   = "Heartbeat"
	textDeactivated = "User or API key deactivated"
	textLimit       = "User has reached their open connection limit"
)

func textAck(s *subscription) string {
	return fmt.Sprintf("Subscription request %d for %s data succeeded", s.id, s.schema)
}

func textIntervalEnd(schema dbn.Schema) string { return "End of interval for " + schema.String() }

func textReplayed(schema dbn.Schema) string { return "Finished " + schema.String() + " replay" }

func textLacks(schemas schemaSet, what string) string {
	return "History has a gap, records of " + schemas.String() + " were skipped: " + what
}

func textUnresolved(symbol string) string { return "Failed to resolve symbol: " + symbol }

func textSlow(due schemaSet) string {
	return "Warning: slow reading of " + due.String() + ": records wait in the gateway"
}

func textSkipped(schemas schemaSet, n uint64, atLeast bool) string {
	much := ""
	if atLeast {
		much = "more than "
	}
	return fmt.Sprintf("Slow client detected for %s: %s%d records were skipped", schemas, much, n)
}

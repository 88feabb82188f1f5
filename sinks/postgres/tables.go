package postgres

import (
	"fmt"
	"strings"
)

// A column is one of a table, in the order in which rows are encoded.
type column struct {
	name string
	send string // the server's function that turns a value into the bytes of a binary COPY
}

// A table is where rows of one kind go.
type table struct {
	id      int
	name    string
	parts   parts
	columns []column
	copied  string // column list of COPY
}

// parts says how a table is partitioned.
type parts uint8

const (
	whole   parts = iota // not at all
	daily                // by days, with its indexes from the start
	minutes              // rows come into minutes, and move on to hours and to days
)

// The tables that have rows of entries. Rows of encode.go have the columns of these lists, in their order.
var (
	trades = newTable("trades", minutes, "ts:timestamptz ts_event:int8 index:int8 instrument:int8 sequence:int8 price:int8 size:int8 "+
		"ts_in_delta:int4 epoch:int4 publisher:int4 feed:int4 journal:int2 ts_ns:int2 flags:int2 side:char")
	quotes = newTable("quotes", minutes, "ts:timestamptz ts_event:int8 index:int8 instrument:int8 sequence:int8 bid_price:int8 ask_price:int8 "+
		"bid_size:int8 ask_size:int8 bid_count:int8 ask_count:int8 price:int8 size:int8 ts_in_delta:int4 epoch:int4 publisher:int4 feed:int4 "+
		"bid_publisher:int4 ask_publisher:int4 journal:int2 ts_ns:int2 flags:int2 rtype:int2 action:char side:char")
	orders = newTable("orders", minutes, "ts:timestamptz ts_event:int8 index:int8 instrument:int8 sequence:int8 order_id:int8 price:int8 size:int8 "+
		"ts_in_delta:int4 epoch:int4 publisher:int4 feed:int4 journal:int2 ts_ns:int2 flags:int2 channel:int2 action:char side:char")
	records = newTable("records", minutes, "ts:timestamptz ts_event:int8 index:int8 instrument:int8 epoch:int4 publisher:int4 feed:int4 "+
		"journal:int2 ts_ns:int2 rtype:int2 record:bytea")
	bars = newTable("bars", daily, "ts:timestamptz ts_event:int8 index:int8 instrument:int8 open:int8 high:int8 low:int8 close:int8 volume:int8 "+
		"seconds:int4 epoch:int4 publisher:int4 feed:int4 journal:int2 ts_ns:int2")
	instruments = newTable("instruments", whole, "ts:timestamptz ts_event:int8 index:int8 instrument:int8 tick_size:int8 strike:int8 expiration:int8 "+
		"round_lot:int4 epoch:int4 publisher:int4 feed:int4 journal:int2 ts_ns:int2 action:char class:char symbol:text exchange:text "+
		"security_type:text currency:text record:bytea")
	channelGaps = newTable("channel_gaps", whole, "ts:timestamptz index:int8 from_seq:int8 to_seq:int8 seen:int8 epoch:int4 feed:int4 channel:int4 "+
		"numbering:int8 journal:int2 ts_ns:int2 reason:text")
	switches = newTable("provider_switches", whole, "ts:timestamptz index:int8 since:int8 epoch:int4 feed:int4 journal:int2 ts_ns:int2 was:text became:text reason:text")
	feeds    = newTable("feeds", whole, "ts:timestamptz index:int8 epoch:int4 feed:int4 publisher:int4 journal:int2 ts_ns:int2 name:text")
	symbols  = newTable("symbols", whole, "ts:timestamptz index:int8 instrument:int8 epoch:int4 feed:int4 journal:int2 ts_ns:int2 symbol:text")
	unread   = newTable("unreadable", whole, "ts:timestamptz index:int8 epoch:int4 feed:int4 journal:int2 ts_ns:int2 kind:int2 reason:text payload:bytea")

	tables = []*table{trades, quotes, orders, records, bars, instruments, channelGaps, switches, feeds, symbols, unread}
)

const tablesMax = 11

// A tableSet is some of the tables, by id.
type tableSet [tablesMax]bool

func init() {
	for i, t := range tables {
		t.id = i
	}
}

// optional is how many of the tables a configuration may keep or not, the first ones. The others are always
// kept.
const optional = 5

// Optional returns the names of the tables that a configuration may keep or not.
func Optional() (names []string) {
	for _, t := range tables[:optional] {
		names = append(names, t.name)
	}
	return names
}

func newTable(name string, p parts, columns string) *table {
	t := &table{name: name, parts: p}
	var names []string
	for _, c := range strings.Fields(columns) {
		name, kind, _ := strings.Cut(c, ":")
		send := kind + "send"
		if kind == "timestamptz" {
			send = "timestamptz_send"
		}
		t.columns = append(t.columns, column{name, send})
		names = append(names, name)
	}
	t.copied = strings.Join(names, ", ")
	return t
}

// copySQL returns the statement that takes rows into a table or partition.
func (t *table) copySQL(into string) string {
	return fmt.Sprintf("COPY tidegate.%s (%s) FROM STDIN (FORMAT binary)", into, t.copied)
}

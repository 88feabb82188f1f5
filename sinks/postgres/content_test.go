package postgres

import (
	"encoding/hex"
	"math"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"tidegate/codec/dbn"
	"tidegate/market"
	"tidegate/sinks/entry"
	"tidegate/sinks/journal"
)

// What the server has of one entry of each kind, as text: nothing here was read by our own encoder.
func TestContent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := start + 123_456_789
	h := dbn.Header{PublisherID: 60002, InstrumentID: math.MaxUint32, TsEvent: start}
	level := dbn.Level{BidPrice: 99_500_000_000, AskPrice: market.UndefPrice, BidSize: math.MaxUint32, BidCount: 3}
	change := dbn.Change{
		Header: h, Price: -1, Size: 7, Action: market.Trade, Side: market.Ask, Flags: 0xff, TsRecv: at, TsInDelta: -5, Sequence: math.MaxUint32,
	}
	add := func(kind uint8, payload []byte) {
		w.p.index, _ = w.p.Append(journal.Header{At: at, Feed: math.MaxUint16, Kind: kind}, payload)
	}
	record := func(r interface{ Append([]byte) []byte }) { add(entry.KindRecord, r.Append(nil)) }

	trade := dbn.Trade{Change: change}
	trade.RType = dbn.RTypeTrade
	record(&trade)
	mbp := dbn.MBP1{Change: change, Level: level}
	mbp.RType = dbn.RTypeMBP1
	record(&mbp)
	bbo := dbn.BBO{Header: h, Price: market.UndefPrice, Side: market.NoSide, TsRecv: at, Sequence: 9, Level: level}
	bbo.RType, bbo.TsEvent = dbn.RTypeBBO1s, market.UndefTime
	record(&bbo)
	cmbp := dbn.CMBP1{
		Header: h, Price: 5, Size: 6, Action: market.Add, Side: market.Bid, TsRecv: at, TsInDelta: 4,
		Level: dbn.ConsolidatedLevel{BidPrice: 1, AskPrice: 2, BidSize: 3, AskSize: 4, BidPublisher: 2, AskPublisher: 38},
	}
	cmbp.RType = dbn.RTypeTCBBO
	record(&cmbp)
	cbbo := dbn.CBBO{Header: h, Price: 5, Size: 6, Side: market.Bid, TsRecv: at, Level: cmbp.Level}
	cbbo.RType = dbn.RTypeCBBO1m
	record(&cbbo)
	mbo := dbn.MBO{
		Header: h, OrderID: math.MaxUint64, Price: 1, Size: 2, Flags: 3, ChannelID: 255, Action: market.Cancel, Side: market.Bid, TsRecv: at, TsInDelta: 4, Sequence: 5,
	}
	mbo.RType = dbn.RTypeMBO
	record(&mbo)
	status := dbn.StatusOf(&market.Status{TsEvent: start, TsRecv: at, Instrument: 1, Publisher: 2, Action: market.StatusHalt})
	record(&status)
	bar := dbn.OHLCV{Header: h, Open: 1, High: 2, Low: 3, Close: 4, Volume: 5}
	bar.RType = dbn.RTypeOHLCV1h
	record(&bar)
	def := dbn.DefinitionOf(&market.Definition{
		TsEvent: start, TsRecv: at, Instrument: market.Instrument{ID: 7, Publisher: 2, Symbol: "ALFA.\xff", TickSize: 10_000_000, RoundLot: 100},
		Class: 'K', Exchange: "XNAS", SecType: "C",
	})
	record(&def)
	gap := entry.Gap{From: 10, To: 12, Seen: start, Epoch: 3, Channel: 4, Reason: "deadline"}
	add(entry.KindGap, gap.Append(nil))
	change2 := entry.Switch{By: start, From: "direct", To: "vendor", Reason: "stale"}
	add(entry.KindSwitch, change2.Append(nil))
	feed := entry.Feed{Publisher: 60002, Name: "sim"}
	add(entry.KindFeed, feed.Append(nil))
	add(99, []byte{1, 2})
	add(entry.KindRecord, []byte{1, 2, 3})
	add(entry.KindGap, nil)
	drain(t, w.p, w.cfg)

	const head = "2026-03-03 14:30:00.123456+00|1772548200000000000"
	for _, want := range []struct{ table, rows string }{
		{"trades", head + "|1|4294967295|4294967295|-1|7|-5|1|60002|65535|1|789|255|A"},
		{"quotes", head + "|2|4294967295|4294967295|99500000000||4294967295|0|3|0|-1|7|-5|1|60002|65535|||1|789|255|1|T|A\n" +
			"2026-03-03 14:30:00.123456+00||3|4294967295|9|99500000000||4294967295|0|3|0||0||1|60002|65535|||1|789|0|195||N\n" +
			head + "|4|4294967295||1|2|3|4|||5|6|4|1|60002|65535|2|38|1|789|0|194|A|B\n" +
			head + "|5|4294967295||1|2|3|4|||5|6||1|60002|65535|2|38|1|789|0|193||B"},
		{"orders", head + "|6|4294967295|5|-1|1|2|4|1|60002|65535|1|789|3|255|C|B"},
		{"records", head + "|7|1|1|2|65535|1|789|18|\\x" + hex.EncodeToString(status.Append(nil))},
		{"bars", "2026-03-03 14:30:00+00|1772548200000000000|8|4294967295|1|2|3|4|5|3600|1|60002|65535|1|0"},
		{"instruments", head + "|9|7|10000000|||100|1|2|65535|1|789|A|K|ALFA.?|XNAS|C||\\x" + hex.EncodeToString(def.Append(nil))},
		{"channel_gaps", "2026-03-03 14:30:00.123456+00|10|10|12|1772548200000000000|1|65535|4|3|1|789|deadline"},
		{"provider_switches", "2026-03-03 14:30:00.123456+00|11|1772548200000000000|1|65535|1|789|direct|vendor|stale"},
		{"feeds", "2026-03-03 14:30:00.123456+00|12|1|65535|60002|1|789|sim"},
	} {
		if got := textOf(t, w.conn, want.table); got != want.rows {
			t.Errorf("%s:\n%s\nwant:\n%s", want.table, got, want.rows)
		}
	}
	unreadable := textOf(t, w.conn, "unreadable")
	for i, part := range []string{"|13|1|65535|1|789|99|kind is not known: 99|\\x0102", "|14|1|65535|1|789|0|", "|15|1|65535|1|789|1|parse gap: payload ends too early: 0 bytes|\\x"} {
		if lines := strings.Split(unreadable, "\n"); len(lines) != 3 || !strings.Contains(lines[i], part) {
			t.Errorf("unreadable: %q, want 3 lines, the next with %q", lines, part)
		}
	}
	verify(t, w.p, w.dsn)
}

// textOf returns the rows of a table as the server writes them.
func textOf(t *testing.T, conn *pgx.Conn, table string) string {
	t.Helper()
	var out strings.Builder
	sql := "COPY (SELECT * FROM tidegate." + table + " ORDER BY index) TO STDOUT (DELIMITER '|', NULL '')"
	do(t, conn, "SET timezone = 'UTC'")
	if _, err := conn.PgConn().CopyTo(t.Context(), &out, sql); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(strings.ReplaceAll(out.String(), `\\x`, `\x`), "\n")
}

// Every table has the columns that its rows are encoded with, and a comment on each of them and on itself.
func TestSchema(t *testing.T) {
	t.Parallel()
	dsn := migrated(t)
	conn := open(t, dsn)
	types := map[string]string{
		"timestamptz_send": "timestamp with time zone", "int8send": "bigint", "int4send": "integer", "int2send": "smallint",
		"charsend": `"char"`, "textsend": "text", "byteasend": "bytea",
	}
	for _, tb := range tables {
		var want []string
		for _, c := range tb.columns {
			want = append(want, c.name+" "+types[c.send])
		}
		got := ask[string](t, conn, "SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum) FROM pg_attribute "+
			"WHERE attrelid = $1::text::regclass AND attnum > 0", "tidegate."+tb.name)
		if got != strings.Join(want, ", ") {
			t.Errorf("%s has columns\n%s\nand rows\n%s", tb.name, got, strings.Join(want, ", "))
		}
	}
	bare := ask[string](t, conn, `SELECT coalesce(string_agg(c.relname || '.' || coalesce(a.attname, '*'), ' '), '') FROM pg_class c
		LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
		WHERE c.relnamespace = 'tidegate'::regnamespace AND c.relkind IN ('r', 'p', 'v')
		AND (obj_description(c.oid, 'pg_class') IS NULL OR col_description(c.oid, a.attnum) IS NULL)`)
	if bare != "" {
		t.Errorf("without a comment: %s", bare)
	}
	if from, to, err := Migrate(t.Context(), dsn); from != 2 || to != 2 || err != nil {
		t.Errorf("again: %d, %d, %v", from, to, err)
	}
}

func TestSplitMicros(t *testing.T) {
	for _, c := range []struct {
		at     market.Nanos
		micros int64
		beyond int16
	}{
		{epoch2000, 0, 0},
		{epoch2000 + 1999, 1, 999},
		{epoch2000 - 1, -1, 999},
		{epoch2000 - 1000, -1, 0},
		{0, -946_684_800_000_000, 0},
	} {
		if m, b := splitMicros(c.at); m != c.micros || b != c.beyond {
			t.Errorf("%d: %d and %d, want %d and %d", c.at, m, b, c.micros, c.beyond)
		}
	}
}

func TestDigestIsTheServers(t *testing.T) {
	var d digest
	for _, b := range []byte{0x80, 0xff, 0x00, 0x7f} {
		d.add([16]byte{b})
	}
	// -2^63 + -2^56 + 0 + 127*2^56
	if got := d.String(); got != "-144115188075855872" || d.rows != 4 {
		t.Errorf("%s of %d", got, d.rows)
	}
}

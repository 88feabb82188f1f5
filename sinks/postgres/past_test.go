package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tidegate/codec/dbn"
	"tidegate/internal/pgcluster"
	"tidegate/internal/pgtest"
	"tidegate/market"
	"tidegate/sinks/entry"
	"tidegate/sinks/journal"
)

// A told is an entry of a journal, as far as a past gives it back.
type told struct {
	index   uint64
	at      market.Nanos
	payload string
	symbol  string
}

// appendPast appends two hours of two feeds and two starts' worth of names to a journal, and returns what a plain
// reading of it would say of feed "sim": by type of record, or by kind of entry.
func appendPast(p *producer) (records map[dbn.RType][]told, events map[uint8][]told) {
	records, events = make(map[dbn.RType][]told), make(map[uint8][]told)
	names := make(map[market.InstrumentID]string)
	add := func(kind uint8, feed uint16, at market.Nanos, payload []byte) uint64 {
		p.index, _ = p.Append(journal.Header{At: at, Feed: feed, Kind: kind}, payload)
		return p.index
	}
	meet := func(id market.InstrumentID, symbol string, at market.Nanos) {
		m := dbn.SymbolMapping{Header: dbn.Header{InstrumentID: id, TsEvent: at}, STypeOut: dbn.STypeRawSymbol, SymbolOut: symbol}
		add(entry.KindRecord, 0, at, m.Append(nil))
		names[id] = symbol
	}
	add(entry.KindFeed, 0, start, (&entry.Feed{Publisher: 60002, Name: "sim"}).Append(nil))
	add(entry.KindFeed, 1, start, (&entry.Feed{Publisher: 60002, Name: "other"}).Append(nil))
	meet(1, "ALFA", start)
	meet(2, "B,RVO", start)
	for i := range 6000 {
		at := start + market.Nanos(i)*1200*market.Millisecond + market.Nanos(i%1000) // to the nanosecond
		if i == 3000 {
			meet(1, "CHRL", at) // 1 is called otherwise from here on
		}
		id, n := market.InstrumentID(1+i%3), uint32(i)
		h := dbn.Header{PublisherID: 60002, InstrumentID: id, TsEvent: at - 1500}
		price := market.Price(100+i) * 1e7
		level := dbn.Level{BidPrice: price - 1, AskPrice: market.UndefPrice, BidSize: 1<<32 - 1, AskSize: 2, BidCount: 3, AskCount: 4}
		c := dbn.Change{
			Header: h, Price: price, Size: n, Action: market.Trade, Side: market.Bid, Flags: 0xf0, TsRecv: at, TsInDelta: -700, Sequence: 1<<32 - 1 - n,
		}
		var record []byte
		switch i % 7 {
		case 0, 1:
			record = (&dbn.Trade{Change: c}).Append(nil)
		case 2:
			c.Action = market.Cancel
			record = (&dbn.MBP1{Change: c, Level: level}).Append(nil)
		case 3:
			m := dbn.BBO{Header: h, Price: market.UndefPrice, Size: n, Side: market.NoSide, Flags: 128, TsRecv: at - at%market.Second, Sequence: n, Level: level}
			m.RType, m.TsEvent = dbn.RTypeBBO1s, market.UndefTime
			record = m.Append(nil)
		case 4:
			m := dbn.OHLCV{Header: h, Open: price, High: price + 2, Low: -price, Close: price, Volume: 1<<64 - 2}
			m.RType, m.TsEvent = dbn.RTypeOHLCV1m, at-at%market.Minute
			record = m.Append(nil)
		case 5:
			m := dbn.MBO{
				Header: h, OrderID: 1<<64 - 1 - uint64(i), Price: price, Size: n, Flags: 130, ChannelID: 255, Action: market.Add, Side: market.Ask,
				TsRecv: at, TsInDelta: 9, Sequence: n,
			}
			record = m.Append(nil)
		default:
			m := dbn.StatusOf(&market.Status{TsEvent: at, TsRecv: at, Instrument: id, Publisher: 60002, Action: market.StatusTrading})
			record = m.Append(nil)
		}
		symbol := names[id]
		if symbol == "" {
			symbol = "#3"
		}
		index := add(entry.KindRecord, 0, at, record)
		t := dbn.RType(record[1])
		one := told{index, at, string(record), symbol}
		if t == dbn.RTypeOHLCV1m {
			one.at = at - at%market.Minute
		}
		records[t] = append(records[t], one)
		add(entry.KindRecord, 1, at, record) // the same of another feed, which nobody asks for
		if i%1000 == 999 {
			g := (&entry.Gap{From: index, To: 1<<63 - 1, Seen: at, Epoch: 1<<32 - 1, Channel: 2, Reason: "deadline"}).Append(nil)
			events[entry.KindGap] = append(events[entry.KindGap], told{add(entry.KindGap, 0, at, g), at, string(g), ""})
			s := (&entry.Switch{By: 7, From: "direct", To: "vendor", Reason: "stale"}).Append(nil)
			events[entry.KindSwitch] = append(events[entry.KindSwitch], told{add(entry.KindSwitch, 0, at, s), at, string(s), ""})
		}
	}
	return records, events
}

func readPast(t *testing.T, p *Past, q PastQuery) (all []told, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	rows, err := p.Read(ctx, &q)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for {
		var it PastItem
		more, err := rows.Next(&it)
		if err != nil || !more {
			return all, err
		}
		all = append(all, told{it.Index, it.At, string(it.Payload), it.Symbol})
	}
}

func newPast(t *testing.T, p *producer, dsn string) *Past {
	t.Helper()
	past, err := NewPast(PastConfig{Reader: p.NewReader, DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	return past
}

// Rows become the entries again that they were made of, whatever is asked for.
func TestPast(t *testing.T) {
	t.Parallel()
	p := newProducer(t, t.TempDir())
	records, events := appendPast(p)
	dsn := migrated(t)
	drain(t, p, testConfig(t, p, dsn))
	past := newPast(t, p, dsn)
	schemas := map[dbn.Schema]dbn.RType{
		dbn.SchemaTrades: dbn.RTypeTrade, dbn.SchemaMBP1: dbn.RTypeMBP1, dbn.SchemaBBO1s: dbn.RTypeBBO1s, dbn.SchemaOHLCV1m: dbn.RTypeOHLCV1m,
		dbn.SchemaMBO: dbn.RTypeMBO, dbn.SchemaStatus: dbn.RTypeStatus,
	}
	indexTime := func(o told) market.Nanos {
		if r, _ := dbn.ParseRecord([]byte(o.payload), dbn.Version, false); r.RType != dbn.RTypeBBO1s {
			return r.TsEvent
		}
		return o.at - o.at%market.Second
	}
	for schema, rtype := range schemas {
		for _, c := range []struct {
			name       string
			symbols    []string
			start, end market.Nanos
			from       uint64
			limit      int
		}{
			{"everything", nil, 0, market.UndefTime, 0, 1 << 20},
			{"a name", []string{"ALFA"}, 0, market.UndefTime, 0, 1 << 20},
			{"two names of one instrument", []string{"CHRL", "ALFA"}, 0, market.UndefTime, 0, 1 << 20},
			{"half an hour", nil, start + 30*market.Minute, start + market.Hour, 0, 1 << 20},
			{"to the nanosecond", []string{"B,RVO"}, start + 1199999999500, start + 1800000000501, 0, 1 << 20},
			{"a page", nil, start, market.UndefTime, 5000, 17},
		} {
			var want []told
			for _, o := range records[rtype] {
				at := indexTime(o)
				if (c.symbols == nil || slices.Contains(c.symbols, o.symbol)) && (at >= c.start || c.from > 0) && (!c.end.Defined() || at < c.end) &&
					o.index >= c.from && len(want) < c.limit {
					want = append(want, o)
				}
			}
			got, err := readPast(t, past, PastQuery{
				Feed: "sim", Schema: schema, Symbols: c.symbols, Start: c.start, End: c.end, From: c.from, Limit: c.limit,
				Ahead: market.Minute, Behind: market.Minute,
			})
			if err != nil || len(want) == 0 || !slices.Equal(got, want) {
				t.Errorf("%v, %s: %d rows, want %d; %v", schema, c.name, len(got), len(want), err)
			}
		}
	}
	for kind, all := range events {
		middle := all[2].at
		for _, c := range []struct {
			start, end market.Nanos
			want       []told
		}{{0, market.UndefTime, all}, {middle, market.UndefTime, all[2:]}, {middle + 1, market.UndefTime, all[3:]}, {0, middle, all[:2]}, {0, middle + 1, all[:3]}} {
			got, err := readPast(t, past, PastQuery{Feed: "sim", Kind: kind, Start: c.start, End: c.end, Limit: 100})
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("kind %d, %d to %d: %v, %v", kind, c.start, c.end, got, err)
			}
		}
	}
	if _, err := readPast(t, past, PastQuery{Feed: "sim", Schema: dbn.SchemaTrades, Symbols: []string{"NONE"}, End: market.UndefTime, Limit: 1}); !errors.Is(err, ErrNoSymbol) {
		t.Errorf("a symbol that is not there: %v", err)
	}
	// Had there been days before, they would have been dropped: that is not passed over.
	do(t, open(t, dsn), "UPDATE tidegate.feeds SET ts = ts - interval '7 days'")
	since := PastQuery{Feed: "sim", Schema: dbn.SchemaTrades, Start: start - market.Day, End: market.UndefTime, Limit: 1}
	if _, err := readPast(t, past, since); !errors.Is(err, ErrNoRows) {
		t.Errorf("a day that was dropped: %v", err)
	}
	since.Start = start
	if _, err := readPast(t, past, since); err != nil {
		t.Errorf("a day that is there: %v", err)
	}
}

// A question for ten minutes looks only into their partitions, and a minute before and after.
func TestPastPlans(t *testing.T) {
	t.Parallel()
	p := newProducer(t, t.TempDir())
	appendPast(p)
	dsn := migrated(t)
	drain(t, p, testConfig(t, p, dsn))
	conn := open(t, dsn)
	for _, symbols := range [][]string{nil, {"ALFA"}} {
		q := PastQuery{
			Feed: "sim", Schema: dbn.SchemaTrades, Symbols: symbols, Start: start + 30*market.Minute, End: start + 40*market.Minute,
			Ahead: market.Minute, Behind: market.Minute, Limit: 10,
		}
		r := PastRows{q: q, journal: 1}
		var err error
		if r.shape, err = pastShapeOf(&q); err != nil {
			t.Fatal(err)
		}
		sql, args := r.sql(pastSpans{[]int32{1}, []int32{0}, []int64{1}, []int64{0}, []int64{1 << 40}})
		relations, _ := explain(t, conn, sql, args...)
		leaves := 0
		for _, name := range relations {
			if strings.HasPrefix(name, "trades_2026") {
				leaves++
			}
		}
		if leaves != 14 { // and the hour and the day, where rows move
			t.Errorf("%v: %d partitions: %v", symbols, leaves, relations)
		}
	}
}

// A standby that does not go on is refused, and heard again when it has caught up; without servers there is an error.
func TestPastOfAStandby(t *testing.T) {
	t.Parallel()
	primary := pgtest.New(t, "fsync = off\n")
	dsn := primary.DSN("postgres")
	migrate(t, dsn)
	standby := primary.Standby(t, "")
	p := newProducer(t, t.TempDir())
	appendPast(p)
	drain(t, p, testConfig(t, p, dsn))
	past := newPast(t, p, fmt.Sprintf("host=127.0.0.1,127.0.0.1 port=%d,%d user=%s dbname=postgres sslmode=disable", primary.Port, standby.Port, pgtest.Superuser))
	everything := PastQuery{Feed: "sim", Schema: dbn.SchemaTrades, End: market.UndefTime, Limit: 1 << 20}
	asks := func() (int, error) {
		all, err := readPast(t, past, everything)
		return len(all), err
	}
	var n int
	wait(t, "the standby has it", func() (ok bool) {
		var err error
		n, err = asks()
		return err == nil
	})
	there := open(t, standby.DSN("postgres"))
	do(t, there, "SELECT pg_wal_replay_pause()")
	wait(t, "replay pauses", func() bool { return ask[string](t, there, "SELECT pg_get_wal_replay_pause_state()") == "paused" })
	if got, err := asks(); got != n || err != nil {
		t.Errorf("nothing came meanwhile: %d rows, want %d, %v", got, n, err)
	}
	appendPast(p)
	drain(t, p, testConfig(t, p, dsn))
	if _, err := asks(); !errors.Is(err, ErrBehind) {
		t.Errorf("a standby that stands: %v", err)
	}
	if s := past.Stats(); s.Lag < time.Hour || s.Behind == 0 {
		t.Errorf("%+v", s)
	}
	do(t, there, "SELECT pg_wal_replay_resume()")
	wait(t, "the standby goes on", func() bool {
		got, err := asks()
		return err == nil && got == 2*n
	})
	there.Close(t.Context())
	standby.Stop(t, pgcluster.Immediate)
	if got, err := asks(); got != 2*n || err != nil {
		t.Errorf("the primary alone: %d rows, %v", got, err)
	}
	primary.Stop(t, pgcluster.Immediate)
	if _, err := asks(); !errors.Is(err, ErrDown) {
		t.Errorf("no server: %v", err)
	}
	if s := past.Stats(); s.Down != 1 {
		t.Errorf("%+v", s)
	}
}

// Questions work through PgBouncer in transaction mode, one after the other over the same connections.
func TestPastThroughPgBouncer(t *testing.T) {
	t.Parallel()
	server := pgtest.New(t, pgtest.Unsafe)
	migrate(t, server.DSN("postgres"))
	port := startBouncer(t, server)
	p := newProducer(t, t.TempDir())
	records, _ := appendPast(p)
	drain(t, p, testConfig(t, p, server.DSN("postgres")))
	past := newPast(t, p, fmt.Sprintf("host=127.0.0.1 port=%d user=%s dbname=postgres sslmode=disable", port, pgtest.Superuser))
	for range 5 {
		got, err := readPast(t, past, PastQuery{Feed: "sim", Schema: dbn.SchemaTrades, End: market.UndefTime, Limit: 1 << 20})
		if err != nil || !slices.Equal(got, records[dbn.RTypeTrade]) {
			t.Fatalf("%d rows, want %d: %v", len(got), len(records[dbn.RTypeTrade]), err)
		}
	}
}

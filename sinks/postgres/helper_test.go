package postgres

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tidegate/codec/dbn"
	"tidegate/internal/pgtest"
	"tidegate/market"
	"tidegate/sinks/entry"
	"tidegate/sinks/journal"
)

func TestMain(m *testing.M) {
	if childMain() {
		return
	}
	os.Exit(pgtest.Run(m))
}

// start is when the entries of tests begin: a Tuesday.
var start = market.Nanos(time.Date(2026, 3, 3, 14, 30, 0, 0, time.UTC).UnixNano())

// everything keeps all tables.
var everything = Optional()

// payloadAt returns what the test's journals have at an index: every kind, most of them trades and quotes.
func payloadAt(index uint64, at market.Nanos) (kind uint8, payload []byte) {
	n := uint32(index)
	h := dbn.Header{PublisherID: 60002, InstrumentID: market.InstrumentID(1 + n%17), TsEvent: at - 1500}
	price := market.Price(100*market.PriceScale) + market.Price(n%1000)*market.PriceScale/100
	change := dbn.Change{
		Header: h, Price: price, Size: 1 + n%500, Action: market.Trade, Side: market.Bid, Flags: market.FlagLast,
		TsRecv: at, TsInDelta: 700, Sequence: n,
	}
	level := dbn.Level{BidPrice: price - 1, AskPrice: price + 1, BidSize: n, AskSize: 2, BidCount: 3, AskCount: 4}
	switch index % 100 {
	case 7:
		m := dbn.OHLCV{Header: h, Open: price, High: price + 2, Low: price - 2, Close: price, Volume: 1 << 63}
		m.RType, m.TsEvent = dbn.RTypeOHLCV1m, at-at%market.Minute
		return entry.KindRecord, m.Append(nil)
	case 17:
		m := dbn.DefinitionOf(&market.Definition{
			TsEvent: at, TsRecv: at, Instrument: market.Instrument{ID: h.InstrumentID, Publisher: 60002, Symbol: "ALFA", TickSize: 1e7, RoundLot: 100},
			Class: 'K', Exchange: "XSIM", SecType: "C",
		})
		return entry.KindRecord, m.Append(nil)
	case 27:
		m := dbn.StatusOf(&market.Status{TsEvent: at, TsRecv: at, Instrument: h.InstrumentID, Publisher: 60002, Action: market.StatusTrading})
		return entry.KindRecord, m.Append(nil)
	case 37:
		g := entry.Gap{From: index, To: index + 3, Seen: at, Epoch: 1, Channel: 2, Reason: "deadline"}
		return entry.KindGap, g.Append(nil)
	case 47:
		s := entry.Switch{By: at, From: "direct", To: "vendor", Reason: "stale"}
		return entry.KindSwitch, s.Append(nil)
	case 57:
		f := entry.Feed{Publisher: 60002, Name: "sim"}
		return entry.KindFeed, f.Append(nil)
	case 67:
		return 200, []byte("whatever a later version writes")
	case 77:
		m := dbn.BBO{Header: h, Price: market.UndefPrice, Side: market.NoSide, TsRecv: at, Level: level}
		m.RType, m.TsEvent = dbn.RTypeBBO1s, market.UndefTime
		return entry.KindRecord, m.Append(nil)
	case 87:
		m := dbn.CMBP1{
			Header: h, Price: price, Size: 5, Action: market.Add, Side: market.Ask, TsRecv: at,
			Level: dbn.ConsolidatedLevel{BidPrice: price, AskPrice: market.UndefPrice, BidSize: 9, BidPublisher: 2},
		}
		m.RType = dbn.RTypeCMBP1
		return entry.KindRecord, m.Append(nil)
	}
	switch index % 3 {
	case 0:
		m := dbn.Trade{Change: change}
		m.RType = dbn.RTypeTrade
		return entry.KindRecord, m.Append(nil)
	case 1:
		m := dbn.MBP1{Change: change, Level: level}
		m.RType, m.Action = dbn.RTypeMBP1, market.Add
		return entry.KindRecord, m.Append(nil)
	default:
		m := dbn.MBO{Header: h, OrderID: index << 40, Price: price, Size: n, Action: market.Add, Side: market.Ask, TsRecv: at, Sequence: n, ChannelID: 255}
		m.RType = dbn.RTypeMBO
		return entry.KindRecord, m.Append(nil)
	}
}

// A producer appends to a journal what payloadAt says, of three feeds.
type producer struct {
	*journal.Journal
	at    market.Nanos
	step  market.Nanos
	index uint64 // of the entry appended last
}

func newProducer(t testing.TB, dir string) *producer {
	t.Helper()
	return newProducerOf(t, journal.Config{Dir: dir, SegmentBytes: 4 << 20, ReserveBytes: 1, PlainSegments: 1})
}

func newProducerOf(t testing.TB, c journal.Config) *producer {
	t.Helper()
	j, err := journal.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	p := &producer{Journal: j, at: start, step: 10 * market.Millisecond, index: j.DurableIndex()}
	t.Cleanup(func() {
		if err := j.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return p
}

// append appends n entries.
func (p *producer) append(n int) {
	for range n {
		p.at += p.step
		kind, payload := payloadAt(p.index+1, p.at)
		p.index, _ = p.Append(journal.Header{At: p.at, Feed: uint16(p.index % 3), Kind: kind}, payload)
	}
}

// durable waits until everything is.
func (p *producer) durable(t testing.TB) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); p.DurableIndex() < p.index; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("entry %d is not durable: %+v", p.index, p.Stats())
		}
	}
}

// migrated returns a database of its own with the schema.
func migrated(t testing.TB) (dsn string) {
	t.Helper()
	dsn = pgtest.Database(t)
	migrate(t, dsn)
	return dsn
}

func migrate(t testing.TB, dsn string) {
	t.Helper()
	if _, _, err := Migrate(t.Context(), dsn); err != nil {
		t.Fatal(err)
	}
}

// testConfig drains all of a producer's journal, with little waiting.
func testConfig(t testing.TB, p *producer, dsn string) Config {
	return Config{
		Reader: func() (*journal.Reader, error) { return p.NewReader() }, DSN: dsn, Keep: everything,
		BatchRows: 2000, BatchWait: time.Millisecond,
		Partitions: Partitions{Every: time.Hour, Ahead: time.Minute},
		Now:        func() market.Nanos { return start },
		Notify: func(n Notice) {
			if n.Kind != Unreadable {
				t.Logf("%v: %s", n.Kind, n.Text)
			}
		},
	}
}

// running is a sink at work.
type running struct {
	*Sink
	stop func() error
}

func run(t testing.TB, c Config) *running {
	t.Helper()
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	stopped := false
	r := &running{Sink: s}
	r.stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(time.Minute):
			return errors.New("the sink does not end")
		}
	}
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// reaches waits until everything up to an index is committed.
func (r *running) reaches(t testing.TB, index uint64) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); r.next() <= index; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("drained to %d, want %d: %+v", r.next(), index, r.Stats())
		}
	}
}

// drain drains everything that there is and stops.
func drain(t testing.TB, p *producer, c Config) {
	t.Helper()
	p.durable(t)
	r := run(t, c)
	r.reaches(t, p.index)
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
}

// verify compares the database with the journal.
func verify(t testing.TB, p *producer, dsn string) *Comparison {
	t.Helper()
	r, err := p.NewReader()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	c, err := Verify(context.Background(), dsn, r, VerifyOptions{Keep: everything})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range c.Differences {
		t.Error(d)
	}
	return c
}

func open(t testing.TB, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// ask returns a single value.
func ask[T any](t testing.TB, conn *pgx.Conn, sql string, args ...any) (v T) {
	t.Helper()
	if err := conn.QueryRow(context.Background(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

func do(t testing.TB, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(context.Background(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

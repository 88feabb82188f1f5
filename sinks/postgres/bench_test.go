package postgres

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tidegate/codec/dbn"
	"tidegate/internal/pgtest"
	"tidegate/market"
	"tidegate/sinks/entry"
	"tidegate/sinks/journal"
)

// The drainer, from the journal on the disk to committed rows, against psql's \copy of the same rows from a file
// of binary COPY into a partition like theirs, in one transaction. Both in each iteration, by turns; the rows
// are compared.
func BenchmarkDrain(b *testing.B) {
	const n = 1_000_000
	server := pgtest.New(b, "shared_buffers = 1GB\nmax_wal_size = 8GB\n")
	dsn := server.DSN("postgres")
	migrate(b, dsn)
	p := newProducerOf(b, journal.Config{Dir: b.TempDir()})
	for i := range n {
		price := market.Price(100*market.PriceScale) + market.Price(i%1000)*market.PriceScale/100
		m := dbn.Trade{Change: dbn.Change{
			Header: dbn.Header{RType: dbn.RTypeTrade, PublisherID: 60002, InstrumentID: market.InstrumentID(i % 500), TsEvent: start},
			Price:  price, Size: 100, Action: market.Trade, Side: market.Bid, TsRecv: start, TsInDelta: 1, Sequence: uint32(i),
		}}
		p.index, _ = p.Append(journal.Header{At: start + market.Nanos(i)*50*market.Microsecond, Kind: entry.KindRecord}, m.Append(nil))
		for i%10_000 == 0 && p.Stats().Spilling {
			time.Sleep(time.Millisecond)
		}
	}
	p.durable(b)
	conn := open(b, dsn)
	cfg := testConfig(b, p, dsn)
	cfg.BatchRows, cfg.BatchWait = 0, 0
	leaf := trades.partitionAt(start)
	file := filepath.Join(b.TempDir(), "rows")
	var drained, copied time.Duration
	for i := 0; b.Loop(); i++ {
		do(b, conn, "CHECKPOINT")
		r := run(b, cfg)
		wait(b, "it is connected", func() bool { return r.next() > 0 })
		began := time.Now()
		r.reaches(b, p.index)
		drained += time.Since(began)
		if err := r.stop(); err != nil {
			b.Fatal(err)
		}
		if i == 0 {
			out, err := os.Create(file)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := conn.PgConn().CopyTo(b.Context(), out, "COPY tidegate."+leaf+" TO STDOUT (FORMAT binary)"); err != nil {
				b.Fatal(err)
			}
			if err := out.Close(); err != nil {
				b.Fatal(err)
			}
			do(b, conn, fmt.Sprintf("CREATE TABLE tidegate.twin (LIKE tidegate.%s)", leaf))
		}
		do(b, conn, "CHECKPOINT")
		psql, err := server.Command(b.Context(), "psql", "-X", "-q", "-h", "127.0.0.1", "-p", fmt.Sprint(server.Port), "-U", pgtest.Superuser,
			"-c", `\copy tidegate.twin FROM STDIN (FORMAT binary)`, "postgres")
		if err != nil {
			b.Fatal(err)
		}
		if psql.Stdin, err = os.Open(file); err != nil {
			b.Fatal(err)
		}
		began = time.Now()
		if out, err := psql.CombinedOutput(); err != nil {
			b.Fatalf("psql: %v: %s", err, out)
		}
		copied += time.Since(began)
		same := fmt.Sprintf("SELECT count(*) FROM ((SELECT * FROM tidegate.%s EXCEPT ALL SELECT * FROM tidegate.twin) UNION ALL (SELECT * FROM tidegate.twin EXCEPT ALL SELECT * FROM tidegate.%s)) d", leaf, leaf)
		if i == 0 && (ask[int](b, conn, same) != 0 || ask[int](b, conn, "SELECT count(*) FROM tidegate.twin") != n) {
			b.Fatal("the rows differ")
		}
		if rows := ask[int](b, conn, "SELECT count(*) FROM tidegate."+leaf); rows != n {
			b.Fatalf("%d rows, want %d", rows, n)
		}
		do(b, conn, fmt.Sprintf("TRUNCATE tidegate.%s, tidegate.twin", leaf))
		do(b, conn, "UPDATE tidegate.positions SET next = 1, rows = 0")
	}
	rate := func(d time.Duration) float64 { return n * float64(b.N) / d.Seconds() }
	b.ReportMetric(rate(drained), "rows/s")
	b.ReportMetric(rate(copied), "psql-rows/s")
	b.ReportMetric(rate(drained)/rate(copied), "of-psql")
}

// Encoding alone: no allocation per row.
func TestEncodingDoesNotAllocate(t *testing.T) {
	kind, payload := payloadAt(3, start)
	e := journal.Entry{Header: journal.Header{At: start, Kind: kind}, Index: 3, Payload: payload}
	it := item{Entry: &e, epoch: 1, journal: 1}
	kept := (&Config{Keep: everything}).kept()
	b := &batch{}
	fill := func() {
		b.reset(3)
		for range 1000 {
			b.add(&it, kept)
		}
		b.seal()
	}
	fill()
	if n := testing.AllocsPerRun(20, fill); n != 0 {
		t.Errorf("a batch of 1000 rows allocates %.1f times, want 0", n)
	}
}

// BenchmarkEncode is a trade from its DBN record to the bytes of COPY.
func BenchmarkEncode(b *testing.B) {
	kind, payload := payloadAt(3, start)
	e := journal.Entry{Header: journal.Header{At: start, Kind: kind}, Index: 3, Payload: payload}
	it := item{Entry: &e, epoch: 1, journal: 1}
	kept := (&Config{Keep: everything}).kept()
	rows := &batch{}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		if n++; n%10_000 == 1 {
			rows.reset(3)
		}
		rows.add(&it, kept)
	}
	if want := (n-1)%10_000 + 1; rows.rows != want {
		b.Fatalf("%d rows, want %d", rows.rows, want)
	}
}

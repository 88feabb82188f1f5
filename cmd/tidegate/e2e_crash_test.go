//go:build linux

package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"tidegate/codec/dbn"
	"tidegate/gateway/admin"
	"tidegate/internal/pgcluster"
	"tidegate/internal/pgtest"
	"tidegate/market"
	"tidegate/sinks/entry"
	"tidegate/sinks/journal"
	"tidegate/sinks/postgres"
)

var (
	rounds    = flag.Int("rounds", 4, "rounds of TestCrashes")
	roundsFor = flag.Duration("rounds-for", 0, "when TestCrashes ends, however many rounds it has made; 0: when all are made")
	seed      = flag.Uint64("seed", 0, "seed of TestCrashes; 0 draws one")
)

// roundsPerJournal is how many rounds share a journal and a database: what is compared in each round stays short.
const roundsPerJournal = 20

// crashes is a world in which the gateway is killed, and its database crashes, again and again.
type crashes struct {
	t       *testing.T
	binary  string
	chance  *rand.Rand
	server  *pgtest.Server
	lines   string
	journal string
	dsn     string
	config  string
	epoch   uint64 // of the last gateway

	journals, serverCrashes, early int
	rows, received, undurable      uint64
}

// The gateway is killed under load, at any time, and PostgreSQL is stopped as in a crash now and then. After each
// round, before anybody has started again: the rows are those of the journal's first entries, without a hole, each
// once, and have the same hashes; what the gateway called durable is there; and what a subscriber got is there but for
// an end that was not durable yet, which the next epoch tells from what takes its place.
func TestCrashes(t *testing.T) {
	w := &crashes{t: t, binary: buildTidegate(t), server: pgtest.New(t, crashSafe)}
	s := *seed
	if s == 0 {
		s = rand.Uint64()
	}
	t.Logf("repeat: go test ./cmd/tidegate -run '^%s$' -rounds %d -seed %d", t.Name(), *rounds, s)
	w.chance = rand.New(rand.NewPCG(s, 0))
	var a, b netip.AddrPort
	a, b, w.lines = twoPorts(t)
	startVenue(t, w.binary, venueCmd{Seed: 31, Rate: 6000, Speed: "2x", A: a, B: b}).passes(1000)
	begun, told := time.Now(), time.Now()
	round := 0
	for ; round < *rounds && (*roundsFor == 0 || time.Since(begun) < *roundsFor); round++ {
		if round%roundsPerJournal == 0 {
			w.finish()
			w.begin()
		}
		w.round()
		if t.Failed() {
			t.Fatalf("in round %d, with %s and %s", round+1, w.journal, w.config)
		}
		if since := time.Since(begun); time.Since(told) > 10*time.Second {
			told = time.Now()
			left := since / time.Duration(round+1) * time.Duration(*rounds-round-1)
			if *roundsFor > 0 {
				left = min(left, *roundsFor-since)
			}
			fmt.Fprintf(os.Stderr, "crashes: %d of %d rounds, %s, %v left\n", round+1, *rounds, w, max(0, left).Round(time.Second))
		}
	}
	w.finish()
	if w.received == 0 {
		t.Error("no subscriber got anything: the test tests something else")
	}
	t.Logf("%d rounds in %v: %s", round, time.Since(begun).Round(time.Second), w)
}

// String says what has been seen.
func (w *crashes) String() string {
	return fmt.Sprintf("%d journals, %d crashes of the server, %d gateways killed as they started, %d rows drained; subscribers got %d records, of which %d were not durable",
		w.journals, w.serverCrashes, w.early, w.rows, w.received, w.undurable)
}

// begin makes an empty journal's directory and an empty database.
func (w *crashes) begin() {
	w.t.Helper()
	w.journals++
	w.epoch = 0
	root := w.t.TempDir()
	name := fmt.Sprintf("journal%d", w.journals)
	admins := connected(w.t, w.server.DSN("postgres"))
	execute(w.t, admins, "CREATE DATABASE "+name)
	admins.Close(w.t.Context())
	w.dsn, w.journal = w.server.DSN(name), filepath.Join(root, name)
	migrated(w.t, w.dsn)
	file := filepath.Join(root, "dsn")
	if err := os.WriteFile(file, []byte(w.dsn), 0o600); err != nil {
		w.t.Fatal(err)
	}
	w.config = configWith(w.t, w.lines, func(text string) string { return text + keepEverything(w.journal, file) })
}

// finish has everything drained that is left, and compares it all.
func (w *crashes) finish() {
	w.t.Helper()
	if w.journals == 0 {
		return
	}
	g := startAt(w.t, w.binary, w.config)
	drained(w.t, g.url)
	g.signal(syscall.SIGTERM)
	if code, out := g.exit(); code != exitOK {
		w.t.Fatalf("exit code %d: %s", code, out)
	}
	g.logged("postgres: everything is drained")
	c := rowsAre(w.t, w.dsn, w.journal)
	if state, err := journal.Stat(w.journal); err != nil || c.Rows != state.Durable || c.Rows == 0 {
		w.t.Fatalf("%d rows of %d entries: %v", c.Rows, state.Durable, err)
	}
	w.rows += c.Rows
	if err := os.RemoveAll(filepath.Dir(w.journal)); err != nil {
		w.t.Fatal(err)
	}
	admins := connected(w.t, w.server.DSN("postgres"))
	defer admins.Close(w.t.Context())
	execute(w.t, admins, fmt.Sprintf("DROP DATABASE journal%d", w.journals))
}

// milliseconds returns a time of up to n of them.
func (w *crashes) milliseconds(n int) time.Duration {
	return time.Duration(w.chance.IntN(n*1000)) * time.Microsecond
}

// round runs a gateway until it is killed, and looks at what it has left.
func (w *crashes) round() {
	w.t.Helper()
	if w.chance.IntN(5) == 0 { // while it starts
		w.early++
		g := startGateway(w.t, w.binary, w.config)
		time.Sleep(w.milliseconds(80))
		g.signal(syscall.SIGKILL)
		g.exit()
		w.check(0, nil, 0)
		return
	}
	up := w.chance.IntN(8) > 0
	if !up { // the gateway starts without its database
		w.crashServer()
	}
	g := startAt(w.t, w.binary, w.config)
	epoch := uint64(g.logged("journal")["epoch"].(float64))
	if epoch <= w.epoch {
		w.t.Errorf("epoch %d after epoch %d", epoch, w.epoch)
	}
	w.epoch = epoch
	got := subscribe(w.t, g.addr, keyOne, dbn.SchemaMBO)
	time.Sleep(w.milliseconds(500))
	if up && w.chance.IntN(3) == 0 {
		w.crashServer()
		up = false
		time.Sleep(w.milliseconds(200))
	}
	if !up && w.chance.IntN(2) == 0 { // the gateway sees it come back
		w.server.Start(w.t)
		up = true
		time.Sleep(w.milliseconds(300))
	}
	var r admin.FeedsReport
	getJSON(w.t, g.url+"/feeds", &r)
	time.Sleep(w.milliseconds(20))
	g.signal(syscall.SIGKILL)
	g.exit()
	s := <-got
	if !up {
		w.server.Start(w.t)
	}
	w.check(epoch, s.records, r.Journal.DurableIndex)
}

func (w *crashes) crashServer() {
	w.serverCrashes++
	w.server.Stop(w.t, pgcluster.Immediate)
}

// check looks at what a killed gateway has left. Nobody is at work. In its epoch a subscriber has received records; at
// some time it said what was durable.
func (w *crashes) check(epoch uint64, received [][]byte, durable uint64) {
	w.t.Helper()
	conn := connected(w.t, w.dsn)
	defer conn.Close(w.t.Context())
	tables := append(postgres.Optional(), "instruments", "symbols", "channel_gaps", "provider_switches", "feeds", "unreadable")
	var rows, indexes, first, last, position int64
	if err := conn.QueryRow(w.t.Context(), "SELECT count(*), count(DISTINCT index), coalesce(min(index), 1), coalesce(max(index), 0), "+
		"(SELECT coalesce(min(next), 1) FROM tidegate.positions) FROM (SELECT index FROM tidegate."+
		strings.Join(tables, " UNION ALL SELECT index FROM tidegate.")+") AS everything").Scan(&rows, &indexes, &first, &last, &position); err != nil {
		w.t.Fatal(err)
	}
	if first != 1 || last != rows || indexes != rows || position != last+1 {
		w.t.Errorf("%d rows with %d indexes, %d to %d; the position is %d", rows, indexes, first, last, position)
	}
	if w.durable() < max(durable, uint64(last)) { // the mark is written after what it says has become true
		j, err := journal.Open(journal.Config{Dir: w.journal, ReserveBytes: 1})
		if err != nil {
			w.t.Fatal(err)
		}
		if err := j.Close(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
	}
	if d := w.durable(); d < max(durable, uint64(last)) {
		w.t.Fatalf("%d entries are left, %d were durable, %d are rows", d, durable, last)
	}
	if rows > 0 {
		rowsAre(w.t, w.dsn, w.journal)
	}
	w.checkReceived(epoch, received)
}

// durable returns the index of the last entry that the journal has, 0 if there is none, or no journal.
func (w *crashes) durable() uint64 {
	w.t.Helper()
	r, err := journal.OpenReader(w.journal)
	if errors.Is(err, journal.ErrNoJournal) {
		return 0
	}
	if err != nil {
		w.t.Fatal(err)
	}
	defer r.Close()
	_, last, err := r.Bounds()
	if err != nil {
		w.t.Fatal(err)
	}
	return last
}

// checkReceived holds what a subscriber got against the journal: from the record on that the subscriber got first they
// are the same, up to where one of them ends.
func (w *crashes) checkReceived(epoch uint64, received [][]byte) {
	w.t.Helper()
	if len(received) == 0 {
		return
	}
	kept := w.records(epoch)
	at := slices.IndexFunc(kept, func(r []byte) bool { return bytes.Equal(r, received[0]) })
	if at < 0 {
		if n := len(kept); n > 0 && receivedAt(w.t, kept[n-1]) > receivedAt(w.t, received[0]) {
			w.t.Errorf("epoch %d: of %d records that the subscriber got the journal does not have the first, but later ones", epoch, len(received))
		}
		at = len(kept)
	}
	kept = kept[at:]
	for i := range min(len(kept), len(received)) {
		if !bytes.Equal(kept[i], received[i]) {
			w.t.Errorf("epoch %d: record %d of the subscriber is not that of the journal:\n%x\n%x", epoch, i, received[i], kept[i])
			return
		}
	}
	w.received += uint64(len(received))
	w.undurable += uint64(max(0, len(received)-len(kept)))
}

// records returns the mbo records that the journal has of an epoch.
func (w *crashes) records(epoch uint64) (records [][]byte) {
	w.t.Helper()
	r, err := journal.OpenReader(w.journal)
	if err != nil {
		w.t.Fatal(err)
	}
	defer r.Close()
	var b journal.Batch
	var e journal.Entry
	for {
		out, err := r.NextBatch(&b)
		if err != nil {
			w.t.Fatal(err)
		}
		switch out {
		case journal.Empty:
			return records
		case journal.Ready:
		default:
			w.t.Fatalf("the journal has a gap or a hole: %v", out)
		}
		for b.Epoch == epoch && b.Next(&e) {
			if e.Kind == entry.KindRecord && dbn.RType(e.Payload[1]) == dbn.RTypeMBO {
				records = append(records, bytes.Clone(e.Payload))
			}
		}
	}
}

// receivedAt returns when the gateway received what an mbo record says.
func receivedAt(t *testing.T, raw []byte) market.Nanos {
	t.Helper()
	r, err := dbn.ParseRecord(raw, dbn.Version, false)
	var m dbn.MBO
	if err == nil {
		err = m.Parse(r)
	}
	if err != nil {
		t.Fatal(err)
	}
	return m.TsRecv
}

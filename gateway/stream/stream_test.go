package stream_test

import (
	"fmt"
	"slices"
	"testing"

	"tidegate/arbiter"
	"tidegate/book"
	"tidegate/codec/dbn"
	"tidegate/gateway"
	"tidegate/gateway/stream"
	"tidegate/internal/bus"
	"tidegate/internal/venue"
	"tidegate/market"
)

// world is a simulated feed that runs through a pipeline and a stream into a ring.
type world struct {
	feed     *venue.Feed
	pipeline *gateway.Pipeline
	stream   *stream.Stream
	ring     *bus.Ring
	reader   *bus.Reader
}

func newWorld(t testing.TB, cfg stream.Config) *world {
	t.Helper()
	feedConfig := venue.DefaultFeedConfig(7)
	feedConfig.Market.Trading = 20 * market.Second
	feedConfig.Market.Halts = nil
	w := &world{}
	var err error
	if w.feed, err = venue.NewFeed(feedConfig); err != nil {
		t.Fatal(err)
	}
	if w.ring, err = bus.New(bus.Config{Chunks: 64, ChunkBytes: 1 << 16}); err != nil {
		t.Fatal(err)
	}
	if w.reader, err = w.ring.NewReader(nil); err != nil {
		t.Fatal(err)
	}
	cfg.Ring = w.ring
	if w.stream, err = stream.New(cfg); err != nil {
		t.Fatal(err)
	}
	conf := gateway.DefaultConfig(gateway.ITCH)
	conf.Midnight = feedConfig.Market.Midnight
	if w.pipeline, err = gateway.New(conf, w.stream); err != nil {
		t.Fatal(err)
	}
	w.stream.Attach(w.pipeline)
	return w
}

// step delivers one datagram, and hands every entry that came of it to f.
func (w *world) step(t testing.TB, f func(e *bus.Entry)) bool {
	t.Helper()
	d, ok := w.feed.Next()
	if !ok {
		return false
	}
	w.pipeline.OnTick(d.Time)
	w.pipeline.OnDatagram(arbiter.LineID(d.Line), d.Time, d.Payload)
	w.stream.Serve(d.Time)
	w.ring.Publish()
	w.drain(t, f)
	return true
}

func (w *world) drain(t testing.TB, f func(e *bus.Entry)) {
	t.Helper()
	var e bus.Entry
	for {
		switch w.reader.Next(&e) {
		case bus.Empty:
			return
		case bus.Ready:
			f(&e)
		default:
			t.Fatal("the test's reader was lapped")
		}
	}
}

// A subscriber who joins in mid-session gets a snapshot of every book and goes on from there: its
// books are the gateway's, order for order.
func TestSnapshotThenLive(t *testing.T) {
	w := newWorld(t, stream.Config{SnapshotOrders: 50})
	for range 3000 {
		w.step(t, func(*bus.Entry) {})
	}
	const target = 42
	var ids []market.InstrumentID
	for _, in := range w.stream.Directory().All() {
		ids = append(ids, in.ID)
	}
	w.stream.Request(7, slices.Clone(ids)) // somebody else's, at the same time
	w.stream.Request(target, slices.Clone(ids))
	mine := book.NewByOrder(book.ByOrderConfig{})
	live := make(map[market.InstrumentID]bool)
	done, parts := false, 0
	apply := func(payload []byte) {
		for len(payload) > 0 {
			rec, err := dbn.ParseRecord(payload, dbn.Version, false)
			if err != nil {
				t.Fatal(err)
			}
			payload = payload[len(rec.Raw()):]
			var m dbn.MBO
			if err := m.Parse(rec); err != nil {
				t.Fatal(err)
			}
			var u market.Update
			m.Event(&u.Event)
			if r := mine.Apply(&u); r.Verdict.Fault() {
				t.Fatalf("%s of order %d: %s", m.Action, m.OrderID, r.Verdict)
			}
		}
	}
	for w.step(t, func(e *bus.Entry) {
		switch e.Kind {
		case stream.Snapshot, stream.SnapshotLast:
			if e.Target != target {
				return
			}
			parts++
			apply(e.Payload)
			live[e.Instrument] = e.Kind == stream.SnapshotLast
		case stream.SnapshotDone:
			done = done || e.Target == target
		case stream.Record:
			if dbn.Schema(e.Schema) == dbn.SchemaMBO && live[e.Instrument] {
				apply(e.Payload)
			}
		}
	}) {
	}
	if !done || parts < len(ids) {
		t.Fatalf("snapshot done %t in %d parts of %d instruments", done, parts, len(ids))
	}
	for _, id := range ids {
		if got, want := mine.Hash(id), w.pipeline.Books().Hash(id); got != want {
			t.Errorf("instrument %d: book %016x, the gateway has %016x", id, got, want)
		}
	}
	if mine.Len() == 0 {
		t.Error("no orders at the end")
	}
}

// Schemas that nobody wants are not derived; intervals end once, in order, whether anything happened.
func TestWantAndIntervals(t *testing.T) {
	w := newWorld(t, stream.Config{})
	seen := make(map[dbn.Schema]int)
	var ends []market.Nanos
	count := func(e *bus.Entry) {
		switch e.Kind {
		case stream.Record:
			seen[dbn.Schema(e.Schema)]++
		case stream.IntervalEnd:
			if dbn.Schema(e.Schema) == dbn.SchemaBBO1s {
				ends = append(ends, e.At)
			}
		}
	}
	for range 2000 {
		w.step(t, count)
	}
	if seen[dbn.SchemaMBP1] != 0 || seen[dbn.SchemaMBO] == 0 || seen[dbn.SchemaDefinition] == 0 {
		t.Fatalf("records before anything was wanted: %v", seen)
	}
	for range 2 {
		if err := w.stream.Want(dbn.SchemaMBP1); err != nil {
			t.Fatal(err)
		}
	}
	w.stream.Unwant(dbn.SchemaMBP1)
	for range 2000 {
		w.step(t, count)
	}
	if seen[dbn.SchemaMBP1] == 0 {
		t.Error("no mbp-1 though it is wanted")
	}
	w.stream.Unwant(dbn.SchemaMBP1)
	before := seen[dbn.SchemaMBP1]
	for w.step(t, count) {
	}
	if seen[dbn.SchemaMBP1] != before {
		t.Error("mbp-1 though nobody wants it")
	}
	if len(ends) < 25 {
		t.Fatalf("%d intervals of a second ended", len(ends))
	}
	for i, end := range ends[1:] {
		if end-ends[i] < market.Second || end%market.Second != 0 {
			t.Errorf("intervals end at %d and %d", ends[i], end)
		}
	}
}

func TestDirectory(t *testing.T) {
	w := newWorld(t, stream.Config{})
	lookup := stream.NewLookup(w.stream.Directory())
	fresh := 0
	for w.step(t, func(e *bus.Entry) {
		if e.Kind == stream.Instrument {
			fresh += len(lookup.Sync())
		}
	}) {
	}
	want := w.feed.Exchange().Instruments()
	if fresh != len(want) {
		t.Errorf("%d instruments, want %d", fresh, len(want))
	}
	for _, in := range want {
		id, ok := lookup.Find(in.Symbol)
		symbol, _ := lookup.Symbol(in.ID)
		if !ok || id != in.ID || symbol != in.Symbol {
			t.Errorf("%s: %d, %t, %q", in.Symbol, id, ok, symbol)
		}
	}
	if _, ok := lookup.Find("NONE"); ok {
		t.Error("found a symbol that does not exist")
	}
}

// Two feeds of the same instruments make one consolidated dataset: one numbering for all schemas,
// intervals that end once, and quotes that name the publisher.
func TestConsolidated(t *testing.T) {
	const feed = 9
	w := newWorld(t, stream.Config{})
	other, err := stream.New(stream.Config{Feed: 1, Ring: w.ring})
	if err != nil {
		t.Fatal(err)
	}
	conf := gateway.DefaultConfig(gateway.ITCH)
	conf.Publisher = market.NasdaqBX
	p, err := gateway.New(conf, other)
	if err != nil {
		t.Fatal(err)
	}
	other.Attach(p)
	c := stream.NewConsolidated(feed, w.ring)
	for _, s := range []*stream.Stream{w.stream, other} {
		if err := c.Join(s); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Want(dbn.SchemaCMBP1); err != nil {
		t.Fatal(err)
	}
	seen := make(map[dbn.Schema]int)
	publishers := make(map[market.PublisherID]bool)
	ends := 0
	collect := func(e *bus.Entry) {
		if e.Feed != feed {
			return
		}
		switch e.Kind {
		case stream.IntervalEnd:
			ends++
		case stream.Record:
			seen[dbn.Schema(e.Schema)]++
			if dbn.Schema(e.Schema) != dbn.SchemaCMBP1 {
				return
			}
			rec, err := dbn.ParseRecord(e.Payload, dbn.Version, false)
			if err != nil {
				t.Fatal(err)
			}
			var m dbn.CMBP1
			if err := m.Parse(rec); err != nil {
				t.Fatal(err)
			}
			publishers[m.Level.BidPublisher], publishers[m.Level.AskPublisher] = true, true
			if int(m.InstrumentID) < 1 || int(m.InstrumentID) > len(c.Directory().All()) {
				t.Fatalf("instrument %d of %d", m.InstrumentID, len(c.Directory().All()))
			}
		}
	}
	for range 6000 {
		d, ok := w.feed.Next()
		if !ok {
			break
		}
		w.pipeline.OnDatagram(arbiter.LineID(d.Line), d.Time, d.Payload)
		p.OnDatagram(arbiter.LineID(d.Line), d.Time+1, d.Payload)
		w.ring.Publish()
		w.drain(t, collect)
	}
	if seen[dbn.SchemaCMBP1] < 100 || seen[dbn.SchemaCBBO1s] < 10 || ends < 5 {
		t.Errorf("records %v and %d ends of intervals", seen, ends)
	}
	if !publishers[market.NasdaqITCH.ID] || !publishers[market.NasdaqBX.ID] {
		t.Errorf("publishers in quotes: %v, want both", publishers)
	}
	if got, want := len(c.Directory().All()), len(w.feed.Exchange().Instruments()); got != want {
		t.Errorf("%d consolidated instruments, want %d", got, want)
	}
	c.Unwant(dbn.SchemaCMBP1)
	before := seen[dbn.SchemaCMBP1]
	for w.step(t, collect) {
	}
	if seen[dbn.SchemaCMBP1] != before {
		t.Error("cmbp-1 though nobody wants it")
	}
}

func TestStreamDoesNotAllocate(t *testing.T) {
	w := newWorld(t, stream.Config{})
	for _, s := range []dbn.Schema{dbn.SchemaMBP1, dbn.SchemaMBP10, dbn.SchemaTrades, dbn.SchemaTBBO} {
		if err := w.stream.Want(s); err != nil {
			t.Fatal(err)
		}
	}
	for range 4000 {
		w.step(t, func(*bus.Entry) {})
	}
	var datagrams []venue.Datagram
	for d, ok := w.feed.Next(); ok; d, ok = w.feed.Next() {
		d.Payload = slices.Clone(d.Payload)
		datagrams = append(datagrams, d)
	}
	next := 0
	if n := testing.AllocsPerRun(len(datagrams)-2, func() {
		d := &datagrams[next]
		next++
		w.pipeline.OnDatagram(arbiter.LineID(d.Line), d.Time, d.Payload)
		w.ring.Publish()
		w.ring.Wake()
	}); n != 0 {
		t.Errorf("%.4f allocations per datagram, want 0", n)
	}
	if next < 1000 {
		t.Errorf("only %d datagrams", next)
	}
}

func Example() {
	ring, err := bus.New(bus.DefaultConfig())
	if err != nil {
		panic(err)
	}
	s, err := stream.New(stream.Config{Ring: ring})
	if err != nil {
		panic(err)
	}
	p, err := gateway.New(gateway.DefaultConfig(gateway.ITCH), s)
	if err != nil {
		panic(err)
	}
	s.Attach(p)
	fmt.Println(len(s.Directory().All()), "instruments")
	// Output: 0 instruments
}

// A consolidated schema that is wanted late knows the quotes that stand, also those of a feed that
// says nothing any more.
func TestConsolidatedBeginsLate(t *testing.T) {
	const feed = 9
	w := newWorld(t, stream.Config{})
	silent, err := stream.New(stream.Config{Feed: 1, Ring: w.ring})
	if err != nil {
		t.Fatal(err)
	}
	conf := w.pipeline.Config()
	conf.Publisher = market.NasdaqBX
	p, err := gateway.New(conf, silent)
	if err != nil {
		t.Fatal(err)
	}
	silent.Attach(p)
	c := stream.NewConsolidated(feed, w.ring)
	for _, s := range []*stream.Stream{w.stream, silent} {
		if err := c.Join(s); err != nil {
			t.Fatal(err)
		}
	}
	for range 3000 {
		d, ok := w.feed.Next()
		if !ok {
			t.Fatal("the day is over")
		}
		w.pipeline.OnDatagram(arbiter.LineID(d.Line), d.Time, d.Payload)
		p.OnDatagram(arbiter.LineID(d.Line), d.Time, d.Payload)
		w.ring.Publish()
		w.drain(t, func(*bus.Entry) {})
	}
	if err := c.Want(dbn.SchemaCMBP1); err != nil {
		t.Fatal(err)
	}
	w.ring.Publish()
	w.drain(t, func(e *bus.Entry) {
		if e.Kind == stream.Record && dbn.Schema(e.Schema) == dbn.SchemaCMBP1 {
			t.Fatal("a record before anything has changed")
		}
	})
	standing := make(map[string]book.BBO) // of the silent feed
	for _, in := range silent.Directory().All() {
		standing[in.Symbol] = p.Books().BBO(in.ID)
	}
	lookup := stream.NewLookup(c.Directory())
	lookup.Sync()
	quotes, silentBest := 0, 0
	for w.step(t, func(e *bus.Entry) {
		if e.Kind != stream.Record || dbn.Schema(e.Schema) != dbn.SchemaCMBP1 {
			return
		}
		rec, err := dbn.ParseRecord(e.Payload, dbn.Version, false)
		if err != nil {
			t.Fatal(err)
		}
		var m dbn.CMBP1
		if err := m.Parse(rec); err != nil {
			t.Fatal(err)
		}
		symbol, _ := lookup.Symbol(m.InstrumentID)
		stands := standing[symbol]
		if stands.Bid.Defined() && m.Level.BidPrice < stands.Bid.Price || m.Level.AskPrice > stands.Ask.Price {
			t.Fatalf("%s: %s to %s, but %s to %s stands", symbol, m.Level.BidPrice, m.Level.AskPrice, stands.Bid.Price, stands.Ask.Price)
		}
		quotes++
		if m.Level.BidPublisher == market.NasdaqBX.ID || m.Level.AskPublisher == market.NasdaqBX.ID {
			silentBest++
		}
	}) {
	}
	if quotes < 100 || silentBest == 0 {
		t.Errorf("%d records, the silent feed is best in %d", quotes, silentBest)
	}
}

// Who asks a consolidated dataset for snapshots does not wait for ever.
func TestConsolidatedRequest(t *testing.T) {
	w := newWorld(t, stream.Config{})
	c := stream.NewConsolidated(9, w.ring)
	c.Request(42, []market.InstrumentID{1, 2})
	c.Cancel(42)
	w.ring.Publish()
	var got []bus.Header
	w.drain(t, func(e *bus.Entry) { got = append(got, e.Header) })
	if len(got) != 1 || got[0].Target != 42 || got[0].Kind != stream.SnapshotDone || got[0].Feed != 9 {
		t.Errorf("got %+v", got)
	}
}

package egress

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tidegate/book"
	"tidegate/codec/dbn"
	"tidegate/gateway/stream"
	"tidegate/internal/bus"
	"tidegate/internal/venue"
	"tidegate/market"
)

// Each schema, of all symbols and of two, with and without send times: what subscribers get is what
// was published, byte for byte, mappings first.
func TestRecordsAreThoseOfTheRing(t *testing.T) {
	for _, schema := range schemas() {
		t.Run(schema.String(), func(t *testing.T) {
			b := newBench(t, newWorld(t, bus.DefaultConfig(), 3*market.Second), func(c *Config) { c.PassBytes = passBytesMin })
			if err := b.stream.Want(schema); err != nil { // so that the tape has all of it
				t.Fatal(err)
			}
			request := fmt.Sprintf("schema=%s|stype_in=raw_symbol|symbols=", schema)
			all := b.dial().auth("").say(request+"ALL_SYMBOLS", "start_session")
			again := b.dial().auth("").say(request+"ALL_SYMBOLS", "start_session")
			stamped := b.dial().auth("|ts_out=1").say(request+"ALL_SYMBOLS", "start_session")
			two := b.dial().auth("").say(request+"CHRL,ALFA", "start_session")
			number := b.dial().auth("").say(strings.Replace(request, "raw_symbol", "instrument_id", 1)+"3", "start_session")
			tape := b.newTape()
			ends := 0
			for done := false; !done; {
				done = !b.step()
				b.settle()
				tape.roll(func(e *bus.Entry) {
					if e.Kind == stream.IntervalEnd && dbn.Schema(e.Schema) == schema {
						ends++
					}
				})
			}
			want := tape.records[schema]
			if len(want) == 0 && schema != dbn.SchemaOHLCV1h && schema != dbn.SchemaOHLCV1d && schema != dbn.SchemaBBO1m && schema != dbn.SchemaOHLCV1m {
				t.Fatal("nothing was published")
			}
			only := func(ids ...market.InstrumentID) (some []byte) {
				for rest := want; len(rest) > 0; {
					r, err := dbn.ParseRecord(rest, dbn.Version, false)
					if err != nil {
						t.Fatal(err)
					}
					if slices.Contains(ids, r.InstrumentID) {
						some = append(some, r.Raw()...)
					}
					rest = rest[len(r.Raw()):]
				}
				return some
			}
			for _, c := range []struct {
				name string
				wire *wire
				want []byte
			}{{"all", all, want}, {"again", again, want}, {"two", two, only(1, 3)}, {"number", number, only(3)}, {"stamped", stamped, want}} {
				m := c.wire.metadata()
				records := c.wire.records()
				known := make(map[market.InstrumentID]bool)
				gotEnds := 0
				sent := b.time // the loop's clock; what it reads later was sent later
				for _, r := range records {
					ts, ok := r.TsOut()
					if ok != m.TsOut || ok && ts < sent {
						t.Fatalf("%s: ts_out %d after %d, %t", c.name, ts, sent, ok)
					}
					if ok {
						sent = ts
					}
					var mbo dbn.MBO
					if ok && mbo.Parse(r) == nil && ts < mbo.TsRecv {
						t.Fatalf("%s: sent at %d, received at %d", c.name, ts, mbo.TsRecv)
					}
					switch r.RType {
					case dbn.RTypeSymbolMapping:
						known[r.InstrumentID] = true
					case dbn.RTypeSystem:
						if strings.HasPrefix(describe(r), "system 4: End of interval for "+schema.String()) {
							gotEnds++
						}
					case dbn.RTypeError:
					default:
						if !known[r.InstrumentID] && r.InstrumentID != 0 { // 0: of the whole market
							t.Fatalf("%s: record of instrument %d before its mapping", c.name, r.InstrumentID)
						}
					}
				}
				got := raw(records)
				if m.TsOut {
					got = unstamp(t, got)
				}
				equalBytes(t, c.name, got, c.want)
				if gotEnds != ends {
					t.Errorf("%s: %d ends of intervals, want %d", c.name, gotEnds, ends)
				}
			}
			if all.writes != again.writes {
				t.Errorf("%d writes to one session and %d to its like", all.writes, again.writes)
			}
		})
	}
}

// unstamp takes the send times off.
func unstamp(t tester, records []byte) (plain []byte) {
	for len(records) > 0 {
		r, err := dbn.ParseRecord(records, dbn.Version, true)
		if err != nil {
			t.Fatal(err)
		}
		n := len(r.Raw())
		plain = append(plain, r.Raw()[:n-dbn.TsOutSize]...)
		plain[len(plain)-n+dbn.TsOutSize] -= dbn.TsOutSize / 4
		records = records[n:]
	}
	return plain
}

// A subscriber's books, kept from mbo records.
type books struct {
	t    tester
	book *book.ByOrder
	live map[market.InstrumentID]bool
}

func newBooks(t tester) *books {
	return &books{t, book.NewByOrder(book.ByOrderConfig{}), make(map[market.InstrumentID]bool)}
}

// apply applies the records of instruments whose snapshot has begun, or of all.
func (k *books) apply(records []dbn.Record, all bool) {
	for _, r := range records {
		if r.RType != dbn.RTypeMBO {
			continue
		}
		var m dbn.MBO
		if err := m.Parse(r); err != nil {
			k.t.Fatal(err)
		}
		if m.Action == market.Clear && m.Flags&market.FlagSnapshot != 0 {
			k.live[m.InstrumentID] = true
		}
		if !all && !k.live[m.InstrumentID] {
			k.t.Fatalf("%s of instrument %d before its snapshot", m.Action, m.InstrumentID)
		}
		var u market.Update
		m.Event(&u.Event)
		if res := k.book.Apply(&u); res.Verdict.Fault() {
			k.t.Fatalf("%s of order %d: %s", m.Action, m.OrderID, res.Verdict)
		}
	}
}

func (k *books) equal(w *world, symbols ...string) {
	k.t.Helper()
	n := 0
	for _, in := range w.stream.Directory().All() {
		if len(symbols) > 0 && !slices.Contains(symbols, in.Symbol) {
			continue
		}
		n++
		if got, want := k.book.Hash(in.ID), w.pipeline.Books().Hash(in.ID); got != want {
			k.t.Errorf("%s: book %016x, the gateway's is %016x", in.Symbol, got, want)
		}
	}
	if n == 0 || k.book.Len() == 0 {
		k.t.Errorf("%d books with %d orders", n, k.book.Len())
	}
}

func TestBooksOfSubscribers(t *testing.T) {
	b := standardBench(t, nil)
	early := b.dial().auth("").say(subscribeAll, "start_session")
	b.play(1500)
	snap := "schema=mbo|snapshot=1|symbols="
	all := b.dial().auth("").say(snap+"ALL_SYMBOLS", "start_session")
	b.play(3)
	some := b.dial().auth("|ts_out=1").say(snap+"ALFA,BRVO,NONE", "start_session")
	b.play(200)
	late := b.dial().auth("").say("start_session").say(snap + "DLTA") // while streaming
	b.play(100)
	late.say(snap + "ALFA")
	b.play(2000)
	for _, c := range []struct {
		wire    *wire
		early   bool
		symbols []string
	}{{early, true, nil}, {all, false, nil}, {some, false, []string{"ALFA", "BRVO"}}, {late, false, []string{"ALFA", "DLTA"}}} {
		c.wire.metadata()
		k := newBooks(t)
		k.apply(c.wire.records(), c.early)
		k.equal(b.world, c.symbols...)
		if !c.wire.session.live || len(c.wire.session.snapshots.awaited)+len(c.wire.session.snapshots.targets) != 0 {
			t.Errorf("session is live: %t, waits for %+v", c.wire.session.live, c.wire.session.snapshots)
		}
	}
}

// Between the subscription and its snapshot other schemas go on, and mbo of the instrument does not.
func TestOtherSchemasGoOnBeforeTheSnapshot(t *testing.T) {
	var held []func(Upstream)
	b := standardBench(t, func(c *Config) { c.Feeds[0].Do = func(f func(Upstream)) { held = append(held, f) } })
	b.steps(1000)
	c := b.dial().auth("").say("schema=mbo|snapshot=1|symbols=ALFA", "schema=ohlcv-1s|symbols=ALL_SYMBOLS", "start_session")
	b.play(3000)
	c.metadata()
	told := c.told()
	if !strings.Contains(told, "\nohlcv-1s x") || strings.Contains(told, "mbo x") {
		t.Errorf("told before the snapshot:\n%s", told)
	}
	for _, f := range held {
		f(b.stream)
	}
	b.play(500)
	k := newBooks(t)
	k.apply(c.records(), false)
	k.equal(b.world, "ALFA")
	// A session that is closed before its snapshot came takes its request back.
	held = nil
	b.dial().auth("").say("schema=mbo|snapshot=1|symbols=ALFA", "start_session").Close()
	for _, f := range held {
		f(b.stream)
	}
	if n := b.stream.Pending(); n != 0 {
		t.Errorf("%d requests are left", n)
	}
}

// Symbols that become known after they were subscribed to: live, behind, by symbol and by number.
func TestSymbolsThatResolveLater(t *testing.T) {
	b := newBench(t, newWorld(t, bus.DefaultConfig(), market.Second), nil)
	request := "schema=definition|id=9|symbols="
	list := b.dial().auth("").say(request+"BRVO,NONE", "start_session")
	number := b.dial().auth("").say("schema=definition|stype_in=instrument_id|id=9|symbols=2", "start_session")
	all := b.dial().auth("").say(request+"ALL_SYMBOLS", "start_session")
	behind := b.dial().auth("").say(request+"BRVO", "start_session")
	behind.window = 0
	snap := b.dial().auth("").say("schema=mbo|snapshot=1|id=9|symbols=BRVO", "start_session")
	b.play(50)
	behind.open(unlimited)
	b.play(500)
	for _, c := range []*wire{list, number, all, behind, snap} {
		c.metadata()
	}
	ack := "system 1: Subscription request 9 for definition data succeeded\n"
	wantTold(t, list.told(), ack+"error 4 (0): Failed to resolve symbol: BRVO\nerror 4 (1): Failed to resolve symbol: NONE\nmapping 2: raw_symbol BRVO is BRVO\ndefinition x1")
	wantTold(t, number.told(), ack+"error 4 (1): Failed to resolve symbol: 2\nmapping 2: instrument_id 2 is BRVO\ndefinition x1")
	wantTold(t, behind.told(), ack+"error 4 (1): Failed to resolve symbol: BRVO\nmapping 2: raw_symbol BRVO is BRVO\ndefinition x1")
	told := all.told()
	for _, symbol := range b.symbols() {
		if !strings.Contains(told, " is "+symbol+"\ndefinition x1") {
			t.Errorf("%s is not told before its definition:\n%s", symbol, told)
		}
	}
	k := newBooks(t)
	k.apply(snap.records(), true)
	k.equal(b.world, "BRVO")
	if !k.live[2] {
		t.Error("no snapshot of an instrument that became known later")
	}
}

// However the network takes what is written, every byte arrives, in order, once.
func TestBehindAndBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := newBench(t, newWorld(t, bus.Config{Chunks: 64, ChunkBytes: 1 << 14}, market.Second), func(c *Config) { c.PassBytes = passBytesMin })
		request := []string{"schema=mbo|symbols=ALL_SYMBOLS", "schema=ohlcv-1s|symbols=ALL_SYMBOLS", "start_session"}
		good := b.dial().auth("").say(request...)
		bad := b.dial().auth("").say(request...)
		bad.window = 0
		for b.step() {
			if rapid.IntRange(0, 9).Draw(t, "pass") > 0 {
				b.woken = true
				b.settle()
			}
			if rapid.IntRange(0, 19).Draw(t, "open") == 0 {
				bad.open(rapid.IntRange(1, 40_000).Draw(t, "bytes"))
			}
			if len(bad.held) > 3*passBytesMin {
				t.Fatalf("%d bytes are held", len(bad.held))
			}
		}
		b.woken = true
		b.settle()
		bad.open(unlimited)
		b.woken = true
		b.settle()
		good.metadata()
		bad.metadata()
		equalBytes(b.t, "the session that was behind", raw(bad.records()), raw(good.records()))
		if !bad.session.live {
			t.Error("not live at the end")
		}
	})
}

// One write for each session and pass, and none for sessions without news.
func TestOneWritePerPass(t *testing.T) {
	b := standardBench(t, nil)
	b.steps(20)
	var all, one []*wire
	for range 5 {
		all = append(all, b.dial().auth("").say(subscribeAll, "start_session"))
		one = append(one, b.dial().auth("").say("schema=mbo|symbols=HOTL", "start_session"))
	}
	if n := len(b.loop.outlets[dataset].cohorts); n != 2 {
		t.Errorf("%d cohorts, want 2", n)
	}
	for _, c := range append(all, one...) {
		c.writes = 0
	}
	b.steps(300)
	b.settle()
	passes := b.loop.counts.Passes
	for _, c := range all {
		if c.writes < 1 || uint64(c.writes) > passes {
			t.Errorf("%d writes in %d passes", c.writes, passes)
		}
		c.writes = 0
	}
	b.woken = true
	b.settle()
	for _, c := range append(all, one...) {
		if c.writes > 0 && c.session.cohort == all[0].session.cohort {
			t.Errorf("%d writes without news", c.writes)
		}
		c.Close()
	}
	o := b.loop.outlets[dataset]
	if len(o.cohorts) != 0 || len(o.order) != 0 || len(o.index[dbn.SchemaMBO].all) != 0 || b.loop.followers[0].following != 0 {
		t.Errorf("left behind: %d cohorts", len(o.cohorts))
	}
}

// Schemas are derived while somebody wants them.
func TestSchemasAreWanted(t *testing.T) {
	b := standardBench(t, nil)
	b.steps(500)
	tape := b.newTape()
	grows := func(schema dbn.Schema) bool {
		before := len(tape.records[schema])
		b.play(300)
		tape.roll(nil)
		return len(tape.records[schema]) > before
	}
	if grows(dbn.SchemaMBP1) {
		t.Error("mbp-1 though nobody wants it")
	}
	c := b.dial().auth("").say("schema=mbp-1|symbols=ALL_SYMBOLS", "start_session")
	d := b.dial().auth("").say("schema=mbp-1|symbols=ALFA", "start_session")
	if !grows(dbn.SchemaMBP1) {
		t.Error("no mbp-1 though two want it")
	}
	c.Close()
	d.say("schema=mbp-1|symbols=BRVO")
	if !grows(dbn.SchemaMBP1) {
		t.Error("no mbp-1 though one wants it")
	}
	d.say("start_session") // a fault
	if grows(dbn.SchemaMBP1) {
		t.Error("mbp-1 though nobody wants it any more")
	}
}

// A loop that was away for longer than the ring remembers goes on; its sessions get what their slow
// reader behaviour says.
func TestLoopIsLapped(t *testing.T) {
	b := newBench(t, newWorld(t, bus.Config{Chunks: 4, ChunkBytes: 1 << 12}, 20*market.Second), nil)
	b.play(10)
	skip := b.dial().auth("").say("schema=mbp-1|symbols=ALL_SYMBOLS", "start_session")
	mbo := b.dial().auth("").say(subscribeAll, "start_session")
	b.play(10)
	b.steps(2000)
	b.settle()
	b.play(100)
	skip.metadata()
	mbo.metadata()
	if told := mbo.told(); !strings.HasSuffix(told, "error 8 (1): slow reading: the gateway does not hold any more what is due") || !mbo.shut {
		t.Errorf("mbo was told\n%s", told)
	}
	told := skip.told()
	if !strings.Contains(told, "error 7 (1): Slow client detected for mbp-1: more than ") || !strings.Contains(told[strings.Index(told, "error 7"):], "mbp-1 x") {
		t.Errorf("mbp-1 was told\n%s", told)
	}
	if b.loop.counts.LoopLapped != 1 {
		t.Errorf("lapped %d times, want once", b.loop.counts.LoopLapped)
	}
}

// The path of records does not allocate.
func TestPassDoesNotAllocate(t *testing.T) {
	b := standardBench(t, nil)
	b.steps(100)
	var wires []*wire
	for range 3 {
		wires = append(wires,
			b.dial().auth("").say(subscribeAll, "start_session"),
			b.dial().auth("|ts_out=1").say("schema=mbo|symbols=ALFA,BRVO", "start_session"))
	}
	b.play(1000)
	for _, c := range wires {
		c.got = make([]byte, 0, 8<<20)
	}
	var datagrams []venue.Datagram
	for range 500 {
		d, ok := b.feed.Next()
		if !ok {
			t.Fatal("the day is over")
		}
		d.Payload = slices.Clone(d.Payload)
		datagrams = append(datagrams, d)
	}
	next := 0
	if n := testing.AllocsPerRun(len(datagrams)-2, func() {
		d := &datagrams[next]
		next++
		b.pipeline.OnDatagram(0, d.Time, d.Payload)
		b.ring.Publish()
		b.ring.Wake()
		b.settle()
	}); n > 0 {
		t.Errorf("%.2f allocations per datagram, want 0", n)
	}
	if len(wires[0].got) == 0 {
		t.Error("nothing was written")
	}
}

package egress

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"tidegate/codec/dbn"
	"tidegate/gateway/history"
	"tidegate/internal/bus"
	"tidegate/market"
)

// keptSchemas are those of which worlds here have records.
var keptSchemas = []dbn.Schema{
	dbn.SchemaMBO, dbn.SchemaMBP1, dbn.SchemaTBBO, dbn.SchemaTrades, dbn.SchemaBBO1s, dbn.SchemaOHLCV1s,
	dbn.SchemaDefinition, dbn.SchemaStatus, dbn.SchemaStatistics,
}

var smallRing = bus.Config{Chunks: 4, ChunkBytes: 1 << 13}

// keepingBench is a bench that keeps everything from the beginning.
func keepingBench(t tester, dir string, ring bus.Config, change func(*Config)) *bench {
	w := newWorld(t, ring, 10*market.Minute)
	w.keep(dir, keptSchemas...)
	return benchOf(t, w, change)
}

// since returns the records of a schema from a time on.
func since(schema dbn.Schema, records []byte, at market.Nanos) (some []byte) {
	for len(records) > 0 {
		n := 4 * int(records[0])
		if history.IndexTime(records) >= at {
			some = append(some, records[:n]...)
		}
		records = records[n:]
	}
	return some
}

// times are some index times of records, the earliest first.
func timesIn(records []byte) (all []market.Nanos) {
	for len(records) > 0 {
		all = append(all, history.IndexTime(records))
		records = records[4*int(records[0]):]
	}
	return all
}

// byType splits records of data by type, and checks that each comes behind its mapping.
func byType(t tester, what string, records []dbn.Record) map[dbn.RType][]byte {
	t.Helper()
	all := make(map[dbn.RType][]byte)
	known := make(map[market.InstrumentID]bool)
	for _, r := range records {
		switch r.RType {
		case dbn.RTypeSymbolMapping:
			known[r.InstrumentID] = true
		case dbn.RTypeSystem, dbn.RTypeError:
		default:
			if !known[r.InstrumentID] && r.InstrumentID != 0 {
				t.Fatalf("%s: record of instrument %d before its mapping", what, r.InstrumentID)
			}
			all[r.RType] = append(all[r.RType], r.Raw()...)
		}
	}
	return all
}

func rtypeOf(schema dbn.Schema) dbn.RType {
	rtype, _ := schema.RType()
	return rtype
}

// Every schema that is kept, from many times on, while the feed goes on and the ring is lapped again and again:
// what a session gets that starts in the past is what one got that was there all along.
func TestReplayIsWhatWasPublished(t *testing.T) {
	b := keepingBench(t, t.TempDir(), smallRing, func(c *Config) { c.PassBytes = passBytesMin })
	tape := b.newTape()
	play := func(n int) {
		for range n {
			b.play(1)
			tape.roll(nil)
		}
	}
	play(2000)
	dice := rand.New(rand.NewPCG(1, 2))
	const rounds = 36
	for round := range rounds {
		schema := keptSchemas[round%len(keptSchemas)]
		times := timesIn(tape.records[schema])
		if len(times) == 0 {
			t.Fatalf("no records of %s", schema)
		}
		start := times[dice.IntN(len(times))]
		if round%4 == 0 {
			start += market.Nanos(dice.IntN(1000)) - 500
		}
		switch {
		case schema == dbn.SchemaOHLCV1s: // the bar that is under way has begun before and will come all the same
			start = min(start, b.now-2*market.Second)
		case round%6 == 0: // in what is hardly durable yet
			start = times[len(times)-1-dice.IntN(min(len(times), 20))]
		}
		if round%7 == 0 {
			start = 0
		}
		auth := ""
		if round%5 == 0 {
			auth = "|ts_out=1"
		}
		c := b.dial().auth(auth).say(fmt.Sprintf("schema=%s|symbols=ALL_SYMBOLS|start=%d", schema, start))
		c.window = 1000
		c.say("start_session")
		b.replayed(func() {
			play(dice.IntN(20))
			c.open(dice.IntN(100_000))
		}, c)
		c.open(unlimited)
		play(20)
		b.after(100 * market.Millisecond)
		m := c.metadata()
		records := c.records()
		what := fmt.Sprintf("round %d, %s from %d", round, schema, start)
		if !slices.ContainsFunc(records, func(r dbn.Record) bool {
			return describe(r) == "system 3: Finished "+schema.String()+" replay"
		}) {
			t.Errorf("%s: never finished", what)
		}
		got := byType(t, what, records)[rtypeOf(schema)]
		if m.TsOut {
			got = unstamp(t, got)
		}
		want := since(schema, tape.records[schema], start)
		equalBytes(t, what, got, want)
		if m.Start != start {
			t.Errorf("%s: metadata begins at %d", what, m.Start)
		}
		c.Close()
		if t.Failed() {
			t.Fatal(strings.Join([]string{"state", c.session.state.String()}, " "))
		}
	}
	if b.loop.counts.Replays != rounds || b.loop.admission.replays != 0 {
		t.Errorf("%d replays, %d under way", b.loop.counts.Replays, b.loop.admission.replays)
	}
}

// onlyOf returns the records of some instruments.
func onlyOf(records []byte, ids ...market.InstrumentID) (some []byte) {
	for len(records) > 0 {
		r, err := dbn.ParseRecord(records, dbn.Version, false)
		if err != nil {
			panic(err)
		}
		if slices.Contains(ids, r.InstrumentID) {
			some = append(some, r.Raw()...)
		}
		records = records[len(r.Raw()):]
	}
	return some
}

// Subscriptions of one session that begin at different times, and some that do not begin in the past: of a
// schema that is replayed, and of others, of which one is not kept.
func TestReplayOfSeveralSubscriptions(t *testing.T) {
	b := keepingBench(t, t.TempDir(), bus.DefaultConfig(), func(c *Config) { c.PassBytes = passBytesMin })
	if err := b.stream.Want(dbn.SchemaMBP10); err != nil {
		t.Fatal(err)
	}
	tape := b.newTape()
	play := func(n int) {
		for range n {
			b.play(1)
			tape.roll(nil)
		}
	}
	play(2000)
	times := timesIn(tape.records[dbn.SchemaMBO])
	early, late := times[len(times)/4], times[len(times)/2]
	had := make(map[dbn.Schema]int)
	for schema, records := range tape.records {
		had[schema] = len(records)
	}
	c := b.dial().auth("")
	c.window = 500
	c.say(
		fmt.Sprintf("schema=mbo|stype_in=instrument_id|symbols=1|start=%d", early),
		fmt.Sprintf("schema=mbo|symbols=BRVO|start=%d", late),
		"schema=mbo|symbols=CHRL",
		"schema=mbp-10|symbols=CHRL",
		"schema=trades|symbols=ALL_SYMBOLS",
		fmt.Sprintf("schema=bbo-1s|symbols=ALL_SYMBOLS|start=%d", late),
		"start_session",
	)
	b.replayed(func() {
		play(2)
		c.open(20_000)
	}, c)
	c.open(unlimited)
	play(20)
	c.metadata()
	records := c.records()
	got := byType(t, "several", records)
	var want []byte
	for all, at := tape.records[dbn.SchemaMBO], 0; at < len(all); at += 4 * int(all[at]) {
		r, _ := dbn.ParseRecord(all[at:], dbn.Version, false)
		switch {
		case r.InstrumentID == 1 && r.TsEvent >= early, r.InstrumentID == 2 && r.TsEvent >= late, r.InstrumentID == 3 && at >= had[dbn.SchemaMBO]:
			want = append(want, r.Raw()...)
		}
	}
	equalBytes(t, "mbo", got[dbn.RTypeMBO], want)
	equalBytes(t, "mbp-10", got[dbn.RTypeMBP10], onlyOf(tape.records[dbn.SchemaMBP10][had[dbn.SchemaMBP10]:], 3))
	equalBytes(t, "trades", got[dbn.RTypeTrade], tape.records[dbn.SchemaTrades][had[dbn.SchemaTrades]:])
	equalBytes(t, "bbo", got[dbn.RTypeBBO1s], since(dbn.SchemaBBO1s, tape.records[dbn.SchemaBBO1s], late))
	finished := 0
	for _, r := range records {
		if strings.HasPrefix(describe(r), "system 3") {
			finished++
		}
	}
	if finished != 2 {
		t.Errorf("%d schemas were finished, want mbo and bbo-1s", finished)
	}
}

// The order in which a client is told, and what is asked for while a replay is under way.
func TestReplayIsTold(t *testing.T) {
	b := keepingBench(t, t.TempDir(), bus.DefaultConfig(), nil)
	b.play(500)
	b.keeper.durable()
	c := b.dial().auth("")
	c.say("schema=status|symbols=ALFA,NONE|start=0|id=7", "start_session", "schema=status|symbols=CHRL|id=8")
	b.replayed(nil, c)
	c.metadata()
	told := c.told()
	want := []string{
		"system 1: Subscription request 7 for status data succeeded",
		"mapping 1: raw_symbol ALFA is ALFA",
		"error 4 (1): Failed to resolve symbol: NONE",
		"status x", "system 3: Finished status replay",
		"system 1: Subscription request 8 for status data succeeded", "mapping 3: raw_symbol CHRL is CHRL",
	}
	for i, line := range strings.Split(told, "\n") {
		if i >= len(want) || !strings.HasPrefix(line, want[i]) {
			t.Fatalf("told\n%s", told)
		}
	}
}

// What the gateway was before is history too: its instruments, under the numbers that they had.
func TestReplayAcrossRestarts(t *testing.T) {
	dir := t.TempDir()
	first := keepingBench(t, dir, smallRing, nil)
	all := make(map[dbn.Schema][]byte)
	var named []byte // mbo of those that the gateway knew the symbols of
	follow := func(b *bench, n int) {
		tape := b.newTape()
		for range n {
			b.play(1)
			tape.roll(nil)
		}
		if slices.Contains(b.symbols(), "CHRL") { // one that joins a venue in the middle does not know them
			named = append(named, onlyOf(tape.records[dbn.SchemaMBO], 1, 3)...)
		}
		for schema, records := range tape.records {
			all[schema] = append(all[schema], records...)
		}
	}
	follow(first, 1500)
	worlds := []*bench{first}
	for range 2 {
		before := worlds[len(worlds)-1]
		before.keeper.close()
		w := before.restart(smallRing)
		w.keep(dir, keptSchemas...)
		b := benchOf(t, w, nil)
		worlds = append(worlds, b)
		// Nothing has come yet, and the directory is empty: history knows the symbols.
		c := b.dial().auth("").say("schema=mbo|symbols=CHRL,ALFA|start=0", "start_session")
		b.replayed(nil, c)
		c.metadata()
		equalBytes(t, "before anything came", byType(t, "before anything came", c.records())[dbn.RTypeMBO], named)
		follow(b, 700)
	}
	b := worlds[len(worlds)-1]
	for _, schema := range []dbn.Schema{dbn.SchemaMBO, dbn.SchemaTrades, dbn.SchemaTBBO} {
		times := timesIn(all[schema])
		for _, start := range []market.Nanos{0, times[len(times)/7], times[len(times)*4/5]} {
			c := b.dial().auth("").say(fmt.Sprintf("schema=%s|symbols=ALL_SYMBOLS|start=%d", schema, start), "start_session")
			b.replayed(nil, c)
			c.metadata()
			what := fmt.Sprintf("%s from %d", schema, start)
			equalBytes(t, what, byType(t, what, c.records())[rtypeOf(schema)], since(schema, all[schema], start))
			c.Close()
		}
	}
}

// What cannot be had, and why.
func TestReplayIsRefused(t *testing.T) {
	b := keepingBench(t, t.TempDir(), bus.DefaultConfig(), nil)
	b.play(500)
	for _, c := range []struct{ name, lines, want string }{
		{"schema", "schema=mbp-10|symbols=ALFA|start=0", "error 8 (1): start: schema mbp-10 is not kept in history, but mbo, mbp-1, "},
		{"future", "schema=mbo|symbols=ALFA|start=1900000000000000000", "error 5 (1): start: 1900000000000000000 is in the future"},
		{"snapshot", "schema=mbo|symbols=ALFA|start=0\nschema=mbo|symbols=CHRL|snapshot=1", "error 5 (1): start and snapshot of schema mbo in one session"},
	} {
		w := b.dial().auth("").say(strings.Split(c.lines, "\n")...).say("start_session")
		w.metadata()
		if told := w.told(); !strings.HasPrefix(told, c.want) || !w.shut {
			t.Errorf("%s: told %q, shut %t", c.name, told, w.shut)
		}
	}
}

// The journal lacks something: what may not be skipped ends with an error, the rest goes on with one.
func TestReplayOverAGap(t *testing.T) {
	b := keepingBench(t, t.TempDir(), bus.DefaultConfig(), nil)
	tape := b.newTape()
	b.play(400)
	b.keeper.journal.Append(journalHeader(b.now), make([]byte, 1<<17)) // too long: dropped, and a gap recorded
	b.keeper.marks.Inserted()
	b.play(400)
	tape.roll(nil)
	b.keeper.durable()
	c := b.dial().auth("").say("schema=mbo|symbols=ALL_SYMBOLS|start=0", "start_session")
	b.after(market.Millisecond)
	c.metadata()
	if told := c.told(); !c.shut || !strings.HasSuffix(told, "error 8 (1): replay: history has a gap: 1 entries were dropped when they came (payload too long)") {
		t.Errorf("shut %t, told %s", c.shut, told)
	}
	c = b.dial().auth("").say("schema=mbp-1|symbols=ALL_SYMBOLS|start=0", "start_session")
	b.replayed(nil, c)
	c.metadata()
	records := c.records()
	equalBytes(t, "mbp-1", byType(t, "mbp-1", records)[dbn.RTypeMBP1], tape.records[dbn.SchemaMBP1])
	if !slices.ContainsFunc(records, func(r dbn.Record) bool {
		return strings.HasPrefix(describe(r), "error 7 (1): History has a gap, records of mbp-1 were skipped: 1 entries")
	}) {
		t.Error("the gap was not told")
	}
}

// Sessions beyond a limit wait for their turn, and a session that ends makes room.
func TestReplaysWaitForOneAnother(t *testing.T) {
	b := keepingBench(t, t.TempDir(), bus.DefaultConfig(), func(c *Config) { c.Replays, c.PassBytes = 1, passBytesMin })
	b.play(500)
	b.keeper.durable()
	stalled := b.dial().auth("")
	stalled.window = 0
	stalled.say("schema=mbo|symbols=ALL_SYMBOLS|start=0", "start_session")
	waiting := b.dial().auth("").say("schema=mbo|symbols=ALL_SYMBOLS|start=0", "start_session")
	b.after(market.Second)
	if waiting.session.replay.phase != queueing || stalled.session.replay.phase != reading {
		t.Fatalf("phases %d and %d", waiting.session.replay.phase, stalled.session.replay.phase)
	}
	if n := len(stalled.session.replay.blocks); n > blocksMax || stalled.most > 64<<10 {
		t.Errorf("%d blocks are held for who does not read, and %d bytes", n, stalled.most)
	}
	stalled.Close()
	b.replayed(nil, waiting)
	if b.loop.admission.replays != 0 || len(b.loop.followers[0].replaying) != 0 {
		t.Error("something is left")
	}
}

// A gateway that stops does not wait for a replay.
func TestReplayIsCutWhenTheGatewayStops(t *testing.T) {
	b := keepingBench(t, t.TempDir(), bus.DefaultConfig(), nil)
	b.play(500)
	b.keeper.durable()
	c := b.dial().auth("").say("schema=mbo|symbols=ALL_SYMBOLS|start=0")
	c.window = 10_000
	c.say("start_session")
	stopped := false
	b.loop.drain("maintenance", func() { stopped = true }, b.time)
	c.open(unlimited)
	b.settle()
	c.metadata()
	if told := c.told(); !c.shut || !strings.HasSuffix(told, "gateway is stopping: maintenance; the replay was not finished") {
		t.Errorf("shut %t, told %s", c.shut, told)
	}
	c.Close()
	if !stopped {
		t.Error("the loop does not end")
	}
}

package egress

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"tidegate/codec/dbn"
	"tidegate/internal/bus"
	"tidegate/market"
)

// slowBench has a ring with room for several seconds.
func slowBench(t testing.TB) *bench {
	return newBench(t, newWorld(t, bus.Config{Chunks: 64, ChunkBytes: 1 << 16}, 20*market.Second), nil)
}

// Which schemas are skipped and which are warned of, for each behaviour.
func TestSlowReaders(t *testing.T) {
	all := func(schemas ...string) (lines []string) {
		for _, s := range schemas {
			lines = append(lines, "schema="+s+"|symbols=ALL_SYMBOLS")
		}
		return append(lines, "start_session")
	}
	for _, c := range []struct {
		name     string
		auth     string
		lines    []string
		warning  string // nothing if there is none
		skipped  string // nothing if nothing is
		complete []dbn.Schema
	}{
		{"skip", "", all("mbp-1"), "", "mbp-1", nil},
		{"skip two", "|slow_reader_behavior=skip", all("mbp-1", "mbp-10"), "", "mbp-1, mbp-10", nil},
		{"warn", "|slow_reader_behavior=warn", all("mbp-1"), "mbp-1", "", []dbn.Schema{dbn.SchemaMBP1}},
		{"skip is warn", "", all("mbo"), "mbo", "", []dbn.Schema{dbn.SchemaMBO}},
		{"both", "", all("trades", "mbp-1"), "trades", "mbp-1", []dbn.Schema{dbn.SchemaTrades}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := slowBench(t)
			b.play(1000)
			good, slow := b.dial().auth(c.auth).say(c.lines...), b.dial().auth(c.auth).say(c.lines...)
			b.play(100)
			slow.window = 0
			b.play(3000) // more than a second
			memory := slow.most
			b.play(1500)
			if slow.most > 256<<10 || slow.most != memory || len(slow.session.out) > 1000 {
				t.Errorf("%d bytes are held, %d before; %d wait", slow.most, memory, len(slow.session.out))
			}
			slow.open(unlimited)
			b.after(100 * market.Millisecond)
			b.play(500)
			good.metadata()
			slow.metadata()
			want, got := make(map[dbn.RType]int), make(map[dbn.RType]int)
			for _, r := range good.records() {
				want[r.RType]++
			}
			var warnings, skips []string
			for _, r := range slow.records() {
				switch d := describe(r); {
				case strings.HasPrefix(d, "system 2"):
					warnings = append(warnings, d)
				case r.RType == dbn.RTypeError:
					skips = append(skips, d)
				default:
					got[r.RType]++
				}
			}
			if c.warning != "" && (len(warnings) != 1 || warnings[0] != "system 2: Warning: slow reading of "+c.warning+": records wait in the gateway") || c.warning == "" && len(warnings) != 0 {
				t.Errorf("warnings %q", warnings)
			}
			missing := 0
			for rtype, n := range want {
				missing += n - got[rtype]
			}
			if c.skipped == "" {
				if len(skips) != 0 || missing != 0 {
					t.Errorf("%d records are missing; told %q", missing, skips)
				}
				return
			}
			m := regexp.MustCompile(`^error 7 \(1\): Slow client detected for ` + c.skipped + `: (\d+) records were skipped$`).FindStringSubmatch(strings.Join(skips, "\n"))
			if m == nil {
				t.Fatalf("told %q", skips)
			}
			if n, _ := strconv.Atoi(m[1]); n == 0 || n != missing {
				t.Errorf("told of %d records, %d are missing", n, missing)
			}
			for _, schema := range c.complete {
				rtype, _ := schema.RType()
				if got[rtype] != want[rtype] {
					t.Errorf("%s: %d records, want %d", schema, got[rtype], want[rtype])
				}
			}
			if st := slow.session.stats(); st.Skipped != uint64(missing) || st.Stalls == 0 || st.State != "streaming" {
				t.Errorf("statistics %+v, missing %d", st, missing)
			}
		})
	}
}

// A reader who is warned and does not read is closed when the ring does not hold any more what it
// is due; the error reaches it if it reads at last.
func TestWarnedReaderIsLapped(t *testing.T) {
	for _, reads := range []bool{true, false} {
		b := newBench(t, newWorld(t, bus.Config{Chunks: 4, ChunkBytes: 1 << 14}, 20*market.Second), nil)
		b.play(20)
		c := b.dial().auth("").say(subscribeAll, "start_session")
		b.play(10)
		c.window = 0
		for range 5000 {
			b.play(1)
			b.armed = soon // the loop looks again at what is blocked
		}
		if c.session.state != closing || b.loop.counts.Lapped != 1 {
			t.Fatalf("state %s, lapped %d times", c.session.state, b.loop.counts.Lapped)
		}
		if !reads {
			b.after(5 * market.Second)
			if !c.closed || len(b.loop.closing)+len(b.loop.sessions) != 0 {
				t.Error("not closed")
			}
			continue
		}
		c.open(unlimited)
		c.metadata()
		if told := c.told(); !c.shut || !strings.HasSuffix(told, "\nerror 8 (1): slow reading: the gateway does not hold any more what is due") {
			t.Errorf("shut %t, told\n%s", c.shut, told)
		}
	}
}

// What becomes known while a session is skipped is told when it is back.
func TestMappingsAfterASkip(t *testing.T) {
	b := newBench(t, newWorld(t, bus.Config{Chunks: 4, ChunkBytes: 1 << 12}, 20*market.Second), nil)
	c := b.dial().auth("").say("schema=mbp-1|symbols=ALL_SYMBOLS", "start_session")
	c.metadata()
	c.records()
	c.window = 0
	b.play(1) // something is held from the first instrument on
	for range 3000 {
		b.play(1)
		b.armed = soon
	}
	c.open(unlimited)
	b.after(100 * market.Millisecond)
	b.play(300)
	known := make(map[market.InstrumentID]bool)
	n := 0
	for _, r := range c.records() {
		switch r.RType {
		case dbn.RTypeSymbolMapping:
			known[r.InstrumentID] = true
		case dbn.RTypeMBP1:
			if n++; !known[r.InstrumentID] {
				t.Fatalf("record of instrument %d before its mapping", r.InstrumentID)
			}
		}
	}
	if n == 0 || len(known) != len(b.symbols()) {
		t.Errorf("%d records, %d instruments", n, len(known))
	}
}

// Others do not notice a reader who does not read: they are written to in every pass.
func TestStalledReaderDelaysNobody(t *testing.T) {
	b := slowBench(t)
	b.play(100)
	good := b.dial().auth("").say(subscribeAll, "start_session")
	for range 20 {
		b.dial().auth("").say(subscribeAll, "start_session").window = 0
	}
	tape := b.newTape()
	good.metadata()
	good.records()
	for range 500 {
		b.play(1)
		tape.roll(nil)
		if got, want := raw(good.records()), tape.records[dbn.SchemaMBO]; len(got) != len(want) {
			t.Fatalf("%d bytes after a pass, want %d", len(got), len(want))
		}
		clear(tape.records)
	}
}

// A burst of very many instruments right after the start line, to a reader that pauses.
func TestManyInstruments(t *testing.T) {
	const n = 100_000
	b := newBench(t, newWorld(t, bus.Config{Chunks: 1024, ChunkBytes: 1 << 16}, market.Second), nil)
	facts := market.Facts{Definitions: make([]market.Definition, 1)}
	define := func(i int) {
		facts.Definitions[0] = market.Definition{TsRecv: 1, Class: 'K', Instrument: market.Instrument{ID: market.InstrumentID(i), Symbol: fmt.Sprintf("S%d", i)}}
		b.stream.OnFacts(&facts)
	}
	for i := range n {
		define(i + 1)
	}
	b.ring.Publish()
	c := b.dial().auth("").say("schema=definition|symbols=ALL_SYMBOLS", "schema=status|symbols=ALL_SYMBOLS")
	c.window = 1000
	c.say("start_session")
	for i := range n {
		define(n + i + 1)
	}
	b.ring.Publish()
	b.ring.Wake()
	b.settle()
	mappings, definitions := 0, 0
	c.open(1000)
	c.metadata()
	for paused := 0; ; paused++ {
		for len(c.got) > 4*255 || len(c.got) > 0 && paused > 3000 {
			r, err := dbn.ParseRecord(c.got, dbn.Version, false)
			if err != nil {
				t.Fatal(err)
			}
			c.got = c.got[len(r.Raw()):]
			switch r.RType {
			case dbn.RTypeSymbolMapping:
				mappings++
			case dbn.RTypeDefinition:
				definitions++
			case dbn.RTypeError:
				t.Fatal(describe(r))
			}
		}
		if paused > 3000 {
			break
		}
		c.open(50_000)
	}
	if mappings != 2*n || definitions != n {
		t.Errorf("%d mappings and %d definitions, want %d and %d", mappings, definitions, 2*n, n)
	}
	if c.most > 600<<10 || cap(c.session.out) > 600<<10 {
		t.Errorf("%d bytes were held by the connection, %d by the session", c.most, cap(c.session.out))
	}
}

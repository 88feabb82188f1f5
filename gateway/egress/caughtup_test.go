package egress

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"tidegate/codec/dbn"
	"tidegate/internal/bus"
	"tidegate/market"
)

// The ring is lapped just when the session goes on from the journal to the ring: then the journal goes on.
func TestReplayIsLappedWhileItJoins(t *testing.T) {
	b := keepingBench(t, t.TempDir(), smallRing, func(c *Config) { c.PassBytes = passBytesMin })
	tape := b.newTape()
	play := func(n int) {
		for range n {
			b.play(1)
			tape.roll(nil)
		}
	}
	play(1000)
	for round := range 3 {
		c, laps := b.dial(), 0
		b.loop.post = func(f func(market.Nanos)) {
			b.posted = append(b.posted, func(now market.Nanos) {
				if f(now); c.session.replay != nil && c.session.replay.phase == patching && laps < 3 {
					laps++
					for range 600 {
						b.steps(1)
						tape.roll(nil)
					}
				}
			})
		}
		c.auth("").say("schema=mbo|symbols=ALL_SYMBOLS|start=0", "schema=trades|symbols=CHRL,ALFA|start=0", "start_session")
		b.replayed(func() { play(2) }, c)
		if laps != 3 {
			t.Fatalf("%d laps", laps)
		}
		play(10)
		c.metadata()
		got := byType(t, "lapped", c.records())
		equalBytes(t, fmt.Sprintf("round %d, mbo", round), got[dbn.RTypeMBO], tape.records[dbn.SchemaMBO])
		equalBytes(t, fmt.Sprintf("round %d, trades", round), got[dbn.RTypeTrade], onlyOf(tape.records[dbn.SchemaTrades], 1, 3))
		c.Close()
	}
}

// The same in the middle of what the ring has for it, which is much while the disk is slow.
func TestReplayIsLappedInThePatch(t *testing.T) {
	w := newWorld(t, bus.Config{Chunks: 4, ChunkBytes: 1 << 16}, 10*market.Minute)
	w.commitEvery = 300 * time.Millisecond
	w.keep(t.TempDir(), keptSchemas...)
	b := benchOf(t, w, func(c *Config) { c.PassBytes = passBytesMin })
	tape := b.newTape()
	steps := func(n int) {
		for range n {
			b.steps(1)
			tape.roll(nil)
		}
	}
	steps(500)
	b.keeper.durable()
	c, stalled := b.dial().auth(""), false
	b.loop.post = func(f func(market.Nanos)) {
		b.posted = append(b.posted, func(now market.Nanos) {
			if f(now); c.session.replay != nil && c.session.replay.phase == patching && !stalled {
				stalled, c.window = true, passBytesMin
			}
		})
	}
	steps(200)
	c.say("schema=mbo|symbols=ALL_SYMBOLS|start=0", "start_session")
	r := c.session.replay
	if !stalled || r.phase != patching || r.place.Cursor.Index() <= r.place.Entry || len(c.held) == 0 {
		t.Fatalf("stalled %t, phase %d, %d bytes held", stalled, r.phase, len(c.held))
	}
	steps(2000)
	c.open(unlimited)
	b.replayed(func() { steps(1) }, c)
	c.metadata()
	equalBytes(t, "mbo", byType(t, "patch", c.records())[dbn.RTypeMBO], tape.records[dbn.SchemaMBO])
}

// A session that may not miss anything and is lapped by the ring gets from the journal what it missed.
func TestLappedSessionIsCaughtUp(t *testing.T) {
	for _, c := range []struct {
		name, auth string
		lines      []string
		complete   []dbn.Schema
	}{
		{"mbo", "", []string{"schema=mbo|symbols=ALL_SYMBOLS"}, []dbn.Schema{dbn.SchemaMBO}},
		{"with send times", "|ts_out=1", []string{"schema=mbo|symbols=ALL_SYMBOLS"}, []dbn.Schema{dbn.SchemaMBO}},
		{"warn", "|slow_reader_behavior=warn", []string{"schema=mbp-1|symbols=ALL_SYMBOLS"}, []dbn.Schema{dbn.SchemaMBP1}},
		{"several", "", []string{"schema=trades|symbols=ALL_SYMBOLS", "schema=ohlcv-1s|symbols=ALL_SYMBOLS", "schema=mbo|symbols=ALL_SYMBOLS"}, []dbn.Schema{dbn.SchemaTrades, dbn.SchemaOHLCV1s, dbn.SchemaMBO}},
		{"partly", "", []string{"schema=trades|symbols=ALL_SYMBOLS", "schema=mbp-1|symbols=ALL_SYMBOLS"}, []dbn.Schema{dbn.SchemaTrades}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := keepingBench(t, t.TempDir(), smallRing, func(c *Config) { c.PassBytes = passBytesMin })
			tape := b.newTape()
			w := b.dial().auth(c.auth).say(append(c.lines, "start_session")...)
			play := func(n int) {
				for range n {
					b.play(1)
					b.armed = soon // the loop looks again at what is blocked
					tape.roll(nil)
				}
			}
			play(100)
			for range 3 {
				w.window = 0
				play(500)
				for range 30 {
					w.open(500)
					play(3)
				}
				w.open(unlimited)
				b.replayed(func() { play(1) }, w)
				play(50)
			}
			b.after(100 * market.Millisecond)
			play(10)
			m := w.metadata()
			records := w.records()
			got := byType(t, c.name, records)
			for _, schema := range c.complete {
				bytes := got[rtypeOf(schema)]
				if m.TsOut {
					bytes = unstamp(t, bytes)
				}
				equalBytes(t, schema.String(), bytes, tape.records[schema])
			}
			warned, skipped := 0, 0
			for _, r := range records {
				switch d := describe(r); {
				case strings.HasPrefix(d, "system 2"):
					warned++
				case strings.HasPrefix(d, "error 7"):
					skipped++
				case r.RType == dbn.RTypeError, strings.HasPrefix(d, "system 3"):
					t.Error(d)
				}
			}
			if b.loop.counts.CaughtUp == 0 || warned == 0 || (skipped > 0) != (c.name == "partly") {
				t.Errorf("caught up %d times, %d warnings, %d times skipped", b.loop.counts.CaughtUp, warned, skipped)
			}
			if w.most > 64<<10 {
				t.Errorf("%d bytes were held", w.most)
			}
		})
	}
}

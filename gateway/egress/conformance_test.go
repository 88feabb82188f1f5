package egress

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"tidegate/codec/dbn"
	"tidegate/internal/lsgclient/lsgtest"
	"tidegate/market"
)

// conformance has a server and doubles of the clients in use.
type conformance struct{ *stage }

func newConformance(t *testing.T) *conformance {
	s := newStage(t, newWorld(t, bigRing, 20*market.Second), func(c *Config) { c.Heartbeat = 100 * time.Millisecond })
	s.play(func(w *world) { w.steps(100) })
	return &conformance{s}
}

func (c *conformance) connect(t *testing.T) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", c.server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func (c *conformance) open(t *testing.T, cfg lsgtest.Config) *lsgtest.Double {
	t.Helper()
	cfg.Dataset, cfg.Key = dataset, lsgtest.Key
	d, err := lsgtest.Open(c.connect(t), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func subscribe(t *testing.T, d *lsgtest.Double, schema string, symbols ...string) {
	t.Helper()
	if err := d.Subscribe(lsgtest.Subscription{Schema: schema, STypeIn: "raw_symbol", Symbols: symbols}); err != nil {
		t.Fatal(err)
	}
}

func start(t *testing.T, d *lsgtest.Double) *dbn.Metadata {
	t.Helper()
	m, err := d.Start()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// read reads records until one is described by a text that begins as wanted, and returns how many
// there were of each description before it.
func read(t *testing.T, d *lsgtest.Double, until string) map[string]int {
	t.Helper()
	seen := make(map[string]int)
	for {
		r, err := d.Next()
		if err != nil {
			t.Fatalf("before %q: %v; seen %v", until, err, seen)
		}
		text := describe(r)
		if strings.HasPrefix(text, until) {
			return seen
		}
		seen[text]++
	}
}

func eachMode(t *testing.T, f func(*testing.T, lsgtest.Mode)) {
	for _, mode := range lsgtest.Modes {
		t.Run(mode.String(), func(t *testing.T) { f(t, mode) })
	}
}

// The checks that the traps of the protocol call for, by their numbers in its description. Each is
// made with doubles that are as strict as the clients that would break.
func TestConformance(t *testing.T) {
	c := newConformance(t)
	opens := func(t *testing.T, mode lsgtest.Mode) { c.open(t, lsgtest.Config{Mode: mode}) }
	t.Run("01 greeting key", func(t *testing.T) { opens(t, lsgtest.Python); opens(t, lsgtest.DBNGo) })
	t.Run("02 greeting and challenge in one segment", func(t *testing.T) { opens(t, lsgtest.CPP) })
	t.Run("03 no extra key, no trailing pipe", func(t *testing.T) { opens(t, lsgtest.Python) })
	t.Run("04 session id is a number", func(t *testing.T) { opens(t, lsgtest.CPP) })
	t.Run("05 start line in three spellings", func(t *testing.T) {
		eachMode(t, func(t *testing.T, mode lsgtest.Mode) { start(t, c.open(t, lsgtest.Config{Mode: mode})) })
	})
	t.Run("06 absent keys take their defaults", func(t *testing.T) {
		d := c.open(t, lsgtest.Config{Mode: lsgtest.DBNGo})
		subscribe(t, d, "status", "ALFA")
		if m := start(t, d); m.TsOut || m.Version != dbn.Version {
			t.Errorf("metadata %+v", m)
		}
		read(t, d, "system 1: Subscription request 0 for status data succeeded")
		read(t, d, "mapping 1: raw_symbol ALFA is ALFA")
	})
	t.Run("07 metadata after a reconnect", func(t *testing.T) {
		eachMode(t, func(t *testing.T, mode lsgtest.Mode) {
			d := c.open(t, lsgtest.Config{Mode: mode})
			subscribe(t, d, "status", "ALFA", "NONE")
			first := *start(t, d)
			if err := d.Reconnect(c.connect(t)); err != nil {
				t.Fatal(err)
			}
			second := *start(t, d)
			if first.Start >= second.Start {
				t.Errorf("start %d, then %d", first.Start, second.Start)
			}
			read(t, d, "mapping")
		})
	})
	t.Run("08 ts_out on every record, heartbeats too", func(t *testing.T) {
		for _, mode := range []lsgtest.Mode{lsgtest.CPP, lsgtest.Rust, lsgtest.DBNGo} { // Python asks for 30 s
			d := c.open(t, lsgtest.Config{Mode: mode, TsOut: true})
			subscribe(t, d, "mbo", "ALFA", "NONE")
			m := start(t, d)
			for text := ""; !strings.HasPrefix(text, "system 0: Heartbeat"); {
				r, err := d.Next()
				if err != nil {
					t.Fatal(err)
				}
				text = describe(r)
				if ts, ok := r.TsOut(); !ok || ts < m.Start {
					t.Errorf("%s: ts_out %d, %t", text, ts, ok)
				}
			}
		}
	})
	t.Run("09 one zstd frame, flushed", func(t *testing.T) {
		for _, mode := range []lsgtest.Mode{lsgtest.CPP, lsgtest.Rust} {
			d := c.open(t, lsgtest.Config{Mode: mode, Zstd: true})
			subscribe(t, d, "mbo", "ALL_SYMBOLS")
			start(t, d)
			for range 3 {
				read(t, d, "system 0: Heartbeat")
			}
		}
	})
	t.Run("10 heartbeats while nothing is subscribed", func(t *testing.T) {
		d := c.open(t, lsgtest.Config{Mode: lsgtest.CPP})
		start(t, d)
		if seen := read(t, d, "system 0: Heartbeat"); len(seen) != 0 {
			t.Errorf("before the heartbeat: %v", seen)
		}
	})
	t.Run("11 no unknown record type", func(t *testing.T) {
		d := c.open(t, lsgtest.Config{Mode: lsgtest.Python})
		for _, schema := range schemas() {
			subscribe(t, d, schema.String(), "ALL_SYMBOLS")
		}
		start(t, d)
		for range schemas() {
			read(t, d, "system 1: ")
		}
		c.play(func(w *world) { w.steps(2000) })
		seen := read(t, d, "system 4: End of interval for ohlcv-1s")
		if seen["mbo"] == 0 || seen["mbp-10"] == 0 {
			t.Errorf("seen %v", seen)
		}
	})
	t.Run("12 repeated subscription ids", func(t *testing.T) {
		for _, mode := range []lsgtest.Mode{lsgtest.CPP, lsgtest.Python} {
			d := c.open(t, lsgtest.Config{Mode: mode})
			subscribe(t, d, "status", "ALFA")
			subscribe(t, d, "status", slices.Repeat([]string{"BRVO"}, 501)...)
			start(t, d)
			if err := d.Reconnect(c.connect(t)); err != nil {
				t.Fatal(err)
			}
			start(t, d)
			read(t, d, "mapping 1: raw_symbol ALFA is ALFA")
			read(t, d, "mapping 2: raw_symbol BRVO is BRVO")
		}
	})
	t.Run("13 records split at any byte", func(t *testing.T) {
		for _, chunk := range []int{1, 777} {
			eachMode(t, func(t *testing.T, mode lsgtest.Mode) {
				d := c.open(t, lsgtest.Config{Mode: mode, ReadMax: chunk})
				subscribe(t, d, "definition", "ALL_SYMBOLS")
				start(t, d)
				for _, symbol := range c.symbols() {
					read(t, d, fmt.Sprintf("mapping %d", slices.Index(c.symbols(), symbol)+1))
				}
			})
		}
	})
	t.Run("14 1,001 symbols on three lines, one acknowledgement", func(t *testing.T) {
		symbols := append(slices.Repeat([]string{"NONE"}, 1000), "ALFA")
		eachMode(t, func(t *testing.T, mode lsgtest.Mode) {
			d := c.open(t, lsgtest.Config{Mode: mode})
			subscribe(t, d, "status", symbols...)
			start(t, d)
			seen := read(t, d, "mapping 1: raw_symbol ALFA is ALFA")
			acks := 0
			for text, n := range seen {
				if strings.HasPrefix(text, "system 1: ") {
					acks += n
				}
			}
			unresolved := seen["error 4 (0): Failed to resolve symbol: NONE"] + seen["error 4 (1): Failed to resolve symbol: NONE"]
			if acks != 1 || unresolved != 1000 || seen["error 4 (1): Failed to resolve symbol: NONE"] != 1 {
				t.Errorf("%d acknowledgements, %d unresolved", acks, unresolved)
			}
		})
	})
	t.Run("15 a host and a port are all that a client needs", func(t *testing.T) {
		// dbn-go has no address to set: the dataset's host name must lead here. Nothing that is sent
		// names a host.
		d := c.open(t, lsgtest.Config{Mode: lsgtest.DBNGo})
		subscribe(t, d, "mbo", "ALFA")
		start(t, d)
		read(t, d, "mapping 1")
	})
	t.Run("16 a burst after the start line and a reader that pauses", func(t *testing.T) {
		d := c.open(t, lsgtest.Config{Mode: lsgtest.Python, SlowReader: "warn"})
		subscribe(t, d, "definition", "ALL_SYMBOLS")
		start(t, d)
		const n = 20_000 // 100,000 in TestManyInstruments
		c.play(func(w *world) {
			for i := range n {
				f := market.Facts{Definitions: []market.Definition{{TsRecv: w.now, Class: 'K', Instrument: market.Instrument{ID: market.InstrumentID(1000 + i), Symbol: fmt.Sprintf("S%d", i)}}}}
				w.stream.OnFacts(&f)
			}
			w.ring.Publish()
			w.ring.Wake()
		})
		c.until("the pause", func(st Stats) bool { return st.Counts.Stalls > 0 || st.Counts.Records > n })
		seen := read(t, d, fmt.Sprintf("mapping %d", 1000+n-1))
		if seen["definition"] != n-1 {
			t.Errorf("%d definitions, want %d", seen["definition"], n-1)
		}
		read(t, d, "definition")
	})
	t.Run("17 the error's text comes before the end", func(t *testing.T) {
		eachMode(t, func(t *testing.T, mode lsgtest.Mode) {
			d := c.open(t, lsgtest.Config{Mode: mode})
			subscribe(t, d, "cmbp-1", "ALFA")
			for range 20 { // the gateway reads what comes after the fault
				subscribe(t, d, "mbo", "ALFA")
			}
			start(t, d)
			read(t, d, "error 5 (1): dataset XSIM.ITCH has no schema cmbp-1")
			if _, err := d.Next(); err != io.EOF {
				t.Errorf("after the error: %v, want io.EOF", err)
			}
			var reason lsgtest.RefusedError
			_, err := lsgtest.Open(c.connect(t), lsgtest.Config{Mode: mode, Dataset: dataset, Key: strings.Repeat("x", 32)})
			if !errors.As(err, &reason) || reason != "authentication failed" {
				t.Errorf("another key: %v", err)
			}
		})
	})
}

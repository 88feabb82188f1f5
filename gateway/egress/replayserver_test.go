package egress

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tidegate/codec/dbn"
	"tidegate/codec/lsg"
	"tidegate/internal/bus"
	"tidegate/internal/lsgclient"
	"tidegate/market"
)

// Clients that come while the feed goes on, on several loops, in every form, and start whenever they like:
// what each gets is what one got that was there all along, until the server stops.
func TestReplayOverSockets(t *testing.T) {
	w := newWorld(t, bus.Config{Chunks: 8, ChunkBytes: 1 << 14}, 10*market.Minute)
	k := w.keep(t.TempDir(), keptSchemas...)
	s := newStage(t, w, func(c *Config) {
		c.Loops, c.Replays, c.PassBytes = 2, 4, 16<<10
		c.Feeds[0].History, c.Feeds[0].Name = k.history, feedName
	})
	k.do = func(f func()) { s.work <- f }
	var tape *tape
	play := func(n int) {
		s.play(func(w *world) {
			for range n {
				w.steps(1)
				tape.roll(nil)
			}
		})
	}
	s.play(func(w *world) { tape = w.newTape() })
	play(1500)
	type got struct {
		what    string
		schemas []dbn.Schema
		start   market.Nanos
		tsOut   bool
		records []dbn.Record
		err     error
	}
	const clients = 24
	results := make(chan got, clients)
	var reading sync.WaitGroup
	dice := rand.New(rand.NewPCG(3, 4))
	for i := range clients {
		schemas := []dbn.Schema{keptSchemas[i%4]}
		if i%3 == 0 {
			schemas = append(schemas, keptSchemas[4+i%2])
		}
		var start market.Nanos
		s.play(func(*world) {
			times := timesIn(tape.records[schemas[0]])
			start = min(times[dice.IntN(len(times))], s.now-3*market.Second)
		})
		if i%5 == 0 {
			start = 0
		}
		form := i % 3
		c := s.client(func(c *lsgclient.Config) {
			if form == 1 {
				c.TsOut, c.Compression = true, lsg.CompressionZstd
			}
		})
		for _, schema := range schemas {
			if err := c.Subscribe(schema, dbn.STypeRawSymbol, []string{lsg.AllSymbols}, false, start); err != nil {
				t.Fatal(err)
			}
		}
		s.start(c)
		pause := time.Duration(dice.IntN(3)) * time.Millisecond
		reading.Go(func() {
			records, err := collect(slowly{c, pause}, form == 1)
			c.Close()
			results <- got{fmt.Sprintf("client %d from %d", i, start), schemas, start, form == 1, records, err}
		})
		play(40)
	}
	for range 50 {
		play(20)
		time.Sleep(time.Millisecond)
	}
	s.until("the end of all replays", func(st Stats) bool {
		for i := range st.Sessions {
			if st.Sessions[i].Replaying || st.Sessions[i].Behind > 0 || st.Sessions[i].Held > 0 {
				return false
			}
		}
		return st.Counts.Replays == clients
	})
	play(50)
	s.stop("the test is over")
	reading.Wait()
	close(results)
	for g := range results {
		if g.err != nil {
			t.Errorf("%s: %v", g.what, g.err)
			continue
		}
		if last := describe(g.records[len(g.records)-1]); !strings.HasPrefix(last, "system 255: gateway is stopping") {
			t.Errorf("%s: ended by %s", g.what, last)
		}
		all := byType(t, g.what, g.records)
		for _, schema := range g.schemas {
			bytes := all[rtypeOf(schema)]
			if g.tsOut {
				bytes = unstamp(t, bytes)
			}
			equalBytes(t, g.what+", "+schema.String(), bytes, since(schema, tape.records[schema], g.start))
		}
	}
}

// slowly is a client that pauses now and then.
type slowly struct {
	*lsgclient.Client
	pause time.Duration
}

func (s slowly) Next() (dbn.Record, error) {
	if s.pause > 0 && rand.IntN(500) == 0 {
		time.Sleep(s.pause)
	}
	return s.Client.Next()
}

// A server that is stopped in the middle of replays leaves nothing behind: no goroutine, no file.
func TestStopWhileReplaying(t *testing.T) {
	w := newWorld(t, bus.Config{Chunks: 8, ChunkBytes: 1 << 14}, 10*market.Minute)
	dir := t.TempDir()
	k := w.keep(dir, keptSchemas...)
	s := newStage(t, w, func(c *Config) {
		c.SendBufferBytes, c.PassBytes, c.CloseTimeout = 16<<10, 16<<10, time.Second
		c.Feeds[0].History, c.Feeds[0].Name = k.history, feedName
	})
	k.do = func(f func()) { s.work <- f }
	s.play(func(w *world) { w.steps(5000) })
	k.durable()
	before := opened(dir)
	for range 8 {
		c := s.client(nil)
		if err := c.Subscribe(dbn.SchemaMBO, dbn.STypeRawSymbol, []string{lsg.AllSymbols}, false, 0); err != nil {
			t.Fatal(err)
		}
		s.start(c)
		if _, err := c.Next(); err != nil && err != io.EOF {
			t.Fatal(err)
		}
	}
	s.until("a replay", func(st Stats) bool { return st.Counts.Replays > 0 })
	if n := opened(dir); n <= before {
		t.Errorf("%d files are open, %d before", n, before)
	}
	s.stop("now")
	if n := opened(dir); n != before {
		t.Errorf("%d files are open, %d before", n, before)
	}
}

// opened returns how many files of a directory this process has open.
func opened(dir string) (n int) {
	open, _ := filepath.Glob("/proc/self/fd/*")
	for _, fd := range open {
		if name, err := os.Readlink(fd); err == nil && strings.HasPrefix(name, dir+"/") {
			n++
		}
	}
	return n
}

package egress

import (
	"sync"
	"testing"

	"tidegate/codec/dbn"
	"tidegate/codec/lsg"
	"tidegate/internal/lsgclient"
	"tidegate/market"
)

// visits returns how many passes the writer of the ring has made.
func (s *stage) visits() uint64 {
	reply := make(chan uint64)
	l := s.server.allLoops()[0]
	l.do(func(*loop, market.Nanos) { reply <- l.visits })
	return <-reply
}

// follow subscribes a client to everything in mbo, and reads it to its end once it may begin.
func (s *stage) follow(wg *sync.WaitGroup, begin <-chan struct{}) (records *[]dbn.Record) {
	s.t.Helper()
	c := s.client(nil)
	s.subscribe(c, dbn.SchemaMBO, false, lsg.AllSymbols)
	s.start(c)
	records = new([]dbn.Record)
	wg.Go(func() {
		<-begin
		all, err := collect(c, false)
		c.Close()
		if err != nil {
			s.t.Error(err)
		}
		*records = all
	})
	return records
}

// atOnce is for those who read from the start.
var atOnce = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// settled waits until the loop has nothing of its own to do for so many sessions.
func (s *stage) settled(sessions int) {
	s.t.Helper()
	s.until("sessions to be live", func(st Stats) bool {
		reply := make(chan bool)
		s.server.allLoops()[0].do(func(l *loop, _ market.Nanos) {
			solo := 0
			for _, f := range l.followers {
				solo += len(f.solo)
			}
			reply <- solo == 0
		})
		return <-reply && st.States["streaming"] == sessions
	})
}

// The writer of the ring serves a few sessions itself, and leaves them to the loop while there are more,
// or one that is compressed. Nobody notices by what he gets.
func TestInline(t *testing.T) {
	s := newStage(t, newWorld(t, bigRing, 10*market.Second), func(c *Config) { c.InlineSessions = 2 })
	var tape *tape
	s.play(func(w *world) { tape = w.newTape() })
	var wg sync.WaitGroup
	one := s.follow(&wg, atOnce)
	two := s.follow(&wg, atOnce)

	visited := func(what string, want bool) {
		t.Helper()
		before := s.visits()
		s.play(func(w *world) { w.steps(300) })
		if got := s.visits() - before; (got > 0) != want {
			t.Errorf("%s: %d visits", what, got)
		}
	}
	s.settled(2)
	visited("two sessions", true)
	third := s.client(nil)
	s.subscribe(third, dbn.SchemaMBO, false, lsg.AllSymbols)
	s.start(third)
	s.settled(3)
	visited("three sessions", false)
	third.Close()
	s.settled(2)
	visited("two sessions again", true)

	s.rest()
	s.play(func(*world) { tape.roll(nil) })
	s.stop("end")
	wg.Wait()
	for _, records := range [][]dbn.Record{*one, *two} {
		equalBytes(t, "records", raw(records), tape.records[dbn.SchemaMBO])
	}
}

func TestCompressedSessionsAreNotServedInline(t *testing.T) {
	s := newStage(t, newWorld(t, bigRing, 10*market.Second), func(c *Config) { c.InlineSessions = 10 })
	c := s.client(func(c *lsgclient.Config) { c.Compression = lsg.CompressionZstd })
	s.subscribe(c, dbn.SchemaMBO, false, lsg.AllSymbols)
	s.start(c)
	s.settled(1)
	s.play(func(w *world) { w.steps(300) })
	if n := s.visits(); n != 0 {
		t.Errorf("%d visits, want none", n)
	}
}

// What a network does not take from the writer of the ring, the loop sends, in order: one client reads
// only when everything was published.
func TestInlineBehind(t *testing.T) {
	s := newStage(t, newWorld(t, bigRing, 10*market.Second), func(c *Config) {
		c.InlineSessions, c.SendBufferBytes = 10, 8<<10
	})
	var tape *tape
	s.play(func(w *world) { tape = w.newTape() })
	var wg sync.WaitGroup
	late := make(chan struct{})
	prompt := s.follow(&wg, atOnce)
	behind := s.follow(&wg, late)
	s.settled(2)
	s.rest()
	if s.visits() == 0 {
		t.Error("no visits")
	}
	close(late)
	s.play(func(*world) { tape.roll(nil) })
	s.stop("end")
	wg.Wait()
	equalBytes(t, "prompt", raw(*prompt), tape.records[dbn.SchemaMBO])
	equalBytes(t, "behind", raw(*behind), tape.records[dbn.SchemaMBO])
}

// Clients come and go while the writer of the ring writes to them.
func TestInlineClientsThatGo(t *testing.T) {
	s := newStage(t, newWorld(t, bigRing, 10*market.Second), func(c *Config) { c.InlineSessions = 1000 })
	over := make(chan struct{})
	s.work <- func() {
		for s.step() {
		}
		close(over)
	}
	var staying []*lsgclient.Client
	for n, playing := 0, true; playing || n < 20; n++ {
		select {
		case <-over:
			playing = false
		default:
		}
		c := s.client(nil)
		s.subscribe(c, dbn.SchemaMBO, false, lsg.AllSymbols)
		s.start(c)
		if _, err := c.Next(); err != nil {
			t.Error(err)
		}
		if staying = append(staying, c); len(staying) > 5 {
			staying[0].Close()
			staying = staying[1:]
		}
	}
	if s.visits() == 0 {
		t.Skip("SKIPPED: the day was over before the writer visited a session")
	}
}

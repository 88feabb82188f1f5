package recovery_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tidegate/gateway"
	"tidegate/gateway/breaker"
	"tidegate/gateway/providers"
	"tidegate/gateway/recovery"
	"tidegate/market"
)

func bubble(t *testing.T, f func(t *testing.T)) { synctest.Test(t, f) }

// gap makes a gap that nothing fills.
func (w *world) gap() {
	w.t.Helper()
	gaps := w.out.gaps
	w.lose = 5
	for range 500 {
		w.run(10 * ms)
		if w.out.gaps > gaps {
			return
		}
	}
	w.t.Fatal("the loss left no gap")
}

// TestGap: books with a hole behind them are made anew while the market goes on, and are right again.
func TestGap(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, 21, nil)
		s := &server{w: w, name: "one", delay: 200 * time.Millisecond}
		w.serve(nil, s)
		w.run(3 * market.Second)
		if l := w.ledger(); l.Wanted != 0 || l.Servers[0].Attempts != 0 {
			t.Fatalf("attempts without a reason: %+v", l)
		}
		w.gap()
		if !w.pipeline.Suspect() {
			t.Fatal("the pipeline does not know of the gap")
		}
		w.run(market.Second)
		l := w.ledger()
		if w.pipeline.Suspect() || l.Wanted != 1 || l.Attempts(recovery.Done) != 1 || l.Blocks < 2 || l.Bytes == 0 {
			t.Fatalf("suspect %v, %+v", w.pipeline.Suspect(), l)
		}
		if c := w.pipeline.Rebuilds(); c.Done != 1 || c.Applied == 0 || c.Messages != l.Messages {
			t.Errorf("%+v, the ledger has %d messages", c, l.Messages)
		}
		from := len(w.out.events)
		w.settle()
		if n := w.out.flags(from); n > 0 {
			t.Errorf("%d events are still marked", n)
		}

		// And again: what is wanted later is got later.
		w.run(market.Second)
		w.gap()
		w.run(market.Second)
		if l := w.ledger(); l.Attempts(recovery.Done) != 2 || len(s.held) != 2 || s.held[0] >= s.held[1] {
			t.Errorf("%+v, held %d", l, s.held)
		}
		w.settle()
	})
}

// TestNextServer: a server that does not answer, or not rightly, is followed by the next, and left alone.
func TestNextServer(t *testing.T) {
	first := func(n int) func([][]byte, *uint64) [][]byte {
		return func(m [][]byte, _ *uint64) [][]byte { return m[:n] }
	}
	for _, tt := range []struct {
		name string
		bad  server
		want recovery.Outcome
		says string
	}{
		{"dead", server{broken: errors.New("connection refused"), change: first(0)}, recovery.Unreachable, "connection refused"},
		{"silent", server{delay: time.Hour}, recovery.TimedOut, "deadline exceeded"},
		{"drips", server{slow: 30 * time.Millisecond}, recovery.TimedOut, "deadline exceeded"},
		{"breaks", server{broken: recovery.ErrBroken, change: first(20)}, recovery.Broken, "without an end"},
		{"another session", server{session: "OTHER"}, recovery.WrongSession, `of session "OTHER": the channel's is "TIDE000001"`},
		{"without an end", server{change: func(m [][]byte, _ *uint64) [][]byte {
			return slices.Concat(m, slices.Repeat(m[:1], 200_000))
		}}, recovery.TooLarge, "larger than it may be"},
		{"old", server{change: func(m [][]byte, next *uint64) [][]byte { *next -= 1000; return m }}, recovery.Old, "older"},
		{"at nothing", server{change: func(m [][]byte, next *uint64) [][]byte { *next = 0; return m }}, recovery.Old, "older"},
		{"from the future", server{change: func(m [][]byte, next *uint64) [][]byte { *next = 1 << 60; return m }}, recovery.Ahead, "ahead"},
		{"ahead for too long", server{change: func(m [][]byte, next *uint64) [][]byte { *next += 900_000; return m }}, recovery.Ahead, "ahead"},
		{"garbage", server{change: func(m [][]byte, _ *uint64) [][]byte {
			return slices.Insert(m, 30, []byte("HTTP/1.1 400 Bad Request"))
		}}, recovery.Garbage, "48 54 54 50"},
		{"empty messages", server{change: func(m [][]byte, _ *uint64) [][]byte {
			return slices.Insert(m, 30, nil)
		}}, recovery.Garbage, "no message"},
		{"contradictions", server{change: func(m [][]byte, _ *uint64) [][]byte {
			return append(m, m[len(m)-1]) // an order twice
		}}, recovery.Garbage, "faulty"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, 22, nil)
				bad := tt.bad
				bad.w, bad.name = w, "bad"
				w.serve(func(c *recovery.Config) {
					c.Deadline, c.MessagesMax = 3*time.Second, 100_000
				}, &bad, &server{w: w, name: "good"})
				w.run(2 * market.Second)
				w.gap()
				w.run(6 * market.Second)
				l := w.ledger()
				if l.Attempts(tt.want) != 1 || l.Servers[0].Outcomes[tt.want] != 1 || l.Servers[1].Outcomes[recovery.Done] != 1 {
					t.Errorf("want one %v, then one done: %+v", tt.want, l)
				}
				if l.Servers[0].Opened != 1 || !strings.Contains(l.Servers[0].LastError, tt.says) {
					t.Errorf("want an open breaker because of %q: %+v", tt.says, l.Servers[0])
				}
				w.settle()
			})
		})
	}
}

// TestAllDead: without a snapshot the gap stays announced and what is behind it marked, attempts become rare,
// and the first server that comes back is taken.
func TestAllDead(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, 23, nil)
		dead := errors.New("connection refused")
		one, two := &server{w: w, name: "one", broken: dead}, &server{w: w, name: "two", broken: dead}
		w.serve(nil, one, two)
		w.run(2 * market.Second)
		w.gap()
		from := len(w.out.events)
		w.run(2 * market.Minute)
		if n := len(w.out.events) - from; w.out.flags(from) != n || n == 0 || !w.pipeline.Suspect() {
			t.Errorf("%d of %d events are marked", w.out.flags(from), n)
		}
		l := w.ledger()
		n := l.Attempts(recovery.Unreachable)
		if n < 4 || n > 14 || l.Wanted != 1 || l.WaitsServers == 0 {
			t.Errorf("%d attempts in two minutes: %+v", n, l)
		}
		two.broken = nil
		w.run(90 * market.Second)
		if l := w.ledger(); l.Attempts(recovery.Done) != 1 || w.pipeline.Suspect() {
			t.Errorf("%+v", l)
		}
		w.settle()
	})
}

// TestBudget: attempts are bounded per minute, whatever becomes of them.
func TestBudget(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, 24, nil)
		w.serve(func(c *recovery.Config) { c.PerMinute, c.IntervalMin = 3, 100*ms }, &server{w: w, name: "one"})
		w.run(2 * market.Second)
		for range 20 {
			w.gap()
			w.run(2 * market.Second)
		}
		if l := w.ledger(); l.Attempts(recovery.Done) != 3 || l.WaitsBudget == 0 {
			t.Errorf("%+v", l)
		}
		w.run(market.Minute)
		if l := w.ledger(); l.Attempts(recovery.Done) != 4 || w.pipeline.Suspect() {
			t.Errorf("a minute later: %+v", l)
		}
		w.settle()
	})
}

// TestLateStart: a channel that is joined in the middle of its day publishes nothing before its snapshot.
func TestLateStart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newLate(t, 25)
		w.serve(nil, &server{w: w, name: "one", delay: time.Second})
		w.run(900 * ms)
		if n := len(w.out.events); n != 0 || !w.pipeline.Withheld() {
			t.Fatalf("%d events before the snapshot, withheld %v", n, w.pipeline.Withheld())
		}
		w.run(market.Second)
		l := w.ledger()
		if l.Attempts(recovery.Done) != 1 || l.Released != 0 || w.pipeline.Withheld() {
			t.Fatalf("withheld %v, %+v", w.pipeline.Withheld(), l)
		}
		w.settle()
		if n := w.out.flags(0); n > 0 {
			t.Errorf("%d events are marked", n)
		}
	})
}

// newLate is a world whose channel is joined in its middle.
func newLate(t *testing.T, seed uint64) *world {
	w := newWorld(t, seed, func(c *gateway.Config) { c.WithholdJoined = true })
	w.drop = true
	w.run(5 * market.Second)
	w.drop = false
	return w
}

// TestLateStartWithoutSnapshot: when none can be had, what there is is published, marked; and made anew when one
// can.
func TestLateStartWithoutSnapshot(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newLate(t, 26)
		s := &server{w: w, name: "one", broken: errors.New("connection refused")}
		w.serve(nil, s)
		w.run(14 * market.Second)
		if n := len(w.out.events); n != 0 {
			t.Fatalf("%d events before it was given up", n)
		}
		w.run(2 * market.Second)
		if n := len(w.out.events); n == 0 || w.out.flagged != n || w.ledger().Released != 1 {
			t.Fatalf("%d of %d events are marked, %+v", w.out.flagged, n, w.ledger())
		}
		s.broken = nil
		w.run(market.Minute)
		if l := w.ledger(); l.Attempts(recovery.Done) != 1 || l.Released != 1 {
			t.Errorf("%+v", l)
		}
		w.settle()
	})
}

// TestNotTheServersFault: an attempt that the channel overtakes is no failure of the server.
func TestNotTheServersFault(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, 27, nil)
		w.serve(func(c *recovery.Config) { c.KeptMax = recovery.BlockMax }, &server{w: w, name: "one", delay: 3 * time.Second})
		w.run(2 * market.Second)
		w.gap()
		w.run(4 * market.Second)
		l := w.ledger()
		if l.Servers[0].Outcomes[recovery.KeptFull] != 1 || l.Servers[0].Opened != 0 || l.Servers[0].Attempts != 2 {
			t.Errorf("%+v", l)
		}
		w.venue.Close() // the end of the session, and no books that are wanted
		w.run(10 * market.Second)
		w.ledger()
	})
}

// TestForce: an operator's will is done.
func TestForce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, 28, nil)
		w.serve(nil, &server{w: w, name: "one"}, &server{w: w, name: "two"})
		w.snaps.Force(0, breaker.ForceOpen)
		w.run(2 * market.Second)
		w.gap()
		w.run(market.Second)
		if l := w.ledger(); l.Servers[0].Attempts != 0 || l.Servers[1].Outcomes[recovery.Done] != 1 {
			t.Errorf("%+v", l)
		}
	})
}

// TestStoppedLoop: a loop that ends in the middle of an attempt leaves nothing running.
func TestStoppedLoop(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, 29, nil)
		w.serve(nil, &server{w: w, name: "one", slow: time.Millisecond})
		w.run(2 * market.Second)
		w.gap()
		w.run(100 * ms)
		if l := w.ledger(); !l.Servers[0].UnderWay {
			t.Fatalf("no attempt under way: %+v", l)
		}
		w.mu.Lock()
		w.stopped = true
		w.mu.Unlock()
		w.snaps.Close()
	})
}

// TestReplay: what was recorded gives what was published, without a server.
func TestReplay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newLate(t, 30)
		bad := &server{w: w, name: "bad", change: func(m [][]byte, next *uint64) [][]byte { *next -= 1000; return m }}
		w.serve(nil, bad, &server{w: w, name: "good", delay: 300 * time.Millisecond})
		w.run(10 * market.Second)
		w.gap()
		w.run(10 * market.Second)
		if l := w.ledger(); l.Attempts(recovery.Done) != 2 || l.Attempts(recovery.Old) != 1 {
			t.Fatalf("%+v", l)
		}

		again := newGate(t, func(c *gateway.Config) { c.WithholdJoined = true })
		var last market.Nanos
		for _, in := range w.tape {
			if _, rec, ok := recovery.ParseInput(in.payload); ok {
				if last < rec.At {
					last = rec.At
					again.onTick(last)
				}
				_ = recovery.Apply(again.pipeline, rec) // what was refused live is refused again
				continue
			}
			last = max(last, in.at)
			again.onTick(last)
			again.pipeline.OnDatagram(in.line, in.at, in.payload)
		}
		again.onTick(w.now())
		if len(again.out.events) != len(w.out.events) || len(w.out.events) == 0 {
			t.Fatalf("%d events, live there were %d", len(again.out.events), len(w.out.events))
		}
		for i := range w.out.events {
			if again.out.events[i] != w.out.events[i] {
				t.Fatalf("event %d is %+v, live it was %+v", i, again.out.events[i], w.out.events[i])
			}
		}
	})
}

// TestNewSnapshotsRefuses: what makes no sense is said at once.
func TestNewSnapshotsRefuses(t *testing.T) {
	g := newGate(t, nil)
	plain, err := gateway.New(gateway.DefaultConfig(gateway.ITCH), void{})
	if err != nil {
		t.Fatal(err)
	}
	feed, err := providers.New(providers.DefaultConfig("venue"), g.out, g.out)
	if err != nil {
		t.Fatal(err)
	}
	deep, err := gateway.New(gateway.DefaultConfig(gateway.DEEP), feed.Port(0))
	if err != nil {
		t.Fatal(err)
	}
	servers := []recovery.Source{recovery.NewGlimpse("127.0.0.1:1", "a", "b")}
	for _, tt := range []struct {
		p       *gateway.Pipeline
		servers []recovery.Source
		change  func(*recovery.Config)
		want    string
	}{
		{g.pipeline, servers, nil, ""},
		{g.pipeline, nil, nil, "snapshots: no servers"},
		{g.pipeline, []recovery.Source{recovery.NewGlimpse("127.0.0.1", "a", "b")}, nil, `server 127.0.0.1: address "127.0.0.1": want host:port`},
		{plain, servers, nil, "cannot publish books anew"},
		{deep, servers, nil, "feed deep: has no snapshots"},
		{g.pipeline, servers, func(c *recovery.Config) { c.Deadline = 0 }, "deadline 0s: want"},
		{g.pipeline, servers, func(c *recovery.Config) { c.MessagesMax = 0 }, "messages max 0"},
		{g.pipeline, servers, func(c *recovery.Config) { c.BytesMax = 0 }, "bytes max 0"},
		{g.pipeline, servers, func(c *recovery.Config) { c.KeptMax = 100 }, "kept max 100 bytes"},
		{g.pipeline, servers, func(c *recovery.Config) { c.IntervalMin = -1 }, "interval min"},
		{g.pipeline, servers, func(c *recovery.Config) { c.PerMinute = 0 }, "0 attempts per minute"},
		{g.pipeline, servers, func(c *recovery.Config) { c.PauseMax = 0 }, "pause 250ms to 0s"},
		{g.pipeline, servers, func(c *recovery.Config) { c.GiveUpAfter = -1 }, "give up after"},
		{g.pipeline, servers, func(c *recovery.Config) { c.Breaker.Probes = 0 }, "0 probes"},
	} {
		cfg := recovery.DefaultConfig()
		if tt.change != nil {
			tt.change(&cfg)
		}
		s, err := recovery.NewSnapshots(cfg, tt.p, tt.servers, g.do)
		if tt.want == "" {
			if err != nil {
				t.Error(err)
				continue
			}
			s.Close()
		} else if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want %q", err, tt.want)
		}
	}
}

// TestWalk: every counter has a name of its own and a sentence.
func TestWalk(t *testing.T) {
	l := recovery.Ledger{Servers: make([]recovery.ServerLedger, 2)}
	names := map[string]bool{}
	l.Walk(func(name string, _ uint64, sentence string) {
		if names[name] || !strings.HasSuffix(sentence, ".") {
			t.Errorf("%s: %q", name, sentence)
		}
		names[name] = true
	})
	if !names["server_1.wrong_session"] || !names["released"] {
		t.Errorf("%v", names)
	}
}

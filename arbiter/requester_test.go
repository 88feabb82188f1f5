package arbiter

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"tidegate/market"
)

func TestRequestConfigExplainsWhatIsWrong(t *testing.T) {
	for servers := 1; servers <= 4; servers++ {
		if err := DefaultRequestConfig(servers).Validate(DefaultConfig().GapDeadline); err != nil {
			t.Errorf("defaults for %d servers: %v", servers, err)
		}
	}
	for _, c := range []struct {
		spoil func(*RequestConfig)
		want  string
	}{
		{func(c *RequestConfig) { c.Servers = 0 }, "servers 0: want 1 to 16"},
		{func(c *RequestConfig) { c.Servers = 17 }, "servers 17: want"},
		{func(c *RequestConfig) { c.RequestAfter = -1 }, "request after -1 ns: want 0 to"},
		{func(c *RequestConfig) { c.Timeout = 0 }, "timeout 0 ns: want 100000 to"},
		{func(c *RequestConfig) { c.MessagesMax = 65_535 }, "messages max 65535: want 1 to 65534"},
		{func(c *RequestConfig) { c.InFlightMax = 257 }, "in flight max 257: want 1 to 256"},
		{func(c *RequestConfig) { c.GapMax = 0 }, "gap max 0 messages: want 1 to"},
		{func(c *RequestConfig) { c.RequestsPerSecond = 0 }, "requests per second 0: want 1 to"},
		{func(c *RequestConfig) { c.MessagesPerSecond = 1e6 + 1 }, "messages per second 1000001: want 1 to"},
		{func(c *RequestConfig) { c.FailuresMax = 0 }, "failures max 0: want at least 1"},
		{func(c *RequestConfig) { c.RestMin = c.Timeout - 1 }, "rest 9999999 to 10000000000 ns: want at least the timeout, 10000000,"},
		{func(c *RequestConfig) { c.RestMax = c.RestMin - 1 }, "the longer one last"},
		{
			func(c *RequestConfig) { c.Servers = 5 },
			"gap deadline 50000000 ns: want at least 52000000: request after 2000000 and a timeout of 10000000 for each of 5 servers",
		},
	} {
		cfg := DefaultRequestConfig(1)
		c.spoil(&cfg)
		a, err := New(DefaultConfig(), &discard{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err = NewRequester(cfg, a); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error is %v, want one with %q", err, c.want)
		}
	}
	if _, err := NewRequester(DefaultRequestConfig(1), nil); err == nil {
		t.Error("no arbiter is taken")
	}
}

func TestSessionBytes(t *testing.T) {
	for in, want := range map[string]string{"TIDE000001": "TIDE000001", "TIDE": "TIDE\x00\x00\x00\x00\x00\x00", "": strings.Repeat("\x00", 10)} {
		if got := SessionOf([]byte(in)).AppendBytes([]byte("<")); !bytes.Equal(got, []byte("<"+want)) {
			t.Errorf("bytes of %q are %q, want %q", in, got, want)
		}
	}
}

// A budget agrees with exact arithmetic, however often it is looked at.
func TestBudget(t *testing.T) {
	for _, c := range []struct {
		perSecond int
		atOnce    int64
	}{{1, 1}, {7, 3}, {1000, 100}, {perSecondMax, perSecondMax / 10}} {
		for _, step := range []market.Nanos{1, 999, market.Millisecond + 1, market.Second / 3} {
			b := newBudget(c.perSecond, c.atOnce)
			now, taken := 1000*market.Second, int64(0)
			start := now
			for range 5000 {
				b.refill(now)
				if at := b.when(1); at <= now {
					b.take(1)
					taken++
				} else if left := market.Nanos(nanounits / c.perSecond); at-now > left+1 {
					t.Fatalf("%d a second: one more in %d ns", c.perSecond, at-now)
				}
				now += step
			}
			// It was never full again if it was asked more often than it fills.
			allowed := c.atOnce + int64(now-start)*int64(c.perSecond)/nanounits
			if taken > allowed || c.atOnce > 1 && int64(step)*int64(c.perSecond) < nanounits && taken < min(5000, allowed-1) {
				t.Errorf("%+v every %d ns: %d taken, %d allowed", c, step, taken, allowed)
			}
		}
	}
	b := newBudget(10, 5)
	b.refill(market.Second)
	b.take(5)
	if at := b.when(5); at != market.Second+500*market.Millisecond {
		t.Errorf("five more at %d", at)
	}
	b.refill(market.Second + 499_999_999)
	if b.when(5) != market.Second+500*market.Millisecond {
		t.Errorf("five more at %d", b.when(5))
	}
	b.refill(market.Hour * 1000) // more than it can hold
	b.take(5)
	if b.when(1) != market.Hour*1000+100*market.Millisecond {
		t.Errorf("one more at %d", b.when(1))
	}
}

// A request is remembered for as long as its answer may come, and not in the way of others.
func TestAskedListGoesRound(t *testing.T) {
	l := newAskedList(4)
	l.add(question{from: 1, to: 2, at: 1})
	for i := range uint64(askedMax - 1) {
		if l.full() {
			t.Fatalf("full after %d", i)
		}
		l.add(question{from: 10 + i, to: 11 + i, at: market.Nanos(2 + i)})
		l.land(&l.ring[l.flying[1]], answered)
	}
	if q := l.earliest(); !l.full() || q.at != 1 {
		t.Fatalf("the earliest is %+v, full is %v: want the first, whose place is next", q, l.full())
	}
	l.land(l.earliest(), timedOut)
	if l.full() || l.earliest() != nil {
		t.Fatal("full, or something is in flight")
	}
	// A request that was answered does not hide an older one when its place is taken.
	l.add(question{from: 1, to: 2, at: 2000})
	l.add(question{from: 2, to: 3, at: 2001})
	l.land(&l.ring[l.flying[0]], answered)
	for i := range uint64(askedMax - 2) {
		l.add(question{from: 10 + i, to: 11 + i, at: market.Nanos(2002 + i)})
		l.land(&l.ring[l.flying[1]], answered)
	}
	l.add(question{from: 1, to: 2, at: 4000})
	if q := l.earliest(); q.at != 2001 {
		t.Errorf("the earliest is %+v", q)
	}
	l.land(l.earliest(), answered)
	l.land(l.earliest(), answered)
	for i := range uint64(4) {
		l.add(question{from: 100 - i, to: 101 - i, at: market.Nanos(5000 + i)})
	}
	if q := l.earliest(); !l.full() || q.at != 5000 || l.ring[l.flying[0]].from != 97 {
		t.Errorf("the earliest is %+v", q)
	}
	for _, c := range []struct{ from, to, wantFrom, wantTo uint64 }{
		{90, 99, 90, 97}, {97, 101, 101, 101}, {98, 200, 101, 200}, {101, 102, 101, 102}, {99, 100, 100, 100},
	} {
		if from, to := l.uncovered(c.from, c.to); from != c.wantFrom && c.wantFrom < c.wantTo || to != c.wantTo {
			t.Errorf("of [%d, %d), [%d, %d) is not in flight, want [%d, %d)", c.from, c.to, from, to, c.wantFrom, c.wantTo)
		}
	}
}

func TestRequestLedgerExplains(t *testing.T) {
	ledger := RequestLedger{Servers: 2}
	names := map[string]bool{}
	ledger.Walk(func(name string, _ uint64, sentence string) {
		if names[name] || !strings.HasSuffix(sentence, ".") || len(sentence) < 20 {
			t.Errorf("counter %s: %q", name, sentence)
		}
		names[name] = true
	})
	if !names["server_1.answered.messages"] || !names["waits_budget"] || names["server_2.rests"] {
		t.Errorf("counters %v", names)
	}
	ledger.Server[1].Requests.add(5)
	if err := ledger.Balanced(); err == nil || err.Error() != "server 1: 1 requests for 5 messages; outcomes add up to 0 for 0" {
		t.Errorf("error %v", err)
	}
	for s := Serving; s <= Probing; s++ {
		if strings.HasSuffix(s.String(), "?") {
			t.Errorf("state %d has no name", s)
		}
	}
	if (Probing + 1).String() != "state?" {
		t.Error("a state beyond the last has a name")
	}
}

// Once made, neither requests nor answers allocate.
func TestRequesterDoesNotAllocate(t *testing.T) {
	a, err := New(DefaultConfig(), &discard{})
	if err != nil {
		t.Fatal(err)
	}
	cfg := DefaultRequestConfig(2)
	cfg.RequestsPerSecond, cfg.MessagesPerSecond = perSecondMax, perSecondMax
	r, err := NewRequester(cfg, a)
	if err != nil {
		t.Fatal(err)
	}
	now, seq, asked := worldStart, uint64(1), 0
	p := Packet{Session: SessionOf([]byte("S")), TsSend: market.UndefTime}
	give := func(line LineID, at uint64, count uint32) {
		p.Line, p.Seq, p.Count, p.TsRecv = line, at, count, now
		p.Messages = zeros[:count]
		if line == LineR {
			r.OnPacket(&p)
		} else {
			a.OnPacket(&p)
		}
		for _, ok := r.Next(now); ok; _, ok = r.Next(now) {
			asked++
		}
	}
	give(LineA, 1, 1)
	seq = 2
	if n := testing.AllocsPerRun(1000, func() {
		give(LineA, seq+100, 1)
		give(LineR, seq, 10)
		now += 11 * market.Millisecond // the rest is asked for again
		give(LineR, seq+50, 50)
		give(LineR, seq+10, 40)
		now += market.Millisecond
		seq += 101
	}); n != 0 {
		t.Errorf("%v allocations a round, want 0", n)
	}
	if ledger := r.Ledger(); asked < 4000 || ledger.Sum().TimedOut.Requests == 0 || a.Next() != seq {
		t.Errorf("%d asked for, %+v, next %d", asked, ledger.Sum(), a.Next())
	}
}

var zeros = make([]byte, 64)

// Any packets on any lines at any times: no panic, no request twice while in flight, and both accounts
// balance.
func FuzzRequester(f *testing.F) {
	f.Add([]byte{0, 1, 1, 1, 0, 9, 1, 1, 2, 2, 3, 1, 3, 0, 0, 200})
	f.Add([]byte{0, 1, 8, 1, 4, 9, 1, 1, 0, 1, 1, 1, 7, 0, 0, 255, 2, 1, 1, 1})
	f.Fuzz(func(t *testing.T, program []byte) {
		a, err := New(smallConfig(4), &discard{})
		if err != nil {
			t.Fatal(err)
		}
		cfg := DefaultRequestConfig(2)
		cfg.MessagesMax, cfg.InFlightMax, cfg.FailuresMax, cfg.RestMin = 3, 3, 2, cfg.Timeout
		r, err := NewRequester(cfg, a)
		if err != nil {
			t.Fatal(err)
		}
		now := worldStart
		ask := func(at market.Nanos) {
			for n := 0; ; n++ {
				q, ok := r.Next(at)
				if !ok {
					break
				}
				if n > cfg.InFlightMax || q.Count < 1 || q.Count > cfg.MessagesMax || q.Session != a.session || r.asked.crowds(q) {
					t.Fatalf("request %d at this time: %+v", n, q)
				}
			}
			if due := r.Due(); due.Defined() && due <= at {
				t.Fatalf("due at %d, and it is %d", due, at)
			}
		}
		for ; len(program) >= 4; program = program[4:] {
			what, seq, count, wait := program[0], program[1], program[2], program[3]
			now += market.Nanos(wait) * 100 * market.Microsecond
			tickBoth(a, r, now, ask)
			p := Packet{
				Session: SessionOf([]byte{'S', what >> 6 & 1}), Seq: uint64(seq), Count: uint32(count % 8), TsRecv: now, TsSend: market.UndefTime,
				Line: []LineID{LineA, LineB, LineR}[what%3], Kind: Kind(what >> 4 % 4),
			}
			if what&8 != 0 {
				p.TsSend = now
			}
			if what&128 != 0 {
				p.Seq += 1 << 63
			}
			p.Messages = zeros[:p.Count]
			if p.Line == LineR {
				r.OnPacket(&p)
			} else {
				a.OnPacket(&p)
			}
			ask(now)
			ledger, requests := a.Ledger(), r.Ledger()
			if err := errors.Join(ledger.Balanced(), requests.Balanced()); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// crowds reports whether a request that was just made overlaps another in flight.
func (l *askedList) crowds(q Request) bool {
	n := 0
	for _, i := range l.flying {
		if o := &l.ring[i]; o.from < q.Seq+uint64(q.Count) && q.Seq < o.to {
			n++
		}
	}
	return n != 1
}

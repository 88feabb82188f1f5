package venue

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"tidegate/codec/itch50"
	"tidegate/codec/soupbintcp"
	"tidegate/market"
)

// A guest is a client of a port, without a wire between them.
type guest struct {
	*soupbintcp.Client
	conn     *SoupConn
	messages [][]byte // by number, from the first that came
	first    uint64
	ended    bool
	closed   bool
	bytes    int
}

func newGuest(next uint64) *guest {
	cfg := soupbintcp.DefaultClientConfig("tide", "sesame")
	cfg.Login.Next = next
	return &guest{Client: soupbintcp.NewClient(cfg)}
}

func (g *guest) connect(p *SoupPort, now market.Nanos) {
	g.conn, g.closed = p.Connect(now), false
	g.Connect(now)
	g.exchange(now)
}

// exchange lets both ends say what they have to say.
func (g *guest) exchange(now market.Nanos) {
	if g.closed {
		return
	}
	g.conn.OnBytes(g.Output(), now)
	g.Sent(len(g.Output()))
	for {
		b, done := g.conn.Output(nil, now)
		g.bytes += len(b)
		empty := len(b) == 0
		for len(b) > 0 {
			n := copy(g.Room(), b)
			g.Read(n, now)
			b = b[n:]
			for e, ok := g.Poll(); ok; e, ok = g.Poll() {
				g.on(e)
			}
			if n == 0 {
				break
			}
		}
		if g.closed = done; done {
			return
		}
		if empty {
			break
		}
	}
	g.OnTick(now)
}

func (g *guest) on(e soupbintcp.Event) {
	switch e.Kind {
	case soupbintcp.LoggedIn:
		if g.messages == nil {
			g.first = e.Seq
		}
	case soupbintcp.Message:
		g.messages = append(g.messages, bytes.Clone(e.Payload))
	case soupbintcp.SessionEnded:
		g.ended = true
	}
}

// wantTape compares what a guest heard with the messages of a whole day.
func (g *guest) wantTape(t *testing.T, tape [][]byte, from, to uint64) {
	t.Helper()
	if g.first != from || uint64(len(g.messages)) != to-from {
		t.Fatalf("heard %d messages from %d, want %d to %d", len(g.messages), g.first, from, to-1)
	}
	for i, m := range g.messages {
		if !bytes.Equal(m, tape[from-1+uint64(i)]) {
			t.Fatalf("message %d is %x, want %x", from+uint64(i), m, tape[from-1+uint64(i)])
		}
	}
}

// tapeOf returns all messages of a market's day.
func tapeOf(t *testing.T, cfg Config) (tape [][]byte) {
	t.Helper()
	x, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := x.Step(); len(step) > 0; _, step = x.Step() {
		for _, m := range step {
			tape = append(tape, bytes.Clone(m))
		}
	}
	return tape
}

func TestSoupServesTheSession(t *testing.T) {
	cfg := shortLive(1)
	tape := tapeOf(t, cfg.Feed.Market)
	a := listen(t, cfg)
	p := a.ServeMessages()
	early, broken, late, latest := newGuest(1), newGuest(1), newGuest(50), newGuest(0)
	early.connect(p, a.now)
	broken.connect(p, a.now)
	for n := 0; !a.Ended(); n++ {
		a.tick(market.Millisecond)
		switch {
		case n == 2000:
			late.connect(p, a.now)
			latest.connect(p, a.now)
		case n%100 == 50 && !broken.ended:
			broken.connect(p, a.now) // in the middle of everything, again and again
		}
		for _, g := range []*guest{early, broken, late, latest} {
			if g.conn != nil {
				g.exchange(a.now)
			}
			if err := g.Err(); err != nil {
				t.Fatalf("at %d ms: %v", n, err)
			}
		}
	}
	end := uint64(len(tape)) + 1
	early.wantTape(t, tape, 1, end)
	broken.wantTape(t, tape, 1, end)
	late.wantTape(t, tape, 50, end)
	latest.wantTape(t, tape, latest.first, end)
	if latest.first < 51 || latest.first == end {
		t.Errorf("the latest message had number %d", latest.first)
	}
	for i, g := range []*guest{early, broken, late, latest} {
		if !g.ended || !g.closed || g.Session().String() != cfg.Feed.Sender.Session {
			t.Errorf("guest %d: ended %t, closed %t, session %q", i, g.ended, g.closed, g.Session())
		}
	}
	if c := p.Counts(); c.Logins != c.Connections || c.Logins < 20 || c.Refused+c.Dropped+c.Lagged+c.Faults != 0 {
		t.Errorf("%+v", c)
	}

	after := newGuest(1) // the session has ended, and can still be had
	after.connect(p, a.now)
	after.wantTape(t, tape, 1, end)
	if !after.ended {
		t.Error("no end of session")
	}
}

// Who wants what is no longer kept is told with which message it begins, and who is too slow for what
// is kept is let go.
func TestSoupKeepsSoMuch(t *testing.T) {
	cfg := shortLive(1)
	cfg.History = 100
	a := listen(t, cfg)
	p := a.ServeMessages()
	slow := newGuest(1)
	slow.connect(p, a.now)
	a.pass(2 * market.Second)
	sent := a.Position().Sent
	g := newGuest(1)
	g.connect(p, a.now)
	if g.first != sent-99 || g.NextSeq() != sent+1 {
		t.Errorf("heard from %d to %d, the venue has sent %d", g.first, g.NextSeq()-1, sent)
	}
	slow.exchange(a.now)
	if !slow.closed || slow.ended || p.Counts().Lagged != 1 {
		t.Errorf("slow guest: closed %t, ended %t, %+v", slow.closed, slow.ended, p.Counts())
	}
	ahead := newGuest(sent + 2)
	ahead.connect(p, a.now)
	if ahead.Err() != soupbintcp.ErrNoSession || !ahead.closed || p.Counts().Refused != 1 {
		t.Errorf("ahead of the venue: %v, closed %t, %+v", ahead.Err(), ahead.closed, p.Counts())
	}
}

func TestSoupHeartbeatsWhileTheMarketIsPaused(t *testing.T) {
	a := listen(t, shortLive(1))
	p := a.ServeMessages()
	g := newGuest(1)
	g.connect(p, a.now)
	a.pass(market.Second)
	a.Pause()
	g.exchange(a.now)
	before := g.bytes
	for range 2000 {
		a.tick(10 * market.Millisecond)
		g.exchange(a.now)
	}
	if beats := (g.bytes - before) / soupbintcp.HeaderLen; beats != 20 || g.closed || g.Err() != nil {
		t.Errorf("%d heartbeats in 20 s, closed %t, %v", beats, g.closed, g.Err())
	}
	if due := g.conn.Due(a.now); due < a.now || due > a.now+market.Second {
		t.Errorf("due %d ns from now", due-a.now)
	}
	a.now += 16 * market.Second // the guest has gone without a word
	if _, done := g.conn.Output(nil, a.now); !done || p.Counts().Faults != 1 {
		t.Errorf("a silent client: done %t, %+v", done, p.Counts())
	}
}

func TestSoupSettings(t *testing.T) {
	a := listen(t, shortLive(1))
	p := a.ServeMessages()
	set := func(s SoupSettings) {
		t.Helper()
		if err := p.Set(s); err != nil || p.Settings() != s {
			t.Fatal(err)
		}
	}
	a.pass(2 * market.Second)

	set(SoupSettings{Refuse: true})
	g := newGuest(1)
	g.connect(p, a.now)
	if g.Err() != soupbintcp.ErrNotAuthorized || !g.closed {
		t.Errorf("refused: %v", g.Err())
	}

	set(SoupSettings{DropAfter: 10})
	for n := 1; n <= 3; n++ {
		g.connect(p, a.now)
		if len(g.messages) != 10*n || !g.closed || g.Err() != nil {
			t.Errorf("connection %d: %d messages, closed %t, %v", n, len(g.messages), g.closed, g.Err())
		}
	}

	set(SoupSettings{Stalled: true})
	g.connect(p, a.now)
	for range 20 {
		a.tick(market.Second)
		g.exchange(a.now)
	}
	if len(g.messages) != 30 || g.Err() != soupbintcp.ErrSilent {
		t.Errorf("stalled: %d messages, %v", len(g.messages), g.Err())
	}

	set(SoupSettings{Drip: 1000})
	from := g.bytes
	g.connect(p, a.now)
	for range 500 {
		a.tick(10 * market.Millisecond)
		g.exchange(a.now)
	}
	if got := g.bytes - from; got < 4900 || got > 5100 {
		t.Errorf("%d bytes in 5 s of 1000 bytes a second", got)
	}
	if g.Err() != nil || g.closed {
		t.Errorf("drip: %v", g.Err())
	}

	set(SoupSettings{})
	g.exchange(a.now)
	if c := p.Counts(); g.NextSeq() != a.Position().Sent+1 || c.Dropped != 3 || c.Refused != 1 || c.Lagged != 0 {
		t.Errorf("next %d of %d, %+v", g.NextSeq(), a.Position().Sent, c)
	}

	for _, s := range []SoupSettings{{DropAfter: -1}, {Drip: -1}, {Drip: dripMax + 1}, {Stale: true}, {Truncate: 1}} {
		if p.Set(s) == nil || p.Settings() != (SoupSettings{}) {
			t.Errorf("%+v is accepted", s)
		}
	}
}

// An endless feed goes on with another session, which a client of the old one is not let into.
func TestSoupAndTheNextSession(t *testing.T) {
	cfg := shortLive(1)
	cfg.Endless = true
	a := listen(t, cfg)
	p := a.ServeMessages()
	g, sleeper := newGuest(1), newGuest(1)
	g.connect(p, a.now)
	sleeper.connect(p, a.now)
	first := a.Position().Session
	for a.Position().Session == first {
		a.tick(market.Millisecond)
		g.exchange(a.now)
	}
	if !g.ended || g.Session().String() != first {
		t.Fatalf("ended %t in %q", g.ended, g.Session())
	}
	sleeper.exchange(a.now)
	if !sleeper.closed || sleeper.ended {
		t.Error("who slept is not let go")
	}
	g.connect(p, a.now)
	if g.Err() != soupbintcp.ErrNoSession {
		t.Errorf("in the old session: %v", g.Err())
	}
	g.NextSession()
	g.connect(p, a.now)
	if g.Err() != nil || g.Session().String() != a.Position().Session {
		t.Errorf("in the next session: %v, %q", g.Err(), g.Session())
	}
}

func TestSnapshotIsTheState(t *testing.T) {
	cfg := shortLive(3)
	tape := tapeOf(t, cfg.Feed.Market)
	a := listen(t, cfg)
	p := a.ServeSnapshots()
	for n := range 400 {
		a.tick(10 * market.Millisecond)
		if n%40 != 7 {
			continue
		}
		g := newGuest(1)
		g.connect(p, a.now)
		next := g.wantSnapshot(t)
		if behind := a.Position().Sent + 1; next < behind || next > behind+100 {
			t.Errorf("snapshot goes on with %d, %d were sent", next, behind-1)
		}
		got, want := newReplay(), newReplay()
		got.restore(t, g.messages)
		for _, m := range tape[:next-1] {
			if err := want.apply(m); err != nil {
				t.Fatal(err)
			}
		}
		if w, h := want.inOrder(), got.inOrder(); w != h || next > 1000 && h == "" {
			t.Fatalf("before message %d: the snapshot has\n%s\nwant\n%s", next, h, w)
		}
	}
}

func TestSnapshotSettings(t *testing.T) {
	a := listen(t, shortLive(1))
	p := a.ServeSnapshots()
	fetch := func(s SoupSettings) *guest {
		t.Helper()
		if err := p.Set(s); err != nil {
			t.Fatal(err)
		}
		g := newGuest(1)
		g.connect(p, a.now)
		return g
	}
	a.pass(2 * market.Second)
	g := fetch(SoupSettings{Stale: true})
	first := g.wantSnapshot(t)
	a.pass(market.Second)
	if again := fetch(SoupSettings{Stale: true}); again.wantSnapshot(t) != first || len(again.messages) != len(g.messages) {
		t.Error("a stale snapshot changes")
	}
	if sent := a.Position().Sent; sent < first+500 {
		t.Errorf("the stale snapshot is not far behind: %d of %d", first, sent)
	}
	if fresh := fetch(SoupSettings{}).wantSnapshot(t); fresh <= a.Position().Sent {
		t.Errorf("the fresh snapshot goes on with %d of %d", fresh, a.Position().Sent)
	}
	for _, n := range []int{1, 30, 1_000_000} {
		g := fetch(SoupSettings{Truncate: n})
		if last := g.messages[len(g.messages)-1]; !g.ended || len(g.messages) > n || last[0] == itch50.TypeEndOfSnapshot {
			t.Errorf("truncated after %d: %d messages, the last of type %c, ended %t", n, len(g.messages), last[0], g.ended)
		}
	}
	if g := fetch(SoupSettings{DropAfter: 20}); len(g.messages) != 20 || g.ended || !g.closed {
		t.Errorf("dropped: %d messages, ended %t", len(g.messages), g.ended)
	}
}

// wantSnapshot checks the form of a snapshot and returns with which message to go on.
func (g *guest) wantSnapshot(t *testing.T) uint64 {
	t.Helper()
	var end itch50.EndOfSnapshot
	n := len(g.messages)
	if n == 0 || end.Parse(g.messages[n-1]) != nil || !g.ended || !g.closed || g.Err() != nil {
		t.Fatalf("%d messages, ended %t, closed %t, %v", n, g.ended, g.closed, g.Err())
	}
	g.messages = g.messages[:n-1]
	var types []byte
	for _, m := range g.messages {
		if len(m) != itch50.Length(m[0]) {
			t.Fatalf("message %x", m)
		}
		types = append(types, m[0])
	}
	if rest := strings.TrimLeft(strings.Replace(string(types), "S", "", 1), "RHY"); types[0] != 'S' || strings.Trim(rest, "A") != "" {
		t.Fatalf("types %s", types)
	}
	return end.Next
}

// restore rests the orders of a snapshot.
func (r *replay) restore(t *testing.T, messages [][]byte) {
	t.Helper()
	for _, b := range messages {
		var m itch50.AddOrder
		if m.Parse(b) != nil {
			continue
		}
		side := market.Bid
		if m.Side == itch50.Sell {
			side = market.Ask
		}
		if err := r.rest(m.Locate, Order{m.OrderRef, side, m.Price.Price(), market.Size(m.Shares)}); err != nil {
			t.Fatal(err)
		}
	}
}

// inOrder returns all resting orders in the order in which those of one side of an instrument execute.
func (r *replay) inOrder() string {
	var b strings.Builder
	for locate := uint16(1); locate <= 8; locate++ {
		for _, side := range []market.Side{market.Bid, market.Ask} {
			for _, o := range r.side(locate, side) {
				fmt.Fprintf(&b, "%d %c %v %d %d\n", locate, side, o.Price, o.Size, o.Ref)
			}
		}
	}
	return b.String()
}

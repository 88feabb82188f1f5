package egress

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tidegate/arbiter"
	"tidegate/codec/dbn"
	"tidegate/codec/lsg"
	"tidegate/gateway"
	"tidegate/gateway/derive"
	"tidegate/gateway/stream"
	"tidegate/internal/bus"
	"tidegate/internal/lsgclient/lsgtest"
	"tidegate/internal/venue"
	"tidegate/market"
)

func TestMain(m *testing.M) {
	// The event engine's library has a pool of goroutines, which it starts when it is loaded; idle
	// ones stay for ten seconds.
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent(), goleak.IgnoreAnyFunction("github.com/panjf2000/ants/v2.(*goWorker).run.func1"))
}

const dataset = "XSIM.ITCH"

// schemas are those that a feed of orders can publish.
func schemas() []dbn.Schema {
	var list []dbn.Schema
	for _, s := range derive.Schemas() {
		if _, err := derive.New(s, nil); err == nil {
			list = append(list, s)
		}
	}
	return list
}

// A world is a simulated venue whose datagrams go through a pipeline and a stream into a ring.
type world struct {
	t           tester
	feed        *venue.Feed
	pipeline    *gateway.Pipeline
	stream      *stream.Stream
	ring        *bus.Ring
	now         market.Nanos  // of the last datagram
	keeper      *keeper       // nil: nothing is kept
	commitEvery time.Duration // of the journal; 0 for its default
}

func newWorld(t tester, ring bus.Config, trading market.Nanos) *world {
	t.Helper()
	cfg := venue.DefaultFeedConfig(7)
	cfg.Market.Trading = trading
	cfg.Market.PreOpen = market.Second
	cfg.Market.Halts = nil
	w := &world{t: t}
	var err error
	if w.feed, err = venue.NewFeed(cfg); err != nil {
		t.Fatal(err)
	}
	if w.ring, err = bus.New(ring); err != nil {
		t.Fatal(err)
	}
	if w.stream, err = stream.New(stream.Config{Feed: 3, Ring: w.ring, SnapshotOrders: 100}); err != nil {
		t.Fatal(err)
	}
	conf := gateway.DefaultConfig(gateway.ITCH)
	conf.Midnight = cfg.Market.Midnight
	conf.Publisher = market.Simulated
	if w.pipeline, err = gateway.New(conf, w.stream); err != nil {
		t.Fatal(err)
	}
	w.stream.Attach(w.pipeline)
	return w
}

// step publishes what one datagram says, and reports whether there was one.
func (w *world) step() bool {
	d, ok := w.feed.Next()
	if ok {
		w.now = d.Time
		w.pipeline.OnTick(d.Time)
		w.pipeline.OnDatagram(arbiter.LineID(d.Line), d.Time, d.Payload)
	} else {
		w.pipeline.Flush()
	}
	w.stream.Serve(w.now)
	w.ring.Publish()
	w.keeper.follow()
	w.ring.Wake()
	return ok
}

func (w *world) steps(n int) {
	for range n {
		if !w.step() {
			w.t.Error("the day is over") // not Fatal: it may not be the test's goroutine
			return
		}
	}
}

func (w *world) symbols() (symbols []string) {
	for _, in := range w.stream.Directory().All() {
		symbols = append(symbols, in.Symbol)
	}
	return symbols
}

// config is a server's for the world, with limits that do not matter.
func (w *world) config() Config {
	limits := DefaultLimits()
	limits.ConnectionsPerSecond, limits.SessionsPerKey, limits.SubscriptionsPerSecond = 1e6, 1e6, 1e6
	return Config{
		Addr: "127.0.0.1:0", Limits: limits,
		Keys: []Key{{Name: "test", Key: testKey(lsgtest.Key)}},
		Feeds: []Feed{{
			Dataset: dataset, Number: 3, Ring: w.ring, Directory: w.stream.Directory(), Schemas: schemas(),
			Do: func(f func(Upstream)) { f(w.stream) },
		}},
	}
}

func testKey(text string) lsg.Key {
	k, err := lsg.ParseKey(text)
	if err != nil {
		panic(err)
	}
	return k
}

// A bench is a loop without sockets, of which the test is the only mover.
type bench struct {
	*world
	loop  *loop
	time  market.Nanos
	armed pace
	woken bool
	// posted is what is to be called on the loop, where there is a replay.
	posted []func(market.Nanos)
}

func newBench(t tester, w *world, change func(*Config)) *bench {
	t.Helper()
	cfg := w.config()
	if change != nil {
		change(&cfg)
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	cfg.setDefaults()
	b := &bench{world: w, time: 1_700_000_000 * market.Second}
	var err error
	b.loop, err = newLoop(&cfg, newAdmission(&cfg, 41), func(p pace) { b.armed = max(b.armed, p) },
		func() { b.woken = true }, func() [16]byte { return [16]byte{1, 2, 3} })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.loop.close)
	return b
}

func standardBench(t tester, change func(*Config)) *bench {
	return newBench(t, newWorld(t, bus.DefaultConfig(), 20*market.Second), change)
}

// settle makes passes until the loop wants none.
func (b *bench) settle() {
	for n := 0; b.woken || b.armed == soon || len(b.posted) > 0; n++ {
		if n > 10_000 {
			b.t.Fatal("the loop does not come to rest")
		}
		for len(b.posted) > 0 {
			f := b.posted[0]
			b.posted = b.posted[1:]
			f(b.time)
		}
		b.woken, b.armed = false, idle
		b.loop.pass(b.time)
	}
}

// play publishes n datagrams, with a pass after each.
func (b *bench) play(n int) {
	for range n {
		b.steps(1)
		b.settle()
	}
}

// after lets time pass.
func (b *bench) after(d market.Nanos) {
	b.time += d
	b.loop.onTick(b.time)
	b.settle()
}

// A wire is a connection of a bench: a transport, and its other end.
type wire struct {
	bench   *bench
	session *session
	got     []byte // what the client has received
	writes  int
	window  int    // bytes that the network still takes
	held    []byte // what it did not take
	most    int    // the most that was held
	shut    bool
	closed  bool
}

const unlimited = 1 << 40

// dial opens a connection.
func (b *bench) dial() *wire {
	c := &wire{bench: b, window: unlimited}
	who := peer{addr: netip.MustParseAddrPort("192.0.2.7:1234")}
	tell, err := b.loop.admission.connect(who.addr.Addr(), b.time)
	if err != nil && !tell {
		b.t.Fatal(err)
	}
	who.turnedAway = err
	c.session = b.loop.open(c, who, b.time)
	c.session.greet(b.time)
	return c
}

func (c *wire) Write(p []byte) {
	if c.shut || c.closed || len(c.held) > 0 {
		c.bench.t.Fatalf("written %d bytes: shut %t, closed %t, %d bytes held", len(p), c.shut, c.closed, len(c.held))
	}
	c.writes++
	n := min(len(p), c.window)
	c.window -= n
	c.got = append(c.got, p[:n]...)
	c.held = append(c.held, p[n:]...)
	c.most = max(c.most, len(c.held))
}

func (c *wire) Buffered() int { return len(c.held) }

func (c *wire) CloseWrite() {
	if len(c.held) > 0 {
		c.bench.t.Fatal("shut down with bytes held")
	}
	c.shut = true
}

func (c *wire) Close() {
	c.closed = true
	c.bench.loop.closed(c.session, closedByClient, c.bench.time)
}

// open lets the network take n bytes more.
func (c *wire) open(n int) {
	c.window += n
	n = min(len(c.held), c.window)
	c.window -= n
	c.got = append(c.got, c.held[:n]...)
	c.held = append([]byte(nil), c.held[n:]...)
	c.bench.armed = soon
	c.bench.settle()
}

// say sends lines to the session.
func (c *wire) say(lines ...string) *wire {
	for _, line := range lines {
		c.session.onBytes([]byte(line+"\n"), c.bench.time)
	}
	c.bench.settle()
	return c
}

// line takes the next line of text that was received.
func (c *wire) line() string {
	line, rest, ok := bytes.Cut(c.got, []byte{'\n'})
	if !ok {
		c.bench.t.Fatalf("no line in %q", c.got)
	}
	c.got = rest
	return string(line)
}

// auth authenticates, with more pairs on the line.
func (c *wire) auth(more string) *wire {
	return c.authTo(dataset, more)
}

// authTo authenticates for a dataset, with more pairs on the line.
func (c *wire) authTo(dataset, more string) *wire {
	c.line()
	challenge := strings.TrimPrefix(c.line(), "cram=")
	c.say("auth=" + lsgtest.Answer(challenge, lsgtest.Key) + "|dataset=" + dataset + more)
	if got := c.line(); !strings.HasPrefix(got, "success=1|session_id=") {
		c.bench.t.Fatalf("answer %q", got)
	}
	return c
}

// metadata takes the metadata that was received.
func (c *wire) metadata() dbn.Metadata {
	m, n, err := dbn.ParseMetadata(c.got)
	if err != nil {
		c.bench.t.Fatalf("metadata: %v in %d bytes", err, len(c.got))
	}
	c.got = c.got[n:]
	return m
}

// A line of what was received says what a record is, in a few words.
func describe(r dbn.Record) string {
	switch r.RType {
	case dbn.RTypeSystem:
		var m dbn.System
		_ = m.Parse(r)
		return fmt.Sprintf("system %d: %s", m.Code, m.Text)
	case dbn.RTypeError:
		var m dbn.Error
		_ = m.Parse(r)
		return fmt.Sprintf("error %d (%d): %s", m.Code, m.IsLast, m.Text)
	case dbn.RTypeSymbolMapping:
		var m dbn.SymbolMapping
		_ = m.Parse(r)
		return fmt.Sprintf("mapping %d: %s %s is %s", m.InstrumentID, m.STypeIn, m.SymbolIn, m.SymbolOut)
	default:
		return r.RType.String()
	}
}

// records takes the records that were received.
func (c *wire) records() (all []dbn.Record) {
	for len(c.got) > 0 {
		r, err := dbn.ParseRecord(c.got, dbn.Version, c.session.tsOut)
		if err != nil {
			c.bench.t.Fatalf("record %d: %v", len(all), err)
		}
		all = append(all, r)
		c.got = c.got[len(r.Raw()):]
	}
	return all
}

// told takes the records that were received and describes them, one by line; records of data that
// follow one another are counted.
func (c *wire) told() string {
	var lines []string
	n := 0
	for _, r := range c.records() {
		d := describe(r)
		if len(lines) > 0 && !strings.Contains(d, ":") && strings.HasPrefix(lines[len(lines)-1], d+" x") {
			n++
			lines[len(lines)-1] = fmt.Sprintf("%s x%d", d, n)
			continue
		}
		if n = 1; !strings.Contains(d, ":") {
			d += " x1"
		}
		lines = append(lines, d)
	}
	return strings.Join(lines, "\n")
}

// tape follows the ring and keeps the records of the schemas that were asked for.
type tape struct {
	t       tester
	reader  *bus.Reader
	records map[dbn.Schema][]byte
}

func (w *world) newTape() *tape {
	r, err := w.ring.NewReader(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(r.Close)
	return &tape{w.t, r, make(map[dbn.Schema][]byte)}
}

// roll reads what was published.
func (p *tape) roll(f func(*bus.Entry)) {
	var e bus.Entry
	for {
		switch p.reader.Next(&e) {
		case bus.Empty:
			return
		case bus.Lapped:
			p.t.Fatal("the test's reader was lapped")
		}
		if e.Kind == stream.Record {
			p.records[dbn.Schema(e.Schema)] = append(p.records[dbn.Schema(e.Schema)], e.Payload...)
		}
		if f != nil {
			f(&e)
		}
	}
}

// raw returns the bytes of records of data.
func raw(records []dbn.Record) (b []byte) {
	for _, r := range records {
		switch r.RType {
		case dbn.RTypeSystem, dbn.RTypeError, dbn.RTypeSymbolMapping:
		default:
			b = append(b, r.Raw()...)
		}
	}
	return b
}

func equalBytes(t tester, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		n := 0
		for n < len(got) && n < len(want) && got[n] == want[n] {
			n++
		}
		t.Errorf("%s: %d bytes, want %d; the first difference is at %d", what, len(got), len(want), n)
	}
}

func peerAddr(text string) peer { return peer{addr: netip.MustParseAddrPort(text)} }

// A tester is a test, of package testing or of package rapid.
type tester interface {
	Helper()
	Error(...any)
	Errorf(string, ...any)
	Fatal(...any)
	Fatalf(string, ...any)
	Cleanup(func())
}

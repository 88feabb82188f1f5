package livevenue

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tidegate/codec/moldudp64"
	"tidegate/internal/venue"
	"tidegate/market"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// The HTTP library has a goroutine that outlives its server by a second's sleep at most.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
	)
}

// A receiver hears one line and keeps what it hears.
type receiver struct {
	conn    *net.UDPConn
	mu      sync.Mutex
	packets []moldudp64.Packet
	news    chan struct{} // has room for one: something was heard since it was last taken
}

// listen hears datagrams to 127.0.0.1 until the test ends.
func listen(t *testing.T) *receiver {
	t.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(loopback))
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadBuffer(4 << 20); err != nil {
		t.Fatal(err)
	}
	r := &receiver{conn: conn, news: make(chan struct{}, 1)}
	var hearing sync.WaitGroup
	hearing.Go(func() {
		b := make([]byte, 1<<16)
		for {
			n, err := conn.Read(b)
			if err != nil {
				return
			}
			p, err := moldudp64.Parse(bytes.Clone(b[:n]))
			if err != nil {
				t.Errorf("% x: %v", b[:n], err)
				continue
			}
			r.mu.Lock()
			r.packets = append(r.packets, p)
			r.mu.Unlock()
			select {
			case r.news <- struct{}{}:
			default:
			}
		}
	})
	t.Cleanup(func() {
		conn.Close()
		hearing.Wait()
	})
	return r
}

func (r *receiver) addr() netip.AddrPort { return r.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

// heard returns what was heard so far.
func (r *receiver) heard() []moldudp64.Packet {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.packets)
}

// until waits until what was heard is enough.
func (r *receiver) until(t *testing.T, what string, enough func([]moldudp64.Packet) bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for !enough(r.heard()) {
		select {
		case <-r.news:
		case <-deadline:
			t.Fatalf("waited 20 s for %s; heard %d packets", what, len(r.heard()))
		}
	}
}

func reached(seq uint64) func([]moldudp64.Packet) bool {
	return func(heard []moldudp64.Packet) bool {
		if len(heard) == 0 {
			return false
		}
		last := heard[len(heard)-1]
		return last.Seq+uint64(last.Count) > seq
	}
}

func ended(heard []moldudp64.Packet) bool {
	return len(heard) > 0 && heard[len(heard)-1].Kind == moldudp64.EndOfSession
}

// more waits for more packets than were heard until now.
func more(r *receiver, by int) func([]moldudp64.Packet) bool {
	before := len(r.heard())
	return func(heard []moldudp64.Packet) bool { return len(heard) >= before+by }
}

// messages returns the messages that were heard, by sequence number.
func messages(heard []moldudp64.Packet) map[uint64][]byte {
	messages := make(map[uint64][]byte)
	for _, p := range heard {
		seq := p.Seq
		for block := p.Messages; len(block) > 0; seq++ {
			messages[seq], block = moldudp64.Next(block)
		}
	}
	return messages
}

var loopback = netip.MustParseAddrPort("127.0.0.1:0")

// A stage is a running venue and those who hear it.
type stage struct {
	*Venue
	a, b  *receiver
	stop  context.CancelFunc
	done  chan struct{} // closed when Run has ended
	truth Truth         // then
}

// testConfig is a venue on ports that the system chooses, with a second of trading and then the next
// day, ten times as fast as time.
func testConfig(a, b *receiver) Config {
	cfg := DefaultConfig(1)
	cfg.Retransmit, cfg.Control = loopback, loopback
	live := &cfg.Feed
	live.Feed.Lines[0].Group, live.Feed.Lines[1].Group = a.addr(), b.addr()
	live.Feed.Market.PreOpen = market.Second
	live.Feed.Market.Halts = nil
	live.Feed.Sender.Heartbeat = 20 * market.Millisecond
	return cfg
}

func run(t *testing.T, change func(*Config)) *stage {
	t.Helper()
	s := &stage{a: listen(t), b: listen(t), done: make(chan struct{})}
	cfg := testConfig(s.a, s.b)
	if change != nil {
		change(&cfg)
	}
	v, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var ctx context.Context
	ctx, s.stop = context.WithCancel(context.Background())
	s.Venue = v
	go func() {
		defer close(s.done)
		var err error
		if s.truth, err = v.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() {
		s.stop()
		<-s.done
	})
	return s
}

// call makes a request of the control endpoint.
func (s *stage) call(t *testing.T, method, path, body string, into any) (status int) {
	t.Helper()
	r, err := http.NewRequest(method, s.ControlURL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if got := answer.Header.Get("Content-Type"); got != "application/json" {
		t.Errorf("%s %s: content type %q", method, path, got)
	}
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatalf("%s %s: %v in %s", method, path, err, b)
	}
	return answer.StatusCode
}

// must makes a request that has to be fulfilled.
func (s *stage) must(t *testing.T, method, path, body string, into any) {
	t.Helper()
	var raw json.RawMessage
	if status := s.call(t, method, path, body, &raw); status != http.StatusOK {
		t.Fatalf("%s %s %s: status %d, %s", method, path, body, status, raw)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatal(err)
	}
}

// day returns the messages of a whole day, by sequence number.
func day(t *testing.T, cfg venue.Config) map[uint64][]byte {
	t.Helper()
	x, err := venue.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	messages := make(map[uint64][]byte)
	for _, step := x.Step(); len(step) > 0; _, step = x.Step() {
		for _, m := range step {
			messages[uint64(len(messages)+1)] = bytes.Clone(m)
		}
	}
	return messages
}

// sameBesideTime compares two messages without their times, which are those of the venue's clock.
func sameBesideTime(a, b []byte) bool {
	return len(a) == len(b) && len(a) >= 11 && bytes.Equal(a[:5], b[:5]) && bytes.Equal(a[11:], b[11:])
}

func wantMessages(t *testing.T, what string, got, want map[uint64][]byte) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d messages, want %d", what, len(got), len(want))
	}
	for seq, m := range got {
		if !sameBesideTime(m, want[seq]) {
			t.Fatalf("%s: message %d is % x, want % x", what, seq, m, want[seq])
		}
	}
}

// What is heard on both lines is what the exchange publishes, from the first message to the end of the
// session.
func TestLinesCarryTheExchange(t *testing.T) {
	var cfg venue.Config
	s := run(t, func(c *Config) {
		c.Feed.Endless, c.Feed.Speed = false, 10
		c.Feed.Feed.Market.Trading = 2 * market.Second
		cfg = c.Feed.Feed.Market
	})
	want := day(t, cfg)
	for name, r := range map[string]*receiver{"A": s.a, "B": s.b} {
		r.until(t, "the end of the session", ended)
		wantMessages(t, "line "+name, messages(r.heard()), want)
	}
	<-s.done
	if n := uint64(len(want)); s.truth.Sent != n || s.truth.Messages != n || s.truth.Unsent != 0 || len(s.truth.Books) != 8 {
		t.Errorf("truth: sent %d of %d, %d books, %d unsent; want %d", s.truth.Sent, s.truth.Messages, len(s.truth.Books), s.truth.Unsent, n)
	}
	if err := s.Do(func(*venue.LiveFeed) {}); !errors.Is(err, ErrEnded) {
		t.Errorf("a command after the end: %v", err)
	}
}

// At rest the truth is that of the last message heard; then the stream goes on as if nothing was.
func TestPauseAndTruth(t *testing.T) {
	var cfg venue.Config
	s := run(t, func(c *Config) { cfg = c.Feed.Feed.Market })
	s.a.until(t, "messages", reached(200))
	var at venue.LivePosition
	s.must(t, "POST", "/pause", "", &at)
	if !at.Paused || at.Session != "TIDE000001" || at.Sent < 200 {
		t.Fatalf("paused at %+v", at)
	}
	s.a.until(t, "the last message", reached(at.Sent))
	s.a.until(t, "heartbeats", more(s.a, 3))
	heard := s.a.heard()
	if last := heard[len(heard)-1]; last.Kind != moldudp64.Heartbeat || last.Seq != at.Sent+1 {
		t.Fatalf("while paused at %d came a %v of %d", at.Sent, last.Kind, last.Seq)
	}
	var truth Truth
	s.must(t, "GET", "/truth", "", &truth)
	if truth.LivePosition != at || truth.Messages != at.Sent {
		t.Fatalf("truth at %+v, messages %d; paused at %+v", truth.LivePosition, truth.Messages, at)
	}

	// Another exchange that is stepped as far has the same books.
	x, err := venue.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for x.Messages() < at.Sent {
		x.Step()
	}
	levels := 0
	for i, in := range x.Instruments() {
		b := truth.Books[i]
		bids, asks := x.Levels(in.ID, market.Bid), x.Levels(in.ID, market.Ask)
		if b.Symbol != in.Symbol || b.Instrument != in.ID || !slices.Equal(b.Bids, bids) || !slices.Equal(b.Asks, asks) {
			t.Errorf("%s: book\n%v\n%v\nwant %s\n%v\n%v", b.Symbol, b.Bids, b.Asks, in.Symbol, bids, asks)
		}
		levels += len(bids) + len(asks)
	}
	if levels == 0 {
		t.Error("no levels were compared")
	}

	s.must(t, "POST", "/resume", "", &at)
	if at.Paused {
		t.Errorf("resumed at %+v", at)
	}
	s.a.until(t, "messages after the pause", reached(at.Sent+500))
	got := messages(s.a.heard())
	want := day(t, func() venue.Config { c := cfg; c.Trading = market.Minute; return c }())
	for seq := range got { // what both days have, before the close of either
		if !sameBesideTime(got[seq], want[seq]) {
			t.Fatalf("message %d is % x, want % x", seq, got[seq], want[seq])
		}
	}
}

// A venue that is stopped closes the market and ends the session, on both lines, and so does one that
// is paused.
func TestStopEndsTheSession(t *testing.T) {
	for _, paused := range []bool{false, true} {
		s := run(t, func(c *Config) { c.Feed.Speed = 4 })
		s.b.until(t, "messages after the open", reached(2500))
		if paused {
			if _, err := s.Pause(); err != nil {
				t.Fatal(err)
			}
		}
		s.stop()
		<-s.done
		for name, r := range map[string]*receiver{"A": s.a, "B": s.b} {
			r.until(t, "the end of the session", ended)
			heard := r.heard()
			last := heard[len(heard)-1]
			if last.Seq != s.truth.Sent+1 || uint64(len(messages(heard))) != s.truth.Sent {
				t.Errorf("line %s: the session ends before %d, %d messages; %d were sent", name, last.Seq, len(messages(heard)), s.truth.Sent)
			}
			m := messages(heard)[s.truth.Sent]
			if len(m) != 12 || m[0] != 'S' || m[11] != 'C' {
				t.Errorf("line %s: the last message is % x, want a system event C", name, m)
			}
		}
		if s.truth.Paused || s.truth.Packets.EndOfSession != 3 {
			t.Errorf("truth at the end: %+v", s.truth.LivePosition)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	a, b := listen(t), listen(t)
	for want, change := range map[string]func(*Config){
		"control address 0.0.0.0:0: want one of the loopback": func(c *Config) { c.Control = netip.MustParseAddrPort("0.0.0.0:0") },
		"control: listen tcp":                        func(c *Config) { c.Control = netip.MustParseAddrPort("127.0.0.1:1") },
		"retransmit server: listen udp":              func(c *Config) { c.Retransmit = a.addr() },
		"line B: send: to 127.0.0.1:0":               func(c *Config) { c.Feed.Feed.Lines[1].Group = loopback },
		`line A: to 239.1.2.3:5 on interface ""`:     func(c *Config) { c.Feed.Feed.Lines[0].Group = netip.MustParseAddrPort("239.1.2.3:5") },
		"on interface \"lo\": want an interface for": func(c *Config) { c.Interface = "lo" },
		"speed 0: want":                              func(c *Config) { c.Feed.Speed = 0 },
		"down and clogged spans":                     func(c *Config) { c.Feed.Feed.Lines[0].Down = []venue.Span{{From: 0, To: 1}} },
	} {
		cfg := testConfig(a, b)
		change(&cfg)
		if want == "control: listen tcp" {
			taken, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer taken.Close()
			cfg.Control = taken.Addr().(*net.TCPAddr).AddrPort()
		}
		if v, err := Open(cfg); err == nil || v != nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "venue: ") {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

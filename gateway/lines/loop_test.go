//go:build linux

package lines

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tidegate/arbiter"
	"tidegate/gateway"
	"tidegate/internal/netloop"
	"tidegate/internal/venue"
	"tidegate/market"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var loopback = netip.MustParseAddrPort("127.0.0.1:0")

// nothing is a sink that counts.
type nothing struct{ events, gaps int }

func (s *nothing) OnEvents(e []market.Event, _ gateway.Books) { s.events += len(e) }
func (s *nothing) OnFacts(*market.Facts)                      {}
func (s *nothing) OnGap(arbiter.Gap)                          { s.gaps++ }
func (s *nothing) OnTime(market.Nanos)                        {}
func (s *nothing) OnEpoch(arbiter.Epoch)                      {}

func pipeline(t testing.TB, sink gateway.Sink) *gateway.Pipeline {
	t.Helper()
	p, err := gateway.New(gateway.DefaultConfig(gateway.ITCH), sink)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// unicast returns a feed of n lines on this machine.
func unicast(name string, p *gateway.Pipeline, n int) Feed {
	f := Feed{Name: name, Pipeline: p}
	for id := range n {
		f.Lines = append(f.Lines, Line{ID: arbiter.LineID(id), Socket: netloop.Config{Addr: loopback}})
	}
	return f
}

// open returns a loop, and a sender for each of its lines.
func open(t testing.TB, c Config) (*Loop, []*netloop.Sender) {
	t.Helper()
	l, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	var senders []*netloop.Sender
	for _, addr := range l.Addrs() {
		s, err := netloop.NewSender(netloop.SenderConfig{Addr: addr})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		senders = append(senders, s)
	}
	return l, senders
}

// run starts a loop. The function that it returns stops it.
func run(t testing.TB, l *Loop) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	return func() {
		t.Helper()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

// await asks the loop until so many datagrams were read on all lines. It fails when nothing comes any
// more.
func await(t testing.TB, l *Loop, want uint64) {
	t.Helper()
	var last uint64
	for stuck := time.Now(); ; time.Sleep(time.Millisecond) {
		var got uint64
		if err := l.Call(t.Context(), func() { got = l.Stats().packets() }); err != nil {
			t.Fatal(err)
		}
		if got == want {
			return
		}
		if got != last {
			last, stuck = got, time.Now()
		}
		if got > want || time.Since(stuck) > 10*time.Second {
			t.Fatalf("%d datagrams were read, want %d", got, want)
		}
	}
}

func (s Stats) packets() (n uint64) {
	for i := range s.Lines {
		n += s.Lines[i].Packets
	}
	return n
}

// packets returns the first n packets of a simulated venue.
func packets(t testing.TB, n int) [][]byte {
	t.Helper()
	return packetsOf(t, n, venue.DefaultSenderConfig().MessagesMax)
}

// packetsOf is packets, with at most so many messages in each.
func packetsOf(t testing.TB, n, messagesMax int) [][]byte {
	t.Helper()
	cfg := venue.DefaultFeedConfig(1)
	cfg.Market.Rate = 20_000
	cfg.Sender.MessagesMax = messagesMax
	cfg.Lines = cfg.Lines[:1]
	cfg.Lines[0].Impairment = venue.Impairment{}
	feed, err := venue.NewFeed(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var all [][]byte
	for d, ok := feed.Next(); ok && len(all) < n; d, ok = feed.Next() {
		all = append(all, d.Payload)
	}
	if len(all) < n {
		t.Fatalf("the venue sends %d packets, want %d", len(all), n)
	}
	return all
}

func send(t testing.TB, s *netloop.Sender, payloads ...[]byte) {
	t.Helper()
	if n, err := s.Send(payloads...); err != nil || n != len(payloads) {
		t.Fatalf("sent %d of %d: %v", n, len(payloads), err)
	}
}

// Every way of being idle reads everything, calls the hooks as often as it says, and its times never
// go back.
func TestLoop(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	for _, c := range []struct {
		split bool
		idle  netloop.Idle
		slots int
	}{
		{idle: netloop.Backoff},
		{idle: netloop.Park},
		{idle: netloop.Spin},
		{split: true, idle: netloop.Backoff},
		{split: true, idle: netloop.Park},
		{split: true, idle: netloop.Spin},
		{split: true, idle: netloop.Backoff, slots: 8}, // full most of the time
	} {
		idle := c.idle
		t.Run(fmt.Sprintf("split %t %s %d", c.split, idle, c.slots), func(t *testing.T) {
			var itch, other nothing
			var published, woken, ticks, tapped uint64
			var last market.Nanos
			var wakeable bool
			passed := func(what string, at market.Nanos) {
				if at < last {
					t.Errorf("%s at %d after %d", what, at, last)
				}
				last = at
			}
			p := pipeline(t, &itch)
			l, to := open(t, Config{
				Split: c.split, slots: c.slots, Idle: idle,
				Feeds:   []Feed{unicast("one", p, 2), unicast("two", pipeline(t, &other), 1)},
				Publish: func() { published++; wakeable = true },
				Wake: func() {
					woken++
					if !wakeable {
						t.Error("a wake for nothing")
					}
					wakeable = false
				},
				OnTick: func(now market.Nanos) { ticks++; passed("a tick", now) },
				Tap: func(_, _ netip.AddrPort, stamp market.Nanos, _ []byte) {
					tapped++
					passed("a datagram", stamp)
				},
			})
			started := market.Nanos(time.Now().UnixNano())
			stop := run(t, l)
			all := packets(t, 3000)
			for len(all) > 0 { // A has it all, B half, and another feed the same
				batch := all[:min(100, len(all))]
				all = all[len(batch):]
				send(t, to[0], batch...)
				send(t, to[1], batch[:len(batch)/2]...)
				send(t, to[2], batch...)
			}
			await(t, l, 7500)
			stop()
			ended := market.Nanos(time.Now().UnixNano())

			s := l.Stats()
			for i, want := range []uint64{3000, 1500, 3000} {
				line := s.Lines[i]
				if line.Packets != want || line.Truncated+line.KernelDrops+line.Errors != 0 {
					t.Errorf("line %d: %+v, want %d packets", i, line, want)
				}
				if line.LastStamp < started-market.Second || line.LastStamp > ended+market.Second {
					t.Errorf("line %d: last stamp %d, want %d to %d", i, line.LastStamp, started, ended)
				}
			}
			if itch.events == 0 || itch.events != other.events || itch.gaps+other.gaps != 0 {
				t.Errorf("published %+v and %+v, want the same, without gaps", itch, other)
			}
			if err := p.Balanced(); err != nil {
				t.Error(err)
			}
			if tapped != 7500 {
				t.Errorf("tapped %d datagrams, want 7500", tapped)
			}
			if least := 7500 + ticks + 1; published < least || published > least+s.Commands {
				t.Errorf("published %d times: want once per datagram (7500), tick (%d), round of commands (up to %d) and at the end",
					published, ticks, s.Commands)
			}
			if !c.split && woken > s.Polls+1 || woken >= 7500+ticks {
				t.Errorf("woken %d times in %d polls", woken, s.Polls)
			}
			if (s.Crowded > 0) != (c.slots > 0) {
				t.Errorf("%d polls without room, of %d", s.Crowded, s.Polls)
			}
			if s.BatchMax < 2 || s.BatchMax > netloop.BatchDatagrams || s.Batches < 7500/netloop.BatchDatagrams {
				t.Errorf("%d batches of at most %d", s.Batches, s.BatchMax)
			}
			if idle == netloop.Spin && s.Parks > 0 || idle == netloop.Park && s.Spins > 0 {
				t.Errorf("%d spins, %d parks", s.Spins, s.Parks)
			}
		})
	}
}

// Datagrams that wait on several lines are handled in the order in which they came, however many there
// are and whichever line has more of them.
func TestOldestFirst(t *testing.T) {
	var got []byte
	l, to := open(t, Config{
		Feeds: []Feed{unicast("one", pipeline(t, &nothing{}), 3)},
		Tap:   func(_, _ netip.AddrPort, _ market.Nanos, b []byte) { got = append(got, b[0]) },
	})
	var want []byte
	for i := range 2000 {
		line := []int{0, 0, 0, 0, 1, 0, 1, 2}[i%8]
		want = append(want, byte(i))
		send(t, to[line], want[i:])
	}
	now := l.in.clock.now()
	send(t, to[0], []byte("later"))
	for len(got) < len(want) && l.in.poll(now) {
		if len(got)%pollMax != 0 && len(got) != len(want) {
			t.Fatalf("a poll ended after %d datagrams", len(got)%pollMax)
		}
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%d datagrams, in another order than the %d sent", len(got), len(want))
	}
	if !l.in.poll(now) || len(got) != len(want) {
		t.Error("a datagram was handled though it came later, or forgotten")
	}
	if !l.in.poll(l.in.clock.now()) || len(got) != len(want)+1 {
		t.Error("the datagram that came later was not handled")
	}
}

// A datagram that was under way when a tick looked at the clock is not older than the tick.
func TestNoDatagramIsOlderThanATick(t *testing.T) {
	var stamp market.Nanos
	l, to := open(t, Config{
		Feeds: []Feed{unicast("one", pipeline(t, &nothing{}), 1)},
		Tap:   func(_, _ netip.AddrPort, at market.Nanos, _ []byte) { stamp = at },
	})
	send(t, to[0], []byte("stamped by the kernel"))
	tick := market.Nanos(time.Now().UnixNano()) + market.Hour
	l.in.pass(tick)
	if !l.in.poll(l.in.clock.now()) || stamp != tick {
		t.Errorf("a datagram at %d after a tick at %d", stamp, tick)
	}
}

// Time passes on a silent line: a gap is announced at its deadline though nothing comes after it.
func TestSilence(t *testing.T) {
	for _, split := range []bool{false, true} {
		testSilence(t, split)
	}
}

func testSilence(t *testing.T, split bool) {
	var sink nothing
	l, to := open(t, Config{Feeds: []Feed{unicast("one", pipeline(t, &sink), 1)}, Idle: netloop.Park, Split: split})
	stop := run(t, l)
	all := packets(t, 30)
	send(t, to[0], all[:10]...)
	send(t, to[0], all[11:]...)
	for gaps := 0; gaps == 0; time.Sleep(time.Millisecond) {
		if err := l.Call(t.Context(), func() { gaps = sink.gaps }); err != nil {
			t.Fatal(err)
		}
	}
	stop()
}

// What is held back when the loop is stopped is published.
func TestStopFlushes(t *testing.T) {
	for _, split := range []bool{false, true} {
		testStopFlushes(t, split)
	}
}

func testStopFlushes(t *testing.T, split bool) {
	var sink nothing
	p := pipeline(t, &sink)
	l, to := open(t, Config{Feeds: []Feed{unicast("one", p, 1)}, Split: split})
	all := packets(t, 200)
	send(t, to[0], all[:100]...)
	send(t, to[0], all[101:]...)
	stop := run(t, l)
	await(t, l, 199)
	stop()
	ledger, _ := p.Ledger()
	if got := ledger.Lines[arbiter.LineA].Published.Packets; got != 199 || sink.gaps != 1 {
		t.Errorf("%d packets published, %d gaps, want 199 and 1", got, sink.gaps)
	}
}

func TestCommands(t *testing.T) {
	for _, split := range []bool{false, true} {
		testCommands(t, split)
	}
}

func testCommands(t *testing.T, split bool) {
	var sink nothing
	l, _ := open(t, Config{Feeds: []Feed{unicast("one", pipeline(t, &sink), 1)}, Idle: netloop.Park, Tick: time.Second, Split: split})
	var order []int // owned by the loop
	do := func(n int) {
		t.Helper()
		if err := l.Do(func() { order = append(order, n) }); err != nil {
			t.Error(err)
		}
	}
	do(1)
	do(2)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Call(ctx, func() { order = append(order, 3) }); !errors.Is(err, context.Canceled) {
		t.Errorf("Call before Run: %v, want %v", err, context.Canceled)
	}
	stop := run(t, l)
	if err := l.Call(t.Context(), func() { order = append(order, 4) }); err != nil {
		t.Error(err)
	}
	var wg sync.WaitGroup
	var calls int // owned by the loop
	for range 8 {
		wg.Go(func() {
			for range 100 {
				if err := l.Call(t.Context(), func() { calls++ }); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	stop()
	if fmt.Sprint(order) != "[1 2 3 4]" || calls != 800 {
		t.Errorf("order %v, %d calls, want [1 2 3 4] and 800", order, calls)
	}
	if got := l.Stats().Commands; got != 804 {
		t.Errorf("%d commands, want 804", got)
	}
	if err := l.Do(func() { t.Error("a command ran after the loop") }); !errors.Is(err, ErrStopped) {
		t.Errorf("Do after Run: %v, want %v", err, ErrStopped)
	}
	if err := l.Call(t.Context(), func() {}); !errors.Is(err, ErrStopped) {
		t.Errorf("Call after Run: %v, want %v", err, ErrStopped)
	}
	l.Close()
	l.Close()
}

// A Call to a loop that is closed without having run comes back.
func TestCallNeverRun(t *testing.T) {
	l, _ := open(t, Config{Feeds: []Feed{unicast("one", pipeline(t, &nothing{}), 1)}})
	called := make(chan error)
	go func() { called <- l.Call(context.Background(), func() {}) }()
	for waiting := 0; waiting == 0; {
		l.mu.Lock()
		waiting = len(l.commands)
		l.mu.Unlock()
	}
	l.Close()
	if err := <-called; !errors.Is(err, ErrStopped) {
		t.Errorf("got %v, want %v", err, ErrStopped)
	}
}

func TestConfigErrors(t *testing.T) {
	good := func() Config {
		return Config{Feeds: []Feed{unicast("one", pipeline(t, &nothing{}), 2)}}
	}
	fromFile, err := gateway.New(gateway.FileConfig(gateway.ITCH), &nothing{})
	if err != nil {
		t.Fatal(err)
	}
	taken, _ := open(t, good())
	fixed := netip.MustParseAddrPort("127.0.0.1:5999")
	for want, change := range map[string]func(c *Config){
		"no feeds":                             func(c *Config) { c.Feeds = nil },
		`feed "one": no pipeline`:              func(c *Config) { c.Feeds[0].Pipeline = nil },
		`feed "one": its pipeline takes`:       func(c *Config) { c.Feeds[0].Pipeline = fromFile },
		`feed "one": no lines`:                 func(c *Config) { c.Feeds[0].Lines = nil },
		`feed "one": line 8: want 0 to 7`:      func(c *Config) { c.Feeds[0].Lines[0].ID = 8 },
		`feed "one": line B: given twice`:      func(c *Config) { c.Feeds[0].Lines[0].ID = 1 },
		`feed "one": line A: address: none`:    func(c *Config) { c.Feeds[0].Lines[0].Socket = netloop.Config{} },
		"line B: another line has address 127": func(c *Config) { c.Feeds[0].Lines[0].Socket.Addr, c.Feeds[0].Lines[1].Socket.Addr = fixed, fixed },
		"line A: listen: to 127.0.0.1:":        func(c *Config) { c.Feeds[0].Lines[0].Socket.Addr = taken.Addrs()[0] },
		"datagram bytes -1":                    func(c *Config) { c.DatagramBytes = -1 },
		"tick 1m0s":                            func(c *Config) { c.Tick = time.Minute },
		"idle strategy 9":                      func(c *Config) { c.Idle = 9 },
	} {
		c := good()
		change(&c)
		l, err := New(c)
		if err == nil {
			l.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}

func TestSpinnersNeedRoom(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(3))
	for spinners, want := range []bool{true, true, false} {
		if err := CheckSpinners(spinners); (err == nil) != want {
			t.Errorf("%d spinning loops with GOMAXPROCS=3: %v", spinners, err)
		}
	}
	runtime.GOMAXPROCS(2)
	for split, want := range map[bool]string{
		false: "1 spinning threads with GOMAXPROCS=2: want at least 3",
		true:  "2 spinning threads with GOMAXPROCS=2: want at least 4",
	} {
		_, err := New(Config{Feeds: []Feed{unicast("one", pipeline(t, &nothing{}), 1)}, Idle: netloop.Spin, Split: split})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want a refusal with %q", err, want)
		}
	}
}

// Begin is called on the thread that is meant, before anything else, and can prevent everything.
func TestBegin(t *testing.T) {
	for _, split := range []bool{false, true} {
		failure := errors.New("no such processor")
		for _, fails := range []int{-1, int(Books), int(Sockets)} {
			var mu sync.Mutex
			var begun []Thread
			l, _ := open(t, Config{
				Feeds: []Feed{unicast("one", pipeline(t, &nothing{}), 1)}, Split: split,
				Begin: func(thread Thread) error {
					mu.Lock()
					defer mu.Unlock()
					if begun = append(begun, thread); int(thread) == fails {
						return failure
					}
					return nil
				},
			})
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- l.Run(ctx) }()
			if fails == int(Books) || split && fails == int(Sockets) {
				if err := <-ended; !errors.Is(err, failure) {
					t.Errorf("split %t: thread %d fails: Run: %v, want %v", split, fails, err, failure)
				}
			} else if err := l.Call(t.Context(), func() {}); err != nil {
				t.Error(err)
			} else {
				cancel()
				if err := <-ended; err != nil {
					t.Errorf("Run: %v", err)
				}
			}
			cancel()
			if want := 1 + len(begun[1:]); begun[0] != Books || !split && len(begun) != 1 || want > 2 {
				t.Errorf("split %t: threads %v began", split, begun)
			}
		}
	}
}

func TestClock(t *testing.T) {
	const start, s = market.Nanos(1e18), market.Second
	c := clock{ahead: start}
	for i, r := range []struct{ wall, since, want, skew market.Nanos }{
		{start, 0, start, 0},
		{start + 10, 10, start + 10, 0},
		{start + 15, 20, start + 20, 0}, // held up between the readings
		{start + 30, 30, start + 30, 0},
		{start + 40 - 5*s, 40, start + 40, -5 * s}, // set back: time goes on, and slows down by as much as is allowed
		{start - 4*s, s, start + s - (s-40)/2000, -5*s + (s-40)/2000},
		{start - 4*s + 2000, s + 2000, start + s - (s-40)/2000 + 1999, -5*s + (s-40)/2000 + 1},
	} {
		if got := c.at(r.wall, r.since); got != r.want || c.skew.Load() != int64(r.skew) {
			t.Errorf("reading %d: %d and skew %d, want %d and %d", i, got-start, c.skew.Load(), r.want-start, r.skew)
		}
	}
	if stamp := c.stamped(start - 4*s + 2000); stamp != c.at(start-4*s+2000, s+2000) {
		t.Errorf("a datagram of now is stamped %d", stamp-start)
	}
	if c.stamped(market.UndefTime) != market.UndefTime {
		t.Error("what has no stamp has one")
	}
	c = clock{ahead: start}
	last := c.at(start, 0)
	for at := market.Millisecond; at <= 30*s; at += market.Millisecond { // set forward by 10 ms: there after 20 s
		now := c.at(start+at+10*market.Millisecond, at)
		if step := now - last; step < market.Millisecond || step > market.Millisecond+500 {
			t.Fatalf("time went on by %d in a millisecond", step)
		}
		last = now
	}
	if last != start+30*s+10*market.Millisecond || c.skew.Load() != 0 || c.set != 1 {
		t.Errorf("in the end: %d, skew %d, set %d times", last-start, c.skew.Load(), c.set)
	}
}

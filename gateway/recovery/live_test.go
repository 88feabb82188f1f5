package recovery_test

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tidegate/arbiter"
	"tidegate/gateway"
	"tidegate/gateway/recovery"
	"tidegate/internal/clock"
	"tidegate/internal/soup"
	"tidegate/internal/venue"
	"tidegate/internal/venue/livevenue"
	"tidegate/market"
)

var loopback = netip.MustParseAddrPort("127.0.0.1:0")

// live is a gate on real sockets: a venue, its line A by UDP, and a loop that owns the pipeline.
type live struct {
	*gate
	*livevenue.Venue
	lose   atomic.Int32 // one of so many datagrams; 0 none, 1 all
	lost   atomic.Int32 // datagrams
	wake   chan struct{}
	last   market.Nanos          // the loop's time
	onTick func(at market.Nanos) // on the loop, after the pipeline's tick
}

// listen opens a socket for datagrams.
func listen(t *testing.T) (*net.UDPConn, netip.AddrPort) {
	t.Helper()
	udp, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(loopback))
	if err != nil {
		t.Fatal(err)
	}
	_ = udp.SetReadBuffer(4 << 20)
	return udp, udp.LocalAddr().(*net.UDPAddr).AddrPort()
}

// start runs a venue and a loop until the test ends. change alters the pipeline's configuration; if it is for
// PITCH the venue publishes that.
func start(t *testing.T, change func(*gateway.Config)) *live {
	t.Helper()
	t.Parallel() // they mostly wait
	udp, group := listen(t)
	again, resent := listen(t)
	g := newGate(t, change)
	cfg := livevenue.DefaultConfig(31)
	cfg.Retransmit, cfg.Control, cfg.Soup, cfg.Glimpse = loopback, loopback, loopback, loopback
	cfg.Feed.Feed.Lines = cfg.Feed.Feed.Lines[:1]
	cfg.Feed.Feed.Lines[0].Group = group
	if g.pipeline.Config().Feed == gateway.PITCH {
		cfg.Feed.Feed.Sender.Protocol = venue.PITCH
		cfg.Soup, cfg.Glimpse = netip.AddrPort{}, netip.AddrPort{}
		cfg.Gaps, cfg.Spin, cfg.Resent = loopback, loopback, resent
	}
	m := &cfg.Feed.Feed.Market
	m.Open, m.PreOpen, m.Halts = market.Second, market.Second, nil
	cfg.Feed.Speed = 5
	v, err := livevenue.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	l := &live{gate: g, Venue: v, wake: make(chan struct{}, 1)}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if _, err := v.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	datagrams := make(chan datagram, 4096)
	hear := func(udp *net.UDPConn, line arbiter.LineID) {
		for n := int32(0); ; n++ {
			b := make([]byte, 1500)
			k, err := udp.Read(b)
			if err != nil {
				return
			}
			if lose := l.lose.Load(); line == arbiter.LineA && lose > 0 && n%lose == 0 {
				l.lost.Add(1)
				continue
			}
			datagrams <- datagram{line, b[:k]}
		}
	}
	running.Go(func() { hear(udp, arbiter.LineA) })
	running.Go(func() { hear(again, arbiter.LineR) })
	loop, end := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); l.loop(loop, datagrams) }()
	t.Cleanup(func() {
		end()
		<-ended
		stop()
		udp.Close()
		again.Close()
		running.Wait()
	})
	return l
}

type datagram struct {
	line    arbiter.LineID
	payload []byte
}

// loop owns the pipeline.
func (l *live) loop(ctx context.Context, datagrams <-chan datagram) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case d := <-datagrams:
			l.deliver(d.line, clock.Now(), d.payload)
		case <-l.wake:
			l.gate.obey()
		case <-tick.C:
			l.last = max(l.last, clock.Now())
			l.gate.onTick(l.last)
			if l.onTick != nil {
				l.onTick(l.last)
			}
		case <-ctx.Done():
			l.mu.Lock()
			l.stopped = true
			l.mu.Unlock()
			l.gate.obey()
			return
		}
	}
}

func (l *live) deliver(line arbiter.LineID, at market.Nanos, b []byte) {
	l.last = max(l.last, at)
	l.onDatagram(line, l.last, b)
}

// do is a recovery.DoFunc.
func (l *live) do(f func()) error {
	err := l.gate.do(f)
	select {
	case l.wake <- struct{}{}:
	default:
	}
	return err
}

// call has f run on the loop and waits for it.
func (l *live) call(f func()) {
	l.t.Helper()
	ran := make(chan struct{})
	if err := l.do(func() { f(); close(ran) }); err != nil {
		l.t.Fatal(err)
	}
	<-ran
}

// until waits until a condition holds on the loop.
func (l *live) until(what string, holds func() bool) {
	l.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(2 * time.Millisecond) {
		var ok bool
		l.call(func() { ok = holds() })
		if ok {
			return
		}
		if time.Now().After(deadline) {
			l.t.Fatalf("waited a minute for %s", what)
		}
	}
}

// settle pauses the market until everything has arrived, compares the books and goes on.
func (l *live) settle() {
	l.t.Helper()
	var truth venue.LiveTruth
	if err := l.Do(func(f *venue.LiveFeed) { f.Pause(); truth = f.Truth() }); err != nil {
		l.t.Fatal(err)
	}
	l.until("the last message", func() bool {
		return l.pipeline.Next() == truth.Sent+1 && !l.pipeline.Suspect() && l.feed.Ledger().RefreshDue == 0
	})
	l.call(func() { l.compare(truth.Truth) })
	if err := l.Do(func(f *venue.LiveFeed) { f.Resume() }); err != nil {
		l.t.Fatal(err)
	}
}

// gap loses a stretch of the line.
func (l *live) gap() {
	l.t.Helper()
	var gaps int
	l.call(func() { gaps = l.out.gaps })
	from := l.lost.Load()
	l.lose.Store(1)
	l.until("datagrams that are lost", func() bool { return l.lost.Load() > from+10 })
	l.lose.Store(0)
	l.until("a gap", func() bool { return l.out.gaps > gaps })
}

func (l *live) market(messages uint64) {
	l.t.Helper()
	var from uint64
	l.call(func() { from = l.pipeline.Next() })
	l.until("a market", func() bool { return l.pipeline.Next() >= from+messages })
}

// serve has snapshots got for the pipeline.
func (l *live) serve(deadline time.Duration, servers ...recovery.Source) *recovery.Snapshots {
	l.t.Helper()
	cfg := recovery.DefaultConfig()
	cfg.Deadline, cfg.IntervalMin, cfg.PerMinute = deadline, 10*ms, 600
	cfg.PauseMin, cfg.PauseMax = 10*ms, 100*ms
	cfg.Breaker.CoolDown, cfg.Breaker.Jitter = 100*time.Millisecond, 0
	cfg.Record = l.record
	s, err := recovery.NewSnapshots(cfg, l.pipeline, servers, l.do)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(s.Close)
	l.call(func() { l.onTick = s.OnTick })
	return s
}

func (l *live) outcomes(s *recovery.Snapshots, o recovery.Outcome) (n uint64) {
	ledger := s.Ledger()
	if err := ledger.Balanced(); err != nil {
		l.t.Error(err)
	}
	return ledger.Attempts(o)
}

func (l *live) glimpse() *recovery.Glimpse {
	g := recovery.NewGlimpse(l.GlimpseAddr().String(), "tide", "sesame")
	g.SilenceMax = 1500 * ms
	return g
}

// deadAddr returns an address that nobody listens at.
func deadAddr(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// TestLiveGap: gap, snapshot, right books, while the market goes on; with a server that is dead before it.
func TestLiveGap(t *testing.T) {
	l := start(t, nil)
	l.until("the opening", func() bool { return l.pipeline.Next() > 1000 })
	s := l.serve(time.Second, recovery.NewGlimpse(deadAddr(t), "tide", "sesame"), l.glimpse())
	l.gap()
	l.until("a snapshot", func() bool { return l.outcomes(s, recovery.Done) == 1 && !l.pipeline.Suspect() })
	l.market(500)
	l.settle()
	l.call(func() {
		ledger := s.Ledger()
		if ledger.Servers[0].Outcomes[recovery.Unreachable] == 0 || ledger.Servers[1].Outcomes[recovery.Done] != 1 {
			t.Errorf("%+v", ledger)
		}
	})
}

// TestLiveFaults: everything that a server does wrong is a failure of its own, the gap stays announced and what
// is behind it marked, and the first snapshot that is right heals it.
func TestLiveFaults(t *testing.T) {
	l := start(t, nil)
	l.until("the opening", func() bool { return l.pipeline.Next() > 1000 })
	s := l.serve(time.Second, l.glimpse())
	set := func(to venue.SoupSettings) {
		t.Helper()
		if _, err := l.SetGlimpse(func(s *venue.SoupSettings) error { *s = to; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	faults := []struct {
		settings venue.SoupSettings
		want     recovery.Outcome
	}{
		{venue.SoupSettings{Refuse: true}, recovery.Unreachable},
		{venue.SoupSettings{Truncate: 100}, recovery.Broken},
		{venue.SoupSettings{DropAfter: 100}, recovery.Broken},
		{venue.SoupSettings{Drip: 3000}, recovery.TimedOut},
		{venue.SoupSettings{Stale: true}, recovery.Old},
	}
	set(faults[0].settings)
	l.gap()
	for _, f := range faults {
		set(f.settings)
		var before uint64
		l.call(func() { before = l.outcomes(s, f.want) })
		l.market(200) // so that a stale snapshot is one
		l.until(f.want.String(), func() bool { return l.outcomes(s, f.want) > before })
		if l.call(func() {
			if !l.pipeline.Suspect() {
				t.Errorf("%+v: the books are believed", f.settings)
			}
		}); t.Failed() {
			return
		}
	}
	set(venue.SoupSettings{})
	l.until("a snapshot", func() bool { return l.outcomes(s, recovery.Done) > 0 })
	l.market(200)
	l.settle()
}

// TestLiveLateStart: a gateway that comes late publishes nothing before it has a snapshot.
func TestLiveLateStart(t *testing.T) {
	l := start(t, func(c *gateway.Config) { c.WithholdJoined = true })
	l.lose.Store(1)
	for sent := uint64(0); sent < 6000; time.Sleep(5 * time.Millisecond) {
		if err := l.Do(func(f *venue.LiveFeed) { sent = f.Position().Sent }); err != nil {
			t.Fatal(err)
		}
	}
	var s *recovery.Snapshots
	l.lose.Store(0)
	l.until("the join", func() bool { return l.pipeline.Withheld() })
	l.call(func() {
		if n := len(l.out.events); n > 0 {
			t.Errorf("%d events before the snapshot", n)
		}
	})
	s = l.serve(time.Second, l.glimpse())
	l.until("a snapshot", func() bool { return l.outcomes(s, recovery.Done) == 1 })
	l.settle()
	l.call(func() {
		if l.out.flagged > 0 {
			t.Errorf("%d events are marked", l.out.flagged)
		}
	})
}

// line runs a line by TCP as line B.
func (l *live) line(change func(*soup.Config)) *recovery.SoupLine {
	l.t.Helper()
	cfg := soup.DefaultConfig(l.SoupAddr().String(), "tide", "sesame")
	cfg.BackoffMin, cfg.BackoffMax = time.Millisecond, 5*time.Millisecond
	if change != nil {
		change(&cfg)
	}
	line, err := recovery.NewSoupLine(cfg, l.pipeline, l.do, func(tsRecv market.Nanos, b []byte) {
		l.deliver(arbiter.LineB, tsRecv, b)
	})
	if err != nil {
		l.t.Fatal(err)
	}
	l.call(func() { l.onTick = line.OnTick })
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := line.Run(ctx); err != nil {
			l.t.Error(err)
		}
	})
	l.t.Cleanup(func() {
		stop()
		running.Wait()
	})
	return line
}

func (l *live) ledger() arbiter.Ledger {
	ledger, _ := l.pipeline.Ledger()
	return ledger
}

// TestLiveSoupLineAlone: a channel by TCP alone, whose connections break now and then.
func TestLiveSoupLineAlone(t *testing.T) {
	l := start(t, nil)
	l.lose.Store(1)
	if _, err := l.SetSoup(func(s *venue.SoupSettings) error { s.DropAfter = 300; return nil }); err != nil {
		t.Fatal(err)
	}
	line := l.line(nil)
	l.until("a market", func() bool { return l.pipeline.Next() > 3000 })
	l.settle()
	stats := line.Stats()
	if stats.Logins < 10 || stats.Missed != 0 {
		t.Errorf("%+v", stats)
	}
	l.call(func() {
		ledger := l.ledger()
		if ledger.GapsOpened.Ranges != 0 || ledger.Lines[arbiter.LineB].Heartbeats == 0 || l.out.gaps != 0 || l.out.flagged != 0 {
			t.Errorf("gaps %+v, line B %+v", ledger.GapsOpened, ledger.Lines[arbiter.LineB])
		}
	})

	// In silence the line is heard too.
	if err := l.Do(func(f *venue.LiveFeed) { f.Pause() }); err != nil {
		t.Fatal(err)
	}
	var before market.Nanos
	l.call(func() { h, _ := l.pipeline.LineHealth(arbiter.LineB); before = h.LastRecv })
	l.until("a heartbeat", func() bool {
		h, _ := l.pipeline.LineHealth(arbiter.LineB)
		return h.LastRecv > before+100*ms
	})
}

// TestLiveSoupLineBesideUDP: what a lossy line by UDP has not, the one by TCP has.
func TestLiveSoupLineBesideUDP(t *testing.T) {
	l := start(t, func(c *gateway.Config) { c.Arbiter.GapDeadline = 5 * market.Second }) // this machine may be busy
	l.lose.Store(3)
	l.line(nil)
	l.until("a market", func() bool { return l.pipeline.Next() > 3000 })
	l.settle()
	l.call(func() {
		ledger := l.ledger()
		a, b := ledger.Lines[arbiter.LineA], ledger.Lines[arbiter.LineB]
		if l.out.gaps != 0 || a.Published.Messages == 0 || b.Published.Messages == 0 || b.Foreign.Packets != 0 {
			t.Errorf("%d gaps, line A %+v, line B %+v", l.out.gaps, a, b)
		}
	})
	l.until("line B to have all", func() bool {
		h, _ := l.pipeline.LineHealth(arbiter.LineB)
		return h.Behind == 0
	})
}

// TestLiveSoupLineEnds: the end of the session comes by TCP too.
func TestLiveSoupLineEnds(t *testing.T) {
	l := start(t, nil)
	l.lose.Store(1)
	l.line(nil)
	l.until("a market", func() bool { return l.pipeline.Next() > 500 })
	if err := l.Do(func(f *venue.LiveFeed) { f.Close() }); err != nil {
		t.Fatal(err)
	}
	l.until("the end", func() bool { return l.ledger().SessionsEnded == 1 })
}

func TestNewSoupLineRefuses(t *testing.T) {
	deep, err := gateway.New(gateway.DefaultConfig(gateway.DEEP), void{})
	if err != nil {
		t.Fatal(err)
	}
	g := newGate(t, nil)
	if _, err := recovery.NewSoupLine(soup.DefaultConfig("127.0.0.1:1", "a", "b"), deep, g.do, nil); err == nil {
		t.Error("a line of a feed that is not by SoupBinTCP")
	}
	if _, err := recovery.NewSoupLine(soup.DefaultConfig("127.0.0.1", "a", "b"), g.pipeline, g.do, nil); err == nil {
		t.Error("a line from an address without a port")
	}
}

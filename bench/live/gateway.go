//go:build linux

package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"

	"tidegate/arbiter"
	"tidegate/codec/dbn"
	"tidegate/codec/lsg"
	"tidegate/gateway"
	"tidegate/gateway/config"
	"tidegate/gateway/egress"
	"tidegate/gateway/lines"
	"tidegate/gateway/providers"
	"tidegate/gateway/stream"
	"tidegate/internal/bus"
	clocks "tidegate/internal/clock"
	"tidegate/internal/netloop"
	"tidegate/market"
)

// gatewayConfig says how the gateway's threads work.
type gatewayConfig struct {
	Threads         Threads
	SendBufferBytes int
	Stages          int    // messages whose book and ring times are kept; 0 for none
	StageFile       string // where they go
	Page            string // "" unless the sender waits for the gateway
	Journal         string // directory of the journal; "" for none
}

// gatewayRole is the gateway of the run command with one feed of one line, without administration and
// recording.
type gatewayRole struct {
	cfg    gatewayConfig
	clock  clock
	ring   *bus.Ring
	stream *stream.Stream
	pipe   *gateway.Pipeline
	choice *providers.Feed
	judge  *providers.Judge
	loop   *lines.Loop
	server *egress.Server
	keeper *keeper // nil: no journal
	page   *page
	end    context.CancelFunc
	ended  chan error

	// Owned by the ingest loop until it has ended.
	book, published []int64 // times by message
	next            int     // message whose ring time comes next
	reached         int     // messages that led to events
	told            int     // of those, the sender knows
	first, last     int64   // times of the first and the last batch with messages
	cpu             int64
}

// benchKey is no secret: it is for a gateway on the loopback interface that lives for seconds.
const benchKey = "tidegate-bench-key-0123456789abc"

func newGatewayRole(c clock, args json.RawMessage) (role, error) {
	cfg, err := take[gatewayConfig](args)
	if err != nil {
		return nil, err
	}
	g := &gatewayRole{
		cfg: cfg, clock: c, ended: make(chan error, 1),
		book: make([]int64, cfg.Stages), published: make([]int64, cfg.Stages),
	}
	if err := g.open(); err != nil {
		return nil, err
	}
	ctx, end := context.WithCancel(context.Background())
	g.end = end
	go func() {
		runtime.LockOSThread() // so that cpu is that of the loop's thread
		before := cpuOf(unix.RUSAGE_SELF)
		err := g.loop.Run(ctx)
		if g.cpu = threadCPU(); g.cfg.Threads.Threading == config.Split {
			g.cpu = cpuOf(unix.RUSAGE_SELF) - before // the other thread is gone, and nobody else does much
		}
		g.ended <- err
	}()
	return g, nil
}

func (g *gatewayRole) open() (err error) {
	if g.cfg.Page != "" {
		if g.page, err = openPage(g.cfg.Page); err != nil {
			return err
		}
	}
	if g.ring, err = bus.New(bus.DefaultConfig()); err != nil {
		return err
	}
	if g.keeper, err = openKeeper(g.cfg.Journal, g.ring); err != nil {
		return err
	}
	if g.stream, err = stream.New(stream.Config{Feed: 0, Ring: g.ring}); err != nil {
		return err
	}
	if err := g.keeper.want(g.stream); err != nil {
		return err
	}
	// As in a running gateway: a feed with one provider, which is judged each tick.
	// The same work, but nothing is marked as stale because this machine stood still: what arrives is counted.
	choosing := providers.DefaultConfig("bench")
	choosing.StaleAfter, choosing.Silence = market.Minute, market.Hour
	if g.choice, err = providers.New(choosing, g.sink(), nil); err != nil {
		return err
	}
	if g.judge, err = providers.NewJudge(g.choice, nil, nil); err != nil {
		return err
	}
	if g.pipe, err = gateway.New(gateway.DefaultConfig(gateway.ITCH), g.choice.Port(0)); err != nil {
		return err
	}
	g.choice.Attach(0, g.pipe)
	g.stream.Attach(g.choice)
	if g.loop, err = lines.New(lines.Config{
		Feeds: []lines.Feed{{Name: "bench", Pipeline: g.pipe, Lines: []lines.Line{
			{ID: arbiter.LineA, Socket: netloop.Config{Addr: loopback}},
		}}},
		Split: g.cfg.Threads.Threading == config.Split, Idle: g.cfg.Threads.Idle, OnTick: g.onTick, Publish: g.publish(), Wake: g.wake,
	}); err != nil {
		return err
	}
	return g.serve()
}

func (g *gatewayRole) serve() error {
	key, err := lsg.ParseKey(benchKey)
	if err != nil {
		return err
	}
	limits := egress.DefaultLimits()
	limits.ConnectionsPerSecond, limits.SessionsPerKey = 1<<20, 1<<20
	g.server, err = egress.New(egress.Config{
		Addr: loopback.String(), Keys: []egress.Key{{Name: "bench", Key: key}}, Limits: limits,
		Loops: g.cfg.Threads.Loops, LockOSThread: g.cfg.Threads.LockOSThread, SendBufferBytes: g.cfg.SendBufferBytes,
		InlineSessions: g.cfg.Threads.Threading.InlineSessions(),
		Feeds: []egress.Feed{{
			Dataset: dataset, Number: 0, Ring: g.ring, Directory: g.stream.Directory(), Schemas: []dbn.Schema{dbn.SchemaMBO},
			Do: func(f func(egress.Upstream)) {
				_ = g.loop.Do(func() { f(g.stream) }) // refused when the loop has ended: nothing is derived any more
			},
		}},
	})
	if err != nil {
		return err
	}
	return g.server.Start()
}

// sink is the stream, and, where stages are measured or somebody waits, what notes the times.
func (g *gatewayRole) sink() gateway.Sink {
	if g.cfg.Stages == 0 && g.page == nil {
		return g.stream
	}
	return &stages{Stream: g.stream, gateway: g}
}

// stages notes when the book has an event.
type stages struct {
	*stream.Stream
	gateway *gatewayRole
}

// OnEvents is called when the book has the events, before the ring has them.
func (s *stages) OnEvents(events []market.Event, books gateway.Books) {
	g := s.gateway
	if i := indexOf(events[0].Seq); i >= 0 {
		g.reached = i + 1
		if i < len(g.book) {
			g.book[i] = g.clock.now()
		}
	}
	s.Stream.OnEvents(events, books)
}

// publish publishes the ring, and notes when where stages are measured.
func (g *gatewayRole) publish() func() {
	if g.cfg.Stages == 0 && g.keeper == nil {
		return g.ring.Publish
	}
	return func() {
		g.ring.Publish()
		g.keeper.follow()
		if g.next == g.reached {
			return
		}
		now := g.clock.now()
		for i := g.next; i < min(g.reached, len(g.published)); i++ {
			g.published[i] = now
		}
		g.next = g.reached
	}
}

// wake ends a poll: it tells the sender how far the loop has come, once per batch as the bare loop
// does.
func (g *gatewayRole) wake() {
	g.ring.Wake()
	if g.page == nil || g.told == g.reached {
		return
	}
	g.told, g.last = g.reached, g.clock.now()
	if g.first == 0 {
		g.first = g.last
	}
	g.page.reached.Store(int64(g.reached))
}

func (g *gatewayRole) onTick(now market.Nanos) {
	if g.cfg.Stages > 0 || g.page != nil { // a flood is late by intention, and would be marked
		g.judge.OnTick(now)
		g.choice.OnTick(now)
	}
	g.stream.Serve(now)
}

func (g *gatewayRole) do(what string, _ json.RawMessage) (any, error) {
	switch what {
	case "open":
		return opened{
			Line: g.loop.Addrs()[0], Addr: g.server.Addr().String(),
			WallOffset: int64(clocks.Now()) - g.clock.now(),
		}, nil
	case "use":
		return readUsage(), nil
	case "finish":
		return g.finish()
	default:
		return nil, unknown(what)
	}
}

// finish ends the loop and the server, and tells what they did.
func (g *gatewayRole) finish() (any, error) {
	used := readUsage()
	stats, err := g.server.Stats(context.Background())
	if err != nil {
		return nil, err
	}
	g.end()
	if err := <-g.ended; err != nil {
		return nil, err
	}
	s := served{CPU: g.cpu, Use: used, First: g.first, Last: g.last, StageFile: g.cfg.StageFile}
	for _, l := range g.loop.Stats().Lines {
		s.Datagrams += l.Packets
		s.KernelDrops += l.KernelDrops
		if l.LastError != nil {
			s.Faults = l.LastError.Error()
		}
	}
	s.Stalls, s.Slow = stats.Counts.Stalls, stats.Counts.Slow
	for i := range stats.Sessions {
		if stats.Sessions[i].Held > 0 {
			s.Held++
		}
	}
	s.Lapped = stats.Counts.Lapped + stats.Counts.LoopLapped
	if err := g.checkPipeline(); err != nil {
		s.Faults = err.Error()
	}
	if s.Journal, err = g.keeper.finish(); err != nil {
		s.Faults = err.Error()
	}
	if err = nil; g.cfg.StageFile != "" {
		err = writeTimes(g.cfg.StageFile, g.book, g.published)
	}
	return s, err
}

// checkPipeline says what the pipeline did not like. It is for after the end of the loop.
func (g *gatewayRole) checkPipeline() error {
	if err := g.pipe.Balanced(); err != nil {
		return err
	}
	counts := g.pipe.Counts()
	ledger, _ := g.pipe.Ledger()
	if gaps := ledger.GapsAnnounced(); counts.Faults()+gaps.Messages > 0 {
		return fmt.Errorf("%d messages at fault, %d lost", counts.Faults(), gaps.Messages)
	}
	return nil
}

func (g *gatewayRole) close() error {
	g.end()
	// Sessions are cut off: the subscribers have counted.
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err := g.server.Stop(ctx, "the measurement has ended")
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return errors.Join(err, g.keeper.close())
}

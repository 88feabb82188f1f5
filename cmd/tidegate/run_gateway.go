//go:build linux

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"tidegate/codec/dbn"
	"tidegate/gateway/admin"
	"tidegate/gateway/config"
	"tidegate/gateway/derive"
	"tidegate/gateway/egress"
	"tidegate/gateway/lines"
	"tidegate/gateway/orders/marketdata"
	"tidegate/gateway/stream"
	"tidegate/internal/bus"
	"tidegate/market"
	"tidegate/sinks/capture"
)

// A liveGateway is everything that runs, and how it is joined.
type liveGateway struct {
	cfg          *config.Config
	log          *slog.Logger
	aside        *aside // what the ingest loop has to say
	ring         *bus.Ring
	keeper       *keeper // nil: no journal
	drain        *drain  // nil: it is not put into a database
	archive      *past   // nil: history is that of the journal
	feeds        []*liveFeed
	consolidated *stream.Consolidated // of the streams; nil: not wanted
	loop         *lines.Loop
	latency      *admin.Latency
	monitor      *admin.Monitor
	subscribers  *egress.Server
	certificate  atomic.Pointer[tls.Certificate]
	recorder     *capture.Recorder // nil: nothing is recorded
	recording    string            // the name of its file, or directory
	admin        *admin.Server     // nil: not wanted
	orders       *liveOrders       // nil: the gateway runs no market
	refs         atomic.Pointer[references]
	marketData   *marketdata.Publisher // of the market; nil: there is none
	desk         orderDesk             // of the market, for those who run the gateway
	started      time.Time
	loaded       *config.Config // as the file has it: cfg may have a feed more

	// What start has started, for stop to end.
	endLoop, endRecorder context.CancelFunc
	ended                chan struct{} // the ingest loop has
	loopErr              error         // why, once ended is closed
	recorded             chan error
	serving, answering   bool
}

// openGateway opens the sockets of the lines and makes everything else, without starting anything.
func openGateway(cfg *config.Config, log *slog.Logger) (*liveGateway, error) {
	g := &liveGateway{started: time.Now(), cfg: cfg, loaded: cfg, log: log, aside: newAside(log), latency: admin.NewLatency(), ended: make(chan struct{}), recorded: make(chan error, 1)}
	var err error
	if g.ring, err = bus.New(cfg.Ring); err != nil {
		return nil, err
	}
	if g.keeper, err = openJournal(&cfg.Journal, g.ring, log); err != nil {
		return nil, err
	}
	if g.keeper != nil {
		if g.drain, err = openDrain(&cfg.Postgres, g.keeper.journal, log); err != nil {
			return nil, err
		}
	}
	if err := g.openMarketData(); err != nil {
		return nil, err
	}
	cfg = g.cfg
	watched, err := g.openFeeds()
	if err != nil {
		return nil, err
	}
	if err := g.consolidate(); err != nil {
		return nil, err
	}
	for _, cpu := range []int{cfg.Loop.CPU, cfg.Loop.ReceiveCPU} {
		if err := usableCPU(cpu); err != nil {
			return nil, err
		}
	}
	loopConfig, err := threadsOf(&cfg.Loop)
	if err != nil {
		return nil, err
	}
	loopConfig.Feeds, loopConfig.Begin = g.channels(), g.onThread
	loopConfig.Tap, loopConfig.Sources = g.onDatagram, cfg.Capture.Wanted()
	loopConfig.OnTick, loopConfig.Publish, loopConfig.Wake = g.onTick, g.publish, g.onPublished
	if g.loop, err = lines.New(loopConfig); err != nil {
		return nil, err
	}
	if err := g.downstream(watched); err != nil {
		g.loop.Close()
		return nil, err
	}
	g.describe()
	return g, nil
}

// threadsOf returns how the threads of the ingest loop work.
func threadsOf(c *config.Loop) (l lines.Config, err error) {
	l.Split, l.Tick = c.Threading == config.Split, c.Tick
	return l, l.Idle.UnmarshalText([]byte(c.Idle))
}

// onThread begins a thread of the ingest loop.
func (g *liveGateway) onThread(t lines.Thread) error {
	if t == lines.Sockets {
		return pin(g.cfg.Loop.ReceiveCPU)
	}
	return pin(g.cfg.Loop.CPU)
}

// consolidate joins the streams to the consolidated dataset, if it is wanted. Its number in the ring is
// the one after those of the feeds.
func (g *liveGateway) consolidate() error {
	if g.cfg.Consolidated.Dataset == "" {
		return nil
	}
	g.consolidated = stream.NewConsolidated(uint8(len(g.feeds)), g.ring)
	for _, f := range g.feeds {
		if g.own(f) { // what is quoted here follows what is quoted elsewhere
			continue
		}
		if err := g.consolidated.Join(f.stream); err != nil {
			return err
		}
	}
	return nil
}

// newYorkMidnight returns when the day of t began in New York, where ITCH counts from.
func newYorkMidnight(t time.Time) market.Nanos {
	loc, err := time.LoadLocation("America/New_York")
	if err != nil {
		panic(fmt.Sprintf("tidegate: embedded zone database: %v", err)) // package replay embeds it
	}
	y, m, d := t.In(loc).Date()
	return market.Nanos(time.Date(y, m, d, 0, 0, 0, 0, loc).UnixNano())
}

// downstream makes what is behind the ring, and the interface for those who run the gateway.
func (g *liveGateway) downstream(watched []admin.Feed) (err error) {
	s := &g.cfg.Subscribers
	egressConfig := egress.Config{
		Addr: s.Listen, TLSAddr: s.TLS.Listen, Keys: keysOf(s), Limits: egress.Limits(s.Limits),
		Loops: s.Loops, InlineSessions: g.cfg.Loop.Threading.InlineSessions(), Version: version(), Heartbeat: s.Heartbeat, SlowAfter: s.SlowAfter, Log: g.log,
	}
	if s.TLS.Listen != "" {
		g.certificate.Store(&s.TLS.Certificate)
		egressConfig.TLS = &tls.Config{
			MinVersion: tls.VersionTLS12,
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
				return g.certificate.Load(), nil
			},
		}
	}
	past := g.openHistory()
	var archive admin.Archive
	if past != nil {
		old, err := openPast(&g.cfg.Postgres.History, past, g.keeper.journal.NewReader)
		if err != nil {
			return err
		}
		if old != nil {
			g.archive, archive = old, old
		}
	}
	for i, f := range g.cfg.Feeds {
		st := g.feeds[i].stream
		egressConfig.Feeds = append(egressConfig.Feeds, egress.Feed{
			Dataset: f.Publisher.Dataset, Number: uint8(i), Ring: g.ring, Directory: st.Directory(),
			Schemas: schemasOfOneFeed(), Current: st.Current, History: past, Name: f.Name,
			Do: g.commands(st),
		})
	}
	if g.consolidated != nil {
		egressConfig.Feeds = append(egressConfig.Feeds, egress.Feed{
			Dataset: g.cfg.Consolidated.Dataset, Number: uint8(len(g.feeds)), Ring: g.ring,
			Directory: g.consolidated.Directory(), Schemas: stream.ConsolidatedSchemas(), Do: g.commands(g.consolidated),
		})
	}
	if g.subscribers, err = egress.New(egressConfig); err != nil {
		return err
	}
	sources := admin.Sources{
		Loop: g.loop, Feeds: watched, Ring: g.ring, Subscribers: g.subscribers.Stats, Sessions: g.subscribers.Sessions,
		Latency: g.latency, Consolidated: admin.Consolidated{Dataset: g.cfg.Consolidated.Dataset, Stream: g.consolidated},
	}
	if g.cfg.Capture.Wanted() {
		if err := g.openRecorder(); err != nil {
			return err
		}
		sources.Capture, sources.CapturePath = g.recorder, g.recording
	}
	if g.keeper != nil {
		sources.Journal, sources.JournalDir = g.keeper.journal, g.cfg.Journal.Dir
	}
	if g.drain != nil {
		sources.Postgres = g.drain.report
	}
	if g.archive != nil {
		sources.Archive = g.archive.report
	}
	if g.cfg.Orders.Dir != "" {
		g.desk.cfg = g.cfg
		sources.Market = g.desk.market()
	}
	g.monitor = admin.NewMonitor(sources)
	if a := g.cfg.Admin; a.Listen != "" {
		g.admin, err = admin.New(admin.Config{
			Addr: a.Listen, Token: a.Token, Pprof: a.Pprof, Version: version(), Monitor: g.monitor, History: past, Archive: archive, Log: g.log,
		})
	}
	return err
}

// commands returns the way of subscribers' wishes to what writes their feed.
func (g *liveGateway) commands(u egress.Upstream) func(func(egress.Upstream)) {
	return func(do func(egress.Upstream)) {
		_ = g.loop.Do(func() { do(u) }) // refused when the loop has ended: nothing is derived any more
	}
}

// schemasOfOneFeed are those that need no other feed.
func schemasOfOneFeed() []dbn.Schema {
	return slices.DeleteFunc(derive.Schemas(), func(s dbn.Schema) bool {
		_, err := derive.New(s, nil)
		return err != nil
	})
}

func keysOf(s *config.Subscribers) []egress.Key {
	keys := make([]egress.Key, len(s.Keys))
	for i, k := range s.Keys {
		keys[i] = egress.Key(k)
	}
	return keys
}

// onDatagram is the loop's tap.
func (g *liveGateway) onDatagram(dst, src netip.AddrPort, stamp market.Nanos, payload []byte) {
	g.latency.Stamp(stamp)
	if g.recorder != nil {
		g.recorder.Tap(dst, src, stamp, payload)
	}
}

// onTick is what streams do beside the datagrams.
func (g *liveGateway) onTick(now market.Nanos) {
	for _, f := range g.feeds {
		f.onTick(now)
	}
	if r := g.refs.Load(); r != nil {
		r.onTick(now)
	}
	g.monitor.OnTick()
}

// publish shows others what was appended to the ring, and keeps it.
func (g *liveGateway) publish() {
	g.ring.Publish()
	g.keeper.follow()
}

// onPublished ends a poll that led to something.
func (g *liveGateway) onPublished() {
	g.ring.Wake()
	if g.latency.Waiting() {
		g.latency.Published(g.loop.Clock())
	}
}

// describe logs what was opened.
func (g *liveGateway) describe() {
	stats := g.loop.Stats()
	n := 0
	for _, f := range g.cfg.Feeds {
		for _, p := range f.Providers {
			for _, l := range p.Lines {
				g.describeLine(channelName(&f, &p), &l, &stats.Lines[n])
				n++
			}
			if p.TCP.Address != "" {
				g.log.Info("line by tcp", "feed", channelName(&f, &p), "line", p.TCP.ID.String(), "address", p.TCP.Address)
			}
			for _, s := range p.Snapshots.Servers {
				g.log.Info("snapshots", "feed", channelName(&f, &p), "server", s.Address)
			}
		}
	}
	for _, opened := range stats.Lines[n:] { // those that answers to requests come by
		g.log.Info("retransmission", "feed", opened.Feed, "address", opened.Addr, "servers", g.serversOf(opened.Feed))
	}
	args := []any{"threading", string(g.cfg.Loop.Threading), "idle", string(g.cfg.Loop.Idle), "tick", g.cfg.Loop.Tick.String(), "gomaxprocs", runtime.GOMAXPROCS(0)}
	if g.cfg.Loop.CPU >= 0 {
		args = append(args, "cpu", g.cfg.Loop.CPU)
	}
	if g.cfg.Loop.ReceiveCPU >= 0 {
		args = append(args, "receive_cpu", g.cfg.Loop.ReceiveCPU)
	}
	g.log.Info("ingest loop", args...)
}

func (g *liveGateway) describeLine(feed string, l *config.Line, opened *lines.LineStats) {
	args := []any{
		"feed", feed, "line", l.ID.String(), "address", opened.Addr,
		"receive_buffer", config.FormatSize(opened.ReceiveBuffer), "asked", config.FormatSize(opened.ReceiveBufferAsked),
	}
	if l.Interface != "" {
		args = append(args, "interface", l.Interface)
	}
	if l.Source.IsValid() {
		args = append(args, "source", l.Source)
	}
	g.log.Info("line opened", args...)
	if opened.Warning != "" {
		g.log.Warn("receive buffer is small", "feed", feed, "line", l.ID.String(), "advice", opened.Warning)
	}
}

// serversOf returns whom a channel asks for retransmission.
func (g *liveGateway) serversOf(channel string) (servers []string) {
	for _, f := range g.cfg.Feeds {
		for _, p := range f.Providers {
			if channelName(&f, &p) != channel {
				continue
			}
			for _, s := range p.Retransmit.Servers {
				servers = append(servers, s.String())
			}
			for _, s := range p.Retransmit.Proxies {
				servers = append(servers, s.Address)
			}
		}
	}
	return servers
}

// usableCPU returns an error unless this process may use a processor. Any is -1.
func usableCPU(cpu int) error {
	if cpu < 0 {
		return nil
	}
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return fmt.Errorf("loop cpu %d: %w", cpu, err)
	}
	if !set.IsSet(cpu) {
		return fmt.Errorf("loop cpu %d: this process may not use it", cpu)
	}
	return nil
}

// pin keeps the calling goroutine on one processor, for good.
func pin(cpu int) error {
	if cpu < 0 {
		return nil
	}
	runtime.LockOSThread()
	var set unix.CPUSet
	set.Set(cpu)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("loop cpu %d: %w", cpu, err)
	}
	return nil
}

// start starts everything: those who read first, so that they miss nothing. After an error, stop ends
// what was started.
func (g *liveGateway) start() error {
	if err := g.subscribers.Start(); err != nil {
		return err
	}
	g.serving = true
	g.log.Info("subscribers", "address", g.subscribers.Addr().String())
	if addr := g.subscribers.TLSAddr(); addr != nil {
		g.log.Info("subscribers with tls", "address", addr.String())
	}
	if g.admin != nil {
		if err := g.admin.Start(); err != nil {
			return err
		}
		g.answering = true
		g.log.Info("admin", "url", fmt.Sprintf("http://%s/", g.admin.Addr()))
	}
	if g.recorder != nil {
		ctx, end := context.WithCancel(context.Background())
		g.endRecorder = end
		go func() { g.recorded <- g.recorder.Run(ctx) }()
	}
	ctx, end := context.WithCancel(context.Background())
	g.endLoop = end
	g.keeper.begin(g.feeds, market.Nanos(time.Now().UnixNano()))
	g.drain.start()
	for _, f := range g.feeds {
		f.start(ctx)
	}
	go func() {
		defer close(g.ended)
		g.loopErr = g.loop.Run(ctx)
	}()
	return g.openOrders()
}

// alive reports whether the ingest loop answers.
func (g *liveGateway) alive(ctx context.Context) bool {
	return g.loop.Call(ctx, func() {}) == nil
}

// stop ends everything in the order of the data: lines, ring, subscribers, recording.
func (g *liveGateway) stop(reason string) error {
	var errs []error
	ctx, cancel := context.WithTimeout(context.Background(), stopMax)
	defer cancel()
	errs = append(errs, g.orders.stop(ctx))
	if g.marketData != nil {
		errs = append(errs, g.marketData.Close())
	}
	if g.endLoop != nil {
		g.endLoop()
		<-g.ended
		errs = append(errs, g.loopErr)
	}
	for _, f := range g.feeds {
		f.close()
	}
	g.loop.Close()
	g.aside.close()
	if g.serving {
		if err := g.subscribers.Stop(ctx, reason); err != nil {
			g.log.Warn("subscribers were cut off", "error", err)
		}
	}
	if err := g.keeper.close(ctx); err != nil {
		errs = append(errs, fmt.Errorf("journal: %w", err))
	}
	g.drain.close()
	if g.recorder != nil && g.endRecorder == nil {
		errs = append(errs, g.recorder.Discard()) // it never began
	}
	if g.endRecorder != nil {
		g.endRecorder()
		errs = append(errs, <-g.recorded)
		c := g.recorder.Stats()
		g.log.Info("recording ended", "datagrams", c.Recorded, "bytes", c.Bytes, "dropped", c.Dropped)
	}
	if g.answering {
		if err := g.admin.Stop(ctx); err != nil {
			g.log.Warn("requests were cut off", "error", err)
		}
	}
	return errors.Join(errs...)
}

// reload takes keys, limits and the certificate from the configuration again. What else has changed is
// named. A configuration that is not right changes nothing.
func (g *liveGateway) reload(path string) {
	next, err := config.Load(path)
	if err != nil {
		g.log.Error("reload: the configuration is not right, nothing was changed", "error", err)
		return
	}
	for _, name := range next.Changes(g.loaded) {
		g.log.Warn("reload: a change takes a restart and was left out", "setting", name)
	}
	s := &next.Subscribers
	if err := g.subscribers.Reload(keysOf(s), egress.Limits(s.Limits)); err != nil {
		g.log.Error("reload: nothing was changed", "error", err)
		return
	}
	if g.cfg.Subscribers.TLS.Listen != "" && s.TLS.Listen != "" {
		g.certificate.Store(&s.TLS.Certificate)
	}
	g.log.Info("reloaded keys and limits", "keys", len(s.Keys))
}

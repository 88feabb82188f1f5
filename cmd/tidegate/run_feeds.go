//go:build linux

package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"tidegate/arbiter"
	"tidegate/codec/moldudp64"
	"tidegate/gateway"
	"tidegate/gateway/admin"
	"tidegate/gateway/breaker"
	"tidegate/gateway/config"
	"tidegate/gateway/lines"
	"tidegate/gateway/providers"
	"tidegate/gateway/recorded"
	"tidegate/gateway/recovery"
	"tidegate/gateway/stream"
	"tidegate/internal/netloop"
	"tidegate/internal/soup"
	"tidegate/market"
)

// A liveFeed is one feed: its providers, the choice among them, and its way into the ring.
type liveFeed struct {
	number   uint16
	cfg      *config.Feed
	log      *slog.Logger
	stream   *stream.Stream
	witness  *admin.Witness
	choosing providers.Config
	choice   *providers.Feed
	judge    *providers.Judge
	channels []*liveChannel
	keeper   *keeper
	now      market.Nanos // of the latest tick
	running  sync.WaitGroup
	aside    *aside
	tell     func()          // shows readers what was published, and wakes them
	judged   []breaker.State // of each provider, as it was logged
}

// keptGaps is a feed's sink that puts announced gaps into the journal.
type keptGaps struct {
	*admin.Witness
	feed *liveFeed
}

// OnGap keeps the gap and passes it on.
func (k *keptGaps) OnGap(g arbiter.Gap) {
	k.feed.keeper.onGap(k.feed.number, &g, k.feed.now)
	k.Witness.OnGap(g)
}

// A liveChannel is what one provider sends.
type liveChannel struct {
	lines     lines.Feed
	ranks     *providers.Lines
	gaps      *recovery.PitchGaps // nil: no proxies
	snapshots *recovery.Snapshots // nil: no servers
	tcp       *recovery.SoupLine  // nil: no line by TCP
}

// channelName is what the channel of a provider is called: as its feed, where that has one.
func channelName(f *config.Feed, p *config.Provider) string {
	if len(f.Providers) == 1 {
		return f.Name
	}
	return f.Name + "/" + p.Name
}

// openFeeds makes the feeds. Nothing is connected yet.
func (g *liveGateway) openFeeds() (watched []admin.Feed, err error) {
	midnight := newYorkMidnight(time.Now())
	for i := range g.cfg.Feeds {
		f, err := g.openFeed(i, midnight)
		if err != nil {
			return nil, fmt.Errorf("feed %q: %w", g.cfg.Feeds[i].Name, err)
		}
		g.feeds = append(g.feeds, f)
		watched = append(watched, f.watched())
	}
	return watched, nil
}

// watched is what the monitor looks at.
func (f *liveFeed) watched() admin.Feed {
	w := admin.Feed{Name: f.cfg.Name, Choice: f.choice, Judge: f.judge, Witness: f.witness}
	for i, c := range f.channels {
		channel := admin.Channel{Name: c.lines.Name, Pipeline: c.lines.Pipeline, Lines: c.ranks, Gaps: c.gaps, Snapshots: c.snapshots}
		if c.tcp != nil {
			tcp := &f.cfg.Providers[i].TCP
			channel.TCP = &admin.TCPLine{ID: tcp.ID, Address: tcp.Address, Line: c.tcp}
		}
		w.Channels = append(w.Channels, channel)
	}
	return w
}

func (g *liveGateway) openFeed(number int, midnight market.Nanos) (*liveFeed, error) {
	cfg := &g.cfg.Feeds[number]
	f := &liveFeed{number: uint16(number), cfg: cfg, log: g.log.With("feed", cfg.Name), keeper: g.keeper, aside: g.aside}
	f.tell = func() {
		g.publish()
		g.onPublished()
	}
	var err error
	if f.stream, err = stream.New(stream.Config{Feed: uint8(number), Ring: g.ring}); err != nil {
		return nil, err
	}
	if g.keeper != nil {
		for _, schema := range g.cfg.Journal.Schemas { // so that they are derived
			if err := f.stream.Want(schema); err != nil {
				return nil, err
			}
		}
	}
	f.witness = admin.NewWitness(f.stream)
	var names []string
	for _, p := range cfg.Providers {
		names = append(names, p.Name)
		f.judged = append(f.judged, breaker.Closed)
	}
	choice := providers.DefaultConfig(names...)
	choice.SameIDs = len(names) == 1 || cfg.Protocol == gateway.ITCH
	choice.StaleAfter = market.Nanos(cfg.StaleAfter)
	choice.Lag.StepMin = min(choice.Lag.StepMin, choice.StaleAfter)
	choice.Silence, choice.FailBack = market.Nanos(cfg.Silence), market.Nanos(cfg.FailBack)
	f.choosing = choice
	if f.choice, err = providers.New(choice, &keptGaps{f.witness, f}, f); err != nil {
		return nil, err
	}
	f.stream.Attach(f.choice)
	f.choice.Record(func(d providers.Decision) {
		g.record(d.At, providers.AppendDecision(nil, f.number, d))
	})
	if f.judge, err = providers.NewJudge(f.choice, nil, f.onVerdict); err != nil {
		return nil, err
	}
	for i := range cfg.Providers {
		c, err := g.openChannel(f, i, midnight)
		if err != nil {
			return nil, fmt.Errorf("provider %q: %w", cfg.Providers[i].Name, err)
		}
		f.channels = append(f.channels, c)
	}
	return f, nil
}

// openChannel makes what a provider's datagrams go through.
func (g *liveGateway) openChannel(f *liveFeed, i int, midnight market.Nanos) (*liveChannel, error) {
	from := &f.cfg.Providers[i]
	cfg := gateway.DefaultConfig(f.cfg.Protocol)
	cfg.Publisher, cfg.Midnight = f.cfg.Publisher, midnight
	if cfg.Publisher == market.Own { // whose days are those of UTC
		cfg.Midnight = market.Nanos(g.started.Truncate(24 * time.Hour).UnixNano())
	}
	cfg.Arbiter.GapDeadline = market.Nanos(f.cfg.GapDeadline)
	cfg.WithholdJoined = len(from.Snapshots.Servers) > 0 && from.Snapshots.Withhold
	if from.Session != "" {
		session, err := moldudp64.ParseSession(from.Session)
		if err != nil {
			return nil, err
		}
		cfg.Arbiter.Session = arbiter.SessionOf(session[:])
	}
	if from.Retransmit.Asks() {
		cfg.Retransmit = &from.Retransmit.Limits
	}
	p, err := gateway.New(cfg, f.choice.Port(i))
	if err != nil {
		return nil, err
	}
	f.choice.Attach(i, p)
	c := &liveChannel{lines: lines.Feed{Name: channelName(f.cfg, from), Pipeline: p, Delivered: from.TCP.Address != ""}}
	if err := c.openRetransmit(&from.Retransmit); err != nil {
		return nil, err
	}
	for _, l := range from.Lines {
		c.lines.Lines = append(c.lines.Lines, lines.Line{ID: l.ID, Socket: netloop.Config{
			Addr: l.Addr, Interface: l.Interface, Source: l.Source, ReceiveBuffer: l.ReceiveBuffer,
		}})
	}
	if c.ranks, err = f.openRanks(c, from); err != nil {
		return nil, err
	}
	if err := g.openSnapshots(f, c, i); err != nil {
		return nil, err
	}
	return c, g.openTCP(f, c, i)
}

// openRetransmit makes what asks for what the lines of a channel have lost, if somebody is to be asked.
func (c *liveChannel) openRetransmit(from *config.Retransmit) (err error) {
	c.lines.Retransmit = lines.Retransmit{
		Servers: from.Servers, Socket: netloop.Config{Addr: from.Addr, Interface: from.Interface, Source: from.Source},
	}
	if len(from.Proxies) == 0 {
		return nil
	}
	var proxies []recovery.GapProxy
	for _, p := range from.Proxies {
		proxies = append(proxies, recovery.NewGapProxy(p.Address, p.SessionSubID, p.Username, p.Password))
	}
	if c.gaps, err = recovery.NewPitchGaps(proxies); err != nil {
		return err
	}
	c.lines.Retransmit.Send = c.gaps.Send
	return nil
}

// openRanks makes what ranks the lines of a channel.
func (f *liveFeed) openRanks(c *liveChannel, from *config.Provider) (*providers.Lines, error) {
	cfg := providers.LinesConfig{
		Channel: c.lines.Name, StaleAfter: market.Nanos(f.cfg.StaleAfter), Silence: market.Nanos(f.cfg.Silence),
	}
	for _, l := range from.Lines {
		cfg.IDs = append(cfg.IDs, l.ID)
	}
	if from.TCP.Address != "" {
		cfg.IDs = append(cfg.IDs, from.TCP.ID)
	}
	var judged [arbiter.LinesMax]breaker.State // as it was logged
	for i := range judged {
		judged[i] = breaker.Closed
	}
	return providers.NewLines(cfg, c.lines.Pipeline, nil, func(v providers.LineVerdict) {
		if judged[v.Line] != v.State {
			judged[v.Line] = v.State
			f.logVerdict("line judged", v.State, v.Reason, v.By, "channel", c.lines.Name, "line", v.Line.String())
		}
	})
}

// channelNumber is the number of a provider's channel in a recording.
func (f *liveFeed) channelNumber(provider int) uint16 {
	return f.number*arbiter.ProvidersMax + uint16(provider)
}

func (g *liveGateway) openSnapshots(f *liveFeed, c *liveChannel, provider int) (err error) {
	from := &f.cfg.Providers[provider].Snapshots
	if len(from.Servers) == 0 {
		return nil
	}
	cfg := recovery.DefaultConfig()
	cfg.Deadline = from.Deadline
	cfg.Feed = f.channelNumber(provider)
	cfg.Record = func(payload []byte) { g.record(g.loop.Now(), payload) }
	var servers []recovery.Source
	for _, s := range from.Servers {
		if f.cfg.Protocol == gateway.PITCH {
			servers = append(servers, recovery.NewSpin(s.Address, s.SessionSubID, s.Username, s.Password))
			continue
		}
		servers = append(servers, recovery.NewGlimpse(s.Address, s.Username, s.Password))
	}
	c.snapshots, err = recovery.NewSnapshots(cfg, c.lines.Pipeline, servers, g.onLoop)
	return err
}

func (g *liveGateway) openTCP(f *liveFeed, c *liveChannel, provider int) (err error) {
	from := &f.cfg.Providers[provider]
	if from.TCP.Address == "" {
		return nil
	}
	cfg := soup.DefaultConfig(from.TCP.Address, from.TCP.Username, from.TCP.Password)
	if len(from.Lines) > 0 {
		cfg.Client.Login.Next = 0 // beside lines by datagrams, only what is new comes in time
	}
	dst := recorded.LineAddr(f.channelNumber(provider))
	c.tcp, err = recovery.NewSoupLine(cfg, c.lines.Pipeline, g.onLoop, func(at market.Nanos, datagram []byte) {
		g.loop.Deliver(c.lines.Pipeline, from.TCP.ID, dst, at, datagram)
	})
	return err
}

// onLoop has a function run on the ingest loop.
func (g *liveGateway) onLoop(do func()) error { return g.loop.Do(do) }

// record records an input that is no datagram, in its place among the datagrams.
func (g *liveGateway) record(at market.Nanos, payload []byte) {
	if g.recorder != nil {
		g.recorder.Tap(recorded.Addr, recorded.Addr, at, payload)
	}
}

// recordLayout records what the gateway is, so that a replay can be the same. It is called before anything else
// is recorded, with what recorded.Append made of it.
func (g *liveGateway) recordLayout(records [][]byte) {
	now := market.Nanos(time.Now().UnixNano())
	for _, r := range records {
		g.record(now, r)
	}
}

// layout describes the gateway.
func (g *liveGateway) layout() *recorded.Layout {
	l := &recorded.Layout{Consolidated: g.cfg.Consolidated.Dataset}
	addrs := g.loop.Addrs()
	next := func() (addr netip.AddrPort) {
		addr, addrs = addrs[0], addrs[1:]
		return netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
	}
	for _, f := range g.feeds {
		feed := recorded.Feed{Name: f.cfg.Name, Number: f.number, Choice: f.choosing}
		for i, c := range f.channels {
			from := &f.cfg.Providers[i]
			channel := recorded.Channel{
				Number: f.channelNumber(i), Pipeline: c.lines.Pipeline.Config(), Servers: from.Retransmit.Servers,
			}
			for _, p := range from.Retransmit.Proxies {
				channel.Proxies = append(channel.Proxies, p.Address)
			}
			for _, line := range c.lines.Lines {
				channel.Lines = append(channel.Lines, recorded.Line{ID: line.ID, Addr: next()})
			}
			if c.tcp != nil {
				channel.Lines = append(channel.Lines, recorded.Line{ID: from.TCP.ID, Addr: recorded.LineAddr(channel.Number)})
			}
			feed.Channels = append(feed.Channels, channel)
		}
		l.Feeds = append(l.Feeds, feed)
	}
	for i := range l.Feeds { // behind all lines come those that answers to requests come by
		for k := range l.Feeds[i].Channels {
			if c := &l.Feeds[i].Channels[k]; c.Pipeline.Retransmit != nil {
				c.Lines = append(c.Lines, recorded.Line{ID: arbiter.LineR, Addr: next()})
			}
		}
	}
	return l
}

// channels returns what the loop reads.
func (g *liveGateway) channels() (all []lines.Feed) {
	for _, f := range g.feeds {
		for _, c := range f.channels {
			all = append(all, c.lines)
		}
	}
	return all
}

// onTick does what is due beside the datagrams.
func (f *liveFeed) onTick(now market.Nanos) {
	f.now = now
	for _, c := range f.channels {
		if c.snapshots != nil {
			c.snapshots.OnTick(now)
		}
		if c.tcp != nil {
			c.tcp.OnTick(now)
		}
		c.ranks.OnTick(now)
	}
	f.judge.OnTick(now)
	f.choice.OnTick(now)
	f.stream.Serve(now)
}

// OnSwitch tells subscribers, before the books that follow, and the log. See providers.Notices.
func (f *liveFeed) OnSwitch(s providers.Switch) {
	f.stream.Notify(s.At, s.String())
	f.tell()
	f.keeper.onSwitch(f.number, &s)
	f.aside.do(func() {
		f.log.Warn("provider switched", "from", s.From, "to", s.To, "reason", s.Reason.String(), "by", time.Duration(s.By))
	})
}

// OnStale tells subscribers, before the marks that follow, and the log, and the consolidated dataset. See
// providers.Notices.
func (f *liveFeed) OnStale(s providers.Staleness) {
	f.stream.Notify(s.At, s.String())
	f.stream.SetStale(s.At, s.Stale)
	f.tell()
	f.aside.do(func() {
		if s.Stale {
			f.log.Error("feed is stale: no provider is fresh", "reason", s.Reason.String(), "by", time.Duration(s.By))
			return
		}
		f.log.Info("feed is fresh again")
	})
}

// onVerdict tells the log when the state has changed. Reasons may be others in each tick: the admin interface
// shows them.
func (f *liveFeed) onVerdict(v providers.Verdict) {
	if f.judged[v.Provider] != v.State {
		f.judged[v.Provider] = v.State
		f.logVerdict("provider judged", v.State, v.Reason, v.By, "provider", f.cfg.Providers[v.Provider].Name)
	}
}

// logVerdict logs what is thought of somebody.
func (f *liveFeed) logVerdict(text string, s breaker.State, why providers.Reason, by market.Nanos, whom ...any) {
	args := append(whom, "state", s.Rank(), "reason", why.String())
	if by > 0 {
		args = append(args, "by", time.Duration(by))
	}
	level := slog.LevelInfo
	if s == breaker.Open {
		level = slog.LevelWarn
	}
	f.aside.do(func() { f.log.Log(context.Background(), level, text, args...) })
}

// start connects what is by TCP.
func (f *liveFeed) start(ctx context.Context) {
	for _, c := range f.channels {
		if c.gaps != nil {
			f.running.Go(func() { c.gaps.Run(ctx) })
		}
		if c.tcp == nil {
			continue
		}
		f.running.Add(1)
		go func() {
			defer f.running.Done()
			if err := c.tcp.Run(ctx); err != nil {
				f.log.Error("the line by tcp has ended", "channel", c.lines.Name, "error", err)
			}
		}()
	}
}

// close ends what is by TCP. The ingest loop has ended.
func (f *liveFeed) close() {
	for _, c := range f.channels {
		if c.snapshots != nil {
			c.snapshots.Close()
		}
	}
	f.running.Wait()
}

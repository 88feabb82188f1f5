//go:build linux

package main

import (
	"context"
	"log/slog"
	"time"

	"tidegate/gateway/admin"
	"tidegate/gateway/recovery"
)

// watchEvery is how often the watcher looks.
const watchEvery = time.Second

// gapLinesMax is how many gaps of a feed are logged one by one per look.
const gapLinesMax = 5

// A watcher logs what an operator should know. It sees what the monitor reports, now and then, so that
// however much happens it writes little.
type watcher struct {
	monitor *admin.Monitor
	log     *slog.Logger
	feeds   map[string]*watchedFeed
	dropped uint64 // by the recording
	slow    uint64
	set     uint64 // times that the machine's clock was
}

// watchedFeed is what was seen of a feed.
type watchedFeed struct {
	gap       uint64 // number of the last gap that was logged
	lost      uint64 // messages in announced gaps
	epoch     uint32
	receiving bool
	lines     map[string]*watchedLine
	snapshots []watchedServer
	proxies   []watchedProxy
}

// watchedProxy is what was seen of a gap request proxy.
type watchedProxy struct {
	state  proxyState
	counts recovery.GapCounts
}

// proxyState is what was logged of a gap request proxy.
type proxyState uint8

const (
	proxyUnknown proxyState = iota
	proxyReady
	proxyRefuses // logins
	proxyLost
)

// watchedServer is what was seen of a snapshot server.
type watchedServer struct{ done, failed uint64 }

type watchedLine struct {
	silent bool
	drops  uint64
	tcp    bool   // connected, at the last look
	looked bool   // at its connection
	lost   uint64 // connections that broke, or did not come about
}

func newWatcher(m *admin.Monitor, log *slog.Logger) *watcher {
	return &watcher{monitor: m, log: log, feeds: make(map[string]*watchedFeed)}
}

// run looks until ctx ends.
func (w *watcher) run(ctx context.Context) {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		feeds, err := w.monitor.Feeds(ctx)
		if err == nil {
			w.onFeeds(feeds)
		} else if ctx.Err() == nil {
			w.log.Error("the ingest loop does not answer", "error", err)
		}
		subscribers, err := w.monitor.Subscribers(ctx)
		if err == nil {
			w.onSubscribers(subscribers)
		} else if ctx.Err() == nil {
			w.log.Error("the subscribers' loops do not answer", "error", err)
		}
	}
}

func (w *watcher) onFeeds(r *admin.FeedsReport) {
	for i := range r.Feeds {
		f := &r.Feeds[i]
		seen := w.feeds[f.Name]
		if seen == nil {
			seen = &watchedFeed{lines: make(map[string]*watchedLine)}
			w.feeds[f.Name] = seen
		}
		w.onFeed(f, seen)
	}
	if l := &r.Loop; l.ClockSet > w.set {
		w.log.Warn("the machine's clock was set: the gateway's draws near by half a millisecond per second",
			"ahead", time.Duration(l.ClockSkew).String())
		w.set = l.ClockSet
	}
	if c := r.Capture; c != nil && c.Dropped > w.dropped {
		w.log.Warn("datagrams were not recorded", "datagrams", c.Dropped-w.dropped, "in_all", c.Dropped)
		w.dropped = c.Dropped
	}
}

func (w *watcher) onFeed(f *admin.FeedReport, seen *watchedFeed) {
	log := w.log.With("feed", f.Name)
	for _, e := range f.Epochs {
		if e.Number > seen.epoch {
			seen.epoch = e.Number
			log.Info("epoch begins", "epoch", e.Number, "reason", e.Reason, "session", e.Session, "from", e.From)
		}
	}
	w.onGaps(log, f, seen)
	if f.Receiving != seen.receiving {
		if seen.receiving = f.Receiving; f.Receiving {
			log.Info("feed receives")
		} else {
			log.Warn("feed is silent: nothing comes on any line", "for", admin.SilenceMax.String())
		}
	}
	for i := range f.Lines {
		l := &f.Lines[i]
		line := seen.lines[l.Name]
		if line == nil {
			line = &watchedLine{}
			seen.lines[l.Name] = line
		}
		if l.Silent != line.silent {
			if line.silent = l.Silent; l.Silent {
				log.Warn("line is silent: another one is not", "line", l.Name, "last", l.Last)
			} else if f.Receiving {
				log.Info("line is back", "line", l.Name)
			}
		}
		if l.KernelDrops > line.drops {
			log.Warn("the kernel dropped datagrams: the receive buffer was full", "line", l.Name,
				"datagrams", l.KernelDrops-line.drops, "in_all", l.KernelDrops)
			line.drops = l.KernelDrops
		}
		if l.TCP != nil {
			onTCP(log.With("line", l.Name, "address", l.Address), l.TCP, line)
		}
	}
	if f.Retransmit != nil {
		onProxies(log, f.Retransmit.Proxies, seen)
	}
	if f.Snapshots != nil {
		onSnapshots(log, f.Snapshots, seen)
	}
}

// onProxies logs when a gap request proxy lets us in, refuses to, or is not connected any more or not yet, and when
// it refuses requests. The same again is not logged.
func onProxies(log *slog.Logger, proxies []recovery.GapCounts, seen *watchedFeed) {
	for i := range proxies {
		if i == len(seen.proxies) {
			seen.proxies = append(seen.proxies, watchedProxy{})
		}
		p, was := &proxies[i], &seen.proxies[i]
		log, state := log.With("proxy", p.Address), was.state
		switch {
		case p.Ready:
			state = proxyReady
		case p.LoginsRefused > was.counts.LoginsRefused:
			state = proxyRefuses
		case p.LastError != "" && state != proxyRefuses:
			state = proxyLost
		}
		switch again := p.Logins > was.counts.Logins; {
		case state == was.state && !(state == proxyReady && again):
		case state == proxyReady:
			log.Info("gap request proxy is ready")
		case state == proxyRefuses:
			log.Warn("gap request proxy refused the login", "error", p.LastError)
		default:
			log.Warn("gap request proxy is not connected", "error", p.LastError)
		}
		if n := p.Refused - was.counts.Refused; n > 0 {
			log.Warn("gap requests were refused", "requests", n, "status", p.LastStatus)
		}
		was.state, was.counts = state, *p
	}
}

// onTCP logs when a line by TCP is connected, and when it is not any more, or not yet.
func onTCP(log *slog.Logger, r *admin.TCPReport, seen *watchedLine) {
	if r.Connected && (!seen.tcp || r.Disconnects > seen.lost) {
		log.Info("line by tcp is connected")
	}
	if !r.Connected && (seen.tcp || !seen.looked) {
		log.Warn("line by tcp is not connected", "error", r.LastError)
	}
	seen.tcp, seen.looked, seen.lost = r.Connected, true, r.Disconnects
}

// onSnapshots logs what came of asking for snapshots.
func onSnapshots(log *slog.Logger, r *admin.SnapshotsReport, seen *watchedFeed) {
	for i := range r.Servers {
		if i == len(seen.snapshots) {
			seen.snapshots = append(seen.snapshots, watchedServer{})
		}
		server, now := &r.Servers[i], watchedServer{}
		for outcome, n := range server.Outcomes {
			switch outcome {
			case recovery.Done.String():
				now.done += n
			case recovery.Epoch.String(), recovery.Unneeded.String(): // nothing is wrong
			default:
				now.failed += n
			}
		}
		was := &seen.snapshots[i]
		if now.failed > was.failed {
			log.Warn("no snapshot could be had", "server", server.Name, "times", now.failed-was.failed, "error", server.LastError)
		}
		if now.done > was.done {
			log.Info("books were made anew from a snapshot", "server", server.Name)
		}
		*was = now
	}
}

func (w *watcher) onGaps(log *slog.Logger, f *admin.FeedReport, seen *watchedFeed) {
	lost := f.Ledger.GapsAnnounced().Messages
	logged := 0
	for _, g := range f.Gaps {
		if g.Number <= seen.gap {
			continue
		}
		if logged++; logged > gapLinesMax {
			continue
		}
		log.Warn("gap: messages are lost", "messages", g.Messages, "from", g.From, "to", g.To,
			"reason", g.Reason, "line", g.Line, "seen", g.Seen)
	}
	if n := len(f.Gaps); n > 0 {
		if last := f.Gaps[n-1].Number; last > seen.gap {
			if more := last - seen.gap; more > gapLinesMax {
				log.Warn("gaps: messages are lost", "gaps", more, "messages", lost-seen.lost)
			}
			seen.gap = last
		}
	}
	seen.lost = lost
}

func (w *watcher) onSubscribers(r *admin.SubscribersReport) {
	if slow := r.Counts["slow"]; slow > w.slow {
		w.log.Warn("subscribers became slow", "times", slow-w.slow, "skipped_in_all", r.Counts["skipped"])
		w.slow = slow
	}
}

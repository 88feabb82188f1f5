//go:build linux

package main

import (
	"context"
	"log/slog"
	"time"

	"tidegate/gateway/admin"
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
}

// watchedFeed is what was seen of a feed.
type watchedFeed struct {
	gap       uint64 // number of the last gap that was logged
	lost      uint64 // messages in announced gaps
	epoch     uint32
	receiving bool
	lines     map[string]*watchedLine
}

type watchedLine struct {
	silent bool
	drops  uint64
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

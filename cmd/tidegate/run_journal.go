//go:build linux

package main

import (
	"context"
	"errors"
	"log/slog"

	"tidegate/arbiter"
	"tidegate/codec/dbn"
	"tidegate/gateway/config"
	"tidegate/gateway/history"
	"tidegate/gateway/providers"
	"tidegate/gateway/stream"
	"tidegate/internal/bus"
	"tidegate/market"
	"tidegate/sinks/entry"
	"tidegate/sinks/journal"
)

// A keeper puts what the ring gets into the journal, on the ingest loop: it follows the ring with the writer, so
// it is never lapped, and never waits.
type keeper struct {
	journal *journal.Journal
	reader  *bus.Reader
	wanted  [1 << 8]bool // by schema
	lost    uint64       // entries that it was lapped by, which cannot be
	remembered
}

// openJournal opens the journal, if one is wanted.
func openJournal(cfg *config.Journal, ring *bus.Ring, log *slog.Logger) (*keeper, error) {
	if cfg.Dir == "" {
		return nil, nil
	}
	k := &keeper{}
	k.schemas = cfg.Schemas
	for _, s := range k.schemas {
		k.wanted[uint8(s)] = true
	}
	var err error
	if k.journal, err = journal.Open(journal.Config{
		Dir: cfg.Dir, CommitEvery: cfg.CommitEvery, SpillBytes: cfg.SpillBytes,
		RetainAge: cfg.RetainAge, RetainBytes: int64(cfg.RetainBytes),
		Notify: func(n journal.Notice) {
			if n.Kind.Alarm() {
				log.Error("journal: " + n.Text)
				return
			}
			log.Info("journal: " + n.Text)
		},
	}); err != nil {
		return nil, err
	}
	log.Info("journal", "dir", cfg.Dir, "epoch", k.journal.Epoch(), "next", k.journal.DurableIndex()+1)
	if k.reader, err = ring.NewReader(nil); err != nil {
		return nil, errors.Join(err, k.journal.Close(context.Background()))
	}
	k.marks = history.NewMarks(ring.Stats().MemoryBytes, k.journal.DurableIndex()+1)
	return k, nil
}

// besideName is what the name of a feed ends with under which its tbbo records are kept beside those of mbp-1.
const besideName = " (tbbo)"

// begin says what the feeds' numbers stand for.
func (k *keeper) begin(feeds []*liveFeed, at market.Nanos) {
	if k == nil {
		return
	}
	for _, f := range feeds {
		e := entry.Feed{Publisher: f.cfg.Publisher.ID, Name: f.cfg.Name}
		k.append(f.number, entry.KindFeed, at, e.Append(nil))
		if beside := history.FeedOf(uint8(f.number), dbn.SchemaTBBO, k.schemas); beside != f.number {
			e.Name += besideName
			k.append(beside, entry.KindFeed, at, e.Append(nil))
		}
		k.append(f.number, entry.KindRecord, at, history.AppendKept(nil, k.schemas, at))
		k.directories = append(k.directories, f.stream.Directory())
	}
	k.follow() // who starts in the past goes on to the ring also while it is empty
}

// append keeps what is not in the ring, and returns its index.
func (k *keeper) append(feed uint16, kind uint8, at market.Nanos, payload []byte) uint64 {
	index, _ := k.journal.Append(journal.Header{At: at, Feed: feed, Kind: kind}, payload) // what it drops is a gap that it records
	k.marks.Inserted()
	return index
}

// follow takes what was published since.
func (k *keeper) follow() {
	if k == nil {
		return
	}
	var e bus.Entry
	for {
		if k.marks.Due() {
			k.marks.Begin(k.reader.Cursor())
		}
		switch k.reader.Next(&e) {
		case bus.Empty:
			return
		case bus.Lapped:
			k.lost += k.reader.Skip(k.reader.Cursor())
			return
		case bus.Ready:
			kept := e.Kind == stream.Record && k.wanted[uint8(dbn.Schema(e.Schema))]
			if kept {
				feed := history.FeedOf(e.Feed, dbn.Schema(e.Schema), k.schemas)
				k.journal.Append(journal.Header{At: e.At, Feed: feed, Kind: entry.KindRecord}, e.Payload)
			}
			k.marks.Passed(kept)
			if e.Kind == stream.Instrument {
				k.meet(&e)
			}
		}
	}
}

// onGap keeps an announced gap.
func (k *keeper) onGap(feed uint16, g *arbiter.Gap, at market.Nanos) {
	if k == nil {
		return
	}
	e := entry.Gap{From: g.From, To: g.To, Seen: g.Seen, Epoch: g.Epoch, Channel: feed, Reason: g.Reason.String()}
	k.append(feed, entry.KindGap, at, e.Append(nil))
}

// onSwitch keeps the choice of another provider.
func (k *keeper) onSwitch(feed uint16, s *providers.Switch) {
	if k == nil {
		return
	}
	e := entry.Switch{By: s.By, From: s.From, To: s.To, Reason: s.Reason.String()}
	k.append(feed, entry.KindSwitch, s.At, e.Append(nil))
}

// close waits until everything is durable. The ingest loop has ended.
func (k *keeper) close(ctx context.Context) error {
	if k == nil {
		return nil
	}
	k.follow()
	k.reader.Close()
	return k.journal.Close(ctx)
}

//go:build linux

package main

import (
	"tidegate/codec/dbn"
	"tidegate/gateway/history"
	"tidegate/gateway/stream"
	"tidegate/internal/bus"
	"tidegate/sinks/entry"
)

// remembered is the part of a keeper by which the journal is history: what is known of it beside its entries.
// The ingest loop owns it, but for live.
type remembered struct {
	schemas     []dbn.Schema // that are kept
	marks       *history.Marks
	live        history.Live
	directories []*stream.Directory // of the feeds, by number
	met         []int               // how many instruments of each the ring has told of
}

// meet keeps that the ring told of an instrument. Each entry of the kind is one of the directory, in order.
func (k *keeper) meet(e *bus.Entry) {
	feed := int(e.Feed)
	if feed >= len(k.directories) {
		return // the consolidated dataset has no history
	}
	for len(k.met) < len(k.directories) {
		k.met = append(k.met, 0)
	}
	in := &k.directories[feed].All()[k.met[feed]]
	k.met[feed]++
	index := k.append(uint16(feed), entry.KindRecord, e.At, history.AppendMet(nil, in.ID, in.Symbol, e.At))
	k.live.Catalog.Add(history.Met{Index: index, Feed: uint16(feed), Instrument: in.ID, Symbol: in.Symbol})
}

// openHistory returns the history in the journal, nil if there is none.
func (g *liveGateway) openHistory() *history.History {
	k := g.keeper
	if k == nil {
		return nil
	}
	k.live.Marks = func(f func(*history.Marks)) error { return g.loop.Do(func() { f(k.marks) }) }
	var names []string
	for _, f := range g.feeds {
		names = append(names, f.cfg.Name)
	}
	return history.New(history.Config{
		Dir: g.cfg.Journal.Dir, Open: k.journal.NewReader, Schemas: g.cfg.Journal.Schemas,
		Feeds: names, Epoch: k.journal.Epoch(), Live: &k.live,
	})
}

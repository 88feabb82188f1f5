package sim

import (
	"errors"
	"fmt"
	"hash"
	"hash/fnv"
	"strings"

	"tidegate/book"
	"tidegate/codec/dbn"
	"tidegate/gateway/stream"
	"tidegate/internal/bus"
	"tidegate/market"
)

// An auditor reads everything that is published, and never stalls. It hashes the records of each feed and schema,
// as a subscriber gets them: when an interval is closed between two datagrams, and so its place among the
// records of other schemas, is a matter of ticks.
type auditor struct {
	world *World // nil in a replay, where nothing is checked but the hashes
	r     *bus.Reader
	sums  [consolidatedFeed + 1][schemasMax]hash.Hash64
	n     uint64
	feeds [consolidatedFeed]published
	best  map[market.InstrumentID]dbn.ConsolidatedLevel // the latest of the consolidated dataset
}

// published is what is known of a feed from what it published.
type published struct {
	instruments []publishedInstrument // by id
	said        bool                  // that it is stale
}

type publishedInstrument struct {
	seq    uint64 // of the newest message since the book was published anew
	whole  bool   // all of it was published
	marked bool   // the newest record says that the book may be bad
	due    bool   // its book is another provider's now, and must be published anew before anything else
}

// schemasMax is more than there are.
const schemasMax = 64

func newAuditor(ring *bus.Ring) (*auditor, error) {
	r, err := ring.NewReader(nil)
	a := &auditor{r: r, best: make(map[market.InstrumentID]dbn.ConsolidatedLevel)}
	for i := range a.sums {
		for k := range a.sums[i] {
			a.sums[i][k] = fnv.New64a()
		}
	}
	return a, err
}

func (a *auditor) poll() error {
	var e bus.Entry
	for {
		switch a.r.Next(&e) {
		case bus.Empty:
			return nil
		case bus.Lapped:
			return errors.New("the auditor was lapped")
		case bus.Ready:
			if e.Kind == stream.Record {
				_, _ = a.sums[e.Feed][e.Schema%schemasMax].Write(e.Payload)
				a.n++
			}
			if a.world != nil {
				if err := a.look(&e); err != nil {
					return err
				}
			}
		}
	}
}

// compare says which records another auditor saw otherwise.
func (a *auditor) compare(b *auditor) (differ []string) {
	for i := range a.sums {
		for k := range a.sums[i] {
			if a.sums[i][k].Sum64() != b.sums[i][k].Sum64() {
				differ = append(differ, fmt.Sprintf("%s of feed %d", dbn.Schema(k), i))
			}
		}
	}
	return differ
}

// look checks an entry on its own.
func (a *auditor) look(e *bus.Entry) error {
	switch {
	case e.Kind == stream.Notice && strings.HasPrefix(string(e.Payload), "stale"):
		a.feeds[e.Feed].said = true
	case e.Kind == stream.Notice && strings.HasPrefix(string(e.Payload), "fresh"):
		a.feeds[e.Feed].said = false
	case e.Kind == stream.Notice:
		a.onSwitch(e.Feed, string(e.Payload))
	case e.Kind != stream.Record:
	case e.Feed == consolidatedFeed && dbn.Schema(e.Schema) == dbn.SchemaCMBP1:
		rec, err := dbn.ParseRecord(e.Payload, dbn.Version, false)
		if err != nil {
			return err
		}
		var m dbn.CMBP1
		if err := m.Parse(rec); err != nil {
			return err
		}
		a.best[m.InstrumentID] = m.Level
	case e.Feed != consolidatedFeed && dbn.Schema(e.Schema) == dbn.SchemaMBO:
		var event market.Event
		if err := parseMBO(e.Payload, &event); err != nil {
			return err
		}
		a.onEvent(e.Feed, &event)
	}
	return nil
}

// restart forgets what came last of each instrument: a publisher, or another provider, begins with numbers of
// its own.
func (a *auditor) restart(feed uint8) {
	for i := range a.feeds[feed].instruments {
		a.feeds[feed].instruments[i].seq = 0
	}
}

// onSwitch notes that the books of another provider count.
func (a *auditor) onSwitch(feed uint8, sentence string) {
	a.restart(feed)
	var from, to string
	if _, err := fmt.Sscanf(strings.ReplaceAll(sentence, ":", " "), "switched from provider %s to %s", &from, &to); err != nil {
		a.world.violate("feed %d: notice %q: %v", feed, sentence, err)
	}
	f := &a.feeds[feed]
	for _, p := range a.world.feeds[feed].providers {
		if p.name != from && p.name != to || p.pipeline.Withheld() {
			continue
		}
		for id := range f.instruments {
			if p.pipeline.Books().BBO(market.InstrumentID(id)) != book.EmptyBBO {
				f.instruments[id].due = true
			}
		}
	}
}

// onEvent checks that an instrument's messages come in order, and each once. A book that is published anew,
// because it was made anew or is another provider's, begins anew.
func (a *auditor) onEvent(feed uint8, e *market.Event) {
	f := &a.feeds[feed]
	for int(e.Instrument) >= len(f.instruments) {
		f.instruments = append(f.instruments, publishedInstrument{})
	}
	in := &f.instruments[e.Instrument]
	if in.due && e.Action != market.Clear {
		a.world.violate("feed %d: instrument %d: message %d is published, and its book is another provider's", feed, e.Instrument, e.Seq)
	}
	in.due = false
	in.marked = e.Flags&market.FlagMaybeBadBook != 0
	switch {
	case e.Action == market.Clear:
		in.seq = 0
	case e.Flags&market.FlagSnapshot != 0 || e.Action == market.None:
	case e.Seq < in.seq || e.Seq == in.seq && in.whole:
		a.world.violate("feed %d: instrument %d: message %d is published after %d", feed, e.Instrument, e.Seq, in.seq)
	default:
		in.seq, in.whole = e.Seq, e.Flags&market.FlagLast != 0
	}
}

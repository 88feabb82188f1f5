package history

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"tidegate/codec/dbn"
	"tidegate/market"
	"tidegate/sinks/journal"
)

// Config says where history is. Feeds, Epoch and Live are of the gateway that writes the journal; somebody
// else who reads it leaves them zero.
type Config struct {
	Dir     string                          // of the journal
	Open    func() (*journal.Reader, error) // of the same
	Schemas []dbn.Schema                    // that are kept now
	Feeds   []string                        // names, by number
	Epoch   uint64                          // that is being written
	Live    *Live
}

// A History reads a journal. Its methods may be called by any goroutine that may wait.
type History struct {
	cfg  Config
	kept schemaSet

	mu     sync.Mutex
	epochs map[uint64]*epoch
}

// New returns the history in a journal.
func New(cfg Config) *History {
	return &History{cfg: cfg, kept: setOf(cfg.Schemas...), epochs: make(map[uint64]*epoch)}
}

// Keeps reports whether records of a schema are kept.
func (h *History) Keeps(s dbn.Schema) bool { return h.kept.has(s) }

// Schemas returns the schemas that Keeps is true of.
func (h *History) Schemas() (all []dbn.Schema) {
	for s := range dbn.SchemaBBO1m + 1 {
		if h.Keeps(s) {
			all = append(all, s)
		}
	}
	return all
}

// Marks has the keeper of the journal call a function with its marks, soon, unless nobody writes the journal
// any more: then it returns an error.
func (h *History) Marks(f func(*Marks)) error {
	if h.cfg.Live == nil {
		return errors.New("history: nobody writes the journal")
	}
	return h.cfg.Live.Marks(f)
}

// Names returns the instruments of a feed as the journal has them, by number: those of the latest start of the
// gateway that knows of it, from a time on. It reads starts of the gateway that were not read before.
func (h *History) Names(ctx context.Context, feed string, since market.Nanos) (map[market.InstrumentID]string, error) {
	r, err := h.cfg.Open()
	if err != nil {
		return nil, fmt.Errorf("history: %w", err)
	}
	defer r.Close()
	spans, err := h.spans()
	if err != nil {
		return nil, err
	}
	names := make(map[market.InstrumentID]string)
	for i := range spans {
		if i+1 < len(spans) && spans[i+1].created < since {
			continue
		}
		e, err := h.epoch(ctx, r, &spans[i])
		if err != nil {
			return nil, err
		}
		number := h.number(e, feed)
		for _, m := range e.metNow() {
			if int(m.Feed) == number {
				names[m.Instrument] = m.Symbol
			}
		}
	}
	return names, nil
}

// A span is where an epoch is in the journal.
type span struct {
	number  uint64
	first   uint64 // index of the oldest entry that is there
	next    uint64 // index of the first entry of the next one; 0 if there is none
	created market.Nanos
	whole   bool // its beginning is there
}

// spans returns the epochs of the journal, oldest first. Those that wrote nothing are there, too.
func (h *History) spans() (all []span, err error) {
	s, err := journal.Stat(h.cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("history: %w", err)
	}
	for i, seg := range s.Segments {
		n := len(all)
		if seg.Damaged != "" || n > 0 && all[n-1].number == seg.Epoch {
			continue
		}
		if n > 0 {
			all[n-1].next = seg.First
		}
		// The first segment of all begins with index 1; of others the segment before is of another epoch.
		all = append(all, span{number: seg.Epoch, first: seg.First, created: seg.Created, whole: i > 0 || seg.First == 1})
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("history: %s: no segment can be read", h.cfg.Dir)
	}
	return all, nil
}

// epochsMax is how many epochs that have ended are remembered.
const epochsMax = 64

// epoch returns what is known of an epoch. What is not in memory is read by r, whose position is lost then.
func (h *History) epoch(ctx context.Context, r *journal.Reader, s *span) (*epoch, error) {
	if live := h.cfg.Live; live != nil && s.number == h.cfg.Epoch {
		return &epoch{span: *s, feeds: h.feeds(), kept: h.keptOf(), live: live}, nil
	}
	h.mu.Lock()
	e := h.epochs[s.number]
	h.mu.Unlock()
	if e != nil && s.next != 0 && e.next == s.next {
		return e, nil
	}
	e, err := readEpoch(ctx, r, s)
	if err != nil {
		return nil, fmt.Errorf("history: epoch %d: %w", s.number, err)
	}
	if s.next == 0 {
		return e, nil // somebody may be writing it
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for number := range h.epochs {
		if len(h.epochs) >= epochsMax {
			delete(h.epochs, number)
		}
	}
	h.epochs[s.number] = e
	return e, nil
}

func (h *History) feeds() map[string]int {
	feeds := make(map[string]int)
	for number, name := range h.cfg.Feeds {
		feeds[name] = number
	}
	return feeds
}

func (h *History) keptOf() map[int]schemaSet {
	kept := make(map[int]schemaSet)
	for number := range h.cfg.Feeds {
		kept[number] = h.kept
	}
	return kept
}

// number returns the number of a feed in an epoch, -1 if it has none. Of an epoch whose beginning is gone it
// is taken to be what it is now.
func (h *History) number(e *epoch, feed string) int {
	if n, ok := e.feeds[feed]; ok {
		return n
	}
	if len(e.feeds) == 0 {
		return slices.Index(h.cfg.Feeds, feed)
	}
	return -1
}

// keptBy returns the schemas of a feed that an epoch kept, by its number: as now, if it does not say.
func (h *History) keptBy(e *epoch, number int) schemaSet {
	if kept, ok := e.kept[number]; ok {
		return kept
	}
	return h.kept
}

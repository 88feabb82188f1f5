package egress

import (
	"context"
	"errors"
	"sync"

	"tidegate/codec/dbn"
	"tidegate/gateway/history"
	"tidegate/internal/clock"
	"tidegate/market"
)

// A task is the part of a replay that reads the journal. Its jobs run on cold goroutines, one at a time, and
// answer to the loop; nothing of it is touched by the loop but by them.
type task struct {
	feed    *Feed
	subs    []*subscription // whose records are read
	live    uint64          // index of the journal at which subscriptions without a start begin
	known   []market.Instrument
	ctx     context.Context
	cancel  context.CancelFunc
	mu      sync.Mutex // one job at a time
	cursor  *history.Cursor
	closed  bool
	want    *interest // of subs: who is to be told of which instrument
	told    map[market.InstrumentID]string
	mayLack bool // all that is read may be skipped
}

func newTask(feed *Feed, subs []*subscription, live uint64, known []market.Instrument) *task {
	t := &task{
		feed: feed, subs: subs, live: live, known: known,
		want: newInterest(form{}, subs), told: make(map[market.InstrumentID]string),
	}
	t.mayLack = t.want.any&^skippable == 0
	t.ctx, t.cancel = context.WithCancel(context.Background())
	return t
}

// close gives back what the task holds. It is a job, too, and the last one.
func (t *task) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	if t.cursor != nil {
		_ = t.cursor.Close() // nothing was written
		t.cursor = nil
	}
}

// names are instruments as history has them.
type names struct {
	byID     map[market.InstrumentID]string
	bySymbol map[string]market.InstrumentID
}

// open goes to where the records begin. It returns the instruments that the journal knows.
func (t *task) open() (n names, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return n, context.Canceled
	}
	for i := range t.known {
		t.told[t.known[i].ID] = t.known[i].Symbol
	}
	q := history.Query{Feed: t.feed.Name}
	since, named := market.UndefTime, false
	for _, s := range t.subs {
		w := history.Want{Schema: s.schema, Start: s.start, From: t.live}
		if s.replayed {
			w.From = 0
			if !since.Defined() || s.start < since {
				since = s.start
			}
		}
		if named = named || !s.all(); s.stype == dbn.STypeInstrumentID {
			w.Numbers = make([]market.InstrumentID, 0, len(s.symbols))
			for _, text := range s.symbols {
				if id, ok := parseNumber(text); ok {
					w.Numbers = append(w.Numbers, id)
				}
			}
		} else if !s.all() {
			w.Symbols = s.symbols
		}
		q.Wants = append(q.Wants, w)
	}
	if t.cursor, err = t.feed.History.Read(t.ctx, q); err != nil || !named || !since.Defined() {
		return n, err
	}
	n.byID, err = t.feed.History.Names(t.ctx, t.feed.Name, since)
	n.bySymbol = make(map[string]market.InstrumentID, len(n.byID))
	for id, symbol := range n.byID {
		n.bySymbol[symbol] = max(id, n.bySymbol[symbol])
	}
	return n, err
}

// A block is what a job has read.
type block struct {
	b       []byte // whole records without send times
	records int    // of data
	lacks   string // what the journal lacks behind them; empty if nothing
	end     bool   // everything durable was read
	next    uint64 // index of the journal behind it
	err     error
}

// pausesMax is how often a job goes on although nothing was found.
const pausesMax = 16

// read reads on, from an index of the journal if that is not 0, about so many bytes into b.
func (t *task) read(from uint64, b []byte, most int) (k block) {
	t.mu.Lock()
	defer t.mu.Unlock()
	k.b = b[:0]
	if t.closed {
		k.err = context.Canceled
		return k
	}
	if from != 0 {
		if k.err = t.cursor.Seek(from); k.err != nil {
			return k
		}
	}
	var item history.Item
	for pauses := 0; len(k.b) < most; {
		out, err := t.cursor.Next(t.ctx, &item)
		k.next = t.cursor.Position()
		if err != nil {
			k.err = err
			return k
		}
		switch out {
		case history.Empty:
			k.end = true
			return k
		case history.Missing:
			if k.lacks = item.Missing; !t.mayLack {
				k.err = errLacks(item.Missing)
			}
			return k
		case history.Pause:
			if pauses++; pauses == pausesMax {
				return k
			}
		default:
			if item.Instrument != 0 && t.told[item.Instrument] != item.Symbol {
				t.told[item.Instrument] = item.Symbol
				k.b = t.want.appendMappings(k.b, item.Instrument, item.Symbol, clock.Now())
			}
			if item.Record() {
				k.b = append(k.b, item.Payload...)
				k.records++
			}
		}
	}
	return k
}

// errLacks is the journal's lack of something that may not be skipped.
type errLacks string

func (e errLacks) Error() string { return "history has a gap: " + string(e) }

// faultOf says what ends a session when its replay has failed.
func faultOf(err error) fault {
	switch {
	case errors.Is(err, history.ErrAgedOut), errors.Is(err, history.ErrSchema), errors.As(err, new(errLacks)):
		return fault{dbn.ErrorReplayAgedOut, "replay: " + err.Error()}
	default:
		return fault{dbn.ErrorInternal, "Internal error: history cannot be read"}
	}
}

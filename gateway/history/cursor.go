package history

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tidegate/codec/dbn"
	"tidegate/market"
	"tidegate/sinks/entry"
	"tidegate/sinks/journal"
)

// ErrAgedOut is wrapped by errors about a time whose records are not there any more, or never were.
var ErrAgedOut = errors.New("history does not reach back so far")

// Outcome is what came of Cursor.Next.
type Outcome uint8

// Outcomes.
const (
	Empty   Outcome = iota // everything durable was read, or everything up to the end that was asked for
	Ready                  // an item
	Missing                // the journal lacks entries here: see Item.Missing
	Pause                  // much was read and nothing found
)

// An Item is something that was asked for.
type Item struct {
	Index uint64
	At    market.Nanos // receive time
	Epoch uint64
	// Kind is that of the entry. A symbol-mapping among records says that an instrument that is wanted has
	// become known.
	Kind       uint8
	Payload    []byte // of the entry, a view that is valid until the next call
	Instrument market.InstrumentID
	Symbol     string // as of then
	// Missing says, with that outcome, what the journal lacks, and why.
	Missing string
}

// Record reports whether the item is a record of a schema.
func (i *Item) Record() bool {
	return i.Kind == entry.KindRecord && dbn.RType(i.Payload[1]) != dbn.RTypeSymbolMapping
}

// A Cursor reads what was asked for, in the order in which it was published. It belongs to one goroutine at
// a time.
type Cursor struct {
	h     *History
	r     *journal.Reader
	q     Query
	wants []*want
	end   market.Nanos // receive time behind which nothing can be that is wanted
	ended bool

	batch journal.Batch
	next  uint64 // index

	spans   []span
	epoch   uint64 // that names are of; 0: look again
	feed    int    // number of the feed in it
	kept    []*want
	mbp1    bool // it keeps mbp-1 of the feed: its tbbo records are beside
	names   map[market.InstrumentID]string
	plans   map[market.InstrumentID][]*want // of those that were met in this epoch
	pauseIn int
}

// pauseAfter is how many entries Next looks at without finding anything. It takes about a millisecond.
const pauseAfter = 1 << 16

// Read begins to read what is asked for. The error wraps ErrSchema, ErrAgedOut, or what package journal says.
func (h *History) Read(ctx context.Context, q Query) (*Cursor, error) {
	wants, err := h.prepare(&q)
	if err != nil {
		return nil, err
	}
	r, err := h.cfg.Open()
	if err != nil {
		return nil, fmt.Errorf("history: %w", err)
	}
	c := &Cursor{h: h, r: r, q: q, wants: wants}
	if err := c.begin(ctx); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return c, nil
}

// begin goes to where the first item may be.
func (c *Cursor) begin(ctx context.Context) (err error) {
	if c.spans, err = c.h.spans(); err != nil {
		return err
	}
	_, durable, err := c.r.Bounds()
	if err != nil {
		return fmt.Errorf("history: %w", err)
	}
	start, end, from, byTime := spanOf(&c.q, c.wants)
	if c.end = market.UndefTime; !byTime && !end.Defined() {
		return c.Seek(from)
	}
	var k skew
	for i := range c.spans {
		of, err := c.h.skewOf(c.r, &c.spans[i], durable)
		if err != nil {
			return fmt.Errorf("history: %w", err)
		}
		k = k.or(of)
	}
	if end.Defined() {
		c.end = end + max(k.behind, 0) + skewSlack
	}
	at := c.spans[0].first
	switch {
	case !byTime:
		return c.Seek(from)
	case start > 0:
		if err := c.reaches(ctx, start); err != nil {
			return err
		}
		if err := c.r.SeekTime(start - max(k.ahead, 0) - skewSlack); err != nil {
			return fmt.Errorf("history: %w", err)
		}
		c.settle(c.r.Position())
		return nil
	}
	if from != 0 {
		at = min(at, from)
	}
	return c.Seek(at)
}

// reaches returns an error unless everything that is wanted from a time on was kept, and still is.
func (c *Cursor) reaches(ctx context.Context, start market.Nanos) error {
	if c.q.Kind != entry.KindRecord {
		return nil
	}
	if oldest := c.spans[0].first; oldest > 1 {
		if err := c.r.SeekIndex(oldest); err != nil {
			return fmt.Errorf("history: %w", err)
		}
		var b journal.Batch
		out, err := c.r.NextBatch(&b)
		if err != nil {
			return fmt.Errorf("history: %w", err)
		}
		if out == journal.Ready && start < b.Earliest {
			return fmt.Errorf("%w: it begins at %s", ErrAgedOut, text(b.Earliest))
		}
	}
	for i := range c.spans {
		s := &c.spans[i]
		if i+1 < len(c.spans) && c.spans[i+1].created <= start || i+1 == len(c.spans) {
			continue // it had ended by then, or it is what Keeps is about
		}
		e, err := c.h.epoch(ctx, c.r, s)
		if err != nil {
			return err
		}
		number := c.h.number(e, c.q.Feed)
		for _, schema := range schemasOf(c.wants) {
			if number >= 0 && !c.h.keptBy(e, number).has(schema) {
				return fmt.Errorf("%w: schema %s was not kept before %s", ErrAgedOut, schema, text(c.spans[i+1].created))
			}
		}
	}
	return nil
}

func text(t market.Nanos) string {
	return time.Unix(0, int64(t)).UTC().Format(time.RFC3339Nano)
}

// Close gives back what the cursor holds.
func (c *Cursor) Close() error { return c.r.Close() }

// Position returns the index of the next entry that is looked at.
func (c *Cursor) Position() uint64 { return c.next }

// Seek goes on at an index of the journal, whether it is there already or not.
func (c *Cursor) Seek(index uint64) error {
	if err := c.r.SeekIndex(index); err != nil {
		return fmt.Errorf("history: %w", err)
	}
	c.settle(index)
	return nil
}

// settle forgets where the cursor was. The reader is at an index, or near it.
func (c *Cursor) settle(index uint64) {
	c.batch, c.epoch, c.ended, c.next = journal.Batch{}, 0, false, index
}

// Next reads on, to the next item. ctx is asked only when an earlier start of the gateway is read.
func (c *Cursor) Next(ctx context.Context, item *Item) (Outcome, error) {
	c.pauseIn = pauseAfter
	var e journal.Entry
	for !c.ended {
		for c.batch.Next(&e) {
			c.next = e.Index + 1
			if int(e.Feed)&^besideMBP1 == c.feed && c.take(&e, item) {
				item.Index, item.At, item.Epoch, item.Kind, item.Payload = e.Index, e.At, c.epoch, e.Kind, e.Payload
				return Ready, nil
			}
			c.pauseIn--
		}
		if c.pauseIn <= 0 {
			return Pause, nil
		}
		out, err := c.nextBatch(ctx)
		if errors.Is(err, journal.ErrRemoved) {
			err = errors.Join(ErrAgedOut, err)
		}
		if err != nil {
			return Empty, fmt.Errorf("history: %w", err)
		}
		switch out {
		case journal.Empty:
			c.next = c.r.Position() // what was received too early was passed over
			return Empty, nil
		case journal.Lost:
			g := c.r.Gap()
			if c.next = g.To + 1; c.matters(g.Earliest, g.Latest, g.From, g.To) {
				*item = Item{Index: g.From, At: g.Latest, Missing: fmt.Sprintf("%d entries were dropped when they came (%v)", g.To-g.From+1, g.Reason)}
				return Missing, nil
			}
		case journal.Broken:
			hole := c.r.Hole()
			if c.next = hole.To + 1; hole.Count() > 0 && c.matters(market.UndefTime, market.UndefTime, hole.From, hole.To) {
				*item = Item{Index: hole.From, At: market.UndefTime, Missing: fmt.Sprintf("%d entries are damaged", hole.Count())}
				return Missing, nil
			}
		}
	}
	return Empty, nil
}

// matters reports whether what is missing may have been wanted.
func (c *Cursor) matters(earliest, latest market.Nanos, from, to uint64) bool {
	if c.q.Kind != entry.KindRecord {
		return true
	}
	for _, w := range c.wants {
		switch {
		case w.From != 0 && to < w.From:
		case w.From == 0 && latest.Defined() && latest < w.Start:
		case w.End.Defined() && earliest.Defined() && earliest > w.End+lengthOf(w.Schema)+skewSlack:
		default:
			return true
		}
	}
	return false
}

// nextBatch goes on to the next batch of the journal, and into its epoch.
func (c *Cursor) nextBatch(ctx context.Context) (journal.Outcome, error) {
	out, err := c.r.NextBatch(&c.batch)
	if out != journal.Ready || err != nil {
		c.batch = journal.Batch{}
		return out, err
	}
	if c.end.Defined() && c.batch.Earliest > c.end {
		c.batch, c.ended = journal.Batch{}, true
		return out, nil
	}
	if c.batch.Epoch == c.epoch {
		return out, nil
	}
	// The names of an epoch that is not known yet are read with the same reader: then it comes back.
	first := max(c.batch.First, c.next)
	moved, err := c.enter(ctx, c.batch.Epoch, first)
	if err != nil || !moved {
		return out, err
	}
	if err := c.r.SeekIndex(first); err != nil {
		return out, err
	}
	return c.r.NextBatch(&c.batch)
}

// enter takes up what is known of an epoch as of an index. moved is whether the reader was used for that.
func (c *Cursor) enter(ctx context.Context, number, index uint64) (moved bool, err error) {
	s := span{number: number, first: index, whole: false}
	for try := 0; try < 2; try++ {
		for i := range c.spans {
			if c.spans[i].number == number {
				s = c.spans[i]
			}
		}
		if s.next != 0 || try > 0 || c.h.cfg.Live != nil && number == c.h.cfg.Epoch {
			break
		}
		if c.spans, err = c.h.spans(); err != nil { // it is younger than the cursor
			return false, err
		}
	}
	known := c.h.known(&s)
	e, err := c.h.epoch(ctx, c.r, &s)
	if err != nil {
		return true, err
	}
	c.epoch, c.feed = number, c.h.number(e, c.q.Feed)
	c.names, c.plans = make(map[market.InstrumentID]string), make(map[market.InstrumentID][]*want)
	c.kept, c.mbp1 = nil, c.h.keptBy(e, c.feed).has(dbn.SchemaMBP1)
	for _, w := range c.wants {
		if c.h.keptBy(e, c.feed).has(w.Schema) {
			c.kept = append(c.kept, w)
		}
	}
	if !e.whole && c.h.cfg.Live != nil { // its beginning is gone: what is known now is better than nothing
		c.learn(c.h.cfg.Live.Catalog.All(), func(m *Met) bool { return true })
	}
	c.learn(e.metNow(), func(m *Met) bool { return m.Index < index })
	return !known, nil
}

// known reports whether what is known of an epoch is in memory.
func (h *History) known(s *span) bool {
	if h.cfg.Live != nil && s.number == h.cfg.Epoch {
		return true
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	e := h.epochs[s.number]
	return e != nil && s.next != 0 && e.next == s.next
}

func (c *Cursor) learn(met []Met, good func(*Met) bool) {
	for i := range met {
		if m := &met[i]; int(m.Feed) == c.feed && good(m) {
			c.names[m.Instrument] = m.Symbol
		}
	}
}

// take reports whether an entry of the feed is wanted, and fills in what it is about.
func (c *Cursor) take(e *journal.Entry, item *Item) bool {
	if e.Kind != c.q.Kind {
		return false
	}
	if c.q.Kind != entry.KindRecord {
		return e.At >= c.q.Start && (!c.q.End.Defined() || e.At < c.q.End)
	}
	if len(e.Payload) < dbn.HeaderSize {
		return false
	}
	switch dbn.RType(e.Payload[1]) {
	case dbn.RTypeSystem:
		return false
	case dbn.RTypeSymbolMapping:
		return c.meet(e, item)
	}
	id := market.InstrumentID(uint32(e.Payload[4]) | uint32(e.Payload[5])<<8 | uint32(e.Payload[6])<<16 | uint32(e.Payload[7])<<24)
	wants, ok := c.plans[id]
	if !ok {
		wants = c.plan(id)
	}
	tbbo := e.Feed&besideMBP1 != 0 || !c.mbp1 // if it is a record of that type
	for _, w := range wants {
		if w.takes(e.Payload, e.Index) && (w.rtype != dbn.RTypeMBP1 || tbbo == (w.Schema == dbn.SchemaTBBO)) {
			item.Instrument, item.Symbol = id, c.name(id)
			return true
		}
	}
	return false
}

// meet takes up that an instrument has become known. It reports whether it is wanted.
func (c *Cursor) meet(e *journal.Entry, item *Item) bool {
	m, ok := parseMet(e)
	if !ok {
		return false
	}
	c.names[m.Instrument] = m.Symbol
	item.Instrument, item.Symbol = m.Instrument, m.Symbol
	return len(c.plan(m.Instrument)) > 0
}

// plan finds out who wants an instrument.
func (c *Cursor) plan(id market.InstrumentID) (wants []*want) {
	symbol := c.names[id]
	for _, w := range c.kept {
		if w.of(id, symbol) {
			wants = append(wants, w)
		}
	}
	c.plans[id] = wants
	return wants
}

// name returns the symbol of an instrument; of one that nobody named, what subscribers call it.
func (c *Cursor) name(id market.InstrumentID) string {
	if symbol, ok := c.names[id]; ok || id == 0 {
		return symbol
	}
	return fmt.Sprintf("#%d", id)
}

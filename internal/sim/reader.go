package sim

import (
	"fmt"

	"tidegate/arbiter"
	"tidegate/book"
	"tidegate/codec/dbn"
	"tidegate/gateway"
	"tidegate/gateway/stream"
	"tidegate/internal/bus"
	"tidegate/internal/venue"
	"tidegate/market"
)

// void takes what a pipeline publishes and does nothing.
type void struct{}

func (void) OnEvents([]market.Event, gateway.Books) {}
func (void) OnFacts(*market.Facts)                  {}
func (void) OnTime(market.Nanos)                    {}
func (void) OnGap(arbiter.Gap)                      {}
func (void) OnEpoch(arbiter.Epoch)                  {}

// A reader follows a feed in the ring like a subscriber of mbo and keeps books. When it was lapped it takes
// snapshots.
type reader struct {
	feed    uint8
	ring    *bus.Ring
	stream  *stream.Stream
	r       *bus.Reader
	books   *gateway.Pipeline // of feed mbo
	stalled bool
	target  uint32
	awaits  map[market.InstrumentID]bool
	done    bool // everything that was asked for came
	lapped  uint64
	err     error
}

func newReader(feed uint8, ring *bus.Ring, s *stream.Stream) (*reader, error) {
	books, err := gateway.New(gateway.FileConfig(gateway.MBO), void{})
	if err != nil {
		return nil, err
	}
	r, err := ring.NewReader(nil)
	if err != nil {
		return nil, err
	}
	return &reader{
		feed: feed, ring: ring, stream: s, r: r, books: books, done: true,
		target: uint32(feed) << 16, awaits: make(map[market.InstrumentID]bool),
	}, nil
}

// current reports whether the reader's books are as new as the ring, as far as it knows.
func (r *reader) current() bool { return !r.stalled && r.done && r.err == nil }

// poll reads all there is.
func (r *reader) poll() {
	if r.stalled {
		return
	}
	var e bus.Entry
	for {
		switch r.r.Next(&e) {
		case bus.Empty:
			return
		case bus.Lapped:
			r.r.Skip(r.ring.Newest())
			r.lapped++
			r.resync()
		case bus.Ready:
			if e.Feed == r.feed {
				r.take(&e)
			}
		}
	}
}

// resync asks for a snapshot of everything.
func (r *reader) resync() {
	r.stream.Cancel(r.target)
	r.target++
	r.done = false
	clear(r.awaits)
	var ids []market.InstrumentID
	for _, in := range r.stream.Directory().All() {
		if !r.awaits[in.ID] {
			ids = append(ids, in.ID)
			r.awaits[in.ID] = true
			// What was known is void, and of an epoch before it may have orders with the numbers of new ones.
			r.books.OnEvent(&market.Event{Action: market.Clear, Instrument: in.ID, Price: market.UndefPrice, Side: market.NoSide})
		}
	}
	r.stream.Request(r.target, ids)
}

func (r *reader) take(e *bus.Entry) {
	switch {
	case e.Kind == stream.Record && dbn.Schema(e.Schema) == dbn.SchemaMBO:
		if !r.awaits[e.Instrument] {
			r.apply(e.Payload)
		}
	case (e.Kind == stream.Snapshot || e.Kind == stream.SnapshotLast) && e.Target == r.target:
		r.apply(e.Payload)
		if e.Kind == stream.SnapshotLast {
			delete(r.awaits, e.Instrument)
		}
	case e.Kind == stream.SnapshotDone && e.Target == r.target:
		r.done = true
		if len(r.awaits) > 0 {
			r.err = fmt.Errorf("%d snapshots that were asked for did not come", len(r.awaits))
		}
	}
}

func (r *reader) apply(records []byte) {
	for len(records) > 0 {
		var event market.Event
		if r.err = parseMBO(records, &event); r.err != nil {
			return
		}
		r.books.OnEvent(&event)
		records = records[4*int(records[0]):]
	}
}

// parseMBO reads the first of some records.
func parseMBO(records []byte, e *market.Event) error {
	rec, err := dbn.ParseRecord(records, dbn.Version, false)
	if err != nil {
		return err
	}
	var m dbn.MBO
	if err := m.Parse(rec); err != nil {
		return err
	}
	m.Event(e)
	return nil
}

// compare says where books differ from the venue's own.
func compare(who string, b gateway.Books, truth []venue.BookTruth) error {
	for _, t := range truth {
		for _, side := range [...]market.Side{market.Bid, market.Ask} {
			want := t.Bids
			if side == market.Ask {
				want = t.Asks
			}
			got := b.Levels(t.Instrument, side, make([]book.Level, 0, len(want)+1))
			if len(got) != len(want) {
				return fmt.Errorf("%s: %s %c: %d levels or more, the venue has %d", who, t.Symbol, side, len(got), len(want))
			}
			for i := range want {
				if got[i].Price != want[i].Price || got[i].Size != want[i].Size || int(got[i].Orders) != want[i].Orders {
					return fmt.Errorf("%s: %s %c level %d: %+v, the venue has %+v", who, t.Symbol, side, i, got[i], want[i])
				}
			}
		}
	}
	return nil
}

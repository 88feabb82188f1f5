package sim

import (
	"errors"
	"fmt"
	"hash"
	"hash/fnv"

	"tidegate/arbiter"
	"tidegate/book"
	"tidegate/codec/dbn"
	"tidegate/gateway"
	"tidegate/gateway/stream"
	"tidegate/internal/bus"
	"tidegate/internal/venue"
	"tidegate/market"
)

func isAhead(err error) bool { return errors.Is(err, gateway.ErrSnapshotAhead) }

// void takes what a pipeline publishes and does nothing.
type void struct{}

func (void) OnEvents([]market.Event, gateway.Books) {}
func (void) OnFacts(*market.Facts)                  {}
func (void) OnTime(market.Nanos)                    {}
func (void) OnGap(arbiter.Gap)                      {}
func (void) OnEpoch(arbiter.Epoch)                  {}

// A reader follows the ring like a subscriber of mbo and keeps books. When it was lapped it takes snapshots.
type reader struct {
	ring    *bus.Ring
	stream  *stream.Stream
	r       *bus.Reader
	books   *gateway.Pipeline // of feed mbo
	stalled bool
	target  uint32
	awaits  map[market.InstrumentID]bool
	lapped  uint64
	records uint64
	err     error
}

func newReader(ring *bus.Ring, s *stream.Stream) (*reader, error) {
	books, err := gateway.New(gateway.FileConfig(gateway.MBO), void{})
	if err != nil {
		return nil, err
	}
	r, err := ring.NewReader(nil)
	if err != nil {
		return nil, err
	}
	return &reader{ring: ring, stream: s, r: r, books: books, awaits: make(map[market.InstrumentID]bool)}, nil
}

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
			r.take(&e)
		}
	}
}

// resync asks for a snapshot of everything.
func (r *reader) resync() {
	r.stream.Cancel(r.target)
	r.target++
	clear(r.awaits)
	var ids []market.InstrumentID
	for _, in := range r.stream.Directory().All() {
		ids = append(ids, in.ID)
		r.awaits[in.ID] = true
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
	}
}

func (r *reader) apply(records []byte) {
	for len(records) > 0 {
		rec, err := dbn.ParseRecord(records, dbn.Version, false)
		if err != nil {
			r.err = err
			return
		}
		var m dbn.MBO
		if err := m.Parse(rec); err != nil {
			r.err = err
			return
		}
		var event market.Event
		m.Event(&event)
		r.books.OnEvent(&event)
		r.records++
		records = records[4*int(records[0]):]
	}
}

// An auditor hashes the records of each schema, as a subscriber gets them, and never stalls. When an interval is
// closed between two datagrams, and so its place among the records of other schemas, is a matter of ticks.
type auditor struct {
	r    *bus.Reader
	sums [schemasMax]hash.Hash64
	n    uint64
}

// schemasMax is more than there are.
const schemasMax = 64

func newAuditor(ring *bus.Ring) (*auditor, error) {
	r, err := ring.NewReader(nil)
	a := &auditor{r: r}
	for i := range a.sums {
		a.sums[i] = fnv.New64a()
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
				_, _ = a.sums[e.Schema%schemasMax].Write(e.Payload)
				a.n++
			}
		}
	}
}

// compare says in which schemas another auditor saw other records.
func (a *auditor) compare(b *auditor) (differ []dbn.Schema) {
	for i := range a.sums {
		if a.sums[i].Sum64() != b.sums[i].Sum64() {
			differ = append(differ, dbn.Schema(i))
		}
	}
	return differ
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

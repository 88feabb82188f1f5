package replay

import (
	"tidegate/arbiter"
	"tidegate/book"
	"tidegate/codec/dbn"
	"tidegate/gateway"
	"tidegate/gateway/derive"
	"tidegate/gateway/providers"
	"tidegate/market"
)

// gapsKept is how many gaps, epochs and switches a summary lists; all are counted.
const gapsKept = 100

// witness takes what one channel publishes, notes what the summary says of it, and passes it on.
type witness struct {
	next   gateway.Sink
	hasher book.Hasher // over what was published, without receive times
	gaps   []arbiter.Gap
	epochs []arbiter.Epoch
}

// rebuildable is the witness of a channel whose books can be published anew.
type rebuildable struct {
	*witness
	gateway.Rebuilder
}

// OnEvents hashes. See gateway.Sink.
func (w *witness) OnEvents(events []market.Event, books gateway.Books) {
	hash(&w.hasher, events)
	w.next.OnEvents(events, books)
}

// OnGap keeps the gap for the summary.
func (w *witness) OnGap(g arbiter.Gap) {
	if len(w.gaps) < gapsKept {
		w.gaps = append(w.gaps, g)
	}
	w.next.OnGap(g)
}

// OnEpoch keeps the epoch for the summary.
func (w *witness) OnEpoch(e arbiter.Epoch) {
	if len(w.epochs) < gapsKept {
		w.epochs = append(w.epochs, e)
	}
	w.next.OnEpoch(e)
}

// OnFacts and OnTime pass on.
func (w *witness) OnFacts(f *market.Facts) { w.next.OnFacts(f) }
func (w *witness) OnTime(now market.Nanos) { w.next.OnTime(now) }

// hash folds events into a stream hash: all but when and with which detours they arrived.
func hash(h *book.Hasher, events []market.Event) {
	for i := range events {
		e := &events[i]
		h.Word(uint64(e.TsEvent))
		h.Word(e.Seq)
		h.Word(e.OrderID)
		h.Word(uint64(e.Price))
		h.Word(uint64(e.Size))
		h.Word(uint64(e.Instrument) | uint64(e.Publisher)<<32 | uint64(e.Action)<<48 | uint64(e.Side)<<56)
		h.Word(uint64(e.Flags))
	}
}

// sink makes records of what one feed publishes: a channel that was found, or the chosen one of the channels of
// a recording's feed.
type sink struct {
	name      string
	feed      gateway.Feed
	publisher market.Publisher
	channels  []*Channel
	choice    *providers.Feed // among them; nil: the channel was found
	renumbers bool            // the feed numbers instruments itself
	out       *output         // nil: none
	deriver   derive.Deriver
	market    *derive.Market // of consolidated schemas
	passed    uint64         // records that are in the output as they came
	unused    uint64         // records that are neither market-by-order nor of the output's schema

	hasher   book.Hasher // where there is a choice: over what the feed published
	events   uint64      // likewise
	switches []providers.Switch
	stale    []providers.Staleness
}

// OnEvents derives. See gateway.Sink.
func (s *sink) OnEvents(events []market.Event, books gateway.Books) {
	if s.choice != nil {
		hash(&s.hasher, events)
		s.events += uint64(len(events))
	}
	if s.out != nil {
		s.out.buf = s.deriver.OnEvents(s.out.buf, events, books)
		s.out.flush(flushAt)
	}
}

// OnFacts derives.
func (s *sink) OnFacts(f *market.Facts) {
	if s.out != nil {
		s.out.buf = s.deriver.OnFacts(s.out.buf, f)
	}
}

// OnTime closes intervals.
func (s *sink) OnTime(now market.Nanos) {
	if s.out != nil {
		s.out.buf = s.deriver.OnTime(s.out.buf, now)
	}
}

// OnGap does nothing: the witnesses keep gaps.
func (s *sink) OnGap(arbiter.Gap) {}

// OnEpoch does nothing: the witnesses keep epochs.
func (s *sink) OnEpoch(arbiter.Epoch) {}

// OnSwitch keeps the switch for the summary. See providers.Notices.
func (s *sink) OnSwitch(to providers.Switch) {
	if len(s.switches) < gapsKept {
		s.switches = append(s.switches, to)
	}
}

// OnStale keeps it for the summary, and takes the quotes of a stale feed out of the consolidated book. See
// providers.Notices.
func (s *sink) OnStale(now providers.Staleness) {
	if len(s.stale) < gapsKept {
		s.stale = append(s.stale, now)
	}
	if s.market == nil {
		return
	}
	change := s.market.Include
	if now.Stale {
		change = s.market.Exclude
	}
	s.out.buf = change(s.out.buf, s.publisher.ID, now.At)
}

// instruments returns every instrument of the feed, by the ids that its events have; those that several
// providers have, once for each.
func (s *sink) instruments() (all []market.Instrument) {
	if s.renumbers {
		for id := market.InstrumentID(1); s.choice.Symbol(id) != ""; id++ {
			all = append(all, market.Instrument{ID: id, Publisher: s.publisher.ID, Symbol: s.choice.Symbol(id)})
		}
		return all
	}
	for _, ch := range s.channels {
		all = append(all, ch.Pipeline.Instruments()...)
	}
	return all
}

// onRecord takes a DBN record that is not market-by-order. If it is of the output's schema it is
// written, in the current version of DBN.
func (s *sink) onRecord(r dbn.Record) error {
	if s.out == nil || !s.passes(r) {
		s.unused++
		return nil
	}
	s.passed++
	b, err := dbn.AppendRecord(s.out.buf, r)
	if err != nil {
		return err
	}
	s.out.buf = b
	s.out.flush(flushAt)
	return nil
}

// passes reports whether a record is of the output's schema. Records of mbp-1 and tbbo have one type;
// where the input does not say which it has, tbbo takes the trades.
func (s *sink) passes(r dbn.Record) bool {
	if !sameSchema(s.out.schema, r.RType) {
		return false
	}
	if s.out.schema != dbn.SchemaTBBO || s.channels[0].metadata.Schema == dbn.SchemaTBBO {
		return true
	}
	var m dbn.MBP1
	return m.Parse(r) == nil && m.Action == market.Trade
}

// finish closes the intervals that are still open.
func (s *sink) finish() {
	if s.out != nil {
		s.out.buf = s.deriver.OnTime(s.out.buf, timeMax+market.Day)
	}
}

// refused returns how many events gave no record.
func (s *sink) refused() uint64 {
	if s.deriver == nil {
		return 0
	}
	return s.deriver.Refused()
}

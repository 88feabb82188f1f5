package replay

import (
	"encoding/hex"
	"fmt"

	"tidegate/arbiter"
	"tidegate/book"
	"tidegate/codec/dbn"
	"tidegate/gateway"
	"tidegate/gateway/derive"
	"tidegate/internal/openfile"
	"tidegate/market"
)

// flushAt is how many bytes of records are collected between writes.
const flushAt = 256 << 10

// partialSuffix is added to the name of an output that an interrupt ends, so that what was under the
// name before is not lost.
const partialSuffix = ".partial"

// An output is what a replay writes in DBN.
type output struct {
	path    string
	schema  dbn.Schema
	toFile  bool // else to Options.To
	file    *openfile.HeadedWriter
	buf     []byte
	count   uint64 // records
	err     error  // first failure; the replay stops at it
	kept    bool   // it is complete, or as complete as an interrupt let it be
	partial bool   // it ends where an interrupt came
	sums    openfile.Sums
}

func newOutput(opt *Options) (*output, error) {
	o := &output{path: opt.Out, schema: opt.Schema, toFile: opt.To == nil, buf: make([]byte, 0, flushAt+64<<10)}
	var err error
	if o.toFile {
		o.file, err = openfile.CreateHeaded(opt.Out)
	} else {
		o.file, err = openfile.NewHeaded(opt.Out, opt.To)
	}
	return o, err
}

// flush writes what is collected, if it is enough.
func (o *output) flush(atLeast int) {
	if len(o.buf) < atLeast || o.err != nil {
		return
	}
	for b := o.buf; len(b) > 0; b = b[4*int(b[0]):] {
		o.count++
	}
	if _, err := o.file.Write(o.buf); err != nil {
		o.err = err
	}
	o.buf = o.buf[:0]
}

// finish writes the rest and the metadata, and gives the file its name: another one if the replay was
// interrupted. An interrupted output that has no record, or would go elsewhere than to a file, is not
// kept.
func (o *output) finish(m *dbn.Metadata, interrupted bool) error {
	o.flush(1)
	if o.err != nil {
		return o.err
	}
	if interrupted && (o.count == 0 || !o.toFile) {
		return nil
	}
	header, err := dbn.AppendMetadata(nil, m)
	if err != nil {
		return fmt.Errorf("%s: %w", o.path, err)
	}
	if interrupted {
		o.partial, o.path = true, o.path+partialSuffix
	}
	if err := o.file.CloseAs(o.path, header); err != nil {
		return err
	}
	o.kept, o.sums = true, o.file.Sums()
	return nil
}

func (o *output) abort() { o.file.Abort() }

func (o *output) summary() *OutputSummary {
	return &OutputSummary{
		Path: o.path, Partial: o.partial, Schema: o.schema.String(), Records: o.count,
		Bytes: o.sums.FileBytes, SHA256: hex.EncodeToString(o.sums.File[:]),
	}
}

// gapsKept is how many gaps a summary lists; all are counted.
const gapsKept = 100

// sink takes what one channel publishes.
type sink struct {
	channel *Channel
	out     *output // nil: none
	deriver derive.Deriver
	hasher  book.Hasher // over what was published, without receive times
	gaps    []arbiter.Gap
	epochs  []arbiter.Epoch
	passed  uint64 // records that are in the output as they came
	unused  uint64 // records that are neither market-by-order nor of the output's schema
}

// OnEvents hashes and derives. See gateway.Sink.
func (s *sink) OnEvents(events []market.Event, books gateway.Books) {
	for i := range events {
		s.hash(&events[i])
	}
	if s.out != nil {
		s.out.buf = s.deriver.OnEvents(s.out.buf, events, books)
		s.out.flush(flushAt)
	}
}

// hash folds an event into the stream hash: all but when and with which detours it arrived.
func (s *sink) hash(e *market.Event) {
	h := &s.hasher
	h.Word(uint64(e.TsEvent))
	h.Word(e.Seq)
	h.Word(e.OrderID)
	h.Word(uint64(e.Price))
	h.Word(uint64(e.Size))
	h.Word(uint64(e.Instrument) | uint64(e.Publisher)<<32 | uint64(e.Action)<<48 | uint64(e.Side)<<56)
	h.Word(uint64(e.Flags))
}

// OnFacts derives.
func (s *sink) OnFacts(f *market.Facts) {
	if s.out != nil {
		s.out.buf = s.deriver.OnFacts(s.out.buf, f)
	}
}

// OnGap keeps the gap for the summary.
func (s *sink) OnGap(g arbiter.Gap) {
	if len(s.gaps) < gapsKept {
		s.gaps = append(s.gaps, g)
	}
}

// OnTime closes intervals.
func (s *sink) OnTime(now market.Nanos) {
	if s.out != nil {
		s.out.buf = s.deriver.OnTime(s.out.buf, now)
	}
}

// OnEpoch keeps the epoch for the summary.
func (s *sink) OnEpoch(e arbiter.Epoch) {
	if len(s.epochs) < gapsKept {
		s.epochs = append(s.epochs, e)
	}
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
	if s.out.schema != dbn.SchemaTBBO || s.channel.metadata.Schema == dbn.SchemaTBBO {
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

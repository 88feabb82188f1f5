package gateway

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"tidegate/arbiter"
	"tidegate/book"
	"tidegate/codec/pitch"
	"tidegate/market"
)

// Why a rebuild did not come to its end.
var (
	// ErrSnapshotOld: messages between the snapshot and those that were kept are missing. Another snapshot is
	// wanted.
	ErrSnapshotOld = errors.New("the snapshot is older than what was kept")
	// ErrSnapshotAhead: the channel has not come as far as the snapshot. EndRebuild can be called again.
	ErrSnapshotAhead = errors.New("the snapshot is ahead of the channel")
	// ErrRebuildKept: more messages came than may be kept.
	ErrRebuildKept = errors.New("more messages came meanwhile than may be kept")
	// ErrSnapshotFaulty: a message of the snapshot cannot be read, or contradicts another one.
	ErrSnapshotFaulty = errors.New("the snapshot is faulty")
	// ErrNoRebuild: none was begun, or a new epoch ended it.
	ErrNoRebuild = errors.New("no rebuild is under way")
)

// A Rebuilder is a Sink that can publish books anew. Without it, a pipeline cannot be rebuilt.
type Rebuilder interface {
	// OnRebuild says that the pipeline's books were replaced. ids are the instruments that had a book before
	// or have one now; what readers know of them is void.
	OnRebuild(ids []market.InstrumentID, now market.Nanos)
}

// RebuildCounts says how rebuilds went.
type RebuildCounts struct {
	Begun    uint64 `json:"begun"`
	Done     uint64 `json:"done"`
	Old      uint64 `json:"old"`       // snapshots that were too old
	Faulty   uint64 `json:"faulty"`    // snapshots with a message that is wrong
	Kept     uint64 `json:"kept"`      // given up because too much had to be kept
	Epochs   uint64 `json:"epochs"`    // given up because the publisher restarted
	Messages uint64 `json:"messages"`  // of snapshots
	Applied  uint64 `json:"applied"`   // messages applied on top of snapshots
	Withheld uint64 `json:"withheld"`  // events not published because no book was there yet
	KeptMax  int    `json:"kept_max"`  // most bytes that were kept
	KeptNow  int    `json:"kept_now"`  // bytes that are kept
	UnderWay bool   `json:"under_way"` // a rebuild
}

// rebuild is new books in the making, beside the old ones.
type rebuild struct {
	shadow *Pipeline
	facts  factsSink
	kept   []byte // messages that were published since it began: see keep
	max    int
	full   bool
}

// keptHeader is what stands before a kept block: sequence, receive time, number of messages, length.
const keptHeader = 8 + 8 + 4 + 4

// Rebuildable returns why the pipeline cannot be rebuilt, nil if it can.
func (p *Pipeline) Rebuildable() error {
	if _, ok := p.sink.(Rebuilder); !ok {
		return errors.New("rebuild: the sink cannot publish books anew")
	}
	if p.orders == nil || p.arb == nil {
		return fmt.Errorf("rebuild: feed %s: has no snapshots that can be spliced", p.cfg.Feed)
	}
	return nil
}

// BeginRebuild begins new books. What is published from now on is kept, up to a number of bytes, to be
// applied on top of a snapshot that is on its way. A rebuild that is under way is given up.
func (p *Pipeline) BeginRebuild(bytesMax int) error {
	if err := p.Rebuildable(); err != nil {
		return err
	}
	r := &rebuild{max: bytesMax}
	r.shadow = &Pipeline{cfg: p.cfg, sink: &r.facts, itch: p.itch, directory: newDirectory(), symbols: p.symbols}
	if p.pitch != nil {
		r.shadow.pitch = pitch.NewDecoder(p.cfg.Publisher.ID, p.symbols, p.cfg.Midnight)
	}
	r.shadow.orders = book.NewByOrder(book.ByOrderConfig{})
	r.shadow.books = r.shadow.orders
	for _, in := range p.directory.all {
		r.shadow.Define(in) // tick sizes
	}
	p.rebuild = r
	p.rebuilds.Begun++
	return nil
}

// OnSnapshot takes a block of messages of the snapshot, framed as in the feed's packets. With a message that is
// wrong the rebuild is over: books that are believed without reason are worse than those that are marked.
func (p *Pipeline) OnSnapshot(block []byte) error {
	if p.rebuild == nil {
		return ErrNoRebuild
	}
	c := &p.rebuild.shadow.counts
	before := c.Messages
	p.rebuild.shadow.block(block, run{tsRecv: market.UndefTime})
	p.rebuilds.Messages += c.Messages - before
	if n := c.Faults(); n > 0 {
		p.rebuilds.Faulty++
		p.CancelRebuild()
		return fmt.Errorf("%w: %d messages", ErrSnapshotFaulty, n)
	}
	return nil
}

// EndRebuild takes the snapshot as complete: it is the state before message next. What was kept from there on
// is applied to it, never what is before, and its books replace the old ones. After an error, but for
// ErrSnapshotAhead, the rebuild is over and the old books stay.
func (p *Pipeline) EndRebuild(next uint64, now market.Nanos) error {
	r := p.rebuild
	if r == nil {
		return ErrNoRebuild
	}
	switch {
	case r.full:
		p.rebuilds.Kept++
		p.CancelRebuild()
		return ErrRebuildKept
	case next > p.arb.Next():
		return fmt.Errorf("%w: at %d, and the channel at %d", ErrSnapshotAhead, next, p.arb.Next())
	}
	at, applied := next, uint64(0)
	for kept := r.kept; len(kept) > 0; {
		seq := binary.LittleEndian.Uint64(kept)
		tsRecv := market.Nanos(binary.LittleEndian.Uint64(kept[8:]))
		count := uint64(binary.LittleEndian.Uint32(kept[16:]))
		block := kept[keptHeader:][:binary.LittleEndian.Uint32(kept[20:])]
		kept = kept[keptHeader+len(block):]
		if seq+count <= at {
			continue
		}
		if seq > at {
			break // a hole between the snapshot and what was kept, or in that
		}
		block = p.cfg.Feed.skip(block, uint32(at-seq))
		r.shadow.block(block, run{seq: at, tsRecv: tsRecv})
		applied += seq + count - at
		at = seq + count
	}
	if r.shadow.suspect { // a message of the snapshot or after it could not be applied
		p.rebuilds.Old++
		p.CancelRebuild()
		return fmt.Errorf("%w: a message at or after it could not be applied", ErrSnapshotOld)
	}
	if at != p.arb.Next() {
		p.rebuilds.Old++
		old := fmt.Errorf("%w: at %d, and messages from %d on are there up to %d of %d", ErrSnapshotOld, next, at, at, p.arb.Next())
		p.CancelRebuild()
		return old
	}
	p.rebuilds.Applied += applied
	p.rebuilds.Done++
	p.replaceBooks(r, now)
	return nil
}

// replaceBooks takes over what a rebuild made.
func (p *Pipeline) replaceBooks(r *rebuild, now market.Nanos) {
	var ids []market.InstrumentID
	p.EachBook(func(id market.InstrumentID) { ids = append(ids, id) })
	p.orders, p.books = r.shadow.orders, r.shadow.orders
	p.suspect, p.withhold, p.rebuild = false, false, nil
	p.EachBook(func(id market.InstrumentID) { ids = append(ids, id) })
	slices.Sort(ids)
	ids = slices.Compact(ids)
	for i := range r.facts.Definitions {
		p.directory.define(r.facts.Definitions[i].Instrument)
	}
	if f := &r.facts.Facts; len(f.Definitions)+len(f.Statuses) > 0 {
		stampFacts(f, now)
		p.sink.OnFacts(f)
	}
	p.sink.(Rebuilder).OnRebuild(ids, now)
}

// CancelRebuild gives a rebuild up, and lets go of what was kept.
func (p *Pipeline) CancelRebuild() { p.rebuild = nil }

// Withhold has events not published until a rebuild is done, because they change books that are not there:
// the channel was joined in the middle of its day. False publishes what there is, as suspect.
func (p *Pipeline) Withhold(on bool, now market.Nanos) {
	if p.withhold == on {
		return
	}
	p.withhold = on
	if on {
		return
	}
	p.suspect = true
	if s, ok := p.sink.(Rebuilder); ok {
		var ids []market.InstrumentID
		p.EachBook(func(id market.InstrumentID) { ids = append(ids, id) })
		s.OnRebuild(ids, now)
	}
}

// Withheld reports whether events are not published until a rebuild is done: see Withhold.
func (p *Pipeline) Withheld() bool { return p.withhold }

// Next returns the sequence of the message that would be published next, 0 before the first packet and where
// messages come from a file.
func (p *Pipeline) Next() uint64 {
	if p.arb == nil {
		return 0
	}
	return p.arb.Next()
}

// Rebuilds returns how rebuilds went.
func (p *Pipeline) Rebuilds() RebuildCounts {
	c := p.rebuilds
	if p.rebuild != nil {
		c.UnderWay, c.KeptNow = true, len(p.rebuild.kept)
	}
	return c
}

// keep keeps messages that are about to be published.
func (p *Pipeline) keep(k *arbiter.Packet, skip uint32, block []byte) {
	r := p.rebuild
	if r.full || len(r.kept)+keptHeader+len(block) > r.max {
		r.full, r.kept = true, nil
		return
	}
	r.kept = binary.LittleEndian.AppendUint64(r.kept, k.Seq+uint64(skip))
	r.kept = binary.LittleEndian.AppendUint64(r.kept, uint64(k.TsRecv))
	r.kept = binary.LittleEndian.AppendUint32(r.kept, k.Count-skip)
	r.kept = binary.LittleEndian.AppendUint32(r.kept, uint32(len(block)))
	r.kept = append(r.kept, block...)
	p.rebuilds.KeptMax = max(p.rebuilds.KeptMax, len(r.kept))
}

// factsSink keeps what a snapshot says beside the books.
type factsSink struct{ market.Facts }

func (*factsSink) OnEvents([]market.Event, Books) {}
func (*factsSink) OnTime(market.Nanos)            {}
func (*factsSink) OnGap(arbiter.Gap)              {}
func (*factsSink) OnEpoch(arbiter.Epoch)          {}

// OnFacts keeps definitions and states of trading.
func (s *factsSink) OnFacts(f *market.Facts) {
	s.Definitions = append(s.Definitions, f.Definitions...)
	s.Statuses = append(s.Statuses, f.Statuses...)
}

package match

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"iter"

	"tidegate/book"
	"tidegate/market"
)

// SnapshotVersion is the version of snapshots that AppendSnapshot writes.
const SnapshotVersion = 1

// snapshotMagic begins a snapshot: "TIDEMTCH" in the bytes of its first word.
const snapshotMagic = 0x4843544D45444954

// Words goes over the state of the engine as 64-bit words: all that decides what later inputs do, in an
// order that depends on nothing else. Two engines with the same words are the same.
//
//	engine       time of the last input; numbers given out so far: inputs, orders, refs, trades;
//	             number of instruments; then each, in order of definition:
//	instrument   id, tick size, lot size, collar, reference age max, stale policy, state;
//	             reference: bid, ask (0 if there is none), time, 1 if it is fresh; price of the last trade;
//	             then seven lists of orders, each with its length before it:
//	               bids and asks, best price first and by time;
//	               bids and asks that wait for a trade, in the order in which they would be triggered;
//	               bids and asks that wait for the reference, in the same way;
//	               held orders, as they came;
//	             the number of pegs; then for each, in the order in which they move, its order if it is
//	             parked, else 0 and its entry number
//	order        id, entry number, ref, price, stop, peg limit, offset, until (0 if there is none),
//	             size<<32 | open, displayed<<32 | display, minimum<<32 | account,
//	             session<<32 | cancel on disconnect<<16 | ask<<14 | type<<12 | TIF<<9 | STP<<6 |
//	             post<<4 | peg<<2 | trigger
//
// Prices that are not there are 0; displayed is what the order shows before its next refill.
func (e *Engine) Words() iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		w := wordWriter{yield: yield}
		w.put(uint64(e.now), e.inputs, e.entries, e.refs, e.matches, uint64(len(e.instruments)-1))
		for n := 1; n < len(e.instruments); n++ {
			e.instrumentWords(&w, &e.instruments[n])
		}
	}
}

// A wordWriter yields words until nobody wants more.
type wordWriter struct {
	yield func(uint64) bool
	done  bool
}

func (w *wordWriter) put(words ...uint64) {
	for _, word := range words {
		w.done = w.done || !w.yield(word)
	}
}

func (e *Engine) instrumentWords(w *wordWriter, s *instrument) {
	w.put(uint64(s.ID), uint64(s.TickSize), uint64(s.LotSize), uint64(s.Collar), uint64(s.ReferenceAgeMax),
		uint64(s.WhenStale), uint64(s.state),
		uint64(s.bid), uint64(s.ask), uint64(s.at), oneIf(s.fresh), uint64(s.last))
	for k := range s.ladders {
		n := uint64(0)
		for l := s.ladders[k].best; l != 0; l = e.levels.at(l).worse {
			n += uint64(e.levels.at(l).orders)
		}
		w.put(n)
		for l := s.ladders[k].best; l != 0; l = e.levels.at(l).worse {
			e.chainWords(w, e.levels.at(l).queue)
		}
	}
	w.put(e.count(s.held, byQueue))
	e.chainWords(w, s.held)

	w.put(e.count(s.pegs, byPeg))
	for i := s.pegs.head; i != 0; i = e.orders.at(i).links[byPeg].next {
		if o := e.orders.at(i); o.where == nowhere {
			e.orderWords(w, o)
		} else {
			w.put(0, o.entry)
		}
	}
}

func (e *Engine) count(c chain, kind int) (n uint64) {
	for i := c.head; i != 0; i = e.orders.at(i).links[kind].next {
		n++
	}
	return n
}

func (e *Engine) chainWords(w *wordWriter, c chain) {
	for i := c.head; i != 0; i = e.orders.at(i).links[byQueue].next {
		e.orderWords(w, e.orders.at(i))
	}
}

func (e *Engine) orderWords(w *wordWriter, o *order) {
	until := market.Nanos(0)
	if o.timer != 0 {
		until = e.timers.heap[o.timer].at
	}
	w.put(o.id, o.entry, o.ref, uint64(o.price), uint64(o.stop), uint64(o.cap), uint64(o.offset), uint64(until),
		uint64(o.size)<<32|uint64(o.open), uint64(o.shown)<<32|uint64(o.display), uint64(o.min)<<32|uint64(o.account),
		uint64(o.session)<<32|oneIf(o.cancelOnDisconnect)<<16|oneIf(o.side == market.Ask)<<14|
			uint64(o.kind)<<12|uint64(o.tif)<<9|uint64(o.stp)<<6|uint64(o.post)<<4|uint64(o.peg)<<2|uint64(o.trigger))
}

func oneIf(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// Hash returns the state hash: Words, folded by a book.Hasher. It goes over all orders.
func (e *Engine) Hash() uint64 {
	var h book.Hasher
	for w := range e.Words() {
		h.Word(w)
	}
	return h.Sum()
}

// AppendSnapshot appends the state of the engine to b:
//
//	word    "TIDEMTCH"
//	word    SnapshotVersion
//	word    Config.OrdersMax<<32 | Config.InstrumentsMax
//	words   see Words
//	word    CRC-32C of all that, by bytes
//
// Words are little endian. An engine that Restore makes of it goes on exactly as this one.
func (e *Engine) AppendSnapshot(b []byte) []byte {
	start := len(b)
	le := binary.LittleEndian
	b = le.AppendUint64(b, snapshotMagic)
	b = le.AppendUint64(b, SnapshotVersion)
	b = le.AppendUint64(b, e.cfg.limits())
	for w := range e.Words() {
		b = le.AppendUint64(b, w)
	}
	return le.AppendUint64(b, uint64(crc32.Checksum(b[start:], castagnoli)))
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// limits returns what of a configuration a snapshot depends on.
func (c Config) limits() uint64 { return uint64(c.OrdersMax)<<32 | uint64(c.InstrumentsMax) }

// Restore returns the engine of a snapshot. cfg is that of the engine that wrote it. A snapshot that is
// damaged, or that no engine can have written, is an error. It takes time in proportion to the number of
// orders, and its logarithm.
func Restore(cfg Config, snapshot []byte) (*Engine, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	le := binary.LittleEndian
	if len(snapshot) < 4*8 || len(snapshot)%8 != 0 {
		return nil, fmt.Errorf("restore matching engine: snapshot of %d bytes is cut off", len(snapshot))
	}
	body, sum := snapshot[:len(snapshot)-8], le.Uint64(snapshot[len(snapshot)-8:])
	switch {
	case le.Uint64(body) != snapshotMagic:
		return nil, fmt.Errorf("restore matching engine: no snapshot: it begins with %x", body[:8])
	case le.Uint64(body[8:]) != SnapshotVersion:
		return nil, fmt.Errorf("restore matching engine: snapshot version %d: want %d", le.Uint64(body[8:]), SnapshotVersion)
	case uint64(crc32.Checksum(body, castagnoli)) != sum:
		return nil, fmt.Errorf("restore matching engine: snapshot is damaged: checksum %x, want %x", crc32.Checksum(body, castagnoli), sum)
	case le.Uint64(body[16:]) != cfg.limits():
		return nil, fmt.Errorf("restore matching engine: snapshot has limits %x, the configuration %x", le.Uint64(body[16:]), cfg.limits())
	}
	r := restorer{Engine: NewEngine(cfg), rest: body[24:]}
	r.engine()
	if r.err == nil && len(r.rest) > 0 {
		r.fail("%d bytes too many", len(r.rest))
	}
	if r.err == nil {
		if err := r.Check(); err != nil {
			r.err = err
		}
	}
	if r.err != nil {
		return nil, fmt.Errorf("restore matching engine: %w", r.err)
	}
	return r.Engine, nil
}

package egress

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"slices"
	"strconv"

	"tidegate/codec/dbn"
	"tidegate/market"
)

// A subscription is a request of a client that was found to be right.
type subscription struct {
	schema   dbn.Schema
	stype    dbn.SType
	symbols  []string // nil: all
	snapshot bool
	id       uint32
	replayed bool         // begins with what is older
	start    market.Nanos // index time from which on; 0 for all there is
}

func (s *subscription) all() bool { return s.symbols == nil }

// sum identifies what is subscribed to; equal subscriptions have equal sums.
func (s *subscription) sum() (sum [sha256.Size]byte) {
	h := sha256.New()
	word(h, uint64(s.schema)<<32|uint64(s.stype)<<16)
	if s.snapshot {
		word(h, 1)
	}
	symbols := slices.Sorted(slices.Values(s.symbols))
	for _, symbol := range slices.Compact(symbols) {
		word(h, uint64(len(symbol)))
		h.Write([]byte(symbol))
	}
	h.Sum(sum[:0])
	return sum
}

func word(h hash.Hash, v uint64) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], v)
	h.Write(b[:])
}

// A wish is what is wanted of a symbol.
type wish struct {
	schemas  schemaSet
	snapshot bool
}

func (w *wish) add(s *subscription) {
	w.schemas |= setOf(s.schema)
	w.snapshot = w.snapshot || s.snapshot
}

// An interest is which records the sessions of a cohort want.
type interest struct {
	form
	all      wish
	symbols  map[string]wish // by raw symbol
	numbers  map[market.InstrumentID]wish
	any      schemaSet // of some instrument
	resolved [schemaCount]idSet
}

// newInterest adds up subscriptions. Nothing is resolved yet.
func newInterest(f form, subscriptions []*subscription) *interest {
	x := &interest{form: f, symbols: make(map[string]wish), numbers: make(map[market.InstrumentID]wish)}
	for _, s := range subscriptions {
		x.any |= setOf(s.schema)
		if s.all() {
			x.all.add(s)
			continue
		}
		for _, symbol := range s.symbols {
			switch s.stype {
			case dbn.STypeRawSymbol:
				w := x.symbols[symbol]
				w.add(s)
				x.symbols[symbol] = w
			case dbn.STypeInstrumentID:
				if id, ok := parseNumber(symbol); ok {
					w := x.numbers[id]
					w.add(s)
					x.numbers[id] = w
				}
			}
		}
	}
	return x
}

// interestKey identifies an interest: those with equal keys are equal.
func interestKey(f form, subscriptions []*subscription) (key [sha256.Size]byte) {
	sums := make([][sha256.Size]byte, len(subscriptions))
	for i, s := range subscriptions {
		sums[i] = s.sum()
	}
	slices.SortFunc(sums, func(a, b [sha256.Size]byte) int { return slices.Compare(a[:], b[:]) })
	h := sha256.New()
	if f.tsOut {
		word(h, 1)
	}
	for _, sum := range slices.Compact(sums) {
		h.Write(sum[:])
	}
	h.Sum(key[:0])
	return key
}

func parseNumber(symbol string) (market.InstrumentID, bool) {
	n, err := strconv.ParseUint(symbol, 10, 32)
	return market.InstrumentID(n), err == nil
}

// learn takes in an instrument. It returns the schemas that are wanted of it and were not before,
// those that are wanted of every instrument aside.
func (x *interest) learn(in *market.Instrument) (fresh schemaSet) {
	want := (x.symbols[in.Symbol].schemas | x.numbers[in.ID].schemas) &^ x.all.schemas
	for schema := range dbn.Schema(schemaCount) {
		if want.has(schema) && x.resolved[schema].add(in.ID) {
			fresh |= setOf(schema)
		}
	}
	return fresh
}

// wants reports whether a record is wanted.
func (x *interest) wants(schema dbn.Schema, id market.InstrumentID) bool {
	return x.all.schemas.has(schema) || x.resolved[schema].has(id)
}

// wantsSnapshot reports whether the book of an instrument is wanted when it becomes known.
func (x *interest) wantsSnapshot(id market.InstrumentID, symbol string) bool {
	return x.all.snapshot || x.symbols[symbol].snapshot || x.numbers[id].snapshot
}

// appendMappings appends what a session must know of an instrument before its records.
func (x *interest) appendMappings(b []byte, id market.InstrumentID, symbol string, now market.Nanos) []byte {
	if x.all.schemas != 0 || x.symbols[symbol].schemas != 0 {
		b = x.appendMapping(b, id, dbn.STypeRawSymbol, symbol, symbol, now)
	}
	if x.numbers[id].schemas != 0 {
		b = x.appendMapping(b, id, dbn.STypeInstrumentID, strconv.Itoa(int(id)), symbol, now)
	}
	return b
}

// denseMax bounds the instrument ids that are indexes; larger ones are looked up.
const denseMax = 1 << 20

// An idSet is a set of instrument ids.
type idSet struct {
	dense []uint64 // a bit for each id below denseMax
	far   map[market.InstrumentID]struct{}
}

// add reports whether id is new.
func (s *idSet) add(id market.InstrumentID) bool {
	if s.has(id) {
		return false
	}
	if id >= denseMax {
		if s.far == nil {
			s.far = make(map[market.InstrumentID]struct{})
		}
		s.far[id] = struct{}{}
		return true
	}
	i := int(id / 64)
	if i >= len(s.dense) {
		s.dense = append(s.dense, make([]uint64, i+1-len(s.dense))...)
	}
	s.dense[i] |= 1 << (id % 64)
	return true
}

func (s *idSet) has(id market.InstrumentID) bool {
	if i := int(id / 64); i < len(s.dense) {
		return s.dense[i]>>(id%64)&1 != 0
	}
	if s.far == nil {
		return false
	}
	_, ok := s.far[id]
	return ok
}

// each calls f for every id of the set, those below denseMax in order.
func (s *idSet) each(f func(market.InstrumentID)) {
	for i, bits := range s.dense {
		for bit := range market.InstrumentID(64) {
			if bits>>bit&1 != 0 {
				f(market.InstrumentID(i)*64 + bit)
			}
		}
	}
	for id := range s.far {
		f(id)
	}
}

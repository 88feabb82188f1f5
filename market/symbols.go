package market

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// SymbolsMax is the largest limit that NewSymbolTable accepts.
const SymbolsMax = 1 << 24

// A SymbolTable gives numbers to the text symbols of a venue that sends no numbers: 1 for the
// first symbol it meets, 2 for the next. The numbers depend on nothing but the order in which
// symbols appear, so a replay gives the same ones.
//
// Nothing is ever taken out. A table belongs to one loop; it has no lock.
type SymbolTable struct {
	slots []symbolSlot // open addressing, linear probing; a power of two, at most half full
	shift uint         // 64 - log2(len(slots)): the top bits of a hash are the first slot
	keys  []uint64     // keys[id-1]
	limit int
}

type symbolSlot struct {
	key uint64
	id  InstrumentID // 0 marks a free slot
}

const symbolSlotsMin = 64

// NewSymbolTable returns an empty table for at most limit symbols. It panics unless limit is from 1
// to SymbolsMax.
func NewSymbolTable(limit int) *SymbolTable {
	if limit < 1 || limit > SymbolsMax {
		panic(fmt.Sprintf("market: symbol table limit %d: want 1 to %d", limit, SymbolsMax))
	}
	t := &SymbolTable{limit: limit}
	t.resize(symbolSlotsMin)
	return t
}

// ID returns the number of a symbol, padded with spaces on the right as venues send it. A symbol
// that is not in the table yet gets the next number, and isNew is true; when the table is full it
// gets no number, and id is 0.
//
// ID allocates only when a new symbol makes the table grow.
func (t *SymbolTable) ID(symbol [8]byte) (id InstrumentID, isNew bool) {
	key := binary.LittleEndian.Uint64(symbol[:])
	mask := uint64(len(t.slots) - 1)
	for i := t.home(key); ; i = (i + 1) & mask {
		switch s := &t.slots[i]; {
		case s.id == 0:
			return t.add(key)
		case s.key == key:
			return s.id, false
		}
	}
}

// Symbol returns the text of a symbol without its padding, and "" for a number that was not given
// out.
func (t *SymbolTable) Symbol(id InstrumentID) string {
	if id == 0 || int(id) > len(t.keys) {
		return ""
	}
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], t.keys[id-1])
	return strings.TrimRight(string(b[:]), " ")
}

// Len returns how many symbols have a number. The numbers are 1 to Len.
func (t *SymbolTable) Len() int { return len(t.keys) }

// home returns the slot where the search for a key starts. The multiplier is 2^64 divided by the
// golden ratio: every byte of the key reaches the top bits.
func (t *SymbolTable) home(key uint64) uint64 {
	return key * 0x9e3779b97f4a7c15 >> t.shift
}

// add gives the next number to a key that is not in the table.
func (t *SymbolTable) add(key uint64) (id InstrumentID, isNew bool) {
	if len(t.keys) == t.limit {
		return 0, false
	}
	t.keys = append(t.keys, key)
	id = InstrumentID(len(t.keys))
	if 2*len(t.keys) > len(t.slots) {
		t.resize(2 * len(t.slots)) // enters every key, the new one too
		return id, true
	}
	t.enter(key, id)
	return id, true
}

func (t *SymbolTable) resize(slots int) {
	t.slots = make([]symbolSlot, slots)
	t.shift = 64
	for n := slots; n > 1; n >>= 1 {
		t.shift--
	}
	for i, key := range t.keys {
		t.enter(key, InstrumentID(i+1))
	}
}

func (t *SymbolTable) enter(key uint64, id InstrumentID) {
	mask := uint64(len(t.slots) - 1)
	i := t.home(key)
	for t.slots[i].id != 0 {
		i = (i + 1) & mask
	}
	t.slots[i] = symbolSlot{key, id}
}

package market

import (
	"encoding/binary"
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// padded returns a symbol as venues send it.
func padded(symbol string) (key [8]byte) {
	copy(key[:], symbol+"        ")
	return key
}

func TestSymbolTableNumbersInOrderOfAppearance(t *testing.T) {
	table := NewSymbolTable(10)
	for _, step := range []struct {
		symbol string
		id     InstrumentID
		isNew  bool
	}{
		{"ZIEXT", 1, true},
		{"AAPL", 2, true},
		{"ZIEXT", 1, false},
		{"BRK.A", 3, true},
		{"LONGNAME", 4, true},
		{"", 5, true},
		{"AAPL", 2, false},
		{"", 5, false},
	} {
		if id, isNew := table.ID(padded(step.symbol)); id != step.id || isNew != step.isNew {
			t.Errorf("ID(%q) = %d, %t, want %d, %t", step.symbol, id, isNew, step.id, step.isNew)
		}
		if got := table.Symbol(step.id); got != step.symbol {
			t.Errorf("Symbol(%d) = %q, want %q", step.id, got, step.symbol)
		}
	}
	if got := table.Len(); got != 5 {
		t.Errorf("Len() = %d, want 5", got)
	}
	for _, id := range []InstrumentID{0, 6, 1 << 31} {
		if got := table.Symbol(id); got != "" {
			t.Errorf("Symbol(%d) = %q, want none", id, got)
		}
	}
}

func TestSymbolTableKeepsItsLimit(t *testing.T) {
	// 64 is reached while the table would have to grow, 3 while it would not.
	for _, limit := range []int{1, 3, 32, 64} {
		table := NewSymbolTable(limit)
		for i := range limit {
			if id, isNew := table.ID(padded(fmt.Sprint(i))); int(id) != i+1 || !isNew {
				t.Fatalf("limit %d: symbol %d got %d, %t", limit, i, id, isNew)
			}
		}
		for range 2 {
			if id, isNew := table.ID(padded("X")); id != 0 || isNew {
				t.Errorf("limit %d: full table gave %d, %t, want 0, false", limit, id, isNew)
			}
		}
		if id, isNew := table.ID(padded("0")); id != 1 || isNew {
			t.Errorf("limit %d: full table forgot its first symbol: %d, %t", limit, id, isNew)
		}
		if table.Len() != limit {
			t.Errorf("limit %d: Len() = %d", limit, table.Len())
		}
	}
}

func TestSymbolTableRefusesSenselessLimits(t *testing.T) {
	for _, limit := range []int{-1, 0, SymbolsMax + 1} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("NewSymbolTable(%d) did not panic", limit)
				}
			}()
			NewSymbolTable(limit)
		}()
	}
}

// The plain twin is a map and a list.
func TestSymbolTableAgreesWithMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 300).Draw(t, "limit")
		table := NewSymbolTable(limit)
		ids := map[[8]byte]InstrumentID{}
		// Few letters, so that symbols repeat; three of them, so that the table grows.
		symbol := rapid.StringMatching(`[A-H]{1,3}( |\.[A-B])?`)
		for _, s := range rapid.SliceOfN(symbol, 0, 600).Draw(t, "symbols") {
			key := padded(s)
			wantID, known := ids[key]
			wantNew := !known && len(ids) < limit
			if wantNew {
				wantID = InstrumentID(len(ids) + 1)
				ids[key] = wantID
			}
			if id, isNew := table.ID(key); id != wantID || isNew != wantNew {
				t.Fatalf("ID(%q) = %d, %t, want %d, %t", s, id, isNew, wantID, wantNew)
			}
		}
		if table.Len() != len(ids) {
			t.Fatalf("Len() = %d, want %d", table.Len(), len(ids))
		}
	})
}

// Two symbols that differ in one byte and fall on the same slot are two symbols, whichever byte.
func TestSymbolTableTellsCollisionsApart(t *testing.T) {
	for position := range 8 {
		table := NewSymbolTable(10)
		first := map[uint64][8]byte{} // by slot
		key := padded("")
		for value := range 256 { // more values than slots: some fall together
			key[position] = byte(value)
			slot := table.home(binary.LittleEndian.Uint64(key[:]))
			other, taken := first[slot]
			if !taken {
				first[slot] = key
				continue
			}
			a, _ := table.ID(other)
			b, _ := table.ID(key)
			if a != 1 || b != 2 {
				t.Errorf("%q and %q on slot %d got %d and %d, want 1 and 2", other, key, slot, a, b)
			}
			break
		}
		if table.Len() != 2 {
			t.Errorf("byte %d: no two symbols on one slot", position)
		}
	}
}

func TestSymbolTableLookupDoesNotAllocate(t *testing.T) {
	table := NewSymbolTable(1 << 14)
	keys := make([][8]byte, 8000)
	for i := range keys {
		keys[i] = padded(fmt.Sprintf("S%d", i))
		table.ID(keys[i])
	}
	if n := testing.AllocsPerRun(10, func() {
		for _, key := range keys {
			if id, _ := table.ID(key); id == 0 {
				t.Fatal("a known symbol got no number")
			}
		}
	}); n != 0 {
		t.Errorf("%d lookups allocate %.1f times, want 0", len(keys), n)
	}
}

func BenchmarkSymbolTableID(b *testing.B) {
	table := NewSymbolTable(1 << 14)
	var keys [8192][8]byte
	for i := range keys {
		keys[i] = padded(fmt.Sprintf("S%d", i))
		table.ID(keys[i])
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		want := InstrumentID(i%len(keys) + 1)
		if id, _ := table.ID(keys[i%len(keys)]); id != want {
			b.Fatalf("got %d, want %d", id, want)
		}
	}
}

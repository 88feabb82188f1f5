package history

import (
	"testing"

	"pgregory.net/rapid"

	"tidegate/internal/bus"
)

// Whatever is kept, and whatever else gets into the journal: marks agree with a list of all of it.
func TestMarks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := bus.Config{Chunks: 4, ChunkBytes: 1 << rapid.IntRange(8, 13).Draw(t, "chunk")}
		ring, err := bus.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		reader, err := ring.NewReader(nil)
		if err != nil {
			t.Fatal(err)
		}
		defer reader.Close()
		first := rapid.Uint64Range(1, 1000).Draw(t, "first")
		m := NewMarks(cfg.Chunks*cfg.ChunkBytes, first)
		var journalOf []uint64 // the index that the journal gives next, before each entry of the ring
		var ringOf []uint64    // the ring entry behind the last one that was kept, before each index
		var keptOf []bool
		next, behind := first, uint64(0)
		follow := func() {
			var e bus.Entry
			for {
				if m.Due() {
					m.Begin(reader.Cursor())
				}
				if reader.Next(&e) != bus.Ready {
					return
				}
				journalOf = append(journalOf, next)
				kept := e.Kind == 1
				keptOf = append(keptOf, kept)
				if kept {
					ringOf = append(ringOf, behind)
					next++
					behind = e.Index + 1
				}
				m.Passed(kept)
			}
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			if rapid.IntRange(0, 3).Draw(t, "what") == 0 {
				m.Inserted()
				ringOf = append(ringOf, behind)
				next++
				continue
			}
			rest := rapid.Uint64().Draw(t, "kept")
			for range rapid.IntRange(0, 20).Draw(t, "entries") {
				ring.Append(bus.Header{Tag: bus.Tag{Kind: uint8(rest & 1)}}, make([]byte, rest&31))
				rest = rest>>1 | rest<<63
			}
			ring.Publish()
			follow()
		}
		follow()
		if m.Next() != next {
			t.Fatalf("next %d, want %d", m.Next(), next)
		}
		for entry, want := range append(journalOf, next) {
			if got, ok := m.Journal(uint64(entry)); !ok || got != want {
				t.Fatalf("entry %d of the ring: index %d, %t, want %d", entry, got, ok, want)
			}
		}
		for i, want := range append(ringOf, behind) {
			p, ok := m.Ring(first + uint64(i))
			// Entries that were not kept, between two that were, may be on either side.
			if !ok || p.Entry < want || p.Cursor.Index() > p.Entry {
				t.Fatalf("index %d: %+v, %t, want entry %d", first+uint64(i), p, ok, want)
			}
			for at := want; at < p.Entry; at++ {
				if keptOf[at] {
					t.Fatalf("index %d: %+v passes entry %d over", first+uint64(i), p, at)
				}
			}
		}
		if _, ok := m.Ring(first - 1); ok {
			t.Fatal("there is a place for what was before")
		}
	})
}

// Marks are for the ingest loop.
func TestMarksDoNotAllocate(t *testing.T) {
	m := NewMarks(1<<22, 1)
	if n := testing.AllocsPerRun(1000, func() {
		if m.Due() {
			m.Begin(bus.Cursor{})
		}
		m.Passed(true)
		m.Passed(false)
		m.Inserted()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkMarks(b *testing.B) {
	m := NewMarks(1<<22, 1)
	for i := range b.N {
		if m.Due() {
			m.Begin(bus.Cursor{})
		}
		m.Passed(i&1 != 0)
	}
}

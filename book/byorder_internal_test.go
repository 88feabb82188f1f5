package book

import (
	"math/rand/v2"
	"testing"

	"tidegate/market"
)

// TestLevelsAreGivenBack counts the level records after books came and went: each is in a window or
// on the free list.
func TestLevelsAreGivenBack(t *testing.T) {
	b := NewByOrder(ByOrderConfig{InstrumentsMax: 4})
	r := rand.New(rand.NewPCG(1, 1))
	middle := market.Price(10_000)
	for id := uint64(1); id < 30_000; id++ {
		var u market.Update
		u.Action, u.OrderID, u.Instrument, u.Size = market.Add, id, market.InstrumentID(r.IntN(3)), 1
		u.Side = sides[r.IntN(2)]
		middle += market.Price(r.IntN(9) - 4)
		u.Price = (middle + market.Price(r.IntN(3000)-1500)) * 10_000_000
		b.Apply(&u)
		u.Action, u.OrderID = market.Delete, 1+r.Uint64N(id)
		b.Apply(&u)
	}
	for id := range market.InstrumentID(3) {
		b.ClearInstrument(id)
	}
	free := uint32(0)
	for i := b.levels.free; i != 0; i = b.levels.at(i).head {
		free++
	}
	if free == 0 || free+b.levels.windows+1 != b.levels.used {
		t.Errorf("%d levels free, %d in windows, %d handed out", free, b.levels.windows, b.levels.used)
	}
	for i := range b.sides {
		if s := &b.sides[i]; s.farLen != 0 || s.occupied != [2]uint64{} || s.best != 0 {
			t.Errorf("side %d is not empty: %+v", i, *s)
		}
	}
}

// BenchmarkSplit measures the longest stall of growing: one segment of the order table is split. The
// others' slots are not looked at.
func BenchmarkSplit(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		var x orderTable
		x.init(nil, 0)
		s := x.dir[0]
		for id := uint64(0); s.used < segmentFull; id++ {
			s.place(uint64(hashID(id))<<32 | 1)
		}
		b.StartTimer()
		if to := x.makeRoom(0); to == nil || to.used >= segmentFull {
			b.Fatal("the segment is still full")
		}
	}
}

package book

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// TestOrderIndexAgreesWithAMap draws ids from runs that lie about a window apart, so that the window
// moves, becomes empty and begins elsewhere, and comes to cover ids that are in older. At the end of
// the numbers, runs go on from 0.
func TestOrderIndexAgreesWithAMap(t *testing.T) {
	b := NewByOrder(ByOrderConfig{InstrumentsMax: 1})
	rapid.Check(t, func(t *rapid.T) {
		b.Reset()
		x := &b.index
		want := map[uint64]uint32{}
		start := rapid.SampledFrom([]uint64{
			0, 1, recentLen, 1 << 63, math.MaxUint64 - 2*recentLen, math.MaxUint64 - 4*recentStep,
		}).Draw(t, "start")
		id := rapid.Custom(func(t *rapid.T) uint64 {
			run := rapid.SampledFrom([]uint64{
				0, 0, 1, 8 * recentStep, recentLen / 2, recentLen - 1, recentLen, 3 * recentLen,
			}).Draw(t, "run")
			return start + run + rapid.Uint64Range(0, 3*recentStep).Draw(t, "in run")
		})
		for range rapid.IntRange(1, 400).Draw(t, "steps") {
			id := id.Draw(t, "id")
			switch i := want[id]; {
			case i == 0:
				i = b.orders.take()
				if !x.set(id, i) {
					t.Fatalf("no room for %d", id)
				}
				b.orders.at(i).id = id
				want[id] = i
			case rapid.Bool().Draw(t, "remove"):
				x.remove(id)
				b.orders.give(i)
				delete(want, id)
			}
			if got := x.find(id); got != want[id] {
				t.Fatalf("id %d: found order %d, want %d", id, got, want[id])
			}
		}
		for id, i := range want {
			if got := x.find(id); got != i {
				t.Fatalf("id %d: found order %d, want %d", id, got, i)
			}
			if i := x.older.find(id); i != 0 && id-x.sure < x.sureLen {
				t.Fatalf("id %d is in older, and [%d, +%d) should not be", id, x.sure, x.sureLen)
			}
		}
		b.index.reset()
		for id := range want {
			if i := x.find(id); i != 0 {
				t.Fatalf("id %d: found order %d after reset", id, i)
			}
		}
	})
}

// TestOrderIndexFollowsTheVenue sees the window move with ids in sequence, after ids that were left
// out, and after all orders went.
func TestOrderIndexFollowsTheVenue(t *testing.T) {
	b := NewByOrder(ByOrderConfig{InstrumentsMax: 1})
	x := &b.index
	set := func(id uint64) (i uint32) {
		t.Helper()
		i = b.orders.take()
		if !x.set(id, i) {
			t.Fatalf("no room for %d", id)
		}
		b.orders.at(i).id = id
		return i
	}
	inWindow := func(id uint64) bool { return id-x.sure < x.sureLen }

	id := uint64(5_000_000_000)
	set(id)
	if !inWindow(id) || !inWindow(id+recentLen/4) {
		t.Errorf("the window, [%d, +%d), does not begin around %d", x.sure, x.sureLen, id)
	}
	for range 3 * recentLen / 50_000 {
		id += 50_000
		set(id)
		for range 50_000 / recentStep { // others in between came and went
			i := set(id - 1)
			x.remove(id - 1)
			b.orders.give(i)
		}
	}
	if got := x.older.find(5_000_000_000); got != 1 {
		t.Errorf("the first order is %d in older, want 1", got)
	}
	if x.base+2*recentLen < id {
		t.Errorf("the window, [%d, +%d), fell behind %d", x.base, recentLen, id)
	}

	// A jump: the window arrives after as many orders as it has steps, at most.
	id += 1 << 40
	n := 0
	for ; !inWindow(id) && n <= 2*recentLen/recentStep; n++ {
		id++
		set(id)
	}
	if !inWindow(id + 1) {
		t.Errorf("the window, [%d, +%d), does not cover %d after %d orders", x.sure, x.sureLen, id+1, n)
	}
}

// TestOrderIndexAtTheEndOfTheNumbers sees that a window at the end does not go on from 0.
func TestOrderIndexAtTheEndOfTheNumbers(t *testing.T) {
	b := NewByOrder(ByOrderConfig{InstrumentsMax: 1})
	x := &b.index
	set := func(id uint64, i uint32) {
		b.orders.at(i).id = id
		if !x.set(id, i) {
			t.Fatalf("no room for %d", id)
		}
	}
	b.orders.extend(3)
	set(1<<40, 1)
	set(5, 2) // below the window
	x.remove(1 << 40)
	set(math.MaxUint64, 3) // the window is empty and goes there
	for id, want := range map[uint64]uint32{5: 2, math.MaxUint64: 3, 1 << 40: 0} {
		if got := x.find(id); got != want {
			t.Errorf("id %d: found order %d, want %d", id, got, want)
		}
	}
}

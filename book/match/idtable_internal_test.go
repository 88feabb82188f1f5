package match

import (
	"testing"

	"pgregory.net/rapid"
)

// The plain twin is a map. Few ids on few slots, so that they collide and shift.
func TestIDTableAgreesWithMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const limit = 12
		orders := newSlab[order](limit)
		table := newIDTable(limit, rapid.Uint64().Draw(t, "seed"))
		want := map[uint64]uint32{}
		id := rapid.Custom(func(t *rapid.T) uint64 {
			if rapid.Bool().Draw(t, "near") {
				return rapid.Uint64Range(0, 40).Draw(t, "id")
			}
			return rapid.Uint64().Draw(t, "id")
		})
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			x := id.Draw(t, "x")
			if i := want[x]; i != 0 {
				table.remove(x, i)
				orders.give(i)
				delete(want, x)
			} else if len(want) < limit {
				i := orders.take()
				orders.at(i).id = x
				table.add(x, i)
				want[x] = i
			}
			for y, i := range want {
				if got := table.find(y, &orders); got != i {
					t.Fatalf("find(%d) = %d, want %d", y, got, i)
				}
			}
			if y := id.Draw(t, "y"); want[y] == 0 && table.find(y, &orders) != 0 {
				t.Fatalf("find(%d) finds something", y)
			}
		}
	})
}

package match

import (
	"math/rand/v2"
	"slices"
	"testing"

	"tidegate/market"
)

// Levels come and go in random, rising and falling order; the tree stays balanced and in order.
func TestLadder(t *testing.T) {
	for _, mirror := range []int64{0, lowestFirst} {
		rng := rand.New(rand.NewPCG(1, uint64(mirror)))
		s := ladders{newSlab[level](3000)}
		l := ladder{mirror: mirror}
		byPrice := map[market.Price]uint32{}
		check := checker{Engine: &Engine{levels: s}}
		step := func(p market.Price, add bool) {
			i, there := byPrice[p]
			switch {
			case add:
				if j := s.make(&l, p); there && j != i {
					t.Fatalf("level %d made twice", p)
				} else {
					byPrice[p] = j
				}
			case there:
				s.drop(&l, i)
				delete(byPrice, p)
			}
		}
		for range 20_000 {
			step(market.Price(rng.IntN(2000))-1000, rng.IntN(2) == 0)
		}
		for p := market.Price(0); p < 1000; p++ {
			step(p, true)
		}
		for p := market.Price(999); p >= 0; p -= 2 {
			step(p, false)
		}
		check.Engine.levels = s
		height := check.tree(&l, l.root, 0)
		if check.err != nil {
			t.Fatal(check.err)
		}
		var got, want []market.Price
		last := uint32(0)
		for i := l.best; i != 0; i = s.at(i).worse {
			if s.at(i).better != last {
				t.Fatalf("level %d: the better one is %d, want %d", i, s.at(i).better, last)
			}
			last = i
			got = append(got, s.at(i).price)
		}
		for p := range byPrice {
			want = append(want, p)
		}
		slices.SortFunc(want, func(a, b market.Price) int { return int(l.rank(b) - l.rank(a)) })
		if !slices.Equal(got, want) || len(want) != s.live() {
			t.Fatalf("%d levels, want %d; %d live", len(got), len(want), s.live())
		}
		t.Logf("%d levels, height %d", len(want), height)
	}
}

func TestTable(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const limit = 50
	fast, plain := newTable(limit, 7), map[uint64]uint32{}
	for n := range 100_000 {
		key := uint64(rng.IntN(200))
		if got := fast.find(key); got != plain[key] {
			t.Fatalf("step %d: key %d has %d, want %d", n, key, got, plain[key])
		}
		switch {
		case plain[key] != 0:
			fast.remove(key)
			delete(plain, key)
		case len(plain) < limit:
			plain[key] = uint32(n + 1)
			fast.add(key, plain[key])
		}
	}
}

func TestTimers(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	places := map[uint32]uint32{}
	h := timers{heap: make([]timer, 1), set: func(t timer, place uint32) { places[t.owner] = place }}
	var want []timer
	for n := range uint32(5000) {
		if rng.IntN(3) > 0 || len(want) == 0 {
			tm := timer{at: market.Nanos(rng.IntN(100)), key: uint64(n), owner: n}
			h.add(tm)
			want = append(want, tm)
		} else {
			k := rng.IntN(len(want))
			h.remove(places[want[k].owner])
			want = slices.Delete(want, k, k+1)
		}
	}
	slices.SortFunc(want, func(a, b timer) int {
		if a.before(b) {
			return -1
		}
		return 1
	})
	for _, tm := range want {
		if h.heap[1] != tm || places[tm.owner] != 1 {
			t.Fatalf("first is %+v at %d, want %+v", h.heap[1], places[tm.owner], tm)
		}
		h.remove(1)
	}
	if len(h.heap) != 1 {
		t.Errorf("%d timers left", len(h.heap)-1)
	}
}

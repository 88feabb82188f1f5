package arbiter

import (
	"math/rand/v2"
	"slices"
	"testing"

	"tidegate/market"
)

// plainRace remembers everything.
type plainRace struct {
	after  market.Nanos
	events [ProvidersMax][]milestone
}

func (p *plainRace) OnEvent(i int, event, recv market.Nanos) {
	p.events[i] = append(p.events[i], milestone{event, recv})
}

// behindFor returns for how long the newest event that provider i has not reached has been known elsewhere:
// of those that it has not reached, the one that was known first.
func (p *plainRace) behindFor(i int, now market.Nanos) (longest market.Nanos) {
	newest := market.Nanos(0)
	for _, e := range p.events[i] {
		newest = max(newest, e.event)
	}
	for k := range p.events {
		for _, e := range p.events[k] {
			if e.event > newest {
				longest = max(longest, now-e.recv)
			}
		}
	}
	return longest
}

// TestRaceAgainstTwin: nobody is called behind who is not, and who is behind is found within a
// sixtieth of the limit and a tick.
func TestRaceAgainstTwin(t *testing.T) {
	const limit = 50 * market.Millisecond
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 0))
		race, plain := NewRace(limit), &plainRace{after: limit}
		type arrival struct {
			i           int
			event, recv market.Nanos
		}
		var all []arrival
		for i := range 3 {
			delay := market.Nanos(r.Int64N(int64(80 * market.Millisecond)))
			last := market.Nanos(0)
			at := lagStart
			for range 200 {
				at += market.Nanos(r.ExpFloat64() * float64(4*market.Millisecond))
				recv := max(last, at+delay+market.Nanos(r.ExpFloat64()*1e6))
				if r.IntN(40) == 0 {
					recv += market.Nanos(r.Int64N(int64(100 * market.Millisecond)))
				}
				last = recv
				all = append(all, arrival{i, at, recv})
			}
		}
		slices.SortStableFunc(all, func(a, b arrival) int { return int(a.recv - b.recv) })
		next := 0
		for now := lagStart; now < all[len(all)-1].recv+2*limit; now += market.Millisecond {
			for ; next < len(all) && all[next].recv <= now; next++ {
				a := all[next]
				race.OnEvent(a.i, a.event, a.recv)
				plain.OnEvent(a.i, a.event, a.recv)
			}
			race.OnTick(now)
			for i := range 3 {
				_, behind := race.Behind(i)
				longest := plain.behindFor(i, now)
				if behind && longest <= limit {
					t.Fatalf("seed %d: provider %d is called behind after %d ns", seed, i, longest)
				}
				if !behind && longest > limit+limit/62+market.Millisecond {
					t.Fatalf("seed %d: provider %d has been behind for %d ns, and nobody says so", seed, i, longest)
				}
			}
		}
	}
}

func TestRaceMargins(t *testing.T) {
	race := NewRace(50 * market.Millisecond)
	for i := range market.Nanos(1000) {
		at := lagStart + i*10*market.Millisecond
		race.OnEvent(1, at, at+market.Millisecond)
		race.OnEvent(0, at, at+4*market.Millisecond)
		race.OnTick(at + 5*market.Millisecond)
	}
	winner, loser := race.Margin(1), race.Margin(0)
	if winner.Won != 1000 || winner.Lost != 0 || loser.Lost != 1000 || loser.Won != 0 {
		t.Errorf("winner %+v, loser %+v", winner, loser)
	}
	if loser.Behind != 3*market.Millisecond || loser.BehindAverage < 29*market.Millisecond/10 || loser.BehindAverage > 3*market.Millisecond {
		t.Errorf("the loser is behind by %d ns, %d on average: want 3 ms", loser.Behind, loser.BehindAverage)
	}
	if _, behind := race.Behind(0); behind {
		t.Error("3 ms is called behind")
	}
}

// TestRaceAlone: who runs alone is never behind, and a quiet market makes nobody so.
func TestRaceAlone(t *testing.T) {
	race := NewRace(50 * market.Millisecond)
	at := lagStart
	for range 1000 {
		at += 20 * market.Millisecond
		race.OnEvent(0, at, at)
		race.OnTick(at)
		if _, behind := race.Behind(0); behind {
			t.Fatal("behind nobody")
		}
	}
	race.OnEvent(1, at, at)
	for range 100 {
		at += market.Second
		race.OnTick(at)
		for i := range 2 {
			if _, behind := race.Behind(i); behind {
				t.Fatal("behind in a quiet market")
			}
		}
	}
}

// TestRaceClockSet: a clock that is set puts nobody behind who does not know of it yet, nor the one whose it is. If
// it was the venue's, those that saw it race on; if it was its own, it stands apart until it is right again.
func TestRaceClockSet(t *testing.T) {
	const ms = market.Millisecond
	for _, by := range []market.Nanos{-10 * market.Second, 10 * market.Second, 3600 * market.Second} {
		race := NewRace(50 * ms)
		at, offsets := lagStart, []market.Nanos{ms, 2 * ms, 3 * ms}
		ahead := make([]market.Nanos, 3) // of each one's clock
		still := -1                      // who delivers nothing
		run := func(what string, behind int) {
			t.Helper()
			for range 200 {
				at += ms
				for i := range offsets {
					if i != still {
						race.OnEvent(i, at+ahead[i], at)
					}
				}
				race.Regroup(offsets)
				race.OnTick(at)
				for i := range offsets {
					if _, is := race.Behind(i); is && i != behind {
						t.Fatalf("set by %d s: %s: %d is behind", by/market.Second, what, i)
					}
				}
			}
			if behind >= 0 {
				if _, is := race.Behind(behind); !is {
					t.Fatalf("set by %d s: %s: %d is not behind", by/market.Second, what, behind)
				}
			}
		}
		set := func(i int, by market.Nanos) {
			ahead[i] += by
			offsets[i] -= by
			race.SetApart(i)
		}
		run("before", -1)
		set(0, by)
		run("its own", -1)
		still = 2
		run("two others", 2)
		still = -1
		set(0, -by)
		run("right again", -1)
		still = 0
		run("and still", 0)
		still = -1
		set(1, by)
		run("the venue's, seen by one", -1)
		set(2, by)
		run("by two", -1)
		set(0, by)
		run("by all", -1)
		still = 0
		run("and one still", 0)
	}
}

// TestRaceDoubt: a time that is not believed yet leads nobody, and shows that its provider has what others have.
func TestRaceDoubt(t *testing.T) {
	race := NewRace(50 * market.Millisecond)
	at := lagStart
	for range 100 {
		at += market.Millisecond
		race.OnEvent(0, at, at)
		race.OnDoubted(1, at+market.Minute, at)
		race.OnTick(at)
		for i := range 2 {
			if _, behind := race.Behind(i); behind {
				t.Fatalf("%d is behind", i)
			}
		}
	}
}

// TestRaceCatchUp: a provider that got what it missed in another way is not behind in the quiet market after that,
// and is again when it misses what comes next.
func TestRaceCatchUp(t *testing.T) {
	race := NewRace(50 * market.Millisecond)
	at := lagStart
	race.OnEvent(0, at, at)
	race.OnEvent(1, at, at)
	race.OnEvent(1, at+market.Millisecond, at+market.Millisecond)
	at += 100 * market.Millisecond
	race.OnTick(at)
	if _, behind := race.Behind(0); !behind {
		t.Fatal("not behind")
	}
	race.CatchUp(0, at)
	at += 10 * market.Millisecond
	race.OnEvent(1, at, at) // the snapshot had it too
	for range 100 {
		at += market.Second
		race.OnTick(at)
		for i := range 2 {
			if _, behind := race.Behind(i); behind {
				t.Fatalf("%d is behind with everything", i)
			}
		}
	}
	race.OnEvent(1, at, at)
	race.OnTick(at + 60*market.Millisecond)
	if _, behind := race.Behind(0); !behind {
		t.Error("behind again, and nobody says so")
	}
}

// TestRaceForget: whoever sees first that the publisher began again is not behind those who have yet to see it.
func TestRaceForget(t *testing.T) {
	race := NewRace(50 * market.Millisecond)
	at := lagStart
	for i := range 2 {
		race.OnEvent(i, at, at)
	}
	at += 10 * market.Millisecond
	race.Forget(1, at)
	for range 200 {
		at += market.Millisecond
		race.OnTick(at)
		if _, behind := race.Behind(1); behind {
			t.Fatal("behind what was before")
		}
	}
	race.OnEvent(0, at, at)
	race.OnTick(at + 60*market.Millisecond)
	if _, behind := race.Behind(1); !behind {
		t.Error("behind, and nobody says so")
	}
}

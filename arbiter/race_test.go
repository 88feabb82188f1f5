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

// TestRaceRestart: that one provider's times begin anew puts nobody else behind.
func TestRaceRestart(t *testing.T) {
	race := NewRace(50 * market.Millisecond)
	at := lagStart
	for i := range 2 {
		race.OnEvent(i, at, at)
	}
	race.Restart(1)
	race.OnEvent(1, at-10*market.Second, at+market.Millisecond)
	for range 200 {
		at += market.Millisecond
		race.OnTick(at)
		if _, behind := race.Behind(0); behind {
			t.Fatal("behind a clock that was set back")
		}
	}
	race.OnEvent(1, lagStart+market.Second, at)
	race.OnTick(at + 60*market.Millisecond)
	if _, behind := race.Behind(0); !behind {
		t.Error("behind again, and nobody says so")
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

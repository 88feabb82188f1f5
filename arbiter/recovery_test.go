package arbiter

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"tidegate/market"
)

// playRecovery plays a world with servers, and then plays what was received once more as a replay does.
func playRecovery(t *testing.T, rng *rand.Rand, worldCfg worldConfig, cfg Config, requests RequestConfig, servers []serverConfig, strange float64) *recovery {
	t.Helper()
	w := newWorld(worldCfg, rng)
	r := &recovery{
		channel: newChannel(t, w, cfg, requests), t: t, rng: rng, cfg: requests, servers: servers,
		strange: strange, asked: make(map[uint64]bool),
	}
	r.send = r.onRequest
	r.run()

	for _, often := range []bool{false, true} {
		again := newChannel(t, w, cfg, requests)
		for i := range r.log {
			p := r.log[i]
			if often && again.now > 0 {
				for at := again.now; at < p.TsRecv; at += 1 + market.Nanos(rng.Int64N(int64(market.Millisecond))) {
					again.onTick(at)
				}
			}
			again.onTick(p.TsRecv)
			if v := again.onPacket(&p); v != r.fates[i] {
				t.Fatalf("packet %d of line %v, from %d, is %v, and was %v", i, p.Line, p.Seq, v, r.fates[i])
			}
		}
		again.onTick(r.wall)
		if !slices.Equal(again.told, r.told) {
			t.Errorf("a replay (ticks: %v) publishes something else", often)
		}
		if got, want := again.r.Ledger(), r.r.Ledger(); !reflect.DeepEqual(got, want) {
			t.Errorf("a replay (ticks: %v) has the ledger\n%+v\nwant\n%+v", often, got, want)
		}
	}
	return r
}

// forManySeeds is forSeeds with more of them: these worlds are small.
func forManySeeds(t *testing.T, test func(t *testing.T, rng *rand.Rand)) {
	t.Helper()
	runs := *runsFlag
	defer func() { *runsFlag = runs }()
	*runsFlag *= 5
	forSeeds(t, test)
}

// smallConfig takes little memory, so that many worlds take little time.
func smallConfig(window int) Config {
	c := DefaultConfig()
	c.WindowPacketsMax, c.PacketBytesMax = window, 512
	return c
}

func pick[T any](rng *rand.Rand, of ...T) T { return of[rng.IntN(len(of))] }

func randomRequests(rng *rand.Rand, servers int) RequestConfig {
	c := DefaultRequestConfig(servers)
	c.RequestAfter = pick(rng, market.Nanos(0), 500*market.Microsecond, 2*market.Millisecond)
	c.Timeout = pick(rng, market.Nanos(1), 3, 10) * market.Millisecond
	c.RestMin = c.Timeout * market.Nanos(1+rng.IntN(5))
	c.RestMax = c.RestMin * market.Nanos(1+rng.IntN(10))
	c.FailuresMax = 1 + rng.IntN(6)
	c.MessagesMax = pick(rng, uint32(1), 4, 32)
	c.InFlightMax = pick(rng, 1, 4, 32)
	c.GapMax = pick(rng, uint64(5), 50, 10_000)
	c.RequestsPerSecond = pick(rng, 7, 100, 1_000, 100_000)
	c.MessagesPerSecond = pick(rng, 50, 3_000, 100_000)
	return c
}

func randomServer(rng *rand.Rand) serverConfig {
	chance := func() float64 { return pick(rng, 0, 0, 0.05, 0.5) }
	s := serverConfig{
		lost: chance(), refused: chance(), twice: chance(), partial: chance(), repacked: chance(), wrongSession: chance(),
		delay:  pick(rng, market.Nanos(0), 100, 2_000, 20_000) * market.Microsecond,
		jitter: pick(rng, market.Nanos(0), 300, 10_000) * market.Microsecond,
	}
	if rng.IntN(3) == 0 {
		s.deadFrom = worldStart + market.Nanos(rng.Int64N(int64(200*market.Millisecond)))
		s.deadTo = s.deadFrom + market.Nanos(rng.Int64N(int64(market.Second)))
	}
	return s
}

// Whatever lines, servers and strangers do: what is published is true and in order, the rest is
// announced, limits hold, accounts balance, and a replay of what came in gives the same.
func TestRecoveryInAnyWorld(t *testing.T) {
	var sum ServerLedger
	var waits RequestLedger
	unasked := uint64(0)
	forManySeeds(t, func(t *testing.T, rng *rand.Rand) {
		worldCfg := randomWorld(rng)
		worldCfg.lossy = true
		requests := randomRequests(rng, 1+rng.IntN(4))
		cfg := smallConfig(pick(rng, 30, 1024))
		cfg.Session = SessionOf([]byte("TIDE000001")) // strangers may come first
		cfg.GapDeadline = requests.GapDeadlineMin() + pick(rng, market.Nanos(0), 10, 100)*market.Millisecond
		servers := make([]serverConfig, requests.Servers)
		for i := range servers {
			servers[i] = randomServer(rng)
		}
		r := playRecovery(t, rng, worldCfg, cfg, requests, servers, pick(rng, 0, 0.05))
		ledger := r.r.Ledger()
		s := ledger.Sum()
		sum.Answered.Requests += s.Answered.Requests
		sum.TimedOut.Requests += s.TimedOut.Requests
		sum.Abandoned.Requests += s.Abandoned.Requests
		sum.Late += s.Late
		sum.Rests += s.Rests
		waits.TooLarge.Ranges += ledger.TooLarge.Ranges
		waits.WaitsBudget += ledger.WaitsBudget
		waits.WaitsInFlight += ledger.WaitsInFlight
		waits.WaitsServers += ledger.WaitsServers
		unasked += r.a.lines[LineR].tally.Unasked.Packets
	})
	t.Logf("%d answered, %d timed out, %d abandoned, %d late, %d rests, %d too large, %d waits for budget, %d in flight, %d for servers, %d unasked",
		sum.Answered.Requests, sum.TimedOut.Requests, sum.Abandoned.Requests, sum.Late, sum.Rests,
		waits.TooLarge.Ranges, waits.WaitsBudget, waits.WaitsInFlight, waits.WaitsServers, unasked)
	if *seedFlag == 0 && slices.Contains([]uint64{
		sum.Answered.Requests, sum.TimedOut.Requests, sum.Abandoned.Requests, sum.Late, sum.Rests,
		waits.TooLarge.Ranges, waits.WaitsBudget, waits.WaitsInFlight, waits.WaitsServers, unasked,
	}, 0) {
		t.Error("something never happened in any world")
	}
}

// With a server that works, and time, nothing is lost for good: however bad the lines are, and although
// requests and answers get lost too.
func TestRecoveryIsComplete(t *testing.T) {
	forManySeeds(t, func(t *testing.T, rng *rand.Rand) {
		worldCfg := worldConfig{
			lines: 1 + rng.IntN(2), epochs: 1, atLeast: 100, perEpoch: 1 + rng.IntN(400), timed: true, lossy: true,
			resegment: rng.IntN(2) == 0, duplicates: pick(rng, 0, 0.3), jitter: pick(rng, market.Nanos(0), 200, 3000) * market.Microsecond,
			firstSeq: pick(rng, uint64(1), 90_000), quiet: true,
		}
		requests := DefaultRequestConfig(1 + rng.IntN(3))
		servers := make([]serverConfig, requests.Servers)
		for i := range servers {
			servers[i] = randomServer(rng)
		}
		works := &servers[rng.IntN(len(servers))]
		*works = serverConfig{
			lost: pick(rng, 0, 0.1), partial: pick(rng, 0, 0.5), twice: 0.1, repacked: pick(rng, 0, 0.5),
			delay: pick(rng, market.Nanos(0), 100, 2000) * market.Microsecond, jitter: pick(rng, market.Nanos(0), 300, 3000) * market.Microsecond,
		}
		cfg := smallConfig(1024)
		cfg.GapDeadline = 3 * market.Second
		r := playRecovery(t, rng, worldCfg, cfg, requests, servers, 0)
		if r.lost > 0 || r.next != r.w.last[0] {
			t.Errorf("%d of %d messages are lost, %d was next", r.lost, r.w.last[0]-r.w.first[0], r.next)
			for _, f := range r.told {
				if f.what != "published" {
					t.Logf("%+v", f)
				}
			}
			ledger := r.r.Ledger()
			ledger.Walk(func(name string, value uint64, _ string) { t.Logf("%s %d", name, value) })
		}
	})
}

package sim

import (
	"flag"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tidegate/market"
)

var (
	seeds = flag.Int("sim.seeds", 60, "how many worlds")
	first = flag.Uint64("sim.seed", 1, "the first seed")
	fresh = flag.Int("sim.fresh", 0, "how many worlds with seeds of their own, besides")
	only  = flag.String("sim.only", "", "kinds of fault, separated by commas; all by default")
)

// run runs one world in a bubble of its own.
func run(t *testing.T, cfg Config) (r Report) {
	synctest.Test(t, func(t *testing.T) {
		w, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		r = w.Run()
	})
	return r
}

func config(seed uint64) Config {
	cfg := DefaultConfig(seed)
	if *only != "" {
		cfg.Only = strings.Split(*only, ",")
	}
	return cfg
}

// again says how to see a world once more.
func again(r Report) string {
	text := fmt.Sprintf("go test ./internal/sim -run TestWorlds -sim.seed=%d -sim.seeds=1", r.Seed)
	if *only != "" {
		text += fmt.Sprintf(" -sim.only=%q", *only)
	}
	return text
}

// tally sums up what happened in all worlds.
type tally struct {
	sync.Mutex
	worlds  int
	virtual market.Nanos
	faults  map[string]int
	sum     Report
	failed  int
}

func (s *tally) add(r Report) {
	s.Lock()
	defer s.Unlock()
	s.worlds++
	s.virtual += r.Virtual
	for k, n := range r.Faults {
		s.faults[k] += n
	}
	s.sum.Messages += r.Messages
	s.sum.Datagrams += r.Datagrams
	s.sum.Gaps += r.Gaps
	s.sum.Filled += r.Filled
	s.sum.Snapshots += r.Snapshots
	s.sum.Switches += r.Switches
	s.sum.Stale += r.Stale
	s.sum.Lapped += r.Lapped
	if len(r.Violations) > 0 {
		s.failed++
	}
}

// TestWorlds runs many worlds and wants no violation in any.
func TestWorlds(t *testing.T) {
	sum := &tally{faults: make(map[string]int)}
	start := time.Now()
	list := make(chan uint64)
	go func() {
		defer close(list)
		for i := range *seeds {
			list <- *first + uint64(i)
		}
		for i := range *fresh {
			list <- uint64(start.UnixNano()) + uint64(i)
		}
	}()
	t.Run("group", func(t *testing.T) {
		for n := range runtime.GOMAXPROCS(0) {
			t.Run(fmt.Sprint(n), func(t *testing.T) {
				t.Parallel()
				for seed := range list {
					r := run(t, config(seed))
					sum.add(r)
					if len(r.Violations) > 0 {
						t.Errorf("seed %d: %s\nfaults: %v\nrepeat: %s", seed, strings.Join(r.Violations, "\n\t"), r.Faults, again(r))
					}
				}
			})
		}
	})
	took := time.Since(start)
	t.Logf("%d worlds, %d failed, %.1f hours of virtual time in %.1f s: %.1f worlds per second",
		sum.worlds, sum.failed, float64(sum.virtual)/3600e9, took.Seconds(), float64(sum.worlds)/took.Seconds())
	t.Logf("%d messages, %d datagrams, gaps: %d announced, %d filled; %d snapshots spliced, %d switches, %d times stale, %d times lapped",
		sum.sum.Messages, sum.sum.Datagrams, sum.sum.Gaps, sum.sum.Filled, sum.sum.Snapshots, sum.sum.Switches, sum.sum.Stale, sum.sum.Lapped)
	for _, k := range slices.Sorted(maps.Keys(sum.faults)) {
		t.Logf("fault %-32s %6d", k, sum.faults[k])
	}
}

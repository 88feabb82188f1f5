package sim

import (
	"flag"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tidegate/market"
)

var (
	seeds    = flag.Int("sim.seeds", 40, "how many worlds")
	first    = flag.Uint64("sim.seed", 1, "the first seed")
	fresh    = flag.Int("sim.fresh", 12, "how many worlds with seeds of their own, besides")
	only     = flag.String("sim.only", "", "kinds of fault, separated by commas; all by default")
	keep     = flag.String("sim.keep", "", "numbers of faults, separated by commas, or none; all by default")
	failfast = flag.Bool("sim.failfast", false, "end with the first world that fails, and do not look for what suffices")
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

func config(t testing.TB, seed uint64) Config {
	cfg := DefaultConfig(seed)
	if *only != "" {
		cfg.Only = strings.Split(*only, ",")
		for _, k := range cfg.Only {
			if !slices.Contains(kinds, k) {
				t.Fatalf("fault %q: want one of %q", k, kinds)
			}
		}
	}
	switch *keep {
	case "":
	case "none":
		cfg.Keep = []int{}
	default:
		for _, s := range strings.Split(*keep, ",") {
			n, err := strconv.Atoi(s)
			if err != nil {
				t.Fatalf("fault number %q: want numbers, separated by commas", s)
			}
			cfg.Keep = append(cfg.Keep, n)
		}
	}
	return cfg
}

// again says how to see a world once more.
func again(cfg Config) string {
	text := fmt.Sprintf("make sim SEED=%d SEEDS=1", cfg.Seed)
	if len(cfg.Only) > 0 {
		text += fmt.Sprintf(" ONLY=%q", strings.Join(cfg.Only, ","))
	}
	switch {
	case cfg.Keep == nil:
	case len(cfg.Keep) == 0:
		text += " KEEP=none"
	default:
		text += " KEEP=" + strings.Trim(strings.Join(strings.Fields(fmt.Sprint(cfg.Keep)), ","), "[]")
	}
	return text
}

// shrink leaves out faults of a world that fails as long as it still fails. It tries halves, then parts of them.
func shrink(t *testing.T, cfg Config, r Report) (Config, Report) {
	var all []int
	for _, f := range r.Plan {
		all = append(all, f.Number)
	}
	cfg.Keep = all
	for part := (len(cfg.Keep) + 1) / 2; part > 0; part /= 2 {
		for from := 0; from < len(cfg.Keep); {
			try := cfg
			try.Keep = slices.Delete(slices.Clone(cfg.Keep), from, min(from+part, len(cfg.Keep)))
			if less := run(t, try); len(less.Violations) > 0 {
				cfg, r = try, less
			} else {
				from += part
			}
		}
	}
	return cfg, r
}

// tally sums up what happened in all worlds.
type tally struct {
	sync.Mutex
	start   time.Time
	said    time.Time // when it was last printed
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
	s.sum.Failed += r.Failed
	s.sum.Switches += r.Switches
	s.sum.Stale += r.Stale
	s.sum.Lapped += r.Lapped
	s.sum.Compared += r.Compared
	if len(r.Violations) > 0 {
		s.failed++
	}
	if time.Since(s.said) > time.Minute {
		s.said = time.Now()
		s.printRate()
	}
}

// printRate prints how far it is, and how fast.
func (s *tally) printRate() {
	took := time.Since(s.start)
	fmt.Printf("%d worlds, %d failed, %.1f hours of virtual time in %.1f s: %.1f worlds per second\n",
		s.worlds, s.failed, float64(s.virtual)/3600e9, took.Seconds(), float64(s.worlds)/took.Seconds())
}

func (s *tally) print() {
	s.printRate()
	fmt.Printf("%d messages, %d datagrams; gaps: %d announced, %d filled; snapshots: %d spliced, %d failed\n",
		s.sum.Messages, s.sum.Datagrams, s.sum.Gaps, s.sum.Filled, s.sum.Snapshots, s.sum.Failed)
	fmt.Printf("%d switches, %d times stale, %d times lapped; %d books compared\n",
		s.sum.Switches, s.sum.Stale, s.sum.Lapped, s.sum.Compared)
	for _, k := range slices.Sorted(maps.Keys(s.faults)) {
		fmt.Printf("%8d  %s\n", s.faults[k], k)
	}
}

// TestWorlds runs many worlds and wants no violation in any.
func TestWorlds(t *testing.T) {
	start := time.Now()
	sum := &tally{start: start, said: start, faults: make(map[string]int)}
	list, stop := make(chan uint64), make(chan struct{})
	go func() {
		defer close(list)
		for i := range *seeds + *fresh {
			seed := *first + uint64(i)
			if i >= *seeds {
				seed = uint64(start.UnixNano()) + uint64(i)
			}
			select {
			case list <- seed:
			case <-stop:
				return
			}
		}
	}()
	var once sync.Once
	t.Run("group", func(t *testing.T) {
		for n := range runtime.GOMAXPROCS(0) {
			t.Run(fmt.Sprint(n), func(t *testing.T) {
				t.Parallel()
				for seed := range list {
					cfg := config(t, seed)
					r := run(t, cfg)
					sum.add(r)
					if len(r.Violations) == 0 {
						continue
					}
					if *failfast {
						once.Do(func() { close(stop) })
					} else if cfg.Keep == nil {
						cfg, r = shrink(t, cfg, r)
					}
					report(t, cfg, r)
				}
			})
		}
	})
	sum.print()
}

// report says what failed, and which faults suffice for it.
func report(t *testing.T, cfg Config, r Report) {
	var b strings.Builder
	fmt.Fprintf(&b, "\nseed %d: %s\n", r.Seed, strings.Join(r.Violations, "\n\t"))
	fmt.Fprintf(&b, "world: %s\n", r.World)
	for _, f := range r.Plan {
		fmt.Fprintf(&b, "%s\n", f)
	}
	fmt.Fprintf(&b, "again: %s\n", again(cfg))
	fmt.Print(b.String()) // at once, and not when the last world has ended
	t.Fail()
}

// A world in which nothing goes wrong, and one whose market stands still now and then, have no gap, no switch
// and no stale feed.
func TestNothingHappens(t *testing.T) {
	for seed := range uint64(6) {
		cfg := DefaultConfig(seed)
		cfg.Only, cfg.Storm, cfg.Calm = []string{quiet}, 8*market.Second, 4*market.Second
		if seed%2 == 0 {
			cfg.Faults = 0
		}
		r := run(t, cfg)
		if len(r.Violations) > 0 {
			report(t, cfg, r)
		}
		if r.Gaps+r.Switches+r.Stale+r.Lapped > 0 {
			t.Errorf("seed %d: %d gaps, %d switches, %d times stale, %d times lapped", seed, r.Gaps, r.Switches, r.Stale, r.Lapped)
		}
	}
}

// A world is a function of its configuration.
func TestSameAgain(t *testing.T) {
	for seed := range uint64(3) {
		cfg := DefaultConfig(100 + seed)
		cfg.Storm, cfg.Calm = 8*market.Second, 2*market.Second
		if a, b := fmt.Sprintf("%+v", run(t, cfg)), fmt.Sprintf("%+v", run(t, cfg)); a != b {
			t.Errorf("seed %d: two worlds of the same configuration:\n%s\n%s", cfg.Seed, a, b)
		}
	}
}

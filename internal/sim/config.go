package sim

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"tidegate/internal/bus"
	"tidegate/market"
)

// Config describes a world.
type Config struct {
	Seed uint64
	// Storm is how long faults come and go, and Calm how long everything is healthy after that.
	Storm, Calm market.Nanos
	// Faults is how many faults happen.
	Faults int
	// Rate is the messages per second of the first venue.
	Rate int
	// Only, if not empty, are the kinds of fault that may happen.
	Only []string
	// Keep, if not nil, are the numbers of the faults that happen; the others of the plan are left out.
	Keep []int
}

// DefaultConfig returns a world of half a minute.
func DefaultConfig(seed uint64) Config {
	return Config{Seed: seed, Storm: 12 * market.Second, Calm: 16 * market.Second, Faults: 10, Rate: 400}
}

// A Report says what happened in a world.
type Report struct {
	Seed       uint64
	World      string         // how it was built
	Virtual    market.Nanos   // time that passed in the world
	Plan       []Fault        // what was to happen, in order of number
	Faults     map[string]int // what happened, by kind
	Messages   uint64         // of the venues
	Datagrams  uint64         // that reached the gateway
	Gaps       uint64         // announced
	Filled     uint64         // gaps that were filled
	Snapshots  uint64         // spliced
	Failed     uint64         // attempts at a snapshot that came to nothing
	Switches   uint64
	Stale      uint64 // times that a feed was stale
	Lapped     uint64 // times that a reader was
	Compared   uint64 // books of providers and subscribers, with what they should be
	Violations []string
}

// joinGapSmall is a limit of missing messages over which a late gateway joins a channel in its middle.
const joinGapSmall = 20

// shape is how a world is built. It follows from the seed, and not from the dice that plan faults.
type shape struct {
	seed      uint64
	providers []int // of each feed
	servers   int   // for retransmission, of each provider; 0: nothing can be asked for again
	late      market.Nanos
	joinGap   uint64 // arbiter.Config.JoinGapMax
	window    int    // arbiter.Config.WindowPacketsMax
	ring      bus.Config
	refresh   int // orders per tick, of a switch and of a snapshot for a reader
}

// newShape throws the dice for a world's building.
func newShape(seed uint64) shape {
	dice := rand.New(rand.NewPCG(seed, 0x7368617065))
	s := shape{seed: seed, providers: []int{1 + dice.IntN(3)}, servers: 2, joinGap: 4096, window: 256, refresh: 4096, ring: bus.Config{Chunks: 64, ChunkBytes: 16 << 10}}
	if dice.IntN(5) == 0 {
		s.providers = append(s.providers, 1+dice.IntN(2))
	}
	if dice.IntN(4) == 0 {
		s.servers = 0
	}
	if dice.IntN(4) == 0 { // the day has long begun when the gateway starts
		s.late = market.Nanos(4+dice.IntN(8)) * market.Second
		// With more than joinGap messages missing nothing is published before there are books; with fewer it is, and
		// marked. Then instruments have no symbols yet, and those of two venues cannot be told to be the same.
		if dice.IntN(4) > 0 || len(s.providers) > 1 {
			s.joinGap = joinGapSmall
		}
	}
	if dice.IntN(4) == 0 {
		s.window = 16
	}
	if dice.IntN(2) == 0 { // a reader that stalls is soon lapped, and a switch takes its time
		s.ring = bus.Config{Chunks: 16, ChunkBytes: 8 << 10}
		s.refresh = 30 + dice.IntN(200)
	}
	return s
}

// String says how the world is built.
func (s *shape) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "providers %v, %d retransmit servers, window of %d packets, ring of %d KiB, refreshes of %d orders",
		s.providers, s.servers, s.window, s.ring.Chunks*s.ring.ChunkBytes>>10, s.refresh)
	if s.late > 0 {
		fmt.Fprintf(&b, ", the gateway starts after %d s and joins when %d messages are missing", s.late/market.Second, s.joinGap)
	}
	return b.String()
}

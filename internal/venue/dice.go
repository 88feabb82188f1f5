package venue

import (
	"math/bits"
	"math/rand/v2"

	"tidegate/market"
)

// dice are the only source of chance: a PCG seeded explicitly. They use integers alone, so that a
// seed means the same on every machine.
type dice struct{ *rand.Rand }

// Streams of one seed. Each user of chance has its own, so that changing one leaves the others.
const (
	streamFlow uint64 = 1
	streamLine uint64 = 1 << 32 // plus the line's index
)

func newDice(seed, stream uint64) dice { return dice{rand.New(rand.NewPCG(seed, stream))} }

// perMille is true n times out of 1000.
func (d dice) perMille(n int) bool { return d.IntN(1000) < n }

// happens is true with a probability. Float64 is exact, so this too is the same everywhere.
func (d dice) happens(probability float64) bool {
	return probability > 0 && d.Float64() < probability
}

// between returns a number from low to high, both included.
func (d dice) between(low, high int) int { return low + d.IntN(high-low+1) }

// size returns a size from 1 to most.
func (d dice) size(most market.Size) market.Size { return 1 + market.Size(d.Uint64N(uint64(most))) }

// upTo returns a span from 0 to most.
func (d dice) upTo(most market.Nanos) market.Nanos {
	return market.Nanos(d.Int64N(int64(most) + 1))
}

// exponential returns a span of the given mean, exponentially distributed to within a few percent.
//
// For u uniform in [0, 1), -log2(u) is about the number of leading zeros of u's binary fraction, plus
// one, less the fraction that follows its first one bit. The mean of that sum is 1.5, hence the
// division. A logarithm would be closer, and differ in the last bit between machines.
func (d dice) exponential(mean market.Nanos) market.Nanos {
	u := d.Uint64() | 1
	zeros := uint64(bits.LeadingZeros64(u))
	fraction := u << (zeros + 1) >> 44 // 20 bits
	log2 := (zeros+1)<<20 - fraction
	hi, lo := bits.Mul64(log2, uint64(mean))
	q, _ := bits.Div64(hi, lo, 3<<19)
	return market.Nanos(q)
}

// geometric counts how often a chance of n in 1000 comes in a row, up to most times.
func (d dice) geometric(n, most int) int {
	count := 0
	for count < most && d.perMille(n) {
		count++
	}
	return count
}

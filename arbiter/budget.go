package arbiter

import "tidegate/market"

// A budget lets so many things happen in a second, and so many at once. Its arithmetic is exact, so
// that it does not matter how often it is asked.
type budget struct {
	perSecond int64
	full      int64 // nanounits that it holds at most
	left      int64 // nanounits: a billion of them are one thing
	at        market.Nanos
}

const nanounits = 1_000_000_000

// newBudget returns a full budget that lets atOnce happen at once.
func newBudget(perSecond int, atOnce int64) budget {
	full := atOnce * nanounits
	return budget{perSecond: int64(perSecond), full: full, left: full}
}

// refill adds what was earned until now.
func (b *budget) refill(now market.Nanos) {
	if b.left < b.full {
		elapsed := int64(now - b.at)
		if elapsed >= b.wait(b.full) {
			b.left = b.full
		} else {
			b.left += elapsed * b.perSecond
		}
	}
	b.at = now
}

// wait returns how many nanoseconds it takes until so many nanounits are left.
func (b *budget) wait(want int64) int64 {
	if want <= b.left {
		return 0
	}
	return (want - b.left + b.perSecond - 1) / b.perSecond
}

// when returns when n things may happen, now or later. b has been refilled.
func (b *budget) when(n int64) market.Nanos {
	return b.at + market.Nanos(b.wait(n*nanounits))
}

// take takes n things, which may happen.
func (b *budget) take(n int64) { b.left -= n * nanounits }

package orders

import (
	"math/bits"
	"sync/atomic"

	"tidegate/book/match"
	"tidegate/market"
)

// A door is what is asked of an account before a request gets into a lane. It is shared by its sessions.
type door struct {
	id      AccountID
	killed  atomic.Bool
	waiting atomic.Int32 // requests in lanes
	rate    rate
}

// A rate lets so many through in a second, and bursts of a tenth of that. It keeps the time at which all that was
// let through would have come evenly (the virtual scheduling of GCRA), so it needs no clock of its own.
type rate struct {
	each, burst market.Nanos // 0: no limit
	next        atomic.Int64
}

func (r *rate) set(perSecond int) {
	if perSecond > 0 {
		r.each = max(1, market.Second/market.Nanos(perSecond))
		r.burst = max(r.each, market.Second/10)
	}
}

// allow lets one through, or says no.
func (r *rate) allow(now market.Nanos) bool {
	if r.each == 0 {
		return true
	}
	for {
		next := r.next.Load()
		from := max(next, int64(now))
		if from-int64(now) >= int64(r.burst) {
			return false
		}
		if r.next.CompareAndSwap(next, from+int64(r.each)) {
			return true
		}
	}
}

// A fact is what doors know of an instrument.
type fact struct {
	Instrument
	ask atomic.Int64 // of the last reference; 0 if there is none
}

// laneOf says how urgent a request is.
func (g *Gate) laneOf(r *Request) int {
	if r.Kind != New && r.Kind != Replace {
		return LaneCancel
	}
	f := g.facts[r.Order.Instrument]
	if f == nil || f.HighNotional.zero() || r.Order.Size > match.SizeMax {
		return LaneNormal
	}
	price := priceOf(r.Order.Price)
	if price == 0 {
		price = market.Price(f.ask.Load())
	}
	if price < 0 || price > match.PriceMax {
		return LaneNormal
	}
	hi, lo := bits.Mul64(uint64(price), uint64(r.Order.Size))
	if (Money{int64(hi), lo}).over(max(1, f.PriceFor)).Cmp(f.HighNotional) >= 0 {
		return LaneHigh
	}
	return LaneNormal
}

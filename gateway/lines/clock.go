//go:build linux

package lines

import (
	"sync/atomic"
	"time"

	"tidegate/market"
)

const (
	// stepMin is the smallest change between the wall clock and the monotonic clock that is taken for the wall
	// clock having been set. Time synchronisation changes the rate of both.
	stepMin = 10 * market.Millisecond
	// slewing is the part of a second by which time is corrected per second, as time synchronisation does.
	slewing = 2000
)

// clock is the kernel's wall clock, which also stamps datagrams, but never goes back, stands still or jumps. When
// the wall clock is set it goes on as before and draws near the new time by half a millisecond per second: what is
// measured against the venues' times, and what waits for a deadline, is not disturbed. Meanwhile it differs from
// the wall clock by the skew, and so do times of receipt from the kernel's stamps.
type clock struct {
	base  time.Time    // where the monotonic clock counts from here
	last  market.Nanos // reading of that
	ahead market.Nanos // the largest difference that was seen between the two
	skew  atomic.Int64 // what the wall clock is ahead of this one; written by the owner
	set   uint64       // times that the wall clock was set
}

func (c *clock) start() {
	c.base = time.Now()
	c.ahead = market.Nanos(c.base.UnixNano())
}

// now reads both clocks. The runtime reads the wall clock first, so a thread that is held up in between
// makes the difference too small, never too large: what looks like a clock that was set back is looked at again.
func (c *clock) now() market.Nanos {
	t := time.Now()
	for range 3 {
		if c.ahead+market.Nanos(c.skew.Load())-market.Nanos(t.UnixNano())+market.Nanos(t.Sub(c.base)) < stepMin {
			break
		}
		t = time.Now()
	}
	return c.at(market.Nanos(t.UnixNano()), market.Nanos(t.Sub(c.base)))
}

// at returns the time at a reading of the wall clock and one of the monotonic clock since the start.
func (c *clock) at(wall, since market.Nanos) market.Nanos {
	skew := market.Nanos(c.skew.Load())
	if skew != 0 {
		most := (since - c.last) / slewing
		by := min(max(skew, -most), most)
		skew, c.ahead = skew-by, c.ahead+by
		c.skew.Store(int64(skew))
	}
	c.last = since
	ahead := wall - since - skew
	if step := ahead - c.ahead; step >= stepMin || step <= -stepMin {
		c.set++
		c.skew.Store(int64(skew + step))
	} else {
		c.ahead = max(c.ahead, ahead)
	}
	return since + c.ahead
}

// stamped returns the time of a stamp of the kernel's.
func (c *clock) stamped(stamp market.Nanos) market.Nanos {
	if stamp.Defined() {
		stamp -= market.Nanos(c.skew.Load())
	}
	return stamp
}

// Clock returns the present time by the loop's clock. Any goroutine may call it.
func (l *Loop) Clock() market.Nanos {
	return market.Nanos(time.Now().UnixNano() - l.in.clock.skew.Load())
}

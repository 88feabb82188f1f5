//go:build linux

package lines

import (
	"time"

	"tidegate/market"
)

// clock is the kernel's wall clock, which also stamps datagrams, but it never goes back or stands
// still: it is the monotonic clock plus the largest difference that was seen between the two. When the
// wall clock is set forward it follows, as the stamps do. When the wall clock is set back it goes on,
// and stamps are old times until the wall clock has caught up.
type clock struct {
	base  time.Time // where the monotonic clock counts from here
	ahead market.Nanos
}

func (c *clock) start() {
	c.base = time.Now()
	c.ahead = market.Nanos(c.base.UnixNano())
}

// now reads both clocks. The runtime reads the wall clock first, so a thread that is held up in between
// makes the difference too small, never too large.
func (c *clock) now() market.Nanos {
	t := time.Now()
	return c.at(market.Nanos(t.UnixNano()), market.Nanos(t.Sub(c.base)))
}

// at returns the time at a reading of the wall clock and one of the monotonic clock since the start.
func (c *clock) at(wall, since market.Nanos) market.Nanos {
	c.ahead = max(c.ahead, wall-since)
	return since + c.ahead
}

// Package clock reads the time, for the edges of the gateway: whoever has no receive time of the
// kernel's, and whoever stamps what leaves. The core takes times as arguments and reads no clock.
//
// In a testing/synctest bubble it is the bubble's time.
package clock

import (
	"time"

	"tidegate/market"
)

// base is where the wall clock and the monotonic clock are tied together.
var base = time.Now()

// Now returns the time of day. It is the wall clock as of the start of the process, advanced by the
// monotonic clock, so it never goes back. Both follow the rate corrections of time synchronisation;
// a step of the wall clock shows only after a restart. Receive times of the kernel do follow the
// step.
func Now() market.Nanos {
	return market.Nanos(base.UnixNano() + int64(time.Since(base)))
}

package replay

import (
	"context"
	"math"
	"time"

	"tidegate/market"
)

// pace holds a replay back to a multiple of recorded time. A nil pace does not.
type pace struct {
	speed float64
	start time.Time    // when the first item went out
	first market.Nanos // its recorded time
}

func newPace(speed float64) *pace {
	if speed <= 0 {
		return nil
	}
	return &pace{speed: speed}
}

// wait returns when the item recorded at the given time is due, or with ctx's error.
func (p *pace) wait(ctx context.Context, at market.Nanos) error {
	if p == nil {
		return nil
	}
	if p.start.IsZero() {
		p.start, p.first = time.Now(), at
		return nil
	}
	// A recording may seem to last longer than a Duration can say.
	due := p.start.Add(time.Duration(min(float64(at-p.first)/p.speed, math.MaxInt64/2)))
	ahead := time.Until(due)
	if ahead < 50*time.Microsecond {
		return nil
	}
	timer := time.NewTimer(ahead)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

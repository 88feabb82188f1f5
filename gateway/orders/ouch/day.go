package ouch

import (
	"time"
	_ "time/tzdata" // OUCH counts from midnight in New York, wherever the gateway runs

	"tidegate/market"
)

// A dayClock tells the time of day in New York, which is how OUCH says when something happened. It keeps
// the day that it was asked about last.
type dayClock struct {
	zone     *time.Location
	from, to market.Nanos
}

func newDayClock() dayClock {
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		panic("ouch: embedded zone database: " + err.Error())
	}
	return dayClock{zone: zone}
}

// since returns how many nanoseconds after midnight t is.
func (d *dayClock) since(t market.Nanos) uint64 {
	if t < d.from || t >= d.to {
		y, m, day := time.Unix(0, int64(t)).In(d.zone).Date()
		d.from = market.Nanos(time.Date(y, m, day, 0, 0, 0, 0, d.zone).UnixNano())
		d.to = market.Nanos(time.Date(y, m, day+1, 0, 0, 0, 0, d.zone).UnixNano())
	}
	return uint64(t - d.from)
}

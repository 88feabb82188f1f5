package venue

import (
	"slices"

	"tidegate/market"
)

// A flow decides when participants act, and on which instrument. Actions come in bursts, mostly about
// one instrument; bursts come at exponential gaps, faster or slower by spells of a second or so.
type flow struct {
	at       market.Nanos // of the next action; never when the flow has stopped
	left     int          // actions left in the burst
	focus    *instrument  // what the burst is about
	pace     int          // percent of the configured rate
	spellEnd market.Nanos
	activity []int // cumulated over instruments
}

const (
	burstActions = 24 // mean
	burstGap     = 6 * market.Microsecond
	spellLength  = 1500 * market.Millisecond
	focusShare   = 700 // per mille of a burst's actions that are about its focus
)

// paces average 100. In a spell of 0 the venue is silent.
var paces = [...]int{0, 40, 90, 130, 240}

// start starts the flow at the exchange's present time.
func (f *flow) start(x *Exchange) {
	total := 0
	for _, in := range x.instruments {
		total += in.Activity
		f.activity = append(f.activity, total)
	}
	f.at, f.spellEnd, f.pace = x.now, x.now+spellLength, 100
	f.advance(x)
}

// stop ends the flow.
func (f *flow) stop() { f.at = never }

// advance finds the time of the next action.
func (f *flow) advance(x *Exchange) {
	if f.left > 0 {
		f.left--
		f.at += 1 + x.dice.exponential(burstGap)
		return
	}
	mean := market.Second * burstActions * 100 / market.Nanos(x.cfg.Rate)
	for {
		if f.pace > 0 {
			gap := 1 + x.dice.exponential(mean/market.Nanos(f.pace))
			if f.at+gap < f.spellEnd {
				f.at += gap
				break
			}
		}
		f.at = max(f.at, f.spellEnd)
		f.pace = paces[x.dice.IntN(len(paces))]
		f.spellEnd = f.at + 1 + x.dice.exponential(spellLength)
	}
	f.left = int(x.dice.exponential(burstActions - 1))
	f.focus = f.draw(x)
}

// instrument returns what the present action is about.
func (f *flow) instrument(x *Exchange) *instrument {
	if f.focus != nil && x.dice.perMille(focusShare) {
		return f.focus
	}
	return f.draw(x)
}

// draw picks an instrument by activity.
func (f *flow) draw(x *Exchange) *instrument {
	ticket := x.dice.IntN(f.activity[len(f.activity)-1])
	i, _ := slices.BinarySearch(f.activity, ticket+1)
	return x.instruments[i]
}

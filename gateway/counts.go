package gateway

import (
	"fmt"

	"tidegate/market"
)

// Counts says what became of every message that reached a pipeline's decoder: each is counted once
// by type and once by verdict. A pipeline owns its counts; others get a copy.
type Counts struct {
	Messages uint64                      // messages given to the decoder
	Types    [256]uint64                 // by the message's first byte; messages without one are not here
	Verdicts [market.VerdictCount]uint64 // by what became of them
	Events   uint64                      // events published
	Trades   uint64                      // of those, trades
	Volume   uint64                      // traded, in lots
	Clears   uint64                      // books emptied because the publisher restarted, or said so
	Suspect  uint64                      // events published with FlagMaybeBadBook: behind a gap, or joined midway

	SessionsEnded uint64 // sessions that came to their announced end
}

// Faults returns how many messages did not do what they say.
func (c *Counts) Faults() uint64 {
	var n uint64
	for v := range market.VerdictCount {
		if v.Fault() {
			n += c.Verdicts[v]
		}
	}
	return n
}

// Balanced returns an error unless every message has exactly one verdict.
func (c *Counts) Balanced() error {
	var sum uint64
	for _, n := range c.Verdicts {
		sum += n
	}
	if sum != c.Messages {
		return fmt.Errorf("%d messages were decoded, but verdicts add up to %d", c.Messages, sum)
	}
	return nil
}

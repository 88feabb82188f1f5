package providers

import (
	"errors"
	"fmt"

	"tidegate/arbiter"
	"tidegate/market"
)

// Config says which providers a feed has, and when they are believed.
type Config struct {
	// Names of the providers, the preferred first.
	Names []string
	// SameIDs says that all providers number instruments alike, as those of one venue's ITCH do. Else
	// instruments are the same if they have the same symbol, and the feed numbers them itself.
	SameIDs bool
	// StaleAfter is how late events may be, and how long another provider may be ahead.
	StaleAfter market.Nanos
	// Silence is how long nothing at all may come, heartbeats included.
	Silence market.Nanos
	// UnhealedAfter is how long a gap may lie behind what a provider delivers before that counts like
	// being stale.
	UnhealedAfter market.Nanos
	// LagMemory is for how long the lag of the newest event says something, when no other one comes.
	LagMemory market.Nanos
	// FailBack is how long a preferred provider must have been as good as the active one.
	FailBack market.Nanos
	// StartGrace is how long the preferred provider is waited for at the start.
	StartGrace market.Nanos
	// RefreshOrders is how many orders are published per tick for a switch, and at least one instrument.
	RefreshOrders int
	Lag           arbiter.LagConfig
}

// DefaultConfig returns the configuration of a feed whose protocol has heartbeats each second.
func DefaultConfig(names ...string) Config {
	return Config{
		Names: names, SameIDs: len(names) == 1,
		StaleAfter: 50 * market.Millisecond, Silence: 3 * market.Second,
		UnhealedAfter: 15 * market.Second, LagMemory: market.Second,
		FailBack: 5 * market.Second, StartGrace: market.Second,
		RefreshOrders: 4096, Lag: arbiter.DefaultLagConfig(),
	}
}

// Validate returns an error that names the first value that makes no sense.
func (c *Config) Validate() error {
	switch {
	case len(c.Names) == 0:
		return errors.New("providers: none: want at least one")
	case len(c.Names) > arbiter.ProvidersMax:
		return fmt.Errorf("providers: %d: want at most %d", len(c.Names), arbiter.ProvidersMax)
	case c.StaleAfter <= 0:
		return errors.New("providers: stale after: want more than 0")
	case c.Silence <= c.StaleAfter:
		return errors.New("providers: silence: want more than stale after")
	case c.UnhealedAfter <= 0 || c.LagMemory <= 0 || c.FailBack < 0 || c.StartGrace < 0:
		return errors.New("providers: a time is negative")
	case c.RefreshOrders < 1:
		return fmt.Errorf("providers: %d orders per refresh: want at least 1", c.RefreshOrders)
	}
	return c.Lag.Validate()
}

package venue

import (
	"fmt"
	"math"

	"tidegate/market"
)

// Limits of a configuration. Prices are those that ITCH can carry with room for a day's movement.
const (
	listingsMax   = math.MaxUint16 // stock locate codes
	rateMax       = 10_000_000
	depthMax      = 100_000
	activityMax   = 1_000_000
	priceUnit     = market.Price(100_000) // ITCH prices have four decimals
	referenceMax  = 100_000 * market.Price(market.PriceScale)
	orderPriceMax = 4 * referenceMax // what ITCH can carry, less a little
	ticksMin      = 40               // between zero and the reference price
)

// A Config describes one simulated trading day. The same Config gives the same messages.
type Config struct {
	Seed uint64
	// Midnight is the venue's midnight: message times count from it. Nanoseconds since the epoch.
	Midnight market.Nanos
	// Open is when trading opens, since Midnight.
	Open market.Nanos
	// PreOpen is how long before Open the day starts: the directory is published and participants
	// enter the first orders.
	PreOpen market.Nanos
	// Trading is the time from the open to the close.
	Trading  market.Nanos
	Listings []Listing
	// Rate is the average number of messages per second. Bursts exceed it many times over.
	Rate  int
	Halts []Halt
}

// A Listing is one instrument of the venue. Its stock locate code is its index in the Config plus 1.
type Listing struct {
	Symbol    string       // at most 8 characters, capital letters, digits, '.', '-' and '+'
	Tick      market.Price // a multiple of 0.0001
	Reference market.Price // where the day's prices start; a multiple of Tick
	Activity  int          // share of the venue's messages, relative to other listings
	Depth     int          // number of orders that the book tends to
}

// A Halt stops trading of a symbol. Participants may only cancel at first, then (in the last third)
// also enter orders; a cross resumes trading.
type Halt struct {
	Symbol string
	At     market.Nanos // since Config.Open
	For    market.Nanos
}

// DefaultConfig returns a lively three minutes of eight instruments, about 300,000 messages.
func DefaultConfig(seed uint64) Config {
	return Config{
		Seed:     seed,
		Midnight: 1_767_589_200 * market.Second, // 2026-01-05T05:00:00Z, midnight in New York
		Open:     9*market.Hour + 30*market.Minute,
		PreOpen:  10 * market.Second,
		Trading:  3 * market.Minute,
		Listings: Listings(8),
		Rate:     1600,
		Halts:    []Halt{{Symbol: "FXTR", At: 60 * market.Second, For: 30 * market.Second}},
	}
}

// listingNames are invented; any likeness to a listed symbol is chance.
var listingNames = [...]string{
	"ALFA", "BRVO", "CHRL", "DLTA", "ECHO", "FXTR", "GOLF", "HOTL", "INDI", "JULT", "KILO", "LIMA", "MIKE",
	"NVMB", "OSCR", "PAPA", "QUBC", "ROMO", "SIRA", "TNGO", "UNFM", "VCTR", "WHSK", "XRAY", "YNKE", "ZULU",
}

// Listings returns n made-up listings of different price and activity: the first is the busiest.
func Listings(n int) []Listing {
	cents := [...]market.Price{18_250, 4_710, 41_300, 1_225, 9_900, 260_050, 731, 7_345}
	listings := make([]Listing, n)
	for i := range listings {
		l := Listing{
			Symbol:    listingNames[i%len(listingNames)],
			Tick:      market.PriceScale / 100,
			Reference: cents[i%len(cents)] * market.PriceScale / 100,
			Activity:  1 + 64/(1+i),
			Depth:     60 + 400/(1+i),
		}
		if round := i / len(listingNames); round > 0 {
			l.Symbol = fmt.Sprintf("%s%d", l.Symbol, round)
		}
		listings[i] = l
	}
	return listings
}

// Validate reports the first thing that is wrong, and what is expected instead.
func (c Config) Validate() error {
	if c.Midnight < 0 || c.Midnight > math.MaxInt64-2*market.Day {
		return fmt.Errorf("midnight %d: want nanoseconds since the epoch, with room for a day after it", c.Midnight)
	}
	if c.PreOpen < market.Second || c.PreOpen > market.Hour {
		return fmt.Errorf("pre-open %d ns: want 1 s to 1 h", c.PreOpen)
	}
	if c.Open < c.PreOpen || c.Open >= market.Day {
		return fmt.Errorf("open %d ns after midnight: want at least the pre-open of %d ns, and inside the day", c.Open, c.PreOpen)
	}
	// A minute is left for the close and the closing system events.
	if c.Trading < market.Second || c.Trading > market.Day-market.Minute-c.Open {
		return fmt.Errorf("trading %d ns: want at least 1 s, and the close a minute before midnight", c.Trading)
	}
	if c.Rate < 1 || c.Rate > rateMax {
		return fmt.Errorf("rate %d messages a second: want 1 to %d", c.Rate, rateMax)
	}
	if len(c.Listings) < 1 || len(c.Listings) > listingsMax {
		return fmt.Errorf("%d listings: want 1 to %d", len(c.Listings), listingsMax)
	}
	seen := make(map[string]bool, len(c.Listings))
	for i, l := range c.Listings {
		if err := l.validate(); err != nil {
			return fmt.Errorf("listing %d %q: %w", i, l.Symbol, err)
		}
		if seen[l.Symbol] {
			return fmt.Errorf("listing %d %q: the symbol is listed already", i, l.Symbol)
		}
		seen[l.Symbol] = true
	}
	return c.validateHalts(seen)
}

func (l Listing) validate() error {
	if l.Symbol == "" || len(l.Symbol) > 8 {
		return fmt.Errorf("symbol: want 1 to 8 characters")
	}
	for _, r := range []byte(l.Symbol) {
		if (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '.' && r != '-' && r != '+' {
			return fmt.Errorf("symbol has %q: want capital letters, digits, '.', '-' and '+'", r)
		}
	}
	if l.Tick <= 0 || l.Tick%priceUnit != 0 {
		return fmt.Errorf("tick %v: want a multiple of 0.0001", l.Tick)
	}
	if l.Reference <= 0 || l.Reference > referenceMax || l.Reference%l.Tick != 0 || l.Reference/l.Tick < ticksMin {
		return fmt.Errorf("reference price %v: want a multiple of the tick, %d ticks at least, %v at most", l.Reference, ticksMin, referenceMax)
	}
	if l.Activity < 1 || l.Activity > activityMax {
		return fmt.Errorf("activity %d: want 1 to %d", l.Activity, activityMax)
	}
	if l.Depth < 1 || l.Depth > depthMax {
		return fmt.Errorf("depth %d orders: want 1 to %d", l.Depth, depthMax)
	}
	return nil
}

func (c Config) validateHalts(listed map[string]bool) error {
	for i, h := range c.Halts {
		if !listed[h.Symbol] {
			return fmt.Errorf("halt %d of %q: no such listing", i, h.Symbol)
		}
		if opened := market.Nanos(len(c.Listings)) * spinGap; h.At <= opened {
			return fmt.Errorf("halt %d of %q at %d ns: want it more than %d ns after the open, when all opening crosses are over", i, h.Symbol, h.At, opened)
		}
		if h.For <= 0 || h.At >= c.Trading || h.For >= c.Trading-h.At {
			return fmt.Errorf("halt %d of %q at %d ns for %d ns: want it inside the %d ns of trading", i, h.Symbol, h.At, h.For, c.Trading)
		}
		for _, other := range c.Halts[:i] {
			if other.Symbol == h.Symbol && h.At <= other.At+other.For && other.At <= h.At+h.For {
				return fmt.Errorf("halt %d of %q: overlaps another halt of the symbol", i, h.Symbol)
			}
		}
	}
	return nil
}

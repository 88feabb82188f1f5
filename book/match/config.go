package match

import (
	"fmt"

	"tidegate/market"
)

// Limits of orders. What is past them is rejected.
const (
	// SizeMax is the largest size of one order, executed part included.
	SizeMax market.Size = 1<<32 - 1
	// PriceMax is the highest price. Prices are above 0, and three of them can be added.
	PriceMax market.Price = 1 << 61
	// PartsMax is into how many displayed parts the size of one order may be divided: without it, a
	// large order that shows one lot at a time would make one execution as long as somebody likes.
	PartsMax = 1000
	// CollarMax is the widest collar, in basis points.
	CollarMax = 10_000
)

// Config sets the limits of an engine. Zero values mean the defaults. Restore wants those that the
// snapshot was made with, HashSeed apart, because they decide what is rejected.
type Config struct {
	// OrdersMax is how many orders may live at a time, in all instruments together; a new order
	// beyond it is rejected with ReasonBookFull. 1 to 1<<24; 0 means 1<<20. Addresses for all of
	// them are set aside at the start, about 400 bytes an order; memory is taken as it is used.
	OrdersMax int
	// InstrumentsMax is how many instruments may be defined. 1 to 1<<20; 0 means 4,096.
	InstrumentsMax int
	// HashSeed moves entries of the engine's hash tables about, and nothing that shows. Who is
	// afraid of participants that choose order ids to collide gives a number that they cannot know.
	HashSeed uint64
}

func (c Config) withDefaults() Config {
	if c.OrdersMax == 0 {
		c.OrdersMax = 1 << 20
	}
	if c.InstrumentsMax == 0 {
		c.InstrumentsMax = 1 << 12
	}
	return c
}

// Validate says what is wrong with c.
func (c Config) Validate() error {
	c = c.withDefaults()
	if c.OrdersMax < 1 || c.OrdersMax > 1<<24 {
		return fmt.Errorf("matching engine: orders max %d: want 1 to %d", c.OrdersMax, 1<<24)
	}
	if c.InstrumentsMax < 1 || c.InstrumentsMax > 1<<20 {
		return fmt.Errorf("matching engine: instruments max %d: want 1 to %d", c.InstrumentsMax, 1<<20)
	}
	return nil
}

// An Instrument is what the engine must know of a thing that is traded.
type Instrument struct {
	ID market.InstrumentID // not 0
	// TickSize is the smallest price step: every price is a multiple of it. Above 0.
	TickSize market.Price
	// LotSize is the smallest size step: every size is a multiple of it. 1 to SizeMax.
	LotSize market.Size
	// Collar is how far from the reference an order may reach, in basis points (1/10,000): a bid
	// above the reference's ask, an ask below its bid. 0 is no collar; at most CollarMax.
	Collar uint32
	// ReferenceAgeMax is how old a reference may grow before it is stale by itself. 0 means that
	// only an input makes it stale.
	ReferenceAgeMax market.Nanos
	// WhenStale says what becomes of orders that need a reference while there is none to trust.
	WhenStale StalePolicy
}

// valid reports whether an instrument is one that the engine takes.
func (in *Instrument) valid() bool {
	return in.ID != 0 &&
		in.TickSize > 0 && in.TickSize <= PriceMax &&
		in.LotSize > 0 && in.LotSize <= SizeMax &&
		in.Collar <= CollarMax &&
		in.ReferenceAgeMax >= 0 &&
		in.WhenStale < stalePolicies
}

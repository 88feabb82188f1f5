package book

import (
	"fmt"

	"tidegate/market"
)

// ByOrderConfig sets the limits of a set of by-order books. Zero values mean the defaults.
type ByOrderConfig struct {
	// OrdersMax is how many orders may live at a time over all books; an add beyond it is
	// market.BookFull. 1 to 16,777,215; 0 means that many.
	OrdersMax int
	// InstrumentsMax is how many instruments may have a book. 1 to 1<<20; 0 means 65,536. Memory
	// for their headers, 128 bytes each, is set aside at the start.
	InstrumentsMax int
	// OrdersExpected is for how many live orders memory is taken at the start. Until there are
	// more, Apply does not allocate. 0 to OrdersMax.
	OrdersExpected int
	// InstrumentsExpected is for how many instruments with orders memory is taken at the start.
	// 0 to InstrumentsMax.
	InstrumentsExpected int
	// TickSize is the tick size of instruments that Define did not give one. Prices between ticks
	// are legal and kept exactly; they only cost more time. A book that has mostly such prices goes
	// over to a finer tick size by itself. 0 means 0.01.
	TickSize market.Price
}

func (c ByOrderConfig) withDefaults() ByOrderConfig {
	if c.OrdersMax == 0 {
		c.OrdersMax = ordersMax
	}
	if c.InstrumentsMax == 0 {
		c.InstrumentsMax = 1 << 16
	}
	if c.TickSize == 0 {
		c.TickSize = market.PriceScale / 100
	}
	return c
}

// Validate says what is wrong with c.
func (c ByOrderConfig) Validate() error {
	c = c.withDefaults()
	switch {
	case c.OrdersMax < 1 || c.OrdersMax > ordersMax:
		return fmt.Errorf("by-order books: orders max %d: want 1 to %d", c.OrdersMax, ordersMax)
	case c.InstrumentsMax < 1 || c.InstrumentsMax > instrumentsMax:
		return fmt.Errorf("by-order books: instruments max %d: want 1 to %d", c.InstrumentsMax, instrumentsMax)
	case c.OrdersExpected < 0 || c.OrdersExpected > c.OrdersMax:
		return fmt.Errorf("by-order books: orders expected %d: want 0 to orders max, %d", c.OrdersExpected, c.OrdersMax)
	case c.InstrumentsExpected < 0 || c.InstrumentsExpected > c.InstrumentsMax:
		return fmt.Errorf("by-order books: instruments expected %d: want 0 to instruments max, %d",
			c.InstrumentsExpected, c.InstrumentsMax)
	case c.TickSize < 1 || c.TickSize > tickMax:
		return fmt.Errorf("by-order books: tick size %s: want above 0 and at most %s", c.TickSize, tickMax)
	}
	return nil
}

package book

import "tidegate/market"

// A Level is one price of one side of a book.
type Level struct {
	Price  market.Price
	Size   market.Size // sum of the sizes of the level's orders
	Orders uint32      // number of orders; 0 where the venue does not say
}

// noLevel is the best level of an empty side.
var noLevel = Level{Price: market.UndefPrice}

// Defined reports whether l is a level at all, and not the best level of an empty side.
func (l Level) Defined() bool { return l.Price.Defined() }

// A BBO is the best bid and offer of one instrument. The level of an empty side has UndefPrice,
// Size 0 and Orders 0.
type BBO struct {
	Bid, Ask Level
}

// EmptyBBO is the BBO of an empty book.
var EmptyBBO = BBO{Bid: noLevel, Ask: noLevel}

// Locked reports whether the best bid and the best ask have the same price.
func (b BBO) Locked() bool {
	return b.Bid.Defined() && b.Ask.Defined() && b.Bid.Price == b.Ask.Price
}

// Crossed reports whether the best bid is above the best ask. Crossed books are legal: venues'
// test systems and books before the open are often crossed.
func (b BBO) Crossed() bool {
	return b.Bid.Defined() && b.Ask.Defined() && b.Bid.Price > b.Ask.Price
}

// Side returns the best level of a side.
func (b BBO) Side(side market.Side) Level {
	if side == market.Bid {
		return b.Bid
	}
	return b.Ask
}

// Change says what of a book's top an update changed: price, size or number of orders.
type Change uint8

// Change bits.
const (
	BidChanged Change = 1 << iota
	AskChanged

	BBOChanged = BidChanged | AskChanged
)

// BBO reports whether the best bid or the best ask changed.
func (c Change) BBO() bool { return c&BBOChanged != 0 }

// A Result says what became of one update: its verdict, and what changed at the top of the book.
type Result struct {
	Verdict market.Verdict
	Change  Change
}

package gateway

import (
	"tidegate/book"
	"tidegate/market"
)

// Books is what everybody but the pipeline sees of a channel's books: they can be read, between
// updates, by the loop that owns the pipeline.
type Books interface {
	// BBO returns the best bid and offer; book.EmptyBBO for an instrument without a book.
	BBO(market.InstrumentID) book.BBO
	// Levels appends up to cap(dst)-len(dst) levels of a side to dst, best first.
	Levels(id market.InstrumentID, side market.Side, dst []book.Level) []book.Level
	// Hash returns the state hash of one book.
	Hash(market.InstrumentID) uint64
	// HashAll returns the state hash of all books.
	HashAll() uint64
}

// directory is what a pipeline knows of its instruments.
type directory struct {
	byID     map[market.InstrumentID]int // index into all
	bySymbol map[string]int
	all      []market.Instrument
}

func newDirectory() directory {
	return directory{
		byID:     make(map[market.InstrumentID]int),
		bySymbol: make(map[string]int),
	}
}

// define adds an instrument, or replaces what is known of it.
func (d *directory) define(in market.Instrument) {
	if i, ok := d.byID[in.ID]; ok {
		d.all[i] = in
		d.bySymbol[in.Symbol] = i
		return
	}
	d.byID[in.ID] = len(d.all)
	d.bySymbol[in.Symbol] = len(d.all)
	d.all = append(d.all, in)
}

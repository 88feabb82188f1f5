package book

import "tidegate/market"

// A Hasher computes the state hash of a book: 64 bits that depend on every level, on every order
// and on the order of both. Fast books and their plain twins feed it the same words, so two books
// with equal hashes hold the same state. It is no defence against forgery.
//
// The words of one book, for bids and then asks:
//
//	side ('B' or 'A')
//	per level, from the best: price, size, number of orders
//	    per order of the level, in queue order (by-order books only): order id, size
//
// Each word w is folded as h = mix(h ^ w) with mix(x) = (x ^ x>>32) * 0x9E3779B97F4A7C15, taken
// twice. The hash of several books folds, for each book that is not empty, in order of instrument
// id: the id, then the book's own hash.
//
// The zero Hasher is ready to use.
type Hasher struct{ h uint64 }

// Word folds one word.
func (h *Hasher) Word(w uint64) {
	const odd = 0x9E3779B97F4A7C15
	x := h.h ^ w
	x = (x ^ x>>32) * odd
	x = (x ^ x>>32) * odd
	h.h = x
}

// Side begins a side.
func (h *Hasher) Side(side market.Side) { h.Word(uint64(side)) }

// Level folds one level.
func (h *Hasher) Level(l Level) {
	h.Word(uint64(l.Price))
	h.Word(uint64(l.Size))
	h.Word(uint64(l.Orders))
}

// Order folds one order of the level folded last.
func (h *Hasher) Order(id uint64, size market.Size) {
	h.Word(id)
	h.Word(uint64(size))
}

// Book folds the hash of one instrument's book into the hash of several.
func (h *Hasher) Book(id market.InstrumentID, sum uint64) {
	h.Word(uint64(id))
	h.Word(sum)
}

// Sum returns the hash of the words so far.
func (h *Hasher) Sum() uint64 { return h.h }

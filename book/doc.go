// Package book rebuilds the books of venues from their updates.
//
// ByOrder keeps every order of the instruments of one channel with its place in the queue. ByPrice
// keeps price levels, for venues that publish no orders. Both take a decoded market.Update, apply
// it, complete it with what only the book knows, and say whether the best bid or offer changed:
//
//	books := book.NewByOrder(book.Config{})
//	books.Define(market.Instrument{ID: 7, TickSize: market.PriceScale / 100})
//	books.Prefetch(updates) // optional: brings the memory of a batch closer
//	for i := range updates {
//		if r := books.Apply(&updates[i]); r.Change.BBO() {
//			publish(books.BBO(updates[i].Instrument))
//		}
//	}
//
// A book applies facts; it never matches orders. It accepts locked and crossed states. It reads no
// clock and does the same for the same updates, always.
//
// Package booktest holds the plain twins: slow and obviously right books with the same contract,
// and the same state hash, against which the fast ones are tested.
package book

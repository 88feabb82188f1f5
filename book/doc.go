// Package book rebuilds the books of venues from their updates, and the best bid and offer over
// several publishers from those.
//
//	market.Update --> ByOrder or ByPrice --> BBO --> Consolidated --> NBBO
//
// There are three kinds of book:
//
//   - ByOrder keeps every order of the instruments of a channel with its place in the queue, for
//     venues that publish orders.
//   - ByPrice keeps price levels, for venues that publish levels or only their best quotes.
//   - Consolidated keeps what each publisher quotes for an instrument, and the best of it.
//
// # Books of a venue
//
// ByOrder and ByPrice are used in the same way. Apply takes a decoded update, changes the book,
// completes the update with what only the book knows, and returns a verdict and what changed at the
// top:
//
//	books := book.NewByPrice(book.ByPriceConfig{})
//	...
//	r := books.Apply(&update)
//	verdicts[r.Verdict]++
//	if r.Change.BBO() {
//		bbo := books.BBO(update.Instrument)
//		...
//	}
//
// A venue may need several messages for one event, and only the last has market.FlagLast. Until
// then the book is under way: it may be crossed by its own making, or show a best price that was
// never quoted. Result.Change is about one update and so may be about such a state. Whoever
// publishes quotes collects the changes up to FlagLast and then, if there were any, compares BBO
// with what was published last:
//
//	change |= r.Change
//	if update.Flags&market.FlagLast != 0 {
//		if bbo := books.BBO(id); change.BBO() && bbo != published {
//			published = bbo
//			...
//		}
//		change = 0
//	}
//
// # Best over publishers
//
// Consolidated takes the BBO of each publisher at the end of its events, under an instrument index
// that the caller gives. It says whether a subscriber of consolidated quotes would see a change,
// keeps publishers at the same price as ties, and tells when what it shows was received. It does not
// judge ages: the caller excludes a publisher that is stale, and includes it again.
//
//	if consolidated.Update(index, publisher, bbo, tsRecv) {
//		best := consolidated.Best(index)
//		...
//	}
//
// # Rules
//
// Prices are in 1e-9 of the currency, sizes in lots, times in nanoseconds since the Unix epoch, as
// everywhere (see package market). The best level of an empty side has market.UndefPrice, size 0.
//
// Each book has one owner, a goroutine, and no lock. What it returns are values that later updates do
// not change; slices are the caller's. Nothing here reads a clock, starts a goroutine or depends on the order of
// a map: the same updates give the same books, always. Every limit is in a configuration, and
// what is past it is refused with a verdict or counted.
//
// A book applies facts. It does not match orders, knows no protocol, symbol, sequence or gap, and has
// no opinion on a market that is locked or crossed: it reports it. A book behind a gap is as wrong
// as the gap makes it; its owner resets it or marks what it publishes.
//
// Package booktest holds the plain twins: slow and obviously right books with the same contract and
// the same state hash (see Hasher), against which these are tested.
package book

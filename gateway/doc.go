// Package gateway turns the datagrams of a channel into published events and books.
//
// A Pipeline is one channel's way from wire to subscriber:
//
//	datagram → frame → arbitrate → decode → book → publish
//
// It has one owner, who hands it datagrams and ticks in the order in which they happened, and a
// Sink, which gets what it publishes. It does no I/O, starts no goroutine and reads no clock, so
// the live process, replay of a capture and simulation drive the same code and get the same bytes.
// After start it allocates nothing per datagram.
//
//	p, err := gateway.New(gateway.Config{Feed: gateway.ITCH, Publisher: market.NasdaqITCH, ...}, sink)
//	...
//	p.OnDatagram(line, tsRecv, bytes) // for each datagram
//	p.OnTick(now)                     // for each tick, at least every millisecond while live
//	p.Flush(now)                      // at the end
//	err = p.Balanced()                // nothing was lost silently
//
// Which protocols a feed is made of is decided once, by its Feed; Recognise tells it from a
// datagram's bytes.
//
// Where Config.Retransmit is set, the pipeline says what to ask retransmit servers for; see SendRequests.
// The answers come in as datagrams of line R.
//
// What goes wrong with the input is a verdict and a counter, never an error: see Counts and
// arbiter.Ledger. What the publisher's stream lost is announced (Sink.OnGap), and from then on
// events carry market.FlagMaybeBadBook, because a book built on a hole may be wrong; so does a channel
// that was joined in the middle of an epoch, unless its messages are whole quotes. When the
// publisher restarts, every book is emptied with a Clear event first: no level of the old epoch
// outlives it.
package gateway

// Package soup receives sequenced messages over TCP, by SoupBinTCP: a feed that goes on for the whole
// session whatever happens to its connections, and snapshots.
//
// A Feed keeps one connection at a time, and makes a new one when it breaks; the venue then goes on
// with the next message. What it hears goes to a Sink, mostly a Queue that an ingest loop empties:
//
//	queue := soup.NewQueue(soup.DefaultQueueConfig(), loop.Wake)
//	feed, err := soup.NewFeed(cfg, queue)
//	go func() { failed <- feed.Run(ctx) }()
//	...
//	queue.Drain(func(item *soup.Item) { // in the ingest loop
//		...
//	})
//
// Run is the only goroutine of a feed. Memory is bounded: while the sink has no room nothing is read,
// and TCP makes the venue wait; heartbeats go on meanwhile, so that a slow reader is not taken for a
// dead one.
//
// FetchSnapshot makes a connection of its own, takes one GLIMPSE snapshot and says with which message
// of the feed to go on. Joining the two is the caller's business: it holds the feed's messages back
// while the snapshot comes.
package soup

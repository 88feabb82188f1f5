// Package stream puts what a feed publishes on its way to subscribers: it is the Sink of the feed's
// pipeline and the writer's side of the broadcast ring.
//
// A Stream derives the records of every schema that somebody wants, once, and appends each to the
// ring as an entry with its schema and instrument. Beside records it appends what readers need to
// serve their subscribers: ends of intervals, new instruments, announced gaps, and the snapshots that
// were asked for. Entries of one feed are in the order of publication, so a snapshot in the ring
// reflects exactly the events before it: a subscriber who skips those of its instrument and goes on
// with those after it misses nothing and sees nothing twice.
//
// A Stream belongs to the ingest loop of its feed, which also publishes the ring. The one thing that
// other goroutines may read is its Directory.
package stream

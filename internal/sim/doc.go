// Package sim is a simulated world around the gateway: a venue, the paths that carry its messages, the
// production code from datagram to ring, and a subscriber, in one goroutine and in virtual time. A seed makes a
// world: how many providers it has, which faults happen in it, when and to whom. The same seed makes the
// same world.
//
//	synctest.Test(t, func(t *testing.T) {
//		w, err := sim.New(sim.DefaultConfig(seed))
//		...
//		report := w.Run() // violations, and what happened
//	})
//
// The code under test is gateway.Pipeline with arbiter, retransmission and rebuilds, gateway/providers with
// real breakers, gateway/stream and internal/bus. The venue is internal/venue with its matching engine; its
// own books are what is right.
//
// What is checked, while faults come and go:
//
//   - Every message of the venue is published once, or lies in an announced gap, for each provider (the
//     accounts of the pipelines against the venue's own count).
//   - The subscriber's books are the venue's whenever the market pauses and the active provider has no gap.
//   - Nobody is left with old prices: when the active provider is late or behind by more than 50 ms and the
//     time of two ticks, another one is active, or the feed says that it is stale.
//   - A breaker never opens on a provider to which nothing was done, and never because the market is quiet.
//   - A switch never mixes providers: after it the subscriber's books are the venue's.
//   - A stale feed is not in the consolidated book.
//   - The accounts of arbiters, decoders and requests balance.
//   - A replay of the recorded inputs gives the same bytes.
//
// At the end everything is healed, and the world must come to rest: breakers closed, books right, the preferred
// provider active.
package sim

// Package sim is a simulated world around the gateway: venues, the paths that carry their messages, the
// production code from datagram to ring, and subscribers, in virtual time. A seed makes a world: how it is built,
// which faults happen in it, when and to whom. The same seed makes the same world.
//
//	synctest.Test(t, func(t *testing.T) {
//		w, err := sim.New(sim.DefaultConfig(seed))
//		...
//		report := w.Run() // violations, and what happened
//	})
//
// The code under test is gateway.Pipeline with arbiter, retransmission and rebuilds, gateway/recovery.Snapshots,
// gateway/providers with real breakers, gateway/stream with the consolidated dataset, and internal/bus. The
// venue is internal/venue with its matching engine; its own books are what is right.
//
// docs/simulation.md says what happens in a world, what is checked, within what bounds, and what is not.
//
// # Files
//
//	config.go     how a world is built
//	sim.go        a world: its parts, and the passage of its time
//	exchange.go   a venue with its clock, and a twin of the gateway to which nothing happens
//	path.go       from the venue to a line; server.go, snapshots.go: the servers of a provider
//	gate.go       the production code; live, and in a replay of what was recorded
//	fault.go      faults; swarm.go: which happen when
//	watch.go, auditor.go, check.go, books.go: checkers
package sim

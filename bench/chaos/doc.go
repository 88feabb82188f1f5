// Package chaos drills a running gateway: it injects faults between the simulated venue and the lines that the
// gateway listens to, and reports what was injected, when the gateway saw it, when it switched, and what
// subscribers noticed. It is for Linux; on other systems the package is empty.
//
//	plan, err := chaos.Built("stall", 100)
//	report, err := chaos.Run(ctx, chaos.Options{Gateway: cfg, Plan: plan})
//	report.WriteText(os.Stdout)
//	if len(report.Broken()) > 0 { ... } // a promise was broken
//
// # What runs
//
//	                      +--- path north/A ---> +---------+
//	venue ---> relay -----+--- path north/B ---> |         | ---> subscriber: mbo, every book
//	  |                   +--- path south/A ---> | gateway | ---> subscriber: consolidated quotes
//	  |                   +--- path south/B ---> |         | <--- admin interface: ledgers
//	  +---- resender ("retransmit server") <---> |         |
//	  +---- snapshot server (GLIMPSE) <--------> +---------+
//
// The gateway is a process that somebody has started, or Options.Command has. Everything else is in this process.
// Where the gateway listens, and whom it asks, is read from its own configuration: the drills play the venue for
// it. The relay has a thread of its own that sleeps until the next packet comes or is due; how late it is then is
// measured, and so is how late a bare timer of the machine is meanwhile.
//
// # A drill
//
// A drill is data: steps at times, and what is expected of the gateway. A repetition begins with a feed that is
// fresh, takes the steps, heals everything, waits until the feed is as before, pauses the market and compares the
// subscriber's books with the venue's own.
//
// # When a lag begins
//
// A fault changes nothing before there is a packet that it meets. The lag of a provider begins with the first
// packet with messages that did not leave the relay when it should have; what is measured is how long after the
// limit (50 ms) beyond that the gateway decided, by the time in its own message, and how long after it a
// subscriber had read that message. All times are of the machine's wall clock.
//
// # Promises
//
// A broken promise of correctness is a failure: books that differ, messages that were lost without need, a mark
// that stays, a ledger that does not balance, a switch or a stale mark that was called for and did not come, or
// came without need. A promise of timing is reported as met or not met: the machine may be busy with others.
package chaos

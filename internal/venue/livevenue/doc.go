// Package livevenue runs the simulated exchange on real sockets: what a gateway is tested against, and
// the market of the live demonstration.
//
// A Venue publishes a venue.LiveFeed on UDP lines, multicast or unicast, and serves over TCP, if that is wanted,
// what gets back what was missed: of ITCH 5.0 messages and snapshots (SoupBinTCP, GLIMPSE 5.0), and retransmission
// on a UDP socket; of PITCH gap requests and spins. It takes orders on a small HTTP endpoint of the loopback
// interface: lines are impaired, taken down and clogged, the market is paused, and its books are read.
//
//	v, err := livevenue.Open(cfg) // sockets are open, addresses known
//	err = v.Run(ctx)              // until ctx ends: then trading closes and the session ends
//
// It is a package of its own because package venue is a function of its input: here are the sockets,
// the goroutines and the clock, and nothing else. One goroutine, that of Run, owns the feed; everyone
// else gives it commands.
//
// # Control
//
// Requests and answers are JSON; an error is {"error": "..."} with a status of 4xx or 5xx.
//
//	GET  /lines      every line: address, impairments, counts
//	GET  /lines/a    one line
//	POST /lines/a    change what the body names, leave the rest: {"loss": 0.01, "down": true}
//	GET  /soup       messages over TCP: address, what is wrong with them, counts
//	POST /soup       change what the body names, leave the rest: {"drop_after": 100, "refuse": true}
//	GET  /glimpse    snapshots over TCP, the same
//	POST /glimpse    the same: {"stale": true}
//	GET  /gaps       gap requests of PITCH, the same
//	POST /gaps       the same: {"unavailable": true}
//	GET  /spin       spins of PITCH, the same
//	POST /spin       the same: {"truncate": 100}
//	GET  /truth      session, sequence, books, counts
//	POST /pause      stop the market; heartbeats go on; answers {"paused", "session", "sent"}
//	POST /resume     let it go on; answers the same
//
// A line has loss, duplicate, reorder (probabilities), burst {enter, leave, loss} (probabilities),
// delay, jitter, reorder_by (times such as "250us"), down and clogged (true or false).
//
// Messages and snapshots over TCP have refuse and stalled (true or false), drop_after (messages), drip
// (bytes per second); snapshots also stale (true or false) and truncate (messages). See
// venue.SoupSettings. Gap requests and spins have refuse, stalled and unavailable (true or false), spins also
// stale and truncate. See venue.PitchSettings.
//
// While the market is paused the books of /truth are those after the message with the sequence number
// sent: whoever has received that one can compare. Otherwise they are those after message number
// messages, which may be about to be sent.
package livevenue

// Package egress serves subscribers: it is a server of Databento Live whose records come from the
// broadcast ring.
//
//	s, err := egress.New(egress.Config{Addr: ":13000", Feeds: feeds, Keys: keys})
//	err = s.Start()
//	...
//	err = s.Stop(ctx, "restart for maintenance")
//
// # Loops
//
// Connections are spread over event loops. What a loop has belongs to it alone: its sessions, and
// one reader per ring. A ring wakes a sleeping loop once; the loop then makes a pass: it reads what
// was published, and writes it to its sessions. A session is in one of two places:
//
//   - Live: it has everything that the loop has read. Sessions with equal subscriptions are a
//     cohort. A pass builds the bytes of a cohort once, and writes them to each of its sessions with
//     one call.
//   - Solo: it has a cursor of its own, because its socket did not take everything, because it is
//     being told about symbols, or because it waits for a snapshot. Passes read the ring again for
//     it, a bounded number of bytes at a time, until it has caught up and is live.
//
// With Config.InlineSessions, the writer of a ring makes the pass itself, on its own thread, instead of
// waking a loop that sleeps: where there are few sessions, all of them live, and nothing else to do. A
// wake-up takes longer than the write, and the processor time of both threads. bench latency at 50,000
// messages per second in datagrams of three, medians, a bare relay beside: with one subscriber 18.0 µs of
// processor time per message become 9.6, and 1.25 of the relay's p50 becomes 1.08. With 8 subscribers it
// is 1.31 and 1.06. With 16 one thread cannot keep up, and p99 goes from 0.3 to 30 ms (2 busy cores).
//
// A session is written to only when its connection holds nothing back. So the memory for a
// subscriber who stopped reading is what one pass wrote at most, and what it misses stays in the
// ring, which goes on without it. See Slow readers.
//
// # Sessions
//
//	waitAuth -> ready -> streaming -> closing -> lingering -> closed
//
// In waitAuth and ready lines of text are exchanged (package lsg); nothing is answered to a
// subscription before the start line. From the start line on the gateway sends DBN (package dbn):
// metadata, then for each subscription an acknowledgement and either a symbol mapping or an error for
// each of its symbols, then records. A fault ends a session with an Error record; a fault before the
// start line is kept until then. In closing that record is on its way. In lingering the gateway has
// shut its direction down and reads until the client closes, so that the kernel does not discard what
// was sent.
//
// A symbol that is not known yet may become known: its mapping and its records are then sent. A
// mapping precedes the first record of its instrument. With snapshot=1 records of schema mbo begin
// with the snapshot of the book: until it has passed, those of the instrument are left out. Records of
// schemas definition and status begin with the latest of each instrument before the session's position
// in the ring, which streams keep beside it.
//
// Connections above a limit are told so, within bounds: they are sessions in waitAuth whose first line
// is answered with the reason.
//
// Records about the whole market have instrument id 0: they go to subscriptions of all symbols, and
// there is no mapping for them. A client that closes its own direction has closed the connection: what
// is on its way to it is lost.
//
// # Replay
//
// A subscription with a start begins with what the journal has since then, if the feed has a History. It is read
// by goroutines beside the loops, a bounded number, into two blocks for each session, and written by the loop
// when the connection has taken the block before: so a client that does not read costs two blocks and an open
// file. Meanwhile the session gets the rest of what it subscribed to from the ring, as always. At the end of
// what is durable the replay goes on in the ring, at exactly the entry that comes next in the journal (see
// package history), up to where the session is; then a System record says so for each schema, and the session
// gets everything from there on. If the ring has gone on meanwhile, the journal has what is missing.
//
// # Slow readers
//
// A session is slow when what it is due is older than Config.SlowAfter. If all it subscribed to may
// be skipped and it did not choose to be warned, it is skipped to real time, and told how many
// records it missed (error 7) as soon as it reads again. Otherwise it is warned (system 2) and gets
// everything: what the ring does not have any more comes from the journal, in the same way as a replay, but
// without what is no record: ends of intervals, and notices. If the journal does not keep all of it, or there
// is none, error 8 ends the session. Sessions with both kinds of schemas get the one and miss the other.
//
// # TLS
//
// Connections of the TLS port are decrypted by goroutines of their own and handed to a loop through
// a pair of local sockets: sessions do not know.
package egress

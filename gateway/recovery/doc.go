// Package recovery gets by TCP what the lines of a channel did not bring: snapshots of the books, a line of its
// own, and retransmission of what PITCH has lost. It is a live edge of the gateway: it has sockets and
// goroutines, and hands what comes to the loop that owns the pipeline.
//
// # Snapshots
//
// What neither another line nor a retransmission fills is announced as lost, and the books behind it are
// marked; a channel that is joined in the middle of its day has no books at all. Snapshots makes them anew:
//
//	servers := []recovery.Source{recovery.NewGlimpse("10.0.0.1:17001", "tide", "sesame")}
//	s, err := recovery.NewSnapshots(recovery.DefaultConfig(), pipeline, servers, loop.Do)
//	...
//	s.OnTick(now) // on the loop, after the pipeline's own tick
//	...
//	s.Close() // when the loop has ended
//
// A tick that sees that books are wanted has the pipeline keep what it publishes from now on, and only then
// is the server called, so that no message falls between the two. The snapshot is fetched on a goroutine, and
// comes to the loop in blocks of at most BlockMax bytes, one at a time: the loop is never held up by more than
// one of them. The pipeline puts it together with what was kept, and publishes the books anew. If that cannot
// be done the books stay marked, and the next server is asked.
//
//	tick: books are wanted -> Begin -> server: login ... messages ... end of snapshot
//	                                         |        |            |
//	                                       Block    Block         End -> books, published anew
//
// Servers are believed as little as lines are: a snapshot has a deadline and a limit of messages and bytes,
// must be of the channel's session, must be readable, and must join what was kept. Attempts have a budget
// and pauses that grow, each server has a breaker, and every attempt has one Outcome: see Ledger.
//
// With gateway.Config.WithholdJoined a channel that was joined in its middle publishes nothing before its
// snapshot, or before Config.GiveUpAfter: then what there is is published, marked.
//
// # Replay
//
// What the pipeline is given from here is an Input: the beginning of a rebuild, a block, its end, that it is
// given up, that nothing is withheld any more. Config.Record gets each as it stands in a recording
// (AppendInput), between the datagrams, and Apply gives it to a pipeline, live and in a replay.
//
// # Lines by TCP
//
// A SoupLine is one more line of a channel: sequenced messages by SoupBinTCP. They become the packets that
// they would be as datagrams, so arbitration, recordings and replays know no difference.
//
// # PITCH
//
// PitchGaps asks Cboe's gap request proxies for what an arbiter.Requester plans to ask for; the answers come by
// multicast, as line R. Spin is a Source of snapshots: the spin server of a unit.
package recovery

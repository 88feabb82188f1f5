// Package capture records datagrams while they are processed, so that what happened can be replayed: to a
// pcap file, or to a directory of segments.
//
// A Recorder to a file is a bounded queue and the goroutine that empties it:
//
//	r, err := capture.Create(capture.Config{Path: "day.pcap", Alarm: func(err error) { ... }})
//	...
//	go r.Run(ctx)                       // until ctx ends and the queue is empty
//	r.Tap(dst, src, stamp, payload)     // on the ingest loop, for each datagram
//
// The loop comes first: Tap copies and returns. When the disk is slower than the lines for so long
// that the queue is full, datagrams are not recorded, and counted. When the disk is full, recording
// ends, the alarm is raised once, and the loop does not notice.
//
// The file has its final name from the start and grows by whole records, so that the recording up to a
// crash of this process is there afterwards. It holds datagrams in the order in which Tap got them,
// which is the order in which they were processed; their times are those that Tap got. Who replays the
// file sees what the loop saw. The destination tells the lines apart.
//
// The file format knows IPv4 only here; datagrams of IPv6 lines are counted and left out.
//
// # Segments
//
// With Config.Dir the recording is a journal (package journal), with its segments, packed in the background,
// its retention, its checks and its recovery; each start begins a recording of its own, which is an epoch of the
// journal. The entries are those of a capture in package entry:
//
//	Start, Datagram, Datagram, ..., Head, Head, Datagram, ...
//
// A Datagram is what Tap got. What was not recorded is a gap that the journal records. A full disk ends
// nothing: datagrams wait in memory, and are a gap when that is full, until there is room.
//
// Retention removes the beginning of a recording, and with it what the gateway said of itself there. Heads say
// that again, now and then: a replay begins at the first one that is left. They are no input of the gateway.
package capture

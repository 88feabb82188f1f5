// Package capture records datagrams to a file while they are processed, so that what happened can be
// replayed.
//
// A Recorder is a bounded queue and the goroutine that empties it into a pcap file:
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
package capture

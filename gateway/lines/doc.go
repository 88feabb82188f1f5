// Package lines feeds pipelines from the network: it is the live edge of the gateway. It is for Linux;
// on other systems the package is empty.
//
// A Loop owns feeds: each is a pipeline and the lines (sockets) that carry its channel. It reads the
// sockets in batches, on a thread of its own, and calls the pipelines:
//
//	loop, err := lines.New(lines.Config{Feeds: feeds, Publish: ring.Publish, Wake: ring.Wake})
//	if err != nil { ... }
//	defer loop.Close()
//	err = loop.Run(ctx)
//
// Everything that a pipeline and its sink own belongs to the loop while Run runs. Others come in with
// Do and Call, whose functions run on the loop between two polls.
//
// # Time, and why a replay gives the same bytes
//
// The loop has one clock, which never goes back: the time of each datagram, which is the kernel's
// receive time, and of each tick is at least that of the datagram or tick before. Of the datagrams that
// wait on all lines the oldest is handled first: its pipeline gets a tick with the datagram's time,
// then the datagram. While the sockets are empty all pipelines get ticks of a time that was read
// before the sockets were found empty: whatever comes later is not older. While they are not, time
// is that of the last datagram.
//
// So a tick between two datagrams does what the tick with the later one would do, only sooner. The
// datagrams and their times (what the Tap gets) are all there is to know: a replay of them, with a
// tick before each, publishes what the live run published, channel by channel.
package lines

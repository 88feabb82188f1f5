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
// is that of the last datagram. When the machine's clock is set, time goes on as before and draws near the new time
// by half a millisecond per second; Stats says so.
//
// So a tick between two datagrams does what the tick with the later one would do, only sooner. The
// datagrams and their times (what the Tap gets) are all there is to know: a replay of them, with a
// tick before each, publishes what the live run published, channel by channel.
//
// # One thread or two
//
// A loop has one thread, which receives, keeps the books and publishes. With Config.Split it has two: one
// receives and puts datagrams and ticks in order, the other does all else, in that order.
//
//	sockets -> [slots of each line] -> order, times -> queue -> Tap, pipelines, Publish, Wake
//	           `-------- Sockets, a thread ---------'         `----- Books, a thread ------'
//
// Datagrams stay where the kernel put them, and the queue carries 16 bytes for each. Everything above
// about time is decided before the queue, so a split loop publishes what the other would. When the second
// thread is so far behind that a line has no slot left, the first stops, and the kernel keeps what comes.
//
// What is split off is the larger part of the work on a datagram of few messages (about 600 of 730 ns with
// one), none of the work on messages. So it is for bursts: the kernel's buffer, which without
// CAP_NET_ADMIN may hold no more than 256 datagrams, is emptied whatever a snapshot or a crowded datagram
// costs the books, and SplitDatagrams more of each line wait without loss. It wants a core more, and
// where threads rest it adds a wake-up to the way of every datagram. One thread is the better one for
// latency, and where there are few cores.
//
// A loop for each feed would spread feeds over cores too, but there would be no order of all datagrams any
// more: the consolidated quote over several feeds would have to wait for the clock of the quietest, and a
// recording could not tell in which order they were seen. Feeds that need not be consolidated can have a
// process each.
package lines

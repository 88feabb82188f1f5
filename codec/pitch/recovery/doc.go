// Package recovery speaks with the two servers from which a listener of Cboe's Multicast PITCH gets what
// it missed: the gap request proxy, which has messages of the last minutes sent again, and the spin
// server, which sends all orders of a unit.
//
// A GapClient is a session with a gap request proxy, a SpinClient one with a spin server of one unit. They
// do no I/O and read no clock: the caller keeps the TCP connection, hands in what comes and the time,
// and sends what is to be sent.
//
//	for msg, ok := client.Next(now); ok; msg, ok = client.Next(now) {
//		// send msg in an unsequenced packet of unit 0; without bytes it is a heartbeat
//	}
//	client.OnPacket(now)     // for each packet received, a heartbeat too
//	client.OnMessage(b, now) // for each message in it
//	client.OnTick(now)       // now and then, at least every Heartbeat
//	if client.State() == recovery.Failed {
//		// close the connection: client.Err() says why
//	}
//
// Package sequnit makes packets of messages and messages of packets.
//
// What a gap request proxy accepted comes by multicast, on the groups for retransmission, as packets
// that look like those that were lost: to a gateway that is one more line of the channel. Proxies limit
// how much may be asked for: see GapStatus.
//
// What a spin server sends are the messages of package pitch (times, trading states and an AddOrder for
// each live order), current through a sequence of the unit. Who joins late or has lost too much holds
// what the unit publishes, gets an image that reaches at least to the message before the first one held,
// and goes on with what was published after the image:
//
//	client, err := recovery.NewSpinClient(cfg, now)
//	client.Want(held) // the first sequence that is held
//	...
//	switch client.OnMessage(b, now) {
//	case recovery.ImageBegins:
//		// empty the books; forget the decoder's time
//	case recovery.ImageMessage:
//		// decode and apply b
//	case recovery.ImageEnds:
//		// apply what is held from client.Image()+1 on
//	}
//
// # Messages
//
// Source: Cboe Titanium US Equities/Options Multicast PITCH, sections 3 (gap request proxy messages) and
// 5 (spin messages). Integers are unsigned and little-endian, text is left-justified and padded with
// spaces, and offsets count from the type:
//
//	type  bytes  struct              offsets
//	01    21     Login               1 session sub id (4), 5 username (4), 9 spaces (2), 11 password (10)
//	02    2      LoginResponse       1 status
//	03    8      GapRequest          1 unit u8, 2 first sequence u32, 6 count u16
//	04    9      GapResponse         1 unit u8, 2 first sequence u32, 6 count u16, 8 status
//	80    5      SpinImageAvailable  1 sequence u32
//	81    5      SpinRequest         1 sequence u32
//	82    10     SpinResponse        1 sequence u32, 5 orders u32, 9 status
//	83    5      SpinFinished        1 sequence u32
//
// Both sides send a heartbeat, a packet without messages, when they have sent nothing for a second, and
// give the other up after five seconds of silence.
package recovery

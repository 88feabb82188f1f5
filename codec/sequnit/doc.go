// Package sequnit reads and writes Cboe's Sequenced Unit Header: the framing that carries PITCH over UDP
// multicast, and the sessions with a gap request proxy and a spin server over TCP.
//
// A receiver gives each datagram to Parse and walks the messages with Next:
//
//	packet, err := sequnit.Parse(datagram)
//	if err != nil {
//		return err // count it; nothing of the datagram is to be believed
//	}
//	for block, seq := packet.Messages, packet.Seq; len(block) > 0; seq++ {
//		var msg []byte
//		msg, block = sequnit.Next(block)
//		...
//	}
//
// Over TCP the packets follow one another; Split cuts the stream into them. A publisher fills packets
// with a Builder, and says AppendHeartbeat when it has nothing to send.
//
// The package does no I/O. Nothing it returns outlives the bytes it was given, nothing allocates
// except a growing Builder, and nothing is shared: any goroutine may call anything, one at a time per
// Builder.
//
// # Layout
//
// Source: Cboe US Equities/Options Multicast PITCH, sections 2.1 and 2.3 (message format and framing).
// Numbers are unsigned and little-endian:
//
//	offset  0        2       3      4          8
//	        +--------+-------+------+----------+------------------------+
//	        | length | count | unit | sequence | count message blocks   |
//	        | u16    | u8    | u8   | u32      |                        |
//	        +--------+-------+------+----------+------------------------+
//
//	message block:  | length u8 | type u8 | length-2 bytes |
//
// Both lengths count everything from their own first byte on, so a header alone has length 8, and a
// message has length 2 at least. Next leaves a message's length away: like those of all our framings,
// a message begins with its type.
//
// A unit is a slice of the venue's symbols with its own sequence, which begins at 1 every day. There
// is no session name and no send time. The sequence is the number of the first message; the others
// follow it without gaps. A count of 0 is a heartbeat, with the number of the next message. Packets with
// sequence 0 are unsequenced: nothing in them can be missed or repeated. Those of the TCP sessions have
// unit 0 besides.
package sequnit

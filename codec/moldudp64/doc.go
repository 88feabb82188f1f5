// Package moldudp64 reads and writes the packets of Nasdaq's MoldUDP64 protocol, version 1.00: the
// framing that carries a sequenced stream of messages over UDP multicast.
//
// A receiver gives each datagram to Parse and walks the messages with Next:
//
//	packet, err := moldudp64.Parse(datagram)
//	if err != nil {
//		return err // count it; nothing of the datagram is to be believed
//	}
//	for block, seq := packet.Messages, packet.Seq; len(block) > 0; seq++ {
//		var msg []byte
//		msg, block = moldudp64.Next(block)
//		...
//	}
//
// A publisher fills packets with a Builder, and says AppendHeartbeat (usually once a second) when it
// has nothing to send. A listener that lost messages sends AppendRequest to a retransmission server,
// which reads it with ParseRequest.
//
// The package does no I/O. Nothing it returns outlives the bytes it was given, nothing allocates
// except a growing Builder, and nothing is shared: any goroutine may call anything, one at a time per
// Builder.
//
// # Layout
//
// Numbers are unsigned and big-endian. A downstream packet:
//
//	offset  0         10                 18          20
//	        +---------+------------------+-----------+------------------------+
//	        | session | sequence         | count     | count message blocks   |
//	        | 10 text | u64              | u16       |                        |
//	        +---------+------------------+-----------+------------------------+
//
//	message block:  | length u16 | length bytes |
//
// The sequence is the number of the first message; the others follow it without gaps. The first
// message of a session has number 1. A count of 0 is a heartbeat and a count of 65,535 ends the
// session; both carry the number of the next message and no block.
//
// A request packet has the same 20 bytes: session, first sequence wanted, number of messages wanted.
package moldudp64

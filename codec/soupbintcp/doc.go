// Package soupbintcp reads and writes Nasdaq's SoupBinTCP, versions 3.00, 4.00 and 4.10: the framing
// that carries a sequenced stream of messages over a TCP connection, so that a client that lost its
// connection goes on with the very next message.
//
// Client and Server are the two ends of a connection. They are state machines without input and
// output: whoever has the socket gives them bytes and the time, takes events from them, and sends what
// they have to say:
//
//	c := soupbintcp.NewClient(cfg)
//	c.Connect(now)
//	for {
//		// write c.Output(), then say c.Sent(n)
//		n := read(c.Room()) // until c.Due() at the latest
//		c.Read(n, now)
//		for e, ok := c.Poll(); ok; e, ok = c.Poll() {
//			...
//		}
//		c.OnTick(now)
//		if c.Err() != nil {
//			break // close the socket; c.Connect on a new one goes on with the next message
//		}
//	}
//
// Below them a Decoder cuts a stream of bytes into packets, and the Append functions write packets.
//
// The package does no I/O and reads no clock. Packets and events are views of the memory of their
// Decoder; nothing allocates per packet. A value belongs to one goroutine.
//
// # Layout
//
// Source: SoupBinTCP 3.00, sections 1 and 2; 4.00 and 4.10 where they differ. Everything is a packet:
//
//	offset  0          2      3
//	        +----------+------+---------------------+
//	        | length   | type | length - 1 bytes    |
//	        | u16, big | u8   |                     |
//	        +----------+------+---------------------+
//
//	type  from    payload
//	+     either  Debug             text
//	A     server  LoginAccepted     0 session (10), 10 number of the next message (20)
//	J     server  LoginRejected     0 reason: 'A' not authorized, 'S' no such session
//	S     server  SequencedData     one message
//	H     server  ServerHeartbeat
//	Z     server  EndOfSession
//	L     client  LoginRequest      0 username (6), 6 password (10), 16 session (10), 26 number of the first
//	                                message wanted (20); since 4.10: 46 heartbeat timeout in ms (5)
//	U     either  UnsequencedData   one message; from the server since 4.00
//	R     client  ClientHeartbeat
//	O     client  LogoutRequest
//
// Numbers are decimal text, padded on the left with spaces; names are padded on the right, the session
// of LoginAccepted on the left. Padding on either side is understood everywhere.
//
// Messages carry no number: both ends count. LoginAccepted says the number of the first SequencedData
// that follows it; the first message of a session is number 1. A LoginRequest may leave the session
// blank, which is the active one, and may ask for number 0, which is the latest message. Whoever has
// sent nothing for a second sends a heartbeat.
package soupbintcp

package sequnit

import (
	"encoding/binary"
	"errors"
	"math"
)

const (
	// HeaderLen is the length in bytes of a packet's header.
	HeaderLen = 8
	// CountMax is the largest number of messages in one packet.
	CountMax = math.MaxUint8
	// MessageMax is the length in bytes of the longest message, from its type on.
	MessageMax = math.MaxUint8 - lengthLen
	// PacketMax is the length in bytes of the longest packet.
	PacketMax = math.MaxUint16

	lengthLen  = 1 // of the length before each message
	messageMin = 2 // the least that a message's length says: itself and the type
)

// Errors of Parse and Split. They are returned as they are, without further text, because a receive
// loop counts them and formats nothing.
var (
	// ErrShort is returned for a datagram that is shorter than its header.
	ErrShort = errors.New("sequnit: shorter than the header")
	// ErrLength is returned for a header whose length is not that of its datagram, or less than its own.
	ErrLength = errors.New("sequnit: not the length that the header says")
	// ErrMessage is returned for a message that is too short for its type or ends after its packet.
	ErrMessage = errors.New("sequnit: length of a message")
	// ErrCount is returned for a packet with more or fewer messages than it announces.
	ErrCount = errors.New("sequnit: not as many messages as the header says")
	// ErrSequence is returned for a packet whose sequence numbers do not fit in 32 bits.
	ErrSequence = errors.New("sequnit: sequence numbers run past 32 bits")
)

// A Packet is one header with its messages.
type Packet struct {
	Messages []byte // Count length-prefixed messages for Next; a view of what was parsed
	// Seq is the sequence number of the first message within the unit; 0 for an unsequenced packet. A
	// heartbeat carries the number that the next message will have, so that a loss shows even when nothing
	// follows it.
	Seq   uint32
	Count uint8 // messages in the packet; 0 is a heartbeat
	Unit  uint8 // 0 in packets that concern no unit
}

// Heartbeat reports whether the packet carries no message.
func (p *Packet) Heartbeat() bool { return p.Count == 0 }

// Sequenced reports whether the packet's number means something: there is a unit, and it counts.
func (p *Packet) Sequenced() bool { return p.Unit != 0 && p.Seq != 0 }

// Parse reads one datagram, which is one packet. It checks the whole of it before it answers: the
// header's length is the datagram's, each message lies inside it, and they are as many as announced. A
// datagram is believed whole or not at all: with an error, the Packet is empty.
//
// Packet.Messages is a view of b. The error is one of ErrShort, ErrLength, ErrMessage, ErrCount and
// ErrSequence. Parse does not allocate.
func Parse(b []byte) (Packet, error) {
	if len(b) < HeaderLen {
		return Packet{}, ErrShort
	}
	if int(binary.LittleEndian.Uint16(b)) != len(b) {
		return Packet{}, ErrLength
	}
	p := Packet{Seq: binary.LittleEndian.Uint32(b[4:]), Count: b[2], Unit: b[3]}
	if p.Seq > math.MaxUint32-uint32(p.Count) {
		return Packet{}, ErrSequence
	}
	end := HeaderLen
	for range p.Count {
		if end >= len(b) {
			return Packet{}, ErrCount
		}
		if b[end] < messageMin {
			return Packet{}, ErrMessage
		}
		end += int(b[end])
	}
	switch {
	case end > len(b):
		return Packet{}, ErrMessage
	case end < len(b):
		return Packet{}, ErrCount
	}
	p.Messages = b[HeaderLen:]
	return p, nil
}

// Next splits the first message off a block of length-prefixed messages. The message begins with its
// type; its length is left away. Both results are views of block.
//
// The block must be one that was validated and is not empty: Packet.Messages, or what an earlier Next
// left of it. Next checks nothing again, and panics if this is not so.
func Next(block []byte) (msg, rest []byte) {
	n := int(block[0])
	return block[lengthLen:n], block[n:]
}

// Split cuts the first packet off a stream of packets, as TCP carries them. packet is nil while it has
// not all arrived. Both results are views of stream; give packet to Parse.
//
// The error is ErrLength for a header whose length is less than its own: the stream cannot be cut any
// further.
func Split(stream []byte) (packet, rest []byte, err error) {
	if len(stream) < 2 {
		return nil, stream, nil
	}
	n := int(binary.LittleEndian.Uint16(stream))
	switch {
	case n < HeaderLen:
		return nil, stream, ErrLength
	case n > len(stream):
		return nil, stream, nil
	}
	return stream[:n:n], stream[n:], nil
}

// Package iextp reads and writes segments of the IEX Transport Protocol (IEX-TP, version 1), which
// carries TOPS and DEEP over UDP multicast.
//
// One datagram holds one segment. All numbers are little endian.
//
//	offset  size  field
//	     0     1  version: 1
//	     1     1  reserved
//	     2     2  message protocol: which messages are inside (TOPS15, TOPS16, DEEP10)
//	     4     4  channel
//	     8     4  session
//	    12     2  payload length: bytes after the header
//	    14     2  message count
//	    16     8  stream offset: bytes of payload of this session and channel before this segment
//	    24     8  sequence of the first message
//	    32     8  send time, nanoseconds since the Unix epoch
//	    40        message block: per message a 16-bit length, then the message
//
// A segment without messages is a heartbeat. Its sequence is that of the message to come, so a
// heartbeat alone can show a gap. A publisher that restarts may keep its session: its stream offset
// and sequence then start again at 0 and 1.
//
// To read a datagram:
//
//	seg, err := iextp.Parse(datagram)
//	if err != nil {
//		return err
//	}
//	for block := seg.Messages; len(block) > 0; {
//		var msg []byte
//		msg, block = iextp.Next(block)
//		...
//	}
package iextp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"tidegate/market"
)

// Version is the version of the transport protocol that this package reads and writes.
const Version = 1

// HeaderLen is the number of bytes before the first message.
const HeaderLen = 40

// Message protocols, as IEX numbers them.
const (
	TOPS15 uint16 = 0x8002
	TOPS16 uint16 = 0x8003
	DEEP10 uint16 = 0x8004
)

// Errors of Parse.
var (
	ErrShort   = errors.New("iextp: datagram shorter than a segment header")
	ErrVersion = errors.New("iextp: unknown protocol version")
	ErrLength  = errors.New("iextp: payload length differs from the bytes after the header")
	ErrMessage = errors.New("iextp: message reaches beyond its segment")
	ErrCount   = errors.New("iextp: message count differs from the messages in the segment")
)

// A Segment is one datagram.
type Segment struct {
	Protocol     uint16
	Count        uint16 // messages; 0 is a heartbeat
	Channel      uint32
	Session      uint32
	Seq          uint64       // of the first message; of a heartbeat, of the message to come
	StreamOffset int64        // bytes of payload before this segment
	SendTime     market.Nanos // when the venue sent it
	Messages     []byte       // the message block; see Next
}

// Heartbeat reports whether the segment carries no message.
func (s *Segment) Heartbeat() bool { return s.Count == 0 }

// Parse reads one segment and checks all of it: after a nil error, Next may walk s.Messages
// exactly s.Count times. Messages points into b and is valid as long as b is. The reserved byte
// is not looked at, nor is the protocol: that is for the caller to compare.
//
// The error is one of those above, unwrapped. Parse does not allocate.
func Parse(b []byte) (s Segment, err error) {
	if len(b) < HeaderLen {
		return s, ErrShort
	}
	if b[0] != Version {
		return s, ErrVersion
	}
	block := b[HeaderLen:]
	if int(binary.LittleEndian.Uint16(b[12:])) != len(block) {
		return s, ErrLength
	}
	count := binary.LittleEndian.Uint16(b[14:])
	found := 0
	for rest := block; len(rest) > 0; found++ {
		if len(rest) < 2 {
			return s, ErrMessage
		}
		n := 2 + int(binary.LittleEndian.Uint16(rest))
		if len(rest) < n {
			return s, ErrMessage
		}
		rest = rest[n:]
	}
	if found != int(count) {
		return s, ErrCount
	}
	return Segment{
		Protocol:     binary.LittleEndian.Uint16(b[2:]),
		Count:        count,
		Channel:      binary.LittleEndian.Uint32(b[4:]),
		Session:      binary.LittleEndian.Uint32(b[8:]),
		Seq:          binary.LittleEndian.Uint64(b[24:]),
		StreamOffset: int64(binary.LittleEndian.Uint64(b[16:])),
		SendTime:     market.Nanos(binary.LittleEndian.Uint64(b[32:])),
		Messages:     block,
	}, nil
}

// Next returns the first message of a block and the block after it. Both point into block, which
// must be what Parse or an earlier Next returned and not be empty.
func Next(block []byte) (msg, rest []byte) {
	n := 2 + int(binary.LittleEndian.Uint16(block))
	return block[2:n], block[n:]
}

// AppendMessage appends a message to a message block and returns it. It panics when the message is
// longer than 65,535 bytes.
func AppendMessage(block, msg []byte) []byte {
	if len(msg) > math.MaxUint16 {
		panic(fmt.Sprintf("iextp: message of %d bytes", len(msg)))
	}
	block = binary.LittleEndian.AppendUint16(block, uint16(len(msg)))
	return append(block, msg...)
}

// Append appends the segment as a datagram to b and returns it. Messages must hold Count messages,
// as AppendMessage puts them there; it panics when they are longer than 65,535 bytes together.
func (s *Segment) Append(b []byte) []byte {
	if len(s.Messages) > math.MaxUint16 {
		panic(fmt.Sprintf("iextp: message block of %d bytes", len(s.Messages)))
	}
	b = append(b, Version, 0)
	b = binary.LittleEndian.AppendUint16(b, s.Protocol)
	b = binary.LittleEndian.AppendUint32(b, s.Channel)
	b = binary.LittleEndian.AppendUint32(b, s.Session)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(s.Messages)))
	b = binary.LittleEndian.AppendUint16(b, s.Count)
	b = binary.LittleEndian.AppendUint64(b, uint64(s.StreamOffset))
	b = binary.LittleEndian.AppendUint64(b, s.Seq)
	b = binary.LittleEndian.AppendUint64(b, uint64(s.SendTime))
	return append(b, s.Messages...)
}

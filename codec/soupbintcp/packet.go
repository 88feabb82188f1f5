package soupbintcp

import (
	"encoding/binary"
	"errors"
	"fmt"
)

const (
	// HeaderLen is the length in bytes of a packet without its payload.
	HeaderLen = 3
	// PayloadMax is the largest payload in bytes that the protocol can carry.
	PayloadMax = 0xFFFF - 1

	lengthLen = 2 // of the length at the beginning of a packet
)

// Type is the type of a packet.
type Type byte

// Types of packets.
const (
	Debug           Type = '+'
	LoginAccepted   Type = 'A'
	LoginRejected   Type = 'J'
	SequencedData   Type = 'S'
	ServerHeartbeat Type = 'H'
	EndOfSession    Type = 'Z'
	LoginRequest    Type = 'L'
	UnsequencedData Type = 'U'
	ClientHeartbeat Type = 'R'
	LogoutRequest   Type = 'O'
)

// Payload lengths of the types that have one.
const (
	loginAcceptedLen  = SessionLen + numberLen
	loginRejectedLen  = 1
	loginRequestLen   = usernameLen + passwordLen + SessionLen + numberLen
	loginRequest41Len = loginRequestLen + timeoutLen
)

// Errors of a Decoder. They are returned as they are, without further text. After any of them the
// stream cannot be believed: where the next packet begins is unknown.
var (
	// ErrEmpty is returned for a packet of length 0, which has no type.
	ErrEmpty = errors.New("soupbintcp: packet of length 0")
	// ErrOversize is returned for a packet that is longer than the limit.
	ErrOversize = errors.New("soupbintcp: packet longer than the limit")
	// ErrType is returned for a packet of a type that the protocol does not have.
	ErrType = errors.New("soupbintcp: unknown packet type")
	// ErrLength is returned for a packet that has not the length of its type.
	ErrLength = errors.New("soupbintcp: not the length of the packet type")
)

// A Packet is a logical packet.
type Packet struct {
	Payload []byte // a view of the Decoder's memory, valid until its next Room
	Type    Type
}

// A Decoder cuts a stream of bytes into packets. How the stream was cut before makes no difference to
// the packets. It never allocates after NewDecoder and holds at most one packet and one read.
//
//	n, err := conn.Read(d.Room())
//	d.Read(n)
//	for p, ok := d.Next(); ok; p, ok = d.Next() {
//		...
//	}
//	if d.Err() != nil {
//		// close the connection
//	}
type Decoder struct {
	b          []byte // b[from:to] was read and not decoded yet
	from, to   int
	payloadMax int
	err        error
}

// readLen is the least room in bytes for what is read at once: enough to read hundreds of messages
// with one system call.
const readLen = 32 << 10

// NewDecoder returns a decoder that refuses payloads of more than payloadMax bytes. It panics unless
// payloadMax is from 1 to PayloadMax.
func NewDecoder(payloadMax int) *Decoder {
	d := newDecoder(payloadMax)
	return &d
}

func newDecoder(payloadMax int) Decoder {
	if payloadMax < 1 || payloadMax > PayloadMax {
		panic(fmt.Sprintf("soupbintcp: payload max %d: want 1 to %d", payloadMax, PayloadMax))
	}
	return Decoder{b: make([]byte, HeaderLen+payloadMax+readLen), payloadMax: payloadMax}
}

// Reset forgets what was read, for a new connection.
func (d *Decoder) Reset() { d.from, d.to, d.err = 0, 0, nil }

// Room returns memory to read into. It is never empty if Next was called until it said false. Packets
// handed out before are no longer valid.
func (d *Decoder) Room() []byte {
	if d.from > 0 {
		d.to = copy(d.b, d.b[d.from:d.to])
		d.from = 0
	}
	return d.b[d.to:]
}

// Read says that the first n bytes of Room have been filled. It panics if there was not so much room.
func (d *Decoder) Read(n int) { d.to = len(d.b[:d.to+n]) }

// Next returns the next packet, or false if more bytes are needed or the stream is broken: see Err.
func (d *Decoder) Next() (Packet, bool) {
	b := d.b[d.from:d.to]
	if d.err != nil || len(b) < lengthLen {
		return Packet{}, false
	}
	n := int(binary.BigEndian.Uint16(b))
	if n == 0 || n-1 > d.payloadMax {
		d.err = ErrEmpty
		if n > 0 {
			d.err = ErrOversize
		}
		return Packet{}, false
	}
	if len(b) < HeaderLen {
		return Packet{}, false
	}
	// A type is judged as soon as it is there: a stream that is off by some bytes shows at once, and not
	// after the 64 KiB that its length may announce.
	if d.err = check(Type(b[lengthLen]), n-1); d.err != nil || len(b) < lengthLen+n {
		return Packet{}, false
	}
	d.from += lengthLen + n
	return Packet{Type: Type(b[lengthLen]), Payload: b[HeaderLen : lengthLen+n : lengthLen+n]}, true
}

// Err returns what broke the stream: ErrEmpty, ErrOversize, ErrType or ErrLength; or nil.
func (d *Decoder) Err() error { return d.err }

// check judges the type of a packet and the length of its payload.
func check(t Type, n int) error {
	ok := true
	switch t {
	case SequencedData, UnsequencedData, Debug:
	case ServerHeartbeat, EndOfSession, ClientHeartbeat, LogoutRequest:
		ok = n == 0
	case LoginAccepted:
		ok = n == loginAcceptedLen
	case LoginRejected:
		ok = n == loginRejectedLen
	case LoginRequest:
		ok = n == loginRequestLen || n == loginRequest41Len
	default:
		return ErrType
	}
	if !ok {
		return ErrLength
	}
	return nil
}

// appendHeader begins a packet with a payload of n bytes.
func appendHeader(b []byte, t Type, n int) []byte {
	if n > PayloadMax {
		panic(fmt.Sprintf("soupbintcp: payload of %d bytes: want at most %d", n, PayloadMax))
	}
	return append(binary.BigEndian.AppendUint16(b, uint16(1+n)), byte(t))
}

// AppendSequenced appends a message of the session to b. It panics if msg is longer than PayloadMax.
func AppendSequenced(b, msg []byte) []byte {
	return append(appendHeader(b, SequencedData, len(msg)), msg...)
}

// AppendUnsequenced appends a message without a number to b. It panics if msg is longer than
// PayloadMax.
func AppendUnsequenced(b, msg []byte) []byte {
	return append(appendHeader(b, UnsequencedData, len(msg)), msg...)
}

// AppendDebug appends text for people to b. It panics if text is longer than PayloadMax.
func AppendDebug(b []byte, text string) []byte {
	return append(appendHeader(b, Debug, len(text)), text...)
}

// AppendServerHeartbeat appends a server's heartbeat to b.
func AppendServerHeartbeat(b []byte) []byte { return appendHeader(b, ServerHeartbeat, 0) }

// AppendClientHeartbeat appends a client's heartbeat to b.
func AppendClientHeartbeat(b []byte) []byte { return appendHeader(b, ClientHeartbeat, 0) }

// AppendEndOfSession appends an end of session to b.
func AppendEndOfSession(b []byte) []byte { return appendHeader(b, EndOfSession, 0) }

// AppendLogoutRequest appends a logout request to b.
func AppendLogoutRequest(b []byte) []byte { return appendHeader(b, LogoutRequest, 0) }

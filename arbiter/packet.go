package arbiter

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"

	"tidegate/market"
)

// A LineID names one line of a channel.
type LineID uint8

// Lines. A channel may have up to LinesMax of them; those between B and R are C to G.
const (
	LineA    LineID = 0
	LineB    LineID = 1
	LineR    LineID = 7 // recovery: answers to retransmit requests
	LinesMax        = 8
)

// String returns the line's letter.
func (l LineID) String() string {
	if l < LinesMax {
		return "ABCDEFGR"[l : l+1]
	}
	return "line?"
}

// A Kind says what a packet is for.
type Kind uint8

// Kinds of packet.
const (
	Data      Kind = iota // carries messages; without any it counts as a Heartbeat
	Heartbeat             // says which sequence comes next, nothing else
	End                   // says that the session is over, and which sequence would have come next
)

// A Session names a transport session of a venue. It is comparable; the zero value names none.
type Session struct {
	// The layout is private so that String can tell text from numbers: hi holds bytes 0 to 7, the
	// upper half of lo bytes 8 and 9, the lower half of lo the length in bytes or numeric.
	hi uint64
	lo uint32
}

const (
	sessionBytesMax = 10
	sessionNumeric  = 0xffff // in the lower half of lo
)

// SessionOf returns the session named by bytes: for MoldUDP64 the ten bytes of its header. Bytes
// beyond the tenth are not looked at.
func SessionOf(b []byte) Session {
	var full [sessionBytesMax]byte
	n := copy(full[:], b)
	return Session{
		hi: binary.BigEndian.Uint64(full[:]),
		lo: uint32(binary.BigEndian.Uint16(full[8:]))<<16 | uint32(n),
	}
}

// SessionOfNumbers returns the session named by a number within a numbered channel, as IEX-TP does.
func SessionOfNumbers(channel, session uint32) Session {
	return Session{hi: uint64(channel)<<32 | uint64(session), lo: sessionNumeric}
}

// Numbers returns what SessionOfNumbers was given. ok is false for any other session.
func (s Session) Numbers() (channel, session uint32, ok bool) {
	return uint32(s.hi >> 32), uint32(s.hi), s.lo == sessionNumeric
}

// AppendBytes appends the ten bytes that SessionOf was given, zeros where they were fewer.
func (s Session) AppendBytes(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, s.hi)
	return binary.BigEndian.AppendUint16(b, uint16(s.lo>>16))
}

// String returns the session as text for reports: the bytes where they are printable ("000010059B"),
// else their hexadecimal form; "channel/session" where it was made from numbers; "-" for none.
func (s Session) String() string {
	if s == (Session{}) {
		return "-"
	}
	if s.lo == sessionNumeric {
		return fmt.Sprintf("%d/%d", s.hi>>32, uint32(s.hi))
	}
	var full [sessionBytesMax]byte
	binary.BigEndian.PutUint64(full[:], s.hi)
	binary.BigEndian.PutUint16(full[8:], uint16(s.lo>>16))
	b := full[:min(int(s.lo&0xffff), sessionBytesMax)]
	for _, c := range b {
		if c < ' ' || c > '~' {
			return hex.EncodeToString(b)
		}
	}
	return string(b)
}

// MarshalText returns what String returns.
func (s Session) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// A Packet is one packet of one line, as its framing describes it. The framing has made sure that
// Messages holds Count messages.
type Packet struct {
	Session Session
	Seq     uint64 // sequence of the first message; for Heartbeat and End, the next sequence
	// TsRecv is our receive time. It must be set, and come from the same clock as OnTick's time.
	TsRecv market.Nanos
	// TsSend is the publisher's send time, UndefTime where the framing has none. It must be from one
	// clock for all lines, and must not fall while the sequence rises: restarts are told by it.
	TsSend market.Nanos
	// Messages is the block of messages as framed. It is a view: valid only during the call that
	// passes the packet, in either direction.
	Messages []byte
	Count    uint32 // messages in Messages; 0 for Heartbeat and End
	Line     LineID
	Kind     Kind
}

// end returns the sequence after the packet's last message.
func (p *Packet) end() uint64 { return p.Seq + uint64(p.Count) }

// A Verdict says what became of a packet when it was handed in.
type Verdict uint8

// Verdicts. Ahead and Suspect packets are held; what became of them in the end is in the Ledger.
const (
	Fresh     Verdict = iota // every message was published
	Overlap                  // the messages at the end were published, those before are duplicates or late
	Ahead                    // held: messages before it are missing
	Duplicate                // every message was published already, or is held already
	// Late packets hold messages that were announced as lost, or sent before the channel was joined. They
	// are dropped: the stream has gone on. Who rebuilds state behind an announced gap may still use them.
	Late
	Foreign     // of another session
	OldEpoch    // sent before the publisher restarted
	Suspect     // held until the line's next packet confirms its unlikely sequence
	Implausible // its sequence cannot be believed
	Unsequenced // its sequence is 0, runs past 2^64, or contradicts its kind
	Unasked     // came on line R, and holds nothing that a Requester asked for
	InStep      // heartbeat or end that names nothing missing
	Missing     // heartbeat or end that names messages nobody has delivered
	VerdictCount
)

var verdictNames = [VerdictCount]string{
	"fresh", "overlap", "ahead", "duplicate", "late", "foreign", "old-epoch", "suspect",
	"implausible", "unsequenced", "unasked", "in-step", "missing",
}

// String returns the name used in counters and summaries.
func (v Verdict) String() string {
	if v < VerdictCount {
		return verdictNames[v]
	}
	return "verdict?"
}

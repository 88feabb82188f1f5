package venue

import (
	"tidegate/codec/moldudp64"
	"tidegate/codec/sequnit"
)

// A framing packs messages into packets.
type framing interface {
	// begin empties the packet. Its first message will have the sequence number seq.
	begin(seq uint64)
	append(msg []byte) bool
	count() int
	packet() []byte
	// heartbeat and end append packets without messages; next is the number that the next message would
	// have.
	heartbeat(b []byte, next uint64) []byte
	end(b []byte, next uint64) []byte
}

// moldFraming is MoldUDP64's.
type moldFraming struct {
	session  moldudp64.Session
	bytesMax int
	builder  moldudp64.Builder
}

func (f *moldFraming) begin(seq uint64)       { f.builder.Reset(f.session, seq, f.bytesMax) }
func (f *moldFraming) append(msg []byte) bool { return f.builder.Append(msg) }
func (f *moldFraming) count() int             { return f.builder.Count() }
func (f *moldFraming) packet() []byte         { return f.builder.Bytes() }

func (f *moldFraming) heartbeat(b []byte, next uint64) []byte {
	return moldudp64.AppendHeartbeat(b, f.session, next)
}

func (f *moldFraming) end(b []byte, next uint64) []byte {
	return moldudp64.AppendEndOfSession(b, f.session, next)
}

// unitFraming is that of Cboe's sequenced units. The end of a session is a message there; what
// follows it are heartbeats.
type unitFraming struct {
	unit     uint8
	bytesMax int
	builder  sequnit.Builder
}

func (f *unitFraming) begin(seq uint64)       { f.builder.Reset(f.unit, uint32(seq), f.bytesMax) }
func (f *unitFraming) append(msg []byte) bool { return f.builder.Append(msg) }
func (f *unitFraming) count() int             { return f.builder.Count() }
func (f *unitFraming) packet() []byte         { return f.builder.Bytes() }

func (f *unitFraming) heartbeat(b []byte, next uint64) []byte {
	return sequnit.AppendHeartbeat(b, f.unit, uint32(next))
}

func (f *unitFraming) end(b []byte, next uint64) []byte { return f.heartbeat(b, next) }

package moldudp64

import "encoding/binary"

// A Builder collects messages into one downstream packet. The zero value needs a Reset first. It
// reuses its memory: the packet that Bytes returns is valid until the next Reset.
type Builder struct {
	b        []byte
	bytesMax int
	count    int
}

// Reset begins an empty packet whose first message will have the sequence number seq. The whole
// packet, header included, will not exceed bytesMax: for Ethernet without fragments, 1,472.
func (p *Builder) Reset(session Session, seq uint64, bytesMax int) {
	p.b = appendHeader(p.b[:0], session, seq, 0)
	p.bytesMax = bytesMax
	p.count = 0
}

// Append adds a copy of msg, and reports whether there was room for it. If not, the packet is as it
// was: send it, Reset, and append again. A message that does not fit into an empty packet never
// fits.
func (p *Builder) Append(msg []byte) bool {
	if len(msg) > 0xFFFF || p.count == CountMax || len(p.b)+lengthLen+len(msg) > p.bytesMax {
		return false
	}
	p.b = binary.BigEndian.AppendUint16(p.b, uint16(len(msg)))
	p.b = append(p.b, msg...)
	p.count++
	return true
}

// Count returns the number of messages in the packet.
func (p *Builder) Count() int { return p.count }

// Bytes returns the packet. Without a message it is a heartbeat. The slice is the Builder's own and
// is valid until the next Append or Reset.
func (p *Builder) Bytes() []byte {
	binary.BigEndian.PutUint16(p.b[18:], uint16(p.count))
	return p.b
}

// AppendHeartbeat appends a heartbeat to b. next is the sequence number that the next message will
// have.
func AppendHeartbeat(b []byte, session Session, next uint64) []byte {
	return appendHeader(b, session, next, 0)
}

// AppendEndOfSession appends an end-of-session packet to b. next is one more than the last sequence
// number of the session.
func AppendEndOfSession(b []byte, session Session, next uint64) []byte {
	return appendHeader(b, session, next, endOfSessionCount)
}

// AppendRequest appends a request packet to b.
func AppendRequest(b []byte, r Request) []byte {
	return appendHeader(b, r.Session, r.Seq, r.Count)
}

// appendHeader appends the layout that downstream and request packets share.
func appendHeader(b []byte, session Session, seq uint64, count uint16) []byte {
	b = append(b, session[:]...)
	b = binary.BigEndian.AppendUint64(b, seq)
	return binary.BigEndian.AppendUint16(b, count)
}

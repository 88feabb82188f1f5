package sequnit

import "encoding/binary"

// A Builder collects messages into one packet. The zero value needs a Reset first. It reuses its
// memory: the packet that Bytes returns is valid until the next Reset.
type Builder struct {
	b        []byte
	bytesMax int
	count    int
}

// Reset begins an empty packet of a unit whose first message will have the sequence number seq: 0 for
// an unsequenced packet. The whole packet, header included, will not exceed bytesMax: for Ethernet
// without fragments, 1,472.
func (p *Builder) Reset(unit uint8, seq uint32, bytesMax int) {
	p.b = AppendHeartbeat(p.b[:0], unit, seq)
	p.bytesMax = min(bytesMax, PacketMax)
	p.count = 0
}

// Append adds a copy of msg, which begins with its type, and reports whether there was room for it. If
// not, the packet is as it was: send it, Reset, and append again. A message that does not fit into an
// empty packet never fits, nor does one without a type.
func (p *Builder) Append(msg []byte) bool {
	if len(msg) == 0 || len(msg) > MessageMax || p.count == CountMax || len(p.b)+lengthLen+len(msg) > p.bytesMax {
		return false
	}
	p.b = append(p.b, uint8(lengthLen+len(msg)))
	p.b = append(p.b, msg...)
	p.count++
	return true
}

// Count returns the number of messages in the packet.
func (p *Builder) Count() int { return p.count }

// Bytes returns the packet. Without a message it is a heartbeat. The slice is the Builder's own and is
// valid until the next Append or Reset.
func (p *Builder) Bytes() []byte {
	binary.LittleEndian.PutUint16(p.b, uint16(len(p.b)))
	p.b[2] = uint8(p.count)
	return p.b
}

// AppendHeartbeat appends a packet without messages to b. next is the sequence number that the next
// message of the unit will have, 0 where there is none.
func AppendHeartbeat(b []byte, unit uint8, next uint32) []byte {
	b = append(b, HeaderLen, 0, 0, unit)
	return binary.LittleEndian.AppendUint32(b, next)
}

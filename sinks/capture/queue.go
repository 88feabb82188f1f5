package capture

import (
	"encoding/binary"
	"net/netip"
	"sync/atomic"

	"tidegate/market"
)

// queue carries datagrams from the loop to the recorder's goroutine without a lock: bytes in a ring,
// one writer, one reader. Positions count up and are never reset; a position's place is its remainder.
//
// An entry is a header and the payload, padded to 8 bytes, never split by the end of the ring:
//
//	0   4  payload length, or skip: the rest of the ring is unused
//	4   2  source port
//	6   2  destination port
//	8   4  source address
//	12  4  destination address
//	16  8  receive time
//	24     payload
type queue struct {
	ring []byte // a power of two

	_       [64]byte
	written atomic.Uint64 // by the writer: everything before it can be read
	// The writer's own copy of read: the shared one is looked at only when the queue seems full.
	readSeen uint64

	_    [64]byte
	read atomic.Uint64 // by the reader: everything before it can be overwritten
	_    [64]byte
}

const (
	entryHeaderLen = 24
	skip           = ^uint32(0)
)

// A queued is a datagram in the queue.
type queued struct {
	dst, src netip.AddrPort
	stamp    market.Nanos
	payload  []byte // a view of the ring
}

func newQueue(bytes int) *queue { return &queue{ring: make([]byte, bytes)} }

// put copies a datagram in, and reports false if there is no room. Both addresses are IPv4.
func (q *queue) put(e queued) bool {
	size := uint64(entryHeaderLen+len(e.payload)+7) &^ 7
	at := q.written.Load()
	place := at & uint64(len(q.ring)-1)
	end := at + size
	rest := uint64(len(q.ring)) - place
	if size > rest {
		end += rest
	}
	if end-q.readSeen > uint64(len(q.ring)) {
		q.readSeen = q.read.Load()
		if end-q.readSeen > uint64(len(q.ring)) {
			return false
		}
	}
	if size > rest {
		binary.NativeEndian.PutUint32(q.ring[place:], skip)
		place = 0
	}
	b := q.ring[place:][:size]
	src, dst := e.src.Addr().As4(), e.dst.Addr().As4()
	binary.NativeEndian.PutUint32(b[0:], uint32(len(e.payload)))
	binary.NativeEndian.PutUint16(b[4:], e.src.Port())
	binary.NativeEndian.PutUint16(b[6:], e.dst.Port())
	copy(b[8:], src[:])
	copy(b[12:], dst[:])
	binary.NativeEndian.PutUint64(b[16:], uint64(e.stamp))
	copy(b[entryHeaderLen:], e.payload)
	q.written.Store(end)
	return true
}

// crowded reports whether a quarter of the ring is used. It is for the writer.
func (q *queue) crowded() bool {
	quarter, written := uint64(len(q.ring))/4, q.written.Load()
	if written-q.readSeen <= quarter {
		return false
	}
	q.readSeen = q.read.Load()
	return written-q.readSeen > quarter
}

// waiting returns how many bytes wait to be read. It is for everybody.
func (q *queue) waiting() uint64 {
	read := q.read.Load() // first: it never overtakes what is read of written after it
	return q.written.Load() - read
}

// take returns the datagram at a position, and the next position; or false if there is none. The
// datagram is valid until free. It is for the reader, who starts at position 0.
func (q *queue) take(at uint64) (e queued, end uint64, ok bool) {
	if at == q.written.Load() {
		return e, at, false
	}
	place := at & uint64(len(q.ring)-1)
	if binary.NativeEndian.Uint32(q.ring[place:]) == skip {
		at += uint64(len(q.ring)) - place
		place = 0
	}
	b := q.ring[place:]
	n := uint64(binary.NativeEndian.Uint32(b))
	e = queued{
		src:     netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[8:])), binary.NativeEndian.Uint16(b[4:])),
		dst:     netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[12:])), binary.NativeEndian.Uint16(b[6:])),
		stamp:   market.Nanos(binary.NativeEndian.Uint64(b[16:])),
		payload: b[entryHeaderLen:][:n],
	}
	return e, at + (entryHeaderLen+n+7)&^7, true
}

// free gives everything before a position back to the writer.
func (q *queue) free(at uint64) { q.read.Store(at) }

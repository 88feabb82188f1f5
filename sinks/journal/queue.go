package journal

import (
	"encoding/binary"
	"math/bits"
	"sync/atomic"
)

// pageBytes is what is touched to have a page of memory.
const pageBytes = 4096

// chunkBytesDefault is the piece in which memory goes to the writer and comes back.
const chunkBytesDefault = 256 << 10

// A chunk holds entries as they are written to the disk, one after the other. It belongs to the
// producer from when it is begun until it is sealed; the writer reads what is before its end.
type chunk struct {
	buf []byte
	end atomic.Uint64 // bytes of entries that can be read, and the mark of a sealed chunk
	_   [64]byte
}

const sealed = 1 << 63

// extent returns how much can be read, and whether that is all there will be.
func (c *chunk) extent() (end int, all bool) {
	e := c.end.Load()
	return int(e &^ sealed), e&sealed != 0
}

// queue carries entries from the producer to the writer without a lock and without waiting.
//
// Memory is a fixed number of chunks. The producer fills one after the other; the writer has them, in
// order, until what is in them is durable, because after a failed sync it must write them again. Then
// it gives them back. The first chunks are the queue proper; more are in use only if the disk lags,
// which is the alarm called spilling. Their memory is not touched before.
//
// If no chunk is free the producer drops entries, counts them, and puts a gap in their place as soon
// as there is room.
type queue struct {
	chunks     []chunk
	chunkBytes int
	usual      int // how many chunks are in use before the queue spills

	// Numbers of chunks on their way. Positions count up; slots are a power of two, and at least as
	// many as chunks, so that a slot is free when a chunk is.
	begun, freed []uint32
	mask         uint64

	_      [64]byte
	begins atomic.Uint64 // chunks begun; written by the producer
	// What the producer could not keep.
	dropped  atomic.Uint64 // entries, all together
	spilled  atomic.Uint64 // chunks begun while the queue spilled, all together
	dropping atomic.Bool   // it drops just now

	_      [64]byte
	frees  atomic.Uint64 // chunks given back; written by the writer
	why    atomic.Uint32 // the Reason there is if the queue is full; written by the writer
	parked atomic.Bool   // the writer waits to be woken; set by the writer, cleared by either
	wake   chan struct{}
	notice chan struct{} // the state has changed: spilling, dropping

	_ [64]byte
	p producer
}

// producer is what only the producer's goroutine touches.
type producer struct {
	chunk *chunk
	buf   []byte // of chunk; empty if there is no chunk
	pos   int    // end of the entries in buf
	index uint64 // of the next entry
	gap   Gap    // being made; From is 0 if there is none
	free  []uint32
	taken uint64 // of freed
}

func newQueue(usualBytes, spillBytes, chunkBytes int, next uint64) *queue {
	usual := (usualBytes + chunkBytes - 1) / chunkBytes
	all := usual + (spillBytes+chunkBytes-1)/chunkBytes
	slots := 1 << bits.Len(uint(all-1))
	q := &queue{
		chunks: make([]chunk, all), chunkBytes: chunkBytes, usual: usual, mask: uint64(slots - 1),
		begun: make([]uint32, slots), freed: make([]uint32, slots),
		wake: make(chan struct{}, 1), notice: make(chan struct{}, 1),
	}
	q.p.index, q.p.free = next, make([]uint32, 0, all)
	q.why.Store(uint32(QueueFull))
	for i := range all {
		c := &q.chunks[i]
		c.buf = make([]byte, chunkBytes)
		if i < usual { // touch the pages, so that the first round does not meet page faults
			for at := 0; at < chunkBytes; at += pageBytes {
				c.buf[at] = 1
			}
		}
	}
	for i := all - 1; i >= 0; i-- { // a stack: the first chunks are used first, and again
		q.p.free = append(q.p.free, uint32(i))
	}
	return q
}

// append adds an entry, and reports whether it was kept. The index is given in either case.
func (q *queue) append(h Header, payload []byte) (index uint64, kept bool) {
	p := &q.p
	end := p.pos + entryBytes(len(payload))
	if end > len(p.buf) || len(payload) > PayloadMax {
		return q.appendSlow(h, payload)
	}
	b := p.buf[p.pos:end]
	binary.LittleEndian.PutUint64(b[len(b)-8:], 0) // the padding, wherever it begins
	h.put(b, len(payload), false)
	copy(b[entryHeaderBytes:], payload)
	index = p.index
	p.index++
	p.pos = end
	p.chunk.end.Store(uint64(end))
	if q.parked.Load() {
		q.unpark()
	}
	return index, true
}

// appendSlow is append where there is no room in the chunk, or no chunk.
func (q *queue) appendSlow(h Header, payload []byte) (index uint64, kept bool) {
	why := Reason(q.why.Load())
	if len(payload) > PayloadMax {
		why, payload = PayloadTooLong, make([]byte, gapBytes) // what must find room is the gap
	}
	if q.p.pos+entryBytes(len(payload)) > len(q.p.buf) {
		q.sealChunk()
		if !q.beginChunk() {
			return q.drop(h, why), false
		}
	}
	if why != PayloadTooLong {
		return q.append(h, payload)
	}
	q.dropped.Add(1)
	p := &q.p
	p.index++
	q.putGap(&Gap{From: p.index - 1, To: p.index - 1, Reason: why, Earliest: h.At, Latest: h.At})
	p.chunk.end.Store(uint64(p.pos))
	q.unpark()
	return p.index - 1, false
}

// putGap writes a gap where there is room.
func (q *queue) putGap(g *Gap) {
	p := &q.p
	Header{At: g.Latest}.put(p.buf[p.pos:], gapBytes, true)
	g.put(p.buf[p.pos+entryHeaderBytes:])
	p.pos += entryBytes(gapBytes)
}

// sealChunk hands the chunk over for good.
func (q *queue) sealChunk() {
	p := &q.p
	if p.chunk == nil {
		return
	}
	p.chunk.end.Store(uint64(p.pos) | sealed)
	p.chunk, p.buf, p.pos = nil, nil, 0
	q.unpark()
}

// beginChunk goes on to a free chunk, if there is one. A gap that was being made is its first entry.
func (q *queue) beginChunk() bool {
	p := &q.p
	for frees := q.frees.Load(); p.taken < frees; p.taken++ {
		p.free = append(p.free, q.freed[p.taken&q.mask])
	}
	if len(p.free) == 0 {
		return false
	}
	number := p.free[len(p.free)-1]
	p.free = p.free[:len(p.free)-1]
	p.chunk = &q.chunks[number]
	p.buf, p.pos = p.chunk.buf, 0
	if p.gap.From != 0 {
		q.putGap(&p.gap)
		p.gap = Gap{}
		q.dropping.Store(false)
		q.changed()
	}
	p.chunk.end.Store(uint64(p.pos))
	at := q.begins.Load()
	q.begun[at&q.mask] = number
	q.begins.Store(at + 1)
	if inUse := len(q.chunks) - len(p.free); inUse > q.usual {
		q.spilled.Add(1)
		if inUse == q.usual+1 {
			q.changed()
		}
	}
	return true
}

// drop adds an entry to the gap that is being made, because there is no chunk.
func (q *queue) drop(h Header, why Reason) uint64 {
	p := &q.p
	if p.gap.From == 0 {
		p.gap = Gap{From: p.index, Reason: why, Earliest: h.At, Latest: h.At}
		q.dropping.Store(true)
		q.changed()
	}
	p.gap.To = p.index
	p.gap.Earliest, p.gap.Latest = min(p.gap.Earliest, h.At), max(p.gap.Latest, h.At)
	p.index++
	q.dropped.Add(1)
	return p.gap.To
}

// finish hands everything over, a gap too if there is room for it, and reports whether nothing is left.
// It is for who closes the journal, when the producer has ended.
func (q *queue) finish() bool {
	if q.p.gap.From != 0 {
		q.beginChunk()
	}
	q.sealChunk()
	return q.p.gap.From == 0
}

// unpark wakes the writer if it waits.
func (q *queue) unpark() {
	q.parked.Store(false)
	select {
	case q.wake <- struct{}{}:
	default: // it knows
	}
}

// changed has the state announced.
func (q *queue) changed() {
	select {
	case q.notice <- struct{}{}:
	default:
	}
}

// inUse returns how many chunks are not free. It is for everybody.
func (q *queue) inUse() int {
	frees := q.frees.Load() // first: it never overtakes begins
	return int(q.begins.Load() - frees)
}

// spilling reports whether more memory is in use than the queue has.
func (q *queue) spilling() bool { return q.inUse() > q.usual }

// A cursor is a place in the queue. It is for the writer.
type cursor struct {
	chunk uint64 // counted as they were begun
	pos   int
	index uint64 // of the next entry
}

// at returns the entries that can be read at c, and moves c to the next chunk if this one has ended.
func (q *queue) at(c *cursor) []byte {
	for c.chunk < q.begins.Load() {
		k := &q.chunks[q.begun[c.chunk&q.mask]]
		end, all := k.extent()
		if c.pos < end {
			return k.buf[c.pos:end]
		}
		if !all {
			break
		}
		c.chunk, c.pos = c.chunk+1, 0
	}
	return nil
}

// waiting returns how many bytes are in the queue from c on. It is for the writer.
func (q *queue) waiting(c cursor) int {
	n := -c.pos
	for seq, begins := c.chunk, q.begins.Load(); seq < begins; seq++ {
		end, _ := q.chunks[q.begun[seq&q.mask]].extent()
		n += end
	}
	return max(n, 0)
}

// release gives chunks back, up to the one at c. It is for the writer.
func (q *queue) release(from *uint64, c cursor) {
	for ; *from < c.chunk; *from++ {
		at := q.frees.Load()
		q.freed[at&q.mask] = q.begun[*from&q.mask]
		q.frees.Store(at + 1)
	}
}

// after returns the place behind an entry of n bytes that holds indexes up to last.
func (c cursor) after(n int, last uint64) cursor {
	return cursor{chunk: c.chunk, pos: c.pos + n, index: last + 1}
}

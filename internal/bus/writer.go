package bus

import (
	"fmt"
	"math/bits"
)

// writer is the part of a ring that only its writer touches.
type writer struct {
	chunk     *chunk // the one that is written
	buf       []byte // its memory
	pos       int    // where the next entry goes
	count     uint64 // entries before pos
	published int    // pos as of the last Publish
	number    uint64 // of chunk
	first     uint64 // index of its first entry
	unwoken   bool   // something was published since the last Wake

	spare  [ReadersMax]*chunk // beside the ring, because readers held them when they were due
	spares int
}

// Append adds an entry with a copy of payload. Readers see it after Publish. A payload longer than
// PayloadMax is a mistake of the caller: Append panics.
func (r *Ring) Append(h Header, payload []byte) {
	copy(r.Reserve(h, len(payload)), payload)
}

// Reserve adds an entry with a payload of n bytes and returns the payload to be filled in place:
// all of it, because it holds whatever was there before, and before the next call of a method of
// the writer. Readers see it after Publish. An n longer than PayloadMax is a mistake of the caller:
// Reserve panics.
func (r *Ring) Reserve(h Header, n int) []byte {
	w := &r.writer
	if uint(n) > uint(r.PayloadMax()) {
		panic(fmt.Sprintf("bus: payload of %d bytes: at most %d fit in a chunk", n, r.PayloadMax()))
	}
	end := w.pos + entryBytes(n)
	if end > len(w.buf) {
		r.roll()
		end = entryBytes(n)
	}
	b := w.buf[w.pos:end]
	h.put(b, n)
	w.pos = end
	w.count++
	return b[headerBytes : headerBytes+n : headerBytes+n]
}

// NextIndex returns the index of the next entry. Like Append, it is for the writer.
func (r *Ring) NextIndex() uint64 { return r.writer.first + r.writer.count }

// Publish makes every entry added so far visible to readers: one atomic store, however many there
// are. Entries of a chunk that is full are visible as soon as the next chunk begins, without
// Publish.
func (r *Ring) Publish() {
	w := &r.writer
	if w.pos == w.published {
		return
	}
	w.published = w.pos
	w.unwoken = true
	w.chunk.end.Store(uint64(newExtent(w.pos, w.count)))
}

// Wake calls notify of every reader that sleeps, once for each time it went to sleep, if anything
// was published since the last Wake.
func (r *Ring) Wake() {
	if !r.writer.unwoken {
		return
	}
	r.writer.unwoken = false
	if r.sleeping.Load() == 0 {
		return
	}
	for sleeping := r.sleeping.Swap(0); sleeping != 0; sleeping &= sleeping - 1 {
		if reader := r.readers[bits.TrailingZeros64(sleeping)].Load(); reader != nil { // nil: closed meanwhile
			reader.notify()
		}
	}
}

// roll goes on to the next chunk. The order matters: a reader that finds a chunk sealed finds the
// next one begun, and Newest never goes past what can be read.
func (r *Ring) roll() {
	w := &r.writer
	last, pos, count := w.chunk, w.pos, w.count
	r.begin(w.number+1, w.first+w.count)
	last.end.Store(uint64(newExtent(pos, count) | extentSealed))
	r.newest.Store(w.number)
	w.unwoken = true
}

// begin makes the chunk that is due, or a spare if a reader holds it, chunk n.
func (r *Ring) begin(n, first uint64) {
	w := &r.writer
	slot := &r.slots[n&r.mask]
	c := slot.Load()
	if !c.claim() {
		c = r.replace(c)
	}
	c.begin(n, first)
	slot.Store(c)
	w.chunk, w.buf, w.pos, w.count, w.published, w.number, w.first = c, c.buf, 0, 0, 0, n, first
}

// replace puts a chunk that a reader holds among the spares and returns another one, claimed.
//
// A new one is made only if readers hold all the spares. A reader holds one chunk at a time and
// cannot come to hold a spare that it did not hold when the spare left the ring's slots (but for a
// look into a slot just before that), so there are never more spares than readers.
func (r *Ring) replace(held *chunk) *chunk {
	w := &r.writer
	r.evicted.Add(1)
	for i, c := range w.spare[:w.spares] {
		if c.claim() {
			w.spare[i] = held
			return c
		}
	}
	if w.spares == ReadersMax {
		panic(fmt.Sprintf("bus: %d readers hold more chunks than that", ReadersMax))
	}
	w.spare[w.spares] = held
	w.spares++
	r.spares.Store(int64(w.spares))
	return newChunk(r.cfg.ChunkBytes)
}

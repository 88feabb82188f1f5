package bus

import (
	"fmt"
	"math/bits"
)

// A Cursor is a position in a ring: the next entry to read. It is a small value that holds nothing:
// a loop may keep one for each of its subscribers, and Seek back to it. What it points to goes when
// the ring has gone a round. The zero Cursor is the position of the ring's first entry. A Cursor
// means nothing to another ring.
type Cursor struct {
	chunk  uint64
	index  uint64
	offset uint32
}

// Index returns the index of the next entry.
func (c Cursor) Index() uint64 { return c.index }

// Outcome is what came of Reader.Next.
type Outcome uint8

// Outcomes.
const (
	Empty  Outcome = iota // everything published has been read
	Ready                 // an entry was read
	Lapped                // the chunk at the reader's position is gone: the writer was a round ahead. See Skip.
)

// A Reader follows a ring. It is owned by one goroutine; several readers do not disturb each other.
// It holds one chunk of the ring, whose memory the writer cannot use again: Close it.
type Reader struct {
	ring   *Ring
	notify func()
	bit    uint64 // in Ring.sleeping

	chunk *chunk // pinned; nil if the chunk at pos is not pinned yet
	buf   []byte // its memory
	pos   int    // of the next entry
	limit int    // what is committed, as of the last look; at least pos
	index uint64 // of the next entry
	// number is that of the chunk at pos, pinned or not.
	number uint64

	_ [cacheLine]byte
}

// NewReader returns a reader that begins behind what has been published so far. The writer calls
// notify, from Wake, after the reader went to Sleep and something came: it must not wait. It may be
// called once more when the reader has woken for another reason, or was closed. Nil is for a reader
// that never sleeps.
func (r *Ring) NewReader(notify func()) (*Reader, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.used == 1<<ReadersMax-1 {
		return nil, fmt.Errorf("new ring reader: %d are open: %w", ReadersMax, ErrReadersMax)
	}
	i := bits.TrailingZeros64(^r.used)
	reader := &Reader{ring: r, notify: notify, bit: 1 << i}
	reader.Seek(r.Newest())
	r.used |= reader.bit
	r.readers[i].Store(reader)
	return reader, nil
}

// Next reads the next entry into e. The payload is a view of the ring, valid until the next call of
// a method of the reader other than Cursor. If the outcome is not Ready, e is as it was.
func (r *Reader) Next(e *Entry) Outcome {
	if r.pos == r.limit {
		if o := r.look(); o != Ready {
			return o
		}
	}
	b := r.buf[r.pos:r.limit]
	n := e.get(b)
	size := entryBytes(n)
	if size > len(b) {
		panic(fmt.Sprintf("bus: entry %d at %d of chunk %d has %d bytes, %d are committed", r.index, r.pos, r.number, size, len(b)))
	}
	e.Payload = b[headerBytes : headerBytes+n : headerBytes+n]
	e.Index = r.index
	r.pos += size
	r.index++
	return Ready
}

// look finds out how far the reader can read from where it is.
func (r *Reader) look() Outcome {
	for {
		if r.chunk == nil {
			c := r.ring.slots[r.number&r.ring.mask].Load()
			if !c.pin(r.number) {
				return Lapped
			}
			r.chunk, r.buf = c, c.buf
		}
		end := extent(r.chunk.end.Load())
		if offset := int(end.offset()); r.pos < offset {
			r.limit = offset
			return Ready
		}
		if got, want := r.index, r.chunk.first.Load()+end.count(); r.pos != int(end.offset()) || got != want {
			panic(fmt.Sprintf("bus: at byte %d of chunk %d, which ends at %d, the index is %d, not %d", r.pos, r.number, end.offset(), got, want))
		}
		if !end.sealed() {
			return Empty
		}
		r.release()
		r.number++
		r.pos, r.limit = 0, 0
	}
}

// Cursor returns the reader's position.
func (r *Reader) Cursor() Cursor {
	return Cursor{chunk: r.number, index: r.index, offset: uint32(r.pos)}
}

// Seek goes to a position of the ring, forward or back. If what is there is gone already, Next says
// Lapped.
func (r *Reader) Seek(c Cursor) {
	if c.chunk != r.number {
		r.release()
		r.number = c.chunk
	}
	r.pos, r.limit, r.index = int(c.offset), int(c.offset), c.index
}

// Skip goes forward to a position of the ring and returns how many entries it passed over. After
// Lapped, Skip to the ring's Newest is sure to be in front of the writer; what its Oldest offers may
// be gone by the time of the next call.
func (r *Reader) Skip(to Cursor) (entries uint64) {
	if to.index < r.index {
		panic(fmt.Sprintf("bus: skip from entry %d back to %d", r.index, to.index))
	}
	entries = to.index - r.index
	r.Seek(to)
	return entries
}

// Sleep declares that the reader is about to sleep until notify is called. It returns false if
// there is something to read (or to Skip) already: the reader must not sleep then.
//
// It declares first and looks afterwards, and the writer publishes first and looks for sleepers
// afterwards, so one of them sees the other.
func (r *Reader) Sleep() bool {
	if r.notify == nil {
		panic("bus: a reader without notify sleeps")
	}
	r.ring.sleeping.Or(r.bit)
	if r.pos != r.limit || r.look() != Empty {
		r.ring.sleeping.And(^r.bit)
		return false
	}
	return true
}

// Close gives back what the reader holds. No other method may be called afterwards, but Close.
func (r *Reader) Close() {
	if r.ring == nil {
		return
	}
	r.release()
	ring := r.ring
	r.ring = nil
	ring.mu.Lock()
	defer ring.mu.Unlock()
	ring.readers[bits.TrailingZeros64(r.bit)].Store(nil)
	ring.sleeping.And(^r.bit)
	ring.used &^= r.bit
}

// release lets go of the chunk that the reader holds, if any.
func (r *Reader) release() {
	if r.chunk != nil {
		r.chunk.unpin()
		r.chunk, r.buf = nil, nil
	}
}

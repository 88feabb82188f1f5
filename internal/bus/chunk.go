package bus

import (
	"fmt"
	"sync/atomic"
)

// cacheLine separates words that different processors write.
const cacheLine = 64

// pageBytes is the smallest page there is.
const pageBytes = 4096

// A chunk is a piece of the ring's memory. Its bytes are plain memory. Who may touch them:
//
//   - the writer, at or behind the committed end, until the chunk is sealed;
//   - a reader that has pinned the chunk, before the committed end;
//   - the writer again after it has claimed the chunk, which it can only while nobody has it pinned.
type chunk struct {
	// state is the chunk's number (upper 48 bits; numberNone while it holds nothing that may be
	// read) and how many readers have it pinned (lower 16 bits). Both in one word, so that a reader
	// pins chunk n only while it is chunk n.
	state atomic.Uint64
	_     [cacheLine - 8]byte
	end   atomic.Uint64 // an extent; written by the writer at each Publish
	first atomic.Uint64 // index of the first entry; written by the writer while claimed
	_     [cacheLine - 16]byte
	buf   []byte
}

const (
	pinBits    = 16
	pinMask    = 1<<pinBits - 1
	numberNone = 1<<(64-pinBits) - 1
)

func newChunk(size int) *chunk {
	c := &chunk{buf: make([]byte, size)}
	for i := 0; i < size; i += pageBytes {
		c.buf[i] = 0xff // fault the page in now
	}
	c.state.Store(numberNone << pinBits)
	return c
}

// pin holds the chunk for a reader, unless it is not chunk n any more.
func (c *chunk) pin(n uint64) bool {
	for {
		s := c.state.Load()
		if s>>pinBits != n {
			return false
		}
		if c.state.CompareAndSwap(s, s+1) {
			return true
		}
	}
}

// unpin ends pin.
func (c *chunk) unpin() {
	if s := c.state.Add(^uint64(0)); s&pinMask == pinMask {
		panic("bus: a chunk was released that nobody held")
	}
}

// claim takes the chunk away from readers to come, unless a reader has it pinned.
func (c *chunk) claim() bool {
	s := c.state.Load()
	return s&pinMask == 0 && c.state.CompareAndSwap(s, numberNone<<pinBits)
}

// begin makes a claimed chunk chunk n, empty.
func (c *chunk) begin(n, first uint64) {
	if c.state.Load() != numberNone<<pinBits || n >= numberNone {
		panic(fmt.Sprintf("bus: chunk %d begins in state %#x", n, c.state.Load()))
	}
	c.end.Store(0)
	c.first.Store(first)
	c.state.Store(n << pinBits)
}

// extent returns the index of the first entry of chunk n and its committed end, without a pin.
func (c *chunk) extent(n uint64) (first uint64, end extent, ok bool) {
	if c.state.Load()>>pinBits != n {
		return 0, 0, false
	}
	first, end = c.first.Load(), extent(c.end.Load())
	return first, end, c.state.Load()>>pinBits == n
}

// An extent is the committed end of a chunk in one word: the bytes that may be read (lower 32
// bits), the entries in them (31 bits), and whether the chunk is sealed: the writer has gone on to
// the next one.
type extent uint64

const extentSealed = 1 << 63

func newExtent(offset int, count uint64) extent { return extent(uint64(offset) | count<<32) }

func (e extent) offset() uint32 { return uint32(e) }
func (e extent) count() uint64  { return uint64(e &^ extentSealed >> 32) }
func (e extent) sealed() bool   { return e&extentSealed != 0 }

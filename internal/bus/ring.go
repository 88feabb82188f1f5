package bus

import (
	"errors"
	"fmt"
	"math/bits"
	"sync"
	"sync/atomic"
)

// ReadersMax is the most readers a ring has at a time. Sleeping readers are bits of one word, so
// that the writer sees with one load that nobody sleeps.
const ReadersMax = 64

// ErrReadersMax is returned by NewReader when ReadersMax readers are open.
var ErrReadersMax = errors.New("too many readers")

// Limits of a configuration.
const (
	chunksMax     = 1 << 20
	chunkBytesMin = 1 << 8
	chunkBytesMax = 1 << 30 // an offset has 32 bits
	ringBytesMax  = 1 << 36
)

// Config says how large a ring is. A reader that is less than Chunks-1 chunks behind is not lapped.
type Config struct {
	Chunks     int // a power of two, at least 2
	ChunkBytes int // a power of two, 256 to 1<<30; an entry's header and payload must fit
}

// DefaultConfig returns 64 chunks of 64 KiB: 4 MiB, room for about 52 000 mbo records.
func DefaultConfig() Config { return Config{Chunks: 64, ChunkBytes: 64 << 10} }

// Validate explains what is wrong with c.
func (c Config) Validate() error {
	if c.Chunks < 2 || c.Chunks > chunksMax || bits.OnesCount(uint(c.Chunks)) != 1 {
		return fmt.Errorf("ring chunks %d: want a power of two, 2 to %d", c.Chunks, chunksMax)
	}
	if c.ChunkBytes < chunkBytesMin || c.ChunkBytes > chunkBytesMax || bits.OnesCount(uint(c.ChunkBytes)) != 1 {
		return fmt.Errorf("ring chunk bytes %d: want a power of two, %d to %d", c.ChunkBytes, chunkBytesMin, chunkBytesMax)
	}
	if c.Chunks > ringBytesMax/c.ChunkBytes {
		return fmt.Errorf("ring of %d chunks of %d bytes: want at most %d bytes in all", c.Chunks, c.ChunkBytes, ringBytesMax)
	}
	return nil
}

// A Ring passes entries from one writer to many readers. The writer's methods (Append, Reserve,
// Publish, Wake) belong to one goroutine. The others may be called by anyone.
type Ring struct {
	cfg   Config
	mask  uint64
	slots []atomic.Pointer[chunk] // chunk n is in slot n&mask while the ring holds it; written by the writer

	mu      sync.Mutex // of used
	used    uint64     // a bit for each open reader
	readers [ReadersMax]atomic.Pointer[Reader]

	spares  atomic.Int64  // written by the writer
	evicted atomic.Uint64 // written by the writer

	_        [cacheLine]byte
	newest   atomic.Uint64 // number of the last chunk begun; written by the writer
	_        [cacheLine - 8]byte
	sleeping atomic.Uint64 // a bit for each reader that declared to sleep; set by readers, taken by the writer
	_        [cacheLine - 8]byte
	writer   writer
	_        [cacheLine]byte
}

// New returns an empty ring. It allocates all chunks and touches their pages, so that the first
// round does not meet page faults.
func New(cfg Config) (*Ring, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	r := &Ring{cfg: cfg, mask: uint64(cfg.Chunks - 1), slots: make([]atomic.Pointer[chunk], cfg.Chunks)}
	for i := range r.slots {
		r.slots[i].Store(newChunk(cfg.ChunkBytes))
	}
	r.begin(0, 0)
	return r, nil
}

// Newest returns the position behind the last entry published.
func (r *Ring) Newest() Cursor {
	for {
		n := r.newest.Load()
		c := r.slots[n&r.mask].Load()
		if first, end, ok := c.extent(n); ok {
			return Cursor{chunk: n, offset: end.offset(), index: first + end.count()}
		}
		// The writer went a whole round meanwhile: look again.
	}
}

// Oldest returns the position of the oldest entry the ring still has. The writer takes it away as
// soon as it begins another chunk.
func (r *Ring) Oldest() Cursor {
	for {
		newest := r.newest.Load()
		n := newest - min(newest, r.mask)
		for ; n <= newest; n++ { // the writer may take the first ones away meanwhile
			if first, _, ok := r.slots[n&r.mask].Load().extent(n); ok {
				return Cursor{chunk: n, index: first}
			}
		}
	}
}

// PayloadMax is the longest payload of an entry in bytes.
func (r *Ring) PayloadMax() int { return r.cfg.ChunkBytes - headerBytes }

// Stats are a ring's figures.
type Stats struct {
	Entries     uint64 // published since the ring was made
	Readers     int    // open now
	Chunks      int    // of the ring itself
	Spares      int    // chunks beside them, because readers held some that were due; at most the most readers ever open
	Evicted     uint64 // how often a chunk that was due was held by a reader and was replaced by a spare
	MemoryBytes int    // of Chunks and Spares
}

// Stats returns the ring's figures.
func (r *Ring) Stats() Stats {
	r.mu.Lock()
	open := bits.OnesCount64(r.used)
	r.mu.Unlock()
	spares := int(r.spares.Load())
	return Stats{
		Entries:     r.Newest().index,
		Readers:     open,
		Chunks:      r.cfg.Chunks,
		Spares:      spares,
		Evicted:     r.evicted.Load(),
		MemoryBytes: (r.cfg.Chunks + spares) * r.cfg.ChunkBytes,
	}
}

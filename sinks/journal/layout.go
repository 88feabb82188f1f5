package journal

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"

	"tidegate/internal/vfs"
	"tidegate/market"
)

// Sizes of the format. See the package comment.
const (
	formatVersion      = 1
	sectorBytes        = vfs.SectorBytes
	segmentHeaderBytes = sectorBytes
	batchHeaderBytes   = 96
	entryHeaderBytes   = 16
	gapBytes           = 40
	batchBytesMax      = 1 << 20 // header and padding included
)

// PayloadMax is the longest payload of an entry in bytes.
const PayloadMax = 64 << 10

var (
	segmentMagic = [8]byte{'T', 'I', 'D', 'E', 'J', 'R', 'N', 'L'}
	batchMagic   = [4]byte{'T', 'G', 'B', '1'}
	castagnoli   = crc32.MakeTable(crc32.Castagnoli)
)

// noTime is earlier than every receive time.
const noTime market.Nanos = math.MinInt64

// segmentHeader is what a segment starts with.
type segmentHeader struct {
	Journal uint64       // the journal's id, drawn when it was made
	Number  uint64       // of the segment; the next one has the next number or a higher one
	Epoch   uint64       // one per Open
	Base    uint64       // index of the first entry
	Chain   uint64       // running hash of the batches before
	Latest  market.Nanos // latest receive time of the entries before; noTime where there are none
	Created market.Nanos // wall clock
}

func (h *segmentHeader) append(b []byte) []byte {
	start := len(b)
	b = append(b, make([]byte, segmentHeaderBytes)...)
	p := b[start:]
	copy(p, segmentMagic[:])
	binary.LittleEndian.PutUint32(p[8:], formatVersion)
	binary.LittleEndian.PutUint32(p[12:], sectorBytes)
	binary.LittleEndian.PutUint64(p[16:], h.Journal)
	binary.LittleEndian.PutUint64(p[24:], h.Number)
	binary.LittleEndian.PutUint64(p[32:], h.Epoch)
	binary.LittleEndian.PutUint64(p[40:], h.Base)
	binary.LittleEndian.PutUint64(p[48:], h.Chain)
	binary.LittleEndian.PutUint64(p[56:], uint64(h.Latest))
	binary.LittleEndian.PutUint64(p[64:], uint64(h.Created))
	binary.LittleEndian.PutUint32(p[segmentHeaderBytes-4:], crc32.Checksum(p[:segmentHeaderBytes-4], castagnoli))
	return b
}

// errVersion is for a segment of a format that is newer than this program.
var errVersion = errors.New("unknown format version")

func (h *segmentHeader) parse(p []byte) error {
	if len(p) < segmentHeaderBytes {
		return errors.New("segment header is cut")
	}
	p = p[:segmentHeaderBytes]
	if [8]byte(p) != segmentMagic {
		return errors.New("no segment header")
	}
	if crc32.Checksum(p[:segmentHeaderBytes-4], castagnoli) != binary.LittleEndian.Uint32(p[segmentHeaderBytes-4:]) {
		return errors.New("CRC of the segment header does not match")
	}
	if v := binary.LittleEndian.Uint32(p[8:]); v != formatVersion || binary.LittleEndian.Uint32(p[12:]) != sectorBytes {
		return fmt.Errorf("%w %d", errVersion, v)
	}
	*h = segmentHeader{
		Journal: binary.LittleEndian.Uint64(p[16:]),
		Number:  binary.LittleEndian.Uint64(p[24:]),
		Epoch:   binary.LittleEndian.Uint64(p[32:]),
		Base:    binary.LittleEndian.Uint64(p[40:]),
		Chain:   binary.LittleEndian.Uint64(p[48:]),
		Latest:  market.Nanos(binary.LittleEndian.Uint64(p[56:])),
		Created: market.Nanos(binary.LittleEndian.Uint64(p[64:])),
	}
	return nil
}

// batchHeader is what a batch starts with.
type batchHeader struct {
	Journal, Segment, Epoch uint64
	First, Last             uint64 // indexes
	Earliest, Latest        market.Nanos
	Durable                 uint64 // the durable index when the batch was written
	Prev                    uint64 // running hash of the batches before
	BodyBytes               uint32 // without padding
	BodyCRC                 uint32 // of body and padding
	Entries                 uint32
	Gap                     bool // the one entry is a gap
}

// put writes the header to the beginning of p.
func (h *batchHeader) put(p []byte) {
	p = p[:batchHeaderBytes]
	copy(p, batchMagic[:])
	binary.LittleEndian.PutUint64(p[8:], h.Journal)
	binary.LittleEndian.PutUint64(p[16:], h.Segment)
	binary.LittleEndian.PutUint64(p[24:], h.Epoch)
	binary.LittleEndian.PutUint64(p[32:], h.First)
	binary.LittleEndian.PutUint64(p[40:], h.Last)
	binary.LittleEndian.PutUint64(p[48:], uint64(h.Earliest))
	binary.LittleEndian.PutUint64(p[56:], uint64(h.Latest))
	binary.LittleEndian.PutUint64(p[64:], h.Durable)
	binary.LittleEndian.PutUint64(p[72:], h.Prev)
	binary.LittleEndian.PutUint32(p[80:], h.BodyBytes)
	binary.LittleEndian.PutUint32(p[84:], h.BodyCRC)
	binary.LittleEndian.PutUint32(p[88:], h.Entries)
	p[92], p[93], p[94], p[95] = 1, 0, 0, 0
	if h.Gap {
		p[92] = 2
	}
	binary.LittleEndian.PutUint32(p[4:], crc32.Checksum(p[8:], castagnoli))
}

// What can be wrong with the header of a batch.
var (
	errNoBatch      = errors.New("no batch")
	errHeaderCRC    = errors.New("CRC of the batch header does not match")
	errHeaderFields = errors.New("batch header contradicts itself")
)

func (h *batchHeader) parse(p []byte) error {
	if len(p) < batchHeaderBytes || [4]byte(p) != batchMagic {
		return errNoBatch
	}
	p = p[:batchHeaderBytes]
	if crc32.Checksum(p[8:], castagnoli) != binary.LittleEndian.Uint32(p[4:]) {
		return errHeaderCRC
	}
	*h = batchHeader{
		Journal:   binary.LittleEndian.Uint64(p[8:]),
		Segment:   binary.LittleEndian.Uint64(p[16:]),
		Epoch:     binary.LittleEndian.Uint64(p[24:]),
		First:     binary.LittleEndian.Uint64(p[32:]),
		Last:      binary.LittleEndian.Uint64(p[40:]),
		Earliest:  market.Nanos(binary.LittleEndian.Uint64(p[48:])),
		Latest:    market.Nanos(binary.LittleEndian.Uint64(p[56:])),
		Durable:   binary.LittleEndian.Uint64(p[64:]),
		Prev:      binary.LittleEndian.Uint64(p[72:]),
		BodyBytes: binary.LittleEndian.Uint32(p[80:]),
		BodyCRC:   binary.LittleEndian.Uint32(p[84:]),
		Entries:   binary.LittleEndian.Uint32(p[88:]),
		Gap:       p[92] == 2,
	}
	entries := h.Last - h.First + 1
	if h.Gap {
		entries = 1
	}
	if p[92] != 1 && p[92] != 2 || p[93]|p[94]|p[95] != 0 ||
		h.First == 0 || h.Last < h.First || h.Last == math.MaxUint64 || h.Durable >= h.First ||
		h.Entries == 0 || uint64(h.Entries) != entries ||
		h.BodyBytes > batchBytesMax-batchHeaderBytes || uint64(h.BodyBytes) < entries*entryHeaderBytes {
		return errHeaderFields
	}
	return nil
}

// bytes returns what the batch takes in the segment.
func (h *batchHeader) bytes() int64 { return sectors(batchHeaderBytes + int64(h.BodyBytes)) }

// sectors rounds up to whole sectors.
func sectors(n int64) int64 { return (n + sectorBytes - 1) &^ (sectorBytes - 1) }

// chainOf returns the running hash after a batch: a hash of its header, which holds the one before.
func chainOf(header []byte) uint64 {
	sum := sha256.Sum256(header[:batchHeaderBytes])
	return binary.LittleEndian.Uint64(sum[:])
}

// fill completes the body of a batch: b is room for the header, and the body. It appends the padding, and
// returns b.
func (h *batchHeader) fill(b []byte) []byte {
	h.BodyBytes = uint32(len(b) - batchHeaderBytes)
	for pad := sectors(int64(len(b))) - int64(len(b)); pad > 0; pad-- {
		b = append(b, 0)
	}
	h.BodyCRC = crc32.Checksum(b[batchHeaderBytes:], castagnoli)
	return b
}

// A Header says what an entry is about. The journal carries it and does not interpret it.
type Header struct {
	At   market.Nanos // receive time
	Feed uint16       // feed or stream, as its users number them
	Kind uint8        // what the payload is, as its users number them
}

// entryBytes is what an entry with a payload of n bytes takes.
func entryBytes(n int) int { return (entryHeaderBytes + n + 7) &^ 7 }

// put writes the header of an entry to the beginning of b.
func (h Header) put(b []byte, payload int, gap bool) {
	word := uint64(payload) | uint64(h.Feed)<<32 | uint64(h.Kind)<<48
	if gap {
		word |= 1 << 56
	}
	binary.LittleEndian.PutUint64(b, word)
	binary.LittleEndian.PutUint64(b[8:], uint64(h.At))
}

// getEntry reads the header of an entry: b holds that at least.
func getEntry(b []byte) (h Header, payload int, gap bool) {
	word := binary.LittleEndian.Uint64(b)
	h = Header{At: market.Nanos(binary.LittleEndian.Uint64(b[8:])), Feed: uint16(word >> 32), Kind: uint8(word >> 48)}
	return h, int(uint32(word)), word>>56 != 0
}

var errEntries = errors.New("entries do not fill the batch")

// checkBody returns an error unless the entries of a batch fill its body and are what the header says.
func (h *batchHeader) checkBody(body []byte) error {
	earliest, latest := market.Nanos(math.MaxInt64), noTime
	rest := body
	for range h.Entries {
		if len(rest) < entryHeaderBytes {
			return errEntries
		}
		e, n, gap := getEntry(rest)
		if gap != h.Gap || n > PayloadMax || entryBytes(n) > len(rest) || gap && n != gapBytes {
			return errEntries
		}
		if gap {
			var g Gap
			if g.parse(rest[entryHeaderBytes:]); g.From != h.First || g.To != h.Last {
				return errEntries
			}
			earliest, latest = g.Earliest, g.Latest
		}
		earliest, latest = min(earliest, e.At), max(latest, e.At)
		rest = rest[entryBytes(n):]
	}
	if len(rest) != 0 || earliest != h.Earliest || latest != h.Latest {
		return errEntries
	}
	return nil
}

// A Gap is a range of entries that were given to Append and are not in the journal.
type Gap struct {
	From, To         uint64 // indexes, both included
	Reason           Reason
	Earliest, Latest market.Nanos // receive times
}

// Count returns how many entries are missing.
func (g *Gap) Count() uint64 { return g.To - g.From + 1 }

// Reason says why entries are not in the journal.
type Reason uint32

// Reasons.
const (
	QueueFull      Reason = 1 + iota // the disk was slower than the entries for longer than memory lasts
	DiskFull                         // the disk was full for longer than memory lasts
	DiskFailed                       // the disk failed for longer than memory lasts
	PayloadTooLong                   // the payload was longer than PayloadMax
)

var reasonNames = [...]string{"?", "queue full", "disk full", "disk failed", "payload too long"}

// String returns the reason in words.
func (r Reason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return reasonNames[0]
}

// put writes g to the beginning of p.
func (g *Gap) put(p []byte) {
	binary.LittleEndian.PutUint64(p, g.From)
	binary.LittleEndian.PutUint64(p[8:], g.To)
	binary.LittleEndian.PutUint32(p[16:], uint32(g.Reason))
	binary.LittleEndian.PutUint32(p[20:], 0)
	binary.LittleEndian.PutUint64(p[24:], uint64(g.Earliest))
	binary.LittleEndian.PutUint64(p[32:], uint64(g.Latest))
}

// parse reads a gap from p, which holds gapBytes at least.
func (g *Gap) parse(p []byte) {
	*g = Gap{
		From:     binary.LittleEndian.Uint64(p),
		To:       binary.LittleEndian.Uint64(p[8:]),
		Reason:   Reason(binary.LittleEndian.Uint32(p[16:])),
		Earliest: market.Nanos(binary.LittleEndian.Uint64(p[24:])),
		Latest:   market.Nanos(binary.LittleEndian.Uint64(p[32:])),
	}
}

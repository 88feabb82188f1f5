package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"

	"tidegate/internal/vfs"
)

// A packed segment is a zstd file: unpacked by any tool it is the segment. Its frames are
// independent, the first one has the header of the segment, every other one whole batches, up to
// frameBytes; at the end a skippable frame lists their sizes ("seekable format" of zstd, version
// 0.1.0, without checksums):
//
//	0   4  0x184D2A5E  skippable frame
//	4   4  length of the rest
//	8   8  each frame: bytes packed, bytes unpacked
//	    4  frames
//	    1  0: no checksums
//	    4  0x8F92EAB1
//
// If the list is lost or damaged, the frames are found by going from one to the next.
const (
	frameBytes     = batchBytesMax
	seekTableMagic = 0x184D2A5E
	seekableMagic  = 0x8F92EAB1
	seekHeadBytes  = 8
	seekRowBytes   = 8
	seekFootBytes  = 9
	seekRowsMax    = 1 << 20
)

// frame is where the bytes of a frame are.
type frame struct {
	packedAt, packedBytes int64
	at, bytes             int64
}

// unpacker is shared by everybody: DecodeAll may be called by any goroutine.
var unpacker = sync.OnceValue(func() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(2*frameBytes), zstd.WithDecoderMaxWindow(2*frameBytes))
	if err != nil {
		panic(fmt.Sprintf("journal: zstd: %v", err)) // the options are ours
	}
	return d
})

// packed reads a packed segment as if it were not. A frame that cannot be unpacked reads as zeros, which
// are no batch.
type packed struct {
	file   vfs.File
	frames []frame

	mu     sync.Mutex // of what follows
	cached int        // frame that is in plain; -1 for none
	plain  []byte
	buf    []byte
	bad    error // why a frame could not be unpacked, the last one
}

var errFrames = errors.New("frames of the packed segment cannot be found")

// openPacked takes f over if it returns no error.
func openPacked(f vfs.File) (*packed, error) {
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	p := &packed{file: f, cached: -1}
	p.frames, err = readSeekTable(f, size)
	if errors.Is(err, errFrames) {
		p.frames, err = walkFrames(f, size)
	}
	return p, err
}

// readSeekTable reads where the frames are.
func readSeekTable(f io.ReaderAt, size int64) ([]frame, error) {
	if size < seekHeadBytes+seekFootBytes {
		return nil, errFrames
	}
	foot, err := readAt(f, nil, seekFootBytes, size-seekFootBytes)
	if err != nil {
		return nil, err
	}
	if len(foot) < seekFootBytes || binary.LittleEndian.Uint32(foot[5:]) != seekableMagic || foot[4] != 0 {
		return nil, errFrames
	}
	n := int64(binary.LittleEndian.Uint32(foot))
	bytes := n*seekRowBytes + seekFootBytes
	start := size - seekHeadBytes - bytes
	if n > seekRowsMax || start < 0 {
		return nil, errFrames
	}
	b, err := readAt(f, nil, int(seekHeadBytes+bytes), start)
	if err != nil {
		return nil, err
	}
	if int64(len(b)) < seekHeadBytes+bytes || binary.LittleEndian.Uint32(b) != seekTableMagic || int64(binary.LittleEndian.Uint32(b[4:])) != bytes {
		return nil, errFrames
	}
	var frames []frame
	var at frame
	for i := range n {
		row := b[seekHeadBytes+i*seekRowBytes:]
		at.packedBytes, at.bytes = int64(binary.LittleEndian.Uint32(row)), int64(binary.LittleEndian.Uint32(row[4:]))
		if at.bytes > frameBytes || at.packedBytes > 2*frameBytes {
			return nil, errFrames
		}
		frames = append(frames, at)
		at.packedAt, at.at = at.packedAt+at.packedBytes, at.at+at.bytes
	}
	if at.packedAt != start {
		return nil, errFrames
	}
	return frames, nil
}

// appendSeekTable writes where the frames are.
func appendSeekTable(b []byte, frames []frame) []byte {
	b = binary.LittleEndian.AppendUint32(b, seekTableMagic)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(frames)*seekRowBytes+seekFootBytes))
	for _, f := range frames {
		b = binary.LittleEndian.AppendUint32(b, uint32(f.packedBytes))
		b = binary.LittleEndian.AppendUint32(b, uint32(f.bytes))
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(len(frames)))
	b = append(b, 0)
	return binary.LittleEndian.AppendUint32(b, seekableMagic)
}

// walkFrames finds the frames without a list: by the lengths in their headers and blocks (RFC 8878,
// section 3.1.1).
func walkFrames(f io.ReaderAt, size int64) (frames []frame, err error) {
	var buf []byte
	var at frame
	for at.packedAt < size {
		if buf, err = readAt(f, buf, zstd.HeaderMaxSize, at.packedAt); err != nil {
			return nil, err
		}
		var h zstd.Header
		if h.Decode(buf) != nil || h.Skippable {
			break // the list, or what is left of it
		}
		if !h.HasFCS || h.FrameContentSize > frameBytes {
			break
		}
		n := int64(h.HeaderSize)
		for last := false; !last; {
			if buf, err = readAt(f, buf, 3, at.packedAt+n); err != nil {
				return nil, err
			}
			if len(buf) < 3 {
				return nil, fmt.Errorf("%w: frame at byte %d is cut", errFrames, at.packedAt)
			}
			word := uint32(buf[0]) | uint32(buf[1])<<8 | uint32(buf[2])<<16
			last = word&1 != 0
			n += 3
			if word>>1&3 == 1 {
				n++ // one byte, repeated
			} else {
				n += int64(word >> 3)
			}
		}
		if h.HasCheckSum {
			n += 4
		}
		at.packedBytes, at.bytes = n, int64(h.FrameContentSize)
		frames = append(frames, at)
		at.packedAt, at.at = at.packedAt+n, at.at+at.bytes
	}
	if len(frames) == 0 {
		return nil, errFrames
	}
	return frames, nil
}

// Size returns the bytes of the segment, unpacked.
func (p *packed) Size() (int64, error) {
	if len(p.frames) == 0 {
		return 0, nil
	}
	last := p.frames[len(p.frames)-1]
	return last.at + last.bytes, nil
}

// ReadAt is io.ReaderAt, of the segment unpacked.
func (p *packed) ReadAt(b []byte, offset int64) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for n < len(b) {
		i := p.find(offset + int64(n))
		if i < 0 {
			return n, io.EOF
		}
		if err := p.load(i); err != nil {
			return n, err
		}
		n += copy(b[n:], p.plain[offset+int64(n)-p.frames[i].at:])
	}
	return n, nil
}

// find returns the frame that holds an offset, or -1.
func (p *packed) find(offset int64) int {
	lo, hi := 0, len(p.frames)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if f := p.frames[mid]; offset >= f.at+f.bytes {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo == len(p.frames) {
		return -1
	}
	return lo
}

// load unpacks a frame. The error is one of reading.
func (p *packed) load(i int) (err error) {
	if p.cached == i {
		return nil
	}
	f := p.frames[i]
	p.cached = -1
	if p.buf, err = readAt(p.file, p.buf, int(f.packedBytes), f.packedAt); err != nil {
		return err
	}
	p.plain, err = unpacker().DecodeAll(p.buf, p.plain[:0])
	if err == nil && int64(len(p.plain)) != f.bytes {
		err = fmt.Errorf("%d bytes unpacked, want %d", len(p.plain), f.bytes)
	}
	if err != nil {
		p.bad = fmt.Errorf("frame %d: %w", i, err)
		p.plain = append(p.plain[:0], make([]byte, f.bytes)...)
	}
	p.cached = i
	return nil
}

// Close closes the file.
func (p *packed) Close() error { return p.file.Close() }

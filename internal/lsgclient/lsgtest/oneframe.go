package lsgtest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

const zstdMagic = 0xFD2FB528

var errSecondFrame = errors.New("bytes behind the end of the first zstd frame")

// oneFrame passes a zstd stream on and fails when anything follows its first frame. It reads no
// more of the format (RFC 8878) than where a frame ends:
//
//	magic u32, descriptor u8, 0 to 13 bytes that the descriptor tells,
//	blocks: u24 header (bit 0: last, bits 1-2: type, else: size), content,
//	4 bytes of checksum if the descriptor says so
type oneFrame struct {
	r io.Reader

	step     func(piece []byte) error // takes the piece when it is complete
	piece    []byte                   // what has been collected of it
	want     int                      // its size
	checksum bool
	last     bool
}

func (f *oneFrame) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if bad := f.follow(p[:n]); bad != nil {
		return 0, bad
	}
	return n, err
}

func (f *oneFrame) follow(b []byte) error {
	if f.step == nil {
		f.expect(5, f.onStart)
	}
	for {
		n := min(len(b), f.want-len(f.piece))
		f.piece = append(f.piece, b[:n]...)
		b = b[n:]
		if len(f.piece) < f.want {
			return nil
		}
		if f.want == 0 && len(b) == 0 {
			return nil // at the end of the frame, or of an empty piece: more may come
		}
		if err := f.step(f.piece); err != nil {
			return err
		}
	}
}

// expect sets what comes next.
func (f *oneFrame) expect(size int, step func(piece []byte) error) {
	f.piece, f.want, f.step = f.piece[:0], size, step
}

func (f *oneFrame) onStart(p []byte) error {
	if magic := binary.LittleEndian.Uint32(p); magic != zstdMagic {
		return fmt.Errorf("no zstd frame: it starts with 0x%08x", magic)
	}
	descriptor := p[4]
	single := descriptor & 0x20
	size := [4]int{0, 1, 2, 4}[descriptor&3] + [4]int{0, 2, 4, 8}[descriptor>>6]
	if single == 0 || descriptor>>6 == 0 {
		size++ // a window descriptor, or a content size of one byte: never both
	}
	f.checksum = descriptor&0x04 != 0
	f.expect(size, f.onHeader)
	return nil
}

func (f *oneFrame) onHeader([]byte) error {
	f.expect(3, f.onBlock)
	return nil
}

func (f *oneFrame) onBlock(p []byte) error {
	header := uint32(p[0]) | uint32(p[1])<<8 | uint32(p[2])<<16
	f.last = header&1 != 0
	size := int(header >> 3)
	if header>>1&3 == 1 { // one byte, to be repeated
		size = 1
	}
	f.expect(size, f.onContent)
	return nil
}

func (f *oneFrame) onContent([]byte) error {
	switch {
	case !f.last:
		f.expect(3, f.onBlock)
	case f.checksum:
		f.checksum = false
		f.expect(4, f.onContent)
	default:
		f.expect(0, func([]byte) error { return errSecondFrame })
	}
	return nil
}

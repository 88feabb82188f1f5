package openfile

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Names that Reader.Compression returns.
const (
	Plain = "plain"
	Gzip  = "gzip"
	Zstd  = "zstd"
)

var (
	// ErrEmpty is returned (wrapped) for a file without a byte.
	ErrEmpty = errors.New("file is empty")
	// ErrCut is returned (wrapped) at the end of a compressed stream that stops in its middle. The
	// error wraps io.ErrUnexpectedEOF too.
	ErrCut = errors.New("compressed stream is cut")
	// ErrCorrupt is returned (wrapped) where a compressed stream cannot be what a compressor wrote,
	// or asks for a zstd window larger than 128 MiB. Damage may also show as ErrCut, where it makes a
	// stream look longer than it is.
	ErrCorrupt = errors.New("compressed stream is corrupt")
)

const (
	// inputBytes is the size of the buffer between the file and the decompressor.
	inputBytes = 64 << 10
	// windowBytesMax bounds the memory a zstd stream can demand. It is the limit of the zstd command.
	windowBytesMax = 128 << 20
)

// Magic numbers at the start of a file: RFC 1952 section 2.3.1, RFC 8878 sections 3.1.1 and 3.1.2.
var (
	gzipMagic = []byte{0x1f, 0x8b}
	zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}
	// A zstd file may begin with a skippable frame, whose first byte is 0x50 to 0x5f.
	zstdSkippable = []byte{0x2a, 0x4d, 0x18}
)

// Reader unpacks a stream. It is owned by one goroutine, but Consumed may be called from any.
type Reader struct {
	src         source
	in          *bufio.Reader
	plain       io.Reader
	zstd        *zstd.Decoder // nil unless compression is Zstd
	compression string
	delivered   int64 // plain bytes returned so far
	err         error // what every further Read returns
}

// NewReader tells the compression of r from its first bytes and returns a reader of the plain
// bytes. It returns ErrEmpty for a stream without a byte, and r's error if r fails at once; a fault
// of the compressed stream is Read's to report. A stream that ends inside a magic number counts as
// plain.
func NewReader(r io.Reader) (*Reader, error) {
	z := &Reader{src: source{r: r}}
	z.in = bufio.NewReaderSize(&z.src, inputBytes)
	head, err := z.in.Peek(len(zstdMagic))
	if err != nil && err != io.EOF {
		return nil, err
	}
	switch {
	case len(head) == 0:
		return nil, ErrEmpty
	case bytes.HasPrefix(head, gzipMagic):
		z.compression = Gzip
	case isZstd(head):
		z.compression = Zstd
	default:
		z.compression = Plain
		z.plain = z.in
	}
	return z, nil
}

func isZstd(head []byte) bool {
	if len(head) < len(zstdMagic) {
		return false
	}
	return bytes.Equal(head, zstdMagic) || head[0]>>4 == 5 && bytes.Equal(head[1:], zstdSkippable)
}

// Read reads plain bytes into p. At the end of a whole stream it returns io.EOF. At a fault it
// first returns what could be unpacked, and then, from every further call, an error that wraps
// ErrCut or ErrCorrupt, or the error of the underlying reader.
func (z *Reader) Read(p []byte) (int, error) {
	if z.err != nil {
		return 0, z.err
	}
	if z.plain == nil {
		if z.err = z.start(); z.err != nil {
			return 0, z.err
		}
	}
	n, err := z.plain.Read(p)
	z.delivered += int64(n)
	if err != nil {
		z.err = z.explain(err)
		if n > 0 {
			err = nil // the bytes first, the error with the next call
		} else {
			err = z.err
		}
	}
	return n, err
}

// start makes the decompressor. It runs at the first Read, because making one reads the header.
func (z *Reader) start() error {
	if z.compression == Gzip {
		g, err := gzip.NewReader(z.in)
		if err != nil {
			return z.explain(err)
		}
		z.plain = g
		return nil
	}
	d, err := zstd.NewReader(z.in,
		zstd.WithDecoderConcurrency(1), // decode in the caller's goroutine
		zstd.WithDecoderMaxWindow(windowBytesMax),
		zstd.WithDecoderMaxMemory(windowBytesMax),
	)
	if err != nil {
		return z.explain(err)
	}
	z.zstd, z.plain = d, d
	return nil
}

// explain turns an error of the decompressor into one of ours. The source's own failure comes
// first: a bad disk is no corrupt stream.
func (z *Reader) explain(err error) error {
	switch {
	case z.src.err != nil:
		return z.src.err
	case err == io.EOF:
		return io.EOF
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w after %d plain bytes: %w", ErrCut, z.delivered, io.ErrUnexpectedEOF)
	default:
		return fmt.Errorf("%w after %d plain bytes: %w", ErrCorrupt, z.delivered, err)
	}
}

// Compression returns Plain, Gzip or Zstd.
func (z *Reader) Compression() string { return z.compression }

// Consumed returns how many compressed bytes were read from the underlying reader so far, read-ahead
// included. It may be called from any goroutine.
func (z *Reader) Consumed() int64 { return z.src.n.Load() }

// Close frees the decompressor's memory. It does not close the underlying reader.
func (z *Reader) Close() error {
	if z.zstd != nil {
		z.zstd.Close()
		z.zstd = nil
	}
	z.plain = nil
	z.err = errClosed
	return nil
}

var errClosed = errors.New("read after close")

// source counts what is read, and keeps the reader's own error apart from the decompressor's.
type source struct {
	r   io.Reader
	n   atomic.Int64 // written by the reading goroutine, read by any
	err error        // first error other than io.EOF
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.n.Add(int64(n))
	if err != nil && err != io.EOF && s.err == nil {
		s.err = err
	}
	return n, err
}

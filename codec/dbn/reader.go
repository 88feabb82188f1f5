package dbn

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

const (
	// readerBufferSize is large enough that reading from a file is not the bottleneck.
	readerBufferSize = 256 << 10
	// emptyReadsMax is how often a stream may return neither bytes nor an error.
	emptyReadsMax = 100
)

// Reader reads records from a stream of plain DBN. It is not safe for concurrent use.
type Reader struct {
	src      io.Reader
	metadata *Metadata
	version  uint8
	tsOut    bool

	buf      []byte
	pos, end int   // what was read and not yet delivered is buf[pos:end]
	offset   int64 // of buf[pos] in the stream
	err      error // of src
	unknown  uint64
}

// NewReader reads the metadata from r and returns a Reader of the records after it. Errors wrap
// ErrNotDBN, ErrVersion, ErrCut, ErrCorrupt or the error of r.
func NewReader(r io.Reader) (*Reader, error) {
	prefix := make([]byte, metadataPrefix)
	n, err := io.ReadFull(r, prefix)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("dbn: read metadata: %w", err)
	}
	size, err := metadataSize(prefix[:n])
	if err != nil {
		return nil, fmt.Errorf("dbn: read metadata: %w", err)
	}
	// The buffer grows with what arrives, not with what the length promises.
	b := bytes.NewBuffer(prefix)
	if _, err := io.Copy(b, io.LimitReader(r, int64(size-metadataPrefix))); err != nil {
		return nil, fmt.Errorf("dbn: read metadata: %w", err)
	}
	m, _, err := ParseMetadata(b.Bytes())
	if err != nil {
		return nil, err
	}
	rd := newReader(r, m.Version)
	rd.metadata = &m
	rd.tsOut = m.TsOut
	rd.offset = int64(size)
	return rd, nil
}

// NewFragmentReader returns a Reader of a fragment: records of a known version, without metadata
// before them and without send times. The error wraps ErrVersion.
func NewFragmentReader(r io.Reader, version uint8) (*Reader, error) {
	if version < 1 || version > Version {
		return nil, fmt.Errorf("dbn: read fragment: %w: %d, want 1 to %d", ErrVersion, version, Version)
	}
	return newReader(r, version), nil
}

func newReader(r io.Reader, version uint8) *Reader {
	return &Reader{src: r, version: version, buf: make([]byte, readerBufferSize)}
}

// Metadata returns the metadata of the stream, or nil for a fragment.
func (r *Reader) Metadata() *Metadata { return r.metadata }

// Unknown returns how many records of unknown type were delivered.
func (r *Reader) Unknown() uint64 { return r.unknown }

// Next returns the next record, a view that is valid until the next call. A record of unknown type
// is delivered like any other: see Record.Known.
//
// After the last record it returns io.EOF. Other errors give the offset of the record in the
// stream, counted from its first byte, metadata included: they wrap ErrCut if the stream ends
// inside the record, ErrCorrupt if the record's length cannot be right, or the error of the
// stream. Every whole record before is delivered first, and every further call returns the same
// error.
//
// Next reads no more often than it must: if the stream is a connection, a record is delivered when
// it has arrived.
func (r *Reader) Next() (Record, error) {
	for {
		b := r.buf[r.pos:r.end]
		if len(b) > 0 {
			if n := int(b[0]) * 4; n <= len(b) || n < HeaderSize {
				return r.deliver(b, n)
			}
		}
		switch {
		case r.err == nil:
			r.fill()
		case r.err == io.EOF && len(b) == 0:
			return Record{}, io.EOF
		case r.err == io.EOF:
			return Record{}, r.failed(ErrCut)
		default:
			return Record{}, r.failed(r.err)
		}
	}
}

// deliver returns the first n bytes of b as a record. It stays where it is if they are none: where
// the next record starts is not known any more.
func (r *Reader) deliver(b []byte, n int) (Record, error) {
	rec, ok := view(b, n, r.version, r.tsOut)
	if !ok {
		return Record{}, r.failed(sizeError(b, n, r.version, r.tsOut))
	}
	if sizes[r.version][rec.RType] == 0 {
		r.unknown++
	}
	r.pos += n
	r.offset += int64(n)
	return rec, nil
}

// fill reads once, behind what is left in the buffer.
func (r *Reader) fill() {
	r.end = copy(r.buf, r.buf[r.pos:r.end])
	r.pos = 0
	for range emptyReadsMax {
		var n int
		n, r.err = r.src.Read(r.buf[r.end:])
		r.end += n
		if n > 0 || r.err != nil {
			return
		}
	}
	r.err = io.ErrNoProgress
}

// failed says where in the stream err happened.
func (r *Reader) failed(err error) error {
	return fmt.Errorf("dbn: read record at byte %d: %w", r.offset, err)
}

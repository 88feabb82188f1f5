package itch50

import (
	"errors"
	"fmt"
	"io"
)

// Errors of a FileReader, wrapped in texts that say where.
var (
	// ErrCut is returned for a file that ends inside a message.
	ErrCut = errors.New("file ends inside a message")
	// ErrAfterEnd is returned for a file with bytes after its end-of-session marker.
	ErrAfterEnd = errors.New("bytes after the end-of-session marker")
	// ErrZeroLengths is returned for a file whose first length is zero although a message follows.
	ErrZeroLengths = errors.New("length fields are zero; lengths can be taken from the message types")
	// ErrUnknownType is returned by a reader that takes lengths from message types, for a type that
	// the protocol does not have.
	ErrUnknownType = errors.New("unknown message type")
)

const (
	lengthLen = 2 // of the length before each message

	// bufferLen is the size of a FileReader's buffer: several of the longest messages the length
	// field allows, and little enough to stay in a core's second-level cache until it is decoded.
	bufferLen = 256 << 10

	// emptyReadsMax is how often in a row a reader may give nothing before it is given up.
	emptyReadsMax = 100
)

// A FileReader reads the messages of a file in Nasdaq's BinaryFILE format. Make one with
// NewFileReader or NewTypedFileReader. It has one buffer and allocates nothing more, except errors.
//
// Block and Next may be mixed: each goes on where the other stopped.
type FileReader struct {
	r       io.Reader
	buf     []byte
	start   int   // of what was not delivered yet
	whole   int   // end of the whole messages known from start on
	count   int   // of those messages
	end     int   // of what was read
	base    int64 // position in the file of buf[0]
	typed   bool  // take lengths from message types
	ended   bool  // the end-of-session marker was read
	readErr error // the underlying reader's last word
	err     error // our last word
}

// NewFileReader returns a reader of a file whose length fields are filled in.
func NewFileReader(r io.Reader) *FileReader {
	return &FileReader{r: r, buf: make([]byte, bufferLen)}
}

// NewTypedFileReader returns a reader that takes the length of each message from its type and does
// not look at the length fields. It reads files that leave them zero, which a reader made with
// NewFileReader refuses with ErrZeroLengths. In the blocks that it returns they are filled in.
func NewTypedFileReader(r io.Reader) *FileReader {
	f := NewFileReader(r)
	f.typed = true
	return f
}

// Next returns the next message, without its length. It is a view that is valid until the next call
// of Next or Block. Errors are those of Block.
func (f *FileReader) Next() ([]byte, error) {
	if f.count == 0 {
		if err := f.fill(); err != nil {
			return nil, err
		}
	}
	msg := f.buf[f.start+lengthLen:]
	msg = msg[:be.Uint16(f.buf[f.start:])]
	f.start += lengthLen + len(msg)
	f.count--
	return msg, nil
}

// Block returns all whole messages at hand, at least one, each after its length as a big-endian u16:
// the layout of the messages in a MoldUDP64 packet. No message is empty. The block is a view that is
// valid until the next call of Next or Block.
//
// The error is io.EOF where the file ends between two messages or with an end-of-session marker:
// Ended tells which. Otherwise it wraps ErrCut, ErrAfterEnd, ErrZeroLengths, ErrUnknownType or the
// error of the underlying reader, and says at which byte of the file. Everything before that byte
// was delivered by then, and further calls return the same error.
func (f *FileReader) Block() (block []byte, messages int, err error) {
	if f.count == 0 {
		if err := f.fill(); err != nil {
			return nil, 0, err
		}
	}
	block, messages = f.buf[f.start:f.whole], f.count
	f.start, f.count = f.whole, 0
	return block, messages, nil
}

// Ended reports whether the end-of-session marker was read. It is known once Next or Block has
// returned io.EOF.
func (f *FileReader) Ended() bool { return f.ended }

// Offset returns the position in the file, in bytes, behind what was delivered last.
func (f *FileReader) Offset() int64 { return f.base + int64(f.start) }

// fill finds at least one whole message or returns the error that ends the file.
func (f *FileReader) fill() error {
	for f.err == nil {
		f.scan()
		if f.count > 0 {
			return nil
		}
		f.err = f.judge()
		if f.err == nil {
			f.read()
		}
	}
	return f.err
}

// scan counts the whole messages from start on.
func (f *FileReader) scan() {
	f.whole, f.count = f.start, 0
	for b := f.buf[f.start:f.end]; len(b) > lengthLen; {
		n := int(be.Uint16(b))
		if f.typed {
			n = Length(b[lengthLen])
		}
		if n == 0 || len(b) < lengthLen+n {
			return
		}
		if f.typed {
			be.PutUint16(b, uint16(n))
		}
		b = b[lengthLen+n:]
		f.whole += lengthLen + n
		f.count++
	}
}

// judge says what is wrong with a remainder that does not begin with a whole message, or returns nil
// if reading on may help.
func (f *FileReader) judge() error {
	b := f.buf[f.start:f.end]
	if len(b) > lengthLen {
		switch {
		case f.typed && Length(b[lengthLen]) == 0:
			return f.fail("message type %q at byte %d: %w", b[lengthLen], f.Offset()+lengthLen, ErrUnknownType)
		case !f.typed && be.Uint16(b) == 0 && f.Offset() == 0:
			return f.fail("message at byte %d: %w", f.Offset(), ErrZeroLengths)
		case !f.typed && be.Uint16(b) == 0:
			return f.fail("byte %d: %w", f.Offset()+lengthLen, ErrAfterEnd)
		}
	}
	switch {
	case f.readErr == nil:
		return nil
	case f.readErr != io.EOF:
		return f.fail("byte %d: %w", f.base+int64(f.end), f.readErr)
	case len(b) == 0:
		return io.EOF
	case len(b) == lengthLen && be.Uint16(b) == 0:
		f.ended = true
		f.start = f.end
		return io.EOF
	case len(b) < lengthLen:
		return f.fail("length at byte %d: has %d of %d bytes: %w", f.Offset(), len(b), lengthLen, ErrCut)
	}
	want := lengthLen + int(be.Uint16(b))
	if f.typed && len(b) > lengthLen {
		want = lengthLen + Length(b[lengthLen])
	}
	return f.fail("message at byte %d: has %d of %d bytes: %w", f.Offset(), len(b), want, ErrCut)
}

func (f *FileReader) fail(format string, args ...any) error {
	return fmt.Errorf("itch file: "+format, args...)
}

// read moves the remainder, which is less than one message, to the front of the buffer and reads on
// behind it.
func (f *FileReader) read() {
	f.base += int64(f.start)
	f.end = copy(f.buf, f.buf[f.start:f.end])
	f.start, f.whole = 0, 0
	for range emptyReadsMax {
		n, err := f.r.Read(f.buf[f.end:])
		f.end += n
		f.readErr = err
		if n > 0 || err != nil {
			return
		}
	}
	f.readErr = io.ErrNoProgress
}

// AppendFramed appends a message to the contents b of a BinaryFILE, after its length. It panics if
// the message is empty, which would end the file, or longer than 65,535 bytes: messages come from
// Append methods, and theirs are neither.
func AppendFramed(b, msg []byte) []byte {
	if len(msg) == 0 || len(msg) > 0xFFFF {
		panic(fmt.Sprintf("itch50: message of %d bytes, want 1 to 65535", len(msg)))
	}
	b = be.AppendUint16(b, uint16(len(msg)))
	return append(b, msg...)
}

// AppendEnd appends the end-of-session marker to the contents b of a BinaryFILE.
func AppendEnd(b []byte) []byte { return append(b, 0, 0) }

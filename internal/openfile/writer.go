package openfile

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

var (
	errDirectory  = errors.New("is a directory")
	errNotRegular = errors.New("is not a regular file")
	errNoName     = errors.New("a file needs a name")
	errAborted    = errors.New("write after close or abort")
)

// outputBytes is the size of the buffer between the compressor and the file.
const outputBytes = 256 << 10

// Sums says what an output file holds.
type Sums struct {
	File       [sha256.Size]byte // SHA-256 of the file as it is on disk
	Plain      [sha256.Size]byte // SHA-256 of the bytes given to Write
	FileBytes  int64
	PlainBytes int64
}

// Writer writes an output file that appears under its name only when Close has succeeded. It is
// owned by one goroutine.
type Writer struct {
	path  string
	temp  string
	f     outputFile
	disk  digest         // counts and hashes what goes to f
	out   *bufio.Writer  // in front of disk
	pack  io.WriteCloser // in front of out; nil for a plain file
	plain digest         // counts and hashes what Write was given; only counts for a plain file
	sums  Sums
	err   error // what every further Write returns
}

// outputFile is the part of os.File that a Writer needs; tests put a failing disk there.
type outputFile interface {
	io.Writer
	Sync() error
	Close() error
}

// Create starts an output file. A path that ends in ".zst" is written as zstd (default level), one
// that ends in ".gz" as gzip, any other as it is. The same plain bytes give the same file, however
// they are split into calls of Write. The path must be free or a regular file, which Close replaces.
// Errors name the path, never the temporary file.
//
// Close the Writer to keep the file, Abort it to leave no trace.
func Create(path string) (*Writer, error) { return createPacked(path, compressionOf(path)) }

func compressionOf(path string) string {
	switch {
	case strings.HasSuffix(path, ".zst"):
		return Zstd
	case strings.HasSuffix(path, ".gz"):
		return Gzip
	default:
		return Plain
	}
}

func createPacked(path, compression string) (*Writer, error) {
	w, err := create(path, compression)
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", path, bare(err))
	}
	return w, nil
}

func create(path, compression string) (*Writer, error) {
	if err := replaceable(path); err != nil {
		return nil, err
	}
	f, err := createTemp(path)
	if err != nil {
		return nil, err
	}
	w, err := newWriter(path, f.Name(), compression, f)
	if err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(f.Name()))
	}
	return w, nil
}

// replaceable refuses what a file cannot take the place of: renaming over a device or a pipe would
// remove it.
func replaceable(path string) error {
	info, err := os.Stat(path)
	switch {
	case path == "":
		return errNoName
	case err != nil:
		return nil // it is free; what else is wrong, creating it will tell
	case info.IsDir():
		return errDirectory
	case !info.Mode().IsRegular():
		return errNotRegular
	default:
		return nil
	}
}

// createTemp makes a new file beside path, with the permissions any new file gets (os.CreateTemp
// would make it private).
func createTemp(path string) (*os.File, error) {
	for try := 0; ; try++ {
		name := fmt.Sprintf("%s.%08x.tmp", path, rand.Uint32())
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if err == nil || !errors.Is(err, os.ErrExist) || try == 100 {
			return f, err
		}
	}
}

func newWriter(path, temp, compression string, f outputFile) (*Writer, error) {
	w := &Writer{path: path, temp: temp, f: f}
	w.disk = digest{w: f, h: sha256.New()}
	w.out = bufio.NewWriterSize(&w.disk, outputBytes)
	switch compression {
	case Zstd:
		z, err := zstd.NewWriter(w.out,
			zstd.WithEncoderLevel(zstd.SpeedDefault),
			zstd.WithEncoderConcurrency(1), // in the caller's goroutine; the bytes depend on nothing else
		)
		if err != nil {
			return nil, err
		}
		w.pack = z
	case Gzip:
		w.pack = gzip.NewWriter(w.out) // without a name or a time in its header
	}
	if w.pack == nil {
		w.plain = digest{w: w.out}
	} else {
		w.plain = digest{w: w.pack, h: sha256.New()}
	}
	return w, nil
}

// Write takes plain bytes; it does not keep p. After an error the file cannot be kept any more:
// every further Write and Close return that error.
func (w *Writer) Write(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	n, err := w.plain.Write(p)
	if err != nil {
		w.err = w.explain(err)
	}
	return n, w.err
}

// Close finishes the file, has it written to disk and gives it its name. If anything failed, then or
// before, it removes what was written and returns the error. A second call does nothing.
func (w *Writer) Close() error {
	if w.f == nil {
		return nil
	}
	if err := w.finish(); err != nil {
		_ = w.Abort() // the first error says more
		return err
	}
	return nil
}

func (w *Writer) finish() error {
	if err := w.seal(); err != nil {
		return err
	}
	if err := w.f.Sync(); err != nil {
		return w.explain(err)
	}
	if err := w.f.Close(); err != nil {
		return w.explain(err)
	}
	if err := os.Rename(w.temp, w.path); err != nil {
		return w.explain(err)
	}
	w.f, w.err = nil, errAborted
	w.sums = Sums{FileBytes: w.disk.n, PlainBytes: w.plain.n}
	w.disk.h.Sum(w.sums.File[:0])
	if w.pack == nil {
		w.sums.Plain = w.sums.File
	} else {
		w.plain.h.Sum(w.sums.Plain[:0])
	}
	return nil
}

// seal gives the system everything that was written.
func (w *Writer) seal() error {
	if w.err != nil {
		return w.err
	}
	if w.pack != nil {
		if err := w.pack.Close(); err != nil {
			return w.explain(err)
		}
	}
	if err := w.out.Flush(); err != nil {
		return w.explain(err)
	}
	return nil
}

// Abort gives the file up and removes what was written. After Close or Abort it does nothing, so
// it can be deferred.
func (w *Writer) Abort() error {
	if w.f == nil {
		return nil
	}
	f := w.f
	w.f, w.err = nil, errAborted
	err := f.Close()
	if errors.Is(err, os.ErrClosed) {
		err = nil // closed on the way to a rename that failed
	}
	if rerr := os.Remove(w.temp); rerr != nil && err == nil {
		err = rerr
	}
	if err != nil {
		return fmt.Errorf("abort %s: %w", w.path, bare(err))
	}
	return nil
}

// Sums returns sizes and hashes of the file. It is valid after Close has returned nil.
func (w *Writer) Sums() Sums { return w.sums }

func (w *Writer) explain(err error) error { return fmt.Errorf("write %s: %w", w.path, bare(err)) }

// bare takes the names of temporary files off an error of the system.
func bare(err error) error {
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		return p.Err
	}
	if l := (*os.LinkError)(nil); errors.As(err, &l) {
		return l.Err
	}
	return err
}

// digest counts and hashes what passes to w.
type digest struct {
	w io.Writer
	h hash.Hash // nil where another digest sees the same bytes
	n int64
}

func (d *digest) Write(p []byte) (int, error) {
	n, err := d.w.Write(p)
	d.n += int64(n)
	if d.h != nil {
		d.h.Write(p[:n]) // never fails
	}
	return n, err
}

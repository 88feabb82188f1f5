package openfile

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"syscall"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

var (
	errDirectory  = errors.New("is a directory")
	errNotRegular = errors.New("is not a regular file")
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
//
// Close the Writer to keep the file, Abort it to leave no trace.
func Create(path string) (*Writer, error) {
	w, err := create(path)
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", path, explainDisk(err))
	}
	return w, nil
}

func create(path string) (*Writer, error) {
	// Renaming over a device or a pipe would replace it.
	if info, err := os.Stat(path); err == nil {
		if info.IsDir() {
			return nil, errDirectory
		}
		if !info.Mode().IsRegular() {
			return nil, errNotRegular
		}
	}
	f, err := createTemp(path)
	if err != nil {
		return nil, err
	}
	w, err := newWriter(path, f.Name(), f)
	if err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(f.Name()))
	}
	return w, nil
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

func newWriter(path, temp string, f outputFile) (*Writer, error) {
	w := &Writer{path: path, temp: temp, f: f}
	w.disk = digest{w: f, h: sha256.New()}
	w.out = bufio.NewWriterSize(&w.disk, outputBytes)
	switch {
	case strings.HasSuffix(path, ".zst"):
		z, err := zstd.NewWriter(w.out,
			zstd.WithEncoderLevel(zstd.SpeedDefault),
			zstd.WithEncoderConcurrency(1), // in the caller's goroutine; the bytes depend on nothing else
		)
		if err != nil {
			return nil, err
		}
		w.pack = z
	case strings.HasSuffix(path, ".gz"):
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
	err := w.err
	if err == nil {
		err = w.finish()
	}
	if err != nil {
		_ = w.Abort() // the first error says more
		return err
	}
	return nil
}

func (w *Writer) finish() error {
	if w.pack != nil {
		if err := w.pack.Close(); err != nil {
			return w.explain(err)
		}
	}
	if err := w.out.Flush(); err != nil {
		return w.explain(err)
	}
	if err := w.f.Sync(); err != nil {
		return w.explain(err)
	}
	if err := w.f.Close(); err != nil {
		return w.explain(err)
	}
	if err := os.Rename(w.temp, w.path); err != nil {
		return err // names both files
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
		return fmt.Errorf("abort %s: %w", w.path, err)
	}
	return nil
}

// Sums returns sizes and hashes of the file. It is valid after Close has returned nil.
func (w *Writer) Sums() Sums { return w.sums }

func (w *Writer) explain(err error) error {
	return fmt.Errorf("write %s: %w", w.path, explainDisk(err))
}

func explainDisk(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("no space left for it: %w", err)
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

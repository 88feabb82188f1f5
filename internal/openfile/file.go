package openfile

import (
	"fmt"
	"io"
	"os"
)

// File is a recorded file, read as plain bytes. It is owned by one goroutine, but Consumed may be
// called from any.
type File struct {
	*Reader
	f    *os.File
	path string
	size int64
}

var _ io.ReadCloser = (*File)(nil)

// Open opens a file for reading and tells its compression. The error wraps fs.ErrNotExist for a
// missing file and ErrEmpty for one without a byte, and says so for a directory.
func Open(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err // "open PATH: cause"
	}
	file, err := newFile(f, path)
	if err != nil {
		_ = f.Close() // only read from; the first error says more
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return file, nil
}

func newFile(f *os.File, path string) (*File, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, errDirectory
	}
	r, err := NewReader(f)
	if err != nil {
		return nil, err
	}
	return &File{Reader: r, f: f, path: path, size: info.Size()}, nil
}

// Read is Reader.Read; its errors name the file.
func (f *File) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("read %s: %w", f.path, err)
	}
	return n, err
}

// Size returns the size in bytes of the file on disk, compressed as it is, when it was opened.
func (f *File) Size() int64 { return f.size }

// Close closes the file.
func (f *File) Close() error {
	_ = f.Reader.Close() // never fails
	return f.f.Close()
}

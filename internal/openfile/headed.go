package openfile

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// HeadedWriter writes an output whose beginning is known only at the end, such as a file of records
// whose metadata lists what is in them. The body goes to a file without a name, which is gone when
// the process is, however it ends; CloseWith puts the header and the body together. In a compressed
// file each of the two is a stream of its own (a zstd frame, a gzip member), which every decompressor
// reads as one. It is owned by one goroutine.
type HeadedWriter struct {
	path        string
	compression string
	to          io.Writer // takes the output instead of a file; nil: none
	body        *Writer
	file        *os.File // the body's; nil once it is given up
	sums        Sums
}

// CreateHeaded starts an output file. See Create for path. The body is kept beside it, so that a
// disk that is too small is found out early.
func CreateHeaded(path string) (*HeadedWriter, error) {
	if err := replaceable(path); err != nil {
		return nil, fmt.Errorf("create %s: %w", path, err)
	}
	return createHeaded(path, filepath.Dir(path), nil)
}

// NewHeaded starts an output that goes to w when it is complete, uncompressed, and until then to the
// directory for temporary files. name is what errors call it.
func NewHeaded(name string, w io.Writer) (*HeadedWriter, error) {
	dir := os.TempDir()
	h, err := createHeaded(fmt.Sprintf("%s, in %s until its end", name, dir), dir, w)
	if err != nil {
		return nil, err
	}
	h.path = name
	return h, nil
}

func createHeaded(path, dir string, to io.Writer) (*HeadedWriter, error) {
	f, err := createNameless(dir)
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", path, bare(err))
	}
	compression := Plain
	if to == nil {
		compression = compressionOf(path)
	}
	body, err := newWriter(path, "", compression, f)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("create %s: %w", path, err)
	}
	return &HeadedWriter{path: path, compression: compression, to: to, body: body, file: f}, nil
}

// createNameless makes a file that no directory has, to be written and then read.
func createNameless(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, ".tidegate-*.tmp")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Write takes plain bytes of the body. See Writer.Write.
func (h *HeadedWriter) Write(p []byte) (int, error) { return h.body.Write(p) }

// Abort gives the output up: nothing is left of it. After CloseWith, CloseAs or Abort it does
// nothing.
func (h *HeadedWriter) Abort() {
	if h.file != nil {
		_ = h.file.Close() // nobody will read it
		h.file, h.body.err = nil, errAborted
	}
}

// CloseWith finishes the output: header, then everything written. If anything failed, then or
// before, it leaves no file behind and returns the error.
func (h *HeadedWriter) CloseWith(header []byte) error { return h.CloseAs(h.path, header) }

// CloseAs is CloseWith for a file that gets another name than was planned. It is compressed as
// planned.
func (h *HeadedWriter) CloseAs(path string, header []byte) error {
	if h.file == nil {
		return h.body.err
	}
	defer h.Abort()
	if err := h.body.seal(); err != nil {
		return err
	}
	if _, err := h.file.Seek(0, io.SeekStart); err != nil {
		return h.body.explain(err)
	}
	if h.to != nil {
		return h.copyTo(h.to, header)
	}
	w, err := createPacked(path, h.compression)
	if err != nil {
		return err
	}
	defer w.Abort()
	if _, err := w.Write(header); err != nil {
		return err
	}
	if err := w.appendPacked(h.file); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	h.sums = w.Sums()
	h.sums.PlainBytes += h.body.plain.n
	return nil
}

// appendPacked ends the stream of what was written and adds the bytes of a file as they are.
func (w *Writer) appendPacked(f *os.File) error {
	if w.pack != nil {
		if err := w.pack.Close(); err != nil {
			return w.explain(err)
		}
		w.pack = closed{}
	}
	if _, err := io.Copy(w.out, f); err != nil {
		return w.explain(err)
	}
	return nil
}

// closed takes the place of a compressor that has written its last.
type closed struct{}

func (closed) Write([]byte) (int, error) { return 0, errAborted }
func (closed) Close() error              { return nil }

// copyTo writes header and body to w.
func (h *HeadedWriter) copyTo(w io.Writer, header []byte) error {
	d := digest{w: w, h: sha256.New()}
	if _, err := io.Copy(&d, io.MultiReader(bytes.NewReader(header), h.file)); err != nil {
		return fmt.Errorf("write %s: %w", h.path, bare(err))
	}
	h.sums = Sums{FileBytes: d.n, PlainBytes: d.n}
	d.h.Sum(h.sums.File[:0])
	return nil
}

// Sums returns sizes and hashes of the output, but for the hash of the plain bytes, which nobody saw
// in order. It is valid after CloseWith or CloseAs has returned nil.
func (h *HeadedWriter) Sums() Sums {
	s := h.sums
	s.Plain = [len(s.Plain)]byte{}
	return s
}

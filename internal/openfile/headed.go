package openfile

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// HeadedWriter writes an output file whose beginning is known only at the end, such as a file of
// records whose metadata lists what is in them. The body goes to a temporary file beside the
// output; CloseWith puts the header and the body together. In a compressed file each of the two is
// a stream of its own (a zstd frame, a gzip member), which every decompressor reads as one. It is
// owned by one goroutine.
type HeadedWriter struct {
	path string
	body *Writer
	sums Sums
}

// CreateHeaded starts an output file. See Create for path.
func CreateHeaded(path string) (*HeadedWriter, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("create %s: %w", path, errNotRegular)
	}
	body, err := Create(fmt.Sprintf("%s.%08x.body%s", path, rand.Uint32(), filepath.Ext(path)))
	if err != nil {
		return nil, err
	}
	return &HeadedWriter{path: path, body: body}, nil
}

// Write takes plain bytes of the body. See Writer.Write.
func (h *HeadedWriter) Write(p []byte) (int, error) { return h.body.Write(p) }

// Abort gives the file up. After CloseWith or Abort it does nothing.
func (h *HeadedWriter) Abort() error { return h.body.Abort() }

// CloseWith finishes the file: header, then everything written. If anything failed, then or before,
// it leaves nothing behind and returns the error.
func (h *HeadedWriter) CloseWith(header []byte) error {
	if err := h.body.Close(); err != nil {
		return err
	}
	defer os.Remove(h.body.path)
	w, err := Create(h.path)
	if err != nil {
		return err
	}
	defer w.Abort()
	if _, err := w.Write(header); err != nil {
		return err
	}
	if err := w.appendFile(h.body.path); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	h.sums = w.Sums()
	h.sums.PlainBytes += h.body.Sums().PlainBytes
	return nil
}

// appendFile ends the stream of what was written and adds the bytes of a file as they are.
func (w *Writer) appendFile(path string) error {
	if w.pack != nil {
		if err := w.pack.Close(); err != nil {
			return w.explain(err)
		}
		w.pack = closed{}
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := io.Copy(w.out, f); err != nil {
		return w.explain(err)
	}
	return nil
}

// closed takes the place of a compressor that has written its last.
type closed struct{}

func (closed) Write([]byte) (int, error) { return 0, errAborted }
func (closed) Close() error              { return nil }

// Sums returns sizes and hashes of the file, but for the hash of the plain bytes, which nobody saw
// in order. It is valid after CloseWith has returned nil.
func (h *HeadedWriter) Sums() Sums {
	s := h.sums
	s.Plain = [len(s.Plain)]byte{}
	return s
}

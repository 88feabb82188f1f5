package openfile

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestHeadedWriter(t *testing.T) {
	body := bytes.Repeat([]byte("records and records "), 100_000)
	for _, name := range []string{"x.dbn", "x.dbn.zst", "x.dbn.gz"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), name)
			var first []byte
			for range 2 {
				w, err := CreateHeaded(path)
				if err != nil {
					t.Fatal(err)
				}
				for b := body; len(b) > 0; b = b[min(len(b), 7777):] {
					if _, err := w.Write(b[:min(len(b), 7777)]); err != nil {
						t.Fatal(err)
					}
				}
				if err := w.CloseWith([]byte("header ")); err != nil {
					t.Fatal(err)
				}
				raw, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				s := w.Sums()
				if s.File != sha256.Sum256(raw) || s.FileBytes != int64(len(raw)) {
					t.Errorf("sums %x, %d bytes: want those of the file", s.File, s.FileBytes)
				}
				if want := int64(len("header ") + len(body)); s.PlainBytes != want {
					t.Errorf("plain bytes %d, want %d", s.PlainBytes, want)
				}
				if first == nil {
					first = raw
				} else if !bytes.Equal(first, raw) {
					t.Error("the same input gave another file")
				}
			}
			f, err := Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			got, err := io.ReadAll(f)
			if err != nil {
				t.Fatal(err)
			}
			if want := append([]byte("header "), body...); !bytes.Equal(got, want) {
				t.Errorf("read back %d bytes, want %d", len(got), len(want))
			}
			left(t, filepath.Dir(path), name)
		})
	}
}

func TestHeadedWriterAbort(t *testing.T) {
	dir := t.TempDir()
	w, err := CreateHeaded(filepath.Join(dir, "x.zst"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("something")); err != nil {
		t.Fatal(err)
	}
	left(t, dir) // a process that is killed leaves nothing either
	w.Abort()
	left(t, dir)
	if _, err := w.Write([]byte("more")); !errors.Is(err, errAborted) {
		t.Errorf("write after Abort: %v", err)
	}
	if err := w.CloseWith(nil); !errors.Is(err, errAborted) {
		t.Errorf("close after Abort: %v", err)
	}
	left(t, dir)
}

// Another name at the end leaves the file under the first name alone, and changes no byte.
func TestHeadedWriterCloseAs(t *testing.T) {
	for _, name := range []string{"x", "x.zst", "x.gz"} {
		dir := t.TempDir()
		path, other := filepath.Join(dir, name), filepath.Join(dir, name+".other")
		for _, closed := range []func(*HeadedWriter) error{
			func(w *HeadedWriter) error { return w.CloseWith([]byte("header ")) },
			func(w *HeadedWriter) error { return w.CloseAs(other, []byte("header ")) },
		} {
			w, err := CreateHeaded(path)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write([]byte("body")); err != nil {
				t.Fatal(err)
			}
			if err := closed(w); err != nil {
				t.Fatal(err)
			}
		}
		left(t, dir, name, name+".other")
		a, _ := os.ReadFile(path)
		if b, _ := os.ReadFile(other); len(a) == 0 || !bytes.Equal(a, b) {
			t.Errorf("%s: %d bytes, and %d under another name", name, len(a), len(b))
		}
	}
}

// shortPipe takes a few bytes and then no more.
type shortPipe struct{ bytes.Buffer }

func (p *shortPipe) Write(b []byte) (int, error) {
	if p.Len()+len(b) > 10 {
		return 0, &os.PathError{Op: "write", Path: "|1", Err: syscall.EPIPE}
	}
	return p.Buffer.Write(b)
}

// An output without a file: nothing is written before the end, and nothing is left on disk.
func TestNewHeaded(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	var out bytes.Buffer
	w, err := NewHeaded("standard output", &out)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(bytes.Repeat([]byte("body"), 1<<20)); err != nil {
		t.Fatal(err)
	}
	if out.Len() != 0 {
		t.Errorf("%d bytes came before the header", out.Len())
	}
	left(t, dir)
	if err := w.CloseWith([]byte("header ")); err != nil {
		t.Fatal(err)
	}
	want := "header " + strings.Repeat("body", 1<<20)
	if out.String() != want {
		t.Errorf("%d bytes, want %d", out.Len(), len(want))
	}
	if s := w.Sums(); s.File != sha256.Sum256([]byte(want)) || s.FileBytes != int64(len(want)) || s.PlainBytes != s.FileBytes {
		t.Errorf("sums %x, %d bytes", s.File, s.FileBytes)
	}
	left(t, dir)

	w, err = NewHeaded("standard output", &shortPipe{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.CloseWith([]byte("header that is too long")); !errors.Is(err, syscall.EPIPE) || err.Error() != "write standard output: broken pipe" {
		t.Errorf("into a pipe that is closed: %v", err)
	}
}

// Where an output waits for its end matters if there is no room for it.
func TestNewHeadedSaysWhere(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "none")
	t.Setenv("TMPDIR", dir)
	_, err := NewHeaded("standard output", io.Discard)
	if want := "create standard output, in " + dir + " until its end: no such file or directory"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// Errors name what was asked for, never a file that the user has not heard of.
func TestErrorsNameTheTarget(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none", "out.zst")
	_, err := Create(path)
	_, herr := CreateHeaded(path)
	if _, err := Create(""); err == nil || err.Error() != "create : a file needs a name" {
		t.Errorf("no name: %v", err)
	}
	for _, err := range []error{err, herr} {
		if want := "create " + path + ": no such file or directory"; err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// left fails unless a directory holds exactly the files named.
func left(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != len(names) {
		t.Errorf("%d files left, want %d: %v", len(entries), len(names), entries)
	}
	for i, e := range entries {
		if i < len(names) && e.Name() != names[i] {
			t.Errorf("left %s, want %s", e.Name(), names[i])
		}
	}
}

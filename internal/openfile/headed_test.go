package openfile

import (
	"bytes"
	"crypto/sha256"
	"io"
	"os"
	"path/filepath"
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
	if err := w.Abort(); err != nil {
		t.Fatal(err)
	}
	left(t, dir)
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

package openfile_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tidegate/internal/openfile"
)

// text makes n bytes that compress, but not to nothing.
func text(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, n)
	for i := range b {
		b[i] = "acgt\n"[r.IntN(5)]
	}
	return b
}

// create writes b in pieces of the given size and returns the file's bytes.
func create(t *testing.T, path string, b []byte, piece int) ([]byte, openfile.Sums) {
	t.Helper()
	w, err := openfile.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	for at := 0; at < len(b); at += piece {
		if _, err := w.Write(b[at:min(at+piece, len(b))]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return file, w.Sums()
}

func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var s []string
	for _, e := range entries {
		s = append(s, e.Name())
	}
	return strings.Join(s, " ")
}

func TestCreateRoundTripAndSums(t *testing.T) {
	plain := text(700_000)
	for name, compression := range map[string]string{
		"out": openfile.Plain, "out.csv": openfile.Plain, "out.gz": openfile.Gzip, "out.dbn.zst": openfile.Zstd,
	} {
		path := filepath.Join(t.TempDir(), name)
		file, sums := create(t, path, plain, 10_007)
		want := openfile.Sums{
			File: sha256.Sum256(file), Plain: sha256.Sum256(plain),
			FileBytes: int64(len(file)), PlainBytes: int64(len(plain)),
		}
		if sums != want {
			t.Errorf("%s: sums %+v, want %+v", name, sums, want)
		}
		if compression != openfile.Plain && len(file) > len(plain)/2 {
			t.Errorf("%s: %d bytes from %d", name, len(file), len(plain))
		}
		f, err := openfile.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(f)
		if err != nil || !bytes.Equal(got, plain) || f.Compression() != compression {
			t.Errorf("%s: read back %d bytes of %s, %v", name, len(got), f.Compression(), err)
		}
		_ = f.Close()
		if all := names(t, filepath.Dir(path)); all != name {
			t.Errorf("%s: directory holds %q", name, all)
		}
	}
}

// The same plain bytes give the same file, however they were written.
func TestCreateIsDeterministic(t *testing.T) {
	plain := text(700_000)
	for _, suffix := range []string{".zst", ".gz", ""} {
		for _, size := range []int{0, 1, 1000, len(plain)} {
			a, aSums := create(t, filepath.Join(t.TempDir(), "a"+suffix), plain[:size], 1<<20)
			b, bSums := create(t, filepath.Join(t.TempDir(), "other"+suffix), plain[:size], 999)
			if !bytes.Equal(a, b) || aSums != bSums {
				t.Errorf("%q, %d bytes: two files differ (%d and %d bytes)", suffix, size, len(a), len(b))
			}
		}
	}
}

func TestCreateReplacesOnlyOnClose(t *testing.T) {
	path := write(t, "out.gz", []byte("old"))
	w, err := openfile.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(text(100_000)); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "old" {
		t.Errorf("before Close: %q, %v", b, err)
	}
	if err := w.Abort(); err != nil {
		t.Errorf("abort: %v", err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "old" {
		t.Errorf("after Abort: %q, %v", b, err)
	}
	if all := names(t, filepath.Dir(path)); all != "out.gz" {
		t.Errorf("directory holds %q", all)
	}
	if _, err := w.Write([]byte("x")); err == nil {
		t.Error("write after Abort: no error")
	}
	if err := errors.Join(w.Close(), w.Abort()); err != nil {
		t.Errorf("close and abort after Abort: %v", err)
	}
	if file, _ := create(t, path, []byte("new"), 1); string(file) == "old" {
		t.Error("Close did not replace the file")
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm()&0o400 == 0 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestCreateRefuses(t *testing.T) {
	dir := t.TempDir()
	if _, err := openfile.Create(filepath.Join(dir, "none", "out")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing directory: %v", err)
	}
	if _, err := openfile.Create(dir); err == nil || !strings.HasSuffix(err.Error(), "is a directory") {
		t.Errorf("directory: %v", err)
	}
	if _, err := openfile.Create(os.DevNull); err == nil || !strings.HasSuffix(err.Error(), "is not a regular file") {
		t.Errorf("device: %v", err)
	}
	if all := names(t, dir); all != "" {
		t.Errorf("directory holds %q", all)
	}
}

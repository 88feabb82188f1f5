package openfile_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"

	"tidegate/internal/openfile"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func gzipped(t testing.TB, members ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, m := range members {
		z := gzip.NewWriter(&b)
		if _, err := io.WriteString(z, m); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

func zstded(t testing.TB, frames ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, f := range frames {
		z, err := zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1))
		if err != nil {
			t.Fatal(err)
		}
		// Two writes with a flush between, so that a frame has several blocks.
		half := len(f) / 2
		_, err1 := io.WriteString(z, f[:half])
		err2 := z.Flush()
		_, err3 := io.WriteString(z, f[half:])
		if err := errors.Join(err1, err2, err3, z.Close()); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// skippable returns a zstd frame with no content.
func skippable(size byte) []byte {
	return append([]byte{0x5a, 0x2a, 0x4d, 0x18, size, 0, 0, 0}, make([]byte, size)...)
}

func write(t testing.TB, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOpenTellsCompressionFromBytes(t *testing.T) {
	const text = "the quick brown fox jumps over the lazy dog"
	for _, c := range []struct {
		name        string // says the wrong thing on purpose
		file        []byte
		compression string
		plain       string
	}{
		{"a.zst", []byte(text), openfile.Plain, text},
		{"b.zst", gzipped(t, text), openfile.Gzip, text},
		{"c", gzipped(t, text, "", text), openfile.Gzip, text + text},
		{"d.gz", zstded(t, text), openfile.Zstd, text},
		{"e.gz", zstded(t, text, text, ""), openfile.Zstd, text + text},
		{"f", bytes.Join([][]byte{skippable(9), zstded(t, text), skippable(0)}, nil), openfile.Zstd, text},
		{"g", gzipped(t, ""), openfile.Gzip, ""},
		{"h", []byte{0x28}, openfile.Plain, "\x28"},
		{"i", []byte{0x28, 0xb5, 0x2f}, openfile.Plain, "\x28\xb5\x2f"},
		{"j", []byte{0x4a, 0x2a, 0x4d, 0x18, 0}, openfile.Plain, "\x4a\x2a\x4d\x18\x00"},
	} {
		f, err := openfile.Open(write(t, c.name, c.file))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		got, err := io.ReadAll(f)
		if err != nil || string(got) != c.plain {
			t.Errorf("%s: got %q, %v; want %q", c.name, got, err, c.plain)
		}
		if f.Compression() != c.compression {
			t.Errorf("%s: compression %s, want %s", c.name, f.Compression(), c.compression)
		}
		if size := int64(len(c.file)); f.Size() != size || f.Consumed() != size {
			t.Errorf("%s: size %d, consumed %d, want both %d", c.name, f.Size(), f.Consumed(), size)
		}
		if err := f.Close(); err != nil {
			t.Errorf("%s: close: %v", c.name, err)
		}
		if _, err := f.Read(make([]byte, 1)); err == nil || err == io.EOF {
			t.Errorf("%s: read after close: %v", c.name, err)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	_, err := openfile.Open(filepath.Join(dir, "none"))
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "none") {
		t.Errorf("missing file: %v", err)
	}
	_, err = openfile.Open(dir)
	if want := "open " + dir + ": is a directory"; err == nil || err.Error() != want {
		t.Errorf("directory: got %v, want %s", err, want)
	}
	path := write(t, "empty", nil)
	_, err = openfile.Open(path)
	if want := "open " + path + ": file is empty"; !errors.Is(err, openfile.ErrEmpty) || err.Error() != want {
		t.Errorf("empty file: got %v, want %s", err, want)
	}
}

// A stream cut at any byte gives a prefix of the plain bytes and then ErrCut. Only a cut between
// members or frames cannot be seen.
func TestCutAtEveryByte(t *testing.T) {
	parts := []string{strings.Repeat("tick tock ", 40), fmt.Sprint(make([]int, 100))}
	plain := strings.Join(parts, "")
	for name, c := range map[string]struct {
		file       []byte
		first      int // bytes of the first member or frame
		magicBytes int
	}{
		"gzip": {gzipped(t, parts...), len(gzipped(t, parts[0])), 2},
		"zstd": {zstded(t, parts...), len(zstded(t, parts[0])), 4},
	} {
		unpacked := 0
		for at := c.magicBytes; at < len(c.file); at++ {
			r, err := openfile.NewReader(bytes.NewReader(c.file[:at]))
			if err != nil {
				t.Fatalf("%s, %d bytes: %v", name, at, err)
			}
			got, err := io.ReadAll(r)
			if !strings.HasPrefix(plain, string(got)) {
				t.Fatalf("%s, %d bytes: got %q, no prefix of what was packed", name, at, got)
			}
			if len(got) < unpacked {
				t.Errorf("%s, %d bytes: %d plain bytes, but %d with one byte less", name, at, len(got), unpacked)
			}
			unpacked = len(got)
			if at == c.first {
				if err != nil || string(got) != parts[0] {
					t.Errorf("%s, cut between members: got %q, %v", name, got, err)
				}
				continue
			}
			if !errors.Is(err, openfile.ErrCut) || !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, openfile.ErrCorrupt) {
				t.Errorf("%s, %d bytes: got %v, want ErrCut", name, at, err)
			} else if !strings.Contains(err.Error(), fmt.Sprintf("is cut after %d plain bytes", len(got))) {
				t.Errorf("%s, %d bytes: %v, after %d plain bytes", name, at, err, len(got))
			}
			if _, again := r.Read(make([]byte, 1)); again != err {
				t.Errorf("%s, %d bytes: a further Read returns %v, want %v", name, at, again, err)
			}
			_ = r.Close()
		}
		// Most of the first part's bytes must come out before the end of the file is seen.
		if unpacked < len(parts[0]) {
			t.Errorf("%s: cut in its last byte it gave %d bytes, want at least %d", name, unpacked, len(parts[0]))
		}
	}
}

func TestCutFileIsNamed(t *testing.T) {
	file := gzipped(t, "some text")
	path := write(t, "day.pcap.gz", file[:len(file)-1])
	f, err := openfile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, err := io.ReadAll(f)
	if want := "read " + path + ": compressed stream is cut after 9 plain bytes: unexpected EOF"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if string(got) != "some text" {
		t.Errorf("got %q", got)
	}
}

func TestCorrupt(t *testing.T) {
	long := strings.Repeat("abcdefgh", 1000)
	flip := func(b []byte, at int) []byte { // one bit; at counts from the end if negative
		if at < 0 {
			at += len(b)
		}
		b[at] ^= 0x08
		return b
	}
	for name, file := range map[string][]byte{
		"gzip checksum":     flip(gzipped(t, long), -8),
		"gzip length":       flip(gzipped(t, long), -1),
		"gzip method":       flip(gzipped(t, long), 2),
		"gzip, then text":   append(gzipped(t, long), "and some more text"...),
		"zstd checksum":     flip(zstded(t, long), -1),
		"zstd, then text":   append(zstded(t, long), "and some more text"...),
		"zstd reserved bit": flip(zstded(t, long), 4),
	} {
		r, err := openfile.NewReader(bytes.NewReader(file))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, err := io.ReadAll(r)
		if !errors.Is(err, openfile.ErrCorrupt) {
			t.Errorf("%s: %d bytes and %v, want ErrCorrupt", name, len(got), err)
		}
		if strings.HasSuffix(name, "then text") && string(got) != long {
			t.Errorf("%s: the stream before it gave %d bytes, want %d", name, len(got), len(long))
		}
		_ = r.Close()
	}
}

// A zstd frame may ask for a window of 128 MiB, as the zstd command allows, and not for more.
func TestWindowIsBounded(t *testing.T) {
	for windowLog, allowed := range map[byte]bool{20: true, 27: true, 28: false, 30: false, 41: false} {
		// One raw block, without a checksum (RFC 8878 section 3.1.1).
		file := []byte{0x28, 0xb5, 0x2f, 0xfd, 0, (windowLog - 10) << 3, 5<<3 | 1, 0, 0}
		r, err := openfile.NewReader(bytes.NewReader(append(file, "hello"...)))
		if err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		got, err := io.ReadAll(r)
		runtime.ReadMemStats(&after)
		if allowed && (err != nil || string(got) != "hello") {
			t.Errorf("window of 2^%d bytes: got %q, %v", windowLog, got, err)
		}
		if !allowed && !errors.Is(err, openfile.ErrCorrupt) {
			t.Errorf("window of 2^%d bytes: got %q, %v, want ErrCorrupt", windowLog, got, err)
		}
		if took := after.TotalAlloc - before.TotalAlloc; !allowed && took > 16<<20 {
			t.Errorf("window of 2^%d bytes: took %d bytes of memory", windowLog, took)
		}
		_ = r.Close()
	}
}

// Reading and writing happen in the caller's goroutine.
func TestStartsNoGoroutine(t *testing.T) {
	before := goleak.IgnoreCurrent()
	r, err := openfile.NewReader(bytes.NewReader(zstded(t, string(text(1<<20)))))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.ReadFull(r, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	w, err := openfile.Create(filepath.Join(t.TempDir(), "out.zst"))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	if _, err := w.Write(text(1 << 20)); err != nil {
		t.Fatal(err)
	}
	goleak.VerifyNone(t, before)
}

// A source that fails is neither cut nor corrupt.
func TestSourceErrorPassesThrough(t *testing.T) {
	broken := errors.New("disk on fire")
	for name, file := range map[string][]byte{
		"plain": []byte("hello, plain text"), "gzip": gzipped(t, "hello"), "zstd": zstded(t, "hello"),
	} {
		for at := range file {
			r, err := openfile.NewReader(io.MultiReader(bytes.NewReader(file[:at]), iotest.ErrReader(broken)))
			if err == nil {
				_, err = io.ReadAll(r)
				_ = r.Close()
			}
			if !errors.Is(err, broken) || errors.Is(err, openfile.ErrCut) || errors.Is(err, openfile.ErrCorrupt) {
				t.Errorf("%s, fails at %d: got %v", name, at, err)
			}
		}
	}
}

// FuzzReader checks that any input ends in one of the documented ways, and that a plain one comes
// through as it is.
func FuzzReader(f *testing.F) {
	f.Add([]byte("plain"))
	f.Add(gzipped(f, "hello", "world"))
	f.Add(zstded(f, "hello hello hello", "world"))
	f.Add(append(skippable(3), zstded(f, "hello")...))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := openfile.NewReader(bytes.NewReader(b))
		if err != nil {
			if len(b) != 0 || !errors.Is(err, openfile.ErrEmpty) {
				t.Fatalf("%d bytes: %v", len(b), err)
			}
			return
		}
		defer r.Close()
		got, err := io.ReadAll(io.LimitReader(r, 1<<20))
		if err != nil && !errors.Is(err, openfile.ErrCut) && !errors.Is(err, openfile.ErrCorrupt) {
			t.Fatalf("undocumented error: %v", err)
		}
		if r.Compression() == openfile.Plain && (err != nil || !bytes.Equal(got, b)) {
			t.Fatalf("plain bytes changed: %v", err)
		}
		if r.Consumed() > int64(len(b)) {
			t.Fatalf("consumed %d of %d bytes", r.Consumed(), len(b))
		}
	})
}

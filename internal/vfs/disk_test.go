package vfs_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"tidegate/internal/vfs"
	"tidegate/internal/vfs/faultfs"
)

// The disk and its double keep the same promises, as long as nothing fails.
func TestFileSystems(t *testing.T) {
	for name, s := range map[string]vfs.FS{"disk": vfs.Disk{}, "double": faultfs.New()} {
		t.Run(name, func(t *testing.T) { checkFS(t, s, filepath.Join(t.TempDir(), "x")) })
	}
}

func checkFS(t *testing.T, s vfs.FS, dir string) {
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	want := func(err, wrapped error) {
		t.Helper()
		if !errors.Is(err, wrapped) {
			t.Errorf("got %v, want one that wraps %v", err, wrapped)
		}
	}
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")

	_, err := s.List(dir)
	want(err, fs.ErrNotExist)
	must(s.MkdirAll(dir))
	must(s.MkdirAll(dir))
	_, err = s.Open(a)
	want(err, fs.ErrNotExist)
	_, err = s.OpenWrite(a)
	want(err, fs.ErrNotExist)
	want(s.Remove(a), fs.ErrNotExist)
	want(s.Rename(a, b), fs.ErrNotExist)

	f, err := s.Create(a)
	must(err)
	_, err = s.Create(a)
	want(err, fs.ErrExist)
	must(f.Preallocate(5000))
	must(f.Preallocate(100)) // never shorter
	_, err = f.WriteAt([]byte("tide"), 4998)
	must(err)
	_, err = f.WriteAt([]byte("gate"), 0)
	must(err)
	must(f.Sync())
	if n, err := f.Size(); n != 5002 || err != nil {
		t.Errorf("size %d, %v; want 5002", n, err)
	}
	p := make([]byte, 8)
	if n, err := f.ReadAt(p, 4996); n != 6 || err != io.EOF || string(p[:n]) != "\x00\x00tide" {
		t.Errorf("read %q, %v", p[:n], err)
	}
	if n, err := f.ReadAt(p, 9000); n != 0 || err != io.EOF {
		t.Errorf("read behind the end: %d, %v", n, err)
	}
	must(f.Truncate(2))
	must(f.Truncate(6))
	if n, _ := f.ReadAt(p, 0); !bytes.Equal(p[:n], []byte("ga\x00\x00\x00\x00")) {
		t.Errorf("cut off and grown again: %q", p[:n])
	}
	must(f.Close())
	want(f.Close(), fs.ErrClosed)

	other, err := s.Create(b)
	must(err)
	must(other.Close())
	reader, err := s.Open(b)
	must(err)
	must(s.Rename(a, b)) // in place of the one that is open
	must(s.SyncDir(dir))
	if n, err := reader.Size(); n != 0 || err != nil {
		t.Errorf("who had the file open sees %d bytes, %v", n, err)
	}
	if _, err := reader.WriteAt(p, 0); err == nil {
		t.Error("wrote to a file that is open for reading")
	}
	must(reader.Close())
	got, err := s.List(dir)
	must(err)
	if w := []vfs.Info{{Name: "b", Bytes: 6}}; !slices.Equal(got, w) {
		t.Errorf("listed %v, want %v", got, w)
	}
	if n, err := s.FreeBytes(dir); n <= 0 || err != nil {
		t.Errorf("%d bytes free, %v", n, err)
	}

	locked := func(want bool) {
		t.Helper()
		if got, err := s.Locked(filepath.Join(dir, "lock")); got != want || err != nil {
			t.Errorf("locked %t, %v, want %t", got, err, want)
		}
	}
	locked(false)
	lock, err := s.Lock(filepath.Join(dir, "lock"))
	must(err)
	locked(true)
	_, err = s.Lock(filepath.Join(dir, "lock"))
	want(err, vfs.ErrLocked)
	must(lock.Close())
	locked(false)
	lock, err = s.Lock(filepath.Join(dir, "lock"))
	must(err)
	must(lock.Close())
	must(s.Remove(b))
	want(s.Remove(b), fs.ErrNotExist)
	_, err = s.FreeBytes(filepath.Join(dir, "none"))
	if _, real := s.(vfs.Disk); real {
		want(err, syscall.ENOENT)
	}
}

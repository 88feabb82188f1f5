package openfile

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// disk is an output file on a disk that fails.
type disk struct {
	left     int   // bytes until it is full
	syncErr  error // what Sync and Close return
	closeErr error
}

func (d *disk) Write(p []byte) (int, error) {
	n := min(len(p), d.left)
	d.left -= n
	if n < len(p) {
		return n, &os.PathError{Op: "write", Path: "temp", Err: syscall.ENOSPC}
	}
	return n, nil
}

func (d *disk) Sync() error  { return d.syncErr }
func (d *disk) Close() error { return d.closeErr }

func TestFailingDisk(t *testing.T) {
	broken := errors.New("disk on fire")
	noise := make([]byte, 2<<20) // does not compress
	for i, x := 0, uint32(1); i < len(noise); i++ {
		x = x*1664525 + 1013904223
		noise[i] = byte(x >> 24)
	}
	const enough = 1 << 30
	for _, suffix := range []string{"", ".gz", ".zst"} {
		for _, c := range []struct {
			name string
			disk disk
			want error
			says string
		}{
			{"full at once", disk{left: 0}, syscall.ENOSPC, "write OUT: no space left on device"},
			{"full in the middle", disk{left: 1 << 20}, syscall.ENOSPC, "write OUT: no space left on device"},
			{"full at the last byte", disk{left: len(noise) - 1}, syscall.ENOSPC, "write OUT: no space left on device"},
			{"sync fails", disk{left: enough, syncErr: broken}, broken, "write OUT: disk on fire"},
			{"quota found late", disk{left: enough, closeErr: syscall.EDQUOT}, syscall.EDQUOT, "write OUT: disk quota exceeded"},
		} {
			dir := t.TempDir()
			temp, path := filepath.Join(dir, "temp"), filepath.Join(dir, "out"+suffix)
			if err := os.WriteFile(temp, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			w, err := newWriter(path, temp, compressionOf(path), &c.disk)
			if err != nil {
				t.Fatal(err)
			}
			_, writeErr := w.Write(noise)
			closeErr := w.Close()
			says := strings.Replace(c.says, "OUT", path, 1)
			if !errors.Is(closeErr, c.want) || closeErr.Error() != says {
				t.Errorf("%s%s: Close returns %v, want %s", c.name, suffix, closeErr, says)
			}
			if writeErr != nil && writeErr != closeErr {
				t.Errorf("%s%s: Write returns %v, Close %v", c.name, suffix, writeErr, closeErr)
			}
			if left, _ := os.ReadDir(dir); len(left) != 0 {
				t.Errorf("%s%s: %d files are left", c.name, suffix, len(left))
			}
			if w.Sums() != (Sums{}) {
				t.Errorf("%s%s: sums of a file that is not there", c.name, suffix)
			}
		}
	}
}

// Close reports a name it cannot give, and leaves nothing.
func TestRenameFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out")
	w, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o700); err != nil { // somebody was faster
		t.Fatal(err)
	}
	if err := w.Close(); err == nil || err.Error() != "write "+path+": file exists" {
		t.Errorf("Close over a directory: %v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("%d files are left, want the directory alone", len(left))
	}
}

package vfs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// ErrLocked is wrapped by the error of Lock if another process, or another part of this one, has the
// lock.
var ErrLocked = errors.New("in use")

// Disk is the file system of the machine.
type Disk struct{}

var _ FS = Disk{}

// MkdirAll is FS.MkdirAll.
func (Disk) MkdirAll(dir string) error { return os.MkdirAll(dir, 0o755) }

// Create is FS.Create.
func (Disk) Create(name string) (File, error) {
	return open(name, os.O_CREATE|os.O_EXCL|os.O_RDWR)
}

// Open is FS.Open.
func (Disk) Open(name string) (File, error) { return open(name, os.O_RDONLY) }

// OpenWrite is FS.OpenWrite.
func (Disk) OpenWrite(name string) (File, error) { return open(name, os.O_RDWR) }

func open(name string, flags int) (File, error) {
	f, err := os.OpenFile(name, flags, 0o644)
	if err != nil {
		return nil, err
	}
	return diskFile{f}, nil
}

// Rename is FS.Rename.
func (Disk) Rename(from, to string) error { return os.Rename(from, to) }

// Remove is FS.Remove.
func (Disk) Remove(name string) error { return os.Remove(name) }

// List is FS.List.
func (Disk) List(dir string) ([]Info, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var all []Info
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, os.ErrNotExist) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, err
		}
		all = append(all, Info{Name: e.Name(), Bytes: info.Size()})
	}
	return all, nil
}

// SyncDir is FS.SyncDir.
func (Disk) SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// FreeBytes is FS.FreeBytes.
func (Disk) FreeBytes(dir string) (int64, error) {
	n, err := freeBytes(dir)
	if err != nil {
		return 0, fmt.Errorf("free space of %s: %w", dir, err)
	}
	return n, nil
}

// Lock is FS.Lock.
func (Disk) Lock(name string) (io.Closer, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	err = lockFile(f)
	for try := 0; errors.Is(err, ErrLocked) && try < looksMax; try++ {
		time.Sleep(lookLasts) // it may be somebody who looks
		err = lockFile(f)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", name, err), f.Close())
	}
	return f, nil
}

// Who looks whether there is a lock has it for an instant, together with others who look.
const (
	looksMax  = 5
	lookLasts = 10 * time.Millisecond
)

// Locked is FS.Locked.
func (Disk) Locked(name string) (bool, error) {
	f, err := os.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	err = shareFile(f)
	if err = errors.Join(err, f.Close()); errors.Is(err, ErrLocked) {
		return true, nil
	}
	return false, err
}

// diskFile is a file of the machine. Sync and Preallocate depend on the system.
type diskFile struct{ *os.File }

// Size is File.Size.
func (f diskFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

//go:build !linux

package vfs

import (
	"errors"
	"math"
	"os"
)

// Sync is File.Sync.
func (f diskFile) Sync() error { return f.File.Sync() }

// Preallocate is File.Preallocate. Here the file only grows.
func (f diskFile) Preallocate(size int64) error {
	have, err := f.Size()
	if err != nil || have >= size {
		return err
	}
	return f.Truncate(size)
}

// freeBytes is not known here: there is always enough.
func freeBytes(string) (int64, error) { return math.MaxInt64, nil }

func lockFile(*os.File) error { return errors.ErrUnsupported }

// shareFile finds nobody: without locks there is nobody who has one.
func shareFile(*os.File) error { return nil }

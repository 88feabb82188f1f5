// Package vfs is the seam between what writes durable files and the file system under it: as much of a
// file system as a journal needs, and nothing else.
//
// Disk is the real one. Package faultfs has one in memory that fails in the ways disks and kernels
// fail, and that crashes where a test wants it to.
//
// # What a file system promises, and what not
//
// Code that goes through this package is written against the weakest promise:
//
//   - What was written is on the disk only after File.Sync has returned nil. Before that each sector
//     of 512 bytes may or may not be there after a crash, whatever the order of the writes.
//   - After File.Sync has failed, nothing that was written since the last good Sync can be relied on,
//     even if a later Sync succeeds: the kernel has marked the pages clean, or dropped them.
//   - A name (of a file created, renamed or removed) is on the disk only after FS.SyncDir.
//   - Rename replaces its target as one step.
package vfs

import "io"

// SectorBytes is the most that a disk writes as one step.
const SectorBytes = 512

// FS is a file system. Names are slash paths, as package os takes them. All methods may be called by
// any goroutine. Errors name the file and wrap fs.ErrNotExist, fs.ErrExist and the like where they
// apply, and syscall.ENOSPC where space is short.
type FS interface {
	// MkdirAll makes a directory and those above it, as far as they are missing.
	MkdirAll(dir string) error
	// Create makes a new file for reading and writing. The name must be free.
	Create(name string) (File, error)
	// Open opens a file for reading.
	Open(name string) (File, error)
	// OpenWrite opens a file that exists for reading and writing.
	OpenWrite(name string) (File, error)
	// Rename gives a file another name, in place of the file that has it.
	Rename(from, to string) error
	// Remove removes a file. Who has it open goes on.
	Remove(name string) error
	// List returns the regular files of a directory, sorted by name.
	List(dir string) ([]Info, error)
	// SyncDir writes the names in a directory to the disk.
	SyncDir(dir string) error
	// FreeBytes returns how much space an ordinary user has left where dir is.
	FreeBytes(dir string) (int64, error)
	// Lock takes a lock that is tied to a file, which it creates if need be, and that ends with the
	// process. It does not wait: the error wraps ErrLocked if another has it.
	Lock(name string) (io.Closer, error)
	// Locked reports whether somebody has that lock. It changes nothing.
	Locked(name string) (bool, error)
}

// File is an open file. ReadAt may be called by any goroutine at any time; the other methods belong to
// one.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Size returns the length of the file in bytes.
	Size() (int64, error)
	// Preallocate reserves space for the first size bytes and makes the file at least that long; what
	// was not written reads as zeros. Writes below size do not run out of space, where the file system
	// can promise that.
	Preallocate(size int64) error
	// Truncate makes the file size bytes long.
	Truncate(size int64) error
	// Sync writes the bytes of the file, and as much about it as is needed to find them, to the disk.
	Sync() error
}

// Info is a file in a directory.
type Info struct {
	Name  string // without the directory
	Bytes int64
}

package vfs

import (
	"errors"
	"os"
	"syscall"
)

// Sync is File.Sync: fdatasync leaves out the times of the file, which nobody needs after a crash.
func (f diskFile) Sync() error {
	return f.control("fdatasync", syscall.Fdatasync)
}

// Preallocate is File.Preallocate. Where the file system has no fallocate, the file only grows.
func (f diskFile) Preallocate(size int64) error {
	err := f.control("fallocate", func(fd int) error { return syscall.Fallocate(fd, 0, 0, size) })
	if !errors.Is(err, syscall.EOPNOTSUPP) && !errors.Is(err, syscall.ENOSYS) {
		return err
	}
	have, err := f.Size()
	if err != nil || have >= size {
		return err
	}
	return f.Truncate(size)
}

// control calls a system call with the descriptor, again as long as a signal interrupts it.
func (f diskFile) control(name string, call func(fd int) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var done error
	err = raw.Control(func(fd uintptr) {
		for done = call(int(fd)); done == syscall.EINTR; {
			done = call(int(fd))
		}
	})
	if err == nil && done != nil {
		err = &os.PathError{Op: name, Path: f.Name(), Err: done}
	}
	return err
}

func freeBytes(dir string) (int64, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return int64(s.Bavail) * s.Bsize, nil
}

func lockFile(f *os.File) error { return flock(f, syscall.LOCK_EX) }

// shareFile takes a lock beside others who share it, if nobody has it alone.
func shareFile(f *os.File) error { return flock(f, syscall.LOCK_SH) }

func flock(f *os.File, how int) error {
	err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
	if err == syscall.EWOULDBLOCK {
		return ErrLocked
	}
	return err
}

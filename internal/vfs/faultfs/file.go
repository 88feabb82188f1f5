package faultfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"syscall"

	"tidegate/internal/vfs"
)

// A node is a file, whatever its names are.
type node struct {
	data []byte // what a running program sees
	disk []byte // what is synced

	// What there was between the two since the last sync: contents of sectors after each write, and
	// lengths.
	versions map[int64][][]byte
	lengths  []int64
}

// note remembers the sectors of data that hold bytes from..to as they are now.
func (n *node) note(from, to int64) {
	for sector := from / vfs.SectorBytes; sector*vfs.SectorBytes < to; sector++ {
		contents := make([]byte, vfs.SectorBytes)
		copy(contents, n.data[sector*vfs.SectorBytes:])
		n.versions[sector] = append(n.versions[sector], contents)
	}
}

// resize changes the length. What is new is zero.
func (n *node) resize(size int64) {
	had := int64(len(n.data))
	if size == had {
		return
	}
	if size < had {
		n.data = n.data[:size:size]
	} else {
		n.data = append(n.data, make([]byte, size-had)...)
		if had < int64(len(n.disk)) {
			n.note(had, size) // cut off and grown again: it must not come back
		}
	}
	n.lengths = append(n.lengths, size)
}

func (n *node) write(p []byte, offset int64) {
	if end := offset + int64(len(p)); end > int64(len(n.data)) {
		n.resize(end)
	}
	copy(n.data[offset:], p)
	n.note(offset, offset+int64(len(p)))
}

// survive returns the file as a crash leaves it.
func (n *node) survive(random *rand.Rand) *node {
	length := int64(len(n.disk))
	if k := random.IntN(len(n.lengths) + 1); k > 0 {
		length = n.lengths[k-1]
	}
	left := make([]byte, max(length, int64(len(n.disk)), int64(len(n.data)))+vfs.SectorBytes)
	copy(left, n.disk)
	for _, sector := range slices.Sorted(maps.Keys(n.versions)) {
		all := n.versions[sector]
		if k := random.IntN(len(all) + 1); k > 0 && sector*vfs.SectorBytes < int64(len(left)) {
			copy(left[sector*vfs.SectorBytes:], all[k-1])
		}
	}
	left = left[:length:length]
	return &node{data: left, disk: slices.Clone(left), versions: map[int64][][]byte{}}
}

// settle ends what a sync is about: data is on the disk.
func (n *node) settle(data []byte) {
	n.data, n.disk = data, slices.Clone(data)
	n.versions, n.lengths = map[int64][][]byte{}, nil
}

// file is an open file.
type file struct {
	fs       *FS
	node     *node
	name     string
	writable bool
	closed   bool
}

func (f *file) check(op string, writing bool) error {
	switch {
	case f.fs.crashed:
		return fail(op, f.name, ErrCrashed)
	case f.closed:
		return fail(op, f.name, fs.ErrClosed)
	case writing && !f.writable:
		return fail(op, f.name, fs.ErrPermission)
	}
	return nil
}

// ReadAt is io.ReaderAt.
func (f *file) ReadAt(p []byte, offset int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.check("read", false); err != nil {
		return 0, err
	}
	if f.fs.inject != nil {
		if x := f.fs.inject(Op{Kind: Read, Name: f.name, Offset: offset, Len: len(p)}); x.Err != nil {
			return 0, fail("read", f.name, x.Err)
		}
	}
	if offset >= int64(len(f.node.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.node.data[offset:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt is io.WriterAt.
func (f *file) WriteAt(p []byte, offset int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.check("write", true); err != nil {
		return 0, err
	}
	x := f.fs.change(Op{Kind: Write, Name: f.name, Offset: offset, Len: len(p)})
	n := len(p)
	if x.Err != nil {
		n = min(x.Wrote, n)
	}
	if grow := offset + int64(n) - int64(len(f.node.data)); grow > f.fs.free() && x.Err == nil {
		n = max(n-int(grow-f.fs.free()), 0)
		x.Err = syscall.ENOSPC
	}
	if n > 0 {
		f.node.write(p[:n], offset)
	}
	if x.Err != nil {
		return n, fail("write", f.name, x.Err)
	}
	return n, nil
}

// Size is vfs.File.Size.
func (f *file) Size() (int64, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.check("stat", false); err != nil {
		return 0, err
	}
	return int64(len(f.node.data)), nil
}

// Preallocate is vfs.File.Preallocate.
func (f *file) Preallocate(size int64) error { return f.resize(Preallocate, size) }

// Truncate is vfs.File.Truncate.
func (f *file) Truncate(size int64) error { return f.resize(Truncate, size) }

func (f *file) resize(kind Kind, size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.check(kind.String(), true); err != nil {
		return err
	}
	x := f.fs.change(Op{Kind: kind, Name: f.name, Len: int(size)})
	grow := size - int64(len(f.node.data))
	if x.Err == nil && kind == Preallocate && grow > f.fs.free() {
		x.Err = syscall.ENOSPC
	}
	if begun(x) && (grow > 0 || kind == Truncate) {
		f.node.resize(size)
	}
	if x.Err != nil {
		return fail(kind.String(), f.name, x.Err)
	}
	return nil
}

// Sync is vfs.File.Sync.
func (f *file) Sync() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.check("sync", false); err != nil {
		return err
	}
	x := f.fs.change(Op{Kind: Sync, Name: f.name})
	if x.Err == nil {
		f.node.settle(f.node.data)
		return nil
	}
	if !errors.Is(x.Err, ErrCrashed) {
		length := int64(len(f.node.data))
		left := f.node.survive(f.fs.random).data
		left = append(left, make([]byte, max(length-int64(len(left)), 0))...)
		f.node.settle(left[:length:length])
	}
	return fail("sync", f.name, x.Err)
}

// Close is io.Closer.
func (f *file) Close() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if f.closed {
		return fail("close", f.name, fs.ErrClosed)
	}
	f.closed = true
	return nil
}

// Flip turns bits of a byte of a file over, in memory and on the disk: bit rot.
func (s *FS) Flip(name string, offset int64, mask byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.files[path.Clean(name)]
	if n == nil {
		return fail("flip", name, fs.ErrNotExist)
	}
	if offset < 0 || offset >= int64(len(n.data)) {
		return fmt.Errorf("flip byte %d of %s: it has %d", offset, name, len(n.data))
	}
	n.data[offset] ^= mask
	if offset < int64(len(n.disk)) {
		n.disk[offset] ^= mask
	}
	return nil
}

// Bytes returns the contents of a file as a program sees it.
func (s *FS) Bytes(name string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.files[path.Clean(name)]
	if n == nil {
		return nil, fail("read", name, fs.ErrNotExist)
	}
	return slices.Clone(n.data), nil
}

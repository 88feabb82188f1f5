package faultfs

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"math"
	"math/rand/v2"
	"path"
	"slices"
	"sync"

	"tidegate/internal/vfs"
)

// ErrCrashed is wrapped by every error after a crash.
var ErrCrashed = errors.New("the machine has crashed")

// Kind is what an operation does.
type Kind uint8

// Kinds of operations.
const (
	Mkdir Kind = iota
	Create
	OpenWrite
	Write
	Preallocate
	Truncate
	Sync
	Rename
	Remove
	SyncDir
	Read // of bytes; not a change, so its N is 0
)

var kindNames = [...]string{
	"mkdir", "create", "open for writing", "write", "preallocate", "truncate", "sync", "rename", "remove", "sync directory", "read",
}

// String returns the kind in words.
func (k Kind) String() string { return kindNames[k] }

// Op is an operation that is about to happen.
type Op struct {
	N      int // number among the changes, from 1
	Kind   Kind
	Name   string // of the file or directory; the old name for Rename
	Offset int64  // Write, Read
	Len    int    // Write, Read: bytes; Preallocate, Truncate: the new length
}

// Fault is what happens instead. The zero Fault is none.
type Fault struct {
	Err   error // what the operation returns
	Wrote int   // Write: bytes that are written nevertheless
}

// FS is a file system in memory.
type FS struct {
	mu      sync.Mutex
	files   map[string]*node // what a running program sees
	disk    map[string]*node // names on the disk
	dirs    map[string]bool
	pending []rename // changes of names since their SyncDir, oldest first
	locked  map[string]bool

	changes  int
	crashAt  int // change; 0 never
	crashed  bool
	inject   func(Op) Fault
	capacity int64
	random   *rand.Rand // decides what a failed sync leaves
	log      []Op
}

var _ vfs.FS = (*FS)(nil)

// A rename is a change of names: from is "" for a new file, to is "" for one removed.
type rename struct {
	from, to string
	file     *node
}

// New returns an empty file system with unlimited space.
func New() *FS { return newFS(1) }

func newFS(seed uint64) *FS {
	return &FS{
		files: map[string]*node{}, disk: map[string]*node{}, dirs: map[string]bool{}, locked: map[string]bool{},
		capacity: math.MaxInt64, random: rand.New(rand.NewPCG(seed, 0)),
	}
}

// Inject has f asked before every operation. f must not use the file system.
func (s *FS) Inject(f func(Op) Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inject = f
}

// Crash makes the n-th change from now crash the machine. If it is one of bytes or names, it has begun
// like any that was not synced.
func (s *FS) Crash(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.crashAt = s.changes + n
}

// SetCapacity limits the bytes of all files together.
func (s *FS) SetCapacity(bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.capacity = bytes
}

// Changes returns the changes so far.
func (s *FS) Changes() []Op {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.log)
}

// Crashed reports whether the machine has crashed.
func (s *FS) Crashed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.crashed
}

// Restart ends a crash as if only the process had died: what it wrote is there, synced or not, and locks are
// not.
func (s *FS) Restart() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.crashed, s.crashAt = false, 0
	clear(s.locked)
}

// Reboot returns what is left after a crash at this moment. It does not change s: other seeds give
// other remains.
func (s *FS) Reboot(seed uint64) *FS {
	s.mu.Lock()
	defer s.mu.Unlock()
	after := newFS(seed)
	after.capacity = s.capacity
	maps.Copy(after.dirs, s.dirs)
	random := rand.New(rand.NewPCG(seed, 1))
	names := maps.Clone(s.disk)
	lost := map[string]bool{} // names with a change that is not left
	for _, r := range s.pending {
		if lost[r.from] || lost[r.to] || random.IntN(2) == 0 {
			lost[r.from], lost[r.to] = true, true
			delete(lost, "")
			continue
		}
		r.apply(names)
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		after.files[name] = names[name].survive(random)
	}
	maps.Copy(after.disk, after.files)
	return after
}

func (r rename) apply(names map[string]*node) {
	if r.from != "" {
		delete(names, r.from)
	}
	if r.to != "" {
		names[r.to] = r.file
	}
}

// change counts a change and returns what is to happen. With s.mu held.
func (s *FS) change(op Op) Fault {
	if s.crashed {
		return Fault{Err: ErrCrashed}
	}
	s.changes++
	op.N = s.changes
	s.log = append(s.log, op)
	if s.changes == s.crashAt {
		s.crashed = true
		return Fault{Err: ErrCrashed, Wrote: op.Len}
	}
	if s.inject != nil {
		return s.inject(op)
	}
	return Fault{}
}

func fail(op, name string, err error) error { return &fs.PathError{Op: op, Path: name, Err: err} }

// begun reports whether a change happens, at least in memory.
func begun(f Fault) bool { return f.Err == nil || errors.Is(f.Err, ErrCrashed) }

// name makes a change of names happen, if it does. With s.mu held.
func (s *FS) name(op Op, r rename) error {
	was := s.crashed
	f := s.change(op)
	if !was && begun(f) {
		r.apply(s.files)
		s.pending = append(s.pending, r)
	}
	if f.Err != nil {
		return fail(op.Kind.String(), op.Name, f.Err)
	}
	return nil
}

// MkdirAll is vfs.FS.MkdirAll. Directories are not lost.
func (s *FS) MkdirAll(dir string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.change(Op{Kind: Mkdir, Name: dir}); f.Err != nil {
		return fail("mkdir", dir, f.Err)
	}
	s.dirs[path.Clean(dir)] = true
	return nil
}

// Create is vfs.FS.Create.
func (s *FS) Create(name string) (vfs.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name = path.Clean(name)
	if s.files[name] != nil {
		return nil, fail("create", name, fs.ErrExist)
	}
	if !s.dirs[path.Dir(name)] {
		return nil, fail("create", name, fs.ErrNotExist)
	}
	n := &node{versions: map[int64][][]byte{}}
	if err := s.name(Op{Kind: Create, Name: name}, rename{to: name, file: n}); err != nil {
		return nil, err
	}
	return &file{fs: s, node: n, name: name, writable: true}, nil
}

// Open is vfs.FS.Open.
func (s *FS) Open(name string) (vfs.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open(name, false)
}

// OpenWrite is vfs.FS.OpenWrite.
func (s *FS) OpenWrite(name string) (vfs.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.change(Op{Kind: OpenWrite, Name: name}); f.Err != nil {
		return nil, fail("open", name, f.Err)
	}
	return s.open(name, true)
}

func (s *FS) open(name string, writable bool) (vfs.File, error) {
	name = path.Clean(name)
	n := s.files[name]
	switch {
	case s.crashed:
		return nil, fail("open", name, ErrCrashed)
	case n == nil:
		return nil, fail("open", name, fs.ErrNotExist)
	}
	return &file{fs: s, node: n, name: name, writable: writable}, nil
}

// Rename is vfs.FS.Rename.
func (s *FS) Rename(from, to string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	from, to = path.Clean(from), path.Clean(to)
	n := s.files[from]
	if n == nil {
		return fail("rename", from, fs.ErrNotExist)
	}
	return s.name(Op{Kind: Rename, Name: from}, rename{from: from, to: to, file: n})
}

// Remove is vfs.FS.Remove.
func (s *FS) Remove(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	name = path.Clean(name)
	if s.files[name] == nil {
		return fail("remove", name, fs.ErrNotExist)
	}
	return s.name(Op{Kind: Remove, Name: name}, rename{from: name})
}

// List is vfs.FS.List.
func (s *FS) List(dir string) ([]vfs.Info, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	dir = path.Clean(dir)
	if s.crashed {
		return nil, fail("list", dir, ErrCrashed)
	}
	if !s.dirs[dir] {
		return nil, fail("list", dir, fs.ErrNotExist)
	}
	var all []vfs.Info
	for _, name := range slices.Sorted(maps.Keys(s.files)) {
		if path.Dir(name) == dir {
			all = append(all, vfs.Info{Name: path.Base(name), Bytes: int64(len(s.files[name].data))})
		}
	}
	return all, nil
}

// SyncDir is vfs.FS.SyncDir.
func (s *FS) SyncDir(dir string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	dir = path.Clean(dir)
	if f := s.change(Op{Kind: SyncDir, Name: dir}); f.Err != nil {
		return fail("sync", dir, f.Err)
	}
	rest := s.pending[:0]
	for _, r := range s.pending {
		if path.Dir(r.from) == dir || path.Dir(r.to) == dir {
			r.apply(s.disk)
		} else {
			rest = append(rest, r)
		}
	}
	s.pending = rest
	return nil
}

// FreeBytes is vfs.FS.FreeBytes.
func (s *FS) FreeBytes(dir string) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.crashed {
		return 0, fail("free space", dir, ErrCrashed)
	}
	return s.free(), nil
}

func (s *FS) free() int64 {
	left := s.capacity
	for _, n := range s.files {
		left -= int64(len(n.data))
	}
	return max(left, 0)
}

// Lock is vfs.FS.Lock. Locks end with a crash.
func (s *FS) Lock(name string) (io.Closer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.crashed {
		return nil, fail("lock", name, ErrCrashed)
	}
	if s.locked[name] {
		return nil, fail("lock", name, vfs.ErrLocked)
	}
	s.locked[name] = true
	return &lock{s, name}, nil
}

// Locked is vfs.FS.Locked.
func (s *FS) Locked(name string) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.crashed {
		return false, fail("look at lock", name, ErrCrashed)
	}
	return s.locked[name], nil
}

type lock struct {
	fs   *FS
	name string
}

// Close gives the lock back.
func (l *lock) Close() error {
	l.fs.mu.Lock()
	defer l.fs.mu.Unlock()
	delete(l.fs.locked, l.name)
	return nil
}

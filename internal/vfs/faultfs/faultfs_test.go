package faultfs

import (
	"bytes"
	"errors"
	"io/fs"
	"syscall"
	"testing"

	"tidegate/internal/vfs"
)

const seeds = 200

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// made returns a file system with a file "d/f" of n sectors of zeros that is on the disk.
func made(t *testing.T, n int) (*FS, vfs.File) {
	t.Helper()
	s := New()
	must(t, s.MkdirAll("d"))
	f, err := s.Create("d/f")
	must(t, err)
	must(t, f.Preallocate(int64(n)*vfs.SectorBytes))
	must(t, f.Sync())
	must(t, s.SyncDir("d"))
	return s, f
}

func sector(c byte) []byte { return bytes.Repeat([]byte{c}, vfs.SectorBytes) }

// remains counts what is left of "d/f" over many seeds, a letter for each sector.
func remains(t *testing.T, s *FS) map[string]int {
	t.Helper()
	all := map[string]int{}
	for seed := range uint64(seeds) {
		b, err := s.Reboot(seed).Bytes("d/f")
		if errors.Is(err, fs.ErrNotExist) {
			all["none"]++
			continue
		}
		must(t, err)
		text := ""
		for i := 0; i < len(b); i += vfs.SectorBytes {
			part := b[i:min(i+vfs.SectorBytes, len(b))]
			if !bytes.Equal(part, sector(part[0])[:len(part)]) {
				t.Fatalf("seed %d: a sector is torn", seed)
			}
			if part[0] == 0 {
				text += "."
			} else {
				text += string(part[0])
			}
		}
		all[text]++
	}
	return all
}

func wantAll(t *testing.T, got map[string]int, want ...string) {
	t.Helper()
	for _, w := range want {
		if got[w] == 0 {
			t.Errorf("%q never happens: %v", w, got)
		}
	}
	if len(got) != len(want) {
		t.Errorf("got %v, want each of %q and nothing else", got, want)
	}
}

// Sectors survive by themselves, with any of their contents since the last sync; synced ones do.
func TestCrashTearsWrites(t *testing.T) {
	s, f := made(t, 3)
	write := func(c byte, at int) {
		_, err := f.WriteAt(sector(c), int64(at)*vfs.SectorBytes)
		must(t, err)
	}
	write('a', 0)
	must(t, f.Sync())
	wantAll(t, remains(t, s), "a..")
	write('b', 1)
	write('c', 2)
	write('d', 2)
	wantAll(t, remains(t, s), "a..", "ab.", "a.c", "a.d", "abc", "abd")
	must(t, f.Sync())
	wantAll(t, remains(t, s), "abd")
}

func TestCrashDuringOperation(t *testing.T) {
	s, f := made(t, 2)
	s.Crash(2)
	_, err := f.WriteAt(sector('a'), 0)
	must(t, err)
	if err := f.Sync(); !errors.Is(err, ErrCrashed) || !s.Crashed() {
		t.Fatalf("sync: %v, want a crash", err)
	}
	wantAll(t, remains(t, s), "..", "a.") // the sync has begun at best
	if _, err := f.WriteAt(sector('b'), 0); !errors.Is(err, ErrCrashed) {
		t.Errorf("write after the crash: %v", err)
	}
	if _, err := s.Open("d/f"); !errors.Is(err, ErrCrashed) {
		t.Errorf("open after the crash: %v", err)
	}

	s, f = made(t, 2)
	s.Crash(1)
	if _, err := f.WriteAt(append(sector('a'), sector('b')...), 0); !errors.Is(err, ErrCrashed) {
		t.Fatalf("write: %v, want a crash", err)
	}
	wantAll(t, remains(t, s), "..", "a.", ".b", "ab")
}

// A process that dies takes nothing with it but its locks.
func TestRestart(t *testing.T) {
	s, f := made(t, 1)
	_, err := s.Lock("d/lock")
	must(t, err)
	s.Crash(1)
	if _, err := f.WriteAt(sector('a'), 0); !errors.Is(err, ErrCrashed) {
		t.Fatalf("write: %v", err)
	}
	s.Restart()
	if b, err := s.Bytes("d/f"); err != nil || b[0] != 'a' {
		t.Errorf("left: %q, %v", b[:1], err)
	}
	_, err = s.Lock("d/lock")
	must(t, err)
	wantAll(t, remains(t, s), ".", "a") // and is not on the disk for that
}

func TestCrashLosesLengthsAndNames(t *testing.T) {
	s, f := made(t, 1)
	must(t, f.Truncate(2*vfs.SectorBytes))
	wantAll(t, remains(t, s), ".", "..")

	s, f = made(t, 1)
	_, err := f.WriteAt(sector('a'), 0)
	must(t, err)
	must(t, f.Sync())
	must(t, s.Rename("d/f", "d/g"))
	must(t, s.Rename("d/g", "d/h"))
	names := map[string]int{}
	for seed := range uint64(seeds) {
		all, err := s.Reboot(seed).List("d")
		must(t, err)
		if len(all) != 1 {
			t.Fatalf("seed %d: %v, want one file", seed, all)
		}
		names[all[0].Name]++
	}
	if len(names) != 3 || names["f"] == 0 || names["g"] == 0 || names["h"] == 0 {
		t.Errorf("names left: %v, want f, g and h, each sometimes", names)
	}
	must(t, s.SyncDir("d"))
	if _, err := s.Reboot(1).Bytes("d/h"); err != nil {
		t.Error(err)
	}

	s, _ = made(t, 1)
	must(t, s.Remove("d/f"))
	wantAll(t, remains(t, s), ".", "none")
	must(t, s.SyncDir("d"))
	wantAll(t, remains(t, s), "none")
}

// After a failed sync the pages are gone, and the next sync has nothing to write.
func TestFailedSyncDropsPages(t *testing.T) {
	kept := map[bool]int{}
	for seed := range uint64(seeds) {
		s, f := made(t, 2)
		s.random.Uint64() // each time another state
		for range seed {
			s.random.Uint64()
		}
		s.Inject(func(op Op) Fault {
			if op.Kind == Sync && op.N == 7 {
				return Fault{Err: syscall.EIO}
			}
			return Fault{}
		})
		_, err := f.WriteAt(sector('a'), 0)
		must(t, err)
		if err := f.Sync(); !errors.Is(err, syscall.EIO) {
			t.Fatalf("sync: %v, want EIO", err)
		}
		must(t, f.Sync())
		p := make([]byte, vfs.SectorBytes)
		_, err = f.ReadAt(p, 0)
		must(t, err)
		after, err := s.Reboot(0).Bytes("d/f")
		must(t, err)
		if !bytes.Equal(p, after[:vfs.SectorBytes]) {
			t.Fatal("what is read is not what is on the disk")
		}
		kept[p[0] == 'a']++
	}
	if kept[true] == 0 || kept[false] == 0 {
		t.Errorf("page kept: %v, want both sometimes", kept)
	}
}

func TestSpaceAndShortWrites(t *testing.T) {
	s, f := made(t, 1)
	s.SetCapacity(2*vfs.SectorBytes + 100)
	if err := f.Preallocate(3 * vfs.SectorBytes); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("preallocate: %v, want ENOSPC", err)
	}
	n, err := f.WriteAt(bytes.Repeat([]byte{'x'}, 4*vfs.SectorBytes), 0)
	if n != 2*vfs.SectorBytes+100 || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("wrote %d, %v; want what fits and ENOSPC", n, err)
	}
	if n, err := f.WriteAt([]byte("yy"), 0); n != 2 || err != nil {
		t.Errorf("wrote %d over what is there, %v", n, err)
	}
	if free, _ := s.FreeBytes("d"); free != 0 {
		t.Errorf("%d bytes free", free)
	}
	s.Inject(func(Op) Fault { return Fault{Err: syscall.EIO, Wrote: 3} })
	if n, err := f.WriteAt([]byte("zzzzz"), 0); n != 3 || !errors.Is(err, syscall.EIO) {
		t.Errorf("wrote %d, %v; want 3 and EIO", n, err)
	}
	s.Inject(nil)
	must(t, s.Flip("d/f", 1, 0x80))
	if b, _ := s.Bytes("d/f"); string(b[:4]) != "z\xfazx" {
		t.Errorf("contents %q", b[:4])
	}
	if err := s.Flip("d/f", 1<<20, 1); err == nil {
		t.Error("flipped a byte behind the end")
	}
}

// The same program gets the same numbers, and the same seed the same remains.
func TestDeterministic(t *testing.T) {
	program := func() *FS {
		s, f := made(t, 8)
		for i := range 20 {
			_, _ = f.WriteAt(sector(byte('a'+i)), int64(i%8)*vfs.SectorBytes)
		}
		return s
	}
	a, b := program(), program()
	for seed := range uint64(20) {
		x, _ := a.Reboot(seed).Bytes("d/f")
		y, _ := b.Reboot(seed).Bytes("d/f")
		if !bytes.Equal(x, y) {
			t.Fatalf("seed %d: different remains", seed)
		}
	}
	if n := len(a.Changes()); n != 25 || a.Changes()[4].Kind != SyncDir || a.Changes()[4].N != 5 {
		t.Errorf("%d changes, %+v", n, a.Changes()[:5])
	}
}

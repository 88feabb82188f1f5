package orders

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"path"
	"slices"
	"sync"

	"tidegate/internal/vfs"
)

// A store keeps streams of reports in one file: those of each session, and those of each account. It is
// made of chunks, each of one stream:
//
//	0    8   "TIDESTRM"
//	8    8   stream: 1<<32 | session, or 2<<32 | account
//	16   8   number of the first report, one more than a multiple of 33
//	24   4   CRC-32C of all before
//	28       zeros
//	64   33 x 240  reports; see Report.AppendBinary
//	7984     zeros up to 8,192
//
// One file is synced at once, however many streams have grown. What is in it is a function of the
// input log, so what a crash took is made again: a snapshot of the core is written only when the store
// is synced up to there, and at the start, what lies behind the snapshot is forgotten.
type store struct {
	fs      vfs.FS
	file    vfs.File
	recent  int // how many reports of a session stay in memory
	streams map[uint64]*stream

	mu   sync.Mutex
	next uint32   // chunk at the end of the file
	free []uint32 // chunks that hold nothing
}

const (
	chunkBytes   = 8192
	chunkHead    = 64
	chunkReports = 33
)

var chunkMagic = [8]byte{'T', 'I', 'D', 'E', 'S', 'T', 'R', 'M'}

func sessionStream(id SessionID) uint64 { return 1<<32 | uint64(id) }
func accountStream(id AccountID) uint64 { return 2<<32 | uint64(id) }

// A stream is the reports of a session or an account. One goroutine appends; any may read.
type stream struct {
	store *store
	key   uint64
	keep  int // how many reports stay in memory

	mu      sync.Mutex
	recent  []Report // a ring by number
	count   uint64   // reports in all
	stored  uint64   // of those in the file
	base    uint64   // reports up to here are not in memory
	chunks  []uint32
	scratch []byte
	wake    func()
}

// openStore opens the file below dir, or makes it, and forgets what is behind counts.
func openStore(fsys vfs.FS, dir string, recent int, counts map[uint64]uint64) (*store, error) {
	name := path.Join(dir, "streams")
	s := &store{fs: fsys, recent: recent, streams: map[uint64]*stream{}}
	var err error
	if s.file, err = fsys.OpenWrite(name); errors.Is(err, fs.ErrNotExist) {
		if s.file, err = fsys.Create(name); err == nil {
			err = fsys.SyncDir(dir)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("open streams: %w", err)
	}
	for key, count := range counts {
		st := s.stream(key)
		st.count, st.stored, st.base = count, count, count
	}
	if err := s.scan(); err != nil {
		return nil, errors.Join(fmt.Errorf("open streams: %w", err), s.file.Close())
	}
	return s, nil
}

// stream returns a stream, which may be new. It is called by one goroutine, before others read.
func (s *store) stream(key uint64) *stream {
	st := s.streams[key]
	if st == nil {
		st = &stream{store: s, key: key, keep: 32}
		if key>>32 == 1 {
			st.keep = s.recent
		}
		s.streams[key] = st
	}
	return st
}

// scan finds the chunks of all streams, and frees those that hold nothing that counts.
func (s *store) scan() error {
	size, err := s.file.Size()
	if err != nil {
		return err
	}
	type found struct{ chunk, place uint32 }
	chunks := map[uint64][]found{}
	var head, zero [chunkHead]byte
	freed := false
	for s.next = 0; int64(s.next)*chunkBytes < size; s.next++ {
		if _, err := s.file.ReadAt(head[:], int64(s.next)*chunkBytes); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		key, first := binary.LittleEndian.Uint64(head[8:]), binary.LittleEndian.Uint64(head[16:])
		st := s.streams[key]
		good := [8]byte(head[:]) == chunkMagic && crc32.Checksum(head[:24], castagnoli) == binary.LittleEndian.Uint32(head[24:])
		if good && st != nil && first <= st.count {
			chunks[key] = append(chunks[key], found{s.next, uint32(first / chunkReports)})
			continue
		}
		s.free = append(s.free, s.next)
		if head != zero { // else it would be found again beside the one that takes its place
			freed = true
			if _, err := s.file.WriteAt(zero[:], int64(s.next)*chunkBytes); err != nil {
				return err
			}
		}
	}
	for key, st := range s.streams {
		all := chunks[key]
		slices.SortFunc(all, func(x, y found) int { return int(x.place) - int(y.place) })
		if want := (st.count + chunkReports - 1) / chunkReports; uint64(len(all)) != want {
			return fmt.Errorf("stream %#x: %d chunks for %d reports: want %d", key, len(all), st.count, want)
		}
		for i, f := range all {
			if f.place != uint32(i) {
				return fmt.Errorf("stream %#x: chunk %d is missing", key, i)
			}
			st.chunks = append(st.chunks, f.chunk)
		}
	}
	if freed {
		return s.file.Sync()
	}
	return nil
}

// allocate returns a chunk that holds nothing.
func (s *store) allocate() uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.free); n > 0 {
		c := s.free[n-1]
		s.free = s.free[:n-1]
		return c
	}
	s.next++
	return s.next - 1
}

// flush writes down what is only in memory, and syncs the file.
func (s *store) flush() error {
	for _, st := range s.streams {
		st.mu.Lock()
		err := st.write()
		st.mu.Unlock()
		if err != nil {
			return err
		}
	}
	if err := s.file.Sync(); err != nil {
		return fmt.Errorf("sync streams: %w", err)
	}
	return nil
}

func (st *stream) setWake(wake func()) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.wake = wake
}

func (st *stream) next() uint64 {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.count + 1
}

// append adds the report with a number; one that is there already is the same. It returns whom to wake.
func (st *stream) append(r *Report, number uint64) (wake func(), err error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if number <= st.count {
		return nil, nil
	}
	if number != st.count+1 {
		panic(fmt.Sprintf("orders: stream %#x: report %d after %d", st.key, number, st.count))
	}
	if st.count-st.base == uint64(len(st.recent)) {
		if len(st.recent) < st.keep {
			st.grow()
		} else {
			if st.stored == st.base {
				err = st.write()
			}
			st.base++
		}
	}
	st.count++
	*st.at(st.count) = *r
	return st.wake, err
}

// at returns the place of a report in memory.
func (st *stream) at(number uint64) *Report { return &st.recent[number%uint64(len(st.recent))] }

func (st *stream) grow() {
	old := st.recent
	st.recent = make([]Report, min(st.keep, max(8, 2*len(old))))
	for n := st.base + 1; n <= st.count; n++ {
		*st.at(n) = old[n%uint64(len(old))]
	}
}

// write writes the reports that are not in the file yet.
func (st *stream) write() error {
	for st.stored < st.count {
		at := st.stored % chunkReports
		if at == 0 && int(st.stored/chunkReports) == len(st.chunks) {
			c := st.store.allocate()
			head := make([]byte, chunkHead)
			copy(head, chunkMagic[:])
			binary.LittleEndian.PutUint64(head[8:], st.key)
			binary.LittleEndian.PutUint64(head[16:], st.stored+1)
			binary.LittleEndian.PutUint32(head[24:], crc32.Checksum(head[:24], castagnoli))
			if _, err := st.store.file.WriteAt(head, int64(c)*chunkBytes); err != nil {
				return fmt.Errorf("write streams: %w", err)
			}
			st.chunks = append(st.chunks, c)
		}
		n := min(chunkReports-at, st.count-st.stored)
		b := st.scratch[:0]
		for i := range n {
			b, _ = st.at(st.stored + 1 + i).AppendBinary(b)
		}
		st.scratch = b
		if _, err := st.store.file.WriteAt(b, int64(st.chunks[st.stored/chunkReports])*chunkBytes+chunkHead+int64(at)*ReportLen); err != nil {
			return fmt.Errorf("write streams: %w", err)
		}
		st.stored += n
	}
	return nil
}

// recentReports copies reports from memory; see Link.Read.
func (st *stream) recentReports(from uint64, dst []Report) (n int, err error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	switch {
	case from == 0 || from > st.count+1:
		return 0, ErrAhead
	case from <= st.base:
		return 0, ErrBehind
	}
	for ; n < len(dst) && from <= st.count; n++ {
		dst[n] = *st.at(from)
		from++
	}
	return n, nil
}

// oldReports copies reports from the file; see Link.History.
func (st *stream) oldReports(from uint64, dst []Report) (n int, err error) {
	st.mu.Lock()
	if from == 0 || from > st.base {
		st.mu.Unlock()
		return 0, nil
	}
	last := min(st.base, from+uint64(len(dst))-1, (from-1)/chunkReports*chunkReports+chunkReports) // of one chunk
	chunk := st.chunks[(from-1)/chunkReports]
	st.mu.Unlock()

	b := make([]byte, (last-from+1)*ReportLen)
	if _, err := st.store.file.ReadAt(b, int64(chunk)*chunkBytes+chunkHead+int64((from-1)%chunkReports)*ReportLen); err != nil {
		return 0, fmt.Errorf("read reports: from %d: %w", from, err)
	}
	for ; len(b) > 0; b = b[ReportLen:] {
		if err := dst[n].UnmarshalBinary(b[:ReportLen]); err != nil {
			return n, fmt.Errorf("read reports: %d: %w", from+uint64(n), err)
		}
		n++
	}
	return n, nil
}

// reports copies reports from the file or from memory, as many as there are from one of them.
func (st *stream) reports(from uint64, dst []Report) (n int, err error) {
	if n, err = st.oldReports(from, dst); n > 0 || err != nil {
		return n, err
	}
	n, err = st.recentReports(from, dst)
	if errors.Is(err, ErrBehind) { // it went to the file meanwhile
		return st.oldReports(from, dst)
	}
	return n, err
}

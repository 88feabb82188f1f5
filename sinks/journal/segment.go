package journal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"tidegate/internal/vfs"
)

// Endings of the files of a journal.
const (
	plainExt  = ".tgj"
	packedExt = ".tgj.zst"
	indexExt  = ".tgx"
	tornExt   = ".torn"
	tempExt   = ".tmp"
)

// segmentFile is a segment in a directory. Its name says its number and the index of its first entry:
//
//	00000042-00000000000001234567.tgj
type segmentFile struct {
	number uint64
	base   uint64
	packed bool
	bytes  int64 // of the file, as it was when it was listed
}

// stem returns the name without an ending.
func (s segmentFile) stem() string { return fmt.Sprintf("%08d-%020d", s.number, s.base) }

func (s segmentFile) name() string {
	if s.packed {
		return s.stem() + packedExt
	}
	return s.stem() + plainExt
}

// parseSegment reads the name of a segment.
func parseSegment(name string) (s segmentFile, ok bool) {
	stem, packed := strings.CutSuffix(name, packedExt)
	if !packed {
		if stem, ok = strings.CutSuffix(name, plainExt); !ok {
			return s, false
		}
	}
	number, base, ok := strings.Cut(stem, "-")
	if !ok {
		return s, false
	}
	s.packed = packed
	var err1, err2 error
	s.number, err1 = strconv.ParseUint(number, 10, 64)
	s.base, err2 = strconv.ParseUint(base, 10, 64)
	return s, err1 == nil && err2 == nil && s.base > 0 && s.stem() == stem
}

// ErrNoJournal is wrapped by errors about a directory that holds no journal.
var ErrNoJournal = errors.New("no journal there")

// listing is what a directory holds of a journal.
type listing struct {
	segments []segmentFile // by number; at least one
	doubles  []segmentFile // packed ones whose plain segment is still there: packing did not end
	other    map[string]int64
}

// list reads a directory. A segment that is there twice is the plain one: it is removed when the packed
// one is complete, and not before.
func list(fsys vfs.FS, dir string) (l listing, err error) {
	files, err := fsys.List(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return l, fmt.Errorf("journal: %s: %w: %w", dir, ErrNoJournal, fs.ErrNotExist)
	}
	if err != nil {
		return l, fmt.Errorf("journal: list %s: %w", dir, err)
	}
	l.other = map[string]int64{}
	byNumber := map[uint64]segmentFile{}
	for _, f := range files {
		s, ok := parseSegment(f.Name)
		if !ok {
			l.other[f.Name] = f.Bytes
			continue
		}
		s.bytes = f.Bytes
		was, twice := byNumber[s.number]
		switch {
		case !twice:
			byNumber[s.number] = s
		case was.base != s.base:
			return l, fmt.Errorf("journal: %s: two segments have number %d, and begin at %d and %d", dir, s.number, was.base, s.base)
		case was.packed:
			l.doubles = append(l.doubles, was)
			byNumber[s.number] = s
		default:
			l.doubles = append(l.doubles, s)
		}
	}
	for _, s := range byNumber {
		l.segments = append(l.segments, s)
	}
	slices.SortFunc(l.segments, func(a, b segmentFile) int {
		if a.number < b.number {
			return -1
		}
		return 1
	})
	for i := 1; i < len(l.segments); i++ {
		if a, b := l.segments[i-1], l.segments[i]; b.base < a.base {
			return l, fmt.Errorf("journal: %s: segment %d begins at index %d, before segment %d with %d", dir, b.number, b.base, a.number, a.base)
		}
	}
	if len(l.segments) == 0 {
		return l, fmt.Errorf("journal: %s: %w: %s", dir, ErrNoJournal, l.instead())
	}
	return l, nil
}

// instead says what is in a directory without segments.
func (l *listing) instead() string {
	if len(l.other) == 0 {
		return "the directory has no files"
	}
	return fmt.Sprintf("none of the files is a segment; the first is %s", sortedKeys(l.other)[0])
}

// find returns the place of the segment that holds an index, or would hold it: the last one that does
// not begin after it. It is -1 if every segment begins after it.
func (l *listing) find(index uint64) int {
	i, _ := slices.BinarySearchFunc(l.segments, index, func(s segmentFile, index uint64) int {
		if s.base <= index {
			return -1
		}
		return 1
	})
	return i - 1
}

// until returns the index at which the successor of segment i takes over; ok is false for the last one.
// What a segment holds from there on does not count: a failed sync left it.
func (l *listing) until(i int) (index uint64, ok bool) {
	if i+1 >= len(l.segments) {
		return 0, false
	}
	return l.segments[i+1].base, true
}

// contents are the bytes of a segment as they were written, packed or not.
type contents interface {
	io.ReaderAt
	io.Closer
	Size() (int64, error)
}

// openSegment opens a segment for reading.
func openSegment(fsys vfs.FS, dir string, s segmentFile) (contents, error) {
	f, err := fsys.Open(path.Join(dir, s.name()))
	if err != nil {
		return nil, err
	}
	if !s.packed {
		return f, nil
	}
	p, err := openPacked(f)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", s.name(), err), f.Close())
	}
	return p, nil
}

// readAt reads as much as there is of n bytes into buf, which grows if need be. The end of the file is no
// error.
func readAt(f io.ReaderAt, buf []byte, n int, offset int64) ([]byte, error) {
	buf = slices.Grow(buf[:0], n)[:n]
	n, err := f.ReadAt(buf, offset)
	if err == io.EOF {
		err = nil
	}
	return buf[:n], err
}

// readSegmentHeader reads the header of an open segment. bad says what is wrong with it.
func readSegmentHeader(f io.ReaderAt, s segmentFile) (h segmentHeader, bad, err error) {
	b, err := readAt(f, nil, segmentHeaderBytes, 0)
	if err != nil {
		return h, nil, err
	}
	if bad = h.parse(b); bad == nil && (h.Number != s.number || h.Base != s.base) {
		bad = fmt.Errorf("header is of segment %d with base %d", h.Number, h.Base)
	}
	return h, bad, nil
}

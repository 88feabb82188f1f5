package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"path"
	"slices"

	"tidegate/internal/vfs"
	"tidegate/market"
)

// An index says where the batches of a finished segment are: one row for about every rowEvery bytes.
// It is in a file of its own beside the segment:
//
//	0   8  "TIDEJIDX"
//	8   4  format version, 1
//	12  4  rows
//	16  8  journal id
//	24  8  segment number
//	32  8  bytes of the segment, unpacked
//	40  8  next index: the one after the last entry
//	48  8  latest receive time of all entries before that
//	56  24 each row: offset of a batch, its first index, latest receive time of all entries before it
//	    4  CRC-32C of everything before
//
// Nobody needs it: it is made from the segment, again if it is lost or damaged. Nobody trusts it
// either: who goes where a row points looks whether the batch is there.
type index struct {
	journal, segment uint64
	bytes            int64
	next             uint64
	latest           market.Nanos
	rows             []row
}

type row struct {
	offset int64
	first  uint64
	latest market.Nanos // of everything before
}

const (
	rowEvery        = 256 << 10
	indexHeadBytes  = 56
	rowBytes        = 24
	indexFileMax    = indexHeadBytes + 4 + rowBytes<<20
	indexMagicBytes = "TIDEJIDX"
)

// add takes up a batch at an offset.
func (x *index) add(offset int64, h *batchHeader) {
	if n := len(x.rows); n == 0 || offset >= x.rows[n-1].offset+rowEvery {
		x.rows = append(x.rows, row{offset, h.First, x.latest})
	}
	x.latest = max(x.latest, h.Latest)
	x.bytes = offset + h.bytes()
	x.next = h.Last + 1
}

func (x *index) append(b []byte) []byte {
	b = append(b, indexMagicBytes...)
	b = binary.LittleEndian.AppendUint32(b, formatVersion)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(x.rows)))
	for _, v := range []uint64{x.journal, x.segment, uint64(x.bytes), x.next, uint64(x.latest)} {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	for _, r := range x.rows {
		b = binary.LittleEndian.AppendUint64(b, uint64(r.offset))
		b = binary.LittleEndian.AppendUint64(b, r.first)
		b = binary.LittleEndian.AppendUint64(b, uint64(r.latest))
	}
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

var errIndexFile = errors.New("index is damaged")

func (x *index) parse(b []byte) error {
	if len(b) < indexHeadBytes+4 || string(b[:8]) != indexMagicBytes || binary.LittleEndian.Uint32(b[8:]) != formatVersion {
		return errIndexFile
	}
	rows := int64(binary.LittleEndian.Uint32(b[12:]))
	end := len(b) - 4
	if int64(end) != indexHeadBytes+rows*rowBytes || crc32.Checksum(b[:end], castagnoli) != binary.LittleEndian.Uint32(b[end:]) {
		return errIndexFile
	}
	word := func(i int) uint64 { return binary.LittleEndian.Uint64(b[i:]) }
	*x = index{
		journal: word(16), segment: word(24), bytes: int64(word(32)), next: word(40), latest: market.Nanos(word(48)),
		rows: make([]row, rows),
	}
	for i := range x.rows {
		at := indexHeadBytes + i*rowBytes
		x.rows[i] = row{int64(word(at)), word(at + 8), market.Nanos(word(at + 16))}
		if i > 0 && (x.rows[i].offset <= x.rows[i-1].offset || x.rows[i].first <= x.rows[i-1].first || x.rows[i].latest < x.rows[i-1].latest) {
			return errIndexFile
		}
	}
	return nil
}

// byIndex returns the last row that does not begin after an index.
func (x *index) byIndex(i uint64) (row, bool) {
	return x.last(func(r row) bool { return r.first <= i })
}

// byTime returns the last row before which everything was received before t.
func (x *index) byTime(t market.Nanos) (row, bool) {
	return x.last(func(r row) bool { return r.latest < t })
}

func (x *index) last(good func(row) bool) (row, bool) {
	n, _ := slices.BinarySearchFunc(x.rows, true, func(r row, _ bool) int {
		if good(r) {
			return -1
		}
		return 1
	})
	if n == 0 {
		return row{}, false
	}
	return x.rows[n-1], true
}

// readIndex reads the index of a segment from its file.
func readIndex(fsys vfs.FS, dir string, s segmentFile) (*index, error) {
	f, err := fsys.Open(path.Join(dir, s.stem()+indexExt))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if size > indexFileMax {
		return nil, errIndexFile
	}
	b, err := readAt(f, nil, int(size), 0)
	if err != nil {
		return nil, err
	}
	x := &index{}
	if err := x.parse(b); err != nil {
		return nil, err
	}
	if x.segment != s.number {
		return nil, fmt.Errorf("%w: it is of segment %d", errIndexFile, x.segment)
	}
	return x, nil
}

// writeWhole puts a file of these bytes in the place of a name, or nothing.
func writeWhole(fsys vfs.FS, dir, name string, b []byte) (err error) {
	temp := path.Join(dir, name+tempExt)
	if err := removeIfThere(fsys, temp); err != nil {
		return err
	}
	f, err := fsys.Create(temp)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(b, 0)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = fsys.Rename(temp, path.Join(dir, name))
	}
	if err != nil {
		return errors.Join(err, removeIfThere(fsys, temp))
	}
	return nil
}

package journal

import (
	"bytes"
	"hash/crc32"
	"math"
	"path"
	"testing"

	"tidegate/internal/vfs/faultfs"
	"tidegate/market"
)

// golden is a segment written by hand from the drawing in the package comment: one batch of two entries, and a
// gap of three.
func golden() []byte {
	h := segmentHeader{Journal: 0x1d, Number: 1, Epoch: 1, Base: 1, Chain: 0x1d, Latest: noTime, Created: start}
	b := h.append(nil)
	body := make([]byte, batchHeaderBytes)
	for i := range 2 {
		e := make([]byte, entryBytes(11))
		Header{At: start + market.Nanos(i), Feed: 2, Kind: 3}.put(e, 11, false)
		copy(e[entryHeaderBytes:], "tide gate 0")
		e[entryHeaderBytes+10] += byte(i)
		body = append(body, e...)
	}
	batch := batchHeader{Journal: 0x1d, Segment: 1, Epoch: 1, First: 1, Last: 2, Earliest: start, Latest: start + 1, Prev: 0x1d, Entries: 2}
	body, chain := seal(&batch, body)
	b = append(b, body...)

	g := Gap{From: 3, To: 5, Reason: DiskFull, Earliest: start - 5, Latest: start + 9}
	body = append(make([]byte, batchHeaderBytes), make([]byte, entryBytes(gapBytes))...)
	Header{At: g.Latest}.put(body[batchHeaderBytes:], gapBytes, true)
	g.put(body[batchHeaderBytes+entryHeaderBytes:])
	batch = batchHeader{Journal: 0x1d, Segment: 1, Epoch: 1, First: 3, Last: 5, Earliest: start - 5, Latest: start + 9, Durable: 2, Prev: chain, Entries: 1, Gap: true}
	body, _ = seal(&batch, body)
	return append(b, body...)
}

// The bytes of the format, by offset, as the package comment has them.
func TestGoldenSegment(t *testing.T) {
	b := golden()
	for _, c := range []struct {
		at   int
		want string
	}{
		{0, "TIDEJRNL\x01\x00\x00\x00\x00\x02\x00\x00\x1d\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00"},
		{32, "\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x1d\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80"},
		{512, "TGB1"},
		{520, "\x1d\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00"},
		{576, "\x00\x00\x00\x00\x00\x00\x00\x00\x1d\x00\x00\x00\x00\x00\x00\x00\x40\x00\x00\x00"},
		{600, "\x02\x00\x00\x00\x01\x00\x00\x00\x0b\x00\x00\x00\x02\x00\x03\x00"},
		{624, "tide gate 0\x00\x00\x00\x00\x00\x0b\x00\x00\x00\x02\x00\x03\x00"},
		{656, "tide gate 1\x00\x00\x00\x00\x00\x00"},
		{1024, "TGB1"},
		{1112, "\x01\x00\x00\x00\x02\x00\x00\x00\x28\x00\x00\x00\x00\x00\x00\x01"},
		{1136, "\x03\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00"},
	} {
		if got := string(b[c.at : c.at+len(c.want)]); got != c.want {
			t.Errorf("byte %d: %q, want %q", c.at, got, c.want)
		}
	}
	if len(b) != 1536 {
		t.Errorf("%d bytes, want 1536", len(b))
	}
}

// segmentOn puts bytes on a disk as the first segment of a journal.
func segmentOn(t testing.TB, b []byte, packed bool) (*faultfs.FS, segmentFile) {
	t.Helper()
	s := segmentFile{number: 1, base: 1, packed: packed, bytes: int64(len(b))}
	disk := faultfs.New()
	if err := disk.MkdirAll("d"); err != nil {
		t.Fatal(err)
	}
	f, err := disk.Create(path.Join("d", s.name()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(b, 0); err != nil {
		t.Fatal(err)
	}
	f.Close()
	return disk, s
}

// Whatever is in a segment, a scan ends, indexes go up without a hole that is not reported, entries lie within
// their batch, and Open, Verify and a reader agree on where the journal ends.
func FuzzSegment(f *testing.F) {
	g := golden()
	f.Add(g, uint16(0), byte(0), true)
	f.Add(g, uint16(700), byte(1), true)
	f.Add(g[:1100], uint16(530), byte(128), false)
	f.Add(append(g, g[512:]...), uint16(0), byte(0), false)
	f.Fuzz(func(t *testing.T, b []byte, at uint16, mask byte, repair bool) {
		if len(b) > 1<<16 {
			return
		}
		b = bytes.Clone(b)
		if int(at) < len(b) {
			b[at] ^= mask
		}
		if repair { // with CRCs that are right, so that what is behind them is tried too
			for i := segmentHeaderBytes; i+batchHeaderBytes <= len(b); i += sectorBytes {
				var h batchHeader
				if [4]byte(b[i:]) == batchMagic {
					n := int64(le32(b[i+80:])) + batchHeaderBytes
					if n = sectors(n); int64(i)+n <= int64(len(b)) && n > batchHeaderBytes {
						putCRCs(b[i : int64(i)+n])
						_ = h.parse(b[i:])
					}
				}
			}
		}
		disk, seg := segmentOn(t, b, false)
		file, err := openSegment(disk, "d", seg)
		if err != nil {
			t.Fatal(err)
		}
		s, _, _, err := newScanner(file, seg)
		if err != nil {
			t.Fatal(err)
		}
		s.stop, s.must = 1000, 999
		next := uint64(1)
		for steps := 0; ; steps++ {
			found, err := s.step(whole)
			if err != nil {
				t.Fatal(err)
			}
			if found == foundEnd {
				break
			}
			if steps > len(b)/sectorBytes+2 {
				t.Fatal("the scan does not end")
			}
			if found == foundHole {
				if s.hole.From != next {
					t.Fatalf("hole %v, next is %d", s.hole, next)
				}
				next = s.hole.To + 1
				continue
			}
			var batch Batch
			batch.set(s, seg.name(), 0)
			if batch.First != next {
				t.Fatalf("batch from %d, next is %d", batch.First, next)
			}
			next = batch.Last + 1
			if gap, ok := batch.Gap(); ok {
				if gap.From != batch.First || gap.To != batch.Last {
					t.Fatalf("gap %+v in %+v", gap, batch)
				}
				continue
			}
			var e Entry
			index := batch.First
			for batch.Next(&e) {
				if e.Index != index || e.At < batch.Earliest || e.At > batch.Latest {
					t.Fatalf("%v in %+v", &e, batch)
				}
				index++
			}
			if index != batch.Last+1 {
				t.Fatalf("entries up to %d in %+v", index-1, batch)
			}
		}
		file.Close()
		if next != 1000 {
			t.Fatalf("the scan ends before %d, want 1000", next)
		}
		w := &world{t: t, fs: disk, config: Config{Dir: "d", SegmentBytes: 8 << 10, QueueBytes: 1 << 10, SpillBytes: 1}, clock: start}
		report := w.verify()
		if err := w.open(); err != nil {
			return // neither header nor batch
		}
		if w.durable() != report.Last {
			t.Fatalf("opened with %d, verified up to %d", w.durable(), report.Last)
		}
	})
}

func le32(b []byte) uint32 {
	return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
}

// seal completes a batch, and returns it with the running hash after it.
func seal(h *batchHeader, b []byte) ([]byte, uint64) {
	b = h.fill(b)
	h.put(b)
	return b, chainOf(b)
}

// putCRCs makes the CRCs of a batch right, whatever is in it.
func putCRCs(b []byte) {
	var h batchHeader
	n := le32(b[80:])
	kind := b[92]
	copyOf := bytes.Clone(b[:batchHeaderBytes])
	_, _ = seal(&h, append(make([]byte, batchHeaderBytes), b[batchHeaderBytes:batchHeaderBytes+n]...))
	crc := h.BodyCRC
	copy(b, copyOf)
	b[84], b[85], b[86], b[87] = byte(crc), byte(crc>>8), byte(crc>>16), byte(crc>>24)
	b[92] = kind
	header := crc32.Checksum(b[8:batchHeaderBytes], castagnoli)
	b[4], b[5], b[6], b[7] = byte(header), byte(header>>8), byte(header>>16), byte(header>>24)
}

// Whatever a packed segment holds, it reads as a segment of some length or not at all.
func FuzzPacked(f *testing.F) {
	w := &frameWriter{file: nowhere{}}
	g := golden()
	var b []byte
	for _, part := range [][]byte{g[:512], g[512:]} {
		if err := w.add(part); err != nil {
			f.Fatal(err)
		}
		b = append(b, w.packed...)
	}
	whole := appendSeekTable(bytes.Clone(b), w.frames)
	f.Add(whole)
	f.Add(b)
	f.Add(whole[:len(whole)-3])
	f.Add(appendSeekTable(nil, []frame{{bytes: 1, packedBytes: math.MaxUint32}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<16 {
			return
		}
		disk, seg := segmentOn(t, b, true)
		file, err := openSegment(disk, "d", seg)
		if err != nil {
			return
		}
		defer file.Close()
		size, err := file.Size()
		if err != nil || size < 0 {
			t.Fatalf("size %d, %v", size, err)
		}
		if size > 1<<22 {
			return
		}
		p, err := readAt(file, nil, int(size)+1, 0)
		if err != nil || int64(len(p)) != size {
			t.Fatalf("read %d of %d bytes: %v", len(p), size, err)
		}
		if bytes.Equal(b, whole) && !bytes.Equal(p, g) {
			t.Fatal("unpacked to something else")
		}
	})
}

// nowhere is a file that keeps nothing.
type nowhere struct{ contents }

func (nowhere) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }
func (nowhere) Preallocate(int64) error                { return nil }
func (nowhere) Truncate(int64) error                   { return nil }
func (nowhere) Sync() error                            { return nil }

// The small files: what is parsed is what was written, or nothing.
func FuzzSmallFiles(f *testing.F) {
	x := index{journal: 1, segment: 2, bytes: 3, next: 4, latest: 5, rows: []row{{512, 1, 0}, {9 << 20, 7, 3}}}
	p := Position{Next: 9, At: start}
	f.Add(x.append(nil))
	f.Add(p.append(nil))
	f.Add(mark{1, 2, 3}.append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		var x index
		if x.parse(b) == nil && !bytes.Equal(x.append(nil), b) {
			t.Errorf("index %+v", x)
		}
		x.byIndex(5)
		x.byTime(5)
		var p Position
		if p.parse(b) && !bytes.Equal(p.append(nil), b) {
			t.Errorf("position %+v", p)
		}
		var m mark
		if m.parse(b) == nil && !bytes.Equal(m.append(nil), b) {
			t.Errorf("mark %+v", m)
		}
		if s, ok := parseSegment(string(b)); ok && s.name() != string(b) {
			t.Errorf("segment %+v of %q", s, b)
		}
	})
}

package journal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"tidegate/internal/vfs"
	"tidegate/market"
)

// A Report says what Verify found.
type Report struct {
	Journal  uint64         `json:"journal"` // id
	First    uint64         `json:"first"`   // index of the oldest entry there should be
	Last     uint64         `json:"last"`    // index of the last entry; First-1 if there is none
	Segments []SegmentState `json:"segments"`
	Entries  uint64         `json:"entries"`
	Batches  uint64         `json:"batches"`
	// Recorded says how many entries lie in gaps that were recorded when they were dropped.
	Recorded uint64    `json:"recorded_missing"`
	Problems []Problem `json:"problems"`
	// Tail is how many bytes there are behind the last batch of the last segment. If the journal is being
	// written, they are the next batches; else what was being written when it ended, and the next Open sets
	// them aside. It is no damage.
	Tail int64 `json:"tail_bytes"`
	// Writing: somebody has the journal open.
	Writing bool `json:"being_written"`
}

// A Problem is damage.
type Problem struct {
	Segment string `json:"segment"` // name of the file
	Offset  int64  `json:"offset"`  // in the segment, unpacked
	From    uint64 `json:"from"`    // entries that cannot be read; To is From-1 if all can
	To      uint64 `json:"to"`
	Reason  string `json:"reason"`
}

// SegmentState says what a segment holds.
type SegmentState struct {
	Name       string       `json:"name"`
	Epoch      uint64       `json:"epoch"`
	First      uint64       `json:"first"`
	Last       uint64       `json:"last"` // First-1 if there is none
	Earliest   market.Nanos `json:"earliest"`
	Latest     market.Nanos `json:"latest"`
	Created    market.Nanos `json:"created"`
	Batches    uint64       `json:"batches"`
	Entries    uint64       `json:"entries"`
	FileBytes  int64        `json:"file_bytes"`
	PlainBytes int64        `json:"plain_bytes"`
	Packed     bool         `json:"packed"`
}

// Verify reads a whole journal and checks every byte of it that counts: headers, CRCs, indexes, the running
// hash across segments, packed frames, and the sparse indexes. progress, if set, is called with the
// bytes of files read so far and of all. An error means that the journal could not be read; what is
// damaged is in the report. A journal that is being written is checked up to where it was when the
// segment was opened.
func Verify(ctx context.Context, dir string, progress func(done, total int64)) (*Report, error) {
	return verify(ctx, vfs.Disk{}, dir, progress)
}

func verify(ctx context.Context, fsys vfs.FS, dir string, progress func(done, total int64)) (*Report, error) {
	l, err := list(fsys, dir)
	if err != nil {
		return nil, err
	}
	v := &verifier{ctx: ctx, fs: fsys, dir: dir, l: l, progress: progress}
	v.r.First, v.r.Last = l.segments[0].base, l.segments[0].base-1
	v.r.Problems, v.r.Segments = []Problem{}, []SegmentState{}
	if v.mark, err = loadMark(fsys, dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		v.problem(markName, 0, 1, 0, err)
	}
	for _, s := range l.segments {
		v.total += s.bytes
	}
	v.r.Writing, _ = fsys.Locked(path.Join(dir, lockName)) // who may not look at the lock may read the rest
	for i := range l.segments {
		if err := v.segment(i); err != nil {
			return nil, fmt.Errorf("journal: verify %s: %w", l.segments[i].name(), err)
		}
	}
	return &v.r, nil
}

type verifier struct {
	ctx         context.Context
	fs          vfs.FS
	dir         string
	l           listing
	mark        mark
	progress    func(done, total int64)
	done, total int64

	chain   uint64 // running hash behind the segment before
	chained bool   // it is known
	r       Report
}

func (v *verifier) problem(name string, offset int64, from, to uint64, reason error) {
	v.r.Problems = append(v.r.Problems, Problem{name, offset, from, to, reason.Error()})
}

func (v *verifier) segment(i int) error {
	seg := v.l.segments[i]
	file, err := openSegment(v.fs, v.dir, seg)
	if errors.Is(err, fs.ErrNotExist) && !seg.packed { // packed meanwhile
		seg.packed = true
		file, err = openSegment(v.fs, v.dir, seg)
	}
	if err != nil {
		if until, ok := v.l.until(i); ok && len(v.r.Segments) == 0 && errors.Is(err, fs.ErrNotExist) {
			v.r.First, v.r.Last = until, until-1 // removed meanwhile
			return nil
		}
		if until, ok := v.l.until(i); ok && errors.Is(err, errFrames) {
			v.problem(seg.name(), 0, seg.base, until-1, err)
			v.chained = false
			return nil
		}
		return err
	}
	defer file.Close()
	s, h, bad, err := newScanner(file, seg)
	if err != nil {
		return err
	}
	if bad != nil {
		v.problem(seg.name(), 0, seg.base, seg.base-1, bad)
	} else if v.chained && h.Chain != v.chain {
		v.problem(seg.name(), 0, seg.base, seg.base-1, errChain)
	}
	if v.r.Journal == 0 {
		v.r.Journal = h.Journal
	}
	s.journal = v.r.Journal
	if until, ok := v.l.until(i); ok {
		s.stop, s.must = until, until-1
	} else if s.recovering = true; v.mark.journal == v.r.Journal {
		s.must = v.mark.durable
	}
	found := len(v.r.Problems)
	state, x, err := v.scan(s, seg, h)
	if err != nil {
		return err
	}
	v.chain, v.chained = s.chain, s.chained
	v.r.Last = s.next - 1
	v.r.Segments = append(v.r.Segments, *state)
	v.r.Batches, v.r.Entries = v.r.Batches+state.Batches, v.r.Entries+state.Entries
	v.done += seg.bytes
	if p, ok := file.(*packed); ok && p.bad != nil {
		v.problem(seg.name(), 0, seg.base, seg.base-1, p.bad)
	}
	if s.recovering {
		end, err := s.dataEnd(s.offset)
		v.r.Tail = end - s.offset
		return err
	}
	if len(v.r.Problems) > found {
		return nil // its index is of what was there before
	}
	return v.sparse(seg, x)
}

// scan walks over a segment.
func (v *verifier) scan(s *scanner, seg segmentFile, h segmentHeader) (*SegmentState, *index, error) {
	state := &SegmentState{
		Name: seg.name(), Epoch: h.Epoch, First: seg.base, Created: h.Created,
		Earliest: market.UndefTime, Latest: market.UndefTime, FileBytes: seg.bytes, Packed: seg.packed,
	}
	x := &index{segment: seg.number, bytes: segmentHeaderBytes, next: seg.base, latest: h.Latest}
	for {
		offset := s.offset
		if err := v.ctx.Err(); err != nil {
			return nil, nil, err
		}
		if v.progress != nil && s.size > 0 {
			v.progress(v.done+int64(float64(seg.bytes)*float64(min(offset, s.size))/float64(s.size)), v.total)
		}
		found, err := s.step(whole)
		switch {
		case err != nil:
			return nil, nil, err
		case found == foundEnd:
			state.Last, state.PlainBytes = s.next-1, s.offset
			x.journal = s.journal
			return state, x, nil
		case found == foundHole:
			v.problem(seg.name(), s.hole.Offset, s.hole.From, s.hole.To, s.hole.Reason)
			continue
		}
		b := &s.head
		x.add(offset, b)
		if state.Batches++; state.Batches == 1 {
			state.Epoch, state.Earliest, state.Latest = b.Epoch, b.Earliest, b.Latest
		}
		state.Earliest, state.Latest = min(state.Earliest, b.Earliest), max(state.Latest, b.Latest)
		if b.Gap {
			v.r.Recorded += b.Last - b.First + 1
		} else {
			state.Entries += uint64(b.Entries)
		}
	}
}

// sparse compares the sparse index of a segment, if there is one, with what there is.
func (v *verifier) sparse(seg segmentFile, x *index) error {
	if _, ok := v.l.other[seg.stem()+indexExt]; !ok {
		return nil // made when it is needed
	}
	got, err := readIndex(v.fs, v.dir, seg)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, errIndexFile):
		v.problem(seg.stem()+indexExt, 0, seg.base, seg.base-1, err)
		return nil
	case err != nil:
		return err
	}
	if string(got.append(nil)) != string(x.append(nil)) {
		v.problem(seg.stem()+indexExt, 0, seg.base, seg.base-1, errors.New("index does not agree with its segment"))
	}
	return nil
}

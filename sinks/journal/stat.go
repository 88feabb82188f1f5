package journal

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"tidegate/internal/vfs"
	"tidegate/market"
)

// A State says what is in the directory of a journal, from the headers of its segments. Whether their
// contents are right is for Verify to say.
type State struct {
	Journal  uint64          `json:"journal"`       // id
	Epoch    uint64          `json:"epoch"`         // the last one
	Oldest   uint64          `json:"oldest"`        // index of the oldest entry
	Durable  uint64          `json:"durable"`       // last index that is known to be durable; Oldest-1 if there is none
	Bytes    int64           `json:"bytes"`         // of all segments, as files
	Writing  bool            `json:"being_written"` // somebody has the journal open
	Segments []SegmentHeader `json:"segments"`
	Readers  []Position      `json:"readers"`
	Torn     []string        `json:"torn"` // files that recovery has set aside
}

// SegmentHeader is what a segment says about itself.
type SegmentHeader struct {
	Name    string       `json:"name"`
	Epoch   uint64       `json:"epoch"`
	First   uint64       `json:"first"`
	Last    uint64       `json:"last"`    // First-1 if there is none
	Created market.Nanos `json:"created"` // wall clock
	Bytes   int64        `json:"bytes"`   // of the file
	Packed  bool         `json:"packed"`
	Damaged string       `json:"damaged,omitempty"` // what is wrong with its header
}

// Stat looks at a journal that anybody may be writing.
func Stat(dir string) (*State, error) {
	fsys := vfs.Disk{}
	r, err := openReader(fsys, dir)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	s := &State{Oldest: r.l.segments[0].base, Torn: []string{}}
	durable, err := r.tail.durableIndex()
	if err != nil {
		return nil, err
	}
	s.Durable = max(durable, s.Oldest-1)
	s.Writing, _ = fsys.Locked(path.Join(dir, lockName)) // who may not look at the lock may read the rest
	if s.Readers, err = r.l.positions(fsys, dir); err != nil {
		return nil, err
	}
	for i, seg := range r.l.segments {
		h := SegmentHeader{Name: seg.name(), First: seg.base, Last: s.Durable, Bytes: seg.bytes, Packed: seg.packed, Created: market.UndefTime}
		if until, ok := r.l.until(i); ok {
			h.Last = until - 1
		}
		file, err := openSegment(fsys, dir, seg)
		if err == nil {
			head, bad, rerr := readSegmentHeader(file, seg)
			if err = errors.Join(rerr, file.Close()); err == nil && bad == nil {
				h.Epoch, h.Created, s.Journal, s.Epoch = head.Epoch, head.Created, head.Journal, max(s.Epoch, head.Epoch)
			} else if err == nil {
				h.Damaged = bad.Error()
			}
		}
		if err != nil { // packed or removed meanwhile, or it cannot be unpacked
			h.Damaged = err.Error()
		}
		s.Bytes += seg.bytes
		s.Segments = append(s.Segments, h)
	}
	for _, name := range sortedKeys(r.l.other) {
		if strings.HasSuffix(name, tornExt) {
			s.Torn = append(s.Torn, name)
		}
	}
	return s, nil
}

// Needs says what a registered reader still needs of a journal.
func (s *State) Needs(p Position) string {
	switch behind := s.Durable + 1 - min(p.Next, s.Durable+1); {
	case p.Damaged:
		return "everything: its position cannot be read"
	case p.Next < s.Oldest:
		return fmt.Sprintf("%d entries, of which %d are removed", behind, s.Oldest-p.Next)
	default:
		return fmt.Sprintf("%d entries", behind)
	}
}

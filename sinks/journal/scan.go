package journal

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// headBytes is what is read of a batch before its length is known: all of a small one.
const headBytes = 4096

// resyncBytes is the piece in which a segment is searched for the next good batch.
const resyncBytes = 1 << 20

// outcome is what a scanner finds.
type outcome uint8

const (
	foundEnd   outcome = iota // there is nothing more that counts
	foundBatch                // a good batch
	foundHole                 // entries that should be there cannot be read
)

// place is where a scanner is in its segment.
type place struct {
	offset  int64
	next    uint64 // index that must come
	chain   uint64 // running hash up to here
	chained bool   // chain is known
}

// A scanner walks over the batches of one segment and believes nothing: a batch counts if both CRCs,
// its segment, its indexes and the running hash are right.
//
// Where a batch is bad, it looks for the next good one, sector by sector. What is between is a hole; so
// are, if there is no other, the indexes up to must. After a crash, what was not synced is there in
// pieces: a batch behind a bad one proves nothing, unless it says that the bad one had been durable when
// it was written; see recovering.
type scanner struct {
	file    io.ReaderAt
	size    int64
	journal uint64 // id; 0 if not known: that of the first good batch
	segment uint64
	place
	must uint64 // indexes up to this one must be there
	stop uint64 // indexes from this one on do not count
	// recovering: behind a bad batch only those count that prove that it was durable.
	recovering bool

	buf  []byte
	head batchHeader
	body []byte // entries of the batch found; valid until the next step
	hole Hole
	cut  error // foundEnd: why what is at the end is no batch; nil if there is nothing
}

// A Hole is a range of entries that were in the journal, and cannot be read any more. The range is empty
// (To is From-1) where entries follow each other, and yet something was there that is not now.
type Hole struct {
	From, To uint64 // indexes, both included
	Segment  string // name of the file
	Offset   int64  // where the damage begins in the segment, unpacked
	Reason   error
}

// Count returns how many entries are missing.
func (h *Hole) Count() uint64 { return h.To - h.From + 1 }

// Reasons of damage beside those of the header.
var (
	errBlank     = errors.New("no batch, but zeros")
	errForeign   = errors.New("batch of another journal or segment")
	errIndex     = errors.New("batch with another index than the one that comes next")
	errChain     = errors.New("running hash does not match: a batch is missing, or was exchanged")
	errBodyCut   = errors.New("batch is cut")
	errBodyCRC   = errors.New("CRC of the batch does not match")
	errPastLimit = errors.New("batch reaches into the next segment")
)

// depth says what step looks at. With headers alone the running hash is checked, and the entries are not.
type depth bool

const (
	headers depth = false
	whole   depth = true
)

// step looks at what comes next and goes on behind it. An error is one of reading, and changes nothing.
func (s *scanner) step(d depth) (outcome, error) {
	s.cut = nil
	if s.next >= s.stop {
		return foundEnd, nil
	}
	reason, err := s.batchAt(s.offset, d)
	if err != nil {
		return foundEnd, err
	}
	if reason == nil {
		if s.head.First != s.next {
			reason = errIndex
		} else if s.chained && s.head.Prev != s.chain {
			reason = errChain
		}
	}
	if reason == nil {
		s.accept(s.offset)
		return foundBatch, nil
	}
	return s.damaged(reason)
}

// accept goes on behind the batch whose header is in s.head and, as it is, at the beginning of s.buf.
func (s *scanner) accept(offset int64) {
	s.journal = s.head.Journal
	s.place = place{offset: offset + s.head.bytes(), next: s.head.Last + 1, chain: chainOf(s.buf), chained: true}
}

// batchAt reads the batch at an offset into s.head and s.body, and returns what is wrong with it, by
// itself.
func (s *scanner) batchAt(offset int64, d depth) (reason, err error) {
	if s.buf, err = readAt(s.file, s.buf, headBytes, offset); err != nil {
		return nil, err
	}
	if reason = s.head.parse(s.buf); reason != nil {
		if reason == errNoBatch && blank(s.buf) {
			reason = errBlank
		}
		return reason, nil
	}
	h := &s.head
	switch {
	case h.Segment != s.segment || s.journal != 0 && h.Journal != s.journal:
		return errForeign, nil
	case h.Last >= s.stop && h.First < s.stop:
		return errPastLimit, nil
	case offset+h.bytes() > s.size:
		return errBodyCut, nil
	case d == headers:
		s.body = nil
		return nil, nil
	}
	n := int(h.bytes())
	if n > len(s.buf) {
		head := len(s.buf)
		s.buf = append(s.buf, make([]byte, n-head)...)
		got, err := s.file.ReadAt(s.buf[head:], offset+int64(head))
		if err != nil && err != io.EOF {
			return nil, err
		}
		if head+got < n {
			return errBodyCut, nil
		}
	}
	if crc32.Checksum(s.buf[batchHeaderBytes:n], castagnoli) != h.BodyCRC {
		return errBodyCRC, nil
	}
	s.body = s.buf[batchHeaderBytes : batchHeaderBytes+int(h.BodyBytes)]
	return h.checkBody(s.body), nil
}

// damaged decides what a bad batch means, and goes on where it can.
func (s *scanner) damaged(reason error) (outcome, error) {
	from := s.place
	offset, err := s.resync(from.offset)
	if err != nil {
		return foundEnd, err
	}
	next := s.must + 1
	if offset >= 0 {
		next = s.head.First
	} else if next <= s.next { // nothing that has to be there is missing
		if reason != errBlank || s.torn(from.offset) {
			s.cut = reason
		}
		return foundEnd, nil
	}
	s.hole = Hole{From: s.next, To: next - 1, Offset: from.offset, Reason: reason}
	s.place = place{offset: s.size, next: next}
	if offset >= 0 {
		s.offset = offset
	}
	return foundHole, nil
}

// torn reports whether there is anything but zeros from an offset on.
func (s *scanner) torn(offset int64) bool {
	end, err := s.dataEnd(offset)
	return err != nil || end > offset
}

// dataEnd returns the offset behind the last byte that is not zero, but at least from.
func (s *scanner) dataEnd(from int64) (int64, error) {
	end := from
	for at := from; at < s.size; at += resyncBytes {
		var err error
		if s.buf, err = readAt(s.file, s.buf, int(min(resyncBytes, s.size-at)), at); err != nil {
			return 0, err
		}
		if n := len(bytes.TrimRight(s.buf, "\x00")); n > 0 {
			end = at + int64(n)
		}
	}
	return end, nil
}

// resync searches for the next good batch from an offset on, whose header is then in s.head. It returns
// its offset, or -1.
func (s *scanner) resync(from int64) (int64, error) {
	var block []byte
	for at := from; at < s.size; at += resyncBytes {
		var err error
		if block, err = readAt(s.file, block, int(min(resyncBytes, s.size-at)), at); err != nil {
			return -1, err
		}
		for i := 0; i+batchHeaderBytes <= len(block); i += sectorBytes {
			if [4]byte(block[i:]) != batchMagic {
				continue
			}
			reason, err := s.batchAt(at+int64(i), whole)
			if err != nil {
				return -1, err
			}
			h := &s.head
			if reason == nil && h.First >= s.next && h.First < s.stop && (!s.recovering || h.Durable >= s.next) {
				return at + int64(i), nil
			}
		}
	}
	return -1, nil
}

func blank(b []byte) bool { return len(bytes.Trim(b, "\x00")) == 0 }

// String says it in one line.
func (h Hole) String() string {
	return fmt.Sprintf("entries %d to %d (%d) are damaged: %s at byte %d: %v", h.From, h.To, h.Count(), h.Segment, h.Offset, h.Reason)
}

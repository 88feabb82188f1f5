package journal

import (
	"tidegate/market"
)

// An Entry is one entry of a journal.
type Entry struct {
	Header
	Index   uint64
	Payload []byte // a view of the batch; see Reader.Next for how long
}

// A Batch is what was written as one piece: entries that follow each other, or one gap.
type Batch struct {
	Epoch            uint64
	First, Last      uint64       // indexes
	Earliest, Latest market.Nanos // receive times
	Segment          string       // name of the file
	Offset           int64        // in the segment, unpacked
	Bytes            int64        // there, with header and padding
	gap              bool
	next             uint64 // index of the next entry
	rest             []byte
}

// Gap returns the gap that was recorded in place of entries; ok is false for a batch of entries.
func (b *Batch) Gap() (g Gap, ok bool) {
	if b.gap {
		g.parse(b.rest[entryHeaderBytes:])
	}
	return g, b.gap
}

// Next returns the next entry of the batch in e, or false behind the last one. The payload is a view, valid
// as long as the batch.
func (b *Batch) Next(e *Entry) bool {
	if b.gap || len(b.rest) == 0 {
		return false
	}
	h, n, _ := getEntry(b.rest)
	e.Header, e.Index = h, b.next
	e.Payload = b.rest[entryHeaderBytes : entryHeaderBytes+n : entryHeaderBytes+n]
	b.rest = b.rest[entryBytes(n):]
	b.next++
	return true
}

// skip goes on to the first entry that is wanted.
func (b *Batch) skip(to uint64) {
	for b.next < to && len(b.rest) > 0 && !b.gap {
		_, n, _ := getEntry(b.rest)
		b.rest = b.rest[entryBytes(n):]
		b.next++
	}
}

// skipTime goes on to the first entry that was received at t or later.
func (b *Batch) skipTime(t market.Nanos) {
	for len(b.rest) > 0 && !b.gap {
		h, n, _ := getEntry(b.rest)
		if h.At >= t {
			return
		}
		b.rest = b.rest[entryBytes(n):]
		b.next++
	}
}

// set makes b the batch that a scanner has found at an offset.
func (b *Batch) set(s *scanner, name string, offset int64) {
	h := &s.head
	*b = Batch{
		Epoch: h.Epoch, First: h.First, Last: h.Last, Earliest: h.Earliest, Latest: h.Latest,
		Segment: name, Offset: offset, Bytes: h.bytes(),
		gap: h.Gap, next: h.First, rest: s.body,
	}
}

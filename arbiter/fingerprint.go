package arbiter

import (
	"bytes"
	"hash/crc32"
	"sort"
)

// This file compares copies: do the lines bring the same bytes, and is a packet from far behind a copy of
// what was published?

// fingerprintsMax is how many of the latest published packets are remembered by their content: 200 ms at
// 80,000 packets per second, in 256 KiB.
const fingerprintsMax = 1 << 14

// A fingerprint stands for the content of a packet that was published whole.
type fingerprint struct {
	seq   uint64
	count uint32
	sum   uint32
}

// fingerprints remember the latest packets that were published whole, by sequence, which rises within an
// epoch.
type fingerprints struct {
	ring  *[fingerprintsMax]fingerprint
	added uint64 // ever
	first uint64 // number of the first of this epoch
	prior uint64 // and of the epoch before
	end   uint64 // sequence after the latest packet of the epoch before
}

// likeness says how a packet compares with the copy that was taken before it.
type likeness uint8

const (
	unknown   likeness = iota // no packet with the same boundaries is remembered
	same                      // as far as its checksum tells: one in 2^32 others passes for it
	different                 // the same messages by number, but not the same bytes
)

// CRC-32C has an instruction on the processors that matter: 13 ns for 100 bytes, 17 ns for 200, 75 ns for
// 1400 (2 cores, Go 1.26, 2026-11-23). A 64-bit hash by multiplication takes as long and is not in the
// standard library; hash/maphash differs from process to process, and a replay must not.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func contentSum(messages []byte) uint32 { return crc32.Update(0, castagnoli, messages) }

// begin begins an epoch; the one before ended at sequence end. What was published before that is forgotten.
func (f *fingerprints) begin(end uint64) { f.prior, f.first, f.end = f.first, f.added, end }

// ofPrior reports whether p is a copy of a packet of the epoch before, or its last heartbeat.
func (f *fingerprints) ofPrior(p *Packet) bool {
	if p.Count == 0 {
		return p.Seq == f.end
	}
	kept := f.added - min(f.added, fingerprintsMax)
	lo, hi := max(f.prior, kept), max(f.first, kept)
	i := lo + uint64(sort.Search(int(hi-lo), func(i int) bool { return f.ring[(lo+uint64(i))%fingerprintsMax].seq >= p.Seq }))
	known := &f.ring[i%fingerprintsMax]
	return i < hi && known.seq == p.Seq && known.count == p.Count && known.sum == contentSum(p.Messages)
}

// add remembers a packet that is published whole.
func (f *fingerprints) add(p *Packet) {
	f.ring[f.added%fingerprintsMax] = fingerprint{seq: p.Seq, count: p.Count, sum: contentSum(p.Messages)}
	f.added++
}

// oldest returns the number of the first packet of this epoch that is still remembered.
func (f *fingerprints) oldest() uint64 {
	if f.added-f.first > fingerprintsMax {
		return f.added - fingerprintsMax
	}
	return f.first
}

// hintSteps is how far find looks before it searches: a line that lost a few packets, or cuts them smaller.
const hintSteps = 8

// find returns the number of the first remembered packet with a sequence of at least seq, f.added if there
// is none. It looks at hint first: packets follow each other.
func (f *fingerprints) find(seq, hint uint64) uint64 {
	lo, hi := f.oldest(), f.added
	if hint >= lo && hint <= hi && (hint == lo || f.ring[(hint-1)%fingerprintsMax].seq < seq) {
		lo = hint
		for range hintSteps {
			if lo == hi || f.ring[lo%fingerprintsMax].seq >= seq {
				return lo
			}
			lo++
		}
	}
	for lo < hi {
		if mid := lo + (hi-lo)/2; f.ring[mid%fingerprintsMax].seq < seq {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// compare compares a packet of a line with the copy of it that was published, or is held. It says nothing
// of packets whose boundaries differ: where the lines pack messages differently, each in its own way.
func (a *Arbiter) compare(p *Packet, l *line) likeness {
	if p.Count == 0 {
		return unknown
	}
	if p.end() > a.next {
		return a.window.compare(p)
	}
	f := &a.fingerprints
	known := &f.ring[l.hint%fingerprintsMax]
	if l.hint < f.oldest() || l.hint >= f.added || known.seq != p.Seq {
		l.hint = f.find(p.Seq, l.hint)
		known = &f.ring[l.hint%fingerprintsMax]
		if l.hint == f.added || known.seq != p.Seq {
			return unknown
		}
	}
	l.hint++
	switch {
	case known.count != p.Count:
		return unknown
	case known.sum != contentSum(p.Messages):
		return different
	default:
		return same
	}
}

// compare compares a packet with the held one of the same boundaries. There is one at most: another copy of
// what is held is not held.
func (w *window) compare(p *Packet) likeness {
	for i := w.after(p.Seq) - 1; i >= 0 && w.at(i).Seq == p.Seq; i-- {
		if k := w.at(i); k.Count == p.Count {
			if bytes.Equal(k.Messages, p.Messages) {
				return same
			}
			return different
		}
	}
	return unknown
}

// compared counts a duplicate whose bytes are not those of the copy that was kept.
func (a *Arbiter) compared(p *Packet, l *line) {
	if a.compare(p, l) == different {
		l.tally.Disagree++
	}
}

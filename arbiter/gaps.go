package arbiter

import (
	"slices"

	"tidegate/market"
)

// A GapReason says why a missing range was given up.
type GapReason uint8

// Reasons.
const (
	GapOpen       GapReason = iota // it was not: still waited for
	GapDeadline                    // its deadline passed
	GapWindowFull                  // no memory was left to hold what came after it
	GapEpochEnd                    // the publisher restarted, or a new session began
	GapFlush                       // the input ended
	gapReasonCount
)

// String returns the name used in reports.
func (r GapReason) String() string {
	switch r {
	case GapOpen:
		return "open"
	case GapDeadline:
		return "deadline"
	case GapWindowFull:
		return "window-full"
	case GapEpochEnd:
		return "epoch-end"
	case GapFlush:
		return "flush"
	default:
		return "reason?"
	}
}

// A Gap is a missing range [From, To) of sequences.
type Gap struct {
	From, To uint64
	Seen     market.Nanos // TsRecv of the packet that revealed it
	Epoch    uint32
	Line     LineID // line of the packet that revealed it
	Reason   GapReason
}

// Messages returns how many are missing.
func (g Gap) Messages() uint64 { return g.To - g.From }

// span is a missing range that is still waited for.
type span struct {
	from, to uint64
	seen     market.Nanos
	line     LineID
}

// gapList holds the missing ranges in order of sequence, which is also the order in which they were
// seen: ranges are revealed upwards, and what is left of a range keeps its time.
type gapList struct {
	open []span // never grown
}

func newGapList(limit int) gapList { return gapList{open: make([]span, 0, limit)} }

func (g *gapList) full() bool { return len(g.open) == cap(g.open) }

// first returns the index of the first range that ends after seq.
func (g *gapList) first(seq uint64) int {
	lo, hi := 0, len(g.open)
	for lo < hi {
		mid := (lo + hi) / 2
		if g.open[mid].to > seq {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo
}

// firstSeen returns the index of the first range that was seen after a time.
func (g *gapList) firstSeen(after market.Nanos) int {
	lo, hi := 0, len(g.open)
	for lo < hi {
		mid := (lo + hi) / 2
		if g.open[mid].seen > after {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo
}

// overlaps reports whether anything of [from, to) is missing.
func (g *gapList) overlaps(from, to uint64) bool {
	i := g.first(from)
	return i < len(g.open) && g.open[i].from < to
}

// fill takes [from, to) off what is missing. It returns how many messages that were, how many ranges
// closed, and whether one was split in two, for which the list must not be full.
func (g *gapList) fill(from, to uint64) (messages uint64, closed int, split bool) {
	i := g.first(from)
	if i < len(g.open) && g.open[i].from < from {
		s := &g.open[i]
		if s.to > to {
			upper := *s
			upper.from = to
			s.to = from
			g.open = slices.Insert(g.open, i+1, upper)
			return to - from, 0, true
		}
		messages += s.to - from
		s.to = from
		i++
	}
	end := i
	for end < len(g.open) && g.open[end].to <= to {
		messages += g.open[end].to - g.open[end].from
		end++
	}
	closed = end - i
	if end < len(g.open) && g.open[end].from < to {
		messages += to - g.open[end].from
		g.open[end].from = to
	}
	g.open = slices.Delete(g.open, i, end)
	return messages, closed, false
}

// announcedMax is how many announced ranges of an epoch are remembered to tell late messages from
// duplicates.
const announcedMax = 256

// announcedList remembers the latest announced ranges of an epoch. Their order is that of sequences.
type announcedList struct {
	ranges [announcedMax]struct{ from, to uint64 }
	count  uint64 // ever added
}

func (r *announcedList) add(from, to uint64) {
	slot := &r.ranges[r.count%announcedMax]
	slot.from, slot.to = from, to
	r.count++
}

// messages returns how many messages of [from, to) were announced.
func (r *announcedList) messages(from, to uint64) (n uint64) {
	for i := r.count; i > 0 && r.count-i < announcedMax; i-- {
		s := &r.ranges[(i-1)%announcedMax]
		if s.to <= from {
			break
		}
		if lo, hi := max(from, s.from), min(to, s.to); lo < hi {
			n += hi - lo
		}
	}
	return n
}

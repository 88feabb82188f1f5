package ouch50

import "math"

// A RefSequence keeps the rule of UserRefNum: the numbers of a port's new orders, replacements, mass
// cancels and switches of order entry begin with 1 and increase within the day; gaps are allowed. What
// comes with a number that is not higher than all before was sent again, and is ignored: that is how a
// client that does not know whether a message arrived may send it twice.
//
// Both ends use it: the client to number, the venue to check. A port has up to 256 sequences, one for
// each TagUserRefIdx. The zero value is that of a new day. A RefSequence belongs to one goroutine.
type RefSequence struct {
	last uint32
}

// ResumeRefs returns the sequence that goes on with next, as AccountQueryResponse names it; 0 is as 1.
func ResumeRefs(next uint32) RefSequence { return RefSequence{last: max(next, 1) - 1} }

// Fresh reports whether n is higher than all numbers taken.
func (s *RefSequence) Fresh(n uint32) bool { return n > s.last }

// Take takes n, and reports whether it was fresh. If not, nothing changes.
//
// It is apart from Fresh because not everything with a fresh number uses it up: that of a replacement
// with bad values can come again.
func (s *RefSequence) Take(n uint32) bool {
	if !s.Fresh(n) {
		return false
	}
	s.last = n
	return true
}

// Next returns the lowest number that is fresh; ok is false when there is none left. It takes nothing.
func (s *RefSequence) Next() (n uint32, ok bool) {
	if s.last == math.MaxUint32 {
		return 0, false
	}
	return s.last + 1, true
}

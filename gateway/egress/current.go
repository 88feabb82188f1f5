package egress

import (
	"slices"

	"tidegate/gateway/stream"
	"tidegate/market"
)

// A recall finds the current records with which a subscription begins: of each of its instruments the
// latest one before the session's position in the ring, where its own records begin. So the session
// misses nothing and gets nothing twice. It is done bit by bit. The zero value has nothing to find.
type recall struct {
	all   bool  // every instrument is wanted
	ids   idSet // those that are, else
	kept  []stream.Kept
	back  int   // how many of kept are not looked at yet: they are, from the last to the first
	seen  idSet // instruments whose latest record was met
	found []int // positions in kept of what is to be written, from the last to the first
}

// recallStep is how many records a pass looks at, beside those that it writes.
const recallStep = 4096

// newRecall returns the recall of a subscription. It is to be told of the instruments.
func (s *session) newRecall(sub *subscription) recall {
	if s.outlet.feed.Current == nil || s.replay != nil && slices.Contains(s.replay.subs, sub) {
		return recall{}
	}
	current := s.outlet.feed.Current(sub.schema)
	if current == nil {
		return recall{}
	}
	all := current.All()
	n, _ := slices.BinarySearchFunc(all, s.cursor.Index(), func(k stream.Kept, index uint64) int {
		if k.Index < index {
			return -1
		}
		return 1 // never 0, so that n is the first that is not before
	})
	return recall{all: sub.all(), kept: all[:n], back: n}
}

// want adds an instrument.
func (r *recall) want(id market.InstrumentID) {
	if r.back > 0 && !r.all {
		r.ids.add(id)
	}
}

func (r *recall) done() bool { return r.back == 0 && len(r.found) == 0 }

// look goes back through what is kept, as far as one pass may.
func (r *recall) look() {
	for n := 0; r.back > 0 && n < recallStep; n++ {
		r.back--
		id := r.kept[r.back].Instrument
		if (r.all || r.ids.has(id)) && r.seen.add(id) {
			r.found = append(r.found, r.back)
		}
	}
}

// appendCurrent appends what a recall has found, once it has found everything, in the order of
// publication and up to the limit of a pass.
func (s *session) appendCurrent(b []byte, r *recall, now market.Nanos) []byte {
	r.look()
	for r.back == 0 && len(r.found) > 0 && len(b) < s.loop.cfg.PassBytes {
		last := len(r.found) - 1
		b = s.appendRecords(b, r.kept[r.found[last]].Record, now)
		r.found = r.found[:last]
		s.count(1)
	}
	return b
}

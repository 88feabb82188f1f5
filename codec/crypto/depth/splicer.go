package depth

import (
	"fmt"
	"hash/crc32"

	"tidegate/market"
)

// Step is what a delta is to a book that stands at a number.
type Step uint8

// Steps.
const (
	Next    Step = iota // it follows
	Old                 // all of it is in the book already
	Missing             // something between the book and it is not here
)

// A Rule says how a venue numbers its messages: what a delta is to a book that stands at the number at.
// first is true until a delta has followed the snapshot, which some venues number otherwise.
type Rule func(at int64, first bool, m *Message) Step

// SplicerConfig says how a venue's books are put together. Packages of venues have it ready.
type SplicerConfig struct {
	Rule Rule
	// Requested: snapshots are requested (REST) while deltas come, so deltas are held until one is here.
	// Otherwise the venue sends the snapshot first, and deltas before it are dropped.
	Requested bool
	// Overlap: a requested snapshot must not be older than the first delta that is held. It is for numbers
	// that do not show whether one is missing.
	Overlap bool
	// HeldMax and HeldLevelsMax limit what is held: deltas, and levels in them. When one more does not fit,
	// all are dropped, and only a snapshot that is taken after that will do.
	HeldMax, HeldLevelsMax int
	// DepthMax: a side has at most so many levels, and the venue does not say that a level has fallen out
	// behind. 0: no such limit, or the venue says it.
	DepthMax int
	// SumText appends the text of which the venue's checksum, a CRC-32 (IEEE), is taken. nil: there is none.
	SumText func(l *Ladder, dst []byte) []byte
	// SumLevels is how many levels of a side go into the checksum.
	SumLevels int
}

// Validate says what is wrong with c.
func (c *SplicerConfig) Validate() error {
	if c.Rule == nil {
		return fmt.Errorf("splicer: no rule")
	}
	if c.Requested && (c.HeldMax < 1 || c.HeldLevelsMax < 1) {
		return fmt.Errorf("splicer: held max %d deltas, %d levels: want at least 1", c.HeldMax, c.HeldLevelsMax)
	}
	if c.DepthMax < 0 {
		return fmt.Errorf("splicer: depth max %d: want 0 or more", c.DepthMax)
	}
	return nil
}

// Limits of what is held that suit all venues: at ten deltas a second, a minute and a half.
const (
	HeldMax       = 1000
	HeldLevelsMax = 1 << 17
)

// Outcome says what became of a message that was offered.
type Outcome uint8

// Outcomes.
const (
	// Publish: publish the message, then ask Next.
	Publish Outcome = iota
	// Nothing is held any more (of Next alone).
	Nothing
	// Held until there is a snapshot.
	Held
	// Early: a delta before the venue's snapshot; dropped.
	Early
	// Older: a delta or a snapshot that the book contains already; dropped.
	Older
	// Gap: a delta is missing before this one. The book that was published is wrong from here on, and a
	// snapshot is wanted: request it, or subscribe again.
	Gap
	// Stale: a snapshot that is older than what is held; refused. Another one is wanted.
	Stale
	// Unasked: a requested snapshot while none is wanted; dropped.
	Unasked
	// Overflow: like Held, but what was held before had to be dropped. The snapshot that is on its way
	// will probably be Stale.
	Overflow
	OutcomeCount
)

var outcomeNames = [OutcomeCount]string{
	"publish", "nothing", "held", "early", "older", "gap", "stale", "unasked", "overflow",
}

// String returns the name used in counters.
func (o Outcome) String() string {
	if o < OutcomeCount {
		return outcomeNames[o]
	}
	return "outcome?"
}

// SplicerCounts counts since the Splicer was made.
type SplicerCounts struct {
	Outcomes       [OutcomeCount]uint64 // of Offer; Publish, Older and Gap of Next too
	Matching       uint64               // checksums
	Differing      uint64
	UnknownRemoved uint64 // levels removed that were not in the book; of venues with checksums
}

// A Splicer makes one unbroken sequence of the snapshots and deltas of one instrument: it says what of
// them is to be published, in which order. It is a function of what it is offered; it belongs to one loop.
//
// It is waiting (for a snapshot) from the beginning, after Restart and after a Gap, and live otherwise.
type Splicer struct {
	cfg    SplicerConfig
	live   bool
	first  bool // no delta has followed the snapshot
	at     int64
	since  market.Nanos // of waiting
	held   []heldDelta
	levels []Level // of held, one after another
	counts SplicerCounts
	beyond bool   // a level was left out of the ladder since the snapshot
	ladder Ladder // of venues for which one is needed
	text   []byte // of which the last checksum was taken
}

// heldDelta is a Message without what all messages of an instrument share.
type heldDelta struct {
	tsEvent           market.Nanos
	first, last, prev int64
	levels            int // how many
	narrowed, beyond  int
	numbered, summed  bool
	checksum          uint32
	instrument        *Instrument
	publisher         market.PublisherID
}

// NewSplicer returns a Splicer that waits since now.
func NewSplicer(cfg SplicerConfig, now market.Nanos) (*Splicer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Splicer{cfg: cfg, since: now}, nil
}

// Waiting reports whether a snapshot is wanted, and since when. In time, whoever requests snapshots
// requests it again.
func (s *Splicer) Waiting() (since market.Nanos, waiting bool) { return s.since, !s.live }

// At returns the number at which the book stands; 0 where the venue has no numbers.
func (s *Splicer) At() int64 { return s.at }

// Counts returns what became of what was offered. It is a copy.
func (s *Splicer) Counts() SplicerCounts { return s.counts }

// Restart forgets the book and what is held: the connection was lost, or the book is not believed. The
// Splicer waits since now.
func (s *Splicer) Restart(now market.Nanos) {
	s.live, s.since = false, now
	s.release()
}

// Offer takes a Snapshot or a Delta of the instrument, received at now. Messages of other kinds must not
// be offered. After Publish, m is what is to be published: it may have got removals of levels past
// DepthMax, and m.Check says whether its checksum fits. A checksum that does not fit changes nothing here:
// whoever does not believe the book any more calls Restart.
//
// Offer does not allocate for deltas of a live book, except where the book grows.
func (s *Splicer) Offer(m *Message, now market.Nanos) Outcome {
	var o Outcome
	switch {
	case m.Kind == Snapshot:
		o = s.snapshot(m)
	case s.live:
		o = s.delta(m, now)
	case s.cfg.Requested:
		o = s.hold(m)
	default:
		o = Early
	}
	s.counts.Outcomes[o]++
	return o
}

// Next goes on after Publish: it sets m to the next delta that was held, to be published (Publish), or
// says that nothing is held (Nothing). Gap is what it is for Offer.
func (s *Splicer) Next(m *Message, now market.Nanos) Outcome {
	for s.live && len(s.held) > 0 {
		h := s.held[0]
		m.setHeld(&h, s.levels[:h.levels])
		switch s.cfg.Rule(s.at, s.first, m) {
		case Old:
			s.drop()
			s.counts.Outcomes[Older]++
			continue
		case Missing: // it stays held, and so does what follows
			s.live, s.since = false, now
			s.counts.Outcomes[Gap]++
			return Gap
		case Next:
			s.drop()
			s.follow(m)
			s.counts.Outcomes[Publish]++
			return Publish
		}
	}
	if s.live && s.held != nil {
		s.release()
	}
	return Nothing
}

func (s *Splicer) snapshot(m *Message) Outcome {
	if s.cfg.Requested {
		if s.live {
			if m.Last <= s.at {
				return Older
			}
			return Unasked
		}
		if s.stale(m) {
			return Stale
		}
	}
	s.live, s.first, s.at = true, true, m.Last
	s.apply(m)
	return Publish
}

// stale reports whether something is missing between a snapshot and the first delta held that it does
// not contain.
func (s *Splicer) stale(m *Message) bool {
	if len(s.held) == 0 {
		return false
	}
	if s.cfg.Overlap && m.Last < s.held[0].last {
		return true
	}
	var d Message
	for i := range s.held {
		d.setHeld(&s.held[i], nil)
		switch s.cfg.Rule(m.Last, true, &d) {
		case Old:
		case Missing:
			return true
		case Next:
			return false
		}
	}
	return false
}

func (s *Splicer) delta(m *Message, now market.Nanos) Outcome {
	switch s.cfg.Rule(s.at, s.first, m) {
	case Next:
		s.follow(m)
		return Publish
	case Old:
		return Older
	default:
		s.live, s.since = false, now
		if s.cfg.Requested {
			s.hold(m)
		}
		return Gap
	}
}

// follow brings the book to where a delta leads.
func (s *Splicer) follow(m *Message) {
	s.first, s.at = false, m.Last
	s.apply(m)
}

// apply keeps the book of venues for which one is needed.
func (s *Splicer) apply(m *Message) {
	if s.cfg.SumText == nil && s.cfg.DepthMax == 0 {
		return
	}
	if m.Kind == Snapshot {
		s.ladder.Reset()
		s.beyond = false
	}
	s.beyond = s.beyond || m.Beyond > 0
	for i := range m.Levels {
		if !s.ladder.Set(&m.Levels[i]) {
			s.counts.UnknownRemoved++
		}
	}
	if s.cfg.DepthMax > 0 {
		m.Levels = s.ladder.Cut(s.cfg.DepthMax, m.Levels)
	}
	if s.cfg.SumText == nil || !m.Summed {
		return
	}
	if s.beyond && min(s.ladder.Len(market.Bid), s.ladder.Len(market.Ask)) < s.cfg.SumLevels {
		return // the sum may be over a level that the ladder has not
	}
	s.text = s.cfg.SumText(&s.ladder, s.text[:0])
	if crc32.ChecksumIEEE(s.text) == m.Checksum {
		m.Check = Matches
		s.counts.Matching++
	} else {
		m.Check = Differs
		s.counts.Differing++
	}
}

func (s *Splicer) hold(m *Message) Outcome {
	o := Held
	if len(s.held) >= s.cfg.HeldMax || len(s.levels)+len(m.Levels) > s.cfg.HeldLevelsMax {
		s.release()
		o = Overflow
	}
	if len(m.Levels) > s.cfg.HeldLevelsMax {
		return Overflow
	}
	s.held = append(s.held, heldDelta{
		tsEvent: m.TsEvent, first: m.First, last: m.Last, prev: m.Prev, levels: len(m.Levels), narrowed: m.Narrowed, beyond: m.Beyond,
		numbered: m.Numbered, summed: m.Summed, checksum: m.Checksum, instrument: m.Instrument, publisher: m.publisher,
	})
	s.levels = append(s.levels, m.Levels...)
	return o
}

// drop takes out the first delta held.
func (s *Splicer) drop() {
	s.levels = s.levels[s.held[0].levels:]
	s.held = s.held[1:]
}

// release drops all that is held, and its memory: there are thousands of instruments, and each holds
// deltas only when it has just begun.
func (s *Splicer) release() { s.held, s.levels = nil, nil }

func (m *Message) setHeld(h *heldDelta, levels []Level) {
	m.Kind, m.Check, m.Numbered, m.Summed, m.Checksum = Delta, Unchecked, h.numbered, h.summed, h.checksum
	m.Instrument, m.TsEvent, m.publisher = h.instrument, h.tsEvent, h.publisher
	m.First, m.Last, m.Prev = h.first, h.last, h.prev
	m.Levels = append(m.Levels[:0], levels...)
	m.Trades, m.Text, m.Narrowed, m.Beyond = m.Trades[:0], nil, h.narrowed, h.beyond
}

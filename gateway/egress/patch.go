package egress

import (
	"slices"
	"strconv"

	"tidegate/codec/dbn"
	"tidegate/gateway/history"
	"tidegate/gateway/stream"
	"tidegate/internal/bus"
	"tidegate/market"
)

// placeReplay asks where in the ring the journal ends.
func (s *session) placeReplay() {
	r := s.replay
	r.phase = placing
	index := r.next
	s.askMarks(func(m *history.Marks) func(market.Nanos) {
		place, ok := m.Ring(index)
		return func(market.Nanos) {
			if ok && s.ringHas(place.Cursor) {
				r.phase, r.place = patching, place
				return
			}
			s.readOn() // by now the journal has more
		}
	})
}

// ringHas reports whether the ring still has what is at a position.
func (s *session) ringHas(at bus.Cursor) bool {
	f := s.outlet.follower
	f.reader.Seek(at)
	return f.reader.Next(&f.entry) != bus.Lapped
}

// readOn goes back to the journal.
func (s *session) readOn() {
	r := s.replay
	r.phase, r.end, r.resting = reading, false, true
}

// patching reports whether the ring is to be read for the replay alone: the session is far enough for that.
func (s *session) patching() bool {
	r := s.replay
	return r != nil && r.phase == patching && s.cursor.Index() >= r.place.Entry
}

// patch appends what the ring has for the replay, from its place to where the session is, or as much as one
// pass may. When it gets there the replay is over.
func (s *session) patch(b []byte, now market.Nanos) []byte {
	r, f := s.replay, s.outlet.follower
	e := &f.entry
	s.learnReplay()
	f.reader.Seek(r.place.Cursor)
	for budget := s.loop.cfg.PassBytes; r.place.Cursor.Index() < s.cursor.Index(); {
		if budget <= 0 || len(b) >= s.loop.cfg.PassBytes {
			return b
		}
		if f.reader.Next(e) != bus.Ready {
			s.patchLapped()
			return b
		}
		budget -= entryBytes + len(e.Payload)
		r.place.Cursor = f.reader.Cursor()
		if e.Index >= r.place.Entry && e.Feed == s.outlet.feed.Number {
			b = s.appendPatch(b, e, now)
		}
	}
	return s.finishReplay(b, now)
}

// appendPatch appends what an entry of the ring means to the replay. The session itself gets the rest of it.
func (s *session) appendPatch(b []byte, e *bus.Entry, now market.Nanos) []byte {
	r, schema := s.replay, dbn.Schema(e.Schema)
	switch e.Kind {
	case stream.Record:
		if r.want.wants(schema, e.Instrument) && s.hasBegun(e) {
			s.count(1)
			b = s.appendRecords(b, e.Payload, now)
		}
	case stream.IntervalEnd:
		if r.want.any.has(schema) {
			b = r.want.appendIntervalEnd(b, e, now)
		}
	case stream.Instrument:
		symbol, _ := s.outlet.lookup.Symbol(e.Instrument)
		b = r.want.appendMappings(b, e.Instrument, symbol, now)
	}
	return b
}

// hasBegun reports whether a record of the ring is not before the start of every subscription that wants it.
func (s *session) hasBegun(e *bus.Entry) bool {
	r := s.replay
	at := history.IndexTime(e.Payload)
	if e.Index >= r.entry && (!at.Defined() || at >= r.latest) {
		return true // nearly always
	}
	symbol, _ := s.outlet.lookup.Symbol(e.Instrument)
	number := strconv.FormatUint(uint64(e.Instrument), 10)
	return slices.ContainsFunc(r.subs, func(sub *subscription) bool {
		begun := e.Index >= r.entry
		if sub.replayed {
			begun = !at.Defined() || at >= sub.start
		}
		name := symbol
		if sub.stype == dbn.STypeInstrumentID {
			name = number
		}
		return begun && sub.schema == dbn.Schema(e.Schema) && (sub.all() || slices.Contains(sub.symbols, name))
	})
}

// learnReplay takes in which instruments there are.
func (s *session) learnReplay() {
	r := s.replay
	s.outlet.sync()
	known := s.outlet.known()
	for i := range known[r.learned:] {
		r.want.learn(&known[r.learned+i])
	}
	r.learned = len(known)
}

// patchLapped goes back to the journal, because the ring does not have any more what is next.
func (s *session) patchLapped() {
	r := s.replay
	r.phase = placing
	entry := max(r.place.Cursor.Index(), r.place.Entry)
	s.askMarks(func(m *history.Marks) func(market.Nanos) {
		index, ok := m.Journal(entry)
		return func(now market.Nanos) {
			if !ok {
				s.failReplay(fault{dbn.ErrorReplayAgedOut, textNotHeld}, now)
				return
			}
			r.from = index
			s.readOn()
		}
	})
}

package egress

import (
	"tidegate/codec/dbn"
	"tidegate/codec/lsg"
	"tidegate/gateway/stream"
	"tidegate/internal/bus"
	"tidegate/market"
)

// slowness is what became of a session that is slow. The zero value is one that is not.
type slowness struct {
	is bool
	// partly: records of schemas that may be skipped are left out until the session has caught up
	// with the others.
	partly bool
	// skipping: the session is live, but what its cohort gets is counted and not written, until it
	// reads again. All it subscribed to may be skipped.
	skipping bool
	records  uint64 // skipped
	unknown  bool   // more than those were
	// joining: the session comes from a replay and is behind because of that. It is not skipped.
	joining bool
}

func (w *slowness) missed() bool { return w.records > 0 || w.unknown }

func (s *session) skip(records uint64) {
	s.slow.records += records
	s.skipped += records
	s.loop.counts.Skipped += records
}

// mayBeSkipped reports whether the session can be brought to real time by leaving records out.
func (s *session) mayBeSkipped() bool {
	return s.request.SlowReader == lsg.SlowReaderSkip && s.cohort.any&^skippable == 0
}

// checkSlow finds out whether a session whose connection holds bytes back is slow.
func (s *session) checkSlow(now market.Nanos) {
	f := s.outlet.follower
	f.reader.Seek(s.cursor)
	switch e := &f.entry; {
	case s.cursor.Index() >= f.live.Index():
	case s.cohort.any == 0: // it is due nothing
	case f.reader.Next(e) != bus.Ready:
		s.onLapped(nil, now)
	case f.latest-e.At > nanos(s.loop.cfg.SlowAfter):
		s.becomeSlow(now)
	}
}

// becomeSlow does what the session chose for that. It reports whether the session skips to real time.
func (s *session) becomeSlow(now market.Nanos) (skips bool) {
	if s.slow.is {
		return false
	}
	s.slow.is = true
	s.loop.counts.Slow++
	if s.mayBeSkipped() {
		s.skipToLive()
		return true
	}
	due := s.cohort.any
	if s.request.SlowReader == lsg.SlowReaderSkip {
		s.slow.partly = true
		due &^= skippable
	}
	s.loop.counts.Warnings++
	s.out = s.appendSystem(s.out, dbn.SystemSlowReader, now, textSlow(due), now)
	return false
}

// skipToLive passes over what the session is due. What the ring still has is counted.
func (s *session) skipToLive() {
	f := s.outlet.follower
	e := &f.entry
	f.reader.Seek(s.cursor)
	for n := s.cursor.Index(); n < f.live.Index(); n++ {
		if f.reader.Next(e) != bus.Ready {
			s.slow.unknown = true
			break
		}
		if e.Kind == stream.Record && e.Feed == s.outlet.feed.Number && s.cohort.wants(dbn.Schema(e.Schema), e.Instrument) {
			s.skip(1)
		}
	}
	s.slow.skipping = true
	s.goLive()
}

// resume goes on with a session that was skipped and reads again: at is where it goes on.
func (s *session) resume(at bus.Cursor, now market.Nanos) {
	s.goSolo(at)
	s.out = s.appendSkipped(s.out, now)
	s.slow = slowness{}
	// What became known meanwhile was skipped as well.
	s.announcing = append(s.announcing, announcement{next: s.told, end: s.outlet.seen})
	s.told = s.outlet.seen
	s.loop.arm(soon)
}

func (s *session) appendSkipped(b []byte, now market.Nanos) []byte {
	text := textSkipped(s.cohort.any&skippable, s.slow.records, s.slow.unknown)
	s.slow.records, s.slow.unknown = 0, false
	return s.appendError(b, dbn.ErrorSkipped, text, true, now)
}

// onLapped does what is left when the ring does not have any more what the session is due. b is what
// was about to be written.
func (s *session) onLapped(b []byte, now market.Nanos) {
	if s.cohort.any == 0 { // nothing was due
		s.out, s.cursor = append(s.out, b...), s.outlet.follower.live
		return
	}
	s.loop.counts.Lapped++
	if !s.slow.joining && s.mayBeSkipped() {
		s.out = append(s.out, b...)
		if !s.slow.is {
			s.slow.is = true
			s.loop.counts.Slow++
		}
		s.slow.unknown = true
		s.slow.skipping = true
		s.goLive()
		return
	}
	s.out = append(s.out, b...)
	if s.catchUpFromHistory(now) {
		return
	}
	s.because(closedSlow, textNotHeld)
	s.fail(dbn.ErrorReplayAgedOut, textNotHeld, now)
}

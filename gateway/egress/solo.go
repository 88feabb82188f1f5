package egress

import (
	"tidegate/codec/dbn"
	"tidegate/gateway/stream"
	"tidegate/internal/bus"
	"tidegate/market"
)

// goSolo makes a live session solo; at is its position.
func (s *session) goSolo(at bus.Cursor) {
	if !s.live {
		return
	}
	c := s.cohort
	c.live = without(c.live, s.place, func(s *session, i int) { s.place = i })
	s.live = false
	if !s.slow.skipping {
		s.told = max(s.told, s.outlet.settled)
	}
	s.enterSolo(at)
}

func (s *session) enterSolo(at bus.Cursor) {
	f := s.outlet.follower
	s.cursor, s.place = at, len(f.solo)
	f.solo = append(f.solo, s)
}

func (s *session) leaveSolo() {
	f := s.outlet.follower
	f.solo = without(f.solo, s.place, func(s *session, i int) { s.place = i })
}

// goLive makes a solo session live. It has everything that the loop has read, or skips it.
func (s *session) goLive() {
	s.leaveSolo()
	c := s.cohort
	s.live, s.place = true, len(c.live)
	c.live = append(c.live, s)
}

// leave ends the session's part in the record stream.
func (s *session) leave() {
	if s.cohort == nil {
		return
	}
	if s.live {
		s.goSolo(s.cursor)
	}
	s.leaveSolo()
	s.snapshots.cancel(s.outlet)
	s.dropReplay()
	s.outlet.part(s.cohort)
	s.cohort, s.announcing = nil, nil
	s.outlet.follower.following--
}

// take gives a live session the bytes of a pass that began at from.
func (s *session) take(c *cohort, from bus.Cursor, now market.Nanos) {
	switch {
	case s.slow.skipping && s.conn.Buffered() > 0:
		s.skip(uint64(c.records))
		return
	case s.slow.skipping:
		s.resume(from, now)
		return
	case len(s.out) > 0 || s.conn.Buffered() > 0:
		s.stalls++
		s.loop.counts.Stalls++
		s.goSolo(from)
		return
	}
	s.count(c.records)
	s.send(c.span, now)
	if len(c.late) > 0 && s.state == streaming {
		s.goSolo(s.outlet.follower.live)
		s.snapshots.request(s, c.late)
	}
}

func (s *session) count(records int) {
	s.records += uint64(records)
	s.loop.counts.Records += uint64(records)
}

// serveNow serves a session outside of a pass, and asks for the pass it needs.
func (s *session) serveNow(now market.Nanos) {
	if next := s.serve(now); next != idle {
		s.loop.arm(next)
		return
	}
	s.loop.arm(soon) // a loop that sleeps must see the new session's entries
}

// serve gives a solo session what it is due, as much as one pass may, and makes it live when it has
// caught up.
func (s *session) serve(now market.Nanos) pace {
	if s.conn.Buffered() > 0 {
		s.checkSlow(now)
		return later
	}
	l := s.loop
	b := append(l.scratch[:0], s.out...)
	s.out = nil
	b = s.appendAnnouncements(b, now)
	caughtUp := false
	switch {
	case len(s.announcing) > 0:
	case s.patching():
		b = s.patch(b, now)
	default:
		b, caughtUp = s.catchUp(b, now)
	}
	l.scratch = b[:0]
	if s.state != streaming {
		return soon // the ring did not have what was due
	}
	s.send(b, now)
	if s.state == streaming && s.slow.skipping && s.conn.Buffered() == 0 {
		s.resume(s.outlet.follower.live, now)
	}
	if s.state != streaming || s.live {
		return soon
	}
	if !caughtUp || len(s.out) > 0 {
		return soon
	}
	if len(s.snapshots.targets) > 0 {
		return idle // they come through the ring
	}
	if s.replay == nil || s.replay.asked {
		s.slow = slowness{}
	}
	s.goLive()
	if s.replay != nil {
		return soon // to step
	}
	return idle
}

// catchUp appends records from the ring until the session is where the loop is, or has enough for
// one pass.
func (s *session) catchUp(b []byte, now market.Nanos) (_ []byte, caughtUp bool) {
	f := s.outlet.follower
	if s.cohort.any == 0 { // nothing is due
		s.cursor = f.live
		return b, true
	}
	e := &f.entry
	f.reader.Seek(s.cursor)
	var late []market.InstrumentID
	budget := s.loop.cfg.PassBytes
	first := true
	for s.cursor.Index() < f.live.Index() && len(b) < s.loop.cfg.PassBytes && budget > 0 {
		if f.reader.Next(e) != bus.Ready {
			s.onLapped(b, now)
			return b[:0], false
		}
		if first && f.latest-e.At > nanos(s.loop.cfg.SlowAfter) && s.becomeSlow(now) {
			return b, false
		}
		first = false
		budget -= entryBytes + len(e.Payload)
		s.cursor = f.reader.Cursor()
		if e.Feed == s.outlet.feed.Number {
			b, late = s.appendEntry(b, e, late, now)
		}
	}
	if len(late) > 0 {
		s.snapshots.request(s, late)
	}
	caughtUp = s.cursor.Index() >= f.live.Index()
	if caughtUp && s.slow.missed() {
		b = s.appendSkipped(b, now)
	}
	return b, caughtUp
}

// appendEntry appends what an entry means to the session. Instruments whose snapshots it should get
// because they became known are added to late.
func (s *session) appendEntry(b []byte, e *bus.Entry, late []market.InstrumentID, now market.Nanos) ([]byte, []market.InstrumentID) {
	c, schema := s.cohort, dbn.Schema(e.Schema)
	switch e.Kind {
	case stream.Record:
		switch {
		case !c.wants(schema, e.Instrument):
		case s.slow.partly && skippable.has(schema):
			s.skip(1)
		case schema == dbn.SchemaMBO && s.snapshots.awaits(e.Instrument):
		default:
			s.count(1)
			b = c.appendRecords(b, e.Payload, now)
		}
	case stream.IntervalEnd:
		if c.any.has(schema) {
			b = c.appendIntervalEnd(b, e, now)
		}
	case stream.Notice:
		b = c.appendNotice(b, e, now)
	case stream.Instrument:
		s.outlet.sync()
		symbol, _ := s.outlet.lookup.Symbol(e.Instrument)
		b = c.appendMappings(b, e.Instrument, symbol, now)
		if c.wantsSnapshot(e.Instrument, symbol) {
			late = append(late, e.Instrument)
		}
	case stream.Snapshot, stream.SnapshotLast:
		if s.snapshots.mine(e.Target) {
			s.count(len(e.Payload) / mboSize)
			b = c.appendRecords(b, e.Payload, now)
			if e.Kind == stream.SnapshotLast {
				s.snapshots.passed(e.Instrument)
			}
		}
	case stream.SnapshotDone:
		s.snapshots.done(e.Target)
	}
	return b, late
}

var mboSize = dbn.RTypeMBO.Size(dbn.Version)

// snapshots are the requests of a session that the feed has not answered in full.
type snapshots struct {
	targets []uint32
	// awaited counts the snapshots of an instrument that are still to come. Until then its mbo
	// records are left out: what they say is in the snapshot.
	awaited map[market.InstrumentID]int
}

// request asks the feed for the books of instruments, for a session that is solo. ids may be used
// again afterwards.
func (p *snapshots) request(s *session, ids []market.InstrumentID) {
	if p.awaited == nil {
		p.awaited = make(map[market.InstrumentID]int)
	}
	own := make([]market.InstrumentID, 0, len(ids))
	asked := make(map[market.InstrumentID]struct{}, len(ids))
	for _, id := range ids {
		if _, ok := asked[id]; !ok {
			asked[id] = struct{}{}
			own = append(own, id)
			p.awaited[id]++
		}
	}
	target := s.loop.admission.target()
	p.targets = append(p.targets, target)
	s.loop.counts.Snapshots++
	s.outlet.feed.Do(func(u Upstream) { u.Request(target, own) })
}

func (p *snapshots) awaits(id market.InstrumentID) bool { return p.awaited[id] > 0 }

func (p *snapshots) mine(target uint32) bool {
	for _, t := range p.targets {
		if t == target {
			return true
		}
	}
	return false
}

func (p *snapshots) passed(id market.InstrumentID) {
	if p.awaited[id]--; p.awaited[id] <= 0 {
		delete(p.awaited, id)
	}
}

func (p *snapshots) done(target uint32) {
	for i, t := range p.targets {
		if t == target {
			p.targets = append(p.targets[:i], p.targets[i+1:]...)
			return
		}
	}
}

// cancel takes back what was not answered.
func (p *snapshots) cancel(o *outlet) {
	for _, target := range p.targets {
		o.feed.Do(func(u Upstream) { u.Cancel(target) })
	}
	*p = snapshots{}
}

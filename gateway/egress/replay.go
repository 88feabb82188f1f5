package egress

import (
	"slices"

	"tidegate/codec/dbn"
	"tidegate/codec/lsg"
	"tidegate/gateway/history"
	"tidegate/market"
)

// A replay gives a session from the journal what the ring does not have: because the client asked for what is
// older, or because the session was too slow. What the session gets meanwhile from the ring is the rest of
// what it subscribed to, which may be nothing. The replay ends at a place of the ring: from there to where
// the session is, the ring is read for the replay alone (patching), and then for all together.
//
// The session's loop owns it. It gives its task jobs and gets blocks.
type replay struct {
	phase   replayPhase
	asked   bool            // by the client
	subs    []*subscription // that are replayed
	want    *interest       // of them
	learned int             // directory entries that want has taken in
	task    *task           // from opening on
	live    uint64          // index of the journal at which subscriptions begin that do not say when
	entry   uint64          // the same of the ring
	latest  market.Nanos    // latest start of a subscription that says when
	busy    bool            // a job is under way
	blocks  []block         // to be written
	free    [][]byte        // buffers of blocks that were
	end     bool            // the task has read everything durable
	next    uint64          // index of the journal behind blocks
	from    uint64          // index at which the next job begins, 0 if where the last one ended
	names   names
	place   history.Place // of the ring, from patching on; its cursor goes on with reading
	holds   bool          // one of the places that admission gives to replays
	resting bool          // the journal is behind the ring: wait a moment
}

// replayPhase is what a replay does.
type replayPhase uint8

const (
	locating replayPhase = iota // waits for the index of the journal at which it begins
	queueing                    // waits until fewer others are under way
	opening                     // the journal is being opened
	reading                     // blocks are read and written
	placing                     // waits for the place of the ring at which it ends
	patching                    // the ring is read from there on
)

// blocksMax is how many blocks are read ahead.
const blocksMax = 2

// direct returns the subscriptions that the session gets from the ring.
func (s *session) direct() []*subscription {
	r := s.replay
	if r == nil {
		return s.subscriptions
	}
	if !r.asked {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(s.subscriptions), func(sub *subscription) bool { return slices.Contains(r.subs, sub) })
}

// newReplay returns the replay that a session begins with, nil if it does not ask for one. Every
// subscription to a schema that is replayed is part of it: a replay is finished before what is live of its
// schema begins.
func (s *session) newReplay() *replay {
	var schemas schemaSet
	for _, sub := range s.subscriptions {
		if sub.replayed {
			schemas |= setOf(sub.schema)
		}
	}
	if schemas == 0 {
		return nil
	}
	r := &replay{asked: true}
	for _, sub := range s.subscriptions {
		if schemas.has(sub.schema) {
			r.subs = append(r.subs, sub)
		}
	}
	return r
}

// checkReplay finds out whether the subscriptions go together.
func (s *session) checkReplay() fault {
	if r := s.newReplay(); r != nil {
		for _, sub := range r.subs {
			if sub.snapshot {
				return fault{dbn.ErrorInvalidSubscription, "start and snapshot of schema " + sub.schema.String() + " in one session"}
			}
		}
	}
	return fault{}
}

// beginReplay begins the session's replay. entry is where it is in the ring, if the ring does not have that
// any more.
func (s *session) beginReplay(entry uint64) {
	r, f := s.replay, s.outlet.follower
	r.want = newInterest(s.form, r.subs)
	for _, sub := range r.subs {
		r.latest = max(r.latest, sub.start)
	}
	f.replaying = append(f.replaying, s)
	asked := r.asked
	s.askMarks(func(m *history.Marks) func(now market.Nanos) {
		index, ok := m.Next(), true
		if asked {
			now, _ := m.Ring(index)
			entry = now.Entry
		} else {
			index, ok = m.Journal(entry)
		}
		return func(now market.Nanos) {
			if !ok {
				s.failReplay(fault{dbn.ErrorReplayAgedOut, textNotHeld}, now)
				return
			}
			r.live, r.entry, r.phase = index, entry, queueing
		}
	})
}

// textNotHeld is what a session is told that was too slow for everything.
const textNotHeld = "slow reading: the gateway does not hold any more what is due"

// askMarks has the ingest loop look at the marks, and the session's loop take the answer, unless the replay is
// over by then.
func (s *session) askMarks(look func(*history.Marks) func(now market.Nanos)) {
	r, l := s.replay, s.loop
	answer := func(take func(now market.Nanos)) {
		l.post(func(now market.Nanos) {
			if s.replay == r && s.state == streaming {
				take(now)
				l.arm(soon)
			}
		})
	}
	if err := s.outlet.feed.History.Marks(func(m *history.Marks) { answer(look(m)) }); err != nil {
		answer(func(now market.Nanos) {
			s.failReplay(fault{dbn.ErrorInternal, "Internal error: the gateway is stopping"}, now)
		})
	}
}

// failReplay ends the session because its replay has failed.
func (s *session) failReplay(f fault, now market.Nanos) { s.fail(f.code, f.text, now) }

// do has the task do a job. done takes the answer on the loop, unless the replay is over by then.
func (s *session) do(job func(*task) func(now market.Nanos)) {
	r, l := s.replay, s.loop
	r.busy = true
	t := r.task
	l.cold(func() {
		take := job(t)
		l.post(func(now market.Nanos) {
			if s.replay == r && s.state == streaming {
				r.busy = false
				take(now)
				l.arm(soon)
			}
		})
	})
}

// openReplay opens the journal.
func (s *session) openReplay() {
	r := s.replay
	r.phase = opening
	known := s.outlet.known()
	if !r.asked {
		known = known[:min(s.told, len(known))]
	}
	r.task = newTask(s.outlet.feed, r.subs, r.live, known)
	if !r.asked {
		s.loop.counts.CaughtUp++
	} else {
		s.loop.counts.Replays++
	}
	s.do(func(t *task) func(market.Nanos) {
		n, err := t.open()
		return func(now market.Nanos) {
			if err != nil {
				s.failReplay(s.replayFault(err), now)
				return
			}
			r.names, r.phase = n, reading
			if r.asked {
				if s.live {
					s.goSolo(s.outlet.follower.live)
				}
				for _, sub := range r.subs {
					s.announce(sub)
				}
			}
			s.readReplay()
		}
	})
}

func (s *session) replayFault(err error) fault {
	f := faultOf(err)
	if f.code == dbn.ErrorInternal {
		s.loop.cfg.Log.Error("history cannot be read", "session", s.id, "dataset", s.holder.dataset, "error", err)
	}
	return f
}

// readReplay has the next block read, if there is room for it.
func (s *session) readReplay() {
	r := s.replay
	if r.busy || r.end || len(r.blocks) >= blocksMax {
		return
	}
	var buf []byte
	if n := len(r.free); n > 0 {
		buf, r.free = r.free[n-1], r.free[:n-1]
	}
	from, most := r.from, s.loop.cfg.PassBytes
	r.from = 0
	s.do(func(t *task) func(market.Nanos) {
		k := t.read(from, buf, most)
		return func(now market.Nanos) {
			if k.err != nil && len(k.b) == 0 {
				s.failReplay(s.replayFault(k.err), now)
				return
			}
			r.blocks = append(r.blocks, k)
			r.end, r.next = k.end || k.err != nil, k.next
			s.readReplay()
		}
	})
}

// stepReplay takes the replay a step further, if the session may be written to.
func (s *session) stepReplay(now market.Nanos) pace {
	r := s.replay
	switch r.phase {
	case queueing:
		if !s.loop.admission.enterReplay(s.loop.cfg.Replays) {
			return idle // a tick will come
		}
		r.holds = true
		s.openReplay()
		return idle
	case reading, patching:
	default:
		return idle
	}
	if s.conn.Buffered() > 0 {
		return later
	}
	if !s.live || len(s.out) > 0 || s.slow.skipping {
		return idle // first what is due of the ring
	}
	if r.phase == patching {
		if s.outlet.follower.live.Index() >= r.place.Entry {
			s.goSolo(s.outlet.follower.live)
			return soon
		}
		return idle // a pass will get there
	}
	if len(r.blocks) > 0 {
		s.writeBlock(now)
		return soon
	}
	if r.end && !r.busy {
		s.placeReplay()
		return idle
	}
	if r.resting {
		r.resting = false
		return later
	}
	s.readReplay()
	return idle
}

// writeBlock writes the next block.
func (s *session) writeBlock(now market.Nanos) {
	r := s.replay
	k := r.blocks[0]
	r.blocks = slices.Delete(r.blocks, 0, 1)
	now = max(now, s.outlet.follower.sent)
	b := s.appendRecords(s.loop.scratch[:0], k.b, now)
	if k.lacks != "" && k.err == nil {
		b = s.appendError(b, dbn.ErrorSkipped, textLacks(r.want.any, k.lacks), true, now)
	}
	s.loop.scratch = b[:0]
	r.free = append(r.free, k.b)
	s.count(k.records)
	s.send(b, now)
	if s.state != streaming || s.replay != r {
		return
	}
	if k.err != nil {
		s.failReplay(s.replayFault(k.err), now)
		return
	}
	s.readReplay()
}

// finishReplay ends the replay of a session that has got everything up to where it is in the ring, and lets it
// go on there with all that it subscribed to.
func (s *session) finishReplay(b []byte, now market.Nanos) []byte {
	r := s.replay
	if r.asked {
		for schema := range dbn.Schema(schemaCount) {
			if r.want.any.has(schema) {
				b = s.appendSystem(b, dbn.SystemReplayCompleted, now, textReplayed(schema), now)
			}
		}
	}
	s.dropReplay()
	s.outlet.sync()
	before := s.cohort
	s.outlet.join(s)
	s.outlet.part(before) // second, so that no schema is unwanted in between
	s.told = max(s.told, s.outlet.settled)
	// What the ring has from here on may be old already. That is no fault of the client.
	s.slow = slowness{is: true, joining: true, records: s.slow.records, unknown: s.slow.unknown}
	return b
}

// dropReplay gives up what the replay holds.
func (s *session) dropReplay() {
	r := s.replay
	if r == nil {
		return
	}
	s.replay = nil
	f := s.outlet.follower
	i := slices.Index(f.replaying, s)
	f.replaying = slices.Delete(f.replaying, i, i+1)
	if r.holds {
		s.loop.admission.leaveReplay()
	}
	if t := r.task; t != nil {
		t.cancel()
		s.loop.cold(t.close)
	}
}

// catchUpFromHistory begins a replay for a session that was too slow for the ring, and may not miss anything. It
// reports whether that is possible.
func (s *session) catchUpFromHistory(now market.Nanos) bool {
	h := s.outlet.feed.History
	if h == nil || s.replay != nil || len(s.snapshots.targets) > 0 {
		return false
	}
	r := &replay{}
	for _, sub := range s.subscriptions {
		if s.request.SlowReader == lsg.SlowReaderSkip && skippable.has(sub.schema) && !s.slow.joining {
			s.slow.unknown = true
			continue
		}
		if !h.Keeps(sub.schema) {
			return false
		}
		own := *sub
		own.replayed = false // from where it is
		r.subs = append(r.subs, &own)
	}
	if !s.slow.is {
		s.becomeSlow(now)
	}
	s.replay = r
	before := s.cohort
	s.outlet.join(s)
	s.outlet.part(before)
	s.beginReplay(s.cursor.Index())
	s.cursor = s.outlet.follower.live // it is due nothing of the ring now
	return true
}

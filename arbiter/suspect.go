package arbiter

import "slices"

// This file holds packets that are not believed alone, until others of their line say what they are.

const (
	// suspectsMax is how many packets of a line are held for being suspect.
	suspectsMax = 4
	// restartPackets is how many packets, each the exact successor of the one before, are believed to be of
	// a new epoch if none of them is the first.
	restartPackets = 4
)

// suspect is a packet that is held until it is confirmed or refuted.
type suspect struct {
	held   bool
	packet Packet // its Messages lie in suspects.memory
}

// suspects are what a line holds. A packet that jumped, or is of another session, or was sent later than
// what it is behind, is held alone, and the line's next packet decides about it. Packets that went back are
// held until there are enough of them, or the line goes on where it was.
type suspects struct {
	n      int
	next   int // position of the next one, going round
	why    placement
	news   bool // of those that went back, one is certainly no late copy
	slots  [suspectsMax]suspect
	memory []byte
}

// fits reports whether there is memory for a packet of that size.
func (s *suspects) fits(p *Packet) bool { return len(p.Messages) <= len(s.memory)/suspectsMax }

// goesOn reports whether p goes on where a held packet ends.
func (s *suspects) goesOn(p *Packet) bool {
	if s.n == 0 || s.why != wentBack {
		return false
	}
	for i := range s.slots {
		if k := &s.slots[i]; k.held && k.packet.end() == p.Seq {
			return true
		}
	}
	return false
}

// chain returns p and the held packets that go on from it without a hole, in order, in memory of the caller.
func (s *suspects) chain(p *Packet, memory *[suspectsMax + 1]*Packet) []*Packet {
	chain := append(memory[:0], p)
	for grown := true; grown; {
		grown = false
		for i := range s.slots {
			k := &s.slots[i].packet
			if !s.slots[i].held || slices.Contains(chain, k) {
				continue
			}
			switch {
			case k.end() == chain[0].Seq:
				chain = slices.Insert(chain, 0, k)
			case k.Seq == chain[len(chain)-1].end():
				chain = append(chain, k)
			default:
				continue
			}
			grown = true
		}
	}
	return chain
}

// begins reports whether a chain of packets is enough to begin an epoch: the first packet of all and its
// successor, messages among them; or a number of others.
func begins(chain []*Packet) bool {
	first, last := chain[0], chain[len(chain)-1]
	return len(chain) >= restartPackets || len(chain) >= 2 && first.Seq == 1 && last.end() > 1
}

// mayBeNext reports whether p, which is behind what its line delivered and has no send time to tell, may be
// of the next epoch.
func (a *Arbiter) mayBeNext(p *Packet, l *line) bool {
	far := l.high-p.Seq > a.cfg.FallBackMax
	goesOn := l.suspects.goesOn(p)
	if !far && !goesOn && p.Seq != 1 {
		return false // the network changed the order
	}
	like := a.compare(p, l)
	switch {
	case goesOn && l.suspects.news:
		return true // even if it is a copy: some messages are the same on every start
	case like == same:
		return a.isNews(p, like)
	case like == different:
		// Not far behind, it takes a line that agreed with the others so far: copies on one that does not
		// are all different.
		return goesOn || far || l.tally.Disagree == 0
	default:
		return goesOn || far && !a.wanted(p)
	}
}

// isNews reports whether p, which is like the copy that was published, was certainly sent after it: other
// bytes were, and so was the first packet of all if it comes again later than any line can lag.
func (a *Arbiter) isNews(p *Packet, like likeness) bool {
	return like == different || like == same && p.Seq == 1 && p.TsRecv-a.epoch.TsRecv > lineLagMax
}

// wanted reports whether p brings what is or was missing, and so has a reason to come late.
func (a *Arbiter) wanted(p *Packet) bool {
	if p.Count == 0 {
		return false
	}
	return a.gaps.overlaps(p.Seq, p.end()) ||
		p.Seq != 1 && a.lost.messages(p.Seq, p.end()) == uint64(p.Count)
}

// doubtAgain takes a packet that may be of the next epoch, and begins that if there are enough of them.
func (a *Arbiter) doubtAgain(p *Packet, l *line) Verdict {
	s := &l.suspects
	news := a.isNews(p, a.compare(p, l))
	var memory [suspectsMax + 1]*Packet
	chain := s.chain(p, &memory)
	if !begins(chain) {
		v := a.suspect(p, l, wentBack)
		s.news = s.news || news && v == Suspect
		return v
	}
	for i := range s.slots {
		if slices.Contains(chain, &s.slots[i].packet) {
			l.release(i)
		}
	}
	a.open(chain[0], l, sendTime(chain[0]), Restarted)
	var v Verdict
	for _, k := range chain {
		if became := a.accept(k, l, sendTime(k)); k == p {
			v = became
		}
	}
	a.releaseSuspects(Restarted)
	return v
}

// doubt holds a packet until its line's next one. It does not count as delivered by the line.
func (a *Arbiter) doubt(p *Packet, l *line, why placement) Verdict {
	a.refute(l)
	return a.suspect(p, l, why)
}

// suspect holds a packet, in place of the one held for longest if there are too many.
func (a *Arbiter) suspect(p *Packet, l *line, why placement) Verdict {
	s := &l.suspects
	if !s.fits(p) {
		l.tally.Implausible.add(p)
		return Implausible
	}
	i := s.next
	if s.slots[i].held {
		l.tally.Implausible.add(l.release(i))
	}
	s.next = (i + 1) % suspectsMax
	s.n++
	s.why = why
	k := &s.slots[i]
	k.held, k.packet = true, *p
	size := len(s.memory) / suspectsMax
	k.packet.Messages = s.memory[i*size:][:copy(s.memory[i*size:][:size], p.Messages)]
	l.tally.Suspect.add(p)
	return Suspect
}

// resolve decides about the one suspect of a line now that its next packet is there. Strangers decide
// nothing.
func (a *Arbiter) resolve(p *Packet, l *line) {
	s := &l.suspects
	i := s.oldest() // the only one
	switch kept := &s.slots[i].packet; {
	case a.confirms(p, kept, l):
		l.release(i)
		switch send := sendTime(kept); s.why {
		case maybeRestarted:
			a.begin(kept, l, send, Restarted)
		case otherSession:
			a.begin(kept, l, send, NewSession)
		default:
			a.accept(kept, l, send)
		}
	case p.Session == a.session || p.Session == kept.Session:
		a.refute(l)
	}
}

// confirms reports whether p goes on where the line's suspect left off.
func (a *Arbiter) confirms(p, kept *Packet, l *line) bool {
	end := kept.end()
	if p.Session != kept.Session || p.Seq < end || p.Seq-end > a.cfg.JumpMax {
		return false
	}
	switch l.suspects.why {
	case maybeRestarted:
		_, later := l.sentLater(sendTime(p))
		return later && p.Seq < l.high
	case otherSession:
		return a.over(p.TsRecv)
	default:
		return true
	}
}

// releaseSuspects decides about packets that lines hold when an epoch has begun. A line that seemed to
// begin the same epoch did so, with what the network may have put in another order; anything else was from
// before.
func (a *Arbiter) releaseSuspects(why EpochReason) {
	for i := range a.lines {
		l := &a.lines[i]
		for n := l.suspects.n; n > 0; n-- {
			k := l.release(l.suspects.oldest())
			if !a.begunBy(k, l.suspects.why, why) {
				l.tally.OldEpoch.add(k)
				continue
			}
			if l.epoch != a.epoch.Number {
				a.join(l)
			}
			a.accept(k, l, sendTime(k))
		}
	}
}

// begunBy reports whether a suspect belongs to the epoch that began.
func (a *Arbiter) begunBy(k *Packet, suspected placement, why EpochReason) bool {
	switch {
	case k.Session != a.session:
		return false
	case k.TsRecv < a.epoch.TsRecv-lineLagMax:
		return false // of a start in between, of which nothing more came
	case suspected == wentBack:
		return why == Restarted && (k.Seq <= a.high || k.Seq-a.high <= a.cfg.FallBackMax)
	case suspected == maybeRestarted:
		return why == Restarted
	default:
		return suspected == otherSession && why == NewSession
	}
}

// refute drops the line's suspects, if it holds any.
func (a *Arbiter) refute(l *line) {
	for s := &l.suspects; s.n > 0; {
		l.tally.Implausible.add(l.release(s.oldest()))
	}
}

// oldest returns the position of the suspect that is held for longest; there is one.
func (s *suspects) oldest() int {
	i := s.next
	for !s.slots[i].held {
		i = (i + 1) % suspectsMax
	}
	return i
}

// release lets go of a suspect. It stays readable until the line doubts another packet.
func (l *line) release(i int) *Packet {
	s := &l.suspects
	k := &s.slots[i]
	k.held = false
	s.n--
	s.news = s.news && s.n > 0
	l.tally.Suspect.remove(&k.packet)
	return &k.packet
}

package arbiter

import "tidegate/market"

// This file takes packets whose place in the current epoch is decided, and makes one stream of them.

// accept takes a plausible packet of the current epoch.
func (a *Arbiter) accept(p *Packet, l *line, send market.Nanos) Verdict {
	l.note(p, send)
	end := p.end()
	if p.Count == 0 {
		return a.acceptHeartbeat(p, l)
	}
	if a.ending && end > a.endSeq {
		a.ending, a.ended = false, false // it went on after all
	}
	switch {
	case end <= a.next:
		return a.drop(p, l)
	case p.Seq <= a.next:
		return a.deliver(p, l)
	default:
		return a.hold(p, l)
	}
}

func (a *Arbiter) acceptHeartbeat(p *Packet, l *line) Verdict {
	if p.Kind == End {
		l.tally.Ends++
		a.ending, a.endSeq = true, p.Seq
	} else {
		l.tally.Heartbeats++
	}
	if p.Seq <= a.high {
		return InStep
	}
	a.reveal(p)
	return Missing
}

// drop counts a packet all of whose messages the stream has passed.
func (a *Arbiter) drop(p *Packet, l *line) Verdict {
	late := a.dropMessages(l, p.Seq, p.end())
	if late > 0 {
		l.tally.Late.Packets++
		return Late
	}
	l.tally.Duplicate.Packets++
	a.compared(p, l)
	return Duplicate
}

// dropMessages counts messages [from, to), which the stream has passed, and returns how many are late.
func (a *Arbiter) dropMessages(l *line, from, to uint64) (late uint64) {
	late = a.lost.messages(from, to)
	if from < a.epoch.From {
		late += min(to, a.epoch.From) - from
	}
	l.tally.Late.Messages += late
	l.tally.Duplicate.Messages += to - from - late
	return late
}

// deliver publishes what is fresh of a packet that reaches beyond next, and what it sets free.
func (a *Arbiter) deliver(p *Packet, l *line) Verdict {
	end := p.end()
	a.fill(a.next, end, l)
	skip := a.next - p.Seq
	a.publish(p, l)
	a.raise(end, p.TsRecv)
	a.drain()
	if skip > 0 {
		return Overlap
	}
	return Fresh
}

// publish hands out a packet with p.Seq <= next < p.end().
func (a *Arbiter) publish(p *Packet, l *line) {
	skip := a.next - p.Seq
	if skip > 0 {
		a.dropMessages(l, p.Seq, a.next)
	} else {
		a.fingerprints.add(p)
	}
	l.tally.Published.Packets++
	l.tally.Published.Messages += uint64(p.Count) - skip
	a.next = p.end()
	a.handler.OnMessages(p, uint32(skip))
}

// hold keeps a packet whose turn has not come.
func (a *Arbiter) hold(p *Packet, l *line) Verdict {
	end := p.end()
	if end <= a.high && !a.gaps.overlaps(p.Seq, end) {
		l.tally.Duplicate.add(p) // of what is held
		a.compared(p, l)
		return Duplicate
	}
	if p.Seq > a.high {
		a.reveal(p)
	}
	for !a.window.fits(p) || a.gaps.full() {
		a.giveUp(min(a.gaps.open[0].to, p.Seq), GapWindowFull)
		a.drain()
		if p.Seq <= a.next {
			return a.deliver(p, l)
		}
	}
	a.fill(p.Seq, end, l)
	a.window.insert(p)
	l.tally.Held.add(p)
	a.raise(end, p.TsRecv)
	return Ahead
}

// reveal opens the gap between what is known and p, which lies beyond it.
func (a *Arbiter) reveal(p *Packet) {
	for a.gaps.full() {
		a.giveUp(a.gaps.open[0].to, GapWindowFull)
		a.drain()
	}
	a.gaps.open = append(a.gaps.open, span{from: a.high, to: p.Seq, seen: p.TsRecv, line: p.Line})
	a.ledger.GapsOpened.add(p.Seq - a.high)
	a.raise(p.Seq, p.TsRecv)
}

// fill takes [from, to), brought by l, off what is missing. It splits a range only if from is ahead of
// next, when there is room.
func (a *Arbiter) fill(from, to uint64, l *line) {
	messages, closed, split := a.gaps.fill(from, to)
	l.tally.GapMessages += messages
	a.ledger.GapsFilled.Messages += messages
	a.ledger.GapsFilled.Ranges += uint64(closed)
	if split {
		a.ledger.GapsOpened.Ranges++
	}
}

// raise notes that everything below seq is known to exist.
func (a *Arbiter) raise(seq uint64, now market.Nanos) {
	if seq <= a.high {
		return
	}
	if now >= a.marks.due {
		a.mark(a.high, now)
	}
	a.high, a.highAt = seq, now
}

// giveUp announces the lowest missing range, up to seq which is in it or at its end.
func (a *Arbiter) giveUp(seq uint64, reason GapReason) {
	s := &a.gaps.open[0]
	g := Gap{From: a.next, To: seq, Seen: s.seen, Epoch: a.epoch.Number, Line: s.line, Reason: reason}
	if seq < s.to {
		s.from = seq
		a.ledger.GapsOpened.Ranges++ // it became two
	} else {
		a.gaps.open = a.gaps.open[:copy(a.gaps.open, a.gaps.open[1:])]
	}
	a.ledger.announced(reason).add(g.Messages())
	a.lost.add(g.From, g.To)
	a.next = seq
	a.handler.OnGap(g)
}

// giveUpAll announces everything missing and publishes everything held.
func (a *Arbiter) giveUpAll(reason GapReason) {
	for len(a.gaps.open) > 0 {
		a.giveUp(a.gaps.open[0].to, reason)
		a.drain()
	}
}

// drain publishes held packets whose turn has come.
func (a *Arbiter) drain() {
	n := 0
	for ; n < a.window.len() && a.window.at(n).Seq <= a.next; n++ {
		p := a.window.at(n)
		l := &a.lines[p.Line]
		l.tally.Held.remove(p)
		if p.end() <= a.next {
			a.drop(p, l)
		} else {
			a.publish(p, l)
		}
	}
	a.window.removeFirst(n)
}

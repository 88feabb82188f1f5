package arbiter

import "tidegate/market"

// An EpochReason says why an epoch began.
type EpochReason uint8

// Reasons.
const (
	Started    EpochReason = iota // the first packet of the channel
	Restarted                     // the publisher began again under the same session
	NewSession                    // another session began after the end of the one before
)

// String returns the name used in reports.
func (r EpochReason) String() string {
	switch r {
	case Started:
		return "started"
	case Restarted:
		return "restarted"
	case NewSession:
		return "new-session"
	default:
		return "reason?"
	}
}

// An Epoch is a run of sequences from one start of the publisher.
type Epoch struct {
	Session Session
	// From is the first sequence of the published stream: 1, or, where the channel was joined after too
	// many messages to wait for, the sequence at which it was joined. Nothing before it is published or
	// announced.
	From   uint64
	TsRecv market.Nanos // of the packet that began it
	Number uint32       // 1 for the first
	Line   LineID       // of the packet that began it
	Reason EpochReason
}

// placement says where a packet of the channel's session belongs.
type placement uint8

const (
	current        placement = iota // to the channel's epoch
	older                           // to an epoch before it
	restarted                       // it begins the next one
	maybeRestarted                  // it may begin the next one: it was sent later than what it is behind
	wentBack                        // it may be of the next one: it is behind, and nothing else is known of it
	otherSession                    // it may begin the next one, under another session
	jumped                          // to the channel's epoch, if its sequence can be believed
)

const (
	// sendAheadMax is how far a send time may be after the receive time to be believed: clocks differ,
	// but until a wrong send time from the future is past, right ones look old.
	sendAheadMax = 10 * market.Second
	// lineLagMax is how long a line can lag behind an epoch's beginning on another line. After it the
	// line's packets belong to that epoch, whatever they look like, and the first packet of all is no late
	// copy. Used only without send times.
	lineLagMax = market.Second
	// sessionSilence is how long no line may bring anything of a session for another one to be believed although
	// nobody said that it ended: its heartbeats come every second.
	sessionSilence = 3 * market.Second
)

// sendTime returns the packet's send time, UndefTime if it has none that can be believed.
func sendTime(p *Packet) market.Nanos {
	if p.TsSend < 0 || p.TsSend-p.TsRecv > sendAheadMax {
		return market.UndefTime
	}
	return p.TsSend
}

// onOtherSession takes a packet that is not of the current session, or the very first packet.
func (a *Arbiter) onOtherSession(p *Packet, l *line, send market.Nanos) Verdict {
	if a.epoch.Number == 0 {
		if a.cfg.Session != (Session{}) && p.Session != a.cfg.Session {
			l.tally.Foreign.add(p)
			return Foreign
		}
		return a.begin(p, l, send, Started)
	}
	if a.hasPrevious && p.Session == a.previous {
		l.tally.OldEpoch.add(p)
		return OldEpoch
	}
	if !a.over(p.TsRecv) {
		l.tally.Foreign.add(p)
		return Foreign
	}
	return a.doubt(p, l, otherSession) // two packets of it end the doubt: see resolve
}

// over reports whether another session may begin: the end of this one was said, or whoever said it was not heard.
func (a *Arbiter) over(now market.Nanos) bool {
	if a.ending || a.cfg.Session != (Session{}) {
		return a.ending
	}
	for i := range a.lines {
		if at := a.lines[i].lastRecv; at.Defined() && now-at <= sessionSilence {
			return false
		}
	}
	return true
}

// begin starts an epoch with its first packet.
func (a *Arbiter) begin(p *Packet, l *line, send market.Nanos, why EpochReason) Verdict {
	a.open(p, l, send, why)
	v := a.accept(p, l, send)
	a.releaseSuspects(why)
	return v
}

// open ends the epoch before and starts one that p is of.
func (a *Arbiter) open(p *Packet, l *line, send market.Nanos, why EpochReason) {
	a.giveUpAll(GapEpochEnd)
	a.settle() // the end of the session may have waited for those gaps

	ended := a.next
	a.closed += a.next - a.epoch.From
	from := uint64(1)
	if p.Seq-1 > a.cfg.JoinGapMax {
		from = p.Seq
		a.ledger.JoinedMid++
	}
	if why != Restarted {
		a.hasPrevious, a.previous = why == NewSession, a.session
		a.session = p.Session
		a.ledger.Sessions++
	} else {
		a.ledger.Restarts++
	}
	a.ledger.Epochs++
	a.epoch = Epoch{
		Session: p.Session, From: from, TsRecv: p.TsRecv, Number: a.epoch.Number + 1, Line: p.Line, Reason: why,
	}
	a.epochSend, a.epochEnd = send, p.end()
	a.next, a.high, a.highAt = from, from, p.TsRecv
	a.ending, a.ended = false, false
	a.lost.count = 0
	a.fingerprints.begin(ended)
	a.marks.reset()

	for i := range a.lines {
		other := &a.lines[i]
		other.inStep = false
		if why != Restarted {
			other.epoch = 0 // nothing of this session seen yet
			other.leave()
		}
	}
	a.join(l)
	l.lastRecv = p.TsRecv
	a.handler.OnEpoch(a.epoch)
}

// join moves a line to the channel's epoch.
func (a *Arbiter) join(l *line) {
	l.epoch = a.epoch.Number
	l.leave()
}

// leave forgets where the line was in the epoch it leaves.
func (l *line) leave() {
	l.high, l.sendMax = 0, market.UndefTime
	l.passedAt = market.UndefTime
}

// place decides where a packet of the channel's session belongs, and moves its line to the epoch that
// follows from it.
func (a *Arbiter) place(p *Packet, l *line, send market.Nanos) placement {
	switch {
	case l.epoch == 0:
		if a.sentBefore(p, send) {
			return older
		}
		a.join(l)
	case l.epoch != a.epoch.Number:
		if !a.catchesUp(p, l, send) {
			l.note(p, send)
			return older
		}
	case a.sentBefore(p, send):
		return older
	case p.Seq < l.high:
		if where := a.cameBack(p, l, send); where != current {
			return where
		}
	}
	switch {
	case p.Seq <= a.high:
		return current
	case !send.Defined() && a.epoch.Reason == Restarted && p.TsRecv-a.epoch.TsRecv <= lineLagMax && a.fingerprints.ofPrior(p):
		return older // the network brought it after packets of the new epoch
	case a.jumps(p):
		return jumped
	}
	return current
}

// sentBefore reports whether p contradicts the packet that began the epoch: it was sent earlier, and
// reaches further.
func (a *Arbiter) sentBefore(p *Packet, send market.Nanos) bool {
	return send.Defined() && send < a.epochSend && p.end() > a.epochEnd
}

// fellBack compares p with what its line delivered before, by number and time. It returns current if there
// is nothing special about it.
func (a *Arbiter) fellBack(p *Packet, l *line, send market.Nanos) placement {
	if p.Seq >= l.high {
		return current
	}
	timed, later := l.sentLater(send)
	far := l.high-p.Seq > a.cfg.FallBackMax
	switch {
	case later && p.Seq == 1:
		return restarted
	case later && far:
		return maybeRestarted
	case !timed && far:
		return wentBack
	default:
		return current
	}
}

// cameBack does the same for a packet that is behind, on a line in the channel's epoch. Here its content has
// a say too.
func (a *Arbiter) cameBack(p *Packet, l *line, send market.Nanos) placement {
	where := a.fellBack(p, l, send)
	timed, _ := l.sentLater(send)
	switch {
	case !timed && a.mayBeNext(p, l):
		return wentBack
	case !timed:
		return current
	case where == maybeRestarted && a.compare(p, l) == same:
		return current // sent once more, at another time
	default:
		return where
	}
}

// sentLater compares a send time with those of everything the line delivered before, if there are any.
func (l *line) sentLater(send market.Nanos) (timed, later bool) {
	timed = send.Defined() && l.sendMax.Defined()
	return timed, timed && send > l.sendMax
}

// catchesUp decides whether a packet of a line in an older epoch belongs to the channel's, and moves
// the line if so.
func (a *Arbiter) catchesUp(p *Packet, l *line, send market.Nanos) bool {
	timed := send.Defined() && a.epochSend.Defined()
	if timed && send >= a.epochSend {
		a.join(l)
		return true
	}
	if a.fellBack(p, l, send) != current {
		l.epoch++
		l.leave()
		return l.epoch == a.epoch.Number
	}
	if !timed && p.TsRecv-a.epoch.TsRecv > lineLagMax {
		a.join(l)
		return true
	}
	return false
}

// jumps reports whether p leaves out more than can be believed of one packet.
func (a *Arbiter) jumps(p *Packet) bool {
	return p.Seq > a.high && p.Seq-a.high > a.cfg.JumpMax
}

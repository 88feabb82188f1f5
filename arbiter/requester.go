package arbiter

import (
	"errors"
	"fmt"

	"tidegate/market"
)

// A Request asks a retransmit server for the messages [Seq, Seq+Count) of a session.
type Request struct {
	Session Session
	Seq     uint64
	Count   uint32
	Server  int // from 0
}

// A Requester says what to ask retransmit servers for, so that the gaps of an Arbiter are filled before
// their deadline, and lets only answers to its requests in. Like the Arbiter it is a pure state machine:
//
//	r, err := arbiter.NewRequester(arbiter.DefaultRequestConfig(2), a)
//	...
//	verdict := r.OnPacket(&packet)                        // packets of line R; others go to the Arbiter
//	for q, ok := r.Next(now); ok; q, ok = r.Next(now) {   // after each packet, and when Due
//		// send q to server q.Server
//	}
//
// What it does depends on packets and times alone, and not on whether a request could be sent: one that
// could not is not answered, and its timeout has the next server asked. So a replay that calls Next at
// the same times, and sends nothing, takes and drops the same answers as the live process did. Due says
// at which times nothing may be left out.
//
// # What is asked for
//
// The lowest missing range first, in parts of MessagesMax. A range is left to the other lines for
// RequestAfter, unless each of them has passed it or is further behind than that. No message is asked for
// while a request for it is in flight, none that an answer would come too late for, and none of a range
// of more than GapMax. Budgets bound requests and messages per second, whatever the cause.
//
// # Servers
//
// One server is asked until it leaves a request unanswered, then the next. One that did so FailuresMax
// times in a row rests; after that one request probes it, and either it serves again or rests for twice
// as long. Nothing tells which server an answer is from: it is credited to the one that was asked last.
//
// # Answers
//
// An answer is taken if it overlaps what was asked for in this epoch in the last second. The first one
// ends the request, however much of it was answered; what is still missing is asked for again. An answer
// after the timeout is taken too, but does the server no credit.
//
// Nothing in an answer tells an epoch from the one before under the same session. So after a restart
// nothing is asked for until every answer from before has come or never will.
//
// A Requester belongs to the owner of its Arbiter. It allocates nothing after NewRequester.
type Requester struct {
	cfg    RequestConfig
	a      *Arbiter
	asked  askedList
	budget struct{ requests, messages budget }

	servers [ServersMax]server
	current int // server to ask

	epoch     uint32 // of what was asked
	session   Session
	lastAsked market.Nanos // UndefTime: never
	quiet     market.Nanos // nothing is asked before this time
	now       market.Nanos
	wake      market.Nanos // when Next may have more to ask for, as things stand; UndefTime for never
	waiting   waitReason
	largeTo   uint64 // end of the last range that was too large
	ledger    RequestLedger
}

// waitReason says why a request that is due does not go out.
type waitReason uint8

const (
	notWaiting waitReason = iota
	waitBudget
	waitInFlight
	waitServers
)

// lateShare is the part of a timeout that must be left until a gap's deadline for a request to make
// sense: an answer seldom takes less than a tenth of what it is given.
const lateShare = 10

// NewRequester returns a Requester for the gaps of a. All memory is taken here.
func NewRequester(cfg RequestConfig, a *Arbiter) (*Requester, error) {
	if a == nil {
		return nil, errors.New("arbiter: requests: no arbiter")
	}
	if err := cfg.Validate(a.cfg.GapDeadline); err != nil {
		return nil, fmt.Errorf("arbiter: requests: %w", err)
	}
	r := &Requester{
		cfg: cfg, a: a, asked: newAskedList(cfg.InFlightMax),
		lastAsked: market.UndefTime, wake: market.UndefTime,
	}
	r.budget.requests = newBudget(cfg.RequestsPerSecond, max(1, int64(cfg.RequestsPerSecond/10)))
	r.budget.messages = newBudget(cfg.MessagesPerSecond, max(int64(cfg.MessagesMax), int64(cfg.MessagesPerSecond/10)))
	for i := range r.servers {
		r.servers[i].rest = cfg.RestMin
	}
	return r, nil
}

// OnPacket takes a packet of line R. If nothing in it was asked for it is dropped as Unasked, else it is
// the Arbiter's. p is not kept.
func (r *Requester) OnPacket(p *Packet) Verdict {
	r.follow()
	if r.epoch != 0 && p.Session == r.session && p.Kind == Data && p.Seq > 0 && p.end() > p.Seq && !r.answers(p) {
		return r.a.onUnasked(p)
	}
	return r.a.OnPacket(p) // whatever else it is, the Arbiter knows
}

// Next returns the next request to send now, and false if there is none. After it has returned false,
// more can be due at the time Due, or when the Arbiter has been given a packet. Time does not go back.
func (r *Requester) Next(now market.Nanos) (Request, bool) {
	r.now = max(r.now, now)
	r.follow()
	r.expire()
	r.wake = market.UndefTime
	if !r.Missing() {
		r.waiting = notWaiting
		return Request{}, false
	}
	if r.now < r.quiet {
		r.wake = r.quiet
		return Request{}, false
	}
	from, to, ok := r.wanted()
	if !ok {
		r.waiting = notWaiting
		return Request{}, false
	}
	server, ok := r.room(to - from)
	if !ok {
		return Request{}, false
	}
	return r.request(server, from, to), true
}

// Due returns when Next has something to do although no packet came, UndefTime for never. It is later
// than the time of the last Next that returned false.
func (r *Requester) Due() market.Nanos {
	due := market.UndefTime
	if r.Missing() {
		due = r.wake
	}
	if q := r.asked.earliest(); q != nil {
		if expires := q.at + r.cfg.Timeout; due == market.UndefTime || expires < due {
			due = expires
		}
	}
	return due
}

// Missing reports whether the Arbiter has an open gap: without one, a packet gives Next nothing to do.
func (r *Requester) Missing() bool { return len(r.a.gaps.open) > 0 }

// Ledger returns the account of requests as of now.
func (r *Requester) Ledger() RequestLedger {
	ledger := r.ledger
	ledger.Servers = r.cfg.Servers
	for i := range r.cfg.Servers {
		ledger.Server[i].State = r.servers[i].state
	}
	for _, i := range r.asked.flying {
		q := &r.asked.ring[i]
		ledger.Server[q.server].InFlight.add(q.to - q.from)
	}
	return ledger
}

// follow notices that the Arbiter's epoch is another one. What was asked before is void.
func (r *Requester) follow() {
	if r.epoch == r.a.epoch.Number {
		return
	}
	for _, i := range r.asked.flying {
		q := &r.asked.ring[i]
		r.ledger.Server[q.server].Abandoned.add(q.to - q.from)
		if s := &r.servers[q.server]; s.state == Probing {
			s.state = Resting // the probe is void, and the rest over: the next request is the next probe
		}
	}
	r.asked.forget()
	if r.session == r.a.session && r.lastAsked.Defined() {
		r.quiet = r.lastAsked + answerLifeMax
	}
	r.epoch, r.session = r.a.epoch.Number, r.a.session
	r.largeTo = 0
}

// expire gives up waiting for answers that are overdue.
func (r *Requester) expire() {
	for q := r.asked.earliest(); q != nil && r.now >= q.at+r.cfg.Timeout; q = r.asked.earliest() {
		at, s := q.at+r.cfg.Timeout, int(q.server)
		ledger := &r.ledger.Server[s]
		ledger.TimedOut.add(q.to - q.from)
		if r.servers[s].onTimeout(&r.cfg, at) {
			ledger.Rests++
		}
		if r.current == s {
			r.current = (s + 1) % r.cfg.Servers
		}
		r.asked.land(q, timedOut)
	}
}

// wanted returns the first part of a missing range that shall be asked for now. If there is none, wake
// is when there will be.
func (r *Requester) wanted() (from, to uint64, ok bool) {
	open := r.a.gaps.open
	// Ranges are revealed in order, and other lines pass them in order: where one is too young to be
	// asked for, so are all after it. Those too old come first.
	useful := r.now - r.a.cfg.GapDeadline + r.cfg.Timeout/lateShare
	for i := r.a.gaps.firstSeen(useful); i < len(open); i++ {
		s := &open[i]
		if due := r.dueAt(s); due > r.now {
			r.wake = due
			return 0, 0, false
		}
		if s.to-s.from > r.cfg.GapMax {
			if s.to > r.largeTo {
				r.largeTo = s.to
				r.ledger.TooLarge.add(s.to - s.from)
			}
			continue
		}
		if from, to := r.asked.uncovered(s.from, s.to); from < to {
			return from, min(to, from+uint64(r.cfg.MessagesMax)), true
		}
	}
	return 0, 0, false
}

// dueAt returns when a missing range has been left to the other lines for long enough.
func (r *Requester) dueAt(s *span) market.Nanos {
	due := s.seen + r.cfg.RequestAfter
	if due <= r.now {
		return due
	}
	due = s.seen
	for id := range LineR {
		l := &r.a.lines[id]
		if l.tally.Received.Packets == 0 || l.epoch == r.epoch && l.high >= s.to {
			continue // the channel has no such line, or it has passed the range
		}
		due = max(due, min(r.a.Health(id).BehindSince, s.seen)+r.cfg.RequestAfter)
	}
	return due
}

// room returns the server to ask for so many messages now. If it has to wait, wake is until when.
func (r *Requester) room(messages uint64) (server int, ok bool) {
	if r.asked.full() {
		r.wait(waitInFlight, market.UndefTime) // until one of them ends
		return 0, false
	}
	requests, volume := &r.budget.requests, &r.budget.messages
	requests.refill(r.now)
	volume.refill(r.now)
	if at := max(requests.when(1), volume.when(int64(messages))); at > r.now {
		r.wait(waitBudget, at)
		return 0, false
	}
	rested := market.UndefTime
	for i := range r.cfg.Servers {
		k := (r.current + i) % r.cfg.Servers
		s := &r.servers[k]
		if s.may(r.now) {
			return k, true
		}
		if s.state == Resting && (rested == market.UndefTime || s.until < rested) {
			rested = s.until
		}
	}
	r.wait(waitServers, rested)
	return 0, false
}

// wait notes that a request has to wait, and counts it once, however often it is looked at.
func (r *Requester) wait(why waitReason, until market.Nanos) {
	r.wake = until
	if r.waiting == why {
		return
	}
	r.waiting = why
	switch why {
	case waitBudget:
		r.ledger.WaitsBudget++
	case waitInFlight:
		r.ledger.WaitsInFlight++
	case waitServers:
		r.ledger.WaitsServers++
	}
}

// request notes a request as sent and returns it.
func (r *Requester) request(server int, from, to uint64) Request {
	r.waiting, r.current, r.lastAsked = notWaiting, server, r.now
	r.budget.requests.take(1)
	r.budget.messages.take(int64(to - from))
	r.servers[server].onRequest()
	r.asked.add(question{from: from, to: to, at: r.now, server: uint8(server)})
	r.ledger.Server[server].Requests.add(to - from)
	return Request{Session: r.session, Seq: from, Count: uint32(to - from), Server: server}
}

// answers reports whether anything in p was asked for, and ends the requests that it answers.
func (r *Requester) answers(p *Packet) (ok bool) {
	end := p.end()
	for i := r.asked.first(p.Seq); i < len(r.asked.flying); {
		q := &r.asked.ring[r.asked.flying[i]]
		if q.from >= end {
			break
		}
		ledger := &r.ledger.Server[q.server]
		ledger.Answered.add(q.to - q.from)
		ledger.Brought += min(end, q.to) - max(p.Seq, q.from)
		r.servers[q.server].onAnswer(&r.cfg)
		r.asked.land(q, answered)
		ok = true
	}
	if ok {
		return true
	}
	// A late one, or another one. It is credited once, to the request that has waited for longest.
	credited := false
	for i := range r.asked.ring {
		q := &r.asked.ring[(r.asked.next+i)%askedMax]
		if q.from >= end || q.to <= p.Seq || p.TsRecv-q.at > answerLifeMax {
			continue
		}
		ok = true
		if q.state == timedOut && !credited {
			credited = true
			q.state = answered
			ledger := &r.ledger.Server[q.server]
			ledger.Late++
			ledger.Brought += min(end, q.to) - max(p.Seq, q.from)
		}
	}
	return ok
}

package orders

import (
	"sync"
	"sync/atomic"
)

// A Session is one stream of numbered reports. It lives as long as the gate.
type Session struct {
	gate   *Gate
	config SessionConfig
	rate   rate
	stream *stream // of its reports

	mu     sync.Mutex // what follows
	link   *Link
	ticket Ticket // the last that was given
	inLane [laneCount]queued
}

// queued remembers the requests of a session that wait in a lane: what follows for the same order has to
// wait in the same lane.
type queued struct {
	ring  []named
	put   uint64        // how many went into the lane
	taken atomic.Uint64 // how many were taken; the admission loop's
}

// named is which order a request is about, by the names that it uses.
type named struct {
	id, target ClientID
	order      uint64
	fresh      bool // a New: it has no number yet
}

func newSession(g *Gate, c SessionConfig) *Session {
	s := &Session{gate: g, config: c}
	s.rate.set(c.RateMax)
	for i := range s.inLane {
		s.inLane[i].ring = make([]named, g.cfg.SessionQueueMax)
	}
	return s
}

// ID returns the number of the session.
func (s *Session) ID() SessionID { return s.config.ID }

// Name returns the name of the session.
func (s *Session) Name() string { return s.config.Name }

// Accounts returns the accounts of the session. The slice is not to be changed.
func (s *Session) Accounts() []AccountID { return s.config.Accounts }

// Next returns the number of the next report: one more than there are that can be read.
func (s *Session) Next() uint64 { return s.stream.next() }

// Attach makes the caller the one who submits for the session. wake, if not nil, is called whenever there is
// more to read: by the publisher, so it must not wait, and only has to tell somebody else. The error is
// ErrAttached if the session has a link already.
func (s *Session) Attach(wake func()) (*Link, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link != nil {
		return nil, ErrAttached
	}
	return s.attach(wake), nil
}

// Takeover is Attach in place of whoever is attached, whose link is Detached by that without canceling
// anything. pushed reports whether there was somebody.
func (s *Session) Takeover(wake func()) (l *Link, pushed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	pushed = s.link != nil
	if pushed {
		s.link.gone.Store(true)
	}
	return s.attach(wake), pushed
}

func (s *Session) attach(wake func()) *Link {
	s.link = &Link{session: s}
	s.stream.setWake(wake)
	return s.link
}

// A Link is the attachment of a protocol to a session. Its methods may be called by any goroutine, and none but
// History waits.
type Link struct {
	session *Session
	gone    atomic.Bool
}

// Submit puts a request into its lane. If it is Taken, ticket is what its reports carry.
func (l *Link) Submit(r *Request) (ticket Ticket, v Verdict) {
	s, g := l.session, l.session.gate
	account := AccountID(r.Order.Account)
	if account == 0 && len(s.config.Accounts) > 0 {
		account = s.config.Accounts[0]
	}
	door := g.doors[account]
	switch {
	case r.Kind < New || r.Kind > MassCancel:
		return 0, g.count(BadKind)
	case r.ID == (ClientID{}) && (r.Kind == New || r.Kind == Replace):
		return 0, g.count(BadID)
	case door == nil || !s.actsFor(account):
		return 0, g.count(AccountOther)
	}
	risk := r.Kind == New || r.Kind == Replace
	if risk && (door.killed.Load() || g.killed.Load()) {
		return 0, g.count(AccountKilled)
	}
	now := g.cfg.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.laneFor(r)
	q := &s.inLane[n]
	switch {
	case l.gone.Load():
		return 0, g.count(Detached)
	case g.closing.Load():
		return 0, g.count(Closing)
	case int(q.put-q.taken.Load()) >= len(q.ring):
		return 0, g.count(SessionBusy)
	case risk && int(door.waiting.Load()) >= g.cfg.AccountQueueMax:
		return 0, g.count(AccountBusy)
	case risk && !s.rate.allow(now):
		return 0, g.count(TooFast)
	case risk && !door.rate.allow(now):
		return 0, g.count(AccountFast)
	}
	p, position := g.lanes.lane[n].claim()
	if p == nil {
		return 0, g.count(Busy)
	}
	s.ticket++
	p.request = *r
	p.request.Order.Account, p.request.Order.Session = uint32(account), uint32(s.config.ID)
	p.session, p.door, p.since, p.ticket, p.lost = s, door, now, s.ticket, false
	door.waiting.Add(1)
	q.remember(r)
	ticket = s.ticket
	p.publish(position)
	g.admission.unpark()
	return ticket, g.count(Taken)
}

func (s *Session) actsFor(a AccountID) bool {
	for _, x := range s.config.Accounts {
		if x == a {
			return true
		}
	}
	return false
}

// laneFor says by which lane a request goes: its own, unless one about the same order still waits in another. Then
// it goes behind that one: a cancel must not overtake the order that it cancels. A MassCancel
// overtakes; the orders that it finds waiting are refused when their turn comes.
func (s *Session) laneFor(r *Request) int {
	if r.Kind != New && r.Kind != MassCancel {
		for n := laneCount - 1; n >= 0; n-- {
			if s.inLane[n].about(r) {
				return n
			}
		}
	}
	return s.gate.laneOf(r)
}

func (q *queued) remember(r *Request) {
	x := &q.ring[q.put%uint64(len(q.ring))]
	*x = named{id: r.ID, target: r.Target, fresh: r.Kind == New}
	if !x.fresh && r.Target == (ClientID{}) {
		x.order = r.Order.OrderID
	}
	q.put++
}

// about reports whether a request that waits in the lane may be about the same order.
func (q *queued) about(r *Request) bool {
	byID := r.Target != (ClientID{})
	for i := q.taken.Load(); i < q.put; i++ {
		x := &q.ring[i%uint64(len(q.ring))]
		switch {
		case byID && x.order == 0:
			if x.id == r.Target || x.target == r.Target {
				return true
			}
		case !byID && x.order != 0:
			if x.order == r.Order.OrderID {
				return true
			}
		case !x.fresh: // one says the id and the other the number: it may be the same order
			return true
		}
	}
	return false
}

// Read copies reports from number from on into dst, as many as there are in memory and fit, and returns
// how many. 0 is that there are no more yet. The error is ErrBehind for reports that are not in memory any
// more, ErrAhead for a number above Next, ErrDetached, or ErrClosed.
func (l *Link) Read(from uint64, dst []Report) (n int, err error) {
	if err := l.readable(); err != nil {
		return 0, err
	}
	return l.session.stream.recentReports(from, dst)
}

// History is Read from disk, for numbers that Read calls ErrBehind. It may wait for the disk. It returns 0
// where memory begins: there Read goes on.
func (l *Link) History(from uint64, dst []Report) (n int, err error) {
	if err := l.readable(); err != nil {
		return 0, err
	}
	return l.session.stream.oldReports(from, dst)
}

func (l *Link) readable() error {
	switch {
	case l.gone.Load():
		return ErrDetached
	case l.session.gate.closed.Load():
		return ErrClosed
	}
	return nil
}

// Detach ends the link: orders with CancelOnDisconnect that came by the session are canceled, and those that
// wait in lanes are refused.
func (l *Link) Detach() {
	s, g := l.session, l.session.gate
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.gone.Swap(true) || s.link != l {
		return
	}
	s.link = nil
	s.stream.setWake(nil)
	g.lose(s, s.ticket)
}

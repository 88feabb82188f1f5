package egress

import (
	"net/netip"
	"time"

	"tidegate/codec/dbn"
	"tidegate/codec/lsg"
	"tidegate/internal/bus"
	"tidegate/market"
)

// A state is where a session is. See the package comment.
type state uint8

const (
	waitAuth state = iota
	ready
	streaming
	closing
	lingering
	closed
)

var stateNames = [...]string{"wait_auth", "ready", "streaming", "closing", "lingering", "closed"}

// String returns the name used in statistics.
func (s state) String() string { return stateNames[s] }

// A peer is who is at the other end.
type peer struct {
	addr netip.AddrPort
	tls  bool
	// turnedAway is why the connection is not let in, nil if it is. Its session tells the client so.
	turnedAway error
}

// A fault is an error that ends a session.
type fault struct {
	code dbn.ErrorCode
	text string
}

// A session is one connection of a client. Its loop owns it.
type session struct {
	loop   *loop
	conn   transport
	peer   peer
	index  int // in loop.sessions
	state  state
	opened market.Nanos
	// deadline is when the session is given up unless it leaves its state; 0 if it may stay.
	deadline market.Nanos
	lastSent market.Nanos // when something was written last
	closing  closeReason  // why the connection will be closed
	detail   string       // what was said about that

	// Lines of the client.
	in      []byte // not processed yet
	scanned int    // bytes of in that are known to hold no newline
	// overlong: what comes belongs to a line that is too long. It is forgotten; only the start line
	// matters then.
	overlong bool
	group    lsg.Group
	allowed  allowance // of subscriptions
	delayed  bool      // for lack of allowance
	held     fault     // found before the start line; code 0 if there is none

	// Known since the authentication.
	challenge lsg.Challenge
	id        uint64
	holder    holder
	request   lsg.AuthRequest
	heartbeat market.Nanos
	outlet    *outlet
	form

	subscriptions []*subscription
	symbols       int // in all of them

	// Where the session is in the ring; from the start line on.
	cohort     *cohort
	live       bool
	replay     *replay    // nil if there is none
	place      int        // in cohort.live or follower.solo
	cursor     bus.Cursor // of a session that is solo
	out        []byte     // to be written before anything else
	announcing []announcement
	snapshots  snapshots
	told       int     // directory entries that the session was told of, or need not be, at least
	toldAll    bool    // of every instrument
	packer     *packer // nil if the session is not compressed

	slow    slowness
	records uint64
	bytes   uint64
	stalls  uint64
	skipped uint64
}

// greet writes the greeting and the challenge at once.
func (s *session) greet(now market.Nanos) {
	greeting := lsg.Greeting{Version: s.loop.cfg.Version}
	s.write(s.challenge.Append(greeting.Append(nil)), now)
}

// fail ends the session with an error, or keeps the error for the start line.
func (s *session) fail(code dbn.ErrorCode, text string, now market.Nanos) {
	switch s.state {
	case waitAuth:
		s.loop.counts.Garbage++
		s.refuse(text, now)
	case ready:
		if s.held.code == 0 {
			s.held, s.deadline = fault{code, text}, now+nanos(s.loop.cfg.FaultTimeout)
		}
	case streaming:
		s.loop.counts.Faults++
		s.because(closeReasonOf(code), text)
		s.end(s.appendError(s.out, code, text, true, now), now)
	}
}

// refuse answers an authentication with a reason and closes.
func (s *session) refuse(reason string, now market.Nanos) {
	s.because(closedRefused, reason)
	s.loop.admission.log.info(now, "address", s.peer.addr, "tls", s.peer.tls, "reason", reason)
	answer := lsg.AuthResponse{Error: reason}
	s.end(answer.Append(nil), now)
}

// end closes the session after its last bytes.
func (s *session) end(last []byte, now market.Nanos) {
	s.leave()
	s.out, s.in = last, nil
	s.state, s.deadline = closing, now+nanos(s.loop.cfg.CloseTimeout)
	s.loop.closing = append(s.loop.closing, s)
	s.loop.arm(soon)
}

// finish sends the last bytes, as soon as it can, and shuts the gateway's direction down.
func (s *session) finish(now market.Nanos) {
	if s.state != closing || s.conn.Buffered() > 0 {
		return
	}
	if len(s.out) > 0 || s.packer != nil {
		last := s.out
		s.out = nil
		if s.packer != nil {
			last = s.packer.last(last)
			s.packer = nil
		}
		s.write(last, now)
	}
	if s.state == closing && s.conn.Buffered() == 0 {
		s.state, s.deadline = lingering, now+nanos(s.loop.cfg.CloseTimeout)
		s.conn.CloseWrite()
	}
}

// sayGoodbye ends the session because the gateway stops, unless it is due something.
func (s *session) sayGoodbye(now market.Nanos) {
	reason := "gateway is stopping: " + s.loop.stopping
	if s.state < closing {
		s.because(closedStopping, "")
	}
	switch s.state {
	case waitAuth:
		s.refuse(reason, now)
	case ready:
		s.end(nil, now) // no record is possible before the metadata
	case streaming:
		f := s.outlet.follower
		if s.deadline == 0 {
			s.deadline = now + nanos(s.loop.cfg.CloseTimeout)
		}
		at := s.cursor
		if s.live {
			at = f.live
		}
		if s.replay != nil { // it may take long
			s.end(s.appendSystem(s.out, dbn.SystemUnset, now, reason+"; the replay was not finished", now), now)
			return
		}
		// A session that only waits for a snapshot does not get it any more.
		if (s.live || len(s.snapshots.targets) > 0) && at.Index() >= f.last.Index() {
			s.end(s.appendSystem(s.out, dbn.SystemUnset, now, reason, now), now)
		}
	}
}

// onTick does what is due because time passed.
func (s *session) onTick(now market.Nanos) {
	if s.deadline != 0 && now >= s.deadline {
		s.onDeadline(now)
		return
	}
	if s.state == streaming {
		if s.slow.skipping && s.live && s.conn.Buffered() == 0 {
			s.resume(s.outlet.follower.live, now)
		}
		if now-s.lastSent >= s.heartbeat && s.conn.Buffered() == 0 {
			s.loop.counts.Heartbeats++
			s.send(s.appendSystem(nil, dbn.SystemHeartbeat, now, textHeartbeat, now), now)
		}
	}
	if len(s.in) > 0 && s.state <= streaming {
		s.process(now)
	}
}

func (s *session) onDeadline(now market.Nanos) {
	switch s.state {
	case waitAuth:
		if s.peer.turnedAway != nil {
			s.refuse(s.peer.turnedAway.Error(), now)
			return
		}
		s.loop.counts.Timeouts++
		s.because(closedTimeout, "")
		s.refuse("authentication takes too long", now)
	case ready:
		if s.held.code != 0 {
			s.because(closeReasonOf(s.held.code), s.held.text)
		}
		s.loop.counts.Timeouts++
		s.because(closedTimeout, "no start line")
		s.end(nil, now)
	default:
		s.conn.Close()
	}
}

// write hands bytes to the connection as they are.
func (s *session) write(b []byte, now market.Nanos) {
	if len(b) == 0 || s.state == closed {
		return
	}
	s.lastSent = now
	s.bytes += uint64(len(b))
	s.loop.counts.Writes++
	s.loop.counts.Bytes += uint64(len(b))
	s.conn.Write(b)
}

// send writes bytes of the record stream.
func (s *session) send(b []byte, now market.Nanos) {
	if len(b) > 0 && s.packer != nil {
		b = s.packer.pack(b)
	}
	s.write(b, now)
}

func (s *session) stats() SessionStats {
	st := SessionStats{
		ID: s.id, Key: s.holder.key, Dataset: s.holder.dataset, Addr: s.peer.addr, TLS: s.peer.tls,
		Client: s.request.Client, State: s.state.String(), Subscriptions: len(s.subscriptions),
		Opened: s.opened, Records: s.records, Bytes: s.bytes, Skipped: s.skipped,
		Held: s.conn.Buffered(), Stalls: s.stalls,
	}
	if s.cohort != nil {
		any := s.cohort.any
		if r := s.replay; r != nil {
			st.Replaying, any = true, any|r.want.any
		}
		st.Schemas = any.names()
		if !s.live {
			st.Behind = s.outlet.follower.live.Index() - s.cursor.Index()
		}
	}
	return st
}

func nanos(d time.Duration) market.Nanos { return market.Nanos(d) }

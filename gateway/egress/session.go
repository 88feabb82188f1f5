package egress

import (
	"bytes"
	"fmt"
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

// onBytes takes what the client sent. b is valid only during the call.
func (s *session) onBytes(b []byte, now market.Nanos) {
	if s.state >= closing {
		return // read and forgotten, so that closing is clean
	}
	if s.overlong {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			return
		}
		s.overlong, b = false, b[i+1:]
	}
	if len(s.in)+len(b) > s.loop.limits.InputBytesMax {
		s.fail(dbn.ErrorInvalidSubscription, "too much input at once", now)
		return
	}
	s.in = append(s.in, b...)
	s.process(now)
}

// process handles the lines that are complete, unless they must wait.
func (s *session) process(now market.Nanos) {
	used := 0
	for s.state < closing && used < len(s.in) && !s.busy(now) {
		limit := lsg.LineMax
		if s.state == waitAuth {
			limit = lsg.AuthLineMax
		}
		rest := s.in[used:]
		if len(rest) <= limit && bytes.IndexByte(rest[s.scanned:], '\n') < 0 {
			s.scanned = len(rest)
			break
		}
		line, size, err := lsg.CutLine(rest, limit)
		if err != nil {
			s.fail(dbn.ErrorInvalidSubscription, err.Error(), now)
			end := bytes.IndexByte(rest, '\n') + 1
			if s.overlong = end == 0; s.overlong {
				end = len(rest)
			}
			used, s.scanned = used+end, 0
			continue
		}
		used, s.scanned = used+size, 0
		s.onLine(line, now)
	}
	switch {
	case s.state >= closing || used == len(s.in):
		s.in, s.scanned = nil, 0
	case used > 0:
		s.in = append(s.in[:0], s.in[used:]...)
	}
}

// busy reports whether lines must wait: until the answers to those before are written, so that a
// client who does not read cannot make the gateway keep answers, or because there were too many.
func (s *session) busy(now market.Nanos) bool {
	if len(s.announcing) > 0 || len(s.out) > 0 || s.conn.Buffered() > 0 {
		return true
	}
	if s.state == waitAuth || s.allowed.refill(s.loop.limits.SubscriptionsPerSecond, now) {
		s.delayed = false
		return false
	}
	if !s.delayed {
		s.delayed = true
		s.loop.counts.Delayed++
	}
	return true
}

func (s *session) onLine(line []byte, now market.Nanos) {
	switch {
	case s.state == waitAuth:
		s.authenticate(line, now)
	case !lsg.IsStart(line):
		s.subscribe(line, now)
	case s.state == ready:
		s.start(now)
	default:
		s.fail(dbn.ErrorInvalidSubscription, "the session has started already", now)
	}
}

func (s *session) authenticate(line []byte, now market.Nanos) {
	r, err := lsg.ParseAuthRequest(line)
	if err != nil {
		s.loop.counts.Garbage++
		s.refuse(err.Error(), now)
		return
	}
	s.loop.counts.UnknownKeys += uint64(r.Unknown)
	if r.Encoding != lsg.EncodingDBN {
		s.refuse(fmt.Sprintf("encoding %s: this gateway sends dbn", r.Encoding), now)
		return
	}
	outlet := s.loop.outlets[r.Dataset]
	h, id, err := s.loop.admission.authenticate(s.challenge, &r, outlet != nil)
	if err != nil {
		s.refuse(err.Error(), now)
		return
	}
	s.holder, s.id, s.request, s.outlet = h, id, r, outlet
	s.form = form{tsOut: r.TsOut}
	s.heartbeat = nanos(s.loop.cfg.Heartbeat)
	if r.HeartbeatSeconds != 0 {
		s.heartbeat = market.Nanos(r.HeartbeatSeconds) * market.Second
	}
	s.state, s.deadline = ready, now+nanos(s.loop.cfg.StartTimeout)
	s.loop.cfg.Log.Info("session authenticated", "session", id, "key", h.key, "dataset", h.dataset, "address", s.peer.addr, "client", r.Client)
	answer := lsg.AuthResponse{Accepted: true, SessionID: id}
	s.write(answer.Append(nil), now)
}

// refuse answers an authentication with a reason and closes.
func (s *session) refuse(reason string, now market.Nanos) {
	s.loop.cfg.Log.Info("connection refused", "address", s.peer.addr, "reason", reason)
	answer := lsg.AuthResponse{Error: reason}
	s.end(answer.Append(nil), now)
}

func (s *session) subscribe(line []byte, now market.Nanos) {
	if s.held.code != 0 {
		return
	}
	part, err := lsg.ParseSubscription(line)
	if err == nil {
		s.loop.counts.UnknownKeys += uint64(part.Unknown)
		var whole lsg.Subscription
		var complete bool
		if whole, complete, err = s.group.Add(part); err == nil {
			if complete {
				s.add(&whole, now)
			}
			return
		}
	}
	s.fail(dbn.ErrorInvalidSubscription, err.Error(), now)
}

// add takes one complete request.
func (s *session) add(r *lsg.Subscription, now market.Nanos) {
	s.allowed.take()
	sub, f := s.check(r, now)
	if f.code != 0 {
		s.fail(f.code, f.text, now)
		return
	}
	s.subscriptions = append(s.subscriptions, sub)
	s.symbols += len(sub.symbols)
	if s.state == streaming {
		s.outlet.sync()
		s.goSolo(s.outlet.follower.live)
		s.announce(sub)
		before := s.cohort
		s.outlet.join(s)
		s.outlet.part(before) // second, so that no schema is unwanted in between
		s.serveNow(now)
	}
}

// check finds out whether a request can be served.
func (s *session) check(r *lsg.Subscription, now market.Nanos) (*subscription, fault) {
	invalid := func(format string, args ...any) (*subscription, fault) {
		return nil, fault{dbn.ErrorInvalidSubscription, fmt.Sprintf(format, args...)}
	}
	schema, ok := dbn.ParseSchema(r.Schema)
	if !ok {
		return invalid("unknown schema %.20q", r.Schema)
	}
	if !s.outlet.schemas.has(schema) {
		return invalid("dataset %s has no schema %s", s.holder.dataset, schema)
	}
	stype, ok := dbn.ParseSType(r.STypeIn)
	if !ok {
		return invalid("unknown stype_in %.20q", r.STypeIn)
	}
	switch stype {
	case dbn.STypeRawSymbol, dbn.STypeInstrumentID, dbn.STypeParent, dbn.STypeContinuous:
	default:
		return invalid("stype_in %s: want raw_symbol, instrument_id, parent or continuous", stype)
	}
	if limit := s.loop.limits.SubscriptionsMax; len(s.subscriptions) >= limit {
		return invalid("more than %d subscriptions in a session", limit)
	}
	if limit := s.loop.limits.SymbolsMax; s.symbols+len(r.Symbols) > limit {
		return invalid("more than %d symbols in a session", limit)
	}
	if r.HasStart {
		// History comes in here: what is retained since r.Start, then what is live.
		switch {
		case s.state == streaming:
			return invalid("start: not possible after the session has started")
		case r.Start > now:
			return invalid("start: %d is in the future", r.Start)
		default:
			return nil, fault{dbn.ErrorReplayAgedOut, "start: data of that time is not retained"}
		}
	}
	sub := &subscription{schema: schema, stype: stype, snapshot: r.Snapshot, id: r.ID}
	if !r.All() {
		sub.symbols = r.Symbols
	}
	return sub, fault{}
}

// start begins the record stream.
func (s *session) start(now market.Nanos) {
	s.state, s.deadline = streaming, 0
	m := dbn.Metadata{
		Dataset: s.holder.dataset, Schema: dbn.SchemaMixed, Start: now, End: market.UndefTime,
		STypeIn: dbn.STypeMixed, STypeOut: dbn.STypeInstrumentID, TsOut: s.tsOut,
	}
	out, err := dbn.AppendMetadata(s.out, &m)
	if err != nil {
		panic("egress: metadata of a live session: " + err.Error()) // feeds have short names
	}
	s.out = out
	if s.request.Compression == lsg.CompressionZstd {
		s.packer = newPacker()
	}
	if s.group.Open() && s.held.code == 0 {
		s.held = fault{dbn.ErrorInvalidSubscription, "subscription without its last line"}
	}
	if s.held.code != 0 {
		s.fail(s.held.code, s.held.text, now)
		return
	}
	f := s.outlet.follower
	f.begin()
	s.outlet.sync()
	s.outlet.join(s)
	s.enterSolo(f.live)
	for _, sub := range s.subscriptions {
		s.announce(sub)
	}
	s.serveNow(now)
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
		s.loop.cfg.Log.Info("session ended by a fault", "session", s.id, "key", s.holder.key, "code", code, "text", text)
		s.end(s.appendError(s.out, code, text, true, now), now)
	}
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
		s.loop.counts.Timeouts++
		s.refuse("authentication takes too long", now)
	case ready:
		s.loop.counts.Timeouts++
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
		st.Schemas = s.cohort.any.names()
		if !s.live {
			st.Behind = s.outlet.follower.live.Index() - s.cursor.Index()
		}
	}
	return st
}

// An allowance is how many subscriptions may be processed now. The zero value is full at the first
// refill.
type allowance struct {
	n     int
	since market.Nanos
}

// refill reports whether there is an allowance. Each second gives a new one.
func (a *allowance) refill(perSecond int, now market.Nanos) bool {
	if a.since == 0 || now-a.since >= market.Second {
		a.n, a.since = perSecond, now
	}
	return a.n > 0
}

func (a *allowance) take() { a.n-- }

func nanos(d time.Duration) market.Nanos { return market.Nanos(d) }

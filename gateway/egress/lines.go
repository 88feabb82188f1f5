package egress

import (
	"bytes"
	"fmt"

	"tidegate/codec/dbn"
	"tidegate/codec/lsg"
	"tidegate/market"
)

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
	if s.state == waitAuth && len(s.in) == 0 && len(b) > 0 && b[0] == tlsHandshake && !s.peer.tls {
		s.loop.counts.Garbage++
		s.refuse("this port does not speak TLS", now)
		return
	}
	s.in = append(s.in, b...)
	s.process(now)
}

// tlsHandshake is the first byte of what a TLS client says. No line of text begins with it.
const tlsHandshake = 0x16

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
// client who does not read cannot make the gateway keep answers, until a replay is over, or because there were
// too many.
func (s *session) busy(now market.Nanos) bool {
	if len(s.announcing) > 0 || len(s.out) > 0 || s.conn.Buffered() > 0 || s.replay != nil {
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
	if s.peer.turnedAway != nil {
		s.refuse(s.peer.turnedAway.Error(), now)
		return
	}
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
	s.logOpened()
	answer := lsg.AuthResponse{Accepted: true, SessionID: id}
	s.write(answer.Append(nil), now)
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
		if s.slow.skipping {
			s.resume(s.outlet.follower.live, now)
		}
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
		return invalid("dataset %s has no schema %s: it has %s", s.holder.dataset, schema, s.outlet.schemas)
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
		switch h := s.outlet.feed.History; {
		case s.state == streaming:
			return invalid("start: not possible after the session has started")
		case r.Start > now:
			return invalid("start: %d is in the future", r.Start)
		case h == nil:
			return nil, fault{dbn.ErrorReplayAgedOut, fmt.Sprintf("start: this gateway keeps no history of %s: journal.dir in its configuration says where to keep it", s.holder.dataset)}
		case !h.Keeps(schema):
			return nil, fault{dbn.ErrorReplayAgedOut, fmt.Sprintf("start: schema %s is not kept in history, but %s: journal.schemas in the gateway's configuration says which are", schema, setOf(h.Schemas()...))}
		}
	}
	sub := &subscription{schema: schema, stype: stype, snapshot: r.Snapshot, id: r.ID, replayed: r.HasStart, start: r.Start}
	if !r.All() {
		sub.symbols = r.Symbols
	}
	return sub, fault{}
}

// start begins the record stream.
func (s *session) start(now market.Nanos) {
	s.state, s.deadline = streaming, 0
	m := dbn.Metadata{
		Dataset: s.holder.dataset, Schema: dbn.SchemaMixed, Start: s.earliest(now), End: market.UndefTime,
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
	if s.held.code == 0 {
		s.held = s.checkReplay()
	}
	if s.held.code != 0 {
		s.fail(s.held.code, s.held.text, now)
		return
	}
	f := s.outlet.follower
	f.begin()
	s.outlet.sync()
	s.replay = s.newReplay()
	s.outlet.join(s)
	s.enterSolo(f.live)
	for _, sub := range s.direct() {
		s.announce(sub)
	}
	if s.replay != nil {
		s.beginReplay(0)
	}
	s.serveNow(now)
}

// earliest returns when the earliest of the session's subscriptions starts.
func (s *session) earliest(now market.Nanos) market.Nanos {
	for _, sub := range s.subscriptions {
		if sub.replayed {
			now = min(now, sub.start)
		}
	}
	return now
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

package stream

import (
	"tidegate/codec/dbn"
	"tidegate/internal/bus"
	"tidegate/market"
)

// A request is a snapshot that is being served.
type request struct {
	target uint32
	ids    []market.InstrumentID // still to be served, in this order
}

// Request asks for the mbo snapshots of instruments, for a target that the asker chose. The list is
// the stream's from now on. Serve writes them.
func (s *Stream) Request(target uint32, ids []market.InstrumentID) {
	s.requests = append(s.requests, request{target, ids})
}

// Cancel forgets what a target asked for.
func (s *Stream) Cancel(target uint32) {
	for i := range s.requests {
		if s.requests[i].target == target {
			s.requests = append(s.requests[:i], s.requests[i+1:]...)
			return
		}
	}
}

// Pending returns how many requests are being served.
func (s *Stream) Pending() int { return len(s.requests) }

// Serve writes snapshots that were asked for, up to the limit of one call but at least one
// instrument, and reports whether more is left. The requests take turns. The loop calls it between
// datagrams.
func (s *Stream) Serve(now market.Nanos) (more bool) {
	for budget := s.cfg.SnapshotOrders; budget > 0 && len(s.requests) > 0; {
		r := s.requests[0]
		copy(s.requests, s.requests[1:])
		s.requests = s.requests[:len(s.requests)-1]
		if len(r.ids) > 0 {
			budget -= s.snapshot(r.target, r.ids[0], now)
			r.ids = r.ids[1:]
		}
		if len(r.ids) == 0 {
			s.cfg.Ring.Append(bus.Header{At: now, Target: r.target, Tag: s.tag(SnapshotDone, 0)}, nil)
			continue
		}
		s.requests = append(s.requests, r)
	}
	return len(s.requests) > 0
}

// snapshot writes one instrument's and returns how many records that took.
func (s *Stream) snapshot(target uint32, id market.InstrumentID, now market.Nanos) int {
	s.orders = s.source.AppendSnapshot(s.orders[:0], id, now)
	header := bus.Header{
		At: now, Instrument: id, Target: target, Tag: s.tag(Snapshot, dbn.SchemaMBO),
	}
	part := max(s.cfg.Ring.PayloadMax()/4/mboSize, 1)
	for events := s.orders; len(events) > 0; {
		n := min(part, len(events))
		if n == len(events) {
			header.Kind = SnapshotLast
		}
		b := s.cfg.Ring.Reserve(header, n*mboSize)[:0]
		for i := range events[:n] {
			b = dbn.AppendMBO(b, &events[i])
		}
		events = events[n:]
	}
	return len(s.orders)
}

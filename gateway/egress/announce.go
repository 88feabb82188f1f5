package egress

import (
	"tidegate/codec/dbn"
	"tidegate/market"
)

// An announcement tells a session of the symbols of a subscription: an acknowledgement, then a
// mapping or an error for each, then what is current where that is kept. It is written bit by bit,
// because a dataset may have very many.
type announcement struct {
	// sub is nil for an announcement of instruments that became known while the session was skipped.
	sub        *subscription
	next, end  int // of sub.symbols, or of the directory where all are wanted
	begun      bool
	unresolved int                   // symbols that do not resolve and were not told yet
	snapshots  []market.InstrumentID // to be asked for at the end
	recall     recall
}

// announce begins the announcement of a subscription.
func (s *session) announce(sub *subscription) {
	a := announcement{sub: sub, end: len(sub.symbols)}
	if sub.all() {
		a.end = s.outlet.seen
		if s.toldAll && !sub.snapshot {
			a.next = a.end
		}
		s.toldAll = true
	}
	for _, symbol := range sub.symbols {
		if _, _, ok := s.resolve(sub, symbol); !ok {
			a.unresolved++
		}
	}
	s.loop.counts.Unresolved += uint64(a.unresolved)
	s.told = max(s.told, s.outlet.seen)
	a.recall = s.newRecall(sub)
	s.announcing = append(s.announcing, a)
}

// resolve finds the instrument of a symbol, and its raw symbol.
func (o *outlet) resolve(sub *subscription, symbol string) (id market.InstrumentID, raw string, ok bool) {
	switch sub.stype {
	case dbn.STypeRawSymbol:
		id, ok = o.lookup.Find(symbol)
		return id, symbol, ok
	case dbn.STypeInstrumentID:
		if id, ok = parseNumber(symbol); ok {
			raw, ok = o.lookup.Symbol(id)
		}
		return id, raw, ok
	default:
		return 0, "", false // no feed has families of instruments
	}
}

// resolve finds the instrument of a symbol: as it is now, or, for a replay, as it was.
func (s *session) resolve(sub *subscription, symbol string) (id market.InstrumentID, raw string, ok bool) {
	if id, raw, ok = s.outlet.resolve(sub, symbol); ok || s.replay == nil {
		return id, raw, ok
	}
	n := &s.replay.names
	switch sub.stype {
	case dbn.STypeRawSymbol:
		id, ok = n.bySymbol[symbol]
		return id, symbol, ok
	case dbn.STypeInstrumentID:
		if id, ok = parseNumber(symbol); ok {
			raw, ok = n.byID[id]
		}
		return id, raw, ok
	default:
		return 0, "", false
	}
}

// appendAnnouncements appends what is to be told, up to the limit of a pass.
func (s *session) appendAnnouncements(b []byte, now market.Nanos) []byte {
	for len(s.announcing) > 0 && len(b) < s.loop.cfg.PassBytes {
		a := &s.announcing[0]
		if b = s.appendAnnouncement(b, a, now); a.next < a.end {
			break
		}
		if b = s.appendCurrent(b, &a.recall, now); !a.recall.done() {
			break
		}
		if a.sub != nil && a.sub.snapshot && len(a.snapshots) > 0 {
			s.snapshots.request(s, a.snapshots)
		}
		if s.announcing = s.announcing[1:]; len(s.announcing) == 0 {
			s.announcing = nil
		}
	}
	return b
}

func (s *session) appendAnnouncement(b []byte, a *announcement, now market.Nanos) []byte {
	if !a.begun && a.sub != nil {
		b = s.appendSystem(b, dbn.SystemSubscriptionAck, now, textAck(a.sub), now)
	}
	a.begun = true
	for a.next < a.end && len(b) < s.loop.cfg.PassBytes {
		switch {
		case a.sub == nil:
			in := &s.outlet.known()[a.next]
			b = s.cohort.appendMappings(b, in.ID, in.Symbol, now)
		case a.sub.all():
			in := &s.outlet.known()[a.next]
			b = s.appendMapping(b, in.ID, dbn.STypeRawSymbol, in.Symbol, in.Symbol, now)
			a.found(in.ID)
		default:
			b = s.appendSymbol(b, a, a.sub.symbols[a.next], now)
		}
		a.next++
	}
	return b
}

func (s *session) appendSymbol(b []byte, a *announcement, symbol string, now market.Nanos) []byte {
	id, raw, ok := s.resolve(a.sub, symbol)
	if !ok {
		a.unresolved--
		return s.appendError(b, dbn.ErrorSymbol, textUnresolved(symbol), a.unresolved <= 0, now)
	}
	a.found(id)
	return s.appendMapping(b, id, a.sub.stype, symbol, raw, now)
}

func (a *announcement) found(id market.InstrumentID) {
	if a.sub.snapshot {
		a.snapshots = append(a.snapshots, id)
	}
	a.recall.want(id)
}

package gateway_test

import (
	"fmt"
	"testing"

	"tidegate/arbiter"
	"tidegate/codec/iextp"
	"tidegate/codec/moldudp64"
	"tidegate/codec/pitch"
	"tidegate/gateway"
	"tidegate/market"
)

// iexSegment packs messages as IEX-TP does.
func iexSegment(protocol uint16, seq uint64, sent market.Nanos, messages ...[]byte) []byte {
	s := iextp.Segment{Protocol: protocol, Channel: 1, Session: 9, Seq: seq, SendTime: sent}
	for _, m := range messages {
		s.Messages = iextp.AppendMessage(s.Messages, m)
		s.Count++
	}
	return s.Append(nil)
}

// iexMessage is a message of a type that has a flag byte, a time and the symbol A: 100 shares at 1.00.
func iexMessage(kind byte, length int) []byte {
	b := make([]byte, length)
	b[0], b[18], b[22], b[23] = kind, 100, 0x10, 0x27
	if kind == '8' {
		b[1] = 1 // the whole of an event
	}
	copy(b[10:], "A       ")
	return b
}

// A channel that is joined in its middle has books that lack what came before, and every record says so:
// unless each message is whole, as with TOPS. One that is joined at its beginning has not.
func TestJoinedMidwayIsSuspect(t *testing.T) {
	const from = 100_000 // more than JoinGapMax
	level, quote := iexMessage('8', 30), iexMessage('Q', 42)
	for _, c := range []struct {
		feed      gateway.Feed
		datagrams func(seq uint64) [][]byte
		suspect   bool
	}{
		{gateway.ITCH, func(seq uint64) [][]byte {
			return [][]byte{mold(seq, add(1, 'B', 100, 50000)), mold(seq+1, add(2, 'B', 100, 50000))}
		}, true},
		{gateway.PITCH, func(seq uint64) [][]byte {
			return [][]byte{unit(uint32(seq), pitchAdd(1, "ZVE")), unit(uint32(seq)+1, pitchAdd(2, "ZVE"))}
		}, true},
		{gateway.DEEP, func(seq uint64) [][]byte {
			return [][]byte{iexSegment(iextp.DEEP10, seq, 10, level)}
		}, true},
		{gateway.TOPS, func(seq uint64) [][]byte {
			return [][]byte{iexSegment(iextp.TOPS16, seq, 10, quote)}
		}, false},
	} {
		for _, first := range []uint64{1, from} {
			t.Run(fmt.Sprintf("%v from %d", c.feed, first), func(t *testing.T) {
				want := c.suspect && first > 1
				var r recorder
				p := newPipeline(t, c.feed, &r)
				for i, b := range c.datagrams(first) {
					p.OnDatagram(arbiter.LineA, market.Nanos(1000+i), b)
				}
				if len(r.events) == 0 || len(r.epochs) != 1 || r.epochs[0].From != first {
					t.Fatalf("%d events, epochs %+v", len(r.events), r.epochs)
				}
				for _, e := range r.events {
					if got := e.Flags&market.FlagMaybeBadBook != 0; got != want {
						t.Errorf("event %v is marked %t, want %t", e, got, want)
					}
				}
				clear := p.AppendSnapshot(nil, r.events[0].Instrument, 2000)[0]
				if got := clear.Flags&market.FlagMaybeBadBook != 0; got != want || p.Suspect() != want {
					t.Errorf("snapshot is marked %t, pipeline %t, want %t", got, p.Suspect(), want)
				}
				marked := uint64(0)
				if want {
					marked = uint64(len(r.events))
				}
				if got := p.Counts().Suspect; got != marked {
					t.Errorf("%d events are counted as marked, want %d", got, marked)
				}
				balanced(t, p)
			})
		}
	}
}

// What makes books whole ends the suspicion: a snapshot, a Unit Clear, and a session from its beginning.
func TestJoinedMidwayIsMadeWhole(t *testing.T) {
	const from = 100_000
	t.Run("snapshot", func(t *testing.T) {
		r := &rebuilder{}
		p := newPipeline(t, gateway.ITCH, r)
		p.OnDatagram(arbiter.LineA, 1000, mold(from, add(5, 'B', 100, 50000)))
		if err := p.BeginRebuild(1 << 20); err != nil {
			t.Fatal(err)
		}
		p.OnDatagram(arbiter.LineA, 2000, mold(from+1, add(6, 'B', 100, 50000)))
		if err := p.OnSnapshot(mold(1, add(1, 'B', 100, 50000), add(5, 'B', 100, 50000))[moldudp64.HeaderLen:]); err != nil {
			t.Fatal(err)
		}
		if err := p.EndRebuild(from+1, 3000); err != nil || p.Suspect() {
			t.Errorf("after a snapshot: suspect %t, %v", p.Suspect(), err)
		}
	})
	t.Run("unit clear", func(t *testing.T) {
		var r recorder
		p := newPitch(t, &r)
		p.OnDatagram(arbiter.LineA, 1000, unit(from, pitchAdd(1, "ZVE"), &pitch.UnitClear{}, pitchAdd(2, "ZVE")))
		if last := r.events[len(r.events)-1]; len(r.events) != 3 || p.Suspect() || last.Flags&market.FlagMaybeBadBook != 0 {
			t.Errorf("after a unit clear: suspect %t, %v", p.Suspect(), r.events)
		}
	})
	t.Run("session", func(t *testing.T) {
		var r recorder
		p := newPipeline(t, gateway.ITCH, &r)
		p.OnDatagram(arbiter.LineA, 1000, mold(from, add(1, 'B', 100, 50000)))
		p.OnDatagram(arbiter.LineA, 2000, moldudp64.AppendEndOfSession(nil, session, from+1))
		for i := range uint64(2) {
			b := mold(1+i, add(2+i, 'B', 100, 50000))
			b[0] = 'U' // of another session
			p.OnDatagram(arbiter.LineA, market.Nanos(3000+i), b)
		}
		if last := r.events[len(r.events)-1]; len(r.epochs) != 2 || p.Suspect() || last.Flags&market.FlagMaybeBadBook != 0 {
			t.Errorf("in another session: suspect %t, %v", p.Suspect(), r.events)
		}
	})
}

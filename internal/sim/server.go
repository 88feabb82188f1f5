package sim

import (
	"encoding/binary"

	"tidegate/arbiter"
	"tidegate/gateway"
	"tidegate/gateway/providers"
	"tidegate/market"
)

// A retransmitter is a provider's retransmit server: its answers are on a path of their own.
type retransmitter struct {
	out   *path
	dead  bool
	late  bool
	wrong bool
	twice bool
}

// ask answers a request, in its way.
func (r *retransmitter) ask(w *World, p *gateway.Pipeline, q arbiter.Request, now market.Nanos) {
	if r.dead {
		return
	}
	answer := w.venue.OnRequest(p.AppendRequest(nil, q))
	if answer == nil {
		return
	}
	answer = append([]byte(nil), answer...)
	if r.wrong {
		switch w.random.IntN(3) {
		case 0:
			answer[w.random.IntN(10)] ^= 0xff // another session
		case 1: // another range than was asked for
			binary.BigEndian.PutUint64(answer[10:], binary.BigEndian.Uint64(answer[10:])+uint64(q.Count)+5)
		default:
			answer = answer[:w.random.IntN(len(answer))]
		}
		if len(answer) == 0 {
			return
		}
	}
	at := now
	if r.late {
		at += 30 * market.Millisecond
	}
	r.out.put(at, answer)
	if r.twice {
		r.out.put(at, answer)
	}
}

// A snapshooter fetches snapshots for one provider, in a simple way: it begins when there is a gap, and tries
// again when that came to nothing.
type snapshooter struct {
	dead, old bool

	until  market.Nanos // when the next step is due
	blocks [][]byte
	next   uint64
	state  snapshotState
	limit  market.Nanos // when it gives up
}

type snapshotState uint8

const (
	atRest snapshotState = iota
	asked
	coming
	splicing
)

// rest returns to the beginning, to try again after a while.
func (s *snapshooter) rest(now market.Nanos) {
	*s = snapshooter{dead: s.dead, old: s.old, until: now + 300*market.Millisecond}
}

// input is one input of the gateway, as it is recorded.
type input struct {
	at       market.Nanos
	provider int
	kind     inputKind
	line     arbiter.LineID
	payload  []byte
	next     uint64
	decision providers.Decision
}

type inputKind uint8

const (
	datagram inputKind = iota
	decision
	snapshotBegin
	snapshotBlock
	snapshotEnd
	snapshotCancel
)

// snapshotBytesMax is what a pipeline keeps while a snapshot is on its way.
const snapshotBytesMax = 8 << 20

// apply gives an input to a provider's pipeline. Errors say that a snapshot did not fit, and are no matter.
func (in *input) apply(p *gateway.Pipeline) error {
	p.OnTick(in.at) // whatever comes in, time has come as far
	switch in.kind {
	case datagram:
		p.OnDatagram(in.line, in.at, in.payload)
	case snapshotBegin:
		return p.BeginRebuild(snapshotBytesMax)
	case snapshotBlock:
		return p.OnSnapshot(in.payload)
	case snapshotEnd:
		return p.EndRebuild(in.next, in.at)
	case snapshotCancel:
		p.CancelRebuild()
	}
	return nil
}

// onTick does what is due for provider i's snapshots.
func (s *snapshooter) onTick(w *World, i int, now market.Nanos) {
	if now < s.until {
		return
	}
	p := w.providers[i].pipeline
	do := func(in input) error {
		in.at, in.provider = now, i
		return w.input(in)
	}
	switch s.state {
	case atRest:
		if !p.Suspect() || s.dead {
			return
		}
		if s.old { // what comes will have been made before anything is kept
			s.take(w)
		}
		if do(input{kind: snapshotBegin}) != nil {
			return
		}
		s.state, s.limit = asked, now+2*market.Second
		s.until = now + market.Nanos(w.random.Int64N(int64(40*market.Millisecond)))
		if s.old {
			s.until += 100 * market.Millisecond
		}
	case asked:
		if s.blocks == nil {
			s.take(w)
		}
		s.state = coming
	case coming:
		for range 20 {
			if len(s.blocks) == 0 {
				s.state = splicing
				return
			}
			if do(input{kind: snapshotBlock, payload: s.blocks[0]}) != nil {
				s.rest(now) // the publisher restarted meanwhile
				return
			}
			s.blocks = s.blocks[1:]
		}
	case splicing:
		err := do(input{kind: snapshotEnd, next: s.next})
		if err == nil {
			w.report.Snapshots++
			s.rest(now)
			return
		}
		if now > s.limit || !isAhead(err) {
			_ = do(input{kind: snapshotCancel})
			s.rest(now)
		}
	}
}

// take takes a snapshot of the venue.
func (s *snapshooter) take(w *World) {
	messages, next := w.venue.Snapshot()
	s.next = next
	var block []byte
	for _, m := range messages {
		block = binary.BigEndian.AppendUint16(block, uint16(len(m)))
		if block = append(block, m...); len(block) > 1000 {
			s.blocks = append(s.blocks, block)
			block = nil
		}
	}
	s.blocks = append(s.blocks, block)
}

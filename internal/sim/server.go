package sim

import (
	"encoding/binary"
	"math/rand/v2"

	"tidegate/arbiter"
	"tidegate/gateway"
	"tidegate/market"
)

// A retransmitter is a provider's retransmit server: its answers are on a path of their own.
type retransmitter struct {
	exchange *exchange
	random   *rand.Rand
	out      *path
	dead     bool
	late     bool
	wrong    bool
	twice    bool
}

// ask answers a request of a pipeline, in its way.
func (r *retransmitter) ask(p *gateway.Pipeline, q arbiter.Request, now market.Nanos) {
	if r.dead {
		return
	}
	answer := r.exchange.answer(p.AppendRequest(nil, q))
	if answer == nil {
		return
	}
	if r.wrong {
		switch r.random.IntN(3) {
		case 0:
			answer[r.random.IntN(10)] ^= 0xff // another session
		case 1: // another range than was asked for
			binary.BigEndian.PutUint64(answer[10:], binary.BigEndian.Uint64(answer[10:])+uint64(q.Count)+5)
		default:
			answer = answer[:r.random.IntN(len(answer))]
		}
		if len(answer) == 0 {
			return
		}
	}
	at := now
	if r.late {
		at += 30 * market.Millisecond
	}
	r.out.put(at, answer, r.exchange.restarts)
	if r.twice {
		r.out.put(at, answer, r.exchange.restarts)
	}
}

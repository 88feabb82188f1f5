package sim

import (
	"math/rand/v2"

	"tidegate/codec/moldudp64"
	"tidegate/market"
)

// A path carries datagrams from the venue to one line of one provider.
type path struct {
	random *rand.Rand
	base   market.Nanos // shortest delay
	jitter market.Nanos // mean of what is added

	// What is wrong with it now.
	extra     market.Nanos
	loss      float64
	inBurst   bool
	burst     bool
	duplicate float64
	reorder   bool
	truncate  float64
	flip      float64
	down      bool
	clogged   bool
	skip      int // datagrams to lose

	mute market.Nanos // since when data has been sent and none has come through; 0 if it has
	sore market.Nanos // when it was last seen sick
	// muteWell says that it was well before it was mute.
	muteWell bool

	held  []parcel // while clogged
	queue []parcel // by time of arrival
	last  market.Nanos
}

// A parcel is a datagram on its way.
type parcel struct {
	at      market.Nanos
	payload []byte
	start   int // of the publisher, that it is of
}

// sick reports whether something is wrong.
func (p *path) sick() bool {
	return p.extra != 0 || p.loss != 0 || p.burst || p.duplicate != 0 || p.reorder || p.truncate != 0 || p.flip != 0 ||
		p.down || p.clogged || p.skip > 0
}

// heal takes away what is wrong.
func (p *path) heal(now market.Nanos) {
	p.extra, p.loss, p.inBurst, p.burst, p.duplicate, p.reorder = 0, 0, false, false, 0, false
	p.truncate, p.flip, p.down, p.skip = 0, 0, false, 0
	p.unclog(now)
}

// queueMax is how long a datagram can be in a queue. A line that is more than a second late, in protocols without
// send times, cannot be told from one of the next epoch: see package arbiter.
const queueMax = 700 * market.Millisecond

// unclog lets go of what was held, in order.
func (p *path) unclog(now market.Nanos) {
	p.clogged, p.mute = false, 0
	for _, d := range p.held {
		if now-d.at < queueMax {
			p.put(now, d.payload, d.start)
		}
	}
	p.held = nil
}

// send takes a datagram at the venue.
func (p *path) send(now market.Nanos, payload []byte, start int) {
	if !p.down && !p.clogged {
		p.mute = 0
	} else if p.mute == 0 && len(payload) > moldudp64.HeaderLen { // not a heartbeat
		p.mute, p.muteWell = now, now-p.sore > market.Second
	}
	if p.sick() {
		p.sore = now
	}
	switch {
	case p.down:
		return
	case p.skip > 0:
		p.skip--
		return
	case p.clogged:
		p.held = append(p.held, parcel{now, payload, start})
		return
	case p.random.Float64() < p.loss:
		return
	}
	if p.burst {
		if p.inBurst = p.random.Float64() < 0.02 || p.inBurst && p.random.Float64() < 0.8; p.inBurst {
			return
		}
	}
	if p.random.Float64() < p.truncate {
		payload = payload[:p.random.IntN(len(payload))]
	}
	if len(payload) == 0 {
		return
	}
	if p.random.Float64() < p.flip {
		payload = append([]byte(nil), payload...)
		// Only what framing can see: UDP's own checksum is for the rest.
		if i := [...]int{0, 3, 9, 18}[p.random.IntN(4)]; i < len(payload) {
			payload[i] ^= 1 << p.random.IntN(8)
		}
	}
	p.put(now, payload, start)
	if p.random.Float64() < p.duplicate {
		p.put(now+market.Nanos(p.random.Int64N(int64(30*market.Millisecond))), payload, start)
	}
}

// put puts a datagram on its way.
func (p *path) put(now market.Nanos, payload []byte, start int) {
	at := now + p.base + p.extra + market.Nanos(p.random.ExpFloat64()*float64(p.jitter))
	if p.reorder {
		at += market.Nanos(p.random.Int64N(int64(8 * market.Millisecond)))
	} else {
		at = max(at, p.last)
		p.last = at
	}
	i := len(p.queue)
	p.queue = append(p.queue, parcel{})
	for ; i > 0 && p.queue[i-1].at > at; i-- {
		p.queue[i] = p.queue[i-1]
	}
	p.queue[i] = parcel{at, payload, start}
}

// arrived reports whether a datagram is there.
func (p *path) arrived(now market.Nanos) bool { return len(p.queue) > 0 && p.queue[0].at <= now }

func (p *path) take() parcel {
	d := p.queue[0]
	p.queue = p.queue[1:]
	return d
}

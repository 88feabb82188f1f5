//go:build linux

package chaos

import (
	"container/heap"
	"math/rand/v2"

	"tidegate/codec/moldudp64"
	"tidegate/market"
)

// underwayMax is how many packets a path delays or holds: a minute of a lively market.
const underwayMax = 1 << 17

// PathCounts says what became of the packets of a path.
type PathCounts struct {
	Packets    uint64 `json:"packets"` // that came from the venue
	Sent       uint64 `json:"sent"`    // duplicates included
	Lost       uint64 `json:"lost"`
	Delayed    uint64 `json:"delayed"`
	Held       uint64 `json:"held"` // by a stall
	Duplicated uint64 `json:"duplicated"`
	Reordered  uint64 `json:"reordered"` // held back
}

// A path decides what becomes of the packets of one line, and keeps those that are delayed. It reads no clock.
type path struct {
	impairment Impairment
	random     *rand.Rand
	lose       int // packets with messages that are still to be lost
	waiting    departures
	queued     uint64
	last       market.Nanos // departure of the latest packet that was not held back
	stalled    []departure

	// met is when the first packet with messages came after the impairment was set. UndefTime: not yet.
	met market.Nanos
	// shown is when the first packet behind those that loseNext lost came. UndefTime: not yet.
	shown  market.Nanos
	quiet  quiet
	counts PathCounts
}

func newPath(seed, number uint64) *path {
	return &path{random: rand.New(rand.NewPCG(seed, number)), met: market.UndefTime, shown: market.UndefTime}
}

// set changes what the path does, from the next packet on. What it held in a stall that has ended is due now.
func (p *path) set(i Impairment, now market.Nanos) {
	if p.impairment.Stalled && !i.Stalled {
		for _, d := range p.stalled {
			p.push(now, d.payload, false)
		}
		p.stalled = nil
	}
	p.impairment, p.met, p.shown = i, market.UndefTime, market.UndefTime
}

// loseNext loses the next packets with messages.
func (p *path) loseNext(packets int) {
	p.lose, p.met, p.shown = packets, market.UndefTime, market.UndefTime
}

// effective reports whether what the path was set to has come into effect: there were packets for it.
func (p *path) effective() bool {
	return p.met.Defined() && p.lose == 0 && (p.shown.Defined() || p.impairment.Down)
}

// offer takes a packet that came now. The path keeps the payload, and does not change it.
func (p *path) offer(payload []byte, now market.Nanos) {
	p.counts.Packets++
	packet, err := moldudp64.Parse(payload)
	data := err == nil && packet.Kind == moldudp64.Data
	i := &p.impairment
	lost := i.Down || p.happens(i.Loss)
	if data && p.lose > 0 {
		p.lose--
		lost = true
	}
	if data && !p.met.Defined() {
		p.met = now
	}
	if lost {
		p.counts.Lost++
		return
	}
	if data && p.lose == 0 && !p.shown.Defined() {
		p.shown = now
	}
	if data && i.Clock != ClockRight {
		payload = restamp(payload, i.Clock)
	}
	at := now + market.Nanos(i.Delay) + p.upTo(i.Jitter)
	at = max(at, p.last)
	p.last = at
	if at > now {
		p.counts.Delayed++
	}
	if p.happens(i.Reorder) {
		p.counts.Reordered++
		at += 1 + p.upTo(i.ReorderBy)
	}
	p.push(at, payload, i.Stalled)
	if p.happens(i.Duplicate) {
		p.counts.Duplicated++
		p.push(at, payload, i.Stalled)
	}
}

func (p *path) push(at market.Nanos, payload []byte, stalled bool) {
	p.queued++
	d := departure{at: at, number: p.queued, payload: payload}
	switch {
	case len(p.waiting)+len(p.stalled) == underwayMax:
		p.counts.Lost++
	case stalled:
		p.counts.Held++
		p.stalled = append(p.stalled, d)
	default:
		heap.Push(&p.waiting, d)
	}
}

// next returns a packet that leaves by now, and when it was to leave.
func (p *path) next(now market.Nanos) (payload []byte, at market.Nanos, ok bool) {
	if len(p.waiting) == 0 || p.waiting[0].at > now {
		return nil, 0, false
	}
	d := heap.Pop(&p.waiting).(departure)
	p.counts.Sent++
	p.quiet.sent(now)
	return d.payload, d.at, true
}

// due returns when the next packet leaves, UndefTime if none is under way.
func (p *path) due() market.Nanos {
	if len(p.waiting) == 0 {
		return market.UndefTime
	}
	return p.waiting[0].at
}

func (p *path) happens(probability float64) bool {
	return probability > 0 && p.random.Float64() < probability
}

func (p *path) upTo(s Span) market.Nanos {
	if s <= 0 {
		return 0
	}
	return market.Nanos(p.random.Int64N(int64(s) + 1))
}

// restamp returns a copy of a packet whose messages have another venue time.
func restamp(payload []byte, c Clock) []byte {
	b := append([]byte(nil), payload...)
	packet, err := moldudp64.Parse(b)
	if err != nil {
		return b
	}
	var at [timeEnd - timeAt]byte
	switch c {
	case ClockFuture:
		at = [...]byte{0x4e, 0x94, 0x91, 0x4e, 0xff, 0xff} // 86,399.999999999 s
	case ClockBeyond:
		at = [...]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	}
	for block := packet.Messages; len(block) > 0; {
		var message []byte
		message, block = moldudp64.Next(block)
		if len(message) >= timeEnd {
			copy(message[timeAt:], at[:])
		}
	}
	return b
}

// quiet finds the longest time in which nothing was sent.
type quiet struct {
	last    market.Nanos // 0: nothing was sent yet
	from    market.Nanos // when the longest began
	longest market.Nanos
}

// begin forgets the past, but for when the latest packet was sent.
func (q *quiet) begin() { q.from, q.longest = q.last, 0 }

func (q *quiet) sent(now market.Nanos) {
	q.look(now)
	q.last = now
}

// look returns when the longest time began, of which the present one may be a part.
func (q *quiet) look(now market.Nanos) market.Nanos {
	if now-q.last > q.longest {
		q.from, q.longest = q.last, now-q.last
	}
	return q.from
}

// A departure is a packet under way.
type departure struct {
	at      market.Nanos
	number  uint64
	payload []byte
}

// departures is a heap by time, then by the order of coming.
type departures []departure

func (d departures) Len() int      { return len(d) }
func (d departures) Swap(i, j int) { d[i], d[j] = d[j], d[i] }
func (d departures) Less(i, j int) bool {
	if d[i].at != d[j].at {
		return d[i].at < d[j].at
	}
	return d[i].number < d[j].number
}
func (d *departures) Push(v any) { *d = append(*d, v.(departure)) }
func (d *departures) Pop() any {
	last := len(*d) - 1
	v := (*d)[last]
	(*d)[last] = departure{} // let go of the payload
	*d = (*d)[:last]
	return v
}

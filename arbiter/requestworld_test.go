package arbiter

import (
	"container/heap"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"tidegate/market"
)

// channel is an Arbiter with a Requester, driven as a pipeline drives them. It writes down what it
// publishes and is its own plain judge of order and contents.
type channel struct {
	t     *testing.T
	w     *world
	a     *Arbiter
	r     *Requester
	send  func(Request) // nil: nowhere
	now   market.Nanos
	told  []fact
	trust int // true epoch of what is published now
	next  uint64
	lost  uint64 // messages in gaps, but for those that an epoch's end left open
}

// fact is one thing that a channel published.
type fact struct {
	what     string
	line     LineID
	at       market.Nanos
	from, to uint64
}

func newChannel(t *testing.T, w *world, cfg Config, requests RequestConfig) *channel {
	t.Helper()
	c := &channel{t: t, w: w}
	var err error
	if c.a, err = New(cfg, c); err != nil {
		t.Fatal(err)
	}
	if c.r, err = NewRequester(requests, c.a); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *channel) OnMessages(p *Packet, skip uint32) {
	c.told = append(c.told, fact{"published", p.Line, p.TsRecv, p.Seq + uint64(skip), p.end()})
	for seq := p.Seq; seq < p.end(); seq++ {
		m := p.Messages[(seq-p.Seq)*messageBytes:][:messageBytes]
		epoch, number := int(binary.BigEndian.Uint32(m)), binary.BigEndian.Uint64(m[4:])
		if epoch != c.trust || number != seq {
			c.t.Errorf("line %v: message %d of epoch %d is published as %d of epoch %d", p.Line, number, epoch, seq, c.trust)
		}
	}
	c.move(p.Seq+uint64(skip), p.end())
}

func (c *channel) move(from, to uint64) {
	if from != c.next || to <= from {
		c.t.Errorf("published or announced [%d, %d), want it to begin at %d", from, to, c.next)
	}
	c.next = to
}

func (c *channel) OnGap(g Gap) {
	c.told = append(c.told, fact{"lost: " + g.Reason.String(), g.Line, g.Seen, g.From, g.To})
	c.move(g.From, g.To)
	if g.Reason != GapEpochEnd {
		c.lost += g.Messages()
	}
}

func (c *channel) OnEpoch(e Epoch) {
	c.told = append(c.told, fact{"epoch", e.Line, e.TsRecv, e.From, uint64(e.Number)})
	c.next = e.From
	c.trust++ // as the world tells every restart, there are as many epochs as in truth
}

func (c *channel) OnEnd(_ Session, next uint64) {
	c.told = append(c.told, fact{what: "end", from: next})
}

// onTick does what is due in order, each at its own time, as the pipeline does.
func (c *channel) onTick(now market.Nanos) {
	tickBoth(c.a, c.r, now, func(at market.Nanos) {
		c.now = at
		c.ask(at)
	})
	c.now = now
}

// tickBoth lets time pass for an Arbiter and its Requester.
func tickBoth(a *Arbiter, r *Requester, now market.Nanos, ask func(at market.Nanos)) {
	for {
		due, wake := a.Deadline(), r.Due()
		switch {
		case wake.Defined() && wake <= now && (!due.Defined() || wake < due):
			ask(wake)
		case due.Defined() && due <= now:
			a.OnTick(due)
			ask(due)
		default:
			a.OnTick(now)
			return
		}
	}
}

func (c *channel) onPacket(p *Packet) Verdict {
	c.now = p.TsRecv
	var v Verdict
	if p.Line == LineR {
		v = c.r.OnPacket(p)
	} else {
		v = c.a.OnPacket(p)
	}
	c.ask(p.TsRecv)
	return v
}

func (c *channel) ask(now market.Nanos) {
	c.now = now
	for n := 0; ; n++ {
		q, ok := c.r.Next(now)
		if !ok {
			break
		}
		if c.send != nil {
			c.send(q)
		}
		if n > 10_000 {
			c.t.Fatal("Next does not come to an end")
		}
	}
	if due := c.r.Due(); due.Defined() && due <= now {
		c.t.Fatalf("due at %d, and it is %d", due, now)
	}
	ledger := c.r.Ledger()
	if err := ledger.Balanced(); err != nil {
		c.t.Error(err)
	}
}

// serverConfig says how a retransmit server behaves.
type serverConfig struct {
	deadFrom, deadTo market.Nanos // it is silent in between
	lost             float64      // requests or answers
	refused          float64      // requests
	twice            float64      // answers
	partial          float64      // answers with fewer messages than asked for
	repacked         float64      // answers that begin before what was asked for, and go on beyond it
	wrongSession     float64
	delay            market.Nanos // least
	jitter           market.Nanos // added to it, up to
}

// recovery plays a world with servers, and checks every request.
type recovery struct {
	*channel
	t       *testing.T
	rng     *rand.Rand
	cfg     RequestConfig
	servers []serverConfig
	queue   answers
	wall    market.Nanos
	strange float64 // probability that a stranger sends a packet to line R after an arrival

	flying []flight // that the Requester has to reckon with
	sent   []sending
	asked  map[uint64]bool // epoch<<48 | sequence
	log    []Packet        // everything that was handed in
	fates  []Verdict
}

type flight struct {
	from, to uint64
	until    market.Nanos
}

type sending struct {
	at       market.Nanos
	messages int64
}

// answers is a heap of packets on their way, by time of arrival.
type answers []Packet

func (q answers) Len() int           { return len(q) }
func (q answers) Less(i, j int) bool { return q[i].TsRecv < q[j].TsRecv }
func (q answers) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *answers) Push(x any)        { *q = append(*q, x.(Packet)) }
func (q *answers) Pop() any {
	last := len(*q) - 1
	x := (*q)[last]
	*q = (*q)[:last]
	return x
}

// onRequest checks a request, and answers it as its server does. Requests leave when the loop is there,
// which can be later than the time at which the Requester wanted them.
func (w *recovery) onRequest(q Request) {
	t, now := w.t, w.now
	from, to := q.Seq, q.Seq+uint64(q.Count)
	epoch := w.trust
	if q.Count == 0 || q.Count > w.cfg.MessagesMax || q.Server < 0 || q.Server >= w.cfg.Servers || q.Session != w.w.sessions[epoch-1] {
		t.Fatalf("request %+v", q)
	}
	w.flying = slices.DeleteFunc(w.flying, func(f flight) bool { return f.until <= now })
	for _, f := range w.flying {
		if f.from < to && from < f.to {
			t.Errorf("[%d, %d) is asked for at %d while [%d, %d) is in flight until %d", from, to, now, f.from, f.to, f.until)
		}
	}
	if w.flying = append(w.flying, flight{from, to, now + w.cfg.Timeout}); len(w.flying) > w.cfg.InFlightMax {
		t.Errorf("%d requests in flight", len(w.flying))
	}
	missing := false
	for _, g := range w.a.Gaps(nil) {
		if g.From <= from && to <= g.To {
			missing = true
			if now >= g.Seen+w.a.cfg.GapDeadline {
				t.Errorf("[%d, %d) is asked for when its deadline has passed", from, to)
			}
			if g.Messages() > w.cfg.GapMax {
				t.Errorf("[%d, %d) of a gap of %d is asked for", from, to, g.Messages())
			}
		}
	}
	if !missing {
		t.Errorf("[%d, %d) is asked for and not missing", from, to)
	}
	w.sent = append(w.sent, sending{now, int64(q.Count)})
	for seq := from; seq < to; seq++ {
		w.asked[uint64(w.a.epoch.Number)<<48|seq] = true
	}
	w.answer(&w.servers[q.Server], q, epoch)
}

func (w *recovery) answer(s *serverConfig, q Request, epoch int) {
	rng := w.rng
	at := max(w.wall, w.now)
	if at >= s.deadFrom && at < s.deadTo || rng.Float64() < s.lost || rng.Float64() < s.refused {
		return
	}
	first, last := w.w.first[epoch-1], w.w.last[epoch-1]
	from, to := q.Seq, min(q.Seq+uint64(q.Count), last)
	if rng.Float64() < s.partial {
		to = from + 1 + rng.Uint64N(uint64(q.Count))
	}
	if rng.Float64() < s.repacked {
		from = max(first, from-min(from, rng.Uint64N(4)))
		to += rng.Uint64N(4)
	}
	if from = max(from, first); from >= min(to, last) {
		return // asked for what does not exist
	}
	to = min(to, last)
	p := Packet{
		Session: q.Session, Seq: from, Count: uint32(to - from), Line: LineR, TsSend: market.UndefTime,
		Messages: block(epoch, from, to), TsRecv: at + 1 + s.delay,
	}
	if s.jitter > 0 {
		p.TsRecv += market.Nanos(rng.Int64N(int64(s.jitter)))
	}
	if rng.Float64() < s.wrongSession {
		p.Session = SessionOf([]byte("WRONG"))
	}
	heap.Push(&w.queue, p)
	if rng.Float64() < s.twice {
		p.TsRecv += market.Nanos(rng.Int64N(int64(market.Millisecond)))
		heap.Push(&w.queue, p)
	}
}

// hand gives a packet to the channel, after a tick of its time.
func (w *recovery) hand(p Packet) {
	w.wall = p.TsRecv
	w.onTick(p.TsRecv)
	w.log = append(w.log, p)
	epoch := uint64(w.a.epoch.Number)
	if p.Line == LineR {
		w.flying = slices.DeleteFunc(w.flying, func(f flight) bool {
			return p.Session == w.a.session && p.Seq < f.to && f.from < p.end()
		})
	}
	v := w.onPacket(&p)
	w.fates = append(w.fates, v)
	if p.Line != LineR || p.Session != w.w.sessions[max(1, w.trust)-1] || epoch == 0 {
		return
	}
	asked := false
	for seq := p.Seq; seq < p.end(); seq++ {
		asked = asked || w.asked[epoch<<48|seq]
	}
	if !asked && v != Unasked {
		w.t.Errorf("[%d, %d) was not asked for, and is %v", p.Seq, p.end(), v)
	}
}

// run plays the world until nothing is on its way.
func (w *recovery) run() {
	// Ticks come when they like, at least every millisecond or two.
	tick := func(until market.Nanos) {
		for {
			next := w.wall + 1 + market.Nanos(w.rng.Int64N(int64(2*market.Millisecond)))
			if next > until {
				return
			}
			for len(w.queue) > 0 && w.queue[0].TsRecv <= next {
				w.hand(heap.Pop(&w.queue).(Packet))
			}
			w.wall = next
			w.onTick(next)
		}
	}
	w.wall = worldStart
	for _, x := range w.w.arrivals {
		tick(x.at)
		for len(w.queue) > 0 && w.queue[0].TsRecv <= x.at {
			w.hand(heap.Pop(&w.queue).(Packet))
		}
		w.hand(x.packet)
		if w.rng.Float64() < w.strange && x.epoch > 0 && w.trust > 0 {
			p := Packet{
				Session: w.w.sessions[w.trust-1], Line: LineR, TsRecv: x.at, TsSend: market.UndefTime,
				Seq: w.next + w.rng.Uint64N(2000), Count: 1 + w.rng.Uint32N(8),
			}
			p.Messages = block(0, p.Seq, p.end()) // of no epoch
			if p.Seq >= w.a.high {                // a stranger who guesses what is asked for is believed
				w.hand(p)
			}
		}
	}
	// Every answer has come, every deadline has passed.
	tick(w.wall + w.a.cfg.GapDeadline + 200*market.Millisecond)
	ledger := w.a.Ledger()
	if err := ledger.Balanced(); err != nil {
		w.t.Error(err)
	}
	w.checkBudgets()
}

// checkBudgets looks at every span between two requests.
func (w *recovery) checkBudgets() {
	check := func(what string, perSecond, atOnce int64, of func(sending) int64) {
		// The most that was asked for in any span that ends here, less what may be in its time.
		used, last := int64(0), market.Nanos(0)
		for _, s := range w.sent {
			used = max(0, used-int64(s.at-last)*perSecond) + of(s)*nanounits
			if last = s.at; used > atOnce*nanounits {
				w.t.Errorf("at %d, %d more %s than the budget of %d a second allows", s.at, used/nanounits-atOnce, what, perSecond)
				return
			}
		}
	}
	check("requests", int64(w.cfg.RequestsPerSecond), max(1, int64(w.cfg.RequestsPerSecond/10)), func(sending) int64 { return 1 })
	check("messages", int64(w.cfg.MessagesPerSecond), max(int64(w.cfg.MessagesMax), int64(w.cfg.MessagesPerSecond/10)),
		func(s sending) int64 { return s.messages })
}

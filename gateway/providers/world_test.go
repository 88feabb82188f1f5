package providers_test

import (
	"encoding/binary"
	"hash"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"tidegate/arbiter"
	"tidegate/book"
	"tidegate/gateway"
	"tidegate/gateway/breaker"
	"tidegate/gateway/providers"
	"tidegate/internal/venue"
	"tidegate/market"
)

// reader is what a subscriber sees: a hash of everything, and books of its own.
type reader struct {
	t       *testing.T
	sum     hash.Hash64
	mirror  *gateway.Pipeline
	events  int
	flagged int // events with FlagMaybeBadBook
	marks   int // events with action None
	gaps    int
	last    map[market.InstrumentID]market.Flags

	switches []providers.Switch
	stale    []providers.Staleness
}

// void takes nothing.
type void struct{}

func (void) OnEvents([]market.Event, gateway.Books) {}
func (void) OnFacts(*market.Facts)                  {}
func (void) OnTime(market.Nanos)                    {}
func (void) OnGap(arbiter.Gap)                      {}
func (void) OnEpoch(arbiter.Epoch)                  {}

func newReader(t *testing.T) *reader {
	mirror, err := gateway.New(gateway.FileConfig(gateway.MBO), void{})
	if err != nil {
		t.Fatal(err)
	}
	return &reader{t: t, sum: fnv.New64a(), mirror: mirror, last: map[market.InstrumentID]market.Flags{}}
}

func (r *reader) word(words ...uint64) {
	for _, w := range words {
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], w)
		_, _ = r.sum.Write(b[:])
	}
}

func (r *reader) OnEvents(events []market.Event, _ gateway.Books) {
	for i := range events {
		e := events[i]
		r.events++
		if e.Flags&market.FlagMaybeBadBook != 0 {
			r.flagged++
		}
		if e.Action == market.None {
			r.marks++
		}
		r.last[e.Instrument] = e.Flags
		r.word(uint64(e.TsEvent), uint64(e.TsRecv), e.OrderID, uint64(e.Price), uint64(e.Size), e.Seq, uint64(e.Instrument), uint64(e.Action), uint64(e.Flags))
		r.mirror.OnEvent(&e)
	}
}

func (r *reader) OnFacts(f *market.Facts) {
	r.word(1, uint64(len(f.Definitions)), uint64(len(f.Statuses)))
}
func (r *reader) OnTime(market.Nanos)     {}
func (r *reader) OnGap(g arbiter.Gap)     { r.gaps++; r.word(2, g.From, g.To) }
func (r *reader) OnEpoch(e arbiter.Epoch) { r.word(3, e.From) }
func (r *reader) OnSwitch(s providers.Switch) {
	r.switches = append(r.switches, s)
	r.word(4, uint64(s.At), uint64(s.Reason), uint64(s.By))
}

func (r *reader) OnStale(s providers.Staleness) {
	r.stale = append(r.stale, s)
	r.word(5, uint64(s.At), uint64(s.Reason))
}

// path carries the venue's datagrams to one provider.
type path struct {
	delay  func() market.Nanos
	drop   bool         // everything
	lose   int          // that many
	ahead  market.Nanos // of its own clock, which it puts into the messages
	queue  []parcel
	last   market.Nanos
	random *rand.Rand
}

type parcel struct {
	at market.Nanos
	b  []byte
}

func (p *path) send(now market.Nanos, b []byte) {
	if p.drop {
		return
	}
	if p.lose > 0 {
		p.lose--
		return
	}
	at := max(p.last, now+p.delay())
	p.last = at
	if p.ahead != 0 {
		b = stamped(b, p.ahead)
	}
	p.queue = append(p.queue, parcel{at, b})
}

// stamped returns a copy of a MoldUDP64 packet whose ITCH messages are later by d.
func stamped(packet []byte, d market.Nanos) []byte {
	b := slices.Clone(packet)
	for at := 20; at+2+11 <= len(b); at += 2 + int(binary.BigEndian.Uint16(b[at:])) {
		stamp := b[at+2+5:] // 48 bits
		high, low := binary.BigEndian.Uint16(stamp), binary.BigEndian.Uint32(stamp[2:])
		t := (uint64(high)<<32 | uint64(low)) + uint64(d)
		binary.BigEndian.PutUint16(stamp, uint16(t>>32))
		binary.BigEndian.PutUint32(stamp[2:], uint32(t))
	}
	return b
}

// world is a venue, two providers that carry it, and a reader. Its time is a synctest bubble's.
type world struct {
	t         *testing.T
	cfg       providers.Config
	venue     *venue.LiveFeed
	paths     []*path
	pipelines []*gateway.Pipeline
	feed      *providers.Feed
	judge     *providers.Judge
	out       *reader
	tape      []input // what a replay needs
	atTick    func(now market.Nanos)
}

// input is one entry of the tape: a datagram of a provider, or a decision.
type input struct {
	at       market.Nanos
	provider int
	payload  []byte
	decision []byte
}

const ms = market.Millisecond

func steady(d market.Nanos) func() market.Nanos { return func() market.Nanos { return d } }

func (w *world) pipeline(sink gateway.Sink) *gateway.Pipeline {
	p, err := gateway.New(gateway.DefaultConfig(gateway.ITCH), sink)
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

func newWorld(t *testing.T, seed uint64, cfg providers.Config) *world {
	w := &world{t: t, cfg: cfg, out: newReader(t)}
	w.restart(seed)
	w.feed, w.pipelines = w.build(w.out)
	for i := range cfg.Names {
		random := rand.New(rand.NewPCG(seed, uint64(i)))
		base := market.Nanos(1+3*i) * ms
		w.paths = append(w.paths, &path{random: random, delay: func() market.Nanos {
			return base + market.Nanos(random.ExpFloat64()*float64(ms/4))
		}})
	}
	w.feed.Record(func(d providers.Decision) {
		w.tape = append(w.tape, input{at: d.At, decision: providers.AppendDecision(nil, 3, d)})
	})
	judge, err := providers.NewJudge(w.feed, func(c *breaker.Config) { c.Seed = seed + 1 }, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.judge = judge
	return w
}

// restart has the publisher begin, or begin again under the same session.
func (w *world) restart(seed uint64) {
	live := venue.DefaultLiveConfig(seed)
	live.Feed.Market.Open, live.Feed.Market.PreOpen = market.Second, market.Second
	live.Feed.Market.Halts, live.Feed.Market.Rate = nil, 3000
	var err error
	if w.venue, err = venue.NewLiveFeed(live, w.now()); err != nil {
		w.t.Fatal(err)
	}
}

// build makes a feed with its pipelines.
func (w *world) build(out *reader) (*providers.Feed, []*gateway.Pipeline) {
	feed, err := providers.New(w.cfg, out, out)
	if err != nil {
		w.t.Fatal(err)
	}
	var pipelines []*gateway.Pipeline
	for i := range w.cfg.Names {
		p := w.pipeline(feed.Port(i))
		feed.Attach(i, p)
		pipelines = append(pipelines, p)
	}
	return feed, pipelines
}

func (w *world) now() market.Nanos { return market.Nanos(time.Now().UnixNano()) }

// run lets time pass, a millisecond per tick.
func (w *world) run(d market.Nanos) {
	for end := w.now() + d; w.now() < end; {
		time.Sleep(time.Millisecond)
		now := w.now()
		w.venue.OnTick(now)
		for d, ok := w.venue.Next(); ok; d, ok = w.venue.Next() {
			if d.Line != 0 {
				continue
			}
			for _, p := range w.paths {
				p.send(now, d.Payload)
			}
		}
		for i, p := range w.paths {
			for len(p.queue) > 0 && p.queue[0].at <= now {
				w.tape = append(w.tape, input{at: now, provider: i, payload: p.queue[0].b})
				w.pipelines[i].OnTick(now)
				w.pipelines[i].OnDatagram(arbiter.LineA, now, p.queue[0].b)
				p.queue = p.queue[1:]
			}
		}
		for _, p := range w.pipelines {
			p.OnTick(now)
		}
		w.judge.OnTick(now)
		w.feed.OnTick(now)
		if w.atTick != nil {
			w.atTick(now)
		}
	}
}

// settle pauses the market until everything has arrived, compares the books and goes on.
func (w *world) settle() {
	w.t.Helper()
	w.venue.Pause()
	w.run(500 * ms)
	if due := w.feed.Ledger().RefreshDue; due != 0 {
		w.t.Errorf("%d instruments still wait for their refresh", due)
	}
	w.compare()
	w.venue.Resume()
}

// compare compares the reader's books with the venue's own.
func (w *world) compare() {
	w.t.Helper()
	for _, b := range w.venue.Truth().Books {
		id := w.instrument(b.Symbol)
		for side, want := range map[market.Side][]venue.Level{market.Bid: b.Bids, market.Ask: b.Asks} {
			got := w.out.mirror.Books().Levels(id, side, make([]book.Level, 0, 1000))
			if len(got) != len(want) {
				w.t.Errorf("%s %c: %d levels, the venue has %d", b.Symbol, side, len(got), len(want))
				continue
			}
			for i := range want {
				if got[i].Price != want[i].Price || got[i].Size != want[i].Size || int(got[i].Orders) != int(want[i].Orders) {
					w.t.Errorf("%s %c level %d: %+v, the venue has %+v", b.Symbol, side, i, got[i], want[i])
				}
			}
		}
	}
}

// instrument returns the feed's number of a symbol.
func (w *world) instrument(symbol string) market.InstrumentID {
	for id := range market.InstrumentID(100) {
		if w.feed.Symbol(id) == symbol {
			return id
		}
	}
	w.t.Errorf("the feed has no instrument %s", symbol)
	return 0
}

func bubble(t *testing.T, f func(t *testing.T)) { synctest.Test(t, f) }

package sim

import (
	"fmt"
	"math/rand/v2"
	"time"

	"tidegate/arbiter"
	"tidegate/gateway"
	"tidegate/gateway/breaker"
	"tidegate/gateway/providers"
	"tidegate/gateway/stream"
	"tidegate/internal/bus"
	"tidegate/internal/venue"
	"tidegate/market"
)

// Config describes a world.
type Config struct {
	Seed uint64
	// Storm is how long faults come and go, and Calm how long everything is healthy after that.
	Storm, Calm market.Nanos
	// Faults is how many faults happen.
	Faults int
	// Rate is the venue's messages per second.
	Rate int
	// Only, if not empty, are the kinds of fault that may happen.
	Only []string
}

// DefaultConfig returns a world of half a minute.
func DefaultConfig(seed uint64) Config {
	return Config{Seed: seed, Storm: 12 * market.Second, Calm: 16 * market.Second, Faults: 10, Rate: 400}
}

// A Report says what happened in a world.
type Report struct {
	Seed       uint64
	Virtual    market.Nanos   // time that passed in the world
	Faults     map[string]int // by kind
	Messages   uint64         // of the venue
	Datagrams  uint64         // that reached the gateway
	Gaps       uint64         // announced
	Filled     uint64         // gaps that were filled
	Snapshots  uint64         // spliced
	Switches   uint64
	Stale      uint64 // times that the feed was stale
	Lapped     uint64 // times that the reader was
	Violations []string
}

// provider is one provider of the feed, with everything that carries it.
type provider struct {
	pipeline  *gateway.Pipeline
	lines     []*path
	resend    []*retransmitter
	snapshots snapshooter
	watch     watch
	clean     market.Nanos // since when nothing was done to it; UndefTime while something is
}

// A World is one venue, a gateway and a subscriber.
type World struct {
	cfg       Config
	random    *rand.Rand
	venue     *venue.LiveFeed
	origin    market.Nanos // when the world began
	started   market.Nanos // when the venue's present session did
	restarts  int
	closing   bool // its session
	names     []string
	providers []*provider
	feed      *providers.Feed
	judge     *providers.Judge
	stream    *stream.Stream
	ring      *bus.Ring
	reader    *reader
	auditor   *auditor
	tape      []input
	plan      []event
	check     checker
	report    Report
	now       market.Nanos

	clock market.Nanos // the venue's is ahead by this
	drift float64
	wild  bool // now and then a message has an implausible time
}

// New returns a world at its beginning. Its time is that of package time, which must be a bubble of
// testing/synctest.
func New(cfg Config) (*World, error) {
	w := &World{cfg: cfg, random: rand.New(rand.NewPCG(cfg.Seed, 0x7469646567617465))}
	w.now = market.Nanos(time.Now().UnixNano())
	w.origin = w.now
	w.report = Report{Seed: cfg.Seed, Faults: make(map[string]int)}
	if err := w.open(cfg.Seed, "SIM0000001"); err != nil {
		return nil, err
	}
	n := 1 + w.random.IntN(3)
	for i := range n {
		w.names = append(w.names, fmt.Sprintf("p%d", i))
	}
	if err := w.build(); err != nil {
		return nil, err
	}
	var err error
	w.feed.Record(func(d providers.Decision) {
		w.tape = append(w.tape, input{kind: decision, at: d.At, decision: d})
	})
	w.judge, err = providers.NewJudge(w.feed, func(c *breaker.Config) { c.Seed = cfg.Seed + 1 }, func(v providers.Verdict) {
		w.check.onVerdict(w, v)
	})
	if err != nil {
		return nil, err
	}
	w.schedule()
	return w, nil
}

// open starts a venue, or another session of it.
func (w *World) open(seed uint64, session string) (err error) {
	cfg := venue.DefaultLiveConfig(seed)
	cfg.Endless, cfg.History = false, 1<<14
	m := &cfg.Feed.Market
	m.Open, m.PreOpen, m.Halts, m.Rate = market.Second, market.Second, nil, w.cfg.Rate
	cfg.Feed.Sender.Session = session
	w.started = w.now
	w.venue, err = venue.NewLiveFeed(cfg, w.now)
	return err
}

// build makes the gateway.
func (w *World) build() (err error) {
	if w.ring, err = bus.New(bus.DefaultConfig()); err != nil {
		return err
	}
	if w.stream, err = stream.New(stream.Config{Ring: w.ring}); err != nil {
		return err
	}
	cfg := providers.DefaultConfig(w.names...)
	cfg.SameIDs = true
	cfg.Lag.Window = 3 * market.Second // so that a world is long enough to forget a clock that was set
	if w.feed, err = providers.New(cfg, w.stream, (*notices)(w.stream)); err != nil {
		return err
	}
	w.stream.Attach(w.feed)
	w.providers = nil
	for i := range w.names {
		p := &provider{clean: w.now}
		p.watch = watch{Sink: w.feed.Port(i), clock: func() market.Nanos {
			m := venue.DefaultConfig(0)
			return m.Midnight + w.now - w.origin + w.clock
		}}
		limits := gateway.DefaultConfig(gateway.ITCH)
		limits.Midnight = venue.DefaultConfig(0).Midnight
		servers := 2
		if w.cfg.Seed%4 != 0 { // in a quarter of the worlds nothing can be asked for again
			requests := arbiter.DefaultRequestConfig(servers)
			limits.Retransmit = &requests
		}
		if p.pipeline, err = gateway.New(limits, &p.watch); err != nil {
			return err
		}
		w.feed.Attach(i, p.pipeline)
		// From the seed and not the world's dice, so that a replay makes the same.
		dice := rand.New(rand.NewPCG(w.cfg.Seed, uint64(i)+1))
		far := market.Nanos(dice.Int64N(int64(5 * market.Millisecond)))
		for line := range 2 {
			p.lines = append(p.lines, &path{
				random: rand.New(rand.NewPCG(w.cfg.Seed, uint64(100*i+line))),
				base:   far + market.Nanos(100_000+dice.Int64N(1_000_000)), jitter: market.Nanos(dice.Int64N(500_000)),
			})
		}
		for s := range servers {
			p.resend = append(p.resend, &retransmitter{out: &path{
				random: rand.New(rand.NewPCG(w.cfg.Seed, uint64(100*i+50+s))), base: market.Nanos(500_000 + dice.Int64N(3_000_000)), jitter: 100_000,
			}})
		}
		p.pipeline.SendRequests(func(q arbiter.Request) { p.resend[q.Server%servers].ask(w, p.pipeline, q, w.now) })
		w.providers = append(w.providers, p)
	}
	if w.reader, err = newReader(w.ring, w.stream); err != nil {
		return err
	}
	w.auditor, err = newAuditor(w.ring)
	return err
}

// notices tells the stream what the feed has to say.
type notices stream.Stream

func (n *notices) OnSwitch(s providers.Switch) { (*stream.Stream)(n).Notify(s.At, s.String()) }

func (n *notices) OnStale(s providers.Staleness) {
	(*stream.Stream)(n).Notify(s.At, s.String())
	(*stream.Stream)(n).SetStale(s.At, s.Stale)
}

// watch sees what a pipeline publishes on its way to the feed.
type watch struct {
	gateway.Sink
	clock     func() market.Nanos // the venue's
	newest    market.Nanos        // venue time of the newest event
	newestAt  market.Nanos        // when it came
	gaps      uint64
	announced uint64 // messages
	epochs    int
}

func (o *watch) OnEvents(events []market.Event, books gateway.Books) {
	if e := &events[0]; e.TsEvent > o.newest && e.TsEvent < o.clock()+market.Second {
		o.newest, o.newestAt = e.TsEvent, e.TsRecv
	}
	o.Sink.OnEvents(events, books)
}

func (o *watch) OnGap(g arbiter.Gap) {
	o.gaps++
	o.announced += g.Messages()
	o.Sink.OnGap(g)
}

func (o *watch) OnEpoch(e arbiter.Epoch) {
	o.epochs++
	o.newest = 0
	o.Sink.OnEpoch(e)
}

// OnRebuild passes rebuilds on. See gateway.Rebuilder.
func (o *watch) OnRebuild(ids []market.InstrumentID, now market.Nanos) {
	o.Sink.(gateway.Rebuilder).OnRebuild(ids, now)
}

// input records an input and gives it to its pipeline.
func (w *World) input(in input) error {
	w.tape = append(w.tape, in)
	err := in.apply(w.providers[in.provider].pipeline)
	w.publish()
	return err
}

// publish makes what was appended to the ring visible.
func (w *World) publish() {
	w.ring.Publish()
	if err := w.auditor.poll(); err != nil {
		w.violate("%v", err)
	}
}

// violate notes that something is not as it must be.
func (w *World) violate(format string, args ...any) {
	if len(w.report.Violations) < 20 {
		at := fmt.Sprintf("at %.3f s: ", float64(w.now-w.check.start)/1e9)
		w.report.Violations = append(w.report.Violations, at+fmt.Sprintf(format, args...))
	}
}

// Run lets the world's time pass and returns what happened. It can be called once.
func (w *World) Run() Report {
	w.check.begin(w)
	for w.now < w.check.start+w.cfg.Storm {
		w.step()
	}
	w.healAll()
	for w.now < w.check.start+w.cfg.Storm+w.cfg.Calm {
		w.step()
	}
	w.venue.Pause()
	for range 300 {
		w.step()
	}
	w.check.end(w)
	w.replay()
	w.report.Virtual = w.now - w.check.start
	return w.report
}

// step is one millisecond.
func (w *World) step() {
	time.Sleep(time.Millisecond)
	w.now = market.Nanos(time.Now().UnixNano())
	w.happen()
	if w.closing && w.venue.Ended() {
		w.nextSession()
	}
	w.venue.OnTick(w.now)
	for d, ok := w.venue.Next(); ok; d, ok = w.venue.Next() {
		if d.Line == 0 {
			w.carry(d.Payload)
		}
	}
	w.deliver()
	for i, p := range w.providers {
		p.pipeline.OnTick(w.now)
		p.snapshots.onTick(w, i, w.now)
	}
	w.judge.OnTick(w.now)
	w.feed.OnTick(w.now)
	w.stream.Serve(w.now)
	w.publish()
	w.reader.poll()
	w.check.onTick(w)
}

// carry gives a datagram of the venue to every path.
func (w *World) carry(payload []byte) {
	payload = w.stamped(payload)
	for _, p := range w.providers {
		for _, l := range p.lines {
			l.send(w.now, payload)
		}
	}
}

// deliver hands over everything that has arrived, in order of time.
func (w *World) deliver() {
	for {
		var best *path
		in := input{kind: datagram}
		for i, p := range w.providers {
			for line, l := range p.lines {
				if l.arrived(w.now) && (best == nil || l.queue[0].at < best.queue[0].at) {
					best, in.provider, in.line = l, i, arbiter.LineID(line)
				}
			}
			for _, r := range p.resend {
				if r.out.arrived(w.now) && (best == nil || r.out.queue[0].at < best.queue[0].at) {
					best, in.provider, in.line = r.out, i, arbiter.LineR
				}
			}
		}
		if best == nil {
			return
		}
		d := best.take()
		in.at, in.payload = d.at, d.payload
		w.report.Datagrams++
		_ = w.input(in)
	}
}

// replay gives the recorded inputs to another gateway, and compares what it publishes.
func (w *World) replay() {
	again := &World{cfg: w.cfg, names: w.names}
	if err := again.build(); err != nil {
		w.violate("replay: %v", err)
		return
	}
	for _, p := range again.providers {
		p.pipeline.SendRequests(nil)
	}
	for _, in := range w.tape {
		switch in.kind {
		case decision:
			for _, p := range again.providers {
				p.pipeline.OnTick(in.at)
			}
			again.feed.Apply(in.decision)
		default:
			_ = in.apply(again.providers[in.provider].pipeline)
		}
		again.publish()
	}
	for _, p := range again.providers {
		p.pipeline.OnTick(w.now)
	}
	again.publish()
	if differ := w.auditor.compare(again.auditor); len(differ) > 0 {
		w.violate("replay: %d records, live there were %d; these schemas differ: %v", again.auditor.n, w.auditor.n, differ)
	}
}

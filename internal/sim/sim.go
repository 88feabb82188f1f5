package sim

import (
	"fmt"
	"math/rand/v2"
	"time"

	"tidegate/arbiter"
	"tidegate/gateway"
	"tidegate/gateway/breaker"
	"tidegate/gateway/providers"
	"tidegate/gateway/recovery"
	"tidegate/market"
)

// grain is how often time passes in a world.
const grain = market.Millisecond

// A World is some venues, a gateway and its subscribers.
type World struct {
	cfg      Config
	shape    shape
	gate     *gate
	feeds    []*feed
	tape     []input
	plan     []event
	check    checker
	report   Report
	start    market.Nanos // of the gateway
	now      market.Nanos
	starting int // which start of its publisher the datagram is of that is being delivered
}

// feed is one venue, those who carry its messages, what the gateway has for it, and a subscriber.
type feed struct {
	*gateFeed
	*exchange
	names     []string
	providers []*provider
	judge     *providers.Judge
	reader    *reader
	check     feedChecker
}

// provider is one provider of a feed, with everything that carries it.
type provider struct {
	name      string
	pipeline  *gateway.Pipeline
	watch     *watch
	lines     []*path
	resend    []*retransmitter
	loop      loop
	servers   []*snapshotServer
	snapshots *recovery.Snapshots
	clean     market.Nanos // since when nothing was done to it
	heardAt   market.Nanos // when the last datagram came
}

// sick reports whether something is wrong with a line.
func (p *provider) sick() bool { return p.lines[0].sick() || p.lines[1].sick() }

// New returns a world at its beginning. Its time is that of package time, which must be a bubble of
// testing/synctest. Run must be called.
func New(cfg Config) (*World, error) {
	w := &World{cfg: cfg, shape: newShape(cfg.Seed)}
	w.report = Report{Seed: cfg.Seed, World: w.shape.String(), Faults: make(map[string]int)}
	w.now = market.Nanos(time.Now().UnixNano())
	for i := range w.shape.providers {
		rate := cfg.Rate
		if i > 0 {
			rate /= 4
		}
		x, err := newExchange(&w.shape, i, rate, w.now)
		if err != nil {
			return nil, err
		}
		w.feeds = append(w.feeds, &feed{exchange: x})
	}
	if err := w.begin(); err != nil {
		return nil, err
	}
	if err := w.connect(); err != nil {
		return nil, err
	}
	w.schedule()
	return w, nil
}

// begin lets the venues' day begin without the gateway.
func (w *World) begin() error {
	for end := w.now + w.shape.late; w.now < end; {
		w.sleep()
		for _, f := range w.feeds {
			if _, err := f.onTick(w.now); err != nil {
				return err
			}
		}
	}
	w.start = w.now
	return nil
}

// connect makes the gateway, and what connects it with the venues.
func (w *World) connect() (err error) {
	w.gate, err = newGate(&w.shape, func(feed, k int, port gateway.Sink) gateway.Sink {
		f := w.feeds[feed]
		p := newProvider(&w.shape, f.exchange, feed, k)
		p.clean, p.heardAt = w.now, w.now
		p.watch = &watch{Sink: port, w: w, exchange: f.exchange, feed: uint8(feed), who: p.name}
		f.providers = append(f.providers, p)
		return p.watch
	})
	if err != nil {
		return err
	}
	w.gate.auditor.world = w
	for i, f := range w.feeds {
		f.gateFeed = w.gate.feeds[i]
		for k, p := range f.providers {
			f.names = append(f.names, p.name)
			p.pipeline, p.watch.pipeline = f.pipelines[k], f.pipelines[k]
			if err := w.attach(i, k); err != nil {
				return err
			}
		}
		f.chooser.Record(func(d providers.Decision) {
			w.tape = append(w.tape, input{kind: decided, at: w.now, payload: providers.AppendDecision(nil, uint16(i), d)})
		})
		configure := func(c *breaker.Config) { c.Seed = w.cfg.Seed + 1 }
		if f.judge, err = providers.NewJudge(f.chooser, configure, func(v providers.Verdict) { w.check.onVerdict(w, f, v) }); err != nil {
			return err
		}
		if f.reader, err = newReader(uint8(i), w.gate.ring, f.stream); err != nil {
			return err
		}
	}
	return nil
}

// newProvider makes what carries a venue's datagrams to a pipeline. Everything it throws dice for has dice of
// its own, so that one fault more or less changes nothing elsewhere.
func newProvider(s *shape, x *exchange, feed, k int) *provider {
	p := &provider{name: providerNames(feed, k+1)[k]}
	dice := func(n int) *rand.Rand { return rand.New(rand.NewPCG(s.seed, uint64(10_000*(feed+1)+100*k+n))) }
	d := dice(99)
	far := market.Nanos(d.Int64N(int64(5 * market.Millisecond)))
	for line := range 2 {
		p.lines = append(p.lines, &path{
			random: dice(line),
			base:   far + market.Nanos(100_000+d.Int64N(1_000_000)), jitter: market.Nanos(d.Int64N(500_000)),
		})
	}
	for i := range s.servers {
		p.resend = append(p.resend, &retransmitter{exchange: x, random: dice(20 + i), out: &path{
			random: dice(30 + i), base: market.Nanos(500_000 + d.Int64N(3_000_000)), jitter: 100_000,
		}})
	}
	for i := range 2 {
		p.servers = append(p.servers, &snapshotServer{name: fmt.Sprintf("%s-%d", p.name, i), exchange: x, loop: &p.loop, random: dice(40 + i)})
	}
	return p
}

// attach connects a pipeline with its servers.
func (w *World) attach(feed, k int) (err error) {
	p := w.feeds[feed].providers[k]
	if len(p.resend) > 0 {
		p.pipeline.SendRequests(func(q arbiter.Request) { p.resend[q.Server].ask(p.pipeline, q, w.now) })
	}
	record := func(payload []byte) {
		w.tape = append(w.tape, input{
			kind: recovered, at: w.now, feed: uint8(feed), provider: uint8(k), payload: append([]byte(nil), payload...),
		})
	}
	var servers []recovery.Source
	for _, s := range p.servers {
		servers = append(servers, s)
	}
	p.snapshots, err = recovery.NewSnapshots(snapshotConfig(uint8(feed), w.cfg.Seed+uint64(k), record), p.pipeline, servers, p.loop.do)
	return err
}

// violationsMax is how many violations of a world are noted: most follow from the first.
const violationsMax = 6

// violate notes that something is not as it must be.
func (w *World) violate(format string, args ...any) {
	if len(w.report.Violations) < violationsMax {
		at := fmt.Sprintf("at %.3f s: ", float64(w.now-w.start)/1e9)
		w.report.Violations = append(w.report.Violations, at+fmt.Sprintf(format, args...))
	}
}

// Run lets the world's time pass and returns what happened. It can be called once.
func (w *World) Run() Report {
	defer func() {
		for _, f := range w.feeds {
			for _, p := range f.providers {
				p.snapshots.Close()
			}
		}
	}()
	for w.now < w.start+settled {
		w.step()
	}
	w.check.settled(w)
	for w.now < w.start+w.cfg.Storm {
		w.step()
	}
	w.healAll()
	for w.now < w.start+w.cfg.Storm+w.cfg.Calm {
		w.step()
	}
	for _, f := range w.feeds {
		f.venue.Pause()
	}
	for range 300 {
		w.step()
	}
	w.end()
	w.replay()
	w.report.Virtual = w.now - w.start + w.shape.late
	return w.report
}

func (w *World) sleep() {
	time.Sleep(time.Duration(grain))
	w.now = market.Nanos(time.Now().UnixNano())
}

// step is one grain of time.
func (w *World) step() {
	w.sleep()
	w.happen()
	for _, f := range w.feeds {
		sent, err := f.onTick(w.now)
		if err != nil {
			w.violate("venue: %v", err)
		}
		for _, payload := range sent {
			f.check.carried(w.now)
			for _, p := range f.providers {
				for _, l := range p.lines {
					l.send(w.now, payload, f.restarts)
				}
			}
		}
	}
	w.deliver()
	w.gate.onTick(w.now)
	w.publish()
	for _, f := range w.feeds {
		for _, p := range f.providers {
			p.loop.step()
			w.publish()
			p.snapshots.OnTick(w.now)
			w.publish()
		}
	}
	for _, f := range w.feeds {
		f.judge.OnTick(w.now)
		f.chooser.OnTick(w.now)
		w.publish()
		f.stream.Serve(w.now)
		w.publish()
		f.reader.poll()
	}
	w.check.onTick(w)
}

// publish makes what was appended to the ring visible.
func (w *World) publish() {
	if err := w.gate.publish(); err != nil {
		w.violate("%v", err)
	}
}

// deliver hands over everything that has arrived, in order of time.
func (w *World) deliver() {
	for {
		var best *path
		in := input{kind: datagram}
		look := func(l *path, feed, provider int, line arbiter.LineID) {
			if l.arrived(w.now) && (best == nil || l.queue[0].at < best.queue[0].at) {
				best, in.feed, in.provider, in.line = l, uint8(feed), uint8(provider), line
			}
		}
		for i, f := range w.feeds {
			for k, p := range f.providers {
				for line, l := range p.lines {
					look(l, i, k, arbiter.LineID(line))
				}
				for _, r := range p.resend {
					look(r.out, i, k, arbiter.LineR)
				}
			}
		}
		if best == nil {
			return
		}
		d := best.take()
		in.at, in.payload, w.starting = d.at, d.payload, d.start
		w.report.Datagrams++
		w.feeds[in.feed].providers[in.provider].heardAt = in.at
		w.tape = append(w.tape, in)
		w.gate.onDatagram(&in)
		w.publish()
	}
}

// replay gives the recorded inputs to another gateway, and compares what it publishes.
func (w *World) replay() {
	again, err := newGate(&w.shape, nil)
	if err != nil {
		w.violate("replay: %v", err)
		return
	}
	for i := range w.tape {
		if err := again.replay(&w.tape[i]); err != nil {
			w.violate("replay: %v", err)
			return
		}
	}
	again.onTick(w.now)
	if err := again.publish(); err != nil {
		w.violate("replay: %v", err)
	}
	if differ := w.gate.auditor.compare(again.auditor); len(differ) > 0 {
		w.violate("replay: %d records, live there were %d; these differ: %v", again.auditor.n, w.gate.auditor.n, differ)
	}
}

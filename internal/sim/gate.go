package sim

import (
	"fmt"

	"tidegate/arbiter"
	"tidegate/codec/dbn"
	"tidegate/gateway"
	"tidegate/gateway/providers"
	"tidegate/gateway/recovery"
	"tidegate/gateway/stream"
	"tidegate/internal/bus"
	"tidegate/internal/venue"
	"tidegate/market"
)

// midnight is that of every venue.
var midnight = venue.DefaultConfig(0).Midnight

// publishers are whose feeds there are, in order.
var publishers = [...]market.Publisher{market.NasdaqITCH, market.NasdaqBX}

// consolidatedFeed is the number of the consolidated dataset in the ring.
const consolidatedFeed = uint8(len(publishers))

// A gate is the production code of a world, from datagrams to the ring. A replay has one of its own.
type gate struct {
	ring         *bus.Ring
	consolidated *stream.Consolidated // nil where there is one feed
	feeds        []*gateFeed
	auditor      *auditor
}

// gateFeed is what the gateway has for one feed.
type gateFeed struct {
	stream    *stream.Stream
	chooser   *providers.Feed
	pipelines []*gateway.Pipeline
}

// newGate makes a gateway. wrap, if not nil, returns what stands between a pipeline and the feed's port.
func newGate(s *shape, wrap func(feed, provider int, port gateway.Sink) gateway.Sink) (*gate, error) {
	ring, err := bus.New(s.ring)
	if err != nil {
		return nil, err
	}
	g := &gate{ring: ring}
	if len(s.providers) > 1 {
		g.consolidated = stream.NewConsolidated(consolidatedFeed, ring)
	}
	for i, n := range s.providers {
		f := &gateFeed{}
		if f.stream, err = stream.New(stream.Config{Feed: uint8(i), Ring: ring, SnapshotOrders: s.refresh}); err != nil {
			return nil, err
		}
		cfg := providers.DefaultConfig(providerNames(i, n)...)
		cfg.SameIDs = true
		cfg.Lag.Window = lagWindow // so that a world is long enough to forget a clock that was set
		cfg.UnhealedAfter = unhealedAfter
		cfg.RefreshOrders = s.refresh
		if f.chooser, err = providers.New(cfg, f.stream, (*notices)(f.stream)); err != nil {
			return nil, err
		}
		f.stream.Attach(f.chooser)
		for k := range n {
			port := f.chooser.Port(k)
			if wrap != nil {
				port = wrap(i, k, port)
			}
			p, err := gateway.New(pipelineConfig(s, i), port)
			if err != nil {
				return nil, err
			}
			f.chooser.Attach(k, p)
			f.pipelines = append(f.pipelines, p)
		}
		g.feeds = append(g.feeds, f)
	}
	if c := g.consolidated; c != nil {
		for _, f := range g.feeds {
			if err := c.Join(f.stream); err != nil {
				return nil, err
			}
		}
		if err := c.Want(dbn.SchemaCMBP1); err != nil {
			return nil, err
		}
	}
	g.auditor, err = newAuditor(ring)
	return g, err
}

// Times of the gateway's configuration that checks go by.
const (
	staleAfter    = 50 * market.Millisecond
	silence       = 3 * market.Second
	unhealedAfter = 4 * market.Second
	lagWindow     = 3 * market.Second
	gapDeadline   = 50 * market.Millisecond
)

// providerNames returns the names of a feed's providers.
func providerNames(feed, n int) (names []string) {
	for k := range n {
		names = append(names, fmt.Sprintf("%c%d", 'p'+rune(feed), k))
	}
	return names
}

func pipelineConfig(s *shape, feed int) gateway.Config {
	cfg := gateway.DefaultConfig(gateway.ITCH)
	cfg.Publisher = publishers[feed]
	cfg.Midnight = midnight
	cfg.WithholdJoined = true
	cfg.Arbiter.WindowPacketsMax = s.window
	cfg.Arbiter.JoinGapMax = s.joinGap
	if s.servers > 0 {
		requests := arbiter.DefaultRequestConfig(s.servers)
		cfg.Retransmit = &requests
	}
	return cfg
}

// notices tells the stream what the feed has to say.
type notices stream.Stream

func (n *notices) OnSwitch(s providers.Switch) { (*stream.Stream)(n).Notify(s.At, s.String()) }

func (n *notices) OnStale(s providers.Staleness) {
	(*stream.Stream)(n).Notify(s.At, s.String())
	(*stream.Stream)(n).SetStale(s.At, s.Stale)
}

// An input is one thing that the gateway was given, as it is recorded.
type input struct {
	at       market.Nanos
	feed     uint8
	provider uint8
	line     arbiter.LineID
	kind     inputKind
	payload  []byte
}

type inputKind uint8

const (
	datagram  inputKind = iota
	recovered           // payload is as recovery.AppendInput wrote it
	decided             // payload is as providers.AppendDecision wrote it
)

// onTick lets time pass for every pipeline, as before any input: so it makes no difference in which order the
// deadlines of different feeds and what comes in are looked at.
func (g *gate) onTick(now market.Nanos) {
	for _, f := range g.feeds {
		for _, p := range f.pipelines {
			p.OnTick(now)
		}
	}
}

// onDatagram takes a datagram.
func (g *gate) onDatagram(in *input) {
	g.onTick(in.at)
	g.feeds[in.feed].pipelines[in.provider].OnDatagram(in.line, in.at, in.payload)
}

// publish makes what was appended to the ring visible.
func (g *gate) publish() error {
	g.ring.Publish()
	return g.auditor.poll()
}

// replay takes a recorded input.
func (g *gate) replay(in *input) error {
	switch in.kind {
	case datagram:
		g.onDatagram(in)
	case recovered:
		feed, r, ok := recovery.ParseInput(in.payload)
		if !ok {
			return fmt.Errorf("input of recovery % x: cannot be read", in.payload[:min(len(in.payload), 32)])
		}
		g.onTick(in.at)
		_ = recovery.Apply(g.feeds[feed].pipelines[in.provider], r) // what fails, failed live
	case decided:
		feed, d, ok := providers.ParseDecision(in.payload)
		if !ok {
			return fmt.Errorf("decision % x: cannot be read", in.payload)
		}
		g.onTick(in.at)
		g.feeds[feed].chooser.Apply(d)
	}
	return g.publish()
}

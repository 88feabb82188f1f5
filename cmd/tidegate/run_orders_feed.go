//go:build linux

package main

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"tidegate/arbiter"
	"tidegate/codec/moldudp64"
	"tidegate/gateway"
	"tidegate/gateway/config"
	"tidegate/gateway/lines"
	"tidegate/gateway/recorded"
	wallclock "tidegate/internal/clock"
	"tidegate/market"
)

// The gateway's own market is a feed like others: ITCH 5.0 messages, in MoldUDP64 packets, that come to the
// ingest loop by no socket. So its books are rebuilt, and subscribers served, as those of any venue.

// ownAddress is where the line of the own feed comes from, in the place of a host and a port.
const ownAddress = "(orders)"

// ownSession is the MoldUDP64 session of the own feed.
const ownSession = "TIDEGATE"

// withOwnFeed adds the feed of the gateway's own market to a configuration that wants it.
func withOwnFeed(cfg *config.Config) *config.Config {
	if cfg.Orders.Dir == "" || !cfg.Orders.Publish {
		return cfg
	}
	c := *cfg
	c.Feeds = append(append([]config.Feed(nil), cfg.Feeds...), config.Feed{
		Name: "orders", Protocol: gateway.ITCH, Publisher: market.Own, GapDeadline: config.GapDeadlineDefault,
		StaleAfter: config.StaleAfterDefault, Silence: config.SilenceDefault, FailBack: config.FailBackDefault,
		Providers: []config.Provider{{Name: "orders", TCP: config.TCPLine{ID: arbiter.LineA, Address: ownAddress}}},
	})
	return &c
}

// own reports whether this is the feed of the gateway's own market.
func (f *liveFeed) own() bool { return f.cfg.Providers[0].TCP.Address == ownAddress }

// ownFeed returns the feed of the gateway's own market, nil if there is none.
func (g *liveGateway) ownFeed() *liveFeed {
	for _, f := range g.feeds {
		if f.own() {
			return f
		}
	}
	return nil
}

// An ownFeed brings messages to the ingest loop.
type ownFeed struct {
	loop     *lines.Loop
	pipeline *gateway.Pipeline
	dst      netip.AddrPort
	session  moldudp64.Session
	ticker   *time.Ticker
	ended    chan struct{}
	stop     chan struct{}

	mu      sync.Mutex // of the rest
	room    sync.Cond  // there is less to take
	bytes   []byte     // messages, one behind the other
	ends    []int      // of each of them in bytes
	first   uint64     // number of the first
	next    uint64     // number of the next message
	taken   ownBatch   // memory that the loop uses; changes place with bytes and ends
	asked   bool       // the loop is going to take them
	stopped bool       // the loop takes nothing any more

	builder moldudp64.Builder // of the loop
	empty   []byte
}

// An ownBatch is memory for messages.
type ownBatch struct {
	bytes []byte
	ends  []int
}

const (
	ownPacketMax = 1400    // bytes of a packet
	ownWaitMax   = 4 << 20 // bytes that may wait for the loop; then the market waits
	ownBeatEvery = time.Second
)

func newOwnFeed(loop *lines.Loop, f *liveFeed) *ownFeed {
	session, err := moldudp64.ParseSession(ownSession)
	if err != nil {
		panic(err) // a constant
	}
	o := &ownFeed{
		loop: loop, pipeline: f.channels[0].lines.Pipeline, dst: recorded.LineAddr(f.channelNumber(0)), session: session,
		ticker: time.NewTicker(ownBeatEvery), ended: make(chan struct{}), stop: make(chan struct{}), next: 1,
	}
	o.room.L = &o.mu
	go o.beat()
	return o
}

// add takes a message with its number. It waits while the loop is far behind, unless that has ended.
func (o *ownFeed) add(number uint64, message []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.bytes) > ownWaitMax && !o.stopped {
		o.room.Wait()
	}
	if len(o.ends) == 0 {
		o.first = number
	}
	o.bytes = append(o.bytes, message...)
	o.ends = append(o.ends, len(o.bytes))
	o.next = number + 1
	o.ask()
}

// ask has the loop take what waits. The caller holds mu.
func (o *ownFeed) ask() {
	if !o.asked {
		o.asked = o.loop.Do(o.take) == nil
		o.stopped = !o.asked
	}
}

// take brings to the pipeline what waits. It is called on the loop.
func (o *ownFeed) take() {
	o.mu.Lock()
	o.asked = false
	first, next := o.first, o.next
	batch := ownBatch{o.bytes, o.ends}
	o.bytes, o.ends = o.taken.bytes[:0], o.taken.ends[:0]
	o.taken = batch
	o.room.Broadcast()
	o.mu.Unlock()
	now := wallclock.Now()
	if len(batch.ends) == 0 {
		o.empty = moldudp64.AppendHeartbeat(o.empty[:0], o.session, next)
		o.deliver(now, o.empty)
		return
	}
	o.builder.Reset(o.session, first, ownPacketMax)
	from := 0
	for i, end := range batch.ends {
		if !o.builder.Append(batch.bytes[from:end]) {
			o.deliver(now, o.builder.Bytes())
			o.builder.Reset(o.session, first+uint64(i), ownPacketMax)
			o.builder.Append(batch.bytes[from:end])
		}
		from = end
	}
	o.deliver(now, o.builder.Bytes())
}

func (o *ownFeed) deliver(now market.Nanos, packet []byte) {
	o.loop.Deliver(o.pipeline, arbiter.LineA, o.dst, now, packet)
}

// beat says that the feed lives, when there is nothing else to say, until close.
func (o *ownFeed) beat() {
	defer close(o.ended)
	for {
		select {
		case <-o.ticker.C:
		case <-o.stop:
			return
		}
		o.mu.Lock()
		if len(o.ends) == 0 {
			o.ask()
		}
		o.mu.Unlock()
	}
}

// close waits until the loop has what there was, or ctx ends. The market has ended.
func (o *ownFeed) close(ctx context.Context) {
	close(o.stop)
	<-o.ended
	o.ticker.Stop()
	_ = o.loop.Call(ctx, o.take)
}

//go:build linux

package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"tidegate/codec/dbn"
	"tidegate/gateway/orders"
	"tidegate/gateway/stream"
	"tidegate/internal/bus"
	wallclock "tidegate/internal/clock"
	"tidegate/market"
)

// references brings the consolidated quotes to the market: those that the gateway publishes itself, so that
// what its judges leave out because it is stale is left out here at the same moment.
//
// A quote is as old as the ingest loop's last sign of life, as long as its feeds are fresh: a market in which
// nothing happens is not stale, and a gateway that hangs is.
type references struct {
	gate    *orders.Gate
	ring    *bus.Ring
	reader  *bus.Reader
	feed    uint8
	lookup  *stream.Lookup
	follows map[string][]market.InstrumentID // by symbol
	quotes  map[market.InstrumentID]*refQuote
	woken   chan struct{}
	ended   chan struct{}
	every   time.Duration
	alive   atomic.Int64 // market.Nanos: the ingest loop's last tick
}

// A refQuote is the quote that an instrument follows.
type refQuote struct {
	bid, ask market.Price
	fresh    bool
	at       market.Nanos
}

// follow begins to bring quotes, if instruments follow any.
func (o *liveOrders) follow(g *liveGateway, follows map[string][]market.InstrumentID) error {
	if len(follows) == 0 {
		return nil
	}
	r := &references{
		gate: o.gate, ring: g.ring, feed: uint8(len(g.feeds)), lookup: stream.NewLookup(g.consolidated.Directory()),
		follows: follows, quotes: make(map[market.InstrumentID]*refQuote), woken: make(chan struct{}, 1), ended: make(chan struct{}),
		every: time.Hour,
	}
	for _, in := range g.cfg.Orders.Instruments {
		if in.Reference != "" { // often enough that a quote that is good does not grow too old
			r.every = min(r.every, max(in.ReferenceAge/4, 2*time.Millisecond))
		}
	}
	var err error
	if r.reader, err = g.ring.NewReader(r.wake); err != nil {
		return err
	}
	if err := g.wantQuotes(); err != nil {
		r.reader.Close()
		return err
	}
	g.refs.Store(r)
	o.refs = r
	ctx, cancel := context.WithCancel(context.Background())
	o.endRefs = cancel
	go r.run(ctx)
	return nil
}

// wantQuotes has the consolidated quotes published, whether somebody has subscribed or not.
func (g *liveGateway) wantQuotes() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopMax)
	defer cancel()
	var wantErr error
	if err := g.loop.Call(ctx, func() { wantErr = g.consolidated.Want(dbn.SchemaCMBP1) }); err != nil {
		return fmt.Errorf("follow consolidated quotes: %w", err)
	}
	return wantErr
}

// wake is called by the ingest loop when there is more to read.
func (r *references) wake() {
	select {
	case r.woken <- struct{}{}:
	default:
	}
}

// onTick notes that the ingest loop lives. It calls it.
func (r *references) onTick(now market.Nanos) { r.alive.Store(int64(now)) }

// run follows the quotes until ctx ends.
func (r *references) run(ctx context.Context) {
	defer close(r.ended)
	defer r.reader.Close()
	r.reader.Seek(r.ring.Newest())
	again := time.NewTicker(r.every)
	defer again.Stop()
	for {
		r.read()
		if !r.reader.Sleep() {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-r.woken:
		case <-again.C:
			r.renew()
		}
	}
}

// read takes what was published.
func (r *references) read() {
	var e bus.Entry
	for {
		switch r.reader.Next(&e) {
		case bus.Empty:
			return
		case bus.Lapped:
			// What was said meanwhile nobody knows: nothing can be trusted before it is said anew.
			r.reader.Skip(r.ring.Newest())
			for id, q := range r.quotes {
				q.bid, q.ask, q.fresh = market.UndefPrice, market.UndefPrice, false
				r.tell(id, q)
			}
		case bus.Ready:
			if e.Feed == r.feed && e.Kind == stream.Record && dbn.Schema(e.Schema) == dbn.SchemaCMBP1 {
				r.take(&e)
			}
		}
	}
}

// take takes the quotes of an entry.
func (r *references) take(e *bus.Entry) {
	symbol, ok := r.lookup.Symbol(e.Instrument)
	if !ok {
		r.lookup.Sync()
		if symbol, ok = r.lookup.Symbol(e.Instrument); !ok {
			return
		}
	}
	follows := r.follows[symbol]
	if len(follows) == 0 {
		return
	}
	level, ok := lastLevel(e.Payload)
	if !ok {
		return
	}
	for _, id := range follows {
		q := r.quotes[id]
		if q == nil {
			q = &refQuote{}
			r.quotes[id] = q
		}
		q.bid, q.ask = level.BidPrice, level.AskPrice
		q.fresh = q.bid.Defined() || q.ask.Defined()
		r.tell(id, q)
	}
}

// lastLevel returns the level of the last record of a payload.
func lastLevel(payload []byte) (level dbn.ConsolidatedLevel, ok bool) {
	for len(payload) > 0 {
		rec, err := dbn.ParseRecord(payload, dbn.Version, false)
		var m dbn.CMBP1
		if err != nil || m.Parse(rec) != nil {
			return level, ok
		}
		level, ok = m.Level, true
		payload = payload[len(rec.Raw()):]
	}
	return level, ok
}

// tell gives a quote to the market.
func (r *references) tell(id market.InstrumentID, q *refQuote) {
	q.at = max(q.at, min(market.Nanos(r.alive.Load()), wallclock.Now()))
	r.gate.Reference(id, q.bid, q.ask, q.fresh, q.at)
}

// renew says again what still holds, so that it does not grow old. Where the ingest loop gave no sign of life
// since, it does.
func (r *references) renew() {
	alive := market.Nanos(r.alive.Load())
	for id, q := range r.quotes {
		if q.fresh && alive > q.at {
			r.tell(id, q)
		}
	}
}

package orders

import (
	"context"
	"sync"
	"sync/atomic"

	"tidegate/sinks/journal"
)

// A publisher lets reports out when what they say is durable: into the streams of sessions and accounts, to the
// recorder, and as ITCH messages. It is the only one who wakes links.
type publisher struct {
	gate      *Gate
	in        *ring[Report]
	log       *journal.Journal
	recorder  *recorder
	message   []byte
	touched   []func() // whom to wake; whoever reports go to in turns is there more than once
	last      uint64   // stream of the last of them
	failed    bool
	admission *admission

	parked atomic.Bool
	wake   chan struct{}
	ctx    context.Context // ends when nobody waits for the disk any longer
	ended  chan struct{}
}

func newPublisher(ctx context.Context, g *Gate, log *journal.Journal, r *recorder) *publisher {
	return &publisher{gate: g, log: log, recorder: r, ctx: ctx, wake: make(chan struct{}, 1), ended: make(chan struct{})}
}

func (p *publisher) unpark() {
	if p.parked.Load() && p.parked.Swap(false) {
		select {
		case p.wake <- struct{}{}:
		default:
		}
	}
}

// run publishes until the admission loop has ended and everything is published, or ctx ends.
func (p *publisher) run() {
	defer close(p.ended)
	for idle := 0; ; {
		n, more := p.pass()
		switch {
		case n > 0:
			idle = 0
			continue
		case more > 0:
			if p.log.WaitDurable(p.ctx, more) != nil {
				return
			}
			idle = 0
			continue
		}
		if idle++; idle < idleLooks {
			continue
		}
		p.parked.Store(true)
		if p.in.first() != nil || p.admission.settled.Load() > p.gate.published.load() {
			p.parked.Store(false)
			idle = 0
			continue
		}
		select {
		case <-p.wake:
		case <-p.admission.ended:
			p.parked.Store(false)
			if p.in.first() == nil && p.admission.settled.Load() == p.gate.published.load() {
				return
			}
		}
		p.parked.Store(false)
	}
}

// pass publishes what may be published. more is the index that has to become durable before the next, 0 if there
// is no next.
func (p *publisher) pass() (n int, more uint64) {
	settled := p.admission.settled.Load()
	durable := ^uint64(0)
	if !p.gate.cfg.Relaxed {
		durable = p.log.DurableIndex()
	}
	for r := p.in.first(); r != nil; r = p.in.first() {
		if r.Index > durable {
			more = r.Index
			break
		}
		p.publish(r)
		p.in.pop()
		if n++; n == 256 {
			break // let the links know
		}
	}
	for _, wake := range p.touched {
		wake()
	}
	p.touched, p.last = p.touched[:0], 0
	if n < 256 {
		upTo := min(settled, durable)
		if more != 0 {
			upTo = min(upTo, more-1)
		}
		if upTo > p.gate.published.load() {
			p.gate.published.set(upTo)
			n++
		}
		if more == 0 && settled > durable {
			more = settled
		}
	}
	return n, more
}

// publish lets a report out. One that was out before a restart is let out again, and changes nothing.
func (p *publisher) publish(r *Report) {
	if r.Number != 0 {
		p.append(sessionStream(r.To), r, r.Number)
	}
	if r.AccountNumber != 0 {
		p.append(accountStream(AccountID(r.Event.Account)), r, r.AccountNumber)
	}
	p.recorder.hand(r)
	if r.Message == 0 {
		return
	}
	in := p.gate.defined[r.Event.Instrument].Load()
	n := r.MessageCount(in)
	for k := 0; k < n && p.gate.cfg.MarketData != nil; k++ {
		p.message = r.AppendMessage(p.message[:0], k, in, p.gate.cfg.Midnight)
		p.gate.cfg.MarketData(r.Message+uint64(k), p.message)
	}
	p.gate.messages.Store(r.Message + uint64(n) - 1)
}

func (p *publisher) append(key uint64, r *Report, number uint64) {
	wake, err := p.gate.store.streams[key].append(r, number)
	if err != nil && !p.failed {
		// What is in memory stays readable, and the log has everything.
		p.failed = true
		p.gate.notify(err.Error(), true)
	}
	if wake != nil && key != p.last {
		p.touched = append(p.touched, wake)
		p.last = key
	}
}

// progress is how far something has come, for those who wait.
type progress struct {
	at      atomic.Uint64
	mu      sync.Mutex
	waiters map[chan struct{}]uint64
	ended   bool
}

func (p *progress) load() uint64 { return p.at.Load() }

func (p *progress) set(at uint64) {
	p.at.Store(at)
	p.mu.Lock()
	defer p.mu.Unlock()
	for c, want := range p.waiters {
		if want <= at {
			delete(p.waiters, c)
			close(c)
		}
	}
}

// end lets everybody go.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	for c := range p.waiters {
		delete(p.waiters, c)
		close(c)
	}
}

func (p *progress) wait(ctx context.Context, want uint64) error {
	c := make(chan struct{})
	p.mu.Lock()
	switch {
	case p.at.Load() >= want:
		p.mu.Unlock()
		return nil
	case p.ended:
		p.mu.Unlock()
		return ErrClosed
	}
	if p.waiters == nil {
		p.waiters = map[chan struct{}]uint64{}
	}
	p.waiters[c] = want
	p.mu.Unlock()
	select {
	case <-c:
		if p.at.Load() < want {
			return ErrClosed
		}
		return nil
	case <-ctx.Done():
		p.mu.Lock()
		delete(p.waiters, c)
		p.mu.Unlock()
		return ctx.Err()
	}
}

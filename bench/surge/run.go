package surge

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"tidegate/codec/ouch50"
	"tidegate/internal/clock"
	"tidegate/market"
)

// pace is how long a sender rests before it looks what is due.
const pace = time.Millisecond

// Prices: normal orders and those of high notional rest; nobody sells.
const (
	normalPrice = ouch50.Price(10_0000)
	cancelPrice = ouch50.Price(9_0000)
	highPrice   = ouch50.Price(8_0000)
)

// Run measures. hash is that of Password.
func Run(ctx context.Context, o Options, hash string) (*Result, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	r := &Result{Rate: o.Rate, Urgent: o.Urgent, Accounts: o.Accounts, Seconds: o.Duration.Seconds(), MatchingLoops: o.Loops, Machine: machine()}
	for _, relaxed := range o.Relaxed {
		for _, m := range o.Multiples {
			o.Progress(fmt.Sprintf("%s, %dx: %d normal orders a second for %v", durability(relaxed), m, m*o.Rate, o.Duration))
			run, err := measure(ctx, &o, hash, relaxed, m)
			if err != nil {
				return nil, fmt.Errorf("%s, %dx: %w", durability(relaxed), m, err)
			}
			r.Runs = append(r.Runs, *run)
		}
	}
	return r, nil
}

// Password is what users of the measured gateway log in with.
const Password = password

func durability(relaxed bool) string {
	if relaxed {
		return "relaxed"
	}
	return "journaled"
}

func measure(ctx context.Context, o *Options, hash string, relaxed bool, multiple int) (*RunResult, error) {
	dir, err := os.MkdirTemp("", "tidegate-surge-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	config, err := writeConfig(dir, hash, o, relaxed)
	if err != nil {
		return nil, err
	}
	g, err := startGateway(ctx, o.Binary, config)
	if err != nil {
		return nil, err
	}
	defer func() { g.kill() }()
	var all []*client
	for _, name := range userNames(o) {
		c, err := dial(ctx, g.addr, name, refsOf(o, multiple))
		if err != nil {
			return nil, err
		}
		go c.read() // ends with the connection
		all = append(all, c)
	}
	if err := prepare(ctx, all[0], o); err != nil {
		return nil, err
	}
	sent, err := load(ctx, all, o, multiple)
	if err != nil {
		return nil, err
	}
	run := &RunResult{Durability: durability(relaxed), Multiple: multiple, MemoryBytes: g.memory()}
	g.kill()
	for _, c := range all {
		c.close()
	}
	run.add("cancels", all[:1], sent[:1])
	run.add("high_notional", all[1:2], sent[1:2])
	run.add("normal", all[2:], sent[2:])
	// Nothing that was acknowledged is lost.
	if g, err = startGateway(ctx, o.Binary, config); err != nil {
		return nil, fmt.Errorf("after a kill: %w", err)
	}
	for _, c := range all {
		lost, err := compare(ctx, g.addr, c)
		if err != nil {
			return nil, err
		}
		run.Lost += lost
	}
	return run, nil
}

// refsOf returns how many numbers of orders a client needs at most.
func refsOf(o *Options, multiple int) int {
	seconds := o.Duration.Seconds() + 1
	return 1000 + int(2*seconds*max(float64(o.Urgent), float64(o.Rate*multiple)/float64(o.Accounts)))
}

// prepare has the orders rest that are canceled later.
func prepare(ctx context.Context, c *client, o *Options) error {
	want := int(float64(o.Urgent)*o.Duration.Seconds()) + o.Urgent
	for n := 0; n < want; {
		for range min(100, want-n) {
			c.order(1, cancelPrice, clock.Now())
			n++
		}
		if err := c.flush(); err != nil {
			return err
		}
		if err := until(ctx, func() bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			return len(c.live) == n
		}); err != nil {
			return fmt.Errorf("orders to be canceled: %w", err)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.accepted.Reset()
	c.refused.Reset()
	c.answered.Store(0)
	return nil
}

// until waits until something is so.
func until(ctx context.Context, is func() bool) error {
	for deadline := time.Now().Add(startMax); !is(); time.Sleep(pace) {
		if time.Now().After(deadline) {
			return errors.New("not in time")
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// load sends for the duration, and waits for answers. It returns how many requests each client has sent.
func load(ctx context.Context, all []*client, o *Options, multiple int) (sent []int64, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	sent = make([]int64, len(all))
	errs := make([]error, len(all))
	begin := clock.Now() + 50*market.Millisecond
	end := begin + market.Nanos(o.Duration)
	var wg sync.WaitGroup
	for i, c := range all {
		rate, add := float64(o.Urgent), c.order
		var args struct {
			size  uint32
			price ouch50.Price
		}
		switch i {
		case 0:
			c.mu.Lock()
			live := c.live
			c.mu.Unlock()
			next := 0
			add = func(_ uint32, _ ouch50.Price, due market.Nanos) {
				c.cancel(live[next], due)
				next++
			}
		case 1:
			args.size, args.price = highSize, highPrice
		default:
			rate, args.size, args.price = float64(o.Rate*multiple)/float64(o.Accounts), 1, normalPrice
		}
		wg.Go(func() {
			sent[i], errs[i] = c.send(ctx, begin, end, rate, func(due market.Nanos) { add(args.size, args.price, due) })
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	// What was taken is answered; what is not answered after a while shows in the result.
	_ = until(ctx, func() bool {
		for i, c := range all {
			if c.answered.Load() < sent[i] {
				return false
			}
		}
		return true
	})
	return sent, ctx.Err()
}

// send adds a request whenever one is due, and sends what was added every pace.
func (c *client) send(ctx context.Context, begin, end market.Nanos, perSecond float64, add func(due market.Nanos)) (n int64, err error) {
	every := float64(market.Second) / perSecond
	tick := time.NewTicker(pace)
	defer tick.Stop()
	beat := begin
	for {
		now := clock.Now()
		for due := begin + market.Nanos(float64(n)*every); due <= now && due < end && int(c.ref) < len(c.due)-1; due = begin + market.Nanos(float64(n)*every) {
			add(due)
			n++
		}
		if err := c.flush(); err != nil {
			return n, fmt.Errorf("%s sends: %w", c.name, err)
		}
		if now >= end {
			return n, nil
		}
		if now-beat > market.Second {
			beat = now
			if err := c.beat(); err != nil {
				return n, err
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return n, ctx.Err()
		case <-c.ended:
			return n, fmt.Errorf("%s lost its connection", c.name)
		}
	}
}

// compare reads again what a client has heard, and returns how many messages are not there, or others.
func compare(ctx context.Context, addr string, before *client) (lost uint64, err error) {
	if before.messages == 0 {
		return 0, nil
	}
	c, err := dial(ctx, addr, before.name, 1)
	if err != nil {
		return 0, err
	}
	defer c.conn.Close()
	_ = c.conn.SetReadDeadline(time.Now().Add(startMax))
	for {
		for e, ok := c.soup.Poll(); ok; e, ok = c.soup.Poll() {
			if e.Seq == 0 || len(e.Payload) < 13 {
				continue
			}
			c.messages++
			c.fold(e.Payload)
			if c.messages == before.messages {
				if c.sum != before.sum {
					return before.messages, nil
				}
				return 0, nil
			}
		}
		n, err := c.conn.Read(c.soup.Room())
		c.soup.Read(n, clock.Now())
		if err != nil {
			return before.messages - c.messages, nil
		}
	}
}

package recovery

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"tidegate/arbiter"
	pitchrecovery "tidegate/codec/pitch/recovery"
	"tidegate/codec/sequnit"
	"tidegate/internal/clock"
	"tidegate/internal/soup"
)

// A GapProxy says how one of Cboe's gap request proxies is called.
type GapProxy struct {
	Address     string // host:port
	Session     pitchrecovery.Config
	DialTimeout time.Duration
	// After a connection that broke, the next one waits for BackoffMin, then twice as long each time, up to
	// BackoffMax, less a random part of up to a half. One that was let in begins anew with BackoffMin. After a
	// login that was refused it is BackoffMax at once: what is wrong takes a person, or another session's end, to
	// change, and too many logins can have a user locked out.
	BackoffMin, BackoffMax time.Duration
	Dial                   soup.DialFunc // nil is a net.Dialer
}

// NewGapProxy returns a proxy with the protocol's own times.
func NewGapProxy(address, sessionSubID, username, password string) GapProxy {
	c := pitchrecovery.DefaultConfig()
	c.SessionSubID, c.Username, c.Password = sessionSubID, username, password
	return GapProxy{
		Address: address, Session: c, DialTimeout: 2 * time.Second,
		BackoffMin: 100 * time.Millisecond, BackoffMax: 15 * time.Second,
	}
}

// Validate reports the first thing that is wrong, and what is expected instead.
func (p *GapProxy) Validate() error {
	if p.BackoffMin < time.Millisecond || p.BackoffMax < p.BackoffMin {
		return fmt.Errorf("back-off %v to %v: want 1 ms at least, and the larger one last", p.BackoffMin, p.BackoffMax)
	}
	return validUnit(p.Address, p.DialTimeout, p.Session)
}

// PitchGaps asks gap request proxies for what a PITCH channel has lost. What to ask for, when, and which proxy,
// is an arbiter.Requester's to say, in the pipeline of the channel; what was accepted comes by multicast, on the
// groups for retransmission, as the channel's line R.
//
//	gaps, err := recovery.NewPitchGaps(proxies)
//	go gaps.Run(ctx)
//	pipeline.SendRequests(gaps.Send)
//
// The pipeline needs a Config.Retransmit with as many servers. Its times are those of a session that is open: a
// request is a few milliseconds on its way, and so is the answer. Proxies bound the requests of a second and of
// a day: see pitchrecovery.GapStatus.
type PitchGaps struct {
	proxies []*proxy
}

// NewPitchGaps returns what asks proxies. Their order is that of the requester's servers. Nothing is connected
// before Run.
func NewPitchGaps(proxies []GapProxy) (*PitchGaps, error) {
	if len(proxies) == 0 || len(proxies) > arbiter.ServersMax {
		return nil, fmt.Errorf("gap requests: %d proxies: want 1 to %d", len(proxies), arbiter.ServersMax)
	}
	g := &PitchGaps{}
	for i := range proxies {
		if err := proxies[i].Validate(); err != nil {
			return nil, fmt.Errorf("gap requests: proxy %s: %w", proxies[i].Address, err)
		}
		g.proxies = append(g.proxies, &proxy{
			cfg: proxies[i], requests: make(chan pitchrecovery.GapRequest, pitchrecovery.RequestsMax),
			counts: GapCounts{Address: proxies[i].Address},
		})
	}
	return g, nil
}

// Send hands a request to its proxy. It is asked about the unit that the request's session is named by. Send does
// not wait: where there is no session with the proxy, or too many requests wait for it, the request is counted and
// forgotten, and its silence has the next proxy asked. It is for gateway.Pipeline.SendRequests.
func (g *PitchGaps) Send(q arbiter.Request) {
	unit, _, _ := q.Session.Numbers()
	g.proxies[q.Server].send(pitchrecovery.GapRequest{Unit: uint8(unit), Seq: uint32(q.Seq), Count: uint16(q.Count)})
}

// Run keeps a session with each proxy until ctx ends. It is called once. When it returns, all connections are
// closed and nothing runs on.
func (g *PitchGaps) Run(ctx context.Context) {
	var running sync.WaitGroup
	for _, p := range g.proxies {
		running.Go(func() { p.run(ctx) })
	}
	running.Wait()
}

// GapCounts says what became of the requests to one proxy. Requests is the sum of Accepted, Refused, Unanswered,
// Lost and Unsent, and of those that are under way.
type GapCounts struct {
	Address       string `json:"address"`
	Ready         bool   `json:"ready"` // there is a session
	Requests      uint64 `json:"requests"`
	Accepted      uint64 `json:"accepted"`
	Refused       uint64 `json:"refused"`
	Unanswered    uint64 `json:"unanswered"`
	Lost          uint64 `json:"lost"`                  // with their session
	Unsent        uint64 `json:"unsent"`                // because there was no session, or too much to send
	Dials         uint64 `json:"dials"`                 // connections tried
	Logins        uint64 `json:"logins"`                // that were accepted
	LoginsRefused uint64 `json:"logins_refused"`        // that were not
	LastStatus    string `json:"last_status,omitempty"` // of the last request that was not accepted
	LastError     string `json:"last_error,omitempty"`  // with which the last session ended
}

// Counts returns a copy of the counters, by proxy. Any goroutine may call it.
func (g *PitchGaps) Counts() (all []GapCounts) {
	for _, p := range g.proxies {
		p.mu.Lock()
		all = append(all, p.counts)
		p.mu.Unlock()
	}
	return all
}

// proxy is one server, with one session at a time.
type proxy struct {
	cfg      GapProxy
	requests chan pitchrecovery.GapRequest

	mu     sync.Mutex
	counts GapCounts
}

func (p *proxy) count(change func(*GapCounts)) {
	p.mu.Lock()
	change(&p.counts)
	p.mu.Unlock()
}

func (p *proxy) send(r pitchrecovery.GapRequest) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts.Requests++
	if p.counts.Ready {
		select {
		case p.requests <- r:
			return
		default:
		}
	}
	p.counts.Unsent++
}

// run keeps a session until ctx ends.
func (p *proxy) run(ctx context.Context) {
	for vain := 0; ; vain++ {
		logins := p.counts.Logins
		err := p.session(ctx)
		refused := errors.Is(err, pitchrecovery.ErrRefused)
		p.count(func(c *GapCounts) {
			c.Ready, c.LastError = false, err.Error()
			if refused {
				c.LoginsRefused++
			}
			for n := len(p.requests); n > 0; n-- { // nobody waits for these any more
				<-p.requests
				c.Unsent++
			}
		})
		if p.counts.Logins > logins {
			vain = 0
		}
		d := p.cfg.BackoffMax
		if vain < 30 && !refused {
			d = min(d, p.cfg.BackoffMin<<vain)
		}
		if pause(ctx, d-rand.N(d/2+1)) != nil {
			return
		}
	}
}

// pause waits, but no longer than ctx.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// session makes one connection and asks on it until it breaks or ctx ends.
func (p *proxy) session(ctx context.Context) error {
	p.count(func(c *GapCounts) { c.Dials++ })
	conn, err := dialUnit(ctx, p.cfg.Dial, p.cfg.Address, p.cfg.DialTimeout)
	if err != nil {
		return err
	}
	client, err := pitchrecovery.NewGapClient(p.cfg.Session, clock.Now())
	if err != nil {
		conn.conn.Close()
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	heard := make(chan []byte)
	var reading sync.WaitGroup
	var broken error
	reading.Go(func() {
		defer close(heard)
		broken = conn.listen(ctx, heard)
	})
	err = p.talk(ctx, conn, client, heard)
	cancel()
	conn.conn.Close()
	reading.Wait()
	if err == nil {
		err = broken
	}
	p.count(func(c *GapCounts) { c.Lost += uint64(client.Lost()) })
	return err
}

// listen hands on the messages of each packet as they come, until the connection breaks or ctx ends.
func (c *unitConn) listen(ctx context.Context, heard chan<- []byte) error {
	for {
		p, ok, err := c.packet()
		switch {
		case err != nil:
			return err
		case !ok:
			if err := c.read(); err != nil {
				return err
			}
			continue
		}
		select {
		case heard <- append([]byte(nil), p.Messages...):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// talk asks, until the session fails, the connection breaks (then it returns nil) or ctx ends.
func (p *proxy) talk(ctx context.Context, conn *unitConn, client *pitchrecovery.GapClient, heard <-chan []byte) error {
	tick := time.NewTicker(unitPause)
	defer tick.Stop()
	for {
		now := clock.Now()
		client.OnTick(now)
		p.settle(client)
		if client.State() == pitchrecovery.Failed {
			return client.Err()
		}
		for msg, ok := client.Next(now); ok; msg, ok = client.Next(now) {
			if err := conn.send(msg); err != nil {
				return err
			}
		}
		select {
		case block, ok := <-heard:
			if !ok {
				return nil
			}
			now = clock.Now()
			client.OnPacket(now)
			for len(block) > 0 {
				var msg []byte
				msg, block = sequnit.Next(block)
				client.OnMessage(msg, now)
			}
		case r := <-p.requests:
			if client.Request(r, clock.Now()) != nil {
				p.count(func(c *GapCounts) { c.Unsent++ })
			}
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// settle counts what became of requests, and of the login.
func (p *proxy) settle(client *pitchrecovery.GapClient) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := &p.counts
	if ready := client.State() == pitchrecovery.Ready; ready != c.Ready {
		if c.Ready = ready; ready {
			c.Logins++
		}
	}
	for o, ok := client.Outcome(); ok; o, ok = client.Outcome() {
		switch o.Status {
		case pitchrecovery.GapAccepted:
			c.Accepted++
			continue
		case pitchrecovery.GapUnanswered:
			c.Unanswered++
		default:
			c.Refused++
		}
		c.LastStatus = o.Status.String()
	}
}

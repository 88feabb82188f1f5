package soup

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"tidegate/codec/soupbintcp"
	"tidegate/internal/clock"
	"tidegate/market"
)

// DialFunc makes a connection, as net.Dialer.DialContext does.
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// A Config says where a feed comes from, and how hard to try.
type Config struct {
	Address     string // host:port
	Client      soupbintcp.ClientConfig
	DialTimeout time.Duration // for a connection to come about
	// After a connection that broke, the next one waits for BackoffMin, then twice as long each time, up
	// to BackoffMax, less a random part of up to a half. A connection that brought a message, or lasted
	// for BackoffMax, begins anew with BackoffMin.
	BackoffMin, BackoffMax time.Duration
	// AttemptsMax is how many connections in a row may come to nothing, in that sense, before Run gives
	// up. 0 is no limit.
	AttemptsMax int
	// NextSession goes on with the next session when one has ended.
	NextSession bool
	// Dial makes connections. nil is a net.Dialer.
	Dial DialFunc
}

// DefaultConfig returns a feed that begins with the first message of the active session and does not
// give up.
func DefaultConfig(address, username, password string) Config {
	return Config{
		Address: address, Client: soupbintcp.DefaultClientConfig(username, password),
		DialTimeout: 5 * time.Second, BackoffMin: 100 * time.Millisecond, BackoffMax: 15 * time.Second,
	}
}

// Validate reports the first thing that is wrong, and what is expected instead.
func (c *Config) Validate() error {
	if _, _, err := net.SplitHostPort(c.Address); err != nil {
		return fmt.Errorf("address %q: want host:port: %w", c.Address, err)
	}
	if c.DialTimeout <= 0 {
		return fmt.Errorf("dial timeout %v: want more than 0", c.DialTimeout)
	}
	if c.BackoffMin < time.Millisecond || c.BackoffMax < c.BackoffMin {
		return fmt.Errorf("back-off %v to %v: want 1 ms at least, and the larger one last", c.BackoffMin, c.BackoffMax)
	}
	if c.AttemptsMax < 0 {
		return fmt.Errorf("attempts max %d: want 0 for no limit, or more", c.AttemptsMax)
	}
	return c.Client.Validate()
}

// Stats says what a feed did so far, and where it stands.
type Stats struct {
	Connected    bool               `json:"connected"` // logged in
	Session      soupbintcp.Session `json:"-"`
	Next         uint64             `json:"next"`        // number of the next message
	LastRecv     market.Nanos       `json:"last_recv"`   // when something was read last
	LastError    string             `json:"last_error"`  // of the last connection that broke
	Dials        uint64             `json:"dials"`       // connections tried
	Logins       uint64             `json:"logins"`      // that the venue accepted
	Refused      uint64             `json:"refused"`     // logins that the venue refused
	Disconnects  uint64             `json:"disconnects"` // connections that broke, or did not come about
	Messages     uint64             `json:"messages"`    // of the session
	Unsequenced  uint64             `json:"unsequenced"` // messages without a number
	Debugs       uint64             `json:"debugs"`      // text for people, which nobody is shown
	Bytes        uint64             `json:"bytes"`       // read
	Missed       uint64             `json:"missed"`      // messages that the venue did not have any more
	Sessions     uint64             `json:"sessions"`    // that have ended
	Held         uint64             `json:"held"`        // times that the sink had no room
	HeldNanos    market.Nanos       `json:"held_ns"`     // how long reading waited for it
	BackoffNanos market.Nanos       `json:"backoff_ns"`  // how long the feed waited between connections
}

// A Feed receives one session after the other, or one alone, over as many connections as it takes.
type Feed struct {
	cfg    Config
	client *soupbintcp.Client // owned by Run
	sink   Sink
	dial   DialFunc
	item   Item // handed to the sink; here, so that no message allocates one

	mu    sync.Mutex
	stats Stats // written by Run
}

// NewFeed returns a feed that gives what it hears to sink. Nothing is connected before Run.
func NewFeed(cfg Config, sink Sink) (*Feed, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("feed by soupbintcp: %w", err)
	}
	return &Feed{cfg: cfg, client: soupbintcp.NewClient(cfg.Client), sink: sink, dial: dialer(cfg.Dial)}, nil
}

func dialer(dial DialFunc) DialFunc {
	if dial != nil {
		return dial
	}
	return new(net.Dialer).DialContext
}

// Stats returns a copy of the counters. Any goroutine may call it.
func (f *Feed) Stats() Stats {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stats
}

func (f *Feed) count(change func(*Stats)) {
	f.mu.Lock()
	change(&f.stats)
	f.mu.Unlock()
}

// ErrGivenUp is returned (wrapped, with the cause) when AttemptsMax connections in a row came to
// nothing.
var ErrGivenUp = errors.New("soup: too many connections came to nothing")

// Run receives until ctx ends or the session has ended, and returns nil then. It returns an error when
// too many connections came to nothing, or when the venue is in another session and the feed may not
// follow. It is called once. When it returns, the connection is closed and nothing of it runs on.
func (f *Feed) Run(ctx context.Context) error {
	vain := 0 // connections in a row that came to nothing
	for {
		began := clock.Now()
		messages := f.Stats().Messages
		err := f.connect(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil && !f.cfg.NextSession:
			return nil
		case err == nil:
			f.client.NextSession()
		default:
			f.count(func(s *Stats) { s.Disconnects, s.LastError = s.Disconnects+1, err.Error() })
			if !f.hand(ctx, &Item{Kind: Disconnected, Err: err, TsRecv: clock.Now()}, nil) {
				return nil
			}
			if errors.Is(err, soupbintcp.ErrSessionChanged) {
				return err
			}
		}
		vain++
		if f.Stats().Messages > messages || clock.Now()-began >= market.Nanos(f.cfg.BackoffMax) {
			vain = 0
		}
		if vain > 0 && vain == f.cfg.AttemptsMax {
			if err == nil {
				err = errors.New("the session that had ended was served again")
			}
			return fmt.Errorf("%w: %d to %s: %w", ErrGivenUp, vain, f.cfg.Address, err)
		}
		if !f.backOff(ctx, vain) {
			return nil
		}
	}
}

// backOff waits before the next connection. It reports whether ctx goes on.
func (f *Feed) backOff(ctx context.Context, vain int) bool {
	d := f.cfg.BackoffMax
	if n := max(vain-1, 0); n < 30 {
		d = min(d, f.cfg.BackoffMin<<n)
	}
	d -= rand.N(d/2 + 1) // so that many clients of a venue that restarts do not come at once
	f.count(func(s *Stats) { s.BackoffNanos += market.Nanos(d) })
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// connect makes one connection and receives from it. nil means that the session has ended.
func (f *Feed) connect(ctx context.Context) error {
	f.count(func(s *Stats) { s.Dials++ })
	c := connection{address: f.cfg.Address, client: f.client, on: f}
	if err := c.dial(ctx, f.dial, f.cfg.DialTimeout); err != nil {
		return err
	}
	err := c.run(ctx)
	f.count(func(s *Stats) {
		s.Connected = false
		switch {
		case err == nil:
			s.Sessions++
		case refused(err):
			s.Refused++
		}
	})
	return err
}

func refused(err error) bool {
	return errors.Is(err, soupbintcp.ErrNotAuthorized) || errors.Is(err, soupbintcp.ErrNoSession) ||
		errors.Is(err, soupbintcp.ErrRejected)
}

// onRead is told how many bytes were read.
func (f *Feed) onRead(n int, now market.Nanos) {
	f.count(func(s *Stats) {
		s.Bytes += uint64(n)
		s.LastRecv = now
	})
}

// onEvent hands an event to the sink.
func (f *Feed) onEvent(ctx context.Context, c *connection, e soupbintcp.Event, now market.Nanos) error {
	f.item = Item{Seq: e.Seq, Asked: e.Asked, Body: e.Payload, TsRecv: now, Session: f.client.Session()}
	item := &f.item
	f.mu.Lock()
	s := &f.stats
	s.Next = f.client.NextSeq()
	switch e.Kind {
	case soupbintcp.LoggedIn:
		item.Kind = LoggedIn
		s.Connected, s.Session = true, item.Session
		s.Logins++
		s.Missed += e.Seq - e.Asked
	case soupbintcp.Message:
		item.Kind = Message
		s.Messages++
	case soupbintcp.Unsequenced:
		item.Kind = Unsequenced
		s.Unsequenced++
	case soupbintcp.SessionEnded:
		item.Kind = SessionEnded
	default:
		s.Debugs++
		f.mu.Unlock()
		return nil
	}
	f.mu.Unlock()
	if !f.hand(ctx, item, c) {
		return ctx.Err()
	}
	return nil
}

// hand gives an item to the sink and waits until it has room. It reports whether the sink has taken
// the item; if not, ctx has ended. Heartbeats go on while it waits, if there is a connection.
func (f *Feed) hand(ctx context.Context, item *Item, c *connection) bool {
	if f.sink.Offer(item) {
		return true
	}
	from := clock.Now()
	defer func() { f.count(func(s *Stats) { s.HeldNanos += clock.Now() - from }) }()
	f.count(func(s *Stats) { s.Held++ })
	tick := time.NewTicker(time.Duration(f.cfg.Client.Heartbeat))
	defer tick.Stop()
	for !f.sink.Offer(item) {
		select {
		case <-f.sink.Room():
		case <-tick.C:
			if c != nil {
				c.idle(ctx)
			}
		case <-ctx.Done():
			return false
		}
	}
	if c != nil {
		c.idle(ctx)
	}
	return true
}

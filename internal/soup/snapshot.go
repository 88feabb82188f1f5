package soup

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tidegate/codec/itch50"
	"tidegate/codec/soupbintcp"
	"tidegate/market"
)

// A SnapshotConfig says where snapshots come from, and what one may cost.
type SnapshotConfig struct {
	Address            string // host:port
	Username, Password string
	DialTimeout        time.Duration // for the connection to come about
	Timeout            time.Duration // for all of it, the connection included
	SilenceMax         market.Nanos  // silence of the server after which it is dead
	MessagesMax        int           // of a snapshot
	// Dial makes the connection. nil is a net.Dialer.
	Dial DialFunc
}

// DefaultSnapshotConfig returns limits for a snapshot of a large venue: 15 s, after which a slower
// remedy is worth a try, and ten million messages.
func DefaultSnapshotConfig(address, username, password string) SnapshotConfig {
	return SnapshotConfig{
		Address: address, Username: username, Password: password,
		DialTimeout: 2 * time.Second, Timeout: 15 * time.Second, SilenceMax: 5 * market.Second,
		MessagesMax: 10_000_000,
	}
}

func (c *SnapshotConfig) client() soupbintcp.ClientConfig {
	cfg := soupbintcp.DefaultClientConfig(c.Username, c.Password)
	cfg.SilenceMax = c.SilenceMax
	return cfg
}

// Validate reports the first thing that is wrong, and what is expected instead.
func (c *SnapshotConfig) Validate() error {
	feed := DefaultConfig(c.Address, c.Username, c.Password)
	feed.DialTimeout, feed.Client = c.DialTimeout, c.client()
	if err := feed.Validate(); err != nil {
		return err
	}
	if c.Timeout <= 0 {
		return fmt.Errorf("timeout %v: want more than 0", c.Timeout)
	}
	if c.MessagesMax < 1 {
		return fmt.Errorf("messages max %d: want at least 1", c.MessagesMax)
	}
	return nil
}

// A Snapshot says what a snapshot was.
type Snapshot struct {
	// Next is the sequence number of the feed's message with which to go on: the snapshot is the state
	// before it.
	Next uint64
	// Session is that of the snapshot server. Whether it is the feed's too is for the venue to say.
	Session  soupbintcp.Session
	Messages int // that were handed over
	Bytes    int64
}

// Errors of FetchSnapshot, returned wrapped with the address.
var (
	// ErrTruncated is returned when a snapshot ended, or its connection broke, before the message that
	// says with which message of the feed to go on. What was handed over is then worth nothing.
	ErrTruncated = errors.New("soup: snapshot without an end")
	// ErrOversize is returned when a snapshot had more than MessagesMax messages.
	ErrOversize = errors.New("soup: snapshot with too many messages")
)

// FetchSnapshot takes one snapshot by Nasdaq GLIMPSE 5.0: it logs in for message 1, hands each message
// to take, in order, until End of Snapshot, which it does not hand over, and logs out. A message is
// valid only during the call; an error of take ends the fetch and is returned wrapped. take may wait,
// and TCP then makes the server wait, but not for longer than the server has patience.
//
// There is one attempt: how often to try again is the caller's to decide. On any error the messages
// handed over are to be thrown away. When ctx ends or the Timeout has passed, the error wraps the
// context's, and nothing runs on.
func FetchSnapshot(ctx context.Context, cfg SnapshotConfig, take func(message []byte) error) (Snapshot, error) {
	if err := cfg.Validate(); err != nil {
		return Snapshot{}, fmt.Errorf("fetch snapshot: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, cfg.Timeout)
	defer cancel()
	f := fetch{cfg: cfg, take: take}
	c := connection{address: cfg.Address, client: soupbintcp.NewClient(cfg.client()), on: &f}
	if err := c.dial(ctx, dialer(cfg.Dial), cfg.DialTimeout); err != nil {
		return Snapshot{}, fmt.Errorf("fetch snapshot: %w", err)
	}
	switch err := c.run(ctx); {
	case f.whole:
		return f.Snapshot, nil
	case err == nil:
		return Snapshot{}, fmt.Errorf("fetch snapshot: from %s: %d messages: %w", cfg.Address, f.Messages, ErrTruncated)
	case ctx.Err() != nil:
		return Snapshot{}, fmt.Errorf("fetch snapshot: from %s: %d messages: %w", cfg.Address, f.Messages, ctx.Err())
	case f.stopped != nil:
		return Snapshot{}, fmt.Errorf("fetch snapshot: from %s: %d messages: %w", cfg.Address, f.Messages, f.stopped)
	case c.begun:
		return Snapshot{}, fmt.Errorf("fetch snapshot: %d messages: %w: %w", f.Messages, ErrTruncated, err)
	default:
		return Snapshot{}, fmt.Errorf("fetch snapshot: %w", err)
	}
}

// A fetch is a snapshot under way.
type fetch struct {
	Snapshot
	cfg     SnapshotConfig
	take    func(message []byte) error
	whole   bool
	stopped error // why we stopped it
}

// errStopped ends the connection of a fetch from our side.
var errStopped = errors.New("soup: stopped")

func (f *fetch) onRead(n int, _ market.Nanos) { f.Bytes += int64(n) }

func (f *fetch) onEvent(_ context.Context, c *connection, e soupbintcp.Event, _ market.Nanos) error {
	if e.Kind == soupbintcp.LoggedIn {
		f.Session = c.client.Session()
	}
	switch {
	case e.Kind == soupbintcp.LoggedIn && e.Seq != e.Asked:
		return f.stop(fmt.Errorf("begins with message %d: %w", e.Seq, ErrTruncated))
	case e.Kind != soupbintcp.Message:
		return nil
	case len(e.Payload) > 0 && e.Payload[0] == itch50.TypeEndOfSnapshot:
		var end itch50.EndOfSnapshot
		if err := end.Parse(e.Payload); err != nil {
			return f.stop(err)
		}
		f.Next, f.whole = end.Next, true
		c.logOut()
		return errStopped
	case f.Messages == f.cfg.MessagesMax:
		return f.stop(ErrOversize)
	}
	f.Messages++
	if err := f.take(e.Payload); err != nil {
		return f.stop(err)
	}
	return nil
}

func (f *fetch) stop(err error) error {
	f.stopped = err
	return errStopped
}

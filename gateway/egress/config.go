package egress

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"tidegate/codec/dbn"
	"tidegate/codec/lsg"
	"tidegate/gateway/history"
	"tidegate/gateway/stream"
	"tidegate/internal/bus"
	"tidegate/market"
)

// A Feed is a dataset that can be subscribed to.
type Feed struct {
	Dataset string // "XNAS.ITCH"
	// Number is the feed's number in ring entries. Feeds of one ring have different numbers.
	Number    uint8
	Ring      *bus.Ring
	Directory *stream.Directory
	// Schemas are those that the feed can publish.
	Schemas []dbn.Schema
	// Current returns the latest records of each instrument in a schema, with which a subscription to
	// it begins, or nil for a schema of which none are kept. Nil: of no schema.
	Current func(dbn.Schema) *stream.Current
	// History has what was published, and Name is what it calls the feed. Nil: nothing is kept.
	History *history.History
	Name    string
	// Do has the feed's ingest loop call a function with the feed's upstream, soon and in the order of
	// the calls. It may be called by any goroutine and must not wait.
	Do func(func(Upstream))
}

// An Upstream is what writes a feed into its ring, as egress asks it for what subscribers want. A
// *stream.Stream is one, and so is a *stream.Consolidated. It belongs to the feed's ingest loop.
type Upstream interface {
	// Want has a schema derived from now on, unless it is already. Each Want is taken back by one
	// Unwant, except one that was refused.
	Want(dbn.Schema) error
	Unwant(dbn.Schema)
	// Request asks for the mbo snapshots of instruments. They come through the ring, for a target
	// that no other request has, and end with stream.SnapshotDone. The list is given away.
	Request(target uint32, ids []market.InstrumentID)
	// Cancel takes a Request back, whether it was answered or not.
	Cancel(target uint32)
}

// A Key is what a client proves to have.
type Key struct {
	Name     string // in logs and statistics; the key itself is in neither
	Key      lsg.Key
	Datasets []string // which it may subscribe to; nil for all
	Disabled bool
}

// Limits bound what clients may use. All are at least 1.
type Limits struct {
	Connections            int // open at a time, whatever their state
	ConnectionsPerSecond   int // of one address; more are turned away
	SessionsPerKey         int // of one key and dataset
	SubscriptionsPerSecond int // of one session; more are delayed
	SubscriptionsMax       int // of one session
	SymbolsMax             int // of one session, in all its subscriptions
	InputBytesMax          int // of lines of one session that are not processed yet
	HandshakesMax          int // TLS handshakes at a time
}

// DefaultLimits returns the limits of the original service where they are known.
func DefaultLimits() Limits {
	return Limits{
		Connections: 4096, ConnectionsPerSecond: 5, SessionsPerKey: 10, SubscriptionsPerSecond: 10,
		SubscriptionsMax: 1000, SymbolsMax: 50_000, InputBytesMax: 4 << 20, HandshakesMax: 256,
	}
}

// Config says what a server serves, to whom, and where. Zero values of what has a default mean the
// default.
type Config struct {
	Addr    string      // host:port of the port in clear; bind it to a local address where only TLS is wanted
	TLSAddr string      // host:port of the TLS port; empty for none
	TLS     *tls.Config // for TLSAddr

	Feeds  []Feed
	Keys   []Key
	Limits Limits

	Loops        int  // event loops; default 1
	LockOSThread bool // give each loop a thread of its own
	// InlineSessions is how many sessions of a loop may stream for the writer of their ring to write to
	// them itself, within Wake: see the package comment. 0: it never does.
	InlineSessions int

	Version string // of the gateway, in the greeting

	Heartbeat    time.Duration // for clients who do not say; default 30 s
	AuthTimeout  time.Duration // from connection to authentication; default 30 s
	StartTimeout time.Duration // from authentication to the start line; default 1 h
	FaultTimeout time.Duration // from a fault to the start line, which it is kept for; default 5 s
	CloseTimeout time.Duration // for the last bytes to be taken, and again for the client to close; default 5 s
	// SlowAfter is how old what a session is due may be, by receive time, before it is slow.
	SlowAfter time.Duration // default 1 s

	// Replays is how many replays may be under way at a time; more wait. Each holds a file and some megabytes.
	Replays int // default 32
	// ReplayThreads is how many of them read the journal at a time.
	ReplayThreads int // default 2

	// PassBytes is the most that one pass reads for a loop, and for each session that is solo.
	PassBytes int // default 256 KiB
	// SendBufferBytes is the send buffer of a socket; 0 leaves it to the kernel, which lets it grow.
	SendBufferBytes int

	Log *slog.Logger // nil: nothing is logged
}

const (
	loopsMax     = 32 // readers of a ring are limited, see bus.ReadersMax
	passBytesMin = 4 << 10
	passBytesMax = 16 << 20
	versionText  = "0.1.0"
)

func (c *Config) setDefaults() {
	set(&c.Limits, DefaultLimits())
	set(&c.Loops, 1)
	set(&c.Version, versionText)
	set(&c.Heartbeat, 30*time.Second)
	set(&c.AuthTimeout, 30*time.Second)
	set(&c.StartTimeout, time.Hour)
	set(&c.FaultTimeout, 5*time.Second)
	set(&c.CloseTimeout, 5*time.Second)
	set(&c.SlowAfter, time.Second)
	set(&c.Replays, 32)
	set(&c.ReplayThreads, 2)
	set(&c.PassBytes, 256<<10)
	set(&c.Log, slog.New(slog.DiscardHandler))
}

// set gives a field its default.
func set[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Validate explains what is wrong with c, after zero values have become defaults.
func (c Config) Validate() error {
	c.setDefaults()
	if err := c.validate(); err != nil {
		return fmt.Errorf("egress: %w", err)
	}
	return nil
}

func (c *Config) validate() error {
	switch {
	case c.Addr == "":
		return errors.New("no address")
	case c.TLSAddr != "" && c.TLS == nil:
		return fmt.Errorf("tls address %s: no certificate", c.TLSAddr)
	case c.Loops < 1 || c.Loops > loopsMax:
		return fmt.Errorf("loops %d: want 1 to %d", c.Loops, loopsMax)
	case c.InlineSessions < 0:
		return fmt.Errorf("inline sessions %d: want 0 or more", c.InlineSessions)
	case c.Replays < 1 || c.ReplayThreads < 1:
		return fmt.Errorf("replays %d by %d threads: want at least 1", c.Replays, c.ReplayThreads)
	case c.PassBytes < passBytesMin || c.PassBytes > passBytesMax:
		return fmt.Errorf("pass bytes %d: want %d to %d", c.PassBytes, passBytesMin, passBytesMax)
	case c.SendBufferBytes < 0:
		return fmt.Errorf("send buffer bytes %d: want none or more", c.SendBufferBytes)
	case len(c.Feeds) == 0:
		return errors.New("no feeds")
	}
	for _, addr := range []string{c.Addr, c.TLSAddr} {
		if _, _, err := net.SplitHostPort(addr); addr != "" && err != nil {
			return fmt.Errorf("address: %w", err)
		}
	}
	for name, d := range map[string]time.Duration{
		"heartbeat": c.Heartbeat, "auth timeout": c.AuthTimeout, "start timeout": c.StartTimeout,
		"fault timeout": c.FaultTimeout, "close timeout": c.CloseTimeout, "slow after": c.SlowAfter,
	} {
		if d < time.Millisecond || d > 24*time.Hour {
			return fmt.Errorf("%s %v: want 1 ms to 24 h", name, d)
		}
	}
	if err := c.validateFeeds(); err != nil {
		return err
	}
	if err := validateKeys(c.Keys); err != nil {
		return err
	}
	return c.Limits.validate()
}

func (c *Config) validateFeeds() error {
	type place struct {
		ring   *bus.Ring
		number uint8
	}
	datasets, places := make(map[string]bool), make(map[place]bool)
	for i := range c.Feeds {
		f := &c.Feeds[i]
		at := place{f.Ring, f.Number}
		switch {
		case f.Dataset == "" || len(f.Dataset) > dbn.DatasetMax:
			return fmt.Errorf("feed %q: want a dataset of 1 to %d bytes", f.Dataset, dbn.DatasetMax)
		case datasets[f.Dataset]:
			return fmt.Errorf("feed %s: given twice", f.Dataset)
		case f.Ring == nil || f.Directory == nil || f.Do == nil:
			return fmt.Errorf("feed %s: want a ring, a directory and a way to its upstream", f.Dataset)
		case places[at]:
			return fmt.Errorf("feed %s: number %d: taken on its ring", f.Dataset, f.Number)
		case len(f.Schemas) == 0:
			return fmt.Errorf("feed %s: no schemas", f.Dataset)
		}
		for _, schema := range f.Schemas {
			if int(schema) >= schemaCount {
				return fmt.Errorf("feed %s: schema %s: cannot be subscribed to", f.Dataset, schema)
			}
		}
		datasets[f.Dataset], places[at] = true, true
	}
	return nil
}

func validateKeys(keys []Key) error {
	names, seen := make(map[string]bool), make(map[lsg.Key]bool)
	for i := range keys {
		k := &keys[i]
		switch {
		case k.Name == "":
			return fmt.Errorf("key %d: no name", i+1)
		case names[k.Name]:
			return fmt.Errorf("key %q: name is given twice", k.Name)
		case k.Key == lsg.Key{}:
			return fmt.Errorf("key %q: no key", k.Name)
		case seen[k.Key]:
			return fmt.Errorf("key %q: is another one's too", k.Name)
		}
		names[k.Name], seen[k.Key] = true, true
	}
	return nil
}

func (l *Limits) validate() error {
	for name, n := range map[string]int{
		"connections": l.Connections, "connections per second": l.ConnectionsPerSecond,
		"sessions per key": l.SessionsPerKey, "subscriptions per second": l.SubscriptionsPerSecond,
		"subscriptions": l.SubscriptionsMax, "symbols": l.SymbolsMax,
		"input bytes": l.InputBytesMax, "handshakes": l.HandshakesMax,
	} {
		if n < 1 {
			return fmt.Errorf("limit of %s %d: want at least 1", name, n)
		}
	}
	if l.InputBytesMax < lsg.LineMax {
		return fmt.Errorf("limit of input bytes %d: want room for a line of %d", l.InputBytesMax, lsg.LineMax)
	}
	return nil
}

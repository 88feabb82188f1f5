package config

import (
	"crypto/tls"
	"log/slog"
	"math"
	"net/netip"
	"reflect"
	"time"

	"tidegate/arbiter"
	"tidegate/codec/dbn"
	"tidegate/codec/lsg"
	"tidegate/gateway"
	"tidegate/internal/bus"
	"tidegate/market"
)

// Config is a whole configuration. Load and Parse return it complete: what the file does not say has
// its default.
type Config struct {
	Feeds        []Feed
	Consolidated Consolidated
	Loop         Loop
	Ring         bus.Config
	Subscribers  Subscribers
	Capture      Capture
	Journal      Journal
	Postgres     Postgres
	Orders       Orders
	Admin        Admin
	Log          Log
}

// A Feed is a channel of a publisher: a dataset, as subscribers ask for it.
type Feed struct {
	Name        string
	Protocol    gateway.Feed
	Publisher   market.Publisher
	GapDeadline time.Duration
	// Providers, the preferred first. A feed that has no section of that name has one of its own name.
	Providers []Provider
	// StaleAfter is how late a provider's events may be, and by how much another one may be ahead.
	StaleAfter time.Duration
	// Silence is how long nothing may come from a provider, heartbeats included.
	Silence time.Duration
	// FailBack is how long a preferred provider must have been good before it is switched back to.
	FailBack time.Duration
}

// A Line is one copy of a provider's channel.
type Line struct {
	ID            arbiter.LineID
	Addr          netip.AddrPort
	Interface     string     // "" for unicast
	Source        netip.Addr // the zero Addr: all senders
	ReceiveBuffer int        // bytes
}

// Consolidated is the dataset of the best bid and offer over all feeds.
type Consolidated struct {
	Dataset string // "" for none
}

// Idle says what the ingest loop does while nothing comes.
type Idle string

// Ways to be idle.
const (
	Backoff Idle = "backoff"
	Park    Idle = "park"
	Spin    Idle = "spin"
)

// Threading says which thread does what between the sockets of the lines and those of subscribers.
type Threading string

// Ways to divide the work.
const (
	// Auto is Inline while few sessions stream, else Shared.
	Auto Threading = "auto"
	// Inline has the ingest thread write to subscribers, too.
	Inline Threading = "inline"
	// Shared has one ingest thread for all lines, and event loops that write to subscribers.
	Shared Threading = "shared"
	// Split is Shared with an ingest thread that receives and another that keeps the books.
	Split Threading = "split"
)

// autoSessions is how many sessions of an event loop are few. Writing to one takes 5 to 6 µs: with four, a
// datagram every 60 µs leaves the ingest thread half of its time. See package egress for measurements.
const autoSessions = 4

// InlineSessions returns how many streaming sessions of an event loop the ingest thread serves itself.
func (t Threading) InlineSessions() int {
	switch t {
	case Auto:
		return autoSessions
	case Inline:
		return math.MaxInt
	default:
		return 0
	}
}

// Loop is the ingest loop.
type Loop struct {
	Threading  Threading
	Idle       Idle
	Tick       time.Duration
	CPU        int // the processor that its thread is pinned to; -1 for any
	ReceiveCPU int // the same of the thread that receives, where that is another one
}

// Subscribers is where subscribers connect, who may, and how many.
type Subscribers struct {
	Listen    string // host:port; the host is an address, or empty for all of this machine's
	TLS       TLS
	Loops     int           // event loops
	Heartbeat time.Duration // for clients who do not say
	SlowAfter time.Duration // how old what a session is due may be before it is slow
	Limits    Limits
	Keys      []Key
}

// TLS is a second port, for subscribers who want their connection encrypted.
type TLS struct {
	Listen      string // "" for none
	Certificate tls.Certificate
}

// Limits keeps what subscribers may use within bounds. It is egress.Limits, field by field.
type Limits struct {
	Connections            int // open at a time, whatever their state
	ConnectionsPerSecond   int // of one address; more are closed at once
	SessionsPerKey         int // of one key and dataset
	SubscriptionsPerSecond int // of one session; more are delayed
	SubscriptionsMax       int // of one session
	SymbolsMax             int // of one session, in all its subscriptions
	InputBytesMax          int // of lines of one session that are not processed yet
	HandshakesMax          int // TLS handshakes at a time
}

// A Key lets clients in.
type Key struct {
	Name     string
	Key      lsg.Key
	Datasets []string // that it is good for; none: all
	Disabled bool
}

// Capture is the recording of what comes in: to a file, or to a directory of segments. Without either nothing is
// recorded.
type Capture struct {
	File       string // pcap; see CapturePath
	Dir        string
	QueueBytes int
	// What follows is for a directory.
	SpillBytes  int // memory in which datagrams wait while the disk lags, beside the queue
	RetainAge   time.Duration
	RetainBytes int // of all segments; 0: no limit
}

// Wanted reports whether anything is to be recorded.
func (c *Capture) Wanted() bool { return c.File != "" || c.Dir != "" }

// Admin is the HTTP interface for those who run the gateway.
type Admin struct {
	Listen string // "" for none
	Token  string
	Pprof  bool
}

// Log says what is logged, and how.
type Log struct {
	Level slog.Level
	JSON  bool
}

// Defaults returns the configuration of a file that says nothing, which has no feeds and no keys.
func Defaults() Config {
	return Config{
		Loop: Loop{Threading: Auto, Idle: Backoff, Tick: time.Millisecond, CPU: -1, ReceiveCPU: -1},
		Ring: bus.DefaultConfig(),
		Subscribers: Subscribers{
			Listen:    ":13000",
			Loops:     1,
			Heartbeat: 30 * time.Second,
			SlowAfter: time.Second,
			Limits: Limits{
				Connections: 4096, ConnectionsPerSecond: 5, SessionsPerKey: 10, SubscriptionsPerSecond: 10,
				SubscriptionsMax: 1000, SymbolsMax: 50_000, InputBytesMax: 4 << 20, HandshakesMax: 256,
			},
		},
		Capture: Capture{QueueBytes: 32 << 20, SpillBytes: 256 << 20},
		Journal: Journal{
			Schemas:     []dbn.Schema{dbn.SchemaMBO, dbn.SchemaTrades, dbn.SchemaBBO1s, dbn.SchemaOHLCV1m, dbn.SchemaDefinition, dbn.SchemaStatus},
			CommitEvery: 2 * time.Millisecond, SpillBytes: 256 << 20,
		},
		Postgres: Postgres{
			ReaderName: "postgres", Keep: []string{"trades", "quotes", "bars"}, Workers: 1, BatchRows: 50_000, BatchWait: 20 * time.Millisecond,
			Ahead: 2 * time.Hour, RollUpAfter: 10 * time.Minute,
			History: PostgresHistory{MaxLag: 5 * time.Second},
		},
		Admin: Admin{Listen: "127.0.0.1:8080"},
		Log:   Log{Level: slog.LevelInfo},
	}
}

// Defaults of a feed and of a line.
const (
	ReceiveBufferDefault = 32 << 20
	GapDeadlineDefault   = 50 * time.Millisecond
)

// Changes names the settings of c that differ from those of old and take a restart: all but keys,
// limits and the TLS certificate.
func (c *Config) Changes(old *Config) []string {
	var changed []string
	s, t := &c.Subscribers, &old.Subscribers
	for _, section := range []struct {
		name string
		a, b any
	}{
		{"feeds", c.Feeds, old.Feeds},
		{"consolidated", c.Consolidated, old.Consolidated},
		{"loop", c.Loop, old.Loop},
		{"ring", c.Ring, old.Ring},
		{"subscribers.listen", s.Listen, t.Listen},
		{"subscribers.tls.listen", s.TLS.Listen, t.TLS.Listen},
		{"subscribers.loops", s.Loops, t.Loops},
		{"subscribers.heartbeat", s.Heartbeat, t.Heartbeat},
		{"subscribers.slow_after", s.SlowAfter, t.SlowAfter},
		{"capture", c.Capture, old.Capture},
		{"journal", c.Journal, old.Journal},
		{"postgres", c.Postgres, old.Postgres},
		{"orders", c.Orders, old.Orders},
		{"admin", c.Admin, old.Admin},
		{"log", c.Log, old.Log},
	} {
		if !reflect.DeepEqual(section.a, section.b) {
			changed = append(changed, section.name)
		}
	}
	return changed
}

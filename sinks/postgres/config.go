package postgres

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"tidegate/internal/clock"
	"tidegate/market"
	"tidegate/sinks/journal"
)

// slots is how many positions a journal has: as many workers can share it, and their number may change from
// one start to the next. It is part of the schema's meaning: see the comment on positions.
const slots = 8

// Config says what is drained, where to, and how partitions are kept. The zero value of a field but Reader and
// DSN is its default, unless the field says otherwise.
type Config struct {
	// Reader opens a reader of the journal. Each worker has its own.
	Reader func() (*journal.Reader, error)
	// Durable, if set, tells the last durable index of the journal, for Stats. Else it is as of a second ago.
	Durable func() uint64
	// ReaderName is under which the journal keeps what is not drained. "": postgres.
	ReaderName string

	// DSN is how the server is reached: see Connect. The role must own the schema.
	DSN string
	// Workers is how many workers there are, 1 to 8, each with two connections. Each has the feeds whose number
	// leaves the same remainder. 0: 1.
	Workers int
	// BatchRows is the most rows of a transaction. 0: 50000.
	BatchRows int
	// BatchWait is how long a row waits for others. 0: 20 ms.
	BatchWait time.Duration
	// CommitTimeout is how long a transaction may take before the connection is given up. 0: 30 s.
	CommitTimeout time.Duration
	// Keep names the tables that are filled, of Optional; others than these are always filled.
	// nil: trades, quotes and bars.
	Keep []string

	// SynchronousCommit is the server's setting for transactions of the sink: off, local, remote_write, on
	// or remote_apply. "": as the server has it.
	SynchronousCommit string
	// Standbys is how many synchronous standbys must be there. With fewer nothing is committed.
	Standbys int

	Partitions Partitions

	// Persist makes Run go on trying where it would end with an error at the start: the server refuses the role,
	// there is no schema, or there are too few standbys. Somebody puts it right, and it goes on.
	Persist bool

	// Notify, if set, is called with what an operator should know, by one goroutine at a time.
	Notify func(Notice)
	// Now tells the time; nil: clock.Now.
	Now func() market.Nanos
}

// Partitions says how partitions are kept. All times are of the wall clock, or of the entries if they lag
// behind it.
type Partitions struct {
	Every       time.Duration // how often they are looked after. 0: 5 s
	Ahead       time.Duration // how long before their time they are made. 0: 2 h
	CloseAfter  time.Duration // a minute is indexed so long after its end. 0: 30 s
	RollUpAfter time.Duration // an hour, or day, is rolled up so long after its end. 0: 10 min
	Retain      time.Duration // days are dropped so long after their end. 0: never
	HotSpace    string        // tablespace of minutes and hours. "": the database's
	ColdSpace   string        // tablespace of days. "": the database's
	// BRIN gives a minute a BRIN index on its time while it is filled. It costs a fifth of the rate of
	// COPY and gains little: a minute that is not wanted is not looked at anyway. Hours and days have it.
	BRIN bool
}

// Notice is something that an operator should know.
type Notice struct {
	Kind NoticeKind
	Text string // a sentence
}

// NoticeKind says what a notice is about.
type NoticeKind uint8

// Kinds of notices.
const (
	Failed     NoticeKind = iota // an attempt failed; it is made again. The same failure is told once a minute
	Down                         // several failed: the server is tried now and then
	Up                           // it works again
	Conflict                     // rows are there twice, or would be: somebody must look
	Missing                      // entries are not in the journal any more, or never were
	Unreadable                   // entries are not understood; they are kept as they are
	Upkeep                       // partitions could not be looked after; it is tried again
)

// String returns the kind in words.
func (k NoticeKind) String() string {
	return [...]string{"failed", "down", "up", "conflict", "missing", "unreadable", "upkeep failed"}[k]
}

// Alarm reports whether somebody should look.
func (k NoticeKind) Alarm() bool { return k != Up }

// ErrConflict is wrapped by the error about rows that are there already: two journals with the same id, a
// position that was altered, or a fault of ours.
var ErrConflict = errors.New("rows are there already")

func (c *Config) setDefaults() {
	set := func(d *time.Duration, to time.Duration) {
		if *d == 0 {
			*d = to
		}
	}
	if c.ReaderName == "" {
		c.ReaderName = "postgres"
	}
	if c.Workers == 0 {
		c.Workers = 1
	}
	if c.BatchRows == 0 {
		c.BatchRows = 50_000
	}
	if c.Keep == nil {
		c.Keep = []string{"trades", "quotes", "bars"}
	}
	if c.Now == nil {
		c.Now = clock.Now
	}
	if c.Notify == nil {
		c.Notify = func(Notice) {}
	}
	set(&c.BatchWait, 20*time.Millisecond)
	set(&c.CommitTimeout, 30*time.Second)
	p := &c.Partitions
	set(&p.Every, 5*time.Second)
	set(&p.Ahead, 2*time.Hour)
	set(&p.CloseAfter, 30*time.Second)
	set(&p.RollUpAfter, 10*time.Minute)
}

// Validate returns an error that names the first field that makes no sense.
func (c Config) Validate() error {
	c.setDefaults()
	bad := func(field string, value any, want string) error {
		return fmt.Errorf("postgres: %s %v: want %s", field, value, want)
	}
	_, dsnErr := parseDSN(c.DSN)
	p := &c.Partitions
	switch {
	case c.Reader == nil:
		return errors.New("postgres: no journal to drain")
	case dsnErr != nil:
		return dsnErr
	case c.Workers < 1 || c.Workers > slots:
		return bad("workers", c.Workers, fmt.Sprintf("1 to %d", slots))
	case c.BatchRows < 1 || c.BatchRows > 1_000_000:
		return bad("batch rows", c.BatchRows, "1 to 1000000")
	case c.BatchWait < 0 || c.BatchWait > time.Minute:
		return bad("batch wait", c.BatchWait, "up to 1m")
	case c.CommitTimeout < time.Second:
		return bad("commit timeout", c.CommitTimeout, "at least 1s")
	case !slices.Contains([]string{"", "off", "local", "remote_write", "on", "remote_apply"}, c.SynchronousCommit):
		return bad("synchronous commit", c.SynchronousCommit, "off, local, remote_write, on or remote_apply")
	case c.Standbys < 0 || c.Standbys > 100:
		return bad("standbys", c.Standbys, "0 to 100")
	case c.Standbys > 0 && (c.SynchronousCommit == "off" || c.SynchronousCommit == "local"):
		return bad("synchronous commit", c.SynchronousCommit, "remote_write, on or remote_apply, because standbys are wanted")
	case p.Ahead < time.Minute || p.Ahead > 24*time.Hour:
		return bad("partitions ahead", p.Ahead, "1m to 24h")
	case p.CloseAfter < 0:
		return bad("close after", p.CloseAfter, "no negative time")
	case p.RollUpAfter < p.CloseAfter:
		return bad("roll up after", p.RollUpAfter, "no less than close after")
	case p.Retain < 0:
		return bad("retain", p.Retain, "no negative time")
	}
	for _, k := range c.Keep {
		if !slices.Contains(Optional(), k) {
			return bad("keep", k, fmt.Sprintf("of %v", Optional()))
		}
	}
	return nil
}

func (c *Config) kept() *tableSet {
	set := &tableSet{}
	for i, t := range tables {
		set[i] = i >= optional || slices.Contains(c.Keep, t.name)
	}
	return set
}

package orders

import (
	"time"

	"tidegate/book/match"
	"tidegate/internal/vfs"
	"tidegate/market"
)

// Config says what a gate trades, for whom, and where it keeps what it has promised. What it says of
// instruments, accounts and sessions becomes inputs of the log: the gate compares it with what it
// remembers, and records the differences. What is gone from the configuration is disabled, not forgotten.
type Config struct {
	// Dir is the directory: input log, events, streams and snapshots are below it.
	Dir string
	// FS is where Dir is. nil: vfs.Disk.
	FS vfs.FS

	Instruments []Instrument
	Accounts    []Account
	Sessions    []SessionConfig

	// Engine sets the limits of each matching loop's engine.
	Engine match.Config
	// MatchingLoops is on how many threads instruments are matched, beside the admission loop. 0: on the
	// admission loop itself, which is the fastest way where there are few processors.
	MatchingLoops int

	// Lanes sets how many requests may wait in lanes 1, 2 and 3. 0: 4,096 each. Rounded up to a power of two.
	Lanes [3]int
	// PatienceMax bounds how long a lane waits for those before it: after so many requests in a row from
	// better lanes, the oldest of a lane that waits is served. 0: 64 for lane 2, 256 for lane 3.
	PatienceMax [3]int
	// SessionQueueMax is how many requests of one session may wait in a lane. 0: 256.
	SessionQueueMax int
	// AccountQueueMax is how many requests of one account may wait before no more new orders and replaces of it
	// are taken, so that nobody fills a lane alone. 0: a quarter of the normal lane.
	AccountQueueMax int
	// Queries sets lane 4: how many run at a time, and how many wait. 0: 2 and 64.
	Queries, QueriesWaitingMax int

	// IDsMax is how many ids of a session are remembered; the oldest are forgotten first, but never that
	// of a live order. 0: 65,536.
	IDsMax int
	// RecentMax is how many reports of a session are kept in memory; older ones are read from disk. 0: 1,024.
	RecentMax int

	// Relaxed lets reports leave before their input is durable: faster, and a crash may take back what
	// was said.
	Relaxed bool
	// CommitEvery is how long an input waits for others to be synced with it. 0: 200 us.
	CommitEvery time.Duration
	// SnapshotEvery is how many inputs lie between two snapshots. 0: 1,000,000.
	SnapshotEvery uint64
	// InFlightMax is how many inputs may wait to become durable before no more are taken. 0: 16,384.
	InFlightMax int

	// RetainAge is how long the input log and the events journal are kept, beyond what the snapshots and
	// registered readers need. 0: forever.
	RetainAge time.Duration
	// ReserveBytes and SegmentBytes are as of journal.Config, for both journals. A start after a crash looks at
	// all of the last segment. SegmentBytes of 0: 64 MiB.
	ReserveBytes, SegmentBytes int64

	// MarketData, if set, gets the ITCH 5.0 messages of what happened, with their numbers from 1 on
	// without holes. It is called by the publisher, which reports wait for, and must not keep the message. After a
	// restart it is called again with what came behind the snapshot: the same messages with the same numbers.
	MarketData func(number uint64, message []byte)
	// MarketDataSync, if set, returns when what MarketData was given is on the disk. It is called before a snapshot
	// is written, because nothing from before that is given again.
	MarketDataSync func() error
	// Midnight is any midnight of the venue: times in ITCH messages count from the last one. It must not change
	// while the log goes on, or messages that are made again would not be the same.
	Midnight market.Nanos
	// Notify, if set, gets what an operator should know.
	Notify func(text string, alarm bool)
	// Now reads the wall clock. nil: clock.Now. Tests set it.
	Now func() market.Nanos
}

// An Instrument is something that is traded, and the assets that change hands.
type Instrument struct {
	match.Instrument
	Symbol string // at most 8 printable ASCII bytes, as ITCH and OUCH have them
	// Base is what is bought and sold, Quote what it is paid with.
	Base, Quote AssetID
	// BaseUnit is how much of Base one unit of size is, in 1e-9. 0: 1e9, one whole unit (a share).
	BaseUnit uint64
	// PriceFor is for how many units of size the price is. 0: 1. TickSize times LotSize has to be
	// a multiple of it, so that what is paid is always exact.
	PriceFor uint64
	// HighNotional is from which notional on orders go by lane 2; 0 is never.
	HighNotional Money
	// SizeMax is the largest size of an order; 0 is match.SizeMax.
	SizeMax market.Size
	// Open says in which state a new instrument starts. The zero value is match.Closed.
	Open match.State
}

// An Account is who owns orders, and what it may do.
type Account struct {
	ID       AccountID
	Name     string
	Disabled bool
	// Unchecked leaves out balances: an account of a market maker, or of a test.
	Unchecked bool
	// OrdersMax is how many orders may be open at a time; 0 is no limit but the engine's.
	OrdersMax uint32
	// NotionalMax is the largest notional of one order; zero is no limit.
	NotionalMax Money
	// RateMax is how many requests are taken in a second, in bursts of up to a tenth of it. Requests of
	// lane 1 do not count. 0 is no limit.
	RateMax int
	// Credit is by how much a balance may fall below zero, with what is reserved: a credit line in a currency,
	// a short position in a share.
	Credit map[AssetID]Money
	// Deposit is what the account begins with. It counts once, when the account is new.
	Deposit map[AssetID]Money
}

// A SessionConfig is a session: a stream of reports, and the accounts it may act for.
type SessionConfig struct {
	ID       SessionID
	Name     string
	Accounts []AccountID // the first is meant where a request names none
	// OrdersMax is how many orders of the session may be open at a time; 0 is no limit but the engine's.
	OrdersMax uint32
	// RateMax is as of Account.
	RateMax int
}

package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5"

	"tidegate/market"
)

// A keeper looks after the partitions, by a connection of its own: it makes them ahead of their time, indexes
// minutes that have ended, rolls up hours and days, and drops what is too old. Everything it does can be
// broken off at any point and is gone on with by the next pass; nothing it does makes writers or readers
// wait for more than an entry in a list.
type keeper struct {
	s   *Sink
	cfg *Partitions

	mu     sync.Mutex
	upkept Upkept
}

// Upkept says what was done to partitions since the start.
type Upkept struct {
	Made     uint64 // ahead of their time
	Closed   uint64 // minutes that were indexed
	RolledUp uint64 // hours and days that were made of smaller ones
	Dropped  uint64 // partitions whose rows had moved, or were too old
	Rows     uint64 // moved
	Passes   uint64
	Problem  string // of the last pass; "" if there was none
}

func newKeeper(s *Sink) *keeper { return &keeper{s: s, cfg: &s.cfg.Partitions} }

func (k *keeper) stats() Upkept {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.upkept
}

func (k *keeper) count(f func(*Upkept)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f(&k.upkept)
}

// run makes passes until ctx ends.
func (k *keeper) run(ctx context.Context) {
	var conn *pgx.Conn
	defer func() {
		if conn != nil {
			_ = conn.Close(context.WithoutCancel(ctx)) // the next pass goes on, whatever was under way
		}
	}()
	for sleep(ctx, k.cfg.Every) == nil {
		if k.s.gate.state() != gateClosed {
			continue // the workers try
		}
		err := error(nil)
		if conn == nil || conn.IsClosed() {
			if conn, err = connect(ctx, k.s.dsn); err != nil {
				conn = nil
			}
		}
		if err == nil {
			err = k.pass(ctx, conn)
		}
		problem := ""
		if err != nil && ctx.Err() == nil {
			problem = err.Error()
			k.s.tellOnce(Upkeep, problem)
		}
		k.count(func(u *Upkept) { u.Problem = problem; u.Passes++ })
	}
}

// pass does everything that is due.
func (k *keeper) pass(ctx context.Context, conn *pgx.Conn) error {
	now := k.s.cfg.Now()
	c, err := readCatalog(ctx, conn)
	if err != nil {
		return err
	}
	if err := k.makeAhead(ctx, conn, c, now); err != nil {
		return err
	}
	// A drainer that lags behind still writes to minutes that are over.
	done := min(now, k.s.through())
	err = k.closeMinutes(ctx, conn, c, done)
	for _, t := range tables {
		for _, r := range t.tiers() {
			if r.above != nil && err == nil {
				err = k.rollUp(ctx, conn, c, t, r, done)
			}
		}
	}
	if err == nil {
		err = k.retire(ctx, conn, c, now)
	}
	return err
}

// madeAtOnce is how many partitions are made in a transaction, which holds locks on all of them.
const madeAtOnce = 60

// makeAhead makes the partitions of the present and of the time ahead.
func (k *keeper) makeAhead(ctx context.Context, conn *pgx.Conn, c *catalog, now market.Nanos) error {
	there := map[string]bool{}
	for _, p := range c.parts {
		there[p.name] = true
	}
	for i, t := range tables {
		if !k.s.kept[i] {
			continue
		}
		for _, r := range t.tiers() {
			if r.group {
				continue // made with what is in it
			}
			// Where rows move must be known to every reader long before: a query that was planned
			// without it must not see that they have left where they were.
			var due []market.Nanos
			for at := spanOf(now, r.span).from; at <= now+market.Nanos(k.cfg.Ahead); at += r.span {
				if !there[r.name(t, at)] {
					due = append(due, at)
				}
			}
			for some := range slices.Chunk(due, madeAtOnce) {
				if err := k.cfg.make(ctx, conn, r, t, some...); err != nil {
					return err
				}
				k.count(func(u *Upkept) { u.Made += uint64(len(some)) })
			}
		}
	}
	return nil
}

// closeMinutes indexes the minutes that are over.
func (k *keeper) closeMinutes(ctx context.Context, conn *pgx.Conn, c *catalog, done market.Nanos) error {
	for i := range c.parts {
		p := &c.parts[i]
		if p.tier != byMinute || p.keyed || p.parent == "" || p.pending || c.conflicts[p.name] || p.span.to+market.Nanos(k.cfg.CloseAfter) > done {
			continue
		}
		empty, err := isEmpty(ctx, conn, p.name)
		if err != nil {
			return err
		}
		if empty {
			continue
		}
		err = k.index(ctx, conn, p)
		switch {
		case errors.Is(err, ErrConflict):
			c.conflicts[p.name] = true
		case err != nil:
			return err
		default:
			k.count(func(u *Upkept) { u.Closed++ })
		}
	}
	return nil
}

func isEmpty(ctx context.Context, q querier, name string) (empty bool, err error) {
	if err := q.QueryRow(ctx, fmt.Sprintf("SELECT NOT EXISTS (SELECT FROM tidegate.%s)", name)).Scan(&empty); err != nil {
		return false, fmt.Errorf("postgres: look into partition %s: %w", name, err)
	}
	return empty, nil
}

func indexSQL(leaf string) string {
	return fmt.Sprintf("CREATE UNIQUE INDEX %s_key ON tidegate.%s (journal, epoch, index); CREATE INDEX %s_instrument ON tidegate.%s (instrument, ts); ",
		leaf, leaf, leaf, leaf)
}

// index makes the indexes of a minute. Its unique key is the proof that no row is there twice.
func (k *keeper) index(ctx context.Context, conn *pgx.Conn, p *part) error {
	_, err := conn.PgConn().Exec(ctx, indexSQL(p.name)+"ANALYZE tidegate."+p.name).ReadAll()
	if err := k.conflict(ctx, conn, p.name, err); err != nil {
		return fmt.Errorf("postgres: index partition %s: %w", p.name, err)
	}
	p.keyed = true
	return nil
}

// conflict notes a unique key that was violated, for somebody to look at, and says so.
func (k *keeper) conflict(ctx context.Context, conn *pgx.Conn, leaf string, err error) error {
	err = doubled(err)
	if !errors.Is(err, ErrConflict) {
		return err
	}
	if _, err := conn.Exec(ctx, "INSERT INTO tidegate.conflicts (leaf, detail) VALUES ($1, $2) ON CONFLICT (leaf) DO NOTHING", leaf, err.Error()); err != nil {
		return err
	}
	k.s.notify(Conflict, "rows of %s are there twice; it is left as it is until its row in tidegate.conflicts is deleted: %v", leaf, err)
	return err
}

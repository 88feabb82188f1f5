package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

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
			k.s.notify(Upkeep, "%v", err)
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
			// Where rows move must be known to every reader long before: a query that was planned
			// without it must not see that they have left where they were.
			for at := spanOf(now, r.span).from; at <= now+market.Nanos(k.cfg.Ahead); at += r.span {
				if there[r.name(t, at)] {
					continue
				}
				if err := k.cfg.make(ctx, conn, r, t, at); err != nil {
					return err
				}
				k.count(func(u *Upkept) { u.Made++ })
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

// rollUp moves the rows of partitions of a tier to the tier above, where the longer span is over.
func (k *keeper) rollUp(ctx context.Context, conn *pgx.Conn, c *catalog, t *table, r *tier, done market.Nanos) error {
	up := r.above
	for _, group := range c.groups(t, r, up.span) {
		span := spanOf(group[0].span.from, up.span)
		if span.to+market.Nanos(k.cfg.RollUpAfter) > done {
			continue
		}
		target, ok := c.has(up.name(t, span.from))
		if !ok { // readers have to learn of it first: the next pass goes on
			if err := k.cfg.make(ctx, conn, up, t, span.from); err != nil {
				return err
			}
			continue
		}
		if target.parent == "" || c.conflicts[target.name] {
			continue
		}
		err := k.move(ctx, conn, c, &target, group)
		if errors.Is(err, ErrConflict) {
			c.conflicts[target.name] = true
			continue
		}
		if err != nil {
			return err
		}
		for _, p := range group {
			if err := k.drop(ctx, conn, p, target.name); err != nil {
				return err
			}
		}
	}
	return nil
}

// groups returns the partitions of a tier by the longer spans that they belong to. A group with something that
// is not ready is left out.
func (c *catalog) groups(t *table, r *tier, span market.Nanos) [][]*part {
	var all [][]*part
	var last leaf
	bad := map[leaf]bool{}
	for i := range c.parts { // by name, which is by time
		p := &c.parts[i]
		if p.table != t || p.tier != r {
			continue
		}
		s := spanOf(p.span.from, span)
		bad[s] = bad[s] || c.conflicts[p.name]
		if len(all) == 0 || s != last {
			all = append(all, nil)
			last = s
		}
		all[len(all)-1] = append(all[len(all)-1], p)
	}
	good := all[:0]
	for _, g := range all {
		if !bad[spanOf(g[0].span.from, span)] {
			good = append(good, g)
		}
	}
	return good
}

// move moves the rows of partitions, in one transaction: whoever looks sees each row once, in the one place
// or in the other. Rows that come meanwhile stay where they are, for the next time.
func (k *keeper) move(ctx context.Context, conn *pgx.Conn, c *catalog, target *part, from []*part) error {
	var moved int64
	err := pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead}, func(tx pgx.Tx) error {
		moved = 0
		var full []*part
		for _, p := range from {
			if p.pending {
				continue
			}
			in, err := tx.Exec(ctx, fmt.Sprintf("INSERT INTO tidegate.%s SELECT * FROM tidegate.%s", target.name, p.name))
			if err != nil {
				return err
			}
			if moved += in.RowsAffected(); in.RowsAffected() > 0 {
				full = append(full, p)
			}
		}
		if moved == 0 {
			return nil
		}
		if !target.keyed {
			if _, err := tx.Conn().PgConn().Exec(ctx, indexSQL(target.name)+brinSQL(target.name)).ReadAll(); err != nil {
				return err
			}
		}
		var gone int64
		for _, p := range full {
			out, err := tx.Exec(ctx, "DELETE FROM tidegate."+p.name)
			if err != nil {
				return err
			}
			gone += out.RowsAffected()
		}
		if gone != moved {
			return fmt.Errorf("%d rows came and %d went", moved, gone) // and the transaction is undone
		}
		return nil
	})
	if err := k.conflict(ctx, conn, target.name, err); err != nil {
		return fmt.Errorf("postgres: roll up into %s: %w", target.name, err)
	}
	if moved == 0 {
		return nil
	}
	target.keyed = true
	for i := range c.parts {
		if c.parts[i].name == target.name {
			c.parts[i].keyed = true
		}
	}
	k.count(func(u *Upkept) { u.RolledUp++; u.Rows += uint64(moved) })
	how := "(ANALYZE)"
	if target.tier == days { // nobody changes it any more
		how = "(FREEZE, ANALYZE)"
	}
	if _, err := conn.Exec(ctx, fmt.Sprintf("VACUUM %s tidegate.%s", how, target.name)); err != nil {
		return fmt.Errorf("postgres: vacuum %s: %w", target.name, err)
	}
	return nil
}

// detachWait is how long a pass waits for readers who hold a partition that is to be detached. The next pass
// goes on waiting; the readers do not wait.
const detachWait = 10 * time.Second

// drop detaches a partition whose rows have moved to a target, and drops it. Rows that came late move first.
func (k *keeper) drop(ctx context.Context, conn *pgx.Conn, p *part, target string) error {
	if err := k.detach(ctx, conn, p.parent, p.name, p.pending); err != nil {
		return err
	}
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		// A drainer that knows the partition by its name may have written to it until now.
		if _, err := tx.Exec(ctx, fmt.Sprintf("LOCK TABLE tidegate.%s IN ACCESS EXCLUSIVE MODE", p.name)); err != nil {
			return err
		}
		if target != "" {
			if _, err := tx.Exec(ctx, fmt.Sprintf("INSERT INTO tidegate.%s SELECT * FROM tidegate.%s", target, p.name)); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, "DROP TABLE tidegate."+p.name)
		return err
	})
	if err := k.conflict(ctx, conn, p.name, err); err != nil {
		return fmt.Errorf("postgres: drop partition %s: %w", p.name, err)
	}
	k.count(func(u *Upkept) { u.Dropped++ })
	return nil
}

// detach detaches a partition without making readers wait: it waits for them.
func (k *keeper) detach(ctx context.Context, conn *pgx.Conn, parent, name string, pending bool) error {
	if parent == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, detachWait)
	defer cancel()
	how := "CONCURRENTLY"
	if pending {
		how = "FINALIZE"
	}
	if _, err := conn.Exec(ctx, fmt.Sprintf("ALTER TABLE tidegate.%s DETACH PARTITION tidegate.%s %s", parent, name, how)); err != nil {
		return fmt.Errorf("postgres: detach partition %s: %w", name, err)
	}
	return nil
}

// retire drops days that are too old, and tables of minutes of days that have none any more.
func (k *keeper) retire(ctx context.Context, conn *pgx.Conn, c *catalog, now market.Nanos) error {
	for _, g := range c.dayGroups {
		if g.empty && g.from+market.Day+market.Nanos(k.cfg.RollUpAfter) <= now || g.orphan {
			if err := k.dropGroup(ctx, conn, g); err != nil {
				return err
			}
		}
	}
	if k.cfg.Retain == 0 {
		return nil
	}
	for i := range c.parts {
		p := &c.parts[i]
		if p.tier.span != market.Day || p.span.to+market.Nanos(k.cfg.Retain) > now || c.conflicts[p.name] {
			continue
		}
		if err := k.drop(ctx, conn, p, ""); err != nil {
			return err
		}
	}
	return nil
}

// dropGroup drops the table of the minutes of a day, unless somebody has made a minute there meanwhile: then
// it is attached again.
func (k *keeper) dropGroup(ctx context.Context, conn *pgx.Conn, g dayGroup) error {
	parent := g.table.name + byMinute.suffix
	if !g.orphan {
		if err := k.detach(ctx, conn, parent, g.name, g.pending); err != nil {
			return err
		}
	}
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, fmt.Sprintf("LOCK TABLE tidegate.%s IN ACCESS EXCLUSIVE MODE", g.name)); err != nil {
			return err
		}
		var used bool
		if err := tx.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_inherits WHERE inhparent = $1::text::regclass)", "tidegate."+g.name).Scan(&used); err != nil {
			return err
		}
		sql := "DROP TABLE tidegate." + g.name
		if used {
			sql = fmt.Sprintf("ALTER TABLE tidegate.%s ATTACH PARTITION tidegate.%s FOR VALUES FROM (%s) TO (%s)",
				parent, g.name, literal(g.from), literal(g.from+market.Day))
		}
		_, err := tx.Exec(ctx, sql)
		return err
	})
	if err != nil {
		return fmt.Errorf("postgres: drop %s: %w", g.name, err)
	}
	return nil
}

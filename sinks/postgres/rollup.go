package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"tidegate/market"
)

// rollUp moves the rows of partitions of a tier to the tier above, where the longer span is over.
func (k *keeper) rollUp(ctx context.Context, conn *pgx.Conn, c *catalog, t *table, r *tier, done market.Nanos) error {
	up := r.above
	for _, from := range c.bySpan(t, r, up.span) {
		span := spanOf(from[0].span.from, up.span)
		if span.to+market.Nanos(k.cfg.RollUpAfter) > done || c.disputed(t, span) {
			continue
		}
		target := c.has(up.name(t, span.from))
		if target == nil { // readers have to learn of it first: the next pass goes on
			if err := k.cfg.make(ctx, conn, up, t, span.from); err != nil {
				return err
			}
			continue
		}
		if target.parent == "" || target.pending {
			continue
		}
		err := k.move(ctx, conn, target, from)
		if errors.Is(err, ErrConflict) {
			c.conflicts[target.name] = true
			continue
		}
		if err != nil {
			return err
		}
		for _, p := range from {
			if err := k.drop(ctx, conn, p, target.name); err != nil {
				return err
			}
		}
	}
	return nil
}

// bySpan returns the partitions of a tier, by the longer spans that they belong to.
func (c *catalog) bySpan(t *table, r *tier, span market.Nanos) (all [][]*part) {
	last := leaf{}
	for i := range c.parts {
		p := &c.parts[i]
		if p.table != t || p.tier != r {
			continue
		}
		if s := spanOf(p.span.from, span); len(all) == 0 || s != last {
			all = append(all, nil)
			last = s
		}
		all[len(all)-1] = append(all[len(all)-1], p)
	}
	return all
}

// disputed reports whether somebody has to look at rows of a span.
func (c *catalog) disputed(t *table, span leaf) bool {
	for i := range c.parts {
		if p := &c.parts[i]; p.table == t && c.conflicts[p.name] && p.span.from < span.to && span.from < p.span.to {
			return true
		}
	}
	return false
}

// move moves the rows of partitions, in one transaction: whoever looks sees each row once, in the one place
// or in the other. Rows that come meanwhile stay where they are, for the next time.
func (k *keeper) move(ctx context.Context, conn *pgx.Conn, target *part, from []*part) error {
	var moved int64
	err := pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead}, func(tx pgx.Tx) error {
		for _, p := range from {
			in, err := tx.Exec(ctx, fmt.Sprintf("INSERT INTO tidegate.%s SELECT * FROM tidegate.%s", target.name, p.name))
			if err != nil {
				return err
			}
			if in.RowsAffected() == 0 {
				continue
			}
			out, err := tx.Exec(ctx, "DELETE FROM tidegate."+p.name)
			if err != nil {
				return err
			}
			if in.RowsAffected() != out.RowsAffected() {
				return fmt.Errorf("of %s %d rows came and %d went", p.name, in.RowsAffected(), out.RowsAffected()) // and the transaction is undone
			}
			moved += in.RowsAffected()
		}
		if moved == 0 || target.keyed {
			return nil
		}
		_, err := tx.Conn().PgConn().Exec(ctx, indexSQL(target.name)+brinSQL(target.name)).ReadAll()
		return err
	})
	if err := k.conflict(ctx, conn, target.name, err); err != nil {
		return fmt.Errorf("postgres: roll up into %s: %w", target.name, err)
	}
	if moved == 0 {
		return nil
	}
	target.keyed = true
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

// detach detaches a partition without making readers wait: it waits for them.
func (k *keeper) detach(ctx context.Context, conn *pgx.Conn, p *part) error {
	if p.parent == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, detachWait)
	defer cancel()
	how := "CONCURRENTLY"
	if p.pending {
		how = "FINALIZE"
	}
	if _, err := conn.Exec(ctx, fmt.Sprintf("ALTER TABLE tidegate.%s DETACH PARTITION tidegate.%s %s", p.parent, p.name, how)); err != nil {
		return fmt.Errorf("postgres: detach partition %s: %w", p.name, err)
	}
	return nil
}

// drop detaches a partition whose rows have moved to a target, and drops it. Rows that came late move first.
// Without a target rows are dropped with it.
func (k *keeper) drop(ctx context.Context, conn *pgx.Conn, p *part, target string) error {
	if err := k.detach(ctx, conn, p); err != nil {
		return err
	}
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		// A drainer that knows a partition by its name may have written to it until now.
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

// retire drops days that are too old, and what is left of the minutes of days when all have moved.
func (k *keeper) retire(ctx context.Context, conn *pgx.Conn, c *catalog, now market.Nanos) error {
	for i := range c.parts {
		p := &c.parts[i]
		switch {
		case p.tier == minuteDays && (p.parent == "" || p.hollow && p.span.to+market.Nanos(k.cfg.RollUpAfter) <= now):
			if err := k.dropDay(ctx, conn, p); err != nil {
				return err
			}
		case p.tier != days && p.tier != byDay || k.cfg.Retain == 0 || p.span.to+market.Nanos(k.cfg.Retain) > now || c.disputed(p.table, p.span):
		default:
			if err := k.drop(ctx, conn, p, ""); err != nil {
				return err
			}
		}
	}
	return nil
}

// dropDay drops the table of the minutes of a day, unless somebody has made one there meanwhile: then it is
// attached again.
func (k *keeper) dropDay(ctx context.Context, conn *pgx.Conn, p *part) error {
	if err := k.detach(ctx, conn, p); err != nil {
		return err
	}
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, fmt.Sprintf("LOCK TABLE tidegate.%s IN ACCESS EXCLUSIVE MODE", p.name)); err != nil {
			return err
		}
		var used bool
		if err := tx.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_inherits WHERE inhparent = $1::text::regclass)", "tidegate."+p.name).Scan(&used); err != nil {
			return err
		}
		sql := "DROP TABLE tidegate." + p.name
		if used {
			sql = fmt.Sprintf("ALTER TABLE tidegate.%s ATTACH PARTITION tidegate.%s FOR VALUES FROM (%s) TO (%s)",
				p.tier.parent(p.table, p.span.from), p.name, literal(p.span.from), literal(p.span.to))
		}
		_, err := tx.Exec(ctx, sql)
		return err
	})
	if err != nil {
		return fmt.Errorf("postgres: drop %s: %w", p.name, err)
	}
	return nil
}

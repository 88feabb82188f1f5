package postgres

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tidegate/market"
)

// A tier is a partitioned table that holds rows of a table in partitions of one length. Rows move up.
//
//	trades_minutes / trades_minutes_20260102 / trades_20260102_1504   where rows come in
//	trades_hours / trades_20260102_15                                 finished hours
//	trades_days / trades_20260102                                     finished days
type tier struct {
	suffix string // of the partitioned table
	span   market.Nanos
	layout string // of the times in partitions' names
	above  *tier  // where its rows move; nil for the last
}

var (
	days     = &tier{suffix: "_days", span: market.Day, layout: "20060102"}
	hours    = &tier{suffix: "_hours", span: market.Hour, layout: "20060102_15", above: days}
	byMinute = &tier{suffix: "_minutes", span: market.Minute, layout: "20060102_1504", above: hours}
	// byDay is the only one of a table that has no others.
	byDay = &tier{span: market.Day, layout: "20060102"}
)

// tiers returns those of a table, the lowest first.
func (t *table) tiers() []*tier {
	switch t.parts {
	case minutes:
		return []*tier{byMinute, hours, days}
	case daily:
		return []*tier{byDay}
	default:
		return nil
	}
}

// partitionAt returns the name of where rows of a time come in.
func (t *table) partitionAt(at market.Nanos) string {
	if t.parts == whole {
		return t.name
	}
	return t.tiers()[0].name(t, at)
}

// name returns the name of the partition that holds a time.
func (r *tier) name(t *table, at market.Nanos) string {
	return t.name + "_" + utc(spanOf(at, r.span).from).Format(r.layout)
}

// parse returns the time in the name of a partition.
func (r *tier) parse(t *table, name string) (at market.Nanos, ok bool) {
	text, ok := strings.CutPrefix(name, t.name+"_")
	if !ok || len(text) != len(r.layout) {
		return 0, false
	}
	tm, err := time.Parse(r.layout, text)
	return market.Nanos(tm.UnixNano()), err == nil
}

// parent returns the table whose partitions those of the tier are. Minutes are inside days, so that making
// or detaching one concerns only readers of its day.
func (r *tier) parent(t *table, at market.Nanos) string {
	if r == byMinute {
		return t.name + r.suffix + "_" + utc(at).Format(days.layout)
	}
	return t.name + r.suffix
}

func utc(t market.Nanos) time.Time { return time.Unix(0, int64(t)).UTC() }

// literal returns a time for SQL.
func literal(t market.Nanos) string { return "'" + utc(t).Format("2006-01-02 15:04:05") + "+00'" }

// makeSQL returns the statements that make the partition that holds a time, unless it is there.
func (r *tier) makeSQL(t *table, at market.Nanos, space string) string {
	span := spanOf(at, r.span)
	one := func(parent, name string, l leaf, options string) string {
		return fmt.Sprintf("SELECT tidegate.make_partition('%s', '%s', %s, %s, '%s', '%s'); ",
			parent, name, literal(l.from), literal(l.to), options, strings.ReplaceAll(space, "'", "''"))
	}
	if r != byMinute {
		return one(r.parent(t, at), r.name(t, at), span, "")
	}
	// A minute is not vacuumed: its rows move on, and it is dropped.
	return one(t.name+r.suffix, r.parent(t, at), spanOf(at, market.Day), "PARTITION BY RANGE (ts)") +
		one(r.parent(t, at), r.name(t, at), span, "WITH (autovacuum_enabled = off)")
}

// space returns the tablespace of a tier.
func (p *Partitions) space(r *tier) string {
	if r == days || r == byDay {
		return p.ColdSpace
	}
	return p.HotSpace
}

// make makes partitions that are not there, each in a transaction of its own.
func (p *Partitions) make(ctx context.Context, conn *pgx.Conn, r *tier, t *table, at market.Nanos) error {
	sql := r.makeSQL(t, at, p.space(r))
	if p.BRIN && r == byMinute {
		sql += brinSQL(r.name(t, at))
	}
	if _, err := conn.PgConn().Exec(ctx, sql).ReadAll(); err != nil {
		return fmt.Errorf("postgres: make partition %s: %w", r.name(t, at), err)
	}
	return nil
}

func brinSQL(leaf string) string {
	return fmt.Sprintf("CREATE INDEX IF NOT EXISTS %s_ts ON tidegate.%s USING brin (ts); ", leaf, leaf)
}

// ensureFor makes the partition where rows of a time come in, unless it is there.
func (k *keeper) ensureFor(ctx context.Context, conn *pgx.Conn, t *table, at market.Nanos) (made bool, err error) {
	r := t.tiers()[0]
	there, err := exists(ctx, conn, r.name(t, at))
	if err != nil || there {
		return false, err
	}
	return true, k.cfg.make(ctx, conn, r, t, at)
}

func exists(ctx context.Context, conn *pgx.Conn, name string) (there bool, err error) {
	err = conn.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", "tidegate."+name).Scan(&there)
	if err != nil {
		return false, fmt.Errorf("postgres: look for partition %s: %w", name, err)
	}
	return there, nil
}

// A part is a partition as the server has it.
type part struct {
	table   *table
	tier    *tier
	name    string
	span    leaf
	parent  string // "" if it is attached to none
	pending bool   // detaching it has begun and not ended
	keyed   bool   // it has its unique key, and the other indexes
}

// catalog is what the server has.
type catalog struct {
	parts     []part
	dayGroups []dayGroup
	conflicts map[string]bool
}

// A dayGroup is the table of the minutes of a day.
type dayGroup struct {
	table   *table
	name    string
	from    market.Nanos
	pending bool
	orphan  bool
	empty   bool // it has no partition
}

const catalogSQL = `
SELECT c.relname, c.relkind = 'p', coalesce(p.relname, ''), coalesce(i.inhdetachpending, false),
	EXISTS (SELECT FROM pg_index x WHERE x.indrelid = c.oid AND x.indisunique AND x.indisvalid),
	EXISTS (SELECT FROM pg_inherits b WHERE b.inhparent = c.oid)
FROM pg_class c
LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
LEFT JOIN pg_class p ON p.oid = i.inhparent
WHERE c.relnamespace = 'tidegate'::regnamespace AND c.relkind IN ('r', 'p')
ORDER BY c.relname`

func readCatalog(ctx context.Context, conn *pgx.Conn) (*catalog, error) {
	c := &catalog{conflicts: map[string]bool{}}
	rows, err := conn.Query(ctx, catalogSQL)
	if err != nil {
		return nil, fmt.Errorf("postgres: list partitions: %w", err)
	}
	for rows.Next() {
		var name, parent string
		var partitioned, pending, keyed, children bool
		if err := rows.Scan(&name, &partitioned, &parent, &pending, &keyed, &children); err != nil {
			return nil, fmt.Errorf("postgres: list partitions: %w", err)
		}
		c.add(name, parent, partitioned, pending, keyed, children)
	}
	if rows.Err() == nil {
		rows, err = conn.Query(ctx, "SELECT leaf FROM tidegate.conflicts")
		if err != nil {
			return nil, fmt.Errorf("postgres: list conflicts: %w", err)
		}
		for rows.Next() {
			var name string
			if err := rows.Scan(&name); err != nil {
				return nil, fmt.Errorf("postgres: list conflicts: %w", err)
			}
			c.conflicts[name] = true
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("postgres: list partitions: %w", err)
	}
	return c, nil
}

func (c *catalog) add(name, parent string, partitioned, pending, keyed, children bool) {
	for _, t := range tables {
		if partitioned {
			if text, ok := strings.CutPrefix(name, t.name+byMinute.suffix+"_"); ok {
				if tm, err := time.Parse(days.layout, text); err == nil {
					c.dayGroups = append(c.dayGroups, dayGroup{t, name, market.Nanos(tm.UnixNano()), pending, parent == "", !children})
				}
			}
			continue
		}
		for _, r := range t.tiers() {
			if at, ok := r.parse(t, name); ok {
				c.parts = append(c.parts, part{t, r, name, spanOf(at, r.span), parent, pending, keyed})
			}
		}
	}
}

// has returns the partition of a name.
func (c *catalog) has(name string) (part, bool) {
	for _, p := range c.parts {
		if p.name == name {
			return p, true
		}
	}
	return part{}, false
}

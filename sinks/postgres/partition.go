package postgres

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tidegate/market"
)

// A tier is the partitions of one length that a table has. Rows move from tier to tier.
//
//	trades_minutes                          where rows come in, by minutes
//	    trades_minutes_20260102             inside hours, inside days
//	        trades_minutes_20260102_15
//	            trades_20260102_1504
//	trades_hours                            finished hours
//	    trades_20260102_15
//	trades_days                             finished days
//	    trades_20260102
type tier struct {
	top    string // what the name of the outermost table ends with
	in     *tier  // whose partitions they are partitions of; nil: of the outermost table
	group  bool   // they are partitioned themselves, and have no rows of their own
	infix  string // of their names
	layout string // of the times in their names
	span   market.Nanos
	above  *tier // where their rows move when they are over
}

var (
	days  = &tier{top: "_days", layout: layoutDay, span: market.Day}
	hours = &tier{top: "_hours", layout: layoutHour, span: market.Hour, above: days}

	// Minutes are inside hours and days, so that making one concerns only readers of its hour, and all of an
	// hour go at once.
	minuteDays  = &tier{top: "_minutes", group: true, infix: "_minutes", layout: layoutDay, span: market.Day}
	minuteHours = &tier{in: minuteDays, group: true, infix: "_minutes", layout: layoutHour, span: market.Hour, above: hours}
	byMinute    = &tier{in: minuteHours, layout: layoutMinute, span: market.Minute}

	// byDay is the only tier of a table that has no others.
	byDay = &tier{layout: layoutDay, span: market.Day}
)

const (
	layoutDay    = "20060102"
	layoutHour   = "20060102_15"
	layoutMinute = "20060102_1504"
)

// tiers returns those of a table, first the one where rows come in.
func (t *table) tiers() []*tier {
	switch t.parts {
	case minutes:
		return []*tier{byMinute, minuteHours, minuteDays, hours, days}
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
	return t.name + r.infix + "_" + utc(spanOf(at, r.span).from).Format(r.layout)
}

// parse returns the time in the name of a partition.
func (r *tier) parse(t *table, name string) (at market.Nanos, ok bool) {
	text, ok := strings.CutPrefix(name, t.name+r.infix+"_")
	if !ok || len(text) != len(r.layout) {
		return 0, false
	}
	tm, err := time.Parse(r.layout, text)
	return market.Nanos(tm.UnixNano()), err == nil
}

// parent returns what the partition that holds a time is a partition of.
func (r *tier) parent(t *table, at market.Nanos) string {
	if r.in != nil {
		return r.in.name(t, at)
	}
	return t.name + r.top
}

func utc(t market.Nanos) time.Time { return time.Unix(0, int64(t)).UTC() }

// literal returns a time for SQL.
func literal(t market.Nanos) string { return "'" + utc(t).Format("2006-01-02 15:04:05") + "+00'" }

// makeSQL returns the statement that makes the partition that holds a time, unless it is there.
func (r *tier) makeSQL(t *table, at market.Nanos, space string) string {
	options := ""
	switch {
	case r.group:
		options, space = "PARTITION BY RANGE (ts)", ""
	case r == byMinute: // its rows move on, and it is dropped
		options = "WITH (autovacuum_enabled = off)"
	}
	span := spanOf(at, r.span)
	return fmt.Sprintf("SELECT tidegate.make_partition('%s', '%s', %s, %s, '%s', '%s'); ",
		r.parent(t, at), r.name(t, at), literal(span.from), literal(span.to), options, strings.ReplaceAll(space, "'", "''"))
}

// space returns the tablespace of a tier.
func (p *Partitions) space(r *tier) string {
	if r == days || r == byDay {
		return p.ColdSpace
	}
	return p.HotSpace
}

// make makes the partitions that hold some times, and what they are in, unless they are there, in one
// transaction.
func (p *Partitions) make(ctx context.Context, conn *pgx.Conn, r *tier, t *table, times ...market.Nanos) error {
	var sql strings.Builder
	seen := map[string]bool{}
	var add func(r *tier, at market.Nanos)
	add = func(r *tier, at market.Nanos) {
		if seen[r.name(t, at)] {
			return
		}
		seen[r.name(t, at)] = true
		if r.in != nil {
			add(r.in, at)
		}
		sql.WriteString(r.makeSQL(t, at, p.space(r)))
		if p.BRIN && r == byMinute {
			sql.WriteString(brinSQL(r.name(t, at)))
		}
	}
	for _, at := range times {
		add(r, at)
	}
	if _, err := conn.PgConn().Exec(ctx, sql.String()).ReadAll(); err != nil {
		return fmt.Errorf("postgres: make partition %s: %w", r.name(t, times[0]), err)
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
	hollow  bool   // it has no partitions
}

// catalog is what the server has.
type catalog struct {
	parts     []part // by name, which within a tier is by time
	conflicts map[string]bool
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
		for _, r := range t.tiers() {
			if at, ok := r.parse(t, name); ok && r.group == partitioned {
				c.parts = append(c.parts, part{t, r, name, spanOf(at, r.span), parent, pending, keyed, !children})
			}
		}
	}
}

// has returns the partition of a name; nil if there is none.
func (c *catalog) has(name string) *part {
	for i := range c.parts {
		if c.parts[i].name == name {
			return &c.parts[i]
		}
	}
	return nil
}

package postgres

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tidegate/market"
)

var planDays = flag.Int("plan-days", 1, "days of minutes in TestPlans: a week, 7, takes minutes to make")

// A plan is what EXPLAIN says, as far as the test looks at it.
type plan struct {
	Plan     node
	Planning float64 `json:"Planning Time"`
}

type node struct {
	Relation string `json:"Relation Name"`
	Plans    []node
	Removed  int `json:"Subplans Removed"`
}

func (n *node) relations() (all []string) {
	if n.Relation != "" {
		all = append(all, n.Relation)
	}
	for i := range n.Plans {
		all = append(all, n.Plans[i].relations()...)
	}
	return all
}

// explain returns the partitions that a query looks into, and how long it was planned.
func explain(t *testing.T, conn *pgx.Conn, sql string, args ...any) ([]string, time.Duration) {
	t.Helper()
	var text []byte
	if err := conn.QueryRow(t.Context(), "EXPLAIN (ANALYZE, TIMING off, SUMMARY on, FORMAT json) "+sql, args...).Scan(&text); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	var plans []plan
	if err := json.Unmarshal(text, &plans); err != nil {
		t.Fatal(err)
	}
	return plans[0].Plan.relations(), time.Duration(plans[0].Planning * float64(time.Millisecond))
}

// A week of minutes, rolled up as it goes: ten minutes of one instrument are looked for in their partitions
// only, and planned in milliseconds with the server's default settings, whatever the query looks like.
func TestPlans(t *testing.T) {
	t.Parallel()
	n := *planDays
	if testing.Short() {
		n = 1
	}
	w := newWorld(t)
	w.cfg.Partitions.Ahead = 2 * time.Hour
	w.cfg.Keep = []string{"trades"}
	now := market.Nanos(time.Now().UnixNano())
	first := spanOf(now, market.Day).from - market.Nanos(n)*market.Day
	const rowsEvery = 10 * market.Minute
	began := time.Now()
	made := uint64(0)
	for at := first; at < now; at += market.Hour {
		u := w.pass(at)
		made += u.Made
		// The hour's rows: of five instruments in every tenth minute, straight into the leaves.
		end := min(at+market.Hour, now)
		var sql strings.Builder
		for m := at; m < end; m += rowsEvery {
			fmt.Fprintf(&sql, "INSERT INTO tidegate.%s (ts, index, instrument, sequence, size, ts_in_delta, epoch, publisher, feed, journal, ts_ns, flags, side) "+
				"SELECT %s::timestamptz, %d + i, i, 0, 1, 0, 1, 1, 0, 1, 0, 0, 'B' FROM generate_series(1, 5) i; ", trades.partitionAt(m), literal(m), int64(m/market.Second))
		}
		if _, err := w.conn.PgConn().Exec(t.Context(), sql.String()).ReadAll(); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		w.pass(now)
	}
	want := 5 * int((now-first+rowsEvery-1)/rowsEvery)
	if got := ask[int](t, w.conn, "SELECT count(*) FROM tidegate.trades"); got != want {
		t.Errorf("%d rows, want %d", got, want)
	}
	t.Logf("%d partitions made in %v; now %d minutes, %d hours, %d days", made, time.Since(began).Round(time.Second),
		w.partitions(trades, byMinute), w.partitions(trades, hours), w.partitions(trades, days))

	from := func(at market.Nanos) string { return literal(at) }
	recent := now - 30*market.Minute
	older := first + market.Day/2
	for _, q := range []struct {
		name string
		sql  string
		args []any
		rows int // partitions looked into, at most
	}{
		{"ten minutes of now, literals", "SELECT * FROM tidegate.trades WHERE instrument = 3 AND ts >= " + from(recent) + " AND ts < " + from(recent+10*market.Minute), nil, 13}, // eleven minutes, and the hour and the day, which are empty there
		{"ten minutes of the first day, literals", "SELECT * FROM tidegate.trades WHERE instrument = 3 AND ts >= " + from(older) + " AND ts < " + from(older+10*market.Minute), nil, 1},
		{"ten minutes, parameters", "SELECT * FROM tidegate.trades WHERE instrument = $1 AND ts >= $2 AND ts < $3", []any{3, utc(older), utc(older + 10*market.Minute)}, 1},
		{"now()", "SELECT * FROM tidegate.trades WHERE instrument = 3 AND ts >= now() - interval '10 minutes'", nil, 300},
		{"no time", "SELECT * FROM tidegate.trades WHERE instrument = 3", nil, 600},
	} {
		conn := open(t, w.dsn)
		relations, cold := explain(t, conn, q.sql, q.args...)
		_, warm := explain(t, conn, q.sql, q.args...)
		conn.Close(t.Context())
		if len(relations) > q.rows || len(relations) == 0 {
			t.Errorf("%s: %d partitions: %v", q.name, len(relations), relations)
		}
		t.Logf("%s: %d partitions, planned in %v by a new session, then in %v", q.name, len(relations), cold.Round(10*time.Microsecond), warm.Round(10*time.Microsecond))
	}
	// Every mode that pgx has, and the generic plan that comes with the sixth call of a prepared statement.
	for _, mode := range []pgx.QueryExecMode{
		pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec, pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol,
	} {
		cfg, err := pgx.ParseConfig(w.dsn)
		if err != nil {
			t.Fatal(err)
		}
		cfg.DefaultQueryExecMode = mode
		conn, err := pgx.ConnectConfig(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		var worst time.Duration
		for range 8 {
			began := time.Now()
			var n int
			err := conn.QueryRow(t.Context(), "SELECT count(*) FROM tidegate.trades WHERE instrument = $1 AND ts >= $2 AND ts < $3",
				3, utc(older), utc(older+10*market.Minute)).Scan(&n)
			if err != nil || n != 1 {
				t.Fatalf("%v: %d rows, %v", mode, n, err)
			}
			worst = max(worst, time.Since(began))
		}
		t.Logf("%v: the slowest of 8 queries took %v", mode, worst.Round(10*time.Microsecond))
		if err := conn.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

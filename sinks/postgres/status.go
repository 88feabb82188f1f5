package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// A Status says what is in a database.
type Status struct {
	Server    string           `json:"server"` // version
	Schema    int              `json:"schema"` // version
	Standby   bool             `json:"standby"`
	Replay    float64          `json:"replay_lag_seconds"` // of a standby: age of the last transaction replayed
	Journals  []JournalStatus  `json:"journals"`
	Tables    []TableStatus    `json:"tables"`
	Conflicts []ConflictStatus `json:"conflicts"`
}

// JournalStatus is how far a journal is drained.
type JournalStatus struct {
	ID      string    `json:"id"`
	First   uint64    `json:"first"`
	Next    uint64    `json:"next"` // everything before it is there
	Rows    uint64    `json:"rows"`
	Skipped uint64    `json:"skipped"` // entries of tables that were not kept
	Missing uint64    `json:"missing"` // entries that the journal did not have
	Updated time.Time `json:"updated"`
}

// TableStatus is what a table has.
type TableStatus struct {
	Name    string `json:"name"`
	Minutes int    `json:"minutes"` // partitions
	Hours   int    `json:"hours"`
	Days    int    `json:"days"`
	Bytes   int64  `json:"bytes"` // with indexes
	Rows    int64  `json:"rows"`  // as the server estimates
}

// ConflictStatus is a partition in which rows are twice.
type ConflictStatus struct {
	Leaf   string    `json:"leaf"`
	Noted  time.Time `json:"noted"`
	Detail string    `json:"detail"`
}

// ReadStatus looks at a database.
func ReadStatus(ctx context.Context, dsn string) (*Status, error) {
	conn, err := Connect(ctx, dsn)
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if err := checkVersion(ctx, conn); err != nil {
		return nil, err
	}
	s := &Status{Journals: []JournalStatus{}, Tables: []TableStatus{}, Conflicts: []ConflictStatus{}}
	if s.Schema, err = version(ctx, conn); err != nil {
		return nil, err
	}
	if err := s.read(ctx, conn); err != nil {
		return nil, fmt.Errorf("postgres: status: %w", err)
	}
	return s, nil
}

func (s *Status) read(ctx context.Context, conn *pgx.Conn) error {
	err := conn.QueryRow(ctx, "SELECT current_setting('server_version'), pg_is_in_recovery(), "+
		"coalesce(extract(epoch FROM now() - pg_last_xact_replay_timestamp()), 0)::float8").Scan(&s.Server, &s.Standby, &s.Replay)
	if err != nil {
		return err
	}
	rows, err := conn.Query(ctx, "SELECT j.id, j.first, min(p.next), sum(p.rows)::bigint, sum(p.skipped)::bigint, sum(p.missing)::bigint, max(p.updated) "+
		"FROM tidegate.journals j JOIN tidegate.positions p USING (journal) GROUP BY j.journal ORDER BY j.journal")
	if err != nil {
		return err
	}
	if s.Journals, err = pgx.CollectRows(rows, pgx.RowToStructByPos[JournalStatus]); err != nil {
		return err
	}
	if rows, err = conn.Query(ctx, "SELECT leaf, noted, detail FROM tidegate.conflicts ORDER BY noted"); err != nil {
		return err
	}
	if s.Conflicts, err = pgx.CollectRows(rows, pgx.RowToStructByPos[ConflictStatus]); err != nil {
		return err
	}
	c, err := readCatalog(ctx, conn)
	if err != nil {
		return err
	}
	for _, t := range tables {
		st := TableStatus{Name: t.name}
		names := []string{t.name}
		for i := range c.parts {
			p := &c.parts[i]
			if p.table != t {
				continue
			}
			names = append(names, p.name)
			switch p.tier {
			case byMinute:
				st.Minutes++
			case hours:
				st.Hours++
			case days, byDay:
				st.Days++
			}
		}
		err := conn.QueryRow(ctx, "SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint, coalesce(sum(greatest(reltuples, 0)), 0)::bigint "+
			"FROM pg_class WHERE relnamespace = 'tidegate'::regnamespace AND relkind = 'r' AND relname = ANY($1)", names).Scan(&st.Bytes, &st.Rows)
		if err != nil {
			return err
		}
		s.Tables = append(s.Tables, st)
	}
	return nil
}

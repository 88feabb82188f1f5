package postgres

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// positions are how far the slots of a worker are drained, as the server has said last.
type positions struct {
	journal int16 // its number in the database
	slots   []int
	next    [slots]uint64
}

// least returns where to go on reading.
func (p *positions) least() uint64 {
	next := uint64(math.MaxUint64)
	for _, s := range p.slots {
		next = min(next, p.next[s])
	}
	return next
}

// wants reports whether the entry of a feed is still to be drained by the worker.
func (p *positions) wants(feed uint16, index uint64) bool {
	s := int(feed) % slots
	if index < p.next[s] {
		return false
	}
	for _, mine := range p.slots {
		if mine == s {
			return true
		}
	}
	return false
}

// enroll gives a journal a number and positions, if it has none: from index first on.
func enroll(ctx context.Context, conn *pgx.Conn, id string, first uint64) (number int16, err error) {
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "INSERT INTO tidegate.journals (id, first) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING", id, int64(first)); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, "SELECT journal FROM tidegate.journals WHERE id = $1", id).Scan(&number); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "INSERT INTO tidegate.positions (journal, slot, next) SELECT journal, slot, first FROM tidegate.journals, "+
			"generate_series(0, $2 - 1) AS slot WHERE journal = $1 ON CONFLICT DO NOTHING", number, slots)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("postgres: positions of journal %s: %w", id, err)
	}
	return number, nil
}

// load reads the positions, in a transaction that is committed like those of rows: when it has returned,
// what the positions say is as durable as is asked for, also what an earlier commit left in doubt.
func (p *positions) load(ctx context.Context, conn *pgconn.PgConn, set string) error {
	results, err := conn.Exec(ctx, fmt.Sprintf("BEGIN; %s UPDATE tidegate.positions SET updated = now() WHERE journal = %d AND slot IN (%s) RETURNING slot, next; COMMIT",
		set, p.journal, p.slotList())).ReadAll()
	if err != nil {
		return fmt.Errorf("postgres: read positions: %w", err)
	}
	found := 0
	for _, r := range results {
		for _, row := range r.Rows {
			var slot int
			var next uint64
			if _, err := fmt.Sscan(string(row[0]), &slot); err != nil {
				return fmt.Errorf("postgres: read positions: slot %q: %w", row[0], err)
			}
			if _, err := fmt.Sscan(string(row[1]), &next); err != nil {
				return fmt.Errorf("postgres: read positions: next %q: %w", row[1], err)
			}
			p.next[slot] = next
			found++
		}
	}
	if found != len(p.slots) {
		return fmt.Errorf("postgres: read positions: %w: %d of %d are there", ErrSchema, found, len(p.slots))
	}
	return nil
}

func (p *positions) slotList() string {
	return strings.Trim(strings.Join(strings.Fields(fmt.Sprint(p.slots)), ","), "[]")
}

// advanceSQL returns the statement that moves the positions behind a batch. It changes fewer rows than there
// are slots if somebody else has moved them meanwhile.
func (p *positions) advanceSQL(b *batch) string {
	var s strings.Builder
	fmt.Fprintf(&s, "UPDATE tidegate.positions p SET next = greatest(p.next, %d), updated = now()", b.end)
	lost := uint64(0)
	for _, m := range b.gaps {
		lost += m.to - m.from + 1
	}
	first := p.slots[0]
	fmt.Fprintf(&s, ", rows = rows + CASE slot WHEN %d THEN %d ELSE 0 END", first, b.rows)
	if b.skipped > 0 || lost > 0 {
		fmt.Fprintf(&s, ", skipped = skipped + CASE slot WHEN %d THEN %d ELSE 0 END, missing = missing + CASE slot WHEN %d THEN %d ELSE 0 END", first, b.skipped, first, lost)
	}
	fmt.Fprintf(&s, " FROM (VALUES ")
	for i, slot := range p.slots {
		if i > 0 {
			s.WriteString(", ")
		}
		fmt.Fprintf(&s, "(%d, %d::bigint)", slot, p.next[slot])
	}
	fmt.Fprintf(&s, ") AS v (s, was) WHERE p.journal = %d AND p.slot = v.s AND p.next = v.was", p.journal)
	return s.String()
}

// advance notes that a batch is committed.
func (p *positions) advance(b *batch) {
	for _, s := range p.slots {
		p.next[s] = max(p.next[s], b.end)
	}
}

package postgres

import (
	"context"
	"crypto/md5"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"math/bits"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tidegate/market"
	"tidegate/sinks/journal"
)

// A Comparison says how the rows of a database compare with the entries of a journal.
type Comparison struct {
	From  uint64 `json:"from"` // first index compared
	To    uint64 `json:"to"`   // index behind the last one
	First uint64 `json:"first"`
	// Position is the next index to be drained, the least and the greatest of the slots.
	Position    [2]uint64         `json:"position"`
	Rows        uint64            `json:"rows"`    // that there should be, and are unless there are differences
	Missing     uint64            `json:"missing"` // entries that the journal does not have
	Tables      []TableComparison `json:"tables"`
	Differences []string          `json:"differences"`
}

// TableComparison is what there is in one table.
type TableComparison struct {
	Name string `json:"name"`
	Rows uint64 `json:"rows"`
	Hash string `json:"hash"` // the sum of the rows' hashes, by the server
}

// VerifyOptions say what to compare.
type VerifyOptions struct {
	Keep  []string     // tables that were kept: see Config
	Since market.Nanos // rows of an earlier time are left out, because retention has dropped them; 0: none
	// Progress, if set, is called with the entries read so far and of all.
	Progress func(done, total uint64)
}

// A digest is a sum of hashes: of each row, the first 8 bytes of the MD5 of its fields as they are in binary
// COPY. The row has its index, so a row that is missing, there twice, or altered shows; the order does not.
type digest struct {
	rows uint64
	hi   uint64
	lo   uint64
}

func (d *digest) add(sum [md5.Size]byte) {
	h := binary.BigEndian.Uint64(sum[:])
	var carry uint64
	d.lo, carry = bits.Add64(d.lo, h, 0)
	d.hi, _ = bits.Add64(d.hi, uint64(int64(h)>>63), carry)
	d.rows++
}

// String returns the sum as the server prints it.
func (d *digest) String() string {
	n := new(big.Int).SetUint64(d.hi)
	if int64(d.hi) < 0 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), 64))
	}
	return n.Lsh(n, 64).Add(n, new(big.Int).SetUint64(d.lo)).String()
}

// addStream adds the rows of an encoded stream.
func (d *digest) addStream(b []byte) {
	b = b[len(copyHeader):]
	var fields []byte
	for len(b) >= 2 {
		n := int(binary.BigEndian.Uint16(b))
		b, fields = b[2:], fields[:0]
		for range n {
			size := int32(binary.BigEndian.Uint32(b))
			if b = b[4:]; size > 0 {
				fields = append(fields, b[:size]...)
				b = b[size:]
			}
		}
		d.add(md5.Sum(fields))
	}
}

// digestSQL returns the query for the digest of the rows of journal $1 with indexes from $2 on, and times from $3
// on if that is not null.
func (t *table) digestSQL() string {
	var fields []string
	for _, c := range t.columns {
		fields = append(fields, fmt.Sprintf("coalesce(%s(%s), '')", c.send, c.name))
	}
	return fmt.Sprintf("SELECT count(*), coalesce(sum(('x' || left(md5(%s), 16))::bit(64)::bigint), 0)::text FROM tidegate.%s "+
		"WHERE journal = $1 AND index >= $2 AND ($3::timestamptz IS NULL OR ts >= $3)", strings.Join(fields, " || "), t.name)
}

// Verify compares what is in a database with a journal: the rows must be those of the entries before the
// positions, each once, and no others. The server sums up hashes of what it has, so little travels. A drainer may
// be at work.
func Verify(ctx context.Context, dsn string, r *journal.Reader, o VerifyOptions) (*Comparison, error) {
	conn, err := Connect(ctx, dsn)
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if err := checkVersion(ctx, conn); err != nil {
		return nil, err
	}
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, fmt.Errorf("postgres: verify: %w", err)
	}
	defer tx.Rollback(context.WithoutCancel(ctx)) //nolint:errcheck // it only reads
	c := &Comparison{Tables: []TableComparison{}, Differences: []string{}}
	pos, err := c.positions(ctx, tx, r)
	if err != nil {
		return nil, fmt.Errorf("postgres: verify: %w", err)
	}
	want, err := c.digests(ctx, r, pos, &o)
	if err != nil {
		return nil, err
	}
	for i, t := range tables {
		var rows uint64
		var sum string
		var since *time.Time
		if o.Since != 0 {
			at := utc(o.Since)
			since = &at
		}
		if err := tx.QueryRow(ctx, t.digestSQL(), pos.journal, int64(c.From), since).Scan(&rows, &sum); err != nil {
			return nil, fmt.Errorf("postgres: verify %s: %w", t.name, err)
		}
		c.Tables = append(c.Tables, TableComparison{t.name, rows, sum})
		c.Rows += want[i].rows
		switch w := &want[i]; {
		case rows != w.rows:
			c.Differences = append(c.Differences, fmt.Sprintf("%s has %d rows of entries from %d on, and the journal %d", t.name, rows, c.From, w.rows))
		case sum != w.String():
			c.Differences = append(c.Differences, fmt.Sprintf("%s has as many rows as the journal, %d, but others: %s, not %s", t.name, rows, sum, w))
		}
	}
	return c, nil
}

// positions reads up to where there should be rows.
func (c *Comparison) positions(ctx context.Context, tx pgx.Tx, r *journal.Reader) (*positions, error) {
	id, err := r.ID()
	if err != nil {
		return nil, err
	}
	pos := &positions{}
	rows, err := tx.Query(ctx, "SELECT p.journal, p.slot, p.next, j.first FROM tidegate.positions p JOIN tidegate.journals j USING (journal) WHERE j.id = $1",
		fmt.Sprintf("%016x", id))
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		var slot int
		var next, first int64
		if err := rows.Scan(&pos.journal, &slot, &next, &first); err != nil {
			return nil, err
		}
		if slot < 0 || slot >= slots {
			return nil, fmt.Errorf("%w: a position has slot %d", ErrSchema, slot)
		}
		pos.slots = append(pos.slots, slot)
		pos.next[slot] = uint64(next)
		c.First = uint64(first)
		c.Position[1] = max(c.Position[1], uint64(next))
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	if len(pos.slots) != slots {
		return nil, fmt.Errorf("journal %016x: %d of %d positions are there: was it ever drained into this database?", id, len(pos.slots), slots)
	}
	oldest, _, err := r.Bounds()
	c.Position[0] = pos.least()
	c.From, c.To = max(c.First, oldest), c.Position[1]
	return pos, err
}

// digests reads the journal and makes the rows that there should be.
func (c *Comparison) digests(ctx context.Context, r *journal.Reader, pos *positions, o *VerifyOptions) (*[tablesMax]digest, error) {
	kept := (&Config{Keep: o.Keep}).keptOrDefault()
	want := &[tablesMax]digest{}
	b := &batch{}
	b.reset(c.From)
	sum := func() {
		b.seal()
		for _, s := range b.streams {
			want[s.table.id].addStream(s.b[:len(s.b)-len(copyTrailer)])
		}
		b.reset(b.end)
	}
	if err := r.SeekIndex(c.From); err != nil {
		return nil, err
	}
	var in journal.Batch
	var e journal.Entry
	it := item{Entry: &e, journal: pos.journal}
	for r.Position() < c.To {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		out, err := r.NextBatch(&in)
		switch {
		case err != nil:
			return nil, err
		case out == journal.Empty:
			return nil, fmt.Errorf("postgres: verify: the database is drained to entry %d, and the journal ends before %d", c.To, r.Position())
		case out == journal.Lost:
			g := r.Gap()
			c.Missing += g.Count()
			continue
		case out == journal.Broken:
			h := r.Hole()
			c.Missing += h.Count()
			continue
		}
		it.epoch = in.Epoch
		for in.Next(&e) {
			if s := int(e.Feed) % slots; e.Index < pos.next[s] {
				b.add(&it, kept)
			}
		}
		for i := 0; i < len(b.streams); i++ {
			if o.Since != 0 && b.streams[i].leaf.to <= o.Since { // whole partitions are dropped
				b.streams[i].b = b.streams[i].b[:len(copyHeader)]
			}
		}
		sum()
		if o.Progress != nil {
			o.Progress(r.Position()-c.From, c.To-c.From)
		}
	}
	return want, nil
}

func (c *Config) keptOrDefault() *tableSet {
	c.setDefaults()
	return c.kept()
}

// ErrDiffers is what a command may return about a comparison with differences.
var ErrDiffers = errors.New("the database differs from the journal")

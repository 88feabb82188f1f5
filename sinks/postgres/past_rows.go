package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tidegate/codec/dbn"
	"tidegate/market"
	"tidegate/sinks/entry"
)

// A PastQuery says what is wanted of one feed.
type PastQuery struct {
	Feed   string // its name; of tbbo records beside mbp-1, "NAME (tbbo)"
	Kind   uint8  // entry.KindRecord, entry.KindGap or entry.KindSwitch
	Schema dbn.Schema
	// Symbols are the instruments, as they were called at the time; nil for all.
	Symbols []string
	// Start and End are index times: when a record happened, of bbo schemas when their interval ended, of gaps and
	// switches when they were noticed. 0 and market.UndefTime are no bounds. End is exclusive.
	Start, End market.Nanos
	// From, if it is not 0, is the index of the first entry; then Start only says which partitions are looked at.
	From uint64
	// Ahead and Behind are how much event times may be ahead of receive times, and behind them: partitions are cut
	// by these, and questions are asked by those.
	Ahead, Behind market.Nanos
	Limit         int // most items
}

// A PastItem is an entry, made again of its row.
type PastItem struct {
	Index      uint64
	At         market.Nanos // receive time; of bars, which do not have it, when they began
	Epoch      uint64
	Payload    []byte // of the entry; valid until the next call
	Instrument market.InstrumentID
	Symbol     string // as of then
	Missing    string // if not empty: what the journal did not have here, and nothing else is set but Index
}

// PastRows are the rows of an answer, in the order of the journal. They come as they are read, so they take little
// memory. They belong to one goroutine.
type PastRows struct {
	q       PastQuery
	conn    *pgx.Conn
	cancel  context.CancelCauseFunc
	journal int16

	rows  pgx.Rows
	more  bool // rows is at one that was not returned yet
	shape *pastShape
	gaps  []pastGap // of the journal, in order, that were not told yet
	last  uint64    // index of the last item, 0: none
	b     []byte
}

type pastGap struct {
	from, to uint64
	reason   string
}

// Close gives the connection back.
func (r *PastRows) Close() {
	r.cancel(context.Canceled) // a server that is still at it is not waited for
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = r.conn.Close(ctx) // nothing was written
}

// Next returns the next item, and false behind the last one. After an error nothing more can be had.
func (r *PastRows) Next(it *PastItem) (bool, error) {
	if !r.more {
		if err := r.rows.Err(); err != nil {
			return false, whatFailed(err)
		}
		return false, nil
	}
	var name *string
	var head pastHead
	into := append([]any{&head.index, &head.epoch, &head.ts, &head.ns, &name}, r.shape.into...)
	if err := r.rows.Scan(into...); err != nil {
		return false, whatFailed(err)
	}
	// What the journal lacks is told where it lies between two records of the answer.
	for len(r.gaps) > 0 && r.gaps[0].from < uint64(head.index) {
		g := r.gaps[0]
		r.gaps = r.gaps[1:]
		if r.last != 0 && g.from > r.last {
			*it = PastItem{Index: g.from, Missing: fmt.Sprintf("%d entries were not in the journal (%s)", g.to-g.from+1, g.reason)}
			return true, nil
		}
	}
	*it = PastItem{Index: uint64(head.index), Epoch: uint64(head.epoch), At: market.Nanos(head.ts.UnixNano()) + market.Nanos(head.ns)}
	r.b = r.shape.payload(r.b[:0], it)
	it.Payload, r.last = r.b, it.Index
	switch {
	case name != nil:
		it.Symbol = *name
	case it.Instrument != 0:
		it.Symbol = fmt.Sprintf("#%d", it.Instrument)
	}
	r.more = r.rows.Next()
	return true, nil
}

type pastHead struct {
	index int64
	epoch int32
	ts    time.Time
	ns    int16
}

// ask asks for the rows.
func (r *PastRows) ask(ctx context.Context, tx pgx.Tx) error {
	var err error
	if r.shape, err = pastShapeOf(&r.q); err != nil {
		return err
	}
	if err := r.since(ctx, tx, r.shape.table); err != nil {
		return err
	}
	wanted, err := r.find(ctx, tx)
	if err != nil {
		return err
	}
	if r.gaps, err = r.missing(ctx, tx); err != nil {
		return err
	}
	sql, args := r.sql(wanted)
	if r.rows, err = tx.Query(ctx, sql, args...); err != nil {
		return err
	}
	r.more = r.rows.Next()
	return r.rows.Err()
}

// Spans of what is wanted, column by column: of a feed's number in an epoch, and of an instrument as long as it was
// called as is asked for.
type pastSpans struct {
	epochs, feeds       []int32
	instruments, lo, hi []int64 // empty if all instruments are wanted; hi is exclusive
}

// find looks up under which numbers what is wanted was kept.
func (r *PastRows) find(ctx context.Context, tx pgx.Tx) (s pastSpans, err error) {
	if r.q.Symbols == nil {
		rows, err := tx.Query(ctx, "SELECT DISTINCT epoch, feed FROM tidegate.feeds WHERE journal = $1 AND name = $2", r.journal, r.q.Feed)
		if err != nil {
			return s, err
		}
		var epoch, feed int32
		_, err = pgx.ForEachRow(rows, []any{&epoch, &feed}, func() error {
			s.epochs, s.feeds = append(s.epochs, epoch), append(s.feeds, feed)
			return nil
		})
		return s, err
	}
	// Records of a feed that is beside another (by 256) are of the instruments of that one.
	rows, err := tx.Query(ctx, `SELECT s.epoch, f.feed, s.instrument, s.index, s.until, s.symbol FROM (
			SELECT epoch, feed, instrument, index, symbol,
				lead(index, 1, 9223372036854775807) OVER (PARTITION BY epoch, feed, instrument ORDER BY index) AS until
			FROM tidegate.symbols WHERE journal = $1 AND instrument IN (SELECT instrument FROM tidegate.symbols WHERE journal = $1 AND symbol = ANY($3))
		) s JOIN (SELECT DISTINCT epoch, feed FROM tidegate.feeds WHERE journal = $1 AND name = $2) f ON f.epoch = s.epoch AND f.feed & 255 = s.feed
		WHERE s.symbol = ANY($3)`, r.journal, r.q.Feed, r.q.Symbols)
	if err != nil {
		return s, err
	}
	open := slices.Clone(r.q.Symbols)
	var epoch, feed int32
	var instrument, lo, hi int64
	var symbol string
	_, err = pgx.ForEachRow(rows, []any{&epoch, &feed, &instrument, &lo, &hi, &symbol}, func() error {
		s.epochs, s.feeds = append(s.epochs, epoch), append(s.feeds, feed)
		s.instruments, s.lo, s.hi = append(s.instruments, instrument), append(s.lo, lo), append(s.hi, hi)
		open = slices.DeleteFunc(open, func(o string) bool { return o == symbol })
		return nil
	})
	if err == nil && len(open) > 0 {
		err = fmt.Errorf("%w: %q of feed %s", ErrNoSymbol, open[0], r.q.Feed)
	}
	return s, err
}

// missing reads what the journal lacks.
func (r *PastRows) missing(ctx context.Context, tx pgx.Tx) (all []pastGap, err error) {
	rows, err := tx.Query(ctx, "SELECT from_index, to_index, reason FROM tidegate.journal_gaps WHERE journal = $1 ORDER BY from_index", r.journal)
	if err != nil {
		return nil, err
	}
	var from, to int64
	var reason string
	_, err = pgx.ForEachRow(rows, []any{&from, &to, &reason}, func() error {
		all = append(all, pastGap{uint64(from), uint64(to), reason})
		return nil
	})
	return all, err
}

// sql returns the question for the rows. Times are bounds of ts wherever there are any, so that only partitions are
// looked at that may have rows of the answer; names are looked up for what the limit leaves.
func (r *PastRows) sql(s pastSpans) (text string, args []any) {
	arg := func(v any) string {
		args = append(args, v)
		return fmt.Sprintf("$%d", len(args))
	}
	number := arg(r.journal)
	where := []string{"t.journal = " + number}
	add := func(format string, v ...any) { where = append(where, fmt.Sprintf(format, v...)) }
	spans := fmt.Sprintf("%s::int[], %s::int[]", arg(s.epochs), arg(s.feeds))
	join := fmt.Sprintf("unnest(%s) w (epoch, feed) ON w.epoch = t.epoch AND w.feed = t.feed", spans)
	if r.q.Symbols != nil {
		join = fmt.Sprintf("unnest(%s, %s::bigint[], %s::bigint[], %s::bigint[]) w (epoch, feed, instrument, lo, hi) "+
			"ON w.epoch = t.epoch AND w.feed = t.feed AND w.instrument = t.instrument", spans, arg(s.instruments), arg(s.lo), arg(s.hi))
		ids := slices.Compact(slices.Sorted(slices.Values(s.instruments)))
		add("t.instrument = ANY(%s::bigint[])", arg(ids))
		add("t.index >= w.lo AND t.index < w.hi")
	}
	r.bounds(add, arg)
	if r.shape.where != "" {
		add("%s", r.shape.where)
	}
	if r.q.From != 0 {
		add("t.index >= %s", arg(int64(r.q.From)))
	}
	inner := fmt.Sprintf("SELECT %s FROM tidegate.%s t JOIN %s WHERE %s ORDER BY t.index LIMIT %s",
		list("index epoch feed ts ts_ns "+r.shape.columns), r.shape.table.name, join, strings.Join(where, " AND "), arg(r.q.Limit))
	name := "NULL::text"
	if r.shape.named {
		name = fmt.Sprintf("(SELECT s.symbol FROM tidegate.symbols s WHERE s.journal = %s AND s.epoch = t.epoch AND s.feed = t.feed & 255 "+
			"AND s.instrument = t.instrument AND s.index < t.index ORDER BY s.index DESC LIMIT 1)", number)
	}
	return fmt.Sprintf("SELECT t.index, t.epoch, t.ts, t.ts_ns, %s, %s FROM (%s) t ORDER BY t.index", name, list(r.shape.columns), inner), args
}

// bounds adds the conditions on time.
func (r *PastRows) bounds(add func(string, ...any), arg func(any) string) {
	start, end := r.q.Start, r.q.End
	by := func(from, to market.Nanos, after, before string) { // conditions on a column of the server's times
		if start > 0 {
			add("t.ts >= %s", arg(utc(from)))
			if after != "" && r.q.From == 0 {
				add(after, arg(int64(start)))
			}
		}
		if end.Defined() {
			add("t.ts < %s", arg(utc(ceil(to, market.Microsecond))))
			if before != "" {
				add(before, arg(int64(end)))
			}
		}
	}
	const happened = "(t.ts_event IS NULL OR t.ts_event %s %%s)"
	switch {
	case r.q.Kind != entry.KindRecord: // to the nanosecond, which is in two columns
		exact := "extract(epoch FROM t.ts)::numeric * 1000000000 + t.ts_ns %s %%s::numeric"
		by(start, end, fmt.Sprintf(exact, ">="), fmt.Sprintf(exact, "<"))
	case r.shape.interval != 0: // the index time is the end of the interval, which the receive time is in
		by(ceil(start, r.shape.interval), ceil(end, r.shape.interval), "", "")
	case r.shape.table == bars: // the receive time is not there, and ts is when it began
		by(start, end, fmt.Sprintf(happened, ">="), fmt.Sprintf(happened, "<"))
	default:
		by(start-r.q.Ahead, end+r.q.Behind, fmt.Sprintf(happened, ">="), fmt.Sprintf(happened, "<"))
	}
}

// ceil returns the first multiple of a length from a time on.
func ceil(t, length market.Nanos) market.Nanos {
	if !t.Defined() || t%length == 0 {
		return t
	}
	return t - t%length + length
}

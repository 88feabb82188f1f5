package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"

	"tidegate/internal/clock"
	"tidegate/market"
	"tidegate/sinks/journal"
)

// Errors about questions for the past.
var (
	// ErrBehind is wrapped by the error about a server that lags too far behind the journal.
	ErrBehind = errors.New("the replica lags too far behind")
	// ErrDown is wrapped by errors about a server that cannot be asked.
	ErrDown = errors.New("the database cannot be asked")
	// ErrTooLong is wrapped by the error about a question whose answer takes the server too long.
	ErrTooLong = errors.New("the database needs too long")
	// ErrNoRows is wrapped by errors about rows that are not there any more, or never were.
	ErrNoRows = errors.New("the database does not reach back so far")
	// ErrNotKept is wrapped by errors about a table that nobody fills.
	ErrNotKept = errors.New("not kept in the database")
	// ErrNoSymbol is wrapped by the error about a symbol that nothing was ever called.
	ErrNoSymbol = errors.New("no such symbol in the database")
)

// PastConfig says where the rows of a journal are read back. The zero value of a field but Reader and DSN is its
// default.
type PastConfig struct {
	// Reader opens a reader of the journal whose rows are asked for. It tells which journal that is, and how old
	// what is missing is.
	Reader func() (*journal.Reader, error)
	// DSN is how the server is reached. Of several hosts a standby is preferred, unless it says otherwise.
	DSN string
	// MaxLag is how old the oldest durable entry of the journal that the server does not show may be. 0: 5 s.
	MaxLag time.Duration
	// StartTimeout is how long a question may take until its first row is there. 0: 20 s.
	StartTimeout time.Duration
	// Now tells the time; nil: clock.Now.
	Now func() market.Nanos
}

// statementMax is when the server gives a statement up by itself, whatever has become of who asked.
const statementMax = time.Minute

// lockMax is how long a question waits for a lock. Nobody takes one for long, but a standby that stands may hold one.
const lockMax = 3 * time.Second

// A Past reads back what was drained from one journal. Its methods may be called by any goroutine that may wait.
// Each question has a connection of its own, for as long as it is answered: who asks limits how many there are, and
// every question finds the standby that there is by then.
type Past struct {
	cfg     PastConfig
	connect *pgx.ConnConfig

	asked, behind, down, tooLong atomic.Uint64
	lag                          atomic.Int64
}

// PastStats are counts since the start.
type PastStats struct {
	Asked   uint64        // questions
	Behind  uint64        // that were refused because the server lagged
	Down    uint64        // for which the server could not be asked
	TooLong uint64        // for which it needed too long
	Lag     time.Duration // as of the latest question that came so far
}

// NewPast returns the past in a database. It does not connect.
func NewPast(cfg PastConfig) (*Past, error) {
	if cfg.MaxLag == 0 {
		cfg.MaxLag = 5 * time.Second
	}
	if cfg.StartTimeout == 0 {
		cfg.StartTimeout = 20 * time.Second
	}
	if cfg.Now == nil {
		cfg.Now = clock.Now
	}
	c, err := parseDSNFor(cfg.DSN, pgconn.ValidateConnectTargetSessionAttrsPreferStandby)
	if err != nil {
		return nil, err
	}
	c.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler { // a server that nobody waits for is told
		return &pgconn.CancelRequestContextWatcherHandler{Conn: conn, DeadlineDelay: time.Second}
	}
	return &Past{cfg: cfg, connect: c}, nil
}

// Stats returns counts.
func (p *Past) Stats() PastStats {
	return PastStats{p.asked.Load(), p.behind.Load(), p.down.Load(), p.tooLong.Load(), time.Duration(p.lag.Load())}
}

// Read begins to answer a question. ctx bounds the whole answer. The error wraps one of those above; what goes wrong
// later, the rows say.
func (p *Past) Read(ctx context.Context, q *PastQuery) (*PastRows, error) {
	p.asked.Add(1)
	r, err := p.begin(ctx, q)
	switch {
	case errors.Is(err, ErrBehind):
		p.behind.Add(1)
	case errors.Is(err, ErrDown):
		p.down.Add(1)
	case errors.Is(err, ErrTooLong):
		p.tooLong.Add(1)
	}
	return r, err
}

// begin connects, and asks in one snapshot for everything: how far the server is, and what it has.
func (p *Past) begin(ctx context.Context, q *PastQuery) (*PastRows, error) {
	started := make(chan struct{})
	ctx, cancel := context.WithCancelCause(ctx)
	go func() { // until the first row is there, time is shorter
		late := time.NewTimer(p.cfg.StartTimeout)
		defer late.Stop()
		select {
		case <-late.C:
			cancel(context.DeadlineExceeded)
		case <-started:
		case <-ctx.Done():
		}
	}()
	defer close(started)
	conn, err := pgx.ConnectConfig(ctx, p.connect.Copy())
	if err != nil {
		cancel(nil)
		return nil, fmt.Errorf("%w: %w", ErrDown, &connectError{p.connect.User, p.connect.Database, err})
	}
	r := &PastRows{q: *q, conn: conn, cancel: cancel}
	if err := r.open(ctx, p); err != nil {
		r.Close()
		return nil, whatFailed(err)
	}
	return r, nil
}

// open begins a transaction and asks. Settings are those of the transaction, for a pooler's sake.
func (r *PastRows) open(ctx context.Context, p *Past) error {
	tx, err := r.conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return err
	}
	set := fmt.Sprintf("SET LOCAL statement_timeout = %d; SET LOCAL lock_timeout = %d; SET LOCAL jit = off", statementMax.Milliseconds(), lockMax.Milliseconds())
	if _, err := r.conn.PgConn().Exec(ctx, set).ReadAll(); err != nil {
		return err
	}
	if err := checkVersion(ctx, tx); err != nil {
		return err
	}
	if err := r.reached(ctx, tx, p); err != nil {
		return err
	}
	return r.ask(ctx, tx)
}

// reached returns an error unless the server shows what the journal had a short while ago.
func (r *PastRows) reached(ctx context.Context, tx pgx.Tx, p *Past) error {
	in, err := p.cfg.Reader()
	if err != nil {
		return err
	}
	defer in.Close()
	id, err := in.ID()
	if err != nil {
		return err
	}
	var next int64
	err = tx.QueryRow(ctx, "SELECT j.journal, min(p.next) FROM tidegate.journals j JOIN tidegate.positions p USING (journal) WHERE j.id = $1 GROUP BY j.journal",
		fmt.Sprintf("%016x", id)).Scan(&r.journal, &next)
	if errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("%w: nothing of journal %016x was drained into it", ErrBehind, id)
	}
	if err != nil {
		return err
	}
	lag, err := ageOf(in, uint64(next), p.cfg.Now())
	if err != nil {
		return err
	}
	p.lag.Store(int64(lag))
	if lag > p.cfg.MaxLag {
		return fmt.Errorf("%w: by %v, and %v is allowed: it shows entries up to %d", ErrBehind, lag.Round(time.Millisecond), p.cfg.MaxLag, next-1)
	}
	return nil
}

// ageOf returns how long ago the first durable entry came from an index on; 0 if there is none yet.
func ageOf(in *journal.Reader, next uint64, now market.Nanos) (time.Duration, error) {
	oldest, durable, err := in.Bounds()
	if err != nil || next > durable {
		return 0, err
	}
	if err := in.SeekIndex(max(next, oldest)); err != nil {
		return 0, err
	}
	var e journal.Entry
	for {
		switch out, err := in.Next(&e); {
		case err != nil:
			return 0, err
		case out == journal.Empty:
			return 0, nil
		case out == journal.Ready:
			return max(time.Duration(now-e.At), 0), nil
		}
	}
}

// whatFailed tells apart what the server did not do.
func whatFailed(err error) error {
	for _, known := range []error{ErrBehind, ErrNoRows, ErrNotKept, ErrNoSymbol} {
		if errors.Is(err, known) {
			return fmt.Errorf("postgres: %w", err)
		}
	}
	c := code(err)
	switch {
	case c == stateCanceled || c == stateConflict || c == stateLocked || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled):
		return fmt.Errorf("postgres: %w: ask for a shorter time, or for fewer instruments: %w", ErrTooLong, err)
	default:
		return fmt.Errorf("postgres: %w: %w", ErrDown, err)
	}
}

// States of questions that were given up: by the statement timeout, by a standby that had to go on, and by the lock
// timeout.
const (
	stateCanceled = "57014"
	stateConflict = "40001"
	stateLocked   = "55P03"
)

// since returns an error if rows of the asked time may have been dropped, or were never kept. A table begins with
// its oldest partition; the journal with the first feed that it names.
func (r *PastRows) since(ctx context.Context, tx pgx.Tx, t *table) error {
	if t.parts == whole {
		return nil
	}
	var leaf string
	var began *time.Time
	err := tx.QueryRow(ctx, `SELECT (SELECT coalesce(min(c.relname), '') FROM pg_class c JOIN pg_inherits i ON i.inhrelid = c.oid
		WHERE c.relnamespace = 'tidegate'::regnamespace AND c.relkind = 'r' AND c.relname ~ $1)::text,
		(SELECT min(ts) FROM tidegate.feeds WHERE journal = $2)`, "^"+t.name+"_[0-9]{8}", r.journal).Scan(&leaf, &began)
	if err != nil {
		return err
	}
	if leaf == "" {
		return fmt.Errorf("%w: table %s is empty: keep says which are filled", ErrNotKept, t.name)
	}
	if began == nil || r.q.Start <= 0 {
		return nil
	}
	for _, tr := range t.tiers() {
		at, ok := tr.parse(t, leaf)
		if !ok || tr.group {
			continue
		}
		if r.q.Start < at && market.Nanos(began.UnixNano()) < at {
			return fmt.Errorf("%w: table %s begins at %s", ErrNoRows, t.name, utc(at).Format(time.RFC3339))
		}
	}
	return nil
}

// list is a list of columns of a table called t.
func list(columns string) string { return "t." + strings.ReplaceAll(columns, " ", ", t.") }

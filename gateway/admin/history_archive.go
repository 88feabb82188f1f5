//go:build linux

package admin

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/valyala/fasthttp"

	"tidegate/gateway/history"
	"tidegate/sinks/entry"
	"tidegate/sinks/journal"
)

// An Archive has history beside the journal: what was drained into a database. Its methods may be called by any
// goroutine that may wait.
type Archive interface {
	// Read begins to read at most so many items of what is asked for, in the order of the journal. The error wraps
	// one of those below, ErrUnknown of a symbol, history.ErrSchema, or history.ErrAgedOut.
	Read(ctx context.Context, q history.Query, limit int) (Rows, error)
}

// Errors of an Archive that are no matter of the question.
var (
	ErrArchiveBehind = errors.New("the archive lags behind")     // for now
	ErrArchiveDown   = errors.New("the archive cannot be asked") // until somebody puts it right, perhaps
	ErrArchiveSlow   = errors.New("the archive takes too long")  // for this question
	errNoArchive     = errors.New("there is no database to ask: postgres.history in the configuration says where there is one")
)

// Rows are an answer as it is read: a history.Cursor, or what an Archive has. They belong to one goroutine.
type Rows interface {
	Next(ctx context.Context, item *history.Item) (history.Outcome, error)
	Position() uint64 // index at which an answer goes on that ends here
	Close() error
}

// An ArchiveReport says what became of questions to the archive since the start.
type ArchiveReport struct {
	Questions uint64        `json:"questions"`
	Behind    uint64        `json:"behind"` // refused: it lagged too far
	Down      uint64        `json:"down"`   // it could not be asked
	Slow      uint64        `json:"slow"`   // it needed too long
	Lag       time.Duration `json:"lag_ns"` // as of the latest question
}

// Sources of an answer, as ?source= and the header Tidegate-Source name them.
const (
	sourceJournal  = "journal"
	sourceDatabase = "database"
	sourceHeader   = "Tidegate-Source"
)

// archiveRetry is what Retry-After says when the archive is behind, down, or busy.
const archiveRetry = "5"

// read begins to read where the question says: where it says nothing, in the journal, and in the archive what the
// journal does not reach back to.
func (s *Server) read(ctx context.Context, q *historyQuestion) (rows Rows, source string, err error) {
	query := history.Query{Feed: q.feed.Name, Kind: q.kind, Start: q.start, End: q.end}
	if q.kind == entry.KindRecord {
		query.Wants = []history.Want{{Schema: q.schema, Symbols: q.symbols, Start: q.start, End: q.end, From: q.from}}
	}
	if q.source != sourceDatabase {
		rows, err = s.readJournal(ctx, q, query)
		gone := errors.Is(err, history.ErrAgedOut) || errors.Is(err, journal.ErrRemoved)
		if !gone || q.source == sourceJournal || s.cfg.Archive == nil {
			return rows, sourceJournal, err
		}
	}
	if s.cfg.Archive == nil {
		return nil, "", problem{fasthttp.StatusNotFound, errNoArchive}
	}
	if q.kind != entry.KindRecord {
		query.Wants = []history.Want{{From: q.from}}
	}
	rows, err = s.cfg.Archive.Read(ctx, query, q.limit+1) // one more, to know whether there is
	switch {
	case errors.Is(err, ErrArchiveBehind), errors.Is(err, ErrArchiveSlow):
		err = problem{fasthttp.StatusServiceUnavailable, err}
	case errors.Is(err, ErrArchiveDown):
		err = problem{fasthttp.StatusBadGateway, err}
	}
	return rows, sourceDatabase, s.whyNot(q, err)
}

// readJournal begins to read the journal.
func (s *Server) readJournal(ctx context.Context, q *historyQuestion, query history.Query) (Rows, error) {
	cursor, err := s.cfg.History.Read(ctx, query)
	if err != nil {
		return nil, s.whyNot(q, err)
	}
	if err := s.known(ctx, q); err != nil {
		_ = cursor.Close() // nothing was written
		return nil, err
	}
	return cursor, nil
}

// whyNot gives an error about what cannot be had its status code.
func (s *Server) whyNot(q *historyQuestion, err error) error {
	switch {
	case errors.Is(err, history.ErrAgedOut), errors.Is(err, journal.ErrRemoved):
		return problem{fasthttp.StatusGone, err}
	case errors.Is(err, history.ErrSchema):
		return problem{fasthttp.StatusNotFound, fmt.Errorf("schema %s is not kept in history: it has %s: %w", q.schema, schemaNames(s.cfg.History.Schemas()), err)}
	}
	return err
}

// archive reports on questions to the archive, nil if there is none.
func (m *Monitor) archive() *ArchiveReport {
	if m.src.Archive == nil {
		return nil
	}
	r := m.src.Archive()
	return &r
}

func (c collector) archive(e emitter) {
	r := c.monitor.archive()
	if r == nil {
		return
	}
	e.counter("history_database_questions", "Questions for history to the database.", r.Questions)
	e.counter("history_database_behind", "Questions for history that were refused because the database lagged too far behind the journal.", r.Behind)
	e.counter("history_database_down", "Questions for history for which the database could not be asked.", r.Down)
	e.counter("history_database_slow", "Questions for history for which the database needed too long.", r.Slow)
	e.gauge("history_database_lag_seconds", "Age of the oldest entry of the journal that the database did not show, when it was asked last.", r.Lag.Seconds())
}

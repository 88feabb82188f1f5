//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"tidegate/codec/dbn"
	"tidegate/gateway/admin"
	"tidegate/gateway/config"
	"tidegate/gateway/history"
	"tidegate/sinks/entry"
	"tidegate/sinks/journal"
	"tidegate/sinks/postgres"
)

// A past is history as a database has it, for the admin interface.
type past struct {
	*postgres.Past
	history *history.History // of the same journal: what is kept now, and by how much times differ
}

// openPast returns the history in a database, nil if none is wanted. It does not connect.
func openPast(c *config.PostgresHistory, h *history.History, reader func() (*journal.Reader, error)) (*past, error) {
	if c.DSN == "" || h == nil {
		return nil, nil
	}
	p, err := postgres.NewPast(postgres.PastConfig{Reader: reader, DSN: c.DSN, MaxLag: c.MaxLag})
	if err != nil {
		return nil, err
	}
	return &past{p, h}, nil
}

// checkPast returns an error if the section of the configuration makes no sense. It does not connect.
func checkPast(c *config.PostgresHistory) error {
	if c.DSN == "" {
		return nil
	}
	_, err := postgres.NewPast(postgres.PastConfig{DSN: c.DSN})
	return err
}

// Read implements admin.Archive.
func (p *past) Read(ctx context.Context, q history.Query, limit int) (admin.Rows, error) {
	ask := postgres.PastQuery{Feed: q.Feed, Kind: q.Kind, Start: q.Start, End: q.End, Limit: limit}
	if len(q.Wants) > 0 {
		w := q.Wants[0]
		ask.From, ask.Symbols, ask.Schema = w.From, w.Symbols, w.Schema
	}
	if q.Kind == entry.KindRecord {
		ask.Start, ask.End = q.Wants[0].Start, q.Wants[0].End
		if !p.history.Keeps(ask.Schema) {
			return nil, fmt.Errorf("history: schema %s: %w", ask.Schema, history.ErrSchema)
		}
		if ask.Schema == dbn.SchemaTBBO && slices.Contains(p.history.Schemas(), dbn.SchemaMBP1) {
			ask.Feed += besideName
		}
	}
	var err error
	if ask.Ahead, ask.Behind, err = p.history.Skew(); err != nil {
		return nil, err
	}
	rows, err := p.Past.Read(ctx, &ask)
	for _, same := range []struct{ is, as error }{
		{postgres.ErrBehind, admin.ErrArchiveBehind},
		{postgres.ErrDown, admin.ErrArchiveDown},
		{postgres.ErrTooLong, admin.ErrArchiveSlow},
		{postgres.ErrNoRows, history.ErrAgedOut},
		{postgres.ErrNotKept, history.ErrSchema},
		{postgres.ErrNoSymbol, admin.ErrUnknown},
	} {
		if errors.Is(err, same.is) {
			return nil, alias{err, same.as}
		}
	}
	if err != nil {
		return nil, err
	}
	return &pastRows{rows: rows, kind: q.Kind, next: ask.From}, nil
}

// An alias is an error that others know as another one.
type alias struct {
	error
	as error
}

func (a alias) Is(target error) bool { return target == a.as }

// report is for those who look at the gateway.
func (p *past) report() admin.ArchiveReport {
	s := p.Stats()
	return admin.ArchiveReport{Questions: s.Asked, Behind: s.Behind, Down: s.Down, Slow: s.TooLong, Lag: s.Lag}
}

// pastRows are an answer of a database.
type pastRows struct {
	rows *postgres.PastRows
	kind uint8
	next uint64 // index
}

// Next implements admin.Rows.
func (r *pastRows) Next(_ context.Context, item *history.Item) (history.Outcome, error) {
	var it postgres.PastItem
	switch more, err := r.rows.Next(&it); {
	case err != nil:
		return history.Empty, err
	case !more:
		return history.Empty, nil
	}
	r.next = it.Index + 1
	*item = history.Item{
		Index: it.Index, At: it.At, Epoch: it.Epoch, Kind: r.kind, Payload: it.Payload,
		Instrument: it.Instrument, Symbol: it.Symbol, Missing: it.Missing,
	}
	if it.Missing != "" {
		return history.Missing, nil
	}
	return history.Ready, nil
}

// Position implements admin.Rows.
func (r *pastRows) Position() uint64 { return r.next }

// Close implements admin.Rows.
func (r *pastRows) Close() error {
	r.rows.Close()
	return nil
}

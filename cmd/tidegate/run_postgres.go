//go:build linux

package main

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"tidegate/gateway/admin"
	"tidegate/gateway/config"
	"tidegate/sinks/journal"
	"tidegate/sinks/postgres"
)

// Draining ends with the gateway. What is durable by then is committed, for as long as that takes no longer than
// drainStopMax; a transaction that is under way then has drainAbandonMax to end.
const (
	drainStopMax    = 5 * time.Second
	drainAbandonMax = 2 * time.Second
)

// A drain puts the journal into PostgreSQL, on goroutines of its own. It reads the journal as any other process does,
// so nothing of the gateway waits for it, and what becomes of it is of no consequence for anything else.
type drain struct {
	log     *slog.Logger
	journal *journal.Journal
	sink    *postgres.Sink
	cancel  context.CancelFunc // nil: not started
	ended   chan struct{}
	why     atomic.Pointer[string] // it has ended by itself
}

// drainConfig returns how a journal is drained.
func drainConfig(c *config.Postgres, reader func() (*journal.Reader, error)) postgres.Config {
	return postgres.Config{
		Reader: reader, ReaderName: c.ReaderName, Persist: true,
		DSN: c.DSN, Workers: c.Workers, BatchRows: c.BatchRows, BatchWait: c.BatchWait, Keep: c.Keep,
		SynchronousCommit: c.SynchronousCommit, Standbys: c.Standbys,
		Partitions: postgres.Partitions{
			Ahead: c.Ahead, RollUpAfter: c.RollUpAfter, Retain: c.Retain, HotSpace: c.HotSpace, ColdSpace: c.ColdSpace,
		},
	}
}

// checkPostgres returns an error if the section of the configuration makes no sense. It does not connect.
func checkPostgres(c *config.Postgres) error {
	if c.DSN == "" {
		return nil
	}
	return drainConfig(c, func() (*journal.Reader, error) { return nil, journal.ErrNoJournal }).Validate()
}

// openDrain makes a drain, if one is wanted. It does not connect.
func openDrain(c *config.Postgres, j *journal.Journal, log *slog.Logger) (*drain, error) {
	if c.DSN == "" {
		return nil, nil
	}
	d := &drain{log: log, journal: j, ended: make(chan struct{})}
	settings := drainConfig(c, j.NewReader)
	settings.Durable, settings.Notify = j.DurableIndex, logNotice(log)
	var err error
	d.sink, err = postgres.New(settings)
	return d, err
}

// start begins to drain.
func (d *drain) start() {
	if d == nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	d.cancel = cancel
	go func() {
		defer close(d.ended)
		if err := d.sink.Run(ctx); err != nil {
			text := err.Error()
			d.why.Store(&text)
			d.log.Error("postgres: draining has ended, the journal keeps what comes", "error", err)
		}
	}()
}

// close drains what is left and ends. The journal is closed. It waits neither for a server that is down nor for one
// that is slow: what is not committed is drained after the next start.
func (d *drain) close() {
	if d == nil || d.cancel == nil {
		return
	}
	defer d.cancel()
	budget := time.NewTimer(drainStopMax)
	defer budget.Stop()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for drained := false; !drained; {
		select {
		case <-d.ended:
			drained = true
			continue
		case <-look.C:
			if d.relied() {
				continue
			}
		case <-budget.C:
		}
		break
	}
	d.cancel()
	select {
	case <-d.ended:
	case <-time.After(drainAbandonMax):
	}
	s := d.sink.Stats()
	if left := d.journal.DurableIndex() + 1 - s.Next; left > 0 {
		d.log.Warn("postgres: not everything is drained, the next start goes on", "entries", left, "next", s.Next, "rows", s.Rows)
		return
	}
	d.log.Info("postgres: everything is drained", "rows", s.Rows)
}

// relied reports whether the server works, as far as is known.
func (d *drain) relied() bool { return d.sink.Stats().Server == "closed" }

// report is for those who look at the gateway.
func (d *drain) report() admin.PostgresReport {
	s := d.sink.Stats()
	p := &s.Partitions
	r := admin.PostgresReport{
		Breaker: s.Server, Next: s.Next, LagEntries: s.LagEntries, Lag: s.LagTime, RowsPerSecond: s.RowRate,
		Rows: s.Rows, Bytes: s.Bytes, Batches: s.Batches, Skipped: s.Skipped, Missing: s.Missing, Unreadable: s.Unreadable, Failures: s.Failures,
		Made: p.Made, OnDemand: s.OnDemand, Closed: p.Closed, RolledUp: p.RolledUp, Dropped: p.Dropped, Problem: p.Problem,
	}
	if why := d.why.Load(); why != nil {
		r.Ended = *why
	}
	return r
}

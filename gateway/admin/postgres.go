//go:build linux

package admin

// postgres reports on the drain into PostgreSQL, nil if there is none. It asks nobody.
func (m *Monitor) postgres() *PostgresReport {
	if m.src.Postgres == nil {
		return nil
	}
	r := m.src.Postgres()
	return &r
}

func (c collector) postgres(e emitter) {
	r := c.monitor.postgres()
	if r == nil {
		return
	}
	e.gauge("postgres_up", "1 if the server is relied on; 0 if it failed several times in a row, or draining has ended.", truth(r.Breaker == "closed" && r.Ended == ""))
	e.gauge("postgres_next_index", "Index of the journal before which everything is committed.", float64(r.Next))
	e.gauge("postgres_lag_entries", "Entries of the journal that are durable and not committed.", float64(r.LagEntries))
	e.gauge("postgres_lag_seconds", "Age of the oldest entry that is not committed, at most; 0 if there is none.", r.Lag.Seconds())
	e.gauge("postgres_rows_per_second", "Rows committed per second, over ten seconds.", r.RowsPerSecond)
	e.counter("postgres_rows", "Rows committed.", r.Rows)
	e.counter("postgres_bytes", "Bytes of rows committed, as they are sent.", r.Bytes)
	e.counter("postgres_batches", "Transactions committed.", r.Batches)
	e.counter("postgres_skipped", "Entries of tables that are not filled.", r.Skipped)
	e.counter("postgres_missing", "Entries that the journal does not have; journal_gaps has their ranges.", r.Missing)
	e.counter("postgres_unreadable", "Entries that are not understood and kept as they are.", r.Unreadable)
	e.counter("postgres_failures", "Attempts that failed and were made again.", r.Failures)
	e.counter("postgres_partitions_made", "Partitions made ahead of their time.", r.Made)
	e.counter("postgres_partitions_on_demand", "Partitions made when rows came for which there was none.", r.OnDemand)
	e.counter("postgres_partitions_closed", "Minutes that were indexed.", r.Closed)
	e.counter("postgres_partitions_rolled_up", "Hours and days made of smaller partitions.", r.RolledUp)
	e.counter("postgres_partitions_dropped", "Partitions whose rows had moved, or were too old.", r.Dropped)
	e.gauge("postgres_upkeep_failed", "1 if partitions could not be looked after; it is tried again.", truth(r.Problem != ""))
}

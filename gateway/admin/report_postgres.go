package admin

import "time"

// A PostgresReport says how far the journal is drained into PostgreSQL. Counts are since the start.
type PostgresReport struct {
	Breaker       string        `json:"breaker"` // closed if the server is relied on, open if it is down, half-open if it is tried
	Ended         string        `json:"ended,omitempty"`
	Next          uint64        `json:"next"` // everything before this index is committed
	LagEntries    uint64        `json:"lag_entries"`
	Lag           time.Duration `json:"lag_ns"` // age of the oldest entry that is not committed, at most
	RowsPerSecond float64       `json:"rows_per_second"`
	Rows          uint64        `json:"rows"`
	Bytes         uint64        `json:"bytes"` // sent
	Batches       uint64        `json:"batches"`
	Skipped       uint64        `json:"skipped"`    // entries of tables that are not filled
	Missing       uint64        `json:"missing"`    // entries that the journal does not have
	Unreadable    uint64        `json:"unreadable"` // entries that are kept as they are
	Failures      uint64        `json:"failures"`   // attempts that failed
	Made          uint64        `json:"partitions_made"`
	OnDemand      uint64        `json:"partitions_on_demand"` // made when rows came for which there was none
	Closed        uint64        `json:"partitions_closed"`    // minutes that were indexed
	RolledUp      uint64        `json:"partitions_rolled_up"`
	Dropped       uint64        `json:"partitions_dropped"`
	Problem       string        `json:"problem,omitempty"` // of looking after partitions; "" if there is none
}

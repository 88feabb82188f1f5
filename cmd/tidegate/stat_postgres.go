package main

import (
	"fmt"
	"io"

	"tidegate/gateway/admin"
)

// writePostgres shows how far the journal is drained into a database, if it is.
func writePostgres(out io.Writer, p *admin.PostgresReport) {
	if p == nil {
		return
	}
	state := "draining"
	switch {
	case p.Ended != "":
		state = "ENDED (" + p.Ended + ")"
	case p.Breaker != "closed":
		state = "DOWN"
	}
	fmt.Fprintf(out, "postgres %s: %d rows (%.0f a second), up to %d, ", state, p.Rows, p.RowsPerSecond, p.Next-min(p.Next, 1))
	if p.LagEntries == 0 {
		fmt.Fprint(out, "up to date")
	} else {
		fmt.Fprintf(out, "%d entries wait, the oldest for %s", p.LagEntries, age(p.Lag))
	}
	fmt.Fprintf(out, "; %d failures", p.Failures)
	if p.Missing > 0 {
		fmt.Fprintf(out, ", %d MISSING in the journal", p.Missing)
	}
	if p.Unreadable > 0 {
		fmt.Fprintf(out, ", %d not understood", p.Unreadable)
	}
	if p.Problem != "" {
		fmt.Fprintf(out, ", PARTITIONS: %s", p.Problem)
	}
	fmt.Fprintln(out)
}

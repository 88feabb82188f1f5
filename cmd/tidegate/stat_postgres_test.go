package main

import (
	"strings"
	"testing"
	"time"

	"tidegate/gateway/admin"
)

func TestStatShowsPostgres(t *testing.T) {
	for want, p := range map[string]*admin.PostgresReport{
		"": nil,
		"postgres draining: 12 rows (3 a second), up to 6, up to date; 0 failures\n": {Breaker: "closed", Next: 7, Rows: 12, RowsPerSecond: 3.2},
		"postgres DOWN: 0 rows (0 a second), up to 0, 5 entries wait, the oldest for 1.5s; 4 failures\n": {
			Breaker: "half-open", LagEntries: 5, Lag: 1500 * time.Millisecond, Failures: 4,
		},
		"postgres ENDED (rows are there already): 0 rows (0 a second), up to 0, up to date; 0 failures, 1 MISSING in the journal, 2 not understood, PARTITIONS: full\n": {
			Ended: "rows are there already", Missing: 1, Unreadable: 2, Problem: "full",
		},
	} {
		var out strings.Builder
		if writePostgres(&out, p); out.String() != want {
			t.Errorf("got  %q\nwant %q", out.String(), want)
		}
	}
}

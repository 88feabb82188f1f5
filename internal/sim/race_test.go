//go:build race

package sim

// With the race detector a world takes ten times as long, and there is one goroutine of it beside the fetching of
// snapshots.
func init() { *seeds = 4 }

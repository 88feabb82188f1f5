package egress

import (
	"net/netip"

	"tidegate/market"
)

// Stats are a server's figures.
type Stats struct {
	Connections int            // open now, in whatever state
	States      map[string]int // connections by state
	Sessions    []SessionStats // those that are authenticated, in no particular order
	Refusals    Refusals
	Counts      Counts
	Closes      map[string]uint64 // connections that were closed, by reason; every reason is there
	Handshakes  map[string]uint64 // TLS handshakes that failed, by reason; every reason is there
}

// Refusals says how often somebody was refused.
type Refusals struct {
	Stopping    uint64 // the gateway was stopping
	Rate        uint64 // connections not let in because their address had too many in a second
	Connections uint64 // connections not let in because too many were open
	Auth        uint64 // proofs of no known key, or of one without access to the dataset
	Deactivated uint64 // proofs of a key that is disabled
	Sessions    uint64 // proofs of a key that had too many sessions of the dataset
}

// Counts are what a server did since it was made.
type Counts struct {
	Opened      uint64 // connections that were let in
	Garbage     uint64 // connections closed because of their first line, or because it was too long
	Timeouts    uint64 // connections closed because they did not authenticate, or start, in time
	Faults      uint64 // sessions ended by an error record
	UnknownKeys uint64 // pairs of control lines whose key nobody knows
	Delayed     uint64 // subscriptions that had to wait because there were too many in a second
	Unresolved  uint64 // symbols that were not known when they were subscribed to
	Snapshots   uint64 // snapshot requests
	Heartbeats  uint64 // heartbeat records
	Passes      uint64 // times that a loop looked at its rings
	Writes      uint64 // calls of a connection's Write
	Records     uint64 // data records written, each counted for each session
	Bytes       uint64 // written, after compression
	Stalls      uint64 // times that a session did not take what it was due and left its cohort
	Slow        uint64 // times that a session became slow
	Warnings    uint64 // slow reader warnings
	Skipped     uint64 // data records that were skipped for slow readers, as far as they could be counted
	Lapped      uint64 // times that the ring did not have any more what a session was due
	LoopLapped  uint64 // times that the ring did not have any more what a loop had not yet read
	Replays     uint64 // replays that clients asked for
	CaughtUp    uint64 // times that a session got from the journal what the ring did not have any more
}

func (c *Counts) add(d *Counts) {
	c.Opened += d.Opened
	c.Garbage += d.Garbage
	c.Timeouts += d.Timeouts
	c.Faults += d.Faults
	c.UnknownKeys += d.UnknownKeys
	c.Delayed += d.Delayed
	c.Unresolved += d.Unresolved
	c.Snapshots += d.Snapshots
	c.Heartbeats += d.Heartbeats
	c.Passes += d.Passes
	c.Writes += d.Writes
	c.Records += d.Records
	c.Bytes += d.Bytes
	c.Stalls += d.Stalls
	c.Slow += d.Slow
	c.Warnings += d.Warnings
	c.Skipped += d.Skipped
	c.Lapped += d.Lapped
	c.LoopLapped += d.LoopLapped
	c.Replays += d.Replays
	c.CaughtUp += d.CaughtUp
}

// SessionStats are a session's figures.
type SessionStats struct {
	ID            uint64
	Key           string // its name
	Dataset       string
	Addr          netip.AddrPort
	TLS           bool
	Client        string // as it calls itself
	State         string
	Replaying     bool // it is being given what is older
	Schemas       []string
	Subscriptions int
	Opened        market.Nanos
	Records       uint64 // data records written
	Bytes         uint64 // written, after compression
	Skipped       uint64 // data records skipped
	Behind        uint64 // ring entries between the session and its loop
	Held          int    // bytes that its connection does not take
	Stalls        uint64 // times that it did not take what it was due
}

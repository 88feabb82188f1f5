package admin

import (
	"errors"
	"time"

	"tidegate/arbiter"
	"tidegate/gateway/recovery"
)

// A ProvidersReport says which provider of each feed is believed, and why.
type ProvidersReport struct {
	At    time.Time      `json:"at"`
	Feeds []ChoiceReport `json:"feeds"`
}

// A ChoiceReport is the choice among the providers of one feed.
type ChoiceReport struct {
	Feed       string            `json:"feed"`
	Dataset    string            `json:"dataset"`
	Active     string            `json:"active"`              // the provider whose events are published
	Preferred  string            `json:"preferred,omitempty"` // by an operator
	Stale      bool              `json:"stale"`               // no provider is fresh
	Switches   uint64            `json:"switches"`
	Reasons    map[string]uint64 `json:"reasons"`     // switches by reason, the first choice included
	TimesStale uint64            `json:"times_stale"` // times that the feed became stale
	Refreshed  uint64            `json:"refreshed"`   // instruments published anew by switches
	RefreshDue int               `json:"refresh_due"` // instruments that wait for that
	Providers  []ProviderReport  `json:"providers"`   // in the order of the configuration
	Decisions  []DecisionReport  `json:"decisions"`   // the latest switches, oldest first
}

// A BreakerReport says how far something is relied on, and why.
type BreakerReport struct {
	Rank    string        `json:"rank"`           // OK, SUSPECT or DOWN
	Breaker string        `json:"breaker"`        // closed, half-open or open; an operator's will counts
	Since   time.Time     `json:"since,omitzero"` // when the breaker came into its own state; left out from the start
	Opened  uint64        `json:"opened"`         // times that it opened by itself
	Reason  string        `json:"reason"`
	By      time.Duration `json:"by_ns"` // how late, how far behind or how long silent, when it was judged
}

// A ProviderReport is the state of one provider.
type ProviderReport struct {
	Name    string `json:"name"`
	Channel string `json:"channel"` // its name among the feeds of a FeedsReport
	BreakerReport
	Override string `json:"override"` // an operator's will: none, open or closed
	Heard    bool   `json:"heard"`    // something came from it
	Gapped   bool   `json:"gapped"`   // an announced gap lies behind what it delivers

	Lag         *time.Duration `json:"lag_ns,omitempty"`     // of its newest event, by the learned difference of the clocks
	LagAge      *time.Duration `json:"lag_age_ns,omitempty"` // since that event was received
	Offset      *time.Duration `json:"offset_ns,omitempty"`  // learned difference of the clocks, the shortest delay included
	Implausible uint64         `json:"implausible"`          // venue times that were not believed
	Steps       uint64         `json:"steps"`                // of clocks
	Margin      arbiter.Margin `json:"margin"`               // of the race with the other providers

	Forwarded uint64 `json:"forwarded"` // events published
	Standby   uint64 `json:"standby"`   // events that were not, because another provider was active
	Unnamed   uint64 `json:"unnamed"`   // events of instruments without a symbol, which cannot be published
}

// A DecisionReport is a switch from one provider to another.
type DecisionReport struct {
	At     time.Time     `json:"at"`
	From   string        `json:"from"`
	To     string        `json:"to"`
	Reason string        `json:"reason"` // what was wrong with From, or why To is preferred
	By     time.Duration `json:"by_ns"`  // how late, how far behind or how long silent From was
}

// A SnapshotsReport says what a channel had from its snapshot servers.
type SnapshotsReport struct {
	recovery.Ledger
	Servers []SnapshotServerReport `json:"servers"`
}

// A SnapshotServerReport is the account of attempts with one snapshot server.
type SnapshotServerReport struct {
	Name      string            `json:"name"`
	Attempts  uint64            `json:"attempts"`
	Outcomes  map[string]uint64 `json:"outcomes"` // those that there were; with the one under way they add up to attempts
	UnderWay  bool              `json:"under_way"`
	Breaker   string            `json:"breaker"`
	Opened    uint64            `json:"opened"` // times that the breaker opened
	LastError string            `json:"last_error,omitempty"`
}

// A TCPReport says what the connections of a line did.
type TCPReport struct {
	Connected   bool          `json:"connected"` // logged in
	Dials       uint64        `json:"dials"`     // connections tried
	Logins      uint64        `json:"logins"`    // that the server accepted
	Refused     uint64        `json:"refused"`   // logins that it refused
	Disconnects uint64        `json:"disconnects"`
	Messages    uint64        `json:"messages"`    // of the session
	Unsequenced uint64        `json:"unsequenced"` // messages without a number
	Bytes       uint64        `json:"bytes"`       // read
	Missed      uint64        `json:"missed"`      // messages that the server did not have any more
	Held        uint64        `json:"held"`        // times that reading waited for the ingest loop
	HeldFor     time.Duration `json:"held_ns"`
	LastError   string        `json:"last_error,omitempty"`
}

// A JournalReport is the state of the journal.
type JournalReport struct {
	Dir          string `json:"dir"`
	Epoch        uint64 `json:"epoch"`
	DurableIndex uint64 `json:"durable_index"` // up to which everything is on the disk
	Oldest       uint64 `json:"oldest"`        // index of the oldest entry
	Entries      uint64 `json:"entries"`       // written and synced since the start
	Batches      uint64 `json:"batches"`
	Commits      uint64 `json:"commits"` // syncs
	Bytes        uint64 `json:"bytes"`   // written since the start
	QueueBytes   int    `json:"queue_bytes"`
	Spilling     bool   `json:"spilling"` // the queue is full, and more memory is taken
	SpilledBytes uint64 `json:"spilled_bytes"`
	Dropping     bool   `json:"dropping"` // memory is full: a gap is being made
	Dropped      uint64 `json:"dropped"`  // entries that lie in gaps
	Stalled      string `json:"stalled,omitempty"`
	Poisoned     uint64 `json:"poisoned"`     // segments given up because a write or sync failed
	MarkErrors   uint64 `json:"mark_errors"`  // the durable mark could not be written
	NoticesLost  uint64 `json:"notices_lost"` // lines that the log lacks
	Segments     int    `json:"segments"`
	Packed       int    `json:"packed"`
	Damaged      int    `json:"damaged"` // finished segments in which something cannot be read
	StoredBytes  int64  `json:"stored_bytes"`
	FreeBytes    int64  `json:"free_bytes"` // where the directory is
	Removed      uint64 `json:"removed"`    // segments removed since the start
	HeldBy       string `json:"held_by,omitempty"`
	HeldBytes    int64  `json:"held_bytes"` // kept for that reader beyond what retention would keep
}

// A Wish is what an operator wants of a provider: one of the two.
type Wish struct {
	// Force is "open", "closed" or "none": the provider is not used, is used, or is judged again.
	Force string `json:"force,omitempty"`
	// Prefer makes the provider the first choice among equals, or takes that back.
	Prefer *bool `json:"prefer,omitempty"`
}

// ErrWish is returned for a Wish that makes no sense.
var ErrWish = errors.New(`want one of {"force": "open"}, {"force": "closed"}, {"force": "none"}, {"prefer": true} and {"prefer": false}`)

// String says it in few words.
func (w Wish) String() string {
	switch {
	case w == Wish{}:
		return "not understood"
	case w.Prefer == nil:
		return "force " + w.Force
	case *w.Prefer:
		return "prefer"
	default:
		return "do not prefer"
	}
}

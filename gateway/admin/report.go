package admin

import (
	"time"

	"tidegate/arbiter"
	"tidegate/gateway"
	"tidegate/gateway/recovery"
)

// Times in reports are of the machine's clock; those of datagrams are the kernel's. Missing times are
// left out.

// A StatusReport says whether the gateway works.
type StatusReport struct {
	OK      bool   `json:"ok"`
	Reason  string `json:"reason,omitempty"` // why not
	Version string `json:"version,omitempty"`
	Started string `json:"started,omitempty"`
	Capture string `json:"capture,omitempty"` // "recording", "stopped", or nothing where none is configured
}

// A FeedsReport is the state of everything that comes in.
type FeedsReport struct {
	At       time.Time       `json:"at"`
	Feeds    []FeedReport    `json:"feeds"`
	Loop     LoopReport      `json:"loop"`
	Ring     RingReport      `json:"ring"`
	Capture  *CaptureReport  `json:"capture,omitempty"`
	Journal  *JournalReport  `json:"journal,omitempty"`
	Postgres *PostgresReport `json:"postgres,omitempty"`
	Archive  *ArchiveReport  `json:"history_database,omitempty"`
	// Providers is the choice among the providers of each feed. Feeds has what each of them sends.
	Providers []ChoiceReport `json:"providers"`
	// Consolidated is the dataset over all feeds, left out where there is none.
	Consolidated *ConsolidatedReport `json:"consolidated,omitempty"`
}

// A ConsolidatedReport is the state of the dataset of best bids and offers over all feeds.
type ConsolidatedReport struct {
	Dataset     string `json:"dataset"`
	Instruments int    `json:"instruments"`
	Records     uint64 `json:"records"` // published
	Subscribers int    `json:"subscribers"`
}

// A FeedReport is the state of what one provider of a feed sends.
type FeedReport struct {
	Name        string            `json:"name"` // FEED/PROVIDER, or FEED where that has one
	Dataset     string            `json:"dataset"`
	Protocol    string            `json:"protocol"`
	Receiving   bool              `json:"receiving"` // something came in the last SilenceMax
	Session     string            `json:"session,omitempty"`
	Instruments int               `json:"instruments"`
	Subscribers int               `json:"subscribers"` // sessions of the dataset
	Messages    uint64            `json:"messages"`    // decoded
	Events      uint64            `json:"events"`      // published
	Trades      uint64            `json:"trades"`
	Volume      uint64            `json:"volume"`  // traded, in lots
	Clears      uint64            `json:"clears"`  // books emptied because the publisher restarted
	Suspect     uint64            `json:"suspect"` // events published with the flag for books that may be wrong
	Faults      uint64            `json:"faults"`  // messages that did not do what they say
	Verdicts    map[string]uint64 `json:"verdicts"`
	Balanced    bool              `json:"balanced"` // everything received is accounted for
	Ledger      ChannelLedger     `json:"ledger"`
	Lines       []LineReport      `json:"lines"`
	Gaps        []GapReport       `json:"gaps"`   // the latest announced, oldest first
	Epochs      []EpochReport     `json:"epochs"` // the latest, oldest first
	// Retransmit is the account of requests for what the lines have lost, left out where none are made.
	Retransmit *RetransmitReport `json:"retransmit,omitempty"`
	// Rebuilds says how books were made anew from snapshots, left out where they cannot be.
	Rebuilds *gateway.RebuildCounts `json:"rebuilds,omitempty"`
	// Snapshots says what was had from snapshot servers, left out where there are none.
	Snapshots *SnapshotsReport `json:"snapshots,omitempty"`
}

// A RetransmitReport is the account of requests for retransmission.
type RetransmitReport struct {
	Servers []ServerReport `json:"servers"`
	// Proxies says what became of requests by TCP, by server, left out where they go by datagrams.
	Proxies []recovery.GapCounts `json:"proxies,omitempty"`
	// TooLarge are missing ranges that were not asked for because they have too many messages.
	TooLarge arbiter.GapTally `json:"too_large"`
	// The rest are times that a request had to wait: because the budget was spent, because too many were in
	// flight, because every server was resting.
	WaitsBudget   uint64 `json:"waits_budget"`
	WaitsInFlight uint64 `json:"waits_in_flight"`
	WaitsServers  uint64 `json:"waits_servers"`
}

// A ServerReport is the account of requests to one server.
type ServerReport struct {
	Number int `json:"number"` // 0 for the first in the configuration
	arbiter.ServerLedger
	State string `json:"state"`
}

// A ChannelLedger is a ledger without its lines, which reports have elsewhere.
type ChannelLedger struct {
	arbiter.Ledger
	Lines *struct{} `json:"lines,omitempty"` // nil: hides that of the ledger
}

// A LineReport is the state of a line.
type LineReport struct {
	Name               string             `json:"name"`
	Address            string             `json:"address"`
	Silent             bool               `json:"silent"` // nothing came for SilenceMax, while another line of the feed had something; never of line R
	Last               time.Time          `json:"last,omitzero"`
	LastAge            *time.Duration     `json:"last_age_ns,omitempty"` // since its last packet of the session
	HighWater          uint64             `json:"high_water"`            // the next sequence, as this line knows it
	Behind             uint64             `json:"behind"`                // messages that other lines made known and this one has not
	BehindFor          time.Duration      `json:"behind_for_ns"`         // since the first of those became known
	Packets            uint64             `json:"packets"`
	Bytes              uint64             `json:"bytes"`
	KernelDrops        uint64             `json:"kernel_drops"` // lost because the receive buffer was full
	Truncated          uint64             `json:"truncated"`
	Errors             uint64             `json:"errors"`
	LastError          string             `json:"last_error,omitempty"`
	ReceiveBuffer      int                `json:"receive_buffer"` // bytes, as granted
	ReceiveBufferAsked int                `json:"receive_buffer_asked"`
	Warning            string             `json:"warning,omitempty"`
	Ledger             arbiter.LineLedger `json:"ledger"`
	Requests           *RequestsReport    `json:"requests,omitempty"` // of a line R that requests leave by
	Judged             *BreakerReport     `json:"judged,omitempty"`   // of every line but R
	TCP                *TCPReport         `json:"tcp,omitempty"`      // of a line that comes by a connection
}

// A RequestsReport says what became of requests and answers at the socket of a line R.
type RequestsReport struct {
	Sent      uint64 `json:"sent"`
	Failed    uint64 `json:"failed"` // could not be sent
	LastError string `json:"last_error,omitempty"`
	Strangers uint64 `json:"strangers"` // datagrams dropped unread because they came from none of the servers
}

// A GapReport is a range of messages that was announced as lost.
type GapReport struct {
	Number   uint64    `json:"number"` // 1 for the first since the start
	From     uint64    `json:"from"`   // sequence of the first that is missing
	To       uint64    `json:"to"`     // of the first that is not
	Messages uint64    `json:"messages"`
	Reason   string    `json:"reason"`
	Line     string    `json:"line"` // that revealed it
	Epoch    uint32    `json:"epoch"`
	Seen     time.Time `json:"seen"`
}

// An EpochReport is the beginning of a run of sequences.
type EpochReport struct {
	Number  uint32    `json:"number"`
	Session string    `json:"session"`
	Reason  string    `json:"reason"`
	From    uint64    `json:"from"` // sequence of the first message
	At      time.Time `json:"at"`
}

// A LoopReport is what the ingest loop did.
type LoopReport struct {
	Polls    uint64 `json:"polls"`
	Batches  uint64 `json:"batches"`
	BatchMax int    `json:"batch_max"`
	Spins    uint64 `json:"spins"`
	Parks    uint64 `json:"parks"`
	Crowded  uint64 `json:"crowded"` // polls that ended because the second thread, if there is one, was too far behind
	Commands uint64 `json:"commands"`

	ClockSet  uint64 `json:"clock_set"`     // times that the machine's clock was set
	ClockSkew int64  `json:"clock_skew_ns"` // what it is ahead of the gateway's because of that
}

// A RingReport is the state of the broadcast ring.
type RingReport struct {
	Entries     uint64 `json:"entries"`
	Readers     int    `json:"readers"`
	Chunks      int    `json:"chunks"`
	Spares      int    `json:"spares"`
	Evicted     uint64 `json:"evicted"`
	MemoryBytes int    `json:"memory_bytes"`
}

// A CaptureReport is the state of the recording.
type CaptureReport struct {
	Path         string `json:"path"`
	Taken        uint64 `json:"taken"`
	Recorded     uint64 `json:"recorded"`
	Dropped      uint64 `json:"dropped"`
	Unrecordable uint64 `json:"unrecordable"`
	Waiting      uint64 `json:"waiting_bytes"`
	Bytes        int64  `json:"bytes"`
	Failed       bool   `json:"failed"`
}

// A SubscribersReport says who is connected.
type SubscribersReport struct {
	Connections int               `json:"connections"`
	States      map[string]int    `json:"states"`
	Sessions    []SessionReport   `json:"sessions"` // by id
	Counts      map[string]uint64 `json:"counts"`
	Refusals    map[string]uint64 `json:"refusals"`
	Closes      map[string]uint64 `json:"closes"`     // connections that were closed, by reason
	Handshakes  map[string]uint64 `json:"handshakes"` // TLS handshakes that failed, by reason
}

// A SessionReport is the state of a session.
type SessionReport struct {
	ID            uint64    `json:"id"`
	Key           string    `json:"key"` // its name
	Dataset       string    `json:"dataset"`
	Addr          string    `json:"addr"`
	TLS           bool      `json:"tls"`
	Client        string    `json:"client"`
	State         string    `json:"state"`
	Schemas       []string  `json:"schemas"`
	Subscriptions int       `json:"subscriptions"`
	Opened        time.Time `json:"opened"`
	Records       uint64    `json:"records"`
	Bytes         uint64    `json:"bytes"`
	Skipped       uint64    `json:"skipped"`
	Behind        uint64    `json:"behind"` // ring entries
	Held          int       `json:"held_bytes"`
	Stalls        uint64    `json:"stalls"`
}

// A LatencyReport says how long datagrams took from the kernel to the ring.
type LatencyReport struct {
	WireToPublish struct {
		Total  Percentiles `json:"total"`  // since the start
		Recent Percentiles `json:"recent"` // since the report before
	} `json:"wire_to_publish"`
}

// Percentiles of durations, in nanoseconds.
type Percentiles struct {
	Count int64 `json:"count"`
	Min   int64 `json:"min_ns"`
	P50   int64 `json:"p50_ns"`
	P90   int64 `json:"p90_ns"`
	P99   int64 `json:"p99_ns"`
	P999  int64 `json:"p999_ns"`
	Max   int64 `json:"max_ns"`
}

// A BookReport is one book. Prices are decimal text.
type BookReport struct {
	Dataset    string        `json:"dataset"`
	Symbol     string        `json:"symbol"`
	Instrument uint32        `json:"instrument"`
	At         time.Time     `json:"at"`
	Bids       []LevelReport `json:"bids"` // best first
	Asks       []LevelReport `json:"asks"`
}

// A BBOReport is the best bid and offer of one instrument.
type BBOReport struct {
	Dataset    string       `json:"dataset"`
	Symbol     string       `json:"symbol"`
	Instrument uint32       `json:"instrument"`
	At         time.Time    `json:"at"`
	Bid        *LevelReport `json:"bid"` // null for an empty side
	Ask        *LevelReport `json:"ask"`
}

// A LevelReport is one price of one side of a book.
type LevelReport struct {
	Price  string `json:"price"`
	Size   uint64 `json:"size"`
	Orders uint32 `json:"orders,omitempty"` // left out where the venue does not say
}

// An InstrumentsReport is a part of the instruments that fit a question.
type InstrumentsReport struct {
	Total       int                `json:"total"` // that fit
	Offset      int                `json:"offset"`
	Limit       int                `json:"limit"`
	Instruments []InstrumentReport `json:"instruments"`
}

// An InstrumentReport is an instrument of a dataset.
type InstrumentReport struct {
	Feed       string `json:"feed,omitempty"` // nothing for the consolidated dataset
	Dataset    string `json:"dataset"`
	Symbol     string `json:"symbol"`
	Instrument uint32 `json:"instrument"`
	TickSize   string `json:"tick_size,omitempty"` // decimal; left out where it is not known
	RoundLot   uint32 `json:"round_lot,omitempty"` // left out where it is not known
}

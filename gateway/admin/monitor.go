//go:build linux

package admin

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"tidegate/arbiter"
	"tidegate/gateway"
	"tidegate/gateway/egress"
	"tidegate/gateway/lines"
	"tidegate/gateway/providers"
	"tidegate/gateway/recovery"
	"tidegate/gateway/stream"
	"tidegate/internal/bus"
	"tidegate/market"
	"tidegate/sinks/capture"
	"tidegate/sinks/journal"
)

// SilenceMax is how long a line, or a feed, may be without a datagram before it is called silent.
// Publishers send heartbeats every second.
const SilenceMax = 3 * time.Second

const (
	// stateAge is how old a state may be that is given out again: the loop is asked ten times a second
	// at most.
	stateAge = 100 * time.Millisecond
	// queriesMax is how many times a second books are asked for at most.
	queriesMax = 100
	// answerMax is how long the loop may take to answer.
	answerMax = time.Second
)

// A Feed is one of the gateway's feeds: what its providers send, and the choice among them.
type Feed struct {
	Name     string
	Choice   *providers.Feed
	Judge    *providers.Judge
	Witness  *Witness
	Channels []Channel // one of each provider, in the order of the choice
}

// dataset is what subscribers ask for. It is the same for all providers.
func (f *Feed) dataset() string { return f.Channels[0].Pipeline.Config().Publisher.Dataset }

// A Channel is what one provider of a feed sends. The loop owns it.
type Channel struct {
	Name      string // as the loop calls it
	Pipeline  *gateway.Pipeline
	Lines     *providers.Lines
	Gaps      *recovery.PitchGaps // nil: nobody is asked for retransmission by TCP
	Snapshots *recovery.Snapshots // nil: there are no servers
	TCP       *TCPLine            // nil: there is none
}

// A TCPLine is a line that comes by a connection.
type TCPLine struct {
	ID      arbiter.LineID
	Address string
	Line    *recovery.SoupLine
}

// A Consolidated is the dataset over the loop's feeds.
type Consolidated struct {
	Dataset string
	Stream  *stream.Consolidated
}

// Sources is what a Monitor looks at.
type Sources struct {
	Loop        *lines.Loop
	Feeds       []Feed
	Ring        *bus.Ring
	Subscribers func(context.Context) (egress.Stats, error)
	Sessions    func() map[string]int // how many each dataset has
	Latency     *Latency
	// Consolidated is the dataset over all feeds; its Stream is nil where there is none.
	Consolidated Consolidated
	Capture      *capture.Recorder // nil: nothing is recorded
	CapturePath  string
	Journal      *journal.Journal // nil: there is none
	JournalDir   string
	Postgres     func() PostgresReport // nil: the journal is not drained here
	Archive      func() ArchiveReport  // nil: there is none
	Market       *Market               // nil: the gateway runs none
}

// A Monitor looks at a running gateway. Its methods may be called by any goroutine, but not on the
// loop.
type Monitor struct {
	src      Sources
	channels []channel // of all feeds
	ticked   []func()  // to be called at the end of a tick; owned by the loop

	mu      sync.Mutex // of the rest
	last    *state
	lookups []*stream.Lookup // of the feeds
	listed  []listing        // of all datasets
	second  int64            // in which queries were counted
	queries int
}

// channel is a channel with the feed that it belongs to.
type channel struct {
	*Channel
	of *Feed
}

// NewMonitor returns a monitor.
func NewMonitor(src Sources) *Monitor {
	m := &Monitor{src: src}
	for i := range src.Feeds {
		f := &src.Feeds[i]
		for j := range f.Channels {
			m.channels = append(m.channels, channel{&f.Channels[j], f})
		}
		m.lookups = append(m.lookups, stream.NewLookup(f.Witness.Directory()))
		m.listed = append(m.listed, listing{feed: f.Name, dataset: f.dataset(), directory: f.Witness.Directory()})
	}
	if c := src.Consolidated; c.Stream != nil {
		m.listed = append(m.listed, listing{dataset: c.Dataset, directory: c.Stream.Directory()})
	}
	return m
}

// state is a copy of what the loop owns.
type state struct {
	at           time.Time
	loop         lines.Stats
	channels     []channelState
	feeds        []choiceState
	consolidated uint64 // records published
}

type channelState struct {
	ledger arbiter.Ledger
	health [arbiter.LinesMax]arbiter.LineHealth
	counts gateway.Counts
	gaps   latest[arbiter.Gap]
	epochs latest[arbiter.Epoch]

	requests    arbiter.RequestLedger
	asks        bool // for retransmission
	rebuilds    gateway.RebuildCounts
	rebuildable bool

	judged    []providers.LineLedger
	snapshots *recovery.Ledger // nil: there are no servers
}

// OnTick ends a tick. It is called on the loop, when all feeds had theirs.
func (m *Monitor) OnTick() {
	for i, f := range m.ticked {
		f()
		m.ticked[i] = nil
	}
	m.ticked = m.ticked[:0]
}

// call has f run on the loop. It returns lines.ErrStopped if that is over.
func (m *Monitor) call(ctx context.Context, f func()) error {
	ctx, cancel := context.WithTimeout(ctx, answerMax)
	defer cancel()
	if err := m.src.Loop.Call(ctx, f); err != nil {
		return fmt.Errorf("ask the ingest loop: %w", err)
	}
	return nil
}

// state returns the state of at most stateAge ago. It must not be changed.
func (m *Monitor) state(ctx context.Context) (*state, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.last != nil && time.Since(m.last.at) < stateAge {
		return m.last, nil
	}
	s := &state{channels: make([]channelState, len(m.channels)), feeds: make([]choiceState, len(m.src.Feeds))} // made here, so that the loop mostly copies
	err := m.call(ctx, func() {
		s.loop = m.src.Loop.Stats()
		for i := range m.channels {
			s.channels[i].take(&m.channels[i])
		}
		for i := range m.src.Feeds {
			s.feeds[i].take(&m.src.Feeds[i], s.loop.LastStamp)
		}
		if c := m.src.Consolidated.Stream; c != nil {
			s.consolidated = c.Published()
		}
	})
	if err != nil {
		return nil, err
	}
	s.at = time.Now()
	m.last = s
	return s, nil
}

// take copies what the loop owns of a channel. It runs on the loop.
func (s *channelState) take(c *channel) {
	p := c.Pipeline
	s.ledger, _ = p.Ledger()
	for id := range s.health {
		s.health[id], _ = p.LineHealth(arbiter.LineID(id))
	}
	s.counts = p.Counts()
	s.gaps, s.epochs = c.of.Witness.gaps, c.of.Witness.epochs
	s.requests, s.asks = p.Requests()
	s.rebuilds, s.rebuildable = p.Rebuilds(), p.Rebuildable() == nil
	s.judged = c.Lines.Ledger()
	if c.Snapshots != nil {
		l := c.Snapshots.Ledger()
		s.snapshots = &l
	}
}

// Feeds reports on everything that comes in.
func (m *Monitor) Feeds(ctx context.Context) (*FeedsReport, error) {
	s, err := m.state(ctx)
	if err != nil {
		return nil, err
	}
	ring := m.src.Ring.Stats()
	r := &FeedsReport{
		At: s.at, Ring: RingReport(ring), Capture: m.capture(), Journal: m.journal(), Postgres: m.postgres(), Archive: m.archive(), Providers: m.providers(s),
		Loop: LoopReport{
			Polls: s.loop.Polls, Batches: s.loop.Batches, BatchMax: s.loop.BatchMax,
			Spins: s.loop.Spins, Parks: s.loop.Parks, Crowded: s.loop.Crowded, Commands: s.loop.Commands,
			ClockSet: s.loop.ClockSet, ClockSkew: int64(s.loop.ClockSkew),
		},
	}
	sessions := m.src.Sessions()
	for i := range m.channels {
		f := m.feed(i, s)
		f.Subscribers = sessions[f.Dataset]
		r.Feeds = append(r.Feeds, f)
	}
	if c := m.src.Consolidated; c.Stream != nil {
		r.Consolidated = &ConsolidatedReport{
			Dataset: c.Dataset, Instruments: len(c.Stream.Directory().All()),
			Records: s.consolidated, Subscribers: sessions[c.Dataset],
		}
	}
	return r, nil
}

func (m *Monitor) capture() *CaptureReport {
	if m.src.Capture == nil {
		return nil
	}
	c := m.src.Capture.Stats()
	return &CaptureReport{
		Path: m.src.CapturePath, Taken: c.Taken, Recorded: c.Recorded, Dropped: c.Dropped,
		Unrecordable: c.Unrecordable, Waiting: c.Waiting, Bytes: c.Bytes, Failed: c.Failed,
	}
}

// feed reports on a channel.
func (m *Monitor) feed(i int, s *state) FeedReport {
	f, from := &m.channels[i], &s.channels[i]
	cfg, c := f.Pipeline.Config(), &from.counts
	r := FeedReport{
		Name: f.Name, Dataset: cfg.Publisher.Dataset, Protocol: cfg.Feed.String(),
		Instruments: len(f.of.Witness.Directory().All()),
		Messages:    c.Messages, Events: c.Events, Trades: c.Trades, Volume: c.Volume, Clears: c.Clears,
		Suspect: c.Suspect, Faults: c.Faults(), Verdicts: make(map[string]uint64),
		Balanced: from.ledger.Balanced() == nil && c.Balanced() == nil,
		Ledger:   ChannelLedger{Ledger: from.ledger}, Gaps: []GapReport{}, Epochs: []EpochReport{},
	}
	for v := range market.VerdictCount {
		if n := c.Verdicts[v]; n > 0 {
			r.Verdicts[v.String()] = n
		}
	}
	from.gaps.each(func(number uint64, g *arbiter.Gap) {
		r.Gaps = append(r.Gaps, GapReport{
			Number: number, From: g.From, To: g.To, Messages: g.Messages(), Reason: g.Reason.String(),
			Line: g.Line.String(), Epoch: g.Epoch, Seen: timeOf(g.Seen),
		})
	})
	from.epochs.each(func(_ uint64, e *arbiter.Epoch) {
		r.Session = e.Session.String()
		r.Epochs = append(r.Epochs, EpochReport{
			Number: e.Number, Session: r.Session, Reason: e.Reason.String(), From: e.From, At: timeOf(e.TsRecv),
		})
	})
	m.lines(&r, f, from, s)
	if from.asks {
		r.Retransmit = retransmitReport(&from.requests)
		if f.Gaps != nil {
			r.Retransmit.Proxies = f.Gaps.Counts()
		}
	}
	if from.rebuildable {
		r.Rebuilds = &from.rebuilds
	}
	if from.snapshots != nil {
		r.Snapshots = snapshotsReport(from.snapshots)
	}
	return r
}

// timeOf returns the zero time for no time.
func timeOf(t market.Nanos) time.Time {
	if !t.Defined() {
		return time.Time{}
	}
	return time.Unix(0, int64(t)).UTC()
}

// Latency reports how long datagrams took. The recent part begins anew.
func (m *Monitor) Latency(ctx context.Context) (*LatencyReport, error) {
	if err := m.collectLatency(ctx); err != nil {
		return nil, err
	}
	r := m.src.Latency.report()
	return &r, nil
}

func (m *Monitor) collectLatency(ctx context.Context) error {
	return m.src.Latency.collect(func(f func()) error { return m.call(ctx, f) })
}

// Errors of Book and BBOs that are the asker's.
var (
	ErrUnknown = errors.New("not known")
	ErrTooMany = fmt.Errorf("more than %d queries in this second", queriesMax)
)

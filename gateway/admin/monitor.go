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
	"tidegate/gateway/stream"
	"tidegate/internal/bus"
	"tidegate/market"
	"tidegate/sinks/capture"
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

// A Feed is one of the loop's feeds.
type Feed struct {
	Name     string // as the loop calls it
	Pipeline *gateway.Pipeline
	Witness  *Witness
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
}

// A Monitor looks at a running gateway. Its methods may be called by any goroutine, but not on the
// loop.
type Monitor struct {
	src Sources

	mu      sync.Mutex // of the rest
	last    *state
	lookups []*stream.Lookup // of the feeds
	listed  []listing        // of all datasets
	second  int64            // in which queries were counted
	queries int
}

// NewMonitor returns a monitor.
func NewMonitor(src Sources) *Monitor {
	m := &Monitor{src: src}
	for _, f := range src.Feeds {
		m.lookups = append(m.lookups, stream.NewLookup(f.Witness.Directory()))
		m.listed = append(m.listed, listing{feed: f.Name, dataset: f.Pipeline.Config().Publisher.Dataset, directory: f.Witness.Directory()})
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
	feeds        []feedState
	consolidated uint64 // records published
}

type feedState struct {
	ledger arbiter.Ledger
	health [arbiter.LinesMax]arbiter.LineHealth
	counts gateway.Counts
	gaps   latest[arbiter.Gap]
	epochs latest[arbiter.Epoch]

	requests    arbiter.RequestLedger
	asks        bool // for retransmission
	rebuilds    gateway.RebuildCounts
	rebuildable bool
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
	s := &state{feeds: make([]feedState, len(m.src.Feeds))} // made here, so that the loop only copies
	err := m.call(ctx, func() {
		s.loop = m.src.Loop.Stats()
		for i := range m.src.Feeds {
			f, to := &m.src.Feeds[i], &s.feeds[i]
			to.ledger, _ = f.Pipeline.Ledger()
			for id := range to.health {
				to.health[id], _ = f.Pipeline.LineHealth(arbiter.LineID(id))
			}
			to.counts = f.Pipeline.Counts()
			to.gaps, to.epochs = f.Witness.gaps, f.Witness.epochs
			to.requests, to.asks = f.Pipeline.Requests()
			to.rebuilds, to.rebuildable = f.Pipeline.Rebuilds(), f.Pipeline.Rebuildable() == nil
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

// Feeds reports on everything that comes in.
func (m *Monitor) Feeds(ctx context.Context) (*FeedsReport, error) {
	s, err := m.state(ctx)
	if err != nil {
		return nil, err
	}
	ring := m.src.Ring.Stats()
	r := &FeedsReport{
		At: s.at, Ring: RingReport(ring), Capture: m.capture(),
		Loop: LoopReport{
			Polls: s.loop.Polls, Batches: s.loop.Batches, BatchMax: s.loop.BatchMax,
			Spins: s.loop.Spins, Parks: s.loop.Parks, Commands: s.loop.Commands,
		},
	}
	sessions := m.src.Sessions()
	for i := range m.src.Feeds {
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

func (m *Monitor) feed(i int, s *state) FeedReport {
	f, from := &m.src.Feeds[i], &s.feeds[i]
	cfg, c := f.Pipeline.Config(), &from.counts
	r := FeedReport{
		Name: f.Name, Dataset: cfg.Publisher.Dataset, Protocol: cfg.Feed.String(),
		Instruments: len(f.Witness.Directory().All()),
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
	for j := range s.loop.Lines {
		if l := &s.loop.Lines[j]; l.Feed == f.Name {
			r.Receiving = r.Receiving || l.Line != arbiter.LineR && heard(l, s)
			line := lineReport(l, &from.ledger.Lines[l.Line])
			line.take(&from.health[l.Line], s.loop.LastStamp)
			if from.asks && l.Line == arbiter.LineR {
				line.Requests = requestsReport(&l.Requests)
			}
			r.Lines = append(r.Lines, line)
		}
	}
	k := 0
	for j := range s.loop.Lines {
		if l := &s.loop.Lines[j]; l.Feed == f.Name {
			r.Lines[k].Silent = r.Receiving && l.Line != arbiter.LineR && !heard(l, s)
			k++
		}
	}
	if from.asks {
		r.Retransmit = retransmitReport(&from.requests)
	}
	if from.rebuildable {
		r.Rebuilds = &from.rebuilds
	}
	return r
}

// heard reports whether something came on a line in the last SilenceMax. Of line R that means nothing: it
// brings what was asked for, and nothing else.
func heard(l *lines.LineStats, s *state) bool {
	return l.LastStamp.Defined() && s.loop.LastStamp-l.LastStamp <= market.Nanos(SilenceMax)
}

func lineReport(l *lines.LineStats, ledger *arbiter.LineLedger) LineReport {
	r := LineReport{
		Name: l.Line.String(), Address: l.Addr.String(), Last: timeOf(l.LastStamp),
		Packets: l.Packets, Bytes: l.Bytes, KernelDrops: l.KernelDrops, Truncated: l.Truncated, Errors: l.Errors,
		ReceiveBuffer: l.ReceiveBuffer, ReceiveBufferAsked: l.ReceiveBufferAsked, Warning: l.Warning, Ledger: *ledger,
	}
	if l.LastError != nil {
		r.LastError = l.LastError.Error()
	}
	return r
}

// take takes in what the arbiter knows of the line, as of now.
func (r *LineReport) take(h *arbiter.LineHealth, now market.Nanos) {
	r.HighWater, r.Behind = h.HighWater, h.Behind
	if h.BehindSince.Defined() {
		r.BehindFor = max(time.Duration(now-h.BehindSince), 0)
	}
	if h.Epoch != 0 && h.LastRecv.Defined() {
		age := max(time.Duration(now-h.LastRecv), 0)
		r.LastAge = &age
	}
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

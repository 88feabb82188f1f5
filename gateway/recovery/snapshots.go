package recovery

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"tidegate/gateway"
	"tidegate/gateway/breaker"
	"tidegate/market"
)

// DoFunc has a function run on the loop that owns a pipeline, between two of its steps, and does not wait for
// that. Functions run in the order in which they are given. After an error the function will not run. It is
// Loop.Do of package lines.
type DoFunc func(f func()) error

// Snapshots gets snapshots for a pipeline whenever its books are wanted: an announced gap lies behind them, or
// the channel was joined in its middle. All but Close is called on the loop that owns the pipeline.
type Snapshots struct {
	cfg     Config
	p       *gateway.Pipeline
	feed    gateway.Feed
	do      DoFunc
	servers []server
	ctx     context.Context // of all attempts
	cancel  context.CancelFunc
	running sync.WaitGroup

	now      market.Nanos
	wanted   bool
	withheld market.Nanos // since when, 0: nothing is
	attempt  *attempt     // nil: none is under way
	turn     int          // server to ask
	failures int          // attempts in a row that came to nothing
	earliest market.Nanos // of the next attempt
	began    []market.Nanos
	waiting  waitReason
	ledger   Ledger // but for the servers'
	record   []byte
}

// server is a source as it has turned out so far.
type server struct {
	source  Source
	breaker *breaker.Breaker
	ledger  ServerLedger
}

// attempt is one snapshot under way. It belongs to the loop.
type attempt struct {
	server   int
	cancel   context.CancelFunc
	until    market.Nanos // its deadline
	snapshot *Snapshot    // nil: it is not whole yet
}

// waitReason says why an attempt that is wanted does not begin, as far as it is counted.
type waitReason uint8

const (
	notWaiting waitReason = iota
	waitBudget
	waitServers
)

// NewSnapshots returns what gets snapshots for a pipeline from servers, the first to be asked first. The
// pipeline's sink must be a gateway.Rebuilder. Nothing runs before OnTick.
func NewSnapshots(cfg Config, p *gateway.Pipeline, servers []Source, do DoFunc) (*Snapshots, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("snapshots: %w", err)
	}
	if err := p.Rebuildable(); err != nil {
		return nil, fmt.Errorf("snapshots: %w", err)
	}
	if len(servers) == 0 {
		return nil, errors.New("snapshots: no servers")
	}
	s := &Snapshots{cfg: cfg, p: p, feed: p.Config().Feed, do: do, began: make([]market.Nanos, 0, cfg.PerMinute)}
	for _, source := range servers {
		if err := source.Validate(); err != nil {
			return nil, fmt.Errorf("snapshots: server %s: %w", source, err)
		}
		b := cfg.Breaker
		b.Name = "snapshots " + source.String()
		breaker, err := breaker.New(b)
		if err != nil {
			return nil, fmt.Errorf("snapshots: %w", err)
		}
		s.servers = append(s.servers, server{source: source, breaker: breaker, ledger: ServerLedger{Name: source.String()}})
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s, nil
}

// Close ends what is under way and waits for it. It is called when the loop has ended, or before it runs.
func (s *Snapshots) Close() {
	s.cancel()
	s.running.Wait()
}

// OnTick does what is due: it begins an attempt, ends one that is whole, and publishes what was withheld for
// too long. It is called once per tick, after the pipeline's own.
func (s *Snapshots) OnTick(now market.Nanos) {
	s.now = now
	s.releaseLate()
	for i := range s.servers {
		if b := s.servers[i].breaker; b.Own() == breaker.Open {
			b.OnTick(now, true) // time alone brings it on probation
		}
	}
	wanted := s.p.Suspect() || s.p.Withheld()
	if wanted && !s.wanted {
		s.ledger.Wanted++
	}
	s.wanted = wanted
	switch {
	case s.attempt != nil && !s.p.Rebuilds().UnderWay:
		s.end(Epoch, gateway.ErrNoRebuild)
	case s.attempt != nil && !wanted:
		s.end(Unneeded, nil)
	case s.attempt != nil:
		s.splice()
	case wanted && s.p.Next() != 0:
		s.begin()
	}
}

// releaseLate publishes what was withheld for too long.
func (s *Snapshots) releaseLate() {
	switch {
	case !s.p.Withheld():
		s.withheld = 0
	case s.withheld == 0:
		s.withheld = s.now
	case s.now-s.withheld >= s.cfg.GiveUpAfter:
		s.withheld = 0
		s.ledger.Released++
		s.apply(Input{Kind: Release, At: s.now})
	}
}

// begin begins an attempt if there may be one now.
func (s *Snapshots) begin() {
	if s.now < s.earliest {
		return
	}
	for len(s.began) > 0 && s.now-s.began[0] >= market.Minute {
		s.began = append(s.began[:0], s.began[1:]...)
	}
	if len(s.began) == s.cfg.PerMinute {
		s.wait(waitBudget)
		return
	}
	k, ok := s.next()
	if !ok {
		s.wait(waitServers)
		return
	}
	s.waiting = notWaiting
	s.began = append(s.began, s.now)
	s.earliest = s.now + s.cfg.IntervalMin
	server := &s.servers[k]
	server.ledger.Attempts++
	ctx, cancel := context.WithTimeout(s.ctx, s.cfg.Deadline)
	a := &attempt{server: k, cancel: cancel, until: s.now + market.Nanos(s.cfg.Deadline)}
	s.attempt = a
	held := s.p.Next()
	s.apply(Input{Kind: Begin, At: s.now, Number: uint64(s.cfg.KeptMax)})
	s.running.Go(func() { s.fetch(ctx, a, server.source, held) })
}

// next returns the server to ask: the first in turn that is not to be left alone.
func (s *Snapshots) next() (k int, ok bool) {
	for i := range s.servers {
		k = (s.turn + i) % len(s.servers)
		if s.servers[k].breaker.State() != breaker.Open {
			return k, true
		}
	}
	return 0, false
}

// wait notes that an attempt has to wait, and counts it once, however often it is looked at.
func (s *Snapshots) wait(why waitReason) {
	if s.waiting == why {
		return
	}
	s.waiting = why
	if why == waitBudget {
		s.ledger.WaitsBudget++
	} else {
		s.ledger.WaitsServers++
	}
}

// onBlock takes a block of a snapshot.
func (s *Snapshots) onBlock(a *attempt, block []byte, messages int) error {
	if s.attempt != a {
		return errEnded
	}
	if err := s.apply(Input{Kind: Block, At: s.now, Block: block}); err != nil {
		s.end(outcomeOf(err), err)
		return err
	}
	s.ledger.Blocks++
	s.ledger.Messages += uint64(messages)
	s.ledger.Bytes += uint64(len(block))
	return nil
}

// onFetched takes the end of a fetch.
func (s *Snapshots) onFetched(a *attempt, snapshot Snapshot, err error) {
	if s.attempt != a {
		return
	}
	if err != nil {
		s.end(outcomeOf(err), err)
		return
	}
	a.snapshot = &snapshot
}

// splice ends the rebuild if its snapshot is whole and the channel has come as far.
func (s *Snapshots) splice() {
	a := s.attempt
	if a.snapshot == nil {
		return
	}
	if of, have := a.snapshot.Session, sessionName(s.p.Session()); of != "" && of != have {
		s.end(WrongSession, fmt.Errorf("snapshot of session %q: the channel's is %q", of, have))
		return
	}
	if next := a.snapshot.Next; next > s.p.Next() {
		if next-s.p.Next() > s.cfg.AheadMax || s.now >= a.until {
			s.end(Ahead, fmt.Errorf("%w: at %d, and the channel at %d", gateway.ErrSnapshotAhead, next, s.p.Next()))
		}
		return
	}
	if err := s.apply(Input{Kind: End, At: s.now, Number: a.snapshot.Next}); err != nil {
		s.end(outcomeOf(err), err)
		return
	}
	s.end(Done, nil)
}

// end ends the attempt.
func (s *Snapshots) end(o Outcome, err error) {
	a := s.attempt
	s.attempt = nil
	a.cancel()
	server := &s.servers[a.server]
	server.ledger.Outcomes[o]++
	if o != Done && s.p.Rebuilds().UnderWay {
		s.apply(Input{Kind: Cancel, At: s.now})
	}
	if err != nil {
		server.ledger.LastError = err.Error()
	}
	switch {
	case o == Done:
		server.breaker.OnTick(s.now, true)
		s.failures, s.withheld = 0, 0
	case o.blames():
		server.breaker.OnTick(s.now, false)
		s.turn = (a.server + 1) % len(s.servers)
		fallthrough
	default:
		s.earliest = max(s.earliest, s.now+s.pause())
		s.failures++
	}
}

// pause returns how long to wait after an attempt that came to nothing.
func (s *Snapshots) pause() market.Nanos {
	d := s.cfg.PauseMin
	for range min(s.failures, 40) {
		d = min(2*d, s.cfg.PauseMax)
	}
	return d
}

// apply gives the pipeline an input, and records it.
func (s *Snapshots) apply(in Input) error {
	if s.cfg.Record != nil {
		s.record = AppendInput(s.record[:0], s.cfg.Feed, in)
		s.cfg.Record(s.record)
	}
	return Apply(s.p, in)
}

// outcomeOf returns what an error makes of an attempt.
func outcomeOf(err error) Outcome {
	for _, c := range outcomeErrors {
		if errors.Is(err, c.err) {
			return c.outcome
		}
	}
	return Unreachable
}

var outcomeErrors = []struct {
	err     error
	outcome Outcome
}{
	{ErrTooLarge, TooLarge},
	{ErrGarbage, Garbage},
	{ErrBlock, Garbage},
	{gateway.ErrSnapshotFaulty, Garbage},
	{gateway.ErrSnapshotOld, Old},
	{gateway.ErrRebuildKept, KeptFull},
	{gateway.ErrNoRebuild, Epoch},
	{ErrBroken, Broken},
	{context.DeadlineExceeded, TimedOut},
}

// Force sets an operator's will about a server, by its place in the order; breaker.None takes it back.
func (s *Snapshots) Force(server int, o breaker.Override) { s.servers[server].breaker.Force(o) }

// Ledger returns the accounts as of now. It allocates: it is for questions that people ask.
func (s *Snapshots) Ledger() Ledger {
	l := s.ledger
	for i := range s.servers {
		of := s.servers[i].ledger
		of.UnderWay = s.attempt != nil && s.attempt.server == i
		of.State, of.Opened = s.servers[i].breaker.State(), s.servers[i].breaker.Opened()
		l.Servers = append(l.Servers, of)
	}
	return l
}

// errEnded ends the fetch of an attempt that the loop has ended.
var errEnded = errors.New("recovery: the attempt was given up")

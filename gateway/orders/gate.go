package orders

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"tidegate/book/match"
	"tidegate/market"
	"tidegate/sinks/journal"
)

// Errors of a gate.
var (
	// ErrBusy is returned for a query when too many wait.
	ErrBusy = errors.New("busy: too many queries wait")
	// ErrAttached is returned for a session that has a link.
	ErrAttached = errors.New("the session is attached already")
	// ErrDetached is returned by a link that was detached, or pushed aside by Takeover.
	ErrDetached = errors.New("the link was detached")
	// ErrBehind is returned by Link.Read for reports that are no longer in memory: see Link.History.
	ErrBehind = errors.New("the reports are not in memory any more")
	// ErrAhead is returned for a report number that does not exist yet.
	ErrAhead = errors.New("there is no report of that number yet")
	// ErrClosed is returned by a gate that is closed.
	ErrClosed = errors.New("the gate is closed")
)

// A Gate is the running whole: lanes, loops, log, sessions. Its methods may be called by any goroutine.
type Gate struct {
	cfg      Config
	facts    map[market.InstrumentID]*fact // not changed after the start, as all maps here
	symbols  map[string]*fact
	doors    map[AccountID]*door
	accounts map[AccountID]Account
	sessions map[SessionID]*Session
	names    map[string]*Session

	lanes      lanes
	controls   controls
	references references
	killed     atomic.Bool
	closing    atomic.Bool // no more requests
	closed     atomic.Bool
	verdicts   [verdicts]atomic.Uint64

	// defined is what each instrument is traded by, those too that are gone from the configuration. The map is not
	// changed after the start.
	defined  map[market.InstrumentID]*atomic.Pointer[Instrument]
	messages atomic.Uint64 // ITCH messages that were let out

	log, events *journal.Journal
	logID       uint64
	keep        *journal.Reader // registered: retention of the log leaves what the oldest snapshot needs
	store       *store
	published   progress

	admission *admission
	publisher *publisher
	recorder  *recorder
	replica   *replica
	abandon   context.CancelFunc // nobody waits for the disk any longer
}

func (g *Gate) notify(text string, alarm bool) {
	if g.cfg.Notify != nil {
		g.cfg.Notify(text, alarm)
	}
}

// count counts a verdict, and returns it.
func (g *Gate) count(v Verdict) Verdict {
	g.verdicts[v].Add(1)
	return v
}

// Verdicts returns how many requests got a verdict since the start.
func (g *Gate) Verdicts(v Verdict) uint64 {
	if v >= verdicts {
		return 0
	}
	return g.verdicts[v].Load()
}

// Messages returns how many ITCH messages were let out so far, those before the start included.
func (g *Gate) Messages() uint64 { return g.messages.Load() }

// learn keeps what instruments are traded by, as reports say. It comes before those who see the reports.
func (g *Gate) learn(d *desk, reports []Report) {
	for i := range reports {
		if ev := &reports[i].Event; ev.Kind == match.Defined {
			in := d.instruments[d.byInstrument.find(uint64(ev.Instrument))].Instrument
			g.defined[ev.Instrument].Store(&in)
		}
	}
}

// Close takes no more requests, lets what was taken become durable, and ends. Links see ErrClosed. If ctx ends
// before, what waits for the disk is given up.
func (g *Gate) Close(ctx context.Context) error {
	if g.closing.Swap(true) {
		return nil
	}
	stop := context.AfterFunc(ctx, g.abandon)
	defer stop()
	close(g.admission.stop)
	select {
	case <-g.admission.ended:
	case <-ctx.Done():
		return fmt.Errorf("close orders: %w", ctx.Err())
	}
	for _, l := range g.admission.loops {
		close(l.stop)
		<-l.ended
	}
	<-g.publisher.ended
	close(g.recorder.stop)
	<-g.recorder.ended
	g.published.end()
	g.closed.Store(true)
	err := errors.Join(g.log.Close(ctx), g.events.Close(ctx))
	<-g.replica.ended
	if err == nil && g.replica.core.Settled() && g.replica.core.Index() > g.replica.snapshot {
		g.replica.save() // the next start has less to do
		g.replica.written.Wait()
	}
	return errors.Join(err, g.store.flush(), g.store.file.Close(), g.replica.reader.Close(), g.keep.Close())
}

// Session returns a session of the configuration.
func (g *Gate) Session(id SessionID) (*Session, bool) {
	s, ok := g.sessions[id]
	return s, ok
}

// SessionByName returns a session of the configuration.
func (g *Gate) SessionByName(name string) (*Session, bool) {
	s, ok := g.names[name]
	return s, ok
}

// Instrument returns an instrument by its symbol.
func (g *Gate) Instrument(symbol string) (Instrument, bool) {
	if f := g.symbols[symbol]; f != nil {
		return f.Instrument, true
	}
	return Instrument{}, false
}

// InstrumentByID returns an instrument.
func (g *Gate) InstrumentByID(id market.InstrumentID) (Instrument, bool) {
	if f := g.facts[id]; f != nil {
		return f.Instrument, true
	}
	return Instrument{}, false
}

// Account returns what is configured of an account.
func (g *Gate) Account(id AccountID) (Account, bool) {
	a, ok := g.accounts[id]
	return a, ok
}

package orders

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"tidegate/book/match"
	"tidegate/market"
)

// controls are what does not come by lanes: settings, kill switches, lost sessions. They are few, and go
// before everything else.
type controls struct {
	count atomic.Int32 // of list; the admission loop looks at it alone
	mu    sync.Mutex
	list  []*control
	lost  map[*Session]Ticket
}

// A control is an entry that somebody waits for.
type control struct {
	entry Entry
	sweep bool             // after it, the orders of all accounts are canceled
	last  uint64           // index of the last entry that it makes
	done  chan controlDone // has room for one
}

type controlDone struct {
	index  uint64 // of the last entry
	reason match.Reason
}

func (c *controls) add(x *control) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = append(c.list, x)
	c.count.Add(1)
}

// take returns what has come since.
func (c *controls) take() (list []*control, lost map[*Session]Ticket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	list, lost = c.list, c.lost
	c.list, c.lost = nil, nil
	c.count.Store(0)
	return list, lost
}

// lose says that a session is lost, as of a ticket. It never waits.
func (g *Gate) lose(s *Session, t Ticket) {
	c := &g.controls
	c.mu.Lock()
	if c.lost == nil {
		c.lost = map[*Session]Ticket{}
		c.count.Add(1)
	}
	c.lost[s] = t
	c.mu.Unlock()
	g.admission.unpark()
}

// do has an entry decided and waits until that is durable.
func (g *Gate) do(ctx context.Context, x *control) (match.Reason, error) {
	if g.closing.Load() {
		return 0, ErrClosed
	}
	x.done = make(chan controlDone, 1)
	g.controls.add(x)
	g.admission.unpark()
	select {
	case d := <-x.done:
		return d.reason, g.published.wait(ctx, d.index)
	case <-g.admission.ended:
		return 0, ErrClosed
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// SetState changes the trading state of an instrument. It returns when that is durable.
func (g *Gate) SetState(ctx context.Context, id market.InstrumentID, s match.State) error {
	if g.facts[id] == nil {
		return fmt.Errorf("set state: of instrument %d: there is none", id)
	}
	reason, err := g.do(ctx, &control{entry: Entry{Kind: EntryMarket, Input: match.Input{Kind: match.SetState, Instrument: id, State: s}}})
	if err == nil && reason != match.ReasonNone {
		err = fmt.Errorf("set state: of instrument %d: %v", id, reason)
	}
	return err
}

// Kill turns the kill switch of an account on or off, or of all accounts for 0. On refuses what comes and waits,
// and cancels all orders. It acts at once, and returns when it is durable.
func (g *Gate) Kill(ctx context.Context, id AccountID, on bool) error {
	killed := &g.killed
	if id != 0 {
		door := g.doors[id]
		if door == nil {
			return fmt.Errorf("kill switch: of account %d: there is none", id)
		}
		killed = &door.killed
	}
	if on {
		killed.Store(true)
	}
	_, err := g.do(ctx, &control{
		entry: Entry{Kind: EntryKill, Setting: &Setting{Kill: &KillSetting{Account: id, On: on}}}, sweep: on && id == 0,
	})
	if err == nil && !on {
		killed.Store(false)
	}
	return err
}

// Killed reports whether the kill switch of an account is on, or of all accounts for 0.
func (g *Gate) Killed(id AccountID) bool {
	if id == 0 {
		return g.killed.Load()
	}
	d := g.doors[id]
	return d != nil && d.killed.Load()
}

// Adjust adds an amount, which may be negative, to a balance. reference is a number of the caller's, higher for
// each adjustment of the account: one that is not higher than the last was made before, and is not made
// again. It returns when it is durable.
func (g *Gate) Adjust(ctx context.Context, account AccountID, asset AssetID, amount Money, reference uint64) error {
	if g.doors[account] == nil {
		return fmt.Errorf("adjust: account %d: there is none", account)
	}
	_, err := g.do(ctx, &control{entry: Entry{Kind: EntryAdjust, Setting: &Setting{Adjust: &AdjustSetting{
		Account: account, Asset: asset, Amount: amount, Reference: reference,
	}}}})
	return err
}

// references keeps the last reference of each instrument until the admission loop takes it. An instrument is in
// the ring at most once, so the ring cannot overflow.
type references struct {
	slots map[market.InstrumentID]*referenceSlot // not changed after the start
	ring  chan *referenceSlot
}

type referenceSlot struct {
	mu     sync.Mutex
	in     match.Input
	queued bool
}

func newReferences(instruments []Instrument) references {
	r := references{slots: map[market.InstrumentID]*referenceSlot{}, ring: make(chan *referenceSlot, len(instruments))}
	for i := range instruments {
		r.slots[instruments[i].ID] = &referenceSlot{}
	}
	return r
}

// Reference says how the consolidated market of an instrument stands: see match.ReferenceInput. It never
// waits; of several that come before the admission loop looks, the last counts. References are taken before any
// lane.
func (g *Gate) Reference(id market.InstrumentID, bid, ask market.Price, fresh bool, at market.Nanos) {
	s := g.references.slots[id]
	if s == nil {
		return
	}
	last := int64(0)
	if ask.Defined() {
		last = int64(ask)
	}
	g.facts[id].ask.Store(last)
	s.mu.Lock()
	if !fresh {
		at = max(at, s.in.Until) // a stale mark counts, however old what it is about
	}
	s.in = match.ReferenceInput(0, id, bid, ask, fresh, at)
	queued := s.queued
	s.queued = true
	s.mu.Unlock()
	if !queued {
		g.references.ring <- s // there is room: see references
		g.admission.unpark()
	}
}

// take returns a reference that has changed.
func (r *references) take() (in match.Input, ok bool) {
	select {
	case s := <-r.ring:
		s.mu.Lock()
		defer s.mu.Unlock()
		s.queued = false
		return s.in, true
	default:
		return in, false
	}
}

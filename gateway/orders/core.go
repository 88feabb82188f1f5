package orders

import (
	"fmt"

	"tidegate/book/match"
	"tidegate/market"
)

// A Core is what the gate does, without threads, files and clocks: accounts, ids and engines, as a
// function of the entries of the input log. The gate runs its parts on several threads; the replica and the
// restart run it as it is, and come to the same state.
type Core struct {
	desk    *desk
	engines []*match.Engine
	config  CoreConfig

	decision decision
	pending  []pending // what engines did with entries that are not settled, oldest first
	head     int
	events   []match.Event // of pending, one after the other
}

// A CoreConfig sets what a core's decisions depend on, so it cannot change while the log goes on.
type CoreConfig struct {
	Engine  match.Config
	Engines int // 1 to EnginesMax
	IDsMax  int // how many ids are remembered, in all sessions together
}

// EnginesMax is how many engines a core may have.
const EnginesMax = 32

type pending struct{ from, to int }

// Validate says what is wrong with c.
func (c CoreConfig) Validate() error {
	if c.Engines < 1 || c.Engines > EnginesMax {
		return fmt.Errorf("engines %d: want 1 to %d", c.Engines, EnginesMax)
	}
	if c.IDsMax < 64 || c.IDsMax > 1<<26 {
		return fmt.Errorf("ids max %d: want 64 to %d", c.IDsMax, 1<<26)
	}
	return c.Engine.Validate()
}

// ordersExpected is how many orders memory is set aside for at the start.
const ordersExpected = 1 << 16

// NewCore returns a core without instruments, accounts and sessions. It panics if c is not valid.
func NewCore(c CoreConfig) *Core {
	if err := c.Validate(); err != nil {
		panic(err)
	}
	core := &Core{config: c, desk: newDesk(c.Engines, c.IDsMax, ordersExpected)}
	for range c.Engines {
		core.engines = append(core.engines, match.NewEngine(c.Engine))
	}
	return core
}

// Apply does what the next entry of the log asks for, and appends to reports what can be told of it and of those
// before: see Entry.Settled. Reports with Number 0 are to no session, but of the market.
func (c *Core) Apply(e *Entry, reports []Report) []Report {
	for c.desk.settled < e.Settled && c.head < len(c.pending) {
		reports = c.settle(reports)
	}
	c.desk.admit(e, &c.decision)
	from := len(c.events)
	for loops, n := c.decision.loops, 0; loops != 0; loops, n = loops>>1, n+1 {
		if loops&1 != 0 {
			c.events = c.engines[n].Apply(&c.decision.input, c.events)
		}
	}
	c.pending = append(c.pending, pending{from, len(c.events)})
	if e.Settled == e.Index {
		reports = c.settle(reports)
	}
	return reports
}

func (c *Core) settle(reports []Report) []Report {
	p := c.pending[c.head]
	c.head++
	reports = c.desk.settle(c.events[p.from:p.to], reports)
	switch {
	case c.head == len(c.pending):
		c.pending, c.events, c.head = c.pending[:0], c.events[:0], 0
	case c.head == compactAt: // it never runs empty under load
		c.events = c.events[:copy(c.events, c.events[p.to:])]
		c.pending = c.pending[:copy(c.pending, c.pending[c.head:])]
		for i := range c.pending {
			c.pending[i].from -= p.to
			c.pending[i].to -= p.to
		}
		c.head = 0
	}
	return reports
}

// compactAt is how many settled entries are forgotten at a time.
const compactAt = 4096

// Index returns the index of the last entry.
func (c *Core) Index() uint64 { return c.desk.index }

// Settled reports whether all that was applied is settled: only then can the state be written down.
func (c *Core) Settled() bool { return c.desk.flights.len() == 0 }

// Engine returns the engine of an instrument, nil if there is none. It is for looking.
func (c *Core) Engine(id market.InstrumentID) *match.Engine {
	n := c.desk.byInstrument.find(uint64(id))
	if n == 0 {
		return nil
	}
	return c.engines[c.desk.instruments[n].loop]
}

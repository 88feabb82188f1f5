package orders

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"path"
	"reflect"
	"slices"
	"sync/atomic"

	"tidegate/book/match"
	"tidegate/market"
	"tidegate/sinks/journal"
)

// Directories below Config.Dir.
const (
	logDir      = "log"
	eventsDir   = "events"
	snapshotDir = "snapshots"
)

// LogDir and EventsDir return where the input log and the events journal of a gate are: both are journals,
// for whoever follows them.
func (c *Config) LogDir() string    { return path.Join(c.Dir, logDir) }
func (c *Config) EventsDir() string { return path.Join(c.Dir, eventsDir) }

// Open restores what the directory holds, begins to take requests, and returns when that is so.
func Open(cfg Config) (_ *Gate, err error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("orders: %w", err)
	}
	cfg = cfg.withDefaults()
	ctx, abandon := context.WithCancel(context.Background())
	g := &Gate{cfg: cfg, abandon: abandon}
	var undo []func() error
	defer func() {
		if err != nil {
			abandon()
			err = fmt.Errorf("orders: %w", err)
			for _, f := range slices.Backward(undo) {
				err = errors.Join(err, f())
			}
		}
	}()
	for _, dir := range []string{cfg.Dir, path.Join(cfg.Dir, snapshotDir)} {
		if err := cfg.FS.MkdirAll(dir); err != nil {
			return nil, err
		}
	}
	quiet := func(c journal.Config) (*journal.Journal, error) {
		c.FS, c.SpillBytes = cfg.FS, 1<<20
		c.RetainAge, c.ReserveBytes, c.SegmentBytes = cfg.RetainAge, cfg.ReserveBytes, cfg.SegmentBytes
		c.Notify = func(n journal.Notice) { g.notify(path.Base(c.Dir)+": "+n.Text, n.Kind.Alarm()) }
		j, err := journal.Open(c)
		if err == nil {
			undo = append(undo, func() error { return j.Close(ctx) })
		}
		return j, err
	}
	if g.log, err = quiet(journal.Config{Dir: cfg.LogDir(), CommitEvery: cfg.CommitEvery}); err != nil {
		return nil, err
	}
	if g.events, err = quiet(journal.Config{Dir: cfg.EventsDir(), CommitEvery: commitEvents}); err != nil {
		return nil, err
	}
	reader, err := g.log.NewReader()
	if err != nil {
		return nil, err
	}
	undo = append(undo, reader.Close)
	if g.keep, err = g.log.NewReader(); err != nil {
		return nil, err
	}
	undo = append(undo, g.keep.Close)
	if g.logID, err = reader.ID(); err != nil {
		return nil, err
	}
	if err := g.keep.Register("snapshots"); err != nil {
		return nil, err
	}

	core, shadow, err := g.restore()
	if err != nil {
		return nil, err
	}
	g.prepare(core)
	if g.store, err = openStore(cfg.FS, cfg.Dir, cfg.RecentMax, core.streams(&cfg)); err != nil {
		return nil, err
	}
	undo = append(undo, g.store.file.Close)
	for id, s := range g.sessions {
		s.stream = g.store.stream(sessionStream(id))
	}

	g.recorder = newRecorder(ctx, g.log, g.events, core.desk.told)
	g.publisher = newPublisher(ctx, g, g.log, g.recorder)
	go g.recorder.run()
	undo = append(undo, func() error { <-g.recorder.ended; return nil }) // ctx has ended
	now, err := g.replay(core, reader)
	if err != nil {
		return nil, err
	}
	if before := g.recorder.before; before > core.desk.told {
		return nil, fmt.Errorf("the events journal has %d reports, and the input log makes %d", before, core.desk.told)
	}
	g.remember(core)
	index := g.log.DurableIndex()
	g.published.set(index)
	a := newAdmission(g, g.log, core, index)
	a.now = now
	g.admission, g.publisher.admission, g.publisher.in = a, a, a.out
	if err := reader.SeekIndex(shadow.Index() + 1); err != nil {
		return nil, err
	}
	g.replica = newReplica(g, g.log, g.events, reader, shadow)
	settings := g.settings(core)

	go a.run()
	for _, l := range a.loops {
		go l.run()
	}
	go g.publisher.run()
	go g.replica.run(ctx)
	for _, x := range settings {
		reason, err := g.do(ctx, x)
		if err != nil {
			return nil, errors.Join(err, g.Close(ctx))
		}
		if reason != match.ReasonNone {
			g.notify(fmt.Sprintf("orders: instrument %d keeps what it was traded by: %v", x.entry.Input.Instrument, reason), false)
		}
	}
	return g, nil
}

// restore returns two cores as of the newest snapshot that can be read: one to go on with, one to follow.
func (g *Gate) restore() (core, shadow *Core, err error) {
	cfg := CoreConfig{Engine: g.cfg.Engine, Engines: max(1, g.cfg.MatchingLoops), IDsMax: g.cfg.IDsMax}
	dir := path.Join(g.cfg.Dir, snapshotDir)
	names, err := snapshotNames(g.cfg.FS, dir)
	if err != nil {
		return nil, nil, err
	}
	var bad error
	for _, name := range slices.Backward(names) {
		b, err := readWhole(g.cfg.FS, path.Join(dir, name))
		switch {
		case err == nil && (len(b) < 8 || binary.LittleEndian.Uint64(b) != g.logID):
			err = errors.New("it is of another input log")
		case err == nil:
			if core, err = RestoreCore(cfg, b[8:]); err == nil && core.Index() > g.log.DurableIndex() {
				err = fmt.Errorf("it is of entry %d, and the input log ends with %d", core.Index(), g.log.DurableIndex())
			}
		}
		if err == nil {
			shadow, err = RestoreCore(cfg, b[8:])
			return core, shadow, err
		}
		err = fmt.Errorf("snapshot %s: %w", name, err)
		g.notify(err.Error(), true)
		bad = errors.Join(bad, err)
	}
	if bad != nil {
		return nil, nil, bad // the log before them may be gone; with other limits, it would do something else
	}
	return NewCore(cfg), NewCore(cfg), nil
}

// streams returns how many reports each session and each account has, those of the configuration too.
func (c *Core) streams(cfg *Config) map[uint64]uint64 {
	counts := map[uint64]uint64{}
	for i := range cfg.Sessions {
		counts[sessionStream(cfg.Sessions[i].ID)] = 0
	}
	for i := range cfg.Accounts {
		counts[accountStream(cfg.Accounts[i].ID)] = 0
	}
	for i := range c.desk.sessions[1:] {
		s := &c.desk.sessions[i+1]
		counts[sessionStream(s.id)] = s.reports
	}
	for i := range c.desk.accounts[1:] {
		a := &c.desk.accounts[i+1]
		counts[accountStream(a.ID)] = a.reports
	}
	return counts
}

// replay applies what the log has behind a core, and lets out what a crash kept back. It returns the time of the
// last entry.
func (g *Gate) replay(core *Core, reader *journal.Reader) (now market.Nanos, err error) {
	for _, e := range core.engines {
		now = max(now, e.Now())
	}
	if err := reader.SeekIndex(core.Index() + 1); err != nil {
		return now, err
	}
	var je journal.Entry
	var e Entry
	var reports []Report
	for {
		out, err := reader.Next(&je)
		switch {
		case err != nil:
			return now, err
		case out == journal.Empty:
			for !core.Settled() {
				reports = core.settle(reports[:0])
				g.learn(core.desk, reports)
				g.publishAll(reports)
			}
			return now, nil
		case out != journal.Ready:
			return now, fmt.Errorf("entries behind %d of the input log cannot be read: see tidegate journal verify", core.Index())
		}
		if err := e.Parse(&je); err != nil {
			return now, err
		}
		if e.Index != core.Index()+1 {
			return now, fmt.Errorf("entry %d of the input log follows entry %d", e.Index, core.Index())
		}
		// Sessions and accounts that come with the log have streams from then on.
		switch {
		case e.Kind == EntrySession:
			g.store.stream(sessionStream(e.Setting.Session.ID))
		case e.Kind == EntryAccount:
			g.store.stream(accountStream(e.Setting.Account.ID))
		case e.Kind == EntryInstrument && g.defined[e.Setting.Instrument.ID] == nil:
			g.defined[e.Setting.Instrument.ID] = new(atomic.Pointer[Instrument])
		}
		now = max(now, e.Time)
		reports = core.Apply(&e, reports[:0])
		g.learn(core.desk, reports)
		g.publishAll(reports)
	}
}

func (g *Gate) publishAll(reports []Report) {
	for i := range reports {
		g.publisher.publish(&reports[i])
	}
}

// prepare makes what the configuration says, before anybody uses it.
func (g *Gate) prepare(core *Core) {
	cfg := &g.cfg
	g.facts, g.symbols = map[market.InstrumentID]*fact{}, map[string]*fact{}
	g.defined = map[market.InstrumentID]*atomic.Pointer[Instrument]{}
	for i := range core.desk.instruments[1:] {
		in := core.desk.instruments[i+1].Instrument
		p := new(atomic.Pointer[Instrument])
		p.Store(&in)
		g.defined[in.ID] = p
	}
	g.messages.Store(core.desk.messages)
	for _, in := range cfg.Instruments {
		if g.defined[in.ID] == nil {
			g.defined[in.ID] = new(atomic.Pointer[Instrument])
		}
		f := &fact{Instrument: in}
		g.facts[in.ID], g.symbols[in.Symbol] = f, f
	}
	g.doors, g.accounts = map[AccountID]*door{}, map[AccountID]Account{}
	for _, a := range cfg.Accounts {
		d := &door{id: a.ID}
		d.rate.set(a.RateMax)
		g.doors[a.ID], g.accounts[a.ID] = d, a
	}
	g.sessions, g.names = map[SessionID]*Session{}, map[string]*Session{}
	for _, c := range cfg.Sessions {
		s := newSession(g, c)
		g.sessions[c.ID], g.names[c.Name] = s, s
	}
	for i := range g.lanes.lane {
		g.lanes.lane[i] = newLane(cfg.Lanes[i])
	}
	g.lanes.patience = [laneCount]int{math.MaxInt, cfg.PatienceMax[LaneHigh], cfg.PatienceMax[LaneNormal]}
	g.references = newReferences(cfg.Instruments)
}

// remember gives sessions and doors what the core knows of them.
func (g *Gate) remember(core *Core) {
	d := core.desk
	g.killed.Store(d.killed)
	for i := range d.accounts[1:] {
		if door := g.doors[d.accounts[i+1].ID]; door != nil {
			door.killed.Store(d.accounts[i+1].killed)
		}
	}
	for i := range d.sessions[1:] {
		x := &d.sessions[i+1]
		if s := g.sessions[x.id]; s != nil {
			s.ticket = max(x.last, x.lost)
			for _, f := range x.fences {
				s.ticket = max(s.ticket, f.ticket)
			}
		}
	}
	for i := range d.instruments[1:] {
		if f := g.facts[d.instruments[i+1].ID]; f != nil {
			f.ask.Store(int64(d.instruments[i+1].ask))
		}
	}
}

// settings returns what the configuration says and the core does not know yet.
func (g *Gate) settings(core *Core) (all []*control) {
	add := func(e Entry) { all = append(all, &control{entry: e}) }
	d := core.desk
	for i := range g.cfg.Instruments {
		in := &g.cfg.Instruments[i]
		n := d.byInstrument.find(uint64(in.ID))
		if n != 0 && reflect.DeepEqual(d.instruments[n].Instrument, *in) {
			continue
		}
		add(Entry{Kind: EntryInstrument, Setting: &Setting{Instrument: in}, Input: match.Input{Instrument: in.ID}})
		if n == 0 && in.Open != match.Closed {
			add(Entry{Kind: EntryMarket, Input: match.Input{Kind: match.SetState, Instrument: in.ID, State: in.Open}})
		}
	}
	for i := range g.cfg.Accounts {
		a := &g.cfg.Accounts[i]
		if n := d.byAccount.find(uint64(a.ID)); n == 0 || !reflect.DeepEqual(d.accounts[n].Account, *a) {
			add(Entry{Kind: EntryAccount, Setting: &Setting{Account: a}})
		}
	}
	for i := range d.accounts[1:] {
		a := d.accounts[i+1].Account
		if _, ok := g.accounts[a.ID]; !ok && !a.Disabled {
			a.Disabled = true
			add(Entry{Kind: EntryAccount, Setting: &Setting{Account: &a}})
		}
	}
	for i := range g.cfg.Sessions {
		s := &g.cfg.Sessions[i]
		if n := d.bySession.find(uint64(s.ID)); n == 0 || d.sessions[n].name != s.Name || d.sessions[n].ordersMax != s.OrdersMax {
			add(Entry{Kind: EntrySession, Setting: &Setting{Session: s}})
		}
	}
	return all
}

package orders

import (
	"errors"
	"fmt"
	"time"

	"tidegate/book/match"
	"tidegate/internal/clock"
	"tidegate/internal/vfs"
	"tidegate/market"
)

// withDefaults returns c with every limit set.
func (c Config) withDefaults() Config {
	or := func(v *int, def int) {
		if *v == 0 {
			*v = def
		}
	}
	if c.FS == nil {
		c.FS = vfs.Disk{}
	}
	if c.Now == nil {
		c.Now = clock.Now
	}
	for i := range c.Lanes {
		or(&c.Lanes[i], 4096)
	}
	or(&c.PatienceMax[LaneHigh], 64)
	or(&c.PatienceMax[LaneNormal], 256)
	or(&c.SessionQueueMax, 256)
	or(&c.AccountQueueMax, max(1, c.Lanes[LaneNormal]/4))
	or(&c.Queries, 2)
	or(&c.QueriesWaitingMax, 64)
	or(&c.IDsMax, 1<<20)
	or(&c.RecentMax, 1024)
	or(&c.InFlightMax, 16_384)
	if c.CommitEvery == 0 {
		c.CommitEvery = 200 * time.Microsecond
	}
	if c.SegmentBytes == 0 {
		c.SegmentBytes = 64 << 20
	}
	if c.SnapshotEvery == 0 {
		c.SnapshotEvery = 1_000_000
	}
	return c
}

// Validate says what is wrong with c.
func (c *Config) Validate() error {
	d := c.withDefaults()
	within := func(what string, v, low, high int) error {
		if v < low || v > high {
			return fmt.Errorf("%s %d: want %d to %d", what, v, low, high)
		}
		return nil
	}
	if c.Dir == "" {
		return errors.New("no directory")
	}
	for _, err := range []error{
		within("matching loops", d.MatchingLoops, 0, EnginesMax),
		within("lane 1", d.Lanes[0], 2, 1<<20), within("lane 2", d.Lanes[1], 2, 1<<20), within("lane 3", d.Lanes[2], 2, 1<<20),
		within("patience of lane 2", d.PatienceMax[1], 1, 1<<20), within("patience of lane 3", d.PatienceMax[2], 1, 1<<20),
		within("session queue max", d.SessionQueueMax, 1, 1<<16),
		within("account queue max", d.AccountQueueMax, 1, 1<<20),
		within("queries", d.Queries, 1, 1024), within("queries waiting max", d.QueriesWaitingMax, 0, 1<<16),
		within("recent max", d.RecentMax, 64, 1<<20), within("in flight max", d.InFlightMax, 16, 1<<16),
	} {
		if err != nil {
			return err
		}
	}
	core := CoreConfig{Engine: d.Engine, Engines: max(1, d.MatchingLoops), IDsMax: d.IDsMax}
	if err := core.Validate(); err != nil {
		return err
	}
	instruments, symbols := map[market.InstrumentID]bool{}, map[string]bool{}
	for i := range c.Instruments {
		in := &c.Instruments[i]
		if err := in.validate(); err != nil {
			return fmt.Errorf("instrument %d: %w", in.ID, err)
		}
		if instruments[in.ID] || symbols[in.Symbol] {
			return fmt.Errorf("instrument %d, %s: there are two", in.ID, in.Symbol)
		}
		instruments[in.ID], symbols[in.Symbol] = true, true
	}
	accounts := map[AccountID]bool{}
	for i := range c.Accounts {
		a := &c.Accounts[i]
		if a.ID == 0 || accounts[a.ID] {
			return fmt.Errorf("account %d: want numbers above 0, and no two alike", a.ID)
		}
		accounts[a.ID] = true
		if a.RateMax < 0 || a.NotionalMax.Negative() {
			return fmt.Errorf("account %d: a limit is negative", a.ID)
		}
		for asset, m := range a.Credit {
			if m.Negative() {
				return fmt.Errorf("account %d: credit in asset %d is negative", a.ID, asset)
			}
		}
	}
	return c.validateSessions(accounts)
}

func (c *Config) validateSessions(accounts map[AccountID]bool) error {
	sessions, names := map[SessionID]bool{}, map[string]bool{}
	for i := range c.Sessions {
		s := &c.Sessions[i]
		switch {
		case s.ID == 0 || sessions[s.ID]:
			return fmt.Errorf("session %d: want numbers above 0, and no two alike", s.ID)
		case s.Name == "" || names[s.Name]:
			return fmt.Errorf("session %d: name %q: want one, and no two alike", s.ID, s.Name)
		case len(s.Accounts) == 0:
			return fmt.Errorf("session %s: no account", s.Name)
		case s.RateMax < 0:
			return fmt.Errorf("session %s: rate max %d: want 0 or more", s.Name, s.RateMax)
		}
		for _, a := range s.Accounts {
			if !accounts[a] {
				return fmt.Errorf("session %s: account %d: there is none", s.Name, a)
			}
		}
		sessions[s.ID], names[s.Name] = true, true
	}
	return nil
}

func (in *Instrument) validate() error {
	per := max(1, in.PriceFor)
	switch {
	case in.ID == 0:
		return errors.New("number 0")
	case in.TickSize <= 0 || in.TickSize > match.PriceMax || in.LotSize == 0 || in.LotSize > match.SizeMax:
		return fmt.Errorf("tick size %v, lot size %d: want both above 0 and within limits", in.TickSize, in.LotSize)
	case in.Collar > match.CollarMax:
		return fmt.Errorf("collar of %d basis points: want at most %d", in.Collar, match.CollarMax)
	case in.ReferenceAgeMax < 0:
		return errors.New("reference age max is negative")
	case in.Symbol == "" || len(in.Symbol) > 8:
		return fmt.Errorf("symbol %q: want 1 to 8 bytes", in.Symbol)
	case in.Base == 0 || in.Quote == 0 || in.Base == in.Quote:
		return fmt.Errorf("base asset %d, quote asset %d: want two", in.Base, in.Quote)
	case per > 1<<32 || uint64(in.TickSize)%per*(uint64(in.LotSize)%per)%per != 0:
		return fmt.Errorf("price for %d: tick size times lot size is no multiple of it, so that payments would be rounded", per)
	case in.Open > match.Halted:
		return fmt.Errorf("state %d at the start: there is none", in.Open)
	}
	for _, c := range []byte(in.Symbol) {
		if c <= ' ' || c > '~' {
			return fmt.Errorf("symbol %q: want printable ASCII", in.Symbol)
		}
	}
	return nil
}

package orderstest

import (
	"math/big"
	"slices"

	"tidegate/book/match"
	"tidegate/book/match/matchtest"
	"tidegate/gateway/orders"
	"tidegate/market"
)

// Plain is the plain twin of orders.Core.
type Plain struct {
	cfg         orders.CoreConfig
	engines     []*matchtest.Plain
	index       uint64
	settled     uint64
	trades      uint64
	told        uint64
	messages    uint64
	killed      bool
	instruments []*instrument
	sessions    []*session
	accounts    []*account
	orders      []*order
	flights     []*flight
	reports     []orders.Report
}

type instrument struct {
	orders.Instrument
	loop int
	ask  market.Price
}

type session struct {
	orders.SessionConfig
	reports    uint64
	last, lost orders.Ticket
	fences     []fence
	ids        []*id
}

type fence struct {
	ticket     orders.Ticket
	account    orders.AccountID
	instrument market.InstrumentID
	side       market.Side
}

type id struct {
	id     orders.ClientID
	order  uint64
	first  uint64
	pinned bool
}

type account struct {
	orders.Account
	killed   bool
	adjusted uint64
	reports  uint64
	totals   map[orders.AssetID]*big.Int
}

type order struct {
	id         uint64
	account    *account
	session    *session
	instrument *instrument
	record     *id
	side       market.Side
	limit      market.Price
	size, open market.Size
	client     orders.ClientID
	echo       orders.Echo
	entered    market.Nanos
	price      market.Price
	ref        uint64
	displayed  market.Size
	reserved   *big.Int
}

type flight struct {
	entry    orders.Entry
	session  *session
	account  *account
	order    *order
	record   *id
	refusal  orders.Refusal
	repeated bool
	accepted bool
	extra    *big.Int
	asset    orders.AssetID
	engines  []int
	events   []match.Event
	on       market.InstrumentID
	side     market.Side
	what     *instrument
}

// NewPlain returns a twin without instruments, accounts and sessions. Limits of engines must not be 0.
func NewPlain(cfg orders.CoreConfig) *Plain {
	p := &Plain{cfg: cfg}
	for range cfg.Engines {
		p.engines = append(p.engines, matchtest.NewPlain(cfg.Engine))
	}
	return p
}

func first[T any](all []T, is func(T) bool) (zero T) {
	for _, x := range all {
		if is(x) {
			return x
		}
	}
	return zero
}

func (p *Plain) instrument(n market.InstrumentID) *instrument {
	return first(p.instruments, func(in *instrument) bool { return in.ID == n })
}

func (p *Plain) session(n orders.SessionID) *session {
	return first(p.sessions, func(s *session) bool { return s.ID == n })
}

func (p *Plain) account(n orders.AccountID) *account {
	return first(p.accounts, func(a *account) bool { return a.ID == n })
}

func (p *Plain) order(n uint64) *order {
	return first(p.orders, func(o *order) bool { return o.id == n })
}

func (s *session) find(c orders.ClientID) *id {
	return first(s.ids, func(x *id) bool { return x.id == c })
}

// Apply is orders.Core.Apply.
func (p *Plain) Apply(e *orders.Entry, reports []orders.Report) []orders.Report {
	p.reports = reports
	for p.settled < e.Settled && len(p.flights) > 0 {
		p.settle()
	}
	p.index = e.Index
	f := &flight{entry: *e, extra: new(big.Int)}
	p.flights = append(p.flights, f)
	in, engines := p.decide(f)
	in.Time = e.Time
	f.engines = engines
	for _, n := range engines {
		f.events = p.engines[n].Apply(&in, f.events)
	}
	if e.Settled == e.Index {
		p.settle()
	}
	return p.reports
}

func (p *Plain) every() (all []int) {
	for n := range p.engines {
		all = append(all, n)
	}
	return all
}

func (p *Plain) decide(f *flight) (in match.Input, engines []int) {
	e := &f.entry
	switch e.Kind {
	case orders.EntryRequest:
		f.session = p.session(e.Session)
		in, engines = p.request(f)
		f.session.last = max(f.session.last, e.Ticket)
	case orders.EntryMarket:
		if e.Input.Kind == match.Tick {
			return e.Input, []int{int(e.Loop) % len(p.engines)}
		}
		s := p.instrument(e.Input.Instrument)
		if s == nil {
			return e.Input, nil
		}
		if e.Input.Kind == match.Reference {
			if ask := e.Input.Stop; ask == market.UndefPrice {
				s.ask = 0
			} else if ask >= 0 && ask <= match.PriceMax {
				s.ask = ask
			}
		}
		return e.Input, []int{s.loop}
	case orders.EntryDisconnect:
		s := p.session(e.Session)
		if s == nil {
			return in, nil
		}
		s.lost = max(s.lost, e.Ticket)
		return match.Input{Kind: match.Disconnect, Session: uint32(s.ID)}, p.every()
	case orders.EntryKill:
		k := e.Setting.Kill
		if k.Account == 0 {
			p.killed = k.On
		} else if a := p.account(k.Account); a != nil {
			if a.killed = k.On; k.On {
				return match.Input{Kind: match.MassCancel, Account: uint32(a.ID)}, p.every()
			}
		}
	case orders.EntrySweep:
		return match.Input{Kind: match.MassCancel, Account: e.Input.Account}, p.every()
	case orders.EntryAdjust:
		j := e.Setting.Adjust
		if a := p.account(j.Account); a != nil && j.Reference > a.adjusted {
			a.adjusted = j.Reference
			a.add(j.Asset, large(j.Amount))
		}
	case orders.EntryInstrument:
		def := e.Setting.Instrument
		s := p.instrument(def.ID)
		if s == nil {
			s = &instrument{loop: (len(p.instruments) + 1) % len(p.engines)}
			s.ID = def.ID
			p.instruments = append(p.instruments, s)
		}
		f.what = s
		return match.DefineInput(0, def.Instrument), []int{s.loop}
	case orders.EntryAccount:
		a := p.account(e.Setting.Account.ID)
		if a == nil {
			a = &account{totals: map[orders.AssetID]*big.Int{}}
			for asset, m := range e.Setting.Account.Deposit {
				a.add(asset, large(m))
			}
			p.accounts = append(p.accounts, a)
		}
		a.Account = *e.Setting.Account
	case orders.EntrySession:
		s := p.session(e.Setting.Session.ID)
		if s == nil {
			s = &session{}
			p.sessions = append(p.sessions, s)
		}
		s.SessionConfig = *e.Setting.Session
	}
	return in, engines
}

func (a *account) add(asset orders.AssetID, n *big.Int) {
	if a.totals[asset] == nil {
		a.totals[asset] = new(big.Int)
	}
	a.totals[asset].Add(a.totals[asset], n)
}

// large returns an amount as a big integer.
func large(m orders.Money) *big.Int {
	n := new(big.Int).Lsh(big.NewInt(m.Hi), 64)
	return n.Add(n, new(big.Int).SetUint64(m.Lo))
}

// small returns a big integer as an amount.
func small(n *big.Int) (m orders.Money) {
	lo := new(big.Int).And(n, new(big.Int).SetUint64(1<<64-1))
	return orders.Money{Hi: new(big.Int).Rsh(n, 64).Int64(), Lo: lo.Uint64()}
}

// reserved adds up what orders, and replaces on their way, keep of an asset.
func (p *Plain) reserved(a *account, asset orders.AssetID) *big.Int {
	sum := new(big.Int)
	for _, o := range p.orders {
		if o.account == a && o.asset() == asset {
			sum.Add(sum, o.reserved)
		}
	}
	for _, f := range p.flights {
		if f.account == a && f.asset == asset {
			sum.Add(sum, f.extra)
		}
	}
	return sum
}

func (p *Plain) available(a *account, asset orders.AssetID) *big.Int {
	n := large(a.Credit[asset])
	if t := a.totals[asset]; t != nil {
		n.Add(n, t)
	}
	return n.Sub(n, p.reserved(a, asset))
}

func (o *order) asset() orders.AssetID {
	switch o.side {
	case market.Bid:
		return o.instrument.Quote
	case market.Ask:
		return o.instrument.Base
	}
	return 0
}

func (in *instrument) cost(price market.Price, size market.Size) *big.Int {
	n := new(big.Int).Mul(big.NewInt(int64(price)), new(big.Int).SetUint64(uint64(size)))
	per := big.NewInt(int64(max(1, in.PriceFor)))
	n.Add(n, per).Sub(n, big.NewInt(1))
	return n.Div(n, per)
}

func (in *instrument) units(size market.Size) *big.Int {
	unit := in.BaseUnit
	if unit == 0 {
		unit = market.PriceScale
	}
	return new(big.Int).Mul(new(big.Int).SetUint64(unit), new(big.Int).SetUint64(uint64(size)))
}

// needs returns what an order of an account has to reserve.
func (in *instrument) needs(a *account, side market.Side, limit market.Price, open market.Size) *big.Int {
	switch {
	case a.Unchecked:
		return new(big.Int)
	case side == market.Bid:
		return in.cost(limit, open)
	case side == market.Ask:
		return in.units(open)
	}
	return new(big.Int)
}

// touch makes the balance of an asset exist, as asking for it does.
func (p *Plain) touch(a *account, asset orders.AssetID) { a.add(asset, new(big.Int)) }

func (p *Plain) drop(o *order) {
	p.orders = slices.DeleteFunc(p.orders, func(x *order) bool { return x == o })
	if o.record != nil {
		o.record.pinned = false
	}
}

func (p *Plain) ordersOf(is func(*order) bool) (n uint32) {
	for _, o := range p.orders {
		if is(o) {
			n++
		}
	}
	return n
}

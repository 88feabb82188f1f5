package orderstest

import (
	"encoding/binary"
	"fmt"

	"tidegate/book/match"
	"tidegate/book/match/matchtest"
	"tidegate/gateway/orders"
	"tidegate/market"
)

// Instruments are those that generated entries are about: shares that are paid in asset 1; one that is paid in
// the asset of another, at prices that ITCH does not have; one in parts of a unit. They are those of
// matchtest, with assets and larger prices.
var Instruments = []orders.Instrument{
	{Instrument: larger(0), Symbol: "ONE", Base: 2, Quote: 1, SizeMax: 60},
	{Instrument: larger(1), Symbol: "TWO", Base: 3, Quote: 2, BaseUnit: 7},
	{Instrument: larger(2), Symbol: "SEVEN", Base: 4, Quote: 1, BaseUnit: 1, PriceFor: 500},
}

func larger(n int) match.Instrument {
	in := matchtest.Instruments[n]
	in.TickSize *= 1000
	return in
}

// Config is for generated entries: small, so that limits are reached.
func Config(engines int) orders.CoreConfig {
	return orders.CoreConfig{Engine: match.Config{OrdersMax: 50, InstrumentsMax: 4}, Engines: engines, IDsMax: 120}
}

// A Generator makes random entries that do much in a small world.
type Generator struct {
	dice    matchtest.Dice
	engines int
	now     market.Nanos
	index   uint64
	settled uint64
	tickets [4]orders.Ticket
	ids     uint64
	recent  []uint64       // indexes of orders
	waiting []orders.Entry // that lanes may put out of order
	first   []orders.Entry
	adjusts uint64
}

// NewGenerator returns a generator. Its first entries are settings.
func NewGenerator(dice matchtest.Dice, engines int) *Generator {
	g := &Generator{dice: dice, engines: engines}
	for i := range Instruments {
		g.setting(orders.EntryInstrument, orders.Setting{Instrument: &Instruments[i]})
	}
	for i := range 4 {
		a := orders.Account{ID: orders.AccountID(i + 1), Name: fmt.Sprint("A", i+1), Deposit: map[orders.AssetID]orders.Money{}, Credit: map[orders.AssetID]orders.Money{}}
		switch i {
		case 0:
			a.Unchecked = true
		default:
			a.Deposit[1] = orders.MoneyOf(int64(400_000_000 * i))
			a.Deposit[2] = orders.Units(int64(1000 * i))
			a.Deposit[3], a.Deposit[4] = orders.MoneyOf(400), orders.MoneyOf(200)
			a.Credit[4] = orders.MoneyOf(int64(100 * i))
			a.OrdersMax = uint32(6 * i)
		}
		if i == 3 {
			a.NotionalMax = orders.MoneyOf(150_000_000)
		}
		g.setting(orders.EntryAccount, orders.Setting{Account: &a})
	}
	for i := range 3 {
		s := orders.SessionConfig{ID: orders.SessionID(i + 1), Name: fmt.Sprint("S", i+1), OrdersMax: uint32(12 * i)}
		g.setting(orders.EntrySession, orders.Setting{Session: &s})
	}
	for _, in := range Instruments {
		mid := 40 * in.TickSize
		g.first = append(g.first,
			orders.Entry{Kind: orders.EntryMarket, Input: match.Input{Kind: match.SetState, Instrument: in.ID, State: match.Open}},
			orders.Entry{Kind: orders.EntryMarket, Input: match.ReferenceInput(0, in.ID, mid-in.TickSize, mid+in.TickSize, true, 0)})
	}
	return g
}

func (g *Generator) setting(k orders.EntryKind, s orders.Setting) {
	g.first = append(g.first, orders.Entry{Kind: k, Setting: &s})
}

func (g *Generator) one(in uint64) bool { return g.dice(in) == 0 }

// Next returns the next entry.
func (g *Generator) Next() orders.Entry {
	e := g.next()
	g.index++
	e.Index, e.Time = g.index, g.now
	switch {
	case g.engines == 1 || g.one(20):
		e.Settled = g.index
	default:
		e.Settled = g.settled + g.dice(g.index-g.settled)
	}
	g.settled = e.Settled
	if e.Kind == orders.EntryRequest && e.Request.Kind == orders.New {
		g.recent = append(g.recent, e.Index)
		g.recent = g.recent[max(0, len(g.recent)-30):]
	}
	return e
}

func (g *Generator) next() orders.Entry {
	if len(g.first) > 0 {
		e := g.first[0]
		g.first = g.first[1:]
		return e
	}
	if g.one(3) {
		g.now += market.Nanos(g.dice(20))
	}
	in := Instruments[g.dice(3)]
	switch k := g.dice(100); {
	case k < 80:
		for len(g.waiting) < 4 {
			g.waiting = append(g.waiting, g.request())
		}
		n := 0
		if g.one(3) {
			n = int(g.dice(uint64(len(g.waiting))))
		}
		e := g.waiting[n]
		g.waiting = append(g.waiting[:n], g.waiting[n+1:]...)
		return e
	case k < 90:
		bid := g.price(in)
		ref := match.ReferenceInput(g.now, in.ID, bid, bid+market.Price(g.dice(5))*in.TickSize/2, !g.one(5), g.now-market.Nanos(g.dice(3)))
		if g.one(12) {
			ref.Stop = market.UndefPrice
		}
		return orders.Entry{Kind: orders.EntryMarket, Input: ref}
	case k < 92:
		state := []match.State{match.Open, match.Open, match.Open, match.PreOpen, match.Halted, match.Closed}[g.dice(6)]
		return orders.Entry{Kind: orders.EntryMarket, Input: match.Input{Kind: match.SetState, Instrument: in.ID, State: state}}
	case k < 93:
		return orders.Entry{Kind: orders.EntryMarket, Loop: uint8(g.dice(5)), Input: match.Input{Kind: match.Tick}}
	case k < 94:
		s := g.dice(3) + 1
		return orders.Entry{Kind: orders.EntryDisconnect, Session: orders.SessionID(s), Ticket: g.tickets[s]}
	case k < 95:
		return orders.Entry{Kind: orders.EntryKill, Setting: &orders.Setting{Kill: &orders.KillSetting{Account: orders.AccountID(g.dice(6)), On: g.one(4)}}}
	case k < 96:
		return orders.Entry{Kind: orders.EntrySweep, Input: match.Input{Account: uint32(1 + g.dice(4))}}
	case k < 98:
		g.adjusts++
		return orders.Entry{Kind: orders.EntryAdjust, Setting: &orders.Setting{Adjust: &orders.AdjustSetting{
			Account: orders.AccountID(1 + g.dice(4)), Asset: orders.AssetID(1 + g.dice(4)), Amount: orders.MoneyOf(int64(g.dice(100_000_000))), Reference: g.adjusts - g.dice(2),
		}}}
	case k < 99:
		in.SizeMax = market.Size(20 + g.dice(60))
		if g.one(2) {
			in.Collar += uint32(g.dice(100))
		}
		return orders.Entry{Kind: orders.EntryInstrument, Setting: &orders.Setting{Instrument: &in}}
	}
	return orders.Entry{Kind: orders.EntryMark}
}

func (g *Generator) price(in orders.Instrument) market.Price {
	return 40*in.TickSize + market.Price(g.dice(6)+g.dice(6))*in.TickSize - 5*in.TickSize
}

func (g *Generator) size(in orders.Instrument) market.Size {
	n := 1 + g.dice(9)
	if g.one(8) {
		n *= 5
	}
	return market.Size(n) * in.LotSize
}

func (g *Generator) newID() (id orders.ClientID) {
	g.ids++
	n := g.ids
	if g.one(15) {
		n -= min(n-1, g.dice(40)) // again
	}
	if !g.one(20) {
		binary.LittleEndian.PutUint64(id[:], n)
	}
	return id
}

func (g *Generator) request() orders.Entry {
	s := 1 + g.dice(3)
	g.tickets[s]++
	e := orders.Entry{Kind: orders.EntryRequest, Session: orders.SessionID(s), Ticket: g.tickets[s]}
	in := Instruments[g.dice(3)]
	r := &e.Request
	r.ID = g.newID()
	r.Echo[0] = byte(g.dice(256))
	r.Order.Account = uint32(1 + g.dice(4))
	if g.one(80) {
		r.Order.Account = 9
	}
	r.Order.Session = uint32(s)
	switch k := g.dice(100); {
	case k < 62:
		r.Kind = orders.New
		r.Order = g.order(in, r.Order)
	case k < 74:
		r.Kind = orders.Replace
		r.Order.Size, r.Order.Price = g.size(in), 0
		if g.one(2) {
			r.Order.Price = g.price(in)
		}
		g.target(r)
	case k < 79:
		r.Kind = orders.Reduce
		r.Order.Size = g.size(in)
		g.target(r)
	case k < 96:
		r.Kind = orders.Cancel
		g.target(r)
	default:
		r.Kind = orders.MassCancel
		r.Order.Side = []market.Side{market.Bid, market.Ask, market.NoSide}[g.dice(3)]
		if !g.one(3) {
			r.Order.Instrument = in.ID
		}
		if g.one(30) {
			r.Order.Instrument = 99
		}
	}
	return e
}

// target names an order: by its id, or by its number.
func (g *Generator) target(r *orders.Request) {
	if g.one(2) || len(g.recent) == 0 {
		binary.LittleEndian.PutUint64(r.Target[:], g.ids-min(g.ids-1, g.dice(30)))
		return
	}
	r.Order.OrderID = g.recent[g.dice(uint64(len(g.recent)))]
}

func (g *Generator) order(in orders.Instrument, o match.Input) match.Input {
	o.Instrument = in.ID
	if g.one(80) {
		o.Instrument = 99
	}
	o.Side = []market.Side{market.Bid, market.Ask}[g.dice(2)]
	o.Price, o.Size = g.price(in), g.size(in)
	o.STP = match.SelfTrade(g.dice(5))
	o.CancelOnDisconnect = g.one(3)
	switch g.dice(14) {
	case 0:
		o.TIF = match.Immediate
	case 1:
		o.TIF = match.FillOrKill
	case 2:
		o.TIF, o.Until = match.GoodTillTime, g.now+market.Nanos(g.dice(60))
	case 3, 4:
		o.Type, o.Price = match.Market, 0
	case 5:
		o.Post = match.PostOnly(1 + g.dice(2))
	case 6, 7:
		o.Peg = match.Peg(1 + g.dice(3))
		if g.one(2) {
			o.Price = 0
		}
	case 8:
		o.Trigger, o.Stop = match.Trigger(1+g.dice(2)), g.price(in)
	case 9:
		o.Display = in.LotSize
	case 10:
		o.MinSize = in.LotSize * market.Size(1+g.dice(4))
	}
	if g.one(60) {
		switch g.dice(5) {
		case 0:
			o.Size = 0
		case 1:
			o.Size = 1 << 40
		case 2:
			o.Price = -1
		case 3:
			o.Side = market.Side(g.dice(256))
		default:
			o.Price = match.PriceMax
		}
	}
	return o
}

package matchtest

import (
	"tidegate/book/match"
	"tidegate/market"
)

// Dice returns a number from 0 to n-1.
type Dice func(n uint64) uint64

// Seeded returns dice that a seed decides (splitmix64).
func Seeded(seed uint64) Dice {
	return func(n uint64) uint64 {
		seed += 0x9E3779B97F4A7C15
		x := seed
		x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
		x = (x ^ x>>27) * 0x94D049BB133111EB
		return (x ^ x>>31) % n
	}
}

// Instruments are those that generated inputs are about: without collar; one that refuses orders when
// its reference is stale; one that holds them, and whose reference ages.
var Instruments = []match.Instrument{
	{ID: 1, TickSize: 100, LotSize: 1},
	{ID: 2, TickSize: 250, LotSize: 10, Collar: 300, WhenStale: match.RefuseStale},
	{ID: 7, TickSize: 100, LotSize: 5, Collar: 400, WhenStale: match.HoldStale, ReferenceAgeMax: 40},
}

// A Generator makes random inputs that do much in a small world: few accounts, few prices, every kind of
// order, some nonsense.
type Generator struct {
	dice     Dice
	now      market.Nanos
	lastID   uint64
	accounts map[uint64]uint32 // by order id
	states   map[market.InstrumentID]match.State
	first    []match.Input // still to come
}

// NewGenerator returns a generator. Its first inputs define and open the instruments.
func NewGenerator(dice Dice) *Generator {
	g := &Generator{dice: dice, accounts: map[uint64]uint32{}, states: map[market.InstrumentID]match.State{}}
	for _, in := range Instruments {
		g.first = append(g.first, match.DefineInput(0, in))
	}
	for _, in := range Instruments {
		g.first = append(g.first,
			match.Input{Kind: match.SetState, Instrument: in.ID, State: match.Open},
			match.ReferenceInput(0, in.ID, middle(in)-in.TickSize, middle(in)+in.TickSize, true, 0))
	}
	return g
}

// middle is around which prices are.
func middle(in match.Instrument) market.Price { return 40 * in.TickSize }

// Inputs returns n inputs that a seed decides.
func Inputs(seed uint64, n int) []match.Input {
	g := NewGenerator(Seeded(seed))
	all := make([]match.Input, n)
	for i := range all {
		all[i] = g.Next()
	}
	return all
}

func (g *Generator) one(in uint64) bool { return g.dice(in) == 0 }

// Next returns the next input.
func (g *Generator) Next() match.Input {
	if len(g.first) > 0 {
		in := g.first[0]
		g.first = g.first[1:]
		return in
	}
	if g.one(3) {
		g.now += market.Nanos(g.dice(20))
	}
	s := Instruments[g.dice(uint64(len(Instruments)))]
	in := match.Input{Time: g.now, Instrument: s.ID, Account: 1 + uint32(g.dice(4))}
	switch k := g.dice(100); {
	case k < 58:
		g.order(&in, s)
	case k < 72:
		in.Kind = match.Cancel
		in.OrderID = g.known(&in)
	case k < 84:
		g.replace(&in, s)
	case k < 93:
		bid := g.price(s)
		in = match.ReferenceInput(g.now, s.ID, bid, bid+market.Price(g.dice(5))*s.TickSize/2, !g.one(5), g.now-market.Nanos(g.dice(3)))
		if g.one(12) {
			in.Stop = market.UndefPrice
		}
	case k < 96:
		in.Kind, in.State = match.SetState, match.Open
		if g.states[s.ID] == match.Open || g.one(3) {
			in.State = []match.State{match.PreOpen, match.PreOpen, match.Halted, match.Closed}[g.dice(4)]
		}
		g.states[s.ID] = in.State
	case k < 97:
		in.Kind, in.Side = match.MassCancel, []market.Side{market.Bid, market.Ask, market.NoSide}[g.dice(3)]
		if g.one(2) {
			in.Instrument = 0
		}
	case k < 98:
		in = match.Input{Time: g.now, Kind: match.Disconnect, Session: 1 + uint32(g.dice(3))}
	case k < 99:
		in.Kind = match.Indicate
	default:
		g.nonsense(&in)
	}
	return in
}

// known returns the id of an order that may live, and makes the input come from its owner.
func (g *Generator) known(in *match.Input) uint64 {
	if g.lastID == 0 || g.one(40) {
		return g.dice(5)
	}
	id := g.lastID - min(g.lastID-1, g.dice(25))
	if !g.one(40) {
		in.Account = g.accounts[id]
	}
	return id
}

func (g *Generator) price(s match.Instrument) market.Price {
	spread := g.dice(6) + g.dice(6) // mostly near the middle
	p := middle(s) + market.Price(spread)*s.TickSize - 5*s.TickSize
	if g.one(60) {
		p++ // between ticks, unless the tick is 1
	}
	return p
}

func (g *Generator) size(s match.Instrument) market.Size {
	n := 1 + g.dice(9)
	if g.one(8) {
		n *= 5
	}
	size := market.Size(n) * s.LotSize
	if g.one(80) {
		size++
	}
	return size
}

func (g *Generator) order(in *match.Input, s match.Instrument) {
	g.lastID++
	in.Kind, in.OrderID = match.New, g.lastID
	if g.one(60) {
		in.OrderID -= g.dice(5)
	} else {
		g.accounts[in.OrderID] = in.Account
	}
	in.Side = []market.Side{market.Bid, market.Ask}[g.dice(2)]
	in.Price, in.Size = g.price(s), g.size(s)
	in.Session = uint32(g.dice(4))
	in.CancelOnDisconnect = in.Session != 0 && g.one(2)
	if g.one(2) {
		in.STP = match.SelfTrade(g.dice(5))
	}
	switch g.dice(14) {
	case 0:
		in.TIF = match.Immediate
	case 1:
		in.TIF = match.FillOrKill
	case 2:
		in.TIF, in.Until = match.GoodTillTime, g.now+market.Nanos(g.dice(60))
	}
	switch g.dice(14) {
	case 0, 1:
		in.Type, in.Price = match.Market, 0
	case 2:
		in.Post = match.RejectTaking
	case 3:
		in.Post = match.SlideTaking
	case 4, 5, 6:
		in.Peg = match.Peg(1 + g.dice(3))
		in.Offset = market.Price(g.dice(3)) * s.TickSize / 2
		if g.one(2) {
			in.Price = 0
		}
	}
	if g.one(6) && in.Peg == match.NoPeg {
		in.Trigger, in.Stop = match.Trigger(1+g.dice(2)), g.price(s)
	}
	if g.one(4) {
		in.Display = s.LotSize * market.Size(1+g.dice(4))
	}
	if g.one(9) {
		in.MinSize = s.LotSize * market.Size(1+g.dice(9))
	}
}

func (g *Generator) replace(in *match.Input, s match.Instrument) {
	in.Kind = match.Replace
	in.OrderID = g.known(in)
	in.Size = g.size(s)
	if g.one(2) {
		in.Price = g.price(s)
	}
	if g.one(8) {
		in.Stop = g.price(s)
	}
	if g.one(2) {
		g.lastID++
		in.NewID = g.lastID
		if g.one(10) {
			in.NewID -= g.dice(9)
		}
		g.accounts[in.NewID] = in.Account
	}
}

// nonsense makes something of an order that no participant means.
func (g *Generator) nonsense(in *match.Input) {
	g.order(in, Instruments[0])
	huge := []uint64{0, 1, 1<<32 - 1, 1 << 32, 1 << 61, 1<<62 + 1, 1<<63 - 1, 1 << 63, 1<<64 - 1}[g.dice(9)]
	switch g.dice(13) {
	case 0:
		in.Kind = match.Kind(g.dice(256))
	case 1:
		in.Time = market.Nanos(huge) % (g.now + 1) // it may go back, but not forward for good
	case 2:
		in.Price = market.Price(huge)
	case 3:
		in.Size = market.Size(huge)
	case 4:
		in.Display = market.Size(huge)
	case 5:
		in.Stop = market.Price(huge)
	case 6:
		in.Instrument = market.InstrumentID(huge)
	case 7:
		in.Account = 0
	case 8:
		in.Side = market.Side(g.dice(256))
	case 9:
		in.TIF, in.Until = match.TimeInForce(g.dice(6)), market.Nanos(huge)
	case 10:
		*in = match.ReferenceInput(g.now, 1, market.Price(huge), market.Price(huge), true, market.Nanos(huge))
	case 11:
		in.Peg, in.Offset = match.PegPrimary, market.Price(huge)
	default:
		d := Instruments[g.dice(uint64(len(Instruments)))]
		d.Collar = uint32(g.dice(20000))
		*in = match.DefineInput(g.now, d)
	}
}

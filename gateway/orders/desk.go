package orders

import (
	"tidegate/book/match"
	"tidegate/market"
)

// A desk checks requests before the market and keeps accounts: what they own, what is reserved for their
// orders, which orders live, which ids were used, how many reports each session has. It is a state machine:
// admit decides an entry, settle takes what the engines did with it, in the order of the log.
type desk struct {
	engines int // how many there are; instruments are spread over them
	idsMax  int

	index, settled uint64 // of the last entry that was decided, and settled
	trades         uint64 // numbers given out
	told, messages uint64 // reports in all, and ITCH messages
	killed         bool   // all accounts

	instruments []instrument // by number, from 1
	sessions    []session
	accounts    []account
	orders      slab[order]
	balances    slab[balance]
	ids         ids

	byInstrument, bySession, byAccount table // id to number
	byOrder                            table // OrderID to number
	byBalance                          table // account number and asset to number

	flights flights
	reports []Report // what settle returns, while it runs
}

// An instrument as the desk knows it.
type instrument struct {
	Instrument
	loop int
	ask  market.Price // of the last reference; 0 if there is none
}

// A session as the desk knows it.
type session struct {
	id        SessionID
	name      string
	ordersMax uint32
	orders    uint32 // that live
	reports   uint64 // numbers given out
	last      Ticket // that was decided
	lost      Ticket // requests up to here came before the session was last lost
	fences    [fencesMax]fence
	remembered
}

// A fence stands where a MassCancel overtook new orders of its session that waited in other lanes:
// those up to ticket are not let in.
type fence struct {
	ticket     Ticket
	account    AccountID
	instrument market.InstrumentID // 0: all
	side       market.Side         // neither: both
}

// fencesMax is how many of them a session has; if there are more, the first one becomes one for all
// orders up to that ticket.
const fencesMax = 8

// An account as the desk knows it.
type account struct {
	Account
	killed   bool
	orders   uint32 // that live
	adjusted uint64 // reference of the last adjustment
	reports  uint64 // numbers given out
	head     uint32 // its orders, as they came
	tail     uint32
	assets   uint32 // its balances, the last one first
}

// A balance is what an account has of an asset.
type balance struct {
	asset                   AssetID
	next                    uint32 // of the same account
	total, reserved, credit Money
}

// available is what may still be reserved.
func (b *balance) available() Money { return b.total.Add(b.credit).Sub(b.reserved) }

// An order that lives, or is on its way to the engine.
type order struct {
	id         uint64
	account    uint32 // numbers
	session    uint32
	instrument uint32
	record     uint32 // its present ClientID; 0 is none
	prev, next uint32 // of the same account

	side       market.Side
	limit      market.Price // what reservations are made at: the most that is paid
	size, open market.Size
	reserved   Money
	client     ClientID
	echo       Echo
	entered    market.Nanos

	// As the engine told last.
	price     market.Price
	ref       uint64
	displayed market.Size
}

// A flight is an entry that was decided and is not settled.
type flight struct {
	index    uint64
	time     market.Nanos
	ticket   Ticket
	session  uint32 // number; 0 is none
	order    uint32 // number; 0 is none
	id       uint64 // of order
	record   uint32 // of the id that came with the request
	recordOf ClientID
	target   ClientID
	echo     Echo
	extra    Money // reserved for a Replace, beside what its order has
	loops    uint64
	account  uint32 // number
	side     market.Side
	on       market.InstrumentID
	define   *Instrument // settings on their way through the engine
	request  Kind
	kind     EntryKind
	refusal  Refusal
	repeated bool
	accepted bool // by the engine
}

// flights is a queue.
type flights struct {
	ring       []flight
	head, tail uint64
}

func (q *flights) len() int { return int(q.tail - q.head) }

func (q *flights) push() *flight {
	if q.len() == len(q.ring) {
		ring := make([]flight, max(64, 2*len(q.ring)))
		for i := q.head; i != q.tail; i++ {
			ring[i&uint64(len(ring)-1)] = q.ring[i&uint64(len(q.ring)-1)]
		}
		q.ring = ring
	}
	q.tail++
	f := &q.ring[(q.tail-1)&uint64(len(q.ring)-1)]
	*f = flight{}
	return f
}

func (q *flights) first() *flight { return &q.ring[q.head&uint64(len(q.ring)-1)] }

func newDesk(engines, idsMax, ordersMax int) *desk {
	return &desk{
		engines: engines, idsMax: idsMax,
		instruments: make([]instrument, 1), sessions: make([]session, 1), accounts: make([]account, 1),
		byInstrument: newTable(64), bySession: newTable(64), byAccount: newTable(64),
		byOrder: newTable(ordersMax), byBalance: newTable(256), ids: newIDs(idsMax),
	}
}

// A decision is what goes to the engines: an input, and to which of them, as bits. Of none, the
// answer is the desk's.
type decision struct {
	loops uint64
	input match.Input
}

// all is every engine.
func (d *desk) all() uint64 { return 1<<d.engines - 1 }

// admit decides an entry.
func (d *desk) admit(e *Entry, out *decision) {
	d.index = e.Index
	f := d.flights.push()
	f.index, f.time, f.kind, f.ticket = e.Index, e.Time, e.Kind, e.Ticket
	*out = decision{}
	switch e.Kind {
	case EntryRequest:
		f.session = d.bySession.find(uint64(e.Session))
		d.request(e, f, out)
		d.sessions[f.session].last = max(d.sessions[f.session].last, e.Ticket)
	case EntryMarket:
		d.market(e, out)
	case EntryDisconnect:
		if s := d.bySession.find(uint64(e.Session)); s != 0 {
			d.sessions[s].lost = max(d.sessions[s].lost, e.Ticket)
			out.loops, out.input = d.all(), match.Input{Kind: match.Disconnect, Session: uint32(e.Session)}
		}
	case EntryKill:
		d.kill(e.Setting.Kill, out)
	case EntrySweep:
		out.loops, out.input = d.all(), match.Input{Kind: match.MassCancel, Account: e.Input.Account}
	case EntryAdjust:
		d.adjust(e.Setting.Adjust)
	case EntryInstrument:
		f.define = e.Setting.Instrument
		d.defineInstrument(f.define, out)
	case EntryAccount:
		d.defineAccount(e.Setting.Account)
	case EntrySession:
		d.defineSession(e.Setting.Session)
	}
	out.input.Time = e.Time
	f.loops = out.loops
}

// market passes on what is about the market.
func (d *desk) market(e *Entry, out *decision) {
	out.input = e.Input
	switch e.Input.Kind {
	case match.Tick:
		out.loops = 1 << (int(e.Loop) % d.engines)
	case match.Reference, match.SetState, match.Indicate:
		n := d.byInstrument.find(uint64(e.Input.Instrument))
		if n == 0 {
			return
		}
		in := &d.instruments[n]
		if ask := e.Input.Stop; e.Input.Kind == match.Reference && ask >= 0 && (ask <= match.PriceMax || !ask.Defined()) {
			in.ask = ask
			if !ask.Defined() {
				in.ask = 0
			}
		}
		out.loops = 1 << in.loop
	}
}

func (d *desk) kill(k *KillSetting, out *decision) {
	if k.Account == 0 {
		d.killed = k.On
		return
	}
	n := d.byAccount.find(uint64(k.Account))
	if n == 0 {
		return
	}
	d.accounts[n].killed = k.On
	if k.On {
		out.loops, out.input = d.all(), match.Input{Kind: match.MassCancel, Account: uint32(k.Account)}
	}
}

func (d *desk) adjust(a *AdjustSetting) {
	n := d.byAccount.find(uint64(a.Account))
	if n == 0 || a.Reference <= d.accounts[n].adjusted {
		return
	}
	d.accounts[n].adjusted = a.Reference
	b := d.balance(n, a.Asset)
	b.total = b.total.Add(a.Amount)
}

// balance returns the balance of an account, numbered, of an asset.
func (d *desk) balance(n uint32, asset AssetID) *balance {
	key := uint64(n)<<32 | uint64(asset)
	i := d.byBalance.find(key)
	if i == 0 {
		i = d.balances.take()
		d.byBalance.add(key, i)
		a := &d.accounts[n]
		b := d.balances.at(i)
		b.asset, b.next, b.credit = asset, a.assets, a.Credit[asset]
		a.assets = i
	}
	return d.balances.at(i)
}

func (d *desk) defineInstrument(in *Instrument, out *decision) {
	n := d.byInstrument.find(uint64(in.ID))
	if n == 0 {
		n = uint32(len(d.instruments))
		d.instruments = append(d.instruments, instrument{loop: int(n) % d.engines})
		d.instruments[n].ID = in.ID
		d.byInstrument.add(uint64(in.ID), n)
	}
	out.loops, out.input = 1<<d.instruments[n].loop, match.DefineInput(0, in.Instrument)
}

// defined takes new settings of an instrument, or, where the engine did not take them, those that
// do not matter to it.
func (d *desk) defined(next Instrument, taken bool) {
	in := &d.instruments[d.byInstrument.find(uint64(next.ID))]
	if !taken {
		next.Instrument, next.Base, next.Quote = in.Instrument.Instrument, in.Base, in.Quote
		next.BaseUnit, next.PriceFor, next.Symbol = in.BaseUnit, in.PriceFor, in.Symbol
	}
	in.Instrument = next
}

func (d *desk) defineAccount(a *Account) {
	n := d.byAccount.find(uint64(a.ID))
	fresh := n == 0
	if fresh {
		n = uint32(len(d.accounts))
		d.accounts = append(d.accounts, account{})
		d.byAccount.add(uint64(a.ID), n)
	}
	d.accounts[n].Account = *a
	for i := d.accounts[n].assets; i != 0; i = d.balances.at(i).next {
		b := d.balances.at(i)
		b.credit = a.Credit[b.asset]
	}
	if fresh {
		for asset, amount := range a.Deposit { // each has a balance of its own: the order does not matter
			b := d.balance(n, asset)
			b.total = b.total.Add(amount)
		}
	}
}

func (d *desk) defineSession(s *SessionConfig) {
	n := d.bySession.find(uint64(s.ID))
	if n == 0 {
		n = uint32(len(d.sessions))
		d.sessions = append(d.sessions, session{id: s.ID})
		d.bySession.add(uint64(s.ID), n)
	}
	d.sessions[n].name, d.sessions[n].ordersMax = s.Name, s.OrdersMax
}

package orders

import (
	"testing"

	"tidegate/book/match"
	"tidegate/market"
)

// still returns a gate whose admission loop does not run: what is submitted stays in its lane.
func still(t *testing.T, cfg Config) *Gate {
	t.Helper()
	now := market.Nanos(1_000_000)
	cfg.Dir, cfg.Now = "x", func() market.Nanos { return now }
	cfg.Instruments = []Instrument{{Instrument: match.Instrument{ID: 1, TickSize: 1, LotSize: 1}, Symbol: "A", Base: 2, Quote: 1}}
	cfg.Accounts = []Account{{ID: 1, RateMax: 1000}, {ID: 2}, {ID: 3}}
	cfg.Sessions = []SessionConfig{{ID: 1, Name: "one", Accounts: []AccountID{1, 2}}, {ID: 2, Name: "two", Accounts: []AccountID{2}, RateMax: 500}}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	g := &Gate{cfg: cfg.withDefaults(), admission: &admission{}}
	g.prepare(NewCore(CoreConfig{Engines: 1, IDsMax: 64, Engine: match.Config{OrdersMax: 16}}))
	for _, s := range g.sessions {
		s.stream = &stream{}
	}
	return g
}

func link(t *testing.T, g *Gate, id SessionID) *Link {
	t.Helper()
	l, err := g.sessions[id].Attach(nil)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func enter(n byte, account uint32) *Request {
	return &Request{Kind: New, ID: ClientID{n}, Order: match.Input{Instrument: 1, Account: account, Price: 5, Size: 5, Side: market.Bid}}
}

func TestSubmitVerdicts(t *testing.T) {
	g := still(t, Config{Lanes: [3]int{4, 4, 8}, SessionQueueMax: 6, AccountQueueMax: 7})
	one, two := link(t, g, 1), link(t, g, 2)
	want := func(what string, l *Link, r *Request, want Verdict) {
		t.Helper()
		before := g.Verdicts(want)
		if _, got := l.Submit(r); got != want {
			t.Fatalf("%s: %v, want %v", what, got, want)
		}
		if g.Verdicts(want) != before+1 {
			t.Errorf("%s: %v is not counted", what, want)
		}
	}
	want("no kind", one, &Request{ID: ClientID{1}}, BadKind)
	want("a kind that there is not", one, &Request{Kind: MassCancel + 1, ID: ClientID{1}}, BadKind)
	want("no id", one, enter(0, 0), BadID)
	want("another's account", two, enter(1, 1), AccountOther)
	want("no such account", two, enter(1, 9), AccountOther)
	for n := byte(1); n <= 6; n++ {
		want("order", one, enter(n, 2), Taken)
	}
	want("more than a session may have waiting", one, enter(7, 2), SessionBusy)
	want("order", two, enter(1, 0), Taken)
	want("more than an account may have waiting", two, enter(2, 0), AccountBusy)

	g.lanes.lane[LaneNormal].take() // one is served
	g.sessions[1].inLane[LaneNormal].taken.Add(1)
	g.doors[2].waiting.Add(-1)
	want("order", one, enter(7, 1), Taken)
	g.sessions[1].inLane[LaneNormal].taken.Add(6)
	want("order", one, enter(8, 1), Taken)
	want("the lane is full", one, enter(9, 1), Busy)
	want("a cancel has a lane of its own", one, &Request{Kind: MassCancel, Order: match.Input{Account: 2}}, Taken)

	g.doors[2].killed.Store(true)
	want("killed", two, enter(3, 0), AccountKilled)
	g.doors[2].waiting.Store(0)
	want("killed, and a cancel", two, &Request{Kind: MassCancel}, Taken)
	g.killed.Store(true)
	want("all are killed", one, enter(9, 1), AccountKilled)
	g.killed.Store(false)

	if l, pushed := g.sessions[1].Takeover(nil); !pushed || l == nil {
		t.Error("nobody is pushed aside")
	}
	want("pushed aside", one, enter(9, 1), Detached)
	one.Detach() // of a link that was pushed aside: nothing happens
	if _, lost := g.controls.take(); len(lost) != 0 {
		t.Errorf("a session is lost whose link was only pushed aside: %v", lost)
	}
	two.Detach()
	if _, lost := g.controls.take(); lost[g.sessions[2]] != 2 {
		t.Errorf("lost sessions %v, want session 2 as of ticket 2", lost)
	}
	if _, err := two.Read(1, nil); err != ErrDetached {
		t.Errorf("read: %v", err)
	}
	g.closing.Store(true)
	want("closing", link(t, g, 2), &Request{Kind: MassCancel}, Closing)
}

func TestSubmitRates(t *testing.T) {
	g := still(t, Config{})
	one, two := link(t, g, 1), link(t, g, 2)
	count := func(l *Link, account uint32, want Verdict) (n int) {
		for n = 0; ; n++ {
			if _, v := l.Submit(enter(byte(n+1), account)); v != Taken {
				if v != want {
					t.Errorf("%v, want %v", v, want)
				}
				return n
			}
		}
	}
	if n := count(two, 2, TooFast); n != 50 { // a tenth of a second's 500
		t.Errorf("%d requests of the session at once, want 50", n)
	}
	if n := count(one, 1, AccountFast); n != 100 {
		t.Errorf("%d requests of the account at once, want 100", n)
	}
	if _, v := one.Submit(&Request{Kind: Cancel, Target: ClientID{200}}); v != Taken {
		t.Errorf("a cancel above the rate: %v", v)
	}
}

func TestSubmitDoesNotAllocate(t *testing.T) {
	g := still(t, Config{SessionQueueMax: 1024})
	l := link(t, g, 1)
	r := enter(1, 2)
	if n := testing.AllocsPerRun(500, func() {
		if _, v := l.Submit(r); v != Taken {
			t.Fatal(v)
		}
		_, w := g.lanes.next()
		w.door.waiting.Add(-1)
		w.session.inLane[LaneNormal].taken.Add(1)
		g.lanes.lane[LaneNormal].take()
	}); n != 0 {
		t.Errorf("a request allocates %.1f times, want 0", n)
	}
}

// Once as many orders have lived at a time as ever will, the core does not allocate.
func TestCoreDoesNotAllocate(t *testing.T) {
	c := NewCore(CoreConfig{Engine: match.Config{OrdersMax: 4096, InstrumentsMax: 1}, Engines: 1, IDsMax: 2000})
	index := uint64(0)
	var reports []Report
	apply := func(e *Entry) {
		index++
		e.Index, e.Settled, e.Time = index, index, market.Nanos(index)
		reports = c.Apply(e, reports[:0])
	}
	apply(&Entry{Kind: EntryInstrument, Setting: &Setting{Instrument: &Instrument{Instrument: match.Instrument{ID: 1, TickSize: 1, LotSize: 1}, Base: 2, Quote: 1}}})
	apply(&Entry{Kind: EntryMarket, Input: match.Input{Kind: match.SetState, Instrument: 1, State: match.Open}})
	apply(&Entry{Kind: EntryAccount, Setting: &Setting{Account: &Account{ID: 1, Deposit: map[AssetID]Money{1: Units(1), 2: Units(1_000_000)}}}})
	apply(&Entry{Kind: EntrySession, Setting: &Setting{Session: &SessionConfig{ID: 1, Name: "S"}}})
	ticket := Ticket(0)
	var e Entry
	trade := func() {
		ticket++
		side, price := market.Bid, market.Price(5+ticket%3)
		if ticket%2 == 0 {
			side = market.Ask
		}
		id := ClientID{byte(ticket), byte(ticket >> 8), byte(ticket >> 16)}
		e = Entry{Kind: EntryRequest, Session: 1, Ticket: ticket, Request: Request{Kind: New, ID: id, Order: match.Input{
			Instrument: 1, Account: 1, Session: 1, Side: side, Price: price, Size: 3,
		}}}
		apply(&e)
		ticket++
		e = Entry{Kind: EntryRequest, Session: 1, Ticket: ticket, Request: Request{Kind: Cancel, Target: id, Order: match.Input{Account: 1}}}
		apply(&e)
	}
	for range 5000 {
		trade()
	}
	if n := testing.AllocsPerRun(100, func() {
		for range 20 {
			trade()
		}
	}); n != 0 {
		t.Errorf("20 orders and cancels allocate %.1f times, want 0", n)
	}
}

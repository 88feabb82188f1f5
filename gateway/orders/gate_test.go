package orders_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"tidegate/book/match"
	"tidegate/book/match/matchtest"
	"tidegate/gateway/orders"
	"tidegate/gateway/orders/orderstest"
	"tidegate/market"
	"tidegate/sinks/journal"
)

// patience is how long a test waits for what has to come.
const patience = time.Minute

func testConfig(dir string, loops int) orders.Config {
	c := orders.Config{
		Dir: dir, MatchingLoops: loops,
		Engine: match.Config{OrdersMax: 1 << 12, InstrumentsMax: 8},
		IDsMax: 4096, RecentMax: 64, SnapshotEvery: 1000, ReserveBytes: 1 << 20, SegmentBytes: 4 << 20,
	}
	for i, symbol := range []string{"AAA", "BBB", "CCC"} {
		c.Instruments = append(c.Instruments, orders.Instrument{
			Instrument: match.Instrument{ID: market.InstrumentID(i + 1), TickSize: market.PriceScale / 100, LotSize: 1, Collar: 500},
			Symbol:     symbol, Base: orders.AssetID(i + 2), Quote: 1, Open: match.Open, HighNotional: orders.Units(50_000),
		})
	}
	for i := range 4 {
		c.Accounts = append(c.Accounts, orders.Account{
			ID: orders.AccountID(i + 1), Name: fmt.Sprint("account", i+1),
			Deposit: map[orders.AssetID]orders.Money{1: orders.Units(1_000_000), 2: orders.Units(10_000), 3: orders.Units(10_000), 4: orders.Units(10_000)},
		})
		c.Sessions = append(c.Sessions, orders.SessionConfig{
			ID: orders.SessionID(i + 1), Name: fmt.Sprint("S", i+1), Accounts: []orders.AccountID{orders.AccountID(i + 1)},
		})
	}
	return c
}

func openGate(t testing.TB, c orders.Config) *orders.Gate {
	t.Helper()
	if c.Notify == nil {
		c.Notify = func(text string, alarm bool) {
			if alarm {
				t.Errorf("alarm: %s", text)
			}
		}
	}
	g, err := orders.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	for i := range c.Instruments {
		g.Reference(c.Instruments[i].ID, 99*market.PriceScale, 101*market.PriceScale, true, 0)
	}
	return g
}

func closeGate(t testing.TB, g *orders.Gate) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := g.Close(ctx); err != nil {
		t.Fatal(err)
	}
}

// A client is what a protocol is: it submits, and reads its reports.
type client struct {
	t    testing.TB
	link *orders.Link
	news chan struct{}
	next uint64
}

func attach(t testing.TB, g *orders.Gate, name string) *client {
	t.Helper()
	s, ok := g.SessionByName(name)
	if !ok {
		t.Fatalf("no session %s", name)
	}
	c := &client{t: t, news: make(chan struct{}, 1), next: s.Next()}
	var err error
	c.link, err = s.Attach(func() {
		select {
		case c.news <- struct{}{}:
		default:
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func idOf(n uint64) (id orders.ClientID) {
	binary.LittleEndian.PutUint64(id[:], n)
	return id
}

// read waits until n more reports are there.
func (c *client) read(n int) (all []orders.Report) {
	c.t.Helper()
	deadline := time.After(patience)
	buf := make([]orders.Report, 16)
	for len(all) < n {
		k, err := c.link.Read(c.next, buf[:min(len(buf), n-len(all))])
		if errors.Is(err, orders.ErrBehind) {
			k, err = c.link.History(c.next, buf[:min(len(buf), n-len(all))])
		}
		if err != nil {
			c.t.Fatal(err)
		}
		all = append(all, buf[:k]...)
		if c.next += uint64(k); k > 0 {
			continue
		}
		select {
		case <-c.news:
		case <-deadline:
			c.t.Fatalf("%d reports, want %d", len(all), n)
		}
	}
	return all
}

// ask submits a request and returns its reports.
func (c *client) ask(r orders.Request) (all []orders.Report) {
	c.t.Helper()
	ticket, v := c.link.Submit(&r)
	if v != orders.Taken {
		c.t.Fatalf("%+v: %v", r, v)
	}
	for {
		x := c.read(1)[0]
		if x.Ticket == ticket {
			all = append(all, x)
			if x.Last {
				return all
			}
		}
	}
}

func (c *client) order(id uint64, side market.Side, size market.Size, dollars int) orders.Request {
	return orders.Request{Kind: orders.New, ID: idOf(id), Order: match.Input{
		Instrument: 1, Side: side, Size: size, Price: market.Price(dollars) * market.PriceScale,
	}}
}

func TestGateTrades(t *testing.T) {
	for _, loops := range []int{0, 2} {
		t.Run(fmt.Sprint(loops, " loops"), func(t *testing.T) {
			dir := t.TempDir()
			g := openGate(t, testConfig(dir, loops))
			one, two := attach(t, g, "S1"), attach(t, g, "S2")
			got := one.ask(one.order(1, market.Ask, 100, 100))
			if len(got) != 2 || got[0].Event.Kind != match.Accepted || got[1].Event.Kind != match.Booked || got[0].ID != idOf(1) {
				t.Fatalf("sell: %s", list(got))
			}
			got = two.ask(two.order(1, market.Bid, 40, 100))
			if len(got) != 2 || got[1].Event.Kind != match.Executed || got[1].Event.Size != 40 {
				t.Fatalf("buy: %s", list(got))
			}
			if x := one.read(1)[0]; x.Event.Kind != match.Executed || x.Event.Open != 60 || x.Ticket != 0 || x.Number != 3 {
				t.Fatalf("executed: %+v", x)
			}
			// The same id again does nothing, and says where the answer is.
			if got = two.ask(two.order(1, market.Bid, 40, 100)); got[0].Kind != orders.Repeated || got[0].First != 1 {
				t.Fatalf("again: %s", list(got))
			}
			if got = two.ask(two.order(2, market.Bid, 1_000_000, 100)); got[0].Refusal != orders.BalanceTooLow {
				t.Fatalf("too much: %s", list(got))
			}
			if got = one.ask(orders.Request{Kind: orders.Replace, ID: idOf(2), Target: idOf(1), Order: match.Input{Size: 90, Price: 102 * market.PriceScale}}); got[0].Event.Kind != match.Replaced || got[0].ID != idOf(2) || got[0].PrevID != idOf(1) {
				t.Fatalf("replace: %s", list(got))
			}
			if got = one.ask(orders.Request{Kind: orders.Reduce, Target: idOf(2), Order: match.Input{Size: 50}}); got[0].Event.Open != 10 {
				t.Fatalf("reduce: %s", list(got))
			}
			awaitReplica(t, g, got[0].Index)
			ctx := context.Background()
			open, _, err := g.OpenOrders(ctx, 1, 0, make([]orders.OrderState, 0, 10))
			if err != nil || len(open) != 1 || open[0].Open != 10 || open[0].ID != idOf(2) || open[0].Price != 102*market.PriceScale {
				t.Fatalf("open orders %+v, %v", open, err)
			}
			if o, ok, err := g.Order(ctx, 1, open[0].Order.ID); !ok || err != nil || o != open[0] {
				t.Fatalf("order %+v, %v", o, err)
			}
			if _, ok, _ := g.Order(ctx, 2, open[0].Order.ID); ok {
				t.Fatal("an order is shown to another account")
			}
			balances, _, err := g.Balances(ctx, 1, nil)
			if err != nil || balances[0].Total != orders.Units(1_004_000) || balances[1].Total != orders.Units(9_960) || balances[1].Reserved != orders.Units(10) {
				t.Fatalf("balances %v, %v", balances, err)
			}
			history := make([]orders.Report, 100)
			n, total, err := g.AccountHistory(ctx, 2, 1, history)
			if err != nil || n != 2 || total != 2 || history[1].Event.Size != 40 {
				t.Fatalf("history %d of %d: %s, %v", n, total, list(history[:n]), err)
			}
			if got = one.ask(orders.Request{Kind: orders.Cancel, Target: idOf(2)}); got[0].Event.Kind != match.Canceled {
				t.Fatalf("cancel: %s", list(got))
			}
			closeGate(t, g)
			checkLog(t, testConfig(dir, loops))
		})
	}
}

func awaitReplica(t testing.TB, g *orders.Gate, index uint64) {
	t.Helper()
	for deadline := time.Now().Add(patience); g.Following() < index; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the replica is at %d, want %d", g.Following(), index)
		}
	}
}

// A gate that is closed has done what the plain twin makes of its input log: the same reports, in the events
// journal, and the same state, in the snapshot that the next start begins with.
func checkLog(t testing.TB, c orders.Config) (reports []orders.Report) {
	t.Helper()
	cfg := orders.CoreConfig{Engine: c.Engine, Engines: max(1, c.MatchingLoops), IDsMax: c.IDsMax}
	core, plain := orders.NewCore(cfg), orderstest.NewPlain(cfg)
	var want []orders.Report
	var last uint64
	readJournal(t, c.LogDir(), func(je *journal.Entry) {
		var e orders.Entry
		if err := e.Parse(je); err != nil {
			t.Fatal(err)
		}
		if e.Index != last+1 {
			t.Fatalf("entry %d after %d", e.Index, last)
		}
		last = e.Index
		got := core.Apply(&e, nil)
		had := len(want)
		want = plain.Apply(&e, want)
		if !slices.Equal(got, want[had:]) {
			t.Fatalf("entry %d: reports\n%s, want\n%s", e.Index, list(got), list(want[had:]))
		}
	})
	if core.Settled() {
		if got, want := slices.Collect(core.Words()), plain.Words(); !slices.Equal(got, want) {
			t.Fatalf("after %d entries the core is not as its twin", last)
		}
	}
	readJournal(t, c.EventsDir(), func(je *journal.Entry) {
		var r orders.Report
		if err := r.UnmarshalBinary(je.Payload); err != nil {
			t.Fatal(err)
		}
		reports = append(reports, r)
	})
	if len(reports) > len(want) || !slices.Equal(reports, want[:len(reports)]) {
		t.Fatalf("the events journal has %d reports, the twin makes %d, and they differ", len(reports), len(want))
	}
	conserve(t, want)
	return want
}

// conserve checks that every trade is told twice, once for each side, with the same price and size.
func conserve(t testing.TB, reports []orders.Report) {
	t.Helper()
	var first *orders.Report
	last := uint64(0)
	for i := range reports {
		r := &reports[i]
		if r.Event.Kind != match.Executed || r.Copy {
			continue
		}
		if first == nil {
			if first = r; r.Event.Match != last+1 {
				t.Fatalf("trade %d after %d", r.Event.Match, last)
			}
			continue
		}
		if r.Event.Match != first.Event.Match || r.Event.Price != first.Event.Price || r.Event.Size != first.Event.Size || r.Event.Side == first.Event.Side {
			t.Fatalf("the sides of a trade are %+v and %+v", first, r)
		}
		last, first = r.Event.Match, nil
	}
	if first != nil {
		t.Fatalf("a trade has one side: %+v", first)
	}
}

func readJournal(t testing.TB, dir string, f func(*journal.Entry)) {
	t.Helper()
	r, err := journal.OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var e journal.Entry
	for {
		out, err := r.Next(&e)
		switch {
		case err != nil:
			t.Fatal(err)
		case out == journal.Empty:
			return
		case out != journal.Ready:
			t.Fatalf("%s: outcome %d", dir, out)
		}
		f(&e)
	}
}

// A trader submits random requests for a while.
func trader(t testing.TB, c *client, seed uint64, requests int) {
	dice := matchtest.Seeded(seed)
	for n := range uint64(requests) {
		r := c.order(n+1, []market.Side{market.Bid, market.Ask}[dice(2)], market.Size(1+dice(20)), int(95+dice(10)))
		r.Order.Instrument = market.InstrumentID(1 + dice(3))
		r.Order.CancelOnDisconnect = dice(4) == 0
		if dice(30) == 0 {
			r.Order.Size *= 1000 // high notional
		}
		switch k := dice(20); {
		case n == 0 || k < 10:
		case k < 17:
			r = orders.Request{Kind: orders.Cancel, Target: idOf(n - min(n-1, dice(4)))}
		case k < 19:
			r.Kind, r.Target = orders.Replace, idOf(n-min(n-1, dice(4)))
		default:
			r = orders.Request{Kind: orders.MassCancel, Order: match.Input{Instrument: market.InstrumentID(dice(4))}}
		}
		for {
			_, v := c.link.Submit(&r)
			if v == orders.Taken {
				break
			}
			if v != orders.SessionBusy && v != orders.Busy && v != orders.AccountBusy {
				t.Errorf("%+v: %v", r, v)
				return
			}
			time.Sleep(time.Millisecond)
		}
	}
}

// Many sessions at once, on several threads, with references, states, kill switches and disconnects
// between: the log makes the same again, and the sessions can read all of it.
func TestGateUnderLoad(t *testing.T) {
	for _, loops := range []int{0, 1, 3} {
		t.Run(fmt.Sprint(loops, " loops"), func(t *testing.T) {
			dir := t.TempDir()
			cfg := testConfig(dir, loops)
			g := openGate(t, cfg)
			var all sync.WaitGroup
			clients := []*client{}
			for i := range 4 {
				c := attach(t, g, fmt.Sprint("S", i+1))
				clients = append(clients, c)
				all.Go(func() { trader(t, c, uint64(i), 1500) })
			}
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			all.Go(func() {
				dice := matchtest.Seeded(9)
				for n := range 200 {
					bid := market.Price(95+dice(10)) * market.PriceScale
					g.Reference(market.InstrumentID(1+dice(3)), bid, bid+market.PriceScale, dice(5) > 0, market.Nanos(n))
					if n%50 == 20 {
						for _, s := range []match.State{match.PreOpen, match.Open} {
							if err := g.SetState(ctx, 2, s); err != nil {
								t.Error(err)
							}
						}
					}
					if n%80 == 70 {
						if err := g.Adjust(ctx, 3, 1, orders.Units(5), uint64(n)); err != nil {
							t.Error(err)
						}
					}
					if _, _, err := g.OpenOrders(ctx, 1, 0, make([]orders.OrderState, 0, 5)); err != nil {
						t.Error(err)
					}
				}
			})
			all.Wait()
			clients[3].link.Detach()
			if _, v := clients[3].link.Submit(&orders.Request{Kind: orders.MassCancel}); v != orders.Detached {
				t.Errorf("a link that was detached submits: %v", v)
			}
			if err := g.Kill(ctx, 0, true); err != nil {
				t.Fatal(err)
			}
			if _, v := clients[0].link.Submit(&orders.Request{Kind: orders.New, ID: idOf(1 << 40)}); v != orders.AccountKilled {
				t.Errorf("killed, and a new order is %v", v)
			}
			waits := g.LaneWaits()
			for i, w := range waits {
				if w.Lane != i+1 || w.Histogram.TotalCount() == 0 {
					t.Errorf("lane %d: %d waits", w.Lane, w.Histogram.TotalCount())
				}
			}
			closeGate(t, g)
			want := checkLog(t, cfg)

			g = openGate(t, cfg)
			for id := range orders.AccountID(5) {
				open, _, err := g.OpenOrders(ctx, id, 0, make([]orders.OrderState, 0, 10))
				if err != nil || len(open) > 0 {
					t.Errorf("killed, and account %d has orders %+v, %v", id, open, err)
				}
			}
			if !g.Killed(0) {
				t.Error("the kill switch is off after a restart")
			}
			checkStreams(t, g, bySession(want), 1<<40)
			closeGate(t, g)
			if testing.Short() {
				return
			}
			t.Logf("%d reports", len(want))
		})
	}
}

func bySession(reports []orders.Report) map[orders.SessionID][]orders.Report {
	by := map[orders.SessionID][]orders.Report{}
	for _, r := range reports {
		if r.Number != 0 {
			by[r.To] = append(by[r.To], r)
		}
	}
	return by
}

// checkStreams checks that every session can read what was ever told to it, the last so many reports.
func checkStreams(t testing.TB, g *orders.Gate, by map[orders.SessionID][]orders.Report, last int) {
	t.Helper()
	for id, all := range by {
		s, ok := g.Session(id)
		if !ok {
			t.Fatalf("no session %d", id)
		}
		c := attach(t, g, s.Name())
		first := max(0, len(all)-last)
		c.next = uint64(first) + 1
		if got := c.read(len(all) - first); !slices.Equal(got, all[first:]) {
			t.Errorf("session %d reads %d reports that are not those it was told", id, len(got))
		}
		if n, err := c.link.Read(s.Next()+1, make([]orders.Report, 1)); n != 0 || !errors.Is(err, orders.ErrAhead) {
			t.Errorf("report after the next: %d, %v", n, err)
		}
		c.link.Detach()
	}
}

package gateway_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"tidegate/arbiter"
	"tidegate/book/booktest"
	"tidegate/codec/pitch"
	"tidegate/codec/sequnit"
	"tidegate/gateway"
	"tidegate/internal/venue"
	"tidegate/market"
)

// A pitchMessage is one of the codec's.
type pitchMessage interface{ Append([]byte) []byte }

// unit packs messages of unit 1.
func unit(seq uint32, messages ...pitchMessage) []byte {
	var b sequnit.Builder
	b.Reset(1, seq, 1400)
	for _, m := range messages {
		if !b.Append(m.Append(nil)) {
			panic("test packet too large")
		}
	}
	return slices.Clone(b.Bytes())
}

func pitchSymbol(name string) pitch.Symbol {
	s, err := pitch.ParseSymbol(name)
	if err != nil {
		panic(err)
	}
	return s
}

// pitchAdd is a buy order of 100 at 20.06.
func pitchAdd(id uint64, symbol string) *pitch.AddOrder {
	return &pitch.AddOrder{
		OrderID: id, Side: pitch.Buy, Quantity: 100, Symbol: pitchSymbol(symbol), Price: 200_600, Flags: 1,
	}
}

func newPitch(t testing.TB, sink gateway.Sink) *gateway.Pipeline {
	t.Helper()
	cfg := gateway.DefaultConfig(gateway.PITCH)
	cfg.Midnight = 1_767_589_200 * market.Second
	p, err := gateway.New(cfg, sink)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// brief is what matters of an event here.
func brief(events []market.Event) (all []string) {
	for i := range events {
		e := &events[i]
		last := ""
		if e.Flags&market.FlagLast != 0 {
			last = " last"
		}
		all = append(all, fmt.Sprintf("%v %v order %d of %d: %d at %v%s", e.Action, e.Side, e.OrderID, e.Instrument, e.Size, e.Price, last))
	}
	return all
}

// What PITCH leaves to the order (instrument, side, what it showed) is found there.
func TestPitchEvents(t *testing.T) {
	add, other := pitchAdd(7, "ZVE"), pitchAdd(8, "ZVE")
	for _, tt := range []struct {
		name string
		m    pitchMessage
		want []string
		live int // orders left of the two
	}{
		{"executed", &pitch.OrderExecuted{OrderID: 7, Executed: 40}, []string{
			"T A order 0 of 2: 40 at 20.06", "F B order 7 of 2: 40 at 20.06", "C B order 7 of 2: 40 at 20.06 last",
		}, 2},
		{"executed at a price", &pitch.OrderExecutedAtPrice{OrderID: 7, Executed: 40, Remaining: 60, Price: 200_700}, []string{
			"T A order 0 of 2: 40 at 20.07", "F B order 7 of 2: 40 at 20.07", "C B order 7 of 2: 40 at 20.06 last",
		}, 2},
		{"executed at a price, to the end", &pitch.OrderExecutedAtPrice{OrderID: 7, Executed: 100, Price: 200_500}, []string{
			"T A order 0 of 2: 100 at 20.05", "F B order 7 of 2: 100 at 20.05", "C B order 7 of 2: 100 at 20.06 last",
		}, 1},
		{"executed for more than it showed", &pitch.OrderExecutedAtPrice{OrderID: 7, Executed: 300, Price: 200_600}, []string{
			"T A order 0 of 2: 300 at 20.06", "F B order 7 of 2: 300 at 20.06", "C B order 7 of 2: 100 at 20.06 last",
		}, 1},
		{"executed and shown anew", &pitch.OrderExecutedAtPrice{OrderID: 7, Executed: 300, Remaining: 80, Price: 200_600}, []string{
			"T A order 0 of 2: 300 at 20.06", "F B order 7 of 2: 300 at 20.06",
			"C B order 7 of 2: 100 at 20.06", "A B order 7 of 2: 80 at 20.06 last",
		}, 2},
		{"reduced", &pitch.ReduceSize{OrderID: 7, Canceled: 30}, []string{"C B order 7 of 2: 30 at 20.06 last"}, 2},
		{"modified", &pitch.ModifyOrder{OrderID: 7, Quantity: 200, Price: 200_500}, []string{
			"C B order 7 of 2: 100 at 20.06", "A B order 7 of 2: 200 at 20.05 last",
		}, 2},
		{"modified to the same", &pitch.ModifyOrder{OrderID: 7, Quantity: 100, Price: 200_600}, []string{
			"C B order 7 of 2: 100 at 20.06", "A B order 7 of 2: 100 at 20.06 last",
		}, 2},
		{"modified in its place", &pitch.ModifyOrder{OrderID: 7, Quantity: 50, Price: 200_600, Flags: pitch.FlagKeepPriority}, []string{
			"M B order 7 of 2: 50 at 20.06 last",
		}, 2},
		{"deleted", &pitch.DeleteOrder{OrderID: 7}, []string{"C B order 7 of 2: 100 at 20.06 last"}, 1},
		{"trade", &pitch.Trade{OrderID: 9, Side: pitch.Sell, Quantity: 25, Symbol: pitchSymbol("ZVE"), Price: 25}, []string{
			"T N order 9 of 2: 25 at 0.0025 last",
		}, 2},
		{"unit clear", &pitch.UnitClear{}, []string{"R N order 0 of 2: 0 at - last"}, 0},
		{"an order that is not known", &pitch.DeleteOrder{OrderID: 9}, nil, 2},
		{"nothing executed", &pitch.OrderExecutedAtPrice{OrderID: 7, Remaining: 60, Price: 200_600}, nil, 2},
	} {
		var r recorder
		p := newPitch(t, &r)
		p.OnDatagram(arbiter.LineA, 1000, unit(1, &pitch.TradingStatus{Symbol: pitchSymbol("OTHER"), Status: 'T', ShortSale: '0'}, add, other))
		r.events = nil
		p.OnDatagram(arbiter.LineA, 2000, unit(4, tt.m))
		if got := brief(r.events); !slices.Equal(got, tt.want) {
			t.Errorf("%s:\n got %q\nwant %q", tt.name, got, tt.want)
		}
		bbo, live := p.Books().BBO(2), 0
		if bbo.Bid.Orders > 0 {
			live = int(bbo.Bid.Orders)
		}
		if tt.name == "modified" {
			live++ // it is at another level
		}
		if live != tt.live {
			t.Errorf("%s: %d orders left, want %d", tt.name, live, tt.live)
		}
		balanced(t, p)
	}
}

// Times count from the unit's Time messages; after a loss, in which one may be, from the receive time.
// What was lost matters until the books are empty.
func TestPitchTimeAcrossAGap(t *testing.T) {
	var r recorder
	p := newPitch(t, &r)
	const opening = (1_767_589_200 + 34_200) * market.Second
	at := func(id uint64, offset uint32) *pitch.AddOrder {
		m := pitchAdd(id, "ZVE")
		m.Offset = offset
		return m
	}
	p.OnDatagram(arbiter.LineA, opening+10, unit(1, &pitch.Time{Seconds: 34_200}, at(1, 5)))
	p.OnDatagram(arbiter.LineA, opening+9*market.Second+700, unit(4, at(2, 600)))
	p.OnTick(opening + 10*market.Second)
	clear := &pitch.UnitClear{Header: pitch.Header{Offset: 650}}
	p.OnDatagram(arbiter.LineA, opening+10*market.Second, unit(5, &pitch.Time{Seconds: 34_210}, clear, at(3, 700)))
	var got []string
	for _, e := range r.events {
		got = append(got, fmt.Sprintf("%v at %d, suspect %t", e.Action, e.TsEvent-opening, e.Flags&market.FlagMaybeBadBook != 0))
	}
	want := []string{
		"A at 5, suspect false",
		"A at 9000000600, suspect true",
		"R at 10000000650, suspect false",
		"A at 10000000700, suspect false",
	}
	if !slices.Equal(got, want) || len(r.gaps) != 1 {
		t.Errorf("%d gaps,\n got %q\nwant %q", len(r.gaps), got, want)
	}
	balanced(t, p)
}

// A unit has no session: on the next day its sequence begins again, and so do the books.
func TestPitchBeginsAgain(t *testing.T) {
	var r recorder
	p := newPitch(t, &r)
	day := func(from market.Nanos, first uint64) {
		for seq := uint32(1); seq <= 3000; seq += 2 {
			p.OnDatagram(arbiter.LineA, from+market.Nanos(seq), unit(seq, pitchAdd(first+uint64(seq), "ZVE"), pitchAdd(first+uint64(seq)+1, "ZVE")))
		}
	}
	day(1000, 0)
	p.OnDatagram(arbiter.LineA, 1000+market.Day, unit(1)) // heartbeats of the morning
	p.OnDatagram(arbiter.LineA, 1001+market.Day, unit(1))
	day(1002+market.Day, 5000)
	if len(r.epochs) != 2 || r.epochs[1].Reason != arbiter.Restarted || r.epochs[1].Session.String() != "1/0" || len(r.gaps) != 0 {
		t.Errorf("epochs %+v, gaps %+v, want a restart", r.epochs, r.gaps)
	}
	counts := p.Counts()
	if counts.Clears != 1 || p.Books().BBO(1).Bid.Orders != 3000 || counts.Faults() != 0 {
		t.Errorf("%d clears, best bid %+v, %d faults", counts.Clears, p.Books().BBO(1).Bid, counts.Faults())
	}
	balanced(t, p)
}

// Random messages leave the books as the plain twin has them, which is told what each message means
// in its own way. A subscriber who follows the events alone has the same books.
func TestPitchAgreesWithItsTwin(t *testing.T) {
	symbols := []string{"A", "ZVE", "LONGNAME"}
	rapid.Check(t, func(t *rapid.T) {
		var r recorder
		cfg := gateway.DefaultConfig(gateway.PITCH)
		p, err := gateway.New(cfg, &r)
		if err != nil {
			t.Fatal(err)
		}
		twin, subscriber := booktest.NewByOrder(), booktest.NewByOrder()
		table := market.NewSymbolTable(10)
		apply := func(action market.Action, id uint64, set func(u *market.Update)) {
			o, instrument, ok := twin.Find(id)
			if !ok && action != market.Add {
				return
			}
			u := market.Update{Event: market.Event{Action: action, OrderID: id, Side: o.Side, Instrument: instrument, Price: market.UndefPrice}}
			set(&u)
			twin.Apply(&u)
		}
		seq := uint32(1)
		for range rapid.IntRange(1, 40).Draw(t, "packets") {
			var messages []pitchMessage
			for range rapid.IntRange(1, 8).Draw(t, "messages") {
				id := uint64(rapid.IntRange(1, 25).Draw(t, "order"))
				size := uint32(rapid.IntRange(0, 6).Draw(t, "size"))
				cents := uint64(rapid.IntRange(1, 9).Draw(t, "price"))
				price := market.Price(cents) * market.PriceScale / 100
				switch rapid.IntRange(0, 11).Draw(t, "kind") {
				default:
					m := pitchAdd(id, rapid.SampledFrom(symbols).Draw(t, "symbol"))
					m.Quantity, m.Price = size, pitch.Price(cents*100)
					side := market.Bid
					if rapid.Bool().Draw(t, "sell") {
						m.Side, side = pitch.Sell, market.Ask
					}
					messages = append(messages, m)
					n, _ := table.ID(m.Symbol)
					apply(market.Add, id, func(u *market.Update) { u.Instrument, u.Side, u.Size, u.Price = n, side, market.Size(size), price })
				case 0:
					messages = append(messages, &pitch.OrderExecuted{OrderID: id, Executed: size})
					apply(market.Cancel, id, func(u *market.Update) { u.Size = market.Size(size) })
				case 1:
					rest := uint32(rapid.IntRange(0, 6).Draw(t, "remaining"))
					messages = append(messages, &pitch.OrderExecutedAtPrice{OrderID: id, Executed: size, Remaining: rest, Price: 7})
					o, n, ok := twin.Find(id)
					switch {
					case !ok || size == 0:
					case market.Size(size+rest) == o.Size:
						apply(market.Cancel, id, func(u *market.Update) { u.Size = market.Size(size) })
					default: // gone, and back again last in its queue
						apply(market.Delete, id, func(*market.Update) {})
						apply(market.Add, id, func(u *market.Update) { u.Instrument, u.Side, u.Size, u.Price = n, o.Side, market.Size(rest), o.Price })
					}
				case 2:
					messages = append(messages, &pitch.ReduceSize{OrderID: id, Canceled: size})
					apply(market.Cancel, id, func(u *market.Update) { u.Size = market.Size(size) })
				case 3, 4:
					messages = append(messages, &pitch.ModifyOrder{OrderID: id, Quantity: size, Price: pitch.Price(cents * 100), Flags: 1})
					apply(market.Replace, id, func(u *market.Update) { u.PrevOrderID, u.Size, u.Price = id, market.Size(size), price })
				case 5:
					messages = append(messages, &pitch.ModifyOrder{OrderID: id, Quantity: size, Price: pitch.Price(cents * 100), Flags: pitch.FlagKeepPriority})
					apply(market.Modify, id, func(u *market.Update) { u.Size, u.Price = market.Size(size), price })
				case 6:
					messages = append(messages, &pitch.DeleteOrder{OrderID: id})
					apply(market.Delete, id, func(*market.Update) {})
				case 7:
					messages = append(messages, &pitch.Trade{OrderID: id, Side: pitch.Buy, Quantity: 1, Symbol: pitchSymbol("A"), Price: 1})
					table.ID(pitchSymbol("A"))
				case 8:
					if rapid.IntRange(0, 9).Draw(t, "rare") == 0 {
						messages = append(messages, &pitch.UnitClear{})
						twin.Reset()
					}
				}
			}
			p.OnDatagram(arbiter.LineA, market.Nanos(seq), unit(seq, messages...))
			seq += uint32(len(messages))
			if got, want := p.Books().HashAll(), twin.HashAll(); got != want {
				t.Fatalf("books differ after message %d: %x, want %x", seq-1, got, want)
			}
			for i := range r.events {
				u := market.Update{Event: r.events[i]}
				switch u.Action {
				case market.Add, market.Cancel, market.Modify, market.Clear:
					if v := subscriber.Apply(&u).Verdict; v != market.Applied {
						t.Fatalf("event %s: %v", brief(r.events[i : i+1])[0], v)
					}
				}
			}
			r.events = r.events[:0]
			if got, want := subscriber.HashAll(), twin.HashAll(); got != want {
				t.Fatalf("the subscriber's books differ after message %d: %x, want %x", seq-1, got, want)
			}
		}
		if err := p.Balanced(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestPitchDoesNotAllocate(t *testing.T) {
	cfg := venue.DefaultFeedConfig(5)
	cfg.Market.PreOpen, cfg.Market.Trading, cfg.Market.Halts = market.Second, 4*market.Second, nil
	cfg.Sender.Protocol = venue.PITCH
	for i := range cfg.Lines {
		cfg.Lines[i].Impairment = venue.Impairment{}
	}
	feed, err := venue.NewFeed(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var datagrams []venue.Datagram
	for d, ok := feed.Next(); ok; d, ok = feed.Next() {
		datagrams = append(datagrams, d)
	}
	var sink discard
	p := newPitch(t, &sink)
	half := len(datagrams) / 2
	for _, d := range datagrams[:half] {
		p.OnDatagram(arbiter.LineID(d.Line), d.Time, d.Payload)
	}
	next := half
	if n := testing.AllocsPerRun(500, func() {
		d := datagrams[next]
		p.OnDatagram(arbiter.LineID(d.Line), d.Time, d.Payload)
		next++
	}); n != 0 {
		t.Errorf("OnDatagram allocates %.1f times per datagram, want 0", n)
	}
	if sink.events == 0 || next >= len(datagrams) {
		t.Errorf("%d events, datagram %d of %d", sink.events, next, len(datagrams))
	}
}

func TestRecognisePitch(t *testing.T) {
	for _, tt := range []struct {
		name    string
		b       []byte
		session string
		ok      bool
	}{
		{"orders", unit(5, pitchAdd(1, "A"), pitchAdd(2, "A")), "1/0", true},
		{"heartbeat", sequnit.AppendHeartbeat(nil, 33, 5), "33/0", true},
		{"heartbeat of a gap group", sequnit.AppendHeartbeat(nil, 33, 0), "33/0", true},
		{"no unit", sequnit.AppendHeartbeat(nil, 0, 5), "0/0", false},
		{"another feed's message", []byte{0x0a, 0, 1, 1, 1, 0, 0, 0, 2, 0x1f}, "1/0", false},
		{"a short message", []byte{0x0a, 0, 1, 1, 1, 0, 0, 0, 2, 0x29}, "1/0", false},
		{"cut", unit(5, pitchAdd(1, "A"))[:20], "-", false},
	} {
		f, session, ok := gateway.Recognise(tt.b)
		if ok != tt.ok || ok && f != gateway.PITCH || session.String() != tt.session {
			t.Errorf("%s: %v, %v, %t, want session %s, %t", tt.name, f, session, ok, tt.session, tt.ok)
		}
	}
	if gateway.PITCH.String() != "pitch" || gateway.PITCH.Publisher() != market.CboeBZX {
		t.Errorf("%v of %v", gateway.PITCH, gateway.PITCH.Publisher())
	}
}

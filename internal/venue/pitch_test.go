package venue

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	"tidegate/codec/pitch"
	"tidegate/codec/sequnit"
	"tidegate/market"
)

// pitchReplay rebuilds the books from PITCH messages alone, with a map of orders and nothing else. It
// checks what the protocol promises: times do not go back, orders are known, executions leave what they
// say.
type pitchReplay struct {
	orders  map[uint64]*pitchReplayed
	arrived uint64
	second  market.Nanos
	last    market.Nanos
	types   map[byte]uint64
	traded  map[string]*Tally
	auction map[string]market.Size // volume of summaries
	ended   bool
}

type pitchReplayed struct {
	Order
	symbol  string
	arrival uint64
}

func newPitchReplay() *pitchReplay {
	return &pitchReplay{
		orders: map[uint64]*pitchReplayed{}, types: map[byte]uint64{}, traded: map[string]*Tally{},
		auction: map[string]market.Size{}, second: -1,
	}
}

func must[M interface{ Parse([]byte) error }](m M, b []byte) M {
	if err := m.Parse(b); err != nil {
		panic(err)
	}
	return m
}

// at takes in a message's time.
func (r *pitchReplay) at(h pitch.Header) error {
	now := r.second*market.Second + market.Nanos(h.Offset)
	if r.second < 0 || now < r.last || h.Offset >= 1e9 {
		return fmt.Errorf("at %d after second %d, offset %d, before %d", now, r.second, h.Offset, r.last)
	}
	r.last = now
	return nil
}

func (r *pitchReplay) trade(symbol string, size uint32) {
	if r.traded[symbol] == nil {
		r.traded[symbol] = &Tally{}
	}
	r.traded[symbol].add(market.Size(size))
}

func (r *pitchReplay) apply(b []byte) error {
	r.types[b[0]]++
	if len(b) < pitch.LengthMin(b[0]) || r.ended {
		return fmt.Errorf("too short, or after the end")
	}
	price := func(p pitch.Price) market.Price { v, _ := p.Price(); return v }
	var h pitch.Header
	var o *pitchReplayed
	find := func(id uint64) bool { o = r.orders[id]; return o != nil }
	known := true
	switch b[0] {
	case pitch.TypeTime:
		second := market.Nanos(must(new(pitch.Time), b).Seconds)
		if second <= r.second {
			return fmt.Errorf("second %d after %d", second, r.second)
		}
		r.second = second
		return nil
	case pitch.TypeUnitClear:
		h = must(new(pitch.UnitClear), b).Header
		clear(r.orders)
	case pitch.TypeEndOfSession:
		h, r.ended = must(new(pitch.EndOfSession), b).Header, true
	case pitch.TypeAddOrderShort, pitch.TypeAddOrderLong, pitch.TypeAddOrderExpanded:
		m := must(new(pitch.AddOrder), b)
		h = m.Header
		side := market.Bid
		if m.Side == pitch.Sell {
			side = market.Ask
		}
		if find(m.OrderID) {
			return fmt.Errorf("order %d again", m.OrderID)
		}
		r.arrived++
		r.orders[m.OrderID] = &pitchReplayed{
			Order{m.OrderID, side, price(m.Price), market.Size(m.Quantity)}, m.Symbol.String(), r.arrived,
		}
	case pitch.TypeOrderExecuted:
		m := must(new(pitch.OrderExecuted), b)
		if h, known = m.Header, find(m.OrderID); known {
			r.trade(o.symbol, m.Executed)
			o.Size -= market.Size(m.Executed)
		}
	case pitch.TypeOrderExecutedAtPrice:
		m := must(new(pitch.OrderExecutedAtPrice), b)
		if h, known = m.Header, find(m.OrderID); known {
			r.trade(o.symbol, m.Executed)
			if o.Size -= market.Size(m.Executed); o.Size != market.Size(m.Remaining) {
				return fmt.Errorf("%d remain, the message says %d", o.Size, m.Remaining)
			}
		}
	case pitch.TypeReduceSizeShort, pitch.TypeReduceSizeLong:
		m := must(new(pitch.ReduceSize), b)
		if h, known = m.Header, find(m.OrderID); known {
			o.Size -= market.Size(m.Canceled)
		}
	case pitch.TypeModifyOrderShort, pitch.TypeModifyOrderLong:
		m := must(new(pitch.ModifyOrder), b)
		if h, known = m.Header, find(m.OrderID); known {
			o.Price, o.Size = price(m.Price), market.Size(m.Quantity)
			if m.Flags&pitch.FlagKeepPriority == 0 {
				r.arrived++
				o.arrival = r.arrived
			}
		}
	case pitch.TypeDeleteOrder:
		m := must(new(pitch.DeleteOrder), b)
		if h, known = m.Header, find(m.OrderID); known {
			o.Size = 0
		}
	case pitch.TypeTradeShort, pitch.TypeTradeLong, pitch.TypeTradeExpanded:
		m := must(new(pitch.Trade), b)
		h = m.Header
		r.trade(m.Symbol.String(), m.Quantity)
	case pitch.TypeTradingStatus:
		h = must(new(pitch.TradingStatus), b).Header
	case pitch.TypeAuctionUpdate:
		h = must(new(pitch.AuctionUpdate), b).Header
	case pitch.TypeAuctionSummary:
		m := must(new(pitch.AuctionSummary), b)
		h = m.Header
		r.auction[m.Symbol.String()] += market.Size(m.Shares)
	default:
		return fmt.Errorf("type %#02x", b[0])
	}
	if !known {
		return fmt.Errorf("order is not known")
	}
	if o != nil && o.Size == 0 {
		delete(r.orders, o.Ref)
	}
	return r.at(h)
}

// compare says how the books differ from the exchange's. Orders have other numbers there.
func (r *pitchReplay) compare(x *Exchange) error {
	if len(r.orders) != x.LiveOrders() {
		return fmt.Errorf("%d orders, the exchange has %d", len(r.orders), x.LiveOrders())
	}
	for _, in := range x.Instruments() {
		for _, side := range []market.Side{market.Bid, market.Ask} {
			var mine []*pitchReplayed
			for _, o := range r.orders {
				if o.symbol == in.Symbol && o.Side == side {
					mine = append(mine, o)
				}
			}
			slices.SortFunc(mine, func(a, b *pitchReplayed) int {
				byPrice := cmp.Compare(a.Price, b.Price)
				if side == market.Bid {
					byPrice = -byPrice
				}
				return cmp.Or(byPrice, cmp.Compare(a.arrival, b.arrival))
			})
			theirs := x.Orders(in.ID, side)
			if !slices.EqualFunc(mine, theirs, func(a *pitchReplayed, b Order) bool {
				return a.Price == b.Price && a.Size == b.Size
			}) {
				return fmt.Errorf("%s %v: orders\n%v, the exchange has\n%v", in.Symbol, side, mine, theirs)
			}
		}
		var volume market.Size
		if t := r.traded[in.Symbol]; t != nil {
			volume = t.Volume
		}
		if want := x.Trades(in.ID).Volume; volume != want {
			return fmt.Errorf("%s: traded %d, the exchange says %d", in.Symbol, volume, want)
		}
	}
	return nil
}

// What the exchange says in PITCH rebuilds its books after every step, queues included.
func TestPitchRebuildsTheBooks(t *testing.T) {
	for seed := range uint64(6) {
		cfg := short(seed)
		cfg.Listings[1].Symbol, cfg.Halts[0].Symbol = "LONGNAME", "LONGNAME" // takes expanded messages
		x, r := mustNew(t, cfg), newPitchReplay()
		tape, err := newPitchTape(cfg.Listings)
		if err != nil {
			t.Fatal(err)
		}
		for step := 0; ; step++ {
			_, messages := x.Step()
			if len(messages) == 0 {
				break
			}
			for _, m := range tape.rewrite(messages) {
				if err := r.apply(m); err != nil {
					t.Fatalf("seed %d, step %d: %x: %v", seed, step, m, err)
				}
			}
			if step%500 == 0 {
				if err := r.compare(x); err != nil {
					t.Fatalf("seed %d, step %d: %v", seed, step, err)
				}
			}
		}
		if err := r.compare(x); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if !r.ended || len(tape.crossed) != 0 {
			t.Errorf("seed %d: ended %t, %d crosses left", seed, r.ended, len(tape.crossed))
		}
		for _, typ := range []byte{0x20, 0x97, 0x22, 0x2f, 0x23, 0x24, 0x26, 0x28, 0x29, 0x2b, 0x30, 0x2d, 0x31, 0x95, 0x96} {
			if r.types[typ] == 0 {
				t.Errorf("seed %d: no message of type %#02x", seed, typ)
			}
			if r.types[typ] != tape.counts[typ] {
				t.Errorf("seed %d: %d messages of type %#02x, counted %d", seed, r.types[typ], typ, tape.counts[typ])
			}
		}
	}
}

// A PITCH feed is one unit: every message has the number after the one before, and the truth is that of
// the messages.
func TestPitchFeed(t *testing.T) {
	cfg := DefaultFeedConfig(3)
	cfg.Market = short(3)
	cfg.Sender.Protocol, cfg.Sender.Unit = PITCH, 9
	cfg.Lines = cfg.Lines[:1]
	cfg.Lines[0].Impairment = Impairment{}
	feed, err := NewFeed(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r := newPitchReplay()
	next := uint32(1)
	for d, ok := feed.Next(); ok; d, ok = feed.Next() {
		p, err := sequnit.Parse(d.Payload)
		if err != nil || p.Unit != 9 || p.Seq != next || len(d.Payload) > cfg.Sender.PayloadMax {
			t.Fatalf("%x: %+v, %v, want message %d next", d.Payload, p, err, next)
		}
		for block := p.Messages; len(block) > 0; next++ {
			var msg []byte
			msg, block = sequnit.Next(block)
			if err := r.apply(msg); err != nil {
				t.Fatalf("message %d: %x: %v", next, msg, err)
			}
		}
	}
	truth := feed.Truth()
	if err := r.compare(feed.Exchange()); err != nil {
		t.Error(err)
	}
	if truth.Messages != uint64(next-1) || truth.LiveOrders != len(r.orders) {
		t.Errorf("truth of %d messages and %d orders, want %d and %d", truth.Messages, truth.LiveOrders, next-1, len(r.orders))
	}
	for typ, n := range r.types {
		if got := truth.ByType[fmt.Sprintf("%#02x", typ)]; got != n {
			t.Errorf("truth says %d of type %#02x, want %d", got, typ, n)
		}
	}
	var total, byType Tally
	for _, b := range truth.Books {
		want := Tally{}
		if t := r.traded[b.Symbol]; t != nil {
			want = *t
		}
		if b.Trades != want {
			t.Errorf("%s: traded %+v, want %+v", b.Symbol, b.Trades, want)
		}
		total.Count, total.Volume = total.Count+want.Count, total.Volume+want.Volume
	}
	for _, tally := range truth.Trades {
		byType.Count, byType.Volume = byType.Count+tally.Count, byType.Volume+tally.Volume
	}
	if total != byType || total.Count == 0 {
		t.Errorf("traded %+v, by type %+v", total, byType)
	}
	if truth.Packets.Heartbeats == 0 || truth.Packets.EndOfSession != endingsMax {
		t.Errorf("packets %+v", truth.Packets)
	}
}

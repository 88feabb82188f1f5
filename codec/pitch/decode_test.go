package pitch

import (
	"reflect"
	"testing"

	"tidegate/market"
)

const (
	midnight  = 1_767_589_200 * market.Second // 2026-01-05 in New York
	publisher = market.PublisherID(5)
	opening   = midnight + 34_200*market.Second
	ts1       = opening + 500_000_001
)

func newDecoder() *Decoder { return NewDecoder(publisher, market.NewSymbolTable(4), midnight) }

// event returns an update of the golden messages' time.
func event(action market.Action) market.Update {
	return market.Update{Event: market.Event{
		TsEvent: ts1, Price: market.UndefPrice, Publisher: publisher, Action: action,
		Side: market.NoSide, Flags: market.FlagLast,
	}}
}

// order returns an update of the golden messages' order.
func order(action market.Action, set func(*market.Update)) market.Update {
	u := event(action)
	u.OrderID = 0x0102030405060708
	if set != nil {
		set(&u)
	}
	return u
}

func TestDecode(t *testing.T) {
	const (
		id    = 0x0102030405060708
		exec  = 0x1112131415161718
		p2006 = 20_060_000_000
	)
	ignored, cold := market.Ignored, market.Cold
	want := map[string]struct {
		v market.Verdict
		u market.Update
	}{
		"time":        {v: ignored},
		"trade break": {v: ignored},
		"unit clear":  {u: event(market.Clear)},
		"add order, short": {u: order(market.Add, func(u *market.Update) {
			u.Instrument, u.Side, u.Size, u.Price = 1, market.Bid, 300, p2006
		})},
		"add order, long for its price": {u: order(market.Add, func(u *market.Update) {
			u.Instrument, u.Side, u.Size, u.Price = 1, market.Ask, 300, 20_060_400_000
		})},
		"add order, long for its quantity": {u: order(market.Add, func(u *market.Update) {
			u.Instrument, u.Side, u.Size, u.Price = 2, market.Ask, 65_536, p2006
		})},
		"add order, expanded for its symbol": {u: order(market.Add, func(u *market.Update) {
			u.Instrument, u.Side, u.Size, u.Price = 3, market.Bid, 300, p2006
		})},
		"add order, expanded for its participant": {u: order(market.Add, func(u *market.Update) {
			u.Instrument, u.Side, u.Size, u.Price = 1, market.Bid, 300, p2006
		})},
		"order executed": {u: order(market.Execute, func(u *market.Update) { u.Size, u.Match = 100, exec })},
		"order executed at price": {u: order(market.Execute, func(u *market.Update) {
			u.Size, u.Match, u.Price = 100, exec, 20_060_400_000
		})},
		"reduce size, short": {u: order(market.Cancel, func(u *market.Update) { u.Size = 65_535 })},
		"reduce size, long":  {u: order(market.Cancel, func(u *market.Update) { u.Size = 65_536 })},
		"modify order, short": {u: order(market.Modify, func(u *market.Update) { // keeps its place
			u.Size, u.Price = 300, p2006
		})},
		"modify order, short at its largest": {u: order(market.Replace, func(u *market.Update) {
			u.Size, u.Price, u.PrevOrderID = 65_535, 655_350_000_000, id
		})},
		"modify order, long for its price": {u: order(market.Replace, func(u *market.Update) {
			u.Size, u.Price, u.PrevOrderID = 300, 655_370_000_000, id
		})},
		"delete order": {u: order(market.Delete, nil)},
		"trade, short": {u: order(market.Trade, func(u *market.Update) {
			u.Instrument, u.Size, u.Price, u.Match = 1, 300, p2006, exec
		})},
		"trade, long": {u: order(market.Trade, func(u *market.Update) {
			u.Instrument, u.Size, u.Price, u.Match = 1, 300, 2_500_000, exec
		})},
		"trade, expanded": {u: order(market.Trade, func(u *market.Update) {
			u.Instrument, u.Size, u.Price, u.Match = 4, 300, p2006, exec
		})},
		"end of session": {v: cold}, "symbol mapping": {v: cold}, "trading status": {v: cold},
		"auction update": {v: cold}, "auction summary": {v: cold}, "retail price improvement": {v: cold},
	}
	d := newDecoder()
	for _, tt := range golden {
		w, ok := want[tt.name]
		if !ok {
			t.Errorf("%s: no expectation", tt.name)
			continue
		}
		// What is the caller's and the book's stays.
		u := market.Update{Event: market.Event{Seq: 7, TsRecv: 8, TsInDelta: 9, Channel: 10}, PrevPrice: 11, PrevSize: 12}
		v := d.Decode(unhex(tt.wire), market.UndefTime, &u)
		if v != w.v {
			t.Errorf("%s: %v, want %v", tt.name, v, w.v)
		}
		if v != market.Applied {
			continue
		}
		w.u.Seq, w.u.TsRecv, w.u.TsInDelta, w.u.Channel, w.u.PrevPrice, w.u.PrevSize = 7, 8, 9, 10, 11, 12
		if u != w.u {
			t.Errorf("%s:\n got %+v\nwant %+v", tt.name, u, w.u)
		}
		remaining, ok := Remaining(unhex(tt.wire))
		if atPrice := tt.name == "order executed at price"; ok != atPrice || atPrice && remaining != 50 {
			t.Errorf("%s: Remaining: %d, %t", tt.name, remaining, ok)
		}
	}
}

func TestDecodeFaults(t *testing.T) {
	for _, tt := range []struct {
		name, wire string
		want       market.Verdict
	}{
		{"nothing", "", market.Short},
		{"unknown type", "1f 0165cd1d", market.UnknownType},
		{"a day's last second", "20 7f510100", market.Ignored},
		{"a second past the day", "20 80510100", market.BadTime},
		{"a second far past the day", "20 ffffffff", market.BadTime},
		{"an offset's last nanosecond", "29 ffc99a3b 0807060504030201", market.Applied},
		{"an offset of a second", "29 00ca9a3b 0807060504030201", market.BadTime},
		{"an offset of a second in a cold message", "2d 00ca9a3b", market.BadTime},
		{"side", "22 0165cd1d 0807060504030201 43 2c01 5a5645202020 d607 01", market.BadField},
		{"side of a trade", "2b 0165cd1d 0807060504030201 00 2c01 5a5645202020 d607 1817161514131211", market.BadField},
		{"price of an order", "21 0165cd1d 0807060504030201 42 2c010000 5a5645202020 a48d23d6e2530000 01", market.BadPrice},
		{"negative price of an execution", "24 0165cd1d 0807060504030201 64000000 32000000 1817161514131211 ffffffffffffffff", market.BadPrice},
		{"price of a modification", "27 0165cd1d 0807060504030201 2c010000 00000000000000ff 01", market.BadPrice},
		{"price of a trade", "2a 0165cd1d 0807060504030201 42 2c010000 5a5645202020 00000000000000ff 1817161514131211", market.BadPrice},
		{"status", "31 0165cd1d 5a56452020202020 58 31 2020", market.BadField},
		{"short sale", "31 0165cd1d 5a56452020202020 54 32 2020", market.BadField},
		{"auction", "95 0165cd1d 5a56452020202020 58 970f030000000000 64000000 c8000000 980f030000000000 9c0f030000000000", market.BadField},
		{"price of an auction", "95 0165cd1d 5a56452020202020 4f 970f030000000000 64000000 c8000000 980f030000000000 00000000000000ff", market.BadPrice},
		{"summary of an auction", "96 0165cd1d 5a56452020202020 00 980f030000000000 64000000", market.BadField},
		{"price of a summary", "96 0165cd1d 5a56452020202020 43 00000000000000ff 64000000", market.BadPrice},
	} {
		symbols := market.NewSymbolTable(4)
		d := NewDecoder(publisher, symbols, midnight)
		var u market.Update
		var f market.Facts
		v := d.Decode(unhex(tt.wire), ts1, &u)
		if v == market.Cold {
			v = d.DecodeCold(unhex(tt.wire), ts1, &f)
		}
		if v != tt.want || symbols.Len() != 0 || !reflect.DeepEqual(f, market.Facts{}) {
			t.Errorf("%s: %v, %d symbols, %+v, want %v", tt.name, v, symbols.Len(), f, tt.want)
		}
	}
	for _, tt := range golden {
		wire := unhex(tt.wire)
		short := wire[:LengthMin(wire[0])-1]
		var u market.Update
		var f market.Facts
		if v := newDecoder().Decode(short, ts1, &u); v != market.Short {
			t.Errorf("%s, too short: %v", tt.name, v)
		}
		if v := newDecoder().DecodeCold(short, ts1, &f); v != market.Short {
			t.Errorf("%s, too short: DecodeCold: %v", tt.name, v)
		}
	}
}

func TestFullSymbolTable(t *testing.T) {
	d := NewDecoder(publisher, market.NewSymbolTable(1), midnight)
	var u market.Update
	var f market.Facts
	for _, tt := range golden {
		wire := unhex(tt.wire)
		v := d.Decode(wire, ts1, &u)
		if v == market.Cold {
			v = d.DecodeCold(wire, ts1, &f)
		}
		known := true
		switch m := tt.want.(type) {
		case *AddOrder:
			known = m.Symbol == symbol("ZVE")
		case *Trade:
			known = m.Symbol == symbol("ZVE")
		}
		if (v == market.BookFull) == known {
			t.Errorf("%s: %v", tt.name, v)
		}
	}
}

// The unit's second comes from Time messages, and from the receive time while there was none.
func TestTime(t *testing.T) {
	d := newDecoder()
	var u market.Update
	decode := func(m message, tsRecv, want market.Nanos) {
		t.Helper()
		if v := d.Decode(m.Append(nil), tsRecv, &u); v.Fault() {
			t.Fatalf("%+v: %v", m, v)
		} else if v == market.Applied && u.TsEvent != want {
			t.Errorf("%+v: at %d, want %d", m, u.TsEvent, want)
		}
	}
	at := func(offset uint32) *DeleteOrder { return &DeleteOrder{Header{offset}, 1} }
	const second = market.Second
	decode(at(0), opening, opening)
	decode(at(5), opening+5, opening+5)
	decode(at(5), opening+4, opening-second+5) // sent in the second before
	decode(at(999_999_999), opening+50, opening-1)
	decode(at(5), market.UndefTime, midnight+5) // a capture without times
	decode(at(5), 0, midnight+5)
	decode(&Time{34_200}, opening+1000, 0)
	decode(at(5), opening+4, opening+5)
	decode(at(5), opening+3*second, opening+5) // nothing happened since
	decode(&UnitClear{Header{7}}, opening+4*second, opening+7)
	decode(&Time{34_205}, opening+5*second, 0)
	decode(at(5), opening, opening+5*second+5)
	d.ForgetTime()
	decode(at(5), opening+9*second+6, opening+9*second+5)
}

func TestDecodeCold(t *testing.T) {
	status := func(action market.StatusAction, reason uint16, trading, quoting, restraint market.Tri) market.Facts {
		return market.Facts{Statuses: []market.Status{{
			TsEvent: ts1, Instrument: 1, Publisher: publisher, Action: action, Reason: reason,
			Trading: trading, Quoting: quoting, ShortSaleRestraint: restraint,
		}}}
	}
	traded := func(state, restraint byte) message {
		return &TradingStatus{at1, symbol("ZVE"), state, restraint, [2]byte{' ', ' '}}
	}
	imbalance := func(paired, rest uint32, side market.Side, ref, near, far market.Price) market.Facts {
		return market.Facts{Imbalances: []market.Imbalance{{
			TsEvent: ts1, AuctionTime: market.UndefTime, RefPrice: ref, ContClearPrice: near, AuctClearPrice: far,
			MatchPrice: market.UndefPrice, UpperCollar: market.UndefPrice, LowerCollar: market.UndefPrice,
			Paired: paired, Imbalance: rest, Instrument: 1, Publisher: publisher, AuctionType: 'O', Side: side, Variation: '~',
		}}}
	}
	summary := func(kind market.StatKind) market.Facts {
		return market.Facts{Statistics: []market.Statistic{{
			TsEvent: ts1, TsRef: market.UndefTime, Price: 20_060_000_000, Quantity: 100, Instrument: 1,
			Publisher: publisher, Kind: kind,
		}}}
	}
	ended := status(market.StatusNotAvailable, reasonScheduled, market.No, market.No, market.Unknown)
	ended.Statuses[0].Instrument = 0
	for _, tt := range []struct {
		m    message
		want market.Facts
	}{
		{traded('A', '0'), status(market.StatusPreOpen, 0, market.No, market.No, market.No)},
		{traded('H', '1'), status(market.StatusHalt, 0, market.No, market.No, market.Yes)},
		{traded('Q', ' '), status(market.StatusQuoting, 0, market.No, market.Yes, market.Unknown)},
		{traded('S', '0'), status(market.StatusSuspend, reasonOperational, market.No, market.No, market.No)},
		{traded('T', '0'), status(market.StatusTrading, 0, market.Yes, market.Yes, market.No)},
		{&EndOfSession{at1}, ended},
		{
			&AuctionUpdate{at1, symbol("ZVE"), 'O', 200_600, 100, 250, 200_604, 25},
			imbalance(100, 150, market.Ask, 20_060_000_000, 20_060_400_000, 2_500_000),
		},
		{
			&AuctionUpdate{at1, symbol("ZVE"), 'O', 200_600, 250, 100, 0, 0},
			imbalance(100, 150, market.Bid, 20_060_000_000, market.UndefPrice, market.UndefPrice),
		},
		{
			&AuctionUpdate{at1, symbol("ZVE"), 'O', 0, 250, 250, 0, 0},
			imbalance(250, 0, market.NoSide, market.UndefPrice, market.UndefPrice, market.UndefPrice),
		},
		{&AuctionSummary{at1, symbol("ZVE"), 'O', 200_600, 100}, summary(market.StatOpeningPrice)},
		{&AuctionSummary{at1, symbol("ZVE"), 'C', 200_600, 100}, summary(market.StatClosePrice)},
		{&AuctionSummary{at1, symbol("ZVE"), 'H', 200_600, 100}, summary(market.StatUncrossingPrice)},
	} {
		d := newDecoder()
		d.second = opening
		var f market.Facts
		if v := d.DecodeCold(tt.m.Append(nil), market.UndefTime, &f); v != market.Cold || !reflect.DeepEqual(f, tt.want) {
			t.Errorf("%+v: %v\n got %+v\nwant %+v", tt.m, v, f, tt.want)
		}
	}
	var f market.Facts
	for _, m := range []message{
		&RetailPriceImprovement{at1, symbol("ZVE"), 'A'}, &SymbolMapping{}, &Time{1}, &DeleteOrder{at1, 1},
	} {
		if v := newDecoder().DecodeCold(m.Append(nil), ts1, &f); v != market.Ignored {
			t.Errorf("%+v: %v, want ignored", m, v)
		}
	}
	if v := newDecoder().DecodeCold([]byte{0x1f}, ts1, &f); v != market.UnknownType || !reflect.DeepEqual(f, market.Facts{}) {
		t.Errorf("an unknown type: %v, %+v", v, f)
	}
	if v := newDecoder().DecodeCold(nil, ts1, &f); v != market.Short {
		t.Errorf("no message: %v", v)
	}
}

func TestDecodeDoesNotAllocate(t *testing.T) {
	d := newDecoder()
	var block [][]byte
	for _, tt := range golden {
		block = append(block, unhex(tt.wire))
	}
	var u market.Update
	var f market.Facts
	if n := testing.AllocsPerRun(100, func() {
		for _, b := range block {
			if v := d.Decode(b, ts1, &u); v.Fault() {
				t.Fatalf("%x: %v", b, v)
			} else if v == market.Cold {
				f.Reset()
				d.DecodeCold(b, ts1, &f)
			}
		}
	}); n != 0 {
		t.Errorf("decoding %d messages allocates %.1f times, want 0", len(block), n)
	}
}

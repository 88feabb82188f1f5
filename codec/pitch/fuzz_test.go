package pitch

import (
	"bytes"
	"reflect"
	"testing"

	"tidegate/market"
)

// structs returns one struct of each message.
func structs() []message {
	return []message{
		new(Time), new(UnitClear), new(AddOrder), new(OrderExecuted), new(OrderExecutedAtPrice), new(ReduceSize),
		new(ModifyOrder), new(DeleteOrder), new(Trade), new(TradeBreak), new(EndOfSession), new(SymbolMapping),
		new(TradingStatus), new(AuctionUpdate), new(AuctionSummary), new(RetailPriceImprovement),
	}
}

// What a struct parses it writes so that it parses the same again.
func FuzzParse(f *testing.F) {
	for _, tt := range golden {
		f.Add(unhex(tt.wire))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		parsed := 0
		for _, m := range structs() {
			if m.Parse(b) != nil {
				continue
			}
			parsed++
			wire := m.Append(nil)
			again := reflect.New(reflect.TypeOf(m).Elem()).Interface().(message)
			if err := again.Parse(wire); err != nil {
				t.Fatalf("%x: %+v: %v", b, m, err)
			}
			if !reflect.DeepEqual(again, normal(m)) || !bytes.Equal(again.Append(nil), wire) {
				t.Fatalf("%x: %+v, again %+v", b, m, again)
			}
		}
		if whole := len(b) > 0 && LengthMin(b[0]) > 0 && len(b) >= LengthMin(b[0]); (parsed == 1) != whole || parsed > 1 {
			t.Fatalf("%x: parsed by %d structs", b, parsed)
		}
	})
}

// normal undoes what Append does to values that only a wrong sender has: it writes spaces for zeros.
func normal(m message) message {
	if a, ok := m.(*AddOrder); ok {
		if a.Participant == [4]byte{} {
			a.Participant = nobody
		}
		if a.Customer == 0 {
			a.Customer = ' '
		}
	}
	return m
}

// The decoder agrees with the structs, and leaves no field undefined.
func FuzzDecode(f *testing.F) {
	for _, tt := range golden {
		f.Add(unhex(tt.wire), int64(ts1))
	}
	f.Fuzz(func(t *testing.T, b []byte, tsRecv int64) {
		d := newDecoder()
		var u market.Update
		v := d.Decode(b, market.Nanos(tsRecv), &u)
		if v == market.Long || v >= market.VerdictCount {
			t.Fatalf("%x: %v", b, v)
		}
		var facts market.Facts
		cold := d.DecodeCold(b, market.Nanos(tsRecv), &facts)
		n := len(facts.Statuses) + len(facts.Statistics) + len(facts.Imbalances)
		if (cold == market.Cold) != (n == 1) || v == market.Applied && cold != market.Ignored {
			t.Fatalf("%x: %v, then %v with %d facts", b, v, cold, n)
		}
		if v != market.Applied {
			return
		}
		if u.Flags != market.FlagLast || u.Publisher != publisher || u.TsEvent < 0 {
			t.Fatalf("%x: %+v", b, u)
		}
		if want := plain(b); u.OrderID != want.OrderID || u.Price != want.Price || u.Size != want.Size ||
			u.Match != want.Match || u.Action != want.Action || u.PrevOrderID != want.PrevOrderID {
			t.Fatalf("%x:\n got %+v\nwant %+v", b, u, want)
		}
	})
}

// plain is the decoder's twin for a good message: it goes by way of the structs.
func plain(b []byte) (u market.Update) {
	u.Price = market.UndefPrice
	for _, m := range structs() {
		if m.Parse(b) != nil {
			continue
		}
		var p Price
		switch m := m.(type) {
		case *AddOrder:
			u.Action, u.OrderID, u.Size, p = market.Add, m.OrderID, market.Size(m.Quantity), m.Price
		case *OrderExecuted:
			u.Action, u.OrderID, u.Size, u.Match = market.Execute, m.OrderID, market.Size(m.Executed), m.Execution
			return u
		case *OrderExecutedAtPrice:
			u.Action, u.OrderID, u.Size, u.Match, p = market.Execute, m.OrderID, market.Size(m.Executed), m.Execution, m.Price
		case *ReduceSize:
			u.Action, u.OrderID, u.Size = market.Cancel, m.OrderID, market.Size(m.Canceled)
			return u
		case *ModifyOrder:
			u.Action, u.OrderID, u.PrevOrderID, u.Size, p = market.Replace, m.OrderID, m.OrderID, market.Size(m.Quantity), m.Price
			if m.Flags&2 != 0 {
				u.Action, u.PrevOrderID = market.Modify, 0
			}
		case *DeleteOrder:
			u.Action, u.OrderID = market.Delete, m.OrderID
			return u
		case *Trade:
			u.Action, u.OrderID, u.Size, u.Match, p = market.Trade, m.OrderID, market.Size(m.Quantity), m.Execution, m.Price
		case *UnitClear:
			u.Action = market.Clear
			return u
		}
		u.Price, _ = p.Price()
	}
	return u
}

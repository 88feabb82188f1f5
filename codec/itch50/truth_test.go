package itch50

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"testing"

	"tidegate/market"
)

// fields is a message as truth.json has it: the text of each of its fields.
type fields map[string]string

func (f *fields) UnmarshalJSON(b []byte) error {
	var m map[string]any
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(&m); err != nil {
		return err
	}
	*f = fields{}
	for name, value := range m {
		if name != "time" { // the same as ts_ns
			(*f)[name] = fmt.Sprint(value)
		}
	}
	return nil
}

// fieldsOf parses a message and returns its fields under the names that truth.json gives them.
func fieldsOf(t *testing.T, b []byte) fields {
	t.Helper()
	var h Header
	got := fields{}
	set := func(pairs ...any) {
		for i := 0; i < len(pairs); i += 2 {
			value := pairs[i+1]
			if letter, ok := value.(byte); ok {
				value = string(rune(letter))
			}
			got[pairs[i].(string)] = fmt.Sprint(value)
		}
	}
	parse := func(m message) {
		if err := m.Parse(b); err != nil {
			t.Fatalf("%x: %v", b, err)
		}
		if again := m.Append(nil); !bytes.Equal(again, b) {
			t.Fatalf("%+v is written as\n     %x\nwant %x", m, again, b)
		}
	}
	add := func(m *AddOrder) {
		h = m.Header
		set("ref", m.OrderRef, "side", m.Side, "shares", m.Shares, "stock", m.Stock, "price", uint32(m.Price))
	}
	executed := func(m *OrderExecuted) {
		h = m.Header
		set("ref", m.OrderRef, "shares", m.Shares, "match", m.Match)
	}
	switch b[0] {
	case 'S':
		var m SystemEvent
		parse(&m)
		h = m.Header
		set("event", m.Event)
	case 'R':
		var m StockDirectory
		parse(&m)
		h = m.Header
		set("stock", m.Stock, "mkt", m.MarketCategory, "fin", m.FinancialStatus, "lot", m.RoundLotSize,
			"lot_only", m.RoundLotsOnly, "issue", m.IssueClassification,
			"sub", string(bytes.TrimRight(m.IssueSubType[:], " ")), "auth", m.Authenticity, "ssthresh", m.ShortSaleThreshold,
			"ipo", m.IPO, "luld", m.LULDReferencePriceTier, "etp", m.ETP, "etpf", m.ETPLeverageFactor, "inv", m.Inverse)
	case 'H':
		var m TradingAction
		parse(&m)
		h = m.Header
		set("stock", m.Stock, "state", m.State, "res", m.Reserved, "reason", m.Reason)
	case 'Y':
		var m RegSHORestriction
		parse(&m)
		h = m.Header
		set("stock", m.Stock, "action", m.Action)
	case 'L':
		var m MarketParticipantPosition
		parse(&m)
		h = m.Header
		set("mpid", m.Participant, "stock", m.Stock, "primary", m.PrimaryMarketMaker, "mode", m.Mode, "state", m.State)
	case 'J':
		var m LULDAuctionCollar
		parse(&m)
		h = m.Header
		set("stock", m.Stock, "ref", uint32(m.Reference), "upper", uint32(m.Upper), "lower", uint32(m.Lower), "ext", m.Extension)
	case 'A':
		var m AddOrder
		parse(&m)
		add(&m)
	case 'F':
		var m AddOrderMPID
		parse(&m)
		add(&m.AddOrder)
		set("mpid", m.Attribution)
	case 'E':
		var m OrderExecuted
		parse(&m)
		executed(&m)
	case 'C':
		var m OrderExecutedWithPrice
		parse(&m)
		executed(&m.OrderExecuted)
		set("printable", m.Printable, "price", uint32(m.Price))
	case 'X':
		var m OrderCancel
		parse(&m)
		h = m.Header
		set("ref", m.OrderRef, "shares", m.Shares)
	case 'D':
		var m OrderDelete
		parse(&m)
		h = m.Header
		set("ref", m.OrderRef)
	case 'U':
		var m OrderReplace
		parse(&m)
		h = m.Header
		set("ref", m.OrderRef, "newref", m.NewOrderRef, "shares", m.Shares, "price", uint32(m.Price))
	case 'P':
		var m Trade
		parse(&m)
		h = m.Header
		set("ref", m.OrderRef, "side", m.Side, "shares", m.Shares, "stock", m.Stock, "price", uint32(m.Price), "match", m.Match)
	case 'Q':
		var m CrossTrade
		parse(&m)
		h = m.Header
		set("shares", m.Shares, "stock", m.Stock, "price", uint32(m.Price), "match", m.Match, "cross", m.CrossType)
	case 'I':
		var m NOII
		parse(&m)
		h = m.Header
		set("paired", m.Paired, "imb", m.Imbalance, "dir", m.Direction, "stock", m.Stock, "far", uint32(m.Far),
			"near", uint32(m.Near), "cur", uint32(m.Reference), "cross", m.CrossType, "var", m.Variation)
	case 'N':
		var m RPII
		parse(&m)
		h = m.Header
		set("stock", m.Stock, "interest", m.Interest)
	default:
		t.Fatalf("message type %q", b[0])
	}
	set("type", b[0], "locate", h.Locate, "tracking", h.Tracking, "ts_ns", h.Timestamp)
	return got
}

// wantUpdate checks an Update against the fields in truth.json.
func wantUpdate(t *testing.T, u *market.Update, want fields) {
	t.Helper()
	actions := map[string]market.Action{
		"A": market.Add, "F": market.Add, "E": market.Execute, "C": market.Execute, "X": market.Cancel,
		"D": market.Delete, "U": market.Replace, "P": market.Trade, "Q": market.Trade,
	}
	got := fields{"type": want["type"], "locate": fmt.Sprint(u.Instrument), "ts_ns": fmt.Sprint(u.TsEvent - midnight)}
	if u.Action != actions[want["type"]] {
		t.Errorf("action %v of %v", u.Action, want)
	}
	for name := range want {
		switch name {
		case "ref":
			got[name] = fmt.Sprint(u.OrderID)
			if u.Action == market.Replace {
				got[name] = fmt.Sprint(u.PrevOrderID)
			}
		case "newref":
			got[name] = fmt.Sprint(u.OrderID)
		case "side":
			got[name] = map[market.Side]string{market.Bid: "B", market.Ask: "S", market.NoSide: "B"}[u.Side]
		case "shares":
			got[name] = fmt.Sprint(u.Size)
		case "price":
			got[name] = fmt.Sprint(int64(u.Price) / 100_000)
		case "match":
			got[name] = fmt.Sprint(u.Match)
		case "printable":
			got[name] = map[bool]string{false: "Y", true: "N"}[u.Unprintable]
		case "tracking", "stock", "mpid", "cross": // no part of an Update
			got[name] = want[name]
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("update\n got %v\nwant %v", got, want)
	}
}

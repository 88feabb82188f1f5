package ouch50

import (
	"math"
	"testing"

	"tidegate/market"
)

func TestCheck(t *testing.T) {
	enter := func(change func(*EnterOrder)) message {
		m := *golden[0].msg.(*EnterOrder)
		change(&m)
		return &m
	}
	replace := func(change func(*ReplaceOrder)) message {
		m := *golden[2].msg.(*ReplaceOrder)
		change(&m)
		return &m
	}
	opt := func(a Appendage) message { return enter(func(m *EnterOrder) { m.Appendage = a }) }
	var none Appendage
	for _, tt := range []struct {
		name string
		msg  message
		want RejectReason
	}{
		{"side", enter(func(m *EnterOrder) { m.Side = 'b' }), RejectInvalidSide},
		{"no shares", enter(func(m *EnterOrder) { m.Quantity = 0 }), RejectInvalidQuantity},
		{"a share", enter(func(m *EnterOrder) { m.Quantity = 1 }), 0},
		{"most shares", enter(func(m *EnterOrder) { m.Quantity = 999_999 }), 0},
		{"too many shares", enter(func(m *EnterOrder) { m.Quantity = 1_000_000 }), RejectInvalidQuantity},
		{"blank symbol", enter(func(m *EnterOrder) { m.Symbol = Symbol([]byte("        ")) }), RejectInvalidSymbol},
		{"binary symbol", enter(func(m *EnterOrder) { m.Symbol = Symbol{} }), RejectInvalidSymbol},
		{"no price", enter(func(m *EnterOrder) { m.Price = 0 }), RejectInvalidPrice},
		{"lowest price", enter(func(m *EnterOrder) { m.Price = 1 }), 0},
		{"highest price", enter(func(m *EnterOrder) { m.Price = 0x7735939C }), 0},
		{"higher", enter(func(m *EnterOrder) { m.Price = 0x7735939C + 1 }), RejectInvalidPrice},
		{"market", enter(func(m *EnterOrder) { m.Price = 0x77359400 }), 0},
		{"market in a cross", enter(func(m *EnterOrder) { m.Price = 0x7FFFFFFF }), 0},
		{"64 bits", enter(func(m *EnterOrder) { m.Price = math.MaxUint64 }), RejectInvalidPrice},
		{"time in force", enter(func(m *EnterOrder) { m.TimeInForce = '1' }), RejectOther},
		{"display", enter(func(m *EnterOrder) { m.Display = Conformant }), RejectInvalidDisplay},
		{"capacity", enter(func(m *EnterOrder) { m.Capacity = ' ' }), RejectOther},
		{"sweep", enter(func(m *EnterOrder) { m.ISO = 0 }), RejectOther},
		{"cross", enter(func(m *EnterOrder) { m.CrossType = 'X' }), RejectInvalidCrossOrder},
		{"id", enter(func(m *EnterOrder) { m.ClOrdID[3] = '\n' }), RejectOther},
		{"customer", opt(none.AppendCode(TagCustomerType, 'X')), RejectOther},
		{"price type", opt(none.AppendCode(TagPriceType, 'X')), RejectInvalidPegType},
		{"price type of a market maker", opt(none.AppendCode(TagPriceType, MarketMakerPeg)), 0},
		{"discretion of a market maker", opt(none.AppendCode(TagDiscretionPriceType, MarketMakerPeg)), RejectInvalidPegType},
		{"discretion price", opt(none.AppendPrice(TagDiscretionPrice, LimitMax+1)), RejectInvalidPrice},
		{"no discretion", opt(none.AppendPrice(TagDiscretionPrice, 0)), 0},
		{"post-only", opt(none.AppendCode(TagPostOnly, Yes)), RejectOther},
		{"a day", opt(none.AppendUint(TagExpireTime, 86_400)), RejectOther},
		{"trade now", opt(none.AppendCode(TagTradeNow, 'X')), RejectOther},
		{"handling", opt(none.AppendCode(TagHandleInst, 'X')), RejectOther},
		{"located", opt(none.AppendCode(TagSharesLocated, ' ')), RejectOther},
		{"firm", opt(option(TagFirm, 0, 0, 0, 0)), RejectFirmNotAuthorized},
		{"route", opt(option(TagRoute, 1, 2, 3, 4)), RejectInvalidDestination},
		{"broker", opt(option(TagLocateBroker, 1, 2, 3, 4)), RejectOther},
		{"AIQ group", opt(option(TagAIQGroupID, 1, 2)), RejectInvalidAIQ},
		{"the second of two", opt(none.AppendUint(TagMinQty, 1).AppendCode(TagPostOnly, Yes)), RejectOther},
		{"a field before an option", enter(func(m *EnterOrder) {
			m.Side, m.Appendage = 0, none.AppendCode(TagPostOnly, Yes)
		}), RejectInvalidSide},

		{"replace, shares", replace(func(m *ReplaceOrder) { m.Quantity = 0 }), RejectInvalidQuantity},
		{"replace, price", replace(func(m *ReplaceOrder) { m.Price = 0 }), RejectInvalidPrice},
		{"replace, display", replace(func(m *ReplaceOrder) { m.Display = 0 }), RejectInvalidDisplay},
		{"replace, time in force", replace(func(m *ReplaceOrder) { m.TimeInForce = 0 }), RejectOther},
		{"replace, sweep", replace(func(m *ReplaceOrder) { m.ISO = 0 }), RejectOther},
		{"replace, id", replace(func(m *ReplaceOrder) { m.ClOrdID[0] = 0xFF }), RejectOther},
		{"replace, option", replace(func(m *ReplaceOrder) { m.Appendage = none.AppendCode(TagSide, 'X') }), RejectInvalidSide},

		{"modify, side", &ModifyOrder{Side: 'X'}, RejectInvalidSide},
		{"modify, option", &ModifyOrder{Side: Sell, Appendage: none.AppendCode(TagSharesLocated, 'X')}, RejectOther},
		{"mass cancel, all symbols", &MassCancel{Firm: only, Symbol: Symbol([]byte("        "))}, 0},
		{"mass cancel, firm", &MassCancel{Symbol: tide}, RejectFirmNotAuthorized},
		{"mass cancel, symbol", &MassCancel{Firm: only}, RejectInvalidSymbol},
		{"mass cancel, side", &MassCancel{Firm: only, Symbol: tide, Appendage: none.AppendCode(TagSide, ' ')}, RejectInvalidSide},
		{"disable, firm", &DisableOrderEntry{}, RejectFirmNotAuthorized},
		{"enable, firm", &EnableOrderEntry{}, RejectFirmNotAuthorized},
	} {
		var wantErr error
		if tt.want != 0 {
			wantErr = ErrField
		}
		got := fresh(tt.msg)
		if err := got.Parse(tt.msg.Append(nil)); err != wantErr {
			t.Errorf("%s: %v, want %v", tt.name, err, wantErr)
		}
		if r := got.(interface{ Check() RejectReason }).Check(); r != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, r, tt.want)
		}
	}
}

// What the venue says is judged where a client must understand it.
func TestVenueFields(t *testing.T) {
	for _, tt := range []struct {
		name string
		msg  message
		want error
	}{
		{"accepted, side", &OrderAccepted{Side: 'X', State: Live}, ErrField},
		{"accepted, state", &OrderAccepted{Side: Buy, State: 'X'}, ErrField},
		{"accepted, the rest", &OrderAccepted{Side: Buy, State: Dead}, nil},
		{"replaced, side", &OrderReplaced{OrderAccepted: OrderAccepted{State: Live}}, ErrField},
		{"replaced, the rest", &OrderReplaced{OrderAccepted: OrderAccepted{Side: Buy, State: Live}}, nil},
		{"modified, side", &OrderModified{}, ErrField},
		{"canceled", &OrderCanceled{}, nil},
		{"option", &OrderRestated{Appendage: option(TagPriceType, 'X')}, nil},
	} {
		if err := fresh(tt.msg).Parse(tt.msg.Append(nil)); err != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
}

func TestRejectReasons(t *testing.T) {
	names := map[string]bool{}
	for r := range RejectReason(0x100) {
		if s := r.String(); s != "reason?" {
			names[s] = true
		} else if r <= 0x33 || r == 0x40 {
			t.Errorf("reason %#x has no name", uint16(r))
		}
	}
	if len(names) != 1+0x33+1 {
		t.Errorf("%d names, want %d", len(names), 1+0x33+1)
	}
	if got := RejectReason(math.MaxUint16).String(); got != "reason?" {
		t.Errorf("the last reason is %q", got)
	}
	if RejectInvalidSymbol != 0x17 || RejectRiskMarketOrderNotAllowed != 0x2C || RejectRegSHOStateNotAvailable != 0x32 {
		t.Error("reasons have other numbers than in the specification")
	}
}

func TestMarketSide(t *testing.T) {
	for side := range 256 {
		want := market.NoSide
		switch side {
		case 'B':
			want = market.Bid
		case 'S', 'T', 'E':
			want = market.Ask
		}
		if got := MarketSide(byte(side)); got != want {
			t.Errorf("%c is %s, want %s", side, got, want)
		}
	}
}

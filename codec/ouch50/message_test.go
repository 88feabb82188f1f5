package ouch50

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// A message is what all message structs can do.
type message interface {
	Append(b []byte) []byte
	Parse(b []byte) error
}

// unhex reads hexadecimal digits, spaces aside.
func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

// Parts of the golden messages, and how they look on the wire. The time is 09:30:00.123456789, which is
// 34,200,123,456,789 nanoseconds after midnight.
const (
	midday   = 34_200_123_456_789
	timeHex  = " 00001f1ad635bd15 "
	refHex   = " 00000007 "
	stockHex = " 5449444520202020 "             // "TIDE    "
	firmHex  = " 4f4e4c59 "                     // "ONLY"
	idHex    = " 6d792d31202020202020 20202020" // "my-1" and ten spaces
	priceHex = " 000000000003b40c "             // 24.27
	orderHex = " 0102030405060708 "
	matchHex = " 1112131415161718 "
	idx5     = " 0003 021c05" // an appendage of one option: UserRefIdx 5
)

var (
	head = Header{Timestamp: midday, UserRefNum: 7}
	tide = Symbol([]byte("TIDE    "))
	only = Firm([]byte("ONLY"))
	my1  = ClOrdID([]byte("my-1          "))
	five = Appendage{2, 28, 5}
)

// golden has each message of the protocol, written out by hand from the specification: the fields in
// their order, with a space between each two. What ends with an appendage of the rule "optional" is
// there with and without.
var golden = []struct {
	name   string
	wire   string
	msg    message
	client bool
}{
	{
		"enter order", "4f" + refHex + "42 0000012c" + stockHex + priceHex + "30 59 50 4e 4e" + idHex + "0000",
		&EnterOrder{
			UserRefNum: 7, Side: Buy, Quantity: 300, Symbol: tide, Price: 242700, TimeInForce: Day, Display: Visible,
			Capacity: Principal, ISO: No, CrossType: ContinuousMarket, ClOrdID: my1, Appendage: Appendage{},
		}, true,
	},
	{
		"enter order, many options",
		"4f" + refHex + "54 000f423f" + stockHex + "0000000077359400 36 4e 41 59 43" + idHex + "0063" +
			"05 02 4f4e4c59 05 03 00000064 02 04 52 05 05 000000c8 02 06 4d 05 07 ffffff9c 09 09 000000007735939c" +
			"02 0a 52 05 0b 00000064 02 0c 50 05 0d 0000000a 05 0e 534b4950 05 0f 0001517f 02 10 20 02 11 49 03 18 0102" +
			"02 19 59 05 1a 42524f4b 02 1c ff 02 1d 4f 03 1e 4131",
		&EnterOrder{
			UserRefNum: 7, Side: SellShort, Quantity: QuantityMax, Symbol: tide, Price: MarketPrice, TimeInForce: GoodTillTime,
			Display: Hidden, Capacity: Agency, ISO: Yes, CrossType: ClosingCross, ClOrdID: my1,
			Appendage: Appendage(nil).AppendText(TagFirm, "ONLY").AppendUint(TagMinQty, 100).AppendCode(TagCustomerType, 'R').
				AppendUint(TagMaxFloor, 200).AppendCode(TagPriceType, MidpointPeg).AppendOffset(TagPegOffset, -100).
				AppendPrice(TagDiscretionPrice, LimitMax).AppendCode(TagDiscretionPriceType, PrimaryPeg).
				AppendOffset(TagDiscretionPegOffset, 100).AppendCode(TagPostOnly, PostOnly).AppendUint(TagRandomReserves, 10).
				AppendText(TagRoute, "SKIP").AppendUint(TagExpireTime, 86399).AppendCode(TagTradeNow, ' ').
				AppendCode(TagHandleInst, 'I').AppendUint(TagGroupID, 0x0102).AppendCode(TagSharesLocated, Yes).
				AppendText(TagLocateBroker, "BROK").AppendUint(TagUserRefIdx, 255).AppendCode(TagAIQStrategy, 'O').
				AppendText(TagAIQGroupID, "A1"),
		}, true,
	},
	{
		"replace order", "55" + refHex + "00000008 00000064" + priceHex + "33 41 4e" + idHex + idx5,
		&ReplaceOrder{
			OrigUserRefNum: 7, UserRefNum: 8, Quantity: 100, Price: 242700, TimeInForce: Immediate, Display: Attributable,
			ISO: No, ClOrdID: my1, Appendage: five,
		}, true,
	},
	{"cancel order", "58" + refHex + "00000000", &CancelOrder{UserRefNum: 7}, true},
	{"cancel order in part", "58" + refHex + "00000064" + idx5, &CancelOrder{UserRefNum: 7, Quantity: 100, Appendage: five}, true},
	{"modify order", "4d" + refHex + "45 00000064", &ModifyOrder{UserRefNum: 7, Side: SellShortExempt, Quantity: 100}, true},
	{
		"modify order, options", "4d" + refHex + "54 00000064 0006 02 19 4e 02 1c 05",
		&ModifyOrder{
			UserRefNum: 7, Side: SellShort, Quantity: 100,
			Appendage: Appendage(nil).AppendCode(TagSharesLocated, No).AppendUint(TagUserRefIdx, 5),
		}, true,
	},
	{
		"mass cancel", "43" + refHex + firmHex + stockHex + "0003 02 1b 53",
		&MassCancel{UserRefNum: 7, Firm: only, Symbol: tide, Appendage: Appendage(nil).AppendCode(TagSide, Sell)}, true,
	},
	{
		"disable order entry", "44" + refHex + firmHex + "0000",
		&DisableOrderEntry{OrderEntryControl{UserRefNum: 7, Firm: only, Appendage: Appendage{}}}, true,
	},
	{
		"enable order entry", "45" + refHex + firmHex + idx5,
		&EnableOrderEntry{OrderEntryControl{UserRefNum: 7, Firm: only, Appendage: five}}, true,
	},
	{"account query", "51", &AccountQuery{}, true},
	{"account query of a sequence", "51" + idx5, &AccountQuery{Appendage: five}, true},

	{"system event", "53" + timeHex + "45", &SystemEvent{midday, EndOfDay}, false},
	{
		"order accepted",
		"41" + timeHex + refHex + "53 0000012c" + stockHex + priceHex + "35 5a" + orderHex + "52 4e 48 4c" + idHex +
			"000a 09 01 2122232425262728",
		&OrderAccepted{
			Header: head, Side: Sell, Quantity: 300, Symbol: tide, Price: 242700, TimeInForce: ExtendedHours, Display: Conformant,
			OrderRef: 0x0102030405060708, Capacity: Riskless, ISO: No, CrossType: HaltCross, State: Live, ClOrdID: my1,
			Appendage: Appendage(nil).AppendUint(TagSecondaryOrdRefNum, 0x2122232425262728),
		}, false,
	},
	{
		"order replaced",
		"55" + timeHex + "00000006" + refHex + "53 0000012c" + stockHex + priceHex + "45 59" + orderHex + "4f 59 4e 44" + idHex + "0000",
		&OrderReplaced{
			OrderAccepted: OrderAccepted{
				Header: head, Side: Sell, Quantity: 300, Symbol: tide, Price: 242700, TimeInForce: AfterHours, Display: Visible,
				OrderRef: 0x0102030405060708, Capacity: OtherCapacity, ISO: Yes, CrossType: ContinuousMarket, State: Dead,
				ClOrdID: my1, Appendage: Appendage{},
			},
			OrigUserRefNum: 6,
		}, false,
	},
	{"order canceled", "43" + timeHex + refHex + "00000064 55", &OrderCanceled{Header: head, Quantity: 100, Reason: CanceledByUser}, false},
	{"order canceled, option", "43" + timeHex + refHex + "00000064 49" + idx5, &OrderCanceled{head, 100, CanceledImmediate, five}, false},
	{
		"AIQ canceled", "44" + timeHex + refHex + "00000064 51 00000032" + priceHex + "52 59",
		&AIQCanceled{head, 100, CanceledSelfMatch, 50, 242700, LiquidityRemoved, 'Y', nil}, false,
	},
	{
		"order executed", "45" + timeHex + refHex + "00000064" + priceHex + "41" + matchHex + "0000",
		&OrderExecuted{head, 100, 242700, LiquidityAdded, 0x1112131415161718, Appendage{}}, false,
	},
	{
		"broken trade", "42" + timeHex + refHex + matchHex + "45" + idHex,
		&BrokenTrade{head, 0x1112131415161718, BrokenErroneous, my1, nil}, false,
	},
	{"rejected", "4a" + timeHex + refHex + "001d" + idHex, &Rejected{head, RejectInvalidPrice, my1, nil}, false},
	{"rejected, option", "4a" + timeHex + refHex + "0040" + idHex + idx5, &Rejected{head, RejectInvalidAIQ, my1, five}, false},
	{"cancel pending", "50" + timeHex + refHex, &CancelPending{Notice{Header: head}}, false},
	{"cancel reject", "49" + timeHex + refHex + idx5, &CancelReject{Notice{head, five}}, false},
	{
		"order priority update", "54" + timeHex + refHex + priceHex + "59" + orderHex,
		&OrderPriorityUpdate{head, 242700, Visible, 0x0102030405060708, nil}, false,
	},
	{"order modified", "4d" + timeHex + refHex + "54 00000064", &OrderModified{head, SellShort, 100, nil}, false},
	{
		"order restated", "52" + timeHex + refHex + "52 001a 0516 00000064 0917 000000000003b40c 0901 2122232425262728",
		&OrderRestated{head, RestatedDisplay, Appendage(nil).AppendUint(TagDisplayQuantity, 100).
			AppendPrice(TagDisplayPrice, 242700).AppendUint(TagSecondaryOrdRefNum, 0x2122232425262728)}, false,
	},
	{
		"mass cancel response", "58" + timeHex + refHex + firmHex + stockHex + "0003 02 1b 42",
		&MassCancelResponse{head, only, tide, Appendage(nil).AppendCode(TagSide, Buy)}, false,
	},
	{
		"disable order entry response", "47" + timeHex + refHex + firmHex + "0000",
		&DisableOrderEntryResponse{OrderEntryControlResponse{head, only, Appendage{}}}, false,
	},
	{
		"enable order entry response", "4b" + timeHex + refHex + firmHex + idx5,
		&EnableOrderEntryResponse{OrderEntryControlResponse{head, only, five}}, false,
	},
	{"account query response", "51" + timeHex + "00000008", &AccountQueryResponse{midday, 8, nil}, false},
	{"account query response, option", "51" + timeHex + "00000008" + idx5, &AccountQueryResponse{midday, 8, five}, false},
}

// A spec is what the specification says of a message type: the length in bytes with that of an empty
// appendage, and whether that may be missing or is never there.
type spec struct {
	length int
	rule   rule
}

var (
	clientSpecs = map[byte]spec{
		'O': {47, always}, 'U': {40, always}, 'X': {11, optional}, 'M': {12, optional}, 'C': {19, always},
		'D': {11, always}, 'E': {11, always}, 'Q': {3, optional},
	}
	venueSpecs = map[byte]spec{
		'S': {10, never}, 'A': {64, always}, 'U': {68, always}, 'C': {20, optional}, 'D': {34, optional}, 'E': {36, always},
		'B': {38, optional}, 'J': {31, optional}, 'P': {15, optional}, 'I': {15, optional}, 'T': {32, optional},
		'M': {20, optional}, 'R': {16, always}, 'X': {27, always}, 'G': {19, always}, 'K': {19, always}, 'Q': {15, optional},
	}
)

// specOf returns what the specification says of a message, and the message's length without its appendage.
func specOf(wire []byte, client bool) (spec, int) {
	specs := venueSpecs
	if client {
		specs = clientSpecs
	}
	s := specs[wire[0]]
	if s.rule == never {
		return s, s.length
	}
	return s, s.length - 2
}

// fresh returns a new message of the type of m.
func fresh(m message) message { return reflect.New(reflect.TypeOf(m).Elem()).Interface().(message) }

func TestGoldenMessages(t *testing.T) {
	seenClient, seenVenue := map[byte]bool{}, map[byte]bool{}
	for _, g := range golden {
		t.Run(g.name, func(t *testing.T) {
			wire := unhex(g.wire)
			if g.client {
				seenClient[wire[0]] = true
			} else {
				seenVenue[wire[0]] = true
			}
			if got := g.msg.Append(nil); !bytes.Equal(got, wire) {
				t.Errorf("Append:\n got %x\nwant %x", got, wire)
			}
			if got := g.msg.Append([]byte("kept")); string(got[:4]) != "kept" || !bytes.Equal(got[4:], wire) {
				t.Errorf("Append does not append: %x", got)
			}
			got := fresh(g.msg)
			if err := got.Parse(wire); err != nil {
				t.Fatalf("Parse: %v", err)
			}
			if !reflect.DeepEqual(got, g.msg) {
				t.Errorf("Parse:\n got %+v\nwant %+v", got, g.msg)
			}
		})
	}
	if len(seenClient) != len(clientSpecs) || len(seenVenue) != len(venueSpecs) {
		t.Errorf("%d and %d message types, want %d and %d", len(seenClient), len(seenVenue), len(clientSpecs), len(venueSpecs))
	}
}

// Every length of every message: only those that the specification has are read, and the others leave
// the message alone.
func TestLengths(t *testing.T) {
	for _, g := range golden {
		t.Run(g.name, func(t *testing.T) {
			wire := unhex(g.wire)
			s, bare := specOf(wire, g.client)
			for n := range len(wire) {
				want := ErrShort
				if n == bare && s.rule != always {
					want = nil
				}
				got := fresh(g.msg)
				if err := got.Parse(wire[:n]); err != want {
					t.Errorf("%d of %d bytes: %v, want %v", n, len(wire), err, want)
				}
				if want != nil && !reflect.DeepEqual(got, fresh(g.msg)) {
					t.Errorf("%d of %d bytes: read as %+v", n, len(wire), got)
				}
			}
			long := append(bytes.Clone(wire), 0)
			switch err := fresh(g.msg).Parse(long); {
			case len(wire) == bare && s.rule == optional && err != ErrShort: // half a length
				t.Errorf("a byte more: %v, want ErrShort", err)
			case (len(wire) != bare || s.rule != optional) && err != ErrLong:
				t.Errorf("a byte more: %v, want ErrLong", err)
			}
			other := bytes.Clone(wire)
			other[0]++
			if err := fresh(g.msg).Parse(other); err != ErrType {
				t.Errorf("another type: %v, want ErrType", err)
			}
			if s.rule != never {
				empty := append(bytes.Clone(wire[:bare]), 0, 0)
				if err := fresh(g.msg).Parse(empty); err != nil || len(empty) != s.length {
					t.Errorf("an empty appendage, %d bytes in all, want %d: %v", len(empty), s.length, err)
				}
			}
		})
	}
}

// What is not judged is read and written as it is: no byte of any message may be lost or change its
// place.
func TestMessagesKeepEveryByte(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := rapid.SampledFrom(golden).Draw(t, "message")
		_, bare := specOf(unhex(g.wire), g.client)
		noise := rapid.SliceOfN(rapid.Byte(), bare-1, bare-1).Draw(t, "bytes")
		wire := append([]byte{unhex(g.wire)[0]}, noise...)
		wire = append(wire, unhex(g.wire)[bare:]...)
		m := fresh(g.msg)
		if err := m.Parse(wire); err != nil && err != ErrField {
			t.Fatal(err)
		}
		if got := m.Append(nil); !bytes.Equal(got, wire) {
			t.Fatalf("%+v\n got %x\nwant %x", m, got, wire)
		}
	})
}

func TestLengthMax(t *testing.T) {
	m := OrderReplaced{OrderAccepted: OrderAccepted{Appendage: everyOption()}}
	if got := len(m.Append(nil)); got != LengthMax {
		t.Errorf("the longest message has %d bytes, LengthMax is %d", got, LengthMax)
	}
}

func TestMessagesDoNotAllocate(t *testing.T) {
	buf := make([]byte, 0, LengthMax)
	for _, g := range golden {
		wire, m := unhex(g.wire), fresh(g.msg)
		if n := testing.AllocsPerRun(100, func() {
			if err := m.Parse(wire); err != nil {
				t.Fatal(err)
			}
			if buf = m.Append(buf[:0]); len(buf) != len(wire) {
				t.Fatalf("%d bytes, want %d", len(buf), len(wire))
			}
		}); n != 0 {
			t.Errorf("%s: %.1f allocations", g.name, n)
		}
	}
}

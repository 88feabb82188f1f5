package itch50

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tidegate/market"
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

// head is the header of the golden messages, and headHex how it looks on the wire: locate 8,243,
// tracking 2, and 09:30:00.123456789, which is 34,200,123,456,789 nanoseconds after midnight.
var head = Header{Locate: 8243, Tracking: 2, Timestamp: 34_200_123_456_789}

const (
	headHex = " 2033 0002 1f1ad635bd15 "
	stock   = " 54494445 20202020 " // "TIDE    "
)

var tide = Symbol([]byte("TIDE    "))

// golden has each message of the protocol, written out by hand from the specification: the fields in
// their order, with a space between each two.
var golden = []struct {
	name string
	wire string
	msg  message
}{
	{"system event", "53" + headHex + "51", &SystemEvent{head, 'Q'}},
	{
		"stock directory",
		"52" + headHex + stock + "51 4e 00000064 4e 43 5a20 50 4e 20 31 59 00000003 4e",
		&StockDirectory{
			Header: head, Stock: tide, MarketCategory: 'Q', FinancialStatus: 'N', RoundLotSize: 100, RoundLotsOnly: 'N',
			IssueClassification: 'C', IssueSubType: [2]byte{'Z', ' '}, Authenticity: 'P', ShortSaleThreshold: 'N', IPO: ' ',
			LULDReferencePriceTier: '1', ETP: 'Y', ETPLeverageFactor: 3, Inverse: 'N',
		},
	},
	{
		"trading action", "48" + headHex + stock + "48 20 54312020",
		&TradingAction{Header: head, Stock: tide, State: 'H', Reserved: ' ', Reason: Reason([]byte("T1  "))},
	},
	{"Reg SHO restriction", "59" + headHex + stock + "31", &RegSHORestriction{head, tide, '1'}},
	{
		"market participant position", "4c" + headHex + "4f4e4c59" + stock + "59 4e 41",
		&MarketParticipantPosition{head, MPID([]byte("ONLY")), tide, 'Y', 'N', 'A'},
	},
	{
		"MWCB decline level", "56" + headHex + "0000005f5e100000 0000005d21dba000 0000005879c3d800",
		&MWCBDecline{head, 409600000000, 400000000000, 380000000000},
	},
	{"MWCB status", "57" + headHex + "32", &MWCBStatus{head, '2'}},
	{
		"IPO quoting period", "4b" + headHex + stock + "0000a8c0 41 0002bf20",
		&IPOQuotingPeriod{Header: head, Stock: tide, ReleaseTime: 43200, Qualifier: 'A', Price: 180_000},
	},
	{
		"LULD auction collar", "4a" + headHex + stock + "00020918 00022344 0001aa90 00000001",
		&LULDAuctionCollar{Header: head, Stock: tide, Reference: 133400, Upper: 140100, Lower: 109200, Extension: 1},
	},
	{"operational halt", "68" + headHex + stock + "51 48", &OperationalHalt{head, tide, 'Q', 'H'}},
	{
		"add order", "41" + headHex + "0102030405060708 42 0000012c" + stock + "0003b40c",
		&AddOrder{Header: head, OrderRef: 0x0102030405060708, Side: Buy, Shares: 300, Stock: tide, Price: 242700},
	},
	{
		"add order, attributed", "46" + headHex + "0102030405060708 53 0000012c" + stock + "0003b40c 4f4e4c59",
		&AddOrderMPID{
			AddOrder:    AddOrder{Header: head, OrderRef: 0x0102030405060708, Side: Sell, Shares: 300, Stock: tide, Price: 242700},
			Attribution: MPID([]byte("ONLY")),
		},
	},
	{
		"order executed", "45" + headHex + "0102030405060708 0000000a 1112131415161718",
		&OrderExecuted{head, 0x0102030405060708, 10, 0x1112131415161718},
	},
	{
		"order executed with price", "43" + headHex + "0102030405060708 0000000a 1112131415161718 4e 0003b40c",
		&OrderExecutedWithPrice{OrderExecuted{head, 0x0102030405060708, 10, 0x1112131415161718}, 'N', 242700},
	},
	{"order cancel", "58" + headHex + "0102030405060708 000003e8", &OrderCancel{head, 0x0102030405060708, 1000}},
	{"order delete", "44" + headHex + "0102030405060708", &OrderDelete{head, 0x0102030405060708}},
	{
		"order replace", "55" + headHex + "0102030405060708 0102030405060709 000003e8 0003b40c",
		&OrderReplace{head, 0x0102030405060708, 0x0102030405060709, 1000, 242700},
	},
	{
		"trade", "50" + headHex + "0000000000000000 42 00000019" + stock + "0003b40c 1112131415161718",
		&Trade{Header: head, Side: Buy, Shares: 25, Stock: tide, Price: 242700, Match: 0x1112131415161718},
	},
	{
		"cross trade", "51" + headHex + "0000000123456789" + stock + "0003b40c 1112131415161718 4f",
		&CrossTrade{head, 0x123456789, tide, 242700, 0x1112131415161718, 'O'},
	},
	{"broken trade", "42" + headHex + "1112131415161718", &BrokenTrade{head, 0x1112131415161718}},
	{
		"NOII", "49" + headHex + "00000000000186a0 00000000000003e8 53" + stock + "0003b3a8 0003b40c 0003b470 43 4c",
		&NOII{head, 100_000, 1000, 'S', tide, 242600, 242700, 242800, 'C', 'L'},
	},
	{"RPII", "4e" + headHex + stock + "41", &RPII{head, tide, 'A'}},
	{
		"direct listing", "4f" + headHex + stock + "59 00027100 000afc80 00030d40 00001f1ad635bd15 0002bf20 00035b60",
		&DirectListing{head, tide, 'Y', 160_000, 720_000, 200_000, 34_200_123_456_789, 180_000, 220_000},
	},
}

// specLengths are the message lengths of the specification.
var specLengths = map[byte]int{
	'S': 12, 'R': 39, 'H': 25, 'Y': 20, 'L': 26, 'V': 35, 'W': 12, 'K': 28, 'J': 35, 'h': 21, 'A': 36, 'F': 40,
	'E': 31, 'C': 36, 'X': 23, 'D': 19, 'U': 35, 'P': 44, 'Q': 40, 'B': 19, 'I': 50, 'N': 20, 'O': 48,
}

func TestGoldenMessages(t *testing.T) {
	seen := map[byte]bool{}
	for _, g := range golden {
		t.Run(g.name, func(t *testing.T) {
			wire := unhex(g.wire)
			seen[wire[0]] = true
			if len(wire) != specLengths[wire[0]] {
				t.Fatalf("the golden message has %d bytes, want %d", len(wire), specLengths[wire[0]])
			}
			if got := g.msg.Append(nil); !bytes.Equal(got, wire) {
				t.Errorf("Append:\n got %x\nwant %x", got, wire)
			}
			if got := g.msg.Append([]byte("kept")); string(got[:4]) != "kept" || !bytes.Equal(got[4:], wire) {
				t.Errorf("Append does not append: %x", got)
			}
			got := reflect.New(reflect.TypeOf(g.msg).Elem()).Interface().(message)
			if err := got.Parse(wire); err != nil {
				t.Fatalf("Parse: %v", err)
			}
			if !reflect.DeepEqual(got, g.msg) {
				t.Errorf("Parse:\n got %+v\nwant %+v", got, g.msg)
			}
			for _, wrong := range [][]byte{wire[:len(wire)-1], append(bytes.Clone(wire), 0)} {
				if err := got.Parse(wrong); !errors.Is(err, ErrLength) {
					t.Errorf("Parse of %d bytes: %v, want ErrLength", len(wrong), err)
				}
			}
			other := bytes.Clone(wire)
			other[0]++
			for _, wrong := range [][]byte{nil, other} {
				if err := got.Parse(wrong); !errors.Is(err, ErrType) {
					t.Errorf("Parse of %x: %v, want ErrType", wrong, err)
				}
			}
		})
	}
	if len(seen) != len(specLengths) {
		t.Errorf("%d message types, want %d", len(seen), len(specLengths))
	}
}

func TestLength(t *testing.T) {
	longest := 0
	for typ := range 256 {
		if got, want := Length(byte(typ)), specLengths[byte(typ)]; got != want {
			t.Errorf("Length(%#x) is %d, want %d", typ, got, want)
		}
		longest = max(longest, Length(byte(typ)))
	}
	if longest != LengthMax {
		t.Errorf("LengthMax is %d, the longest message has %d bytes", LengthMax, longest)
	}
}

// TestMessagesKeepEveryByte reads bytes at random and writes them again: no byte of any message may
// be lost or change its place.
func TestMessagesKeepEveryByte(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := rapid.SampledFrom(golden).Draw(t, "message")
		typ := unhex(g.wire)[0]
		wire := append([]byte{typ}, rapid.SliceOfN(rapid.Byte(), Length(typ)-1, Length(typ)-1).Draw(t, "bytes")...)
		m := reflect.New(reflect.TypeOf(g.msg).Elem()).Interface().(message)
		if err := m.Parse(wire); err != nil {
			t.Fatal(err)
		}
		if got := m.Append(nil); !bytes.Equal(got, wire) {
			t.Fatalf("%+v\n got %x\nwant %x", m, got, wire)
		}
	})
}

func TestSymbol(t *testing.T) {
	for _, name := range []string{"", "A", "BRK.B", "ZVZZT", "ABCDEFGH"} {
		s, err := ParseSymbol(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.String(); got != name {
			t.Errorf("%q became %q", name, got)
		}
	}
	if s, _ := ParseSymbol("TIDE"); s != tide {
		t.Errorf("ParseSymbol pads to %q", s[:])
	}
	for _, name := range []string{"ABCDEFGHI", "A\n", "\xff", "Ä"} {
		if _, err := ParseSymbol(name); err == nil {
			t.Errorf("ParseSymbol(%q) succeeds", name)
		}
	}
	if got := MPID([]byte("ABC ")).String(); got != "ABC" {
		t.Errorf("MPID is %q", got)
	}
	if got := Reason([]byte("T1  ")).String(); got != "T1" {
		t.Errorf("Reason is %q", got)
	}
}

func TestPrices(t *testing.T) {
	if got := Price4(math.MaxUint32).Price(); got != 429_496_729_500_000 {
		t.Errorf("the largest Price4 is %d", got)
	}
	if got := Price4(12345).Price().String(); got != "1.2345" {
		t.Errorf("Price4 12345 is %s", got)
	}
	for _, tt := range []struct {
		p    Price8
		want market.Price
		ok   bool
	}{
		{0, 0, true},
		{411234567890, 4_112_345_678_900, true},
		{math.MaxInt64 / 10, math.MaxInt64 / 10 * 10, true},
		{math.MaxInt64/10 + 1, market.UndefPrice, false},
		{math.MaxInt64 + 1, market.UndefPrice, false},
		{math.MaxUint64, market.UndefPrice, false},
	} {
		if got, ok := tt.p.Price(); got != tt.want || ok != tt.ok {
			t.Errorf("Price8 %d is %d, %t, want %d, %t", tt.p, got, ok, tt.want, tt.ok)
		}
	}
}

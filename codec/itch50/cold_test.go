package itch50

import (
	"math"
	"reflect"
	"testing"

	"tidegate/market"
)

const headTime = midnight + 34_200_123_456_789 // of the golden messages

func status(edit func(s *market.Status)) market.Facts {
	s := market.Status{
		TsEvent: headTime, Instrument: 8243, Publisher: market.NasdaqITCH.ID,
		Trading: market.Unknown, Quoting: market.Unknown, ShortSaleRestraint: market.Unknown,
	}
	edit(&s)
	return market.Facts{Statuses: []market.Status{s}}
}

func statistic(instrument market.InstrumentID, kind market.StatKind, p market.Price) market.Statistic {
	return market.Statistic{
		TsEvent: headTime, TsRef: market.UndefTime, Price: p, Quantity: math.MaxInt64,
		Instrument: instrument, Publisher: market.NasdaqITCH.ID, Kind: kind,
	}
}

func TestDecodeCold(t *testing.T) {
	definition := func(exchange, secType string) market.Facts {
		return market.Facts{Definitions: []market.Definition{{
			TsEvent: headTime,
			Instrument: market.Instrument{
				ID: 8243, Publisher: market.NasdaqITCH.ID, Symbol: "TIDE", TickSize: 10_000_000, RoundLot: 100,
			},
			Class: 'K', Exchange: exchange, SecType: secType,
		}}}
	}
	imbalance := market.Imbalance{
		TsEvent: headTime, AuctionTime: market.UndefTime,
		RefPrice: 24_280_000_000, ContClearPrice: 24_270_000_000, AuctClearPrice: 24_260_000_000,
		MatchPrice: market.UndefPrice, UpperCollar: market.UndefPrice, LowerCollar: market.UndefPrice,
		Paired: 100_000, Imbalance: 1000, Instrument: 8243, Publisher: market.NasdaqITCH.ID,
		AuctionType: 'C', Side: market.Ask, Variation: 'L',
	}
	noPrices := imbalance
	noPrices.RefPrice, noPrices.ContClearPrice, noPrices.AuctClearPrice = market.UndefPrice, market.UndefPrice, market.UndefPrice
	noPrices.Side, noPrices.Paired, noPrices.Imbalance = market.NoSide, 0, 0
	release := statistic(8243, StatIPOPrice, 18_000_000_000)
	release.TsRef = midnight + 12*market.Hour

	for _, tt := range []struct {
		name string
		wire string
		want market.Facts
	}{
		{
			"definition, Nasdaq", "52" + headHex + stock + "51 4e 00000064 4e 43 5a20 50 4e 20 31 59 00000003 4e",
			definition("XNAS", "CZ"),
		},
		{
			"definition, NYSE Arca", "52" + headHex + stock + "50 20 00000064 4e 51 4520 50 4e 20 31 59 00000003 4e",
			definition("ARCX", "QE"),
		},
		{
			"definition, unknown market", "52" + headHex + stock + "20 20 00000064 4e 57 2020 50 4e 20 31 59 00000003 4e",
			definition("", "W"),
		},
		{"halt", "48" + headHex + stock + "48 20 54312020", status(func(s *market.Status) {
			s.Action, s.Trading, s.Quoting, s.Reason = market.StatusHalt, market.No, market.No, 30
		})},
		{"pause", "48" + headHex + stock + "50 20 4c554450", status(func(s *market.Status) {
			s.Action, s.Trading, s.Quoting, s.Reason = market.StatusPause, market.No, market.No, 50
		})},
		{"quotation", "48" + headHex + stock + "51 20 49504f51", status(func(s *market.Status) {
			s.Action, s.Trading, s.Quoting, s.Reason = market.StatusQuoting, market.No, market.Yes, 110
		})},
		{"trading", "48" + headHex + stock + "54 20 20202020", status(func(s *market.Status) {
			s.Action, s.Trading, s.Quoting = market.StatusTrading, market.Yes, market.Yes
		})},
		{"short sales free", "59" + headHex + stock + "30", status(func(s *market.Status) {
			s.Action, s.ShortSaleRestraint = market.StatusShortSaleChange, market.No
		})},
		{"short sales restricted", "59" + headHex + stock + "31", status(func(s *market.Status) {
			s.Action, s.ShortSaleRestraint = market.StatusShortSaleChange, market.Yes
		})},
		{"short sales still restricted", "59" + headHex + stock + "32", status(func(s *market.Status) {
			s.Action, s.ShortSaleRestraint = market.StatusShortSaleChange, market.Yes
		})},
		{"operational halt", "68" + headHex + stock + "51 48", status(func(s *market.Status) {
			s.Action, s.Trading, s.Quoting, s.Reason = market.StatusHalt, market.No, market.No, 60
		})},
		{"operational halt is over", "68" + headHex + stock + "51 54", status(func(s *market.Status) {
			s.Action, s.Trading, s.Quoting, s.Reason = market.StatusTrading, market.Yes, market.Yes, 60
		})},
		{"breaker level 2", "57" + headHex + "32", status(func(s *market.Status) {
			s.Instrument, s.Action, s.Trading, s.Quoting, s.Reason = 0, market.StatusHalt, market.No, market.No, 121
		})},
		{"start of messages", "53" + headHex + "4f", status(func(s *market.Status) {
			s.Instrument, s.Action, s.Trading, s.Quoting, s.Reason = 0, market.StatusNotAvailable, market.No, market.No, 1
		})},
		{"start of system hours", "53" + headHex + "53", status(func(s *market.Status) {
			s.Instrument, s.Action, s.Trading, s.Quoting, s.Reason = 0, market.StatusPreOpen, market.Yes, market.Yes, 1
		})},
		{"start of market hours", "53" + headHex + "51", status(func(s *market.Status) {
			s.Instrument, s.Action, s.Trading, s.Quoting, s.Reason = 0, market.StatusTrading, market.Yes, market.Yes, 1
		})},
		{"end of market hours", "53" + headHex + "4d", status(func(s *market.Status) {
			s.Instrument, s.Action, s.Trading, s.Quoting, s.Reason = 0, market.StatusPostClose, market.Yes, market.Yes, 1
		})},
		{"end of system hours", "53" + headHex + "45", status(func(s *market.Status) {
			s.Instrument, s.Action, s.Trading, s.Quoting, s.Reason = 0, market.StatusClose, market.No, market.No, 1
		})},
		{"end of messages", "53" + headHex + "43", status(func(s *market.Status) {
			s.Instrument, s.Action, s.Trading, s.Quoting, s.Reason = 0, market.StatusNotAvailable, market.No, market.No, 1
		})},
		{
			"breaker levels", "56" + headHex + "0000005f5e100000 0000005d21dba000 0ccccccccccccccc",
			market.Facts{Statistics: []market.Statistic{
				statistic(0, market.StatBreakerLevel1, 4_096_000_000_000),
				statistic(0, market.StatBreakerLevel2, 4_000_000_000_000),
				statistic(0, market.StatBreakerLevel3, 9_223_372_036_854_775_800),
			}},
		},
		{
			"collar", "4a" + headHex + stock + "00020918 00022344 0001aa90 00000001",
			market.Facts{Statistics: []market.Statistic{
				statistic(8243, market.StatCollarReference, 13_340_000_000),
				statistic(8243, market.StatCollarUpper, 14_010_000_000),
				statistic(8243, market.StatCollarLower, 10_920_000_000),
			}},
		},
		{
			"IPO", "4b" + headHex + stock + "0000a8c0 41 0002bf20",
			market.Facts{Statistics: []market.Statistic{release}},
		},
		{
			"IPO canceled", "4b" + headHex + stock + "00000000 43 00000000",
			market.Facts{Statistics: []market.Statistic{statistic(8243, StatIPOPrice, market.UndefPrice)}},
		},
		{
			"imbalance", "49" + headHex + "00000000000186a0 00000000000003e8 53" + stock + "0003b3a8 0003b40c 0003b470 43 4c",
			market.Facts{Imbalances: []market.Imbalance{imbalance}},
		},
		{
			"imbalance without prices",
			"49" + headHex + "0000000000000000 0000000000000000 4f" + stock + "00000000 00000000 00000000 43 4c",
			market.Facts{Imbalances: []market.Imbalance{noPrices}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got market.Facts
			if v := testDecoder.DecodeCold(unhex(tt.wire), &got); v != market.Cold {
				t.Fatalf("verdict %v, want cold", v)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("\n got %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

func TestDecodeColdVerdicts(t *testing.T) {
	const tomorrow = " 2033 0002 4e94914f0000 " // 24:00:00
	for _, tt := range []struct {
		name string
		wire string
		want market.Verdict
	}{
		{"empty", "", market.Short},
		{"unknown type", "7a" + headHex, market.UnknownType},
		{"short", "53" + headHex, market.Short},
		{"long", "53" + headHex + "51 00", market.Long},
		{"tomorrow", "53" + tomorrow + "51", market.BadTime},
		{"for Decode", "44" + headHex + "0102030405060708", market.Ignored},
		{"participant", "4c" + headHex + "4f4e4c59" + stock + "59 4e 41", market.Ignored},
		{"retail interest", "4e" + headHex + stock + "41", market.Ignored},
		{"direct listing", "4f" + headHex + stock + "59 00027100 000afc80 00030d40 00001f1ad635bd15 0002bf20 00035b60", market.Ignored},
		{"system event", "53" + headHex + "58", market.BadField},
		{"trading state", "48" + headHex + stock + "58 20 54312020", market.BadField},
		{"restriction", "59" + headHex + stock + "33", market.BadField},
		{"breaker level", "57" + headHex + "34", market.BadField},
		{"halt of another market", "68" + headHex + stock + "42 48", market.Ignored},
		{"halt of an unknown market", "68" + headHex + stock + "41 48", market.BadField},
		{"halt action", "68" + headHex + stock + "51 51", market.BadField},
		{"breaker price", "56" + headHex + "0000005f5e100000 0000005d21dba000 0ccccccccccccccd", market.BadPrice},
		{"breaker price, largest", "56" + headHex + "ffffffffffffffff 0000005d21dba000 0000000000000000", market.BadPrice},
		{"quoting qualifier", "4b" + headHex + stock + "0000a8c0 42 0002bf20", market.BadField},
		{"quoting tomorrow", "4b" + headHex + stock + "00015180 41 0002bf20", market.BadTime},
		{
			"paired shares", "49" + headHex + "0000000100000000 0000000000000000 4e" + stock + "00000000 00000000 00000000 43 4c",
			market.BadField,
		},
		{
			"imbalance shares", "49" + headHex + "0000000000000000 0000000100000000 4e" + stock + "00000000 00000000 00000000 43 4c",
			market.BadField,
		},
		{
			"imbalance side", "49" + headHex + "0000000000000000 0000000000000000 41" + stock + "00000000 00000000 00000000 43 4c",
			market.BadField,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got market.Facts
			if v := testDecoder.DecodeCold(unhex(tt.wire), &got); v != tt.want {
				t.Errorf("verdict %v, want %v", v, tt.want)
			}
			if !reflect.DeepEqual(got, market.Facts{}) {
				t.Errorf("the facts were changed: %+v", got)
			}
		})
	}
}

// TestOperationalHaltsOfEachMarket: Nasdaq, BX and PSX take their own; others take all.
func TestOperationalHaltsOfEachMarket(t *testing.T) {
	for _, tt := range []struct {
		publisher market.PublisherID
		markets   string
	}{
		{market.NasdaqITCH.ID, "Q"},
		{market.NasdaqBX.ID, "B"},
		{market.NasdaqPSX.ID, "X"},
		{market.Simulated.ID, "QBX"},
	} {
		d := Decoder{Midnight: midnight, Publisher: tt.publisher}
		taken := ""
		for _, m := range []byte("QBX") {
			halt := OperationalHalt{Header: head, Stock: tide, Market: m, Action: 'H'}
			var f market.Facts
			if d.DecodeCold(halt.Append(nil), &f) == market.Cold {
				taken += string(m)
			}
		}
		if taken != tt.markets {
			t.Errorf("publisher %d takes halts of %s, want %s", tt.publisher, taken, tt.markets)
		}
	}
}

func TestStatusReasons(t *testing.T) {
	for code, want := range map[string]uint16{
		"    ": 0, "T1  ": 30, "T2  ": 31, "T3  ": 32, "C3  ": 33, "T6  ": 10, "H11 ": 10, "C11 ": 10, "T8  ": 90,
		"T12 ": 70, "H4  ": 12, "H9  ": 13, "H10 ": 14, "O1  ": 60, "LUDP": 50, "LUDS": 50, "MWC1": 120, "MWC2": 121,
		"MWC3": 122, "MWC0": 123, "MWCQ": 124, "IPO1": 110, "IPOQ": 110, "IPOE": 110, "R1  ": 15, "R   ": 16, "R2  ": 16,
		"R4  ": 17, "C4  ": 17, "R9  ": 18, "C9  ": 18, "M1  ": 100, "M2  ": 130, "T1": 0, "ZZZZ": 0,
	} {
		var r Reason
		copy(r[:], code)
		if got := statusReason(r); got != want {
			t.Errorf("reason %q is %d, want %d", code, got, want)
		}
	}
}

package iex_test

import (
	"math"
	"reflect"
	"strings"
	"testing"

	"tidegate/market"
)

func status(action market.StatusAction, reason uint16, trading, quoting, shortSale market.Tri) market.Facts {
	return market.Facts{Statuses: []market.Status{{
		TsEvent: goldenTime, Instrument: 1, Publisher: publisher, Action: action, Reason: reason,
		Trading: trading, Quoting: quoting, ShortSaleRestraint: shortSale,
	}}}
}

func definition(roundLot uint32, secType string) market.Facts {
	return market.Facts{Definitions: []market.Definition{{
		TsEvent:    goldenTime,
		Instrument: market.Instrument{ID: 1, Publisher: publisher, Symbol: "TIDE", RoundLot: roundLot},
		Class:      'K', Exchange: "IEXG", SecType: secType,
	}}}
}

func officialPrice(kind market.StatKind, p market.Price) market.Facts {
	return market.Facts{Statistics: []market.Statistic{{
		TsEvent: goldenTime, TsRef: market.UndefTime, Price: p, Quantity: math.MaxInt64,
		Instrument: 1, Publisher: publisher, Kind: kind,
	}}}
}

func TestDecodeCold(t *testing.T) {
	const yes, no, unknown = market.Yes, market.No, market.Unknown
	for _, c := range []struct {
		name, text string
		want       market.Facts
	}{
		{"directory", directory, definition(100, "")},
		{"directory of a fund", directoryETP, definition(25, "ETP")},
		{"trading", trading, status(market.StatusTrading, 0, yes, yes, unknown)},
		{"halted", halted, status(market.StatusHalt, 30, no, no, unknown)},
		{"paused", paused, status(market.StatusPause, 0, no, unknown, unknown)},
		{"accepting orders", acceptingOrders, status(market.StatusPreCross, 15, no, unknown, unknown)},
		{"operationally halted", operationalHalt, status(market.StatusHalt, 60, no, no, unknown)},
		{"not operationally halted", operationalOK, status(market.StatusNone, 60, unknown, unknown, unknown)},
		{"short sale restricted", shortSaleOn, status(market.StatusShortSaleChange, 0, unknown, unknown, yes)},
		{"short sale free", shortSaleOff, status(market.StatusShortSaleChange, 0, unknown, unknown, no)},
		{"opening price", openingPrice, officialPrice(market.StatOpeningPrice, 99_990_000_000)},
		{"closing price", closingPrice, officialPrice(market.StatClosePrice, 100_010_000_000)},
		{"auction", auction, market.Facts{Imbalances: []market.Imbalance{{
			TsEvent: goldenTime, AuctionTime: 1_700_000_600_000_000_000,
			RefPrice: 100_000_000_000, ContClearPrice: market.UndefPrice, AuctClearPrice: 100_150_000_000,
			MatchPrice: 100_400_000_000, UpperCollar: 105_000_000_000, LowerCollar: 95_000_000_000,
			Paired: 300, Imbalance: 200, Instrument: 1, Publisher: publisher,
			AuctionType: 'C', Side: market.Bid, Variation: '~',
		}}}},
		{"auction without interest", auctionEmpty, market.Facts{Imbalances: []market.Imbalance{{
			TsEvent: goldenTime, AuctionTime: market.UndefTime,
			RefPrice: market.UndefPrice, ContClearPrice: market.UndefPrice, AuctClearPrice: market.UndefPrice,
			MatchPrice: market.UndefPrice, UpperCollar: market.UndefPrice, LowerCollar: market.UndefPrice,
			Instrument: 1, Publisher: publisher, AuctionType: 'O', Side: market.NoSide, Variation: '~',
		}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, text := range []string{c.text, c.text + "00ff"} { // messages may grow
				var f market.Facts
				if v := newDeep().DecodeCold(message(t, text), &f); v != market.Cold {
					t.Fatalf("verdict %v, want cold", v)
				}
				if !reflect.DeepEqual(f, c.want) {
					t.Errorf("got\n%+v, want\n%+v", f, c.want)
				}
			}
		})
	}
}

func TestImbalanceSides(t *testing.T) {
	for code, want := range map[string]market.Side{"42": market.Bid, "53": market.Ask, "4e": market.NoSide} {
		var f market.Facts
		text := strings.Replace(auction, "c8000000 42", "c8000000 "+code, 1)
		if v := newTops().DecodeCold(message(t, text), &f); v != market.Cold || f.Imbalances[0].Side != want {
			t.Errorf("side %s: got %v, %+v, want %v", code, v, f.Imbalances, want)
		}
	}
}

func TestTradingReasons(t *testing.T) {
	for reason, want := range map[string]uint16{
		"    ": 0, "NA  ": 0, "NEW ": 0,
		"T1  ": 30, "T2  ": 31,
		"IPO1": 15, "IPO2": 15, "IPO3": 15, "IPOD": 15,
		"MCB1": 120, "MCB2": 121, "MCB3": 122,
	} {
		var f market.Facts
		b := message(t, halted)
		copy(b[18:], reason)
		if v := newTops().DecodeCold(b, &f); v != market.Cold || f.Statuses[0].Reason != want {
			t.Errorf("reason %q: got %v, %+v, want %d", reason, v, f.Statuses, want)
		}
	}
}

// Facts of several messages collect until their owner resets them, and a fault adds none.
func TestDecodeColdAppends(t *testing.T) {
	d := newDeep()
	var f market.Facts
	for _, text := range []string{trading, operationalOK, "48 58" + at + tide + "20202020", shortSaleOff, directory} {
		d.DecodeCold(message(t, text), &f)
	}
	if len(f.Statuses) != 3 || len(f.Definitions) != 1 {
		t.Errorf("got %d statuses and %d definitions, want 3 and 1", len(f.Statuses), len(f.Definitions))
	}
}

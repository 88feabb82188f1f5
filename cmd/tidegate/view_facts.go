package main

import (
	"fmt"
	"math"
	"time"

	"tidegate/codec/dbn"
	"tidegate/market"
)

// The shapes of records about instruments rather than their quotes and trades.

var definitionShape = shape{
	columns: []column{
		{"instrument", 10},
		{"class", -6},
		{"tick size", 9},
		{"round lot", 9},
		{"exchange", -8},
		{"type", -6},
		{"currency", -8},
		{"expiration", -10},
		{"change", -8},
	},
	cells: func(r dbn.Record) ([]string, market.Nanos, error) {
		var m dbn.Definition
		err := m.Parse(r)
		lot := "-"
		if m.MinLotSizeRoundLot != math.MaxInt32 {
			lot = fmt.Sprint(m.MinLotSizeRoundLot)
		}
		expiration := "-"
		if m.Expiration.Defined() {
			expiration = time.Unix(0, int64(m.Expiration)).UTC().Format(time.DateOnly)
		}
		return []string{
			fmt.Sprint(m.InstrumentID), named(instrumentClasses, m.InstrumentClass), m.MinPriceIncrement.String(), lot,
			dash(m.Exchange), dash(m.SecurityType), dash(m.Currency), expiration, named(updateActions, m.SecurityUpdateAction),
		}, m.TsRecv, err
	},
}

var statusShape = shape{
	columns: []column{{"state", -18}, {"reason", -22}, {"trading", -7}, {"quoting", -7}, {"short sales", -11}, {"event", -14}},
	cells: func(r dbn.Record) ([]string, market.Nanos, error) {
		var m dbn.Status
		err := m.Parse(r)
		short := map[market.Tri]string{market.Yes: "restricted", market.No: "free"}[m.ShortSellRestricted]
		return []string{
			named(statusActions, m.Action), named(statusReasons, m.Reason), triName(m.Trading), triName(m.Quoting),
			dash(short), named(tradingEvents, m.TradingEvent),
		}, m.TsRecv, err
	},
}

var imbalanceShape = shape{
	columns: []column{
		{"auction", -7},
		{"side", -4},
		{"imbalance", 9},
		{"paired", 9},
		{"reference", 10},
		{"near", 10},
		{"far", 10},
		{"match", 10},
		{"collar", 10},
		{"collar", 10},
		{"at", -15},
		{"variation", -9},
	},
	cells: func(r dbn.Record) ([]string, market.Nanos, error) {
		var m dbn.Imbalance
		err := m.Parse(r)
		return []string{
			code(m.AuctionType), sideName(m.Side), quantity(m.TotalImbalanceQty), quantity(m.PairedQty), m.RefPrice.String(),
			m.ContBookClrPrice.String(), m.AuctInterestClrPrice.String(), m.IndMatchPrice.String(),
			m.LowerCollar.String(), m.UpperCollar.String(), clock(m.AuctionTime), code(m.SignificantImbalance),
		}, m.TsRecv, err
	},
}

var statisticShape = shape{
	columns: []column{{"statistic", -22}, {"price", 12}, {"quantity", 12}, {"as of", -15}, {"sequence", 10}, {"change", -7}},
	cells: func(r dbn.Record) ([]string, market.Nanos, error) {
		var m dbn.Stat
		err := m.Parse(r)
		n := "-"
		if m.Quantity != dbn.UndefStat {
			n = fmt.Sprint(m.Quantity)
		}
		return []string{
			named(statKinds, m.Kind), m.Price.String(), n, clock(m.TsRef), fmt.Sprint(m.Sequence),
			named(map[uint8]string{1: "new", 2: "deleted"}, m.UpdateAction),
		}, m.TsRecv, err
	},
}

// named returns the name of a value, else the value.
func named[T byte | uint16 | market.StatusAction | market.StatKind](names map[T]string, v T) string {
	if name, ok := names[v]; ok {
		return name
	}
	return fmt.Sprint(v)
}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// code returns a venue's one-letter code.
func code(c byte) string {
	if c <= ' ' || c >= '~' {
		return "-"
	}
	return string(rune(c))
}

func quantity(n uint32) string {
	if n == dbn.UndefSize {
		return "-"
	}
	return fmt.Sprint(n)
}

func triName(t market.Tri) string {
	switch t {
	case market.Yes:
		return "yes"
	case market.No:
		return "no"
	default:
		return "-"
	}
}

// The names of DBN's enumerations.
var (
	instrumentClasses = map[byte]string{
		'B': "bond", 'C': "call", 'F': "future", 'K': "stock", 'M': "spread", 'P': "put", 'S': "spread", 'T': "spread",
		'X': "fx", 'Y': "spot",
	}
	updateActions = map[byte]string{'A': "added", 'M': "modified", 'D': "deleted"}
	statusActions = map[market.StatusAction]string{
		market.StatusNone: "-", market.StatusPreOpen: "pre-open", market.StatusPreCross: "pre-cross",
		market.StatusQuoting: "quoting", market.StatusCross: "cross", 5: "rotation", 6: "new price", market.StatusTrading: "trading",
		market.StatusHalt: "halt", market.StatusPause: "pause", market.StatusSuspend: "suspended", market.StatusPreClose: "pre-close",
		market.StatusClose: "close", market.StatusPostClose: "post-close", market.StatusShortSaleChange: "short sale change",
		market.StatusNotAvailable: "not available",
	}
	tradingEvents = map[uint16]string{0: "-", 1: "no cancel", 2: "session change", 3: "implied on", 4: "implied off"}
	statusReasons = map[uint16]string{
		0: "-", 1: "scheduled", 2: "surveillance", 3: "market event", 4: "activation", 5: "expiration", 6: "recovery",
		10: "regulatory", 11: "administrative", 12: "non-compliance", 13: "filings not current", 14: "SEC suspension",
		15: "new issue", 16: "issue available", 17: "issues reviewed", 18: "filings satisfied", 30: "news pending",
		31: "news released", 32: "news, resumption times", 33: "news not forthcoming", 40: "order imbalance", 50: "LULD pause",
		60: "operational", 70: "information requested", 80: "merger effective", 90: "ETF", 100: "corporate action",
		110: "new security", 120: "market-wide level 1", 121: "market-wide level 2", 122: "market-wide level 3",
		123: "market-wide carry-over", 124: "market-wide resumption", 130: "quotes not available",
	}
	statKinds = map[market.StatKind]string{
		1: "opening price", 2: "indicative open", 3: "settlement", 4: "session low", 5: "session high", 6: "cleared volume",
		7: "lowest offer", 8: "highest bid", 9: "open interest", 10: "fixing price", 11: "closing price", 12: "net change",
		13: "VWAP", 14: "volatility", 15: "delta", 16: "uncrossing price", 17: "upper limit", 18: "lower limit",
		19: "block volume", 20: "indicative close", 21: "breaker level 1", 22: "breaker level 2", 23: "breaker level 3",
		24: "collar reference", 25: "collar upper", 26: "collar lower", 10001: "venue volume", 10002: "venue price",
	}
)

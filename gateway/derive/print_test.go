package derive_test

import (
	"fmt"
	"strings"

	"tidegate/codec/dbn"
	"tidegate/market"
)

// tester is a test or a rapid check.
type tester interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// eachRecord parses encoded records, each of which must fill its place exactly.
func eachRecord(t tester, b []byte, do func(dbn.Record)) {
	t.Helper()
	for len(b) > 0 {
		r, err := dbn.ParseRecord(b, dbn.Version, false)
		if err != nil {
			t.Fatalf("%d bytes before the end: %v", len(b), err)
		}
		do(r)
		b = b[len(r.Raw()):]
	}
}

// printRecords returns encoded records as text, one line each. Times are seconds since midnight, a
// level is size x orders (or @ publisher, where consolidated) at price.
func printRecords(t tester, b []byte) (lines []string) {
	t.Helper()
	eachRecord(t, b, func(r dbn.Record) {
		line, err := printRecord(r)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, fmt.Sprintf("%-6s %d:%d %s", r.RType, r.PublisherID, r.InstrumentID, line))
	})
	return lines
}

func printRecord(r dbn.Record) (string, error) {
	switch r.RType {
	case dbn.RTypeMBO:
		var m dbn.MBO
		err := m.Parse(r)
		return fmt.Sprintf("%s #%d recv %s delta %d seq %d",
			said(m.Action, m.Side, m.Price, m.Size, m.Flags, m.TsEvent), m.OrderID, clock(m.TsRecv), m.TsInDelta, m.Sequence), err
	case dbn.RTypeTrade:
		var m dbn.Trade
		err := m.Parse(r)
		return printChange(&m.Change), err
	case dbn.RTypeMBP1:
		var m dbn.MBP1
		err := m.Parse(r)
		return printChange(&m.Change) + printLevels(m.Level), err
	case dbn.RTypeMBP10:
		var m dbn.MBP10
		err := m.Parse(r)
		return printChange(&m.Change) + printLevels(m.Levels[:]...), err
	case dbn.RTypeBBO1s, dbn.RTypeBBO1m:
		var m dbn.BBO
		err := m.Parse(r)
		return fmt.Sprintf("end %s: %s seq %d%s", clock(m.TsRecv),
			said('T', m.Side, m.Price, m.Size, m.Flags, m.TsEvent), m.Sequence, printLevels(m.Level)), err
	case dbn.RTypeCMBP1, dbn.RTypeTCBBO:
		var m dbn.CMBP1
		err := m.Parse(r)
		return fmt.Sprintf("%s recv %s delta %d%s", said(m.Action, m.Side, m.Price, m.Size, m.Flags, m.TsEvent),
			clock(m.TsRecv), m.TsInDelta, printConsolidated(m.Level)), err
	case dbn.RTypeCBBO1s, dbn.RTypeCBBO1m:
		var m dbn.CBBO
		err := m.Parse(r)
		return fmt.Sprintf("end %s: %s%s", clock(m.TsRecv),
			said('T', m.Side, m.Price, m.Size, m.Flags, m.TsEvent), printConsolidated(m.Level)), err
	default:
		var m dbn.OHLCV
		err := m.Parse(r)
		return fmt.Sprintf("start %s: open %s high %s low %s close %s volume %d",
			clock(m.TsEvent), m.Open, m.High, m.Low, m.Close, m.Volume), err
	}
}

func printChange(c *dbn.Change) string {
	return fmt.Sprintf("%s depth %d recv %s delta %d seq %d", said(c.Action, c.Side, c.Price, c.Size, c.Flags, c.TsEvent),
		c.Depth, clock(c.TsRecv), c.TsInDelta, c.Sequence)
}

// said prints what happened, when at the venue, and with which flags.
func said(a market.Action, s market.Side, p market.Price, size uint32, f market.Flags, ts market.Nanos) string {
	var names []string
	for _, name := range []string{"last", "snapshot", "badtime", "maybebad"} {
		if f&flagNames[name] != 0 {
			names = append(names, name)
		}
	}
	return fmt.Sprintf("%s %s %s x%d [%s] event %s", a, s, p, size, strings.Join(names, " "), clock(ts))
}

func clock(ts market.Nanos) string {
	if !ts.Defined() {
		return "-"
	}
	return market.Price(ts - midnight).String() // prices have as many decimals
}

func printLevels(levels ...dbn.Level) string {
	var b strings.Builder
	b.WriteString(" |")
	for _, l := range levels {
		if l.BidPrice.Defined() || l.BidSize != 0 || l.BidCount != 0 {
			fmt.Fprintf(&b, " %dx%d at %s", l.BidSize, l.BidCount, l.BidPrice)
		}
	}
	b.WriteString(" /")
	for _, l := range levels {
		if l.AskPrice.Defined() || l.AskSize != 0 || l.AskCount != 0 {
			fmt.Fprintf(&b, " %dx%d at %s", l.AskSize, l.AskCount, l.AskPrice)
		}
	}
	return b.String()
}

func printConsolidated(l dbn.ConsolidatedLevel) string {
	return fmt.Sprintf(" | %d@%d at %s / %d@%d at %s",
		l.BidSize, l.BidPublisher, l.BidPrice, l.AskSize, l.AskPublisher, l.AskPrice)
}

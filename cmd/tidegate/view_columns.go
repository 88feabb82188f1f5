package main

import (
	"fmt"
	"strings"
	"time"

	"tidegate/codec/dbn"
	"tidegate/market"
)

// A column is one of a table of records. Cells are padded to its width, on the right if it is negative.
type column struct {
	title string
	width int
}

// A shape is how records of a type are shown.
type shape struct {
	columns []column
	// cells returns a cell for each column, and the record's index time.
	cells func(dbn.Record) ([]string, market.Nanos, error)
}

// The columns of every shape, before its own.
var leading = []column{{"time (UTC)", -15}, {"symbol", -8}}

// delay is the column behind the others, where records have a send time.
var delay = column{"sent after receipt", 18}

// titles returns the line above records of a shape.
func (s *shape) titles(tsOut bool) string {
	var cells []string
	for _, c := range s.row(tsOut) {
		cells = append(cells, c.title)
	}
	return s.join(tsOut, cells)
}

func (s *shape) row(tsOut bool) []column {
	columns := append(leading[:len(leading):len(leading)], s.columns...)
	if tsOut {
		columns = append(columns, delay)
	}
	return columns
}

func (s *shape) join(tsOut bool, cells []string) string {
	var b strings.Builder
	for i, c := range s.row(tsOut) {
		if i > 0 {
			b.WriteString("  ")
		}
		fmt.Fprintf(&b, "%*s", c.width, cells[i])
	}
	return strings.TrimRight(b.String(), " ")
}

// line returns a record as a line of the table.
func (s *shape) line(r dbn.Record, symbol string) (string, error) {
	own, at, err := s.cells(r)
	if err != nil {
		return "", err
	}
	cells := append([]string{clock(at), symbol}, own...)
	out, tsOut := r.TsOut()
	if tsOut {
		cells = append(cells, time.Duration(out-at).String())
	}
	return s.join(tsOut, cells), nil
}

func clock(t market.Nanos) string {
	if !t.Defined() {
		return "-"
	}
	return time.Unix(0, int64(t)).UTC().Format("15:04:05.000000")
}

// shapeOf returns how records of a type are shown. There is one for every type.
func shapeOf(t dbn.RType) *shape {
	switch t {
	case dbn.RTypeMBO:
		return &mboShape
	case dbn.RTypeTrade:
		return &tradeShape
	case dbn.RTypeMBP1:
		return &mbp1Shape
	case dbn.RTypeMBP10:
		return &mbp10Shape
	case dbn.RTypeBBO1s, dbn.RTypeBBO1m:
		return &bboShape
	case dbn.RTypeCMBP1, dbn.RTypeTCBBO:
		return &cmbp1Shape
	case dbn.RTypeCBBO1s, dbn.RTypeCBBO1m:
		return &cbboShape
	case dbn.RTypeOHLCV1s, dbn.RTypeOHLCV1m, dbn.RTypeOHLCV1h, dbn.RTypeOHLCV1d, dbn.RTypeOHLCVEOD, dbn.RTypeOHLCVOld:
		return &ohlcvShape
	case dbn.RTypeDefinition:
		return &definitionShape
	case dbn.RTypeStatus:
		return &statusShape
	case dbn.RTypeImbalance:
		return &imbalanceShape
	case dbn.RTypeStat:
		return &statisticShape
	default:
		return &otherShape
	}
}

var otherShape = shape{
	columns: []column{{"type", -12}, {"bytes", 5}},
	cells: func(r dbn.Record) ([]string, market.Nanos, error) {
		return []string{r.RType.String(), fmt.Sprint(len(r.Raw()))}, r.TsEvent, nil
	},
}

// Columns that several shapes have.
var (
	changeColumns = []column{{"action", -6}, {"side", -4}, {"size", 8}, {"price", 10}}
	quoteColumns  = []column{{"bid size", 8}, {"bid", 10}, {"ask", -10}, {"ask size", -8}}
	venueColumns  = []column{{"bid at", 6}, {"bid size", 8}, {"bid", 10}, {"ask", -10}, {"ask size", -8}, {"ask at", -6}}
	lastColumns   = []column{{"last", 10}, {"last size", 9}, {"side", -4}}
)

func columns(lists ...[]column) (all []column) {
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

func changeCells(a market.Action, s market.Side, size uint32, p market.Price) []string {
	return []string{actionName(a), sideName(s), fmt.Sprint(size), p.String()}
}

func quoteCells(l *dbn.Level) []string {
	return []string{fmt.Sprint(l.BidSize), l.BidPrice.String(), l.AskPrice.String(), fmt.Sprint(l.AskSize)}
}

func venueCells(l *dbn.ConsolidatedLevel) []string {
	return []string{
		venueName(l.BidPublisher, l.BidPrice), fmt.Sprint(l.BidSize), l.BidPrice.String(),
		l.AskPrice.String(), fmt.Sprint(l.AskSize), venueName(l.AskPublisher, l.AskPrice),
	}
}

func lastCells(p market.Price, size uint32, s market.Side) []string {
	if !p.Defined() {
		return []string{"-", "-", "-"}
	}
	return []string{p.String(), fmt.Sprint(size), sideName(s)}
}

// venueName returns the venue of one side of a quote, "-" for an empty side.
func venueName(id market.PublisherID, p market.Price) string {
	if !p.Defined() {
		return "-"
	}
	if publisher, ok := market.PublisherByID(id); ok {
		return publisher.Venue
	}
	return fmt.Sprint(id)
}

func actionName(a market.Action) string {
	switch a {
	case market.Add:
		return "add"
	case market.Cancel:
		return "cancel"
	case market.Modify:
		return "modify"
	case market.Clear:
		return "clear"
	case market.Trade:
		return "trade"
	case market.Fill:
		return "fill"
	case market.None:
		return "none"
	default:
		return a.String()
	}
}

func sideName(s market.Side) string {
	switch s {
	case market.Bid:
		return "bid"
	case market.Ask:
		return "ask"
	case market.NoSide:
		return "-"
	default:
		return s.String()
	}
}

var flagNames = []struct {
	flag market.Flags
	name string
}{
	{market.FlagLast, "last"},
	{market.FlagTOB, "top"},
	{market.FlagSnapshot, "snapshot"},
	{market.FlagMBP, "level"},
	{market.FlagBadTsRecv, "bad-ts-recv"},
	{market.FlagMaybeBadBook, "maybe-bad-book"},
}

func flagText(f market.Flags) string {
	var names []string
	for _, n := range flagNames {
		if f&n.flag != 0 {
			names = append(names, n.name)
		}
	}
	return strings.Join(names, ",")
}

var mboShape = shape{
	columns: columns(changeColumns, []column{{"order", 12}, {"sequence", 10}, {"flags", -5}}),
	cells: func(r dbn.Record) ([]string, market.Nanos, error) {
		var m dbn.MBO
		err := m.Parse(r)
		return append(changeCells(m.Action, m.Side, m.Size, m.Price),
			fmt.Sprint(m.OrderID), fmt.Sprint(m.Sequence), flagText(m.Flags)), m.TsRecv, err
	},
}

var tradeShape = shape{
	columns: columns(changeColumns[1:], []column{{"sequence", 10}, {"flags", -5}}),
	cells: func(r dbn.Record) ([]string, market.Nanos, error) {
		var m dbn.Trade
		err := m.Parse(r)
		return append(changeCells(m.Action, m.Side, m.Size, m.Price)[1:], fmt.Sprint(m.Sequence), flagText(m.Flags)), m.TsRecv, err
	},
}

var mbp1Shape = shape{
	columns: columns(changeColumns, quoteColumns, []column{{"bid orders", 10}, {"ask orders", 10}}),
	cells: func(r dbn.Record) ([]string, market.Nanos, error) {
		var m dbn.MBP1
		err := m.Parse(r)
		cells := append(changeCells(m.Action, m.Side, m.Size, m.Price), quoteCells(&m.Level)...)
		return append(cells, fmt.Sprint(m.Level.BidCount), fmt.Sprint(m.Level.AskCount)), m.TsRecv, err
	},
}

// Of ten levels the best are shown, how many there are, and what is in all of them.
var mbp10Shape = shape{
	columns: columns(changeColumns, []column{{"level", 5}}, quoteColumns, []column{{"bids", 4}, {"bid depth", 9}, {"asks", 4}, {"ask depth", 9}}),
	cells: func(r dbn.Record) ([]string, market.Nanos, error) {
		var m dbn.MBP10
		err := m.Parse(r)
		var levels [2]int
		var sizes [2]uint64
		for i := range m.Levels {
			l := &m.Levels[i]
			if l.BidPrice.Defined() {
				levels[0]++
				sizes[0] += uint64(l.BidSize)
			}
			if l.AskPrice.Defined() {
				levels[1]++
				sizes[1] += uint64(l.AskSize)
			}
		}
		cells := append(changeCells(m.Action, m.Side, m.Size, m.Price), fmt.Sprint(m.Depth))
		cells = append(cells, quoteCells(&m.Levels[0])...)
		return append(cells, fmt.Sprint(levels[0]), fmt.Sprint(sizes[0]), fmt.Sprint(levels[1]), fmt.Sprint(sizes[1])), m.TsRecv, err
	},
}

var bboShape = shape{
	columns: columns(quoteColumns, lastColumns),
	cells: func(r dbn.Record) ([]string, market.Nanos, error) {
		var m dbn.BBO
		err := m.Parse(r)
		return append(quoteCells(&m.Level), lastCells(m.Price, m.Size, m.Side)...), m.TsRecv, err
	},
}

var cmbp1Shape = shape{
	columns: columns(changeColumns, venueColumns),
	cells: func(r dbn.Record) ([]string, market.Nanos, error) {
		var m dbn.CMBP1
		err := m.Parse(r)
		return append(changeCells(m.Action, m.Side, m.Size, m.Price), venueCells(&m.Level)...), m.TsRecv, err
	},
}

var cbboShape = shape{
	columns: columns(venueColumns, lastColumns),
	cells: func(r dbn.Record) ([]string, market.Nanos, error) {
		var m dbn.CBBO
		err := m.Parse(r)
		return append(venueCells(&m.Level), lastCells(m.Price, m.Size, m.Side)...), m.TsRecv, err
	},
}

var ohlcvShape = shape{
	columns: []column{{"open", 10}, {"high", 10}, {"low", 10}, {"close", 10}, {"volume", 12}},
	cells: func(r dbn.Record) ([]string, market.Nanos, error) {
		var m dbn.OHLCV
		err := m.Parse(r)
		return []string{m.Open.String(), m.High.String(), m.Low.String(), m.Close.String(), fmt.Sprint(m.Volume)}, m.TsEvent, err
	},
}

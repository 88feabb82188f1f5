package main

import (
	"bufio"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"tidegate/codec/dbn"
	"tidegate/market"
)

// A view shows records to a person.
type view interface {
	show(dbn.Record) error
	close()
}

type noView struct{}

func (noView) show(dbn.Record) error { return nil }
func (noView) close()                {}

// lineView shows every record as a line.
type lineView struct {
	w       *bufio.Writer
	symbols map[market.InstrumentID]string
	flushed time.Time
}

func (v *lineView) show(r dbn.Record) error {
	noteSymbol(v.symbols, r)
	text, err := describe(r, v.symbols)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(v.w, text); err != nil {
		return err
	}
	if now := time.Now(); now.Sub(v.flushed) > 50*time.Millisecond {
		v.flushed = now
		return v.w.Flush()
	}
	return nil
}

func (v *lineView) close() { v.w.Flush() }

// tableView shows the latest record of each instrument, redrawn a few times per second.
type tableView struct {
	w       io.Writer
	symbols map[market.InstrumentID]string
	rows    map[market.InstrumentID]string
	said    string // the latest of the gateway's own records
	records uint64
	before  uint64
	drawn   time.Time
}

func (v *tableView) show(r dbn.Record) error {
	noteSymbol(v.symbols, r)
	text, err := describe(r, v.symbols)
	if err != nil {
		return err
	}
	switch r.RType {
	case dbn.RTypeError, dbn.RTypeSystem, dbn.RTypeSymbolMapping:
		v.said = text
	default:
		v.rows[r.InstrumentID] = text
		v.records++
	}
	const every = 250 * time.Millisecond
	now := time.Now()
	if now.Sub(v.drawn) < every {
		return nil
	}
	rate := float64(v.records-v.before) / max(now.Sub(v.drawn).Seconds(), every.Seconds())
	v.drawn, v.before = now, v.records
	return v.draw(rate)
}

const tableRowsMax = 40

func (v *tableView) draw(rate float64) error {
	var b strings.Builder
	b.WriteString("\x1b[H\x1b[2J") // to the top left, and clear
	fmt.Fprintf(&b, "%d records, %.0f a second\n", v.records, rate)
	ids := slices.SortedFunc(maps.Keys(v.rows), func(a, c market.InstrumentID) int {
		return strings.Compare(v.symbols[a], v.symbols[c])
	})
	for i, id := range ids {
		if i == tableRowsMax {
			fmt.Fprintf(&b, "... %d more\n", len(ids)-tableRowsMax)
			break
		}
		fmt.Fprintln(&b, v.rows[id])
	}
	fmt.Fprintln(&b, v.said)
	_, err := io.WriteString(v.w, b.String())
	return err
}

func (v *tableView) close() { _ = v.draw(0) }

// noteSymbol learns an instrument's symbol from its mapping.
func noteSymbol(symbols map[market.InstrumentID]string, r dbn.Record) {
	var m dbn.SymbolMapping
	if r.RType == dbn.RTypeSymbolMapping && m.Parse(r) == nil {
		symbols[r.InstrumentID] = m.SymbolOut
	}
}

// describe returns a record as a line of text.
func describe(r dbn.Record, symbols map[market.InstrumentID]string) (string, error) {
	symbol := symbols[r.InstrumentID]
	if symbol == "" {
		symbol = fmt.Sprintf("#%d", r.InstrumentID)
	}
	body, at, err := describeBody(r)
	if err != nil {
		return "", err
	}
	under := ""
	if out, ok := r.TsOut(); ok && at.Defined() {
		under = fmt.Sprintf("  sent %v after receipt", time.Duration(out-at))
	}
	return fmt.Sprintf("%s  %-8s  %-10s  %s%s", clock(at), symbol, r.RType, body, under), nil
}

// describeBody returns what is special to a record's type, and its index time.
func describeBody(r dbn.Record) (body string, at market.Nanos, err error) {
	quote := func(l *dbn.Level) string {
		return fmt.Sprintf("%8d %10s | %-10s %-8d", l.BidSize, l.BidPrice, l.AskPrice, l.AskSize)
	}
	change := func(c *dbn.Change) string {
		return fmt.Sprintf("%s %s %8d @ %-10s", c.Action, c.Side, c.Size, c.Price)
	}
	switch r.RType {
	case dbn.RTypeMBO:
		var m dbn.MBO
		err = m.Parse(r)
		return fmt.Sprintf("%s %s %8d @ %-10s order %d", m.Action, m.Side, m.Size, m.Price, m.OrderID), m.TsRecv, err
	case dbn.RTypeTrade:
		var m dbn.Trade
		err = m.Parse(r)
		return change(&m.Change), m.TsRecv, err
	case dbn.RTypeMBP1:
		var m dbn.MBP1
		err = m.Parse(r)
		return change(&m.Change) + "  " + quote(&m.Level), m.TsRecv, err
	case dbn.RTypeMBP10:
		var m dbn.MBP10
		err = m.Parse(r)
		return change(&m.Change) + "  " + quote(&m.Levels[0]), m.TsRecv, err
	case dbn.RTypeBBO1s, dbn.RTypeBBO1m:
		var m dbn.BBO
		err = m.Parse(r)
		return fmt.Sprintf("%s  last %d @ %s", quote(&m.Level), m.Size, m.Price), m.TsRecv, err
	case dbn.RTypeCMBP1, dbn.RTypeTCBBO:
		var m dbn.CMBP1
		err = m.Parse(r)
		return consolidatedQuote(&m.Level), m.TsRecv, err
	case dbn.RTypeCBBO1s, dbn.RTypeCBBO1m:
		var m dbn.CBBO
		err = m.Parse(r)
		return consolidatedQuote(&m.Level), m.TsRecv, err
	case dbn.RTypeOHLCV1s, dbn.RTypeOHLCV1m, dbn.RTypeOHLCV1h, dbn.RTypeOHLCV1d:
		var m dbn.OHLCV
		err = m.Parse(r)
		return fmt.Sprintf("open %s high %s low %s close %s volume %d", m.Open, m.High, m.Low, m.Close, m.Volume), m.TsEvent, err
	case dbn.RTypeError:
		var m dbn.Error
		err = m.Parse(r)
		return fmt.Sprintf("ERROR %d: %s", m.Code, m.Text), m.TsEvent, err
	case dbn.RTypeSystem:
		var m dbn.System
		err = m.Parse(r)
		return m.Text, m.TsEvent, err
	case dbn.RTypeSymbolMapping:
		var m dbn.SymbolMapping
		err = m.Parse(r)
		return fmt.Sprintf("%s is %s", m.SymbolIn, m.SymbolOut), m.TsEvent, err
	default:
		return fmt.Sprintf("%d bytes", len(r.Raw())), r.TsEvent, nil
	}
}

func consolidatedQuote(l *dbn.ConsolidatedLevel) string {
	return fmt.Sprintf("%8d %10s of %d | %-10s %-8d of %d",
		l.BidSize, l.BidPrice, l.BidPublisher, l.AskPrice, l.AskSize, l.AskPublisher)
}

func clock(t market.Nanos) string {
	if !t.Defined() {
		return "--:--:--.------"
	}
	return time.Unix(0, int64(t)).UTC().Format("15:04:05.000000")
}

// certificates reads a file of PEM certificates.
func certificates(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New(path + ": no certificate in it")
	}
	return pool, nil
}

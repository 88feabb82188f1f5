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
	"sync"
	"time"

	"tidegate/codec/dbn"
	"tidegate/market"
)

// A view shows records to a person. What show takes is seen after the next tick or close at the latest.
type view interface {
	show(dbn.Record) error
	tick() error
	close() error
}

type noView struct{}

func (noView) show(dbn.Record) error { return nil }
func (noView) tick() error           { return nil }
func (noView) close() error          { return nil }

// tickingView ticks another view every so often, whether records come or not: the last record before
// a silence is shown like any other.
type tickingView struct {
	mu   sync.Mutex
	of   view
	err  error // the first failure of a tick
	stop chan struct{}
	done chan struct{}
}

func newTickingView(of view, every time.Duration) *tickingView {
	v := &tickingView{of: of, stop: make(chan struct{}), done: make(chan struct{})}
	go v.run(every)
	return v
}

func (v *tickingView) run(every time.Duration) {
	defer close(v.done)
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-v.stop:
			return
		case <-ticker.C:
			_ = v.tick() // show returns what went wrong
		}
	}
}

func (v *tickingView) show(r dbn.Record) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.err != nil {
		return v.err
	}
	return v.of.show(r)
}

func (v *tickingView) tick() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.err == nil {
		v.err = v.of.tick()
	}
	return v.err
}

func (v *tickingView) close() error {
	close(v.stop)
	<-v.done
	if v.err != nil {
		return v.err
	}
	return v.of.close()
}

// lineView shows every record as a line.
type lineView struct {
	w       *bufio.Writer
	symbols map[market.InstrumentID]string
}

// lineEvery is how long a line may wait to be written with others.
const lineEvery = 50 * time.Millisecond

func (v *lineView) show(r dbn.Record) error {
	noteSymbol(v.symbols, r)
	text, err := describe(r, v.symbols)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(v.w, text)
	return err
}

func (v *lineView) tick() error  { return v.w.Flush() }
func (v *lineView) close() error { return v.w.Flush() }

// tableView shows the latest record of each instrument, redrawn a few times per second.
type tableView struct {
	w       io.Writer
	symbols map[market.InstrumentID]string
	rows    map[market.InstrumentID]string
	said    string // the latest of the gateway's own records
	records uint64
	before  uint64
}

// tableEvery is how often the table is drawn.
const tableEvery = 250 * time.Millisecond

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
	return nil
}

func (v *tableView) tick() error {
	rate := float64(v.records-v.before) / tableEvery.Seconds()
	v.before = v.records
	return v.draw(fmt.Sprintf("%d records, %.0f a second", v.records, rate))
}

const tableRowsMax = 40

func (v *tableView) draw(title string) error {
	var b strings.Builder
	b.WriteString("\x1b[H") // to the top left; what is there is written over, so that nothing flickers
	line := func(text string) { b.WriteString(text + "\x1b[K\n") }
	line(title)
	ids := slices.SortedFunc(maps.Keys(v.rows), func(a, c market.InstrumentID) int {
		return strings.Compare(v.symbols[a], v.symbols[c])
	})
	for i, id := range ids {
		if i == tableRowsMax {
			line(fmt.Sprintf("... %d more", len(ids)-tableRowsMax))
			break
		}
		line(v.rows[id])
	}
	line(v.said)
	b.WriteString("\x1b[J") // the rest of the screen is empty
	_, err := io.WriteString(v.w, b.String())
	return err
}

func (v *tableView) close() error { return v.draw(fmt.Sprintf("%d records", v.records)) }

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
	if out, ok := r.TsOut(); ok && at.Defined() && out != at { // equal: the gateway's own record
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

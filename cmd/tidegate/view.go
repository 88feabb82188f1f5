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

// A view shows records of data, and what the gateway says beside them, to a person. What show and note
// take is seen after the next tick or close at the latest. A record comes with its instrument's symbol.
type view interface {
	show(r dbn.Record, symbol string) error
	note(text string) error
	tick() error
	close() error
}

// noView shows notes only.
type noView struct{ notes io.Writer }

func (noView) show(dbn.Record, string) error { return nil }
func (noView) tick() error                   { return nil }
func (noView) close() error                  { return nil }

func (v noView) note(text string) error {
	_, err := fmt.Fprintln(v.notes, text)
	return err
}

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

func (v *tickingView) show(r dbn.Record, symbol string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.err != nil {
		return v.err
	}
	return v.of.show(r, symbol)
}

func (v *tickingView) note(text string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.err != nil {
		return v.err
	}
	return v.of.note(text)
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

// lineView shows every record as a line, below titles: once, or once for every screenful of a terminal.
// Notes go elsewhere.
type lineView struct {
	w      *bufio.Writer
	notes  io.Writer
	height func() int // lines of the terminal; 0 for none
	shape  *shape     // of the titles that were shown last
	below  int        // lines since then
}

// lineEvery is how long a line may wait to be written with others.
const lineEvery = 50 * time.Millisecond

func (v *lineView) show(r dbn.Record, symbol string) error {
	s := shapeOf(r.RType)
	text, err := s.line(r, symbol)
	if err != nil {
		return err
	}
	if h := v.height(); s != v.shape || h > 2 && v.below >= h-2 {
		_, tsOut := r.TsOut()
		fmt.Fprintln(v.w, s.titles(tsOut)) // an error stays with the writer
		v.shape, v.below = s, 0
	}
	v.below++
	_, err = fmt.Fprintln(v.w, text)
	return err
}

func (v *lineView) note(text string) error {
	if err := v.w.Flush(); err != nil {
		return err
	}
	v.below++ // where both are one terminal
	_, err := fmt.Fprintln(v.notes, text)
	return err
}

func (v *lineView) tick() error  { return v.w.Flush() }
func (v *lineView) close() error { return v.w.Flush() }

// tableView shows the latest record of each instrument, redrawn a few times per second.
type tableView struct {
	w       io.Writer
	size    func() (width, height int) // of the terminal
	shape   *shape
	tsOut   bool
	rows    map[market.InstrumentID]tableRow
	said    []string // the latest notes
	records uint64
	before  uint64
}

type tableRow struct{ symbol, text string }

const (
	// tableEvery is how often the table is drawn.
	tableEvery = 250 * time.Millisecond
	// notesMax is how many notes stay below the table.
	notesMax = 5
)

func newTableView(w io.Writer, size func() (width, height int)) *tableView {
	return &tableView{w: w, size: size, rows: make(map[market.InstrumentID]tableRow)}
}

func (v *tableView) show(r dbn.Record, symbol string) error {
	s := shapeOf(r.RType)
	text, err := s.line(r, symbol)
	if err != nil {
		return err
	}
	v.shape = s
	_, v.tsOut = r.TsOut()
	v.rows[r.InstrumentID] = tableRow{symbol, text}
	v.records++
	return nil
}

func (v *tableView) note(text string) error {
	if v.said = append(v.said, text); len(v.said) > notesMax {
		v.said = v.said[1:]
	}
	return nil
}

func (v *tableView) tick() error {
	rate := float64(v.records-v.before) / tableEvery.Seconds()
	v.before = v.records
	return v.draw(fmt.Sprintf("%d records, %.0f a second", v.records, rate))
}

func (v *tableView) draw(title string) error {
	width, height := v.size()
	var b strings.Builder
	b.WriteString("\x1b[H") // to the top left; what is there is written over, so that nothing flickers
	line := func(text string) { b.WriteString(cut(text, width) + "\x1b[K\n") }
	line(title)
	if v.shape != nil {
		line(v.shape.titles(v.tsOut))
	}
	rows := slices.SortedFunc(maps.Values(v.rows), func(a, b tableRow) int { return strings.Compare(a.symbol, b.symbol) })
	room := max(height-4-len(v.said), 1) // beside title, titles, what is left out, and the cursor
	for i, row := range rows {
		if i == room {
			line(fmt.Sprintf("... %d more", len(rows)-room))
			break
		}
		line(row.text)
	}
	for _, text := range v.said {
		line(text)
	}
	b.WriteString("\x1b[J") // the rest of the screen is empty
	_, err := io.WriteString(v.w, b.String())
	return err
}

// cut returns as much of a text as fits.
func cut(text string, width int) string {
	if letters := []rune(text); len(letters) > width {
		return string(letters[:width])
	}
	return text
}

func (v *tableView) close() error { return v.draw(fmt.Sprintf("%d records", v.records)) }

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

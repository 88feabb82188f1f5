//go:build linux

package admin

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"tidegate/gateway/stream"
	"tidegate/market"
)

// Limits of questions for instruments.
const (
	instrumentsDefault = 100
	instrumentsMax     = 1000 // of one answer
)

// A listing is a dataset's instruments by symbol.
type listing struct {
	feed      string // "" for the consolidated dataset
	dataset   string
	directory *stream.Directory

	seen   int // directory entries in sorted
	sorted []market.Instrument
}

// sync takes in what the directory has learned.
func (l *listing) sync() {
	all := l.directory.All()
	if len(all) == l.seen {
		return
	}
	last := make(map[market.InstrumentID]int, len(all)) // of an instrument that is there again the last one counts
	for i := range all {
		last[all[i].ID] = i
	}
	l.seen, l.sorted = len(all), make([]market.Instrument, 0, len(last))
	for i := range all {
		if last[all[i].ID] == i {
			l.sorted = append(l.sorted, all[i])
		}
	}
	slices.SortFunc(l.sorted, func(a, b market.Instrument) int {
		return cmp.Or(strings.Compare(a.Symbol, b.Symbol), cmp.Compare(a.ID, b.ID))
	})
}

// find returns the instruments whose symbols begin with a prefix.
func (l *listing) find(prefix string) []market.Instrument {
	from, _ := slices.BinarySearchFunc(l.sorted, prefix, func(in market.Instrument, prefix string) int {
		return strings.Compare(in.Symbol, prefix)
	})
	to := from
	for to < len(l.sorted) && strings.HasPrefix(l.sorted[to].Symbol, prefix) {
		to++
	}
	return l.sorted[from:to]
}

// Instruments reports up to limit instruments from the offset-th on: of one feed or dataset, or of all
// in the order of the configuration, those whose symbols begin with a prefix, by symbol. It does not
// ask the loop.
func (m *Monitor) Instruments(feed, prefix string, offset, limit int) (*InstrumentsReport, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := &InstrumentsReport{Offset: offset, Limit: limit, Instruments: []InstrumentReport{}}
	known := feed == ""
	for i := range m.listed {
		l := &m.listed[i]
		if feed != "" && feed != l.feed && feed != l.dataset {
			continue
		}
		known = true
		l.sync()
		found := l.find(prefix)
		skip := min(max(offset-r.Total, 0), len(found))
		r.Total += len(found)
		for _, in := range found[skip:] {
			if len(r.Instruments) == limit {
				break
			}
			r.Instruments = append(r.Instruments, instrumentReport(l, &in))
		}
	}
	if !known {
		return nil, fmt.Errorf("feed %q: %w", feed, ErrUnknown)
	}
	return r, nil
}

func instrumentReport(l *listing, in *market.Instrument) InstrumentReport {
	r := InstrumentReport{
		Feed: l.feed, Dataset: l.dataset, Symbol: in.Symbol, Instrument: uint32(in.ID), RoundLot: in.RoundLot,
	}
	if in.TickSize != 0 {
		r.TickSize = in.TickSize.String()
	}
	return r
}

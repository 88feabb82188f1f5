//go:build linux

package admin

import (
	"context"
	"fmt"
	"time"

	"tidegate/book"
	"tidegate/market"
)

// Limits of queries.
const (
	depthDefault = 10
	depthMax     = 1000 // levels of each side
	symbolsMax   = 100  // of one query of BBOs
)

// find returns a feed and the instruments of symbols. dataset may be empty if there is one feed.
// Every call counts as a query.
func (m *Monitor) find(dataset string, symbols []string) (f *Feed, ids []market.InstrumentID, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if second := time.Now().Unix(); second != m.second {
		m.second, m.queries = second, 0
	}
	if m.queries++; m.queries > queriesMax {
		return nil, nil, ErrTooMany
	}
	for i := range m.src.Feeds {
		of := m.src.Feeds[i].dataset()
		if dataset != of && (dataset != "" || len(m.src.Feeds) > 1) {
			continue
		}
		m.lookups[i].Sync()
		for _, symbol := range symbols {
			id, ok := m.lookups[i].Find(symbol)
			if !ok {
				return nil, nil, fmt.Errorf("symbol %q of dataset %s: %w", symbol, of, ErrUnknown)
			}
			ids = append(ids, id)
		}
		return &m.src.Feeds[i], ids, nil
	}
	return nil, nil, fmt.Errorf("dataset %q: %w", dataset, ErrUnknown)
}

// Book reports up to depth levels of each side of a book.
func (m *Monitor) Book(ctx context.Context, dataset, symbol string, depth int) (*BookReport, error) {
	f, ids, err := m.find(dataset, []string{symbol})
	if err != nil {
		return nil, err
	}
	sides := [2][]book.Level{make([]book.Level, 0, depth), make([]book.Level, 0, depth)}
	err = m.call(ctx, func() {
		books := f.Choice.Books()
		sides[0] = books.Levels(ids[0], market.Bid, sides[0])
		sides[1] = books.Levels(ids[0], market.Ask, sides[1])
	})
	if err != nil {
		return nil, err
	}
	return &BookReport{
		Dataset: f.dataset(), Symbol: symbol, Instrument: uint32(ids[0]), At: time.Now(),
		Bids: levels(sides[0]), Asks: levels(sides[1]),
	}, nil
}

// BBOs reports the best bid and offer of instruments, all of one moment.
func (m *Monitor) BBOs(ctx context.Context, dataset string, symbols []string) ([]BBOReport, error) {
	f, ids, err := m.find(dataset, symbols)
	if err != nil {
		return nil, err
	}
	all := make([]book.BBO, len(ids))
	err = m.call(ctx, func() {
		for i, id := range ids {
			all[i] = f.Choice.Books().BBO(id)
		}
	})
	if err != nil {
		return nil, err
	}
	now := time.Now()
	reports := make([]BBOReport, len(ids))
	for i, id := range ids {
		reports[i] = BBOReport{
			Dataset: f.dataset(), Symbol: symbols[i], Instrument: uint32(id), At: now,
			Bid: best(all[i].Bid), Ask: best(all[i].Ask),
		}
	}
	return reports, nil
}

func best(l book.Level) *LevelReport {
	if !l.Defined() {
		return nil
	}
	return &levels([]book.Level{l})[0]
}

func levels(from []book.Level) []LevelReport {
	to := make([]LevelReport, len(from))
	for i, l := range from {
		to[i] = LevelReport{Price: l.Price.String(), Size: uint64(l.Size), Orders: l.Orders}
	}
	return to
}

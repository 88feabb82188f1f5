//go:build linux

package chaos

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"tidegate/codec/dbn"
	"tidegate/internal/clock"
	"tidegate/internal/lsgclient"
	"tidegate/internal/venue"
	"tidegate/market"
)

// quotes is a subscriber to the consolidated best bids and offers of all symbols.
type quotes struct {
	client *lsgclient.Client
	done   chan struct{}

	mu      sync.Mutex // guards the rest, between the reading goroutine and others
	symbols map[market.InstrumentID]string
	best    map[string]dbn.ConsolidatedLevel // of those that have changed since the session began
	quoted  int                              // how many of them have a price
	left    market.Nanos                     // when the last one had left, since takeLeft; UndefTime: none has
	err     error
}

func followQuotes(ctx context.Context, cfg lsgclient.Config) (*quotes, error) {
	client, err := subscribe(ctx, cfg, dbn.SchemaCMBP1, false)
	if err != nil {
		return nil, err
	}
	q := &quotes{
		client: client, done: make(chan struct{}), symbols: make(map[market.InstrumentID]string),
		best: make(map[string]dbn.ConsolidatedLevel), left: market.UndefTime,
	}
	go q.read()
	return q, nil
}

func (q *quotes) close() {
	_ = q.client.Close() // the reading goroutine says why it ended
	<-q.done
}

func (q *quotes) read() {
	defer close(q.done)
	for {
		r, err := q.client.Next()
		now := clock.Now()
		q.mu.Lock()
		if err == nil {
			err = q.take(r, now)
		}
		q.err = err
		q.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (q *quotes) take(r dbn.Record, now market.Nanos) error {
	switch r.RType {
	case dbn.RTypeSymbolMapping:
		var m dbn.SymbolMapping
		if err := m.Parse(r); err != nil {
			return err
		}
		q.symbols[m.InstrumentID] = m.SymbolOut
	case dbn.RTypeCMBP1:
		var m dbn.CMBP1
		if err := m.Parse(r); err != nil {
			return err
		}
		q.set(q.symbols[m.InstrumentID], m.Level, now)
	}
	return nil
}

func (q *quotes) set(symbol string, l dbn.ConsolidatedLevel, now market.Nanos) {
	if quoted(q.best[symbol]) {
		q.quoted--
	}
	q.best[symbol] = l
	if quoted(l) {
		q.quoted++
	} else if q.quoted == 0 && !q.left.Defined() {
		q.left = now
	}
}

func quoted(l dbn.ConsolidatedLevel) bool {
	return l != dbn.ConsolidatedLevel{} && (l.BidPrice.Defined() || l.AskPrice.Defined())
}

// whole returns a function that reports an error until so many symbols have a price: a symbol is heard of when its
// quote changes.
func (q *quotes) whole(symbols int) func() error {
	return func() error {
		q.mu.Lock()
		defer q.mu.Unlock()
		if q.err != nil || q.quoted < symbols {
			return errors.Join(fmt.Errorf("%d of %d", q.quoted, symbols), q.err)
		}
		return nil
	}
}

// takeLeft returns when every quote had left the consolidated dataset, since it was last asked.
func (q *quotes) takeLeft() (left market.Nanos, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	left, q.left = q.left, market.UndefTime
	return left, q.err
}

// differs says how the quotes differ from the venue's best, "" if they do not.
func (q *quotes) differs(truth []venue.BookTruth) string {
	q.mu.Lock()
	defer q.mu.Unlock()
	best := func(levels []venue.Level) (market.Price, market.Size) {
		if len(levels) == 0 {
			return market.UndefPrice, 0
		}
		return levels[0].Price, levels[0].Size
	}
	for _, b := range truth {
		got, known := q.best[b.Symbol]
		if !known {
			continue
		}
		bid, bidSize := best(b.Bids)
		ask, askSize := best(b.Asks)
		if got.BidPrice != bid || got.AskPrice != ask || market.Size(got.BidSize) != bidSize || market.Size(got.AskSize) != askSize {
			return fmt.Sprintf("%s: the consolidated quote is %+v, the venue's best are %d at %s and %d at %s",
				b.Symbol, got, bidSize, bid, askSize, ask)
		}
	}
	return ""
}

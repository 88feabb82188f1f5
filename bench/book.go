package bench

import (
	"context"
	"fmt"
	"time"

	"tidegate/book"
	"tidegate/market"
)

// RunBook measures decoding and the full by-order book together: time priority kept, and known after
// each message whether the best bid or offer changed. Everything runs on one goroutine. The hash of
// the result is that of all books, queues included.
//
// The memory for the expected number of orders is taken at the start; the first run therefore has
// about as many allocations as the later ones, and ResidentMax is best read in a fresh process.
func RunBook(ctx context.Context, o Options) (Report, error) {
	r := Report{Name: "book"}
	cfg := book.ByOrderConfig{OrdersExpected: DefaultITCH.Live, InstrumentsExpected: DefaultITCH.Symbols}
	if o.Truth != nil {
		cfg.OrdersExpected, cfg.InstrumentsExpected = o.Truth.PeakLive, o.Truth.Symbols
	}
	begin := time.Now()
	p := &bookRun{books: book.NewByOrder(cfg)}
	r.StartNanos = time.Since(begin).Nanoseconds()
	p.itch.Publisher = market.NasdaqITCH.ID
	if err := run(ctx, o, p, &r); err != nil {
		return Report{}, err
	}
	r.Verdicts = p.named()
	r.BBOChanges, r.PeakLive, r.EndLive = p.changes, p.peak, p.books.Len()
	if o.Truth != nil {
		if err := checkBooks(p.books, o.Truth); err != nil {
			return Report{}, fmt.Errorf("book: %s: %w", o.Path, err)
		}
		r.Checked = true
	}
	return r, nil
}

// checkBooks compares books with what the generator knows.
func checkBooks(b *book.ByOrder, want *Truth) error {
	var live int
	var size, sum uint64
	for locate := 1; locate <= want.Symbols; locate++ {
		for _, side := range []market.Side{market.Bid, market.Ask} {
			for o := range b.Orders(market.InstrumentID(locate), side) {
				live++
				size += uint64(o.Size)
				sum += orderSum(uint16(locate), o.ID, side == market.Bid, uint32(o.Price/100_000), uint32(o.Size))
			}
		}
	}
	switch {
	case live != want.EndLive || b.Len() != live:
		return fmt.Errorf("%d live orders at the end, %d in the books' queues, want %d", b.Len(), live, want.EndLive)
	case size != want.EndSize:
		return fmt.Errorf("%d shares at the end, want %d", size, want.EndSize)
	case sum != want.EndSum:
		return fmt.Errorf("sum over live orders %016x, want %016x", sum, want.EndSum)
	}
	return nil
}

type bookRun struct {
	decoder
	books   *book.ByOrder
	changes int
	peak    int
}

func (p *bookRun) reset() {
	p.decoder.reset()
	p.books.Reset()
	p.changes, p.peak = 0, 0
}

func (p *bookRun) process(b []byte) (n int) {
	for {
		updates, used := p.fill(b[n:])
		if used == 0 {
			return n
		}
		n += used
		batch := p.batch[:updates]
		p.books.Prefetch(batch)
		for i := range batch {
			r := p.books.Apply(&batch[i])
			p.verdicts[r.Verdict]++
			if r.Change.BBO() {
				p.changes++
			}
		}
	}
}

func (p *bookRun) blockDone() { p.peak = max(p.peak, p.books.Len()) }

func (p *bookRun) result() (int, uint64) { return p.messages, p.books.HashAll() }

package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"tidegate/book"
	"tidegate/codec/dbn"
	"tidegate/codec/lsg"
	"tidegate/internal/lsgclient"
	"tidegate/internal/venue"
	"tidegate/market"
)

// follower is a subscriber that keeps every book of a dataset, as any client could.
type follower struct {
	client  *lsgclient.Client
	records atomic.Uint64
	done    chan struct{} // closed when the session has ended

	mu    sync.Mutex // guards the rest, between the reading goroutine and whoever compares
	books *book.ByOrder
	last  time.Time // of the last data record
	err   error     // a record that could not be applied
}

// follow subscribes to the mbo records of all symbols, with a snapshot, and reads in a goroutine of
// its own until close.
func follow(ctx context.Context, addr string) (*follower, error) {
	key, err := lsg.ParseKey(demoKey)
	if err != nil {
		return nil, err
	}
	client, err := lsgclient.Dial(ctx, lsgclient.Config{Addr: addr, Dataset: market.Simulated.Dataset, Key: key})
	if err != nil {
		return nil, err
	}
	if err := client.Subscribe(dbn.SchemaMBO, dbn.STypeRawSymbol, []string{lsg.AllSymbols}, true, market.UndefTime); err != nil {
		client.Close()
		return nil, err
	}
	if _, err := client.Start(); err != nil {
		client.Close()
		return nil, err
	}
	f := &follower{
		client: client, done: make(chan struct{}), last: time.Now(),
		books: book.NewByOrder(book.ByOrderConfig{}),
	}
	go f.read()
	return f, nil
}

func (f *follower) close() {
	f.client.Close()
	<-f.done
}

func (f *follower) read() {
	defer close(f.done)
	for {
		r, err := f.client.Next()
		if err == nil && r.RType == dbn.RTypeMBO {
			err = f.apply(r)
		}
		if err != nil {
			f.mu.Lock()
			f.err = errors.Join(f.err, err)
			f.mu.Unlock()
			return
		}
	}
}

func (f *follower) apply(r dbn.Record) error {
	var m dbn.MBO
	if err := m.Parse(r); err != nil {
		return err
	}
	var u market.Update
	m.Event(&u.Event)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last = time.Now()
	f.records.Add(1)
	if res := f.books.Apply(&u); res.Verdict.Fault() {
		return fmt.Errorf("record %d: %s of order %d: %s", f.records.Load(), m.Action, m.OrderID, res.Verdict)
	}
	return nil
}

// quiet waits until nothing has come for a while.
func (f *follower) quiet(ctx context.Context) error {
	const enough = 500 * time.Millisecond
	for {
		f.mu.Lock()
		since, err := time.Since(f.last), f.err
		f.mu.Unlock()
		if err != nil {
			return fmt.Errorf("demo: the subscriber: %w", err)
		}
		if since >= enough {
			return nil
		}
		if err := pause(ctx, enough-since); err != nil {
			return err
		}
	}
}

// compare holds every level against the venue's and returns how many there are.
func (f *follower) compare(truth []venue.BookTruth) (levels int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, b := range truth {
		for _, side := range []struct {
			of   market.Side
			want []venue.Level
		}{{market.Bid, b.Bids}, {market.Ask, b.Asks}} {
			got := f.books.Levels(b.Instrument, side.of, make([]book.Level, 0, len(side.want)+1))
			if len(got) != len(side.want) {
				return levels, fmt.Errorf("demo: %s: the subscriber has %d levels on side %s, the venue %d",
					b.Symbol, len(got), side.of, len(side.want))
			}
			for i, want := range side.want {
				if got[i] != (book.Level{Price: want.Price, Size: want.Size, Orders: uint32(want.Orders)}) {
					return levels, fmt.Errorf("demo: %s: level %d of side %s is %+v, the venue has %+v",
						b.Symbol, i, side.of, got[i], want)
				}
				levels++
			}
		}
	}
	return levels, nil
}

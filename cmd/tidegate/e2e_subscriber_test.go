//go:build linux

package main

import (
	"context"
	"errors"
	"testing"
	"time"

	"tidegate/arbiter"
	"tidegate/book"
	"tidegate/codec/dbn"
	"tidegate/codec/itch50"
	"tidegate/codec/lsg"
	"tidegate/gateway"
	"tidegate/internal/lsgclient"
	"tidegate/internal/venue"
	"tidegate/market"
)

// An account is what a gateway that got all messages of a venue, but for those that are lost, has to
// publish, and the books it then has. It comes from the venue's seed, without lines and sockets.
type account struct {
	events  []market.Event
	books   gateway.Books
	touched map[market.InstrumentID]bool // instruments that a lost message was about
}

// OnEvents keeps the events. The other methods are there to make the account a sink.
func (a *account) OnEvents(events []market.Event, _ gateway.Books) {
	a.events = append(a.events, events...)
}
func (a *account) OnFacts(*market.Facts) {}
func (a *account) OnTime(market.Nanos)   {}
func (a *account) OnGap(arbiter.Gap)     {}
func (a *account) OnEpoch(arbiter.Epoch) {}

// accountOf makes the messages 1 to sent again.
func (v *venueProcess) accountOf(sent uint64, lost func(seq uint64) bool) *account {
	v.t.Helper()
	a := &account{touched: make(map[market.InstrumentID]bool)}
	cfg := gateway.FileConfig(gateway.ITCH)
	cfg.Publisher, cfg.Midnight = market.Simulated, newYorkMidnight(time.Now())
	p, err := gateway.New(cfg, a)
	if err != nil {
		v.t.Fatal(err)
	}
	x, err := venue.New(v.market)
	if err != nil {
		v.t.Fatal(err)
	}
	for seq := uint64(1); seq <= sent; {
		_, messages := x.Step()
		if len(messages) == 0 {
			v.t.Fatalf("the venue's day has %d messages, it sent %d", seq-1, sent)
		}
		for _, m := range messages {
			switch {
			case seq > sent:
			case lost(seq):
				a.touched[market.InstrumentID(m[1])<<8|market.InstrumentID(m[2])] = true
			default:
				p.OnBlock(seq, itch50.AppendFramed(nil, m))
			}
			seq++
		}
	}
	a.books = p.Books()
	return a
}

func nothing(uint64) bool { return false }

// truth returns the books of the account as a venue shows them.
func (a *account) truth(of venue.Config) []venue.BookTruth { return truthOf(a.books, of) }

// truthOf returns the books of all instruments of a venue as the venue shows them.
func truthOf(books levelled, of venue.Config) []venue.BookTruth {
	truth := make([]venue.BookTruth, len(of.Listings))
	for i, l := range of.Listings {
		b := &truth[i]
		b.Instrument, b.Symbol = market.InstrumentID(i+1), l.Symbol
		for _, side := range []struct {
			of market.Side
			to *[]venue.Level
		}{{market.Bid, &b.Bids}, {market.Ask, &b.Asks}} {
			for _, l := range books.Levels(b.Instrument, side.of, make([]book.Level, 0, 10_000)) {
				*side.to = append(*side.to, venue.Level{Price: l.Price, Size: l.Size, Orders: int(l.Orders)})
			}
		}
	}
	return truth
}

// levelled are books of whatever kind.
type levelled interface {
	Levels(id market.InstrumentID, side market.Side, dst []book.Level) []book.Level
}

// wantRecords holds what a subscriber got from the first message on against an account. What is
// published behind a gap carries a flag.
func (a *account) wantRecords(t *testing.T, got []dbn.MBO, firstLost uint64) {
	t.Helper()
	if len(got) != len(a.events) {
		t.Errorf("the subscriber got %d records, want %d", len(got), len(a.events))
	}
	for i := range min(len(got), len(a.events)) {
		var want dbn.MBO
		r, err := dbn.ParseRecord(dbn.AppendMBO(nil, &a.events[i]), dbn.Version, false)
		if err == nil {
			err = want.Parse(r)
		}
		if err != nil {
			t.Fatal(err)
		}
		if firstLost != 0 && a.events[i].Seq > firstLost {
			want.Flags |= market.FlagMaybeBadBook
		}
		g := got[i]
		// Receive times are the gateway's, and the venue's clock went on while the market was paused.
		g.TsRecv, g.TsInDelta, g.TsEvent = want.TsRecv, want.TsInDelta, want.TsEvent
		if g != want {
			t.Fatalf("record %d is %+v, want %+v", i, got[i], want)
		}
	}
}

// A mirror is a subscriber that keeps the mbo records of all symbols and every book.
type mirror struct {
	follower // books and what went wrong

	events []dbn.MBO // guarded by mu, as are these
	clears int       // of books that were not those of a snapshot
	system []string  // texts of the gateway
	errors []dbn.Error
}

// watch subscribes, and waits until the gateway has said that it did.
func watch(t *testing.T, addr, key string, snapshot bool) *mirror {
	t.Helper()
	m, err := tryWatch(t.Context(), addr, key, snapshot)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.close)
	eventually(t, "subscription", func() error {
		m.mu.Lock()
		defer m.mu.Unlock()
		if len(m.system) == 0 {
			return errors.New("not acknowledged")
		}
		return nil
	})
	return m
}

func tryWatch(ctx context.Context, addr, key string, snapshot bool) (*mirror, error) {
	k, err := lsg.ParseKey(key)
	if err != nil {
		return nil, err
	}
	c, err := lsgclient.Dial(ctx, lsgclient.Config{Addr: addr, Dataset: market.Simulated.Dataset, Key: k})
	if err != nil {
		return nil, err
	}
	if err := c.Subscribe(dbn.SchemaMBO, dbn.STypeRawSymbol, []string{lsg.AllSymbols}, snapshot, market.UndefTime); err != nil {
		c.Close()
		return nil, err
	}
	if _, err := c.Start(); err != nil {
		c.Close()
		return nil, err
	}
	m := &mirror{follower: follower{client: c, done: make(chan struct{}), books: book.NewByOrder(book.ByOrderConfig{})}}
	go m.read()
	return m, nil
}

func (m *mirror) read() {
	defer close(m.done)
	defer m.client.Close() // a gateway that stops waits for that
	for {
		r, err := m.client.Next()
		if err == nil {
			err = m.take(r)
		}
		if err != nil {
			m.mu.Lock()
			m.err = err
			m.mu.Unlock()
			return
		}
	}
}

func (m *mirror) take(r dbn.Record) error {
	switch r.RType {
	case dbn.RTypeMBO:
		if err := m.apply(r); err != nil {
			return err
		}
		var e dbn.MBO
		if err := e.Parse(r); err != nil {
			return err
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		m.events = append(m.events, e)
		if e.Action == market.Clear && e.Flags&market.FlagSnapshot == 0 {
			m.clears++
		}
	case dbn.RTypeSystem:
		var s dbn.System
		if err := s.Parse(r); err != nil {
			return err
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		m.system = append(m.system, s.Text)
	case dbn.RTypeError:
		var e dbn.Error
		if err := e.Parse(r); err != nil {
			return err
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		m.errors = append(m.errors, e)
	}
	return nil
}

// has waits until books are those of the truth.
func (m *mirror) has(t *testing.T, who string, truth []venue.BookTruth) {
	t.Helper()
	eventually(t, who, func() error {
		if err := m.failure(); err != nil {
			t.Fatalf("%s: %v", who, err)
		}
		levels, err := m.compare(truth)
		if err == nil && levels == 0 {
			err = errors.New("the venue has no book")
		}
		return err
	})
}

// failure returns why the session ended, nil if it goes on.
func (m *mirror) failure() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err
}

// ends waits for the end of the session and returns why.
func (m *mirror) ends(t *testing.T, who string) error {
	t.Helper()
	select {
	case <-m.done:
	case <-time.After(patience):
		t.Fatalf("%s: the session goes on", who)
	}
	return m.failure()
}

func (m *mirror) all() []dbn.MBO {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.events
}

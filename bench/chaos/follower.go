//go:build linux

package chaos

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"tidegate/book"
	"tidegate/codec/dbn"
	"tidegate/codec/lsg"
	"tidegate/internal/clock"
	"tidegate/internal/lsgclient"
	"tidegate/internal/venue"
	"tidegate/market"
)

// A Notice is what the gateway told its subscribers.
type Notice struct {
	At   market.Nanos `json:"at_ns"`   // when the gateway decided, as it says
	Seen market.Nanos `json:"seen_ns"` // when the subscriber had read it
	Text string       `json:"text"`
}

// An Experience is what a subscriber noticed in a time.
type Experience struct {
	Records   uint64        `json:"records"`
	Marked    uint64        `json:"marked"`     // records with the flag that the book may be wrong
	FirstMark market.Nanos  `json:"-"`          // when the first of them was read; 0: none was
	Marks     uint64        `json:"marks"`      // records with action None: books that were marked, or were no longer
	Refreshes uint64        `json:"refreshes"`  // books published anew
	Silence   time.Duration `json:"silence_ns"` // the longest time between two records, while the drill went on
	Latest    time.Duration `json:"latest_ns"`  // the most that a record came after its message had left the venue, meanwhile
	Faults    uint64        `json:"faults"`     // records that do not fit the book, although it was not marked
	Fault     string        `json:"fault,omitempty"`
	Notices   []Notice      `json:"notices,omitempty"`
}

// A follower is a subscriber that keeps every book of a dataset, as any client could.
type follower struct {
	client *lsgclient.Client
	cameAt func(seq uint32) (market.Nanos, bool)
	done   chan struct{} // closed when the session has ended

	mu     sync.Mutex // guards the rest, between the reading goroutine and others
	books  *book.ByOrder
	marked map[market.InstrumentID]bool // by the latest record of each
	seen   Experience
	last   market.Nanos // of the latest data record
	err    error        // why the session ended
}

// follow subscribes to the mbo records of all symbols, with a snapshot, and reads in a goroutine of its own until
// close. cameAt says when a message left the venue.
func follow(ctx context.Context, cfg lsgclient.Config, cameAt func(uint32) (market.Nanos, bool)) (*follower, error) {
	client, err := subscribe(ctx, cfg, dbn.SchemaMBO, true)
	if err != nil {
		return nil, err
	}
	f := &follower{
		client: client, cameAt: cameAt, done: make(chan struct{}), last: clock.Now(),
		books: book.NewByOrder(book.ByOrderConfig{}), marked: make(map[market.InstrumentID]bool),
	}
	go f.read()
	return f, nil
}

func subscribe(ctx context.Context, cfg lsgclient.Config, schema dbn.Schema, snapshot bool) (*lsgclient.Client, error) {
	client, err := lsgclient.Dial(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if err = client.Subscribe(schema, dbn.STypeRawSymbol, []string{lsg.AllSymbols}, snapshot, market.UndefTime); err == nil {
		_, err = client.Start()
	}
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	return client, nil
}

func (f *follower) close() {
	_ = f.client.Close() // the reading goroutine says why it ended
	<-f.done
}

func (f *follower) read() {
	defer close(f.done)
	for {
		r, err := f.client.Next()
		now := clock.Now()
		f.mu.Lock()
		if err == nil {
			err = f.take(r, now)
		}
		f.err = err
		f.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// take takes a record. It is an error only if the session cannot go on.
func (f *follower) take(r dbn.Record, now market.Nanos) error {
	switch r.RType {
	case dbn.RTypeMBO:
		var m dbn.MBO
		if err := m.Parse(r); err != nil {
			return err
		}
		f.apply(&m, now)
	case dbn.RTypeSystem:
		var s dbn.System
		if err := s.Parse(r); err != nil {
			return err
		}
		if s.Code == dbn.SystemUnset {
			f.seen.Notices = append(f.seen.Notices, Notice{At: s.TsEvent, Seen: now, Text: s.Text})
		}
	case dbn.RTypeError:
		var e dbn.Error
		if err := e.Parse(r); err != nil {
			return err
		}
		return fmt.Errorf("the gateway reported error %d: %s", e.Code, e.Text)
	}
	return nil
}

func (f *follower) apply(m *dbn.MBO, now market.Nanos) {
	s := &f.seen
	s.Records++
	s.Silence = max(s.Silence, time.Duration(now-f.last))
	f.last = now
	marked := m.Flags&market.FlagMaybeBadBook != 0
	f.marked[m.InstrumentID] = marked
	if marked {
		if s.Marked++; s.FirstMark == 0 {
			s.FirstMark = now
		}
	}
	switch {
	case m.Action == market.None:
		s.Marks++
	case m.Action == market.Clear:
		s.Refreshes++
	case m.Flags&market.FlagSnapshot == 0 && m.Sequence != 0:
		if came, ok := f.cameAt(m.Sequence); ok {
			s.Latest = max(s.Latest, time.Duration(now-came))
		}
	}
	var u market.Update
	m.Event(&u.Event)
	if v := f.books.Apply(&u).Verdict; v.Fault() && !marked {
		s.Faults++
		s.Fault = fmt.Sprintf("%s of order %d, sequence %d: %s", m.Action, m.OrderID, m.Sequence, v)
	}
}

// takeExperience returns what was noticed since it was last called.
func (f *follower) takeExperience() (Experience, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.seen
	f.seen = Experience{}
	return s, f.err
}

// soFar returns what was noticed since the experience was last taken, which goes on. The time since the latest
// record counts as silence.
func (f *follower) soFar() (Experience, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.seen
	s.Silence = max(s.Silence, time.Duration(clock.Now()-f.last))
	s.Notices = slices.Clone(s.Notices)
	return s, f.err
}

// differs says how the books differ from the venue's, "" if they do not, and how many levels there are.
func (f *follower) differs(truth []venue.BookTruth) (difference string, levels int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, b := range truth {
		if f.marked[b.Instrument] {
			return fmt.Sprintf("the book of %s is marked", b.Symbol), levels
		}
		for _, side := range []struct {
			of   market.Side
			want []venue.Level
		}{{market.Bid, b.Bids}, {market.Ask, b.Asks}} {
			got := f.books.Levels(b.Instrument, side.of, make([]book.Level, 0, len(side.want)+1))
			if len(got) != len(side.want) {
				return fmt.Sprintf("%s: %d levels on side %s, the venue has %d", b.Symbol, len(got), side.of, len(side.want)), levels
			}
			for i, want := range side.want {
				if got[i] != (book.Level{Price: want.Price, Size: want.Size, Orders: uint32(want.Orders)}) {
					return fmt.Sprintf("%s: level %d of side %s is %+v, the venue has %+v", b.Symbol, i, side.of, got[i], want), levels
				}
				levels++
			}
		}
	}
	return "", levels
}

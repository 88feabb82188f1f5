package recovery_test

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tidegate/arbiter"
	"tidegate/book"
	"tidegate/gateway"
	"tidegate/gateway/providers"
	"tidegate/gateway/recovery"
	"tidegate/internal/venue"
	"tidegate/market"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// The HTTP library has a goroutine that outlives its server by a second's sleep at most.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
	)
}

const ms = market.Millisecond

// void takes nothing.
type void struct{}

func (void) OnEvents([]market.Event, gateway.Books) {}
func (void) OnFacts(*market.Facts)                  {}
func (void) OnTime(market.Nanos)                    {}
func (void) OnGap(arbiter.Gap)                      {}
func (void) OnEpoch(arbiter.Epoch)                  {}

// reader is what a subscriber sees: everything, and books of its own.
type reader struct {
	mirror  *gateway.Pipeline
	events  []market.Event
	flagged int // events with FlagMaybeBadBook
	gaps    int
}

func newReader(t testing.TB) *reader {
	mirror, err := gateway.New(gateway.FileConfig(gateway.MBO), void{})
	if err != nil {
		t.Fatal(err)
	}
	return &reader{mirror: mirror}
}

func (r *reader) OnEvents(events []market.Event, _ gateway.Books) {
	for i := range events {
		e := events[i]
		r.events = append(r.events, e)
		if e.Flags&market.FlagMaybeBadBook != 0 {
			r.flagged++
		}
		r.mirror.OnEvent(&e)
	}
}
func (r *reader) OnFacts(*market.Facts)       {}
func (r *reader) OnTime(market.Nanos)         {}
func (r *reader) OnGap(arbiter.Gap)           { r.gaps++ }
func (r *reader) OnEpoch(arbiter.Epoch)       {}
func (r *reader) OnSwitch(providers.Switch)   {}
func (r *reader) OnStale(providers.Staleness) {}
func (r *reader) flags(from int) (n int)      { return count(r.events[from:], market.FlagMaybeBadBook) }

func count(events []market.Event, flag market.Flags) (n int) {
	for i := range events {
		if events[i].Flags&flag != 0 {
			n++
		}
	}
	return n
}

// gate is a pipeline whose events a reader gets, and the loop that owns it.
type gate struct {
	t        testing.TB
	out      *reader
	feed     *providers.Feed
	pipeline *gateway.Pipeline
	tape     []input

	mu       sync.Mutex
	commands []func()
	stopped  bool
}

// input is one entry of what a replay needs: a datagram, or an input of the pipeline.
type input struct {
	at      market.Nanos
	line    arbiter.LineID
	payload []byte
}

func newGate(t testing.TB, change func(*gateway.Config)) *gate {
	t.Helper()
	g := &gate{t: t, out: newReader(t)}
	cfg := gateway.DefaultConfig(gateway.ITCH)
	if change != nil {
		change(&cfg)
	}
	var err error
	if g.feed, err = providers.New(providers.DefaultConfig("venue"), g.out, g.out); err != nil {
		t.Fatal(err)
	}
	if g.pipeline, err = gateway.New(cfg, g.feed.Port(0)); err != nil {
		t.Fatal(err)
	}
	g.feed.Attach(0, g.pipeline)
	return g
}

var errStopped = errors.New("the loop has stopped")

func (g *gate) do(f func()) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopped {
		return errStopped
	}
	g.commands = append(g.commands, f)
	return nil
}

// obey runs the commands that wait.
func (g *gate) obey() (n int) {
	g.mu.Lock()
	commands := g.commands
	g.commands = nil
	g.mu.Unlock()
	for _, f := range commands {
		f()
	}
	return len(commands)
}

// record is a recovery.Config's Record.
func (g *gate) record(payload []byte) {
	g.tape = append(g.tape, input{payload: bytes.Clone(payload)})
}

func (g *gate) onDatagram(line arbiter.LineID, at market.Nanos, payload []byte) {
	g.tape = append(g.tape, input{at, line, bytes.Clone(payload)})
	g.pipeline.OnTick(at)
	g.pipeline.OnDatagram(line, at, payload)
}

func (g *gate) onTick(now market.Nanos) {
	g.pipeline.OnTick(now)
	g.feed.OnTick(now)
}

// compare compares the reader's books with the venue's own.
func (g *gate) compare(truth venue.Truth) {
	g.t.Helper()
	if due := g.feed.Ledger().RefreshDue; due != 0 {
		g.t.Errorf("%d instruments still wait for their refresh", due)
	}
	levels := 0
	for i, b := range truth.Books {
		id := g.instrument(i, b.Symbol)
		for side, want := range map[market.Side][]venue.Level{market.Bid: b.Bids, market.Ask: b.Asks} {
			got := g.out.mirror.Books().Levels(id, side, make([]book.Level, 0, 1000))
			levels += len(want)
			if len(got) != len(want) {
				g.t.Errorf("%s %c: %d levels, the venue has %d", b.Symbol, side, len(got), len(want))
				continue
			}
			for i := range want {
				if got[i].Price != want[i].Price || got[i].Size != want[i].Size || int(got[i].Orders) != int(want[i].Orders) {
					g.t.Errorf("%s %c level %d: %+v, the venue has %+v", b.Symbol, side, i, got[i], want[i])
				}
			}
		}
	}
	if levels == 0 {
		g.t.Error("the venue has no books")
	}
	if err := g.pipeline.Balanced(); err != nil {
		g.t.Error(err)
	}
}

// instrument returns the feed's number of a listing.
func (g *gate) instrument(listing int, symbol string) market.InstrumentID {
	if g.pipeline.Config().Feed == gateway.ITCH {
		return market.InstrumentID(listing + 1)
	}
	for id := range market.InstrumentID(100) {
		if g.pipeline.Symbol(id) == symbol {
			return id
		}
	}
	g.t.Errorf("no instrument %s", symbol)
	return 0
}

// world is a venue, a line that loses, and a gate, in a synctest bubble.
type world struct {
	*gate
	venue *venue.LiveFeed
	drop  bool // everything
	lose  int  // that many packets
	snaps *recovery.Snapshots
}

func newWorld(t *testing.T, seed uint64, change func(*gateway.Config)) *world {
	t.Helper()
	w := &world{gate: newGate(t, change)}
	live := venue.DefaultLiveConfig(seed)
	live.Feed.Market.Open, live.Feed.Market.PreOpen = market.Second, market.Second
	live.Feed.Market.Halts, live.Feed.Market.Rate = nil, 3000
	var err error
	if w.venue, err = venue.NewLiveFeed(live, w.now()); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) now() market.Nanos { return market.Nanos(time.Now().UnixNano()) }

// serve has snapshots got for the pipeline.
func (w *world) serve(change func(*recovery.Config), servers ...recovery.Source) {
	w.t.Helper()
	cfg := recovery.DefaultConfig()
	cfg.Breaker.Seed, cfg.Record = 1, w.record
	if change != nil {
		change(&cfg)
	}
	var err error
	if w.snaps, err = recovery.NewSnapshots(cfg, w.pipeline, servers, w.do); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(w.snaps.Close)
}

// run lets time pass, a millisecond per tick.
func (w *world) run(d market.Nanos) {
	for end := w.now() + d; w.now() < end; {
		time.Sleep(time.Millisecond)
		now := w.now()
		w.venue.OnTick(now)
		for d, ok := w.venue.Next(); ok; d, ok = w.venue.Next() {
			switch {
			case d.Line != 0 || w.drop:
			case w.lose > 0:
				w.lose--
			default:
				w.onDatagram(arbiter.LineA, now, d.Payload)
			}
		}
		w.onTick(now)
		if w.snaps != nil {
			w.snaps.OnTick(now)
		}
		w.obey()
	}
}

// settle pauses the market until everything has arrived, compares the books and goes on.
func (w *world) settle() {
	w.t.Helper()
	w.venue.Pause()
	w.run(300 * ms)
	w.compare(w.venue.Truth().Truth)
	w.venue.Resume()
}

// ledger returns the ledger, whose books are balanced.
func (w *world) ledger() recovery.Ledger {
	w.t.Helper()
	l := w.snaps.Ledger()
	if err := l.Balanced(); err != nil {
		w.t.Error(err)
	}
	return l
}

// server is a Source in the bubble.
type server struct {
	w       *world
	name    string
	delay   time.Duration // before the first message
	slow    time.Duration // for each message
	broken  error         // at the end
	session string        // "" for the venue's
	change  func(messages [][]byte, next *uint64) [][]byte
	held    []uint64 // asked for
}

func (s *server) String() string  { return s.name }
func (s *server) Validate() error { return nil }

func (s *server) Fetch(ctx context.Context, held uint64, take func([]byte) error) (recovery.Snapshot, error) {
	type state struct {
		messages [][]byte
		next     uint64
		session  string
	}
	// The venue belongs to the goroutine of the test.
	got := make(chan state, 1)
	if err := s.w.do(func() {
		s.held = append(s.held, held)
		messages, next := s.w.venue.Snapshot()
		got <- state{messages, next, s.w.venue.Position().Session}
	}); err != nil {
		return recovery.Snapshot{}, err
	}
	var st state
	select {
	case st = <-got:
	case <-ctx.Done():
		return recovery.Snapshot{}, ctx.Err()
	}
	if s.session != "" {
		st.session = s.session
	}
	if s.change != nil {
		st.messages = s.change(st.messages, &st.next)
	}
	if err := pause(ctx, s.delay); err != nil {
		return recovery.Snapshot{}, err
	}
	for _, m := range st.messages {
		if err := pause(ctx, s.slow); err != nil {
			return recovery.Snapshot{}, err
		}
		if err := take(m); err != nil {
			return recovery.Snapshot{}, err
		}
	}
	if s.broken != nil {
		return recovery.Snapshot{}, s.broken
	}
	return recovery.Snapshot{Next: st.next, Session: st.session}, nil
}

func pause(ctx context.Context, d time.Duration) error {
	if d == 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

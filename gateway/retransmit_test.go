package gateway_test

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"tidegate/arbiter"
	"tidegate/gateway"
	"tidegate/internal/venue"
	"tidegate/market"
)

// input is a datagram as a capture has it.
type input struct {
	line    arbiter.LineID
	at      market.Nanos
	payload []byte
}

// play gives a pipeline what was recorded.
func play(p *gateway.Pipeline, inputs []input) {
	for _, in := range inputs {
		p.OnTick(in.at)
		p.OnDatagram(in.line, in.at, in.payload)
	}
	p.Flush()
}

// lossy is a venue on two lines that each lose a packet in twenty, with retransmit servers that lose as
// many of their answers.
type lossy struct {
	t       *testing.T
	rng     *rand.Rand
	feed    *venue.LiveFeed
	p       *gateway.Pipeline
	now     market.Nanos
	alive   func(server int, now market.Nanos) bool
	asked   []int // by server
	answers []input
	inputs  []input // that the pipeline got
}

const lossyStart = 1_000 * market.Second

func liveConfig(seed uint64, loss float64) venue.LiveConfig {
	cfg := venue.DefaultLiveConfig(seed)
	cfg.Endless = false
	cfg.Feed.Market.Trading, cfg.Feed.Market.Halts, cfg.Feed.Market.Rate = 3*market.Second, nil, 8000
	for i := range cfg.Feed.Lines {
		cfg.Feed.Lines[i].Impairment = venue.Impairment{Loss: loss, Duplicate: loss / 5, Jitter: 300 * market.Microsecond}
	}
	return cfg
}

func newLossy(t *testing.T, seed uint64, loss float64, cfg gateway.Config, sink gateway.Sink) *lossy {
	t.Helper()
	live := liveConfig(seed, loss)
	cfg.Midnight = live.Feed.Market.Midnight
	feed, err := venue.NewLiveFeed(live, lossyStart)
	if err != nil {
		t.Fatal(err)
	}
	p, err := gateway.New(cfg, sink)
	if err != nil {
		t.Fatal(err)
	}
	w := &lossy{t: t, rng: rand.New(rand.NewPCG(seed, 1)), feed: feed, p: p, now: lossyStart, asked: make([]int, 8)}
	w.alive = func(int, market.Nanos) bool { return true }
	p.SendRequests(w.onRequest)
	return w
}

func (w *lossy) onRequest(q arbiter.Request) {
	w.asked[q.Server]++
	answer := w.feed.OnRequest(w.p.AppendRequest(nil, q))
	if !w.alive(q.Server, w.now) || w.rng.IntN(20) == 0 {
		return
	}
	if answer == nil {
		w.t.Errorf("request %+v is refused", q)
	}
	delay := 200*market.Microsecond + market.Nanos(w.rng.Int64N(int64(3*market.Millisecond)))
	w.answers = append(w.answers, input{arbiter.LineR, w.now + delay, slices.Clone(answer)})
}

// run lets time pass until the session has ended and nothing is on its way.
func (w *lossy) run() {
	for end := w.now + 8*market.Second; w.now < end; w.now += market.Nanos(100_000 + w.rng.IntN(900_000)) {
		w.feed.OnTick(w.now)
		var due []input
		for d, ok := w.feed.Next(); ok; d, ok = w.feed.Next() {
			due = append(due, input{arbiter.LineID(d.Line), d.Time, slices.Clone(d.Payload)})
		}
		w.answers = slices.DeleteFunc(w.answers, func(in input) bool {
			if in.at <= w.now {
				due = append(due, in)
			}
			return in.at <= w.now
		})
		// As the ingest loop does: by receive time, and no time before one that was.
		slices.SortStableFunc(due, func(a, b input) int { return int(a.at - b.at) })
		for _, in := range due {
			in.at = w.now
			w.inputs = append(w.inputs, in)
			w.p.OnTick(in.at)
			w.p.OnDatagram(in.line, in.at, in.payload)
		}
		w.p.OnTick(w.now)
	}
	w.p.Flush()
	balanced(w.t, w.p)
}

// untimed returns events without the times at which they were received, which retransmission changes.
func untimed(events []market.Event) []market.Event {
	events = slices.Clone(events)
	for i := range events {
		events[i].TsRecv, events[i].TsInDelta = 0, 0
	}
	return events
}

// What both lines lose comes from the retransmit servers, and the books are those of a perfect line.
func TestRetransmission(t *testing.T) {
	for _, c := range []struct {
		name    string
		servers int
		alive   func(server int, now market.Nanos) bool
		loses   bool
	}{
		{"one server", 1, nil, false},
		{"the first of two dies", 2, func(server int, now market.Nanos) bool { return server == 1 || now < lossyStart+3*market.Second }, false},
		{"the only one dies", 1, func(_ int, now market.Nanos) bool { return now < lossyStart+3*market.Second }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			for seed := range uint64(3) {
				var want, got, again recorder
				perfect := newLossy(t, seed, 0, gateway.DefaultConfig(gateway.ITCH), &want)
				perfect.run()

				cfg := gateway.DefaultConfig(gateway.ITCH)
				limits := arbiter.DefaultRequestConfig(c.servers)
				cfg.Retransmit = &limits
				w := newLossy(t, seed, 0.05, cfg, &got)
				if c.alive != nil {
					w.alive = c.alive
				}
				w.run()
				l, _ := w.p.Ledger()
				if l.GapsOpened.Ranges < 10 || l.Lines[arbiter.LineR].GapMessages == 0 {
					t.Errorf("seed %d: %d gaps, %d messages from line R", seed, l.GapsOpened.Ranges, l.Lines[arbiter.LineR].GapMessages)
				}
				if lost := l.GapsAnnounced().Messages; lost > 0 != c.loses {
					t.Errorf("seed %d: %d messages are lost: %v", seed, lost, got.gaps)
				}
				if !c.loses && !slices.Equal(untimed(got.events), untimed(want.events)) {
					t.Errorf("seed %d: %d events, not the %d of a perfect line", seed, len(got.events), len(want.events))
				}
				if last := len(want.events) - 1; got.events[len(got.events)-1].Seq != want.events[last].Seq {
					t.Errorf("seed %d: the stream ends before the end", seed)
				}
				for i, n := range w.asked {
					if i < c.servers != (n > 0) {
						t.Errorf("seed %d: %d requests to server %d", seed, n, i)
					}
				}

				// A replay of what came in makes the same of it, and asks nobody.
				cfg.Midnight = w.p.Config().Midnight
				p, err := gateway.New(cfg, &again)
				if err != nil {
					t.Fatal(err)
				}
				play(p, w.inputs)
				balanced(t, p)
				if !slices.Equal(again.events, got.events) || !slices.Equal(again.gaps, got.gaps) {
					t.Errorf("seed %d: the replay has %d events and %d gaps, live had %d and %d",
						seed, len(again.events), len(again.gaps), len(got.events), len(got.gaps))
				}
				live, _ := w.p.Requests()
				if replayed, _ := p.Requests(); !reflect.DeepEqual(replayed.Server[0].Answered, live.Server[0].Answered) {
					t.Errorf("seed %d: requests of the replay\n%+v\nlive\n%+v", seed, replayed.Server[0], live.Server[0])
				}
			}
		})
	}
}

func TestRetransmissionRefused(t *testing.T) {
	for _, c := range []struct {
		feed  gateway.Feed
		spoil func(*gateway.Config)
		want  string
	}{
		{gateway.DEEP, func(*gateway.Config) {}, "pipeline: retransmission: feed deep: has none by datagrams"},
		{gateway.ITCH, func(c *gateway.Config) { c.Arbiter.GapDeadline = 0 }, "pipeline: arbiter: requests: gap deadline 0 ns: want at least 12000000"},
	} {
		cfg := gateway.DefaultConfig(c.feed)
		limits := arbiter.DefaultRequestConfig(1)
		cfg.Retransmit = &limits
		c.spoil(&cfg)
		if _, err := gateway.New(cfg, &discard{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want %q", err, c.want)
		}
	}
	if _, ok := newPipeline(t, gateway.ITCH, &discard{}).Requests(); ok {
		t.Error("a pipeline without servers has requests")
	}
}

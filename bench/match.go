package bench

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"slices"
	"text/tabwriter"
	"time"

	hdrhistogram "github.com/HdrHistogram/hdrhistogram-go"

	"tidegate/book"
	"tidegate/book/match"
	"tidegate/book/match/matchtest"
	"tidegate/market"
)

// MatchOptions say what RunMatch does.
type MatchOptions struct {
	Operations int  // of each program, at least 1,000
	Resting    int  // orders in the book when the mix begins
	Runs       int  // of each program, at least 1
	Plain      bool // only limit orders, without a session, self-trade prevention or collar: what simple engines have
	Twin       int  // so many operations of each program are compared with the plain twin; 0 is none
}

// A MatchReport is the outcome of RunMatch.
type MatchReport struct {
	Plain       bool           `json:"plain"`
	Resting     int            `json:"resting"`
	Programs    []MatchProgram `json:"programs"`
	Environment Environment    `json:"environment"`
}

// A MatchProgram is one kind of operations and what they took.
type MatchProgram struct {
	Name       string    `json:"name"`
	Operations int       `json:"operations"` // per run
	Nanos      []float64 `json:"ns_per_operation"`
	Median     float64   `json:"median_ns_per_operation"` // of the runs
	// Processor is the time that the thread was on a processor, in the best run: what others run on a
	// shared machine does not count. 0 where it is not known.
	Processor float64 `json:"processor_ns_per_operation,omitempty"`
	Mallocs   uint64  `json:"mallocs"` // heap allocations in all runs
	Events    int     `json:"events"`  // per run
	Trades    int     `json:"trades"`
	Open      int     `json:"open_orders"` // at the end
	Hash      string  `json:"hash"`        // of all events and of the state at the end; the same in all runs
	Checked   int     `json:"checked"`     // operations whose events and state are the plain twin's

	// Of single operations, in nanoseconds, with the clock's reading in each: one run of its own.
	Clock float64 `json:"clock_ns"` // what reading the clock takes
	P50   int64   `json:"p50_ns"`
	P99   int64   `json:"p99_ns"`
	P999  int64   `json:"p999_ns"`
	Max   int64   `json:"max_ns"`
}

// RunMatch measures the matching engine on one thread: orders that come, orders that are canceled, and a mix of
// 50 % new orders, 40 % cancels and 10 % orders that cross, in a book that is as full at the end as
// in the beginning. What it does is decided by a seed, and checked: every run gives the same hash of events
// and state, and so does the plain twin for the first operations.
func RunMatch(ctx context.Context, o MatchOptions) (MatchReport, error) {
	r := MatchReport{Plain: o.Plain, Resting: o.Resting}
	if o.Operations < 1000 || o.Resting < 100 || o.Runs < 1 {
		return r, fmt.Errorf("match: %d operations, %d resting orders, %d runs: want at least 1000, 100 and 1", o.Operations, o.Resting, o.Runs)
	}
	for _, p := range matchPrograms(o) {
		one, err := p.measure(ctx, o)
		if err != nil {
			return r, fmt.Errorf("match: %s: %w", p.name, err)
		}
		r.Programs = append(r.Programs, one)
	}
	r.Environment = environment()
	return r, nil
}

// A matchProgram is inputs: those before the clock runs, and those that are measured.
type matchProgram struct {
	name   string
	config match.Config
	before []match.Input
	inputs []match.Input
}

const (
	matchTick   = market.PriceScale / 100
	matchMiddle = 100 * market.PriceScale
)

// matchPrograms makes the programs. Prices are around a middle, near it more than far away.
func matchPrograms(o MatchOptions) []matchProgram {
	cfg := match.Config{OrdersMax: 2*o.Resting + o.Operations + 1000, InstrumentsMax: 1}
	g := matchGenerator{dice: matchtest.Seeded(1), plain: o.Plain}
	setup := []match.Input{
		match.DefineInput(0, match.Instrument{ID: 1, TickSize: matchTick, LotSize: 1, Collar: uint32(oneIf(!o.Plain) * 5000)}),
		{Kind: match.SetState, Instrument: 1, State: match.Open},
		match.ReferenceInput(0, 1, matchMiddle-matchTick, matchMiddle+matchTick, true, 0),
	}
	insert := matchProgram{name: "insert", config: cfg, before: setup}
	for range o.Operations {
		insert.inputs = append(insert.inputs, g.add())
	}
	cancel := matchProgram{name: "cancel", config: cfg, before: slices.Concat(setup, insert.inputs)}
	for range o.Operations {
		cancel.inputs = append(cancel.inputs, g.cancel())
	}
	g = matchGenerator{dice: matchtest.Seeded(2), plain: o.Plain}
	mix := matchProgram{name: "mix", config: cfg, before: setup}
	for range o.Resting {
		mix.before = append(mix.before, g.add())
	}
	for range o.Operations {
		switch n := g.dice(10); {
		case n < 5:
			mix.inputs = append(mix.inputs, g.add())
		case n < 9:
			mix.inputs = append(mix.inputs, g.cancel())
		default:
			mix.inputs = append(mix.inputs, g.cross())
		}
	}
	return []matchProgram{insert, cancel, mix}
}

func oneIf(b bool) int {
	if b {
		return 1
	}
	return 0
}

// A matchGenerator makes orders, and knows which it has made.
type matchGenerator struct {
	dice  matchtest.Dice
	plain bool
	last  uint64
	now   market.Nanos
	live  []matchOrder // as far as the generator knows: what was executed is still there
}

type matchOrder struct {
	id      uint64
	account uint32
}

func (g *matchGenerator) order() match.Input {
	g.last++
	g.now += market.Microsecond
	in := match.Input{
		Kind: match.New, Time: g.now, Instrument: 1, OrderID: g.last, Account: 1 + uint32(g.dice(1000)),
		Side: market.Bid, Size: market.Size(100 * (1 + g.dice(5))),
	}
	if !g.plain {
		in.Session, in.STP, in.CancelOnDisconnect = 1+uint32(g.dice(50)), match.CancelOldest, g.dice(2) == 0
	}
	if g.dice(2) == 0 {
		in.Side = market.Ask
	}
	return in
}

// add makes an order that rests.
func (g *matchGenerator) add() match.Input {
	in := g.order()
	away := market.Price(1+g.dice(32)*g.dice(32)) * matchTick
	in.Price = matchMiddle - away
	if in.Side == market.Ask {
		in.Price = matchMiddle + away
	}
	g.live = append(g.live, matchOrder{in.OrderID, in.Account})
	return in
}

// cross makes an order that takes, of the size of about one that rests, and does not stay.
func (g *matchGenerator) cross() match.Input {
	in := g.order()
	in.TIF = match.Immediate
	in.Price = matchMiddle + 20*matchTick
	if in.Side == market.Ask {
		in.Price = matchMiddle - 20*matchTick
	}
	return in
}

// cancel makes the end of an order, any one.
func (g *matchGenerator) cancel() match.Input {
	n := g.dice(uint64(len(g.live)))
	o := g.live[n]
	g.live[n] = g.live[len(g.live)-1]
	g.live = g.live[:len(g.live)-1]
	g.now += market.Microsecond
	return match.Input{Kind: match.Cancel, Time: g.now, OrderID: o.id, Account: o.account}
}

// measure runs a program, so often, once more with the clock at every operation, and the beginning of it with the
// twin.
func (p *matchProgram) measure(ctx context.Context, o MatchOptions) (r MatchProgram, err error) {
	r.Name, r.Operations = p.name, len(p.inputs)
	events := make([]match.Event, 0, 1<<16)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for range o.Runs {
		if err := ctx.Err(); err != nil {
			return r, err
		}
		e := p.engine(&events)
		h, count, trades := book.Hasher{}, 0, 0
		var took, busy time.Duration
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		// Events are hashed in pieces, so that the clock does not count it.
		const piece = 512
		for at := 0; at < len(p.inputs); at += piece {
			inputs := p.inputs[at:min(at+piece, len(p.inputs))]
			events = events[:0]
			b0, t0 := threadTime(), time.Now()
			for i := range inputs {
				if i%matchGroup == 0 {
					e.Prefetch(inputs[i:min(i+matchGroup, len(inputs))])
				}
				events = e.Apply(&inputs[i], events)
			}
			took += time.Since(t0)
			busy += threadTime() - b0
			count += len(events)
			trades += hashEvents(&h, events)
		}
		runtime.ReadMemStats(&after)
		h.Word(e.Hash())
		hash := fmt.Sprintf("%016x", h.Sum())
		if r.Hash != "" && hash != r.Hash {
			return r, fmt.Errorf("hash %s, and %s in the run before", hash, r.Hash)
		}
		r.Hash, r.Events, r.Trades, r.Open = hash, count, trades/2, e.Len()
		if n := after.Mallocs - before.Mallocs; len(r.Nanos) == 0 || n < r.Mallocs {
			r.Mallocs = n // what the run-time allocates beside it only adds
		}
		r.Nanos = append(r.Nanos, float64(took.Nanoseconds())/float64(len(p.inputs)))
		if x := float64(busy.Nanoseconds()) / float64(len(p.inputs)); r.Processor == 0 || x < r.Processor {
			r.Processor = x
		}
	}
	sorted := slices.Sorted(slices.Values(r.Nanos))
	r.Median = (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
	p.single(&r, &events)
	if r.Checked, err = p.compare(o.Twin); err != nil {
		return r, err
	}
	return r, nil
}

// matchGroup is how many operations are known beforehand: what a matching loop has in its ring. Single operations are
// measured without.
const matchGroup = 16

// engine returns the engine as it is when the clock starts.
func (p *matchProgram) engine(events *[]match.Event) *match.Engine {
	e := match.NewEngine(p.config)
	for i := range p.before {
		*events = e.Apply(&p.before[i], (*events)[:0])
	}
	return e
}

func hashEvents(h *book.Hasher, events []match.Event) (executed int) {
	for i := range events {
		ev := &events[i]
		h.Word(uint64(ev.Kind) | uint64(ev.Reason)<<8 | uint64(ev.Side)<<16)
		h.Word(ev.OrderID)
		h.Word(ev.Ref)
		h.Word(ev.Match)
		h.Word(uint64(ev.Price))
		h.Word(uint64(ev.Open))
		if ev.Kind == match.Executed {
			executed++
		}
	}
	return executed
}

// single takes the time of every operation.
func (p *matchProgram) single(r *MatchProgram, events *[]match.Event) {
	e := p.engine(events)
	h := hdrhistogram.New(1, int64(10*time.Second), 3)
	out := (*events)[:0]
	took := make([]int64, len(p.inputs))
	runtime.GC()
	last := time.Now()
	for i := range p.inputs {
		out = e.Apply(&p.inputs[i], out[:0])
		now := time.Now()
		took[i] = now.Sub(last).Nanoseconds()
		last = now
	}
	const readings = 100_000
	t0 := time.Now()
	for range readings {
		last = time.Now()
	}
	r.Clock = float64(last.Sub(t0).Nanoseconds()) / readings
	for _, t := range took {
		_ = h.RecordValue(max(t, 1))
	}
	r.P50, r.P99, r.P999, r.Max = h.ValueAtQuantile(50), h.ValueAtQuantile(99), h.ValueAtQuantile(99.9), h.Max()
}

// compare runs the first operations, on a book that is small enough for it, with the plain twin too.
func (p *matchProgram) compare(n int) (checked int, err error) {
	fast, plain := match.NewEngine(p.config), matchtest.NewPlain(p.config)
	var got, want []match.Event
	apply := func(in *match.Input) error {
		got, want = fast.Apply(in, got[:0]), plain.Apply(in, want[:0])
		if !slices.Equal(got, want) {
			return fmt.Errorf("operation %d: %d events that are not those of the plain twin", checked, len(got))
		}
		return nil
	}
	for i := range p.before[:min(n, len(p.before))] {
		if err := apply(&p.before[i]); err != nil {
			return checked, err
		}
	}
	for i := range p.inputs[:min(n, len(p.inputs))] {
		if err := apply(&p.inputs[i]); err != nil {
			return checked, err
		}
		checked++
	}
	if fast.Hash() != plain.Hash() {
		return checked, fmt.Errorf("after %d operations the state is not that of the plain twin", checked)
	}
	return checked, nil
}

// WriteText writes the report as a table for people.
func (r *MatchReport) WriteText(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	kind := "orders with sessions, self-trade prevention and a collar"
	if r.Plain {
		kind = "plain limit orders"
	}
	fmt.Fprintf(t, "benchmark\tmatch: one engine on one thread, %s; %d orders rest when the mix begins\n", kind, r.Resting)
	for i := range r.Programs {
		p := &r.Programs[i]
		low, high := slices.Min(p.Nanos), slices.Max(p.Nanos)
		fmt.Fprintf(t, "%s\t%.0f ns an operation (%.0f to %.0f over %d runs), %.1f million a second, %d allocations\n",
			p.Name, p.Median, low, high, len(p.Nanos), 1e3/p.Median, p.Mallocs)
		if p.Processor > 0 {
			fmt.Fprintf(t, "\t%.0f ns an operation on the processor, in the best run\n", p.Processor)
		}
		fmt.Fprintf(t, "\tsingle operations, with %.0f ns for the clock: median %d ns, p99 %d, p99.9 %d (%.1f x the median), max %d\n",
			p.Clock, p.P50, p.P99, p.P999, float64(p.P999)/float64(max(p.P50, 1)), p.Max)
		fmt.Fprintf(t, "\t%d operations, %d events, %d trades, %d orders at the end, hash %s; %d agree with the plain twin\n",
			p.Operations, p.Events, p.Trades, p.Open, p.Hash, p.Checked)
	}
	e := &r.Environment
	fmt.Fprintf(t, "measured\t%s, %s, %s\n", e.Date.Format(time.RFC3339), e.Go, e.Platform)
	fmt.Fprintf(t, "processor\t%s, %d CPUs, GOMAXPROCS %d\n", e.CPU, e.CPUs, e.GOMAXPROCS)
	return t.Flush()
}

package replay_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"tidegate/arbiter"
	"tidegate/codec/dbn"
	"tidegate/codec/pcap"
	"tidegate/gateway"
	"tidegate/gateway/breaker"
	"tidegate/gateway/derive"
	"tidegate/gateway/providers"
	"tidegate/gateway/recorded"
	"tidegate/gateway/recovery"
	"tidegate/gateway/replay"
	"tidegate/internal/venue"
	"tidegate/market"
)

// A world is a gateway that is recorded: feeds of several providers, of which each has lines of its own that lag,
// lose and fall silent, judges, snapshots, and commands between datagrams. Its time is a synctest bubble's, and what
// goes wrong comes from a seed.
type world struct {
	t        *testing.T
	random   *rand.Rand
	venue    *venue.LiveFeed
	layout   recorded.Layout
	feeds    []*liveFeed
	commands chan func() // for the loop, of snapshots' goroutines
	last     market.Nanos
	healed   bool // nothing goes wrong any more
	file     bytes.Buffer
	capture  *pcap.Writer
}

// A liveFeed is one feed of a world, and what it published.
type liveFeed struct {
	*outlet
	choice    *providers.Feed
	judge     *providers.Judge
	pipelines []*gateway.Pipeline
	snapshots []*recovery.Snapshots
	lines     []*livePath
}

// An outlet makes records of every schema from what one feed publishes.
type outlet struct {
	derivers map[dbn.Schema]derive.Deriver
	records  map[dbn.Schema][]byte
	switches []providers.Switch
	stale    []providers.Staleness

	consolidated *consolidated // nil: none
}

// consolidated makes records of a consolidated schema, for all feeds of a world.
type consolidated struct {
	deriver   derive.Deriver
	market    *derive.Market
	publisher market.PublisherID
	out       *[]byte
}

// liveSchemas are compared.
var liveSchemas = []dbn.Schema{
	dbn.SchemaMBO, dbn.SchemaMBP10, dbn.SchemaBBO1s, dbn.SchemaOHLCV1s, dbn.SchemaDefinition, dbn.SchemaStatus,
}

func newOutlet(t *testing.T) *outlet {
	o := &outlet{derivers: map[dbn.Schema]derive.Deriver{}, records: map[dbn.Schema][]byte{}}
	for _, s := range liveSchemas {
		d, err := derive.New(s, nil)
		if err != nil {
			t.Fatal(err)
		}
		o.derivers[s] = d
	}
	return o
}

func (o *outlet) OnEvents(events []market.Event, books gateway.Books) {
	for s, d := range o.derivers {
		o.records[s] = d.OnEvents(o.records[s], events, books)
	}
	if c := o.consolidated; c != nil {
		*c.out = c.deriver.OnEvents(*c.out, events, books)
	}
}

func (o *outlet) OnFacts(f *market.Facts) {
	for s, d := range o.derivers {
		o.records[s] = d.OnFacts(o.records[s], f)
	}
}

func (o *outlet) OnTime(now market.Nanos) {
	for s, d := range o.derivers {
		o.records[s] = d.OnTime(o.records[s], now)
	}
	if c := o.consolidated; c != nil {
		*c.out = c.deriver.OnTime(*c.out, now)
	}
}
func (o *outlet) OnGap(arbiter.Gap)           {}
func (o *outlet) OnEpoch(arbiter.Epoch)       {}
func (o *outlet) OnSwitch(s providers.Switch) { o.switches = append(o.switches, s) }

func (o *outlet) OnStale(s providers.Staleness) {
	o.stale = append(o.stale, s)
	if c := o.consolidated; c != nil {
		change := c.market.Include
		if s.Stale {
			change = c.market.Exclude
		}
		*c.out = change(*c.out, c.publisher, s.At)
	}
}

// A livePath carries the venue's packets to one line of a provider.
type livePath struct {
	pipeline *gateway.Pipeline
	line     recorded.Line
	base     market.Nanos // delay
	lag      market.Nanos // until the trouble is over, a longer one
	drop     bool         // everything, until then
	lose     int          // packets
	over     market.Nanos // the end of the trouble
	queue    []parcel
	last     market.Nanos
}

type parcel struct {
	at market.Nanos
	b  []byte
}

func (w *world) now() market.Nanos { return market.Nanos(time.Now().UnixNano()) }

// newWorld makes a world of feeds with these numbers of providers.
func newWorld(t *testing.T, seed uint64, protocol gateway.Feed, numbers ...int) *world {
	t.Helper()
	w := &world{t: t, random: rand.New(rand.NewPCG(seed, 99)), commands: make(chan func(), 1024)}
	var err error
	if w.capture, err = pcap.NewWriter(&w.file); err != nil {
		t.Fatal(err)
	}
	live := venue.DefaultLiveConfig(seed)
	live.Feed.Market.Open, live.Feed.Market.PreOpen = market.Second, market.Second
	live.Feed.Market.Listings, live.Feed.Market.Halts, live.Feed.Market.Rate = venue.Listings(3), nil, 1500
	if protocol == gateway.PITCH {
		live.Feed.Sender.Protocol = venue.PITCH
	}
	if w.venue, err = venue.NewLiveFeed(live, w.now()); err != nil {
		t.Fatal(err)
	}
	publishers := []market.Publisher{market.Simulated, market.NasdaqITCH, market.NasdaqBX}
	for i, n := range numbers {
		w.addFeed(uint16(i), protocol, publishers[i], n)
	}
	records, err := recorded.Append(&w.layout)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		w.write(w.now(), recorded.Addr, r)
	}
	return w
}

func (w *world) addFeed(number uint16, protocol gateway.Feed, publisher market.Publisher, n int) {
	w.t.Helper()
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf("p%d", i))
	}
	choice := providers.DefaultConfig(names...)
	choice.SameIDs = n == 1 || protocol == gateway.ITCH
	choice.FailBack, choice.RefreshOrders = 700*market.Millisecond, 1+w.random.IntN(60)
	l := recorded.Feed{Name: fmt.Sprintf("f%d", number), Number: number, Choice: choice}
	f := &liveFeed{outlet: newOutlet(w.t)}
	var err error
	if f.choice, err = providers.New(choice, f, f); err != nil {
		w.t.Fatal(err)
	}
	f.choice.Record(func(d providers.Decision) {
		w.write(d.At, recorded.Addr, providers.AppendDecision(nil, number, d))
	})
	f.judge, err = providers.NewJudge(f.choice, func(c *breaker.Config) { c.Seed = uint64(number) + 1 }, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	for i := range n {
		cfg := gateway.DefaultConfig(protocol)
		cfg.Publisher, cfg.Midnight = publisher, 946_616_400*market.Second
		cfg.Arbiter.GapDeadline = market.Nanos(5+w.random.IntN(40)) * market.Millisecond
		cfg.WithholdJoined = protocol == gateway.ITCH && w.random.IntN(2) == 0
		p, err := gateway.New(cfg, f.choice.Port(i))
		if err != nil {
			w.t.Fatal(err)
		}
		f.choice.Attach(i, p)
		f.pipelines = append(f.pipelines, p)
		c := recorded.Channel{Number: number*arbiter.ProvidersMax + uint16(i), Pipeline: cfg}
		for k := range arbiter.LineID(1 + w.random.IntN(2)) {
			line := recorded.Line{ID: k, Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{233, 252, byte(number), byte(i)}), 20_000+uint16(k))}
			if w.random.IntN(4) == 0 && k == 0 {
				line.Addr = recorded.LineAddr(c.Number)
			}
			c.Lines = append(c.Lines, line)
			f.lines = append(f.lines, &livePath{pipeline: p, line: line, base: market.Nanos(1+3*i)*market.Millisecond + market.Nanos(w.random.IntN(1e6))})
		}
		l.Channels = append(l.Channels, c)
		if protocol == gateway.ITCH {
			w.addSnapshots(f, p, c.Number)
		}
	}
	w.layout.Feeds = append(w.layout.Feeds, l)
	w.feeds = append(w.feeds, f)
}

func (w *world) addSnapshots(f *liveFeed, p *gateway.Pipeline, channel uint16) {
	w.t.Helper()
	cfg := recovery.DefaultConfig()
	cfg.IntervalMin, cfg.PauseMin, cfg.PauseMax = 50*market.Millisecond, 50*market.Millisecond, 100*market.Millisecond
	cfg.PerMinute, cfg.GiveUpAfter, cfg.Feed, cfg.Breaker.Seed = 600, 900*market.Millisecond, channel, 1
	cfg.Breaker.CoolDown, cfg.Breaker.Jitter = 100*time.Millisecond, 0
	cfg.Record = func(payload []byte) { w.write(w.last, recorded.Addr, payload) }
	s, err := recovery.NewSnapshots(cfg, p, []recovery.Source{&snapshotServer{w, rand.New(rand.NewPCG(uint64(channel), 1))}}, func(f func()) error {
		w.commands <- f
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	f.snapshots = append(f.snapshots, s)
}

// A snapshotServer is a source of snapshots, some of which are cut, old, or take their time.
type snapshotServer struct {
	w      *world
	random *rand.Rand
}

func (s *snapshotServer) String() string  { return "server" }
func (s *snapshotServer) Validate() error { return nil }

func (s *snapshotServer) Fetch(ctx context.Context, _ uint64, take func([]byte) error) (recovery.Snapshot, error) {
	type state struct {
		messages [][]byte
		next     uint64
		session  string
	}
	got := make(chan state, 1)
	s.w.commands <- func() {
		messages, next := s.w.venue.Snapshot()
		got <- state{messages, next, s.w.venue.Position().Session}
	}
	var st state
	select {
	case st = <-got:
	case <-ctx.Done():
		return recovery.Snapshot{}, ctx.Err()
	}
	old := s.random.IntN(6) == 0
	for i, m := range st.messages {
		if i%16 == 0 {
			time.Sleep(time.Duration(s.random.IntN(3)) * time.Millisecond)
		}
		if ctx.Err() != nil || s.random.IntN(3000) == 0 {
			return recovery.Snapshot{}, context.DeadlineExceeded
		}
		if err := take(m); err != nil {
			return recovery.Snapshot{}, err
		}
	}
	if old {
		st.next -= min(st.next-1, 500)
	}
	return recovery.Snapshot{Next: st.next, Session: st.session}, nil
}

// write records.
func (w *world) write(at market.Nanos, dst netip.AddrPort, b []byte) {
	w.t.Helper()
	if err := w.capture.Write(at, recorded.Addr, dst, b); err != nil {
		w.t.Fatal(err)
	}
}

// trouble lets something go wrong on a line, or an operator have his will.
func (w *world) trouble(now market.Nanos) {
	f := w.feeds[w.random.IntN(len(w.feeds))]
	l := f.lines[w.random.IntN(len(f.lines))]
	l.over = now + market.Nanos(100+w.random.IntN(900))*market.Millisecond
	switch w.random.IntN(6) {
	case 0:
		l.lag = market.Nanos(60+w.random.IntN(200)) * market.Millisecond
	case 1:
		l.drop = true
	case 2:
		l.lose = 1 + w.random.IntN(20)
	case 3: // all lines of the feed: it becomes stale
		for _, l := range f.lines {
			l.drop, l.over = true, now+market.Nanos(w.random.IntN(4000))*market.Millisecond
		}
	case 4:
		f.choice.Prefer(w.random.IntN(len(f.pipelines)+1) - 1)
	case 5:
		name := fmt.Sprintf("p%d", w.random.IntN(len(f.pipelines)))
		f.judge.Force(name, []breaker.Override{breaker.None, breaker.ForceOpen, breaker.None}[w.random.IntN(3)])
	}
}

func (l *livePath) send(now market.Nanos, b []byte) {
	if now >= l.over {
		l.lag, l.drop = 0, false
	}
	if l.drop {
		return
	}
	if l.lose > 0 {
		l.lose--
		return
	}
	l.last = max(l.last, now+l.base+l.lag)
	l.queue = append(l.queue, parcel{l.last, b})
}

// run lets time pass, in steps shorter than those at which a replay has ticks of its own. A step has a tick or none,
// as where a loop is busy, and commands are obeyed anywhere between datagrams.
func (w *world) run(d market.Nanos) {
	for end := w.now() + d; w.now() < end; {
		time.Sleep(time.Duration(50+w.random.IntN(500)) * time.Microsecond)
		now := w.now()
		w.venue.OnTick(now)
		for d, ok := w.venue.Next(); ok; d, ok = w.venue.Next() {
			for _, f := range w.feeds {
				for _, l := range f.lines {
					if d.Line == 0 {
						l.send(now, d.Payload)
					}
				}
			}
		}
		if w.random.IntN(1200) == 0 && !w.healed {
			w.trouble(now)
		}
		for w.deliver(now) {
			if w.random.IntN(8) == 0 {
				w.obey()
			}
		}
		if w.random.IntN(5) > 0 {
			w.tick(now)
		}
		w.obey()
	}
}

// deliver delivers the oldest datagram that has come, and reports false if none has.
func (w *world) deliver(now market.Nanos) bool {
	var first *livePath
	for _, f := range w.feeds {
		for _, l := range f.lines {
			if len(l.queue) > 0 && l.queue[0].at <= now && (first == nil || l.queue[0].at < first.queue[0].at) {
				first = l
			}
		}
	}
	if first == nil {
		return false
	}
	p := first.queue[0]
	first.queue = first.queue[1:]
	w.last = max(w.last, p.at)
	w.write(w.last, first.line.Addr, p.b)
	first.pipeline.OnTick(w.last)
	first.pipeline.OnDatagram(first.line.ID, w.last, p.b)
	return true
}

// tick is a tick of the loop, and what the gateway does at each.
func (w *world) tick(now market.Nanos) {
	w.last = max(w.last, now)
	for _, f := range w.feeds {
		for _, p := range f.pipelines {
			p.OnTick(w.last)
		}
	}
	for _, f := range w.feeds {
		for _, s := range f.snapshots {
			s.OnTick(w.last)
		}
		f.judge.OnTick(w.last)
		f.choice.OnTick(w.last)
	}
}

func (w *world) obey() {
	for {
		select {
		case do := <-w.commands:
			do()
		default:
			return
		}
	}
}

// close ends the world as a gateway ends. Before, it heals: what pipelines still hold at the end is published in the
// interval of the last tick, and ticks are not recorded.
func (w *world) close() {
	w.healed = true
	for _, f := range w.feeds {
		for _, l := range f.lines {
			l.over, l.lose = 0, 0
		}
	}
	w.run(500 * market.Millisecond)
	for _, f := range w.feeds {
		for _, s := range f.snapshots {
			s.Close()
		}
	}
	for _, f := range w.feeds {
		for _, p := range f.pipelines {
			p.Flush()
		}
	}
	for _, f := range w.feeds {
		f.OnTime(math.MaxInt64)
	}
}

// outputOf returns the records of a DBN file.
func outputOf(t *testing.T, file []byte) []byte {
	t.Helper()
	if len(file) < 8 {
		t.Fatalf("an output of %d bytes", len(file))
	}
	return file[8+binary.LittleEndian.Uint32(file[4:]):]
}

// wantReplayed replays what a world recorded, and compares it with what the world published.
func (w *world) wantReplayed() (result *replay.Result) {
	w.t.Helper()
	path := write(w.t, "world.pcap", w.file.Bytes())
	segments := filepath.Join(w.t.TempDir(), "capture")
	segment(w.t, segments, w.file.Bytes())
	for i, f := range w.feeds {
		o := replay.Options{Paths: []string{segments}, Feed: w.layout.Feeds[i].Name}
		if got, _ := mboOf(w.t, o); !bytes.Equal(got, f.records[dbn.SchemaMBO]) {
			w.t.Errorf("feed f%d: the replay of segments gives other records than the gateway gave", i)
		}
		for _, schema := range liveSchemas {
			var out bytes.Buffer
			result = mustReplay(w.t, replay.Options{
				Paths: []string{path}, Out: "out", To: &out, Schema: schema, Feed: w.layout.Feeds[i].Name,
			})
			got, want := outputOf(w.t, out.Bytes()), f.records[schema]
			if !bytes.Equal(got, want) {
				at := 0
				for at < min(len(got), len(want)) && got[at] == want[at] {
					at++
				}
				w.t.Errorf("feed f%d, %s: the replay gives %d bytes, the gateway gave %d: the first difference is at %d",
					i, schema, len(got), len(want), at)
			}
		}
		s := &result.Summary.Feeds[i]
		if n := len(s.Decided); n != min(len(f.switches), 100) || len(s.Stale) != min(len(f.stale), 100) {
			w.t.Errorf("feed f%d: %d switches, %d times stale or fresh; want %d, %d", i, n, len(s.Stale), len(f.switches), len(f.stale))
		}
	}
	wantBalanced(w.t, result, false)
	return result
}

// What was recorded of a gateway with several providers, snapshots and lines by TCP, replayed, gives the bytes that
// it published: in every schema, whatever went wrong, and whenever ticks and commands came.
func TestRecordingGivesLiveBytes(t *testing.T) {
	var switches, stale, done, given, refused uint64
	for seed := range uint64(8) {
		synctest.Test(t, func(t *testing.T) {
			t.Logf("seed %d", seed)
			protocol := gateway.ITCH
			if seed%4 == 3 {
				protocol = gateway.PITCH
			}
			numbers := [][]int{{1}, {2}, {3}, {2, 1}, {1, 1, 2}}[seed%5]
			w := newWorld(t, seed, protocol, numbers...)
			w.run(3 * market.Second)
			w.close()
			result := w.wantReplayed()
			refused += result.Summary.Recorded.Refused
			for i, f := range w.feeds {
				for k, p := range f.pipelines {
					want := p.Rebuilds()
					done, given = done+want.Done, given+want.Begun-want.Done
					index := slices.IndexFunc(result.Summary.Channels, func(c replay.ChannelSummary) bool {
						return c.Name == result.Summary.Feeds[i].Providers[k].Channel
					})
					if got := result.Summary.Channels[index].Snapshots; (got != nil) != (want.Begun > 0) || got != nil && got.Done != want.Done {
						t.Errorf("feed f%d, provider p%d: snapshots %+v, want %+v", i, k, got, want)
					}
				}
				switches += uint64(len(f.switches))
				stale += uint64(len(f.stale))
			}
			if t.Failed() {
				t.Fatalf("repeat: seed %d", seed)
			}
		})
	}
	t.Logf("%d switches, %d times stale or fresh, %d snapshots spliced, %d given up, %d inputs refused", switches, stale, done, given, refused)
	if switches < 3 || stale < 3 || done < 3 || given == 0 { // goroutines of snapshots make it differ from run to run
		t.Error("too little went wrong")
	}
}

package gateway_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"tidegate/arbiter"
	"tidegate/book"
	"tidegate/codec/iextp"
	"tidegate/codec/itch50"
	"tidegate/codec/moldudp64"
	"tidegate/gateway"
	"tidegate/internal/venue"
	"tidegate/market"
)

// recorder is a sink that keeps what it gets.
type recorder struct {
	events []market.Event
	facts  market.Facts
	gaps   []arbiter.Gap
	epochs []arbiter.Epoch
}

func (r *recorder) OnEvents(events []market.Event, _ gateway.Books) {
	r.events = append(r.events, events...)
}

func (r *recorder) OnFacts(f *market.Facts) {
	r.facts.Definitions = append(r.facts.Definitions, f.Definitions...)
	r.facts.Statuses = append(r.facts.Statuses, f.Statuses...)
}
func (r *recorder) OnGap(g arbiter.Gap)     { r.gaps = append(r.gaps, g) }
func (r *recorder) OnTime(market.Nanos)     {}
func (r *recorder) OnEpoch(e arbiter.Epoch) { r.epochs = append(r.epochs, e) }

// discard is a sink that counts.
type discard struct{ events, facts int }

func (d *discard) OnEvents(events []market.Event, _ gateway.Books) { d.events += len(events) }
func (d *discard) OnFacts(*market.Facts)                           { d.facts++ }
func (d *discard) OnGap(arbiter.Gap)                               {}
func (d *discard) OnTime(market.Nanos)                             {}
func (d *discard) OnEpoch(arbiter.Epoch)                           {}

var session = moldudp64.Session{'T', 'E', 'S', 'T', ' ', ' ', ' ', ' ', ' ', ' '}

func mold(seq uint64, messages ...[]byte) []byte {
	var b moldudp64.Builder
	b.Reset(session, seq, 1400)
	for _, m := range messages {
		if !b.Append(m) {
			panic("test packet too large")
		}
	}
	return slices.Clone(b.Bytes())
}

func add(id uint64, side byte, shares, price uint32) []byte {
	m := itch50.AddOrder{OrderRef: id, Side: side, Shares: shares, Price: itch50.Price4(price)}
	m.Locate = 3
	return m.Append(nil)
}

func executed(id uint64, shares uint32) []byte {
	m := itch50.OrderExecuted{OrderRef: id, Shares: shares, Match: 1}
	m.Locate = 3
	return m.Append(nil)
}

func newPipeline(t testing.TB, f gateway.Feed, sink gateway.Sink) *gateway.Pipeline {
	t.Helper()
	p, err := gateway.New(gateway.DefaultConfig(f), sink)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func balanced(t testing.TB, p *gateway.Pipeline) {
	t.Helper()
	if err := p.Balanced(); err != nil {
		t.Error(err)
	}
}

// A gap that nothing fills is announced, and everything behind it is marked.
func TestGapMarksEvents(t *testing.T) {
	var r recorder
	p := newPipeline(t, gateway.ITCH, &r)
	p.OnDatagram(arbiter.LineA, 1000, mold(1, add(1, 'B', 100, 50000)))
	p.OnDatagram(arbiter.LineA, 2000, mold(3, add(3, 'B', 100, 50100)))
	if len(r.events) != 1 {
		t.Fatalf("%d events before the deadline, want 1", len(r.events))
	}
	p.OnTick(2000 + 51*market.Millisecond)
	if len(r.gaps) != 1 || r.gaps[0].From != 2 || r.gaps[0].To != 3 {
		t.Fatalf("gaps %v, want [2, 3)", r.gaps)
	}
	if len(r.events) != 2 || r.events[0].Flags&market.FlagMaybeBadBook != 0 || r.events[1].Flags&market.FlagMaybeBadBook == 0 {
		t.Errorf("events %+v: want the one behind the gap marked, and only that", r.events)
	}
	balanced(t, p)
}

// When the publisher restarts, every book is emptied in band before anything else is published.
func TestRestartClearsBooks(t *testing.T) {
	var r recorder
	p := newPipeline(t, gateway.DEEP, &r)
	level := func(symbol string, price int64) []byte {
		b := make([]byte, 30)
		b[0], b[1] = '8', 1
		copy(b[10:], fmt.Sprintf("%-8s", symbol))
		b[18] = 100
		for i := range 8 {
			b[22+i] = byte(price >> (8 * i))
		}
		return b
	}
	segment := func(seq uint64, sent market.Nanos, messages ...[]byte) []byte {
		s := iextp.Segment{Protocol: iextp.DEEP10, Channel: 1, Session: 9, Seq: seq, SendTime: sent}
		for _, m := range messages {
			s.Messages = iextp.AppendMessage(s.Messages, m)
			s.Count++
		}
		return s.Append(nil)
	}
	p.OnDatagram(arbiter.LineA, 2000, segment(1, 1000, level("A", 10000), level("B", 20000)))
	p.OnDatagram(arbiter.LineA, 3000, segment(1, 2000)) // a heartbeat: the next message is number 1 again
	p.OnDatagram(arbiter.LineA, 4000, segment(1, 3000, level("B", 30000)))
	var got []string
	for _, e := range r.events {
		got = append(got, fmt.Sprintf("%s %s %s", e.Action, p.Symbol(e.Instrument), e.Price))
	}
	want := []string{"A A 1.00", "A B 2.00", "R A -", "R B -", "A B 3.00"}
	if !slices.Equal(got, want) {
		t.Errorf("events %v, want %v", got, want)
	}
	if len(r.epochs) != 2 || r.epochs[1].Reason != arbiter.Restarted {
		t.Errorf("epochs %+v, want a start and a restart", r.epochs)
	}
	if d := r.events[0].TsInDelta; d != 1000 {
		t.Errorf("ts_in_delta %d, want 1000", d)
	}
	balanced(t, p)
}

// Every fault is a counted verdict, and what is around it is published.
func TestFaultsAreCounted(t *testing.T) {
	var r recorder
	p := newPipeline(t, gateway.ITCH, &r)
	short := add(2, 'B', 100, 50000)[:20]
	badSide := add(2, 'X', 100, 50000)
	long := append(add(2, 'B', 100, 50000), 0)
	unknown := executed(99, 10)
	oversize := executed(1, 1000)
	packet := mold(1, add(1, 'B', 100, 50000), short, nil, badSide, long, []byte("?????????????"), unknown,
		add(1, 'S', 5, 60000), oversize, add(4, 'S', 7, 60000))
	p.OnDatagram(arbiter.LineA, 1000, packet)
	p.OnDatagram(arbiter.LineA, 1001, packet[:len(packet)-1]) // cut
	p.OnDatagram(arbiter.LineA, 1002, nil)
	counts := p.Counts()
	want := map[market.Verdict]uint64{
		market.Applied: 2, market.Short: 2, market.BadField: 1, market.Long: 1, market.UnknownType: 1,
		market.UnknownOrder: 1, market.DuplicateOrder: 1, market.Oversize: 1,
	}
	for v := range market.VerdictCount {
		if counts.Verdicts[v] != want[v] {
			t.Errorf("verdict %s: %d, want %d", v, counts.Verdicts[v], want[v])
		}
	}
	if ledger, _ := p.Ledger(); ledger.Lines[0].Malformed != 2 {
		t.Errorf("%d malformed packets, want 2", ledger.Lines[0].Malformed)
	}
	bbo := p.Books().BBO(3)
	if bbo.Bid.Defined() || bbo.Ask.Size != 7 {
		t.Errorf("book %+v, want an ask of 7", bbo)
	}
	balanced(t, p)
}

// TOPS sends both sides of a quote in one message; only the side that changed is published.
func TestQuotes(t *testing.T) {
	var r recorder
	p := newPipeline(t, gateway.TOPS, &r)
	quote := func(bid, ask int64, bidSize, askSize byte) []byte {
		b := make([]byte, 42)
		b[0] = 'Q'
		copy(b[10:], "ZIEXT   ")
		b[18], b[38] = bidSize, askSize
		for i := range 8 {
			b[22+i], b[30+i] = byte(bid>>(8*i)), byte(ask>>(8*i))
		}
		return b
	}
	s := iextp.Segment{Protocol: iextp.TOPS16, Channel: 1, Session: 9, Seq: 1, SendTime: 10}
	for _, m := range [][]byte{
		quote(10000, 10100, 5, 6), quote(10000, 10200, 5, 6), quote(10000, 10200, 5, 6), quote(0, 10200, 0, 6),
	} {
		s.Messages = iextp.AppendMessage(s.Messages, m)
		s.Count++
	}
	p.OnDatagram(arbiter.LineA, 20, s.Append(nil))
	var got []string
	for _, e := range r.events {
		got = append(got, fmt.Sprintf("%s%s%d@%s/%t", e.Action, e.Side, e.Size, e.Price, e.Flags&market.FlagLast != 0))
	}
	want := "AB5@1.00/false AA6@1.01/true MA6@1.02/true NN0@-/true CB5@1.00/false NN0@-/true"
	if strings.Join(got, " ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, " "), want)
	}
	if b := p.Books().BBO(1); b.Bid.Defined() || b.Ask.Price != 1_020_000_000 {
		t.Errorf("quote %+v", b)
	}
	balanced(t, p)
}

func TestNewRefuses(t *testing.T) {
	for _, cfg := range []gateway.Config{
		{},
		{Feed: 99},
		gateway.DefaultConfig(gateway.MBO),
		{Feed: gateway.ITCH, Arbiter: &arbiter.Config{}},
	} {
		if _, err := gateway.New(cfg, &discard{}); err == nil {
			t.Errorf("%+v: no error", cfg)
		}
	}
}

func TestRecognise(t *testing.T) {
	quote := iextp.Segment{Protocol: iextp.TOPS15, Channel: 1, Session: 2, Seq: 3}
	other := iextp.Segment{Protocol: 0x8005, Channel: 1, Session: 2, Seq: 3}
	wrong := moldudp64.Session{1, 2, 3}
	tests := []struct {
		name string
		b    []byte
		want gateway.Feed
	}{
		{"itch", mold(7, add(1, 'B', 1, 1)), gateway.ITCH},
		{"itch heartbeat", moldudp64.AppendHeartbeat(nil, session, 8), gateway.ITCH},
		{"other messages over MoldUDP64", mold(7, []byte("something else")), gateway.UnknownFeed},
		{"MoldUDP64 without a name", moldudp64.AppendHeartbeat(nil, wrong, 8), gateway.UnknownFeed},
		{"tops", quote.Append(nil), gateway.TOPS},
		{"IEX-TP of an unknown protocol", other.Append(nil), gateway.UnknownFeed},
		{"nothing", nil, gateway.UnknownFeed},
		{"text", []byte("GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"), gateway.UnknownFeed},
	}
	for _, tt := range tests {
		got, _, ok := gateway.Recognise(tt.b)
		if got != tt.want || ok != (tt.want != gateway.UnknownFeed) {
			t.Errorf("%s: %s, %t; want %s", tt.name, got, ok, tt.want)
		}
	}
}

// feedOf returns a generated feed's datagrams.
func feedOf(t testing.TB, seed uint64, trading market.Nanos) (datagrams []venue.Datagram, cfg venue.FeedConfig) {
	t.Helper()
	cfg = venue.DefaultFeedConfig(seed)
	cfg.Market.Trading = trading
	cfg.Market.Halts = nil
	feed, err := venue.NewFeed(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for d, ok := feed.Next(); ok; d, ok = feed.Next() {
		d.Payload = slices.Clone(d.Payload)
		datagrams = append(datagrams, d)
	}
	return datagrams, cfg
}

// The real path, from datagrams of two imperfect lines to events, allocates nothing once it has
// grown to its working size.
func TestPipelineDoesNotAllocate(t *testing.T) {
	datagrams, cfg := feedOf(t, 1, 40*market.Second)
	var sink discard
	conf := gateway.DefaultConfig(gateway.ITCH)
	conf.Midnight = cfg.Market.Midnight
	p, err := gateway.New(conf, &sink)
	if err != nil {
		t.Fatal(err)
	}
	next, messages := 0, uint64(0)
	step := func() {
		d := &datagrams[next]
		next++
		p.OnTick(d.Time)
		p.OnDatagram(arbiter.LineID(d.Line), d.Time, d.Payload)
	}
	for next < len(datagrams)/2 {
		step()
	}
	messages = p.Counts().Messages
	runs := len(datagrams) - next - 1
	if n := testing.AllocsPerRun(runs, step); n != 0 {
		t.Errorf("%.4f allocations per datagram, want 0", n)
	}
	if done := p.Counts().Messages - messages; done < 10_000 || sink.events < 10_000 {
		t.Errorf("only %d messages and %d events were measured", done, sink.events)
	}
	balanced(t, p)
}

func BenchmarkPipeline(b *testing.B) {
	datagrams, cfg := feedOf(b, 1, 40*market.Second)
	conf := gateway.DefaultConfig(gateway.ITCH)
	conf.Midnight = cfg.Market.Midnight
	var want book.BBO
	messages := uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		p, err := gateway.New(conf, &discard{})
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		for i := range datagrams {
			d := &datagrams[i]
			p.OnDatagram(arbiter.LineID(d.Line), d.Time, d.Payload)
		}
		got := p.Books().BBO(1)
		if messages > 0 && got != want {
			b.Fatalf("book %+v, before it was %+v", got, want)
		}
		want = got
		messages += p.Counts().Messages
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(messages), "ns/message")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(datagrams)), "ns/datagram")
}

// Any sequence of datagrams, on any line, at any time: no panic, and the ledger balances.
func FuzzPipeline(f *testing.F) {
	f.Add(uint8(gateway.ITCH), mold(1, add(1, 'B', 100, 50000)), mold(2, executed(1, 10)))
	f.Add(uint8(gateway.ITCH), mold(2, add(1, 'B', 100, 50000)), moldudp64.AppendEndOfSession(nil, session, 9))
	deep := iextp.Segment{Protocol: iextp.DEEP10, Channel: 1, Session: 2, Seq: 1}
	f.Add(uint8(gateway.DEEP), deep.Append(nil), deep.Append(nil))
	f.Fuzz(func(t *testing.T, feed uint8, first, second []byte) {
		conf := gateway.DefaultConfig(gateway.Feed(1 + feed%3))
		limits := arbiter.DefaultConfig()
		limits.WindowPacketsMax = 4
		conf.Arbiter = &limits
		conf.SymbolsMax = 4
		p, err := gateway.New(conf, &discard{})
		if err != nil {
			t.Fatal(err)
		}
		for i, b := range [][]byte{first, second, first, second} {
			now := market.Nanos(i) * 30 * market.Millisecond
			p.OnTick(now)
			p.OnDatagram(arbiter.LineID(i%3), now, b)
			if err := p.Balanced(); err != nil {
				t.Fatal(err)
			}
		}
		p.Flush()
		if err := p.Balanced(); err != nil {
			t.Fatal(err)
		}
	})
}

// ticker notes in which order time passes and events are published.
type ticker struct {
	discard
	said []string
}

func (s *ticker) OnTime(now market.Nanos) { s.said = append(s.said, fmt.Sprint("time ", now)) }

func (s *ticker) OnEvents(events []market.Event, _ gateway.Books) {
	s.said = append(s.said, fmt.Sprint("seq ", events[0].Seq))
}

// One late tick says and publishes what many would have: a deadline has its own time.
func TestDeadlinesHaveTheirOwnTime(t *testing.T) {
	var s ticker
	p := newPipeline(t, gateway.ITCH, &s)
	const ms = market.Millisecond
	p.OnDatagram(arbiter.LineA, 1*ms, mold(1, add(1, 'B', 100, 50000)))
	p.OnDatagram(arbiter.LineA, 2*ms, mold(3, add(3, 'B', 100, 50100)))
	p.OnDatagram(arbiter.LineA, 9*ms, mold(5, add(5, 'B', 100, 50200)))
	p.OnTick(900 * ms)
	want := []string{"seq 1", "time 52000000", "seq 3", "time 59000000", "seq 5", "time 900000000"}
	if !slices.Equal(s.said, want) {
		t.Errorf("got  %q\nwant %q", s.said, want)
	}
}

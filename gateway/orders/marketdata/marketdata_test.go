package marketdata_test

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"tidegate/book"
	"tidegate/book/match"
	"tidegate/book/match/matchtest"
	"tidegate/codec/itch50"
	"tidegate/codec/moldudp64"
	"tidegate/codec/soupbintcp"
	"tidegate/gateway/orders"
	"tidegate/gateway/orders/marketdata"
	"tidegate/internal/clock"
	"tidegate/market"
	"tidegate/sinks/journal"
)

const patience = time.Minute

var loopback = netip.MustParseAddrPort("127.0.0.1:0")

func gateConfig(dir string) orders.Config {
	c := orders.Config{
		Dir: dir, Engine: match.Config{OrdersMax: 1 << 12, InstrumentsMax: 4}, ReserveBytes: 1 << 20, SegmentBytes: 4 << 20, SnapshotEvery: 300,
		Accounts: []orders.Account{{ID: 1, Unchecked: true}, {ID: 2, Unchecked: true}},
		Sessions: []orders.SessionConfig{{ID: 1, Name: "S", Accounts: []orders.AccountID{1, 2}}},
	}
	for i, symbol := range []string{"AAA", "BBB"} {
		c.Instruments = append(c.Instruments, orders.Instrument{
			Instrument: match.Instrument{ID: market.InstrumentID(i + 1), TickSize: market.PriceScale / 100, LotSize: 1},
			Symbol:     symbol, Base: orders.AssetID(i + 2), Quote: 1, Open: match.Open,
		})
	}
	return c
}

// trade submits random orders, and returns when all are answered.
func trade(t *testing.T, g *orders.Gate, seed uint64, n int) {
	t.Helper()
	s, _ := g.SessionByName("S")
	l, err := s.Attach(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Detach()
	dice := matchtest.Seeded(seed)
	from := s.Next()
	var last orders.Ticket
	for i := range uint64(n) {
		var r orders.Request
		binary.LittleEndian.PutUint64(r.ID[:], seed<<32|i+1)
		r.Kind = orders.New
		r.Order = match.Input{
			Instrument: market.InstrumentID(1 + dice(2)), Account: 1 + uint32(dice(2)), Side: []market.Side{market.Bid, market.Ask}[dice(2)],
			Price: market.Price(9900+dice(200)) * market.PriceScale / 100, Size: market.Size(1 + dice(50)),
		}
		if dice(5) == 0 {
			r.Order.Display = (r.Order.Size + 2) / 3
		}
		if dice(3) == 0 {
			binary.LittleEndian.PutUint64(r.Target[:], seed<<32|i-min(i, dice(9)))
			r.Kind, r.Order = orders.Cancel, match.Input{Account: r.Order.Account}
		}
		for {
			ticket, v := l.Submit(&r)
			if v == orders.Taken {
				last = ticket
				break
			}
			time.Sleep(time.Millisecond)
		}
	}
	buf := make([]orders.Report, 64)
	for deadline := time.Now().Add(patience); ; {
		k, err := l.Read(from, buf)
		if errors.Is(err, orders.ErrBehind) {
			k, err = l.History(from, buf)
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range buf[:k] {
			if r.Ticket == last && r.Last {
				return
			}
		}
		if from += uint64(k); k == 0 {
			if time.Now().After(deadline) {
				t.Fatal("no answer")
			}
			time.Sleep(time.Millisecond)
		}
	}
}

// A receiver keeps books from messages, in the order of their numbers.
type receiver struct {
	next  uint64
	books *book.ByOrder
	itch  itch50.Decoder
}

func newReceiver() *receiver {
	return &receiver{next: 1, books: book.NewByOrder(book.ByOrderConfig{}), itch: itch50.Decoder{Publisher: market.Simulated.ID}}
}

func (r *receiver) take(t *testing.T, number uint64, msg []byte) {
	t.Helper()
	if number != r.next {
		t.Fatalf("message %d, want %d", number, r.next)
	}
	r.next++
	var u market.Update
	switch v := r.itch.Decode(msg, &u); v {
	case market.Cold, market.Ignored:
	case market.Applied:
		if v := r.books.Apply(&u).Verdict; v != market.Applied {
			t.Fatalf("message %d, %x: %v", number, msg, v)
		}
	default:
		t.Fatalf("message %d, %x: %v", number, msg, v)
	}
}

// compare compares the books with those of the core that the input log makes.
func (r *receiver) compare(t *testing.T, cfg orders.Config) {
	t.Helper()
	core := orders.NewCore(orders.CoreConfig{Engine: cfg.Engine, Engines: 1, IDsMax: 1 << 20})
	j, err := journal.OpenReader(cfg.LogDir())
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	var je journal.Entry
	for out, err := j.Next(&je); out == journal.Ready; out, err = j.Next(&je) {
		var e orders.Entry
		if err = errors.Join(err, e.Parse(&je)); err != nil {
			t.Fatal(err)
		}
		core.Apply(&e, nil)
	}
	levels := 0
	for _, in := range cfg.Instruments {
		for _, side := range []market.Side{market.Bid, market.Ask} {
			want := core.Engine(in.ID).Levels(in.ID, side, make([]book.Level, 0, 1000))
			if got := r.books.Levels(in.ID, side, make([]book.Level, 0, 1000)); !slices.Equal(got, want) {
				t.Errorf("%s %v: %v, want %v", in.Symbol, side, got, want)
			}
			levels += len(want)
		}
	}
	if levels < 20 {
		t.Errorf("%d levels in all: the test tests nothing", levels)
	}
}

// soup reads messages by SoupBinTCP, from where the receiver is, until it has count.
func (r *receiver) soup(t *testing.T, at netip.AddrPort, count uint64) {
	t.Helper()
	conn, err := net.Dial("tcp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	cfg := soupbintcp.DefaultClientConfig("me", "secret")
	cfg.Login.Next = r.next
	c := soupbintcp.NewClient(cfg)
	c.Connect(clock.Now())
	for r.next <= count {
		if out := c.Output(); len(out) > 0 {
			n, err := conn.Write(out)
			if err != nil {
				t.Fatal(err)
			}
			c.Sent(n)
		}
		n, err := conn.Read(c.Room())
		if err != nil {
			t.Fatal(err)
		}
		c.Read(n, clock.Now())
		for e, ok := c.Poll(); ok; e, ok = c.Poll() {
			if e.Kind == soupbintcp.Message {
				r.take(t, e.Seq, e.Payload)
			}
		}
		if c.Err() != nil {
			t.Fatal(c.Err())
		}
	}
}

// mold reads messages from a line, asks for what is missing, until it has count.
func (r *receiver) mold(t *testing.T, line *net.UDPConn, server netip.AddrPort, count uint64) {
	t.Helper()
	session, _ := moldudp64.ParseSession("TIDE000001")
	b := make([]byte, 2048)
	for deadline := time.Now().Add(patience); r.next <= count; {
		if time.Now().After(deadline) {
			t.Fatalf("message %d does not come", r.next)
		}
		_ = line.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		n, err := line.Read(b)
		if err != nil { // the line says nothing: what is missing is asked for
			request := moldudp64.AppendRequest(nil, moldudp64.Request{Session: session, Seq: r.next, Count: 1000})
			if _, err := line.WriteToUDPAddrPort(request, server); err != nil {
				t.Fatal(err)
			}
			continue
		}
		p, err := moldudp64.Parse(b[:n])
		if err != nil || p.Session != session {
			t.Fatalf("packet %x: %v", b[:n], err)
		}
		for block, seq := p.Messages, p.Seq; len(block) > 0; seq++ {
			var msg []byte
			if msg, block = moldudp64.Next(block); seq == r.next {
				r.take(t, seq, msg)
			}
		}
	}
}

func TestBooksFromMarketData(t *testing.T) {
	line, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(loopback))
	if err != nil {
		t.Fatal(err)
	}
	defer line.Close()
	dir := t.TempDir()
	tcp, udp := newReceiver(), newReceiver()
	for start := range uint64(3) {
		p, err := marketdata.New(marketdata.Config{
			Dir: dir + "/itch", Session: "TIDE000001", Soup: loopback, Users: map[string]string{"me": "secret"},
			Lines: []netip.AddrPort{line.LocalAddr().(*net.UDPAddr).AddrPort()}, Retransmit: loopback,
			Notify: func(text string) { t.Error(text) },
		})
		if err != nil {
			t.Fatal(err)
		}
		cfg := gateConfig(dir + "/gate")
		cfg.MarketData, cfg.MarketDataSync = p.Message, p.Sync
		g, err := orders.Open(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Serve(g.Messages()); err != nil {
			t.Fatal(err)
		}
		trade(t, g, start+1, 2000)
		count := g.Messages()
		tcp.soup(t, p.SoupAddr(), count/2) // a client that comes back
		tcp.soup(t, p.SoupAddr(), count)
		udp.mold(t, line, p.RetransmitAddr(), count)
		again := newReceiver() // and one that wants everything, from files of earlier starts too
		again.soup(t, p.SoupAddr(), count)
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		if err := g.Close(ctx); err != nil {
			t.Fatal(err)
		}
		cancel()
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		for _, r := range []*receiver{tcp, udp, again} {
			r.compare(t, cfg)
		}
	}
}

func TestLoginIsJudged(t *testing.T) {
	p, err := marketdata.New(marketdata.Config{
		Dir: t.TempDir(), Session: "S", Soup: loopback, Users: map[string]string{"me": "secret"}, ConnectionsMax: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.Serve(0); err != nil {
		t.Fatal(err)
	}
	dial := func() net.Conn {
		c, err := net.Dial("tcp", p.SoupAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(patience))
		return c
	}
	c := dial()
	if _, err := c.Write(soupbintcp.AppendLoginRequest(nil, soupbintcp.Login{Username: "me", Password: "guess"})); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 64)
	if n, err := c.Read(b); err != nil || string(b[:n]) != "\x00\x02JA" {
		t.Errorf("a wrong password is answered with %q, %v", b[:n], err)
	}
	other := dial()
	for deadline := time.Now().Add(patience); ; { // the first connection may still be closing
		if _, err := other.Write(soupbintcp.AppendLoginRequest(nil, soupbintcp.Login{Username: "me", Password: "secret"})); err == nil {
			if n, err := other.Read(b); err == nil && n > 2 && b[2] == 'A' {
				break
			}
		}
		if time.Now().After(deadline) {
			t.Fatal("the right password is not let in")
		}
		other.Close()
		other = dial()
	}
	third := dial()
	if n, err := third.Read(b); err == nil {
		t.Errorf("one connection too many hears %q", b[:n])
	}
}

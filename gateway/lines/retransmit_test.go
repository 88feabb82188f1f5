//go:build linux

package lines

import (
	"bytes"
	"context"
	"math"
	"math/rand/v2"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tidegate/arbiter"
	"tidegate/codec/dbn"
	"tidegate/codec/moldudp64"
	"tidegate/codec/pitch"
	"tidegate/codec/sequnit"
	"tidegate/gateway"
	"tidegate/gateway/replay"
	"tidegate/internal/netloop"
	"tidegate/internal/venue"
	"tidegate/market"
	"tidegate/sinks/capture"
)

// messagesOf returns what the feed of roughFeed would bring if its lines were perfect.
func messagesOf(t *testing.T, seed uint64) (session moldudp64.Session, messages [][]byte) {
	t.Helper()
	cfg := roughConfig(seed)
	for i := range cfg.Lines {
		cfg.Lines[i].Impairment = venue.Impairment{}
	}
	feed, err := venue.NewFeed(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for d, ok := feed.Next(); ok; d, ok = feed.Next() {
		p, err := moldudp64.Parse(d.Payload)
		if err != nil {
			t.Fatal(err)
		}
		if session = p.Session; d.Line != 0 || p.Kind != moldudp64.Data {
			continue
		}
		for block := p.Messages; len(block) > 0; {
			var m []byte
			m, block = moldudp64.Next(block)
			messages = append(messages, slices.Clone(m))
		}
	}
	return session, messages
}

// server answers requests for messages, but for one in ten, until it dies.
type server struct {
	conn *net.UDPConn
	left atomic.Int64 // answers until it dies
}

func (s *server) addr() netip.AddrPort { return s.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

func serve(t *testing.T, session moldudp64.Session, messages [][]byte, answers int64) *server {
	t.Helper()
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(loopback))
	if err != nil {
		t.Fatal(err)
	}
	s := &server{conn: conn}
	s.left.Store(answers)
	ended := make(chan struct{})
	t.Cleanup(func() { conn.Close(); <-ended })
	rng := rand.New(rand.NewPCG(1, 1))
	go func() {
		defer close(ended)
		b := make([]byte, 100)
		var packet moldudp64.Builder
		for {
			n, from, err := conn.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			q, err := moldudp64.ParseRequest(b[:n])
			if err != nil || q.Session != session || q.Seq < 1 || q.Seq > uint64(len(messages)) {
				t.Errorf("request %+v: %v", q, err)
				continue
			}
			if rng.IntN(10) == 0 || s.left.Add(-1) < 0 {
				continue
			}
			packet.Reset(session, q.Seq, 1472)
			for seq := q.Seq; seq < q.Seq+uint64(q.Count) && seq <= uint64(len(messages)) && packet.Append(messages[seq-1]); seq++ {
			}
			_, _ = conn.WriteToUDPAddrPort(packet.Bytes(), from) // lost, like others
		}
	}()
	return s
}

// What both lines have lost comes from a server, or, when it has died, from the next; and the capture,
// replayed, gives the same bytes.
func TestRetransmission(t *testing.T) {
	for name, split := range map[string]bool{"one thread": false, "split": true} {
		t.Run(name, func(t *testing.T) { retransmission(t, split) })
	}
}

func retransmission(t *testing.T, split bool) {
	const seed = 5
	session, messages := messagesOf(t, seed)
	datagrams := roughFeed(t, seed)
	servers := []*server{serve(t, session, messages, 20), serve(t, session, messages, math.MaxInt64)}

	path := filepath.Join(t.TempDir(), "live.pcap")
	limits, requests := arbiter.DefaultConfig(), arbiter.DefaultRequestConfig(len(servers))
	// So that nothing depends on who gets the processor.
	limits.GapDeadline = 20 * market.Second
	requests.Timeout, requests.RestMax = 100*market.Millisecond, 200*market.Millisecond
	midnight, err := replay.ParseDay(time.Now().In(newYork(t)).Format(time.DateOnly))
	if err != nil {
		t.Fatal(err)
	}
	sink := newRecords(t, dbn.SchemaMBO)
	cfg := gateway.DefaultConfig(gateway.ITCH)
	cfg.Midnight, cfg.Arbiter, cfg.Retransmit = midnight, &limits, &requests
	p, err := gateway.New(cfg, sink)
	if err != nil {
		t.Fatal(err)
	}
	recorder, err := capture.Create(capture.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	recorded := make(chan error)
	go func() { recorded <- recorder.Run(ctx) }()

	feed := unicast("one", p, 2)
	feed.Retransmit = Retransmit{Servers: []netip.AddrPort{servers[0].addr(), servers[1].addr()}, Socket: netloop.Config{Addr: loopback}}
	l, to := open(t, Config{Feeds: []Feed{feed}, Split: split, Tap: recorder.Tap, Sources: true})
	stop := run(t, l)
	// complete waits until nothing is missing, and everything before a message is published.
	complete := func(before uint64) {
		t.Helper()
		for began := time.Now(); ; time.Sleep(time.Millisecond) {
			var ledger arbiter.Ledger
			if err := l.Call(t.Context(), func() { ledger, _ = p.Ledger() }); err != nil {
				t.Fatal(err)
			}
			if ledger.Advanced >= before-1 && ledger.GapsOpen.Ranges == 0 {
				return
			}
			if time.Since(began) > 20*time.Second {
				t.Fatalf("stuck at %d of %d messages, with %d missing", ledger.Advanced, before-1, ledger.GapsOpen.Messages)
			}
		}
	}
	stranger := to[2] // sends to line R, as anybody can
	for i, d := range datagrams {
		send(t, to[d.Line], d.Payload)
		if i%50 == 49 {
			send(t, stranger, d.Payload)
			time.Sleep(time.Millisecond)
		}
		if i%1000 == 999 {
			complete(1) // the window has its limit
		}
	}
	complete(uint64(len(messages)) + 1)
	stop()
	cancel()
	if err := <-recorded; err != nil {
		t.Fatal(err)
	}
	if err := p.Balanced(); err != nil {
		t.Error(err)
	}
	ledger, _ := p.Ledger()
	asked, _ := p.Requests()
	if lost := ledger.GapsAnnounced(); lost.Messages > 0 || ledger.Lines[arbiter.LineR].GapMessages == 0 {
		t.Errorf("%+v lost, %+v of line R", lost, ledger.Lines[arbiter.LineR])
	}
	stats := l.Stats().Lines[2]
	if sum := asked.Sum(); stats.Line != arbiter.LineR || stats.Requests.Sent != sum.Requests.Requests || stats.Requests.Failed > 0 ||
		asked.Server[0].Answered.Requests == 0 || asked.Server[1].Answered.Requests == 0 {
		t.Errorf("%+v, and the pipeline asked %+v", stats, sum)
	}
	if strangers := uint64(len(datagrams) / 50); stats.Requests.Strangers != strangers || ledger.Lines[arbiter.LineR].Unasked.Packets > 0 {
		t.Errorf("%d strangers, want %d; %+v", stats.Requests.Strangers, strangers, ledger.Lines[arbiter.LineR])
	}

	out := filepath.Join(t.TempDir(), "replayed.dbn")
	result, err := replay.Run(t.Context(), replay.Options{
		Paths: []string{path}, Out: out, Schema: dbn.SchemaMBO, Arbiter: limits,
		Retransmit: replay.Retransmit{Servers: feed.Retransmit.Servers, Limits: requests},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(result.Channels) != 1 || result.Summary.Unrecognised > 0 {
		t.Fatalf("%d channels, %d datagrams of none", len(result.Channels), result.Summary.Unrecognised)
	}
	replayed, _ := result.Channels[0].Pipeline.Ledger()
	wantSameLedger(t, &replayed, &ledger)
	sink.OnTime(math.MaxInt64)
	if got := recordsOf(t, out); len(sink.out) == 0 || !bytes.Equal(got, sink.out) {
		t.Errorf("replay gives %d bytes of records, live gave %d; first difference at %d",
			len(got), len(sink.out), difference(got, sink.out))
	}
}

func TestRetransmissionRefused(t *testing.T) {
	here := netip.MustParseAddrPort("127.0.0.1:26402")
	cfg := gateway.DefaultConfig(gateway.ITCH)
	limits := arbiter.DefaultRequestConfig(1)
	cfg.Retransmit = &limits
	asking, err := gateway.New(cfg, &nothing{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		pipeline *gateway.Pipeline
		spoil    func(*Feed)
		want     string
	}{
		{pipeline(t, &nothing{}), func(*Feed) {}, "its pipeline asks for no retransmission"},
		{asking, func(f *Feed) { f.Retransmit.Servers = nil }, "0 servers, but its pipeline asks 1"},
		{asking, func(f *Feed) { f.Lines[1].ID = arbiter.LineR }, "line R is given, and answers come by it"},
		{asking, func(f *Feed) { f.Retransmit.Servers[0] = netip.MustParseAddrPort("127.0.0.1:0") }, "send: to 127.0.0.1:0: want an address and a port"},
		{asking, func(f *Feed) { f.Retransmit.Servers[0] = netip.MustParseAddrPort("[::1]:5") }, "server [::1]:5: not of the address family of 127.0.0.1:0"},
		{asking, func(f *Feed) { f.Retransmit.Socket.Addr = netip.MustParseAddrPort("239.1.1.1:5") }, "address 239.1.1.1:5: is a group"},
		{asking, func(f *Feed) { f.Retransmit.Socket.Addr = netip.AddrPort{} }, "address"},
	} {
		f := unicast("one", c.pipeline, 2)
		f.Retransmit = Retransmit{Servers: []netip.AddrPort{here}, Socket: netloop.Config{Addr: loopback}}
		c.spoil(&f)
		l, err := New(Config{Feeds: []Feed{f}})
		if err == nil {
			l.Close()
		}
		if err == nil || !strings.Contains(err.Error(), `lines: feed "one": retransmission: `) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want %q", err, c.want)
		}
	}
	limits.Servers = 2
	if asking, err = gateway.New(cfg, &nothing{}); err != nil {
		t.Fatal(err)
	}
	f := unicast("one", asking, 1)
	f.Retransmit = Retransmit{Servers: []netip.AddrPort{here, here}, Socket: netloop.Config{Addr: loopback}}
	if _, err := New(Config{Feeds: []Feed{f}}); err == nil || !strings.Contains(err.Error(), "server 127.0.0.1:26402: given twice") {
		t.Errorf("error %v", err)
	}
}

// What a PITCH feed asks for goes to a function, and the answers come by a line R like any other.
func TestRequestsByFunction(t *testing.T) {
	cfg := gateway.DefaultConfig(gateway.PITCH)
	limits, requests := arbiter.DefaultConfig(), arbiter.DefaultRequestConfig(1)
	limits.GapDeadline, requests.Timeout, requests.RestMin = market.Minute, 10*market.Second, 10*market.Second
	cfg.Arbiter, cfg.Retransmit = &limits, &requests
	p, err := gateway.New(cfg, &nothing{})
	if err != nil {
		t.Fatal(err)
	}
	asked := make(chan arbiter.Request, 1)
	feed := unicast("unit", p, 2)
	feed.Retransmit = Retransmit{Send: func(q arbiter.Request) { asked <- q }, Socket: netloop.Config{Addr: loopback}}
	l, to := open(t, Config{Feeds: []Feed{feed}})
	stop := run(t, l)
	unit := func(seq uint32, messages int) []byte {
		var b sequnit.Builder
		b.Reset(7, seq, 1400)
		for range messages {
			b.Append((&pitch.Time{Seconds: 34_200}).Append(nil))
		}
		return b.Bytes()
	}
	for _, line := range to[:2] {
		send(t, line, unit(1, 2))
		send(t, line, unit(6, 1))
	}
	q := <-asked
	if unit, _, ok := q.Session.Numbers(); unit != 7 || !ok || q.Seq != 3 || q.Count != 3 || q.Server != 0 {
		t.Fatalf("request %+v", q)
	}
	send(t, to[2], unit(3, 3))
	var ledger arbiter.Ledger
	for ledger.Advanced < 6 {
		time.Sleep(time.Millisecond)
		if err := l.Call(t.Context(), func() { ledger, _ = p.Ledger() }); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	if r := ledger.Lines[arbiter.LineR]; r.GapMessages != 3 || ledger.GapsAnnounced().Ranges != 0 {
		t.Errorf("line R %+v; %+v", r, ledger)
	}
	if s := l.Stats().Lines[2]; s.Line != arbiter.LineR || s.Packets != 1 || s.Requests != (RequestStats{}) {
		t.Errorf("line R: %+v", s)
	}
}

func TestRequestsByFunctionRefused(t *testing.T) {
	limits := arbiter.DefaultRequestConfig(1)
	asking := func(protocol gateway.Feed) *gateway.Pipeline {
		cfg := gateway.DefaultConfig(protocol)
		cfg.Retransmit = &limits
		p, err := gateway.New(cfg, &nothing{})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	one := netip.MustParseAddrPort("127.0.0.1:26402")
	for _, c := range []struct {
		pipeline *gateway.Pipeline
		spoil    func(*Feed)
		want     string
	}{
		{pipeline(t, &nothing{}), func(*Feed) {}, "its pipeline asks for no retransmission"},
		{asking(gateway.PITCH), func(f *Feed) { f.Retransmit.Send = nil }, "no function that takes requests, and feed pitch is not asked for by datagrams"},
		{asking(gateway.PITCH), func(f *Feed) { f.Retransmit.Send, f.Retransmit.Servers = nil, []netip.AddrPort{one} }, "feed pitch is not asked for by datagrams"},
		{asking(gateway.ITCH), func(f *Feed) { f.Retransmit.Servers = []netip.AddrPort{one} }, "both servers and a function"},
		{asking(gateway.PITCH), func(f *Feed) { f.Lines[1].ID = arbiter.LineR }, "line R is given, and answers come by it"},
		{asking(gateway.PITCH), func(f *Feed) { f.Retransmit.Socket.Addr = netip.MustParseAddrPort("239.1.1.1:5") }, "no interface: a multicast group is joined on one"},
		{asking(gateway.PITCH), func(f *Feed) { f.Lines[0].Socket.Addr, f.Retransmit.Socket.Addr = one, one }, "another line has address 127.0.0.1:26402"},
	} {
		f := unicast("one", c.pipeline, 2)
		f.Retransmit = Retransmit{Send: func(arbiter.Request) {}, Socket: netloop.Config{Addr: loopback}}
		c.spoil(&f)
		l, err := New(Config{Feeds: []Feed{f}})
		if err == nil {
			l.Close()
		}
		if err == nil || !strings.Contains(err.Error(), `lines: feed "one": retransmission: `) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want %q", err, c.want)
		}
	}
}

//go:build linux

package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"tidegate/arbiter"
	"tidegate/codec/dbn"
	"tidegate/gateway"
	"tidegate/gateway/egress"
	"tidegate/gateway/lines"
	"tidegate/gateway/providers"
	"tidegate/gateway/recovery"
	"tidegate/gateway/stream"
	"tidegate/internal/bus"
	"tidegate/internal/netloop"
	"tidegate/internal/soup"
	"tidegate/internal/venue"
	"tidegate/market"
	"tidegate/sinks/capture"
	"tidegate/sinks/journal"
)

// A world is a gateway without subscribers, on loopback, that has received a whole feed but for a few
// packets that both lines lost. The server that is asked for them does not answer.
type world struct {
	monitor *Monitor
	truth   venue.Truth
	loop    *lines.Loop
	end     func() // ends the loop
	stats   egress.Stats
}

// A rebuilder is a witness whose stream can publish books anew.
type rebuilder struct{ *Witness }

func (rebuilder) OnRebuild([]market.InstrumentID, market.Nanos) {}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{stats: egress.Stats{
		Connections: 2, States: map[string]int{"streaming": 1, "ready": 1},
		Sessions: []egress.SessionStats{{ID: 8, Key: "two", State: "ready"}, {
			ID: 7, Key: "one", Dataset: "XSIM.ITCH", Addr: netip.MustParseAddrPort("192.0.2.1:5"), Client: "x <&>",
			State: "streaming", Schemas: []string{"mbo"}, Subscriptions: 1, Opened: 1e18, Records: 3, Bytes: 4, Behind: 5, Held: 6,
		}},
		Counts: egress.Counts{Opened: 9}, Refusals: egress.Refusals{Auth: 10},
		Closes: map[string]uint64{"client": 11}, Handshakes: map[string]uint64{"not_tls": 12},
	}}
	ring, err := bus.New(bus.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	st, err := stream.New(stream.Config{Ring: ring})
	if err != nil {
		t.Fatal(err)
	}
	witness, latency := NewWitness(st), NewLatency()
	cfg := gateway.DefaultConfig(gateway.ITCH)
	cfg.Publisher, cfg.Arbiter.GapDeadline = market.Simulated, 200*market.Millisecond
	requests := arbiter.DefaultRequestConfig(1)
	cfg.Retransmit = &requests
	server, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	f := openFeed(t, "sim", cfg, rebuilder{witness}, "sim")
	f.Witness = witness
	c := &f.Channels[0]
	p := c.Pipeline
	st.Attach(f.Choice)
	// Servers that nobody calls.
	do := func(f func()) error { return w.loop.Do(f) }
	glimpse := recovery.NewGlimpse("192.0.2.1:2", "me", "")
	if c.Snapshots, err = recovery.NewSnapshots(recovery.DefaultConfig(), p, []recovery.Source{glimpse}, do); err != nil {
		t.Fatal(err)
	}
	if c.Gaps, err = recovery.NewPitchGaps([]recovery.GapProxy{recovery.NewGapProxy("192.0.2.1:3", "0001", "me", "")}); err != nil {
		t.Fatal(err)
	}
	c.Gaps.Send(arbiter.Request{Session: arbiter.SessionOfNumbers(1, 0), Seq: 1, Count: 1})
	c.TCP = &TCPLine{ID: arbiter.LineB + 1, Address: "soup.example:1"}
	if c.TCP.Line, err = recovery.NewSoupLine(soup.DefaultConfig(c.TCP.Address, "me", ""), p, do, nil); err != nil {
		t.Fatal(err)
	}
	kept, err := journal.Open(journal.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := kept.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	kept.Append(journal.Header{At: 1}, []byte("entry"))
	consolidated := stream.NewConsolidated(1, ring)
	if err := errors.Join(consolidated.Join(st), consolidated.Want(dbn.SchemaCMBP1)); err != nil {
		t.Fatal(err)
	}
	recorder, err := capture.Create(capture.Config{Path: t.TempDir() + "/day.pcap"})
	if err != nil {
		t.Fatal(err)
	}
	local := netip.MustParseAddrPort("127.0.0.1:0")
	w.loop, err = lines.New(lines.Config{
		Idle: netloop.Park, Publish: ring.Publish, Sources: true,
		Feeds: []lines.Feed{{Name: "sim", Pipeline: p, Lines: []lines.Line{
			{ID: arbiter.LineA, Socket: netloop.Config{Addr: local, ReceiveBuffer: 4 << 20}},
			{ID: arbiter.LineB, Socket: netloop.Config{Addr: local, ReceiveBuffer: 4 << 20}},
		}, Retransmit: lines.Retransmit{
			Servers: []netip.AddrPort{netip.MustParseAddrPort(server.LocalAddr().String())},
			Socket:  netloop.Config{Addr: local, ReceiveBuffer: 4 << 20},
		}}},
		Tap: func(dst, src netip.AddrPort, stamp market.Nanos, payload []byte) {
			latency.Stamp(stamp)
			recorder.Tap(dst, src, stamp, payload)
		},
		Wake: func() {
			ring.Wake()
			latency.Published(market.Nanos(time.Now().UnixNano()))
		},
		OnTick: func(now market.Nanos) { f.tick(now); w.monitor.OnTick() },
	})
	if err != nil {
		t.Fatal(err)
	}
	w.monitor = NewMonitor(Sources{
		Loop: w.loop, Feeds: []Feed{*f}, Ring: ring, Latency: latency,
		Subscribers: func(context.Context) (egress.Stats, error) { return w.stats, nil },
		Sessions:    func() map[string]int { return map[string]int{"XSIM.ITCH": 3, "TIDE.CONS": 4} },
		Capture:     recorder, CapturePath: "day.pcap",
		Consolidated: Consolidated{Dataset: "TIDE.CONS", Stream: consolidated},
		Journal:      kept, JournalDir: "journal",
		Archive: func() ArchiveReport { return ArchiveReport{Questions: 9, Behind: 8, Lag: 7 * time.Second} },
		Postgres: func() PostgresReport {
			return PostgresReport{Breaker: "closed", Next: 7, LagEntries: 2, Lag: 3 * time.Second, RowsPerSecond: 5, Rows: 6, Problem: "x"}
		},
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended, recorded := make(chan error, 1), make(chan error, 1)
	go func() { ended <- w.loop.Run(ctx) }()
	go func() { recorded <- recorder.Run(ctx) }()
	w.end = func() {
		if ctx.Err() == nil {
			cancel()
			if err := errors.Join(<-ended, <-recorded); err != nil {
				t.Error(err)
			}
		}
	}
	t.Cleanup(func() { w.end(); w.loop.Close() })
	w.send(t)
	return w
}

// openFeed makes a feed with its providers, whom nothing but an operator makes stale while a test runs.
func openFeed(t *testing.T, name string, cfg gateway.Config, sink gateway.Sink, names ...string) *Feed {
	t.Helper()
	choice := providers.DefaultConfig(names...)
	choice.SameIDs, choice.FailBack = true, 0
	choice.StaleAfter, choice.Silence = market.Minute, market.Hour
	f := &Feed{Name: name}
	var err error
	if f.Choice, err = providers.New(choice, sink, nil); err != nil {
		t.Fatal(err)
	}
	if f.Judge, err = providers.NewJudge(f.Choice, nil, nil); err != nil {
		t.Fatal(err)
	}
	for i, provider := range names {
		c := Channel{Name: name}
		if len(names) > 1 {
			c.Name = name + "/" + provider
		}
		if c.Pipeline, err = gateway.New(cfg, f.Choice.Port(i)); err != nil {
			t.Fatal(err)
		}
		f.Choice.Attach(i, c.Pipeline)
		if c.Lines, err = providers.NewLines(providers.LinesConfig{
			Channel: c.Name, IDs: []arbiter.LineID{arbiter.LineA, arbiter.LineB, arbiter.LineR}, StaleAfter: choice.StaleAfter, Silence: choice.Silence,
		}, c.Pipeline, nil, nil); err != nil {
			t.Fatal(err)
		}
		f.Channels = append(f.Channels, c)
	}
	return f
}

// tick is the feed's part of a tick.
func (f *Feed) tick(now market.Nanos) {
	for i := range f.Channels {
		f.Channels[i].Lines.OnTick(now)
	}
	f.Judge.OnTick(now)
	f.Choice.OnTick(now)
}

func (w *world) send(t *testing.T) {
	t.Helper()
	cfg := venue.DefaultFeedConfig(3)
	cfg.Market.PreOpen, cfg.Market.Trading, cfg.Market.Rate, cfg.Market.Halts = market.Second, market.Second, 500, nil
	for i := range cfg.Lines {
		cfg.Lines[i].Impairment = venue.Impairment{}
	}
	feed, err := venue.NewFeed(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var out [3]net.Conn // the last is nobody that line R knows
	for i, addr := range w.loop.Addrs() {
		if out[i], err = net.Dial("udp4", addr.String()); err != nil {
			t.Fatal(err)
		}
		defer out[i].Close()
	}
	if _, err := out[2].Write([]byte("stranger")); err != nil {
		t.Fatal(err)
	}
	n := [2]int{}
	for d, ok := feed.Next(); ok; d, ok = feed.Next() {
		if n[d.Line]++; n[d.Line] == 30 || n[d.Line] == 50 { // lost by both
			continue
		}
		if _, err := out[d.Line].Write(d.Payload); err != nil {
			t.Fatal(err)
		}
	}
	w.truth = feed.Truth()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		r, err := w.monitor.Feeds(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if f := &r.Feeds[0]; f.Messages+f.Ledger.GapsAnnounced().Messages == w.truth.Messages {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("received %+v of %d messages", r.Feeds[0], w.truth.Messages)
		}
	}
}

// serve starts a server and returns what asks it.
func serve(t *testing.T, cfg Config) (get func(method, path, token string, body io.Reader) (int, http.Header, string), url string) {
	t.Helper()
	cfg.Addr = "127.0.0.1:0"
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{}, Timeout: 20 * time.Second}
	t.Cleanup(func() {
		client.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	url = "http://" + s.Addr().String()
	return func(method, path, token string, body io.Reader) (int, http.Header, string) {
		t.Helper()
		request, err := http.NewRequest(method, url+path, body)
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			request.Header.Set("Authorization", token)
		}
		r, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		return r.StatusCode, r.Header, string(b)
	}, url
}

func decode[T any](t *testing.T, text string) (v T) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}

func TestPages(t *testing.T) {
	w := newWorld(t)
	get, _ := serve(t, Config{Monitor: w.monitor, Version: "v1"})
	for _, c := range []struct {
		method, path string
		code         int
		want         string
	}{
		{"GET", "/", 200, `"path":"/books"`},
		{"HEAD", "/", 200, ""},
		{"GET", "/health", 200, `"capture":"recording"`},
		{"GET", "/books?symbol=ALFA&dataset=XSIM.ITCH", 200, `"symbol":"ALFA"`},
		{"GET", "/books", 400, `{"error":"want ?symbol="}`},
		{"GET", "/books?symbol=ALFA&depth=0", 400, `{"error":"depth \"0\": want 1 to 1000"}`},
		{"GET", "/books?symbol=ALFA&depth=1001", 400, "want 1 to 1000"},
		{"GET", "/books?symbol=NONE", 404, `{"error":"symbol \"NONE\" of dataset XSIM.ITCH: not known"}`},
		{"GET", "/books?symbol=ALFA&dataset=XNAS.ITCH", 404, `{"error":"dataset \"XNAS.ITCH\": not known"}`},
		{"GET", "/bbo", 400, "want ?symbol= with 1 to 100 symbols"},
		{"GET", "/bbo?symbol=" + strings.Repeat("ALFA,", 100), 400, "want ?symbol= with 1 to 100 symbols"},
		{"GET", "/bbo?symbol=ALFA,NONE", 404, "not known"},
		{"GET", "/instruments?prefix=ALF", 200, `{"total":2,"offset":0,"limit":100,"instruments":[{"feed":"sim","dataset":"XSIM.ITCH","symbol":"ALFA","instrument":1,"tick_size":"0.01","round_lot":100},{"dataset":"TIDE.CONS","symbol":"ALFA","instrument":`},
		{"GET", "/instruments?feed=TIDE.CONS&limit=1", 200, `"instruments":[{"dataset":"TIDE.CONS","symbol":"ALFA",`},
		{"GET", "/instruments?feed=nasdaq", 404, `{"error":"feed \"nasdaq\": not known"}`},
		{"GET", "/instruments?limit=0", 400, `{"error":"limit \"0\": want 1 to 1000"}`},
		{"GET", "/instruments?limit=1001", 400, "want 1 to 1000"},
		{"GET", "/instruments?offset=-1", 400, "want 0 to 2147483647"},
		{"GET", "/instruments?offset=x", 400, "offset"},
		{"GET", "/nothing", 404, `{"error":"no such page: / lists them"}`},
		{"GET", "/debug/pprof/", 404, "no such page"},
		{"POST", "/health", 405, `{"error":"want GET or HEAD"}`},
		{"GET", "/providers/sim/sim", 405, `{"error":"want POST"}`},
		{"DELETE", "/nothing", 405, "want GET or HEAD"},
	} {
		code, header, body := get(c.method, c.path, "", nil)
		if code != c.code || !strings.Contains(body, c.want) {
			t.Errorf("%s %s: %d %s; want %d and %s", c.method, c.path, code, body, c.code, c.want)
		}
		if header.Get("Content-Type") != "application/json" || header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s %s: header %v", c.method, c.path, header)
		}
	}
	if code, _, body := get("POST", "/feeds", "", strings.NewReader(strings.Repeat("x", 5000))); code != 413 || !strings.Contains(body, "error") {
		t.Errorf("a body: %d %s", code, body)
	}
	if code, _, body := get("GET", "/?"+strings.Repeat("x", 10<<10), "", nil); code != 431 || !strings.Contains(body, "error") {
		t.Errorf("a long header: %d %s", code, body)
	}
	w.end()
	for path, want := range map[string]string{
		"/health": "the loop has stopped", "/ready": "the loop has stopped", "/feeds": `{"error":"ask the ingest loop: the loop has stopped"}`,
		"/bbo?symbol=ALFA": "the loop has stopped", "/latency": "the loop has stopped",
	} {
		time.Sleep(stateAge) // what was seen before is too old then
		if code, _, body := get("GET", path, "", nil); code != 503 || !strings.Contains(body, want) {
			t.Errorf("%s after the end: %d %s, want 503 and %s", path, code, body, want)
		}
	}
}

func TestToken(t *testing.T) {
	if _, err := New(Config{Addr: "192.0.2.1:1", Monitor: &Monitor{}}); err == nil || !strings.Contains(err.Error(), "need a token") {
		t.Errorf("no token on another address: %v", err)
	}
	if _, err := New(Config{Addr: ":1", Monitor: &Monitor{}}); err == nil {
		t.Error("no token on all addresses was accepted")
	}
	w := newWorld(t)
	const token = "0123456789abcdef"
	get, _ := serve(t, Config{Monitor: w.monitor, Token: token, Pprof: true})
	for _, c := range []struct {
		path, token string
		code        int
	}{
		{"/", "", 401},
		{"/health", "Bearer 0123456789abcdeg", 401},
		{"/metrics", "Basic " + token, 401},
		{"/debug/pprof/", "", 401},
		{"/nothing", "", 401},
		{"/health", "Bearer " + token, 200},
		{"/debug/pprof", "Bearer " + token, 200},
		{"/debug/pprof/heap", "Bearer " + token, 200},
		{"/", "Bearer " + token, 200},
	} {
		code, header, body := get("GET", c.path, c.token, nil)
		if code != c.code || strings.Contains(body, token) {
			t.Errorf("%s with %q: %d %s, want %d", c.path, c.token, code, body, c.code)
		}
		if code == 401 && header.Get("WWW-Authenticate") != "Bearer" {
			t.Errorf("%s: header %v", c.path, header)
		}
	}
}

func TestFeeds(t *testing.T) {
	w := newWorld(t)
	get, _ := serve(t, Config{Monitor: w.monitor})
	_, _, body := get("GET", "/feeds", "", nil)
	r := decode[FeedsReport](t, body)
	f := &r.Feeds[0]
	if f.Name != "sim" || f.Dataset != "XSIM.ITCH" || f.Protocol != "itch" || !f.Receiving || !f.Balanced ||
		f.Session != "TIDE000001" || f.Instruments != len(w.truth.Books) || f.Verdicts["applied"] == 0 || f.Subscribers != 3 {
		t.Errorf("feed %+v", f)
	}
	if len(f.Gaps) != 2 || f.Gaps[0].Number != 1 || f.Gaps[1].Reason != "deadline" || f.Gaps[0].To-f.Gaps[0].From != f.Gaps[0].Messages ||
		f.Gaps[0].Messages+f.Gaps[1].Messages != f.Ledger.GapsAnnounced().Messages || f.Suspect == 0 {
		t.Errorf("gaps %+v of %+v", f.Gaps, f.Ledger)
	}
	if len(f.Epochs) != 1 || f.Epochs[0].Reason != "started" || f.Epochs[0].From != 1 {
		t.Errorf("epochs %+v", f.Epochs)
	}
	if len(f.Lines) != 4 || strings.Contains(body, `"lines":null`) {
		t.Fatalf("lines %+v", f.Lines)
	}
	for i := range f.Lines[:2] {
		l := &f.Lines[i]
		if l.Requests != nil {
			t.Errorf("line %s has requests", l.Name)
		}
		if l.Name != "AB"[i:i+1] || l.Silent || l.Packets == 0 || l.Packets != l.Ledger.Received.Packets || l.Last.IsZero() || l.ReceiveBufferAsked != 4<<20 {
			t.Errorf("line %+v", l)
		}
		if l.HighWater != w.truth.Messages+1 || l.Behind != 0 || l.BehindFor != 0 || l.LastAge == nil || *l.LastAge < 0 || *l.LastAge > time.Minute {
			t.Errorf("health of line %+v", l)
		}
	}
	if c := r.Consolidated; c == nil || c.Dataset != "TIDE.CONS" || c.Instruments != len(w.truth.Books) || c.Records == 0 || c.Subscribers != 4 {
		t.Errorf("consolidated %+v", c)
	}
	if r.Loop.Batches == 0 || r.Ring.Entries == 0 || r.Capture.Recorded+r.Capture.Waiting == 0 {
		t.Errorf("loop %+v, ring %+v, capture %+v", r.Loop, r.Ring, r.Capture)
	}
	_, _, body = get("GET", "/subscribers", "", nil)
	s := decode[SubscribersReport](t, body)
	if s.Connections != 2 || len(s.Sessions) != 2 || s.Sessions[0].ID != 7 || s.Sessions[0].Client != "x <&>" ||
		s.Sessions[0].Addr != "192.0.2.1:5" || s.Sessions[0].Behind != 5 || s.Counts["opened"] != 9 || s.Refusals["auth"] != 10 ||
		s.Closes["client"] != 11 || s.Handshakes["not_tls"] != 12 {
		t.Errorf("subscribers %+v", s)
	}
}

// A line that is behind says how far, and since when.
func TestLineBehind(t *testing.T) {
	w := newWorld(t)
	s, err := w.monitor.state(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	now := s.loop.LastStamp
	s.channels[0].health[arbiter.LineB] = arbiter.LineHealth{
		LastRecv: now - 3*market.Second, HighWater: 100, Epoch: 1, Behind: 20, BehindSince: now - 2*market.Second,
	}
	r := w.monitor.feed(0, s)
	if l := &r.Lines[1]; l.HighWater != 100 || l.Behind != 20 || l.BehindFor != 2*time.Second || *l.LastAge != 3*time.Second {
		t.Errorf("line B: %+v", l)
	}
	s.channels[0].health[arbiter.LineB] = arbiter.LineHealth{LastRecv: market.UndefTime, BehindSince: market.UndefTime, Behind: 7}
	r = w.monitor.feed(0, s)
	if l := &r.Lines[1]; l.BehindFor != 0 || l.LastAge != nil {
		t.Errorf("line B before its first packet: %+v", l)
	}
}

// A line that has nothing while the other one goes on is silent; a feed that has nothing is not
// receiving, and no line is to blame.
func TestSilence(t *testing.T) {
	w := newWorld(t)
	s, err := w.monitor.state(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	now := s.loop.LastStamp
	for _, c := range []struct {
		a, b                    market.Nanos // ago
		silentA, silentB, hears bool
	}{
		{0, 0, false, false, true},
		{0, 3 * market.Second, false, false, true},
		{0, 3*market.Second + 1, false, true, true},
		{4 * market.Second, 0, true, false, true},
		{4 * market.Second, 5 * market.Second, false, false, false},
	} {
		s.loop.Lines[0].LastStamp, s.loop.Lines[1].LastStamp = now-c.a, now-c.b
		// Line R has what was asked for, when that comes.
		for _, r := range []market.Nanos{now, now - 4*market.Second, market.UndefTime} {
			s.loop.Lines[2].LastStamp = r
			r := w.monitor.feed(0, s)
			if r.Receiving != c.hears || r.Lines[0].Silent != c.silentA || r.Lines[1].Silent != c.silentB || r.Lines[2].Silent {
				t.Errorf("%+v: receiving %t, silent %t, %t and %t", c, r.Receiving, r.Lines[0].Silent, r.Lines[1].Silent, r.Lines[2].Silent)
			}
		}
	}
	s.loop.Lines[1].LastStamp = market.UndefTime
	if r := w.monitor.feed(0, s); r.Lines[1].Silent || !r.Lines[1].Last.IsZero() {
		t.Errorf("a line that never had anything, in silence: %+v", r.Lines[1])
	}
}

// Questions about books are limited, so that the loop has time for its work.
func TestQueriesAreLimited(t *testing.T) {
	w := newWorld(t)
	get, _ := serve(t, Config{Monitor: w.monitor})
	w.monitor.second, w.monitor.queries = time.Now().Unix()+1, queriesMax // whichever second it is
	answered := 0
	for range 3 * queriesMax {
		code, _, body := get("GET", "/bbo?symbol=ALFA", "", nil)
		if code == http.StatusTooManyRequests {
			if answered > 2*queriesMax {
				t.Errorf("%d queries were answered first", answered)
			}
			if !strings.Contains(body, "more than 100 queries in this second") {
				t.Errorf("answer %s", body)
			}
			return
		}
		answered++
	}
	t.Skip("this machine is too slow for more than a hundred queries in a second")
}

func TestLatencyPage(t *testing.T) {
	w := newWorld(t)
	get, _ := serve(t, Config{Monitor: w.monitor})
	_, _, body := get("GET", "/latency", "", nil)
	first := decode[LatencyReport](t, body).WireToPublish
	if first.Total.Count == 0 || first.Recent != first.Total || first.Total.P50 <= 0 || first.Total.P50 > first.Total.P999 {
		t.Errorf("first %+v", first)
	}
	_, _, body = get("GET", "/latency", "", nil)
	second := decode[LatencyReport](t, body).WireToPublish
	if second.Total.Count < first.Total.Count || second.Recent.Count != second.Total.Count-first.Total.Count {
		t.Errorf("second %+v", second)
	}
}

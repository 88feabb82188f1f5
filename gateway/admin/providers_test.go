//go:build linux

package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tidegate/arbiter"
	"tidegate/gateway"
	"tidegate/gateway/breaker"
	"tidegate/gateway/egress"
	"tidegate/gateway/lines"
	"tidegate/gateway/providers"
	"tidegate/gateway/recovery"
	"tidegate/gateway/stream"
	"tidegate/internal/bus"
	"tidegate/internal/venue"
	"tidegate/market"
)

// A pair is a feed of two providers, both of which have delivered the same.
type pair struct {
	monitor *Monitor
	feed    *Feed
	truth   venue.Truth
	end     func() // ends the loop
}

func newPair(t *testing.T) *pair {
	t.Helper()
	ring, err := bus.New(bus.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	st, err := stream.New(stream.Config{Ring: ring})
	if err != nil {
		t.Fatal(err)
	}
	cfg := gateway.DefaultConfig(gateway.ITCH)
	cfg.Publisher = market.Simulated
	witness := NewWitness(st)
	w := &pair{feed: openFeed(t, "a/b", cfg, witness, "venue", "ven dor")}
	w.feed.Witness = witness
	st.Attach(w.feed.Choice)
	var channels []lines.Feed
	for _, c := range w.feed.Channels {
		channels = append(channels, lines.Feed{Name: c.Name, Pipeline: c.Pipeline, Delivered: true})
	}
	loop, err := lines.New(lines.Config{
		Feeds: channels, Publish: ring.Publish, OnTick: func(now market.Nanos) { w.feed.tick(now); w.monitor.OnTick() },
	})
	if err != nil {
		t.Fatal(err)
	}
	w.monitor = NewMonitor(Sources{
		Loop: loop, Feeds: []Feed{*w.feed}, Ring: ring, Latency: NewLatency(),
		Subscribers: func(context.Context) (egress.Stats, error) { return egress.Stats{}, nil },
		Sessions:    func() map[string]int { return nil },
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- loop.Run(ctx) }()
	w.end = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { w.end(); loop.Close() })

	small := venue.DefaultFeedConfig(3)
	small.Market.PreOpen, small.Market.Trading, small.Market.Rate, small.Market.Halts = market.Second, market.Second, 500, nil
	for i := range small.Lines {
		small.Lines[i].Impairment = venue.Impairment{}
	}
	feed, err := venue.NewFeed(small)
	if err != nil {
		t.Fatal(err)
	}
	if err := loop.Call(t.Context(), func() {
		for d, ok := feed.Next(); ok; d, ok = feed.Next() {
			for _, c := range channels {
				loop.Deliver(c.Pipeline, arbiter.LineA, netip.AddrPort{}, market.Nanos(time.Now().UnixNano()), d.Payload)
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	w.truth = feed.Truth()
	return w
}

// post asks for something with JSON.
func post(t *testing.T, url, body string, header ...string) (int, string) {
	t.Helper()
	request, err := http.NewRequest("POST", url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			request.Host = header[i+1]
		}
		request.Header.Set(header[i], header[i+1])
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}
	r, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(r.Body); err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, b.String()
}

// An operator takes a provider out, prefers one, and takes it back: each answer says what came of it, and so
// does the log.
func TestProviders(t *testing.T) {
	w := newPair(t)
	var log bytes.Buffer
	get, url := serve(t, Config{Monitor: w.monitor, Log: slog.New(slog.NewTextHandler(&log, nil))})
	page := func() ChoiceReport {
		t.Helper()
		_, _, body := get("GET", "/providers", "", nil)
		r := decode[ProvidersReport](t, body)
		if len(r.Feeds) != 1 {
			t.Fatalf("feeds %+v", r.Feeds)
		}
		return r.Feeds[0]
	}
	r := page()
	if r.Feed != "a/b" || r.Dataset != "XSIM.ITCH" || r.Active != "venue" || r.Stale || r.Switches != 0 || len(r.Providers) != 2 || len(r.Decisions) != 0 {
		t.Errorf("at first: %+v", r)
	}
	for i, p := range r.Providers {
		if p.Name != []string{"venue", "ven dor"}[i] || p.Channel != "a/b/"+p.Name || p.Rank != "OK" || p.Breaker != "closed" || p.Override != "none" ||
			p.Reason != "fresh" || !p.Heard || p.Gapped || p.Lag == nil || p.LagAge == nil || p.Offset == nil || !p.Since.IsZero() {
			t.Errorf("provider %+v", p)
		}
	}
	if v, s := r.Providers[0], r.Providers[1]; v.Forwarded == 0 || v.Forwarded != s.Standby || v.Standby+s.Forwarded != 0 || v.Margin.Won == 0 {
		t.Errorf("events of %+v and %+v", v, s)
	}

	vendor, first := url+"/providers/a%2Fb/ven%20dor", url+"/providers/a%2Fb/venue"
	for _, c := range []struct {
		name, url, body    string
		active, preferred  string
		rank, override     string // of the provider that is talked about
		stale              bool
		switches, decision string
	}{
		{"force open", first, `{"force": "open"}`, "ven dor", "", "DOWN", "open", false, "operator", "venue to ven dor"},
		{"nobody is left", vendor, `{"force": "open"}`, "ven dor", "", "DOWN", "open", true, "operator", "venue to ven dor"},
		{"closed", vendor, `{"force": "closed"}`, "ven dor", "", "OK", "closed", false, "operator", "venue to ven dor"},
		{"back", first, `{"force": "none"}`, "venue", "", "OK", "none", false, "preferred", "ven dor to venue"},
		{"prefer", vendor, `{"prefer": true}`, "ven dor", "ven dor", "OK", "closed", false, "operator", "venue to ven dor"},
		{"not the one preferred", first, `{"prefer": false}`, "ven dor", "ven dor", "OK", "none", false, "operator", "venue to ven dor"},
		{"no more", vendor, `{"prefer": false}`, "venue", "", "OK", "closed", false, "preferred", "ven dor to venue"},
	} {
		code, body := post(t, c.url, c.body)
		if code != 200 {
			t.Fatalf("%s: %d %s", c.name, code, body)
		}
		r := decode[ChoiceReport](t, body)
		i := slices.IndexFunc(r.Providers, func(p ProviderReport) bool { return (p.Name == "venue") == (c.url == first) })
		p, d := r.Providers[i], r.Decisions[len(r.Decisions)-1]
		if r.Active != c.active || r.Preferred != c.preferred || p.Rank != c.rank || p.Override != c.override || r.Stale != c.stale ||
			d.Reason != c.switches || d.From+" to "+d.To != c.decision || d.At.IsZero() {
			t.Errorf("%s: %+v, provider %+v, decision %+v", c.name, r, p, d)
		}
		if again := page(); again.Active != r.Active || again.Switches != r.Switches {
			t.Errorf("%s: the page has %+v", c.name, again)
		}
	}
	r = page()
	if r.Switches != 4 || r.Reasons["operator"] != 2 || r.Reasons["preferred"] != 2 || r.TimesStale != 1 || len(r.Decisions) != 4 {
		t.Errorf("in the end: %+v", r)
	}
	for _, want := range []string{
		`level=INFO msg="an operator's wish was followed" feed=a/b provider=venue wish="force open" remote=127.0.0.1:`, `active="ven dor"`,
		`wish=prefer `, `wish="do not prefer"`,
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %s:\n%s", want, log.String())
		}
	}
}

// What is refused, and why.
func TestProvidersRefused(t *testing.T) {
	w := newPair(t)
	var log bytes.Buffer
	_, url := serve(t, Config{Monitor: w.monitor, Log: slog.New(slog.NewTextHandler(&log, nil))})
	const open = `{"force":"open"}`
	for _, c := range []struct {
		path, body string
		header     []string
		code       int
		want       string
	}{
		{"/providers/nasdaq/venue", open, nil, 404, `feed \"nasdaq\": not known: there is a/b`},
		{"/providers/a%2Fb/x", open, nil, 404, `provider \"x\" of feed \"a/b\": not known: there is venue, ven dor`},
		{"/providers/a%2Fb", open, nil, 404, "want /providers/FEED/PROVIDER"},
		{"/providers/a/b/venue", open, nil, 404, "want /providers/FEED/PROVIDER"},
		{"/providers/a%2Fb/venue", `{"force":"shut"}`, nil, 400, "want one of"},
		{"/providers/a%2Fb/venue", `{}`, nil, 400, "want one of"},
		{"/providers/a%2Fb/venue", ``, nil, 400, "want one of"},
		{"/providers/a%2Fb/venue", open + open, nil, 400, "want one of"},
		{"/providers/a%2Fb/venue", `{"force":"open","prefer":true}`, nil, 400, "want one of"},
		{"/providers/a%2Fb/venue", `{"force":"x","prefer":true}`, nil, 400, "want one of"},
		{"/providers/a%2Fb/venue", `{"force":"open","now":1}`, nil, 400, "want one of"},
		{"/providers/a%2Fb/venue", open, []string{"Content-Type", "text/plain"}, 415, "Content-Type: application/json"},
		{"/providers/a%2Fb/venue", open, []string{"Host", "evil.example"}, 403, "loopback address as the host"},
	} {
		code, body := post(t, url+c.path, c.body, c.header...)
		if code != c.code || !strings.Contains(body, c.want) {
			t.Errorf("%s %s %v: %d %s; want %d and %s", c.path, c.body, c.header, code, body, c.code, c.want)
		}
	}
	if r, err := w.monitor.Providers(t.Context()); err != nil || r.Feeds[0].Switches != 0 || r.Feeds[0].Providers[0].Override != "none" {
		t.Errorf("something was done: %+v, %v", r, err)
	}
	if n := strings.Count(log.String(), `level=WARN msg="an operator's wish was refused"`); n != 13 {
		t.Errorf("%d refusals in the log:\n%s", n, log.String())
	}
	if code, body := post(t, strings.Replace(url, "127.0.0.1", "localhost", 1)+"/providers/a%2Fb/venue", `{"force":"none"}`); code != 200 {
		t.Errorf("by name: %d %s", code, body)
	}
	w.end()
	if code, body := post(t, url+"/providers/a%2Fb/venue", open); code != 503 || !strings.Contains(body, "the loop has stopped") {
		t.Errorf("after the end: %d %s", code, body)
	}
}

// With a token nothing is done without it, whatever the host is called.
func TestProvidersToken(t *testing.T) {
	w := newPair(t)
	const token = "0123456789abcdef"
	_, url := serve(t, Config{Monitor: w.monitor, Token: token})
	url += "/providers/a%2Fb/venue"
	if code, _ := post(t, url, `{"force":"open"}`); code != 401 {
		t.Errorf("no token: %d", code)
	}
	if code, body := post(t, url, `{"force":"open"}`, "Authorization", "Bearer "+token, "Host", "gateway.example"); code != 200 || decode[ChoiceReport](t, body).Active != "ven dor" {
		t.Errorf("with the token: %d %s", code, body)
	}
}

// A tick that does not come is not waited for.
func TestActWithoutTicks(t *testing.T) {
	w := newPair(t)
	without := NewMonitor(w.monitor.src) // nobody calls its OnTick
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if _, err := without.Act(ctx, "a/b", "venue", Wish{Force: "none"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
}

// The books are those of the active provider, and each instrument is listed once.
func TestBooksOfActiveProvider(t *testing.T) {
	w := newPair(t)
	get, _ := serve(t, Config{Monitor: w.monitor})
	_, _, body := get("GET", "/instruments", "", nil)
	if r := decode[InstrumentsReport](t, body); r.Total != len(w.truth.Books) || r.Instruments[0].Feed != "a/b" {
		t.Errorf("instruments %s", body)
	}
	var symbol string
	for _, b := range w.truth.Books {
		if len(b.Bids) > 0 {
			symbol = b.Symbol
		}
	}
	if symbol == "" {
		t.Fatal("no book has bids")
	}
	if code, _, body := get("GET", "/books?symbol="+symbol, "", nil); code != 200 || len(decode[BookReport](t, body).Bids) == 0 {
		t.Errorf("of the feed: %d %s", code, body)
	}
	// The first provider loses its books.
	first := w.feed.Channels[0].Pipeline
	if err := w.monitor.call(t.Context(), func() {
		if err := errors.Join(first.BeginRebuild(1<<20), first.EndRebuild(first.Next(), w.monitor.src.Loop.Now())); err != nil {
			t.Error(err)
		}
	}); err != nil {
		t.Fatal(err)
	}
	_, _, body = get("GET", "/books?symbol="+symbol, "", nil)
	if n := len(decode[BookReport](t, body).Bids); n != 0 {
		t.Errorf("of the provider without books: %d bids", n)
	}
	if _, err := w.monitor.Act(t.Context(), "a/b", "venue", Wish{Force: "open"}); err != nil {
		t.Fatal(err)
	}
	_, _, body = get("GET", "/books?symbol="+symbol, "", nil)
	if n := len(decode[BookReport](t, body).Bids); n == 0 {
		t.Error("of the provider that is active now: no bids")
	}
}

// A gateway is ready if a feed receives and is fresh; else it says of each feed what is wrong.
func TestReady(t *testing.T) {
	feed := func(name string, stale bool, receiving ...bool) *FeedsReport {
		r := &FeedsReport{Providers: []ChoiceReport{{Feed: name, Stale: stale}}}
		for i, of := range receiving {
			channel := name + "/" + string(rune('a'+i))
			r.Feeds = append(r.Feeds, FeedReport{Name: channel, Receiving: of})
			r.Providers[0].Providers = append(r.Providers[0].Providers, ProviderReport{Channel: channel})
		}
		return r
	}
	both := func(a, b *FeedsReport) *FeedsReport {
		return &FeedsReport{Feeds: append(a.Feeds, b.Feeds...), Providers: append(a.Providers, b.Providers...)}
	}
	for _, c := range []struct {
		r    *FeedsReport
		want StatusReport
	}{
		{feed("x", false, true), StatusReport{OK: true}},
		{feed("x", false, false, true), StatusReport{OK: true}},
		{feed("x", false, false, false), StatusReport{Reason: "feed x had no datagram for 3s"}},
		{feed("x", true, true, true), StatusReport{Reason: "feed x is stale"}},
		{both(feed("x", true, true), feed("y", false, true)), StatusReport{OK: true}},
		{both(feed("x", true, true), feed("y", false, false)), StatusReport{Reason: "feed x is stale; feed y had no datagram for 3s"}},
		{both(feed("x", true, true), feed("y", true, true)), StatusReport{Reason: "feed x is stale; feed y is stale"}},
	} {
		if got := readiness(c.r); got != c.want {
			t.Errorf("%+v, want %+v", got, c.want)
		}
	}
	// Nothing comes by a socket in this world, so the feed does not receive.
	get, _ := serve(t, Config{Monitor: newPair(t).monitor})
	if code, _, body := get("GET", "/ready", "", nil); code != 503 || !strings.Contains(body, "feed a/b had no datagram for 3s") {
		t.Errorf("%d %s", code, body)
	}
}

// What is had by connections, how lines are ranked, and the journal are in /feeds.
func TestConnectionsReport(t *testing.T) {
	w := newWorld(t)
	get, _ := serve(t, Config{Monitor: w.monitor})
	_, _, body := get("GET", "/feeds", "", nil)
	r := decode[FeedsReport](t, body)
	if len(r.Providers) != 1 || r.Providers[0].Feed != "sim" || r.Providers[0].Active != "sim" || r.Providers[0].Providers[0].Forwarded != r.Feeds[0].Events {
		t.Errorf("providers %+v", r.Providers)
	}
	f := &r.Feeds[0]
	for i, rank := range []string{"OK", "OK", "", ""} { // C is not ranked in this world, R never
		l := &f.Lines[i]
		if (l.Judged != nil) != (rank != "") || rank != "" && (l.Judged.Rank != rank || l.Judged.Reason != "fresh" || l.Judged.Opened != 0) {
			t.Errorf("line %s: %+v", l.Name, l.Judged)
		}
		if (l.TCP != nil) != (i == 3) {
			t.Errorf("line %s by tcp: %+v", l.Name, l.TCP)
		}
	}
	if l := &f.Lines[3]; l.Name != "C" || l.Address != "soup.example:1" || l.TCP.Connected || l.Packets != 0 {
		t.Errorf("line C: %+v", l)
	}
	if s := f.Snapshots; s == nil || s.Wanted != 0 || len(s.Servers) != 1 || s.Servers[0].Name != "192.0.2.1:2" || s.Servers[0].Breaker != "closed" {
		t.Errorf("snapshots %+v", s)
	}
	if j := r.Journal; j == nil || j.Dir != "journal" || j.Epoch != 1 || j.Segments != 1 || j.Dropping || j.Stalled != "" {
		t.Errorf("journal %+v", j)
	}
}

// A line by a connection is heard by what the pipeline got of it.
func TestLineByTCP(t *testing.T) {
	w := newWorld(t)
	s, err := w.monitor.state(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	now := s.loop.LastStamp
	for i := range s.loop.Lines {
		s.loop.Lines[i].LastStamp = now - 4*market.Second
	}
	if r := w.monitor.feed(0, s); r.Receiving || r.Lines[3].Silent {
		t.Errorf("nothing is heard: %t, %+v", r.Receiving, r.Lines[3])
	}
	s.channels[0].health[arbiter.LineB+1].LastRecv = now
	s.channels[0].ledger.Lines[arbiter.LineB+1].Received.Packets = 7
	if r := w.monitor.feed(0, s); !r.Receiving || r.Lines[3].Silent || !r.Lines[0].Silent || r.Lines[3].Packets != 7 {
		t.Errorf("line C is heard: %t, %+v", r.Receiving, r.Lines)
	}
}

// Outcomes of attempts, and a breaker, by their names.
func TestSnapshotsReport(t *testing.T) {
	l := recovery.Ledger{Wanted: 2, Servers: []recovery.ServerLedger{{Name: "x", Attempts: 3, State: breaker.Open, Opened: 1, LastError: "no"}}}
	l.Servers[0].Outcomes[recovery.Done], l.Servers[0].Outcomes[recovery.TimedOut] = 1, 2
	b, err := json.Marshal(snapshotsReport(&l))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"wanted":2`, `"servers":[{"name":"x","attempts":3,"outcomes":{"done":1,"timed_out":2},"under_way":false,"breaker":"open","opened":1,"last_error":"no"}]`} {
		if !strings.Contains(string(b), want) {
			t.Errorf("%s lacks %s", b, want)
		}
	}
	line := lineJudgement(&providers.LineLedger{LineVerdict: providers.LineVerdict{State: breaker.HalfOpen, Reason: providers.Behind, By: 7}, Since: 1e18, Opened: 4})
	if want := (BreakerReport{Rank: "SUSPECT", Breaker: "half-open", Since: time.Unix(1e9, 0).UTC(), Opened: 4, Reason: "behind", By: 7}); *line != want {
		t.Errorf("line %+v, want %+v", *line, want)
	}
	for rank, want := range map[string]float64{"OK": 2, "SUSPECT": 1, "DOWN": 0} {
		if got := rankValue(rank); got != want {
			t.Errorf("%s is %v", rank, got)
		}
	}
}

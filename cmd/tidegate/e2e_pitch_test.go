//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tidegate/arbiter"
	"tidegate/codec/dbn"
	pitchrecovery "tidegate/codec/pitch/recovery"
	"tidegate/codec/sequnit"
	"tidegate/gateway/admin"
	"tidegate/internal/venue"
	"tidegate/internal/venue/livevenue"
	"tidegate/market"
)

// A unit is a venue of this process that publishes PITCH on two lines, with a gap request proxy and a spin server.
type unit struct {
	*livevenue.Venue
	t *testing.T
}

// openUnit opens the sockets of a unit that sends to a and b, and what is asked for again to r; by an interface if
// they are groups. Nothing is sent, and nobody is answered, before run.
func openUnit(t *testing.T, a, b, r netip.AddrPort, ifi string) *unit {
	t.Helper()
	anywhere := netip.MustParseAddrPort("127.0.0.1:0")
	cfg := livevenue.DefaultConfig(17)
	cfg.Retransmit, cfg.Control, cfg.Gaps, cfg.Spin, cfg.Resent, cfg.Interface = anywhere, anywhere, anywhere, anywhere, r, ifi
	feed := &cfg.Feed.Feed
	feed.Sender.Protocol = venue.PITCH
	feed.Lines[0].Group, feed.Lines[1].Group = a, b
	feed.Market.Listings, feed.Market.Halts = venue.Listings(6), nil
	feed.Market.Open, feed.Market.PreOpen = market.Second, market.Second
	feed.Market.Rate, cfg.Feed.Speed = 400, 5 // it opens, and closes, in less than a second
	v, err := livevenue.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &unit{v, t}
}

// run publishes until the test ends.
func (u *unit) run() {
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if _, err := u.Run(ctx); err != nil {
			u.t.Error(err)
		}
	})
	u.t.Cleanup(func() { stop(); running.Wait() })
}

// passes waits until so many more messages were sent.
func (u *unit) passes(more uint64) {
	u.t.Helper()
	var want uint64
	eventually(u.t, "unit", func() error {
		p := u.truth().LivePosition
		if want == 0 {
			want = p.Sent + more
		}
		if p.Sent < want {
			return fmt.Errorf("sent %d of %d messages", p.Sent, want)
		}
		return nil
	})
}

func (u *unit) truth() livevenue.Truth {
	u.t.Helper()
	truth, err := u.Truth()
	if err != nil {
		u.t.Fatal(err)
	}
	return truth
}

// loses has both lines lose so many messages, the same.
func (u *unit) loses(messages uint64) {
	u.t.Helper()
	u.down(true)
	u.passes(messages)
	u.down(false)
}

// down takes both lines down, or up again, between the same two packets.
func (u *unit) down(down bool) {
	u.t.Helper()
	var err error
	if ended := u.Do(func(f *venue.LiveFeed) {
		for line := range 2 {
			s := f.Line(line)
			s.Down = down
			err = errors.Join(err, f.SetLine(line, s))
		}
	}); err != nil || ended != nil {
		u.t.Fatal(err, ended)
	}
}

// settles pauses the market, waits until the gateway has everything, holds its books and those of a subscriber
// against the venue's, and goes on.
func (u *unit) settles(g place, m *mirror) (f *admin.FeedReport) {
	u.t.Helper()
	if _, err := u.Pause(); err != nil {
		u.t.Fatal(err)
	}
	truth := u.truth()
	reaches(u.t, g.url, truth.Sent)
	eventually(u.t, "gateway", func() error {
		if f = feedOf(u.t, g.url); f.Snapshots != nil && f.Rebuilds.UnderWay {
			return errors.New("the books are being made anew")
		}
		return nil
	})
	var r admin.InstrumentsReport
	getJSON(u.t, g.url+"/instruments", &r)
	ids := make(map[string]market.InstrumentID)
	for _, in := range r.Instruments {
		ids[in.Symbol] = market.InstrumentID(in.Instrument)
	}
	for i := range truth.Books {
		truth.Books[i].Instrument = ids[truth.Books[i].Symbol]
	}
	m.has(u.t, "subscriber", truth.Books)
	if _, err := u.Resume(); err != nil {
		u.t.Fatal(err)
	}
	return f
}

// pitchConfig is the configuration of a feed that asks proxies, whose answers go to an address.
func pitchConfig(t *testing.T, lines, deadline, proxies, answers, more string) string {
	t.Helper()
	return configWith(t, lines, func(text string) string {
		section := fmt.Sprintf("  retransmit: {proxies: [%s], %s, timeout: 200ms, rest: 200ms, rest_max: 400ms}\n%sloop:", proxies, answers, more)
		return strings.NewReplacer("protocol: itch", "protocol: pitch", "gap_deadline: 1s", "gap_deadline: "+deadline, "loop:", section).Replace(text) +
			"ring: {chunks: 256}\ncapture: {file: lines.pcap}\n"
	})
}

// proxyAt is a proxy in a configuration.
func proxyAt(addr any, password string) string {
	return fmt.Sprintf("{address: \"%s\", session_sub_id: 0001, username: TIDE, password: %s}", addr, password)
}

// What both lines of a unit lose is asked for, of the second proxy because the first is dead, and nothing is lost.
// When the proxy refuses, the gap is announced, and an image of the spin server makes the books right again. The
// recording has all of that, and gives the same records.
func TestE2EPitchGaps(t *testing.T) {
	t.Parallel() // it mostly waits
	binary := buildTidegate(t)
	a, b, lines := twoPorts(t)
	r := netip.AddrPortFrom(a.Addr(), freePort(t))
	u := openUnit(t, a, b, r, "")
	dead := deadProxy(t)
	config := pitchConfig(t, lines, "3s", proxyAt(dead, "SESAME")+", "+proxyAt(u.GapsAddr(), "SESAME"), fmt.Sprintf("address: %q", r),
		fmt.Sprintf("  snapshots: {servers: [%s]}\n", proxyAt(u.SpinAddr(), "SESAME")))
	g := startAt(t, binary, config)
	g.logged("retransmission", "feed", "sim", "address", r.String(), "servers", fmt.Sprint([]string{dead, u.GapsAddr().String()}))
	m := watch(t, g.addr, keyOne, false)
	stored := subscribe(t, g.addr, keyOne, dbn.SchemaMBO)
	u.run()
	g.logged("gap request proxy is ready", "feed", "sim", "proxy", u.GapsAddr().String())
	g.logged("gap request proxy is not connected", "feed", "sim", "proxy", dead)

	u.passes(500)
	for range 3 {
		u.loses(100)
		u.passes(200)
	}
	f := u.settles(g, m)
	line, proxies := lineOf(t, f, arbiter.LineR), f.Retransmit.Proxies
	if !f.Balanced || f.Ledger.GapsAnnounced().Ranges != 0 || f.Suspect != 0 || line.Ledger.GapMessages < 300 || line.Ledger.Unasked.Packets > 0 || line.Requests != nil {
		t.Errorf("%+v; line R %+v", f.Ledger, line)
	}
	if dead, alive := &proxies[0], &proxies[1]; dead.Ready || dead.Unsent != dead.Requests || dead.Requests == 0 ||
		!alive.Ready || alive.Accepted == 0 || alive.Refused != 0 || alive.Logins != 1 {
		t.Errorf("proxies %+v", proxies)
	}
	if asked, counts := f.Retransmit.Servers[1].Requests.Requests, u.gaps(func(*venue.PitchSettings) {}).Counts; counts.Accepted != asked || proxies[1].Requests != asked {
		t.Errorf("asked %d times; the proxy accepted %d of %d", asked, counts.Accepted, counts.Requests)
	}
	u.wantShown(g)

	u.gaps(func(s *venue.PitchSettings) { s.Unavailable = true })
	u.loses(100)
	g.logged("gap requests were refused", "feed", "sim", "proxy", u.GapsAddr().String(), "status", "unit unavailable")
	g.logged("gap: messages are lost", "feed", "sim", "reason", "deadline")
	g.logged("books were made anew from a snapshot", "feed", "sim", "server", u.SpinAddr().String())
	u.passes(200)
	if f = u.settles(g, m); !f.Balanced || f.Ledger.GapsAnnounced().Messages < 100 || f.Suspect == 0 {
		t.Errorf("%+v, %d suspect events", f.Ledger, f.Suspect)
	}

	g.ends()
	var got subscriber
	select {
	case got = <-stored:
	case <-time.After(patience):
		t.Fatal("the session goes on")
	}
	if got.err != io.EOF {
		t.Errorf("the session ended with %v", got.err)
	}
	recording := filepath.Join(filepath.Dir(config), "lines.pcap")
	wantReplay(t, recording, dbn.SchemaMBO, got.records)
	again := replayed(t, recording)
	if n := again.Channels[0].Ledger.Lines[arbiter.LineR].GapMessages; n != line.Ledger.GapMessages {
		t.Errorf("the replay took %d messages of line R, the gateway %d", n, line.Ledger.GapMessages)
	}
}

// gaps changes what is wrong with the gap request proxy.
func (u *unit) gaps(change func(*venue.PitchSettings)) livevenue.PitchStatus {
	u.t.Helper()
	s, err := u.SetGaps(func(s *venue.PitchSettings) error { change(s); return nil })
	if err != nil {
		u.t.Fatal(err)
	}
	return s
}

// wantShown looks for the proxies in what operators look at.
func (u *unit) wantShown(g place) {
	u.t.Helper()
	r, err := http.Get(g.url + "/metrics")
	if err != nil {
		u.t.Fatal(err)
	}
	defer r.Body.Close()
	metrics, err := io.ReadAll(r.Body)
	if err != nil {
		u.t.Fatal(err)
	}
	wantContains(u.t, "metrics", string(metrics), `tidegate_feed_retransmit_proxy_ready{feed="sim",server="0"} 0`,
		`tidegate_feed_retransmit_proxy_ready{feed="sim",server="1"} 1`, `tidegate_feed_retransmit_proxy_logins_total{feed="sim",server="1"} 1`)
	stat := mustRun(u.t, "stat", "--url", g.url)
	wantContains(u.t, "stat", squeeze(stat), "\nproxy "+u.GapsAddr().String()+": ready, ", " 0 unanswered, 0 lost, 0 unsent; 1 login, 0 refused\n", ": NO SESSION, ")
}

// deadProxy returns an address that nobody listens at.
func deadProxy(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Answers come to a group, which is joined on an interface.
func TestE2EPitchGapResponseGroup(t *testing.T) {
	binary := inNamespace(t)
	if binary == "" {
		return
	}
	groupR := netip.MustParseAddrPort("239.255.7.3:26402")
	u := openUnit(t, groupA, groupB, groupR, "lo")
	config := pitchConfig(t, fmt.Sprintf("{name: A, address: %q, interface: lo}, {name: B, address: %q, interface: lo}", groupA, groupB),
		"3s", proxyAt(u.GapsAddr(), "SESAME"), fmt.Sprintf("address: %q, interface: lo", groupR), "")
	g := startAt(t, binary, config)
	m := watch(t, g.addr, keyOne, false)
	u.run()
	g.logged("gap request proxy is ready")
	u.passes(500)
	u.loses(100)
	u.passes(200)
	f := u.settles(g, m)
	if r := lineOf(t, f, arbiter.LineR); f.Ledger.GapsAnnounced().Ranges != 0 || r.Ledger.GapMessages < 100 || r.Address != groupR.String() {
		t.Errorf("%+v; line R %+v", f.Ledger, r)
	}
	g.ends()
}

// A doorman is a gap request proxy that lets one password in, and is asked nothing.
type doorman struct {
	listener net.Listener
	password string

	mu              sync.Mutex
	entered, turned int
	strangers       []string // logins that are not as they should be but for the password
}

func startDoorman(t *testing.T, password string) *doorman {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &doorman{listener: l, password: password}
	var open sync.WaitGroup
	open.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			open.Go(func() { d.serve(c) })
		}
	})
	t.Cleanup(func() { l.Close(); open.Wait() })
	return d
}

// serve answers the login, and sends heartbeats until the client is gone.
func (d *doorman) serve(c net.Conn) {
	defer c.Close()
	b := make([]byte, 1024)
	n, err := c.Read(b) // a login, whole: it is one write
	if err != nil {
		return
	}
	p, err := sequnit.Parse(b[:n])
	if err != nil {
		return
	}
	msg, _ := sequnit.Next(p.Messages)
	var login pitchrecovery.Login
	answer := pitchrecovery.LoginResponse{Status: pitchrecovery.NotAuthorized}
	d.mu.Lock()
	switch err := login.Parse(msg); {
	case err != nil || string(login.SessionSubID[:]) != "0001" || string(login.Username[:]) != "TIDE":
		d.strangers = append(d.strangers, fmt.Sprintf("%q: %v", msg, err))
	case strings.TrimRight(string(login.Password[:]), " ") == d.password:
		answer.Status = pitchrecovery.LoginAccepted
		d.entered++
	default:
		d.turned++
	}
	d.mu.Unlock()
	var out sequnit.Builder
	out.Reset(0, 0, math.MaxUint16)
	out.Append(answer.Append(nil))
	for answer.Status == pitchrecovery.LoginAccepted {
		if _, err := c.Write(out.Bytes()); err != nil {
			return
		}
		_ = c.SetReadDeadline(time.Now().Add(time.Second))
		if _, err := c.Read(b); errors.Is(err, io.EOF) {
			return
		}
		out.Reset(0, 0, math.MaxUint16)
	}
	_, _ = c.Write(out.Bytes())
}

func (d *doorman) seen() (entered, turned int, strangers []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.entered, d.turned, d.strangers
}

// A wrong password is said in one line of the log, and does not lead to a storm of logins; the right one lets the
// gateway in. Without a session nothing is asked for, and gaps are announced.
func TestE2EPitchWrongPassword(t *testing.T) {
	t.Parallel() // it mostly waits
	binary := buildTidegate(t)
	a, b, lines := twoPorts(t)
	r := netip.AddrPortFrom(a.Addr(), freePort(t))
	u := openUnit(t, a, b, r, "")
	d, other := startDoorman(t, "SESAME"), startDoorman(t, "SESAME")
	began := time.Now()
	g := startAt(t, binary, pitchConfig(t, lines, "500ms", proxyAt(d.listener.Addr(), "SESAM")+", "+proxyAt(other.listener.Addr(), "SESAME"), fmt.Sprintf("address: %q", r), ""))
	u.run()
	l := g.logged("gap request proxy refused the login", "feed", "sim", "proxy", d.listener.Addr().String())
	if l["error"] != "recovery: login refused: not authorized" || l["level"] != "WARN" {
		t.Errorf("logged %v", l)
	}
	g.logged("gap request proxy is ready", "proxy", other.listener.Addr().String())
	u.passes(500)
	u.loses(100)
	g.logged("gap: messages are lost", "feed", "sim", "reason", "deadline")
	p := feedOf(t, g.url).Retransmit.Proxies
	if p[0].Ready || p[0].Unsent != p[0].Requests || p[0].LastError == "" || !p[1].Ready || p[1].Logins != 1 || p[1].LoginsRefused != 0 {
		t.Errorf("proxies %+v", p)
	}
	g.ends()
	entered, turned, strangers := d.seen()
	if most := 1 + int(time.Since(began)/(7*time.Second)); entered != 0 || turned == 0 || turned > most || len(strangers) > 0 {
		t.Errorf("the proxy let in %d and turned away %d, want at most %d; %q", entered, turned, most, strangers)
	}
	if entered, turned, strangers := other.seen(); entered != 1 || turned != 0 || len(strangers) > 0 {
		t.Errorf("the other proxy let in %d and turned away %d; %q", entered, turned, strangers)
	}
	refusals := 0
	for _, l := range g.log {
		if l["msg"] == "gap request proxy refused the login" {
			refusals++
		}
	}
	if refusals != 1 {
		t.Errorf("the refusal was logged %d times", refusals)
	}
}

// A configuration that asks in a way that the protocol does not have is refused.
func TestPitchGapsMistake(t *testing.T) {
	_, _, lines := twoPorts(t)
	config := configWith(t, lines, func(text string) string {
		return strings.Replace(text, "loop:", "  retransmit: {proxies: [{address: 'gaps.example:17001'}], address: '127.0.0.1:26402'}\nloop:", 1)
	})
	code, _, stderr := tidegate(t, "run", "--check", "-c", config)
	if code != exitUsage {
		t.Errorf("exit %d", code)
	}
	wantContains(t, "stderr", stderr, "feeds[0].retransmit: found proxies of protocol itch, want servers: it is asked for by datagrams, without a login")
}

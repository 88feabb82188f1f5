package recovery_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"tidegate/arbiter"
	"tidegate/gateway"
	"tidegate/gateway/recovery"
	"tidegate/internal/venue"
	"tidegate/market"
)

func pitchConfig(c *gateway.Config) { *c = gateway.DefaultConfig(gateway.PITCH) }

// TestLiveSpin: an image makes the books of a PITCH unit anew, once the server does what it should.
func TestLiveSpin(t *testing.T) {
	l := start(t, pitchConfig)
	l.until("the opening", func() bool { return l.pipeline.Next() > 1000 })
	spin := recovery.NewSpin(l.SpinAddr().String(), "0001", "TIDE", "SESAME")
	set := func(to venue.PitchSettings) {
		t.Helper()
		if _, err := l.SetSpin(func(s *venue.PitchSettings) error { *s = to; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	set(venue.PitchSettings{Refuse: true})
	s := l.serve(2*time.Second, spin)
	l.gap()
	for _, f := range []struct {
		settings venue.PitchSettings
		want     recovery.Outcome
	}{
		{venue.PitchSettings{Refuse: true}, recovery.Unreachable},
		{venue.PitchSettings{Truncate: 100}, recovery.Broken},
		{venue.PitchSettings{Unavailable: true}, recovery.TimedOut},
	} {
		set(f.settings)
		var before uint64
		l.call(func() { before = l.outcomes(s, f.want) })
		l.until(f.want.String(), func() bool { return l.outcomes(s, f.want) > before })
	}
	set(venue.PitchSettings{})
	l.until("an image", func() bool { return l.outcomes(s, recovery.Done) > 0 && !l.pipeline.Suspect() })
	l.market(500)
	l.settle()
}

// TestLivePitchGaps: what the line of a PITCH unit loses is asked for, of the second proxy when the first is
// dead, and comes back by line R.
func TestLivePitchGaps(t *testing.T) {
	l := start(t, func(c *gateway.Config) {
		pitchConfig(c)
		c.Arbiter.GapDeadline = 2 * market.Second // this machine may be busy
		r := arbiter.DefaultRequestConfig(2)
		r.Timeout, r.RestMin = 300*ms, 300*ms
		c.Retransmit = &r
	})
	proxies := []recovery.GapProxy{
		recovery.NewGapProxy(deadAddr(t), "0001", "TIDE", "SESAME"),
		recovery.NewGapProxy(l.GapsAddr().String(), "0001", "TIDE", "SESAME"),
	}
	for i := range proxies {
		proxies[i].BackoffMin, proxies[i].BackoffMax = time.Millisecond, 10*time.Millisecond
	}
	gaps, err := recovery.NewPitchGaps(proxies)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { gaps.Run(ctx) })
	t.Cleanup(func() { stop(); running.Wait() })
	l.until("a session", func() bool { return gaps.Counts()[1].Ready })
	l.call(func() { l.pipeline.SendRequests(gaps.Send) })
	l.lose.Store(20)
	l.until("a market", func() bool { return l.pipeline.Next() > 3000 })
	l.lose.Store(0)
	l.settle()
	l.call(func() {
		ledger := l.ledger()
		if r := ledger.Lines[arbiter.LineR]; r.GapMessages == 0 || l.out.gaps != 0 || l.out.flagged != 0 {
			t.Errorf("%d gaps, line R %+v", l.out.gaps, r)
		}
		requests, _ := l.pipeline.Requests()
		if requests.Server[1].Answered.Requests == 0 {
			t.Errorf("%+v", requests.Server[:2])
		}
	})
	dead, alive := gaps.Counts()[0], gaps.Counts()[1]
	if dead.Unsent != dead.Requests || dead.LastError == "" || alive.Accepted == 0 || alive.Logins != 1 {
		t.Errorf("%+v, %+v", dead, alive)
	}

	// A refusal is counted by its reason.
	if _, err := l.SetGaps(func(s *venue.PitchSettings) error { s.Unavailable = true; return nil }); err != nil {
		t.Fatal(err)
	}
	l.gap()
	l.until("a refusal", func() bool { return gaps.Counts()[1].LastStatus == "unit unavailable" })
}

// TestLivePitchGapsRefused: a proxy that refuses the login is not bothered again at once, however soon another
// connection that broke is made anew; later it is, and lets us in.
func TestLivePitchGapsRefused(t *testing.T) {
	l := start(t, pitchConfig)
	set := func(refuse bool) venue.PitchCounts {
		t.Helper()
		status, err := l.SetGaps(func(s *venue.PitchSettings) error { s.Refuse = refuse; return nil })
		if err != nil {
			t.Fatal(err)
		}
		return status.Counts
	}
	set(true)
	run := func(backoffMax time.Duration) (g *recovery.PitchGaps, end func()) {
		proxy := recovery.NewGapProxy(l.GapsAddr().String(), "0001", "TIDE", "SESAME")
		proxy.BackoffMin, proxy.BackoffMax = time.Millisecond, backoffMax
		g, err := recovery.NewPitchGaps([]recovery.GapProxy{proxy})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() { g.Run(ctx) })
		end = func() { stop(); running.Wait() }
		t.Cleanup(end)
		return g, end
	}
	g, end := run(time.Hour)
	l.until("a refusal", func() bool { return g.Counts()[0].LoginsRefused == 1 })
	l.market(500)
	if c, now := g.Counts()[0], set(true); c.Dials != 1 || now.Refused != 1 || c.Ready || c.LastError != "recovery: login refused: not authorized" {
		t.Errorf("%+v; the proxy has refused %d", c, now.Refused)
	}
	end()
	g, _ = run(10 * time.Millisecond)
	l.until("refusals", func() bool { return g.Counts()[0].LoginsRefused > 2 })
	set(false)
	l.until("a session", func() bool { return g.Counts()[0].Ready })
	if c := g.Counts()[0]; c.Logins != 1 || c.Dials != c.LoginsRefused+1 {
		t.Errorf("%+v", c)
	}
}

func TestNewPitchGapsRefuses(t *testing.T) {
	good := recovery.NewGapProxy("127.0.0.1:1", "0001", "TIDE", "SESAME")
	bad := good
	bad.Session.Username = "TOO LONG"
	nowhere := good
	nowhere.Address = "127.0.0.1"
	hasty := good
	hasty.BackoffMin = 0
	for _, tt := range []struct {
		proxies []recovery.GapProxy
		ok      bool
	}{
		{[]recovery.GapProxy{good}, true},
		{nil, false},
		{make([]recovery.GapProxy, arbiter.ServersMax+1), false},
		{[]recovery.GapProxy{bad}, false},
		{[]recovery.GapProxy{nowhere}, false},
		{[]recovery.GapProxy{good, hasty}, false},
	} {
		if _, err := recovery.NewPitchGaps(tt.proxies); (err == nil) != tt.ok {
			t.Errorf("%d proxies: %v", len(tt.proxies), err)
		}
	}
}

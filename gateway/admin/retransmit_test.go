//go:build linux

package admin

import (
	"context"
	"testing"

	"tidegate/gateway"
	"tidegate/gateway/recovery"
)

// What is asked for again is reported: by the channel, by each server, and at the socket of line R.
func TestRetransmitReport(t *testing.T) {
	w := newWorld(t)
	get, _ := serve(t, Config{Monitor: w.monitor})
	_, _, body := get("GET", "/feeds", "", nil)
	f := &decode[FeedsReport](t, body).Feeds[0]
	if f.Retransmit == nil || len(f.Retransmit.Servers) != 1 {
		t.Fatalf("retransmission %+v", f.Retransmit)
	}
	s := &f.Retransmit.Servers[0]
	if s.Number != 0 || s.Requests.Requests == 0 || s.Requests.Messages == 0 || s.TimedOut.Requests == 0 ||
		s.Answered.Requests != 0 || s.Rests == 0 || s.State == "serving" || s.State == "" {
		t.Errorf("a server that does not answer: %+v", s)
	}
	if p := f.Retransmit.Proxies; len(p) != 1 || p[0] != (recovery.GapCounts{Address: "192.0.2.1:3", Requests: 1, Unsent: 1}) {
		t.Errorf("proxies %+v", p)
	}
	line := &f.Lines[2]
	if r := line.Requests; line.Name != "R" || r == nil || r.Sent != s.Requests.Requests || r.Failed != 0 || r.Strangers != 1 || r.LastError != "" {
		t.Errorf("line R: %+v, requests %+v", line, r)
	}
	if f.Rebuilds == nil || *f.Rebuilds != (gateway.RebuildCounts{}) {
		t.Errorf("rebuilds %+v", f.Rebuilds)
	}
}

// A feed that asks for nothing, and has no books that can be made anew, says nothing about either.
func TestNoRetransmitReport(t *testing.T) {
	w := newWorld(t)
	s, err := w.monitor.state(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	without := *s
	without.channels = []channelState{s.channels[0]}
	without.channels[0].asks, without.channels[0].rebuildable = false, false
	if f := w.monitor.feed(0, &without); f.Retransmit != nil || f.Rebuilds != nil || f.Lines[2].Requests != nil {
		t.Errorf("retransmission %+v, rebuilds %+v, line R %+v", f.Retransmit, f.Rebuilds, f.Lines[2].Requests)
	}
}

// Rebuilds are reported while they are under way, and when they are done.
func TestRebuildReport(t *testing.T) {
	w := newWorld(t)
	p := w.monitor.channels[0].Pipeline
	var err error
	if callErr := w.loop.Call(context.Background(), func() { err = p.BeginRebuild(1 << 20) }); callErr != nil || err != nil {
		t.Fatal(callErr, err)
	}
	w.monitor.last = nil
	r, err := w.monitor.Feeds(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if c := r.Feeds[0].Rebuilds; c == nil || c.Begun != 1 || !c.UnderWay {
		t.Errorf("a rebuild that was begun: %+v", c)
	}
}

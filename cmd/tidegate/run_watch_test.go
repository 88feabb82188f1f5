//go:build linux

package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"tidegate/gateway/admin"
	"tidegate/gateway/recovery"
)

// The watcher says what has changed since its last look, once.
func TestWatcher(t *testing.T) {
	var out bytes.Buffer
	w := newWatcher(nil, slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	})))
	line := func(name string, silent bool, drops uint64) admin.LineReport {
		return admin.LineReport{Name: name, Silent: silent, KernelDrops: drops}
	}
	feed := admin.FeedReport{Name: "sim", Receiving: true, Lines: []admin.LineReport{line("A", false, 0), line("B", false, 0)}}
	look := func(change func(f *admin.FeedReport), want ...string) {
		t.Helper()
		out.Reset()
		change(&feed)
		w.onFeeds(&admin.FeedsReport{Feeds: []admin.FeedReport{feed}, Capture: &admin.CaptureReport{Dropped: uint64(len(feed.Gaps))}})
		got := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
		if out.Len() == 0 {
			got = nil
		}
		if len(got) != len(want) {
			t.Fatalf("got %d lines, want %d:\n%s", len(got), len(want), out.String())
		}
		for i := range want {
			if !strings.Contains(got[i], want[i]) {
				t.Errorf("got %s\nwant %s", got[i], want[i])
			}
		}
	}
	same := func(*admin.FeedReport) {}
	look(same, `level=INFO msg="feed receives" feed=sim`)
	look(same)
	look(func(f *admin.FeedReport) {
		f.Epochs = []admin.EpochReport{{Number: 1, Session: "S1", Reason: "started", From: 1}}
	},
		`level=INFO msg="epoch begins" feed=sim epoch=1 reason=started session=S1 from=1`)
	look(same)
	look(func(f *admin.FeedReport) { f.Lines[1].Silent = true }, `level=WARN msg="line is silent: another one is not" feed=sim line=B`)
	look(same)
	look(func(f *admin.FeedReport) { f.Lines[1].Silent = false; f.Lines[0].KernelDrops = 7 },
		`datagrams=7 in_all=7`, `level=INFO msg="line is back" feed=sim line=B`)
	look(func(f *admin.FeedReport) { f.Lines[0].KernelDrops = 9 }, `line=A datagrams=2 in_all=9`)
	look(func(f *admin.FeedReport) { f.Lines[1].Silent = true }, "line is silent")
	// When the whole feed falls silent, no line is back.
	look(func(f *admin.FeedReport) { f.Receiving, f.Lines[1].Silent = false, false }, `level=WARN msg="feed is silent: nothing comes on any line" feed=sim for=3s`)
	look(func(f *admin.FeedReport) { f.Receiving = true }, "feed receives")
	gap := func(f *admin.FeedReport) {
		n := uint64(len(f.Gaps) + 1)
		f.Gaps = append(f.Gaps, admin.GapReport{Number: n, From: n * 10, To: n*10 + 2, Messages: 2, Reason: "deadline", Line: "A"})
		f.Ledger.GapsDeadline.Ranges, f.Ledger.GapsDeadline.Messages = n, 2*n
	}
	look(gap, `level=WARN msg="gap: messages are lost" feed=sim messages=2 from=10 to=12 reason=deadline line=A`,
		`level=WARN msg="datagrams were not recorded" datagrams=1 in_all=1`)
	look(same)
	look(func(f *admin.FeedReport) {
		for range gapLinesMax + 2 {
			gap(f)
		}
	}, "from=20 ", "from=30 ", "from=40 ", "from=50 ", "from=60 ", `msg="gaps: messages are lost" feed=sim gaps=7 messages=14`, "datagrams=7 in_all=8")
	look(same)

	tcp := func(change func(r *admin.TCPReport)) func(*admin.FeedReport) {
		return func(f *admin.FeedReport) {
			if f.Lines[1].TCP == nil {
				f.Lines[1].TCP, f.Lines[1].Address = &admin.TCPReport{}, "192.0.2.1:1"
			}
			change(f.Lines[1].TCP)
		}
	}
	look(tcp(func(r *admin.TCPReport) { r.Disconnects, r.LastError = 1, "refused" }),
		`level=WARN msg="line by tcp is not connected" feed=sim line=B address=192.0.2.1:1 error=refused`)
	look(tcp(func(r *admin.TCPReport) { r.Disconnects = 2 }))
	look(tcp(func(r *admin.TCPReport) { r.Connected = true }), `level=INFO msg="line by tcp is connected" feed=sim line=B`)
	look(same)
	look(tcp(func(r *admin.TCPReport) { r.Disconnects = 3 }), "line by tcp is connected") // between two looks it was not
	look(tcp(func(r *admin.TCPReport) { r.Connected = false }), "line by tcp is not connected")

	var proxy recovery.GapCounts
	gaps := func(change func()) func(*admin.FeedReport) {
		return func(f *admin.FeedReport) {
			change()
			f.Retransmit = &admin.RetransmitReport{Proxies: []recovery.GapCounts{proxy}}
		}
	}
	look(gaps(func() { proxy = recovery.GapCounts{Address: "gaps:1", Dials: 1} })) // it is being called
	look(gaps(func() { proxy.LastError = "gone" }), `level=WARN msg="gap request proxy is not connected" feed=sim proxy=gaps:1 error=gone`)
	look(gaps(func() { proxy.Dials, proxy.LastError = 2, "gone again" }))
	look(gaps(func() { proxy.LoginsRefused, proxy.LastError = 1, "no" }), `level=WARN msg="gap request proxy refused the login" feed=sim proxy=gaps:1 error=no`)
	look(gaps(func() { proxy.LoginsRefused = 2 }))
	look(gaps(func() { proxy.Ready, proxy.Logins = true, 1 }), `level=INFO msg="gap request proxy is ready" feed=sim proxy=gaps:1`)
	look(gaps(func() { proxy.Refused, proxy.LastStatus = 3, "out of range" }), `level=WARN msg="gap requests were refused" feed=sim proxy=gaps:1 requests=3 status="out of range"`)
	look(same)
	look(gaps(func() { proxy.Logins = 2 }), "gap request proxy is ready") // between two looks it was not
	look(gaps(func() { proxy.Ready, proxy.LastError = false, "broken" }), `gap request proxy is not connected" feed=sim proxy=gaps:1 error=broken`)
	look(same)

	outcomes := map[string]uint64{"unneeded": 1}
	look(func(f *admin.FeedReport) {
		f.Snapshots = &admin.SnapshotsReport{Servers: []admin.SnapshotServerReport{{Name: "glimpse 192.0.2.2:1", Outcomes: outcomes, LastError: "dial: refused"}}}
	})
	look(func(*admin.FeedReport) { outcomes["unreachable"], outcomes["timed_out"] = 2, 1 },
		`level=WARN msg="no snapshot could be had" feed=sim server="glimpse 192.0.2.2:1" times=3 error="dial: refused"`)
	look(same)
	look(func(*admin.FeedReport) { outcomes["done"] = 1 }, `level=INFO msg="books were made anew from a snapshot" feed=sim server="glimpse 192.0.2.2:1"`)
	look(same)

	subscribers := func(slow uint64) string {
		out.Reset()
		w.onSubscribers(&admin.SubscribersReport{Counts: map[string]uint64{"slow": slow}})
		return out.String()
	}
	if got := subscribers(3); !strings.Contains(got, "level=WARN msg=\"subscribers became slow\" times=3") {
		t.Errorf("one is slow: %s", got)
	}
	if got := subscribers(3); got != "" {
		t.Errorf("nothing new: %s", got)
	}
}

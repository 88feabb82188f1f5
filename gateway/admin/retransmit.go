//go:build linux

package admin

import (
	"strconv"
	"strings"

	"tidegate/arbiter"
	"tidegate/gateway"
	"tidegate/gateway/lines"
	"tidegate/gateway/recovery"
)

// This file reports what is done about messages that the lines have lost: requests for retransmission, and
// books made anew.

func retransmitReport(l *arbiter.RequestLedger) *RetransmitReport {
	r := &RetransmitReport{
		TooLarge: l.TooLarge, WaitsBudget: l.WaitsBudget, WaitsInFlight: l.WaitsInFlight, WaitsServers: l.WaitsServers,
	}
	for i := range l.Servers {
		s := &l.Server[i]
		r.Servers = append(r.Servers, ServerReport{Number: i, ServerLedger: *s, State: s.State.String()})
	}
	return r
}

func requestsReport(s *lines.RequestStats) *RequestsReport {
	r := &RequestsReport{Sent: s.Sent, Failed: s.Failed, Strangers: s.Strangers}
	if s.LastError != nil {
		r.LastError = s.LastError.Error()
	}
	return r
}

// retransmit shows the account of requests. Those of a server have its number as a label.
func (c collector) retransmit(e emitter, feed string, l *arbiter.RequestLedger) {
	l.Walk(func(counter string, value uint64, sentence string) {
		labels := []string{"feed", feed}
		if server, rest, ok := cutServer(counter); ok {
			counter, labels = rest, append(labels, "server", server)
		}
		e.walked("feed_retransmit_"+counter, value, sentence, labels)
	})
}

// proxies shows what became of requests by TCP. Each proxy has its number as a label, as a server that is asked by
// datagrams has.
func (c collector) proxies(e emitter, feed string, proxies []recovery.GapCounts) {
	for i := range proxies {
		p, labels := &proxies[i], []string{"feed", feed, "server", strconv.Itoa(i)}
		e.gauge("feed_retransmit_proxy_ready", "1 if there is a session with the gap request proxy.", truth(p.Ready), labels...)
		for _, count := range []struct {
			name, sentence string
			value          uint64
		}{
			{"requests", "Requests for the gap request proxy.", p.Requests},
			{"accepted", "Requests that the gap request proxy accepted.", p.Accepted},
			{"refused", "Requests that the gap request proxy refused.", p.Refused},
			{"unanswered", "Requests that the gap request proxy did not answer.", p.Unanswered},
			{"lost", "Requests that were lost with the session.", p.Lost},
			{"unsent", "Requests that could not be sent, because there was no session or too much to send.", p.Unsent},
			{"dials", "Connections with the gap request proxy that were tried.", p.Dials},
			{"logins", "Logins that the gap request proxy accepted.", p.Logins},
			{"logins_refused", "Logins that the gap request proxy refused.", p.LoginsRefused},
		} {
			e.counter("feed_retransmit_proxy_"+count.name, count.sentence, count.value, labels...)
		}
	}
}

// cutServer splits "server_0.asked.requests" into 0 and "asked.requests".
func cutServer(counter string) (server, rest string, ok bool) {
	after, ok := strings.CutPrefix(counter, "server_")
	if !ok {
		return "", counter, false
	}
	return strings.Cut(after, ".")
}

func (c collector) rebuilds(e emitter, feed string, r *gateway.RebuildCounts) {
	for _, count := range []struct {
		name, sentence string
		value          uint64
	}{
		{"begun", "Times that books were begun anew, for a snapshot that was on its way.", r.Begun},
		{"done", "Times that books were replaced by those of a snapshot and of what came since.", r.Done},
		{"old", "Rebuilds given up because messages between the snapshot and what came since were missing.", r.Old},
		{"faulty", "Rebuilds given up because a message of the snapshot was wrong.", r.Faulty},
		{"kept", "Rebuilds given up because more came meanwhile than may be kept.", r.Kept},
		{"epochs", "Rebuilds given up because the publisher began again.", r.Epochs},
		{"messages", "Messages of snapshots.", r.Messages},
		{"applied", "Messages applied on top of snapshots.", r.Applied},
		{"withheld", "Events not published because there was no book yet.", r.Withheld},
	} {
		e.counter("feed_rebuild_"+count.name, count.sentence, count.value, "feed", feed)
	}
	e.gauge("feed_rebuild_under_way", "1 if a rebuild is under way at this moment.", truth(r.UnderWay), "feed", feed)
	e.gauge("feed_rebuild_kept_bytes", "Bytes of messages kept for a rebuild at this moment.", float64(r.KeptNow), "feed", feed)
	e.gauge("feed_rebuild_kept_bytes_max", "Most bytes of messages that a rebuild kept.", float64(r.KeptMax), "feed", feed)
}

// requests shows what became of requests and answers at the socket of a line R, where requests go by datagrams.
func (c collector) requests(e emitter, labels []string, r *RequestsReport) {
	e.counter("line_requests_sent", "Requests for retransmission that were sent.", r.Sent, labels...)
	e.counter("line_requests_failed", "Requests for retransmission that could not be sent.", r.Failed, labels...)
	e.counter("line_strangers", "Datagrams dropped unread because they came from none of the servers that are asked.", r.Strangers, labels...)
}

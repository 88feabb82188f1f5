//go:build linux

package admin

import (
	"time"

	"tidegate/gateway/providers"
	"tidegate/gateway/recovery"
)

// This file shows what is had by connections: snapshots, and lines by TCP; and how lines are ranked.

func snapshotsReport(l *recovery.Ledger) *SnapshotsReport {
	r := &SnapshotsReport{Ledger: *l}
	for i := range l.Servers {
		s := &l.Servers[i]
		of := SnapshotServerReport{
			Name: s.Name, Attempts: s.Attempts, Outcomes: make(map[string]uint64), UnderWay: s.UnderWay,
			Breaker: s.State.String(), Opened: s.Opened, LastError: s.LastError,
		}
		for o, n := range s.Outcomes {
			if n > 0 {
				of.Outcomes[recovery.Outcome(o).String()] = n
			}
		}
		r.Servers = append(r.Servers, of)
	}
	return r
}

// snapshots shows the account of snapshots. Those of a server have its number as a label.
func (c collector) snapshots(e emitter, feed string, l *recovery.Ledger) {
	l.Walk(func(counter string, value uint64, sentence string) {
		labels := []string{"feed", feed}
		if server, rest, ok := cutServer(counter); ok {
			counter, labels = rest, append(labels, "server", server)
		}
		e.walked("feed_snapshots_"+counter, value, sentence, labels)
	})
}

func tcpReport(l *recovery.SoupLine) *TCPReport {
	s := l.Stats()
	return &TCPReport{
		Connected: s.Connected, Dials: s.Dials, Logins: s.Logins, Refused: s.Refused, Disconnects: s.Disconnects,
		Messages: s.Messages, Unsequenced: s.Unsequenced, Bytes: s.Bytes, Missed: s.Missed,
		Held: s.Held, HeldFor: time.Duration(s.HeldNanos), LastError: s.LastError,
	}
}

// tcp shows what the connections of a line did.
func (c collector) tcp(e emitter, labels []string, r *TCPReport) {
	e.gauge("line_tcp_connected", "1 if the line is logged in at its server.", truth(r.Connected), labels...)
	for _, count := range []struct {
		name, sentence string
		value          uint64
	}{
		{"dials", "Connections tried.", r.Dials},
		{"logins", "Logins that the server accepted.", r.Logins},
		{"refused", "Logins that the server refused.", r.Refused},
		{"disconnects", "Connections that broke, or did not come about.", r.Disconnects},
		{"messages", "Messages of the session that came.", r.Messages},
		{"unsequenced", "Messages without a number that came, which are not used.", r.Unsequenced},
		{"missed", "Messages that the server did not have any more.", r.Missed},
		{"held", "Times that reading waited for the ingest loop.", r.Held},
	} {
		e.counter("line_tcp_"+count.name, count.sentence, count.value, labels...)
	}
}

func lineJudgement(l *providers.LineLedger) *BreakerReport {
	r := breakerReport(l.State, l.Reason, l.By, l.Since, l.Opened)
	return &r
}

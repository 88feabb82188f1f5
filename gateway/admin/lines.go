//go:build linux

package admin

import (
	"time"

	"tidegate/arbiter"
	"tidegate/gateway/lines"
	"tidegate/market"
)

// lines reports on the lines of a channel: those that the loop reads, then the one that comes by a connection.
func (m *Monitor) lines(r *FeedReport, f *channel, from *channelState, s *state) {
	var of []lines.LineStats
	for j := range s.loop.Lines {
		if s.loop.Lines[j].Feed == f.Name {
			of = append(of, s.loop.Lines[j])
		}
	}
	if f.TCP != nil {
		of = append(of, lines.LineStats{
			Line: f.TCP.ID, Packets: from.ledger.Lines[f.TCP.ID].Received.Packets, LastStamp: from.health[f.TCP.ID].LastRecv,
		})
	}
	for j := range of {
		r.Receiving = r.Receiving || of[j].Line != arbiter.LineR && heard(&of[j], s)
	}
	for j := range of {
		l := &of[j]
		line := lineReport(l, &from.ledger.Lines[l.Line])
		line.take(&from.health[l.Line], s.loop.LastStamp)
		line.Silent = r.Receiving && l.Line != arbiter.LineR && !heard(l, s)
		if from.asks && l.Line == arbiter.LineR && f.Pipeline.Config().Feed.Retransmits() {
			line.Requests = requestsReport(&l.Requests)
		}
		if f.TCP != nil && j == len(of)-1 {
			line.TCP = tcpReport(f.TCP.Line)
			line.Address, line.Bytes = f.TCP.Address, line.TCP.Bytes
		}
		for k := range from.judged {
			if from.judged[k].Line == l.Line {
				line.Judged = lineJudgement(&from.judged[k])
			}
		}
		r.Lines = append(r.Lines, line)
	}
}

// heard reports whether something came on a line in the last SilenceMax. Of line R that means nothing: it
// brings what was asked for, and nothing else.
func heard(l *lines.LineStats, s *state) bool {
	return l.LastStamp.Defined() && s.loop.LastStamp-l.LastStamp <= market.Nanos(SilenceMax)
}

func lineReport(l *lines.LineStats, ledger *arbiter.LineLedger) LineReport {
	r := LineReport{
		Name: l.Line.String(), Address: l.Addr.String(), Last: timeOf(l.LastStamp),
		Packets: l.Packets, Bytes: l.Bytes, KernelDrops: l.KernelDrops, Truncated: l.Truncated, Errors: l.Errors,
		ReceiveBuffer: l.ReceiveBuffer, ReceiveBufferAsked: l.ReceiveBufferAsked, Warning: l.Warning, Ledger: *ledger,
	}
	if l.LastError != nil {
		r.LastError = l.LastError.Error()
	}
	return r
}

// take takes in what the arbiter knows of the line, as of now.
func (r *LineReport) take(h *arbiter.LineHealth, now market.Nanos) {
	r.HighWater, r.Behind = h.HighWater, h.Behind
	if h.BehindSince.Defined() {
		r.BehindFor = max(time.Duration(now-h.BehindSince), 0)
	}
	if h.Epoch != 0 && h.LastRecv.Defined() {
		age := max(time.Duration(now-h.LastRecv), 0)
		r.LastAge = &age
	}
}

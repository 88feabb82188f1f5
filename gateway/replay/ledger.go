package replay

import (
	"fmt"
	"strings"

	"tidegate/arbiter"
)

// A ledgerRow is one line of a table of accounts, which has a column for each line of a channel.
type ledgerRow struct {
	name string
	of   func(*arbiter.LineLedger) uint64
}

// The rows after the first add up to it.
var messageRows = []ledgerRow{
	{"received", func(l *arbiter.LineLedger) uint64 { return l.Received.Messages }},
	{"published", func(l *arbiter.LineLedger) uint64 { return l.Published.Messages }},
	{"duplicate", func(l *arbiter.LineLedger) uint64 { return l.Duplicate.Messages }},
	{"late", func(l *arbiter.LineLedger) uint64 { return l.Late.Messages }},
	{"old epoch", func(l *arbiter.LineLedger) uint64 { return l.OldEpoch.Messages }},
	{"foreign", func(l *arbiter.LineLedger) uint64 { return l.Foreign.Messages }},
	{"implausible", func(l *arbiter.LineLedger) uint64 { return l.Implausible.Messages }},
	{"unsequenced", func(l *arbiter.LineLedger) uint64 { return l.Unsequenced.Messages }},
	{"unasked", func(l *arbiter.LineLedger) uint64 { return l.Unasked.Messages }},
	{"held", func(l *arbiter.LineLedger) uint64 { return l.Held.Messages + l.Suspect.Messages }},
}

var packetRows = []ledgerRow{
	{"received", func(l *arbiter.LineLedger) uint64 { return l.Received.Packets }},
	{"published", func(l *arbiter.LineLedger) uint64 { return l.Published.Packets }},
	{"duplicate", func(l *arbiter.LineLedger) uint64 { return l.Duplicate.Packets }},
	{"late", func(l *arbiter.LineLedger) uint64 { return l.Late.Packets }},
	{"old epoch", func(l *arbiter.LineLedger) uint64 { return l.OldEpoch.Packets }},
	{"foreign", func(l *arbiter.LineLedger) uint64 { return l.Foreign.Packets }},
	{"implausible", func(l *arbiter.LineLedger) uint64 { return l.Implausible.Packets }},
	{"unsequenced", func(l *arbiter.LineLedger) uint64 { return l.Unsequenced.Packets }},
	{"unasked", func(l *arbiter.LineLedger) uint64 { return l.Unasked.Packets }},
	{"held", func(l *arbiter.LineLedger) uint64 { return l.Held.Packets + l.Suspect.Packets }},
	{"heartbeat", func(l *arbiter.LineLedger) uint64 { return l.Heartbeats }},
	{"end", func(l *arbiter.LineLedger) uint64 { return l.Ends }},
	{"malformed", func(l *arbiter.LineLedger) uint64 { return l.Malformed }},
}

// table writes accounts with a column per line, numbers to the right. Rows of zeros are left out.
func (p *printer) table(title string, names []string, lines []*arbiter.LineLedger, rows []ledgerRow) {
	width := make([]int, len(lines))
	for i, l := range lines {
		width[i] = max(len(names[i]), len(count(rows[0].of(l)))) // no number exceeds what was received
	}
	var b strings.Builder
	for i, name := range names {
		fmt.Fprintf(&b, "  %*s", width[i], name)
	}
	p.row(title, "%-11s%s", "", b.String())
	for n, row := range rows {
		b.Reset()
		any := n == 0
		for i, l := range lines {
			any = any || row.of(l) > 0
			fmt.Fprintf(&b, "  %*s", width[i], count(row.of(l)))
		}
		if any {
			p.row("", "%-11s%s", row.name, b.String())
		}
	}
}

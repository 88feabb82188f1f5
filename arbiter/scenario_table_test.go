package arbiter

import (
	"fmt"
	"strconv"
	"strings"
)

// tabulateRequests returns the counters of a ledger that are not zero, a line of text for the channel
// and one for each server.
func tabulateRequests(l *RequestLedger) string {
	lines := make([]string, 1+l.Servers)
	lines[0] = "  | requests:"
	for i := range l.Servers {
		lines[1+i] = fmt.Sprintf("  | server %d: %v", i, l.Server[i].State)
	}
	first := uint64(0)
	l.Walk(func(name string, value uint64, _ string) {
		line := &lines[0]
		if rest, ok := strings.CutPrefix(name, "server_"); ok {
			number, counter, _ := strings.Cut(rest, ".")
			i, _ := strconv.Atoi(number)
			line, name = &lines[1+i], counter
		}
		counter, unit, pair := strings.Cut(name, ".")
		if pair && unit != "messages" {
			first = value
			return
		}
		shown := strconv.FormatUint(value, 10)
		if pair {
			shown = fmt.Sprintf("%d/%d", first, value)
		}
		if value > 0 && name != "resting" {
			*line += " " + counter + " " + shown
		}
	})
	return strings.TrimSpace(strings.Join(lines, "\n")) + "\n"
}

// tabulate returns the counters of a ledger that are not zero, a line of text for the channel and one
// for each line.
func tabulate(l *Ledger) string {
	var text strings.Builder
	of, first := "-", uint64(0)
	l.Walk(func(name string, value uint64, _ string) {
		owner, counter := "channel", name
		if rest, ok := strings.CutPrefix(name, "line_"); ok {
			owner, counter, _ = strings.Cut(rest, ".")
			owner = strings.ToUpper(owner)
		}
		counter, unit, _ := strings.Cut(counter, ".")
		if unit == "packets" || unit == "ranges" {
			first = value
			return
		}
		shown := strconv.FormatUint(value, 10)
		if unit == "messages" {
			shown = fmt.Sprintf("%d/%d", first, value)
			value |= first
		}
		if value == 0 {
			return
		}
		if owner != of {
			if of != "-" {
				text.WriteByte('\n')
			}
			fmt.Fprintf(&text, "  | %s:", owner)
			of = owner
		}
		fmt.Fprintf(&text, " %s %s", counter, shown)
	})
	return strings.TrimSpace(text.String()) + "\n"
}

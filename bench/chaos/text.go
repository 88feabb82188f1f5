//go:build linux

package chaos

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// WriteText writes the report for people.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	e := &r.Environment
	fmt.Fprintf(&b, "drills on %s, %d CPUs, %s, %s; load average %s, then %s; %s; seed %d\n",
		e.CPU, e.CPUs, e.Platform, e.Go, r.LoadBefore, r.LoadAfter, r.Took.Round(time.Second), r.Seed)
	fmt.Fprintf(&b, "limits: stale after %s, silence %s, gap deadline %s, tick %s\n",
		r.Limits.StaleAfter, r.Limits.Silence, r.Limits.GapDeadline, r.Limits.Tick)
	fmt.Fprintf(&b, "%-34s %s\n", "timers of this machine, late by", r.Timers)
	if r.Relay.Count > 0 {
		fmt.Fprintf(&b, "%-34s %s\n", "delayed packets of the relay", r.Relay)
	}
	for _, d := range r.Drills {
		d.text(&b)
	}
	b.WriteString("\npromises\n")
	for _, p := range r.Promises {
		verdict := "kept"
		switch {
		case !p.Kept && p.Timing:
			verdict = "not met"
		case !p.Kept:
			verdict = "BROKEN"
		case p.Timing:
			verdict = "met"
		}
		fmt.Fprintf(&b, "  %-8s %s: %s\n", verdict, p.Text, p.Says)
	}
	for _, text := range r.Broken() {
		fmt.Fprintf(&b, "  BROKEN   %s\n", text)
	}
	for _, name := range r.Undecided() {
		fmt.Fprintf(&b, "  UNDECIDED %s: this machine was too late in every repetition\n", name)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *DrillReport) text(b *strings.Builder) {
	fmt.Fprintf(b, "\n%s: %s\n", r.Name, r.Says)
	for _, s := range r.Steps {
		fmt.Fprintf(b, "  injected    %s\n", s)
	}
	line := func(what string, d Distribution) {
		if d.Count > 0 {
			fmt.Fprintf(b, "  %-31s %s\n", what, d)
		}
	}
	what := map[Since]string{
		SinceBehind: "50 ms behind", SinceLate: "first late packet", SinceSilent: "silence limit", SinceGap: "gap deadline",
	}[r.Expect.Since]
	line("decided, after the "+what, r.Decided)
	if r.Expect.Since == SinceGap {
		line("first mark read, after the "+what, r.Seen)
	} else {
		line("read by a subscriber", r.Seen)
	}
	line("out of the consolidated dataset", r.Left)
	line("latest message, after the venue", r.Latest)
	line("longest silence of a subscriber", r.Silence)
	line("  of the venue in the drill", r.Venue)
	line("books as the venue's, after heal", r.Recovered)
	r.sumText(b)
}

// sumText writes what was counted over all repetitions.
func (r *DrillReport) sumText(b *strings.Builder) {
	var x Experience
	var c ChannelReport
	var snapshots, requests, hostile uint64
	levels := 0
	reasons := map[string]int{}
	var order []string
	for _, one := range r.Runs {
		if len(one.Broken) == 0 && len(one.Disturbed) > 0 {
			continue
		}
		x.Records += one.Noticed.Records
		x.Marked += one.Noticed.Marked
		x.Marks += one.Noticed.Marks
		x.Refreshes += one.Noticed.Refreshes
		snapshots, requests, hostile = snapshots+one.Snapshots, requests+one.Requests, hostile+one.Hostile
		levels += one.Levels
		for _, of := range one.Channels {
			c.Lost += of.Lost
			c.Filled += of.Filled
			c.Retransmitted += of.Retransmitted
		}
		for _, n := range one.Noticed.Notices {
			text, _, _ := strings.Cut(n.Text, " by ")
			if reasons[text] == 0 {
				order = append(order, text)
			}
			reasons[text]++
		}
	}
	for _, text := range order {
		fmt.Fprintf(b, "  said        %d times: %s\n", reasons[text], text)
	}
	fmt.Fprintf(b, "  subscriber  %d records, %d of them marked; %d books published anew, %d marks set or taken back\n",
		x.Records, x.Marked, x.Refreshes, x.Marks)
	fmt.Fprintf(b, "  messages    on all channels %d announced as lost, %d filled, %d of them by retransmission; %d requests, %d snapshots",
		c.Lost, c.Filled, c.Retransmitted, requests, snapshots)
	if hostile > 0 {
		fmt.Fprintf(b, ", %d hostile datagrams", hostile)
	}
	counted := r.counted()
	fmt.Fprintf(b, "\n  outcome     %d of %d repetitions right; %d levels compared", counted-r.Broken, counted, levels)
	if r.Disturbed > 0 {
		fmt.Fprintf(b, "; %d more were disturbed by the machine, and do not count", r.Disturbed)
	}
	b.WriteString("\n")
}

// String writes the percentiles.
func (d Distribution) String() string {
	return fmt.Sprintf("p50 %8s  p90 %8s  p99 %8s  max %8s  (%d)", short(d.P50), short(d.P90), short(d.P99), short(d.Max), d.Count)
}

// short writes a time to three digits or so.
func short(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return fmt.Sprintf("%d us", d.Microseconds())
	case d < time.Second:
		return fmt.Sprintf("%.2f ms", float64(d)/1e6)
	default:
		return fmt.Sprintf("%.2f s", d.Seconds())
	}
}

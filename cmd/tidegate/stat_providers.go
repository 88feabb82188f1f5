package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"tidegate/gateway/admin"
)

// writeProviders shows which provider of each feed is believed, and with decisions, the latest switches.
func writeProviders(w *tabwriter.Writer, out io.Writer, feeds []admin.ChoiceReport, decisions bool) error {
	for i := range feeds {
		f := &feeds[i]
		fmt.Fprintf(out, "choice   %s: %s is active", f.Feed, f.Active)
		if f.Stale {
			fmt.Fprint(out, ", THE FEED IS STALE")
		}
		if f.Preferred != "" {
			fmt.Fprintf(out, ", an operator prefers %s", f.Preferred)
		}
		fmt.Fprintf(out, ", %s, stale %s", severalTimes(f.Switches, "switch", "switches"), severalTimes(f.TimesStale, "time", "times"))
		if f.RefreshDue > 0 {
			fmt.Fprintf(out, ", %s to be published anew", several(f.RefreshDue, "instrument"))
		}
		fmt.Fprintln(out)
		fmt.Fprintln(w, "provider\t\trank\twhy\tby\tforced\tgap\tlag\tage\twon\tlost\tlater by\tforwarded\tstandby\t")
		for j := range f.Providers {
			p := &f.Providers[j]
			active, gap := "", "-"
			if p.Name == f.Active {
				active = "active"
			}
			if p.Gapped {
				gap = "GAP"
			}
			forced := p.Override
			if forced == "none" {
				forced = "-"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%s\t%d\t%d\t\n", p.Name, active, p.Rank, p.Reason,
				ageOr(&p.By, p.By > 0), forced, gap, ageOr(p.Lag, p.Lag != nil), ageOr(p.LagAge, p.LagAge != nil),
				p.Margin.Won, p.Margin.Lost, age(time.Duration(p.Margin.BehindAverage)), p.Forwarded, p.Standby)
		}
		if err := w.Flush(); err != nil {
			return err
		}
		if !decisions {
			continue
		}
		for _, d := range f.Decisions {
			fmt.Fprintf(out, "%s  %s to %s: %s", d.At.UTC().Format("2006-01-02T15:04:05.000Z"), d.From, d.To, d.Reason)
			if d.By > 0 {
				fmt.Fprintf(out, " by %s", age(d.By))
			}
			fmt.Fprintln(out)
		}
	}
	return nil
}

// severalTimes returns a number of things of which there may be more than one.
func severalTimes(n uint64, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}

// ageOr returns a duration in few digits, or a dash.
func ageOr(d *time.Duration, known bool) string {
	if !known {
		return "-"
	}
	return age(*d)
}

// rankOf returns a line's rank, and why it has it if that is not the best.
func rankOf(b *admin.BreakerReport) string {
	switch {
	case b == nil:
		return "-"
	case b.Breaker == "closed":
		return b.Rank
	default:
		return b.Rank + " " + b.Reason
	}
}

// writeJournal shows the journal, if there is one.
func writeJournal(out io.Writer, j *admin.JournalReport) {
	if j == nil {
		return
	}
	state := "keeping"
	switch {
	case j.Dropping:
		state = "DROPPING"
	case j.Stalled != "":
		state = "STALLED (" + j.Stalled + ")"
	case j.Spilling:
		state = "SPILLING"
	}
	fmt.Fprintf(out, "journal  %s in %s: %d entries, durable up to %d, %d dropped, %d KiB wait; %s, %d MiB, %d MiB free",
		state, j.Dir, j.Entries, j.DurableIndex, j.Dropped, j.QueueBytes>>10, several(j.Segments, "segment"), j.StoredBytes>>20, j.FreeBytes>>20)
	if j.Damaged > 0 {
		fmt.Fprintf(out, ", %d DAMAGED", j.Damaged)
	}
	if j.HeldBy != "" {
		fmt.Fprintf(out, ", %d MiB kept for %s", j.HeldBytes>>20, j.HeldBy)
	}
	fmt.Fprintln(out)
}

package main

import (
	"fmt"
	"io"

	"tidegate/gateway/admin"
	"tidegate/gateway/recovery"
)

// writeRecovery shows what was done about messages that the lines had lost, if anything.
func writeRecovery(out io.Writer, f *admin.FeedReport) {
	if r := f.Retransmit; r != nil {
		fmt.Fprintf(out, "         retransmission: %s too large to ask for, requests had to wait %d times (budget %d, in flight %d, servers %d)\n",
			several(int(r.TooLarge.Ranges), "gap"), r.WaitsBudget+r.WaitsInFlight+r.WaitsServers, r.WaitsBudget, r.WaitsInFlight, r.WaitsServers)
		for i := range r.Servers {
			s := &r.Servers[i]
			fmt.Fprintf(out, "         server %d: %s, %d requests for %d messages: %d answered, %d timed out (%d answered late), %d abandoned, %d in flight; %d messages brought\n",
				s.Number, s.State, s.Requests.Requests, s.Requests.Messages, s.Answered.Requests, s.TimedOut.Requests, s.Late,
				s.Abandoned.Requests, s.InFlight.Requests, s.Brought)
			if i < len(r.Proxies) {
				writeProxy(out, &r.Proxies[i])
			}
		}
	}
	for i := range f.Lines {
		if r := f.Lines[i].Requests; r != nil && r.Failed+r.Strangers > 0 {
			fmt.Fprintf(out, "         line %s: %d of %d requests could not be sent", f.Lines[i].Name, r.Failed, r.Sent+r.Failed)
			if r.LastError != "" {
				fmt.Fprintf(out, " (%s)", r.LastError)
			}
			fmt.Fprintf(out, ", %s of strangers\n", several(int(r.Strangers), "datagram"))
		}
	}
	if c := f.Rebuilds; c != nil && c.Begun > 0 {
		fmt.Fprintf(out, "         books made anew: %d of %d; given up: %d old, %d faulty, %d kept too much, %d new epochs", c.Done, c.Begun,
			c.Old, c.Faulty, c.Kept, c.Epochs)
		if c.UnderWay {
			fmt.Fprintf(out, "; under way, %d KiB kept", c.KeptNow>>10)
		}
		if c.Withheld > 0 {
			fmt.Fprintf(out, "; %s withheld", several(int(c.Withheld), "event"))
		}
		fmt.Fprintln(out)
	}
	writeSnapshots(out, f)
}

// writeProxy shows what a gap request proxy said to requests, and to us.
func writeProxy(out io.Writer, p *recovery.GapCounts) {
	state := "NO SESSION"
	if p.Ready {
		state = "ready"
	}
	fmt.Fprintf(out, "                   proxy %s: %s, %d accepted, %d refused, %d unanswered, %d lost, %d unsent; %s, %d refused", p.Address, state,
		p.Accepted, p.Refused, p.Unanswered, p.Lost, p.Unsent, several(int(p.Logins), "login"), p.LoginsRefused)
	if p.LastStatus != "" {
		fmt.Fprintf(out, "; last refusal: %s", p.LastStatus)
	}
	if !p.Ready && p.LastError != "" {
		fmt.Fprintf(out, " (%s)", p.LastError)
	}
	fmt.Fprintln(out)
}

// writeSnapshots shows what was had from snapshot servers, and what connections of lines did.
func writeSnapshots(out io.Writer, f *admin.FeedReport) {
	if r := f.Snapshots; r != nil {
		for i := range r.Servers {
			s := &r.Servers[i]
			fmt.Fprintf(out, "         snapshots of %s: breaker %s, %s, %d of them good", s.Name, s.Breaker, several(int(s.Attempts), "attempt"), s.Outcomes[recovery.Done.String()])
			if s.UnderWay {
				fmt.Fprint(out, ", one under way")
			}
			if s.LastError != "" {
				fmt.Fprintf(out, " (%s)", s.LastError)
			}
			fmt.Fprintln(out)
		}
	}
	for i := range f.Lines {
		l := &f.Lines[i]
		if t := l.TCP; t != nil {
			state := "NOT CONNECTED"
			if t.Connected {
				state = "connected"
			}
			fmt.Fprintf(out, "         line %s by tcp: %s, %s, %d logins, %d refused, %s missed", l.Name, state,
				several(int(t.Dials), "dial"), t.Logins, t.Refused, several(int(t.Missed), "message"))
			if t.LastError != "" {
				fmt.Fprintf(out, " (%s)", t.LastError)
			}
			fmt.Fprintln(out)
		}
	}
}

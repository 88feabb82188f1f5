//go:build linux

package chaos

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"tidegate/internal/venue"
	"tidegate/market"
)

var noTrouble venue.SoupSettings

// A saying is what a message of the gateway means.
type saying struct {
	kind     sayingKind
	from, to string // providers, of switched
	reason   string
}

type sayingKind uint8

const (
	saidElse sayingKind = iota
	switched
	becameStale
	becameFresh
)

// parseNotice reads "switched from provider north to south: behind by 50.8 ms", "stale: no provider is fresh, the
// active one is silent by 1000.2 ms" and "fresh again".
func parseNotice(text string) saying {
	rest, ok := strings.CutPrefix(text, "switched from provider ")
	if ok {
		names, why, _ := strings.Cut(rest, ": ")
		from, to, _ := strings.Cut(names, " to ")
		reason, _, _ := strings.Cut(why, " by ")
		return saying{kind: switched, from: from, to: to, reason: reason}
	}
	if why, ok := strings.CutPrefix(text, "stale: no provider is fresh, the active one is "); ok {
		reason, _, _ := strings.Cut(why, " by ")
		return saying{kind: becameStale, reason: reason}
	}
	if text == "fresh again" {
		return saying{kind: becameFresh}
	}
	return saying{}
}

// judge looks what a repetition has shown, and notes what was promised and not kept.
func (t *trial) judge(d *Drill, r *RunReport, before, after look) {
	r.account(before, after)
	t.judgeNotices(d, r)
	t.judgeMessages(d, r, after)
	t.time(d, r)
	if len(r.doubts) == 0 {
		return
	}
	if late := r.Quality.worst(); late > t.site.disturbing() {
		r.Disturbed = append(r.doubts, fmt.Sprintf("this machine was %s late", short(late)))
		return
	}
	r.Broken = append(r.Broken, r.doubts...)
}

// disturbing is how late this machine may be before it can make a gateway do what it need not.
func (s *site) disturbing() time.Duration { return min(s.feed.StaleAfter, s.feed.GapDeadline) / 2 }

// account notes what counters say.
func (r *RunReport) account(before, after look) {
	r.Channels = map[string]ChannelReport{}
	for name := range after.channels {
		b, a := before.channels[name], after.channels[name]
		c := ChannelReport{
			Messages: a.Messages - b.Messages,
			Lost:     a.Ledger.GapsAnnounced().Messages - b.Ledger.GapsAnnounced().Messages,
			Filled:   a.Ledger.GapsFilled.Messages - b.Ledger.GapsFilled.Messages,
			Balanced: a.Balanced,
		}
		for i := range a.Lines {
			if a.Lines[i].Name == "R" {
				c.Retransmitted = a.Lines[i].Ledger.Published.Messages
				if i < len(b.Lines) {
					c.Retransmitted -= b.Lines[i].Ledger.Published.Messages
				}
			}
		}
		if !c.Balanced {
			r.broke("the ledger of %s does not balance", name)
		}
		r.Channels[name] = c
	}
	r.Snapshots = after.snapshots - before.snapshots
	r.Requests = after.asked.Requests - before.asked.Requests
	r.Answers = after.asked.Answers - before.asked.Answers
	r.Hostile = after.asked.Hostile - before.asked.Hostile
}

// judgeNotices looks at switches and stale marks.
func (t *trial) judgeNotices(d *Drill, r *RunReport) {
	e := &d.Expect
	active, stale := t.active, false
	for i := range r.Noticed.Notices {
		n := &r.Noticed.Notices[i]
		said := parseNotice(n.Text)
		switch said.kind {
		case switched:
			if said.from != active {
				r.broke("%q, but %s was active", n.Text, active)
			}
			active = said.to
			switch {
			case said.to == t.active && said.reason == "preferred":
			case r.switched == nil && slices.Contains(e.Switch, said.reason):
				r.switched = n
			case !e.MaySwitch:
				r.doubt("without need: %s", n.Text)
			}
		case becameStale:
			if stale = true; r.stale == nil {
				r.stale = n
			}
			if !e.Stale {
				r.doubt("without need: %s", n.Text)
			}
		case becameFresh:
			stale = false
		case saidElse:
			r.broke("the gateway said %q", n.Text)
		}
	}
	switch {
	case len(e.Switch) > 0 && r.switched == nil:
		r.doubt("the feed did not switch")
	case e.Stale && r.stale == nil:
		r.broke("the feed was not marked as stale")
	}
	if stale {
		r.broke("the feed is still stale")
	}
	if active != t.active {
		r.broke("the feed is still with %s", active)
	}
	if e.Stale && t.site.quotes != nil && !r.left.Defined() {
		r.broke("the feed did not leave the consolidated dataset")
	}
	if !e.Stale && r.left.Defined() {
		r.doubt("the feed left the consolidated dataset without need")
	}
}

// judgeMessages looks at what came to the subscriber, and how.
func (t *trial) judgeMessages(d *Drill, r *RunReport, after look) {
	e, s := &d.Expect, &r.Noticed
	if s.Faults > 0 {
		r.broke("%d records do not fit the subscriber's book: %s", s.Faults, s.Fault)
	}
	lost, filled, retransmitted := uint64(0), uint64(0), uint64(0)
	for _, c := range r.Channels {
		lost, filled, retransmitted = lost+c.Lost, filled+c.Filled, retransmitted+c.Retransmitted
	}
	undisturbed := len(e.Switch) == 0 && !e.Stale && !e.Lost
	switch {
	case e.Lost && lost == 0:
		r.doubt("no gap was announced")
	case undisturbed && lost > 0:
		r.doubt("%d messages were lost", lost)
	}
	if !e.Lost && !e.Stale && s.Marked > 0 {
		r.doubt("%d records were marked without need", s.Marked)
	}
	if (e.Lost || e.Stale) && s.Marked == 0 {
		r.doubt("no record was marked")
	}
	if undisturbed && s.Refreshes > 0 {
		r.doubt("%d books were published anew without need", s.Refreshes)
	}
	if !undisturbed && s.Refreshes == 0 && !e.Stale {
		r.doubt("no book was published anew")
	}
	if e.Filled && (filled == 0 || retransmitted == 0) {
		r.doubt("retransmission filled nothing: %d requests, %d answers", r.Requests, r.Answers)
	}
	if e.Snapshot && r.Snapshots == 0 {
		r.doubt("no snapshot was asked for")
	}
	for name := range after.channels {
		if open := after.channels[name].Ledger.GapsOpen.Messages; open > 0 {
			r.broke("%s: a gap of %d messages is still open", name, open)
		}
	}
}

// time measures how long the gateway took.
func (t *trial) time(d *Drill, r *RunReport) {
	from := t.since(d.Expect.Since, r)
	if !from.Defined() {
		return
	}
	switch {
	case r.switched != nil:
		r.Timed = &Timing{Decided: span(r.switched.At, from), Seen: span(r.switched.Seen, from)}
	case r.stale != nil:
		r.Timed = &Timing{Decided: span(r.stale.At, from), Seen: span(r.stale.Seen, from)}
		if r.left.Defined() {
			r.Timed.Left = span(r.left, from)
		}
	case d.Expect.Since == SinceGap && r.Noticed.FirstMark != 0:
		r.Timed = &Timing{Seen: span(r.Noticed.FirstMark, from)}
	}
}

func span(to, from market.Nanos) time.Duration { return time.Duration(to - from) }

// since returns from when on the gateway was expected to act, UndefTime if that cannot be said.
func (t *trial) since(what Since, r *RunReport) market.Nanos {
	latest := market.UndefTime
	for i := range r.paths {
		p := &r.paths[i]
		if !matches(r.provider+"/*", p.Name) {
			continue
		}
		at := map[Since]market.Nanos{
			SinceBehind: p.Met, SinceLate: p.Met, SinceSilent: p.LastSent, SinceGap: p.Shown,
		}[what]
		if !at.Defined() {
			return market.UndefTime // a line that the fault did not meet
		}
		latest = max(latest, at)
	}
	if !latest.Defined() || what == "" {
		return market.UndefTime
	}
	switch what {
	case SinceBehind:
		latest += market.Nanos(t.site.feed.StaleAfter)
	case SinceLate:
		latest += market.Nanos(r.delay)
	case SinceSilent:
		latest += market.Nanos(t.site.feed.Silence)
	case SinceGap:
		latest += market.Nanos(t.site.feed.GapDeadline)
	}
	return latest
}

// doubt notes a promise that was broken by the gateway, or by a machine that made it late.
func (r *RunReport) doubt(format string, args ...any) {
	r.doubts = append(r.doubts, fmt.Sprintf(format, args...))
}

// broke notes a broken promise.
func (r *RunReport) broke(format string, args ...any) {
	r.Broken = append(r.Broken, fmt.Sprintf(format, args...))
}

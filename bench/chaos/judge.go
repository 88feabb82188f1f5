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
	t.weigh(r)
}

// weigh finds out whether doubts are the gateway's: this machine may have been so late itself that a gateway had to do
// what it did. Prices are late for a gateway when the venue or the relay was; an answer is late when anything was.
func (t *trial) weigh(r *RunReport) {
	prices := max(r.Quality.VenueLate, r.Quality.RelayLate) > t.site.feed.StaleAfter/2
	answers := r.Quality.worst() > t.site.feed.GapDeadline/2
	disturbed := false
	for _, d := range r.doubts {
		if d.about == ofPrices && !prices || d.about == ofAnswers && !prices && !answers {
			r.Broken = append(r.Broken, d.text)
			continue
		}
		disturbed = true
		r.Disturbed = append(r.Disturbed, d.text)
	}
	if disturbed {
		r.Disturbed = append(r.Disturbed, fmt.Sprintf("this machine was %s late", short(r.Quality.worst())))
	}
}

// A doubt is a promise that was broken by the gateway, or by a machine that made it late.
type doubt struct {
	about subject
	text  string
}

// A subject is what a doubt is about: whether prices were called late that were not, or the other way round; or what
// answers of servers achieved.
type subject uint8

const (
	ofPrices subject = iota
	ofAnswers
)

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
			case said.reason == "behind" && t.shownLate(r):
				r.excused = true // for what nobody could see earlier
			case !e.MaySwitch:
				r.doubt(ofPrices, "without need: %s", n.Text)
			}
		case becameStale:
			if stale = true; r.stale == nil {
				r.stale = n
			}
			if !e.Stale {
				r.doubt(ofPrices, "without need: %s", n.Text)
			}
		case becameFresh:
			stale = false
		case saidElse:
			r.broke("the gateway said %q", n.Text)
		}
	}
	switch {
	case len(e.Switch) > 0 && r.switched == nil:
		r.doubt(ofPrices, "the feed did not switch")
	case e.Stale && r.stale == nil:
		r.broke("the feed was not marked as stale")
	}
	if stale {
		r.doubt(ofPrices, "the feed is still stale")
	}
	if active != t.active {
		r.doubt(ofPrices, "the feed is still with %s", active)
	}
	if e.Stale && t.site.quotes != nil && !r.left.Defined() {
		r.broke("the feed did not leave the consolidated dataset")
	}
	if !e.Stale && r.left.Defined() {
		r.doubt(ofPrices, "the feed left the consolidated dataset without need")
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
	undisturbed := len(e.Switch) == 0 && !e.Stale && !e.Lost && !r.excused
	switch {
	case e.Lost && lost == 0:
		r.doubt(ofAnswers, "no gap was announced")
	case undisturbed && lost > 0:
		r.doubt(ofAnswers, "%d messages were lost", lost)
	}
	if !e.Lost && !e.Stale && s.Marked > 0 {
		r.doubt(ofPrices, "%d records were marked without need", s.Marked)
	}
	if (e.Lost || e.Stale) && s.Marked == 0 {
		r.doubt(ofPrices, "no record was marked")
	}
	if undisturbed && s.Refreshes > 0 {
		r.doubt(ofPrices, "%d books were published anew without need", s.Refreshes)
	}
	if !undisturbed && !r.excused && s.Refreshes == 0 && !e.Stale {
		r.doubt(ofPrices, "no book was published anew")
	}
	if e.Filled && (filled == 0 || retransmitted == 0) {
		r.doubt(ofAnswers, "retransmission filled nothing: %d requests, %d answers", r.Requests, r.Answers)
	}
	if hostile := slices.ContainsFunc(d.Steps, func(s Step) bool { return s.Retransmit.hostile() }); hostile && r.Hostile == 0 {
		r.doubt(ofAnswers, "the hostile server was not asked")
	}
	if e.Snapshot && r.Snapshots == 0 {
		r.doubt(ofAnswers, "no snapshot was asked for")
	}
	for name := range after.channels {
		if open := after.channels[name].Ledger.GapsOpen.Messages; open > 0 {
			r.broke("%s: a gap of %d messages is still open", name, open)
		}
	}
}

// shownLate reports whether the packet that showed a loss came so long after what was lost that another provider was
// ahead for longer than the limit, before a request could have been answered.
func (t *trial) shownLate(r *RunReport) bool {
	for i := range r.paths {
		p := &r.paths[i]
		if matches(t.active+"/*", p.Name) && p.Met.Defined() && p.Shown.Defined() &&
			time.Duration(p.Shown-p.Met)+t.site.feed.GapDeadline > t.site.feed.StaleAfter {
			return true
		}
	}
	return false
}

// time measures how long the gateway took.
func (t *trial) time(d *Drill, r *RunReport) {
	from := t.since(d.Expect.Since, r)
	if !from.Defined() {
		return
	}
	switch {
	case r.switched != nil && parseNotice(r.switched.Text).reason == "silent":
		// Nobody was ahead: the lag had not begun.
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
		if !matches(t.active+"/*", p.Name) {
			continue
		}
		at := map[Since]market.Nanos{
			SinceBehind: p.Met, SinceLate: p.Met, SinceSilent: p.QuietFrom, SinceGap: p.Shown,
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

func (r *RunReport) doubt(about subject, format string, args ...any) {
	r.doubts = append(r.doubts, doubt{about, fmt.Sprintf(format, args...)})
}

// broke notes a broken promise.
func (r *RunReport) broke(format string, args ...any) {
	r.Broken = append(r.Broken, fmt.Sprintf(format, args...))
}

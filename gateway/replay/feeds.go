package replay

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// FeedSummary is about one feed that a recording describes.
type FeedSummary struct {
	Name      string            `json:"name"`
	Publisher string            `json:"publisher"`
	Active    string            `json:"active"` // provider, at the end
	Providers []ProviderSummary `json:"providers"`
	// Switches are choices of another provider, the first of all included; Decided lists the first hundred.
	Switches uint64          `json:"switches"`
	Decided  []SwitchSummary `json:"decided,omitempty"`
	// TimesStale is how often no provider was fresh; Stale says when, and when one was again, a hundred times.
	TimesStale uint64         `json:"times_stale"`
	Stale      []StaleSummary `json:"stale,omitempty"`
	Refreshed  uint64         `json:"refreshed"` // instruments, after switches and snapshots
	Events     uint64         `json:"events"`
	StreamHash string         `json:"stream_hash"` // as that of a channel, over what the feed published
}

// ProviderSummary is about one provider of a feed.
type ProviderSummary struct {
	Name      string `json:"name"`
	Channel   string `json:"channel"`
	Forwarded uint64 `json:"forwarded_events"`
	Standby   uint64 `json:"standby_events"`           // not published, because another provider was active
	Unnamed   uint64 `json:"unnamed_events,omitempty"` // not published, because nobody can tell their instrument
}

// SwitchSummary is one choice of another provider.
type SwitchSummary struct {
	At     string  `json:"at"`
	From   string  `json:"from"`
	To     string  `json:"to"`
	Reason string  `json:"reason"`
	By     float64 `json:"by_ms,omitempty"` // how late, how far behind or how long silent it was
}

// StaleSummary is a change of whether a feed could be relied on.
type StaleSummary struct {
	At     string `json:"at"`
	Stale  bool   `json:"stale"`
	Reason string `json:"reason"` // what was wrong with the active provider
}

// summariseFeeds sums up what recordings say and hold beside datagrams.
func (r *run) summariseFeeds(s *Summary) {
	if in := &r.channels.inputs; in.Total() > 0 {
		s.Recorded = in
		s.fault("damaged recorded inputs", in.Damaged)
		s.fault("recorded inputs of no feed", in.Foreign)
		for _, n := range in.Unknown {
			s.fault("unknown recorded inputs", n)
		}
		if !r.opt.AsFound {
			s.fault("recorded inputs without a description", in.AsFound)
		}
	}
	for _, from := range r.channels.sinks {
		if from.choice != nil {
			s.Feeds = append(s.Feeds, summariseFeed(from))
		}
	}
}

func summariseFeed(from *sink) FeedSummary {
	l := from.choice.Ledger()
	f := FeedSummary{
		Name: from.name, Publisher: from.publisher.Dataset, Active: l.Active,
		TimesStale: l.TimesStale, Refreshed: l.Refreshed,
		Events: from.events, StreamHash: fmt.Sprintf("%016x", from.hasher.Sum()),
	}
	for _, n := range l.Reasons {
		f.Switches += n
	}
	for i, p := range l.Providers {
		f.Providers = append(f.Providers, ProviderSummary{
			p.Name, from.channels[i].Name, p.Forwarded, p.Standby, p.Unnamed,
		})
	}
	for _, s := range from.switches {
		f.Decided = append(f.Decided, SwitchSummary{timeText(s.At), s.From, s.To, s.Reason.String(), float64(s.By) / 1e6})
	}
	for _, s := range from.stale {
		f.Stale = append(f.Stale, StaleSummary{timeText(s.At), s.Stale, s.Reason.String()})
	}
	return f
}

// recorded writes what a recording held beside its datagrams.
func (p *printer) recorded(s *RecordedSummary) {
	p.row("recording", "%s decisions, %s inputs for snapshots", count(s.Decisions), count(s.Snapshots))
	left := map[string]uint64{"not described": s.AsFound, "damaged": s.Damaged, "of no feed": s.Foreign}
	maps.Copy(left, s.Unknown)
	maps.DeleteFunc(left, func(_ string, n uint64) bool { return n == 0 })
	if len(left) > 0 {
		p.list("", append([]string{"left out"}, counts(left)...))
	}
}

// feed writes what was chosen among the providers of a feed.
func (p *printer) feed(f *FeedSummary) {
	const shown = 5
	p.line("")
	p.row("feed", "%s (%s)", f.Name, f.Publisher)
	for _, v := range f.Providers {
		notes := []string{count(v.Forwarded) + " events"}
		if v.Standby > 0 {
			notes = append(notes, count(v.Standby)+" on standby")
		}
		if v.Unnamed > 0 {
			notes = append(notes, count(v.Unnamed)+" of instruments without a symbol")
		}
		if v.Name == f.Active && len(f.Providers) > 1 {
			notes = append(notes, "active at the end")
		}
		p.row("provider", "%s: %s", v.Name, strings.Join(notes, ", "))
	}
	if f.Switches > 0 {
		p.row("switches", "%s; %s instruments refreshed", count(f.Switches), count(f.Refreshed))
	}
	for i, s := range f.Decided {
		if i == shown {
			p.row("", "... %s more", count(f.Switches-shown))
			break
		}
		by := ""
		if s.By > 0 {
			by = fmt.Sprintf(" by %.1f ms", s.By)
		}
		p.row("", "%s, %s to %s: %s%s", s.At, s.From, s.To, s.Reason, by)
	}
	if f.TimesStale > 0 {
		p.row("stale", "%s times", count(f.TimesStale))
		for _, s := range f.Stale[:min(len(f.Stale), shown)] {
			state := "fresh again"
			if s.Stale {
				state = "no provider fresh: " + s.Reason
			}
			p.row("", "%s, %s", s.At, state)
		}
	}
	p.row("published", "%s events", count(f.Events))
	p.row("stream", "hash %s", f.StreamHash)
}

// snapshots writes what came of the snapshots of a channel's books.
func (p *printer) snapshots(c *ChannelSummary) {
	s := c.Snapshots
	failed := make(map[string]uint64)
	for reason, n := range map[string]uint64{"too old": s.Old, "faulty": s.Faulty, "overtaken": s.Kept, "ended by a new epoch": s.Epochs} {
		if n > 0 {
			failed[reason] = n
		}
	}
	p.row("snapshots", "%s spliced of %s asked for; %s messages, %s applied on top", count(s.Done), count(s.Begun), count(s.Messages), count(s.Applied))
	if len(failed) > 0 {
		p.list("", slices.Concat([]string{"given up"}, counts(failed)))
	}
}

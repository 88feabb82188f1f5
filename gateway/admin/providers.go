//go:build linux

package admin

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"tidegate/gateway/breaker"
	"tidegate/gateway/providers"
	"tidegate/market"
)

// This file shows the choice among the providers of each feed, and lets an operator have a say in it.

// choiceState is a copy of what the loop owns of a choice.
type choiceState struct {
	at       market.Nanos // the loop's time
	ledger   providers.Ledger
	breakers []breakerState
}

type breakerState struct {
	since    market.Nanos
	opened   uint64
	override breaker.Override
}

// take copies what the loop owns of a choice. It runs on the loop.
func (s *choiceState) take(f *Feed, at market.Nanos) {
	s.at, s.ledger = at, f.Choice.Ledger()
	for i := range s.ledger.Providers {
		b := f.Judge.Breaker(i)
		s.breakers = append(s.breakers, breakerState{b.Since(), b.Opened(), b.Override()})
	}
}

// Providers reports which provider of each feed is believed, and why.
func (m *Monitor) Providers(ctx context.Context) (*ProvidersReport, error) {
	s, err := m.state(ctx)
	if err != nil {
		return nil, err
	}
	return &ProvidersReport{At: s.at, Feeds: m.providers(s)}, nil
}

func (m *Monitor) providers(s *state) []ChoiceReport {
	reports := make([]ChoiceReport, len(m.src.Feeds))
	for i := range m.src.Feeds {
		reports[i] = choiceReport(&m.src.Feeds[i], &s.feeds[i])
	}
	return reports
}

func choiceReport(f *Feed, s *choiceState) ChoiceReport {
	l := &s.ledger
	r := ChoiceReport{
		Feed: f.Name, Dataset: f.dataset(), Active: l.Active, Preferred: l.Preferred, Stale: l.Stale,
		Switches: l.Switches, Reasons: l.Reasons, TimesStale: l.TimesStale, Refreshed: l.Refreshed, RefreshDue: l.RefreshDue,
		Decisions: []DecisionReport{},
	}
	for i := range l.Providers {
		p, b := &l.Providers[i], &s.breakers[i]
		of := ProviderReport{
			Name: p.Name, Channel: f.Channels[i].Name,
			BreakerReport: breakerReport(p.State, p.Reason, p.By, b.since, b.opened),
			Override:      overrideText(b.override), Heard: p.Heard, Gapped: p.Gapped,
			Implausible: p.Implausible, Steps: p.Steps, Margin: p.Margin,
			Forwarded: p.Forwarded, Standby: p.Standby, Unnamed: p.Unnamed,
		}
		if p.LagSeen.Defined() {
			lag, age, offset := time.Duration(p.Lag), max(time.Duration(s.at-p.LagSeen), 0), time.Duration(p.Offset)
			of.Lag, of.LagAge, of.Offset = &lag, &age, &offset
		}
		r.Providers = append(r.Providers, of)
	}
	for _, d := range l.Decisions {
		r.Decisions = append(r.Decisions, DecisionReport{
			At: timeOf(d.At), From: d.From, To: d.To, Reason: d.Reason.String(), By: time.Duration(d.By),
		})
	}
	return r
}

func breakerReport(s breaker.State, reason providers.Reason, by, since market.Nanos, opened uint64) BreakerReport {
	r := BreakerReport{Rank: s.Rank(), Breaker: s.String(), Opened: opened, Reason: reason.String(), By: time.Duration(by)}
	if since != 0 {
		r.Since = timeOf(since)
	}
	return r
}

// overrides are an operator's wishes by the words of the interface.
var overrides = map[string]breaker.Override{
	"none": breaker.None, "open": breaker.ForceOpen, "closed": breaker.ForceClosed,
}

func overrideText(o breaker.Override) string { return strings.TrimPrefix(o.String(), "force-") }

// Act does what an operator wants of a provider, and reports the feed as the loop's next tick leaves it. What was
// wanted holds until it is taken back, or the gateway ends.
func (m *Monitor) Act(ctx context.Context, feed, provider string, w Wish) (*ChoiceReport, error) {
	force, ok := overrides[w.Force]
	if (w.Prefer == nil) != ok || w.Prefer != nil && w.Force != "" {
		return nil, ErrWish
	}
	f, err := m.provider(feed, provider)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, answerMax)
	defer cancel()
	after := make(chan choiceState, 1)
	if err := m.call(ctx, func() {
		switch {
		case w.Prefer == nil:
			f.Judge.Force(provider, force)
		case *w.Prefer:
			f.Judge.Prefer(provider)
		case f.Choice.Ledger().Preferred == provider:
			f.Judge.Prefer("")
		}
		m.ticked = append(m.ticked, func() {
			var s choiceState
			s.take(f, m.src.Loop.Now())
			after <- s
		})
	}); err != nil {
		return nil, err
	}
	select {
	case s := <-after:
		m.mu.Lock()
		m.last = nil // it is from before
		m.mu.Unlock()
		r := choiceReport(f, &s)
		return &r, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for the ingest loop's next tick: %w", ctx.Err())
	}
}

// provider returns the feed that has a provider. The error names those that there are.
func (m *Monitor) provider(feed, provider string) (*Feed, error) {
	var names []string
	for i := range m.src.Feeds {
		f := &m.src.Feeds[i]
		if names = append(names, f.Name); f.Name != feed {
			continue
		}
		of := f.Choice.Names()
		if !slices.Contains(of, provider) {
			return nil, fmt.Errorf("provider %q of feed %q: %w: there is %s", provider, feed, ErrUnknown, strings.Join(of, ", "))
		}
		return f, nil
	}
	return nil, fmt.Errorf("feed %q: %w: there is %s", feed, ErrUnknown, strings.Join(names, ", "))
}

// providers shows the choice of each feed.
func (c collector) providers(e emitter, s *state) {
	for _, r := range c.monitor.providers(s) {
		e.gauge("feed_stale", "1 if no provider of the feed is fresh: its prices are marked.", truth(r.Stale), "feed", r.Feed)
		e.counter("feed_stale_times", "Times that the feed became stale.", r.TimesStale, "feed", r.Feed)
		e.counter("feed_refreshed_instruments", "Instruments published anew because of a switch to another provider.", r.Refreshed, "feed", r.Feed)
		e.gauge("feed_refresh_due_instruments", "Instruments that wait to be published anew.", float64(r.RefreshDue), "feed", r.Feed)
		for reason := providers.Unheard; reason <= providers.Operator; reason++ {
			name := reason.String()
			e.counter("provider_switches", "Switches to another provider, by what was wrong with the one before; the first choice is included.",
				r.Reasons[name], "feed", r.Feed, "reason", name)
		}
		for i := range r.Providers {
			c.provider(e, &r, &r.Providers[i])
		}
	}
}

func (c collector) provider(e emitter, r *ChoiceReport, p *ProviderReport) {
	labels := []string{"feed", r.Feed, "provider", p.Name}
	e.gauge("provider_active", "1 if it is the provider whose events are published.", truth(p.Name == r.Active), labels...)
	e.gauge("provider_preferred", "1 if an operator prefers it.", truth(p.Name == r.Preferred), labels...)
	e.gauge("provider_state", "2 if the provider is OK, 1 if it is SUSPECT, 0 if it is DOWN.", rankValue(p.Rank), labels...)
	e.gauge("provider_forced", "1 if an operator has overruled its breaker.", truth(p.Override != overrideText(breaker.None)), labels...)
	e.counter("provider_opened", "Times that its breaker opened by itself.", p.Opened, labels...)
	e.gauge("provider_gapped", "1 if an announced gap lies behind what it delivers.", truth(p.Gapped), labels...)
	if p.Lag != nil {
		e.gauge("provider_lag_seconds", "How late its newest event came, by the venue's clock and the learned difference of the clocks.", p.Lag.Seconds(), labels...)
		e.gauge("provider_lag_age_seconds", "Time since that event.", p.LagAge.Seconds(), labels...)
		e.gauge("provider_clock_offset_seconds", "Learned difference of the clocks, the shortest delay included.", p.Offset.Seconds(), labels...)
	}
	e.counter("provider_clock_steps", "Times that a clock was found to have been set.", p.Steps, labels...)
	e.counter("provider_implausible_times", "Venue times that were not believed.", p.Implausible, labels...)
	e.counter("provider_race_won", "Comparisons with the other providers in which it was first.", p.Margin.Won, labels...)
	e.counter("provider_race_lost", "Comparisons with the other providers in which it was not.", p.Margin.Lost, labels...)
	e.gauge("provider_race_behind_seconds", "How much later than the first one it was in those that it lost, on average over the last ones.",
		time.Duration(p.Margin.BehindAverage).Seconds(), labels...)
	e.counter("provider_forwarded_events", "Events of it that were published.", p.Forwarded, labels...)
	e.counter("provider_standby_events", "Events of it that were not published because another provider was active.", p.Standby, labels...)
	e.counter("provider_unnamed_events", "Events of it that were not published because their instruments have no symbol.", p.Unnamed, labels...)
}

// rankValue is a rank as a metric: larger is better.
func rankValue(rank string) float64 {
	for _, s := range []breaker.State{breaker.Closed, breaker.HalfOpen} {
		if rank == s.Rank() {
			return float64(s)
		}
	}
	return float64(breaker.Open)
}
